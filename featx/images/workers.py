"""Workers: whether joblib's user has named other processes, and what one of several workers may use of its machine."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import Any

from joblib import Parallel, cpu_count, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

AHEAD = 8
"""Items for each worker that are under way. Fewer would leave workers idle, since the last ones end together."""


@dataclass(frozen=True)
class Share:
    """How many threads a worker may use of a machine that it shares with others."""

    network: int
    """To run a network."""
    reading: int
    """To read and decode images for one run of it."""


_declared: ContextVar[Share | None] = ContextVar("_declared", default=None)


@contextmanager
def as_worker(n_jobs: int | None = None) -> Iterator[None]:
    """Run a block as one of several workers on this machine.

    Parameters
    ----------
    n_jobs
        Threads that it may use, -1 for one on every core. None: what the framework that started this process says.
    """
    threads = n_jobs and (n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs))
    token = _declared.set(Share(threads, threads) if threads else _told())
    try:
        yield
    finally:
        _declared.reset(token)


def share() -> Share | None:
    """Tell what this worker may use; None where this is none, and the machine is all there for it.

    Examples
    --------
    >>> share() is None
    True
    >>> with as_worker(2):
    ...     share()
    Share(network=2, reading=2)
    """
    if declared := _declared.get():
        return declared
    backend, _ = get_active_backend(prefer="threads")
    return _told() if _dask_worker() or backend.nesting_level else None


def quota() -> int | None:
    """Tell how many cores a container grants, or LOKY_MAX_CPU_COUNT, if fewer than this process sees; else None."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    granted = cpu_count()
    return granted if granted < seen else None


def _told() -> Share:
    """Tell what the framework grants: Dask in its worker, and joblib, Ray and Spark in an environment variable."""
    if worker := _dask_worker():
        return Share(worker.state.nthreads, 1)  # so many tasks run in it at a time, on one network
    told = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(told) if told.isdecimal() and int(told) else cpu_count()
    return Share(threads, threads)


def _dask_worker() -> Any:
    """Give the Dask worker whose task this is, if it is one."""
    distributed = sys.modules.get("distributed")
    try:
        return distributed.get_worker() if distributed else None
    except ValueError:
        return None


def task(call: Callable[..., Any], *given: Any) -> Any:
    """Give joblib a call to be made by a worker, which ends with this process if it is a child of it.

    joblib's own workers wait for five minutes for more work, and first do what they had been given, also where the
    process that asked was killed.
    """
    return delayed(_made)(os.getpid(), call, *given)


def _made(asker: int, call: Callable[..., Any], *given: Any) -> Any:
    _end_with(asker)
    return call(*given)


@cache
def _end_with(parent: int) -> None:
    """End this process a second after its parent, if that is the one named; Windows does not tell."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if os.getppid() == parent:
        Thread(target=watch, daemon=True).start()


def are_processes() -> bool:
    """Tell whether joblib's user has named workers that are other processes, and this is none of them.

    Those that cannot give results one by one, as joblib's old ``multiprocessing``, do not count.
    """
    backend, _ = get_active_backend(prefer="threads")
    if getattr(backend, "uses_threads", False) or not backend.supports_return_generator:
        return False
    return not (backend.nesting_level or _dask_worker())


def workers(n_jobs: int | None, return_as: str, pre_dispatch: str) -> tuple[Any, int]:
    """Give the workers that joblib's user has named, and how many they are.

    joblib's settings are those of one thread, so this is to be called by the one in which they were made.

    Parameters
    ----------
    n_jobs
        -1 for a worker on every core. None takes what `joblib.parallel_config` says and, where that says nothing, one
        for every core that this process may use.
    return_as, pre_dispatch
        As for `joblib.Parallel`.

    Returns
    -------
    workers : joblib.Parallel
        Threads of this process, unless others were named.
    count : int
    """
    backend, _ = get_active_backend(prefer="threads")
    threads = getattr(backend, "uses_threads", False)
    with nullcontext() if threads or are_processes() else parallel_config(backend="threading"):
        if n_jobs is None and effective_n_jobs(None) == 1:
            mine = share()
            n_jobs = mine.reading if mine else cpu_count()
        count = effective_n_jobs(n_jobs)
        return Parallel(
            n_jobs=count, prefer="threads", return_as=return_as, batch_size=1, pre_dispatch=pre_dispatch
        ), count
