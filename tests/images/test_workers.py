"""Which workers joblib's user has named, and what one of several workers may use of its machine."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from joblib import Parallel, cpu_count, delayed, parallel_config

from featx.images.loading import spread
from featx.images.workers import Share, are_processes, as_worker, share, workers


def _process(_):
    return os.getpid()


def test_workers_are_those_of_the_thread_that_asks():
    """joblib's settings hold in one thread; the results may be taken by another, as where decoding runs ahead."""
    with parallel_config(backend="loky", n_jobs=2):
        results = spread(_process, range(4))
    with ThreadPoolExecutor(1) as other:
        assert os.getpid() not in set(other.submit(list, results).result())
    assert set(spread(_process, range(4))) == {os.getpid()}


@pytest.mark.parametrize(
    ("named", "processes"),
    [
        ({}, False),
        ({"n_jobs": 2}, False),
        ({"backend": "threading", "n_jobs": 2}, False),
        ({"backend": "loky"}, True),
        ({"backend": "loky", "require": "sharedmem"}, False),
        ({"backend": "multiprocessing", "n_jobs": 2}, False),
    ],
)
def test_processes_are_what_is_named_so_and_gives_results_one_by_one(named, processes):
    """Whatever is named, everything is done, in order."""
    with parallel_config(**named):
        assert are_processes() == processes
        assert list(spread(abs, range(-5, 0))) == [5, 4, 3, 2, 1]


def test_the_number_of_workers_is_what_was_said_or_every_core():
    """First the parameter, then parallel_config, then a worker for every core, or for each that is granted."""

    def number(n_jobs=None):
        return workers(n_jobs, "list", "all")[1]

    assert number() == cpu_count()
    assert number(3) == 3
    with parallel_config(n_jobs=3):
        assert number() == 3
    with parallel_config(backend="loky"):
        assert number() == cpu_count()
    with as_worker(5):
        assert number() == 5


def _share_and_workers(_):
    return share(), workers(None, "list", "all")[1], are_processes()


def test_a_worker_of_joblib_takes_its_share_of_the_cores():
    """joblib tells its processes how many threads each may use; they start no processes of their own."""
    with parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=3):
        found = Parallel()(delayed(_share_and_workers)(item) for item in range(2))

    assert set(found) == {(Share(3, 3), 3, False)}


@pytest.mark.parametrize(
    ("n_jobs", "told", "expected"),
    [(None, "3", 3), (None, "none", cpu_count()), (2, "3", 2), (-1, "3", cpu_count())],
)
def test_a_declared_worker_takes_what_it_is_granted(monkeypatch, n_jobs, told, expected):
    """What its user says, else what the framework says, else every core; and only within the block."""
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    with as_worker(n_jobs):
        assert share() == Share(expected, expected)
    assert share() is None
