"""Charts as inline SVG, whose colours a style sheet can change: points on paper, ready for the template."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

WIDTH, HEIGHT = 440, 300
"""Of a chart, in its own units; on a telephone a unit is 0.8 pixels, so that labels stay readable."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 46


@dataclass
class Axis:
    """What one axis shows, from where to where."""

    label: str
    low: float
    high: float
    ticks: Sequence[float] | None = None
    """None: at round numbers."""
    names: Sequence[str] | None = None
    """What stands at the ticks in place of their numbers."""

    def marks(self) -> list[tuple[float, str]]:
        """Give the ticks with what stands at them."""
        at = list(round_numbers(self.low, self.high) if self.ticks is None else self.ticks)
        return list(zip(at, self.names or [f"{one:g}" for one in at], strict=True))


@dataclass
class Chart:
    """A chart; `line`, `dot`, `bar` and `picture` add to it, in units of its axes."""

    title: str
    description: str
    x: Axis
    y: Axis
    lines: list[dict[str, Any]] = field(default_factory=list)
    dots: list[dict[str, Any]] = field(default_factory=list)
    bars: list[dict[str, float]] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    bare: bool = False
    """Whether the axes mean nothing."""
    width: int = WIDTH
    height: int = HEIGHT

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Give the place of a point on paper."""
        left, bottom = (8, 8) if self.bare else (_LEFT, _BOTTOM)
        across = (x - self.x.low) / ((self.x.high - self.x.low) or 1)
        up = (y - self.y.low) / ((self.y.high - self.y.low) or 1)
        return (
            round(left + across * (self.width - left - _RIGHT), 1),
            round(self.height - bottom - up * (self.height - bottom - _TOP), 1),
        )

    def line(self, points: Sequence[tuple[float, float]], kind: str = "main") -> None:
        """Draw a line; `kind` is a class of the style sheet."""
        self.lines.append(
            {"kind": kind, "points": " ".join("{},{}".format(*self.at(*one)) for one in points)}
        )

    def dot(self, place: Sequence[float], title: str = "", group: int = 0) -> None:
        """Draw a point, of one of eight colours and four shapes."""
        across, up = self.at(*place)
        self.dots.append({"x": across, "y": up, "title": title, "group": group % 8})

    def bar(self, x: float, low: float, high: float) -> None:
        """Draw an interval, cut off where the axis ends."""
        low, high = max(low, self.y.low), min(high, self.y.high)
        across, bottom = self.at(x, low)
        self.bars.append({"x": across, "low": bottom, "high": self.at(x, high)[1]})

    def picture(self, place: Sequence[float], source: str, title: str, group: int, side: int = 42) -> None:
        """Draw a picture around a point, with a frame of one of eight colours."""
        across, up = (one - side / 2 for one in self.at(*place))
        told = {"x": across, "y": up, "source": source, "title": title, "side": side, "group": group % 8}
        self.pictures.append(told)

    @property
    def x_marks(self) -> list[tuple[float, str]]:
        """Where a label of the x axis stands, and what it says."""
        return [(self.at(value, self.y.low)[0], name) for value, name in self.x.marks()]

    @property
    def y_marks(self) -> list[tuple[float, str]]:
        """Where a label of the y axis stands, and what it says."""
        return [(self.at(self.x.low, value)[1], name) for value, name in self.y.marks()]

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what the axes enclose."""
        (left, bottom), (right, top) = self.at(self.x.low, self.y.low), self.at(self.x.high, self.y.high)
        return left, top, right, bottom


def round_numbers(low: float, high: float, most: int = 6) -> list[float]:
    """Give round numbers from `low` to `high`, at most `most`.

    Examples
    --------
    >>> round_numbers(0.47, 1.0), round_numbers(0, 240)
    ([0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [0.0, 50.0, 100.0, 150.0, 200.0])
    """
    span = high - low
    if not np.isfinite(span) or span <= 0:
        return [float(low)]
    power = 10.0 ** np.floor(np.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most - 0.5)
    first = np.ceil(low / step - 1e-9)
    return [float(round(one * step, 12)) + 0.0 for one in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def around(values: Sequence[float], *, least: float = 0.02, share: float = 0.08) -> tuple[float, float]:
    """Give limits of an axis that leave some room around values.

    Examples
    --------
    >>> around([1.0, 2.0])
    (0.92, 2.08)
    """
    low, high = float(np.min(values)), float(np.max(values))
    room = max((high - low) * share, least / 2)
    return round(low - room, 12), round(high + room, 12)
