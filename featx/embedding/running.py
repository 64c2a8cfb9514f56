"""Networks run over images that have been named: here, or chunk by chunk in other processes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from featx.embedding.naming import Wanted
from featx.embedding.passes import Pass, Shown, run_together, shown_by
from featx.images.loading import in_parts, load_at
from featx.images.workers import AHEAD, task, workers

SMALLEST, LARGEST = 32, 256
"""Images that a worker is given at a time. Few keep all of them busy until the end, many cost less: each chunk
begins with nothing decoded and ends with nothing left to decode (``python benchmarks/machines.py``)."""

DEATHS = 3
"""How often workers of this machine may die with no chunk done in between, before that is an error."""


class Done(NamedTuple):
    """What came of some of the images of a run."""

    places: Sequence[int]
    """Which of them have vectors."""
    vectors: Sequence[np.ndarray]
    """For each tap an array (m, d), float32."""
    bad: dict[int, str]
    """Which of them cannot be read, and why."""


@dataclass(frozen=True)
class Work:
    """How a network is run: the choices of an extractor that change no number, or are in its recipes."""

    resize_rule: str
    batch_size: int
    engine: str
    images: int
    """How many there are in all, here and in other chunks."""
    graphs: Path | None
    """Where exported graphs are kept."""


def run(
    wanted: Sequence[Wanted],
    passes: Sequence[tuple[Pass, Sequence[int]]],
    work: Work,
    *,
    read: Callable[[Wanted], bytes | np.ndarray],
    n_jobs: int | None = None,
) -> Iterator[Done]:
    """Run networks over images, each of which is decoded once.

    Parameters
    ----------
    wanted
        The images, each once.
    passes
        The networks, all on the same pictures, and the numbers of those of their taps that are asked for.
    work
        How.
    read
        Gives what is to be decoded of an image.
    n_jobs
        Workers that read.

    Yields
    ------
    Done
        In the order of the images.
    """
    pictures = passes[0][0].pictures
    loaded = load_at(in_parts(wanted), pictures, work.resize_rule, n_jobs=n_jobs, read=read)

    def made() -> list[list[Shown]]:
        return [
            shown_by(
                one, numbers, work.batch_size, engine=work.engine, images=work.images, folder=work.graphs
            )
            for one, numbers in passes
        ]

    if work.images == 1:  # a thread would take longer to start
        engines, first = made(), next(loaded)
    else:
        with ThreadPoolExecutor(1) as meanwhile:  # the first images are decoded while the engines are made
            decoding = meanwhile.submit(next, loaded)
            engines = made()
        first = decoding.result()
    bad: dict[int, str] = {}
    under_way: deque[int] = deque()

    def decoded() -> Iterator[Sequence[np.ndarray]]:
        start = 0
        for pixels, reasons in chain([first], loaded):
            good = [place for place in range(len(pixels[0])) if place not in reasons]
            bad.update((start + place, reason) for place, reason in reasons.items())
            under_way.extend(start + place for place in good)
            start += len(pixels[0])
            yield [array[good] for array in pixels] if reasons else pixels

    for vectors in run_together(engines, decoded()):
        places = [under_way.popleft() for _ in vectors[0]]
        yield Done(places, vectors, dict(bad))
        bad.clear()
    if bad:
        yield Done([], [], bad)


def collected(results: Iterator[Done]) -> Done:
    """Put together what came of all images of a run."""
    places: list[int] = []
    vectors, bad = [], {}
    for done in results:
        places.extend(done.places)
        bad.update(done.bad)
        if done.places:
            vectors.append(done.vectors)
    return Done(places, [np.concatenate(parts) for parts in zip(*vectors, strict=True)], bad)


def run_in_workers(
    call: Callable[[Sequence[Wanted]], Done], wanted: Sequence[Wanted], n_jobs: int | None = None
) -> Iterator[Done]:
    """Have images embedded by the workers that joblib's user has named, a chunk at a time.

    Parameters
    ----------
    call
        Embeds a chunk there.
    wanted
        The images, each once.
    n_jobs
        As for `featx.images.workers.workers`.

    Yields
    ------
    Done
        In the order in which the chunks are done.

    Raises
    ------
    concurrent.futures.process.BrokenProcessPool
        If processes of this machine die again and again.
    """
    parallel, count = workers(n_jobs, "generator_unordered", f"{AHEAD} * n_jobs")
    left = {chunk.start: chunk for chunk in _chunks(len(wanted), count)}
    died = 0
    while left:
        tasks = [task(_numbered, call, start, wanted[chunk]) for start, chunk in left.items()]
        try:
            for start, done in parallel(tasks):
                died = 0
                del left[start]
                bad = {start + place: reason for place, reason in done.bad.items()}
                yield Done([start + place for place in done.places], done.vectors, bad)
        except (
            BrokenProcessPool
        ):  # joblib ends all its workers with one; a cluster gives its work to another one
            died += 1
            if died == DEATHS:
                raise
            parallel, _ = workers(n_jobs, "generator_unordered", f"{AHEAD} * n_jobs")


def _numbered(
    call: Callable[[Sequence[Wanted]], Done], start: int, wanted: Sequence[Wanted]
) -> tuple[int, Done]:
    return start, call(wanted)


def _chunks(images: int, count: int) -> Iterator[slice]:
    """Cut images into chunks for workers, smaller ones towards the end, so that all workers end together.

    Examples
    --------
    >>> [chunk.stop - chunk.start for chunk in _chunks(1000, 2)]
    [250, 188, 141, 106, 79, 59, 45, 33, 32, 32, 32, 3]
    """
    start = 0
    while start < images:
        share = -(-(images - start) // (2 * count))
        stop = min(images, start + max(SMALLEST, min(LARGEST, share)))
        yield slice(start, stop)
        start = stop
