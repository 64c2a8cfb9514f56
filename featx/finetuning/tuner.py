"""What both fine-tuners do: fit a linear head to frozen features, then train network and head together."""

import json
from dataclasses import fields
from functools import partial
from os import PathLike
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, is_regressor
from sklearn.utils import Tags, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from featx.cache.identity import digest
from featx.embedding.composition import OnExtractor, as_extractor, on_one_backbone
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.naming import file_id, image_ids
from featx.embedding.plan import Plan
from featx.embedding.progress import bar
from featx.errors import InputError, UnknownNameError
from featx.finetuning.average import shares_for
from featx.finetuning.checkpoint import Checkpoint
from featx.finetuning.course import Course
from featx.finetuning.feeds import Images
from featx.finetuning.lesson import Lesson
from featx.finetuning.optimizer import Settings, check_number, check_share
from featx.finetuning.trials import best_stages, check_stages, new_trials
from featx.finetuning.tunable import Head, Tunable, make_tunable
from featx.heads.targets import Target
from featx.networks.flatten import flatten
from featx.networks.network import network_of

PRECISIONS = ("float32", "mixed")
OF_NO_OUTCOME = ("extractor", "checkpoint", "max_seconds", "verbose")
"""Parameters that do not name a run: recipes and images stand for the first; no other changes what is learned."""


