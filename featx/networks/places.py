"""Where published files lie on this machine: in a folder of the user's, in Keras' own, or in an installed package."""

import os
from importlib.util import find_spec
from pathlib import Path


def keras_home() -> Path:
    """Give the folder below which Keras keeps what it downloads: KERAS_HOME, else ``~/.keras``."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def find_local(name: str, package: str | None = None) -> Path | None:
    """Give the path of a published file if it is on this machine.

    Parameters
    ----------
    name
        What it is called in the folder that FEATX_WEIGHTS names and in Keras' folder, which are looked into in this
        order.
    package
        The Python package that brings it, in its folder ``models``, if one does; it is asked last, and not imported.
    """
    own = os.environ.get("FEATX_WEIGHTS")
    folders = [*([Path(own)] if own else []), keras_home() / "models"]
    if package and (spec := find_spec(package.replace("-", "_"))):
        folders += [Path(folder) / "models" for folder in spec.submodule_search_locations or ()]
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
