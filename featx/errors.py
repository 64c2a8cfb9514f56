"""Every error and warning featx raises on purpose.

* FeatxError
  x InputError (also ValueError): an argument or an input cannot be used as given
    + ImageError: images that cannot be read; ``.bad`` says which and why
    + UnknownNameError: a name that is in no table; suggests the nearest
  x WeightsError (also OSError): a network's weights are missing, damaged or of another network
  x ExportError: a network cannot be exported to OpenVINO, or its exported graph is damaged
  x CacheError (also OSError): the cache folder cannot be used
    + DamagedSegmentError: one file of the cache cannot be used; ``.path`` and ``.reason`` say more
      - UnreadableSegmentError: it cannot be read now, and may be sound
  x ForkedProcessError (also RuntimeError): a forked process would have to compute, and cannot
  x SavedModelError (also ValueError): a saved model folder is incomplete, damaged or not trusted
  x UnfitFileError (also OSError): a link, a pipe or a device where a file is read, or one that is too large
* FeatxWarning (also UserWarning)
  x CacheWarning: a part of the cache is damaged and left out, or the cache fails and nothing is kept
  x EngineWarning: a network runs on a slower engine than the fastest one
  x DuplicateWarning: images are tested on whose content is trained on
  x SavedModelWarning: a saved model may not load, or not predict as it did

Catch `FeatxError` for all errors, or the built-in class for the kind; `FeatxWarning` filters all warnings. A head that
does not converge warns as scikit-learn's own do, with its ConvergenceWarning.

A message speaks Python, and names a parameter as ``overwrite=True``; the command line turns that into
``--overwrite``. `Words` are for what has to be said otherwise there.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from featx.text import quoted, shown, shown_lines


class Words(NamedTuple):
    """A part of a message that has a wording of its own on the command line.

    Examples
    --------
    >>> error = InputError("It has two parts. ", Words("Take load_folder('photos/train').", "Name photos/train."))
    >>> print(error)
    It has two parts. Take load_folder('photos/train').
    >>> error.parts[1].shell
    'Name photos/train.'
    """

    python: str
    """What is said in Python."""
    shell: str
    """What is said on the command line."""


class FeatxError(Exception):
    """Base class: catch it to catch everything featx raises on purpose.

    Parameters
    ----------
    parts
        What the message is put together from.
    """

    def __init__(self, *parts: str | Words) -> None:
        super().__init__("".join(part.python if isinstance(part, Words) else part for part in parts))
        self.parts = parts

    def __str__(self) -> str:
        return shown_lines(super().__str__())  # a message names files and quotes what libraries say of them


class InputError(FeatxError, ValueError):
    """An argument or an input cannot be used as given."""


class BadImage(NamedTuple):
    """One image that could not be read."""

    row: int
    """Its place in the input, from 0."""
    name: str
    """Its path, as it was given, or ``image 3`` for one that came without a path."""
    reason: str
    """What is wrong with it."""


class ImageError(InputError):
    """Images that cannot be read.

    Parameters
    ----------
    bad
        The images, in the order of the input.
    among
        How many images there were; None where nobody knows. Where all are bad, none can be left out.

    Examples
    --------
    >>> print(ImageError([BadImage(0, "a.jpg", "the file is empty")]))
    1 image cannot be read:
      a.jpg: the file is empty
    Remove or replace it; a FeatureExtractor with on_error="nan" gives a row of NaN in its place.
    """

    def __init__(self, bad: Iterable[BadImage], among: int | None = None) -> None:
        self.bad: Sequence[BadImage] = tuple(bad)
        self.among = among
        count = len(self.bad)
        lines = "\n".join(f"  {shown(image.name)}: {shown(image.reason)}" for image in self.bad)
        subject, them, place = (
            ("1 image", "it", "its") if count == 1 else (f"{count} images", "them", "their")
        )
        row = "a row" if count == 1 else "rows"
        super().__init__(
            f"{subject} cannot be read:\n{lines}\nRemove or replace {them}",
            Words(
                f'; a FeatureExtractor with on_error="nan" gives {row} of NaN in {place} place.',
                "." if count == among else f". Or leave {them} out by on_error='skip'.",
            ),
        )

    def __reduce__(self) -> tuple[type["ImageError"], tuple[Sequence[BadImage], int | None]]:
        return type(self), (self.bad, self.among)  # errors cross process borders under joblib


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
        super().__init__(f"Unknown {kind} {quoted(given)}.{guess} {rest}")

    def __reduce__(self) -> tuple[type["UnknownNameError"], tuple[str, object, tuple[str, ...], str]]:
        return type(self), self.arguments


class WeightsError(FeatxError, OSError):
    """A network's weights are missing, damaged, or those of another network."""


class ExportError(FeatxError):
    """A network cannot be exported to OpenVINO, the export gives other numbers, or its files are damaged."""


class CacheError(FeatxError, OSError):
    """The cache folder cannot be used."""


class DamagedSegmentError(CacheError):
    """A segment of the cache that is not what its name says.

    Parameters
    ----------
    path
        The segment.
    reason
        What is wrong with it, such as ``is empty``.

    Examples
    --------
    >>> print(DamagedSegmentError(Path("0f1e.h5"), "is empty"))
    The segment 0f1e.h5 is empty.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"The segment {shown(path)} {reason}.")

    def __reduce__(self) -> tuple[type["DamagedSegmentError"], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


class UnreadableSegmentError(DamagedSegmentError):
    """A segment of the cache that this process may not read, or cannot for now; it may be sound."""


class ForkedProcessError(FeatxError, RuntimeError):
    """A process that was forked after Keras or OpenVINO was loaded cannot compute."""


class SavedModelError(FeatxError, ValueError):
    """A saved model folder is incomplete, damaged or not trusted."""


class UnfitFileError(FeatxError, OSError):
    """What has a file's name is none, or is too large.

    Parameters
    ----------
    path
        What should be a file.
    reason
        What it is, such as ``is a link``.

    Examples
    --------
    >>> print(UnfitFileError(Path("model.json"), "is a link"))
    model.json is a link. Put the file itself in its place.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} {reason}. Put the file itself in its place.")
        self.strerror = f"it {reason}"

    def __reduce__(self) -> tuple[type["UnfitFileError"], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


class FeatxWarning(UserWarning):
    """Base class: filter it to filter everything featx warns of."""

    def __str__(self) -> str:
        return shown_lines(super().__str__())


class CacheWarning(FeatxWarning):
    """A part of the cache is damaged and left out, or it cannot be used: the vectors are computed all the same."""


class EngineWarning(FeatxWarning):
    """A network runs on a slower engine than the fastest one."""


class DuplicateWarning(FeatxWarning):
    """Images are tested on whose content is trained on, which makes a score too good."""


class SavedModelWarning(FeatxWarning):
    """A saved model will not load without more trust, or may not predict as it did."""