class Tuner(OnExtractor, TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What `FineTuner` and `FineTunerRegressor` share; they document it."""

    label_smoothing: float = 0.0
    class_weight: Any = None

    def __init__(
        self,
        extractor: Any = "featx-mini",
        *,
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
        average: float | str | None = "auto",
        precision: str = "float32",
        checkpoint: str | PathLike[str] | None = None,
        max_seconds: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int | None = None,
    ) -> None:
        self.extractor = extractor
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
        self.average = average
        self.precision = precision
        self.checkpoint = checkpoint
        self.max_seconds = max_seconds
        self.random_state = random_state
        self.verbose = verbose

    __metadata_request__fit: ClassVar = {"groups": True}

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Fit a linear head to frozen features, then train network and head together.

        Parameters
        ----------
        X
            Images, as `FeatureExtractor.transform` takes them.
        y
            One target for each image, of a kind that the class describes.
        sample_weight : array of shape (n,)
            What each image counts for, relative to the others; 0 is as if it were not there.
        groups : array of shape (n,)
            What each image shares with others, such as its patient. Images of one group are held out together.

        Raises
        ------
        ValueError
            If `y` holds NaN or a single class, differs in length from `X`, or has a class of one image although
            some images are to be held out.
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
        lesson = Lesson.of(sources, self._labels(y), sample_weight, groups)
        sources, y, target = lesson.sources, lesson.y, self._read(lesson)
        split = partial(lesson.split, self.validation, regression=is_regressor(self))
        train, held = split(seed=0)  # what cannot be held out is found before the network is built
        extractor = self._base()
        trying = self.stages == "auto" and extractor.weights is not None
        if trying and len(held) < 2:
            raise InputError(
                f"stages='auto' is chosen on images held out, but validation={self.validation} holds out {len(held)} "
                f"of {len(y)}. Give a larger validation, or as stages a number, 'norm' or 'all'."
            )
        plan = extractor.plan()
        run = self._run_id(extractor, plan, lesson) if self.checkpoint else ""
        checkpoint = Checkpoint(self.checkpoint or None, run)
        saved = checkpoint.read()
        seed = saved[0]["seed"] if saved else int(check_random_state(self.random_state).randint(2**31 - 1))
        train, held = split(seed=seed)

        images = Images(sources, plan.input_size, extractor.resize, extractor.n_jobs)
        start = Head(*saved[1]["head"]) if saved else self._start(extractor, plan, lesson, target, rows=train)
        course = Course(
            lesson,
            target,
            images,
            lesson.packed(target, self.label_smoothing, self.class_weight),
            train,
            held,
            seed,
            self.augment,
            averaged=self.average is not None,
            shares=shares_for(self.average, pretrained=extractor.weights is not None),
            score=self._score,
        )
        trials = saved[0]["trials"] if saved else []
        begun -= sum(trial["seconds"] for trial in trials)

        def keep(facts: dict[str, Any], arrays: dict[str, list[np.ndarray]]) -> None:
            head = [start.coef, start.intercept, start.mean, start.deviation]
            checkpoint.write({"seed": seed, "trials": trials, **facts}, {"head": head, **arrays})

        make = partial(self._tunable, extractor, plan, start)
        with bar(None, "batch", f"tuning {plan.name}", extractor.verbose) as done:
            self.stages_ = "all" if self.stages == "auto" else self.stages
            if trying:
                for trial in new_trials(course, make, settings.after(begun), done, tried=len(trials)):
                    trials.append(trial)
                    keep({}, {})
                self.stages_ = best_stages(trials)
            tunable = make(self.stages_)
            training = course.run(
                tunable, settings.after(begun), done, saved=saved, keep=keep if run else None
            )
        self.history_, self.best_epoch_ = training.history, training.best_epoch
        self.share_, self.shares_, self.trials_ = training.share, training.tried, trials
        if self.share_ == 0 and len(held):
            # the network is as it was: its head may as well learn from all images
            start = self._start(extractor, plan, lesson, target, rows=np.arange(len(y)))
        self._keep(tunable, tunable.head() if self.share_ else start, plan, target)
        checkpoint.remove()
        return self

    def _start(
        self, extractor: FeatureExtractor, plan: Plan, lesson: Lesson, target: Target, *, rows: np.ndarray
    ) -> Head:
        """Give the head that training starts from, in the units that the network learns in."""
        if self.head is None or extractor.weights is None:
            return Head.zeros(target.columns, plan.width)
        embeddings = extractor.transform(lesson.sources)[rows]
        coef, intercept = self._probe(embeddings, target.as_scores(lesson.y[rows]), **lesson.told(rows))
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

    def tuned_extractor(self) -> FeatureExtractor:
        """Give an extractor of the tuned network, at the depths and with the pooling that the head reads."""
        check_is_fitted(self, "backbone_")
        return self._base().with_choices(
            backbone=self.backbone_, depth=self.depth_, pooling=self.pooling_, weights="auto", scaling="none",
            cache=None,
        )  # fmt: skip

    def transform(self, X: Any) -> np.ndarray:
        """Embed images by the tuned network, for another head than its own.

        Parameters
        ----------
        X
            Images, as for `fit`.

        Returns
        -------
        array of shape (n, d), float32
            What `coef_` is multiplied by.
        """
        return self.tuned_extractor().transform(self._sources(X, reset=False))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns of `transform`, as `FeatureExtractor` does.

        Parameters
        ----------
        input_features
            Ignored.

        Returns
        -------
        array of str objects
        """
        return self.tuned_extractor().get_feature_names_out(input_features)

    def _scores(self, X: Any) -> np.ndarray:
        extractor = self.tuned_extractor()
        sources = self._sources(X, reset=False)
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

    def _labels(self, y: Any) -> np.ndarray:
        """Check that `y` has something for each image."""
        raise NotImplementedError

    def _read(self, lesson: Lesson) -> Target:
        """Tell what the targets are."""
        raise NotImplementedError

    def _probe(self, embeddings: np.ndarray, y: np.ndarray, **told: Any) -> tuple[np.ndarray, np.ndarray]:
        """Fit a linear head: coefficients (columns, d) and intercepts (columns,)."""
        raise NotImplementedError

    def _score(self, y: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None) -> float:
        """Give what `score` gives."""
        raise NotImplementedError

    def _base(self) -> FeatureExtractor:
        """Give the extractor as it is tuned: one backbone in float32 that is shown whole images, which are listed."""
        given = on_one_backbone(as_extractor(self.extractor))
        return given.with_choices(
            image_shape=None,
            precision="float32",
            views=None,
            on_error="raise",
            verbose=given.verbose if self.verbose is None else self.verbose,
        )

    def _tunable(self, extractor: FeatureExtractor, plan: Plan, start: Head, stages: int | str) -> Tunable:
        content_of = partial(file_id, memo=None)
        tunable = make_tunable(
            network_of(extractor.backbone, extractor.weights, plan.input_size, content_of),
            [(tap.layer, tap.pooling) for tap in plan.taps],
            start,
            scaling=extractor.scaling,
            stages=stages,
            decay=self.decay,
            dropout=self.dropout,
            precision=self.precision,
            keep_statistics=extractor.weights is not None,
        )
        if self.stages == "norm" and tunable.only_head:
            raise InputError(
                "stages='norm' tunes the scales and shifts of normalisation and the biases, but this network has "
                "none. Give a number of stages, or 'all'."
            )
        return tunable

    def _settings(self) -> Settings:
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})

    def _run_id(self, extractor: FeatureExtractor, plan: Plan, lesson: Lesson) -> str:
        """Name a run by what decides its outcome: a checkpoint of another one is not taken up."""
        own = {
            name: value for name, value in self.get_params(deep=False).items() if name not in OF_NO_OUTCOME
        }
        if not isinstance(self.augment, str):
            layers = self.augment if isinstance(self.augment, list | tuple) else [self.augment]
            own["augment"] = [type(layer).__name__ for layer in layers]
        if not isinstance(self.random_state, int | np.integer):
            own["random_state"] = None
        recipes = [tap.recipe_id for tap in plan.taps]
        images = digest(image_ids(lesson.sources, n_jobs=extractor.n_jobs).tobytes()).hex()
        told = [own, extractor.weights is None, recipes, images, *lesson.name()]
        return digest(json.dumps(told, default=str).encode()).hex()

    def _check(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
        if self.head not in ("auto", None):
            raise UnknownNameError("head", self.head, ("auto",), "Give 'auto', or None to start from zeros.")
        check_stages(self.stages)
        shares_for(self.average, pretrained=self._read_by.weights is not None)
        check_share("decay", self.decay, 1)
        check_number("dropout", self.dropout, 0, 1)
        check_number("label_smoothing", self.label_smoothing, 0, 1)
        if self.validation is not None:
            check_share("validation", self.validation, 0.5)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        tags.transformer_tags.preserves_dtype = []
        return tags
