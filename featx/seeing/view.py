"""A network opened for looking: its places, the pixels that it is shown, and its maps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from featx.embedding.extractor import FeatureExtractor
from featx.embedding.keras_engine import PREDICTING
from featx.embedding.plan import Tap
from featx.errors import ImageError, InputError
from featx.images.loading import bad_image, in_parts, load
from featx.images.sources import as_sources
from featx.networks.forks import refuse_if_forked
from featx.networks.graph import Graph, Tensor
from featx.text import quoted


@dataclass(frozen=True)
class View:
    """A backbone and some of its depths."""

    name: str
    """The backbone's."""
    taps: Sequence[Tap]
    graph: Graph = field(repr=False)
    tensors: Sequence[Tensor] = field(repr=False)
    """One for each tap."""
    extractor: FeatureExtractor = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        height, width = self.graph.input.shape[1:3]
        return int(height), int(width)

    def shown(self, images: Any) -> Iterator[np.ndarray]:
        """Bring images to the network's size as the extractor does: one array (h, w, 3), uint8, for each.

        Raises
        ------
        ImageError
            If some cannot be read; names all of them.
        """
        how = self.extractor
        sources = as_sources(images, image_shape=how.image_shape, value_range=how.value_range)
        row, bad = 0, []
        for pixels, reasons in load(in_parts(sources), self.size, how.resize, n_jobs=how.n_jobs):
            bad += [bad_image(row + place, sources[row + place], why) for place, why in reasons.items()]
            if not bad:
                yield from pixels
            row += len(pixels)
        if bad:
            raise ImageError(bad)

    def maps(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Give what each tap's layer answers to one image (h, w, 3): (h, w, c) of maps, (d,) of a vector; float32."""
        refuse_if_forked()
        with PREDICTING:
            answers = self.graph.cut(self.tensors)(pixels[None])
        listed = answers if isinstance(answers, list | tuple) else [answers]
        from featx.networks.quiet_keras import ops

        return [np.asarray(ops.convert_to_numpy(ops.cast(one, "float32")))[0] for one in listed]


def view(extractor: FeatureExtractor) -> View:
    """Open what an extractor names.

    Raises
    ------
    InputError, WeightsError
        If a choice cannot be carried out.
    """
    plan = extractor.plan()
    graph = plan.graph(plan.precision)
    return View(plan.name, plan.taps, graph, [graph.at(tap.layer) for tap in plan.taps], extractor)


def place_of(depth: int | str) -> str:
    """Name a depth for people: ``stage 3``, or ``layer 'top'``."""
    return f"stage {depth}" if isinstance(depth, int) else f"layer {depth!r}"


def check_counts(**counts: tuple[Any, int]) -> None:
    """Refuse what is not a whole number, or below the least one given beside it."""
    for name, (given, least) in counts.items():
        whole = isinstance(given, int | np.integer) and not isinstance(given, bool)
        if not whole or given < least:
            raise InputError(f"{name}={quoted(given)}: give a whole number, {least} or more.")


def check_channels(given: Any, seen: View) -> list[int]:
    """Check the number of a channel, or several, of a view's one depth; list them."""
    count, place = seen.tensors[0].shape[-1], place_of(seen.taps[0].depth)
    several = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str)
    listed = list(given) if several else [given]
    for one in listed:
        whole = isinstance(one, int | np.integer) and not isinstance(one, bool)
        if not whole or not 0 <= one < count:
            raise InputError(f"Channel {one!r}: {place} has {count} channels; give 0..{count - 1}.")
    if not listed:
        raise InputError(f"No channel was named: {place} has {count}; give one or several of 0..{count - 1}.")
    return list(map(int, listed))
