"""How much of a network is tuned: found by short trials, or said."""

import numpy as np
import pytest

from featx import FeatureExtractor, FineTuner
from featx.finetuning.checkpoint import Checkpoint
from featx.finetuning.optimizer import Settings
from featx.finetuning.trials import CHOICES, best_stages, brief
from featx.images import synthetic

EXTRACTOR = FeatureExtractor(depth=[1, 2], pooling="avg", input_size=32, cache=None)
CHOICE = {"stages": "auto", "epochs": 2, "augment": None, "random_state": 0, "verbose": 0}


@pytest.fixture(scope="module")
def shapes():
    """Draw 48 images of three kinds."""
    return synthetic(n=48, classes=3, size=32, random_state=0)


@pytest.fixture(scope="module")
def chosen(shapes):
    """Tune what trials choose."""
    return FineTuner(EXTRACTOR, **CHOICE).fit(*shapes)


@pytest.mark.xdist_group("tuner-trials")
def test_what_has_the_least_loss_in_a_trial_is_tuned(shapes, chosen):
    """Each choice was tried once, and the network is the one that tuning the best by its name gives."""
    assert tuple(trial["stages"] for trial in chosen.trials_) == CHOICES
    least = min(chosen.trials_, key=lambda trial: trial["validation_loss"])
    assert chosen.stages_ == least["stages"] == best_stages(chosen.trials_)

    named = FineTuner(EXTRACTOR, **{**CHOICE, "stages": chosen.stages_}).fit(*shapes)
    np.testing.assert_allclose(named.coef_, chosen.coef_, rtol=1e-3, atol=1e-6)
    assert (named.trials_, named.stages_) == ([], chosen.stages_)


@pytest.mark.xdist_group("tuner-trials")
def test_a_trial_is_not_made_again_after_a_kill(shapes, chosen, tmp_path, monkeypatch):
    """Those that were done are known, and what comes out is the same."""
    write = Checkpoint.write

    def dies(checkpoint, facts, lists):
        write(checkpoint, facts, lists)
        if len(facts["trials"]) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "write", dies)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        FineTuner(EXTRACTOR, **CHOICE, checkpoint=tmp_path).fit(*shapes)
    monkeypatch.setattr(Checkpoint, "write", write)
    (path,) = tmp_path.glob("[!.]*.npz")
    known = Checkpoint(tmp_path, path.stem).read()[0]["trials"]
    resumed = FineTuner(EXTRACTOR, **CHOICE, checkpoint=tmp_path).fit(*shapes)

    assert resumed.trials_[:2] == known
    assert resumed.stages_ == chosen.stages_
    np.testing.assert_allclose(resumed.coef_, chosen.coef_, rtol=1e-3, atol=1e-6)


def test_random_weights_are_tuned_whole(shapes):
    """There is nothing to leave as it is, and so nothing to try."""
    extractor = FeatureExtractor(depth=1, pooling="avg", input_size=32, weights=None, cache=None)
    tuner = FineTuner(extractor, **{**CHOICE, "epochs": 1}, validation=None).fit(*shapes)

    assert (tuner.stages_, tuner.trials_) == ("all", [])


@pytest.mark.parametrize(
    ("epochs", "seconds", "few", "short"), [(20, None, 2, None), (10, 900, 1, 90), (1, 5, 1, 0.5)]
)
def test_a_trial_is_a_tenth(epochs, seconds, few, short):
    """Of the epochs, one at least, and of the time."""
    settings = Settings(epochs, 32, "auto", "adamw", 0.0, 0.9, 0.1, "at-once", 5, seconds)

    assert (brief(settings).epochs, brief(settings).max_seconds) == (few, short)
