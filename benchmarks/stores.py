"""The cache beside other stores: what it costs to write and to gather rows, and what a reader finds after a kill.

    python benchmarks/stores.py [--rows 200000] [--dim 1280] [--rounds 3] [--only featx,lance] [--folder DIR]

Each store takes its turn by itself: it writes all rows to the disk (synced), beside `numpy.save`; then it gathers all
of them in random order into an array that exists, beside `numpy.take` of an array in memory, and 1,000 of them.
Printed are medians of the rounds, ratios of each round with their spread, and the bytes on the disk. Then a process
that writes in twenty parts is killed (SIGKILL) in the middle of the eleventh, and another one reads what it finds:
rows that are right, rows that are not, rows that are not there. Needs memory for three copies of the rows, and room
for three on the disk; the packages are in the dependency group `benchmarks`.
"""

# ruff: noqa: ARG002 # a store asks for rows by id or by number, and leaves the other aside

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

Rows = np.ndarray
PARTS = 20
SCATTERED = 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=1280)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(STORES))
    parser.add_argument("--folder", help="where to write; default: the platform's temporary folder")
    parser.add_argument("--child", nargs=2, metavar=("write|read", "FOLDER"), help=argparse.SUPPRESS)
    choice = parser.parse_args()
    ids, rows = data(choice.rows, choice.dim)
    if choice.child:
        {"write": write_in_parts, "read": find}[choice.child[0]](
            STORES[choice.only](Path(choice.child[1])), ids, rows
        )
        return
    print(
        f"{choice.rows:,} rows of {choice.dim:,} float32, {rows.nbytes / 1e6:,.0f} MB, {choice.rounds} rounds\n"
    )
    columns = (
        "store", "what it checks", "write, rows/s", "in np.save", "MB on disk", "gather, rows/s", "in np.take",
        f"{SCATTERED:,} scattered, ms", f"after a kill in part {PARTS // 2 + 1} of {PARTS}",
    )  # fmt: skip
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), flush=True)
    for name in choice.only.split(","):
        with TemporaryDirectory(dir=choice.folder) as folder:
            measured = measure(STORES[name], Path(folder), ids, rows, choice.rounds)
        with TemporaryDirectory(dir=choice.folder) as folder:
            left = kill(name, folder, choice)
        print("| " + " | ".join([name, STORES[name].checks, *measured, left]) + " |", flush=True)


def data(count: int, dim: int) -> tuple[Rows, Rows]:
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 16), "u1"), random.random((count, dim), "f4")


