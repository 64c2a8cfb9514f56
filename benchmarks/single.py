"""How long one new image takes in a process that has the network: alone, and filled up to a batch.

python benchmarks/single.py [BACKBONE]
"""

import os
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from featx.embedding.engines import engine_for
from featx.embedding.plan import Choices, resolve
from featx.embedding.speed import machine

ROUNDS = 25


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    plan = resolve(Choices(*sys.argv[1:2] or ["mobilenet_v2"]), Path.read_bytes)
    one = np.random.default_rng(0).integers(0, 256, (1, *plan.input_size, 3), np.uint8)
    with TemporaryDirectory() as folder:
        runners = {
            (engine, how): engine_for(plan, plan.taps, 32, engine=engine, images=images, folder=Path(folder))
            for engine in ("keras", "openvino")
            for how, images in (("filled up to a batch", 0), ("alone", 1))
        }
        times = {key: [] for key in runners}
        for _ in range(ROUNDS + 2):  # they take turns; the first ones compile
            for key, runner in runners.items():
                started = perf_counter()
                list(runner.run([one]))
                times[key].append(perf_counter() - started)
    facts = machine()
    print(f"{plan.name}, {facts['cores']} cores of {facts['processor']}")
    for (engine, how), seconds in times.items():
        print(f"{engine:<10}{how:<22}{1000 * median(seconds[2:]):6.0f} ms")


if __name__ == "__main__":
    main()
