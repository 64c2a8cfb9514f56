"""What a network is tuned to: images, their targets, and what is told of them besides."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from featx.evaluation.folds import hold_out
from featx.finetuning.loop import pack
from featx.heads.checks import groups_of, weights_of
from featx.heads.targets import Target
from featx.images.sources import Source


@dataclass(frozen=True, eq=False)
class Lesson:
    """Images that count for something, with their targets."""

    sources: list[Source]
    """The images, n."""
    y: np.ndarray
    """Targets, (n,) or (n, k)."""
    weights: np.ndarray | None
    """What each image counts for, (n,), 1 on average; None: all the same."""
    groups: np.ndarray | None
    """The group of each image, (n,); None: each is one by itself."""

    @classmethod
    def of(cls, sources: list[Source], y: np.ndarray, sample_weight: Any, groups: Any) -> "Lesson":
        """Check weights and groups, and leave out images without weight."""
        groups = None if groups is None else groups_of(groups, len(y))
        weights = weights_of(sample_weight, len(y))
        if weights is None:
            return cls(sources, y, None, groups)
        kept = np.flatnonzero(weights)
        return cls(
            [sources[row] for row in kept],
            y[kept],
            weights[kept] / weights[kept].mean(),
            None if groups is None else groups[kept],
        )

    def told(self, rows: np.ndarray) -> dict[str, Any]:
        """Give what a head takes of some rows besides embeddings and targets."""
        parts = {"sample_weight": self.weights, "groups": self.groups}
        return {name: values[rows] for name, values in parts.items() if values is not None}

    def split(self, share: float | None, *, regression: bool, seed: int) -> list[Any]:
        """Give the rows to train on and the rows held out."""
        if share is None:
            return [np.arange(len(self.y)), np.arange(0)]
        return hold_out(
            self.y,
            share,
            regression=regression,
            groups=self.groups,
            random_state=seed,
            hint="pass validation=None",
        )

    def packed(self, target: Target, smoothing: float, class_weight: Any) -> np.ndarray:
        """Give encoded targets and weights side by side, as `featx.finetuning.loop.pack` does."""
        weights = target.weights(self.y, class_weight)
        if self.weights is not None:
            weights = weights * self.weights[:, None]
        return pack(target.smooth(target.encode(self.y), smoothing), weights)

    def name(self) -> list[Any]:
        """Give what names a run besides images and choices, as values that JSON can hold."""
        told = [part.tolist() for part in (self.weights, self.groups) if part is not None]
        return [self.y.tolist(), *told]
