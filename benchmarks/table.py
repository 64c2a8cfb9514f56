"""One table over every set at hand: what featx offers, and what others would do with the same weights and folds.

    python benchmarks/table.py DATA --out table.jsonl [--sets flowers5,steel6] [--rows "auto;embetter"] [--at-most 120]

The sets are those of `sets.image_sets`, the network MobileNetV2. What is measured of one row on one set is a line of
``--out``; whoever starts again goes on behind the last one, and what is there is printed, as Markdown: for each set
accuracy with its 95 % interval (of numbers R²), calibration error (15 bins), and the seconds of all fits and answers,
vectors being in the cache, so that they are those of heads and of choices, and of training where a network is trained.
Then what featx is ahead of others, from the pairs of answers, with standard errors. Rows named ``..., quarter`` are of
one quarter of the images, held out; those named ``..., few`` of ten draws of five images a class, judged by at most
400 others; all else is of five folds.
"""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from few import few
from others import Head2Toe, Tutorial
from scipy.special import expit, softmax
from sets import calibration_error, image_sets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from threadpoolctl import threadpool_limits

from featx import (
    FeatureExtractor,
    FineTuner,
    FineTunerRegressor,
    TransferClassifier,
    TransferRegressor,
    make_head,
)
from featx.evaluation.comparison import interval_of_share, merits, standard_error
from featx.networks.catalogue import find
from featx.transfer import make_strategy

BACKBONE = "mobilenet_v2"
BESIDE = "efficientnet_lite0" if find("efficientnet_lite0").available else "featx-mini"
A_CLASS, DRAWS = 5, 10
Folds = list[tuple[np.ndarray, np.ndarray]]
Cells = dict[tuple[str, str], dict[str, Any]]
"""What is measured, by row and set."""


def ways(seconds: float) -> dict[str, Callable[[bool], Any]]:
    """Give for each row what makes its estimator over images, for numbers or not; None where there is none."""
    own = FeatureExtractor(BACKBONE)
    last = own.with_choices(depth=-1, pooling="avg")

    def strategy(name: str, extractor: Any = own, **choices: Any) -> Callable[[bool], Any]:
        return lambda numbers: make_strategy(name, extractor, regression=numbers, **choices)

    def on(extractor: FeatureExtractor, head: list[Any], regressor: Any = None) -> Callable[[bool], Any]:
        model, other = make_pipeline(extractor, *head), regressor and make_pipeline(extractor, regressor)
        return lambda numbers: other if numbers else model

    def auto(numbers: bool) -> Any:
        return (TransferRegressor if numbers else TransferClassifier)(own, finetune=False)

    def tuned(numbers: bool) -> Any:
        return (FineTunerRegressor if numbers else FineTuner)(own, max_seconds=seconds, random_state=0)

    every = make_strategy("all-depths", own)[0]
    head2toe = Head2Toe(tuple(tap.width for tap in every.plan().taps))
    logistic, svm = [LogisticRegression()], [StandardScaler(), LinearSVC()]
    autogluon = [StandardScaler(), SVC(gamma="auto")]
    return {
        "pixels": strategy("pixels"),
        **{f"stage {stage}": strategy(f"stage-{stage}") for stage in own.stages()},
        "default": strategy("default"),
        "views": strategy("default", own.with_choices(views="flip")),
        "ensemble": strategy("ensemble", FeatureExtractor([BACKBONE, BESIDE])),
        "xgboost": on(own, [make_head("xgboost")], make_head("xgboost-regressor")),
        "auto": auto,
        "embetter": on(last, logistic, Ridge()),
        "linear SVM": on(last, svm),
        "AutoGluon": on(last, autogluon),
        "logistic, few": on(own, [make_head("logistic")]),
        "unlabelled, few": lambda numbers: (
            None if numbers else make_strategy("default", own, head="logistic")
        ),
        "embetter, few": on(last, logistic),
        "linear SVM, few": on(last, svm),
        "AutoGluon, few": on(last, autogluon),
        "Head2Toe": on(every, [head2toe]),
        "all-depths": strategy("all-depths"),
        "default, quarter": strategy("default"),
        "auto, quarter": auto,
        "fine-tuned, quarter": tuned,
        "Keras' guide, quarter": lambda numbers: None if numbers else Tutorial(),
    }


