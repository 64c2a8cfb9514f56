"""What heads take and are worth: `logistic` beside scikit-learn's own, `xgboost` beside trees alone, and a selection.

Run: ``python benchmarks/heads.py [file.npz ...] [--only logistic,trees,selection]``, where a file holds embeddings
X (n, d) and labels y (n,); without one, embeddings are made up. Each contender once, one after the other: let nothing
else run.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from featx.heads import RelevanceSelector, make_head
from featx.heads.inner_folds import deal

SIZES = {
    "logistic": [(2000, 1280, 10), (400, 2816, 40), (200, 4096, 2), (2000, 4096, 10)],
    "trees": [(300, 4096, 5)],
    "selection": [(2000, 4096, 10)],
}  # images, columns, classes
STRENGTHS = np.logspace(-4, 2, 9)
FOLDS = 5

Labels = np.ndarray
Found = tuple[list[float], list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*")
    parser.add_argument("--only", default="logistic,trees,selection")
    choice = parser.parse_args()
    print(f"{joblib.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in choice.only.split(","):
        for path in choice.files:
            with np.load(path) as file:
                X, y = file["X"].astype("float32"), file["y"]
            header(name, Path(path).stem, X, y)
            CONTESTS[name](X, y)
        for n, d, classes in () if choice.files else SIZES[name]:
            X, y = embeddings(n + (min(1000, n // 2) if name == "logistic" else 0), d, classes)
            header(name, "made up", X, y)
            CONTESTS[name](X, y)


def header(contest: str, name: str, X: np.ndarray, y: Labels) -> None:
    print(f"\n{contest}, {name}: {X.shape[0]:,} x {X.shape[1]:,}, {len(np.unique(y))} classes, float32")


def embeddings(n: int, d: int, classes: int) -> tuple[np.ndarray, Labels]:
    """Correlated, rectified columns of uneven scale, with overlapping classes."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    hidden = rng.normal(size=(n, 100)) + 0.3 * rng.normal(size=(classes, 100))[y]
    X = np.maximum(hidden @ rng.normal(size=(100, d)) + 3 * rng.normal(size=(n, d)), 0)
    return (X * rng.uniform(0.01, 10, size=d)).astype("float32"), y


def logistic(X: np.ndarray, y: Labels) -> None:
    """Fit to most rows, judge by the others."""
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=min(1000, len(y) // 3), random_state=0, stratify=y
    )

    def plain() -> Pipeline:
        return make_pipeline(
            StandardScaler(),
            LogisticRegressionCV(
                Cs=STRENGTHS,
                cv=FOLDS,
                scoring="neg_log_loss",
                max_iter=1000,
                l1_ratios=(0,),
                use_legacy_attributes=False,
            ),
        )

    contenders = [
        ("featx", make_head("logistic", Cs=STRENGTHS, cv=FOLDS), None),
        ("featx, ridge-classifier", make_head("ridge-classifier"), None),
        ("scikit-learn, 1 BLAS thread", plain(), 1),
        ("scikit-learn", plain(), None),
    ]
    for label, head, threads in contenders:
        with threadpool_limits(threads, user_api="blas"):
            timed(label, lambda head=head: judged(head.fit(X, y), X_test, y_test))


def trees(X: np.ndarray, y: Labels) -> None:
    """Three folds, fitted and judged one after the other."""
    alone = {"start": None, "early_stopping_rounds": None}
    bins = {**alone, "tree_method": "hist", "colsample_bytree": 0.2}
    contenders = [
        ("featx", {}),
        ("begun with the mean", alone),
        ("the same, stopped early", {"start": None}),
        ("64 bins, a fifth, 1 thread", {**bins, "n_jobs": 1}),
        ("64 bins, a fifth, all cores", {**bins, "n_jobs": joblib.cpu_count()}),
    ]
    timed("logistic", lambda: folds(lambda: make_head("logistic"), X, y))
    for label, choices in contenders:
        timed(label, lambda choices=choices: folds(lambda: make_head("xgboost", **choices), X, y))


def selection(X: np.ndarray, y: Labels) -> None:
    """Choose the columns, then a strength of nine by five folds, as `all-depths` does; and without the choice."""

    def model() -> Pipeline:
        return make_pipeline(RelevanceSelector(), make_head("logistic", Cs=STRENGTHS, cv=FOLDS))

    timed("selected columns, logistic", lambda: folds(model, X, y, count=1))
    timed("all columns, logistic", lambda: folds(lambda: model()[1:], X, y, count=1))


CONTESTS = {"logistic": logistic, "trees": trees, "selection": selection}


def folds(make: Callable[[], Any], X: np.ndarray, y: Labels, count: int = 3) -> Found:
    """Fit and judge in three folds; with `count` 1, fit to all rows, so that the time is that of one fit."""
    if count == 1:
        return judged(make().fit(X, y), X, y)
    found = [judged(make().fit(X[train], y[train]), X[test], y[test]) for train, test in deal(y, count)]
    return [one for accuracies, _ in found for one in accuracies], [
        one for _, losses in found for one in losses
    ]


def judged(head: Any, X: np.ndarray, y: Labels) -> Found:
    losses = (
        [log_loss(y, head.predict_proba(X), labels=head.classes_)] if hasattr(head, "predict_proba") else []
    )
    return [float(np.mean(head.predict(X) == y))], losses


def timed(label: str, run: Callable[[], Found]) -> None:
    start, own = time.perf_counter(), time.process_time()
    accuracies, losses = run()
    seconds, busy = time.perf_counter() - start, time.process_time() - own
    loss = f"   log loss {np.mean(losses):.4f}" if losses else ""
    accuracy = f"accuracy {np.mean(accuracies):.4f}{loss}"
    print(f"  {label:28} {seconds:6.1f} s ({busy:.1f} of the processor)   {accuracy}", flush=True)


if __name__ == "__main__":
    main()
