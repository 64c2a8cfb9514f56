"""How fast networks are on this machine: image by image, in batches, from files on disk, and cut at each stage."""

import os
import platform
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from featx.cache.embedding_cache import EmbeddingCache
from featx.embedding.engines import engine_for
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.keras_engine import ENGINES, device
from featx.embedding.plan import PRECISIONS, Choices, resolve
from featx.errors import EngineWarning, FeatxError, UnknownNameError
from featx.images.datasets import write_photographs
from featx.networks.backbone import Backbone
from featx.networks.file_kinds import is_file
from featx.networks.network import Size

SMALL = ("featx-mini", "mobilenet_v3_small", "mobilenet_v2", "efficientnet_b0", "resnet50")
"""The networks that are measured unless others are asked for."""
ALL_ENGINES = tuple(name for name in ENGINES if name != "auto")
BATCH = 32
ROUNDS = 3
ANSWERS = 15
FILES = 512
"""The most files read in one go."""


@dataclass(frozen=True)
class Speed:
    """How fast one engine runs one network, whole, with its last maps averaged."""

    backbone: str
    engine: str
    precision: str = "float32"
    single_ms: float | None = None
    """Milliseconds for one image at a time, decoded: the network's own."""
    answer_ms: float | None = None
    """Milliseconds until the vector of one new JPEG file of 500 x 375 pixels is there, and kept in a cache."""
    batch_ms: float | None = None
    """Milliseconds per image in batches of 32."""
    files_per_s: float | None = None
    """Images per second from JPEG files of 500 x 375 pixels on disk, none of them cached."""
    problem: str | None = None
    """Why it could not be measured."""


def bench(
    rows: Iterable[Backbone],
    *,
    engines: Sequence[str] = ALL_ENGINES,
    precision: str = "float32",
    seconds: float = 1.0,
) -> Iterator[Speed]:
    """Measure networks of the catalogue on every engine that has the precision, one after the other.

    Their weights are random: speed does not depend on them, and nothing need be downloaded.

    Parameters
    ----------
    rows
        The networks.
    engines
        Names of `featx.embedding.keras_engine.ENGINES`.
    precision
        A name in `featx.embedding.plan.PRECISIONS`, or ``"all"``.
    seconds
        About how long each figure is measured for: the median of three rounds, after one that is not counted.

    Yields
    ------
    Speed
        As soon as it is measured.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    """
    _check(engines)
    with TemporaryDirectory() as folder:
        files = write_photographs(Path(folder) / "photographs", FILES)
        for row in rows:
            for engine, each in combinations(engines, precision):
                try:
                    choices = Choices(row.name, depth=-1, pooling="avg", weights=None, precision=each)
                    with warnings.catch_warnings():  # what int8 makes of random weights tells nothing
                        warnings.filterwarnings("ignore", ".* changes much at int8", EngineWarning)
                        measured = _speed(choices, engine, files, seconds, folder=Path(folder))
                    yield measured
                except (FeatxError, ImportError) as error:
                    yield Speed(row.name, engine, each, problem=str(error))


def combinations(engines: Sequence[str], precision: str) -> Iterator[tuple[str, str]]:
    """Give each engine with each precision that is to be measured; of ``"all"`` those that the engine has."""
    for engine in engines:
        for each in PRECISIONS if precision == "all" else (precision,):
            if precision != "all" or (engine, each) != ("keras", "int8"):
                yield engine, each


def stage_ms(
    backbone: Any,
    stages: Sequence[int],
    *,
    input_size: Size | None = None,
    engine: str = "auto",
    seconds: float = 1.0,
    done: Callable[[], object] = lambda: None,
) -> dict[int, float]:
    """Measure a network cut at each of its stages.

    Parameters
    ----------
    backbone
        A name of the catalogue, whose weights are random here, a Keras model, or the path of its file.
    stages
        Their numbers.
    input_size
        Of the images in pixels; None for the backbone's own.
    engine
        A name in `featx.embedding.keras_engine.ENGINES`.
    seconds
        About how long each figure is measured for.
    done
        Called when a stage is ready to be measured; that takes longer than to measure it.

    Returns
    -------
    dict of int to float
        Milliseconds per image in batches of 32, for each stage.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    """
    _check([engine])
    named = isinstance(backbone, str) and not is_file(backbone)
    choices = Choices(
        backbone,
        depth=list(stages),
        pooling="avg",
        weights=None if named else "auto",
        scaling="auto" if named else "none",
        input_size=input_size,
    )
    works = []
    with TemporaryDirectory() as folder:
        plan = resolve(choices, Path.read_bytes)
        for tap in plan.taps:
            runner = engine_for(plan, [tap], BATCH, engine=engine, folder=Path(folder))
            works.append(_forward(runner, plan.input_size, BATCH))
            works[-1](1)  # compiles
            done()
        times = _seconds(works, seconds)
    return {stage: 1000 * time / BATCH for stage, time in zip(stages, times, strict=True)}


