"""What rounding costs: a float16 cache, and a network run at bfloat16 and at int8, on the same images and folds.

    python benchmarks/rounding.py [FOLDER ...] [--backbone featx-mini ...] [--variant int8 ...] [--most 1000]
                                  [--at-most 1000] [--head logistic] [--repeats 1] [--made] [--cache FOLDER]

Each FOLDER is a set of images with a subfolder per class, at any depth; scikit-learn's handwritten digits are one more,
and with --made shapes that are drawn. Prints for each set and variant the accuracy of a head by 5 folds, its paired
difference to float32 with the standard error over the images, how many answers changed, the mean cosine of both
vectors, how far the numbers are off relative to the largest, bytes on disk, and seconds of the extraction with its
export; at the end the mean difference over the sets. --repeats draws the folds anew so many times. With --cache what
was embedded before is found again, and its seconds are those of the second time.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from sets import sets_of, some_digits
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from featx import EmbeddingCache, FeatureExtractor, make_head
from featx.images import synthetic

VARIANTS = {
    "float16": ("float32", "float16"),
    "bfloat16": ("bfloat16", "float32"),
    "int8": ("int8", "float32"),
}
"""Name to the extractor's precision and the cache's dtype."""
PLAIN = ("float32", "float32")


class Embedded(NamedTuple):
    """What one variant made of a set."""

    vectors: np.ndarray
    right: np.ndarray
    """How often each image was answered rightly, 0 to 1."""
    bytes: int
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="*", type=Path)
    parser.add_argument("--backbone", nargs="+", default=["featx-mini"])
    parser.add_argument("--variant", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--most", type=int, default=1000, help="images of each class, drawn by a seed")
    parser.add_argument("--at-most", type=int, default=1000, help="images of each set, likewise")
    parser.add_argument(
        "--head", default="logistic", help="ridge-classifier is linear, too, and chosen in no time"
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--made", action="store_true")
    parser.add_argument("--cache", type=Path)
    choice = parser.parse_args()
    print(
        "| images | backbone | variant | float32 | then | difference | changed | cosine | furthest off | MB | s |\n"
        f"|{'---|' * 11}",
        flush=True,
    )
    found: dict[Any, list[np.ndarray]] = defaultdict(list)
    for name, images, labels in sets(choice.folder, choice.most, made=choice.made):
        if len(labels) > choice.at_most:
            rows = np.random.default_rng(0).permutation(len(labels))[: choice.at_most]
            images, labels = [images[row] for row in rows], labels[rows]  # noqa: PLW2901
        for backbone in choice.backbone:
            with TemporaryDirectory() as passing:
                home = (choice.cache or Path(passing)) / name / backbone
                how: Any = {"head": choice.head, "repeats": choice.repeats, "home": home}
                plain = embedded(backbone, PLAIN, images, labels, **how)
                for variant in choice.variant:
                    other = embedded(backbone, VARIANTS[variant], images, labels, **how)
                    print(row(f"{name}, {len(labels)}", backbone, variant, plain, other), flush=True)
                    found[backbone, variant].append(other.right - plain.right)
    for (backbone, variant), changes in found.items():
        means = [change.mean() for change in changes]
        error = np.sqrt(sum(variance(change) for change in changes)) / len(changes)
        print(
            f"{backbone}, {variant}: mean over {len(means)} sets {np.mean(means):+.4f} ± {error:.4f}, "
            f"the least {min(means):+.4f}"
        )


def sets(folders: list[Path], most: int, *, made: bool) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Give the name, images and labels of each set that has classes."""
    for folder in folders:
        for name, images, labels in sets_of(folder, most):
            if labels.dtype.kind != "f":
                yield name, images, labels
    yield some_digits(most)
    if made:
        yield "shapes", *synthetic(8 * most, classes=8, size=32)


def embedded(
    backbone: str,
    variant: tuple[str, str],
    images: Any,
    labels: np.ndarray,
    *,
    head: str,
    repeats: int,
    home: Path,
) -> Embedded:
    precision, dtype = variant
    cache = EmbeddingCache(home / f"{precision}-{dtype}", dtype)
    extractor = FeatureExtractor(backbone, cache=cache, precision=precision)
    started = perf_counter()
    extractor.transform(images)
    seconds = perf_counter() - started
    vectors = extractor.transform(images)  # as the cache gives it
    right = np.mean([correct(head, vectors, labels, seed) for seed in range(repeats)], axis=0)
    return Embedded(vectors, right, sum(recipe.bytes for recipe in cache.info()), seconds)


def correct(head: str, vectors: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return np.asarray(cross_val_predict(make_head(head), vectors, labels, cv=folds) == labels)


def row(images: str, backbone: str, variant: str, plain: Embedded, other: Embedded) -> str:
    change = other.right - plain.right
    lengths = np.linalg.norm(plain.vectors, axis=1) * np.linalg.norm(other.vectors, axis=1)
    cosine = np.mean(np.sum(plain.vectors * other.vectors, axis=1) / lengths)
    off = np.abs(other.vectors - plain.vectors).max() / np.abs(plain.vectors).max()
    return (
        f"| {images} | {backbone} | {variant} | {plain.right.mean():.4f} | {other.right.mean():.4f} | "
        f"{change.mean():+.4f} ± {np.sqrt(variance(change)):.4f} | {np.count_nonzero(change)} | {cosine:.4f} | "
        f"{off:.1e} | {other.bytes / 1e6:.1f} | {other.seconds:.1f} |"
    )


def variance(change: np.ndarray) -> float:
    """Return that of the mean."""
    return float(change.var(ddof=1) / len(change))


if __name__ == "__main__":
    main()
