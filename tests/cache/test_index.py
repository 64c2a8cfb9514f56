"""Ids in any number of segments are found, whatever comes and goes, and nothing is sorted again without need."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.cache import index
from featx.cache.index import Index, Run, join
from featx.cache.segment import Segment

# first halves that are few, so that ids often share one
IDS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=12, unique=True)


def segment_of(name, ids):
    """Make what `open_segment` gives of a file with these ids."""
    high, low = np.array(sorted(ids), "u8").T
    return Segment(
        Path(str(name)),
        len(ids),
        4,
        "float32",
        0,
        "",
        {},
        high.copy(),
        low.copy(),
        np.zeros(len(ids), "u8"),
        "",
    )


def where(found, segments):
    """Give, for each place, the segments and rows that lie there."""
    flat = [(segment.path, row) for segment in found.segments for row in range(segment.rows)]
    assert {path for path, _ in flat} == {segment.path for segment in segments}
    return flat


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(IDS, st.sets(st.integers(0, 9))), min_size=1, max_size=10),
    st.sampled_from([1, 12, 10**9]),
)
def test_an_index_that_changes_finds_what_a_new_one_does(steps, longest):
    """Segments are added and vanish, an id may be in several; `longest` joins runs never, seldom, or always."""
    every = sorted({one for ids, _ in steps for one in ids} | {(0, 99), (9, 0)})
    known, alive = Index(), {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(index, "RUN", longest)
        for number, (ids, gone) in enumerate(steps):
            kept = {Path(str(name)) for name in alive if name not in gone}
            alive = {name: one for name, one in alive.items() if name not in gone} | {number: sorted(ids)}
            known = known.changed(kept, [segment_of(number, ids)])
            flat = where(known, [segment_of(name, one) for name, one in alive.items()])
            halves = np.array(every, "u8").T
            places = known.find(join(*halves))
            for one, place in zip(every, places.tolist(), strict=True):
                holders = {(Path(str(name)), ids.index(one)) for name, ids in alive.items() if one in ids}
                assert (flat[place] in holders) if holders else place == -1
            high, low, places = known.distinct()
            assert list(zip(high, low, strict=True)) == sorted({one for ids in alive.values() for one in ids})
            assert (known.find(join(high, low)) >= 0).all()


def test_a_segment_more_does_not_sort_the_others_again(monkeypatch):
    """Of 256 segments that come one by one each row is sorted once for each doubling, and the runs stay few."""
    rows, real = [], Run.joined
    monkeypatch.setattr(
        Run, "joined", lambda runs: rows.append(sum(len(run.high) for run in runs)) or real(runs)
    )
    known = Index()
    for number in range(256):
        paths = [segment.path for segment in known.segments]
        known = known.changed(paths, [segment_of(number, [(number, low) for low in range(10)])])
        assert len(known.runs) <= 8
    assert sum(rows) <= 2560 * (1 + 8)
    assert (known.find(join(np.arange(256, dtype="u8"), np.full(256, 3, "u8"))) >= 0).all()


def test_ids_are_kept_once():
    """20 bytes for each row in a run of several segments, besides the checks; 16 of a single one."""
    segments = [segment_of(number, [(number, low) for low in range(10)]) for number in range(8)]
    checks = 8 * 10
    assert Index.of(segments[:1]).nbytes == 10 * 16 + checks
    assert Index.of(segments).nbytes == 80 * 20 + 8 * checks
    assert all(len(segment.high) == 0 for segment in Index.of(segments).segments)
