"""What both fine-tuners do: a linear head on frozen features, then network and head trained on together."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from os import PathLike
from time import monotonic
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import Tags, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from tqdm import tqdm

from featx.cache.embedding_cache import EmbeddingCache
from featx.cache.identity import digest
from featx.embedding.embed import file_id, image_ids
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.plan import Choices, Plan, resolve
from featx.errors import UnknownNameError
from featx.evaluation.folds import hold_out
from featx.finetuning.augment import Augmenter
from featx.finetuning.checkpoint import Checkpoint
from featx.finetuning.feeds import IN_MEMORY, Images, KeptFeed, PixelFeed
from featx.finetuning.loop import Training, pack, scores_of
from featx.finetuning.optimizer import Settings, check_count, check_number
from featx.finetuning.tunable import Head, Tunable, make_tunable
from featx.heads.targets import Target
from featx.images.resizing import RULES
from featx.images.sources import Source, as_sources
from featx.networks.flatten import flatten
from featx.networks.network import network_of

PRECISIONS = ("float32", "mixed")


class Tuner(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What `FineTuner` and `FineTunerRegressor` share; they document it."""

    label_smoothing: float = 0.0
    class_weight: Any = None

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

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the linear head on frozen features, then train both on.

        Parameters
        ----------
        X
            Images, as `FeatureExtractor.transform` takes them.
        y
            What the class says of targets.

        Raises
        ------
        ValueError
            If `y` holds NaN or one class only, has another length than `X`, or a class of one image where some
            are to be held out.
        ImageError
            If images cannot be read; names them.
        InputError, WeightsError
            If a choice cannot be carried out.
        """
        begun = monotonic()
        self._check()
        settings = self._settings()
        sources = self._sources(X, reset=True)
        if y is not None:
            check_consistent_length(sources, y)
        y, target = self._read(y)
        plan = self._plan()
        checkpoint = Checkpoint(self.checkpoint, self._run_id(plan, sources, y)) if self.checkpoint else None
        saved = checkpoint.read() if checkpoint else None
        seed = saved[0]["seed"] if saved else int(check_random_state(self.random_state).randint(2**31 - 1))
        train, held = np.arange(len(y)), np.arange(0)
        if self.validation is not None:
            train, held = hold_out(y, self.validation, regression=is_regressor(self), seed=seed)

        images = Images(sources, plan.input_size, self.resize, self.n_jobs)
        start = Head(*saved[1]["head"]) if saved else self._start(plan, sources, y, target, train)
        tunable = self._tunable(plan, start)
        model, changed, plain = self._feeds(tunable, images, len(y))
        if self.weights is None:
            tunable.settle(model, next(plain([train[: self.batch_size]])))
        encoded = target.encode(y)

        def check() -> dict[str, float]:
            scores = scores_of(model, plain, held, self.batch_size)
            score = self._score(y[held], target.decode(scores * target.spread + target.centre))
            return {
                "validation_score": float(score),
                "validation_loss": float(target.losses(encoded[held], scores).mean()),
            }

        if settings.max_seconds is not None:
            settings = replace(settings, max_seconds=max(settings.max_seconds - (monotonic() - begun), 1e-9))
        training = Training(
            tunable,
            model,
            target,
            settings=settings,
            seed=seed,
            check=check if len(held) > 1 else None,
        )
        if saved:
            training.resume(*saved)
        packed = pack(target.smooth(encoded, self.label_smoothing), target.weights(y, self.class_weight))
        with tqdm(desc=f"tuning {plan.name}", unit="batch", disable=self.verbose == 0) as bar:
            training.run(packed, train, changed, checkpoint=checkpoint, head=start, bar=bar)
        self.history_, self.best_epoch_ = training.history, training.best_epoch
        if self.best_epoch_ == 0 and len(
            held
        ):  # the network is as it was: its head may as well learn from all images
            start = self._start(plan, sources, y, target, np.arange(len(y)))
        self._keep(tunable, start if self.best_epoch_ == 0 else tunable.head(), plan, target)
        if checkpoint:
            checkpoint.remove()
        return self

    def _feeds(self, tunable: Tunable, images: Images, count: int) -> tuple[Any, Any, Any]:
        """Give the model to train, and what feeds it with images, changed at random and as they are."""
        import keras

        if self.augment is None and tunable.saves_work and KeptFeed.size(tunable.fixed, count) <= IN_MEMORY:
            kept = KeptFeed(tunable.fixed, images, count, self.batch_size)
            return tunable.tuned, kept, kept
        pixels = keras.Input((*tunable.input_size, 3), dtype="uint8")
        model = keras.Model([pixels], tunable.tuned(tunable.fixed(pixels, training=False)))
        plain = PixelFeed(images)
        return model, plain if self.augment is None else PixelFeed(images, Augmenter(self.augment)), plain

    def _start(
        self, plan: Plan, sources: list[Source], y: np.ndarray, target: Target, train: np.ndarray
    ) -> Head:
        """Give the head that training starts from, in the units that the network learns in."""
        if self.head is None or self.weights is None:
            return Head.zeros(target.columns, plan.width)
        embeddings = self._extractor(
            self.backbone,
            self.depth,
            self.pooling,
            weights=self.weights,
            scaling=self.scaling,
            cache=self.cache,
        ).transform(sources)[train]
        coef, intercept = self._probe(embeddings, target.as_scores(y[train]))
        coef, intercept = (np.asarray(part.T / target.spread).T for part in (coef, intercept - target.centre))
        mean, deviation = embeddings.mean(axis=0, dtype=np.float64), embeddings.std(axis=0, dtype=np.float64)
        # a column that hardly moves now may move much in a tuned network
        floor = 0.01 * deviation.mean() or 1.0
        # with the root, a step of the optimizer changes the scores as much whatever the number of columns
        return Head(coef, intercept, mean, np.maximum(deviation, floor) * np.sqrt(plan.width))

    def _keep(self, tunable: Tunable, head: Head, plan: Plan, target: Target) -> None:
        self.coef_ = (head.coef.T * target.spread).T
        self.intercept_ = head.intercept * target.spread + target.centre
        self.backbone_ = tunable.backbone()
        self.depth_ = tunable.where(flatten(self.backbone_, input_size=plan.input_size, scaling="none"))
        self.pooling_ = [tap.pooling for tap in plan.taps]
        self.target_ = target

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "backbone_")
        sources = self._sources(X, reset=False)
        extractor = self._extractor(self.backbone_, self.depth_, self.pooling_, scaling="none", cache=None)
        return np.asarray(extractor.transform(sources) @ self.coef_.T + self.intercept_)

    def predict(self, X: Any) -> np.ndarray:
        """Predict.

        Parameters
        ----------
        X
            Images, as for `fit`.

        Returns
        -------
        array
            Of the shape that `y` had.
        """
        scores = self._scores(X)
        return self.target_.decode(scores)

    def _read(self, y: Any) -> tuple[np.ndarray, Target]:
        """Check `y`; give it, and what it is."""
        raise NotImplementedError

    def _probe(self, embeddings: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fit a linear head: coefficients (columns, d) and intercepts (columns,)."""
        raise NotImplementedError

    def _score(self, y: np.ndarray, predicted: np.ndarray) -> float:
        """Give what `score` gives."""
        raise NotImplementedError

    def _extractor(self, backbone: Any, depth: Any, pooling: Any, **choices: Any) -> FeatureExtractor:
        return FeatureExtractor(
            backbone,
            depth=depth,
            pooling=pooling,
            input_size=self.input_size,
            resize=self.resize,
            batch_size=self.batch_size,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
            **choices,
        )

    def _sources(self, X: Any, *, reset: bool) -> list[Source]:
        if self.image_shape is not None:
            X = validate_data(self, X, reset=reset, dtype="numeric")
        return as_sources(X, image_shape=self.image_shape, value_range=self.value_range)

    def _plan(self) -> Plan:
        choices = Choices(
            backbone=self.backbone,
            depth=self.depth,
            pooling=self.pooling,
            weights=self.weights,
            scaling=self.scaling,
            input_size=self.input_size,
            resize=self.resize,
        )
        return resolve(choices, partial(file_id, memo=None))

    def _tunable(self, plan: Plan, start: Head) -> Tunable:
        network = network_of(self.backbone, self.weights, plan.input_size, partial(file_id, memo=None))
        return make_tunable(
            network,
            [(tap.layer, tap.pooling) for tap in plan.taps],
            start,
            scaling=self.scaling,
            stages=self.stages,
            decay=self.decay,
            dropout=self.dropout,
            precision=self.precision,
            keep_statistics=self.weights is not None,
        )

    def _settings(self) -> Settings:
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})

    def _run_id(self, plan: Plan, sources: list[Source], y: np.ndarray) -> str:
        """Name a run by what decides its outcome: a checkpoint of another one is not taken up."""
        told = self.get_params(deep=False)
        for name in ("backbone", "weights", "checkpoint", "cache", "n_jobs", "verbose", "max_seconds"):
            del told[
                name
            ]  # the recipes stand for the first two; the others decide nothing, or only when to stop
        if not isinstance(self.augment, str):
            layers = self.augment if isinstance(self.augment, list | tuple) else [self.augment]
            told["augment"] = [type(layer).__name__ for layer in layers]
        if not isinstance(self.random_state, int | np.integer):
            told["random_state"] = None
        recipes = [tap.recipe_id for tap in plan.taps]
        images = digest(image_ids(sources, n_jobs=self.n_jobs).tobytes()).hex()
        return digest(json.dumps([told, recipes, images, y.tolist()], default=str).encode()).hex()

    def _check(self) -> None:
        for name, known in (("precision", PRECISIONS), ("resize", RULES)):
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        if self.head not in ("auto", None):
            raise UnknownNameError("head", self.head, ("auto",), "Give 'auto', or None to start from zeros.")
        if self.stages not in ("all", 0):
            check_count("stages", self.stages)
        check_number("decay", self.decay, 0, 1 + 1e-9)
        check_number("dropout", self.dropout, 0, 1)
        check_number("label_smoothing", self.label_smoothing, 0, 1)
        if self.validation is not None:
            check_number("validation", self.validation, 0, 0.5 + 1e-9)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.non_deterministic = self.random_state is None
        return tags
