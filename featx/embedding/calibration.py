"""The images by which a network is brought to int8: drawn photographs, or the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from featx.cache.identity import digest
from featx.errors import InputError
from featx.images.datasets import parts_of_photographs
from featx.images.loading import PART, bad_image, in_parts, load
from featx.images.sources import Source
from featx.text import quoted

DRAWN = "110 drawn photographs, version 1"
"""Names the images that are taken where none are given; another drawing is another version."""
_DRAWN = 110
HELD_BACK = 11
"""Of every so many images, one is held back, to see what int8 changes in images that the ranges were not taken from."""


@dataclass(frozen=True)
class Calibration:
    """Images that show in which range the numbers of each layer lie."""

    name: str = DRAWN
    """What recipes say of them: of given images a digest of their contents, in whatever order they came."""
    sources: Sequence[Source] = field(default=(), repr=False)

    @classmethod
    def of(cls, sources: Sequence[Source], ids: np.ndarray) -> "Calibration":
        """Take images by their ids, of shape (n, 16) uint8: each once, in the order of the ids."""
        names, first = np.unique(ids, axis=0, return_index=True)
        return cls(digest(names.tobytes()).hex(), [sources[row] for row in first])

    @property
    def words(self) -> dict[str, str]:
        """What an int8 recipe says beside its precision: whatever moves the ranges, and so the numbers.

        Raises
        ------
        InputError
            If NNCF is not installed.
        """
        try:
            return {"calibration": self.name, "nncf": version("nncf"), "openvino": version("openvino")}
        except PackageNotFoundError:
            raise InputError(
                "precision='int8' needs NNCF, and it is not installed: pip install 'featx[int8]'."
            ) from None

    def pixels(self, size: tuple[int, int], rule: str) -> np.ndarray:
        """Read them all.

        Parameters
        ----------
        size
            Height and width of the network's input.
        rule
            How they are brought to it; a name in `featx.images.resizing.RULES`.

        Returns
        -------
        array of shape (n, h, w, 3), uint8

        Raises
        ------
        InputError
            If one cannot be read.
        """
        if not self.sources:
            return parts_of_photographs(_DRAWN, size)
        parts = load(in_parts(self.sources), size, rule)
        pixels: list[np.ndarray] = []
        for part, (some, reasons) in zip(in_parts(self.sources), parts, strict=True):
            for place, reason in reasons.items():
                name = bad_image(len(pixels) * PART + place, part[place], reason).name
                raise InputError(
                    f"calibration: {quoted(name)} cannot be read ({reason}). Leave it out or replace it."
                )
            pixels.append(some)
        return np.concatenate(pixels)