THEIRS = {
    "embetter": ("default", "auto"),
    "linear SVM": ("default", "auto"),
    "AutoGluon": ("default", "auto"),
    "Head2Toe": ("all-depths", "auto"),
    "embetter, few": ("logistic, few", "unlabelled, few"),
    "linear SVM, few": ("logistic, few", "unlabelled, few"),
    "AutoGluon, few": ("logistic, few", "unlabelled, few"),
    "Keras' guide, quarter": ("auto, quarter", "fine-tuned, quarter"),
}
"""What others do, and what of featx stands beside it."""


def folds_of(row: str, y: np.ndarray) -> Folds:
    """Give the rows to learn from and to judge by."""
    if row.endswith("few"):
        return [few(y, A_CLASS, draw) for draw in range(DRAWS)]
    count = 4 if row.endswith("quarter") else 5
    split = KFold if y.dtype.kind == "f" else StratifiedKFold
    folds = list(split(count, shuffle=True, random_state=0).split(y, y))
    return folds[:1] if count == 4 else folds


def chances_of(model: Any, images: np.ndarray) -> np.ndarray:
    """Give probabilities; of a machine that has none, as AutoGluon does, by the softmax of its scores."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(images)
    scores = model.decision_function(images)
    return softmax(scores, axis=1) if scores.ndim == 2 else np.column_stack([expit(-scores), expit(scores)])


def measure(model: Any, images: np.ndarray, y: np.ndarray, row: str) -> dict[str, Any]:
    """Fit and judge; give what is kept of it."""
    numbers = y.dtype.kind == "f"
    good, sure, seconds = [], [], 0.0
    folds = folds_of(row, y)
    spread = y[np.concatenate([test for _, test in folds])].var() if numbers else 1.0
    if hasattr(model, "steps"):
        model[0].fit(images).transform(images)
    elif isinstance(model, TransferClassifier | TransferRegressor):
        make_strategy("stages-1-5-grid2", model.extractor)[0].transform(images)
    for train, test in folds:
        beside = {"unlabelled": images[test]} if row.startswith("unlabelled") else {}
        started = time.perf_counter()
        with threadpool_limits(1, "blas"):
            model.fit(images[train], y[train], **beside)
            found = model.predict(images[test])
        seconds += time.perf_counter() - started
        good.append(1 - (y[test] - found) ** 2 / spread if numbers else merits(y[test], found))
        sure += [] if numbers else [chances_of(model, images[test]).max(axis=1)]
    each = np.array([one.mean() for one in good]) if row.endswith("few") else np.concatenate(good)
    error = None if numbers else calibration_error(np.concatenate(good), np.concatenate(sure))
    return {"seconds": seconds, "calibration": error, "each": np.round(each, 4).tolist()}


def measured(path: Path) -> Cells:
    """Read what is measured; a line that a kill cut short counts as not written."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            cell = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[cell["row"], cell["set"]] = cell
    return found


def interval(cell: dict[str, Any]) -> tuple[float, float, float]:
    """Give the mean and its 95 % interval."""
    each = np.array(cell["each"])
    mean, half = each.mean(), 1.96 * standard_error(each)
    if cell["calibration"] is None or cell["row"].endswith("few"):
        return mean, mean - half, mean + half
    units = len(each) * (1 + cell["row"].endswith("quarter"))  # one model, so its answers share nothing
    return mean, *interval_of_share(mean, units)


