"""Any number of images is answered for, block by block, and each goes through a network once."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from featx.embedding import FeatureExtractor
from featx.errors import ImageError
from featx.finetuning import FineTuner
from featx.heads import LogisticHead, make_head
from featx.saving.answers import answers

LABELS = np.array(["ant", "bee"] * 6)


def frozen(tiny):
    """Make an extractor of a network that keeps nothing."""
    return FeatureExtractor(tiny, scaling="unit", depth=-1, cache=None, engine="keras")


MODELS = {
    "a pipeline": lambda tiny: make_pipeline(frozen(tiny), LogisticHead()),
    "a search": lambda tiny: GridSearchCV(
        make_pipeline(frozen(tiny), KNeighborsClassifier()), {"kneighborsclassifier__n_neighbors": [1]}, cv=2
    ),
    "a fine-tuned network": lambda tiny: FineTuner(
        frozen(tiny), epochs=1, augment=None, validation=None, verbose=0
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("bad", [[], [3, 7]])
def test_each_image_goes_through_the_network_once(tiny, files, forwards, name, bad):
    """For the answers and their probabilities, without a cache, and where images are bad."""
    model = MODELS[name](tiny).fit(files, LABELS)
    good = [path for row, path in enumerate(files) if row not in bad]
    expected, chances = model.predict(good), model.predict_proba(good)
    for row in bad:
        Path(files[row]).write_bytes(b"no image")
    forwards.clear()
    found = list(answers(model, np.array(files, object), block=5))

    assert sum(forwards) == len(good)
    assert [path for some in found for path in some.paths] == good
    assert [one.name for some in found for one in some.bad] == [files[row] for row in bad]
    assert np.concatenate([some.predictions for some in found]).tolist() == expected.tolist()
    # a batch of another shape may differ in the last bits
    np.testing.assert_allclose(np.concatenate([some.probabilities[0] for some in found]), chances, atol=1e-5)


class Counting(ClassifierMixin, BaseEstimator):
    """Answers with how many images it is asked about."""

    classes_ = np.arange(9)

    def predict(self, X):
        """Count."""
        return np.full(len(X), len(X))


def test_a_model_is_never_asked_about_more_than_a_block():
    """So memory does not grow with the number of images."""
    found = list(answers(Counting(), np.array(["a"] * 10, object), block=4))

    assert [some.predictions.tolist() for some in found] == [[4] * 4, [4] * 4, [2] * 2]


def test_the_engine_is_chosen_for_all_images_that_are_left(tiny, files, monkeypatch):
    """An export that pays for all of them would not pay for a block."""
    from featx.embedding import passes

    model, asked, engine_for = MODELS["a pipeline"](tiny).fit(files, LABELS), [], passes.engine_for

    def noting(*arguments, **choices):
        asked.append(choices["images"])
        return engine_for(*arguments, **choices)

    monkeypatch.setattr(passes, "engine_for", noting)
    list(answers(model, np.array(files, object), block=5))

    assert asked == [12, 7, 2]


def test_a_block_of_bad_images_does_not_end_it(tiny, files):
    """Only where no image is left there is nothing to answer."""
    model = MODELS["a pipeline"](tiny).fit(files, LABELS)
    for path in files[:4]:
        Path(path).write_bytes(b"no image")
    found = list(answers(model, np.array(files, object), block=4))

    assert [len(some.paths) for some in found] == [0, 4, 4]
    with pytest.raises(ImageError, match=r"^4 images cannot be read:"):
        list(answers(model, np.array(files[:4], object), block=3))


def columns_of(model, y, top=None):
    """Fit a model to numbers and give the columns of its answers, with those of the first row."""
    model.fit(np.eye(4), y)
    (found,) = answers(model, np.eye(4))
    return {name: column[0] for name, column in found.columns(top).items()}


def test_columns_follow_what_the_model_answers():
    """Classes with and without probabilities, numbers, and several of either."""
    words, several = ["a", "b", "c", "c"], np.array([[0, 1], [1, 0], [1, 1], [0, 0]])

    assert list(columns_of(LogisticHead(), words)) == [
        "prediction", "probability", "probability_a", "probability_b", "probability_c",
    ]  # fmt: skip
    assert list(columns_of(make_head("ridge-classifier"), words)) == ["prediction"]
    assert list(columns_of(make_head("ridge"), [0.5, 1.5, 2.5, 3.5])) == ["prediction"]
    assert list(columns_of(make_head("ridge"), several / 3)) == ["prediction_0", "prediction_1"]
    assert list(columns_of(LogisticHead(), several)) == [
        "prediction_0", "prediction_1", "probability_0", "probability_1",
    ]  # fmt: skip
    nearest = columns_of(KNeighborsClassifier(1), several)
    assert nearest == {"prediction_0": 0, "prediction_1": 1, "probability_0": 1.0, "probability_1": 1.0}


def test_top_orders_the_classes_by_their_probability():
    """The answer first, and no more of them than there are."""
    row = columns_of(LogisticHead(), ["a", "b", "c", "c"], top=2)
    everything = columns_of(LogisticHead(), ["a", "b", "c", "c"], top=9)

    assert list(row) == ["prediction", "probability", "prediction_2", "probability_2"]
    assert row["prediction"] == "a"
    assert row["probability"] >= row["probability_2"]
    assert len(everything) == 6
    assert sum(everything[name] for name in everything if name.startswith("prob")) == pytest.approx(1)
