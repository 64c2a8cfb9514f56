"""Estimators built on an extractor: their parameter `extractor`, which may be no more than a backbone's name."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from featx.embedding.extractor import FeatureExtractor
from featx.embedding.passes import LISTED, choices_of_each, several
from featx.errors import InputError
from featx.images.inputs import ImageInput


def as_extractor(given: Any, **choices: Any) -> FeatureExtractor:
    """Take an extractor as it is, and a backbone as one with default choices; then change some.

    Parameters
    ----------
    given
        A `FeatureExtractor`, or what it takes for `backbone`.
    choices
        Parameters of `FeatureExtractor`. `given` itself is not changed.

    Raises
    ------
    InputError
        If `given` is an estimator of another kind.
    """
    if isinstance(given, FeatureExtractor):
        return given.with_choices(**choices) if choices else given
    if isinstance(given, BaseEstimator):
        raise InputError(
            f"extractor={given!r}: give a FeatureExtractor, or a backbone: its name, a Keras model or its file."
        )
    return FeatureExtractor(given, **choices)


def each_backbone(extractor: FeatureExtractor) -> list[FeatureExtractor]:
    """Take an extractor of several backbones apart: one for each, with the same choices.

    Examples
    --------
    >>> each_backbone(FeatureExtractor(["mobilenet_v2", "featx-mini"], views="flip"))
    [FeatureExtractor(backbone='mobilenet_v2', views='flip'), FeatureExtractor(views='flip')]
    """
    if not isinstance(extractor.backbone, list | tuple):
        return [extractor]
    shared = {name: getattr(extractor, name) for name in LISTED}
    each = choices_of_each(extractor.backbone, shared)
    return [
        extractor.with_choices(backbone=one.backbone, **{name: getattr(one, name) for name in LISTED})
        for one in each
    ]


def on_one_backbone(extractor: FeatureExtractor) -> FeatureExtractor:
    """Give an extractor of one backbone, for work that needs a single network.

    Raises
    ------
    InputError
        If there are several.
    """
    one, *more = each_backbone(extractor)
    if more:
        raise several(1 + len(more))
    return one


class OnExtractor(ImageInput):
    """Mixin of estimators with a parameter `extractor`, by which they read images; it comes before `BaseEstimator`."""

    extractor: Any

    @property
    def _read_by(self) -> FeatureExtractor:
        return as_extractor(self.extractor)

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the extractor as ``extractor__depth``, also where a backbone stands for it.

        Parameters
        ----------
        params
            As `sklearn.base.BaseEstimator.set_params` takes them.
        """
        if any(name.startswith("extractor__") for name in params):
            params = {**params, "extractor": as_extractor(params.get("extractor", self.extractor))}
        super().set_params(**params)  # type: ignore[misc] # BaseEstimator, which comes after it, has it
        return self


def parts_of(model: Any) -> Iterator[BaseEstimator]:
    """Give a model and every estimator in it: its parameters, and what `fit` made of them.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit([[0], [1]] * 4, [0, 1] * 4)
    >>> [type(part).__name__ for part in parts_of(search)]
    ['GridSearchCV', 'DecisionTreeClassifier', 'DecisionTreeClassifier']
    """
    waiting, seen = [model], set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, BaseEstimator):
            yield part
        if isinstance(part, Mapping):
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, np.ndarray) and part.dtype.kind == "O":
            waiting += part.ravel().tolist()
        elif isinstance(part, BaseEstimator) or type(part).__module__.startswith("sklearn."):
            waiting += getattr(part, "__dict__", {}).values()
