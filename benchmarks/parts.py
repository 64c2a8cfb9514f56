"""What choices inside a run rest on.

    python benchmarks/parts.py [decoding | requests | export ...]

*decoding*: milliseconds for an image on one thread, of a drawn photograph of 2048 x 1366 pixels at each size a JPEG can
be decoded at. *requests*: images/s of mobilenet_v2 by the number of images in an OpenVINO request, nothing decoded.
Both are the best of five rounds that take turns. *export*: seconds until each engine gives its first vector, images/s
from then on, and the number of images from which on OpenVINO is done first. Weights are random.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from featx.cache.identity import image_id
from featx.embedding.engines import engine_for
from featx.embedding.openvino_engine import OpenVINOEngine
from featx.embedding.plan import Choices, resolve
from featx.images import write_photographs

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
    with TemporaryDirectory() as folder:
        files = [Path(path).read_bytes() for path in write_photographs(folder, PHOTOGRAPHS, (1366, 2048))]
    works = {
        f"decoding at 1/{part}": lambda part=part: [decoded(file, part) for file in files]
        for part in (1, 2, 4, 8)
    }
    works["hashing"] = lambda: [image_id(file) for file in files]
    for name, seconds in best(works).items():
        print(f"{name:<24}{1000 * seconds / PHOTOGRAPHS:6.1f} ms", flush=True)


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


def decoded(file: bytes, part: int) -> Image.Image:
    image = Image.open(BytesIO(file))
    image.draft(None, (image.width // part, image.height // part))
    image.load()
    return image


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
