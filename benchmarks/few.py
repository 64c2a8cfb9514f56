"""What the logistic head makes of few images a class. ``python benchmarks/few.py DATA [--backbone mobilenet_v2]``.

The folder DATA holds data sets, each with one folder per class at any depth. Default embedding; of each class so many
images are learned from, drawn ``--draws`` times, and at most 400 others are judged. Beside scikit-learn's
`LogisticRegression` on standardised columns, which is how most people begin. Prints Markdown: mean accuracies over the
sets and over all draws, what the worst and the best set gain, and mean log losses.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from side_by_side import load
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from featx import FeatureExtractor, make_head

COUNTS = (1, 2, 5, 10, 20)
MOST = 120
"""Images of a class that are drawn from, and images in all that are learned from; more take minutes."""


def few(y: np.ndarray, count: int, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw so many rows of each class to learn from, and at most 400 others to judge by."""
    rng = np.random.default_rng([count, draw])
    known = np.concatenate([rng.permutation(np.flatnonzero(y == kind))[:count] for kind in np.unique(y)])
    return known, rng.permutation(np.setdiff1d(np.arange(len(y)), known))[:400]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--draws", type=int, default=5)
    choice = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    sets = {}
    for folder in sorted(choice.data.iterdir()):
        images, labels = load(folder, MOST)
        if len(set(labels)) > 1:
            sets[folder.name] = FeatureExtractor(choice.backbone).transform(images), np.array(labels)
    print(
        "| images a class | sets | LogisticRegression | logistic | gain | worst set | best set | log losses |"
    )
    print(f"|{'---|' * 8}")
    for count in COUNTS:
        found = []
        for X, y in sets.values():
            if count * len(np.unique(y)) > MOST:
                continue
            told = []
            for draw in range(choice.draws):
                known, new = few(y, count, draw)
                for head in (
                    make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
                    make_head("logistic"),
                ):
                    with threadpool_limits(1, "blas"):
                        chances = head.fit(X[known], y[known]).predict_proba(X[new])
                    right = head.classes_[chances.argmax(axis=1)] == y[new]
                    told += [right.mean(), log_loss(y[new], chances, labels=head.classes_)]
            found.append(np.mean(np.reshape(told, (-1, 4)), axis=0))
        plain, plain_loss, ours, loss = np.mean(found, axis=0)
        gains = [one[2] - one[0] for one in found]
        print(
            f"| {count} | {len(found)} | {plain:.3f} | {ours:.3f} | {ours - plain:+.3f} | {min(gains):+.3f} | "
            f"{max(gains):+.3f} | {plain_loss:.2f}, {loss:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
