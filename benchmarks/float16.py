"""What float16 costs: the same embeddings and folds, once as computed and once through a float16 cache.

    python benchmarks/float16.py [FOLDER ...] [--backbone featx-mini ...] [--at-most 1000]

Each FOLDER has a subfolder of images per class; default: scikit-learn's handwritten digits. Prints bytes on disk,
the accuracy of logistic regression over 5 folds, and the paired difference with its standard error over the folds.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from featx import EmbeddingCache, FeatureExtractor, load_folder, make_head
from featx.datasets import digits


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
    vectors, sizes = {}, {}
    with TemporaryDirectory() as folder:
        for dtype in ("float32", "float16"):
            cache = EmbeddingCache(Path(folder) / dtype, dtype)
            extractor = FeatureExtractor(backbone, cache=cache)
            extractor.transform(images)
            vectors[dtype] = extractor.transform(images)  # as the cache gives it
            sizes[dtype] = sum(recipe.bytes for recipe in cache.info())
    right = {dtype: correct(vectors[dtype], labels) for dtype in vectors}
    parts = [test for _, test in folds(labels)]
    change = right["float16"].astype(int) - right["float32"]
    differences = np.array([change[part].mean() for part in parts])
    error = differences.std(ddof=1) / np.sqrt(len(parts))
    scale = np.abs(vectors["float32"]).max()
    off = np.abs(vectors["float16"] - vectors["float32"]).max() / scale
    print(
        f"{title}: {len(labels)} images x {vectors['float32'].shape[1]} columns\n"
        f"  bytes      {sizes['float32']:,} -> {sizes['float16']:,} (x{sizes['float16'] / sizes['float32']:.2f})\n"
        f"  accuracy   {right['float32'].mean():.4f} -> {right['float16'].mean():.4f}, "
        f"difference {differences.mean():+.4f} ± {error:.4f}; {np.count_nonzero(change)} answers changed sides\n"
        f"  numbers    largest {scale:.3g}; furthest off by {off:.1e} of it"
    )


def folds(labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels))


def correct(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(cross_val_predict(make_head("logistic"), vectors, labels, cv=folds(labels)) == labels)


if __name__ == "__main__":
    main()
