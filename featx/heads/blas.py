"""Flags that BLAS raises on finite numbers, which no user should hear of."""

import numpy as np


def ignore_flags() -> np.errstate:
    """Return a context in which NumPy says nothing of overflow, of division by zero and of invalid values.

    Vectorised kernels of OpenBLAS and Accelerate also compute lanes that belong to no element, and leave the flags of
    the processor behind (numpy issue 28687, for one); NumPy then warns of a product in which every number is right.
    For input that is known to be finite.

    Examples
    --------
    >>> with ignore_flags():
    ...     print(np.array([1.0]) / 0)
    [inf]
    """
    return np.errstate(all="ignore")
