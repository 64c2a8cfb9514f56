"""Passing sample weights and groups on to those parts of an estimator that take them."""

from collections.abc import Mapping
from typing import Any

from sklearn import get_config
from sklearn.base import clone, is_regressor
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from sklearn.model_selection._search import BaseSearchCV  # the base of all searches has no public name
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from featx.errors import InputError


def routed(estimator: Any, *, sample_weight: Any = None, groups: Any = None) -> dict[str, Any]:
    """Return the parameters of `estimator.fit` that carry weights and groups to whatever in it takes them.

    Parameters
    ----------
    estimator
        An estimator, a pipeline of several, or a search over one.
    sample_weight, groups
        One for each image, or None.

    Returns
    -------
    dict
        Such as ``{"svc__sample_weight": ...}``. With scikit-learn's metadata routing enabled, what the estimator
        requests.

    Raises
    ------
    InputError
        If there are weights, and the last step takes none.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVC
    >>> list(routed(make_pipeline(StandardScaler(), SVC()), sample_weight=[1, 2]))
    ['standardscaler__sample_weight', 'svc__sample_weight']
    """
    given = {"sample_weight": sample_weight, "groups": groups}
    given = {name: values for name, values in given.items() if values is not None}
    if given and get_config()["enable_metadata_routing"]:
        wanted = get_routing_for_object(estimator).consumes("fit", given)
        if sample_weight is not None and "sample_weight" not in wanted:
            check_takes_weights(estimator)
            name = type(_last(estimator)).__name__
            raise InputError(
                f"{name} does not request sample_weight, and scikit-learn's metadata routing is enabled. Call its "
                "set_fit_request(sample_weight=True)."
            )
        return {key: given[key] for key in wanted}
    if sample_weight is not None:
        check_takes_weights(estimator)
    return ways(estimator, given)


def requesting(estimator: Any) -> Any:
    """Return an estimator that featx made, which requests weights if it takes any.

    Nobody else can say so for it, where scikit-learn's metadata routing is enabled.
    """
    if get_config()["enable_metadata_routing"] and has_fit_parameter(estimator, "sample_weight"):
        return estimator.set_fit_request(sample_weight=True)
    return estimator


def check_takes_weights(estimator: Any) -> None:
    """Refuse an estimator whose last step takes no sample weights."""
    last = _last(estimator)
    if not has_fit_parameter(last, "sample_weight"):
        raise InputError(
            f"{type(last).__name__} takes no sample_weight. Take another head, such as 'logistic', or repeat images "
            "instead."
        )


def takes_unlabelled(estimator: Any) -> bool:
    """Return whether an estimator, or a step of a `HeadPipeline`, learns from images without labels."""
    if not hasattr(estimator, "fit") or not has_fit_parameter(estimator, "unlabelled"):
        return False
    return not isinstance(estimator, Pipeline) or any(takes_unlabelled(step) for _, step in estimator.steps)


def check_takes_unlabelled(estimator: Any) -> None:
    """Refuse an estimator that learns nothing from images without labels, or a pipeline of which no step does."""
    if takes_unlabelled(estimator):
        return
    last = _last(estimator)
    if takes_unlabelled(last):
        raise InputError(
            f"{type(estimator).__name__} passes no unlabelled images on to {type(last).__name__}. A "
            "featx.heads.HeadPipeline of the same steps does."
        )
    raise InputError(
        f"{type(last).__name__} learns nothing from unlabelled images. Leave them out, or take another head, such as "
        "'logistic'."
    )


def keeping_groups(estimator: Any) -> Any:
    """Return an estimator whose searches keep groups apart where their `cv` is only a number of folds.

    It is a clone where there is such a search. `GridSearchCV(cv=3)` takes groups and ignores them.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.svm import SVC
    >>> keeping_groups(GridSearchCV(SVC(), {"C": [1]}, cv=3)).cv.get_n_splits()
    3
    """
    parts = {"": estimator, **estimator.get_params()}
    found = {
        name: part.cv
        for name, part in parts.items()
        if isinstance(part, BaseSearchCV) and (part.cv is None or isinstance(part.cv, int))
    }
    if not found:
        return estimator
    splitter = GroupKFold if is_regressor(estimator) else StratifiedGroupKFold
    choices = {f"{name}__cv".removeprefix("__"): splitter(count or 5) for name, count in found.items()}
    return clone(estimator).set_params(**choices)


def ways(estimator: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of `fit`, without metadata routing, that carry what is given to all that takes it."""
    if not hasattr(estimator, "fit"):  # "passthrough"
        return {}
    found = {name: values for name, values in given.items() if has_fit_parameter(estimator, name)}
    rest = {name: values for name, values in given.items() if name not in found}
    if isinstance(estimator, Pipeline):
        for step, part in estimator.steps:
            found |= {f"{step}__{name}": values for name, values in ways(part, rest).items()}
    elif isinstance(estimator, BaseSearchCV):
        found |= ways(estimator.estimator, rest)
        found |= {name: values for name, values in rest.items() if name == "groups"}
    return found


def _last(estimator: Any) -> Any:
    """Return what in an estimator learns the targets."""
    if isinstance(estimator, Pipeline):
        return _last(estimator.steps[-1][1])
    return _last(estimator.estimator) if isinstance(estimator, BaseSearchCV) else estimator
