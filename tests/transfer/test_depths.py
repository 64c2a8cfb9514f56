"""The depth curve: one pass, the same folds for all, and an answer that follows from the scores."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from featx import FeatureExtractor, depth_curve, evaluate
from featx.errors import ImageError, InputError
from featx.evaluation import Report
from featx.images import synthetic
from featx.transfer.depths import paired

IMAGES, LABELS = synthetic(n=60, classes=3, size=32, random_state=0)
SMALL = {"input_size": 32}
NUMBERS = IMAGES.mean(axis=(1, 2, 3))


@pytest.fixture(scope="module")
def curve():
    """Score the default backbone on sixty drawn images."""
    return depth_curve(IMAGES, LABELS, cache=None, **SMALL)


def test_every_image_goes_through_the_network_once(forwards, tmp_path):
    """All rows come from one pass; with a cache a second curve needs none, and has the same figures."""
    first = depth_curve(IMAGES, LABELS, cache=tmp_path, engine="keras", **SMALL)
    assert sum(forwards) == len(IMAGES)
    again = depth_curve(IMAGES, LABELS, cache=tmp_path, engine="keras", **SMALL)

    assert sum(forwards) == len(IMAGES)
    assert [row.report.scores for row in again.rows] == [row.report.scores for row in first.rows]
    assert again.seconds == first.seconds > 0  # what was measured is remembered
    assert [row.share for row in again.rows] == [row.share for row in first.rows]


def test_a_cached_curve_imports_no_keras(tmp_path):
    """Shares of time are remembered beside the cache, so another process builds no network."""
    here = depth_curve(*synthetic(n=24, size=32), input_size=32, cache=tmp_path, cv=2)
    program = (
        "import sys; from featx import depth_curve; from featx.images import synthetic\n"
        f"print(depth_curve(*synthetic(n=24, size=32), input_size=32, cache={str(tmp_path)!r}, cv=2).seconds)\n"
        "print('keras' in sys.modules)"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert there.stdout.split() == [str(here.seconds), "False"]


@pytest.mark.xdist_group("depth-curve")
def test_rows_are_the_stages_and_what_they_give_together(curve):
    """Four stages, the last two, three and all; each is a recipe for an extractor that gives the same numbers."""
    assert [row.name for row in curve.rows] == ["1", "2", "3", "4", "3-4", "2-4", "1-4"]
    for row in curve.rows:
        expected = FeatureExtractor(cache=None, **SMALL, **row.params).transform(IMAGES)
        np.testing.assert_allclose(curve.features(row), expected, rtol=1e-4, atol=1e-5)
        assert row.columns == expected.shape[1]


@pytest.mark.parametrize(
    "told",
    [{"extractor": FeatureExtractor(depth=[2, -1], pooling="max", cache=None, **SMALL)},
     {"depth": [2, -1], "pooling": "max", "cache": None, **SMALL}],
)  # fmt: skip
def test_an_extractor_or_choices_name_the_depths(told):
    """Both ways give the same rows; what the extractor was given is left alone."""
    curve = depth_curve(IMAGES, LABELS, cv=2, **told)

    assert [row.name for row in curve.rows] == ["2", "4", "2 + 4"]
    assert curve.rows[-1].params == {"depth": [2, 4], "pooling": ["max", "max"]}
    assert [row.columns for row in curve.rows] == [64, 256, 320]
    if "extractor" in told:
        assert told["extractor"].depth == [2, -1]


def test_one_depth_can_be_pooled_in_two_ways():
    """Rows of the same depth are told apart: each has its own columns, and one of them is the best."""
    curve = depth_curve(IMAGES, LABELS, depth=[2, 2], pooling=["max", "avg+std"], cv=2, cache=None, **SMALL)

    assert [row.name for row in curve.rows] == ["2", "2", "2 + 2"]
    assert curve.best.score == max(row.score for row in curve.rows)
    for row in curve.rows:
        expected = FeatureExtractor(cache=None, **SMALL, **row.params).transform(IMAGES)
        np.testing.assert_allclose(curve.features(row), expected, rtol=1e-4, atol=1e-5)


def test_scores_are_those_of_evaluate():
    """A head of one's own, its folds and its seed give what evaluate gives on those features."""
    head = RidgeClassifier(3.0)
    curve = depth_curve(
        IMAGES, LABELS, head=head, cv=3, random_state=4, depth=[3, "stage4_out"], cache=None, **SMALL
    )
    row = curve.rows[-1]
    expected = evaluate(head, curve.features(row), LABELS, cv=3, random_state=4)

    assert [row.name for row in curve.rows] == ["3", "stage4_out", "3 + stage4_out"]
    assert row.report.scores == expected.scores
    assert row.interval == expected.interval


@pytest.mark.xdist_group("depth-curve")
def test_the_best_and_the_cheapest_follow_from_the_scores(curve):
    """No row scores higher than the best; none that is as cheap as the cheapest is within one error of it."""
    assert curve.best.score == max(row.score for row in curve.rows)
    assert (curve.best.behind, curve.best.noise) == (0, 0)
    assert curve.cheapest.behind <= curve.cheapest.noise
    for row in curve.rows:
        if row.share < curve.cheapest.share:
            assert row.behind > row.noise
    assert 0 <= curve.saving < 1


def test_differences_are_paired_by_fold():
    """Folds of uneven difficulty do not hide that one is better on each of them."""
    hard, easy = (Report("accuracy", scores, 0.5, 9, 0) for scores in ((0.5, 0.7, 0.9), (0.6, 0.8, 1.0)))

    difference, error = paired(easy, hard)
    assert (difference, error) == (pytest.approx(0.1), pytest.approx(0, abs=1e-12))


