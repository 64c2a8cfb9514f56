"""How well copies are found among real images, and what is taken for a copy and is none.

    python benchmarks/duplicates.py DATA [--backbones featx-mini mobilenet_v2] [--cache FOLDER] [--large 100000]

DATA holds the folders hymenoptera/train, sign_digits and omniglot_small1, each with a folder per class. Up
to 400 images of each are changed in five ways; printed is the share of copies at or above each threshold,
and of images that have another image there, which somebody would have to look at: a false alarm, unless the
two were twins all along. Then all images of each folder are compared, and with --large N as many random ones.
"""

import argparse
import resource
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from featx import FeatureExtractor, load_folder
from featx.evaluation import find_duplicates
from featx.images.decoding import decode

THRESHOLDS = (0.8, 0.85, 0.9, 0.95, 0.97)


def saved(image: Image.Image, kind: str, **options: int) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def cropped(image: Image.Image, share: float) -> bytes:
    w, h = image.size
    x, y = max(1, round(w * share)), max(1, round(h * share))
    return saved(image.crop((x, y, w - x, h - y)), "PNG")


def halved(image: Image.Image) -> bytes:
    size = (max(1, image.width // 2), max(1, image.height // 2))
    return saved(image.resize(size, Image.Resampling.BICUBIC), "PNG")


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG, quality 50": lambda image: saved(image, "JPEG", quality=50),
    "half the size": halved,
    "2 % cut off": lambda image: cropped(image, 0.02),
    "5 % cut off": lambda image: cropped(image, 0.05),
    "20 % brighter": lambda image: saved(image.point(lambda value: min(255, int(value * 1.2))), "PNG"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["featx-mini", "mobilenet_v2"])
    parser.add_argument("--cache", default="auto")
    parser.add_argument("--large", type=int, default=0)
    choice = parser.parse_args()
    folders = [choice.data / name for name in ("hymenoptera/train", "sign_digits", "omniglot_small1")]
    for backbone in choice.backbones:
        for folder in folders:
            alike(FeatureExtractor(backbone, cache=choice.cache), folder)
    for folder in folders:
        table = load_folder(folder)
        embeddings = FeatureExtractor(choice.backbones[0], cache=choice.cache).transform(table.paths)
        found = find_duplicates(table.paths, table.labels, embeddings=embeddings, cache=choice.cache)
        print(f"{folder.name}: {found}")
    if choice.large:
        large(choice.large)


def large(count: int) -> None:
    """Compare many embeddings, and find the one pair among them."""
    random = np.random.default_rng(0)
    points = random.standard_normal((count, 256), dtype=np.float32)
    points[-1] = points[0]
    pictures = list(random.integers(0, 256, (count, 4, 4), dtype=np.uint8))
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    found = find_duplicates(pictures, embeddings=points, cache=None)
    seconds = time.perf_counter() - started
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6
    print(f"{found}, 256 columns: {seconds:.0f} s, {memory:.2f} GB more than the input")


def alike(extractor: FeatureExtractor, folder: Path) -> None:
    paths = load_folder(folder).paths
    paths = paths[np.sort(np.random.default_rng(0).permutation(len(paths))[:400])]
    images = [Image.fromarray(decode(Path(path).read_bytes())) for path in paths]
    embeddings = extractor.transform(paths)
    mean = embeddings.mean(axis=0)

    def direction(vectors: np.ndarray) -> np.ndarray:
        return (vectors - mean) / np.linalg.norm(vectors - mean, axis=1, keepdims=True)

    points = direction(embeddings)
    others = points @ points.T
    np.fill_diagonal(others, -1)
    print(
        f"\n{extractor.backbone}, {len(paths)} of {folder.name}\n{'threshold':24}",
        *(f"{t:8}" for t in THRESHOLDS),
    )
    for name, change in COPIES.items():
        copies = direction(extractor.transform([change(image) for image in images]))
        show(name, (points * copies).sum(axis=1))
    show("another image", others.max(axis=1))


def show(name: str, cosines: np.ndarray) -> None:
    print(f"{name:24}", *(f"{(cosines >= threshold).mean():8.3f}" for threshold in THRESHOLDS))


if __name__ == "__main__":
    main()
