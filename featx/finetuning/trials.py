"""Trials of how much of a network to tune: each choice is trained for a short while, and judged by images held out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from time import monotonic
from typing import Any

from tqdm import tqdm

from featx.errors import InputError
from featx.finetuning.course import Course
from featx.finetuning.optimizer import Settings
from featx.finetuning.tunable import Tunable
from featx.text import quoted

CHOICES = (1, "norm", "all")
"""What of a network is tried, what takes least time first: the last stage; scales, shifts and biases; everything."""
PART = 0.1
"""How much of the epochs, and of the time, each of them gets."""
_NAMED = ("all", "norm", "auto")

Trial = dict[str, Any]


def check_stages(given: Any) -> None:
    """Refuse what neither counts stages nor names a choice of them."""
    whole = isinstance(given, Integral) and not isinstance(given, bool)
    if given not in _NAMED and not (whole and int(given) >= 0):
        raise InputError(
            f"stages={quoted(given)}: give the number of the last stages to tune, 0 or more, or one of "
            f"{', '.join(map(repr, _NAMED))}."
        )


def brief(settings: Settings) -> Settings:
    """Shorten a training to a trial of it, which ends with low rates, too."""
    seconds = settings.max_seconds
    return replace(
        settings,
        epochs=max(1, round(PART * settings.epochs)),
        max_seconds=None if seconds is None else PART * seconds,
    )


def new_trials(
    course: Course,
    make: Callable[[int | str], Tunable],
    settings: Settings,
    bar: "tqdm[Any]",
    *,
    tried: int,
) -> Iterator[Trial]:
    """Try every choice that was not tried yet.

    Parameters
    ----------
    course
        What is learned.
    make
        Makes a network ready for a choice.
    settings
        Of the whole training.
    bar
        Told of each batch.
    tried
        How many choices were tried before a kill.

    Yields
    ------
    dict
        ``stages``, ``validation_score`` and ``validation_loss`` (of the share with the least loss), ``seconds``.
    """
    for stages in CHOICES[tried:]:
        begun = monotonic()
        training = course.run(make(stages), brief(settings), bar)
        best = min(training.tried or training.history, key=_loss)
        told = {name: best[name] for name in ("validation_score", "validation_loss")}
        yield {"stages": stages, **told, "seconds": monotonic() - begun}


def best_stages(trials: Sequence[Trial]) -> int | str:
    """Give the choice with the least loss; it tells more of few images than their score does.

    Examples
    --------
    >>> best_stages([{"stages": 1, "validation_loss": 0.4}, {"stages": "all", "validation_loss": 0.3}])
    'all'
    """
    found: int | str = min(trials, key=_loss)["stages"]
    return found


def _loss(entry: Trial) -> float:
    return float(entry["validation_loss"])
