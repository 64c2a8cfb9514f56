"""From images to embeddings: name each by its content, look it up, compute what is missing, keep it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic, time
from typing import Any

import numpy as np

from featx.cache.embedding_cache import EmbeddingCache
from featx.cache.memo import Memo, Stat, Use
from featx.embedding.naming import Wanted, identify, unchanged
from featx.embedding.passes import Pass, passes_of
from featx.embedding.plan import Plan, Tap
from featx.embedding.progress import ahead, images_bar
from featx.embedding.running import SMALLEST, Done, Work, collected, run, run_in_workers
from featx.embedding.sending import absolute
from featx.errors import BadImage, CacheError, CacheWarning, InputError
from featx.images.loading import bad_image
from featx.images.sources import Source
from featx.images.workers import as_worker

SEGMENT_BYTES = 32 << 20
"""Computed vectors are written to the cache when they fill this much memory,"""
SEGMENT_SECONDS = 30.0
"""or when the first of them has waited this long. A run that is killed loses no more than this."""


def embed(
    sources: Sequence[Source],
    asked: Callable[[], Plan],
    *,
    resize_rule: str = "squash",
    batch_size: int = 32,
    n_jobs: int | None = None,
    engine: str = "auto",
    cache: EmbeddingCache | None = None,
    memo: Memo | None = None,
    verbose: int | None = 0,
    there: Callable[[Work, Sequence[str], Sequence[Wanted]], Done] | None = None,
) -> tuple[np.ndarray, list[BadImage]]:
    """Embed images, each different one at most once.

    Parameters
    ----------
    sources
        The images.
    asked
        Gives what to compute, once the images are named; see `featx.embedding.plan.ask`.
    resize_rule
        How an image is brought to the input size; part of the plan's recipes.
    batch_size, n_jobs
        Images at a time, at most, and workers that read. Neither changes a number by more than 1e-5 of the largest.
    engine
        A name in `featx.embedding.keras_engine.ENGINES`.
    cache, memo
        Where vectors and the names of files are kept; None to keep nothing.
    verbose
        1: bars on stderr. 0: none. None: where that is a terminal, after a second.
    there
        Embeds a chunk of images in another process, as `embed_there` does, given recipe ids for the taps. Used where
        joblib's user has named workers that are processes; by default they decode only.

    Returns
    -------
    embeddings : array of shape (n, d), float32
        Rows of bad images are NaN.
    bad : list of BadImage
        In the order of the input.
    """
    ids, reasons, states, fetched = identify(sources, memo, n_jobs, verbose)
    plan = asked()
    keeper = _Keeper(cache if plan.is_kept else None)
    embeddings = np.full((len(sources), plan.width), np.nan, np.float32)
    readable = np.array([row not in reasons for row in range(len(sources))], bool)
    lacks, uses, column = [], {}, 0
    for one in passes_of(plan):
        for number, tap in enumerate(one.taps):
            vectors = embeddings[:, column : column + tap.width]
            column += tap.width
            found = keeper.gather(tap.recipe_id, ids, vectors)
            uses[tap.recipe_id] = Use(int(readable.sum()), int((found & readable).sum()), time())
            if not (found | ~readable).all():
                lacks.append(_Lack(tap, one, number, vectors, readable & ~found))
    if keeper.cache and memo:
        memo.note_uses(uses)
    here = [fetched.pop(row, source) for row, source in enumerate(sources)] if lacks else []
    for some in _together(lacks):
        for lack in some:
            lack.rows[list(reasons)] = False
        if not np.any([lack.rows for lack in some]):
            continue
        reasons |= _compute(
            here, ids, states, some, rule=resize_rule, batch_size=batch_size,
            n_jobs=n_jobs, engine=engine, keeper=keeper, verbose=verbose,
            there=there if plan.is_kept else None,
        )  # fmt: skip
    embeddings[list(reasons)] = np.nan
    return embeddings, [bad_image(row, sources[row], reasons[row]) for row in sorted(reasons)]


@dataclass
class _Lack:
    """The rows that a tap still lacks, and those computed but not yet written."""

    tap: Tap
    of: Pass
    number: int  # of the tap in the pass
    vectors: np.ndarray  # (n, d), a view of the embeddings
    rows: np.ndarray  # (n,) bool
    pending: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)  # ids (m, 16), vectors (m, d)


@dataclass
class _Keeper:
    """The cache, if there is one: where it fails, vectors are computed all the same, and one warning says why."""

    cache: EmbeddingCache | None
    failed: bool = False

    def gather(self, recipe_id: str, ids: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        try:
            if self.cache:
                return self.cache.gather(recipe_id, ids, vectors)
        except CacheError as error:
            self._warn(error)
        return np.zeros(len(ids), bool)

    def put(self, lack: _Lack) -> None:
        try:
            if self.cache and lack.pending:
                ids, vectors = (np.concatenate(parts) for parts in zip(*lack.pending, strict=True))
                self.cache.put(lack.tap.recipe_id, ids, vectors, lack.tap.about)
        except CacheError as error:
            self._warn(error)
        lack.pending.clear()

    def _warn(self, error: CacheError) -> None:
        if not self.failed:
            message = f"{error} All vectors are computed; those that are new are not kept."
            warnings.warn(message, CacheWarning, stacklevel=2)
        self.failed = True


def _together(lacks: Sequence[_Lack]) -> list[list[_Lack]]:
    """Put those together whose images are decoded once: of one network, and of networks that see the same pictures.

    Networks are kept apart where one has vectors of images that another lacks, since each is run on all images.
    """
    passes: dict[int, list[_Lack]] = {}
    for lack in lacks:
        passes.setdefault(id(lack.of), []).append(lack)
    found: dict[object, list[_Lack]] = {}
    for own in passes.values():
        rows = np.any([lack.rows for lack in own], axis=0)
        found.setdefault((tuple(own[0].of.pictures), rows.tobytes()), []).extend(own)
    return list(found.values())


def _compute(
    sources: Sequence[Source],
    ids: np.ndarray,
    states: Mapping[int, Stat],
    lacks: list[_Lack],
    *,
    rule: str,
    batch_size: int,
    n_jobs: int | None,
    engine: str,
    keeper: _Keeper,
    verbose: int | None,
    there: Callable[[Work, Sequence[str], Sequence[Wanted]], Done] | None,
) -> dict[int, str]:
    """Run networks on every different image that some tap lacks; give the reasons of those it could not read."""
    groups = _groups(ids, np.any([lack.rows for lack in lacks], axis=0))
    wanted = [(sources[row], ids[row].tobytes(), states.get(int(row))) for row, *_ in groups]
    graphs = keeper.cache.engines if keeper.cache else None
    work = Work(rule, batch_size, engine, max(len(groups), ahead()), graphs)
    if there and len(wanted) > SMALLEST:
        call = partial(there, work, [lack.tap.recipe_id for lack in lacks])
        results = run_in_workers(call, [(absolute(source), *named) for source, *named in wanted], n_jobs)
    else:
        numbers: dict[int, tuple[Pass, list[int]]] = {}
        for lack in lacks:
            numbers.setdefault(id(lack.of), (lack.of, []))[1].append(lack.number)
        results = run(wanted, list(numbers.values()), work, read=unchanged, n_jobs=n_jobs)
    name = " + ".join(dict.fromkeys(lack.tap.backbone for lack in lacks))
    bad: dict[int, str] = {}
    started, held = monotonic(), 0
    try:
        with images_bar(len(groups), name, verbose) as counted:
            for done in results:
                for place, reason in done.bad.items():
                    bad.update((int(row), reason) for row in groups[place])
                if done.places:
                    lost = _place(lacks, [groups[place] for place in done.places], ids, done.vectors)
                    bad.update((row, "the network gives infinity or NaN for it") for row in lost)
                held += sum(array.nbytes for array in done.vectors)
                if held > SEGMENT_BYTES or monotonic() - started > SEGMENT_SECONDS:
                    started, held = monotonic(), 0
                    for lack in lacks:
                        keeper.put(lack)
                counted.update(len(done.places) + len(done.bad))  # what the bar counts is kept
    finally:  # what is finished is kept, whatever ended the run
        for lack in lacks:
            keeper.put(lack)
    return bad


def embed_there(extractor: Any, work: Work, recipes: Sequence[str], wanted: Sequence[Wanted]) -> Done:
    """Embed a chunk of images in a worker, for a process that keeps the vectors: nothing is cached here.

    Parameters
    ----------
    extractor
        The `featx.FeatureExtractor` of that process, with paths that this one finds.
    work
        How the network is run; exported graphs are kept where this machine keeps them.
    recipes
        The ids of those of its taps that are asked for, in their order.
    wanted
        The images, each once.

    Raises
    ------
    InputError
        If other recipes are found here than where the work comes from.
    """
    with as_worker():
        plan, cache = extractor.plan(), extractor.open_cache()
        if not {tap.recipe_id for tap in plan.taps} >= set(recipes):
            raise InputError(
                f"A worker would compute other numbers for {plan.name!r}: install the versions of featx and Keras "
                "there that are here, and give it the same weights."
            )
        asked_of = [
            (one, [number for number, tap in enumerate(one.taps) if tap.recipe_id in recipes])
            for one in passes_of(plan)
        ]
        passes = [(one, numbers) for one, numbers in asked_of if numbers]
        work = replace(work, graphs=cache.engines if cache else None)
        return collected(run(wanted, passes, work, read=unchanged))


def _groups(ids: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Group rows by content, in the order in which each content comes first."""
    wanted = np.flatnonzero(rows)
    names = np.ascontiguousarray(ids[wanted]).view("S16")[:, 0]
    _, first, inverse, counts = np.unique(names, return_index=True, return_inverse=True, return_counts=True)
    groups = np.split(wanted[np.argsort(inverse, kind="stable")], np.cumsum(counts)[:-1])
    return [groups[place] for place in np.argsort(first)]


def _place(
    lacks: list[_Lack], groups: list[np.ndarray], ids: np.ndarray, computed: Sequence[np.ndarray]
) -> list[int]:
    """Put computed vectors into every row of the same content, and aside for the cache.

    Rows whose vectors are not finite are given back instead.
    """
    finite = np.all([np.isfinite(vectors).all(axis=1) for vectors in computed], axis=0)
    lost = [int(row) for group, fine in zip(groups, finite, strict=True) if not fine for row in group]
    groups = [group for group, fine in zip(groups, finite, strict=True) if fine]
    if not groups:
        return lost
    firsts = np.array([group[0] for group in groups])
    rows = np.concatenate(groups)
    origin = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    for lack, every in zip(lacks, computed, strict=True):
        vectors = every if finite.all() else every[finite]
        lacking = lack.rows[rows]
        lack.vectors[rows[lacking]] = vectors[origin[lacking]]
        new = lack.rows[firsts]
        lack.pending.append((ids[firsts[new]], vectors[new]))
    return lost
