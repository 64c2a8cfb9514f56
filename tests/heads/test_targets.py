"""Targets: the kind of y decides the activation, the loss and the answers; losses are those of Keras."""

import numpy as np
import pytest

from featx.heads.targets import classes_in, numbers_in

KINDS = {
    "binary": classes_in(["b", "a", "b"]),
    "multiclass": classes_in([3, 1, 2]),
    "multilabel": classes_in(np.array([[0, 1, 1], [1, 0, 0]])),
    "share": numbers_in([0.0, 0.25, 1.0]),
    "number": numbers_in([[1.0, 20.0], [3.0, 40.0]]),
}
ACTIVATIONS = {"binary": "sigmoid", "multiclass": "softmax", "multilabel": "sigmoid", "share": "sigmoid"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_told_from_y(kind):
    """Each y of the table in the module has the kind and the activation that stand there."""
    assert KINDS[kind].kind == kind
    assert KINDS[kind].activation == ACTIVATIONS.get(kind, "linear")


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["cat", "dog", "cat"], ["cat", "dog"]),
        ([True, False], [False, True]),
        ([7, -1, 7, 3], [-1, 3, 7]),
        (np.array([2.0, 5.0, 5.0]), [2.0, 5.0]),
        (np.array(["x", "y", "z"], dtype=object), ["x", "y", "z"]),
    ],
)
def test_labels_of_any_type_come_back(y, classes):
    """What is encoded and then decoded is what it was."""
    target = classes_in(y)
    encoded = target.encode(y)

    assert list(target.classes) == classes
    assert encoded.dtype == np.float32
    assert list(target.decode(np.where(encoded > 0.5, 4.0, -4.0))) == list(y)


def test_several_labels_come_back():
    """A table of 0 and 1 stays one."""
    y = np.array([[0, 1, 1], [1, 0, 0]])
    target = classes_in(y)

    np.testing.assert_array_equal(target.decode(target.encode(y) - 0.5), y)
    np.testing.assert_array_equal(target.probabilities(np.zeros((2, 3))), np.full((2, 3), 0.5))


def test_numbers_are_standardised():
    """The network learns numbers of mean 0 and deviation 1; a constant column does no harm."""
    y = np.array([[1.0, 5.0], [3.0, 5.0], [8.0, 5.0]])
    target = numbers_in(y)
    encoded = target.encode(y)

    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(encoded.std(axis=0), [1, 0], atol=1e-6)
    np.testing.assert_allclose(encoded * target.spread + target.centre, y, atol=1e-5)


def test_shares_stay_in_their_range():
    """Numbers in 0..1 are answered by numbers in 0..1, of the shape of y."""
    target = numbers_in([[0.0], [0.5]])

    given = target.decode(np.array([[-9.0], [0.0], [9.0]]))

    assert given.shape == (3, 1)
    assert 0 < given[0, 0] < 0.01
    assert 0.99 < given[2, 0] < 1
    np.testing.assert_allclose(target.as_scores(np.array([0.0, 0.5])), [np.log(0.01 / 0.99), 0])


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_those_of_keras(kind):
    """NumPy and Keras run the same formula, and it is Keras' own loss on logits, for large scores, too."""
    import keras
    from keras import ops

    rng = np.random.default_rng(0)
    target = KINDS[kind]
    scores = rng.normal(0, 30, (8, target.columns)).astype(np.float32)
    truth = rng.random((8, target.columns)).astype(np.float32)
    if kind == "multiclass":
        truth /= truth.sum(axis=1, keepdims=True)
    theirs = {
        "softmax": keras.losses.CategoricalCrossentropy(from_logits=True),
        "sigmoid": keras.losses.BinaryCrossentropy(from_logits=True),
        "linear": keras.losses.MeanSquaredError(),
    }[target.activation]

    ours = target.losses(truth, scores)

    np.testing.assert_allclose(ours.mean(), float(theirs(truth, scores)), rtol=1e-5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(target.losses(truth, scores, ops)), ours, rtol=1e-4, atol=1e-4
    )


def test_smoothing_mixes_in_an_even_guess():
    """Of three classes each gets a third of the amount; of one label, half."""
    one = np.array([[1, 0, 0]], np.float32)

    np.testing.assert_allclose(KINDS["multiclass"].smooth(one, 0.3), [[0.8, 0.1, 0.1]], rtol=1e-6)
    np.testing.assert_allclose(KINDS["multilabel"].smooth(one, 0.3), [[0.85, 0.15, 0.15]], rtol=1e-6)


def test_class_weights_are_those_of_scikit_learn():
    """Balanced classes weigh the same in sum; labels of an image are weighed one by one."""
    y = ["a", "a", "a", "b"]
    balanced = classes_in(y).weights(y, "balanced")
    columns = np.array([[0, 1], [0, 1], [0, 0], [1, 1]])

    np.testing.assert_allclose(balanced.ravel(), [2 / 3, 2 / 3, 2 / 3, 2])
    np.testing.assert_allclose(classes_in(y).weights(y, {"a": 1, "b": 5}).ravel(), [1, 1, 1, 5])
    np.testing.assert_allclose(
        classes_in(columns).weights(columns, "balanced")[:, 0], [2 / 3, 2 / 3, 2 / 3, 2]
    )
    assert classes_in(columns).weights(columns, None).tolist() == [[1]] * 4
