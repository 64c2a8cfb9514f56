"""Fine-tuning: the whole network, or its last stages, trained on from the frozen features and their linear head."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from featx.cache import EmbeddingCache


class _FineTuner(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What both fine-tuners share."""

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
        dropout: float = 0.0,
        augment: Any = "default",
        unfreeze: str = "at-once",
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
        self.backbone = backbone
        self.depth = depth
        self.pooling = pooling
        self.weights = weights
        self.scaling = scaling
        self.input_size = input_size
        self.resize = resize
        self.image_shape = image_shape
        self.value_range = value_range
        self.stages = stages
        self.head = head
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.decay = decay
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.warmup = warmup
        self.dropout = dropout
        self.augment = augment
        self.unfreeze = unfreeze
        self.validation = validation
        self.patience = patience
        self.precision = precision
        self.checkpoint = checkpoint
        self.max_seconds = max_seconds
        self.cache = cache
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    backbone_: Any
    """The tuned Keras model, from pixels of 0..255 to the maps that are pooled."""
    coef_: np.ndarray
    intercept_: np.ndarray
    history_: list[dict[str, Any]]

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the linear head on frozen features, then train both on."""
        raise NotImplementedError

    def predict(self, X: Any) -> np.ndarray:
        """Predict."""
        raise NotImplementedError


class FineTuner(ClassifierMixin, _FineTuner):
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

    classes_: np.ndarray

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, n_classes), whose rows sum to 1; or (n, n_labels), each label by itself."""
        raise NotImplementedError


class FineTunerRegressor(RegressorMixin, _FineTuner):
    """Fine-tune a pretrained CNN to predict numbers from images.

    The parameters are those of `FineTuner` without `label_smoothing` and `class_weight`.
    """