def machine() -> dict[str, Any]:
    """Say which machine this is, and what on it decides about speed."""
    import joblib

    from featx.networks.quiet_keras import keras

    names = ("featx", "keras", "tensorflow", "jax", "torch", "openvino", "numpy", "pillow")
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        "processor": _processor(),
        "cores": joblib.cpu_count(),
        "device": device(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "keras_backend": keras.config.backend(),
        "versions": {name: found for name in names if (found := _version(name))},
        "threads": {name: os.environ[name] for name in threads if name in os.environ},
    }


def _check(engines: Iterable[str]) -> None:
    for engine in engines:
        if engine not in ENGINES:
            raise UnknownNameError("engine", engine, ENGINES)


def _speed(choices: Choices, engine: str, files: Sequence[str], seconds: float, *, folder: Path) -> Speed:
    plan = resolve(choices, Path.read_bytes)
    times = []
    for size in (1, BATCH):
        runner = engine_for(
            plan,
            plan.taps,
            size,
            engine=engine,
            images=1 if size == 1 else FILES,
            folder=folder / engine / "engines",
        )
        times += _seconds([_forward(runner, plan.input_size, size)], seconds)
    single, batch = times
    count = min(FILES, BATCH * max(2, ceil(seconds / ROUNDS / batch)))
    cache = EmbeddingCache(folder / engine)
    extractor = FeatureExtractor(**vars(choices), engine=engine, cache=cache)
    extractor.transform(files[:1])  # resolves the recipe, builds the engine
    answers = [_timed(partial(_answer, extractor, file), 1) for file in files[1 : 1 + ANSWERS]]

    times = []
    for _ in range(ROUNDS if batch < seconds else 1):
        for tap in plan.taps:
            cache.delete(tap.recipe_id)
        for file in files:
            os.utime(file)  # changed, as far as the cache can tell: it is read and named again
        times.append(_timed(lambda _: extractor.transform(files[:count]), 1))
    return Speed(
        plan.name,
        engine,
        choices.precision,
        1000 * single,
        1000 * median(answers),
        1000 * batch / BATCH,
        count / median(times),
    )


def _answer(extractor: FeatureExtractor, file: str, _: int) -> None:
    extractor.transform([file])


def _forward(runner: Any, size: Size, batch_size: int) -> Callable[[int], object]:
    """Give what runs so many batches."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch_size, *size, 3), np.uint8)

    def work(count: int) -> None:
        if batch_size == 1:  # one after the other, as a service gets them
            for _ in range(count):
                next(iter(runner.run([pixels])))
        else:
            for _ in runner.run(pixels for _ in range(count)):
                pass

    return work


def _seconds(works: Sequence[Callable[[int], object]], seconds: float) -> list[float]:
    """Time one unit of each work: medians of rounds that take turns; what is slow is timed once."""
    rounds: list[list[float]] = []
    counts: list[int] = []
    for work in works:
        work(1)  # compiles
        rounds.append([_timed(work, 2)])  # two, since an engine may run two at a time
        counts.append(ceil(seconds / ROUNDS / rounds[-1][0]))
    for _ in range(ROUNDS):
        for work, count, times in zip(works, counts, rounds, strict=True):
            if times[0] < seconds:
                times.append(_timed(work, max(2, count)))
    return [median(times[1:] or times) for times in rounds]


def _timed(work: Callable[[int], object], count: int) -> float:
    """Give the seconds for one unit of a work."""
    started = perf_counter()
    work(count)
    return (perf_counter() - started) / count


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
