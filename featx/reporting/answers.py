"""How good held-out answers are: class by class, label by label or number by number, and how far to trust them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featx.evaluation.held_out import HeldOut

MATRIX = 50
"""Up to this many classes the whole confusion matrix is kept; the pairs that are confused always are."""
BINS = 10


def quality(held: HeldOut, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Say how good the answers are, as values that JSON can hold: one key for each section of the page.

    `names` are those of the columns of `y`; None: they are numbered.
    """
    names = names or [f"column {place + 1}" for place in range(_wide(held.y).shape[1])]
    if held.regression:
        return {"numbers": _numbers(held, names)}
    if held.classes is None:
        return {"labels": _labels(held, names), "calibration": _calibration(held)}
    return {"classes": _classes(held), "confusion": _confusion(held), "calibration": _calibration(held)}


def _classes(held: HeldOut) -> list[dict[str, Any]]:
    from sklearn.metrics import precision_recall_fscore_support

    assert held.classes is not None
    found = precision_recall_fscore_support(
        held.truth, held.predicted, labels=held.classes, zero_division=0.0
    )
    return [
        {"class": name, "precision": precision, "recall": recall, "f1": f1, "images": images}
        for name, precision, recall, f1, images in zip(
            held.classes.tolist(), *(part.tolist() for part in found), strict=True
        )
    ]


def _confusion(held: HeldOut) -> dict[str, Any]:
    from sklearn.metrics import confusion_matrix

    assert held.classes is not None
    names = held.classes.tolist()
    wrong = held.truth != held.predicted
    codes = [np.searchsorted(held.classes, part[wrong]) for part in (held.truth, held.predicted)]
    pairs, counts = np.unique(np.stack(codes, 1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    small = len(names) <= MATRIX
    return {
        "classes": names if small else None,
        "counts": confusion_matrix(held.truth, held.predicted, labels=held.classes).tolist()
        if small
        else None,
        "confused": [
            {
                "class": names[pairs[place, 0]],
                "predicted": names[pairs[place, 1]],
                "images": int(counts[place]),
            }
            for place in order
        ],
    }


def _calibration(held: HeldOut) -> dict[str, Any] | None:
    """Compare probabilities with how often they come true: of the class answered, or of each label."""
    from sklearn.calibration import calibration_curve

    if held.probabilities is None:
        return None
    if held.classes is None:
        said, true = held.probabilities.ravel(), held.truth.ravel().astype(float)
    else:
        said, true = held.probabilities.max(axis=1), (held.truth == held.predicted).astype(float)
    said = np.clip(said, 0, 1)  # rounding may lead out of it
    came, mean = calibration_curve(true, said, n_bins=BINS)
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.bincount(np.searchsorted(edges[1:-1], said), minlength=BINS)
    counts = counts[counts > 0]
    return {
        "bins": [
            {"said": float(a), "true": float(b), "answers": int(n)}
            for a, b, n in zip(mean, came, counts, strict=True)
        ],
        "error": float(np.sum(counts * np.abs(came - mean)) / counts.sum()),
        "bias": float(np.mean(said) - np.mean(true)),
        "answers": len(said),
    }


def _labels(held: HeldOut, names: Sequence[str]) -> list[dict[str, Any]]:
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support

    rows = []
    for place in range(held.y.shape[1]):
        truth, predicted = held.truth[:, place].astype(int), held.predicted[:, place].astype(int)
        precision, recall, f1, _ = precision_recall_fscore_support(
            truth, predicted, average="binary", zero_division=0.0
        )
        chances = None if held.probabilities is None else held.probabilities[:, place]
        ranked = chances is not None and 0 < truth.sum() < len(truth)
        rows.append(
            {
                "label": names[place],
                "accuracy": float((truth == predicted).mean()),
                "precision": float(precision),
                "recall": float(recall),
                "f1": float(f1),
                "average_precision": float(average_precision_score(truth, chances)) if ranked else None,
                "images": int(truth.sum()),
            }
        )
    return rows


def _numbers(held: HeldOut, names: Sequence[str]) -> list[dict[str, Any]]:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    columns = []
    for place, (truth, predicted) in enumerate(
        zip(_wide(held.truth).T, _wide(held.predicted).T, strict=True)
    ):
        residuals = predicted - truth
        columns.append(
            {
                "column": names[place],
                "r2": float(r2_score(truth, predicted)),
                "mae": float(mean_absolute_error(truth, predicted)),
                "rmse": float(root_mean_squared_error(truth, predicted)),
                "bias": float(residuals.mean()),
                "mae_of_mean": float(np.abs(truth - truth.mean()).mean()),
                "true": truth.tolist(),
                "predicted": predicted.tolist(),
            }
        )
    return columns


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), -1)
