"""How far `auto` is from the best strategy chosen by hand, and what it takes. ``python benchmarks/auto.py DATA``.

The sets are those of `sets.image_sets`, of each class ``--most`` images. On each of ``--folds`` folds every strategy
of ``--rows`` and `auto` learn from the others and answer the images of the fold; the best by hand is the row with the
highest score afterwards, which no choice can know. All vectors are in the cache before the clock starts, so seconds are
those of heads and choices. Prints Markdown: scores, what `auto` is behind, its time as a multiple of the time of the
head on the default features, its calibration error (15 bins), and what it chose how often.
"""

import argparse
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from sets import calibration_error, image_sets
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, StratifiedKFold

from featx import FeatureExtractor, TransferClassifier, TransferRegressor
from featx.transfer import make_strategy

ROWS = (
    "default,pixels,start,end,stage-1,stage-2,stage-3,stage-4,stage-1-grid2,stage-2-grid2,stage-3-grid2,stage-4-grid2,"
    "stage-5-grid2,stages-4-5-grid2,stages-3-5-grid2,stages-2-4-grid2,stages-1-5,stages-1-5-grid2"
)


def measure(
    model: object, images: np.ndarray, y: np.ndarray, folds: list
) -> tuple[float, float, float, Counter]:
    """Return score, calibration error (NaN for numbers), seconds of all fits, and what was chosen."""
    answers, truth, sure, seconds, chosen = [], [], [], 0.0, Counter()
    for train, test in folds:
        started = time.perf_counter()
        model.fit(images[train], y[train])
        seconds += time.perf_counter() - started
        chosen[getattr(model, "strategy_", "")] += 1
        if not is_regressor(model):
            chances = model.predict_proba(images[test])
            sure.append(chances.max(axis=1))
            answers.append(model.classes_[chances.argmax(axis=1)])
        else:
            answers.append(model.predict(images[test]))
        truth.append(y[test])
    found, real = np.concatenate(answers), np.concatenate(truth)
    if is_regressor(model):
        return r2_score(real, found), float("nan"), seconds, chosen
    return (
        float(np.mean(found == real)),
        calibration_error(found == real, np.concatenate(sure)),
        seconds,
        chosen,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rows", default=ROWS)
    parser.add_argument("--sets", help="names, separated by commas; default: all")
    parser.add_argument("--budget", type=float, default=2.0)
    choice = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    extractor = FeatureExtractor(choice.backbone)
    print("| set | images | default | best by hand | `auto` | behind | time | calibration error | chosen |")
    print(f"|{'---|' * 9}")
    for name, listed, y in image_sets(choice.data, choice.most):
        if choice.sets and name not in choice.sets.split(","):
            continue
        images = np.array(listed) if isinstance(listed, list) else listed
        numbers = y.dtype.kind == "f"
        split = KFold if numbers else StratifiedKFold
        folds = list(split(choice.folds, shuffle=True, random_state=0).split(images, y))
        auto = (TransferRegressor if numbers else TransferClassifier)(
            extractor, finetune=False, budget=choice.budget
        )
        make_strategy("stages-1-5-grid2", extractor)[0].transform(images)
        by_hand = {
            row: measure(make_strategy(row, extractor, regression=numbers), images, y, folds)
            for row in choice.rows.split(",")
        }
        score, error, seconds, chosen = measure(auto, images, y, folds)
        best = max(by_hand, key=lambda row: by_hand[row][0])
        told = ", ".join(f"{row} {count}" for row, count in chosen.most_common())
        print(
            f"| {name} | {len(y)} | {by_hand['default'][0]:.3f} | {by_hand[best][0]:.3f} `{best}` | {score:.3f} | "
            f"{by_hand[best][0] - score:+.3f} | {seconds / by_hand['default'][2]:.1f} | {error:.3f} | {told} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
