"""Does fine-tuning pay? ``KERAS_HOME=... python benchmarks/finetune.py FOLDER [--test FOLDER]``.

The folder has one folder per class; ``digits`` are those of scikit-learn. On the same held-out fifth (or all of
``--test``) it compares frozen features with a logistic head, the network fine-tuned from there in several ways, and
the network from random weights, with the seconds each took. Prints a line of Markdown for each as soon as it is known:
accuracy with its 95 % interval, how many images only it or only the frozen pipeline names rightly, and the p of that
(McNemar's exact test, two-sided), the layers tuned, the epoch, and the share of the tuned weights.

Frozen features come from the cache; with ``FEATX_CACHE=none`` the seconds are those of a first run.
"""

import argparse
from time import monotonic
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, FineTuner, load_folder, make_head
from featx.images import digits
from featx.transfer import make_strategy


def halfwidth(score: float, count: int) -> float:
    """Give the half width of the 95 % interval of a share (Agresti & Coull, American Statistician 1998)."""
    count += 4
    middle = (score * (count - 4) + 2) / count
    return float(1.96 * np.sqrt(middle * (1 - middle) / count))


WAYS: dict[str, dict[str, Any]] = {
    "tuned": {},
    "not averaged": {"average": None},
    "last stage": {"stages": 1},
    "norm": {"stages": "norm"},
    "auto": {"stages": "auto"},
}
"""What each way of fine-tuning is told beside the options of the command."""


def read(source: str) -> tuple[np.ndarray, np.ndarray]:
    """Give images, or their paths, and labels."""
    if source == "digits":
        images, labels = digits()
        return np.asarray(images), np.asarray(labels)
    table = load_folder(source)
    return np.array(table.paths), np.array(table.labels)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument("--test", help="a folder to test on; default: a fifth of the images")
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--input-size", type=int, default=None)
    parser.add_argument("--depth", type=int, default=None, help="default: that of the extractor")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, help="default: that of FineTuner")
    parser.add_argument("--decay", type=float, default=0.5)
    parser.add_argument("--augment", default="default")
    parser.add_argument("--seconds", type=float, default=900, help="for each training")
    parser.add_argument("--seed", type=int, default=0, help="which images are tested on and held out")
    parser.add_argument("--images", type=int, help="how many to train on, drawn at random; default: all")
    parser.add_argument(
        "--only",
        default="frozen,tuned,scratch",
        help=f"of frozen, {', '.join(WAYS)}, scratch; default: %(default)s",
    )
    return parser.parse_args()


def main() -> None:
    given = options()
    train_x, train_y = read(given.folder)
    if given.test:
        test_x, test_y = read(given.test)
    else:
        split = {"test_size": 0.2, "random_state": given.seed}
        train_x, test_x, train_y, test_y = train_test_split(train_x, train_y, stratify=train_y, **split)
    if given.images:
        few = {"train_size": given.images, "random_state": given.seed}
        train_x, _, train_y, _ = train_test_split(train_x, train_y, stratify=train_y, **few)

    depth = {} if given.depth is None else {"depth": given.depth}
    extractor = FeatureExtractor(given.backbone, weights=given.weights, input_size=given.input_size, **depth)
    training = {
        "epochs": given.epochs,
        "augment": None if given.augment == "none" else given.augment,
        "max_seconds": given.seconds,
        "random_state": given.seed,
        "verbose": 1,
    }
    if given.learning_rate:
        training["learning_rate"] = given.learning_rate
    print(
        f"{len(train_x)} images to train on, {len(test_x)} to test; {given.backbone}, {given.input_size} pixels\n"
    )
    print(
        "| way | accuracy | ± 95 % | only it, only frozen | p | seconds to fit | layers | epoch | share |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    frozen: Any = None
    for name in given.only.split(","):
        estimator: Any
        if name == "frozen":
            estimator = make_pipeline(extractor, make_head("logistic"))
        elif name == "scratch":
            estimator = make_strategy("scratch", extractor, **training)
        else:
            estimator = FineTuner(extractor, **{"decay": given.decay, **training, **WAYS[name]})
        started = monotonic()
        estimator.fit(train_x, train_y)
        seconds = monotonic() - started
        right = estimator.predict(test_x) == test_y
        frozen = right if frozen is None else frozen
        only, other = int((right & ~frozen).sum()), int((frozen & ~right).sum())
        p = binomtest(only, only + other).pvalue if only + other else 1.0
        told = ["", "", ""]
        if hasattr(estimator, "history_"):
            epoch = f"{estimator.best_epoch_} of {len(estimator.history_) - 1}"
            told = [str(estimator.stages_), epoch, f"{estimator.share_:g}"]
        cells = [name, f"{right.mean():.4f}", f"{halfwidth(right.mean(), len(test_x)):.3f}", f"{only}, {other}",
                 f"{p:.2g}", f"{seconds:.0f}", *told]  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
