"""What rounding costs: a float16 cache, and a network run at bfloat16 and at int8, on the same images and folds.

    python benchmarks/rounding.py [FOLDER ...] [--backbone featx-mini ...] [--at-most 1000]

Each FOLDER has a subfolder of images per class; default: scikit-learn's handwritten digits. Prints the accuracy of
logistic regression over 5 folds, its paired difference to float32 with the standard error over the folds, how far the
numbers are off relative to the largest, bytes on disk, and seconds of the extraction with its export.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from featx import EmbeddingCache, FeatureExtractor, load_folder, make_head
from featx.images import digits

VARIANTS = {
    "float16 cache": ("float32", "float16"),
    "bfloat16 network": ("bfloat16", "float32"),
    "int8 network": ("int8", "float32"),
}
"""Name to the extractor's precision and the cache's dtype."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="*")
    parser.add_argument("--backbone", nargs="+", default=["featx-mini"])
    parser.add_argument("--at-most", type=int, default=1000, help="images of each folder, drawn by a seed")
    choice = parser.parse_args()
    for folder in choice.folder or [None]:
        name, images, labels = read(folder)
        rows = np.random.default_rng(0).permutation(len(labels))[: choice.at_most]
        for backbone in choice.backbone:
            compare(f"{name}, {backbone}", backbone, [images[row] for row in rows], labels[rows])


def read(folder: str | None) -> tuple[str, Any, np.ndarray]:
    if folder is None:
        return "digits", *digits()
    table = load_folder(folder)
    return Path(folder).name, table.paths, table.labels


def compare(title: str, backbone: str, images: Any, labels: np.ndarray) -> None:
    variants = {"float32": ("float32", "float32"), **VARIANTS}
    vectors, sizes, seconds = {}, {}, {}
    with TemporaryDirectory() as folder:
        for name, (precision, dtype) in variants.items():
            cache = EmbeddingCache(Path(folder) / name, dtype)
            extractor = FeatureExtractor(backbone, cache=cache, precision=precision)
            started = perf_counter()
            extractor.transform(images)
            seconds[name] = perf_counter() - started
            vectors[name] = extractor.transform(images)  # as the cache gives it
            sizes[name] = sum(recipe.bytes for recipe in cache.info())
    right = {name: correct(values, labels) for name, values in vectors.items()}
    scale = np.abs(vectors["float32"]).max()
    print(f"{title}: {len(labels)} images x {vectors['float32'].shape[1]} columns")
    print("| | accuracy | difference | answers that changed | furthest off | bytes | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, values in vectors.items():
        change = right[name].astype(int) - right["float32"]
        differences = np.array([change[test].mean() for _, test in folds(labels)])
        error = differences.std(ddof=1) / np.sqrt(len(differences))
        print(
            f"| {name} | {right[name].mean():.4f} | {differences.mean():+.4f} ± {error:.4f} | "
            f"{np.count_nonzero(change)} | {np.abs(values - vectors['float32']).max() / scale:.1e} | "
            f"{sizes[name] / 1e6:.1f} MB | {seconds[name]:.1f} |"
        )


def folds(labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels))


def correct(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(cross_val_predict(make_head("logistic"), vectors, labels, cv=folds(labels)) == labels)


if __name__ == "__main__":
    main()