def table(cells: Cells, rows: list[str], sets: list[str]) -> Iterator[str]:
    """Write what is measured, a line for each row; the mean is that over the sets of classes, if none is missing."""
    counts = {name: cell["images"] for (_, name), cell in cells.items()}
    classes = [name for name in sets if any(cells[key]["calibration"] for key in cells if key[1] == name)]
    yield f"| | {' | '.join(f'{name} ({counts[name]})' for name in sets)} | mean |"
    yield f"|---|{'---|' * (len(sets) + 1)}"
    for row in rows:
        texts = []
        for name in sets:
            cell = cells.get((row, name))
            if not cell:
                texts.append("")
                continue
            error = "" if cell["calibration"] is None else f", {cell['calibration']:.3f}"
            texts.append(
                "{:.3f} ({:.3f}-{:.3f})".format(*interval(cell)) + f"{error}, {cell['seconds']:.1f} s"
            )
        if classes and all((row, name) in cells for name in classes):
            own = [cells[row, name] for name in classes]
            score, error = (np.mean([np.mean(one[what]) for one in own]) for what in ("each", "calibration"))
            texts.append(f"{score:.3f}, {error:.3f}, {sum(one['seconds'] for one in own):.0f} s")
        else:
            texts.append("")
        yield f"| {row} | {' | '.join(texts)} |"


def differences(cells: Cells, sets: list[str]) -> Iterator[str]:
    """Write what ours are ahead of theirs, the mean of the sets of classes, and name what is behind beyond noise."""
    yield f"| | {' | '.join(sets)} | mean |\n|---|{'---|' * (len(sets) + 1)}"
    behind = []
    for theirs, others in THEIRS.items():
        for ours in others:
            texts, means, errors = [], [], []
            for name in sets:
                if not {(ours, name), (theirs, name)} <= cells.keys():
                    texts.append("")
                    continue
                change = np.subtract(cells[ours, name]["each"], cells[theirs, name]["each"])
                mean, error = change.mean(), standard_error(change)
                texts.append(f"{mean:+.3f} ± {error:.3f}")
                if cells[ours, name]["calibration"] is not None:  # R² is no accuracy
                    means.append(mean)
                    errors.append(error)
                if mean < -2 * error:
                    behind.append(f"`{ours}` behind {theirs} on {name} by {texts[-1].lstrip('-')}")
            if means:
                whole = f"{np.mean(means):+.3f} ± {np.sqrt(np.sum(np.square(errors))) / len(means):.3f}"
                yield f"| `{ours}` over {theirs} | {' | '.join(texts)} | {whole} |"
    yield f"\nBehind by more than two standard errors: {'; '.join(behind) or 'none'}."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="a file of JSON lines, begun or gone on with")
    parser.add_argument("--sets", help="names, separated by commas; default: all")
    parser.add_argument("--rows", help="names, separated by semicolons; default: all, the cheap ones first")
    parser.add_argument("--at-most", type=int, default=120, help="images of a class")
    parser.add_argument("--seconds", type=float, default=900, help="that fine-tuning may take on a set")
    choice = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    made = ways(choice.seconds)
    rows = [row for row in made if not choice.rows or row in choice.rows.split(";")]
    sets = {
        name: (np.array(images) if isinstance(images, list) else images, y)
        for name, images, y in image_sets(choice.data, choice.at_most)
        if not choice.sets or name in choice.sets.split(",")
    }
    cells = measured(choice.out)
    for row in rows:
        for name, (images, y) in sets.items():
            known = cells.get((row, name), {}).get("images") == len(y)
            model = None if known else made[row](y.dtype.kind == "f")
            if model is None:
                continue
            found = {"row": row, "set": name, "images": len(y), **measure(model, images, y, row)}
            cells[row, name] = found
            with choice.out.open("a") as file:
                file.write(f"\n{json.dumps(found)}\n")
            print(f"{name}: {row} {np.mean(found['each']):.3f}, {found['seconds']:.1f} s", file=sys.stderr)
    shown = [name for name in sets if any(key[1] == name for key in cells)]
    print("\n".join([*table(cells, rows, shown), "", *differences(cells, shown)]))


if __name__ == "__main__":
    main()
