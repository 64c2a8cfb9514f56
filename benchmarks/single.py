"""How long one new image takes in a process that has the network, beside the network's own time for it.

python benchmarks/single.py [BACKBONE]

Pixels, through the network alone: filled up to a batch of 32 (2 on OpenVINO), and alone. JPEG files of 500 x 375 pixels
that are new, by `FeatureExtractor.transform`: decoded alone, with nothing kept, and kept in a cache. Medians of rounds
that take turns, and the least; each file is used once. Weights are random.
"""

import os
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from featx import FeatureExtractor
from featx.embedding.engines import engine_for
from featx.embedding.speed import machine
from featx.images import write_photographs
from featx.images.resizing import to_size

ROUNDS = 40


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    name = (sys.argv[1:] or ["mobilenet_v2"])[0]
    with TemporaryDirectory() as folder:
        files = write_photographs(Path(folder) / "photographs", ROUNDS + 2)
        times = {}
        for engine in ("keras", "openvino"):
            keeping = FeatureExtractor(name, weights=None, engine=engine, cache=Path(folder) / engine)
            passing, plan = keeping.with_choices(cache=None), keeping.plan()
            one = np.random.default_rng(0).integers(0, 256, (1, *plan.input_size, 3), np.uint8)
            alone, filled = (
                engine_for(
                    plan, plan.taps, 32, engine=engine, images=images, folder=keeping.open_cache().engines
                )
                for images in (1, 0)
            )
            ways = {
                "the network, filled up": lambda _, run=filled.run, one=one: list(run([one])),
                "the network, alone": lambda _, run=alone.run, one=one: list(run([one])),
                "decoding": lambda file, size=plan.input_size: to_size(Path(file).read_bytes(), size),
                "a file, nothing kept": lambda file, by=passing: by.transform([file]),
                "a file, kept": lambda file, by=keeping: by.transform([file]),
            }
            for way in ways:
                times[engine, way] = []
            for file in files:  # they take turns; the first ones compile
                for way, work in ways.items():
                    started = perf_counter()
                    work(file)
                    times[engine, way].append(perf_counter() - started)
    facts = machine()
    print(f"{name}, {facts['cores']} cores of {facts['processor']}")
    for (engine, way), seconds in times.items():
        own = median(times[engine, "the network, alone"][2:])
        middle, least = median(seconds[2:]), min(seconds[2:])
        print(
            f"{engine:<10}{way:<24}{1000 * middle:7.1f} ms (least {1000 * least:.1f}), "
            f"{middle / own:.2f} times the network alone"
        )


if __name__ == "__main__":
    main()
