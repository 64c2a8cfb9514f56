"""Which pixels spoke for an answer: the exact class activation of a linear head on pooled maps."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from featx.embedding.linear import Head, head_of
from featx.embedding.plan import Tap
from featx.embedding.views import WHOLE, Views
from featx.errors import InputError
from featx.networks.pooling import columns, grid2_cells, parts, pool
from featx.seeing.pictures import grid, headed, overlaid
from featx.seeing.view import place_of, view
from featx.text import quoted, shown

SIDE = 320
"""Longer side of a drawn image in pixels."""


@dataclass(frozen=True)
class ClassActivation:
    """What each pixel of an image gave to the score of an answer."""

    answer: Any
    """A class; for labels and numbers the number of the column, None where there is one only."""
    against: Any
    """The class whose score was taken from it, or None."""
    score: float
    """What the head gives: the sum of `heat`, and `constant`."""
    constant: float
    """The score of an embedding of zeros, which no pixel has given."""
    heat: np.ndarray = field(repr=False)
    """(h, w) float64: each pixel's part of the score, over all depths. Positive ones spoke for the answer."""
    parts: tuple[np.ndarray, ...] = field(repr=False)
    """For each depth (h, w) float64: the same for the places of its maps, before it is spread over pixels."""
    pixels: np.ndarray = field(repr=False)
    """(h, w, 3) uint8: the image as the network sees it."""

    @property
    def sentence(self) -> str:
        """What the score is made of, such as ``score of bees: 1.591 = -1.772 constant +3.363 of the pixels``."""
        what = "score" if self.answer is None else f"score of {shown(str(self.answer))}"
        if self.against is not None:
            what += f" less that of {shown(str(self.against))}"
        given = self.heat.sum()
        return f"{what}: {self.score:.3f} = {self.constant:.3f} constant {given:+.3f} of the pixels"

    def picture(self) -> Image.Image:
        """Draw the image beside itself in grey, orange where it spoke for the answer and violet where against it."""
        height, width = self.pixels.shape[:2]
        scale = SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        drawn = [
            Image.fromarray(one).resize(size, Image.Resampling.BICUBIC)
            for one in (self.pixels, overlaid(self.pixels, self.heat))
        ]
        spoke, against = self.heat[self.heat > 0].sum(), self.heat[self.heat < 0].sum()
        key = f"orange spoke for it ({spoke:+.3f}), violet against it ({against:+.3f})"
        return headed(grid(drawn, columns=2), [self.sentence, key])


def class_activation(
    model: Any, images: Any, answer: Any = None, *, against: Any = None
) -> list[ClassActivation]:
    """Tell which pixels spoke for an answer of a fitted pipeline.

    Exact where every depth is pooled by ``avg``, ``grid2`` or ``none`` and all that follows is linear: then the score
    is a sum over the places of the maps, at each depth by itself, and nothing has to be estimated. Each place's part is
    spread over the pixels that it stands for, which leaves the sum as it is.

    Parameters
    ----------
    model
        A fitted pipeline of a `FeatureExtractor`, any scalers, selectors or rotations, and a linear head, such as
        ``logistic``, ``ridge-classifier`` or ``ridge``; a search, `TransferClassifier` or `TransferRegressor` that
        holds one; or a `FineTuner`.
    images
        Images, in any form that `FeatureExtractor.transform` takes.
    answer
        A class; for several labels or several numbers the number of the column. None: the class that the pipeline
        answers, for each image.
    against
        Another class: which pixels spoke for `answer` rather than for it.

    Returns
    -------
    list of ClassActivation
        One for each image.

    Raises
    ------
    ImageError
        If images cannot be read.
    InputError
        If a pooling or what follows it is not linear, or there is no such answer, or none was named among several.

    Notes
    -----
    A place of a map depends on more pixels than it stands for, so what is at the border of the heat may have spoken
    through its neighbours; the deeper, the more.

    References
    ----------
    Zhou, Khosla, Lapedriza, Oliva & Torralba, *Learning Deep Features for Discriminative Localization*, CVPR 2016,
    for the last maps of a network; here it is the same sum at any depth, and over several.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from featx import FeatureExtractor, make_head
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=30, classes=3, size=48, random_state=0)
    >>> extractor = FeatureExtractor("featx-mini", depth=[3, 4], pooling="avg", cache=None)
    >>> pipe = make_pipeline(extractor, make_head("logistic")).fit(images, labels)
    >>> (found,) = class_activation(pipe, images[:1])
    >>> found.answer == labels[0], found.heat.shape, [part.shape for part in found.parts]
    (True, (96, 96), [(12, 12), (6, 6)])
    >>> bool(abs(found.constant + found.heat.sum() - pipe.decision_function(images[:1]).max()) < 1e-4)
    True
    """
    head = head_of(model)
    if Views.of(head.extractor.views) != WHOLE:
        raise InputError(
            f"The extractor has views={quoted(head.extractor.views)}, so the answer is that of several pictures, and "
            "pixels are shown of one. Fit the pipeline with views=None."
        )
    seen = view(head.extractor)
    for tap in seen.taps:
        _check_pooling(tap)
    if answer is not None:
        answer = head.find(answer)
    elif head.classes is None and head.width > 1:
        raise InputError(
            f"The pipeline answers {head.width} columns at once. Name one with answer=, 0..{head.width - 1}."
        )
    if against is not None:
        if head.classes is None:
            raise InputError(
                f"against={quoted(against)} is for classes, of which one is the answer; leave it out here."
            )
        against = head.find(against)
    coef, constants = head.linear()
    borders = np.cumsum([len(tap.columns) for tap in seen.taps])[:-1]
    found = []
    for pixels in seen.shown(images):
        maps = [one.astype(np.float64) for one in seen.maps(pixels)]
        embedding = np.concatenate(
            [pool(one[None], tap.pooling)[0] for one, tap in zip(maps, seen.taps, strict=True)]
        )
        head.check(embedding, coef, constants)
        scores = embedding @ coef + constants
        spoken = answer if answer is not None else _predicted(head, scores)
        if against is not None and spoken == against:
            raise InputError(f"against={quoted(against)} is the answer itself. Name another class.")
        weights = head.weights(spoken, against) if spoken is not None else np.ones(1)
        shares = np.split(coef @ weights, borders)
        each = tuple(
            _part(one, share, tap.pooling) for one, share, tap in zip(maps, shares, seen.taps, strict=True)
        )
        heat = sum(spread(part, seen.size) for part in each)
        found.append(
            ClassActivation(
                spoken,
                against,
                float(scores @ weights),
                float(constants @ weights),
                np.asarray(heat),
                each,
                pixels,
            )
        )
    return found


