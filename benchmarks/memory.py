"""How much memory a run takes beside the network, however many images there are.

    python benchmarks/memory.py --first
    python benchmarks/memory.py [--images 50000 200000] [--backbone featx-mini] [--input-size 32] [--folder FOLDER]

With --first: the peak of a first run, with nothing cached, over the photographs of the folder that FEATX_TEST_DATA
names, by MobileNetV2 with its weights, and that of the process that exports the network meanwhile.

For each number a fresh process embeds so many files, all different: 8 x 8 pixels, brought to the input size, through
the network, its last stage averaged, into an empty cache. Printed are the peak of its resident memory, what was
resident when the network was built and had run, what the result takes, which grows with the images, and the rest of the
peak. The peak is that of the whole process, so where an export took more than the run, the rest is less than it says.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from featx import FeatureExtractor


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--backbone", default="featx-mini", help="with random weights, if it is another")
    parser.add_argument("--input-size", type=int, default=32)
    parser.add_argument("--folder", help="where to write; default: the platform's temporary folder")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    choice = parser.parse_args()
    if choice.inside:
        measure(choice)
        return
    if choice.first:
        first()
        return
    print("| images | seconds | peak MB | network | result | rest |", flush=True)
    print("| ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    with TemporaryDirectory(dir=choice.folder) as folder:
        for images in choice.images:
            write(images, Path(folder) / "images")
            command = [sys.executable, __file__, "--inside", "--images", str(images), "--folder", folder]
            for name in ("backbone", "input_size", "engine"):
                command += [f"--{name.replace('_', '-')}", str(getattr(choice, name))]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


FIRST = """
import glob, os, sys
from featx import FeatureExtractor
files = sorted(glob.glob(sys.argv[1] + "/images/hymenoptera/train/*/*.jpg"))
FeatureExtractor("mobilenet_v2", depth=-1, pooling="avg").transform(files)
for path in glob.glob("/proc/[0-9]*/status"):
    try:
        facts = dict(line.split(":", 1) for line in open(path).read().splitlines() if ":" in line)
    except OSError:  # it has ended
        continue
    mine = [int(facts.get(name, 0)) == os.getpid() for name in ("Pid", "PPid")]
    if any(mine) and "VmHWM" in facts:
        peak = int(facts["VmHWM"].split()[0]) * 1024 / 1e6
        print(f"{len(files)} photographs: peak {peak:.0f} MB, {'this' if mine[0] else 'the other'} process")
"""


def first() -> None:
    data = os.environ["FEATX_TEST_DATA"]
    with TemporaryDirectory() as folder:
        own = {
            "FEATX_CACHE": f"{folder}/cache",
            "FEATX_GRAPHS": f"{folder}/graphs",
            "KERAS_HOME": f"{data}/keras_home",
        }
        subprocess.run(
            [sys.executable, "-c", FIRST, data], check=True, env=os.environ | own, stderr=subprocess.DEVNULL
        )


def path(folder: Path, row: int) -> Path:
    return folder / f"{row // 1000:04}" / f"{row:07}.png"


def write(images: int, folder: Path) -> None:
    """Write files that are not there yet: noise, of which no two are the same."""
    for row in range(images):
        target = path(folder, row)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(row).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(target, compress_level=0)


def measure(choice: argparse.Namespace) -> None:
    (images,), folder = choice.images, Path(choice.folder)
    paths = [str(path(folder / "images", row)) for row in range(images)]
    extractor = FeatureExtractor(
        choice.backbone, weights="auto" if choice.backbone == "featx-mini" else None, depth=-1, pooling="avg",
        input_size=choice.input_size, engine=choice.engine, cache=folder / f"cache {images}",
    )  # fmt: skip
    extractor.transform(np.random.default_rng(0).integers(0, 256, (512, 8, 8, 3), np.uint8))
    before = resident()
    started = time.perf_counter()
    vectors = extractor.transform(paths)
    seconds = time.perf_counter() - started
    result = vectors.nbytes / 1e6
    if len(vectors) != images or not np.isfinite(vectors).all():
        raise AssertionError("rows are missing")
    after = peak()
    figures = (images, seconds, after, before, result, after - before - result)
    print("| " + " | ".join(f"{figure:,.0f}" for figure in figures) + " |", flush=True)


def resident() -> float:
    """Give the memory that is resident now, in MB; where that is not told, the most so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak()
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6


def peak() -> float:
    """Give the most memory that was resident so far, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


if __name__ == "__main__":
    main()
