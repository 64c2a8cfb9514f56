"""What the strategies that train no network read: which depths by which name, and their vectors from one pass."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featx.embedding.extractor import FeatureExtractor
from featx.embedding.pixels import PixelExtractor
from featx.embedding.plan import Tap
from featx.errors import InputError

PIXELS = "pixels"


def taps_by_name(extractor: FeatureExtractor) -> Mapping[str, Sequence[Tap]]:
    """Tell which taps of a backbone the strategies take, by the strategies' names.

    Parameters
    ----------
    extractor
        Says which backbone, how it is pooled, and for ``default`` its depth.

    Returns
    -------
    dict
        ``default``, ``start`` (all stages but the last), ``end`` (the last), ``all-depths``, then every single stage,
        ``stage-2``, and every run of neighbours, ``stages-2-4``. With the default pooling each of these also with the
        four quarters of its maps, ``stages-2-4-grid2``: where something is counts, too. All depths are the
        stages, the layers that the backbone's default depth has beside them, such as the patches of ``featx-mini``, and
        the quarters.

    Raises
    ------
    InputError
        If the extractor has a pooling for each of its own depths.

    Examples
    --------
    >>> found = taps_by_name(FeatureExtractor(pooling="avg"))
    >>> list(found)[:6], [tap.depth for tap in found["stages-2-4"]]
    (['default', 'start', 'end', 'all-depths', 'stage-1', 'stages-1-2'], [2, 3, 4])
    """
    if not isinstance(extractor.pooling, str):
        raise InputError(
            f"pooling={extractor.pooling!r}: the strategies choose depths of their own, so give one pooling for all of "
            "them, or 'default'."
        )

    def taps(depth: Any, pooling: Any = extractor.pooling) -> Sequence[Tap]:
        return extractor.with_choices(depth=depth, pooling=pooling).plan().taps

    stages = taps(list(extractor.stages()))
    layers = [tap for tap in taps("default") if isinstance(tap.depth, str)]
    quarters: dict[int | str, Tap] = {}
    if extractor.pooling == "default":
        quarters = {
            tap.depth: tap
            for tap in taps([one.depth for one in stages if "grid2" not in one.pooling], "grid2")
        }
    found = {
        "default": extractor.plan().taps,
        "start": stages[:-1] or stages,
        "end": stages[-1:],
        "all-depths": [*layers, *stages, *quarters.values()],
    }
    for first in range(len(stages)):
        for last in range(first, len(stages)):
            name = f"stage-{first + 1}" if first == last else f"stages-{first + 1}-{last + 1}"
            found[name] = run = stages[first : last + 1]
            if extractor.pooling == "default":  # which has quarters of its own at some depths
                beside = [quarters[tap.depth] for tap in run if tap.depth in quarters]
                found[f"{name}-grid2"] = [*run, *beside]
    return found


def reading(extractor: FeatureExtractor, name: str) -> FeatureExtractor | PixelExtractor:
    """Give the extractor of a strategy that trains no network.

    Parameters
    ----------
    extractor
        Says which backbone, and how images are read.
    name
        ``pixels``, or a name of `taps_by_name`.
    """
    if name == PIXELS:
        shared = ("resize", "image_shape", "value_range", "n_jobs", "on_error")
        return PixelExtractor(**{choice: getattr(extractor, choice) for choice in shared})
    if name == "default":
        return extractor
    named = taps_by_name(extractor)
    if name not in named:
        last = len(extractor.stages())
        raise InputError(
            f"strategy={name!r}: this backbone has the stages 1 to {last}. Name some of these, in order."
        )
    return at(extractor, named[name])


def at(extractor: FeatureExtractor, taps: Iterable[Tap]) -> FeatureExtractor:
    """Give an extractor at some depths, each with its pooling."""
    taps = list(taps)
    return extractor.with_choices(depth=[tap.depth for tap in taps], pooling=[tap.pooling for tap in taps])


def choices_among(keys: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Give the strategies that are compared, each with its blocks; of those that take the same the first.

    What makes ``all-depths`` more than all stages and quarters is the selection, which takes long.
    """
    found: dict[tuple[Any, ...], str] = {}
    for name, own in keys.items():
        if name != "all-depths":
            found.setdefault(tuple(sorted(map(str, own))), name)
    return {name: keys[name] for name in found.values()}


class Blocks(NamedTuple):
    """What a blend of strategies reads: blocks of columns, and which of them each strategy takes."""

    extractor: FeatureExtractor
    """Gives the blocks, side by side."""
    keys: Sequence[Any]
    """Their names, in order."""
    widths: list[int]
    """How many columns each has."""
    choices: list[list[int]]
    """For each strategy the numbers of its blocks."""


def blocks_of(extractor: FeatureExtractor, names: Sequence[str] | None = None) -> Blocks:
    """Tell what a blend reads.

    Parameters
    ----------
    extractor
        Says which backbone, and everything else but the depth.
    names
        Strategies of `taps_by_name`; None: all that are compared.

    Examples
    --------
    >>> found = blocks_of(FeatureExtractor(pooling="avg"), ["stage-2", "stages-2-3"])
    >>> found.extractor.depth, found.widths, found.choices
    ([2, 3], [64, 128], [[0], [0, 1]])
    """
    named = taps_by_name(extractor)
    if names is None:
        names = list(choices_among({name: [_key(tap) for tap in taps] for name, taps in named.items()}))
    taps = {_key(tap): tap for name in names for tap in named[name]}
    place = {key: number for number, key in enumerate(taps)}
    choices = [[place[_key(tap)] for tap in named[name]] for name in names]
    return Blocks(at(extractor, taps.values()), list(taps), [tap.width for tap in taps.values()], choices)


class Frozen:
    """What every strategy that trains no network takes of some images, from one pass over them.

    Parameters
    ----------
    extractor
        Says which backbone, and everything else but the depth.
    X
        Images.
    """

    def __init__(self, extractor: FeatureExtractor, X: Any) -> None:
        self.extractor = extractor
        named = taps_by_name(extractor)
        every = {_key(tap): tap for taps in named.values() for tap in taps}
        embeddings = at(extractor, every.values()).fit(X).transform(X)
        edges = np.cumsum([0, *(len(tap.columns) for tap in every.values())])
        self.blocks: dict[Any, NDArray[np.float32]] = {
            key: embeddings[:, start:stop]
            for key, start, stop in zip(every, edges[:-1], edges[1:], strict=True)
        }
        """The columns of each tap, and of the pixels."""
        self.blocks[PIXELS] = reading(extractor, PIXELS).fit(X).transform(X)
        self.keys: dict[str, list[Any]] = {
            **{name: [_key(tap) for tap in taps] for name, taps in named.items()},
            PIXELS: [PIXELS],
        }
        """For each strategy by name which blocks it takes, in their order."""

    @property
    def candidates(self) -> dict[str, Sequence[Any]]:
        """What `auto` compares, each with its blocks."""
        return choices_among(self.keys)

    @property
    def width(self) -> int:
        """How many columns all depths have together."""
        return sum(block.shape[1] for key, block in self.blocks.items() if key != PIXELS)

    def columns(self, keys: Iterable[Any]) -> NDArray[np.float32]:
        """Give some blocks side by side, (n, d)."""
        return np.concatenate([self.blocks[key] for key in keys], axis=1)


def _key(tap: Tap) -> tuple[Any, str]:
    return tap.layer, tap.pooling
