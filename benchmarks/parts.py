"""What choices inside a run rest on.

    python benchmarks/parts.py [decoding | requests | export ...]

*decoding*: milliseconds for a JPEG on one thread, of drawn photographs of 500 x 375 and 2048 x 1366 pixels: decoded at
each size that it can be decoded at, also by simplejpeg where that is installed, and until its 224 x 224 pixels are
there. Each file is decoded in every way in turn, thirty times, and the least time counts. *requests*: images/s of
mobilenet_v2 by the number of images in an OpenVINO request, nothing decoded, the best of five rounds that take turns.
*export*: seconds until each engine gives its first vector, images/s from then on, and the number of images from which
on OpenVINO is done first. Weights are random.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from featx.cache.identity import image_id
from featx.embedding.engines import engine_for
from featx.embedding.openvino_engine import OpenVINOEngine
from featx.embedding.plan import Choices, resolve
from featx.images import write_photographs
from featx.images.jpeg import has_many_scans
from featx.images.resizing import to_size

PHOTOGRAPHS, IMAGES, ROUNDS = 16, 256, 5
NETWORKS = ("featx-mini", "mobilenet_v3_small", "mobilenet_v2", "efficientnet_b0", "resnet50", "densenet121")


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sections = {"decoding": decoding, "requests": requests, "export": export}
    if unknown := set(sys.argv[1:]) - set(sections):
        raise SystemExit(f"unknown: {', '.join(unknown)}. Sections: {', '.join(sections)}.")
    for name in sys.argv[1:] or sections:
        sections[name]()


def decoding() -> None:
    for size, count in (((375, 500), PHOTOGRAPHS), ((1366, 2048), PHOTOGRAPHS // 4)):
        with TemporaryDirectory() as folder:
            files = [Path(path).read_bytes() for path in write_photographs(folder, count, size)]
        ways: dict[str, Callable[[bytes], object]] = {"digest": image_id, "count its scans": has_many_scans}
        for part in (1, 2, 4, 8):
            ways[f"decode at 1/{part}"] = partial(by_pillow, part=part)
            if find_spec("simplejpeg"):
                ways[f"  simplejpeg, 1/{part}"] = partial(by_simplejpeg, part=part)
        whole = by_pillow(files[0], 1 if size[0] < 672 else 4)
        ways["resize to 224 x 224"] = lambda _, whole=whole: whole.resize(
            (224, 224), Image.Resampling.BILINEAR
        )
        ways["all that featx does"] = lambda file: to_size(file, (224, 224))
        print(f"{size[1]} x {size[0]} pixels, {sum(map(len, files)) / len(files) / 1e3:.0f} kB", flush=True)
        for name, seconds in least(ways, files).items():
            print(f"  {name:<22}{1000 * seconds:8.3f} ms", flush=True)


def least(ways: dict[str, Callable[[bytes], object]], files: list[bytes]) -> dict[str, float]:
    """Give the seconds for a file: the mean over the files of the least of thirty tries."""
    tries = {name: np.full(len(files), np.inf) for name in ways}
    for _ in range(30):
        for row, file in enumerate(files):
            for name, way in ways.items():
                begun = time.perf_counter()
                way(file)
                tries[name][row] = min(tries[name][row], time.perf_counter() - begun)
    return {name: float(times.mean()) for name, times in tries.items()}


def by_pillow(file: bytes, part: int) -> Image.Image:
    image = JpegImageFile(BytesIO(file))
    image.draft(None, (image.width // part, image.height // part))
    image.load()
    return image


def by_simplejpeg(file: bytes, part: int) -> np.ndarray:
    import simplejpeg

    height, width, *_ = simplejpeg.decode_jpeg_header(file)
    return simplejpeg.decode_jpeg(file, "RGBX", min_height=-(-height // part), min_width=-(-width // part))


def requests() -> None:
    with TemporaryDirectory() as folder:
        engines = {}
        for precision in ("float32", "bfloat16"):
            plan = resolve(choices("mobilenet_v2", precision=precision), Path.read_bytes)
            place = Path(folder) / precision
            engine_for(plan, plan.taps, 1, engine="openvino", folder=place)
            for count in (1, 2, 4, 8, 16, 32):
                engines[precision, count] = OpenVINOEngine(next(place.iterdir()), precision, count)
        works = {key: forward(*key, engines[key]) for key in engines}
        for (precision, count), seconds in best(works).items():
            print(f"{precision}, {count:>2} in a request{IMAGES / seconds:8.0f} images/s", flush=True)


def export() -> None:
    print(
        f"{'network':<20}{'keras: ready':>14}{'images/s':>10}{'openvino: ready':>17}{'images/s':>10}{'pays from':>11}"
    )
    for name in NETWORKS:
        plan = resolve(choices(name), Path.read_bytes)
        plan.graph("float32")
        with TemporaryDirectory() as folder:
            engine = partial(engine_for, plan, plan.taps, 32, folder=Path(folder))
            ready, each = started(partial(engine, engine="keras"), plan.input_size)
            later, quick = started(partial(engine, engine="openvino"), plan.input_size)
        pays = f"{(later - ready) / (each - quick):,.0f}" if quick < each else "never"
        print(
            f"{name:<20}{ready:>12.1f} s{1 / each:>10.0f}{later:>15.1f} s{1 / quick:>10.0f}{pays:>11}",
            flush=True,
        )


def started(make: Callable[[], Any], size: tuple[int, int]) -> tuple[float, float]:
    """Give the seconds until an engine has run its first batch, and those for an image from then on."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, *size, 3), np.uint8)
    begun = time.perf_counter()
    engine = make()
    list(engine.run([pixels]))
    ready = time.perf_counter() - begun
    count, begun = 0, time.perf_counter()
    while count < 4 or time.perf_counter() - begun < 4:
        list(engine.run([pixels] * 4))
        count += 4
    return ready, (time.perf_counter() - begun) / count / 32


def choices(name: str, **others: Any) -> Choices:
    return Choices(name, weights=None, depth=-1, pooling="avg", **others)


def forward(_: str, __: int, engine: OpenVINOEngine) -> Callable[[], object]:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), np.uint8)

    def work() -> None:
        for _ in engine.run(pixels for _ in range(IMAGES // 32)):
            pass

    return work


def best(works: dict) -> dict:
    """Give the least seconds of each work."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            begun = time.perf_counter()
            work()
            least[name] = min(least[name], time.perf_counter() - begun)
    return least


if __name__ == "__main__":
    main()