class Store:
    """A way to keep rows under ids of 16 bytes; rows are asked for by id, or by number where a store knows no ids."""

    checks = "nothing"
    """What damage it notices when rows are read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, ids: Rows, rows: Rows) -> None:
        """Write all rows, to the disk."""
        for _ in self.parts(ids, rows, 1):
            pass

    def parts(self, ids: Rows, rows: Rows, count: int) -> Iterator[None]:
        """Write in so many parts, each as safe as the store makes it before the next one begins."""
        raise NotImplementedError

    def gather(self, ids: Rows, order: Rows, out: Rows) -> None:
        """Copy the rows with these numbers, whose ids are `ids`, into an array."""
        raise NotImplementedError

    def there(self, ids: Rows, out: Rows) -> Rows:
        """Copy all rows that are there, and tell which."""
        self.gather(ids, np.arange(len(ids)), out)
        return np.ones(len(ids), bool)


class _Featx(Store):
    checks = "every row returned (XXH3)"
    recipe = "0" * 32

    def parts(self, ids: Rows, rows: Rows, count: int) -> Iterator[None]:
        from featx.cache import EmbeddingCache

        for part in np.array_split(np.arange(len(rows)), count):
            EmbeddingCache(self.folder).put(self.recipe, ids[part], rows[part[0] : part[-1] + 1])
            yield

    def gather(self, ids: Rows, order: Rows, out: Rows) -> None:
        if not self.there(ids, out).all():
            raise LookupError("a row is missing")

    def there(self, ids: Rows, out: Rows) -> Rows:
        from featx.cache import EmbeddingCache

        return EmbeddingCache(self.folder).gather(self.recipe, ids, out)


class _Lance(Store):
    def parts(self, ids: Rows, rows: Rows, count: int) -> Iterator[None]:
        import lance

        for part in np.array_split(np.arange(len(rows)), count):
            table = as_table(ids[part], rows[part[0] : part[-1] + 1])
            lance.write_dataset(
                table, str(self.folder / "rows.lance"), mode="append" if part[0] else "create"
            )
            yield

    def gather(self, ids: Rows, order: Rows, out: Rows) -> None:
        import lance

        dataset = lance.dataset(str(self.folder / "rows.lance"))
        for start in range(0, len(order), 1 << 14):  # a table for all of them would take as much memory again
            table = dataset.take(order[start : start + (1 << 14)], columns=["embedding"])
            filled(table, out[start : start + (1 << 14)])

    def there(self, ids: Rows, out: Rows) -> Rows:
        import lance

        count = lance.dataset(str(self.folder / "rows.lance")).count_rows()
        self.gather(ids, np.arange(count), out)
        return np.arange(len(ids)) < count


class _Parquet(Store):
    """One file, not compressed, in groups of a thousand rows, each page with its CRC."""

    checks = "every page read (CRC-32)"

    def parts(self, ids: Rows, rows: Rows, count: int) -> Iterator[None]:
        from pyarrow import parquet

        schema = as_table(ids[:1], rows[:1]).schema
        path = self.folder / "rows.parquet"
        tuned = {"compression": "none", "use_dictionary": False, "write_statistics": False}
        with parquet.ParquetWriter(path, schema, write_page_checksum=True, **tuned) as writer:
            for part in np.array_split(np.arange(len(rows)), count):
                writer.write_table(as_table(ids[part], rows[part[0] : part[-1] + 1]), row_group_size=1000)
                yield
        sync(path)

    def gather(self, ids: Rows, order: Rows, out: Rows) -> None:
        from pyarrow import parquet

        path = self.folder / "rows.parquet"
        with parquet.ParquetFile(path, page_checksum_verification=True, memory_map=True) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
            ends = np.cumsum(sizes)
            group = np.searchsorted(ends, order, side="right")
            sorted_ = np.argsort(group, kind="stable")
            for number in np.unique(group):
                mine = sorted_[slice(*np.searchsorted(group[sorted_], [number, number + 1]))]
                rows = as_rows(file.read_row_group(number, columns=["embedding"]), out.shape[1])
                out[mine] = rows[order[mine] - (ends[number] - sizes[number])]


class _Zarr(Store):
    """Chunks of 128 rows, not compressed, each with its CRC."""

    checks = "every chunk read (CRC-32C)"

    def parts(self, ids: Rows, rows: Rows, count: int) -> Iterator[None]:
        import zarr
        from zarr.codecs import Crc32cCodec

        array = zarr.create_array(
            self.folder / "rows.zarr", shape=rows.shape, chunks=(128, rows.shape[1]), dtype="f4",
            compressors=[Crc32cCodec()],
        )  # fmt: skip
        for part in np.array_split(np.arange(len(rows)), count):
            array[part[0] : part[-1] + 1] = rows[part[0] : part[-1] + 1]
            os.sync()  # it is many files, and syncs none
            yield

    def gather(self, ids: Rows, order: Rows, out: Rows) -> None:
        import zarr

        array = zarr.open_array(self.folder / "rows.zarr", mode="r")
        for start in range(0, len(order), 1 << 14) if len(order) < array.shape[0] else ():
            some = order[start : start + (1 << 14)]
            out[start : start + len(some)] = array.oindex[some]
        if (
            len(order) == array.shape[0]
        ):  # by chunk: in the order asked for it would read most chunks many times
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            for start in range(0, len(order), 1 << 13):
                out[place[start : start + (1 << 13)]] = array[start : start + (1 << 13)]


class _Lmdb(Store):
    def parts(self, ids: Rows, rows: Rows, count: int) -> Iterator[None]:
        with self._open(map_size=3 * rows.nbytes + (1 << 24)) as store:
            for part in np.array_split(np.arange(len(rows)), count):
                with store.begin(write=True) as transaction:  # which is synced
                    for row in part:
                        transaction.put(ids[row].tobytes(), rows[row].data)
                yield

    def gather(self, ids: Rows, order: Rows, out: Rows) -> None:
        if not self.there(ids, out).all():
            raise LookupError("a row is missing")

    def there(self, ids: Rows, out: Rows) -> Rows:
        found = np.zeros(len(ids), bool)
        with self._open(readonly=True, readahead=False) as store, store.begin(buffers=True) as transaction:
            for row, key in enumerate(ids):
                value = transaction.get(key.tobytes())
                if value is not None:
                    out[row] = np.frombuffer(value, "f4")
                    found[row] = True
        return found

    def _open(self, **choices: Any) -> Any:
        import lmdb

        return lmdb.open(str(self.folder / "lmdb"), **choices)


class _Hdf5(Store):
    """One data set that grows, in chunks of 16 rows with Fletcher's checksum."""

    checks = "every chunk read (Fletcher-32)"
    filters: dict[str, Any] = {"fletcher32": True, "chunks": 16}  # noqa: RUF012 # never changed

    def parts(self, ids: Rows, rows: Rows, count: int) -> Iterator[None]:
        import h5py

        choices = dict(self.filters)
        if choices:
            choices |= {"chunks": (choices["chunks"], rows.shape[1])}
        path = self.folder / "rows.h5"
        with h5py.File(path, "w") as file:
            stored = file.create_dataset("embedding", rows.shape, "f4", **choices)
            for part in np.array_split(np.arange(len(rows)), count):
                stored[part[0] : part[-1] + 1] = rows[part[0] : part[-1] + 1]
                file.flush()
                sync(path)
                yield
        sync(path)

    def gather(self, ids: Rows, order: Rows, out: Rows) -> None:
        import h5py

        with h5py.File(self.folder / "rows.h5") as file:
            stored = file["embedding"]
            if len(order) == len(stored):  # h5py takes ascending numbers only, one by one
                place = np.empty_like(order)
                place[order] = np.arange(len(order))
                for start in range(0, len(order), 1 << 13):
                    out[place[start : start + (1 << 13)]] = stored[start : start + (1 << 13)]
                return
            ascending = np.argsort(order)
            out[ascending] = stored[order[ascending]]


