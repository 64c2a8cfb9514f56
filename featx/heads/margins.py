"""The linear model that trees start from, and what it says of images that it was not fitted to."""

from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse  # type: ignore[import-untyped] # SciPy has no types
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from xgboost import XGBModel, XGBRegressor

from featx.errors import InputError
from featx.heads.inner_folds import Fold, inner_folds
from featx.heads.logistic import LogisticHead
from featx.heads.pipeline import HeadPipeline
from featx.heads.scaler import SteadyScaler
from featx.heads.targets import Target
from featx.text import quoted

_ALPHAS = np.logspace(-1, 6, 15)
_OBJECTIVES = ("binary:logistic", "multi:softprob", "multi:softmax", "reg:squarederror")
"""What a linear model's scores are margins of."""


class Started(XGBModel):
    """What both heads of XGBoost do about the linear model that trees begin with; they document `start`."""

    start_: HeadPipeline | None

    def __init__(self, *, start: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start

    def get_xgb_params(self) -> dict[str, Any]:
        """Parameters that are XGBoost's own."""
        return {name: value for name, value in super().get_xgb_params().items() if name != "start"}

    def save_model(self, fname: Any) -> None:
        """Write the trees as XGBoost does, if they are all that answers."""
        if getattr(self, "start_", None) is not None:
            raise InputError(
                "The trees add to a linear model, which XGBoost's own files cannot hold. Write the whole head by "
                "featx.save, or fit one with start=None."
            )
        super().save_model(fname)

    def predict(self, X: Any, **predict_params: Any) -> Any:
        """Labels or numbers; the parameters are those of XGBoost's own `predict`."""
        return super().predict(X, **self.begun(X, predict_params))

    def begin(self, X: Any, y: NDArray[Any], *, groups: Any, choices: dict[str, Any]) -> dict[str, Any]:
        """Fit the linear model, if one is asked for; give what `fit` takes besides, with the margins."""
        self.start_ = None
        if self.start not in (None, "linear"):
            raise InputError(f"start={quoted(self.start)}: give 'linear' or None.")
        table, regression = (
            None if self.start is None else numbers(X, self.missing),
            isinstance(self, XGBRegressor),
        )
        other = callable(self.objective) or self.objective not in (None, *_OBJECTIVES)
        if other or choices.get("base_margin") is not None or not _tells(table, y, regression=regression):
            return choices
        weights = choices.get("sample_weight")
        self.start_, margins = linear(table, y, regression=regression, weights=weights, groups=groups)
        choices = choices | {"base_margin": margins}
        if choices.get("eval_set") is not None:
            judged = [points for points, _ in choices["eval_set"]]
            choices["base_margin_eval_set"] = [self.begun(points, {}).get("base_margin") for points in judged]
        return choices

    def rehearsed(
        self, X: Any, y: NDArray[Any], fold: Fold, *, groups: Any, weights: Any
    ) -> list[NDArray[Any]] | None:
        """Give the margins of both sides of a fold by a linear model of the one that is learned from, if there is one.

        Those of `begin` would not do: each of them was learned from rows of the other side, too.
        """
        table, regression = numbers(X, self.missing), isinstance(self, XGBRegressor)
        train, test = fold
        if table is None or not _tells(table[train], y[train], regression=regression):
            return None
        told = {"groups": groups, "weights": weights}
        own = {name: None if values is None else values[train] for name, values in told.items()}
        model, margins = linear(table[train], y[train], regression=regression, like=self.start_, **own)
        return [margins, margins_of(model, table[test])]

    def begun(self, X: Any, choices: dict[str, Any]) -> dict[str, Any]:
        """Give what `predict` takes, with the margins that trees add to."""
        model, table = getattr(self, "start_", None), numbers(X, self.missing)
        if model is None or table is None or choices.get("base_margin") is not None:
            return choices
        return choices | {"base_margin": margins_of(model, table)}


def numbers(X: Any, missing: float = np.nan) -> NDArray[Any] | None:
    """Give the columns of a table that hold numbers, NaN where one is missing; None where there are none.

    Parameters
    ----------
    X
        What XGBoost takes. Of a frame, columns of categories are left out. A sparse table has no such columns: what is
        not written in it is missing to XGBoost, and 0 to a linear model.
    missing
        What stands for a missing number.

    Examples
    --------
    >>> numbers([[1, -1], [2, 3]], missing=-1).tolist()
    [[1.0, nan], [2.0, 3.0]]
    """
    if issparse(X):
        return None
    if hasattr(X, "select_dtypes"):
        X = X.select_dtypes(["number", "bool"]).to_numpy(np.float64, na_value=np.nan)
    array = np.asarray(X)
    array = array if array.dtype == np.float32 else array.astype(np.float64)
    if array.ndim != 2 or not array.shape[1]:
        return None
    return array if np.isnan(missing) else np.where(array == missing, np.nan, array)


def _tells(table: NDArray[Any] | None, y: NDArray[Any], *, regression: bool) -> TypeGuard[NDArray[Any]]:
    """Tell whether there are two rows with numbers, and one of each class."""
    if table is None:
        return False
    some = y[~np.isnan(table).all(axis=1)]
    return len(some) > 1 and (regression or y.ndim == 2 or len(np.unique(some)) == len(np.unique(y)))


def linear(
    X: NDArray[Any],
    y: NDArray[Any],
    *,
    regression: bool,
    weights: NDArray[Any] | None,
    groups: Any,
    like: HeadPipeline | None = None,
) -> tuple[HeadPipeline, NDArray[np.float32]]:
    """Fit a linear model, and give what it says of each row when it is not fitted to it.

    Parameters
    ----------
    X : array of shape (n, d)
        Numbers; one that is NaN counts as the mean of its column.
    y : array of shape (n,) or (n, k)
        Classes from 0 on, columns of 0 and 1, or numbers.
    regression
        Whether they are numbers.
    weights, groups
        What each row counts for, and what it shares with others: rows of one group are held out together.
    like
        A model whose strength is taken, fitted to these rows and others, for a quicker fit: three folds, not five.

    Returns
    -------
    model : HeadPipeline
        Fitted to all rows in which there is a number.
    margins : array of shape (n,) or (n, k), float32
        Its scores, or numbers, of rows held out. Where a class is in no other row they are those of a row of which
        nothing is known.

    Examples
    --------
    >>> X, y = np.arange(12.0)[:, None], np.arange(12) // 6
    >>> model, margins = linear(X, y, regression=False, weights=None, groups=None)
    >>> margins.shape, bool((margins[6:].min() > margins[:6].max()))
    ((12,), True)
    """
    head = (
        [("scaler", SteadyScaler()), ("head", RidgeCV(_ALPHAS))] if regression else [("head", LogisticHead())]
    )
    model = HeadPipeline([("imputer", SimpleImputer(keep_empty_features=True)), *head])
    told = {"sample_weight": weights, "groups": groups}
    some = np.flatnonzero(~np.isnan(X).all(axis=1))

    def fit(one: HeadPipeline, rows: NDArray[np.intp]) -> HeadPipeline:
        return one.fit(X[rows], y[rows], **{k: v[rows] for k, v in told.items() if v is not None})

    def strong(one: HeadPipeline) -> HeadPipeline:
        if regression:
            return model
        chosen = one["head"].C_
        quicker: HeadPipeline = clone(model)
        quicker.set_params(head__Cs=np.unique(chosen[~np.isnan(chosen)]), head__cv=2)
        return quicker

    model = fit(model if like is None else strong(like), some)
    quick = strong(model)
    unknown = margins_of(model, np.full((1, X.shape[1]), np.nan, X.dtype))
    margins = np.repeat(unknown, len(y), axis=0)
    for train, test in inner_folds(
        np.empty((len(y), 0)), y, 5 if like is None else 3, groups=groups, regression=regression
    ):
        rows = np.intersect1d(train, some)
        if len(rows) and (regression or y.ndim == 2 or len(np.unique(y[rows])) == len(np.unique(y))):
            margins[test] = margins_of(fit(clone(quick), rows), X[test])
    return model, margins


def margins_of(model: HeadPipeline, X: NDArray[Any]) -> NDArray[np.float32]:
    """Give scores (n,) or (n, k), or numbers, as XGBoost starts from them."""
    scores = model.decision_function(X) if hasattr(model, "decision_function") else model.predict(X)
    return np.asarray(scores, np.float32)


def loss_of(margins: NDArray[Any], y: NDArray[Any], weights: Any = None, *, regression: bool) -> float:
    """Give the loss of margins, which is XGBoost's own metric: log loss, or the root of the mean squared error.

    Examples
    --------
    >>> loss_of(np.array([0.0, 0.0]), np.array([0, 1]), regression=False)  # log 2
    0.6931471805599453
    """
    scores = margins.reshape(len(y), -1)
    kind = "multilabel" if y.ndim == 2 else "multiclass" if scores.shape[1] > 1 else "binary"
    target = Target("number" if regression else kind, scores.shape[1], np.arange(max(2, scores.shape[1])))
    each = target.losses(target.encode(y), scores).mean(axis=1)
    mean = np.average(each, weights=weights)
    return float(np.sqrt(mean) if regression else mean)
