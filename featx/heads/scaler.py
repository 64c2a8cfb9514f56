"""Standardising columns, without blowing up those that hardly vary or of which little is known."""

from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.preprocessing import StandardScaler

from featx.heads.checks import unlabelled_rows

FLOOR = 0.1
"""A column is divided by at least this share of the mean standard deviation of all columns."""

PRIOR = 10
"""As how many images the middle variance of all columns counts beside a column's own. At one to ten images a class 10,
30, 100 and 300 gave the same accuracies; at twenty 10 alone cost nothing (docs/heads.md)."""


def shrunk(scaler: StandardScaler, images: float) -> StandardScaler:
    """Give a scaler for few images, of which a column's own variance is hardly more than chance.

    Parameters
    ----------
    scaler
        Fitted; it is left as it is.
    images
        How many labelled images there are, n; it may be fitted to others, too.

    Returns
    -------
    StandardScaler
        Divides by the root of ``(n * own + PRIOR * middle) / (n + PRIOR)``, where *middle* is the median variance of
        the columns that vary: an estimate by so many more images, in which all columns vary alike.

    Examples
    --------
    >>> scaler = StandardScaler().fit([[0.0, 0.0, 1.0], [0.01, 2.0, 3.0]])
    >>> [scaler.scale_.round(2).tolist(), shrunk(scaler, 2).scale_.round(2).tolist()]
    [[0.0, 1.0, 1.0], [0.91, 1.0, 1.0]]
    """
    other = copy(scaler)
    own = scaler.var_
    moving = own > 0
    if moving.any():
        other.scale_ = np.sqrt((images * own + PRIOR * np.median(own[moving])) / (images + PRIOR))
    return other


class SteadyScaler(StandardScaler):  # type: ignore[misc] # scikit-learn has no types
    """Standardise columns, but leave those that hardly vary small.

    After a ReLU many columns are 0 for nearly every image. Divided by its own tiny standard deviation, such a column
    is in the thousands for the one new image where it is not 0, and throws a regression off. Here no column is divided
    by less than a tenth of the mean standard deviation. Parameters and attributes are those of scikit-learn's
    `StandardScaler`.

    Examples
    --------
    >>> seen = np.array([[0.0, 1.0], [0.0, 3.0], [0.001, 5.0]])
    >>> SteadyScaler().fit(seen).transform([[1.0, 5.0]]).round(1).tolist()
    [[12.2, 1.2]]
    >>> StandardScaler().fit(seen).transform([[1.0, 5.0]]).round(1).tolist()
    [[2120.6, 1.2]]
    """

    __metadata_request__fit: ClassVar = {"unlabelled": True}

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, unlabelled: Any = None) -> Self:
        """Compute the mean of each column, and what to divide it by.

        Parameters
        ----------
        X : array of shape (n, d)
            Embeddings.
        y
            Ignored.
        sample_weight : array of shape (n,)
            A weight for each row.
        unlabelled : array of shape (m, d)
            Embeddings of other images, which count as those in `X`.
        """
        super().fit(X, y, sample_weight)
        if unlabelled is not None:
            more = unlabelled_rows(unlabelled, self.n_features_in_)
            super().partial_fit(more, sample_weight=None if sample_weight is None else np.ones(len(more)))
        self.scale_: Any
        if self.with_std:
            moving = self.var_ > 0  # a constant column is divided by 1, as in StandardScaler
            if moving.any():
                deviations = np.sqrt(self.var_[moving])
                self.scale_ = np.maximum(self.scale_, FLOOR * deviations.mean())
        return self
