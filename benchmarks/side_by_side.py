"""How good are backbones, alone and side by side? ``python benchmarks/side_by_side.py DATA [--backbones NAME ...]``.

The folder DATA holds data sets, each with one folder per class at any depth; of each class at most ``--most`` images
are taken, and of many classes 40 or so. Default embedding, logistic head, the same five folds for all. Prints Markdown:
accuracies, and their means.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

from featx import FeatureExtractor, evaluate, make_head

BACKBONES = ("featx-mini", "mobilenet_v2", "efficientnet_lite0")


def load(folder: Path, most: int) -> tuple[list[str], list[str]]:
    """List the images below a folder, each labelled by the folder it lies in, of each class at most so many."""
    classes = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in {".png", ".jpg", ".jpeg"}:
            classes[file.parent.name].append(str(file))
    draws = np.random.default_rng(0)
    names = sorted(classes)[:: 1 + len(classes) // 41]
    kept = [(str(file), name) for name in names for file in draws.permutation(classes[name])[:most]]
    return [file for file, _ in kept], [name for _, name in kept]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument(
        "--beside", nargs="+", help="whose embeddings are put side by side; default: the last two"
    )
    parser.add_argument("--most", type=int, default=60)
    choice = parser.parse_args()
    beside = choice.beside or choice.backbones[-2:]
    columns = {f"`{name}`": FeatureExtractor(name) for name in choice.backbones}
    columns[" and ".join(f"`{name}`" for name in beside)] = FeatureExtractor(list(beside))
    print(f"| images | classes | count | {' | '.join(columns)} |\n|---|---|---|{'---|' * len(columns)}")
    scores = []
    for folder in sorted(choice.data.iterdir()):
        images, labels = load(folder, choice.most)
        if len(set(labels)) < 2:
            continue
        reports = [
            evaluate(
                make_pipeline(features, make_head("logistic")),
                images,
                labels,
                cv=StratifiedKFold(5, shuffle=True, random_state=0),
            )
            for features in columns.values()
        ]
        scores.append([report.mean for report in reports])
        cells = (f"{report.mean:.3f} ± {report.error:.3f}" for report in reports)
        print(f"| {folder.name} | {len(set(labels))} | {len(images)} | {' | '.join(cells)} |", flush=True)
    means = " | ".join(f"{mean:.3f}" for mean in np.mean(scores, axis=0))
    print(f"| mean of {len(scores)} | | | {means} |")


if __name__ == "__main__":
    main()
