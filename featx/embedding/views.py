"""Views of an image: the pictures of it that a network is shown, and whose vectors are averaged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from numbers import Real
from typing import Any

import numpy as np

from featx.errors import InputError
from featx.text import quoted

SIDES = 7 / 8
"""How much of each side of a picture a crop shows: 224 of 256 pixels, as is usual since AlexNet."""
FACTORS = (1 / 4, 4)
"""The smallest and the largest factor of the input size. A number beyond is meant as one of pixels."""

_FIVE = ((0, 0), (0, 2), (1, 1), (2, 0), (2, 2))
"""Where crops begin, down and across, in halves of what they leave over: the corners and the middle."""


@dataclass(frozen=True)
class Views:
    """The pictures that a network is shown of an image: each crop, as it is and mirrored, at each size."""

    mirrored: tuple[bool, ...] = (False,)
    crops: tuple[tuple[int, int], ...] = ()
    """Where each begins, see `_FIVE`; none: the whole picture."""
    factors: tuple[float, ...] = (1.0,)
    """Sizes, relative to the input size."""

    @classmethod
    def of(cls, given: Any) -> "Views":
        """Read what `FeatureExtractor` takes for ``views``; views themselves stay as they are.

        Raises
        ------
        InputError
            If it is something else.

        Examples
        --------
        >>> Views.of(None) == WHOLE
        True
        >>> Views.of(["flip", 1.43])
        Views(mirrored=(False, True), crops=(), factors=(1.0, 1.43))
        """
        if isinstance(given, Views):
            return given
        listed = isinstance(given, tuple | list | np.ndarray)
        items = [] if given is None else list(given) if listed else [given]
        found = WHOLE
        for item in items:
            if isinstance(item, str) and item in _NAMED:
                found = replace(found, **_NAMED[item])
            elif not isinstance(item, bool) and isinstance(item, Real) and _is_factor(float(item)):
                found = replace(found, factors=tuple(sorted({*found.factors, float(item)})))
            else:
                raise InputError(
                    f"views={quoted(given)}: give 'flip', 'crops', a factor of the input size from {FACTORS[0]} to "
                    f"{FACTORS[1]} such as 1.43, or a list of these."
                )
        return replace(found, factors=tuple(sorted(found.factors, key=lambda factor: (factor != 1, factor))))

    def each(self) -> Iterator["Views"]:
        """Give every view by itself.

        Examples
        --------
        >>> [view.mirrored for view in Views.of("flip").each()]
        [(False,), (True,)]
        """
        for factor, flip, place in product(self.factors, self.mirrored, self.crops or [None]):
            yield Views((flip,), () if place is None else (place,), (factor,))

    @property
    def at_a_size(self) -> int:
        """How many views there are at each size."""
        return len(self.mirrored) * max(1, len(self.crops))

    @property
    def count(self) -> int:
        """How many views there are."""
        return len(self.factors) * self.at_a_size

    @property
    def words(self) -> dict[str, Any]:
        """What a recipe says of the views at one size; nothing of the whole image as it is."""
        found: dict[str, Any] = {}
        if self.mirrored != WHOLE.mirrored:
            found["mirrored"] = list(self.mirrored)
        if self.crops:
            found["crops"] = [list(place) for place in self.crops]
        return found

    def picture(self, size: tuple[int, int]) -> tuple[int, int]:
        """Give the size of the picture that views of a size are taken from.

        Examples
        --------
        >>> Views.of("flip").picture((224, 224)), Views.of("crops").picture((224, 224))
        ((224, 224), (256, 256))
        """
        if not self.crops:
            return size
        height, width = (side + 2 * max(1, round(side * (1 / SIDES - 1) / 2)) for side in size)
        return height, width

    def shown(self, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Give the views of pictures, (n, h, w, 3): an array (n * views, *size, 3), those of each image together."""
        if self == replace(WHOLE, factors=self.factors):
            return pixels
        views = [pixels] if not self.crops else [_crop(pixels, size, place) for place in self.crops]
        views = [view[:, :, ::-1] if flip else view for flip in self.mirrored for view in views]
        return np.stack(views, axis=1).reshape(-1, *size, 3)


WHOLE = Views()
"""The whole image, as it is."""


def views_in(recipe: Mapping[str, Any]) -> int:
    """Count the views that a recipe names, which may be a stranger's.

    Examples
    --------
    >>> views_in({"pooling": "avg", "views": {"mirrored": [False, True], "sizes": ["f3a0"]}}), views_in({})
    (4, 1)
    """
    words = recipe.get("views")
    named = words if isinstance(words, Mapping) else {}
    lists = {name: many for name, many in named.items() if isinstance(many, list)}
    sizes = 1 + len(lists.pop("sizes", []))
    return prod([sizes, *(len(many) for many in lists.values())])


_NAMED: dict[str, dict[str, Any]] = {"flip": {"mirrored": (False, True)}, "crops": {"crops": _FIVE}}


def _is_factor(number: float) -> bool:
    return FACTORS[0] <= number <= FACTORS[1]


def _crop(pixels: np.ndarray, size: tuple[int, int], place: Sequence[int]) -> np.ndarray:
    spare = [have - want for have, want in zip(pixels.shape[1:3], size, strict=True)]
    top, left = (halves * left_over // 2 for halves, left_over in zip(place, spare, strict=True))
    return pixels[:, top : top + size[0], left : left + size[1]]
