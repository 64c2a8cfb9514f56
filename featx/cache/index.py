"""Finding image ids in many segments at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featx.cache.segment import Segment


@dataclass(frozen=True, eq=False)
class Index:
    """The ids of several segments in one ascending order.

    The rows of the segments, laid end to end, are numbered through; such a number is a row's *place*. Costs
    16 bytes of memory per row, 40 if there are several segments.
    """

    segments: tuple[Segment, ...]
    starts: np.ndarray
    """The place of each segment's first row, (segments,)."""
    high: np.ndarray
    """First halves of all ids as numbers, (rows,) uint64, ascending."""
    low: np.ndarray
    """Second halves, (rows,) uint64, ascending where `high` is equal."""
    place: np.ndarray | None
    """Places in the order of `high`; None if there is one segment, whose rows are in that order."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the ids take, those that the segments hold included."""
        own = () if self.place is None else (self.high, self.low, self.place)
        segments = sum(
            segment.high.nbytes + segment.low.nbytes + segment.checks.nbytes for segment in self.segments
        )
        return segments + sum(array.nbytes for array in own)

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> "Index":
        """Index segments; the first of several that hold an image is the one that is found."""
        starts = np.cumsum([0, *(segment.rows for segment in segments)])[:-1]
        if len(segments) == 1:
            return cls(tuple(segments), starts, segments[0].high, segments[0].low, None)
        nothing = np.empty(0, "u8")
        high = np.concatenate([nothing, *(segment.high for segment in segments)])
        low = np.concatenate([nothing, *(segment.low for segment in segments)])
        place = np.argsort(high, kind="stable")  # merges runs that are sorted already
        if np.any((high[place[1:]] == high[place[:-1]]) & (low[place[1:]] < low[place[:-1]])):
            place = np.lexsort((low, high))
        return cls(tuple(segments), starts, high[place], low[place], place)

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Return the place of each id, (n,) int64, and -1 for one that is in no segment.

        Parameters
        ----------
        ids
            (n, 16) uint8, in any order; may repeat.
        """
        high, low = split(ids)
        # in ascending order, neighbours are searched for in memory that is at hand: up to 8 times as fast
        order = np.argsort(high)
        high, low = high[order], low[order]
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
        places = np.empty_like(at)
        places[order] = at
        return places

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

    def take(self, places: np.ndarray, out: np.ndarray) -> None:
        """Copy the rows at places >= 0 into the same rows of an array; raises what `Segment.take` raises."""
        if len(self.segments) == 1 and len(places) and places.min() >= 0:
            self.segments[0].take(places, out)
            return
        wanted = np.flatnonzero(places >= 0)
        owner = np.searchsorted(self.starts, places[wanted], side="right") - 1
        order = np.argsort(owner, kind="stable")
        bounds = np.searchsorted(owner[order], np.arange(len(self.segments) + 1))
        for number in np.unique(owner):
            where = wanted[order[bounds[number] : bounds[number + 1]]]
            self.segments[number].take(places[where] - self.starts[number], out, where)

    def distinct(self) -> np.ndarray:
        """Return the positions in `high` of all different ids, in ascending order of the whole id."""
        return ascending(self.high, self.low)


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
