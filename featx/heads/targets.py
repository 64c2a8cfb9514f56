"""What kind of target ``y`` is, and which activation, loss and answers follow from it.

============== ============================================ ========== ==========================================
kind           ``y``                                        activation loss of a score s and a target t
============== ============================================ ========== ==========================================
``binary``     two classes                                  sigmoid    log(1 + e^s) - t s, the cross-entropy
``multiclass`` three classes and more                       softmax    log(sum e^s) - sum t s, the cross-entropy
``multilabel`` columns of 0 and 1                           sigmoid    as ``binary``, the mean over the columns
``share``      numbers that all lie in 0..1                 sigmoid    as ``binary``, the mean over the columns
``number``     any other numbers                            linear     (t - s)^2, the mean over the columns
============== ============================================ ========== ==========================================

The network outputs scores; `Target.decode` and `Target.probabilities` apply the activation. The cross-entropy of a
share is smallest at its expectation (Papke & Wooldridge, J. Appl. Econometrics 1996).
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax  # type: ignore[import-untyped] # SciPy has no types
from sklearn.utils import compute_sample_weight

from featx.heads.checks import labels_of, numbers_of, one_class

_EDGE = 0.01  # shares are kept this far from 0 and 1 where their logit is needed, which is infinite there


@dataclass(frozen=True)
class Target:
    """What a ``y`` holds, and how to encode it, weigh it and decode answers to it.

    Examples
    --------
    >>> target = classes_in(["cat", "dog", "cat"])
    >>> target.kind, target.activation, target.encode(["dog", "cat"]).ravel().tolist()
    ('binary', 'sigmoid', [1.0, 0.0])
    >>> target.decode(np.array([[-2.0], [0.5]])).tolist()
    ['cat', 'dog']
    """

    kind: str
    """``binary``, ``multiclass``, ``multilabel``, ``share`` or ``number``."""
    columns: int
    """How many scores each image gets."""
    classes: NDArray[Any] | None = None
    """The labels, sorted; for multi-label targets the numbers of the columns; None for numbers."""
    flat: bool = True
    """Whether ``y`` has one axis."""
    centre: NDArray[Any] | float = 0.0
    """What is subtracted from numbers to encode them, so that their mean is 0."""
    spread: NDArray[Any] | float = 1.0
    """What centred numbers are divided by to encode them, so that their standard deviation is 1."""

    @property
    def activation(self) -> str:
        """``sigmoid``, ``softmax`` or ``linear``."""
        return {"multiclass": "softmax", "number": "linear"}.get(self.kind, "sigmoid")

    def encode(self, y: Any) -> NDArray[np.float32]:
        """Turn `y` into what the network should output: (n, columns), float32."""
        y = np.asarray(y)
        if self.kind in ("binary", "multiclass"):
            codes = np.searchsorted(np.asarray(self.classes), y)
            return np.asarray(np.eye(self.columns)[codes] if self.columns > 1 else codes[:, None], np.float32)
        return np.asarray((y.reshape(len(y), -1) - self.centre) / self.spread, np.float32)

    def smooth(self, encoded: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
        """Mix encoded classes with an even guess (label smoothing: Szegedy et al., CVPR 2016)."""
        guess = 1 / self.columns if self.kind == "multiclass" else 0.5
        return np.asarray(encoded * (1 - amount) + guess * amount, np.float32)

    def losses(self, encoded: Any, scores: Any, xp: ModuleType = np) -> Any:
        """Return the loss of each score, (n, columns), or for ``multiclass`` of each image, (n, 1).

        Parameters
        ----------
        encoded, scores
            Of shape (n, columns).
        xp
            `numpy`, or `keras.ops` for tensors.
        """
        if self.activation == "linear":
            return (encoded - scores) ** 2
        if self.activation == "sigmoid":
            return xp.logaddexp(xp.zeros_like(scores), scores) - encoded * scores
        top = xp.max(scores, axis=-1, keepdims=True)
        total = top + xp.log(xp.sum(xp.exp(scores - top), axis=-1, keepdims=True))
        return total - xp.sum(encoded * scores, axis=-1, keepdims=True)

    def weights(self, y: Any, class_weight: Any) -> NDArray[np.float32]:
        """Return a weight for each image, (n, 1), or for multi-label targets for each of its labels, (n, columns).

        Parameters
        ----------
        y
            The targets, not encoded.
        class_weight
            None, ``"balanced"`` or a weight for each label, as scikit-learn takes them. Each column of multi-label
            targets is weighted by itself.
        """
        y = np.asarray(y)
        if class_weight is None:
            return np.ones((len(y), 1), np.float32)
        targets = y.T if self.kind == "multilabel" else [y]
        return np.column_stack([compute_sample_weight(class_weight, one) for one in targets]).astype(
            np.float32
        )

    def as_scores(self, y: Any) -> NDArray[Any]:
        """Return what to fit a linear head to: labels and numbers as they are, shares as their logits."""
        return np.asarray(logit(np.clip(y, _EDGE, 1 - _EDGE))) if self.kind == "share" else np.asarray(y)

    def probabilities(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Turn scores into probabilities: (n, classes), whose rows sum to 1, or (n, labels), each by itself."""
        if self.kind == "binary":
            return np.asarray(softmax(np.column_stack([0 * scores, scores]), axis=1))
        return np.asarray(softmax(scores, axis=1) if self.kind == "multiclass" else expit(scores))

    def decode(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Turn scores (n, columns) into labels or numbers, in the shape of ``y``."""
        if self.classes is None:
            numbers = expit(scores) if self.kind == "share" else scores
            return np.asarray(numbers[:, 0] if self.flat else numbers)
        if self.kind == "multilabel":
            return (scores > 0).astype(np.int64)
        return np.asarray(
            self.classes[(scores[:, 0] > 0).astype(int) if self.kind == "binary" else scores.argmax(axis=1)]
        )


def classes_in(y: Any) -> Target:
    """Find out what a classifier's ``y`` holds.

    Parameters
    ----------
    y
        Labels (n,) of any type, or (n, n_labels) of 0 and 1.

    Raises
    ------
    ValueError
        If it contains NaN, holds only one class, or no classes but numbers.
    """
    y = labels_of(y)
    if y.ndim == 2:
        return Target("multilabel", y.shape[1], np.arange(y.shape[1]), flat=False)
    classes = np.unique(y)
    if len(classes) < 2:
        raise one_class(classes.tolist())
    return Target("binary", 1, classes) if len(classes) == 2 else Target("multiclass", len(classes), classes)


def numbers_in(y: Any, weights: NDArray[Any] | None = None) -> Target:
    """Find out what a regressor's ``y`` holds.

    Parameters
    ----------
    y
        Numbers (n,) or (n, n_targets).
    weights
        What each image counts for, (n,); None: all the same.

    Raises
    ------
    ValueError
        If it holds anything but finite numbers.
    """
    y = numbers_of(y)
    columns = 1 if y.ndim == 1 else y.shape[1]
    if y.min() >= 0 and y.max() <= 1:
        return Target("share", columns, flat=y.ndim == 1)
    centre = np.average(y, axis=0, weights=weights)
    spread = np.sqrt(np.average((y - centre) ** 2, axis=0, weights=weights))
    return Target("number", columns, None, y.ndim == 1, centre, np.where(spread > 0, spread, 1.0))
