"""Learning rates: how they change during training, and how each layer gets its own.

A Keras optimizer makes its step, and each variable keeps only its share of it, ``old + rate * (new - old)``. For SGD
with momentum and for AdamW, with its weight decay, this is the step at that share of the learning rate, on any backend
of Keras. (Scaled gradients would not do: Adam divides by their size.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, inf, pi
from numbers import Integral, Real
from time import monotonic
from typing import Any

from featx.errors import InputError, UnknownNameError
from featx.text import quoted

OPTIMIZERS = {"adamw": 1e-3, "sgd": 3e-3}
"""The known optimizers, each with the head's learning rate that ``"auto"`` stands for."""
EPSILON = 1e-4
"""AdamW's epsilon. AdamW divides gradients by their usual size, so behind a head that leaves hardly any it would take
full steps of noise; below this size a step shrinks with the gradient. docs/finetune.md says what that is worth."""

UNFREEZE = ("at-once", "gradual")
GRADUAL = 0.5
"""The share of the training after which all stages learn, when they are unfrozen one by one at equal intervals."""


@dataclass(frozen=True)
class Settings:
    """How to train; `featx.finetuning.FineTuner` documents each.

    Raises
    ------
    InputError, UnknownNameError
        If one of them cannot have its value.
    """

    epochs: int
    batch_size: int
    learning_rate: float | str
    optimizer: str
    weight_decay: float
    momentum: float
    warmup: float
    unfreeze: str
    patience: int | None
    max_seconds: float | None

    def __post_init__(self) -> None:
        for name, known in (("optimizer", OPTIMIZERS), ("unfreeze", UNFREEZE)):
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        check_count("epochs", self.epochs)
        check_count("batch_size", self.batch_size)
        if self.learning_rate != "auto":
            check_number("learning_rate", self.learning_rate, 0, inf)
        check_number("weight_decay", self.weight_decay, 0, inf)
        check_number("momentum", self.momentum, 0, 1)
        check_number("warmup", self.warmup, 0, 1)
        if self.patience is not None:
            check_count("patience", self.patience)
        if self.max_seconds is not None:
            check_number("max_seconds", self.max_seconds, 0, inf)

    def after(self, begun: float) -> "Settings":
        """Give the settings for the time that is left since a moment, told by `time.monotonic`."""
        if self.max_seconds is None:
            return self
        return replace(self, max_seconds=max(self.max_seconds - (monotonic() - begun), 1e-9))

    @property
    def rate(self) -> float:
        """The head's highest learning rate."""
        return OPTIMIZERS[self.optimizer] if self.learning_rate == "auto" else float(self.learning_rate)


def check_count(name: str, value: Any) -> None:
    """Refuse anything but a whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InputError(f"{name}={quoted(value)}: give a whole number, 1 or more.")


def check_number(name: str, value: Any, least: float, below: float) -> None:
    """Refuse anything but a number of at least `least` and less than `below`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not least <= float(value) < below:
        limit = "" if below == inf else f" and less than {below:g}"
        raise InputError(f"{name}={quoted(value)}: give a number of at least {least:g}{limit}.")


def check_share(name: str, value: Any, most: float) -> None:
    """Refuse anything but a number of at least 0 and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= most:
        raise InputError(f"{name}={quoted(value)}: give a number from 0 to {most:g}.")


def schedule(progress: float, warmup: float) -> float:
    """Give the share of the learning rate at a point of the training: up linearly, then down along a half cosine.

    Parameters
    ----------
    progress
        From 0 to 1.
    warmup
        Where the rate is highest.

    Examples
    --------
    >>> [round(schedule(progress, 0.1), 2) for progress in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + cos(pi * (min(progress, 1.0) - warmup) / (1 - warmup)))


def make_optimizer(
    settings: Settings,
    variables: Sequence[Any],
    rates: Sequence[float],
    turns: Sequence[int],
    *,
    averaged: bool = False,
) -> Any:
    """Make a Keras optimizer with a rate for each variable.

    Parameters
    ----------
    settings
        Which optimizer.
    variables
        The trainable variables of the model.
    rates
        Each variable's share of the learning rate.
    turns
        The order in which they begin to learn, if gradually: 0 is first.
    averaged
        Whether it keeps a running average of each variable, in the list `averages`.

    Returns
    -------
    keras.optimizers.Optimizer
        Before each step set its variable `progress`, from 0 to 1, and `portion`, how much the average takes of the
        weights after that step.
    """
    from featx.networks.quiet_keras import keras, ops

    starts = starts_of(settings, turns)
    known: dict[str, tuple[Any, dict[str, float]]] = {
        "adamw": (keras.optimizers.AdamW, {"epsilon": EPSILON}),
        "sgd": (keras.optimizers.SGD, {"momentum": settings.momentum}),
    }
    kind, options = known[settings.optimizer]

    class Discriminative(kind):  # type: ignore[misc, valid-type] # Keras has no types
        def build(self, variables: Sequence[Any]) -> None:
            super().build(variables)
            self.progress = self.add_variable(shape=(), name="progress")
            self.portion = self.add_variable(shape=(), name="portion")
            self.averages = [
                self.add_variable_from_reference(variable, name="average")
                for variable in variables
                if averaged
            ]
            for average, variable in zip(self.averages, variables, strict=averaged):
                average.assign(ops.copy(variable.value))  # JAX gives the same memory away only once

        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            before = [ops.copy(variable.value) for variable in variables]
            super().apply(grads, trainable_variables)
            for variable, old, rate, start in zip(variables, before, rates, starts, strict=True):
                if rate != 1 or start > 0:
                    open_ = ops.cast(self.progress >= start, variable.dtype)
                    variable.assign(old + rate * open_ * (variable.value - old))
            for average, variable in zip(self.averages, variables, strict=averaged):
                average.assign(average.value + self.portion * (variable.value - average.value))

    optimizer = Discriminative(settings.rate, weight_decay=settings.weight_decay, **options)
    # biases and the scales of normalisation have no reason to be small
    optimizer.exclude_from_weight_decay(
        var_list=[variable for variable in variables if len(variable.shape) < 2]
    )
    optimizer.build(variables)
    return optimizer


def starts_of(settings: Settings, turns: Sequence[int]) -> list[float]:
    """Tell at which point of the training, from 0 to 1, each variable begins to learn."""
    count = max(turns, default=0) + 1
    return [GRADUAL * turn / count if settings.unfreeze == "gradual" else 0.0 for turn in turns]
