"""How good are the embeddings of featx-mini? ``python benchmarks/backbone.py DATA/signs DATA/glyphs``.

Each folder is a data set with one folder per class, at any depth; scikit-learn's digits are measured as
well. All features get the same head (standardised logistic regression, strength chosen once inside the first
training fold) and the same five folds. Prints Markdown. Accuracies are kept in a file, so that a second run
adds what is missing.
"""

import argparse
import json
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from featx import FeatureExtractor
from featx.errors import WeightsError
from featx.networks.families.featx_mini import WEIGHTS_SHA256, featx_mini

Images = list[Any]
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
STAGES = {1: "avg+std", 2: "std+grid2", 3: "std+grid2", 4: "avg+std"}
EVERYTHING = {"patches": "grid2"} | STAGES
LAST_THREE = {2: "avg+std", 3: "avg+std", 4: "avg+std"}


def digits() -> tuple[Images, list[str]]:
    """Return the 1,797 digits that come with scikit-learn, 8 x 8 pixels."""
    data = load_digits()
    return list((data.images * 255 / 16).astype(np.uint8)), [str(label) for label in data.target]


def folder(path: Path) -> tuple[Images, list[str]]:
    """List the images below a folder, each labelled by the folder it lies in."""
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in {".png", ".jpg", ".jpeg"})
    return [str(file) for file in files], [file.parent.name for file in files]


def pixels(images: Images, size: int) -> np.ndarray:
    """Read images as ``(n, size, size, 3)`` uint8."""
    opened = (
        Image.fromarray(image) if isinstance(image, np.ndarray) else Image.open(image) for image in images
    )
    return np.stack([np.asarray(image.convert("RGB").resize((size, size))) for image in opened])


def raw(images: Images) -> np.ndarray:
    """Return the pixels themselves, 16 x 16 x 3."""
    return pixels(images, 16).reshape(len(images), -1).astype(np.float32)


def colours(images: Images) -> np.ndarray:
    """Histogram of 4 x 4 x 4 colours and of 16 levels in each channel, square roots."""
    rows = []
    for image in pixels(images, 64).reshape(len(images), -1, 3):
        cells, _ = np.histogramdd(image, bins=4, range=[(0, 256)] * 3)
        margins = [np.histogram(channel, bins=16, range=(0, 256))[0] for channel in image.T]
        rows.append(np.sqrt(np.concatenate([cells.ravel(), *margins]) / len(image)))
    return np.array(rows, np.float32)


def gradients(images: Images) -> np.ndarray:
    """Histograms of oriented gradients of 64 x 64 grey pixels: 9 directions, cells of 8, blocks of 2 x 2."""
    from skimage.feature import hog

    return np.array([hog(image.mean(-1), 9, (8, 8), (2, 2)) for image in pixels(images, 64)], np.float32)


def embeddings(
    images: Images, cuts: dict[Any, str], backbone: Any = "featx-mini", **choices: Any
) -> np.ndarray:
    """Embed by a backbone cut at several depths, with a pooling for each."""
    choices = {"depth": list(cuts), "pooling": list(cuts.values()), "cache": None} | choices
    return FeatureExtractor(backbone, **choices).fit_transform(images)


def random_weights(images: Images, size: int) -> np.ndarray:
    """Embed by the same network untrained, its BatchNorm fitted to 256 of the images: a generous control."""
    import keras

    keras.utils.set_random_seed(0)
    network = featx_mini((size, size))
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0  # one batch sets the statistics
    sample = np.random.default_rng(0).permutation(len(images))[:256]
    network(pixels([images[i] for i in sample], size) / np.float32(255), training=True)
    return embeddings(images, STAGES, network, scaling="unit", input_size=size)


def mobilenet(images: Images) -> np.ndarray:
    """Embed by MobileNetV2 with ImageNet weights and featx's default cut, 224 pixels."""
    return FeatureExtractor("mobilenet_v2", cache=None).fit_transform(images)


def methods(size: int) -> dict[str, Callable[[Images], np.ndarray]]:
    """All features to compare, by the name in the table."""

    def mini(cuts: dict[Any, str]) -> Callable[[Images], np.ndarray]:
        return partial(embeddings, cuts=cuts, input_size=size)

    return {
        "raw pixels 16x16x3": raw,
        "colour histogram": colours,
        "HOG": gradients,
        f"random weights, {size}": partial(random_weights, size=size),
        f"patch dictionary alone, {size}": mini({"patches": "grid2"}),
        f"featx-mini last layer avg, {size}": mini({4: "avg"}),
        f"featx-mini last three avg+std, {size}": mini(LAST_THREE),
        f"featx-mini CNN alone, {size}": mini(STAGES),
        f"featx-mini CNN + dictionary, {size}": mini(EVERYTHING),
        "MobileNetV2 ImageNet, 224": mobilenet,
    }


