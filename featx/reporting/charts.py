"""The charts of a page, from what was measured."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from featx.reporting.drawing import Axis, Chart, around

DOTS = 800
"""Points of a chart, at most."""
COLUMNS = 6
"""Columns of numbers that get charts, at most."""
LEGEND = 8
"""Classes with a colour of their own on the map."""


def charts(facts: Mapping[str, Any], small: Mapping[int, str]) -> dict[str, Any]:
    """Draw all that there are numbers for."""
    metric = facts["scores"]["metric"]
    return {
        "learning": _learning(facts, metric),
        "calibration": _calibration(facts.get("calibration")),
        "depths": _depths(facts, metric),
        "numbers": [_numbers(column) for column in facts.get("numbers", [])[:COLUMNS]],
        "map": _map(facts, small),
    }


def _learning(facts: Mapping[str, Any], metric: str) -> Chart | None:
    curve = facts.get("learning")
    if not curve:
        return None
    points = [(point["images"], point["score"]) for point in curve["points"]]
    told = ", ".join(f"{score:.3f} from {images}" for images, score in points)
    guess = facts["scores"]["guess"]
    scores = [score for _, score in points]
    chart = Chart(
        "Score by the number of images", f"{metric}: {told}.",
        Axis("images learned from", 0, points[-1][0] * 1.05),
        Axis(metric, *_within(around(scores, least=0.1), facts)),
    )  # fmt: skip
    if guess is not None and guess >= chart.y.low:
        chart.line([(0, guess), (chart.x.high, guess)], "other")
    chart.line(points)
    for images, score in points:
        chart.dot((images, score), f"{score:.3f} from {images} images")
    return chart


def _calibration(found: Mapping[str, Any] | None) -> Chart | None:
    if not found:
        return None
    bins = found["bins"]
    told = ", ".join(f"{one['true']:.0%} at {one['said']:.0%}" for one in bins)
    chart = Chart(
        "How often answers are right, by the probability given", f"Right: {told}.",
        Axis("probability given", 0, 1), Axis("share that is right", 0, 1),
    )  # fmt: skip
    chart.line([(0, 0), (1, 1)], "other")
    chart.line([(one["said"], one["true"]) for one in bins])
    for one in bins:
        chart.dot(
            (one["said"], one["true"]), f"{one['true']:.1%} of {one['answers']} answers at {one['said']:.1%}"
        )
    return chart


def _depths(facts: Mapping[str, Any], metric: str) -> Chart | None:
    rows = facts.get("depths") or []
    if len(rows) < 2:
        return None
    ends = [[row["score"] if end is None else end for end in row["interval"]] for row in rows]
    chart = Chart(
        "Score of each depth", f"{metric}: " + ", ".join(f"{row['score']:.3f} at {row['depth']}" for row in rows) + ".",
        Axis("depth", -0.5, len(rows) - 0.5, range(len(rows)), [str(row["depth"])[:12] for row in rows]),
        Axis(metric, *_within(around(np.ravel(ends).tolist()), facts)),
    )  # fmt: skip
    for place, (row, (low, high)) in enumerate(zip(rows, ends, strict=True)):
        chart.bar(place, low, high)
        chart.dot((place, row["score"]), f"{row['depth']}: {row['score']:.3f}")
    return chart


def _numbers(column: Mapping[str, Any]) -> tuple[Chart, Chart]:
    """Draw predicted against true, and what is left."""
    some = _some(len(column["true"]))
    true, predicted = (np.asarray(column[name])[some] for name in ("true", "predicted"))
    low, high = around([*true, *predicted])
    fit = Chart(
        "Predicted against true", f"R² {column['r2']:.3f}; off by {column['mae']:.3g} on average.",
        Axis("true", low, high), Axis("predicted", low, high),
    )  # fmt: skip
    fit.line([(low, low), (high, high)], "other")
    residuals = predicted - true
    edge = float(np.abs(residuals).max()) * 1.08 or 1.0
    left = Chart(
        "Residuals", f"Predicted minus true: {column['bias']:+.3g} on average.",
        Axis("predicted", *around(predicted.tolist())), Axis("predicted minus true", -edge, edge),
    )  # fmt: skip
    left.line([(left.x.low, 0), (left.x.high, 0)], "other")
    for one, said, off in zip(true, predicted, residuals, strict=True):
        fit.dot((one, said))
        left.dot((said, off))
    return fit, left


def _map(facts: Mapping[str, Any], small: Mapping[int, str]) -> dict[str, Any] | None:
    found = facts.get("map")
    if not found:
        return None
    points = np.asarray(found["points"])
    (left, right), (low, high) = (around(points[:, axis].tolist()) for axis in (0, 1))
    count, those = len(facts["names"]), len(points)
    which = f"{count:,}" if those == count else f"{those:,} of {count:,}"
    chart = Chart(
        "Map of the embeddings", f"{which} images; those that look alike to the network lie together.",
        Axis("", left, right), Axis("", low, high), bare=True, width=720, height=540,
    )  # fmt: skip
    groups, legend = _groups(facts)
    for place in _some(len(points)):
        row = found["rows"][place]
        chart.dot(found["points"][place], f"{facts['names'][row]}: {_target(facts, row)}", groups[row])
    at = dict(zip(found["rows"], found["points"], strict=True))
    for row, source in small.items():
        chart.picture(at[row], source, f"{facts['names'][row]}: {_target(facts, row)}", groups[row])
    return {
        "chart": chart,
        "legend": legend,
        "explained": found["explained"],
        "projection": found["projection"],
    }


def _groups(facts: Mapping[str, Any]) -> tuple[Sequence[int], list[tuple[int, str]]]:
    """Give each image a colour, and say what the colours mean; the rarest classes share the last one."""
    targets = facts["targets"]
    if facts["kind"] != "classes":
        return [0] * len(targets), []
    known = sorted(facts["classes"], key=lambda row: -row["images"])
    colours = {row["class"]: min(place, LEGEND - 1) for place, row in enumerate(known)}
    legend = [(place, str(row["class"])) for place, row in enumerate(known[:LEGEND])]
    if len(known) > LEGEND:
        legend[-1] = (LEGEND - 1, f"{len(known) - LEGEND + 1} other classes")
    return [colours[target] for target in targets], legend


def _target(facts: Mapping[str, Any], row: int) -> str:
    return str(facts["targets"][row])


def _some(count: int) -> list[int]:
    if count <= DOTS:
        return list(range(count))
    return np.sort(np.random.default_rng(0).permutation(count)[:DOTS]).tolist()  # type: ignore[no-any-return]


def _within(limits: tuple[float, float], facts: Mapping[str, Any]) -> tuple[float, float]:
    """Keep an axis of scores from showing scores that cannot be."""
    least = 0.0 if facts["kind"] != "numbers" else float("-inf")
    return max(limits[0], least), min(limits[1], 1.0)
