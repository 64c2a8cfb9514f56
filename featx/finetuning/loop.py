"""The training loop: batches, early stopping, the best of the weights, and a state that survives a kill."""

from collections.abc import Callable, Iterator, Sequence
from math import ceil, isfinite
from time import monotonic
from typing import Any

import numpy as np
from tqdm import tqdm

from featx.embedding.keras_engine import compiles
from featx.errors import InputError
from featx.finetuning.augment import random_states, reseed
from featx.finetuning.average import between, portion
from featx.finetuning.optimizer import Settings, make_optimizer, schedule, starts_of
from featx.finetuning.tunable import Tunable
from featx.heads.targets import Target

Inputs = list[np.ndarray]
Feed = Callable[..., Iterator[Inputs]]
"""Takes the rows of each batch and the numbers of a seed; gives what the model reads for each batch."""

Keep = Callable[[dict[str, Any], dict[str, list[np.ndarray]]], None]
"""Takes facts and lists of arrays, as a `Checkpoint` writes them."""


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


NOTHING = (-np.inf, -np.inf)
"""What any epoch is better than."""


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
    averaged
        Whether the weights after an epoch are an average over the last steps.
    shares
        How much of the way from the first weights to the best epoch's is tried beside nothing; without `check` the last
        one is taken.
    settle
        Called where averaged weights are put into the model.

    Attributes
    ----------
    history : list of dict
        One for each epoch; the first, epoch 0, is the model before training.
    tried : list of dict
        For each ``share`` that was tried, what `check` said.
    share : float
        The share that was kept; 0: the model is as it was before training.
    best_epoch : int
        The epoch towards which it lies; 0 where the share is 0.
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
        averaged: bool = False,
        shares: Sequence[float] = (1.0,),
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._model, self._kept = model, tunable.tuned
        self._settings, self._seed, self._check = settings, seed, check
        self._shares, self._settle = shares, settle
        self._states = random_states(self._kept)
        variables, rates, turns = self._kept.trainable_variables, tunable.rates, tunable.turns
        self._optimizer = make_optimizer(settings, variables, rates, turns, averaged=averaged)
        self._rates_from = sorted(set(zip(rates, starts_of(settings, turns), strict=True)), reverse=True)
        compile_for(model, target, self._optimizer)
        self._first: list[np.ndarray] = self._kept.get_weights()
        self._best: list[np.ndarray] = []
        self._seconds = 0.0
        self._started = 0.0
        self._check_seconds = 0.0
        self.history: list[dict[str, Any]] = []
        self.tried: list[dict[str, Any]] = []
        self.share, self.best_epoch = 0.0, 0

    def resume(self, facts: dict[str, Any], arrays: dict[str, list[np.ndarray]]) -> None:
        """Take up what `run` gave to `keep`."""
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
        bar: "tqdm[Any]",
        keep: Keep | None = None,
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
        bar
            Told of each batch.
        keep
            Takes the state after each epoch.

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
            if keep:
                keep(*self._state())
        self._choose()

    def _epoch(
        self, batches: Sequence[np.ndarray], inputs: Iterator[Inputs], packed: np.ndarray, bar: "tqdm[Any]"
    ) -> dict[str, Any]:
        epoch = len(self.history)
        settings, limit, losses, rate, progress = self._settings, self._limit(), [], 0.0, 0.0
        for step, (batch, given) in enumerate(zip(batches, inputs, strict=True)):
            progress = (epoch - 1 + (step + 0.5) / len(batches)) / settings.epochs
            if limit is not None:  # a run that ends early ends with the same low rates
                progress = max(progress, (monotonic() - self._started) / limit)
            if progress >= 1:
                break
            rate = settings.rate * schedule(progress, settings.warmup)
            self._optimizer.learning_rate = rate
            self._optimizer.progress.assign(progress)
            self._optimizer.portion.assign(portion((epoch - 1) * len(batches) + step))
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
        return [rate * share * (progress >= start) for share, start in self._rates_from]

    def _note(self, entry: dict[str, Any], bar: "tqdm[Any]") -> None:
        """Add an epoch to the history, with what validation says, and keep its weights if they are the best."""
        if self._check:
            running = self._kept.get_weights()
            if entry["epoch"]:
                self._average()
            begun = monotonic()
            entry |= self._check()
            took = monotonic() - begun
            self._check_seconds = min(self._check_seconds or took, took)  # the first one compiles
            if entry["epoch"] and self._merit(entry) > max(
                map(self._merit, self.history[1:]), default=NOTHING
            ):
                self._best = self._kept.get_weights()
            self._kept.set_weights(running)
            bar.set_postfix({"validation": f"{entry['validation_score']:.4f}"})
        before, self._seconds = self._seconds, monotonic() - self._started
        self.history.append({**entry, "seconds": self._seconds - before})

    def _average(self) -> None:
        """Put the averaged weights into the model."""
        averages = self._optimizer.averages
        if averages:
            for variable, average in zip(self._kept.trainable_variables, averages, strict=True):
                variable.assign(average)
            self._settle()

    def _choose(self) -> None:
        """Leave the model with the weights that do best, of those on the way from the first to the best epoch's."""
        if len(self.history) == 1:
            return
        if not self._check:
            self._average()
            self.share = self._shares[-1]
            self.best_epoch = len(self.history) - 1 if self.share else 0
            self._kept.set_weights(between(self._first, self._kept.get_weights(), self.share))
            return
        best = max(self.history[1:], key=self._merit)
        for share in sorted({0.0, *self._shares}):
            if share in (0, 1):
                found = self.history[0] if share == 0 else best
            else:
                self._kept.set_weights(between(self._first, self._best, share))
                found = self._check()
            self.tried.append(
                {"share": share, **{name: found[name] for name in ("validation_score", "validation_loss")}}
            )
        self.share = max(self.tried, key=self._merit)["share"]
        self.best_epoch = best["epoch"] if self.share else 0
        self._kept.set_weights(between(self._first, self._best, self.share))

    def _merit(self, entry: dict[str, Any]) -> tuple[float, float]:
        """Rank by score; where that is the same, as it often is for few images, by loss."""
        return entry["validation_score"], -entry["validation_loss"]

    def _limit(self) -> float | None:
        """Tell how many seconds there are for epochs: the choice among shares takes some, too."""
        if self._settings.max_seconds is None:
            return None
        between_ends = [share for share in self._shares if share not in (0, 1)]
        return max(self._settings.max_seconds - len(between_ends) * self._check_seconds, 1e-9)

    def _over(self) -> bool:
        limit, done = self._limit(), len(self.history) - 1
        if done >= self._settings.epochs or (limit is not None and self._seconds >= limit):
            return True
        if not self._check or self._settings.patience is None:
            return False
        return bool(done - max(self.history, key=self._merit)["epoch"] >= self._settings.patience)

    def _state(self) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
        from featx.networks.quiet_keras import ops

        facts = {"history": self.history, "seconds": self._seconds}
        return facts, {
            "weights": self._kept.get_weights(),
            "best": self._best,
            "optimizer": [ops.convert_to_numpy(variable) for variable in self._optimizer.variables],
        }