class _RawHdf5(_Hdf5):
    checks = "nothing"
    filters: dict[str, Any] = {}  # noqa: RUF012 # never changed


class _Mapped(Store):
    def parts(self, ids: Rows, rows: Rows, count: int) -> Iterator[None]:
        stored = np.lib.format.open_memmap(self.folder / "rows.npy", "w+", "f4", rows.shape)
        for part in np.array_split(np.arange(len(rows)), count):
            stored[part[0] : part[-1] + 1] = rows[part[0] : part[-1] + 1]
            stored.flush()
            yield

    def gather(self, ids: Rows, order: Rows, out: Rows) -> None:
        np.take(np.load(self.folder / "rows.npy", mmap_mode="r"), order, axis=0, out=out, mode="clip")


STORES: dict[str, type[Store]] = {
    "featx": _Featx,
    "lance": _Lance,
    "parquet": _Parquet,
    "zarr": _Zarr,
    "lmdb": _Lmdb,
    "hdf5": _Hdf5,
    "hdf5-raw": _RawHdf5,
    "memmap": _Mapped,
}


def as_table(ids: Rows, rows: Rows) -> Any:
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(rows).reshape(-1))
    vectors = pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
    keys = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(ids), [None, pa.py_buffer(ids.tobytes())])
    return pa.table({"image_id": keys, "embedding": vectors})


