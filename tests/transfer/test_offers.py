"""Several networks, and views: taken where they are better by more than noise, and what they cost is said."""

import numpy as np
import pytest
from keras.models import clone_model

import featx
from featx import FeatureExtractor
from featx.embedding.composition import each_backbone
from featx.evaluation.folds import make_folds
from featx.images import synthetic
from featx.networks import cuts
from featx.transfer import TransferClassifier
from featx.transfer.entries import Entry, enter, together
from featx.transfer.judging import Judge, Told, Verdict
from featx.transfer.offers import Offer, better_of
from featx.transfer.work import work_of

IMAGES, LABELS = synthetic(n=72, classes=3, size=32, random_state=0)
MINI = FeatureExtractor("featx-mini", input_size=32, cache=None)


TWO = FeatureExtractor(
    ["featx-mini", "mobilenet_0.25"], weights=["auto", None], input_size=32, cache=None, engine="keras"
)
"""A good network, and a smaller one of random weights."""


@pytest.fixture(scope="module")
def judge():
    """Judge three classes of shapes by two folds."""
    return Judge(None, LABELS, make_folds(LABELS, 2, regression=False), Told(None, None), regression=False)


def test_a_network_that_adds_nothing_is_left_out():
    """Each alone and both together are compared, in the order of their work, and the report says what each costs."""
    model = TransferClassifier(TWO, cv=2).fit(IMAGES, LABELS)

    assert model.extractor_.backbone == "featx-mini"
    assert list(model.offers_)[:2] == ["mobilenet_0.25", "featx-mini"]
    assert model.offers_["featx-mini"][2] == work_of(MINI)
    assert model.offers_["featx-mini"][0] > model.offers_["mobilenet_0.25"][0]
    assert "; featx-mini, 11 M multiply-adds for an image, of " in model.report_
    assert model.report_.endswith(f"; {model.cost_}")
    assert repr(model).endswith(f"  # blend of {model.cost_}")
    assert model.score(IMAGES, LABELS) > 0.9


def test_views_that_add_nothing_are_left_out():
    """Shapes are told without their mirror images, so the network runs once for an image, not twice."""
    model = TransferClassifier(MINI.with_choices(views="flip"), cv=2).fit(IMAGES, LABELS)

    assert list(model.offers_) == ["featx-mini", "featx-mini with views='flip'"]
    assert model.offers_["featx-mini with views='flip'"][2] == 2 * model.offers_["featx-mini"][2]
    assert model.extractor_.views is None
    assert model.estimator_["features"].views is None


@pytest.mark.parametrize(("better", "taken"), [(2, "less"), (12, "more")])
def test_more_work_has_to_be_better_by_more_than_noise(better, taken):
    """Of 100 images one is lost, and two are won, which may be chance, or twelve."""
    less, more = np.zeros(100), np.zeros(100)
    less[:1], more[1 : 1 + better] = 1, 1

    def offer(name, parts):
        verdict = Verdict(float(parts.mean()), 0.0, parts)
        return Offer(name, Entry([], {}, {"default": verdict}, None), None)

    assert better_of(offer("less", less), offer("more", more)).name == taken


def test_networks_side_by_side_are_one_blend(judge):
    """Each strategy is called after its network; the pipeline reads what was compared, at depths of each one's own."""
    entries = [enter(one, IMAGES, judge, blends=True, random_state=0) for one in each_backbone(TWO)]
    both = together(entries, judge, blends=True)
    extractor, columns, head = both.blend(judge)

    assert {both.named(key).split(": ")[0] for key in both.mixed.shares} <= set(TWO.backbone)
    np.testing.assert_allclose(extractor.transform(IMAGES), columns, rtol=1e-4, atol=1e-5)
    assert head.fit(columns, LABELS).score(columns, LABELS) > 0.9
    one = max(entry.verdicts["blend"].mean for entry in entries)
    assert both.verdicts["blend"].mean >= one - 0.03


def test_networks_side_by_side_under_a_head_of_ones_own(tiny, judge):
    """There answers are not averaged: the default depths of both stand side by side."""
    pair = FeatureExtractor([tiny, clone_model(tiny)], scaling="unit", cache=None, engine="keras")
    entries = [enter(one, IMAGES, judge, blends=False, random_state=0) for one in each_backbone(pair)]
    both = together(entries, judge, blends=False)

    assert both.stays == "default"
    extractor, columns = both.default()
    np.testing.assert_allclose(extractor.transform(IMAGES), columns, rtol=1e-4, atol=1e-5)


def test_one_network_is_asked_once_for_an_image(forwards):
    """Without views and with one network nothing more goes through it than before."""
    TransferClassifier(MINI, cv=2).fit(IMAGES, LABELS)

    assert sum(forwards) == len(IMAGES)


def test_work_is_that_of_every_network_and_view(tiny, tmp_path):
    """A Keras model is counted, and a file is not: it would have to be built, where all vectors may be cached."""
    plain = FeatureExtractor(tiny, scaling="unit", cache=None)
    own = work_of(plain)
    tiny.save(tmp_path / "tiny.keras")

    assert own == sum(cut.multiply_adds for cut in cuts(tiny) if cut.layer == "three")
    assert work_of(plain.with_choices(views=["flip", 2])) == 2 * own + 2 * work_of(
        plain.with_choices(input_size=32)
    )
    assert work_of(FeatureExtractor(tmp_path / "tiny.keras", scaling="unit", cache=None)) is None


def test_what_was_taken_is_saved(tmp_path):
    """With what it was compared with."""
    model = TransferClassifier(TWO, cv=2).fit(IMAGES, LABELS)
    featx.save(model, tmp_path / "model")
    loaded = featx.load(tmp_path / "model")

    assert (loaded.offers_, loaded.shares_, repr(loaded)) == (model.offers_, model.shares_, repr(model))
    np.testing.assert_array_equal(loaded.predict(IMAGES), model.predict(IMAGES))
