"""From choices to recipes: one place in a network is one recipe, however it is written."""

from functools import partial

import numpy as np
import pytest

from featx.cache.memo import Memo
from featx.embedding import plan
from featx.embedding.embed import file_id
from featx.embedding.plan import Choices, resolve


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
    monkeypatch.setattr(plan, "_graph", lambda *_: pytest.fail("the network was built"))

    assert taps_of(memo, depth=depth) == first
