"""What all trainings of one `fit` share: images, targets, what is held out, and how a network is fed and judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from tqdm import tqdm

from featx.finetuning.augment import Augmenter
from featx.finetuning.feeds import IN_MEMORY, Images, KeptFeed, PixelFeed
from featx.finetuning.lesson import Lesson
from featx.finetuning.loop import Feed, Keep, Training, scores_of
from featx.finetuning.optimizer import Settings
from featx.finetuning.tunable import Tunable
from featx.heads.targets import Target

SETTLING = 8
"""Batches from which BatchNorm layers that learn take their statistics anew."""


@dataclass(frozen=True, eq=False)
class Course:
    """Runs trainings that differ only in what of the network they tune, and for how long."""

    lesson: Lesson
    target: Target
    images: Images
    packed: np.ndarray
    """Targets and weights, see `featx.finetuning.loop.pack`."""
    train: np.ndarray
    """Rows to train on."""
    held: np.ndarray
    """Rows to judge by."""
    seed: int
    augment: Any
    averaged: bool
    shares: Sequence[float]
    score: Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]
    """From targets, predictions and weights to what `score` of the estimator gives."""

    def run(
        self,
        tunable: Tunable,
        settings: Settings,
        bar: "tqdm[Any]",
        *,
        saved: Any = None,
        keep: Keep | None = None,
    ) -> Training:
        """Train a network.

        Parameters
        ----------
        tunable
            The network; it is left with the best of its weights.
        settings
            How; `max_seconds` counts from here.
        bar
            Told of each batch.
        saved
            Facts and arrays that `keep` took before a kill.
        keep
            Takes the state after each epoch.
        """
        begun = monotonic()
        model, changed, plain = self._feeds(tunable, settings.batch_size)
        rows = np.random.default_rng(self.seed).permutation(self.train)
        some = list(np.resize(rows, (SETTLING, settings.batch_size)))
        tunable.settle(model, plain(some[:1]))
        encoded = self.target.encode(self.lesson.y)

        def check() -> dict[str, float]:
            scores, target, y = (
                scores_of(model, plain, self.held, settings.batch_size),
                self.target,
                self.lesson.y,
            )
            own = None if self.lesson.weights is None else self.lesson.weights[self.held]
            score = self.score(y[self.held], target.decode(scores * target.spread + target.centre), own)
            losses = target.losses(encoded[self.held], scores).mean(axis=1)
            return {
                "validation_score": float(score),
                "validation_loss": float(np.average(losses, weights=own)),
            }

        training = Training(
            tunable,
            model,
            self.target,
            settings=settings.after(begun),
            seed=self.seed,
            check=check if len(self.held) > 1 else None,
            averaged=self.averaged,
            shares=self.shares,
            settle=lambda: tunable.settle(model, plain(some)),
        )
        if saved and "history" in saved[0]:
            training.resume(*saved)
        training.run(self.packed, self.train, changed, bar, keep)
        return training

    def _feeds(self, tunable: Tunable, batch_size: int) -> tuple[Any, Feed, Feed]:
        """Give the model to train, and what feeds it with images, changed at random and as they are."""
        from featx.networks.quiet_keras import keras

        count = len(self.lesson.y)
        if self.augment is None and tunable.saves_work and KeptFeed.size(tunable.fixed, count) <= IN_MEMORY:
            kept = KeptFeed(tunable.fixed, self.images, count, batch_size)
            return tunable.tuned, kept, kept
        pixels = keras.Input((*tunable.input_size, 3), dtype="uint8")
        model = keras.Model([pixels], tunable.tuned(tunable.fixed(pixels, training=False)))
        plain = PixelFeed(self.images)
        return (
            model,
            plain if self.augment is None else PixelFeed(self.images, Augmenter(self.augment)),
            plain,
        )
