"""What views of an image, and networks side by side, are worth and cost. ``python benchmarks/views.py DATA``.

The folder DATA holds data sets, each with one folder per class at any depth; of each class at most ``--most`` images
are taken, and of many classes 40 or so. Default embedding, the same five folds for all. Prints Markdown: the accuracy
of whole images; for each choice of views its gain, with the standard error of the paired answers, and for two networks
that over the better one; and how many images a second each takes, two rounds in turns. ``--only accuracy`` or ``--only
speed`` prints one of them.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from side_by_side import load
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from featx import FeatureExtractor, make_head
from featx.embedding.views import Views
from featx.heads import EnsembleHead

LARGER = 1.43
CHOICES = {
    "'flip'": "flip",
    "'crops'": "crops",
    f"{LARGER}": LARGER,
    f"['flip', {LARGER}]": ["flip", LARGER],
}
QUICK = make_head("logistic", Cs=(1e-3, 1e-2, 1e-1, 1.0), cv=2, tol=1e-3)
"""A head that gives probabilities, with few strengths to choose from; the others are ridge heads, which take less."""
Answers = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From the rows to learn from and those to judge by, to answers for the latter."""


def each_view(backbone: str, images: list[str]) -> dict[Views, np.ndarray]:
    """Embed every view by itself, which any mean can be made of."""
    singles = {view for given in CHOICES.values() for view in Views.of(given).each()}
    extractor = FeatureExtractor(backbone, verbose=0)
    return {view: extractor.with_choices(views=view).transform(images) for view in singles}


def mean(views: Mapping[Views, np.ndarray], given: object) -> np.ndarray:
    """Give what `FeatureExtractor(views=given)` gives."""
    return np.mean([views[view] for view in Views.of(given).each()], axis=0)


def plain(X: np.ndarray, y: np.ndarray, head: Any = None) -> Answers:
    """Fit one head to all columns."""
    head = head or make_head("ridge-classifier")
    return lambda train, test: clone(head).fit(X[train], y[train]).predict(X[test])