def spread(part: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Spread numbers (h, w) over more pixels, smoothly and with the same sum.

    Examples
    --------
    >>> spread(np.array([[1.0, 0.0]]), (1, 4)).round(3).tolist()
    [[0.5, 0.375, 0.125, 0.0]]
    """
    down, across = (_weights(have, want) for have, want in zip(part.shape, size, strict=True))
    return np.asarray(down @ part @ across.T)


def _weights(have: int, want: int) -> np.ndarray:
    """Give (want, have): how each place is shared out among pixels, as in bilinear interpolation; columns sum to 1."""
    at = np.clip((np.arange(want) + 0.5) * have / want - 0.5, 0, have - 1)
    shares = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(have)))
    return np.asarray(shares / shares.sum(axis=0))


def _check_pooling(tap: Tap) -> None:
    place = place_of(tap.depth).capitalize()
    if len(tap.shape) != 3:
        raise InputError(
            f"{place} gives a vector, which has no places. Fit the pipeline on a layer with maps."
        )
    for name in parts(tap.pooling):
        if name not in _SHARED:
            raise InputError(
                f"{place} is pooled by {tap.pooling!r}, and {name!r} is not linear in the maps, so no pixel has "
                "a part of its own in it. Fit the pipeline with the pooling 'avg', 'grid2' or 'none'."
            )


def _predicted(head: Head, scores: np.ndarray) -> Any:
    """Give the class with the highest score; None where a single number is answered."""
    if head.classes is None:
        return None
    return head.classes[int(scores[0] > 0) if head.width == 1 else int(scores.argmax())]


def _part(maps: np.ndarray, weights: np.ndarray, pooling: str) -> np.ndarray:
    """Give what each place of maps (h, w, c) adds to a score, whose weights (d,) are those of the pooled maps."""
    shared = np.zeros(maps.shape)
    for name in parts(pooling):
        count = len(columns(maps.shape, name))
        _SHARED[name](shared, weights[:count])
        weights = weights[count:]
    return np.asarray((maps * shared).sum(axis=-1))


def _share_avg(shared: np.ndarray, weights: np.ndarray) -> None:
    shared += weights / (shared.shape[0] * shared.shape[1])


def _share_grid2(shared: np.ndarray, weights: np.ndarray) -> None:
    for cell, mine in zip(grid2_cells(*shared.shape[:2]), np.split(weights, 4), strict=True):
        _share_avg(shared[cell], mine)


def _share_none(shared: np.ndarray, weights: np.ndarray) -> None:
    shared += weights.reshape(shared.shape)


_SHARED = {"avg": _share_avg, "grid2": _share_grid2, "none": _share_none}
"""For each pooling that is linear in the maps, how it shares out the weights of a vector among the values of maps."""
