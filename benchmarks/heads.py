"""Fit time and accuracy of featx's `logistic` head against scikit-learn's own, on made-up embeddings.

Run: ``python benchmarks/heads.py [file.npz ...]``, where a file holds embeddings X (n, d) and labels y (n,).
"""

import sys
import time

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from featx.heads import make_head

SIZES = [(2000, 1280, 10), (400, 2816, 40), (200, 4096, 2)]  # images, columns, classes
STRENGTHS = np.logspace(-4, 2, 9)
FOLDS = 5


def embeddings(n: int, d: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated, rectified columns of uneven scale, with overlapping classes."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    hidden = rng.normal(size=(n, 100)) + 0.3 * rng.normal(size=(classes, 100))[y]
    X = np.maximum(hidden @ rng.normal(size=(100, d)) + 3 * rng.normal(size=(n, d)), 0)
    return (X * rng.uniform(0.01, 10, size=d)).astype("float32"), y


def report(name: str, X: np.ndarray, y: np.ndarray) -> None:
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=min(1000, len(y) // 3), random_state=0, stratify=y
    )
    print(f"\n{name}: {X.shape[0]:,} x {X.shape[1]:,}, {len(set(y))} classes, float32")

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
        start = time.perf_counter()
        with threadpool_limits(threads, user_api="blas"):
            head.fit(X, y)
        seconds = time.perf_counter() - start
        accuracy = np.mean(head.predict(X_test) == y_test)
        loss = (
            f"   log loss {log_loss(y_test, head.predict_proba(X_test)):.4f}"
            if hasattr(head, "predict_proba")
            else ""
        )
        print(f"  {label:28} {seconds:6.1f} s   accuracy {accuracy:.4f}{loss}", flush=True)


if sys.argv[1:]:
    for path in sys.argv[1:]:
        with np.load(path) as file:
            report(path, file["X"].astype("float32"), file["y"])
else:
    for n, d, classes in SIZES:
        report("made up", *embeddings(n + min(1000, n // 2), d, classes))