def as_rows(table: Any, dim: int) -> Rows:
    chunks = [chunk.flatten().to_numpy().reshape(-1, dim) for chunk in table["embedding"].chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def filled(table: Any, out: Rows) -> None:
    start = 0
    for chunk in table["embedding"].chunks:
        rows = chunk.flatten().to_numpy().reshape(-1, out.shape[1])
        out[start : start + len(rows)] = rows
        start += len(rows)


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def measure(make: type[Store], folder: Path, ids: Rows, rows: Rows, rounds: int) -> list[str]:
    """Time writing and gathering, each beside NumPy; give the cells of the table."""

    def numpy_save() -> None:
        np.save(folder / "beside.npy", rows)
        sync(folder / "beside.npy")
        (folder / "beside.npy").unlink()

    def write() -> None:
        make(folder / "store").write(ids, rows)

    writes, saves = [], []
    for _ in range(rounds):
        shutil.rmtree(folder / "store", ignore_errors=True)
        (folder / "store").mkdir()
        os.sync()
        writes.append(timed(write))
        os.sync()
        saves.append(timed(numpy_save))
    size = sum(path.stat().st_blocks * 512 for path in (folder / "store").rglob("*") if path.is_file())
    random = np.random.default_rng(1)
    store, out, order = make(folder / "store"), np.zeros_like(rows), random.permutation(len(rows))
    asked, scattered = ids[order], random.permutation(len(rows))[:SCATTERED]
    few, beside = np.zeros((len(scattered), rows.shape[1]), "f4"), []
    store.gather(asked, order, out)
    if not np.array_equal(out, rows[order]):
        raise AssertionError("a row is wrong")
    gathers, takes = [], []
    for _ in range(rounds):
        takes.append(timed(lambda: np.take(rows, order, axis=0, out=out, mode="clip")))
        gathers.append(timed(lambda: store.gather(asked, order, out)))
        beside.append(timed(lambda: store.gather(ids[scattered], scattered, few)))
    if not np.array_equal(few, rows[scattered]):
        raise AssertionError("a row is wrong")
    return [
        f"{len(rows) / median(writes):,.0f}", ratio(writes, saves), f"{size / 1e6:,.0f}",
        f"{len(rows) / median(gathers):,.0f}", ratio(gathers, takes), f"{1000 * median(beside):.1f}",
    ]  # fmt: skip


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def ratio(times: list[float], others: list[float]) -> str:
    ratios = sorted(own / other for own, other in zip(times, others, strict=True))
    return f"{median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})"


def kill(name: str, folder: str, choice: argparse.Namespace) -> str:
    """Kill a writer in the middle of a part, and say in words what a reader finds."""
    count = min(choice.rows, 40_000)
    command = [
        sys.executable,
        __file__,
        "--rows",
        str(count),
        "--dim",
        str(choice.dim),
        "--only",
        name,
        "--child",
    ]
    writer = subprocess.Popen([*command, "write", folder], stdout=subprocess.PIPE)
    if writer.stdout is None:
        raise AssertionError
    times = []
    for _ in range(PARTS // 2):
        writer.stdout.readline()
        times.append(time.perf_counter())
    time.sleep(median(np.diff(times)) / 2)
    writer.send_signal(signal.SIGKILL)
    safe = PARTS // 2 + len(writer.stdout.readlines())
    writer.wait()
    reader = subprocess.run([*command, "read", folder], capture_output=True, text=True, check=False)
    if reader.returncode:
        last = (reader.stderr.strip().splitlines() or [f"ended with {reader.returncode}"])[-1]
        return f"{safe} parts written; nothing can be read: {last[:90]}"
    found = json.loads(reader.stdout)
    return (
        f"{safe / PARTS:.0%} written; {found['right'] / count:.0%} right, "
        f"{found['wrong'] / count:.0%} wrong, {found['missing'] / count:.0%} not there"
    )


def write_in_parts(store: Store, ids: Rows, rows: Rows) -> None:
    for number, _ in enumerate(store.parts(ids, rows, PARTS)):
        print(number, flush=True)


def find(store: Store, ids: Rows, rows: Rows) -> None:
    out = np.zeros_like(rows)
    there = store.there(ids, out)
    right = (out == rows).all(axis=1) & there
    with suppress(BrokenPipeError):
        counts = {"right": right.sum(), "wrong": (there & ~right).sum(), "missing": (~there).sum()}
        print(json.dumps({name: int(value) for name, value in counts.items()}))


if __name__ == "__main__":
    main()
