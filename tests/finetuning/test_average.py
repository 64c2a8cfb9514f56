"""Averaged weights: between the frozen network and the tuned one, and over the last part of a training."""

import json

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import featx
from featx import FeatureExtractor, FineTuner, FineTunerRegressor, make_head
from featx.finetuning.average import SHARES, between, portion
from featx.finetuning.checkpoint import Checkpoint
from featx.images import synthetic
from featx.networks.flatten import flatten

EXTRACTOR = FeatureExtractor(depth=[1, 2], pooling="avg", input_size=32, cache=None)
CHOICES = {
    "epochs": 3,
    "augment": None,
    "learning_rate": 0.01,
    "batch_size": 12,
    "random_state": 0,
    "verbose": 0,
}


@pytest.fixture(scope="module")
def noisy():
    """Draw 48 images, and label them by a seeded coin, so that every training moves far."""
    images, _ = synthetic(n=48, classes=3, size=32, random_state=0)
    return images, np.random.default_rng(5).integers(0, 2, len(images))


@pytest.fixture(scope="module")
def tuned(noisy):
    """Give a function that tunes without images held out, once for each average."""
    made = {}

    def tune(average):
        if average not in made:
            made[average] = FineTuner(EXTRACTOR, **CHOICES, validation=None, average=average).fit(*noisy)
        return made[average]

    return tune


def weights(tuner):
    return [*tuner.backbone_.get_weights(), tuner.coef_, tuner.intercept_]


@pytest.mark.xdist_group("tuner-average")
def test_share_0_is_the_frozen_pipeline(noisy, tuned):
    """Its answers are those of the extractor and a logistic head, and its network has the original's weights."""
    images, labels = noisy
    frozen = make_pipeline(EXTRACTOR, make_head("logistic")).fit(images, labels)

    np.testing.assert_allclose(tuned(0).predict_proba(images), frozen.predict_proba(images), atol=1e-6)
    np.testing.assert_allclose(
        tuned(0).tuned_extractor().transform(images), EXTRACTOR.transform(images), rtol=1e-5, atol=1e-6
    )
    assert (tuned(0).share_, tuned(0).best_epoch_) == (0, 0)


@pytest.mark.xdist_group("tuner-average")
def test_share_1_is_the_tuned_network(noisy, tuned):
    """The same as where nothing is mixed, which is what "auto" comes to without images held out."""
    np.testing.assert_array_equal(tuned(1).predict_proba(noisy[0]), tuned("auto").predict_proba(noisy[0]))
    assert (tuned(1).share_, tuned("auto").share_, tuned(None).share_) == (1, 1, 1)
    assert np.abs(tuned(1).coef_ - tuned(0).coef_).max() > 1e-3


@pytest.mark.xdist_group("tuner-average")
def test_a_share_is_that_of_every_weight(tuned):
    """Of the network's and of the head's, whose training is in other units; BatchNorm's statistics stay."""
    for mixed, first, last in zip(weights(tuned(0.25)), weights(tuned(0)), weights(tuned(1)), strict=True):
        np.testing.assert_allclose(mixed, 0.75 * first + 0.25 * last, rtol=1e-4, atol=1e-5)


@pytest.mark.xdist_group("tuner-average")
def test_weights_are_averaged_over_the_last_part(tuned):
    """What comes out differs from the last weights, but less than from the first."""
    averaged, last, first = (tuned(average).coef_ for average in (1, None, 0))

    assert 0 < np.abs(averaged - last).max() < np.abs(averaged - first).max()


def test_the_share_is_chosen_on_the_images_held_out(noisy):
    """All are tried, the best is kept, and nothing is below the frozen pipeline there."""
    tuner = FineTuner(EXTRACTOR, **CHOICES, validation=0.3).fit(*noisy)
    merit = {
        entry["share"]: (entry["validation_score"], -entry["validation_loss"]) for entry in tuner.shares_
    }

    assert sorted(merit) == [0, *SHARES]
    assert merit[tuner.share_] == max(merit.values()) >= merit[0]
    assert merit[0] == (tuner.history_[0]["validation_score"], -tuner.history_[0]["validation_loss"])
    assert merit[1] == max(
        (entry["validation_score"], -entry["validation_loss"]) for entry in tuner.history_[1:]
    )
    assert (tuner.share_ == 0) == (tuner.best_epoch_ == 0)


