"""Fine-tuning: a network trained on, whole or in its last stages, from where frozen features and a linear head are.

A linear head first, then fine-tuning, changes a pretrained network less than a head that starts from nothing: Kumar et
al., ICLR 2022.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Tags

from featx.cache import EmbeddingCache
from featx.errors import InputError
from featx.heads import make_head
from featx.logistic import LogisticHead
from featx.targets import Target, classes_in, labels_of, numbers_in, numbers_of
from featx.tuner import Tuner


class FineTuner(ClassifierMixin, Tuner):  # type: ignore[misc] # scikit-learn has no types
    """Fine-tune a pretrained CNN as a classifier of images."""

    def __init__(
        self,
        backbone: Any = "featx-mini",
        *,
        depth: int | str | Sequence[int | str] = "default",
        pooling: str | Sequence[str] = "default",
        weights: str | PathLike[str] | None = "auto",
        scaling: str = "auto",
        input_size: int | tuple[int, int] | None = None,
        resize: str = "squash",
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] = (0, 255),
        stages: int | str = "all",
        head: str | None = "auto",
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float | str = "auto",
        decay: float = 0.5,
        optimizer: str = "adamw",
        weight_decay: float = 0.01,
        momentum: float = 0.9,
        warmup: float = 0.1,
        label_smoothing: float = 0.0,
        dropout: float = 0.0,
        augment: Any = "default",
        unfreeze: str = "at-once",
        class_weight: Mapping[Any, float] | str | None = None,
        validation: float | None = 0.15,
        patience: int = 5,
        precision: str = "float32",
        checkpoint: str | PathLike[str] | None = None,
        max_seconds: float | None = None,
        cache: str | PathLike[str] | EmbeddingCache | None = "auto",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            backbone,
            depth=depth,
            pooling=pooling,
            weights=weights,
            scaling=scaling,
            input_size=input_size,
            resize=resize,
            image_shape=image_shape,
            value_range=value_range,
            stages=stages,
            head=head,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            decay=decay,
            optimizer=optimizer,
            weight_decay=weight_decay,
            momentum=momentum,
            warmup=warmup,
            dropout=dropout,
            augment=augment,
            unfreeze=unfreeze,
            validation=validation,
            patience=patience,
            precision=precision,
            checkpoint=checkpoint,
            max_seconds=max_seconds,
            cache=cache,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight

    def _read(self, y: Any) -> tuple[np.ndarray, Target, np.ndarray]:
        y, target = labels_of(y), classes_in(y)
        self.classes_ = np.asarray(target.classes)
        _, group, sizes = np.unique(
            y, axis=0 if y.ndim == 2 else None, return_inverse=True, return_counts=True
        )
        if self.validation is not None and y.ndim == 1 and sizes.min() < 2:
            raise InputError(
                f"The least populated class in y, {self.classes_.tolist()[sizes.argmin()]!r}, has only 1 member, which is too "
                "few to hold some images out. Give it another image, or pass validation=None."
            )
        return y, target, group

    def _probe(self, embeddings: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        head = LogisticHead(class_weight=self.class_weight).fit(embeddings, y)
        return head.coef_, head.intercept_

    def _score(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return float(accuracy_score(y, predicted))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give probabilities.

        Parameters
        ----------
        X
            Images, as for `fit`.

        Returns
        -------
        array
            (n, n_classes), whose rows sum to 1; or for several labels (n, n_labels), each by itself.
        """
        scores = self._scores(X)
        return self.target_.probabilities(scores)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class FineTunerRegressor(RegressorMixin, Tuner):  # type: ignore[misc] # scikit-learn has no types
    """Fine-tune a pretrained CNN to predict numbers from images.

    The parameters are those of `FineTuner` without `label_smoothing` and `class_weight`.
    """

    def _read(self, y: Any) -> tuple[np.ndarray, Target, np.ndarray]:
        y = numbers_of(y)
        return y, numbers_in(y), y.reshape(len(y), -1)[:, 0]

    def _probe(self, embeddings: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scaler, ridge = make_head("ridge").fit(embeddings.astype(np.float64), y)
        coef = np.atleast_2d(ridge.coef_) / scaler.scale_
        return coef, np.atleast_1d(ridge.intercept_) - coef @ scaler.mean_

    def _score(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return float(r2_score(y, predicted))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
