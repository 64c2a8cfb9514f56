"""Which folder a ``cache=`` means, or none, and which one holds the exported graphs of this machine."""

import os
from pathlib import Path

from featx.errors import InputError

EXPORTS = "engines"
"""The folder of exported graphs in the user's cache folder. Once each cache had one of its own."""

NOTHING = "none"
"""The word for no cache at all."""


def meant(cache: str | os.PathLike[str] | None) -> str:
    """Give the path, ``"auto"`` or `NOTHING` that is meant; FEATX_CACHE answers for ``"auto"`` and None.

    Raises
    ------
    InputError
        If it is neither a text nor a path.
    """
    if cache is not None and not isinstance(cache, str | os.PathLike):
        raise InputError(
            f"cache={cache!r}: give 'auto', 'none', the path of a folder, an EmbeddingCache or None."
        )
    given = "auto" if cache is None else os.fspath(cache)
    return os.environ.get("FEATX_CACHE", "auto") if given == "auto" else given


def folder_of(cache: str | os.PathLike[str] | None) -> Path:
    """Give the absolute path of the folder that is meant: without a name, the platform's user cache folder.

    Raises
    ------
    InputError
        If no cache at all is meant.
    """
    given = meant(cache)
    if given == NOTHING:
        raise InputError(
            "'none' keeps nothing, and a folder is needed here. Name one (./none for one of that name)."
        )
    if given not in ("", "auto"):
        return Path(given).expanduser().absolute()
    return _user_folder()


def graphs_folder() -> Path:
    """Give the absolute path of the folder of exported graphs: FEATX_GRAPHS, else one in the user's cache folder.

    There is one for all caches: a graph depends on a network and on no image.
    """
    if named := os.environ.get("FEATX_GRAPHS"):
        return Path(named).expanduser().absolute()
    return _user_folder() / EXPORTS


def _user_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("featx", appauthor=False)
