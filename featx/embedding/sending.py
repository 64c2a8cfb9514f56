"""What is sent to other processes, whose working folder may be another one: paths become absolute."""

import os
from pathlib import Path
from typing import Any, TypeVar

from featx.images.remote import is_url
from featx.images.sources import as_sources

T = TypeVar("T")


def from_anywhere(extractor: T) -> T:
    """Give an extractor whose files and folders are found from any working folder.

    Parameters
    ----------
    extractor
        A `featx.FeatureExtractor`. It is not changed.
    """
    given: Any = extractor
    choices: dict[str, Any] = {name: _found(getattr(given, name)) for name in ("backbone", "weights")}
    if given.calibration is not None:
        shown = as_sources(given.calibration, image_shape=given.image_shape, value_range=given.value_range)
        choices["calibration"] = [absolute(one) for one in shown]
    if isinstance(given.cache, str | os.PathLike) and given.cache not in ("auto", "none"):
        choices["cache"] = given.open_cache()  # which knows its folder's absolute path
    return given.with_choices(**choices)  # type: ignore[no-any-return] # of the same class


def absolute(image: Any) -> Any:
    """Give the path of an image, or of the archive that it is in, as it is found from any working folder.

    Parameters
    ----------
    image
        A path or a URL; anything else is given back.

    Examples
    --------
    >>> absolute("/photos/../cat.jpg"), absolute("s3://bucket/cat.jpg"), absolute("zip://cat.jpg::/photos.zip")
    ('/photos/../cat.jpg', 's3://bucket/cat.jpg', 'zip://cat.jpg::/photos.zip')
    """
    if not isinstance(image, str | os.PathLike):
        return image
    path = os.fspath(image)
    if not is_url(path):
        return str(Path(path).absolute())  # with its dots: behind a link, ".." is another folder
    inner, joint, outer = path.rpartition("::")
    return inner + joint + absolute(outer) if joint else path


def _found(given: Any) -> Any:
    if isinstance(given, list | tuple):
        return [_found(one) for one in given]
    is_file = isinstance(given, str | os.PathLike) and Path(given).is_file()
    return str(Path(given).absolute()) if is_file else given
