"""How far a cache goes: the arithmetic of docs/scale.md, and a search among a hundred million ids.

    python benchmarks/scale.py [--ids 100000000] [--rows 4096] [--add 20] [--table]

Segments are simulated: only their ids exist, which is all that an index has of them. Printed are the seconds that an
index takes from nothing, what one more segment takes, what it takes to look ids up, half of which are there, and the
memory of the index and of the process at its most; then what it takes to list as many segments. Seconds are the
processor's, so other work hardly disturbs them. `--table` prints the tables of docs/scale.md instead, from the formulas
and the measured rates below. 100 million ids take 5 GB and less than a minute on an idle core.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from featx.cache.index import RUN, Index, Run, join
from featx.cache.segment import Segment
from featx.cache.store import listed

SIZES = {"a million": 10**6, "a hundred million": 10**8, "a thousand million": 10**9}

# measured
PER_CORE = {
    "mobilenet_v2": 168.8 / 2,
    "resnet50": 28.8 / 2,
}  # images/s, docs/performance.md, "float32: from files"
PER_GPU = {"mobilenet_v2": 759, "resnet50": 726}  # images/s, the same, "On a GPU", from JPEG files
LOOKUP = 0.138 / 100_000  # seconds for an id among 100 million, docs/scale.md
# chosen
DIM = {"mobilenet_v2": 1280, "resnet50": 2048}
SEGMENT = 4096  # images, a chunk of `featx extract --shard`
COMPACTED = 2**30  # bytes of a segment that `featx cache compact` makes
MEMORY = 24 * 2**30  # bytes
# the format
ID, CHECK, BLOCK = 16, 8, 8192
# the index: two halves of an id, its place, the check of its block
INDEX = 8 + 8 + 4
# a price list: S3 Standard, us-east-1, dollars for a request
READ, LIST, LISTED = 0.0004 / 1000, 0.005 / 1000, 1000


def row(dim: int, itemsize: int = 4) -> float:
    """Give the bytes of a row on disk: the vector, its image's id, and its part of a block's check."""
    return dim * itemsize + ID + check(dim, itemsize)


def check(dim: int, itemsize: int = 4) -> float:
    return CHECK / max(1, BLOCK // (dim * itemsize))


def memory(dim: int) -> float:
    """Give the bytes of memory that an index takes for a row."""
    return INDEX + check(dim)


def rows_within(available: float, dim: int) -> float:
    """Give how many rows an index may have that has so much memory."""
    return available / memory(dim)


def tables() -> str:
    """Write the tables of docs/scale.md."""
    dim = DIM["mobilenet_v2"]
    lines = {
        "days of one core, MobileNetV2": lambda n: f"{n / PER_CORE['mobilenet_v2'] / 86400:,.1f}",
        "days of one core, ResNet-50": lambda n: f"{n / PER_CORE['resnet50'] / 86400:,.1f}",
        "days of an H200 with 16 cores, MobileNetV2": lambda n: f"{n / PER_GPU['mobilenet_v2'] / 86400:,.2f}",
        "days of an H200 with 16 cores, ResNet-50": lambda n: f"{n / PER_GPU['resnet50'] / 86400:,.2f}",
        "GB of store, MobileNetV2, float32": lambda n: f"{n * row(dim) / 1e9:,.1f}",
        "GB of store, MobileNetV2, float16": lambda n: f"{n * row(dim, 2) / 1e9:,.1f}",
        "GB of store, ResNet-50, float32": lambda n: f"{n * row(DIM['resnet50']) / 1e9:,.1f}",
        "segments as jobs leave them": lambda n: f"{-(-n // SEGMENT):,}",
        "segments once compacted": lambda n: f"{-(-n * row(dim) // COMPACTED):,.0f}",
        "GB of memory for the index of a process": lambda n: f"{n * memory(dim) / 1e9:,.2f}",
        "minutes of looking all ids up": lambda n: f"{n * LOOKUP / 60:,.2f}",
        "requests of a first run (state, content, state)": lambda n: f"{3 * n:,}",
        "dollars for them": lambda n: f"{3 * n * READ:,.2f}",
        "requests of a later run (state)": lambda n: f"{n:,}",
        "dollars for them, and for listing": lambda n: f"{n * READ + n / LISTED * LIST:,.2f}",
    }
    head = "| images | " + " | ".join(SIZES) + " |\n| --- |" + " ---: |" * len(SIZES)
    body = "\n".join(
        f"| {name} | " + " | ".join(give(n) for n in SIZES.values()) + " |" for name, give in lines.items()
    )
    limits = "\n".join(
        f"| {name} | {row(width):,.0f} | {row(width, 2):,.0f} | {memory(width):.0f} "
        f"| {rows_within(MEMORY, width) / 1e6:,.0f} million |"
        for name, width in DIM.items()
    )
    return (
        f"{head}\n{body}\n\n| a row | bytes on disk, float32 | float16 | bytes of memory | rows within 24 GiB |\n"
        f"| --- | ---: | ---: | ---: | ---: |\n{limits}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ids", type=int, default=100_000_000)
    parser.add_argument("--rows", type=int, default=SEGMENT, help="of a segment")
    parser.add_argument("--add", type=int, default=20, help="segments that come one by one")
    parser.add_argument("--table", action="store_true", help="print the tables of docs/scale.md")
    choice = parser.parse_args()
    if choice.table:
        print(tables())
        return
    random = np.random.default_rng(0)
    count = -(-choice.ids // choice.rows)
    spent = 0.0

    def segments(start: int, end: int) -> Iterator[Segment]:
        nonlocal spent
        for number in range(start, end):
            began = time.process_time()
            made = simulated(random, number, choice.rows)
            spent += time.process_time() - began
            yield made

    began = time.process_time()
    index = Index.of(segments(0, count))
    took = time.process_time() - began - spent
    rows = sum(segment.rows for segment in index.segments)
    print(f"{rows:,} ids in {count:,} segments of {choice.rows:,}, runs of at most {RUN:,}")
    print(f"from nothing: {took:.1f} s, {len(index.runs)} runs, {index.nbytes / rows:.1f} bytes a row")

    times = []
    for number in range(count, count + choice.add):
        (new,) = segments(number, number + 1)
        paths = {segment.path for segment in index.segments}
        began = time.process_time()
        index = index.changed(paths, [new])
        times.append(time.process_time() - began)
    print(f"a segment more: {1000 * median(times):.1f} ms (at most {1000 * max(times):.1f})")

    for asked in (1000, 100_000):
        run = random.integers(0, len(index.runs), asked)
        known = np.array([some_id(index.runs[number], random) for number in run[: asked // 2]], "u8")
        unknown = random.integers(0, 2**64, (asked - len(known), 2), "u8")
        ids = join(*np.concatenate([known, unknown]).T)
        times = []
        for _ in range(5):
            began = time.process_time()
            places = index.find(ids)
            times.append(time.process_time() - began)
        if not ((places[: len(known)] >= 0).all() and (places[len(known) :] < 0).all()):
            raise AssertionError("an id is missing")
        print(f"{asked:,} ids looked up: {1000 * median(times):.1f} ms")
    with TemporaryDirectory() as folder:
        for number in range(count):
            Path(folder, f"{number:032x}.h5").touch()
        began = time.process_time()
        there = len(listed(Path(folder), ".h5"))
        print(f"{there:,} segments listed: {time.process_time() - began:.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"memory: index {index.nbytes / 1e9:.2f} GB, process at its most {peak / 1e9:.2f} GB")


def simulated(random: np.random.Generator, number: int, rows: int) -> Segment:
    high, low = np.sort(random.integers(0, 2**64, rows, "u8")), random.integers(0, 2**64, rows, "u8")
    checks = np.zeros(rows, "u8")
    return Segment(Path(f"{number:032x}.h5"), rows, 1280, "float32", 0, "", {}, high, low, checks, "")


def some_id(run: Run, random: np.random.Generator) -> tuple[int, int]:
    at = int(random.integers(0, len(run.high)))
    return int(run.high[at]), int(run.low[at])


if __name__ == "__main__":
    main()
