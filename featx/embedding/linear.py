"""A fitted pipeline taken apart: the extractor, and the linear map from its embeddings to a score."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from featx.embedding.extractor import FeatureExtractor
from featx.errors import InputError, UnknownNameError
from featx.heads.blas import ignore_flags

_NUMBERS = 1 << 23
"""Numbers in the embeddings that are scored at a time."""
ROUNDING = 1e-4
"""How far the map may be from the scores themselves, as a share of the largest of its parts."""


@dataclass(frozen=True)
class Head:
    """What stands behind the extractor of a fitted pipeline."""

    extractor: FeatureExtractor
    scores: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    """From embeddings (n, d) to scores (n, k); k is 1 for two classes."""
    steps: str
    """The steps it is made of, for a message."""
    classes: Sequence[Any] | None
    """Of which one is the answer; None for labels and numbers, which are answered together."""
    width: int
    """k."""
    answer: Callable[[np.ndarray], np.ndarray] | None = field(repr=False)
    """From embeddings to probabilities (n, classes or labels), or to numbers (n, k); None for classes without
    probabilities."""
    classifier: bool
    """Whether it answers with classes or labels, not with numbers."""
    need: str
    """Why the head has to be linear, for a message."""

    def answers(self) -> Sequence[Any]:
        """List what can be asked about: the classes, or the numbers of the columns."""
        return self.classes if self.classes is not None else range(self.width)

    def find(self, answer: Any) -> Any:
        """Find an answer by its value, or by how it is written.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        known = self.answers()
        for one in known:
            if str(one) == str(answer):
                return one
        raise UnknownNameError("class" if self.classes is not None else "column", answer, map(str, known))

    def weights(self, answer: Any, against: Any = None) -> np.ndarray:
        """Give (k,): how the score of an answer is made of the scores; `against` another one, their difference."""
        known = list(self.answers())
        if self.classes is not None and self.width == 1:
            return np.array([1.0 if known.index(answer) else -1.0])
        unit = np.eye(self.width)
        return np.asarray(unit[known.index(answer)] - (0 if against is None else unit[known.index(against)]))

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Give coefficients (d, k) and constants (k,), as `scores` itself has them: asked of it, column by column.

        So whatever is linear counts, however its parameters are called: scalers, selectors, rotations, any linear head.
        Whether it is, `check` tells.
        """
        width = self.extractor.plan().width
        constants = self.scores(np.zeros((1, width)))[0]
        many = max(1, _NUMBERS // width)
        parts = []
        for start in range(0, width, many):
            rows = np.zeros((min(many, width - start), width))
            rows[np.arange(len(rows)), start + np.arange(len(rows))] = 1
            parts.append(self.scores(rows) - constants)
        return np.concatenate(parts), constants

    def check(self, embedding: np.ndarray, coef: np.ndarray, constants: np.ndarray) -> None:
        """Make sure that the map is linear, at an embedding and at others of its size.

        Raises
        ------
        InputError
            If it is not.
        """
        random = np.random.default_rng(0).normal(size=(3, len(embedding))) * np.abs(embedding).max()
        rows = np.concatenate([[embedding, -3 * embedding], random])
        size = np.abs(rows) @ np.abs(coef) + np.abs(constants)
        if np.any(np.abs(rows @ coef + constants - self.scores(rows)) > ROUNDING * size):
            raise _refusal(f"{self.steps} is not linear in the embedding", self.need)


def head_of(model: Any, need: str = "so no pixel has a part of its own in its score") -> Head:
    """Take a fitted pipeline apart.

    Parameters
    ----------
    model
        A pipeline of a `FeatureExtractor`, or of a `FineTuner`, any steps and a head; what holds a fitted one, as a
        search or a `TransferClassifier` does; or a `FineTuner`.
    need
        What a head that is not linear prevents, for a message.

    Raises
    ------
    InputError
        If it is something else, or has no scores that could be linear.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    given, model = model, _innermost(model)
    first, *between = _steps(model)
    extractor = first.tuned_extractor() if hasattr(first, "tuned_extractor") else first
    if first is not extractor and not between:
        return _tuned(first, need)
    if not isinstance(extractor, FeatureExtractor) or not between:
        raise InputError(
            f"This {type(given).__name__} begins with {type(extractor).__name__}, not with one FeatureExtractor that a "
            "head follows. Give a fitted pipeline that does, such as featx fit saves."
        )
    check_is_fitted(model)
    head = between[-1]
    steps = f"What follows the extractor ({', '.join(type(step).__name__ for step in between)})"
    score = getattr(head, "decision_function" if is_classifier(head) else "predict", None)
    if score is None:
        raise _refusal(f"{steps} has no decision_function", need)

    def through(embeddings: np.ndarray, last: Callable[[Any], Any]) -> np.ndarray:
        with warnings.catch_warnings(), ignore_flags():
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            for step in between[:-1]:
                embeddings = step.transform(embeddings)
            return np.asarray(last(embeddings))

    def scores(embeddings: np.ndarray) -> np.ndarray:
        return through(embeddings, score).astype(np.float64).reshape(len(embeddings), -1)

    black = np.zeros((1, extractor.plan().width))
    width = scores(black).shape[1]
    classes = None
    if is_classifier(head) and through(black, head.predict).ndim == 1:
        classes = head.classes_.tolist()
        if len(classes) > 2 and hasattr(head, "decision_function_shape"):
            raise _refusal(f"{steps} decides among {len(classes)} classes by votes of pairs", need)
    last: Any = getattr(head, "predict_proba" if is_classifier(head) else "predict", None)

    def answer(embeddings: np.ndarray) -> np.ndarray:
        found = through(embeddings, last)
        return found.astype(np.float64).reshape(len(embeddings), -1)

    return Head(extractor, scores, steps, classes, width, answer if last else None, is_classifier(head), need)


def _innermost(model: Any) -> Any:
    """Give the fitted pipeline that a search or a choice among strategies holds."""
    while (
        inner := getattr(model, "best_estimator_", None) or getattr(model, "estimator_", None)
    ) is not None:
        model = inner
    return model


def _refusal(why: str, need: str) -> InputError:
    return InputError(f"{why}, {need}. Fit a linear head, such as 'logistic', 'ridge-classifier' or 'ridge'.")


def _tuned(tuner: Any, need: str) -> Head:
    """Take a fine-tuned network apart; where it answers with shares, the scores are their logits."""
    coef, constants = np.asarray(tuner.coef_, np.float64), np.asarray(tuner.intercept_, np.float64)
    classes = tuner.target_.classes.tolist() if tuner.target_.kind in ("binary", "multiclass") else None

    def scores(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows @ coef.T + constants)

    def answer(rows: np.ndarray) -> np.ndarray:
        last = tuner.target_.probabilities if is_classifier(tuner) else tuner.target_.decode
        return np.asarray(last(scores(rows))).reshape(len(rows), -1)

    return Head(
        tuner.tuned_extractor(),
        scores,
        type(tuner).__name__,
        classes,
        len(coef),
        answer,
        is_classifier(tuner),
        need,
    )


def _steps(model: Any) -> list[Any]:
    """List the steps of a pipeline, those of pipelines in it, too, but not those that do nothing to what is asked.

    A sampler of imbalanced-learn draws rows for `fit` only.
    """
    if not isinstance(model, Pipeline):
        return [model]
    steps = [step for _, step in model.steps if step is not None and not isinstance(step, str)]
    steps = [step for step in steps if not hasattr(step, "fit_resample")]
    return [inner for step in steps for inner in _steps(step)]
