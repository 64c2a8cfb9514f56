"""Where a penalty is applied: standardised columns, rotated where there are more of them than rows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from featx.heads.blending import Linear
from featx.heads.path import path
from featx.heads.scaler import shrunk


class Space(NamedTuple):
    """Where a penalty is applied: standardised columns, rotated where there are more of them than rows."""

    scaler: StandardScaler
    Z: NDArray[Any]
    """Images with labels, then those without, where these are learned from."""
    basis: NDArray[Any] | None
    small: bool
    """Whether the deviations are shrunk, as for few images."""

    def learned(
        self,
        model: LogisticRegression,
        Cs: NDArray[Any],
        rows: NDArray[np.intp],
        y: NDArray[Any],
        weights: NDArray[Any] | None,
    ) -> tuple[Linear, int, bool]:
        """Fit to some rows for the last of some strengths, begun below it; give the map of embeddings as they are.

        Returns it, how many steps the solver took, and whether it converged.
        """
        weights = None if weights is None else weights[rows]
        (*_, model), converged = zip(*path(model, Cs[-3:], self.Z[rows], y[rows], weights), strict=True)
        coef = (model.coef_ if self.basis is None else model.coef_ @ self.basis.T) / self.scaler.scale_
        steps = int(model.n_iter_.max())
        return Linear(coef, model.intercept_ - coef @ self.scaler.mean_), steps, all(converged)


def space_of(
    X: NDArray[Any],
    weights: NDArray[Any] | None,
    others: NDArray[Any] | None = None,
    rows: NDArray[np.intp] | slice = slice(None),
    *,
    small: bool,
) -> Space:
    """Standardise all rows by the deviations of some, and of others that have no label."""
    weights = None if weights is None else weights[rows]
    scaler = StandardScaler().fit(X[rows], sample_weight=weights)
    images = len(X[rows]) if weights is None else weights.sum()
    if others is not None:
        scaler.partial_fit(others, sample_weight=None if weights is None else np.ones(len(others)))
        X = np.concatenate([X, others])
    scaler = shrunk(scaler, images) if small else scaler
    return Space(scaler, *row_space(scaler.transform(X)), small)


def row_space(Z: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Rotate rows `Z` (n, d) to have n columns if n < d; return them and the basis (d, n): ``Z = rows @ basis.T``.

    The penalty keeps the weights in the space that the rows span, so the solution is the same.
    """
    if len(Z) >= Z.shape[1]:
        return Z, None
    basis, rows = np.linalg.qr(Z.T)
    return np.ascontiguousarray(rows.T), basis
