"""Images beside the columns of a table: what each tells by itself, and both. ``python benchmarks/tabular.py DATA``.

A price is so much a kilogram of a kind of thing, times its weight: the picture shows the kind, the table has the
weight. Pictures and kinds are those of `sets.image_sets`, of each kind at most ``--most``; a kilogram of the kinds
costs 1 to 5, evenly spread in the order of their names; weights are drawn evenly from 0.2 to 2 kg and written down with
an error of 5 %; two more columns say nothing. The image is its default embedding, standardised, in 30 principal
components, as in pipelines/tabular.py. The same five folds for all. Prints Markdown: R² of the price, and the accuracy
of whether it is above the median; with standard errors, and what both bring over the better of either, from the pairs
of answers.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from sets import image_sets
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from featx import FeatureExtractor, make_head
from featx.evaluation.comparison import merits, standard_error

COMPONENTS = 30
HEADS = {"price, R²": ("ridge", "xgboost-regressor"), "dear or not, accuracy": ("logistic", "xgboost")}


def priced(kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the columns of the table, (n, 3), and the prices, (n,)."""
    rng = np.random.default_rng(0)
    names, codes = np.unique(kinds, return_inverse=True)
    weights = rng.uniform(0.2, 2, len(kinds))
    written = weights * rng.normal(1, 0.05, len(kinds))
    return np.column_stack([written, rng.normal(size=(len(kinds), 2))]), np.linspace(1, 5, len(names))[
        codes
    ] * weights


def merits_of(name: str, X: np.ndarray, y: np.ndarray, columns: dict[str, slice]) -> np.ndarray:
    """Give the merit of each held-out answer, (n,); the mean is R², or the accuracy."""
    numbers = y.dtype.kind == "f"
    image = make_pipeline(StandardScaler(), PCA(COMPONENTS, random_state=0))
    steps = {"image": image, "table": StandardScaler()}
    parts = make_column_transformer(*((steps[part], where) for part, where in columns.items()))
    model, found = make_pipeline(parts, make_head(name)), np.empty(len(y), y.dtype)
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        with threadpool_limits(1, "blas"):
            found[test] = clone(model).fit(X[train], y[train]).predict(X[test])
    return merits(y, found, regression=numbers)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--most", type=int, default=60)
    choice = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    extractor = FeatureExtractor(choice.backbone)
    print(f"| set | asked for | head | image | table | both | gain |\n|{'---|' * 7}")
    for name, images, kinds in image_sets(choice.data, choice.most):
        if kinds.dtype.kind == "f":
            continue
        table, price = priced(kinds)
        embeddings = extractor.transform(images)
        X, width = np.hstack([embeddings, table]), embeddings.shape[1]
        parts = {"image": slice(width), "table": slice(width, None)}
        for asked, heads in HEADS.items():
            y = price if "R²" in asked else price > np.median(price)
            for head in heads:
                found = {
                    shown: merits_of(head, X, y, {part: parts[part] for part in taken})
                    for shown, taken in {"image": ["image"], "table": ["table"], "both": list(parts)}.items()
                }
                better = max(found["image"], found["table"], key=np.mean)
                cells = [f"{one.mean():.3f} ± {standard_error(one):.3f}" for one in found.values()]
                change = found["both"] - better
                cells.append(f"{change.mean():+.3f} ± {standard_error(change):.3f}")
                print(f"| {name} ({len(y)}) | {asked} | `{head}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
