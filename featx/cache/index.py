"""Finding image ids in many segments at once."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from featx.cache.segment import Segment

RUN = 1 << 25
"""Rows: runs are not joined beyond this, so that joining takes no more than 2 GB of memory for a moment."""

_NOTHING = np.empty(0, "u8")


@dataclass(frozen=True, eq=False)
class Run:
    """The ids of some segments in one ascending order.

    The rows of the segments, laid end to end, are numbered through; such a number is a row's *place*. Costs 16 bytes
    of memory per row, 20 if there are several segments, whose own copies of the ids are let go then.
    """

    segments: tuple[Segment, ...]
    high: np.ndarray
    """First halves of all ids as numbers, (rows,) uint64, ascending."""
    low: np.ndarray
    """Second halves, (rows,) uint64, ascending where `high` is equal."""
    place: np.ndarray | None
    """Places in the order of `high`; None if there is one segment, whose rows are in that order."""

    @classmethod
    def of(cls, segment: Segment) -> "Run":
        """Take a segment as it is."""
        return cls((segment,), segment.high, segment.low, None)

    @classmethod
    def joined(cls, runs: Sequence["Run"]) -> "Run":
        """Put runs into one order; the first of several rows of an image is the one that is found."""
        if len(runs) == 1:
            return runs[0]
        rows = [len(run.high) for run in runs]
        kind = "u4" if sum(rows) <= 1 << 32 else "u8"
        place = np.empty(sum(rows), kind)
        for run, start, end in zip(runs, _starts(rows), np.cumsum(rows), strict=True):
            place[start:end] = run.places()
            place[start:end] += np.array(start, kind)
        high = np.concatenate([run.high for run in runs])
        low = np.concatenate([run.low for run in runs])
        order = np.argsort(high, kind="stable")  # merges runs that are sorted already
        high, low, place = high[order], low[order], place[order]
        if np.any((high[1:] == high[:-1]) & (low[1:] < low[:-1])):
            order = np.lexsort((low, high))
            high, low, place = high[order], low[order], place[order]
        segments = (replace(one, high=_NOTHING, low=_NOTHING) for run in runs for one in run.segments)
        return cls(tuple(segments), high, low, place)

    def places(self) -> np.ndarray:
        """Give the places in the order of `high`."""
        return np.arange(len(self.high)) if self.place is None else self.place

    def only(self, paths: Collection[Path]) -> "Run | None":
        """Leave out the segments that are not among these; None if none is left."""
        kept = np.array([segment.path in paths for segment in self.segments])
        if kept.all() or not kept.any():
            return self if kept.all() else None
        rows = np.array([segment.rows for segment in self.segments])
        starts = _starts(rows)
        owner = np.searchsorted(starts, self.places(), side="right") - 1
        stay = kept[owner]
        before = np.cumsum(np.where(kept, 0, rows))
        place = (self.places()[stay] - before[owner[stay]]).astype(self.places().dtype)
        segments = tuple(one for one, keep in zip(self.segments, kept, strict=True) if keep)
        return Run(segments, self.high[stay], self.low[stay], place if len(segments) > 1 else None)

    def find(self, high: np.ndarray, low: np.ndarray) -> np.ndarray:
        """Return the place of each id, (n,) int64, and -1 where there is none; `high` should be ascending."""
        at = np.searchsorted(self.high, high)
        found = self._holds(at, high, low)
        # the first half is there, with another second half
        shared = np.flatnonzero(~found & self._holds(at, high))
        if len(shared):
            at[shared] = self._bisect(at[shared], high[shared], low[shared])
            found[shared] = self._holds(at[shared], high[shared], low[shared])
        at[~found] = -1
        if self.place is not None:
            at[found] = self.place[at[found]]
        return at

    def _holds(self, at: np.ndarray, high: np.ndarray, low: np.ndarray | None = None) -> np.ndarray:
        holds = at < len(self.high)
        holds[holds] = self.high[at[holds]] == high[holds]
        if low is not None:
            holds[holds] = self.low[at[holds]] == low[holds]
        return holds

    def _bisect(self, start: np.ndarray, high: np.ndarray, low: np.ndarray) -> np.ndarray:
        end = np.searchsorted(self.high, high, side="right")
        while np.any(start < end):
            middle = (start + end) // 2
            below = (start < end) & (self.low[np.minimum(middle, len(self.low) - 1)] < low)
            start = np.where(below, middle + 1, start)
            end = np.where(below, end, middle)
        return start


class Index:
    """The ids of any number of segments, in a few runs, the largest first.

    A run is joined with the next one where that is at least half as large, so a segment more costs a moment, a row is
    copied once for each doubling, and there are few runs: 30 for a thousand million rows.

    Parameters
    ----------
    runs
        What is in it.
    """

    def __init__(self, runs: Sequence[Run] = ()) -> None:
        self.runs = tuple(runs)
        self.segments = tuple(segment for run in self.runs for segment in run.segments)
        self._starts = _starts([segment.rows for segment in self.segments])

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> "Index":
        """Index segments."""
        return cls().changed((), segments)

    def changed(self, kept: Collection[Path], new: Iterable[Segment]) -> "Index":
        """Give an index of some of these segments, and of new ones; of the others nothing is read or sorted again."""
        runs = [left for run in self.runs if (left := run.only(kept))]
        some: list[Run] = []
        rows = 0
        for (
            segment
        ) in new:  # opened one by one, so that not all their own copies of ids are in memory at once
            if rows + segment.rows > RUN and some:
                runs.append(Run.joined(some))
                some, rows = [], 0
            some.append(Run.of(segment))
            rows += segment.rows
        if some:
            runs.append(Run.joined(some))
        runs.sort(key=lambda run: -len(run.high))
        while len(runs) > 1:
            last, other = len(runs[-1].high), len(runs[-2].high)
            if 2 * last < other or last + other > RUN:
                break
            runs[-2:] = [Run.joined(runs[-2:])]
        return Index(runs)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the ids and the checks of the rows take."""
        arrays = [array for run in self.runs for array in (run.high, run.low, run.place) if array is not None]
        return sum(array.nbytes for array in [*arrays, *(segment.checks for segment in self.segments)])

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Return the place of each id, (n,) int64, and -1 for one that is in no segment.

        Parameters
        ----------
        ids
            (n, 16) uint8, in any order; may repeat.
        """
        high, low = split(ids)
        # in ascending order, neighbours are searched for in memory that is at hand: up to 8 times as fast
        left = np.argsort(high)
        places, start = np.full(len(ids), -1), 0
        for run in self.runs:
            at = run.find(high[left], low[left])
            found = at >= 0
            places[left[found]] = at[found] + start
            left = left[~found]
            start += len(run.high)
        return places

    def take(self, places: np.ndarray, out: np.ndarray) -> None:
        """Copy the rows at places >= 0 into the same rows of an array; raises what `Segment.take` raises."""
        if len(self.segments) == 1 and len(places) and places.min() >= 0:
            self.segments[0].take(places, out)
            return
        wanted = np.flatnonzero(places >= 0)
        if not len(wanted):
            return
        owner = np.searchsorted(self._starts, places[wanted], side="right") - 1
        order = np.argsort(owner, kind="stable")
        numbers, first = np.unique(owner[order], return_index=True)
        for number, start, end in zip(numbers, first, [*first[1:], len(order)], strict=True):
            where = wanted[order[start:end]]
            self.segments[number].take(places[where] - self._starts[number], out, where)

    def distinct(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the halves of all different ids, in ascending order of the whole id, and a place of each."""
        starts = _starts([len(run.high) for run in self.runs])
        high = np.concatenate([_NOTHING, *(run.high for run in self.runs)])
        low = np.concatenate([_NOTHING, *(run.low for run in self.runs)])
        places = np.concatenate(
            [np.empty(0, int), *(run.places() + start for run, start in zip(self.runs, starts, strict=True))]
        )
        kept = ascending(high, low)
        return high[kept], low[kept], places[kept]


def _starts(rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """Give the place at which each of several begins that are laid end to end."""
    return np.cumsum([0, *rows])[:-1]


def split(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two halves of ids (n, 16) as numbers (n,) uint64 that sort as the bytes do.

    Examples
    --------
    >>> ids = np.arange(16, dtype="uint8").reshape(1, 16)
    >>> [hex(half[0]) for half in split(ids)]
    ['0x1020304050607', '0x8090a0b0c0d0e0f']
    >>> bool((join(*split(ids)) == ids).all())
    True
    """
    halves = np.ascontiguousarray(ids).view(">u8")
    return np.ascontiguousarray(halves[:, 0], "u8"), np.ascontiguousarray(halves[:, 1], "u8")


def join(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return ids (n, 16) uint8 from their halves: the inverse of `split`."""
    return np.stack([high, low], axis=1).astype(">u8").view("u1")


def ascending(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return the order that sorts ids and keeps the first of equal ones."""
    order = np.lexsort((low, high))
    high, low = high[order], low[order]
    new = np.ones(len(order), bool)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return order[new]
