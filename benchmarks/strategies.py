"""Every strategy, and every depth by itself, on real images: accuracy with its interval, and time.

Run: ``python benchmarks/strategies.py DATA [--sets hymenoptera,signs] [--rows end,auto] [--folds 1]``, where the
folder DATA holds the sets named in `SETS`. Prints Markdown. Each row is fitted on the same folds; the rows that train
a network are only run where ``--rows`` names them, and stop after ``--seconds``.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from featx import (
    FeatureExtractor,
    FineTuner,
    FineTunerRegressor,
    TransferClassifier,
    TransferRegressor,
    load_folder,
)
from featx.embedding import PixelExtractor
from featx.evaluation.comparison import merits, standard_error
from featx.transfer.strategies import FROZEN, STRATEGIES, make_strategy, model_steps

Rows = np.ndarray
Folds = list[tuple[Rows, Rows]]


def folder(*parts: Path, one_in: int = 1) -> tuple[list[str], np.ndarray, list[int]]:
    """Paths, labels, and of which part each is; of every few classes one."""
    tables = [load_folder(part) for part in parts]
    classes = sorted({str(label) for table in tables for label in table.labels})[::one_in]
    found = [
        (path, label, number)
        for number, table in enumerate(tables)
        for path, label in zip(table.paths, table.labels, strict=True)
        if label in classes
    ]
    paths, labels, part = zip(*found, strict=True)
    return list(paths), np.array(labels), list(part)


def load(data: Path, name: str) -> tuple[list[str], np.ndarray, Folds]:
    """Images, targets and folds of one of `SETS`."""
    if name.startswith("hymenoptera"):
        paths, y, part = folder(data / "hymenoptera" / "train", data / "hymenoptera" / "val")
        if name == "hymenoptera-val":
            return paths, y, [(np.flatnonzero(np.equal(part, 0)), np.flatnonzero(np.equal(part, 1)))]
    elif name in ("signs", "omniglot"):
        where = {"signs": "sign_digits", "omniglot": "omniglot_small1"}[name]
        paths, y, _ = folder(data / where, one_in={"signs": 1, "omniglot": 3}[name])
    else:
        table = pd.read_csv(data / "bccd_blood" / "labels.csv")
        paths = [str(data / "bccd_blood" / "images" / file) for file in table["file"]]
        y = table["has_Platelets" if name == "platelets" else "n_RBC"].to_numpy()
        y = y.astype(float) if name == "red-cells" else y
    split = KFold if y.dtype.kind == "f" else StratifiedKFold
    return paths, y, list(split(5, shuffle=True, random_state=0).split(paths, y))


SETS = {
    "hymenoptera": "ants and bees, 397 photographs, 5 folds",
    "hymenoptera-val": "the same, 244 to fit to and 153 to test on",
    "signs": "ten hand signs, 2,062 photographs, 5 folds",
    "omniglot": "46 handwritten characters, 920 drawings, 5 folds",
    "platelets": "whether a blood smear shows platelets, 364 photographs, 5 folds",
    "red-cells": "how many red cells it shows (R²), 5 folds",
}


def histogram(pixels: np.ndarray) -> np.ndarray:
    """Count colours in 4 x 4 x 4 boxes, and take the root."""
    boxes = np.minimum((pixels.reshape(len(pixels), -1, 3) * 4).astype(int), 3) @ [16, 4, 1]
    return np.sqrt([np.bincount(row, minlength=64) for row in boxes]).astype("float32")


def make(row: str, options: argparse.Namespace, *, regression: bool) -> object:
    """Give the estimator of a row."""
    extractor = FeatureExtractor(options.backbone, cache=options.cache)
    if row == "auto":
        kind = TransferRegressor if regression else TransferClassifier
        return kind(extractor, finetune=False)
    if row in ("finetune", "scratch"):
        kind = FineTunerRegressor if regression else FineTuner
        tuned = extractor.with_choices(weights=None) if row == "scratch" else extractor
        return kind(tuned, max_seconds=options.seconds, random_state=0)
    if row in FROZEN:
        return make_strategy(row, extractor, regression=regression, head=options.head)
    if row == "colours":
        features = Pipeline([("pixels", PixelExtractor(32)), ("histogram", FunctionTransformer(histogram))])
    else:
        stages, _, pooling = row.removeprefix("stage ").partition(" ")
        depth = [int(stage) for stage in stages.split("+")]
        features = extractor.with_choices(depth=depth, pooling=pooling or "avg+std")
    return Pipeline([("features", features), *model_steps("end", regression=regression, head=options.head)])


def measure(row: str, paths: list[str], y: np.ndarray, folds: Folds, options: argparse.Namespace) -> str:
    """One line of the table: score, interval, seconds for one fold, and what was chosen."""
    regression = y.dtype.kind == "f"
    found, seconds, chosen = [], [], []
    images = np.array(paths)
    for train, test in folds[: options.folds]:
        started = time.perf_counter()
        model = make(row, options, regression=regression).fit(images[train], y[train])
        predicted = model.predict(images[test])
        seconds.append(time.perf_counter() - started)
        chosen += [model.strategy_] if row == "auto" else []
        found.append(predicted)
    tested = np.concatenate([test for _, test in folds[: options.folds]])
    good = merits(y[tested], np.concatenate(found), regression=regression)
    mean = good.mean()
    if regression:
        low, high = mean - 1.96 * standard_error(good), mean + 1.96 * standard_error(good)
    else:
        low, high = binomtest(int(good.sum()), len(good)).proportion_ci(method="wilson")
    note = ", ".join(f"{name} {chosen.count(name)}x" for name in sorted(set(chosen)))
    label = f"`{row}`" if row in STRATEGIES or row == "auto" else row
    return (
        f"| {label} | {mean:.4f} | {low:.3f} to {high:.3f} | {len(good)} | {np.mean(seconds):.1f} | {note} |"
    )


parser = argparse.ArgumentParser()
parser.add_argument("data", type=Path)
parser.add_argument("--sets", default=",".join(SETS))
parser.add_argument("--rows", default="colours,pixels,stage 1,stage 2,stage 3,stage 4,stage 5,stage 4+5,stage 3+4+5,"
                                      "stage 1+2+3+4+5,start,end,all-depths,auto")  # fmt: skip
parser.add_argument("--folds", type=int, default=5)
parser.add_argument("--backbone", default="mobilenet_v2")
parser.add_argument("--cache", default="auto")
parser.add_argument("--head", default="auto", help="of frozen features, e.g. svm, or logistic: any strength")
parser.add_argument("--seconds", type=float, default=900)
options = parser.parse_args()

for name in options.sets.split(","):
    paths, y, folds = load(options.data, name)
    stages, pooling = [1, 2, 3, 4, 5], ["avg+std"] * 5 + ["grid2"] * 5
    started = time.perf_counter()
    FeatureExtractor(options.backbone, depth=stages * 2, pooling=pooling, cache=options.cache).transform(
        paths
    )
    seconds = time.perf_counter() - started
    print(f"\n{name}: {SETS[name]}; all depths of all images in one pass: {seconds:.1f} s\n")
    print(
        "| features | score | 95 % interval | tested | s per fold | chosen |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for row in options.rows.split(","):
        print(measure(row, paths, y, folds, options), flush=True)
