"""Which engine runs a plan; engines are kept as long as the process lives."""

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from featx import __version__
from featx.cache.exports import one_at_a_time, refusal
from featx.cache.identity import digest, version_of
from featx.cache.store import oddity
from featx.embedding.batches import size_of_batch
from featx.embedding.calibration import HELD_BACK, Calibration
from featx.embedding.definition import check
from featx.embedding.handover import Handover
from featx.embedding.keras_engine import BLOCK_BYTES, KerasEngine, accelerated
from featx.embedding.openvino_engine import CHUNK, OpenVINOEngine, computes_bfloat16, export
from featx.embedding.plan import Plan, Tap
from featx.embedding.worth import cosines, say_if_slower, say_what_changes, seconds
from featx.errors import EngineWarning, ExportError, InputError
from featx.files import remove
from featx.images.workers import share
from featx.networks.forks import Lock, refuse_if_forked
from featx.networks.graph import Graph

BATCH_BYTES = 1 << 30
"""How much the largest maps of a batch may take: 222 images with MobileNetV2, 83 with VGG-16, at 224 pixels."""


E = TypeVar("E")
T = TypeVar("T")


class Engine(Protocol):
    """What runs a network: `KerasEngine`, `OpenVINOEngine` or `Handover`."""

    def run(self, parts: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Embed uint8 pixels (n, h, w, 3), any n at a time, in their order: a float32 array (m, d) for every tap."""


def engine_for(
    plan: Plan,
    taps: Sequence[Tap],
    batch_size: int,
    *,
    engine: str = "auto",
    images: int = 0,
    folder: Path | None = None,
) -> Engine:
    """Give the engine that is fastest for some of a plan's taps; the same one again for the same question.

    Parameters
    ----------
    plan
        The network.
    taps
        Those of its taps that are wanted.
    batch_size
        Images in a batch on Keras, at most: no batch is larger than `images`, nor than what fits into
        `BATCH_BYTES`. OpenVINO takes its own.
    engine
        ``"keras"``, ``"openvino"``, or ``"auto"``: OpenVINO where the exported graph is at hand or another process
        exports it, otherwise Keras until an export pays (`featx.embedding.handover`), if there is no GPU. Keras, too,
        where the export fails, with one warning.
        int8 runs on OpenVINO, however many images there are.
    images
        How many images there are; 0 where that is not known.
    folder
        Where exported graphs are kept; None to keep none.

    Raises
    ------
    ExportError
        If ``"openvino"`` was asked for and cannot run this network.
    ForkedProcessError
        If this process was forked after Keras or OpenVINO was loaded.
    """
    refuse_if_forked()
    check_engine(engine, plan.precision)
    engine = "openvino" if plan.precision == "int8" else engine
    key = _key(taps)
    with _lock:
        folder = None if engine == "keras" else _trusted(folder)
        kept = folder / key if folder else None
        chunk = 1 if images == 1 else CHUNK
        place = (kept, key, chunk, share())
        if engine != "keras" and place in _exported:
            return _exported[place]
        if engine == "openvino" or (engine == "auto" and key not in _refused and _at_hand(plan, kept)):
            try:
                return _remember(_exported, place, _openvino(plan, taps, kept, chunk))
            except ExportError as error:
                if plan.beside and not plan.beside.works:
                    plan = replace(plan, beside=None)
                    return engine_for(plan, taps, batch_size, engine=engine, images=images, folder=folder)
                if engine == "openvino":
                    raise _cannot(plan, error) from error
                _refuse(plan, key, error)
        graph = plan.graph(plan.precision)
        runner = _of_fitting_size(plan, graph, taps, batch_size, images)
        if engine == "keras" or key in _refused or accelerated() or not _runs_openvino(plan):
            return runner

        def export_now() -> OpenVINOEngine:
            with _lock:
                try:
                    return _remember(_exported, place, _openvino(plan, taps, kept, chunk))
                except ExportError as error:
                    _refuse(plan, key, error)
                    raise

        return Handover(runner, images, len(graph.tensors), export_now)


def _of_fitting_size(
    plan: Plan, graph: Graph, taps: Sequence[Tap], batch_size: int, images: int
) -> KerasEngine:
    """Give the network on Keras, in batches that are no larger than the images are many, or memory is large."""
    engines, question = _engines.setdefault(graph, {}), tuple(tap.recipe_id for tap in taps)
    runner = engines.get(question) or _remember(engines, question, _keras(plan, graph, taps))
    largest = max(prod(side or 1 for side in tensor.shape) for tensor in graph.tensors)
    size = size_of_batch(batch_size, images, BATCH_BYTES // (4 * largest))
    each = prod(graph.input.shape[1:]) + 4 * sum(tap.width for tap in taps)
    return runner.of_size(size, max(2, BLOCK_BYTES // (size * each)) if accelerated() else 1)


def _cannot(plan: Plan, error: ExportError) -> ExportError:
    """Say that OpenVINO cannot run a network, and what to do."""
    how, instead = ("", "engine='keras' or 'auto'")
    if plan.precision == "int8":
        how, instead = (" at int8", "precision='float32'")
    return ExportError(f"{plan.name!r} cannot be run by OpenVINO{how} ({error}). Take {instead}.")


def _refuse(plan: Plan, key: str, error: ExportError) -> None:
    """Leave a network to Keras from now on, and say so."""
    _refused.add(key)
    warnings.warn(f"{plan.name!r} runs on Keras, not on OpenVINO: {error}", EngineWarning, stacklevel=3)


def check_engine(engine: str, precision: str) -> None:
    """Refuse an engine that has not the precision.

    Raises
    ------
    InputError
        For int8 on Keras.
    """
    if precision == "int8" and engine == "keras":
        raise InputError(
            "int8 runs on OpenVINO, not on Keras: take engine='auto', or precision='bfloat16', which runs on both."
        )


def _key(taps: Sequence[Tap]) -> str:
    """Name the exported graph that gives some taps."""
    versions = [__version__, version_of("keras")]
    return digest(json.dumps([versions, [tap.recipe_id for tap in taps]]).encode()).hex()


def _trusted(folder: Path | None) -> Path | None:
    """Give the folder of exported graphs if what lies there may be run; say once why it is not."""
    reason = refusal(folder) if folder else ""
    if not reason:
        return folder
    if folder not in _named:
        _named.add(folder)
        warnings.warn(
            f"{folder} {reason}, so no graph in it is run. Remove it, and featx makes it anew.",
            EngineWarning,
            stacklevel=3,
        )
    return None


_lock = Lock()
_engines: WeakKeyDictionary[Graph, dict[Any, KerasEngine]] = WeakKeyDictionary()
_exported: dict[Any, OpenVINOEngine] = {}
_refused: set[str] = set()
_named: set[Path | None] = set()


def _remember(engines: dict[Any, E], question: Any, engine: E) -> E:
    engines[question] = engine
    while len(engines) > 4:
        del engines[next(iter(engines))]  # the oldest
    return engine


def _keras(plan: Plan, graph: Graph, taps: Sequence[Tap], precision: str | None = None) -> KerasEngine:
    for tap in taps:
        check(graph, graph.at(tap.layer), tap.recipe, precision=precision or plan.precision, name=plan.name)
    return KerasEngine(graph, [(graph.at(tap.layer), tap.pooling) for tap in taps], batch_size=1)


def _at_hand(plan: Plan, kept: Path | None) -> bool:
    """Tell whether OpenVINO can run without Keras in this process."""
    there = kept is not None and not oddity(kept)
    return (there or bool(plan.beside and plan.beside.works)) and _runs_openvino(plan)


def _runs_openvino(plan: Plan) -> bool:
    """Tell whether OpenVINO is installed, and is no slower at this precision."""
    if find_spec("openvino") is None:
        return False
    return plan.precision != "bfloat16" or computes_bfloat16()


def _openvino(plan: Plan, taps: Sequence[Tap], kept: Path | None, chunk: int) -> OpenVINOEngine:
    """Load the exported graph, or export it first, which one process of a machine does while the others wait."""
    if engine := _loaded(plan, kept, chunk):
        return engine
    with one_at_a_time(kept) if kept else nullcontext():
        return _loaded(plan, kept, chunk) or _exported_now(plan, taps, kept, chunk)


def _loaded(plan: Plan, kept: Path | None, chunk: int) -> OpenVINOEngine | None:
    """Load the exported graph, if it is there; a damaged one is removed."""
    if kept and os.path.lexists(kept):
        try:
            return OpenVINOEngine(kept, plan.precision, chunk)
        except ExportError as error:
            if isinstance(error.__cause__, OSError):  # perhaps another user's, and sound
                raise
        remove(kept)
    return None


def _exported_now(plan: Plan, taps: Sequence[Tap], kept: Path | None, chunk: int) -> OpenVINOEngine:
    kept = None if kept and os.path.lexists(kept) else kept  # damaged, and not to be removed
    if plan.calibration:
        return _int8(plan, plan.calibration, taps, kept, chunk)
    exported = _exporting(plan, taps)

    def made(folder: Path) -> tuple[OpenVINOEngine, OpenVINOEngine]:
        float32 = exported(folder, chunk)
        own = float32 if plan.precision == "float32" else OpenVINOEngine(folder, plan.precision, chunk)
        return float32, own

    float32, engine = _placed(made, kept)
    if engine is not float32:
        _say_if_slower(plan, float32, engine)
    return engine


def _int8(
    plan: Plan, calibration: Calibration, taps: Sequence[Tap], kept: Path | None, chunk: int
) -> OpenVINOEngine:
    """Make an int8 graph of the float32 one, compare both on images held back, and say what it costs."""
    plain = plan.at_float32(taps)
    float32 = _openvino(plain, plain.taps, kept and kept.with_name(_key(plain.taps)), chunk)
    pixels = calibration.pixels(plan.input_size, taps[0].recipe["resize"])
    held = np.arange(len(pixels)) % HELD_BACK == HELD_BACK - 1
    used, held = (pixels[~held], pixels[held]) if held.any() else (pixels, pixels)

    def made(folder: Path) -> OpenVINOEngine:
        float32.write_int8(used, folder)
        return OpenVINOEngine(folder, "int8", chunk)

    engine = _placed(made, kept)
    say_what_changes(plan.name, "int8", [tap.layer for tap in taps], cosines(float32, engine, held))
    _say_if_slower(plan, float32, engine)
    return engine


def _say_if_slower(plan: Plan, float32: OpenVINOEngine, engine: OpenVINOEngine) -> None:
    say_if_slower(plan.name, plan.precision, *seconds([float32, engine], plan.input_size))


def _placed(made: Callable[[Path], T], kept: Path | None) -> T:
    """Make something of a graph where that is kept, or else where it is not."""
    with suppress(OSError):  # a cache that cannot be written is no reason to be slow
        if kept:
            return made(kept)
    try:
        with tempfile.TemporaryDirectory(prefix="featx-", ignore_cleanup_errors=True) as passing:
            return made(Path(passing) / "graph")
    except OSError as error:
        raise ExportError(f"its graph cannot be written ({error.strerror or error})") from error


def _exporting(plan: Plan, taps: Sequence[Tap]) -> Callable[[Path, int], OpenVINOEngine]:
    """Give what exports the graph: the process beside this one where there is one, else Keras in this one."""
    if plan.beside and plan.beside.works:
        return partial(plan.beside.export, [tap.recipe_id for tap in taps])
    model = _keras(plan, plan.graph("float32"), taps, precision="float32").model
    return partial(export, model)
