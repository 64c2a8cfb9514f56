"""The image sets of a folder, as the benchmarks of heads and strategies take them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from side_by_side import load

from featx.images import digits


def image_sets(data: Path, most: int) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Give the name, images and labels of each set, of each class at most so many images.

    A set is a folder of DATA with one folder per class at any depth, or as `bccd_blood` a table of what is on each
    image: whether platelets are, and as `red_cells` how many red cells. scikit-learn's digits are one more.
    """
    for folder in sorted(data.iterdir()):
        yield from sets_of(folder, most)
    yield some_digits(most)


def sets_of(folder: Path, most: int) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Give the sets of one folder of DATA, as `image_sets` does."""
    if (folder / "labels.csv").exists():
        table = pd.read_csv(folder / "labels.csv")
        images = [str(folder / "images" / file) for file in table["file"]]
        yield "platelets", images, table["has_Platelets"].to_numpy()
        yield "red_cells", images, table["n_RBC"].to_numpy(np.float64)
        return
    images, labels = load(folder, most)
    if len(set(labels)) > 1:
        yield folder.name, images, np.array(labels)


def some_digits(most: int) -> tuple[str, np.ndarray, np.ndarray]:
    """Give scikit-learn's digits, of each class the first so many."""
    images, labels = digits()
    kept = np.concatenate([np.flatnonzero(labels == kind)[:most] for kind in np.unique(labels)])
    return "digits", images[kept], labels[kept]


def calibration_error(right: np.ndarray, sure: np.ndarray, bins: int = 15) -> float:
    """Return how far accuracy is from confidence, bin by bin (Guo et al., ICML 2017)."""
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(np.sum(right[place == one] - sure[place == one])) for one in range(bins)]
    return float(np.sum(gaps) / len(right))
