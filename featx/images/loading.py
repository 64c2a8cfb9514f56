"""Spread calls over joblib, whatever backend its user has configured: threads, processes, Dask, Ray."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from joblib import Parallel, cpu_count, delayed, effective_n_jobs

AHEAD = 8
"""Items for each worker whose results may wait. Fewer would leave workers idle, since the last ones end together."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(
    call: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None = None
) -> Iterator[Result]:
    """Call a function on every item in parallel and yield the results in the order of the items.

    Items are taken `AHEAD` for each worker at a time, and more only when these results have been taken. So memory stays
    bounded however many there are and however slow their consumer is: joblib by itself would run ahead of it.

    Parameters
    ----------
    call
        The function. Under a backend of processes it and the items are pickled.
    items
        Its arguments, one call each.
    n_jobs
        Number of workers; -1 for all cores. None takes what `joblib.parallel_config` says and, where that says
        nothing, a thread for every core.

    Examples
    --------
    >>> list(spread(abs, [-1, -2, 3], n_jobs=2))
    [1, 2, 3]
    """
    if n_jobs is None and effective_n_jobs(None) == 1:
        n_jobs = cpu_count()
    count, items = AHEAD * effective_n_jobs(n_jobs), iter(items)
    with Parallel(
        n_jobs=n_jobs, prefer="threads", return_as="generator", batch_size=1, pre_dispatch="all"
    ) as workers:
        while some := list(islice(items, count)):
            yield from workers(delayed(call)(item) for item in some)
