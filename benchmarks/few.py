"""What the logistic head makes of few images a class. ``python benchmarks/few.py DATA [--backbone mobilenet_v2]``.

The sets are those of `sets.image_sets`. Default embedding; of each class so many images are learned from, drawn
``--draws`` times, and at most 400 others are judged; of a set with many classes some are drawn, too. Beside
scikit-learn's `LogisticRegression` on standardised columns, which is how most people begin; and once more with the
images that are judged given as `unlabelled`, as somebody would who has them all at hand. Prints Markdown: mean
accuracies over the sets and over all draws, the gains, also of the worst and the best set, with their standard errors
over draws, mean log losses, and mean calibration errors (15 bins, all draws of a set together). ``--each`` prints the
figures of each set first.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sets import calibration_error, image_sets
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
"""Images in all that are learned from."""
HEADS = ("`LogisticRegression`", "`logistic`", "`logistic`, `unlabelled=`")


def few(y: np.ndarray, count: int, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw so many rows of each class to learn from, and at most 400 others to judge by."""
    rng = np.random.default_rng([count, draw])
    kinds = np.unique(y)
    if len(kinds) * count > LEARNED:
        kinds = np.sort(rng.permutation(kinds)[: LEARNED // count])
    known = np.concatenate([rng.permutation(np.flatnonzero(y == kind))[:count] for kind in kinds])
    others = np.setdiff1d(np.flatnonzero(np.isin(y, kinds)), known)
    return known, rng.permutation(others)[:400]


def answered(
    X: np.ndarray, y: np.ndarray, count: int, draw: int
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Return for each head which answers of a draw are right, their probabilities, and the log loss."""
    known, new = few(y, count, draw)
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    found = []
    for head, told in ((plain, {}), (make_head("auto"), {}), (make_head("auto"), {"unlabelled": X[new]})):
        with threadpool_limits(1, "blas"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            chances = head.fit(X[known], y[known], **told).predict_proba(X[new])
        right = head.classes_[chances.argmax(axis=1)] == y[new]
        found.append((right, chances.max(axis=1), log_loss(y[new], chances, labels=head.classes_)))
    return found


def judged(X: np.ndarray, y: np.ndarray, count: int, draws: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the accuracies of each head and draw, (3, draws), and its mean log loss and calibration error, (3, 2)."""
    found = Parallel(n_jobs=-1)(delayed(answered)(X, y, count, draw) for draw in range(draws))
    accuracies, facts = [], []
    for each in zip(*found, strict=True):
        right, sure, losses = zip(*each, strict=True)
        accuracies.append([one.mean() for one in right])
        facts.append([np.mean(losses), calibration_error(np.concatenate(right), np.concatenate(sure))])
    return np.array(accuracies), np.array(facts)


def error(values: np.ndarray) -> np.ndarray:
    """Return the standard error of the mean over the last axis."""
    return values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])


def signed(gain: float, noise: float) -> str:
    return f"{gain:+.3f} ± {noise:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--each", action="store_true")
    choice = parser.parse_args()
    extractor = FeatureExtractor(choice.backbone)
    embedded = {
        name: (extractor.transform(images), y)
        for name, images, y in image_sets(choice.data, MOST)
        if y.dtype.kind != "f"
    }
    columns = (
        "images a class",
        "head",
        "accuracy",
        "gain",
        "worst set",
        "best set",
        "log loss",
        "calibration error",
    )
    print(
        f"{len(embedded)} sets: {', '.join(embedded)}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    )
    for count in choice.counts:
        fitting = {
            name: rows
            for name, rows in embedded.items()
            if min(np.unique(rows[1], return_counts=True)[1]) > count
        }
        found = [judged(X, y, count, choice.draws) for X, y in fitting.values()]
        accuracies = np.array([one for one, _ in found])
        facts = np.array([one for _, one in found])
        gains, errors = (accuracies - accuracies[:, :1]).mean(axis=2), error(accuracies - accuracies[:, :1])
        for number, head in enumerate(HEADS):
            own, off = gains[:, number], errors[:, number]
            ends = [signed(own[one], off[one]) for one in (own.argmin(), own.argmax())]
            gained = [signed(own.mean(), np.sqrt(np.sum(off**2)) / len(off)), *ends] if number else [""] * 3
            loss, calibration = facts[:, number].mean(axis=0)
            told = [
                count,
                head,
                f"{accuracies[:, number].mean():.3f}",
                *gained,
                f"{loss:.2f}",
                f"{calibration:.3f}",
            ]
            print(f"| {' | '.join(map(str, told))} |", flush=True)
            for name, gain, noise, (loss, calibration) in zip(
                fitting, own, off, facts[:, number], strict=True
            ):
                if choice.each:
                    print(f"    {name}: {signed(gain, noise)}, {loss:.2f}, {calibration:.3f}")


if __name__ == "__main__":
    main()
