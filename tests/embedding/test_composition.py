"""Estimators take an extractor or a backbone, can be searched through it, and leave it as it was."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union

from featx import (
    FeatureExtractor,
    FineTuner,
    FineTunerRegressor,
    TransferClassifier,
    TransferRegressor,
    evaluate,
    load,
    make_head,
    save,
)
from featx.embedding import PixelExtractor, as_extractor
from featx.errors import ImageError, InputError
from featx.images import synthetic

QUICK = {"input_size": 32, "pooling": "avg", "cache": None}
IMAGES, LABELS = synthetic(n=24, classes=2, size=32, random_state=0)
BRIGHT = IMAGES.mean(axis=(1, 2, 3))
TUNED = {"epochs": 1, "stages": 1, "augment": None, "random_state": 0, "validation": None}
MADE = [
    (FineTuner, TUNED, LABELS),
    (FineTunerRegressor, TUNED, BRIGHT),
    (TransferClassifier, {"cv": 2}, LABELS),
    (TransferRegressor, {"cv": 2}, BRIGHT),
]
KINDS = [kind for kind, *_ in MADE]


def test_a_backbone_is_an_extractor_with_default_choices(tiny):
    """A name, a file or a model; an extractor is taken as it is, and changed only in a copy."""
    given = FeatureExtractor(tiny, depth=2)

    assert as_extractor("mobilenet_v2").get_params() == FeatureExtractor("mobilenet_v2").get_params()
    assert as_extractor(tiny, depth=3).backbone is tiny
    assert as_extractor(given) is given
    assert as_extractor(given, depth=3).get_params() == {**given.get_params(), "depth": 3}
    assert given.depth == 2


@pytest.mark.parametrize("kind", KINDS)
def test_another_estimator_is_no_extractor(kind):
    """The message says what can stand there."""
    with pytest.raises(
        InputError, match=r"extractor=PixelExtractor\(\): give a FeatureExtractor, or a backbone"
    ):
        kind(PixelExtractor()).fit(IMAGES, LABELS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extractor", ["mobilenet_v2", FeatureExtractor("mobilenet_v2")])
def test_choices_of_the_extractor_are_parameters(kind, extractor):
    """Also where a name stands for it, and where both change at once; the name itself stays what it was."""
    estimator = kind(extractor)
    changed = clone(estimator).set_params(extractor__depth=3, extractor__pooling="avg", random_state=4)
    swapped = clone(estimator).set_params(extractor="resnet50", extractor__depth=2)

    assert repr(changed.extractor) == "FeatureExtractor(backbone='mobilenet_v2', depth=3, pooling='avg')"
    assert changed.get_params()["extractor__depth"] == 3
    assert changed.random_state == 4
    assert (swapped.extractor.backbone, swapped.extractor.depth) == ("resnet50", 2)
    assert as_extractor(estimator.extractor).depth == "default"
    with pytest.raises(ValueError, match="Invalid parameter 'dept'"):
        kind(extractor).set_params(extractor__dept=3)


@pytest.mark.parametrize("kind", KINDS)
def test_no_choice_of_the_extractor_is_repeated(kind):
    """It has one parameter for all of them; what has the same name says something else."""
    own = set(kind().get_params()) & set(FeatureExtractor().get_params())

    assert own <= {"batch_size", "precision", "n_jobs", "verbose"}
    assert len(kind().get_params()) <= 24


def test_the_depth_of_a_tuner_is_searched():
    """As that of any step of a pipeline, also where the tuner was given a name."""
    tuner = FineTuner("featx-mini", **TUNED)
    grid = {"extractor__depth": [1, 2], **{f"extractor__{name}": [choice] for name, choice in QUICK.items()}}
    halves = [(np.arange(12), np.arange(12, 24))]
    search = GridSearchCV(tuner, grid, cv=halves).fit(IMAGES, LABELS)

    assert [params["extractor__depth"] for params in search.cv_results_["params"]] == [1, 2]
    best = search.best_estimator_
    assert best.coef_.shape[1] == {1: 32, 2: 64}[best.extractor.depth]
    assert tuner.extractor == "featx-mini"


@pytest.mark.parametrize(("kind", "choices", "y"), MADE)
def test_fit_leaves_the_extractor_as_it_was(kind, choices, y, tiny):
    """Neither a parameter nor the network of one's own changes; the same object stays where it was."""
    extractor = FeatureExtractor(
        tiny, scaling="unit", pooling="avg", on_error="nan", precision="bfloat16", cache=None
    )
    before, weights = dict(vars(extractor)), tiny.get_weights()
    estimator = kind(extractor, **choices).fit(IMAGES, y)

    assert estimator.extractor is extractor
    assert vars(extractor) == before
    for value, expected in zip(tiny.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, expected)
    assert len(estimator.predict(IMAGES)) == 24


@pytest.mark.parametrize(("kind", "choices", "y"), MADE)
def test_bad_images_are_errors_whatever_the_extractor_does_with_them(kind, choices, y):
    """A row of NaN has no answer."""
    extractor = FeatureExtractor(depth=1, on_error="nan", **QUICK)
    bad = [*IMAGES[:-1], "nowhere.png"]
    with pytest.raises(ImageError, match=r"nowhere\.png: there is no such file"):
        kind(extractor, **choices).fit(bad, y)
    fitted = kind(extractor, **choices, **({"strategy": "end"} if "cv" in choices else {})).fit(IMAGES, y)
    with pytest.raises(ImageError, match=r"nowhere\.png: there is no such file"):
        fitted.predict(bad)


def test_several_extractors_side_by_side_are_one_line(tmp_path):
    """By scikit-learn's `make_union`: the columns of each under their names, scored, saved and loaded as one."""
    small = FeatureExtractor("featx-mini", depth=2, pooling="avg", input_size=32)
    lenet = FeatureExtractor("lenet5", weights=None)
    model = make_pipeline(make_union(small, lenet), make_head("ridge-classifier")).fit(IMAGES, LABELS)
    vectors = model[0].transform(IMAGES)
    names = model[0].get_feature_names_out()

    np.testing.assert_array_equal(vectors, np.hstack([small.transform(IMAGES), lenet.transform(IMAGES)]))
    assert [names[0], names[-1]] == [
        "featureextractor-1__featx-mini_stage2_avg_0", "featureextractor-2__lenet5_stage3_avg_83",
    ]  # fmt: skip
    assert evaluate(model, IMAGES, LABELS, cv=2).images == len(IMAGES)
    save(model, tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(IMAGES), model.predict(IMAGES))
