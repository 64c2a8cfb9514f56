"""What a precision is worth here: how far its vectors are from float32, and whether it is faster on this machine."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from featx.errors import EngineWarning

ENOUGH = 0.95
"""Mean cosine to float32 below which featx says that a precision changes much. Of four ways to calibrate MobileNetV2
those at 0.99 and 0.98 lost 0.1 points of accuracy, one at 0.91 1.3 points and one at 0.62 3.5."""
_SLOWER, _MATTERS = 1.1, 0.0005
"""Times as long as float32, and seconds longer for an image; below that it is noise, or nobody would notice."""
_USUAL, _ERROR = 1.8, 1.2
"""Times as fast as float32 int8 is where most of the work is in convolutions; and by how much a measurement as short as
`seconds` may err, as often as not beside other work."""
_IMAGES, _ROUNDS, _SECONDS = 4, 3, 0.5


class _Runs(Protocol):
    def run(self, parts: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]: ...


def cosines(float32: _Runs, other: _Runs, pixels: np.ndarray) -> list[float]:
    """Compare two engines on the same images.

    Parameters
    ----------
    float32, other
        They give vectors of the same taps.
    pixels
        Of shape (n, h, w, 3), uint8.

    Returns
    -------
    list of float
        For each tap the mean over images of the cosine between both vectors; 1 where both are 0.
    """
    pairs = zip(_vectors(float32, pixels), _vectors(other, pixels), strict=True)
    return [float(np.mean([_cosine(*rows) for rows in zip(*pair, strict=True)])) for pair in pairs]


def say_what_changes(name: str, precision: str, layers: Sequence[str], found: Sequence[float]) -> None:
    """Warn where vectors are far from those of float32.

    Parameters
    ----------
    name
        Of the network.
    precision
        Of the vectors.
    layers
        Where it is cut.
    found
        What `cosines` gave, for each of them.

    Warns
    -----
    EngineWarning
        If a cosine is below `ENOUGH`; names the worst.
    """
    worst = int(np.argmin(found))
    if not found[worst] >= ENOUGH:
        warnings.warn(
            f"{name!r} changes much at {precision}: at {layers[worst]!r} the mean cosine to float32 is "
            f"{found[worst]:.3f}, where {ENOUGH} or more is usual. Compare accuracies, calibrate on images like yours "
            "(calibration=), or take precision='float32'.",
            EngineWarning,
            stacklevel=2,
        )


def seconds(engines: Sequence[_Runs], size: tuple[int, int]) -> list[float]:
    """Time engines on a few images, in turns: the shortest time of each for one image of `size`, in seconds."""
    pixels = np.random.default_rng(0).integers(0, 256, (_IMAGES, *size, 3), np.uint8)
    times: list[list[float]] = [[] for _ in engines]
    begun = perf_counter()
    while not times[0] or (len(times[0]) < _ROUNDS and perf_counter() - begun < _SECONDS):
        for engine, own in zip(engines, times, strict=True):
            started = perf_counter()
            _vectors(engine, pixels)
            own.append((perf_counter() - started) / _IMAGES)
    return [min(own) for own in times]


def say_if_slower(name: str, precision: str, float32: float, other: float) -> None:
    """Warn where a precision takes longer than float32, or int8 hardly less.

    Parameters
    ----------
    name
        Of the network.
    precision
        The other one.
    float32, other
        What `seconds` gave for each.

    Warns
    -----
    EngineWarning
        If it is slower, or at int8 not as much faster as usual, by more than such a short measurement may err.
    """
    slower = other > max(_SLOWER * float32, float32 + _MATTERS)
    little = other > max(_ERROR * float32 / _USUAL, float32 / _USUAL + _MATTERS)
    times = f"on this machine: {1000 * other:.1f} ms an image, against {1000 * float32:.1f}"
    if slower:
        said = f"is slower at {precision} than at float32 {times}."
    elif precision == "int8" and little:
        said = f"gains little at int8 {times} at float32, where {_USUAL} times as fast is usual."
    else:
        return
    warnings.warn(
        f"{name!r} {said} Take precision='float32', unless vectors of {precision} are needed.",
        EngineWarning,
        stacklevel=2,
    )


def _vectors(engine: _Runs, pixels: np.ndarray) -> list[np.ndarray]:
    return [np.concatenate(parts) for parts in zip(*engine.run([pixels]), strict=True)]


def _cosine(one: np.ndarray, other: np.ndarray) -> Any:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return one @ other / lengths if lengths else float(not one.any() and not other.any())
