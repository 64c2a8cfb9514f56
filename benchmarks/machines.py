"""What it costs to have Dask's workers embed, in place of threads: two workers on this machine beside one process.

    python benchmarks/machines.py [--images 1024] [--rounds 3] [--backbone mobilenet_v2] [--depth -1]

JPEG files of 500 x 375 pixels, embedded end to end into an empty cache, with weights as far as they are at hand, and
random ones else. The exported graph is made before, and every process has run once. In each round all ways take turns:

* one process with a thread for every core;
* the same extractor under ``parallel_config(backend="dask")``;
* an `Embedder` on parts of 256 images, by Dask's ``map``, which gives image ids.

The last two ways tell what a part costs beyond its images: there are eight times as many parts of 32 as of 256. So
take a multiple of 256 for each worker. Last the peak memory of each worker.

    python benchmarks/machines.py --cold 4 [--rounds 3] [--backbone mobilenet_v2] [--depth -1]

So many processes start at once where no graph has been exported, each with a cache of its own, and embed 32 files:
once with one of them exporting and the others waiting, once with each exporting. Seconds until all have their
vectors, and seconds of the processor that all of them took.
"""

import argparse
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from distributed import Client, LocalCluster
from joblib import cpu_count, parallel_config

from featx import EmbeddingCache, FeatureExtractor
from featx.embedding import Embedder
from featx.errors import WeightsError
from featx.images import write_photographs

LARGE, SMALL = 256, 32


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--depth", type=int, default=-1)
    parser.add_argument("--cold", type=int, metavar="PROCESSES")
    choice = parser.parse_args()
    with TemporaryDirectory() as home:
        os.environ["FEATX_GRAPHS"] = f"{home}/graphs"
        paths = write_photographs(Path(home) / "photographs", choice.images)
        extractor = FeatureExtractor(
            choice.backbone, depth=choice.depth, pooling="avg", engine="openvino", verbose=0
        )
        try:
            extractor.plan()
        except WeightsError:
            extractor.set_params(weights=None)
        if choice.cold:
            cold(extractor, paths[:SMALL], choice.rounds, choice.cold, Path(home))
            return
        count = cpu_count()
        with (
            LocalCluster(
                n_workers=count, threads_per_worker=1, dashboard_address=None, local_directory=f"{home}/dask"
            ) as cluster,
            Client(cluster) as client,
        ):
            measure(extractor, paths, choice.rounds, client, count)


def measure(extractor: FeatureExtractor, paths: list[str], rounds: int, client: Client, count: int) -> None:
    caches = (EmbeddingCache(Path(os.environ["FEATX_GRAPHS"]).with_name(f"cache{n}")) for n in range(1000))

    def here() -> None:
        extractor.with_choices(cache=next(caches)).transform(paths)

    def there() -> None:
        with parallel_config(backend="dask"):
            here()

    def parts(size: int) -> None:
        embedder = Embedder(extractor.with_choices(cache=next(caches)), add="image_id")
        batches = [{"path": paths[start : start + size]} for start in range(0, len(paths), size)]
        client.gather(client.map(embedder, batches, pure=False))

    ways = {
        f"one process, {count} threads": here,
        f"{count} workers, parallel_config": there,
        f"{count} workers, Embedder, parts of {LARGE}": lambda: parts(LARGE),
        f"{count} workers, Embedder, parts of {SMALL}": lambda: parts(SMALL),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = perf_counter()
            way()
            if number:  # the first round makes networks
                times[name].append(perf_counter() - started)
    first = np.array(next(iter(times.values())))
    print("| | images/s | times the first |\n| --- | ---: | ---: |")
    for name, own in times.items():
        rates, ratios = len(paths) / np.array(own), first / np.array(own)
        print(f"| {name} | {shown(rates, 1)} | {shown(ratios, 2)} |")
    small, large = (np.array(times[name]) for name in list(times)[:1:-1])
    more = len(paths) / SMALL - len(paths) / LARGE
    print(f"\na part costs {shown(1000 * count * (small - large) / more, 0)} ms more than its images")
    peaks = client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of each worker {max(peaks.values()):.0f} MB, of this process {own:.0f} MB")


COLD = """
import pickle, sys
from featx.cache import exports
exports.PATIENCE = float(sys.argv[2])
extractor, paths = pickle.loads(bytes.fromhex(sys.argv[3]))
extractor.set_params(cache=sys.argv[1]).transform(paths)
"""


def cold(extractor: FeatureExtractor, paths: list[str], rounds: int, count: int, home: Path) -> None:
    given = pickle.dumps((extractor, paths)).hex()
    taken: dict[str, list[tuple[float, float]]] = {"one exports": [], "each exports": []}
    for number in range(rounds):
        for (name, own), patience in zip(taken.items(), ("120", "0"), strict=True):
            here = home / f"{number}{patience}"
            here.mkdir()
            os.environ["FEATX_GRAPHS"] = str(here / "graphs")
            before, started = spent(), perf_counter()
            command = [sys.executable, "-c", COLD]
            jobs = [
                subprocess.Popen([*command, str(here / str(job)), patience, given]) for job in range(count)
            ]
            if any(job.wait() for job in jobs):
                raise AssertionError(name)
            own.append((perf_counter() - started, spent() - before))
    print(f"| {count} processes | seconds until all have vectors | of the processor |\n| --- | ---: | ---: |")
    for name, own in taken.items():
        print(
            f"| {name} | "
            + " | ".join(shown(np.array(column), 1) for column in zip(*own, strict=True))
            + " |"
        )


def spent() -> float:
    """Give the seconds of the processor that processes started here, and theirs, took until they ended."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def shown(values: np.ndarray, digits: int) -> str:
    """Give the median, and least and most."""
    return f"{np.median(values):.{digits}f} ({values.min():.{digits}f}..{values.max():.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