def accuracies(features: np.ndarray, labels: list[str]) -> list[float]:
    """Accuracy in each of five folds."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    target = np.array(labels)
    first, _ = next(folds.split(features, target))
    split = train_test_split(
        features[first], target[first], test_size=0.25, random_state=0, stratify=target[first]
    )

    def head(strength: float) -> Any:
        return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=100, tol=1e-3))

    def score(strength: float) -> float:
        return head(strength).fit(split[0], split[2]).score(split[1], split[3])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 100 steps are part of the protocol
        best = max(STRENGTHS, key=score)
        return list(cross_val_score(head(best), features, target, cv=folds))


def measured(method: str) -> str:
    """Name under which an accuracy is kept: featx-mini's depend on its weights."""
    own = method.startswith(("featx-mini", "patch"))
    return f"{method} [{WEIGHTS_SHA256[:12]}]" if own else method


def table(results: dict[str, dict[str, list[float]]], names: list[str], rows: list[str]) -> str:
    """Lay out accuracies in percent, with the standard error over the folds."""
    lines = [f"| features | {' | '.join(names)} | mean |", "|---" * (len(names) + 2) + "|"]
    for row in rows:
        folds = 100 * np.array([results[name][measured(row)] for name in names])
        cells = [f"{fold.mean():.1f} ± {fold.std(ddof=1) / 5**0.5:.1f}" for fold in folds]
        lines.append(f"| {row} | {' | '.join(cells)} | {folds.mean():.1f} |")
    return "\n".join(lines)


def differences(
    results: dict[str, dict[str, list[float]]], names: list[str], rows: list[str], own: str
) -> str:
    """Lay out how much better ``own`` is than each row: paired by fold, and by data set."""
    lines = [f"| {own}, minus | points | SE over folds | SE over data sets |", "|---|---|---|---|"]
    for row in rows:
        if row == own:
            continue
        pairs = 100 * np.array(
            [np.subtract(results[name][measured(own)], results[name][measured(row)]) for name in names]
        )
        over_folds = np.sqrt((pairs.var(1, ddof=1) / 5).sum()) / len(names)
        over_sets = pairs.mean(1).std(ddof=1) / len(names) ** 0.5 if len(names) > 1 else np.nan
        lines.append(f"| {row} | {pairs.mean():+.1f} | {over_folds:.1f} | {over_sets:.1f} |")
    return "\n".join(lines)


def picture(
    results: dict[str, dict[str, list[float]]], names: list[str], rows: list[str], file: Path
) -> None:
    """Draw the accuracies, a panel for each data set: the mean of the folds and its standard error."""
    from matplotlib.figure import Figure

    figure = Figure((3 * len(names) + 2, 0.3 * len(rows) + 1), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        folds = 100 * np.array([results[name][measured(row)] for row in rows])
        axes.barh(rows, folds.mean(1), xerr=folds.std(1, ddof=1) / 5**0.5, color="tab:blue")
        axes.set(title=name, xlabel="accuracy, %", xlim=(0, 100))
    axes.invert_yaxis()  # shared: the first row on top in all
    figure.savefig(file)


def main() -> None:
    """Read the command line, measure what is missing, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, help="data sets, a folder per class in each")
    parser.add_argument("--size", type=int, default=96, help="input of featx-mini in pixels")
    parser.add_argument("--only", default="", help="measure features whose name contains this")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/backbone.json"))
    parser.add_argument("--plot", type=Path, help="draw the accuracies into this .png, .svg or .pdf")
    options = parser.parse_args()
    sets = {"digits": digits} | {path.name: partial(folder, path) for path in options.folders}
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    available = {name: extract for name, extract in methods(options.size).items() if options.only in name}
    for name, load in sets.items():
        images, labels = load()
        done = results.setdefault(name, {})
        for method, extract in tqdm(available.items(), name):
            if measured(method) in done:
                continue
            started = monotonic()
            try:
                features = extract(images)
            except (ImportError, WeightsError) as error:
                tqdm.write(f"{method} is left out: {error}")
                continue
            done[measured(method)] = accuracies(features, labels)
            mean = np.mean(done[measured(method)])
            tqdm.write(
                f"{name}: {method} ({features.shape[1]} numbers) {mean:.4f}, {monotonic() - started:.0f} s"
            )
            options.results.parent.mkdir(parents=True, exist_ok=True)
            options.results.write_text(json.dumps(results, indent=1))
    rows = [row for row in available if all(measured(row) in results[name] for name in sets)]
    print(table(results, list(sets), rows))
    if options.plot:
        picture(results, list(sets), rows, options.plot)
    own = f"featx-mini CNN + dictionary, {options.size}"
    if own in rows:
        print(f"\n{differences(results, list(sets), rows, own)}")


if __name__ == "__main__":
    main()
