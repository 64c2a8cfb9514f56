"""Does fine-tuning pay? ``KERAS_HOME=... python benchmarks/finetune.py FOLDER [--test FOLDER]``.

The folder has one folder per class. On the same held-out fifth (or all of ``--test``) it compares frozen features with
a logistic head, the network fine-tuned from there, and the network from random weights, with the seconds each took.
Prints a line of Markdown for each as soon as it is known.
"""

import argparse
from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, FineTuner, load_folder, make_head
from featx.transfer import make_strategy


def halfwidth(score: float, count: int) -> float:
    """Give the half width of the 95 % interval of a share (Agresti & Coull, American Statistician 1998)."""
    count += 4
    middle = (score * (count - 4) + 2) / count
    return float(1.96 * np.sqrt(middle * (1 - middle) / count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--test", help="a folder to test on; default: a fifth of the images")
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--input-size", type=int, default=None)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, help="default: that of FineTuner")
    parser.add_argument("--stages", type=int, default=None, help="default: all")
    parser.add_argument("--decay", type=float, default=0.5)
    parser.add_argument("--augment", default="default")
    parser.add_argument("--seconds", type=float, default=900, help="for each training")
    parser.add_argument("--only", default="frozen,tuned,scratch")
    given = parser.parse_args()

    table = load_folder(given.folder)
    paths, labels = np.array(table.paths), np.array(table.labels)
    if given.test:
        other = load_folder(given.test)
        train_x, test_x, train_y, test_y = paths, np.array(other.paths), labels, np.array(other.labels)
    else:
        split = train_test_split(paths, labels, test_size=0.2, stratify=labels, random_state=0)
        train_x, test_x, train_y, test_y = split

    extractor = FeatureExtractor(
        given.backbone, weights=given.weights, input_size=given.input_size, cache=None
    )
    training = {
        "epochs": given.epochs,
        "augment": None if given.augment == "none" else given.augment,
        "max_seconds": given.seconds,
        "random_state": 0,
        "verbose": 1,
    }
    if given.learning_rate:
        training["learning_rate"] = given.learning_rate
    stages = "all" if given.stages is None else given.stages
    ways: dict[str, Callable[[], Any]] = {
        "frozen": lambda: make_pipeline(extractor, make_head("logistic")),
        "tuned": lambda: FineTuner(extractor, stages=stages, decay=given.decay, **training),
        "scratch": lambda: make_strategy("scratch", extractor, **training),
    }
    print(
        f"{len(train_x)} images to train on, {len(test_x)} to test; {given.backbone}, {given.input_size} pixels\n"
    )
    print("| way | accuracy | ± 95 % | seconds to fit | epochs |\n|---|---|---|---|---|")
    for name in given.only.split(","):
        started = monotonic()
        estimator = ways[name]().fit(train_x, train_y)
        seconds = monotonic() - started
        score = estimator.score(test_x, test_y)
        history = getattr(estimator, "history_", None)
        epochs = f"{estimator.best_epoch_} of {len(history) - 1}" if history else ""
        print(
            f"| {name} | {score:.4f} | {halfwidth(score, len(test_x)):.3f} | {seconds:.0f} | {epochs} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
