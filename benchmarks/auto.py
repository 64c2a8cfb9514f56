"""How far `auto` is from the best strategy chosen by hand, and what it takes. ``python benchmarks/auto.py DATA``.

The sets are those of `sets.image_sets`, of each class ``--most`` images. On each of ``--folds`` folds every strategy
of ``--rows`` and `auto` learn from the others and answer the images of the fold. The best by hand is the row with the
highest score afterwards, which no choice can know; so beside it stands, for each fold, the row that was best on the
other folds. All vectors are in the cache before the clock starts, so seconds are those of heads and choices.
``--backbone`` may name several networks, separated by commas, and ``--views`` views, which `auto` may then take; the
rows are of the first network without them. Prints Markdown: scores, what `auto` is ahead of either, its time as a
multiple of the time of the head on the default features, its calibration error (15 bins), and what it chose how often.
"""

import argparse
import time
import warnings
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
from sets import calibration_error, image_sets
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold

from featx import FeatureExtractor, TransferClassifier, TransferRegressor
from featx.evaluation.comparison import merits, standard_error
from featx.transfer import make_strategy

ROWS = (
    "default,pixels,start,end,stage-1,stage-2,stage-3,stage-4,stage-1-grid2,stage-2-grid2,stage-3-grid2,stage-4-grid2,"
    "stage-5-grid2,stages-4-5-grid2,stages-3-5-grid2,stages-2-4-grid2,stages-1-5,stages-1-5-grid2"
)


def measure(
    model: object, images: np.ndarray, y: np.ndarray, folds: list
) -> tuple[np.ndarray, float, float, Counter]:
    """Return the merit of each image, calibration error (NaN for numbers), seconds of all fits, and what was chosen."""
    answers, truth, sure, seconds, chosen = [], [], [], 0.0, Counter()
    for train, test in folds:
        started = time.perf_counter()
        model.fit(images[train], y[train])
        seconds += time.perf_counter() - started
        chosen[told(model)] += 1
        if not is_regressor(model):
            chances = model.predict_proba(images[test])
            sure.append(chances.max(axis=1))
            answers.append(model.classes_[chances.argmax(axis=1)])
        else:
            answers.append(model.predict(images[test]))
        truth.append(y[test])
    found, real = np.concatenate(answers), np.concatenate(truth)
    good = merits(real, found, regression=is_regressor(model))
    if is_regressor(model):
        return good, float("nan"), seconds, chosen
    return (
        good,
        calibration_error(found == real, np.concatenate(sure)),
        seconds,
        chosen,
    )


def told(model: object) -> str:
    """Name what a fitted model chose."""
    strategy = getattr(model, "strategy_", "")
    if len(getattr(model, "offers_", {})) < 2:
        return strategy
    views = model.extractor_.views
    return f"{strategy} of {model.extractor_.plan().name}{f' with views={views!r}' if views else ''}"


def fair(rows: dict[str, np.ndarray], folds: list) -> float:
    """Give the score of the row that was best on all other folds, fold by fold."""
    edges = np.cumsum([0, *(len(test) for _, test in folds)])
    parts = []
    for start, stop in pairwise(edges):
        best = max(rows, key=lambda row: rows[row].sum() - rows[row][start:stop].sum())
        parts.append(rows[best][start:stop])
    return float(np.concatenate(parts).mean())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--views")
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rows", default=ROWS)
    parser.add_argument("--sets", help="names, separated by commas; default: all")
    parser.add_argument("--budget", type=float, default=2.0)
    choice = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    networks = choice.backbone.split(",")
    extractor = FeatureExtractor(networks[0])
    offered = FeatureExtractor(networks if len(networks) > 1 else networks[0], views=choice.views)
    print(
        "| set | images | default | best by hand | best on other folds | `auto` | ahead of them | time | "
        "calibration error | chosen |"
    )
    print(f"|{'---|' * 10}")
    for name, listed, y in image_sets(choice.data, choice.most):
        if choice.sets and name not in choice.sets.split(","):
            continue
        images = np.array(listed) if isinstance(listed, list) else listed
        numbers = y.dtype.kind == "f"
        split = KFold if numbers else StratifiedKFold
        folds = list(split(choice.folds, shuffle=True, random_state=0).split(images, y))
        auto = (TransferRegressor if numbers else TransferClassifier)(
            offered, finetune=False, budget=choice.budget
        )
        for network in networks:
            for views in {None, choice.views}:
                make_strategy("blend", FeatureExtractor(network, views=views))[0].transform(images)
        by_hand = {
            row: measure(make_strategy(row, extractor, regression=numbers), images, y, folds)
            for row in choice.rows.split(",")
        }
        good, error, seconds, chosen = measure(auto, images, y, folds)
        score, own = good.mean(), {row: found[0] for row, found in by_hand.items()}
        best = max(own, key=lambda row: own[row].mean())
        other, noise = fair(own, folds), standard_error(good - own[best])
        took = ", ".join(f"{row} {count}" for row, count in chosen.most_common())
        print(
            f"| {name} | {len(y)} | {own['default'].mean():.3f} | {own[best].mean():.3f} `{best}` | {other:.3f} | "
            f"{score:.3f} | {score - own[best].mean():+.3f} ± {noise:.3f}, {score - other:+.3f} | "
            f"{seconds / by_hand['default'][2]:.1f} | {error:.3f} | {took} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
