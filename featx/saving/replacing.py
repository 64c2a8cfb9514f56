"""Which folder may be written, and which one is replaced only where that was asked for."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from featx.errors import SavedModelError


def check_folder(folder: Path, ours: Callable[[], Iterable[str]], what: str, *, overwrite: bool) -> None:
    """Refuse a folder that exists and is not to be replaced, or that holds something of somebody else's.

    Parameters
    ----------
    folder
        Where to write.
    ours
        Gives the names of the files that are replaced; asked only where the folder exists and may be replaced.
    what
        What is written, with its article, for the message.
    overwrite
        Whether a folder of that kind may be replaced.

    Raises
    ------
    SavedModelError
        If it is refused.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise SavedModelError(f"{str(folder)!r} is not a folder, and {what} is one. Give another name.")
    if not overwrite:
        raise SavedModelError(
            f"{str(folder)!r} exists. Give another name, or overwrite=True to replace {what}."
        )
    try:
        known = set(ours())
    except SavedModelError as error:
        raise SavedModelError(
            f"{str(folder)!r} is not replaced: it does not hold {what} that can be read. Give another name."
        ) from error
    if others := sorted({path.name for path in folder.iterdir()} - known):
        raise SavedModelError(
            f"{str(folder)!r} is not replaced: {others[0]!r} in it does not belong to {what}. Give another name."
        )