@pytest.mark.xdist_group("depth-curve")
def test_shares_of_time_grow_with_depth(curve):
    """A deeper stage takes longer; rows side by side take as long as their deepest."""
    shares = [row.share for row in curve.rows]

    assert 0 < shares[0] < shares[1] < shares[2] < shares[3] == 1 == shares[-1]
    assert curve.seconds > 0
    assert curve.rows[0].seconds == pytest.approx(curve.seconds * shares[0])


def test_targets_of_every_kind():
    """Numbers give R²; counts need the head that takes numbers; several labels are a whole row."""
    numbers = depth_curve(IMAGES, NUMBERS, depth=[1, 2], cache=None, **SMALL)
    counts = depth_curve(IMAGES, np.arange(60), head="ridge", depth=1, cache=None, **SMALL)
    several = depth_curve(IMAGES, np.eye(3, dtype=int)[np.arange(60) % 3], depth=[3, 4], cache=None, **SMALL)

    assert numbers.best.report.metric == "R²"
    assert numbers.best.score > 0.5
    assert counts.rows[0].name == "1"
    assert several.best.report.metric == "accuracy"
    assert several.best.score > 0.7


def test_an_outlying_image_does_not_ruin_a_regression():
    """Where a column is silent but for one image, that image is predicted badly, not absurdly."""
    from featx.transfer.depths import check_target

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 20)), rng.normal(size=60)
    X[:, 0] = 1e-6 * rng.normal(size=60)
    X[7, 0] = 1
    _, head = check_target(list(IMAGES), y)

    assert np.abs(head.fit(X[10:], y[10:]).predict(X[7:8])) < 10


@pytest.mark.xdist_group("depth-curve")
def test_it_prints_and_serialises(curve):
    """The table has a line for each row and the verdict; JSON holds plain values."""
    text = str(curve)
    saved = json.loads(json.dumps(curve.to_dict(), allow_nan=False))

    assert text.startswith("featx-mini at 32x32, 60 images, 5 folds, guessing 0.333")
    assert [line.split()[0] for line in text.splitlines()[3:10]] == [row.name for row in curve.rows]
    assert text.splitlines()[-1] == curve.verdict == saved["verdict"]
    assert curve.verdict.startswith(f"Best: {curve.best.name}, accuracy ")
    assert saved["rows"][0]["report"]["scores"] == list(curve.rows[0].report.scores)
    hopeless = replace(curve.best.report, guess=1.0)
    assert (
        "No depth is better than guessing"
        in replace(curve, best=replace(curve.best, report=hopeless)).verdict
    )


@pytest.mark.xdist_group("depth-curve")
def test_it_draws(curve, tmp_path):
    """A point for each row, above its name and its share of the time; no name lies on another."""
    long = [replace(row, name=f"block_{place}_project_BN + 4") for place, row in enumerate(curve.rows)]
    for one in (curve, replace(curve, rows=tuple(long))):
        axes = one.plot()
        axes.figure.savefig(tmp_path / "curve.png")
        labels = axes.get_xticklabels()
        boxes = [label.get_window_extent() for label in labels]

        assert [label.get_text().split()[0] for label in labels] == [row.name.split()[0] for row in one.rows]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
        assert (tmp_path / "curve.png").stat().st_size > 5000
    assert curve.plot(axes) is axes


@pytest.mark.xdist_group("depth-curve")
def test_a_notebook_shows_a_table(curve):
    """The rows that are printed, as HTML, in which no name is markup."""
    shown = replace(curve, backbone="a<b")._repr_html_()

    assert shown.count("<tr>") == len(curve.rows) + 1
    assert f"{curve.best.report.mean:.3f}" in shown
    assert "a&lt;b at 32x32" in shown
    assert shown.endswith(f"<p>{curve.verdict}</p>")


@pytest.mark.xdist_group("depth-curve")
def test_without_matplotlib_it_says_what_to_install(curve, monkeypatch):
    """matplotlib is optional."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(InputError, match=r"pip install 'featx\[plots\]'"):
        curve.plot()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (LABELS[:-1], "inconsistent numbers of samples"),
        (["disc"] * 60, "Two classes or more are needed, but y holds one class only"),
        (["rare", *["often"] * 59], "The least populated class in y, 'rare', has only 1 member"),
        (
            np.r_[np.zeros(40, int), np.arange(1, 21)],
            r"1, 2, 3, 4, 5, \.\.\., have only 1 member each.*the head 'ridge'",
        ),
        (np.r_[np.nan, NUMBERS[1:]], "contains NaN"),
        (None, "y is None"),
    ],
)
def test_bad_targets_are_refused_before_any_image_is_read(forwards, y, message):
    """The errors are those that scikit-learn's users know, and cost no pass through the network."""
    with pytest.raises(ValueError, match=message):
        depth_curve(IMAGES, y, cache=None, **SMALL)
    assert forwards == []


def test_bad_images_of_both_halves_are_named_at_once():
    """By their place among all images."""
    images = [*IMAGES[:20]]
    images[3] = images[15] = b"no image"
    with pytest.raises(ImageError, match=r"2 images cannot be read") as told:
        depth_curve(images, LABELS[:20], depth=2, cache=None, **SMALL)

    assert [(one.row, one.name) for one in told.value.bad] == [(3, "image 3"), (15, "image 15")]


@pytest.mark.slow
def test_ants_and_bees(data, imagenet):
    """MobileNetV2 tells ants from bees best in its last stage, in at least 92 of 100 validation photographs."""
    from featx import load_folder

    images = load_folder(data / "images" / "hymenoptera" / "val")
    curve = depth_curve(images.paths, images.labels, "mobilenet_v2")

    assert curve.best.score >= 0.92
    scores = [row.score for row in curve.singles]
    assert scores[0] < scores[2] < scores[4]
    assert curve.cheapest.depth[-1] == 5
