"""Pipelines that check their targets first, and take sample weights and groups as one estimator does."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, check_consistent_length

from featx.heads.checks import few_of_each, groups_of, labels_of, numbers_of, weights_of
from featx.heads.routing import check_takes_unlabelled, check_takes_weights, takes_unlabelled, ways
from featx.heads.targets import classes_in


class HeadPipeline(Pipeline):  # type: ignore[misc] # scikit-learn has no types
    """A pipeline that ends in a head.

    It is scikit-learn's `Pipeline`, but for this: targets are checked before any step runs, so that a NaN among words
    is no class of its own and no network runs in vain; and `fit` takes `sample_weight` and `groups` for all steps that
    take them, and `unlabelled` images for those that learn from them. With scikit-learn's metadata routing enabled it
    is one consumer: it requests `groups` and `unlabelled`, and weights after ``set_fit_request(sample_weight=True)``.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> pipe = HeadPipeline([("scaler", StandardScaler()), ("svc", SVC())])
    >>> pipe.fit([[0.0], [1.0], [2.0]], ["low", "high", "low"], sample_weight=[1, 1, 0]).classes_.tolist()
    ['high', 'low']
    """

    __metadata_request__fit: ClassVar = {"groups": True, "unlabelled": True}

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        unlabelled: Any = None,
        **params: Any,
    ) -> Self:
        """Fit all steps.

        Parameters
        ----------
        X
            What the first step takes: images, or embeddings (n, d).
        y : array of shape (n,) or (n, k)
            Labels or numbers.
        sample_weight : array of shape (n,)
            What each image counts for; 2 is as if it were there twice, 0 as if it were not there.
        groups : array of shape (n,)
            What each image shares with others; images of one group are never on both sides where a step splits them.
        unlabelled
            Other images, as `X`, of which nobody says what they show. Each step transforms them as it does `X`.
        params
            Of single steps, as `Pipeline.fit` takes them.

        Raises
        ------
        ValueError
            If `y` does not suit the head, the head takes no weights, or no step takes unlabelled images.
        """
        last = self.steps[-1][1]
        if is_regressor(last):
            y = numbers_of(y)
        elif is_classifier(last):
            y = labels_of(y)
            classes_in(y)
        check_consistent_length(X, y)
        if sample_weight is not None:
            check_takes_weights(self)
        if unlabelled is not None:
            check_takes_unlabelled(self)
        weights = weights_of(sample_weight, len(y))
        groups = None if groups is None else groups_of(groups, len(y))
        if weights is not None and not weights.all():
            kept = np.flatnonzero(weights)
            X, y, weights = _safe_indexing(X, kept), y[kept], weights[kept]
            groups = None if groups is None else groups[kept]
            if is_classifier(last):
                classes_in(y)
        given = {"sample_weight": weights, "groups": groups}
        given = {name: values for name, values in given.items() if values is not None}
        for name, step in self.steps:
            params |= {f"{name}__{key}": values for key, values in ways(step, given).items()}
        with config_context(enable_metadata_routing=False), few_of_each():
            if unlabelled is None:
                super().fit(X, y, **params)
            else:
                self._fit_beside(X, y, unlabelled, params)
        return self

    def _fit_beside(self, X: Any, y: Any, unlabelled: Any, params: Mapping[str, Any]) -> None:
        """Fit step by step, since what a step makes of unlabelled images is given to the next."""
        for number, (name, step) in enumerate(self.steps, 1):
            prefix = f"{name}__"
            own = {key.removeprefix(prefix): part for key, part in params.items() if key.startswith(prefix)}
            if takes_unlabelled(step):
                own["unlabelled"] = unlabelled
            if number == len(self.steps):
                step.fit(X, y, **own)
            elif hasattr(step, "fit"):  # not "passthrough"
                X = step.fit_transform(X, y, **own)
                unlabelled = step.transform(unlabelled)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy, or R², of the predictions for `X`, each image weighted by `sample_weight` (n,)."""
        with config_context(enable_metadata_routing=False):
            return float(super().score(X, y, sample_weight))

    def get_metadata_routing(self) -> Any:
        """Tell scikit-learn that this is one estimator, which passes weights on by itself."""
        return BaseEstimator.get_metadata_routing(self)


class UnweightedPipeline(HeadPipeline):
    """A `HeadPipeline` whose head takes no weights; meta-estimators look whether `fit` names them."""

    def fit(self, X: Any, y: Any = None, *, unlabelled: Any = None, **params: Any) -> Self:  # type: ignore[override] # on purpose
        """Fit all steps to `X`, `y` and `unlabelled`, as in `HeadPipeline`; `sample_weight` is refused."""
        return super().fit(X, y, unlabelled=unlabelled, **params)
