"""What the cache costs against NumPy and raw HDF5 on the same disk, and how its search grows.

    python benchmarks/cache.py [--rows 100000] [--dim 1280] [--rounds 7] [--search 100000000]

Every figure is measured in rounds that alternate the contenders; printed are medians, the ratios of each
round and their spread, and the best round, which a busy machine disturbs least. Needs memory for four copies
of rows x dim float32 (2 GB as given), and 2.5 GB for a --search of 100000000.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import h5py
import numpy as np

from featx.cache import EmbeddingCache
from featx.cache.index import Index
from featx.cache.segment import Segment
from featx.cache.store import shared

RECIPE = "0" * 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--search", type=int, default=10_000_000, help="rows of the simulated large store")
    parser.add_argument("--folder", help="where to write; default: the platform's temporary folder")
    choice = parser.parse_args()
    random = np.random.default_rng(0)
    rows = random.standard_normal((choice.rows, choice.dim), dtype=np.float32)
    ids = random.integers(0, 256, (choice.rows, 16), dtype=np.uint8)
    print(f"{choice.rows} rows of {choice.dim} float32, {rows.nbytes / 1e6:.0f} MB, {choice.rounds} rounds")
    with TemporaryDirectory(dir=choice.folder) as folder:
        write(Path(folder), ids, rows, choice.rounds)
        read(Path(folder), ids, rows, choice.rounds)
        million(Path(folder), choice.rounds)
    search(choice.search, choice.rows, choice.rounds)


def write(folder: Path, ids: np.ndarray, rows: np.ndarray, rounds: int) -> None:
    cache = EmbeddingCache(folder / "write")

    def raw_hdf5() -> None:
        with h5py.File(folder / "raw.h5", "w") as file:
            file["image_id"], file["embedding"] = ids, rows
        sync(folder / "raw.h5")

    def numpy_save() -> None:
        np.save(folder / "raw.npy", rows)
        sync(folder / "raw.npy")

    def clean() -> None:
        cache.delete(RECIPE)
        for path in folder.glob("raw.*"):
            path.unlink()
        os.sync()  # the next one is not to wait for the disk to forget this one

    contenders = {"cache.put": lambda: cache.put(RECIPE, ids, rows), "h5py": raw_hdf5, "np.save": numpy_save}
    compare("write, to the disk (fsync)", contenders, len(rows), rounds, clean)


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def read(folder: Path, ids: np.ndarray, rows: np.ndarray, rounds: int) -> None:
    one, many = EmbeddingCache(folder / "one"), EmbeddingCache(folder / "many")
    one.put(RECIPE, ids, rows)
    for part in np.array_split(np.arange(len(rows)), 50):
        many.put(RECIPE, ids[part], rows[part])
    with h5py.File(folder / "raw.h5", "w") as file:
        file["embedding"] = rows
    order = np.random.default_rng(1).permutation(len(rows))
    asked, out = ids[order], np.empty_like(rows)
    wide = np.empty((len(rows), 2 * rows.shape[1]), np.float32)

    def gather(cache: EmbeddingCache, target: np.ndarray = out) -> None:
        if not cache.gather(RECIPE, asked, target).all():
            raise AssertionError("a row is missing")

    def hdf5() -> None:
        with h5py.File(folder / "raw.h5") as file:
            file["embedding"].read_direct(out)

    contenders = {
        "np.take in RAM": lambda: np.take(rows, order, axis=0, out=out, mode="clip"),
        "rows[order] in RAM": lambda: rows[order],
        "gather, one segment": lambda: gather(one),
        "gather, 50 segments": lambda: gather(many),
        "gather, into columns": lambda: gather(one, wide[:, : rows.shape[1]]),
        "h5py, in file order": hdf5,
    }
    compare("read in random order, from the page cache", contenders, len(rows), rounds)
    gather(one)
    if not np.array_equal(out, rows[order]):
        raise AssertionError("a row is wrong")


def million(folder: Path, rounds: int) -> None:
    """Look up a million ids in a store of a million rows in 50 segments, each time opened anew."""
    random = np.random.default_rng(3)
    ids = random.integers(0, 256, (1_000_000, 16), dtype=np.uint8)
    rows = np.arange(len(ids), dtype=np.float32)[:, None]
    cache = EmbeddingCache(folder / "million")
    for part in np.array_split(np.arange(len(ids)), 50):
        cache.put(RECIPE, ids[part], rows[part])
    order = random.permutation(len(ids))
    asked, out = ids[order], np.empty_like(rows)

    def look() -> None:
        shared.cache_clear()
        if not EmbeddingCache(folder / "million").gather(RECIPE, asked, out).all():
            raise AssertionError("a row is missing")

    compare("a million ids in a store of a million rows, opened anew", {"gather": look}, len(ids), rounds)
    if not np.array_equal(out, rows[order]):
        raise AssertionError("a row is wrong")


def search(stored: int, asked: int, rounds: int) -> None:
    """Search ids in a store of one large segment, which is simulated: only its ids exist."""
    random = np.random.default_rng(2)
    high = np.sort(random.integers(0, 2**64, stored, "u8"))
    low = random.integers(0, 2**64, stored, "u8")
    segment = Segment(Path(), stored, 1, "float32", 0, "", {}, high, low, high[:0], "")
    index = Index.of([segment])
    rows = random.integers(0, stored, asked)
    ids = np.stack([high[rows], low[rows]], axis=1).astype(">u8").view("u1")
    memory = (high.nbytes + low.nbytes) / 1e9
    compare(
        f"search among {stored} ids, {memory:.2f} GB of memory",
        {"find": lambda: index.find(ids)},
        asked,
        rounds,
    )
    if not np.array_equal(index.find(ids), rows):
        raise AssertionError("a row is wrong")


def compare(
    title: str,
    contenders: dict[str, Callable[[], object]],
    rows: int,
    rounds: int,
    between: Callable[[], object] = lambda: None,
) -> None:
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:  # none always follows the same other
            run = contenders[name]
            started = time.perf_counter()
            run()
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - started)
            between()
    print(f"\n{title}")
    for name in names:
        middle, best = 1000 * median(times[name]), 1000 * min(times[name])
        line = f"  {name:22}{middle:8.1f} ms, best {best:7.1f}{1000 * rows / middle:14,.0f} rows/s"
        for other in names if name == names[0] and len(names) < 4 else names[:2]:
            if other != name:
                ratios = sorted(own / its for own, its in zip(times[name], times[other], strict=True))
                line += f"   x{median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f}) the time of {other}"
        print(line)


if __name__ == "__main__":
    main()