def test_a_regressor_has_a_share_too(noisy):
    """Of numbers in units of their own, to which the head's weights are brought back."""
    images = noisy[0]
    brightness = 1000 + images.mean(axis=(1, 2, 3), dtype=np.float64)
    kinds = [
        FineTunerRegressor(EXTRACTOR, **CHOICES, validation=None, average=average).fit(images, brightness)
        for average in (0, 0.5, 1)
    ]
    frozen = make_pipeline(EXTRACTOR, make_head("ridge")).fit(images, brightness).predict(images)

    np.testing.assert_allclose(kinds[0].predict(images), frozen, rtol=1e-6)
    for first, mixed, last in zip(*map(weights, kinds), strict=True):
        np.testing.assert_allclose(mixed, 0.5 * first + 0.5 * last, rtol=1e-4, atol=1e-4)


def test_a_mixture_is_saved_and_loaded(noisy, tmp_path):
    """As any network of Keras is; the share and those that were tried come along."""
    tuner = FineTuner(EXTRACTOR, **{**CHOICES, "epochs": 1}, validation=0.3, average=0.5).fit(*noisy)
    featx.save(tuner, tmp_path / "model")
    loaded = featx.load(tmp_path / "model")

    np.testing.assert_allclose(loaded.predict_proba(noisy[0]), tuner.predict_proba(noisy[0]), atol=1e-6)
    assert (loaded.average, loaded.share_, loaded.shares_) == (0.5, tuner.share_, tuner.shares_)


def test_the_average_goes_on_after_a_kill(noisy, tmp_path, monkeypatch):
    """It is part of the state: a run that stops after an epoch ends with the weights of one that did not."""
    choices = {**CHOICES, "validation": 0.25, "patience": None}
    straight = FineTuner(EXTRACTOR, **choices).fit(*noisy)
    write = Checkpoint.write

    def dies(checkpoint, facts, lists):
        write(checkpoint, facts, lists)
        if len(facts["history"]) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "write", dies)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        FineTuner(EXTRACTOR, **choices, checkpoint=tmp_path).fit(*noisy)
    monkeypatch.setattr(Checkpoint, "write", write)
    resumed = FineTuner(EXTRACTOR, **choices, checkpoint=tmp_path).fit(*noisy)

    assert json.dumps([entry["share"] for entry in resumed.shares_]) == json.dumps([0.0, *SHARES])
    np.testing.assert_allclose(resumed.coef_, straight.coef_, rtol=1e-3, atol=1e-5)
    assert resumed.share_ == straight.share_


def test_statistics_are_those_of_the_averaged_weights():
    """From random weights BatchNorm's statistics are taken anew: they are what the images have, as it is at the end."""
    images, labels = synthetic(n=32, classes=2, size=32, random_state=0)
    extractor = FeatureExtractor(depth=1, pooling="avg", input_size=32, weights=None, cache=None)
    tuner = FineTuner(extractor, **CHOICES, decay=1.0, validation=None).fit(images, labels)
    graph = flatten(tuner.backbone_, input_size=(32, 32), scaling="none")
    (norm,) = (tensor for tensor in graph.tensors if tensor.layer.name.endswith("_norm"))
    before = graph.tensors[norm.sources[0]].symbol
    from keras import Model

    maps = np.asarray(Model(graph.input, before).predict(np.stack(images), verbose=0))
    _, _, mean, variance = norm.layer.get_weights()
    assert np.abs(mean - maps.mean(axis=(0, 1, 2))).max() < 0.25 * maps.std()
    np.testing.assert_allclose(variance, maps.var(axis=(0, 1, 2)), rtol=0.5)


def test_the_average_is_over_the_last_tenth():
    """Of weights that grow by 1 in each step it lags behind by about a tenth of them, whenever one looks."""
    average, lags = 0.0, []
    for step in range(1001):
        average += portion(step) * (step - average)
        lags.append(step - average)

    assert lags[0] == 0
    assert [lags[step] / step for step in (100, 300, 1000)] == pytest.approx([0.09] * 3, abs=0.02)


@pytest.mark.parametrize("share", [0, 0.0, 1, 1.0])
def test_the_ends_are_as_they_were(share):
    """To the bit, whatever the numbers; counts are never mixed."""
    start, end = [np.float32([0.1, 1e30]), np.array([3])], [np.float32([0.7, -1e30]), np.array([8])]

    assert [part.tolist() for part in between(start, end, share)] == [
        part.tolist() for part in (end if share else start)
    ]
    assert between(start, end, 0.5)[1].tolist() == [8]
