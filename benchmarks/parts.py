"""What two choices inside a run rest on: the size that a JPEG is decoded at, and the images in an OpenVINO request.

    python benchmarks/parts.py

Prints milliseconds for an image on one thread, of a drawn photograph of 2048 x 1366 pixels at each size a JPEG can be
decoded at; and images/s of mobilenet_v2 with random weights, nothing decoded. Best of five rounds that take turns.
"""

import os
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from featx import exported
from featx.datasets import write_photographs
from featx.fingerprint import image_id
from featx.plan import Choices, resolve
from featx.running import engine_for

PHOTOGRAPHS, IMAGES, ROUNDS = 16, 256, 5


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with TemporaryDirectory() as folder:
        files = [Path(path).read_bytes() for path in write_photographs(folder, PHOTOGRAPHS, (1366, 2048))]
    works = {
        f"decoding at 1/{part}": lambda part=part: [decoded(file, part) for file in files]
        for part in (1, 2, 4, 8)
    }
    works["hashing"] = lambda: [image_id(file) for file in files]
    for name, seconds in best(works).items():
        print(f"{name:<24}{1000 * seconds / PHOTOGRAPHS:6.1f} ms", flush=True)

    with TemporaryDirectory() as folder:
        engines = {}
        for precision in ("float32", "bfloat16"):
            choices = Choices("mobilenet_v2", weights=None, depth=-1, pooling="avg", precision=precision)
            plan = resolve(choices, Path.read_bytes)
            place = Path(folder) / precision
            engine_for(plan, plan.taps, 1, engine="openvino", folder=place)
            for count in (1, 2, 4, 8, 16, 32):
                exported.CHUNK = count
                engines[precision, count] = exported.OpenVINOEngine(next(place.iterdir()), precision)
        for (precision, count), seconds in best(
            {key: forward(*key, engines[key]) for key in engines}
        ).items():
            print(f"{precision}, {count:>2} in a request{IMAGES / seconds:8.0f} images/s", flush=True)


def decoded(file: bytes, part: int) -> Image.Image:
    image = Image.open(BytesIO(file))
    image.draft(None, (image.width // part, image.height // part))
    image.load()
    return image


def forward(_: str, count: int, engine: exported.OpenVINOEngine) -> Callable[[], object]:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 224, 224, 3), np.uint8)

    def work() -> None:
        exported.CHUNK = count
        for _ in engine.run(pixels for _ in range(IMAGES // 32)):
            pass

    return work


def best(works: dict) -> dict:
    """Give the least seconds of each work."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            least[name] = min(least[name], time.perf_counter() - started)
    return least


if __name__ == "__main__":
    main()
