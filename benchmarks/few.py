"""What the logistic head makes of few images a class. ``python benchmarks/few.py DATA [--backbone mobilenet_v2]``.

The sets are those of `sets.image_sets`. Default embedding; of each class so many images are learned from, drawn
``--draws`` times, and at most 400 others are judged. Beside scikit-learn's `LogisticRegression` on standardised
columns, which is how most people begin; and once more with the images that are judged given as `unlabelled`, as
somebody would who has them all at hand. Prints Markdown: mean accuracies over the sets and over all draws, what the
worst and the best set gain, mean log losses, and mean calibration errors (15 bins, all draws of a set together).
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from sets import calibration_error, image_sets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from featx import FeatureExtractor, make_head

COUNTS = (1, 2, 5, 10, 20)
MOST = 120
"""Images of a class that are drawn from; more take minutes."""
LEARNED = 250
"""Images in all that are learned from; sets of more classes are left out at that count."""


def few(y: np.ndarray, count: int, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw so many rows of each class to learn from, and at most 400 others to judge by."""
    rng = np.random.default_rng([count, draw])
    known = np.concatenate([rng.permutation(np.flatnonzero(y == kind))[:count] for kind in np.unique(y)])
    return known, rng.permutation(np.setdiff1d(np.arange(len(y)), known))[:400]


def judged(X: np.ndarray, y: np.ndarray, count: int, draws: int) -> np.ndarray:
    """Return accuracy, log loss and calibration error of each of three heads, (3, 3)."""
    losses, sure, right = np.empty((3, 3, draws, min(400, len(y) - count * len(np.unique(y)))))
    for draw in range(draws):
        known, new = few(y, count, draw)
        plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        heads = (plain, {}), (make_head("logistic"), {}), (make_head("logistic"), {"unlabelled": X[new]})
        for number, (head, told) in enumerate(heads):
            with threadpool_limits(1, "blas"):
                chances = head.fit(X[known], y[known], **told).predict_proba(X[new])
            losses[number, draw] = log_loss(y[new], chances, labels=head.classes_)
            sure[number, draw] = chances.max(axis=1)
            right[number, draw] = head.classes_[chances.argmax(axis=1)] == y[new]
    errors = [
        calibration_error(hits.ravel(), chance.ravel()) for hits, chance in zip(right, sure, strict=True)
    ]
    return np.column_stack([right.mean(axis=(1, 2)), losses.mean(axis=(1, 2)), errors])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--draws", type=int, default=10)
    choice = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    extractor = FeatureExtractor(choice.backbone)
    embedded = [
        (extractor.transform(images), y)
        for _, images, y in image_sets(choice.data, MOST)
        if y.dtype.kind != "f"
    ]
    print(
        "| images a class | sets | head | accuracy | gain | worst set | best set | log loss | calibration error |"
    )
    print(f"|{'---|' * 9}")
    for count in COUNTS:
        fitting = [(X, y) for X, y in embedded if count * len(np.unique(y)) <= LEARNED]
        found = np.array([judged(X, y, count, choice.draws) for X, y in fitting])
        for number, name in enumerate(("LogisticRegression", "`logistic`", "`logistic`, `unlabelled=`")):
            accuracy, loss, error = found[:, number].mean(axis=0)
            gains = found[:, number, 0] - found[:, 0, 0]
            told = f"{gains.mean():+.3f} | {gains.min():+.3f} | {gains.max():+.3f}" if number else " | | "
            print(
                f"| {count} | {len(fitting)} | {name} | {accuracy:.3f} | {told} | {loss:.2f} | {error:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
