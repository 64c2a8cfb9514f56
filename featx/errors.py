"""Every error featx raises on purpose.

* FeatxError
  x InputError (also ValueError): an argument or an input cannot be used as given
    + ImageError: images that cannot be read; ``.bad`` says which and why
    + UnknownNameError: a name that is in no table; suggests the nearest
  x WeightsError (also OSError): a network's weights are missing, damaged or of another network
  x CacheError (also OSError): the cache folder cannot be used
  x SavedModelError (also ValueError): a saved model folder is incomplete, damaged or not trusted

Catch `FeatxError` for all of them, or the built-in class for the kind.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple


class FeatxError(Exception):
    """Base class: catch it to catch everything featx raises on purpose."""


class InputError(FeatxError, ValueError):
    """An argument or an input cannot be used as given."""


class BadImage(NamedTuple):
    """One image that could not be read."""

    row: int
    """Its place in the input, from 0."""
    name: str
    """Its path, or ``image 3`` for one that came without a path."""
    reason: str
    """What is wrong with it."""


class ImageError(InputError):
    """Images that cannot be read.

    Parameters
    ----------
    bad
        The images, in the order of the input.

    Examples
    --------
    >>> print(ImageError([BadImage(0, "a.jpg", "the file is empty")]))
    1 image cannot be read:
      a.jpg: the file is empty
    Remove or replace it; a FeatureExtractor with on_error="nan" gives a row of NaN in its place.
    """

    def __init__(self, bad: Iterable[BadImage]) -> None:
        self.bad: Sequence[BadImage] = tuple(bad)
        count = len(self.bad)
        lines = "\n".join(f"  {image.name}: {image.reason}" for image in self.bad)
        subject, them, place = (
            ("1 image", "it", "its") if count == 1 else (f"{count} images", "them", "their")
        )
        row = "a row" if count == 1 else "rows"
        super().__init__(
            f"{subject} cannot be read:\n{lines}\nRemove or replace {them}; "
            f'a FeatureExtractor with on_error="nan" gives {row} of NaN in {place} place.'
        )

    def __reduce__(self) -> tuple[type["ImageError"], tuple[Sequence[BadImage]]]:
        return type(self), (self.bad,)  # errors cross process borders under joblib


class UnknownNameError(InputError):
    """A name that is in no table.

    Parameters
    ----------
    kind
        What was asked for, e.g. ``"backbone"``.
    given
        The name as given.
    known
        The names there are.
    hint
        Where to find them all; default: they are listed in the message.

    Examples
    --------
    >>> print(UnknownNameError("pooling", "agv", ["avg", "max"]))
    Unknown pooling 'agv'. Did you mean 'avg'? Known: 'avg', 'max'.
    """

    def __init__(self, kind: str, given: object, known: Iterable[str], hint: str = "") -> None:
        self.arguments = (kind, given, tuple(known), hint)
        near = get_close_matches(str(given), self.arguments[2], n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        rest = hint or f"Known: {', '.join(map(repr, self.arguments[2]))}."
        super().__init__(f"Unknown {kind} {given!r}.{guess} {rest}")

    def __reduce__(self) -> tuple[type["UnknownNameError"], tuple[str, object, tuple[str, ...], str]]:
        return type(self), self.arguments


class WeightsError(FeatxError, OSError):
    """A network's weights are missing, damaged, or those of another network."""


class CacheError(FeatxError, OSError):
    """The cache folder cannot be used."""


class SavedModelError(FeatxError, ValueError):
    """A saved model folder is incomplete, damaged or not trusted."""