def augmented(views: list[np.ndarray], y: np.ndarray) -> Answers:
    """Learn from every view as an image of its own, in folds that keep those of one image together."""

    def answers(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        rows, labels = np.concatenate([view[train] for view in views]), np.tile(y[train], len(views))
        head = clone(QUICK).fit(rows, labels, groups=np.tile(train, len(views)))
        return head.predict(np.mean([view[test] for view in views], axis=0))

    return answers


def stacked(X: np.ndarray, widths: list[int], y: np.ndarray) -> Answers:
    """Weigh the probabilities of a head for each network by scikit-learn's stacking."""

    def columns(start: int, stop: int) -> FunctionTransformer:
        return FunctionTransformer(lambda rows: rows[:, start:stop])

    members = [
        (str(start), make_pipeline(columns(start, stop), clone(QUICK)))
        for start, stop in pairwise(np.cumsum([0, *widths]))
    ]
    model = StackingClassifier(members, LogisticRegression(max_iter=1000), stack_method="predict_proba")
    return plain(X, y, model)


def right(answers: Answers, y: np.ndarray) -> np.ndarray:
    """Tell for each image whether the answer is right, when it is not learned from."""
    found = np.zeros(len(y))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(y, y):
        with threadpool_limits(1, "blas"):
            found[test] = answers(train, test) == y[test]
    return found


def ways(backbones: list[str], images: list[str], y: np.ndarray) -> Iterator[tuple[str, str, Answers]]:
    """Give all that is compared: what with, or nothing; its name; and what answers."""
    whole = []
    for backbone in backbones:
        views = each_view(backbone, images)
        whole.append(mean(views, None))
        base = f"{backbone}, whole"
        yield "", base, plain(whole[-1], y)
        for name, given in CHOICES.items():
            yield base, f"{backbone}, {name}", plain(mean(views, given), y)
        yield base, f"{backbone}, {LARGER} alone", plain(views[Views(factors=(LARGER,))], y)
        base = f"{backbone}, whole, logistic"
        yield "", base, plain(whole[-1], y, QUICK)
        yield base, f"{backbone}, 'flip', logistic", plain(mean(views, "flip"), y, QUICK)
        yield (
            base,
            f"{backbone}, 'flip' to learn from, logistic",
            augmented([views[view] for view in Views.of("flip").each()], y),
        )
    joined, widths = np.hstack(whole), [one.shape[1] for one in whole]
    yield "better", "side by side, logistic", plain(joined, y, QUICK)
    yield "better", "averaged, logistic", plain(joined, y, EnsembleHead(QUICK, widths, cv=3))
    yield "better", "stacked, logistic", stacked(joined, widths, y)


def accuracy(data: Path, backbones: list[str], most: int) -> None:
    """Print the accuracy of whole images, and what all else gains."""
    gains: dict[str, list[np.ndarray]] = {}
    names, rows = [], []
    for folder in sorted(data.iterdir()):
        images, labels = load(folder, most)
        if len(set(labels)) < 2:
            continue
        y = np.array(labels)
        names.append(f"{folder.name} ({len(y)})")
        told: dict[str, np.ndarray] = {}
        for base, name, answers in ways(backbones, images, y):
            found = told[name] = right(answers, y)
            if base == "better":  # two networks have to beat the better one
                against = max((told[f"{one}, whole, logistic"] for one in backbones), key=np.mean)
            gains.setdefault(name, []).append(
                found - (against if base == "better" else told[base]) if base else found
            )
            print(f"{folder.name}: {name} {found.mean():.3f}", file=sys.stderr, flush=True)
    for name, sets in gains.items():
        sign = "" if "whole" in name else "+"
        cells = [f"{one.mean():{sign}.3f} ± {one.std() / np.sqrt(len(one)):.3f}" for one in sets]
        error = np.sqrt(np.sum([one.var() / len(one) for one in sets])) / len(sets)
        cells.append(f"{np.mean([one.mean() for one in sets]):{sign}.3f} ± {error:.3f}")
        rows.append(f"| {name} | {' | '.join(cells)} |")
    print(f"\n| | {' | '.join(names)} | mean |\n|---|{'---|' * (len(names) + 1)}")
    print("\n".join(rows))


def speed(data: Path, backbones: list[str], count: int) -> None:
    """Print how many images a second each choice takes, of the photographs of ants and bees."""
    images = [str(file) for file in sorted(data.rglob("*.jpg"))][:count]
    asked = {
        f"{backbone}, {name}": {"backbone": backbone, "views": given}
        for backbone in backbones
        for name, given in {"whole": None, **CHOICES}.items()
    }
    asked[" and ".join(backbones)] = {"backbone": list(backbones)}
    times: dict[str, list[float]] = {name: [] for name in asked}
    with TemporaryDirectory() as folder:
        for each in asked.values():  # the graphs are exported
            FeatureExtractor(**each, engine="openvino", cache=f"{folder}/graphs", verbose=0).transform(
                images[:3]
            )
        for round_ in range(2):
            for place, (name, each) in enumerate(asked.items()):
                extractor = FeatureExtractor(
                    **each, engine="openvino", cache=f"{folder}/{round_}-{place}", verbose=0
                )
                started = perf_counter()
                extractor.transform(images)
                times[name].append(len(images) / (perf_counter() - started))
    print(f"\n| {len(images)} photographs | images/s | each round |\n|---|---|---|")
    for name, found in times.items():
        print(f"| {name} | {max(found):.1f} | {', '.join(f'{one:.1f}' for one in found)} |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["mobilenet_v2", "efficientnet_lite0"])
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--only", choices=["accuracy", "speed"])
    choice = parser.parse_args()
    if choice.only != "speed":
        accuracy(choice.data, choice.backbones, choice.most)
    if choice.only != "accuracy":
        speed(choice.data, choice.backbones, choice.images)


if __name__ == "__main__":
    main()
