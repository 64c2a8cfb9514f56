"""An estimator that is fitted beside the same unlabelled images each time, as cross-validation needs it."""

from typing import Any, Self

from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

from featx.heads.routing import check_takes_unlabelled


def beside(estimator: Any, unlabelled: Any) -> Any:
    """Return an estimator that is fitted beside images without labels, or `estimator` itself if there are none.

    Raises
    ------
    InputError
        If it learns nothing from them.

    Examples
    --------
    >>> from featx.heads import make_head
    >>> head = beside(make_head("logistic"), [[0.1], [0.2], [0.9]]).fit([[0.0], [1.0]], ["low", "high"])
    >>> head.predict([[0.3]]).tolist(), head.taught_.tolist()
    (['low'], [True])
    """
    if unlabelled is None:
        return estimator
    check_takes_unlabelled(estimator)
    return Beside(estimator, unlabelled)


class Beside(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A clone of `estimator`, fitted beside `unlabelled`; anything but `fit` is asked of that clone.

    scikit-learn's `cross_validate` hands each fold its part of whatever is as long as `X`. Images without labels belong
    to no fold, so they are no parameter of `fit` here.
    """

    def __init__(self, estimator: Any, unlabelled: Any) -> None:
        self.estimator = estimator
        self.unlabelled = unlabelled

    def fit(self, X: Any, y: Any, **params: Any) -> Self:
        """Fit it to `X`, `y` and the images without labels, with what else it takes."""
        self.estimator_ = clone(self.estimator).fit(X, y, unlabelled=self.unlabelled, **params)
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "estimator" not in vars(self):  # as where it is copied
            raise AttributeError(name)
        return getattr(vars(self).get("estimator_", self.estimator), name)

    def get_metadata_routing(self) -> Any:
        """Tell scikit-learn what the estimator requests."""
        return get_routing_for_object(self.estimator)

    def __sklearn_is_fitted__(self) -> bool:
        return "estimator_" in vars(self)

    def __sklearn_tags__(self) -> Tags:
        return get_tags(self.estimator)
