"""Transfer learning as one estimator: frozen features first, and fine-tuning only where it measurably pays."""

import sys
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from featx.embedding.composition import OnExtractor, as_extractor
from featx.embedding.extractor import FeatureExtractor
from featx.errors import InputError, UnknownNameError
from featx.evaluation.comparison import compare, least_p, merits, standard_error
from featx.evaluation.folds import hold_out, make_folds
from featx.heads.checks import labels_of, numbers_of
from featx.images.sources import as_sources
from featx.transfer.strategies import STRATEGIES, frozen_features, make_strategy, model_steps

DEFAULT = "featx-mini"
"""The extractor of a `FineTuner` that was given none."""


def _has(method: str) -> Callable[[Any], bool]:
    """Whether the fitted estimator has a method; before fitting nobody knows, so yes."""
    return lambda self: hasattr(getattr(self, "estimator_", None), method) or not hasattr(self, "estimator_")


class _Transfer(OnExtractor, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What both estimators share."""

    _regression: ClassVar[bool]

    def __init__(
        self,
        extractor: Any = "featx-mini",
        *,
        strategy: str = "auto",
        finetune: bool | str = "auto",
        head: Any = "auto",
        cv: Any = 5,
        finetune_from: int = 1000,
        holdout: float = 0.25,
        alpha: float = 0.1,
        tuner: Any = None,
        random_state: int | None = 0,
        n_jobs: int | None = None,
        verbose: int | None = None,
    ) -> None:
        self.extractor = extractor
        self.strategy = strategy
        self.finetune = finetune
        self.head = head
        self.cv = cv
        self.finetune_from = finetune_from
        self.holdout = holdout
        self.alpha = alpha
        self.tuner = tuner
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Choose a strategy, unless one is named, and fit it to all images.

        Parameters
        ----------
        X
            Images, in any form that `FeatureExtractor.transform` takes.
        y
            One target for each.

        Raises
        ------
        ValueError
            If there is NaN in `y`, its length is not that of `X`, or there is nothing to choose by: one class only, or
            with ``strategy="auto"`` a class with one image.
        ImageError
            If images cannot be read; names all of them.
        """
        if self.strategy != "auto" and self.strategy not in STRATEGIES:
            raise UnknownNameError("strategy", self.strategy, ["auto", *STRATEGIES])
        if self.finetune not in ("auto", True, False):
            raise InputError(f"finetune={self.finetune!r}: give 'auto', True or False.")
        X = self._images(X, reset=True)
        y = self._target(y)
        how = self._base()
        check_consistent_length(as_sources(X, image_shape=how.image_shape, value_range=how.value_range), y)
        self.scores_: dict[str, tuple[float, float]] = {}
        self.comparison_: dict[str, Any] | None = None
        if self.strategy == "auto":
            self._choose(X, y)
        else:
            self.strategy_ = self.strategy
            self.estimator_ = self._make(self.strategy).fit(X, y)
            self.report_ = f"{self.strategy}, as asked for"
        if self.verbose:
            print(self.report_, file=sys.stderr)  # noqa: T201 - asked for
        return self

    def _choose(self, X: Any, y: NDArray[Any]) -> None:
        """Compare the frozen strategies, fit the best, and fine-tune where that may pay."""
        features = frozen_features(self._base(), X)
        folds = make_folds(
            y, self.cv, regression=self._regression, random_state=self.random_state,
            hint="name a strategy, such as strategy='end', so that nothing is compared",
        )  # fmt: skip
        for name, (_, columns) in features.items():
            predicted = cross_val_predict(
                self._model(name, quick=True), columns, y, cv=folds, n_jobs=self.n_jobs
            )
            found = merits(y, predicted, regression=self._regression)
            self.scores_[name] = float(found.mean()), standard_error(found)
        best = max(self.scores_, key=lambda name: self.scores_[name][0])
        extractor, columns = features[best]
        model = self._model(best).fit(columns, y)
        self.strategy_ = best
        self.estimator_ = Pipeline([("features", extractor), *model.steps])
        scores = ", ".join(f"{name} {mean:.3f} ± {error:.3f}" for name, (mean, error) in self.scores_.items())
        measure = "R²" if self._regression else "accuracy"
        self.report_ = f"{best} is the best frozen strategy ({measure} on {len(folds)} folds: {scores})"
        self.report_ += f"; {self._tune(X, y, columns, best)}"

    def _tune(self, X: Any, y: NDArray[Any], features: NDArray[Any], best: str) -> str:
        """Fine-tune if allowed, keep the result if it is better by more than noise, and say so."""
        if not self.finetune:
            return "fine-tuning was not allowed"
        if self.finetune == "auto" and len(y) < self.finetune_from:
            return f"not fine-tuned: {len(y)} images, fewer than finetune_from={self.finetune_from}"
        train, test, seen, unseen = hold_out(
            y, self.holdout, X, regression=self._regression, random_state=self.random_state
        )
        frozen = self._model(best).fit(features[train], y[train]).predict(features[test])
        old = merits(y[test], frozen, regression=self._regression)
        if self.finetune == "auto" and not self._regression and least_p(old) >= self.alpha:
            return (
                f"not fine-tuned: with {int((old < 1).sum())} of {len(test)} held-out images wrong no other model "
                "could be shown to be better"
            )
        tuned = self._make("finetune").fit(seen, y[train]).predict(unseen)
        new = merits(y[test], tuned, regression=self._regression)
        found = compare(old, new, regression=self._regression)
        kept = found["p"] < self.alpha
        self.comparison_ = {**found, "kept": kept}
        if kept:
            self.strategy_ = "finetune"
            self.estimator_ = self._make("finetune").fit(X, y)
        return (
            f"fine-tuning is {'kept' if kept else 'not kept'}: {found['new']:.3f} against {found['old']:.3f} on "
            f"{found['images']} held-out images, {found['difference']:+.3f} ± {found['error']:.3f}, "
            f"p = {found['p']:.2g} ({found['test']})"
        )

    def _make(self, name: str) -> Any:
        """Return the unfitted estimator of a strategy."""
        extractor = self._base()
        if not STRATEGIES[name].trains:
            return make_strategy(name, extractor, regression=self._regression, head=self.head)
        if self.tuner is None:
            return make_strategy(
                name, extractor, regression=self._regression, random_state=self.random_state, max_seconds=900,
                verbose=self.verbose,
            )  # fmt: skip
        tuner = clone(self.tuner)
        if tuner.get_params(deep=False).get("extractor") == DEFAULT:
            tuner.set_params(extractor=extractor)
        return tuner.set_params(extractor__weights=None) if name == "scratch" else tuner

    def _model(self, name: str, *, quick: bool = False) -> Pipeline:
        return Pipeline(model_steps(name, regression=self._regression, head=self.head, quick=quick))

    def _base(self) -> FeatureExtractor:
        """Give the extractor as the strategies take it: images that cannot be read are errors."""
        given = as_extractor(self.extractor)
        return given.with_choices(
            on_error="raise", verbose=given.verbose if self.verbose is None else self.verbose
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict a target for each image, (n,), or (n, k) where `y` had k columns.

        Parameters
        ----------
        X
            Images, as for `fit`.
        """
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict(self._images(X, reset=False)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class TransferClassifier(ClassifierMixin, _Transfer):  # type: ignore[misc] # scikit-learn has no types
    """Classify images by the strategy of transfer learning that measures best on them.

    Frozen features come first: their strategies are compared by cross-validation on embeddings that are computed once,
    and the best is fitted. Fine-tuning comes second, where it is allowed, and only stays if it is better on images
    held out from both by more than the noise of that comparison.

    Parameters
    ----------
    extractor
        Which network, and how images come into it: a `FeatureExtractor`, or what it takes for `backbone`. The frozen
        strategies choose depths of their own and take its `pooling`, one for all depths; fine-tuning takes its depth,
        too. Its `on_error` is taken as ``raise``.
    strategy
        A name of `featx.transfer.strategies.STRATEGIES`: ``pixels``, ``start``, ``end``, ``all-depths``, ``finetune``,
        ``scratch``. ``"auto"``: the one that measures best.
    finetune
        Whether ``"auto"`` may fine-tune. True: always tried. False: never. ``"auto"``: tried with `finetune_from`
        images or more, unless the frozen strategy errs on so few that no model could be shown to be better.
    head
        The model of the frozen features: a name for `make_head`, or a scikit-learn estimator. ``"auto"``: ``logistic``
        with five strengths to choose from.
    cv
        Folds on which the frozen strategies are compared, fewer if the smallest class has fewer images; or a splitter.
    finetune_from
        How many images make fine-tuning worth a try.
    holdout
        Share of the images on which fine-tuning is compared with the frozen strategy.
    alpha
        How probable a difference as large may be by chance, for fine-tuning to be kept.
    tuner
        A `FineTuner` that says how to fine-tune. Left at its default extractor it tunes the one above. None: a
        `FineTuner` of that extractor that stops after 15 minutes.
    random_state
        Decides which image falls into which fold, and what is random in fine-tuning.
    n_jobs
        How many folds are fitted at a time.
    verbose
        1: progress bars, and `report_`, on stderr. 0: neither. None: what the extractor says of bars.

    Attributes
    ----------
    strategy_ : str
        Name of the strategy that was fitted.
    estimator_ : estimator
        It, fitted to all images: a `Pipeline`, or a `FineTuner`.
    scores_ : dict
        For each frozen strategy the accuracy on its held-out folds and its standard error; of several labels, the
        share that is right. Empty where a strategy was named. The head is compared in a quicker setting: two folds and
        four strengths, and a fifth of all depths' columns.
    comparison_ : dict or None
        What `featx.evaluation.comparison.compare` found of fine-tuning, and whether it was ``kept``. None if it was not
        tried.
    report_ : str
        The choice and its reasons in a sentence.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; for multi-label targets the numbers of their columns.
    n_features_in_ : int
        Columns seen in `fit`. Only where the extractor has an `image_shape`.

    Notes
    -----
    The comparison is McNemar's exact test, one-sided, as Dietterich (Neural Computation 1998) advises for models that
    are too slow to train more than once; for several labels it counts images on which more or fewer labels are right. A
    tuned network that is kept is then trained again, on all images.

    Examples
    --------
    >>> from featx.embedding import FeatureExtractor
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=60, classes=3, size=32, seed=0)
    >>> extractor = FeatureExtractor("featx-mini", input_size=32, cache=None)
    >>> model = TransferClassifier(extractor, cv=2).fit(images[:40], labels[:40])
    >>> sorted(model.scores_), model.comparison_
    (['all-depths', 'end', 'pixels', 'start'], None)
    >>> bool(model.score(images[40:], labels[40:]) > 0.8)
    True
    """

    _regression = False

    def _target(self, y: Any) -> NDArray[Any]:
        return labels_of(y)

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, sorted; for multi-label targets the numbers of their columns."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.classes_)

    @available_if(_has("predict_proba"))  # type: ignore[untyped-decorator] # likewise
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Give probabilities (n, n_classes), whose rows sum to 1; or (n, n_labels), each label by itself."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict_proba(self._images(X, reset=False)))

    @available_if(_has("decision_function"))  # type: ignore[untyped-decorator] # likewise
    def decision_function(self, X: Any) -> NDArray[Any]:
        """Give scores: (n,) of the second of two classes, or (n, n_classes or n_labels)."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.decision_function(self._images(X, reset=False)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class TransferRegressor(RegressorMixin, _Transfer):  # type: ignore[misc] # scikit-learn has no types
    """Predict numbers from images by the strategy of transfer learning that measures best on them.

    Parameters, attributes and procedure are those of `TransferClassifier`, but for these: the head of ``"auto"`` is
    ``ridge``, the scores are R² of all held-out predictions together, and fine-tuning is compared by the one-sided
    t-test of the paired squared errors.

    Examples
    --------
    >>> from featx.images import synthetic
    >>> images, _ = synthetic(n=40, size=32, seed=0)
    >>> brightness = images.mean(axis=(1, 2, 3))
    >>> model = TransferRegressor(strategy="pixels").fit(images[:30], brightness[:30])
    >>> bool(model.score(images[30:], brightness[30:]) > 0.5)
    True
    """

    _regression = True

    def _target(self, y: Any) -> NDArray[Any]:
        return numbers_of(y)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict a number for each image, (n,), or several, (n, k)."""
        return np.asarray(super().predict(X), np.float64)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
