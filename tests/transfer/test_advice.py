"""Advice follows from what was measured, says where the evidence conflicts, and names a command that exists."""

import json

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.errors import InputError
from featx.images import synthetic
from featx.transfer import advise

QUICK = {"input_size": 32, "cv": 3, "cache": None}


@pytest.fixture(scope="module")
def drawn():
    return synthetic(n=60, classes=3, size=32, random_state=0)


@pytest.fixture(scope="module")
def advice(drawn):
    return advise(*drawn, **QUICK)


@pytest.mark.xdist_group("advice")
def test_a_small_set_gets_frozen_features_and_the_command_for_its_depth(advice):
    """The command carries the depth and pooling that were measured."""
    assert (advice.size, advice.per_class) == ("small", 20)
    assert advice.strategy in ("start", "end", "all-depths")
    assert f"--depth {','.join(map(str, advice.row.depth))} --pooling avg+std" in advice.command("photos")
    assert advice.row is advice.curve.cheapest


@pytest.mark.xdist_group("advice")
def test_every_depth_is_measured_whatever_the_extractor_says(drawn, advice):
    """Which depth is good is the question."""
    given = FeatureExtractor(depth=2, pooling="max", input_size=32, cache=None)

    rows = advise(*drawn, given, cv=3).curve.rows
    assert [row.params for row in rows] == [row.params for row in advice.curve.rows]
    assert (given.depth, given.pooling) == (2, "max")


def test_size_is_a_matter_of_images_and_of_images_per_class(drawn):
    """Both limits have to be met; then the guide says to fine-tune, unless too few errors are left to show a gain."""
    large = advise(*drawn, large=60, per_class=20, **QUICK)
    assert large.size == "large"
    assert large.strategy in ("start", "end", "all-depths")
    assert "frozen features leave 0 errors: fine-tuning could not be shown to be better" in large.notes
    assert advise(*drawn, large=60, per_class=21, **QUICK).size == "small"
    assert advise(*drawn, large=61, per_class=20, **QUICK).size == "small"


def test_what_frozen_features_leave_is_worth_fine_tuning(drawn):
    """Labels with noise: many errors, a set called large, and so a command that fine-tunes, at a longer time."""
    images, labels = drawn
    noisy = np.random.default_rng(0).permutation(labels)
    noisy[:30] = labels[:30]
    advice = advise(images, noisy, large=50, per_class=10, **QUICK)

    assert advice.strategy == "finetune"
    assert advice.command("photos") == "featx finetune photos -o model --backbone featx-mini"
    assert advice.seconds > 60 * advice.curve.seconds


def test_pixels_are_advised_where_no_depth_beats_them(drawn):
    """The mean brightness is in the pixels: a network adds nothing."""
    images = np.random.default_rng(0).integers(0, 40, (60, 32, 32, 3), np.uint8)
    images[::2] += 100
    labels = np.where(np.arange(60) % 2, "dark", "light")
    advice = advise(images, labels, **QUICK)

    assert advice.pixels.mean == 1
    assert advice.strategy == "pixels"
    assert any("pixels themselves" in note for note in advice.notes)
    assert advice.seconds == 0


@pytest.mark.xdist_group("advice")
def test_the_learning_curve_has_a_quarter_a_half_and_all(advice):
    """Of the images that the folds leave: 40 of 60."""
    assert [count for count, _ in advice.learning] == [10, 20, 40]
    assert advice.learning[-1][1] == pytest.approx(advice.row.score, abs=0.05)


@pytest.mark.xdist_group("advice")
def test_advice_can_be_read_by_people_and_programs(advice):
    """The text ends with what to do; the JSON has the same."""
    text = advice.text("photos")
    told = json.loads(json.dumps(advice.to_dict()))

    assert f"do          {advice.strategy}: featx fit photos -o model" in text
    assert told["strategy"] == advice.strategy
    assert told["curve"]["cheapest"] == advice.row.name


def test_numbers_are_targets_too(drawn):
    """No classes, so none are counted; the score is R²."""
    images, _ = drawn
    advice = advise(images, images.mean(axis=(1, 2, 3)).astype(float), **QUICK)
    assert advice.per_class is None
    assert "R²" in str(advice)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["one"] * 60, "one class|1 class|classes"),
        (["one"] * 59 + ["two"], "only 1 member"),
        ([np.nan] * 60, "NaN"),
        (["one"] * 5, "inconsistent numbers of samples"),
        (None, "y is None"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(drawn, y, message):
    """With the errors that scikit-learn's users know."""
    with pytest.raises(ValueError, match=message):
        advise(drawn[0], y, **QUICK)
    assert issubclass(InputError, ValueError)
