"""What would change the score: more images, another depth, and no network at all."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # it has no types

from featx.evaluation.comparison import compare, merits
from featx.evaluation.held_out import HeldOut, fitted, held_out, score
from featx.evaluation.report import Report
from featx.heads.named import make_head

SHARES = (0.25, 0.5)
CURVE_FOLDS = 2
"""The learning curve refits on this many of the folds: all of them would take as long as the cross-validation."""
LEAST = 40
"""A learning curve of fewer images would show nothing but chance."""
SAMPLE = 500
"""Depths are compared on at most so many images; a ridge head on n images takes time for n * n * n multiplications."""
COMPONENTS = 100
"""Principal components of the raw pixels that a linear model learns from."""


def learning(
    head: Any, embeddings: NDArray[Any], held: HeldOut, step: Callable[[], object]
) -> dict[str, Any] | None:
    """Fit the head to a quarter and a half of the images, and compare with all, on the same held-out images.

    Returns
    -------
    dict or None
        ``points``, with ``images`` learned from and ``score``; and ``gain``, what doubling the images brought, with
        its standard ``error``. None where a part of the images cannot be learned from.
    """
    folds = held.folds[:CURVE_FOLDS]
    at = np.full(len(held.y), -1)
    at[held.rows] = np.arange(len(held.rows))
    tests = np.concatenate([test for _, test in folds])
    truth, whole = held.y[tests], held.predicted[at[tests]]
    points, answers = [], {}
    for share in SHARES:
        parts = [_part(held, train, share) for train, _ in folds]
        try:
            found = [
                fitted(head, embeddings, held.y, part, held.params).predict(embeddings[test])
                for part, (_, test) in zip(parts, folds, strict=True)
            ]
        except ValueError:  # one class only, or too few of one for the head's own folds
            continue
        finally:
            step()
        answers[share] = np.concatenate(found).reshape(truth.shape)
        points.append(
            {
                "images": round(np.mean([len(part) for part in parts])),
                "score": score(truth, answers[share], regression=held.regression),
            }
        )
    if 0.5 not in answers:
        return None
    points.append(
        {
            "images": round(np.mean([len(train) for train, _ in folds])),
            "score": score(truth, whole, regression=held.regression),
        }
    )
    told = compare(*(_merits(held, truth, one) for one in (answers[0.5], whole)), regression=held.regression)
    return {"points": points, "gain": told["difference"], "error": told["error"]}


def pixels(small: NDArray[Any], held: HeldOut, groups: Any) -> dict[str, Any]:
    """Score a linear model of small raw pixels (n, d) on the same folds, and compare it with the model."""
    from sklearn.decomposition import PCA

    few = min(COMPONENTS, *small.shape)
    with threadpool_limits(1, "blas"):
        points = PCA(few, svd_solver="covariance_eigh").fit_transform(small)
        # by one number: each by its own would make as much of the last, which are noise
        points /= points.std() or 1
        found = held_out(_ridge(held)[-1], points, held.y, cv=list(held.folds), groups=groups)
    told = compare(
        *(_merits(held, held.truth, one.predicted) for one in (found, held)), regression=held.regression
    )
    return {**found.scores.to_dict(), "p": told["p"], "better": told["better"], "worse": told["worse"]}


def depths(
    embeddings: NDArray[Any], taps: Sequence[Any], held: HeldOut, groups: Any, step: Callable[[], object]
) -> list[dict[str, Any]]:
    """Score each depth that the embeddings were made of, by a ridge head, on at most `SAMPLE` images."""
    rows = _sample(held)
    edges = np.cumsum([0, *(len(tap.columns) for tap in taps)])
    alone = len({tap.backbone for tap in taps}) == 1
    found = []
    for tap, start, stop in zip(taps, edges, edges[1:], strict=False):
        try:
            with threadpool_limits(1, "blas"):
                told = held_out(
                    _ridge(held), embeddings[rows, start:stop], held.y[rows], cv=len(held.folds),
                    groups=None if groups is None else np.asarray(groups)[rows],
                ).scores  # fmt: skip
        except ValueError:  # a class has a single image among these
            return []
        finally:
            step()
        found.append(
            {
                "depth": tap.depth if alone else f"{tap.backbone} {tap.depth}",
                "pooling": tap.pooling,
                "columns": int(stop - start),
                **_scores(told),
            }
        )
    return found


def _ridge(held: HeldOut) -> Any:
    return make_head("ridge" if held.regression else "ridge-classifier")


def _scores(report: Report) -> dict[str, Any]:
    told: Mapping[str, Any] = report.to_dict()
    return {"score": told["mean"], "interval": told["interval"], "images": told["images"]}


def _sample(held: HeldOut) -> NDArray[np.intp]:
    """Take at most `SAMPLE` rows; those of a class that is left with a single one could not be judged."""
    rows = np.sort(np.random.default_rng(0).permutation(len(held.y))[:SAMPLE])
    if held.classes is None or len(rows) == len(held.y):
        return rows
    _, kinds, counts = np.unique(held.y[rows], return_inverse=True, return_counts=True)
    return rows[counts[kinds] > 1]


def _part(held: HeldOut, train: NDArray[np.intp], share: float) -> NDArray[np.intp]:
    """Take a share of some rows, of each class in proportion and at least two; a larger share holds a smaller one."""
    order = np.random.default_rng(0).permutation(train)
    if held.classes is None:
        return np.sort(order[: max(2, round(share * len(order)))])
    kinds = held.y[order]
    rank = np.empty(len(order), int)
    by_class = np.argsort(kinds, kind="stable")
    _, starts, counts = np.unique(kinds[by_class], return_index=True, return_counts=True)
    rank[by_class] = np.arange(len(order)) - np.repeat(starts, counts)
    wanted = np.maximum(2, np.round(share * counts))[np.unique(kinds, return_inverse=True)[1]]
    return np.sort(order[rank < wanted])


def _merits(held: HeldOut, truth: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    return merits(truth, predicted, regression=held.regression)
