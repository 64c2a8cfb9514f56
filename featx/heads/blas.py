"""Silencing the warnings that BLAS causes on finite numbers."""

import numpy as np


def ignore_flags() -> np.errstate:
    """Return a context in which NumPy does not warn of overflow, division by zero or invalid values.

    Vectorised kernels of OpenBLAS and Accelerate also compute lanes that belong to no element, and leave the
    processor's flags set (numpy issue 28687, for one). NumPy then warns about a product in which every number is right.
    Use it only where the input is known to be finite.

    Examples
    --------
    >>> with ignore_flags():
    ...     print(np.array([1.0]) / 0)
    [inf]
    """
    return np.errstate(all="ignore")
