"""The training loop: batches, early stopping with the best weights, and a state that survives a kill."""

from collections.abc import Callable, Iterator, Sequence
from math import ceil, isfinite
from time import monotonic
from typing import Any

import numpy as np
from tqdm import tqdm

from featx.embedding.keras_engine import compiles
from featx.errors import InputError
from featx.finetuning.augment import random_states, reseed
from featx.finetuning.checkpoint import Checkpoint
from featx.finetuning.optimizer import Settings, make_optimizer, schedule, starts_of
from featx.finetuning.tunable import Head, Tunable
from featx.heads.targets import Target

Inputs = list[np.ndarray]
Feed = Callable[..., Iterator[Inputs]]
"""Takes the rows of each batch and the numbers of a seed; gives what the model reads for each batch."""


def compile_for(model: Any, target: Target, optimizer: Any) -> None:
    """Give a model that makes scores its loss; targets and weights come to it side by side, see `pack`."""
    from featx.networks.quiet_keras import ops

    def loss(packed: Any, scores: Any) -> Any:
        columns = scores.shape[-1]
        return ops.mean(target.losses(packed[:, :columns], scores, ops) * packed[:, columns:], axis=-1)

    model.compile(optimizer=optimizer, loss=loss, jit_compile=compiles())


def pack(encoded: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Put targets (n, columns) and weights (n, 1 or columns) side by side."""
    return np.concatenate([encoded, weights], axis=1).astype(np.float32)


def scores_of(model: Any, feed: Feed, rows: np.ndarray, batch_size: int) -> np.ndarray:
    """Run a model on some rows: (n, columns). Every batch has one shape; the last one is filled up."""
    batch_size = min(batch_size, max(len(rows), 1))
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    inputs = feed([np.resize(batch, batch_size) for batch in batches])
    parts = [np.asarray(model.predict_on_batch(given)) for given in inputs]
    return np.concatenate([part[: len(batch)] for part, batch in zip(parts, batches, strict=True)])


class Training:
    """One run.

    Parameters
    ----------
    tunable
        The network; it is left with the best of its weights.
    model
        What is run: the tuned part, or the whole network.
    target
        What is learned.
    settings
        How to train.
    seed
        Fixes the order of the images, and what random layers do, in each epoch by itself.
    check
        Gives ``validation_score`` and ``validation_loss`` of the model as it now is. None: the last weights are kept.

    Attributes
    ----------
    history : list of dict
        One for each epoch; the first, epoch 0, is the model before training.
    """

    def __init__(
        self,
        tunable: Tunable,
        model: Any,
        target: Target,
        *,
        settings: Settings,
        seed: int,
        check: Callable[[], dict[str, float]] | None,
    ) -> None:
        self._model, self._kept = model, tunable.tuned
        self._settings, self._seed, self._check = settings, seed, check
        self._states = random_states(self._kept)
        variables, rates, turns = self._kept.trainable_variables, tunable.rates, tunable.turns
        self._optimizer = make_optimizer(settings, variables, rates, turns)
        self._shares = sorted(set(zip(rates, starts_of(settings, turns), strict=True)), reverse=True)
        compile_for(model, target, self._optimizer)
        self._best: list[np.ndarray] = []
        self._seconds = 0.0
        self._started = 0.0
        self.history: list[dict[str, Any]] = []

    def resume(self, facts: dict[str, Any], arrays: dict[str, list[np.ndarray]]) -> None:
        """Take up what `run` wrote to a checkpoint."""
        self.history, self._seconds = facts["history"], facts["seconds"]
        self._best = arrays["best"]
        self._kept.set_weights(arrays["weights"])
        for variable, value in zip(self._optimizer.variables, arrays["optimizer"], strict=True):
            variable.assign(value)

    def run(
        self,
        packed: np.ndarray,
        rows: np.ndarray,
        feed: Feed,
        *,
        head: Head,
        checkpoint: Checkpoint | None,
        bar: "tqdm[Any]",
    ) -> None:
        """Train.

        Parameters
        ----------
        packed
            Targets and weights of all images, see `pack`.
        rows
            Which images to train on.
        feed
            Gives what the model reads for batches of rows, changed at random.
        head
            Where the head started; kept with the state.
        checkpoint
            Where the state is kept after each epoch.
        bar
            Told of each batch.

        Raises
        ------
        InputError
            If the loss becomes NaN or infinite.
        """
        self._started = monotonic() - self._seconds
        batch_size = min(self._settings.batch_size, len(rows))
        steps = ceil(len(rows) / batch_size)
        bar.reset(total=steps * self._settings.epochs)
        bar.update(steps * max(0, len(self.history) - 1))
        if not self.history:
            self._note({"epoch": 0, "loss": None, "rates": self._rates(0.0, 0.0)}, bar)
        while not self._over():
            epoch = len(self.history)
            reseed(self._states, self._seed, epoch)
            order = np.random.default_rng((self._seed, epoch)).permutation(rows)
            batches = list(np.resize(order, (steps, batch_size)))  # the last one is filled up from the first
            self._note(self._epoch(batches, feed(batches, self._seed, epoch), packed, bar), bar)
            if checkpoint:
                self._write(checkpoint, head)
        if self._best:
            self._kept.set_weights(self._best)

    def _epoch(
        self, batches: Sequence[np.ndarray], inputs: Iterator[Inputs], packed: np.ndarray, bar: "tqdm[Any]"
    ) -> dict[str, Any]:
        epoch = len(self.history)
        settings, losses, rate, progress = self._settings, [], 0.0, 0.0
        for step, (batch, given) in enumerate(zip(batches, inputs, strict=True)):
            progress = (epoch - 1 + (step + 0.5) / len(batches)) / settings.epochs
            if settings.max_seconds is not None:  # a run that ends early ends with the same low rates
                progress = max(progress, (monotonic() - self._started) / settings.max_seconds)
            if progress >= 1:
                break
            rate = settings.rate * schedule(progress, settings.warmup)
            self._optimizer.learning_rate = rate
            self._optimizer.progress.assign(progress)
            losses.append(float(self._model.train_on_batch(given, packed[batch])))
            bar.update()
        loss = float(np.mean(losses)) if losses else None
        if loss is not None and not isfinite(loss):
            raise InputError(
                f"The loss became {loss} in epoch {epoch}: learning_rate={settings.rate} is too high here. "
                "Try a tenth of it."
            )
        return {"epoch": epoch, "loss": loss, "rates": self._rates(rate, progress)}

    def _rates(self, rate: float, progress: float) -> list[float]:
        """Give the learning rates of the head, the deepest stage, the one before it, and so on."""
        return [rate * share * (progress >= start) for share, start in self._shares]

    def _note(self, entry: dict[str, Any], bar: "tqdm[Any]") -> None:
        """Add an epoch to the history, with what validation says, and keep its weights if they are the best."""
        if self._check:
            entry |= self._check()
            if self._merit(entry) > max(map(self._merit, self.history), default=(-np.inf, -np.inf)):
                self._best = self._kept.get_weights()
            bar.set_postfix({"validation": f"{entry['validation_score']:.4f}"})
        before, self._seconds = self._seconds, monotonic() - self._started
        self.history.append({**entry, "seconds": self._seconds - before})

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept; without validation the last one."""
        if not self._check:
            return len(self.history) - 1
        return int(max(self.history, key=self._merit)["epoch"])

    def _merit(self, entry: dict[str, Any]) -> tuple[float, float]:
        """Rank by score; where that is the same, as it often is for few images, by loss."""
        return entry["validation_score"], -entry["validation_loss"]

    def _over(self) -> bool:
        settings, done = self._settings, len(self.history) - 1
        if done >= settings.epochs or (
            settings.max_seconds is not None and self._seconds >= settings.max_seconds
        ):
            return True
        if not self._check or settings.patience is None:
            return False
        return done - self.best_epoch >= settings.patience

    def _write(self, checkpoint: Checkpoint, head: Head) -> None:
        from featx.networks.quiet_keras import ops

        checkpoint.write(
            {"history": self.history, "seconds": self._seconds, "seed": self._seed},
            {
                "weights": self._kept.get_weights(),
                "best": self._best,
                "head": [head.coef, head.intercept, head.mean, head.deviation],
                "optimizer": [ops.convert_to_numpy(variable) for variable in self._optimizer.variables],
            },
        )
