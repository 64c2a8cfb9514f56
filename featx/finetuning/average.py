"""Averages of weights: over the last steps of a training, and between the frozen network and the tuned one."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from featx.errors import InputError
from featx.text import quoted

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""What ``average="auto"`` tries beside 0: how much of the way from the frozen network to the tuned one is gone."""
LAST = 0.1
"""Over how much of the training so far the weights are averaged, roughly."""


def shares_for(average: Any, *, pretrained: bool) -> tuple[float, ...]:
    """Tell which shares of the tuned network are tried beside the frozen one.

    Parameters
    ----------
    average
        ``"auto"``, None, or a number from 0 to 1.
    pretrained
        Whether there is a frozen network that knows anything. Halfway to random weights is nothing.

    Raises
    ------
    InputError
        If it is something else, or a share of random weights.

    Examples
    --------
    >>> shares_for("auto", pretrained=True), shares_for(0.5, pretrained=True), shares_for(None, pretrained=True)
    ((0.2, 0.4, 0.6, 0.8, 1.0), (0.5,), (1.0,))
    """
    if average is None or (isinstance(average, str) and average == "auto"):
        return SHARES if average and pretrained else SHARES[-1:]
    if isinstance(average, bool) or not isinstance(average, Real) or not 0 <= float(average) <= 1:
        raise InputError(
            f"average={quoted(average)}: give 'auto', None, or the share of the tuned network, from 0 to 1."
        )
    if not pretrained and average != 1:
        raise InputError(
            f"average={quoted(average)} mixes the tuned network with what it began as, which is random with "
            "weights=None. Give average='auto' or None."
        )
    return (float(average),)


def portion(step: int) -> float:
    """Tell how much of the way to the newest weights their average goes, so that it forgets all but the last tenth.

    The tenth of what was done so far: it needs no word of when a training will end, and the first weights, far from
    the last, are soon gone (polynomial-decay averaging: Shamir & Zhang, ICML 2013).

    Parameters
    ----------
    step
        Counted from 0.

    Examples
    --------
    >>> [round(portion(step), 2) for step in (0, 10, 90, 990)]
    [1.0, 0.5, 0.1, 0.01]
    """
    return 1 / (1 + LAST * step)


def between(start: Sequence[np.ndarray], end: Sequence[np.ndarray], share: float) -> list[np.ndarray]:
    """Give the weights at a share of the way; at 0 and at 1 those given, to the bit.

    Examples
    --------
    >>> between([np.array([1.0, 2.0])], [np.array([3.0, 2.0])], 0.25)
    [array([1.5, 2. ])]
    """
    if share in (0, 1):
        return list(end if share else start)
    return [
        one + np.asarray(share, one.dtype) * (other - one) if np.issubdtype(one.dtype, np.floating) else other
        for one, other in zip(start, end, strict=True)
    ]
