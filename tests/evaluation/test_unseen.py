"""A fitted model is judged by images that it was not fitted to."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score, r2_score

from featx.errors import FeatxWarning, InputError
from featx.evaluation import evaluate_fitted
from featx.heads import LogisticHead

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 3))
NUMBERS = X @ [1.0, 2.0, -1.0] + RANDOM.normal(size=400)
WORDS = np.array(["ant", "bee", "cat"])[np.digitize(NUMBERS, [-1, 2])]


def test_scores_are_those_of_scikit_learn():
    """Of the images that are given, by the model as it is."""
    model = LogisticRegression().fit(X[:100], WORDS[:100])
    found = evaluate_fitted(model, X[100:], WORDS[100:])
    said = model.predict(X[100:])

    assert found.scores.mean == (said == WORDS[100:]).mean()
    assert found.scores["balanced_accuracy"].mean == pytest.approx(balanced_accuracy_score(WORDS[100:], said))
    assert found.probabilities.tolist() == model.predict_proba(X[100:]).tolist()
    numbers = LinearRegression().fit(X[:100], NUMBERS[:100])
    assert evaluate_fitted(numbers, X[100:], NUMBERS[100:]).scores.mean == pytest.approx(
        r2_score(NUMBERS[100:], numbers.predict(X[100:]))
    )


@pytest.mark.parametrize("kind", [LogisticRegression, LinearRegression])
def test_intervals_hold_the_score_on_all_images(kind):
    """Of 40 samples of 200 images about 38 hold what the model reaches on 10,000, as 95 % intervals must."""
    big = np.random.default_rng(1).normal(size=(10_000, 3))
    numbers = big @ [1.0, 2.0, -1.0] + np.random.default_rng(2).normal(size=len(big))
    y = (
        numbers
        if kind is LinearRegression
        else np.array(["ant", "bee", "cat"])[np.digitize(numbers, [-1, 2])]
    )
    model = kind().fit(big[:200], y[:200])
    true = evaluate_fitted(model, big, y).scores
    draws = np.random.default_rng(3).integers(0, len(big), (40, 200))
    found = [evaluate_fitted(model, big[rows], y[rows]).scores for rows in draws]
    for metric in (true.metric, *true.others):
        ends = [one[metric].interval for one in found]

        assert 35 <= sum(low <= true[metric].mean <= high for low, high in ends) <= 40
        assert np.mean([high - low for low, high in ends]) < 0.2


def test_no_mistake_is_no_certainty():
    """Twenty right answers of twenty leave room for mistakes, in every score."""
    model = DummyClassifier(strategy="constant", constant="ant").fit(X[:4], ["ant"] * 4)
    scores = evaluate_fitted(model, X[:20], ["ant"] * 20).scores

    for one in (scores, *scores.others.values()):
        assert one.mean == one.interval[1] == 1
        assert 0.8 < one.interval[0] < 0.95


def test_a_class_that_only_the_new_images_have_counts_as_wrong():
    """A warning says so, and the class has its row."""
    model = LogisticRegression().fit(X[:100], WORDS[:100])
    said = "^The model does not know 'dog', so it is wrong about 50 of 150 images. Leave them out to"
    with pytest.warns(FeatxWarning, match=said):
        found = evaluate_fitted(model, X[:150], [*WORDS[:100], *["dog"] * 50])

    assert found.classes.tolist() == ["ant", "bee", "cat", "dog"]
    assert found.scores.mean == pytest.approx(100 / 150 * model.score(X[:100], WORDS[:100]))
    assert found.probabilities[:, 3].tolist() == [0.0] * 150


def test_folders_are_named_by_numbers_that_are_classes():
    """A model of numbers as classes is judged by a folder, whose names are text; a strange name is wrong."""
    model = DummyClassifier(strategy="constant", constant=2).fit(X[:4], [1, 2, 1, 2])

    assert evaluate_fitted(model, X[:4], ["1", "2", "2", "2"]).scores.mean == 0.75
    with pytest.warns(FeatxWarning, match="does not know 'none'"):
        assert evaluate_fitted(model, X[:4], ["1", "2", "2", "none"]).scores.mean == 0.5


def test_several_labels_are_right_together():
    several = np.column_stack([WORDS == "ant", WORDS == "bee"]).astype(int)
    model = LogisticHead().fit(X[:100], several[:100])
    found = evaluate_fitted(model, X, several)

    assert found.scores.mean == (model.predict(X) == several).all(axis=1).mean()
    assert found.classes is None


MESSAGES = {
    "no class that it knows": (
        lambda: evaluate_fitted(LogisticRegression().fit(X, WORDS), X[:3], ["Ant", "Bee", "Bee"]),
        "The model knows none of the classes 'Ant', 'Bee'; it answers with 'ant', 'bee', 'cat'. Call them as it does.",
    ),
    "words for a model of numbers": (
        lambda: evaluate_fitted(LinearRegression().fit(X, NUMBERS), X[:2], ["ant", "bee"]),
        "y holds 'ant', but the model predicts numbers. Give the numbers of these images.",
    ),
    "one number": (
        lambda: evaluate_fitted(LinearRegression().fit(X, NUMBERS), X[:1], NUMBERS[:1]),
        "Numbers cannot be judged by one image: R² needs two or more.",
    ),
    "fewer labels than it was fitted to": (
        lambda: evaluate_fitted(LogisticHead().fit(X, np.eye(3, dtype=int)[RANDOM.integers(0, 3, 400)]), X[:3],
                                [[0, 1], [1, 0], [1, 1]]),
        (
            "The model answers with the shape (3, 3), and the labels have (3, 2). Give as many columns of labels as it "
            "was fitted to."
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    call, message = MESSAGES[mistake]
    says(call, InputError, message)
