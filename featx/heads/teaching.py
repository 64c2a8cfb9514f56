"""Learning from images without labels, beside those that have some."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from featx.heads.blas import ignore_flags
from featx.heads.blending import Linear, blended, chances
from featx.heads.inner_folds import Fold
from featx.heads.spaces import Space, space_of
from featx.heads.spreading import lesson

TAUGHT = 16
"""The strength for labels that were spread, times the columns. Blending leaves little of its effect (docs/heads.md)."""

LEAST = 1e-12
"""A probability below this counts as this, or one image would decide alone."""


@dataclass(frozen=True)
class Teaching:
    """Blends what is learned from labels with what is learned from these spread to other images."""

    X: NDArray[Any]
    y: NDArray[Any]
    weights: NDArray[Any] | None
    others: NDArray[Any]
    """Embeddings without labels."""
    space: Space
    """Of all of them."""
    model: LogisticRegression
    """What is fitted."""
    small: bool
    """How columns are scaled where only labels are learned from."""
    Cs: NDArray[Any]
    """Strengths up to the one that is best there."""
    C: NDArray[Any]
    """The strength for labels that were spread, (1,)."""

    def taught(self, own: Linear, rows: NDArray[np.intp]) -> tuple[Linear, int, bool]:
        """Blend what was learned from the labels of some rows with what others add; give steps, and if enough."""
        told = lesson(self.space.Z, self.y, rows, self.weights)
        second, steps, good = self.space.learned(self.model, self.C, told.rows, told.y, told.weights)
        images = len(rows) if self.weights is None else self.weights[rows].sum()
        count = images / len(np.unique(self.y[rows]))
        return blended(own, second, self.others, told.sure, count), steps, good

    def gains(self, fold: Fold) -> NDArray[np.floating]:
        """Return by how much the others lessen the log loss of each image of a fold that is held out."""
        train, test = fold
        known = np.unique(self.y[train])
        if len(known) < 2:
            return np.zeros(len(test))
        judged = np.isin(self.y[test], known)  # of another class neither knows anything
        rows = test[judged]
        places = np.searchsorted(known, self.y[rows])
        with ignore_flags():  # the context of the caller does not reach workers
            space = space_of(self.X, self.weights, None, train, small=self.small)
            own, *_ = space.learned(self.model, self.Cs, train, self.y, self.weights)
            both, *_ = self.taught(own, train)
            alone, beside = (
                np.log(np.maximum(chances(one.scores(self.X[rows])), LEAST))[np.arange(len(rows)), places]
                for one in (own, both)
            )
        found = np.zeros(len(test))
        found[judged] = beside - alone
        return found if self.weights is None else found * self.weights[test]
