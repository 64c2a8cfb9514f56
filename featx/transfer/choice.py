"""What both estimators of transfer learning do: compare strategies, fit the best, and fine-tune where that pays."""

import sys
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from featx.embedding.composition import OnExtractor, as_extractor, each_backbone
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.progress import bar
from featx.errors import InputError
from featx.evaluation.comparison import compare, least_p, plus_minus
from featx.evaluation.folds import hold_out, make_folds
from featx.evaluation.scoring import asks_for_weights
from featx.heads.checks import groups_of, weights_of
from featx.heads.logistic import FEW
from featx.heads.pipeline import HeadPipeline
from featx.heads.routing import check_takes_unlabelled
from featx.images.sources import as_sources
from featx.text import quoted
from featx.transfer.entries import BLEND, Entry
from featx.transfer.frozen import reading
from featx.transfer.judging import Judge, Told, Verdict
from featx.transfer.offers import cost_of, take
from featx.transfer.strategies import STRATEGIES, check_strategy, make_strategy, model_steps

DEFAULT = "featx-mini"
"""The extractor of a `FineTuner` that was given none."""


class Transfer(OnExtractor, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """What `TransferClassifier` and `TransferRegressor` share; they document it."""

    _regression: ClassVar[bool]

    def __init__(
        self,
        extractor: Any = "featx-mini",
        *,
        strategy: str = "auto",
        budget: Any = 2.0,
        finetune: bool | str = "auto",
        head: Any = "auto",
        cv: Any = 5,
        scoring: Any = None,
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
        self.budget = budget
        self.finetune = finetune
        self.head = head
        self.cv = cv
        self.scoring = scoring
        self.finetune_from = finetune_from
        self.holdout = holdout
        self.alpha = alpha
        self.tuner = tuner
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    __metadata_request__fit: ClassVar = {"groups": True, "unlabelled": True}

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None, unlabelled: Any = None
    ) -> Self:
        """Choose a strategy, unless one is named, and fit it to all images.

        Parameters
        ----------
        X
            Images, in any form that `FeatureExtractor.transform` takes.
        y
            One target for each.
        sample_weight : array of shape (n,)
            What each image counts for; 0 is as if it were not there.
        groups : array of shape (n,)
            What each image shares with others, such as its patient. Images of one group are never on both sides of a
            comparison, nor of the folds within.
        unlabelled
            Other images, as `X`, of which nobody says what they show. The strategies are compared without them; the
            head of the one that is taken learns from them, too.

        Raises
        ------
        ValueError
            If there is NaN in `y`, its length is not that of `X`, or there is nothing to choose by: one class only, or
            with ``strategy="auto"`` a class with one image; or there are unlabelled images, and the head or the
            strategy learns nothing from them.
        ImageError
            If images cannot be read; names all of them.
        """
        check_strategy(self.strategy, "auto")
        if self.finetune not in ("auto", True, False):
            raise InputError(f"finetune={quoted(self.finetune)}: give 'auto', True or False.")
        X = self._images(X, reset=True)
        y = self._target(y)
        how = self._base()
        check_consistent_length(as_sources(X, image_shape=how.image_shape, value_range=how.value_range), y)
        told = Told(weights_of(sample_weight, len(y)), None if groups is None else groups_of(groups, len(y)))
        self.scores_: dict[str, tuple[float, float]] = {}
        self.ridge_scores_: dict[str, tuple[float, float]] = {}
        self.extractor_ = self._base()
        self.offers_: dict[str, tuple[float, float, int | None]] = {}
        self.shares_: dict[str, float] = {}
        self.cost_ = ""
        self.comparison_: dict[str, Any] | None = None
        weighted = asks_for_weights(self.scoring)
        # what is made in here requests nothing, as the steps of a `HeadPipeline`
        with config_context(enable_metadata_routing=False):
            if unlabelled is not None:
                self._check_takes_unlabelled()
            if self.strategy == "auto":
                self._choose(X, y, told, unlabelled, weighted=weighted)
            else:
                self.strategy_ = self.strategy
                model = self._make(self.strategy)
                others = {} if unlabelled is None else {"unlabelled": unlabelled}
                self.estimator_ = model.fit(X, y, **told.of(model), **others)
                self.report_ = f"{self.strategy}, as asked for"
            if unlabelled is not None:
                left = ", which learns nothing from the" if self.strategy_ == "finetune" else "; beside"
                self.report_ += f"{left} {len(unlabelled)} unlabelled images"
        if self.verbose:
            print(self.report_, file=sys.stderr)  # noqa: T201 - asked for
        return self

    def _check_takes_unlabelled(self) -> None:
        """Refuse a strategy, or a head, that learns nothing from images without labels."""
        if self.strategy in STRATEGIES and STRATEGIES[self.strategy].trains:
            raise InputError(
                f"strategy={self.strategy!r} learns nothing from unlabelled images. Leave them out, or take a strategy "
                "that trains no network, such as 'default'."
            )
        check_takes_unlabelled(self._model("end"))

    def _choose(self, X: Any, y: NDArray[Any], told: Told, unlabelled: Any, *, weighted: bool) -> None:
        """Compare the frozen strategies, fit the best, and fine-tune where that may pay."""
        folds = make_folds(
            y, self.cv, regression=self._regression, groups=told.groups, random_state=self.random_state,
            hint="name a strategy, such as strategy='end', so that nothing is compared",
        )  # fmt: skip
        judge = Judge(self.scoring, y, folds, told, regression=self._regression, weighted=weighted)
        told.of(self._model("end"))  # a head that takes no weights is found before the network runs
        finalists = self._finalists()
        blends = unlabelled is None and self._blends(y, told)
        taken, offers = take(self._base(), X, judge, blends=blends, random_state=self.random_state)
        entry, self.extractor_ = taken.entry, taken.entry.extractor
        self.offers_ = {one.name: (one.verdict.mean, one.verdict.error, one.work) for one in offers}
        self.cost_ = cost_of(taken, offers)
        self.ridge_scores_ = {name: (found.mean, found.error) for name, found in entry.verdicts.items()}
        judged = len(entry.verdicts) if finalists is None else finalists
        with bar(judged * len(folds) + 1, "fit", "strategies", self._base().verbose) as done:
            verdicts = self._judged(entry, judge, judged, done.update) if judged else entry.verdicts
            self.scores_ = {name: (found.mean, found.error) for name, found in verdicts.items()}
            best = entry.best(verdicts, judged=bool(judged))
            features, columns, model = self._parts(best, entry, judge)
            features.fit(X)
            others = {} if unlabelled is None else {"unlabelled": features.transform(unlabelled)}
            model.fit(columns, y, **told.of(model), **others)
            done.update()
        self.strategy_ = best
        if entry.mixed and best == BLEND:
            shares = sorted(entry.mixed.shares.items(), key=lambda item: -item[1])
            self.shares_ = {entry.named(key): share for key, share in shares}
        self.estimator_ = HeadPipeline([("features", features), *model.steps])
        shown = list(dict.fromkeys([entry.stays, "default", *list(self.scores_)[:4]]))
        scores = ", ".join(
            f"{name} {plus_minus(*self.scores_[name])}" for name in shown if name in self.scores_
        )
        mean = ", ".join(f"{share:.2f} {name}" for name, share in self.shares_.items())
        self.report_ = (
            f"{best} is taken of {len(entry.verdicts)} frozen strategies ({judge.metric} on {len(folds)} folds: "
            f"{scores}){f', the mean of {mean}' * bool(mean)}; {self._tune(X, y, columns, model, judge)}"
            f"; {self.cost_}"
        )

    def _blends(self, y: NDArray[Any], told: Told) -> bool:
        """Tell whether answers may be averaged: by featx's own head, where there are enough images to weigh them."""
        images = len(y) if told.weights is None else told.weights.sum()
        classes = 2 if self._regression or y.ndim == 2 else len(np.unique(y))
        return isinstance(self.head, str) and self.head == "auto" and images >= FEW * classes

    def _judged(
        self, entry: Entry, judge: Judge, count: int, step: Callable[[int], object]
    ) -> dict[str, Verdict]:
        """Let the head itself compare what stays, and the best others."""
        others = [name for name in entry.verdicts if name != entry.stays] if len(entry.parts) == 1 else []
        names = [entry.stays, *others[: count - 1]]
        found = {}
        for name in names:
            _, columns, model = self._parts(name, entry, judge, quick=True)
            found[name] = judge(model, columns, n_jobs=self.n_jobs, step=step)
        return found

    def _parts(
        self, name: str, entry: Entry, judge: Judge, *, quick: bool = False
    ) -> tuple[Any, NDArray[Any], HeadPipeline]:
        """Give the transformer of a strategy, what it gave, and what comes behind it, unfitted."""
        if name == BLEND:
            extractor, columns, head = entry.blend(judge)
            return extractor, columns, HeadPipeline([("head", head)])
        if len(entry.parts) > 1:
            extractor, columns = entry.default()
            return extractor, columns, self._model(name, quick=quick)
        frozen = entry.parts[0]
        return (
            reading(frozen.extractor, name),
            frozen.columns(frozen.keys[name]),
            self._model(name, quick=quick),
        )

    def _finalists(self) -> int | None:
        """Return how many strategies the head itself compares, 0 or two and more; None: all."""
        if self.budget is None:
            return None
        known = isinstance(self.budget, Real) and not isinstance(self.budget, bool)
        fits = float(self.budget) if known else 0.0
        if not fits >= 1:  # nor NaN
            raise InputError(
                f"budget={quoted(self.budget)}: give a number, 1 or more, which says how many times as long as one fit "
                "of the head the choice may take; or None for no limit."
            )
        # ridge regression knows accuracy and R² only
        return int(min(fits, 1000)) - 2 if fits >= 4 else 0 if self.scoring is None else 2

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Write the choices; of a model that chose, what it took and costs, too, as a comment."""
        told = str(super().__repr__(N_CHAR_MAX))
        if not getattr(self, "offers_", None):
            return told
        return f"{told}  # {self.strategy_} of {self.cost_}"

    def _tune(
        self, X: Any, y: NDArray[Any], features: NDArray[Any], model: HeadPipeline, judge: Judge
    ) -> str:
        """Fine-tune if allowed, keep the result if it is better by more than noise, and say so."""
        if not self.finetune:
            return "fine-tuning was not allowed"
        own = self.tuner is not None and self.tuner.get_params(deep=False).get("extractor") not in (
            None,
            DEFAULT,
        )
        if len(each_backbone(self.extractor_)) > 1 and not own:
            return "not fine-tuned, which takes one network"
        if self.finetune == "auto" and len(y) < self.finetune_from:
            return f"not fine-tuned: {len(y)} images, fewer than finetune_from={self.finetune_from}"
        told = judge.told
        train, test, seen, unseen = hold_out(
            y,
            self.holdout,
            X,
            regression=self._regression,
            groups=told.groups,
            random_state=self.random_state,
        )
        frozen = clone(model)
        frozen.fit(features[train], y[train], **told.of(frozen, train))
        old = judge.merits(frozen.predict(features[test]), test)
        units = "images" if told.groups is None else "groups of images"
        if self.finetune == "auto" and not self._regression and least_p(old) >= self.alpha:
            return (
                f"not fine-tuned: with {int((old < 1).sum())} of {len(old)} held-out {units} wrong no other model "
                "could be shown to be better"
            )
        tuned = self._make("finetune")
        tuned.fit(seen, y[train], **told.of(tuned, train))
        found = compare(old, judge.merits(tuned.predict(unseen), test), regression=self._regression)
        kept, extra = found["p"] < self.alpha, ""
        if self.scoring is not None:
            before, after = judge.score(frozen, features[test], test), judge.score(tuned, unseen, test)
            kept &= after > before
            found |= {"metric": judge.metric, "old_score": before, "new_score": after}
            extra = f"; {judge.metric} {after:.3f} against {before:.3f}"
        self.comparison_ = {**found, "kept": bool(kept)}
        if kept:
            self.strategy_ = "finetune"
            model = self._make("finetune")
            self.estimator_ = model.fit(X, y, **told.of(model))
        return (
            f"fine-tuning is {'kept' if kept else 'not kept'}: {found['new']:.3f} against {found['old']:.3f} on "
            f"{found['images']} held-out {units}, {plus_minus(found['difference'], found['error'], '+.3f')}, "
            f"p = {found['p']:.2g} ({found['test']}){extra}"
        )

    def _make(self, name: str) -> Any:
        """Return the unfitted estimator of a strategy."""
        extractor = getattr(self, "extractor_", None) or self._base()
        if name not in STRATEGIES or not STRATEGIES[name].trains:
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

    def _model(self, name: str, *, quick: bool = False) -> HeadPipeline:
        return HeadPipeline(model_steps(name, regression=self._regression, head=self.head, quick=quick))

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
