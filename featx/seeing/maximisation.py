"""The image that a channel answers most to, found by going up from noise."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np
from PIL import Image

from featx.embedding.composition import as_extractor
from featx.embedding.progress import bar
from featx.errors import InputError
from featx.networks.graph import Graph, Tensor
from featx.seeing.gradient import Ascent, unit
from featx.seeing.pictures import grid
from featx.seeing.view import check_channels, check_counts, place_of, view

GREY = 117.0
"""What ImageNet's pixels are on average, about."""
CONTRAST = 30.0
"""Deviation of the noises, of 255."""
WIDTHS = (0, 0, 1, 1, 2, 2, 4, 8)
"""How smooth the noises are, in pixels, of which the one that a channel answers most to starts the ascent."""
RATE = 6.0
"""How much a step changes the image at first: the root mean square of its change, of 255. At last it is a quarter."""


@dataclass(frozen=True)
class Maximised:
    """Images that channels answer to."""

    backbone: str
    depth: int | str
    """A stage number or a layer's name."""
    channels: tuple[int, ...]
    images: np.ndarray = field(repr=False)
    """(n, h, w, 3) uint8: one for each channel, of the network's input size."""
    responses: np.ndarray
    """(n,) float: each channel's mean over space on its image."""
    noise: np.ndarray
    """(n,) float: the mean of the same on the noises that the ascent could start from."""

    def picture(self) -> Image.Image:
        """Draw the images side by side, each with the number of its channel."""
        side = max(160, self.images.shape[1])
        tiles = [
            Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in self.images
        ]
        return grid(tiles, [f"channel {channel}" for channel in self.channels], columns=min(4, len(tiles)))


def maximise(
    extractor: Any = "featx-mini",
    channels: int | Sequence[int] = 0,
    *,
    depth: int | str = -1,
    steps: int = 64,
    jitter: float = 0.04,
    blur: float = 1.0,
    random_state: int = 0,
) -> Maximised:
    """Find an image that makes a channel answer as much as possible (activation maximisation).

    From noise the image follows the gradient of the channel's mean over space. Left to that, it would fill with
    patterns of single pixels that say nothing; so in each step it is moved by some pixels at random, and it is blurred
    now and then, which leaves what the channel answers to at any place and scale.

    Parameters
    ----------
    extractor
        A `FeatureExtractor`, or a backbone: its name, its ``.keras`` file or a Keras model.
    channels
        Number of a channel, from 0, or several.
    depth
        A stage number or a layer's name, in place of the extractor's own depth.
    steps
        How often the image is changed.
    jitter
        How far it is moved at most, as a share of its side.
    blur
        Standard deviation of the blur, in pixels of 224 to a side; it becomes less until the end. 0: none.
    random_state
        Fixes the noise and the movements.

    Returns
    -------
    Maximised

    Raises
    ------
    InputError
        If there is no such channel, or it answers to none of the noises, so that no way leads up from there.

    References
    ----------
    Erhan, Bengio, Courville & Vincent, *Visualizing Higher-Layer Features of a Deep Network*, technical report 1341,
    University of Montreal 2009. The movement is that of Olah, Mordvintsev & Schubert, *Feature Visualization*,
    Distill 2017; the blur that of Yosinski et al., *Understanding Neural Networks Through Deep Visualization*, 2015.

    Examples
    --------
    >>> found = maximise("featx-mini", [3, 5], depth=2, steps=16)
    >>> found.images.shape, bool((found.responses > found.noise).all())
    ((2, 96, 96, 3), True)
    """
    from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped] # SciPy has no types

    check_counts(steps=(steps, 1))
    if not 0 <= jitter < 1:
        raise InputError(f"jitter={jitter!r}: give a share of the side, 0 or more and below 1.")
    if not 0 <= blur < np.inf:
        raise InputError(f"blur={blur!r}: give a number of pixels, 0 or more.")
    seen = view(as_extractor(extractor, depth=depth, pooling="avg"))
    (tensor,) = seen.tensors
    listed = check_channels(channels, seen)
    wanted = np.eye(tensor.shape[-1], dtype=np.float32)[listed]
    ascent = Ascent(seen.graph, tensor, len(listed))
    before = cache(partial(_before, seen.graph, tensor, len(listed)))

    def climb(images: np.ndarray) -> np.ndarray:
        change = ascent.gradient(images, wanted)
        silent = ~change.any(axis=(1, 2, 3))
        if silent.any() and (below := before()):
            change[silent] = below.gradient(images, wanted)[silent]
        return unit(change)

    random = np.random.default_rng(random_state)
    images, noise = _start(ascent, wanted, seen.size, random)
    if not (leads := climb(images).any(axis=(1, 2, 3))).all():
        raise InputError(
            f"Channel {listed[int(leads.argmin())]} of {place_of(seen.taps[0].depth)} answers to no noise, so no way "
            "leads up from there. Choose another channel, or another seed."
        )
    side = max(seen.size)
    reach = round(jitter * side)
    with bar(steps, "step", "channels", seen.extractor.verbose) as done:
        for step in range(steps):
            left = 1 - step / steps
            moved = random.integers(-reach, reach + 1, 2)
            change = climb(np.roll(images, moved, (1, 2)))
            images = images + np.roll(change, -moved, (1, 2)) * RATE * (0.25 + 0.75 * left)
            if blur and step % 4 == 3 and left > 0.1:  # the last steps sharpen
                width = blur * left * side / 224
                images = gaussian_filter(images, (0, width, width, 0))
            images = np.clip(images, 0, 255).astype(np.float32)
            done.update()
    images = np.round(images)
    return Maximised(
        seen.name,
        seen.taps[0].depth,
        tuple(listed),
        images.astype(np.uint8),
        ascent.responses(images, wanted),
        noise,
    )


def _start(
    ascent: Ascent, wanted: np.ndarray, size: tuple[int, int], random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Give for each channel the noise that it answers most to, and its mean answer to all of them."""
    from scipy.ndimage import gaussian_filter

    tries, answers = [], []
    for width in WIDTHS:
        noise = gaussian_filter(
            random.normal(size=(1, *size, 3)), (0, width, width, 0)
        )  # one for all channels
        tries.append(np.clip(GREY + CONTRAST * unit(noise), 0, 255).astype(np.float32))
        answers.append(ascent.responses(np.repeat(tries[-1], len(wanted), axis=0), wanted))
    return np.concatenate(tries)[np.argmax(answers, axis=0)], np.mean(answers, axis=0)


def _before(graph: Graph, tensor: Tensor, count: int) -> Ascent | None:
    """Give the way up before an activation, which is flat where nothing answers; None where it is no activation."""
    from featx.networks.quiet_keras import layers

    if not isinstance(tensor.layer, layers.ReLU | layers.Activation):
        return None
    (source,) = tensor.sources
    return Ascent(graph, graph.tensors[source], count, peak=True)  # one place that answers is enough
