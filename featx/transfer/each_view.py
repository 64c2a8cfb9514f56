"""A head that learns from every view of an image as from an image of its own."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection._search import BaseSearchCV  # the base of all searches has no public name
from sklearn.utils import Tags, check_consistent_length, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from featx.embedding.composition import OnExtractor, as_extractor, parts_of
from featx.embedding.views import Views
from featx.errors import InputError
from featx.heads.checks import groups_of, labels_of, numbers_of, weights_of
from featx.heads.named import make_head
from featx.heads.routing import keeping_groups, routed
from featx.heads.targets import classes_in


def _new(head: Any) -> Any:
    return make_head(head) if isinstance(head, str) else clone(head)


def _has_probabilities(estimator: Any) -> bool:
    return hasattr(_new(estimator.head), "predict_proba")


class EachView(OnExtractor, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Augmentation with frozen features: the head learns from every view of an image, and answers to their mean.

    A cross-validation or a search splits images, before there are views of them; and where the head has folds of its
    own, views of one image are one group in them. So no fold judges by a view of an image that it learned from.

    Parameters
    ----------
    extractor
        A `FeatureExtractor` with `views`. Each view has a recipe of its own and is cached as one vector.
    head
        A name for `make_head`, or an estimator, which is cloned. One with folds of its own has to take groups, as
        ``logistic`` and searches do.

    Attributes
    ----------
    head_ : estimator
        The fitted head.
    classes_ : ndarray of shape (n_classes,)
        The labels; not there for numbers.

    Examples
    --------
    >>> from featx.embedding import FeatureExtractor
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=60, classes=3, size=32, random_state=0)
    >>> extractor = FeatureExtractor(depth=3, input_size=32, views="flip", cache=None)
    >>> model = EachView(extractor).fit(images[:40], labels[:40])
    >>> bool(model.score(images[40:], labels[40:]) > 0.8)
    True
    """

    def __init__(self, extractor: Any, head: Any = "logistic") -> None:
        self.extractor = extractor
        self.head = head

    __metadata_request__fit: ClassVar = {"groups": True}

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Embed every view, and fit the head to all of them.

        Parameters
        ----------
        X
            Images, in any form that `FeatureExtractor.transform` takes.
        y : array of shape (n,) or (n, k)
            Labels, columns of 0 and 1, or numbers, one row for each image.
        sample_weight : array of shape (n,)
            What each image counts for, all its views together.
        groups : array of shape (n,)
            What each image shares with others; images of one group are never on both sides of a fold.

        Raises
        ------
        ValueError
            If `y` does not suit the head, or lengths differ.
        InputError
            If the head would put views of one image on both sides of a fold.
        ImageError
            If images cannot be read.
        """
        head = _new(self.head)
        _check_keeps_groups(head)
        sources = self._sources(X, reset=True)
        y = numbers_of(y) if is_regressor(head) else labels_of(y)
        check_consistent_length(sources, y)
        if not is_regressor(head):
            self.classes_ = np.asarray(classes_in(y).classes)
        weights = weights_of(sample_weight, len(y))
        images = np.arange(len(y)) if groups is None else groups_of(groups, len(y))
        extractor = as_extractor(self.extractor, image_shape=None, on_error="raise")
        each = [
            extractor.with_choices(views=view).transform(sources) for view in Views.of(extractor.views).each()
        ]
        head = keeping_groups(head)
        given = {"groups": np.tile(images, len(each))}
        if weights is not None:
            given["sample_weight"] = np.tile(weights, len(each)) / len(each)
        rows = np.tile(y, (len(each), *[1] * (y.ndim - 1)))
        self.head_ = head.fit(np.concatenate(each), rows, **routed(head, **given))
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Answer for images by the mean over their views, of the shape that `y` had."""
        return np.asarray(self._fitted().predict(self._embedded(X)))

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator] # scikit-learn has no types
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Give the head's probabilities for the mean over an image's views, (n, classes or labels)."""
        return np.asarray(self._fitted().predict_proba(self._embedded(X)))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Give the accuracy, or R², of the predictions for `X`, each image weighted by `sample_weight` (n,)."""
        score = r2_score if is_regressor(_new(self.head)) else accuracy_score
        return float(score(y, self.predict(X), sample_weight=sample_weight))

    def _fitted(self) -> Any:
        check_is_fitted(self)
        return self.head_

    def _embedded(self, X: Any) -> NDArray[Any]:
        sources = self._sources(X, reset=False)
        return as_extractor(self.extractor, image_shape=None, on_error="raise").transform(sources)

    def __sklearn_tags__(self) -> Tags:
        tags, own = super().__sklearn_tags__(), get_tags(_new(self.head))
        tags.estimator_type, tags.target_tags = own.estimator_type, own.target_tags
        tags.classifier_tags, tags.regressor_tags = own.classifier_tags, own.regressor_tags
        return tags


def _check_keeps_groups(head: Any) -> None:
    """Refuse a head whose folds would judge by views of images that they learn from."""
    for part in parts_of(head):
        folds = "cv" in part.get_params(deep=False)
        if folds and not isinstance(part, BaseSearchCV) and not has_fit_parameter(part, "groups"):
            raise InputError(
                f"{type(part).__name__} has folds of its own and takes no groups, so views of one image would be on "
                "both sides of a fold. Take 'logistic', or a search over a head without folds."
            )
