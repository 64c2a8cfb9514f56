"""Threads that numerical libraries may use, and the warnings that BLAS causes on finite numbers."""

import joblib
import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped] # it has no types


def threads_allowed(api: str) -> int:
    """Return how many threads the libraries of an interface may start now.

    Parameters
    ----------
    api
        ``"blas"`` or ``"openmp"``.

    Returns
    -------
    int
        One for each core, or what ``OMP_NUM_THREADS``, joblib's share for a worker or `threadpool_limits` leaves.

    Examples
    --------
    >>> from threadpoolctl import threadpool_limits
    >>> with threadpool_limits(1):
    ...     print(threads_allowed("blas"))
    1
    """
    libraries = ThreadpoolController().select(user_api=api).info()
    return int(min([joblib.cpu_count(), *(library["num_threads"] for library in libraries)]))


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
