"""What the depth curve holds: a row for each depth, which is best, which is cheapest, as table, JSON and picture."""

from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from featx.errors import InputError
from featx.evaluation.comparison import plus_minus
from featx.evaluation.report import Report


@dataclass(frozen=True)
class DepthRow:
    """One depth of a backbone, or several side by side, and what was measured there."""

    name: str
    """``4``, ``3-5`` or ``block_6_add + 4``."""
    depth: tuple[int | str, ...]
    """Stages or layers, as `FeatureExtractor` takes them."""
    pooling: tuple[str, ...]
    """How each is pooled."""
    columns: int
    """Length of the embedding."""
    report: Report
    """Scores of the head, on the same folds for every row."""
    share: float
    """Estimated share of the time of the deepest row, from `featx.networks.cost.shares`."""
    seconds: float | None
    """Time for an image, as its share of what the deepest row took; None if all embeddings came from the cache."""
    behind: float = 0.0
    """How much lower its score is than the best row's: the mean of the differences, fold by fold."""
    noise: float = 0.0
    """Standard error of `behind`."""

    @property
    def score(self) -> float:
        """Mean score over the folds."""
        return self.report.mean

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the mean score, as `featx.evaluation.Report` gives it."""
        return self.report.interval

    @property
    def params(self) -> dict[str, Any]:
        """``depth`` and ``pooling`` for a `FeatureExtractor`."""
        return {"depth": list(self.depth), "pooling": list(self.pooling)}

    def to_dict(self) -> dict[str, Any]:
        """Give everything as values that JSON can say."""
        plain = {**asdict(self), "depth": list(self.depth), "pooling": list(self.pooling)}
        report = self.report.to_dict()
        noise = self.noise if np.isfinite(self.noise) else None
        return {
            **plain,
            "noise": noise,
            "report": report,
            "score": self.score,
            "interval": report["interval"],
        }


@dataclass(frozen=True)
class DepthCurve:
    """Scores of a backbone's depths; prints as a table."""

    backbone: str
    input_size: tuple[int, int]
    rows: tuple[DepthRow, ...]
    """Single depths first, the first stage first; then the last two, the last three and all side by side."""
    best: DepthRow
    """The highest score. It is the best of several on the same folds, so a little too high."""
    cheapest: DepthRow
    """The row that takes the least time of those within one standard error of the best, compared fold by fold."""
    seconds: float | None
    """Time for an image, down to the deepest row; None if all came from the cache and was never measured."""
    embeddings: NDArray[np.float32] = field(repr=False, compare=False)
    """(n, d), all depths side by side."""

    @property
    def singles(self) -> tuple[DepthRow, ...]:
        """The rows of one depth."""
        return tuple(row for row in self.rows if len(row.depth) == 1)

    @property
    def saving(self) -> float:
        """Share of the best row's time that the cheapest saves."""
        return 1 - self.cheapest.share / self.best.share

    def features(self, row: DepthRow) -> NDArray[np.float32]:
        """Give the embeddings (n, row.columns) that a row was scored on."""
        before = [single.columns for single in self.singles]
        wanted = row.depth[:1], row.pooling[:1]
        first = [(single.depth, single.pooling) for single in self.singles].index(wanted)
        start = sum(before[:first])
        return self.embeddings[:, start : start + row.columns]

    def __str__(self) -> str:
        return f"{self._about}\n\n{self._table('plain')}\n\n{self.verdict}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._about)}</p>{self._table('html')}<p>{escape(self.verdict)}</p>"

    @property
    def _about(self) -> str:
        best = self.best.report
        size = "x".join(map(str, self.input_size))
        first = f"{self.backbone} at {size}, {best.images} images, {len(best.scores)} folds"
        return first + ("" if best.guess is None else f", guessing {best.guess:.3f}")

    def _table(self, kind: str) -> str:
        head = ["depth", "columns", self.best.report.metric, "95 %", "time", "ms/image", ""]
        rows = [[*_cells(row), _marks(row, self)] for row in self.rows]
        sides = ["left", *["right"] * (len(head) - 2), "left"]
        return tabulate(rows, head, kind, colalign=sides, disable_numparse=True)

    @property
    def verdict(self) -> str:
        """Which depth to use, in words."""
        best, cheap = self.best, self.cheapest
        guess = best.report.guess
        if guess is not None and best.score <= guess:
            return f"No depth is better than guessing ({guess:.3f})."
        first = f"Best: {best.name}, {best.report.metric} {plus_minus(best.score, best.report.error)}."
        if cheap is best:
            return f"{first} No cheaper depth comes within one standard error of it."
        saved = (
            f"{self.saving:.0%} of the time"
            if self.saving >= 0.005
            else f"{best.columns - cheap.columns} columns"
        )
        return (
            f"{first} As good within one standard error: {cheap.name}, {cheap.score:.3f} "
            f"(behind by {plus_minus(cheap.behind, cheap.noise)}); it saves {saved}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Give everything but the embeddings as values that JSON can say."""
        return {
            "backbone": self.backbone,
            "input_size": list(self.input_size),
            "rows": [row.to_dict() for row in self.rows],
            "best": self.best.name,
            "cheapest": self.cheapest.name,
            "saving": self.saving,
            "seconds": self.seconds,
            "verdict": self.verdict,
        }

    def plot(self, ax: Any = None) -> Any:
        """Draw the score of each row with its interval; below its name stands the time that it takes.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where; default: a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        InputError
            If matplotlib is not installed.
        """
        ax = new_axes() if ax is None else ax
        ends = np.array([row.interval for row in self.rows]).T
        scores = np.array([row.score for row in self.rows])
        reach = np.where(np.isfinite(ends), np.abs(ends - scores), 0)
        count = len(self.singles)
        for part, style, label in (
            (slice(count), "o-", "one depth"),
            (slice(count, None), "s", "side by side"),
        ):
            if places := range(len(self.rows))[part]:
                ax.errorbar(places, scores[part], reach[:, part], fmt=style, capsize=3, label=label)
        if self.best.report.guess is not None:
            ax.axhline(self.best.report.guess, color="grey", linestyle=":", label="guessing")
        long = max(len("100%"), *(len(row.name) for row in self.rows)) > 60 // len(
            self.rows
        )  # letters side by side
        names = [f"{row.name}{'  ' if long else chr(10)}{row.share:.0%}" for row in self.rows]
        ax.set_xticks(range(len(names)), names, rotation=90 if long else 0)
        ax.set(
            xlabel="depth; time, % of the deepest (estimated)",
            ylabel=f"{self.best.report.metric}, 95 % interval",
            title=f"{self.backbone}: {self.best.report.images} images",
        )
        ax.legend()
        return ax


def new_axes() -> Any:
    """Give a new figure's axes, or raise `InputError` where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "Pictures need matplotlib, which is not installed: pip install 'featx[plots]'."
        ) from error
    return Figure(figsize=(7, 4), layout="constrained").add_subplot()


def _cells(row: DepthRow) -> list[str]:
    low, high = row.interval
    known = np.isfinite([low, high]).all()
    return [
        row.name, str(row.columns), plus_minus(row.score, row.report.error),
        f"{low:.3f}..{high:.3f}" if known else "-",
        f"{row.share:.0%}",
        "-" if row.seconds is None else f"{1000 * row.seconds:.1f}",
    ]  # fmt: skip


def _marks(row: DepthRow, curve: DepthCurve) -> str:
    marks = [name for name, marked in (("best", curve.best), ("cheapest", curve.cheapest)) if row is marked]
    return ", ".join(marks)
