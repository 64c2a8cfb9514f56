"""The strategies by name."""

import numpy as np
import pytest
from keras.models import clone_model
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from featx import FineTuner, FineTunerRegressor, load, save
from featx.embedding import FeatureExtractor
from featx.errors import InputError
from featx.images import synthetic
from featx.transfer.frozen import Frozen, blocks_of, reading
from featx.transfer.strategies import FROZEN, STRATEGIES, make_strategy

SMALL = FeatureExtractor(input_size=32)


@pytest.fixture(scope="module")
def shapes():
    """Draw 90 small shapes of three classes."""
    return synthetic(n=90, classes=3, size=32, random_state=0)


@pytest.mark.parametrize("name", FROZEN)
def test_each_frozen_strategy_classifies(name, shapes):
    """By its name, from images to labels; better than guessing, and with a network far better."""
    images, labels = shapes
    model = make_strategy(name, SMALL).fit(images[:60], labels[:60])

    assert is_classifier(model)
    assert list(model.classes_) == sorted(set(labels))
    assert model.score(images[60:], labels[60:]) > (0.34 if name == "pixels" else 0.8)


@pytest.mark.parametrize("name", FROZEN)
def test_each_frozen_strategy_predicts_numbers(name, shapes):
    """With regression=True the head is ridge regression, and whole numbers are no classes."""
    images, _ = shapes
    brightness = images.mean(axis=(1, 2, 3)).round()
    model = make_strategy(name, SMALL, regression=True).fit(images[:60], brightness[:60])

    assert is_regressor(model)
    assert model.score(images[60:], brightness[60:]) > 0.4


def test_those_that_train_are_fine_tuners():
    """With the backbone's weights, or with random ones; choices are those of the tuner."""
    extractor = FeatureExtractor("mobilenet_v2", input_size=96)
    tuner, scratch = (make_strategy(name, extractor, epochs=7) for name in ("finetune", "scratch"))

    assert isinstance(tuner, FineTuner)
    assert tuner.extractor is extractor
    assert (tuner.epochs, scratch.epochs, scratch.patience) == (7, 7, None)
    assert scratch.extractor.get_params() == {**extractor.get_params(), "weights": None}
    assert isinstance(make_strategy("finetune", regression=True), FineTunerRegressor)
    assert [name for name, strategy in STRATEGIES.items() if strategy.trains] == ["finetune", "scratch"]


def test_depths_are_those_of_the_backbone(tiny):
    """The stages are counted in the network itself, and negative numbers are spelt out."""
    at = {
        name: make_strategy(name, FeatureExtractor(tiny, scaling="unit", cache=None))["features"].depth
        for name in ("start", "end", "all-depths")
    }

    assert at == {"start": [1, 2], "end": [3], "all-depths": [1, 2, 3, 1, 2, 3]}


def test_a_pooling_that_is_asked_for_is_the_only_one():
    """Quarters of maps belong to the default pooling, the patches of featx-mini to its default depth."""
    features = make_strategy("all-depths", SMALL.with_choices(pooling="avg"))["features"]

    assert features.pooling == ["avg"] * 5
    assert features.depth == ["patches", 1, 2, 3, 4]


def test_a_network_of_one_stage_has_no_other(tiny):
    """Where there is one stage only, it is the start and the end."""
    import keras

    one = keras.Model(tiny.inputs, tiny.get_layer("one").output)
    extractor = FeatureExtractor(one, scaling="unit")
    depths = {name: make_strategy(name, extractor)["features"].depth for name in ("start", "end")}

    assert depths == {"start": [1], "end": [1]}


def test_one_pass_gives_what_each_strategy_computes(shapes, forwards):
    """The features of all strategies, from one pass, are those of each alone, without a cache."""
    images = shapes[0][:12]
    extractor = SMALL.with_choices(cache=None)
    together = Frozen(extractor, images)
    assert sum(forwards) == 12

    keys = {**together.keys, "blend": blocks_of(extractor).keys}
    for name in (*FROZEN, "stage-2", "stages-2-3", "stages-2-3-grid2"):
        alone = make_strategy(name, extractor)["features"].transform(images)
        np.testing.assert_allclose(together.columns(keys[name]), alone, rtol=1e-5, atol=1e-6)


