"""Networks that featx builds are trained from nothing: LeNet-5 reads digits, and nothing is random afterwards."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from featx.embedding import FeatureExtractor
from featx.finetuning import FineTuner
from featx.finetuning.augment import random_states
from featx.images import digits
from featx.networks import families

SCRATCH = {"decay": 1, "patience": None, "validation": None, "random_state": 0, "verbose": 0}


@pytest.mark.slow
def test_lenet_learns_to_read_digits():
    """At least 0.97 of a fifth of the images, which it has not seen; pipelines/scratch.py is the same to copy."""
    images, labels = digits()
    seen, unseen, seen_labels, unseen_labels = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=0
    )
    lenet = FeatureExtractor("lenet5", weights=None, cache=None)
    tuner = FineTuner(lenet, epochs=15, learning_rate=3e-3, augment="translation", **SCRATCH)
    assert tuner.fit(seen, seen_labels).score(unseen, unseen_labels) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("resnet34_stochastic_depth", 32), ("shake_shake", 16)])
def test_networks_that_are_random_in_training_learn(name, size):
    """The loss falls, and two looks at an image give one answer, also by the network that comes out."""
    draws = np.random.default_rng(0)
    labels = np.arange(64) % 2
    images = draws.integers(0, 120, (64, size, size, 3), dtype=np.uint8)
    images[labels == 1, ..., 0] += 100  # some are red
    extractor = FeatureExtractor(name, weights=None, depth=-1, pooling="avg", input_size=size, cache=None)
    how = {"head": None, "epochs": 5, "batch_size": 16, "augment": None, "learning_rate": 3e-3, **SCRATCH}
    tuner = FineTuner(extractor, **how).fit(images, labels)

    losses = [epoch["loss"] for epoch in tuner.history_[1:]]
    assert losses[-1] < 0.5 * losses[0]
    assert tuner.score(images, labels) > 0.9
    np.testing.assert_array_equal(tuner.predict_proba(images), tuner.predict_proba(images))
    again = FeatureExtractor(tuner.backbone_, depth=tuner.depth_, pooling=tuner.pooling_, cache=None)
    np.testing.assert_array_equal(again.transform(images), again.transform(images))


def test_what_is_random_follows_the_seed_of_the_training():
    """A run is the same each time, and after a kill, only if every random layer is found and reseeded."""
    shaking = families.shake_shake((8, 8), width=4, repeats=1)
    leaving_out = families.resnet((32, 32), blocks=(1, 1), survival=0.5)

    assert len(random_states(shaking)) == 3
    assert len(random_states(leaving_out)) == 2
