"""Which images to look at: the mistakes a model is surest of, labels that may be wrong, and copies."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from featx.evaluation.duplicates import Duplicates
from featx.evaluation.held_out import HeldOut


def mistakes(held: HeldOut, names: Sequence[str], most: int = 100) -> list[dict[str, Any]]:
    """List wrong answers, the worst first.

    Of classes those with the highest probability, of labels those with the most labels wrong, of numbers those that
    are the furthest off, in standard deviations of the target.
    """
    truth, predicted = held.truth, held.predicted
    if held.regression:
        spread = truth.std(axis=0)
        off = np.abs(predicted - truth) / np.where(spread > 0, spread, 1)
        worth = off.reshape(len(truth), -1).max(axis=1)
    elif held.classes is None:
        worth = (truth != predicted).sum(axis=1).astype(float)
    else:
        sure = np.ones(len(truth)) if held.probabilities is None else held.probabilities.max(axis=1)
        worth = np.where(truth != predicted, sure, 0)
    order = np.argsort(-worth, kind="stable")[:most]
    return [_told(held, place, names) for place in order if worth[place] > 0]


def wrong_labels(held: HeldOut, names: Sequence[str], most: int = 100) -> list[dict[str, Any]]:
    """List images whose label is likely to be wrong, the likeliest first.

    Notes
    -----
    Confident learning (Northcutt, Jiang & Chuang, *Confident Learning: Estimating Uncertainty in Dataset Labels*, JAIR
    2021): a label is doubted if the model answers another class, and some other class reaches the mean probability
    that it has among images labelled with it. They are sorted by the probability of the label. This is what
    ``cleanlab.filter.find_label_issues(filter_by="confident_learning")`` finds, by the same out-of-fold
    probabilities.
    """
    if held.classes is None or held.probabilities is None:
        return []
    chances, given = held.probabilities, np.searchsorted(held.classes, held.truth)
    own = chances[np.arange(len(given)), given]
    counts = np.bincount(given, minlength=len(held.classes))
    usual = np.bincount(given, own, minlength=len(held.classes)) / np.maximum(counts, 1)
    usual[counts == 0] = np.inf
    reached = np.where(chances >= usual - 1e-9, chances, -1.0)
    likely = reached.argmax(axis=1)
    doubted = (reached.max(axis=1) >= 0) & (likely != given) & (chances.argmax(axis=1) != given)
    rows = np.flatnonzero(doubted)
    rows = rows[np.argsort(own[rows], kind="stable")]
    told = [_told(held, place, names) for place in rows[:most]]
    return [
        {**one, "suggested": held.classes[likely[place]].tolist(), "probability_of_label": float(own[place])}
        for one, place in zip(told, rows, strict=False)
    ]


def copies(found: Duplicates, names: Sequence[str]) -> list[dict[str, Any]]:
    """List groups of images that are there twice."""
    return [
        {
            "images": [names[row] for row in group.rows],
            "rows": list(group.rows),
            "same_content": group.exact,
            "similarity": group.similarity,
            "labels": list(group.labels),
        }
        for group in found.groups
    ]


def _told(held: HeldOut, place: int, names: Sequence[str]) -> dict[str, Any]:
    row = int(held.rows[place])
    told = {
        "image": names[row],
        "row": row,
        "true": held.truth[place].tolist(),
        "predicted": held.predicted[place].tolist(),
    }
    if held.classes is not None and held.probabilities is not None:
        told["probability"] = float(held.probabilities[place].max())
    return told