def test_stages_are_strategies_by_their_numbers(tiny):
    """One, neighbours side by side, and either with the quarters of its maps; `default` is the extractor's own."""
    extractor = FeatureExtractor(tiny, depth=[1, "two"], scaling="unit", cache=None)
    names = ("stage-2", "stages-2-3", "stages-2-3-grid2", "default")
    found = [make_strategy(name, extractor)["features"] for name in names]

    assert [one.depth for one in found] == [[2], [2, 3], [2, 3, 2, 3], [1, "two"]]
    assert found[2].pooling[2:] == ["grid2", "grid2"]
    compared = Frozen(extractor, np.zeros((3, 16, 16, 3), np.uint8)).candidates
    assert list(compared) == [
        "default", "end", "stage-1", "stage-1-grid2", "stages-1-2-grid2", "stages-1-3", "stages-1-3-grid2",
        "stage-2", "stage-2-grid2", "stages-2-3", "stages-2-3-grid2", "stage-3-grid2", "pixels",
    ]  # fmt: skip


def test_an_ensemble_weighs_the_networks(tiny, shapes, tmp_path, forwards):
    """One pass over the images, whatever the folds and without a cache; it is saved like any other pipeline."""
    images, labels = shapes
    choices = {"scaling": "unit", "depth": 2, "pooling": "avg", "engine": "keras", "cache": None}
    random = FeatureExtractor([tiny, clone_model(tiny)], **choices)
    model = make_strategy("ensemble", random).fit(images[:60], labels[:60])

    assert sum(forwards) == 2 * 60
    assert model["head"].widths == (6, 6)
    assert model["head"].weights_.sum() == pytest.approx(1)
    save(model, tmp_path / "model")
    np.testing.assert_allclose(
        load(tmp_path / "model").predict_proba(images), model.predict_proba(images), rtol=1e-5, atol=1e-6
    )
    brightness = images.mean(axis=(1, 2, 3))
    assert is_regressor(make_strategy("ensemble", random, regression=True).fit(images, brightness))


def test_an_ensemble_of_one_is_refused():
    """And what takes one network refuses two."""
    with pytest.raises(
        InputError, match=r"^'ensemble' takes several backbones, and 'featx-mini' is one\. Give Feature"
    ):
        make_strategy("ensemble", SMALL)
    with pytest.raises(InputError, match=r"^This needs one network, and 2 are given side by side\."):
        make_strategy("end", ["featx-mini", "mobilenet"])


def test_a_keras_model_is_shared_not_copied(tiny, pixels):
    """All strategies of one network run the same object."""
    extractor = FeatureExtractor(tiny, scaling="unit", cache=None)
    names = Frozen(extractor, pixels).candidates

    assert all(reading(extractor, name).backbone is tiny for name in names if name != "pixels")
    assert blocks_of(extractor).extractor.backbone is tiny


def test_the_head_can_be_named_or_given():
    """An estimator is cloned, so that two models never share it."""
    given = LogisticRegression(C=3.0)
    model = make_strategy("end", SMALL, head=given)

    assert model["head"].C == 3.0
    assert model["head"] is not given
    assert "svc" in make_strategy("pixels", head="svm")["head"].named_steps
    assert "ridgecv" in make_strategy("pixels", regression=True)["head"].named_steps


def test_its_steps_can_be_searched(shapes):
    """They have the same names in every strategy, so one grid fits."""
    model = make_strategy("end", SMALL, head="svm")
    search = GridSearchCV(clone(model), {"features__depth": [2, 4], "head__svc__C": [0.01]}, cv=2)

    assert search.fit(*shapes).best_score_ > 0.8


def test_a_strategy_refuses_choices_that_nobody_has():
    """A choice of the tuner, where none is made, is an error that says where choices of the extractor go."""
    for name in FROZEN:
        with pytest.raises(TypeError, match=r"got input_size=32: .* as in FeatureExtractor\(input_size=32\)"):
            make_strategy(name, input_size=32)
    with pytest.raises(TypeError, match="inputsize"):
        make_strategy("finetune", inputsize=32)
