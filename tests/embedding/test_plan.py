"""From choices to recipes: one place in a network is one recipe, however it is written."""

import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from hashlib import md5

import numpy as np
import pytest

from featx.cache.memo import Memo
from featx.embedding import plan
from featx.embedding.naming import file_id
from featx.embedding.plan import Choices, resolve
from featx.errors import WeightsError
from featx.networks.catalogue import find
from featx.networks.places import keras_home


def taps_of(memo=None, **choices):
    """Give the taps of featx-mini at a small size."""
    return resolve(Choices(input_size=32, **choices), partial(file_id, memo=memo), memo).taps


@pytest.mark.parametrize(
    "same",
    [
        [1, -4, "stage1_out"],
        [2, -3, "stage2_out"],
        [3, -2, np.int64(3), "stage3_out"],
        [4, -1, "stage4_out"],
    ],
    ids=lambda same: f"stage {same[0]}",
)
def test_one_place_has_one_default_pooling(same):
    """A stage counted from the start or the end, or named by its layer, gives the same vector under the same id."""
    found = [taps_of(depth=depth)[0] for depth in same]

    assert len({tap.pooling for tap in found}) == 1
    assert len({tap.recipe_id for tap in found}) == 1


def test_each_place_has_the_pooling_measured_best_there():
    """What stands in the catalogue for a depth; elsewhere the usual one. A pooling that is given is taken."""
    depths = ["patches", -4, "stage2_out", 3, -1, "stage2_conv1"]
    poolings = ["grid2", "avg+std", "std+grid2", "std+grid2", "avg+std", "avg+std"]

    assert [tap.pooling for tap in taps_of(depth=depths)] == poolings
    assert [tap.pooling for tap in taps_of(depth=[-2, 3], pooling="max")] == ["max", "max"]


@pytest.mark.parametrize("depth", ["default", -2, [3, "patches"]], ids=str)
def test_a_plan_that_was_made_before_needs_no_network(depth, tmp_path, monkeypatch):
    """The memo answers for any way to write a depth, with the default pooling, too."""
    memo = Memo(tmp_path)
    first = taps_of(memo, depth=depth)
    monkeypatch.setattr(plan, "graph_of", lambda *_: pytest.fail("the network was built"))

    assert taps_of(memo, depth=depth) == first


opened = []  # paths that Python opened while somebody watched
watching = []
sys.addaudithook(lambda event, facts: opened.append(str(facts[0])) if watching and event == "open" else None)


@contextmanager
def watched(path):
    """Give a list of one name for each time that Python opens a file; h5py opens without Python."""
    found = []
    watching.append(path)
    try:
        yield found
    finally:
        watching.clear()
        found += [one for one in opened if one == str(path)]
        opened.clear()


@pytest.fixture
def published(monkeypatch):
    """Put weights of a narrow MobileNet where Keras keeps its own, as if with a published digest."""
    import keras

    from featx.cache import memo

    folder = keras_home() / "models"
    folder.mkdir(parents=True)
    path = folder / "narrow.weights.h5"
    keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, include_top=False).save_weights(path)
    row = replace(find("mobilenet_0.25"), file=path.name, sizes=(), digest=md5(path.read_bytes()).hexdigest())
    monkeypatch.setattr("featx.networks.network.find", lambda _: row)
    monkeypatch.setattr(memo, "_RACY", -1)  # so that the test need not wait for two seconds
    return path


def test_a_warm_run_reads_no_weights_file(published, tmp_path):
    """What the memo knows of a file's state spares reading it, however large it is."""
    memo = Memo(tmp_path)
    choices = Choices("mobilenet_0.25", input_size=32, depth=2, pooling="avg")
    plans, counts = [], []
    for _ in range(2):
        with watched(published) as opens:
            plans.append(resolve(choices, partial(file_id, memo=memo), memo))
        counts.append(len(opens))

    assert plans[0].taps == plans[1].taps
    assert counts[0] >= 1
    assert counts[1] == 0


def test_a_replaced_weights_file_is_noticed(published, tmp_path):
    """Another file in its place, even of the same size and age, is read, and refused as not the published one."""
    memo = Memo(tmp_path)
    choices = Choices("mobilenet_0.25", input_size=32, depth=2, pooling="avg")
    resolve(choices, partial(file_id, memo=memo), memo)

    status = published.stat()
    content = bytearray(published.read_bytes())
    content[-1] ^= 1
    other = published.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(published)

    with pytest.raises(WeightsError, match=r"narrow\.weights\.h5 is not the published file"):
        resolve(choices, partial(file_id, memo=memo), memo)


def test_using_a_file_on_purpose_does_not_make_it_the_published_one(published, tmp_path):
    """What was resolved for weights=path is not taken for the published weights, whose file must be checked."""
    memo = Memo(tmp_path)
    published.write_bytes(published.read_bytes() + b"tuned")
    choices = Choices("mobilenet_0.25", input_size=32, depth=2, pooling="avg", weights=str(published))
    resolve(choices, partial(file_id, memo=memo), memo)

    with pytest.raises(WeightsError, match="is not the published file"):
        resolve(replace(choices, weights="auto"), partial(file_id, memo=memo), memo)


def test_a_process_works_a_plan_out_once(monkeypatch):
    """Without a memo, too: a service that keeps nothing described the whole network for each image."""
    described, describe = [], plan.recipe_of
    monkeypatch.setattr(plan, "_answers", {})
    monkeypatch.setattr(
        plan, "recipe_of", lambda *given, **named: described.append(1) or describe(*given, **named)
    )
    first = taps_of(depth=2)
    assert taps_of(depth=2) == first
    assert len(described) == 1


def test_what_a_process_knows_reaches_the_memo_of_another_cache(tmp_path, monkeypatch):
    """Else a later process would have to start Keras for what lies in that cache."""
    first = taps_of(depth=2)
    memo = Memo(tmp_path)
    assert taps_of(memo, depth=2) == first
    monkeypatch.setattr(plan, "_answers", {})  # as in another process
    monkeypatch.setattr(plan, "graph_of", lambda *_: pytest.fail("the network was built"))
    assert taps_of(memo, depth=2) == first


def test_a_file_of_weights_is_read_anew_when_it_changes(tmp_path, monkeypatch):
    """Also by a process that knows it already; while it stays as it is, it is read once."""
    from featx.cache import memo

    monkeypatch.setattr(memo, "_RACY", -1)  # so that the test need not wait for two seconds
    path = tmp_path / "weights.h5"
    path.write_bytes(b"one")
    with watched(path) as reads:
        names = {file_id(path, None) for _ in range(3)}
    assert len(names) == len(reads) == 1
    path.write_bytes(b"two")
    assert file_id(path, None) not in names
