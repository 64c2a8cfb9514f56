"""Where a command writes: looked at before the work, so that hours of it are not done for nothing."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import featx
from featx.errors import InputError, SavedModelError
from featx.files import make_folder, whole_file


def check_output(path: Path, *, overwrite: bool, folder: bool = False) -> None:
    """Refuse a place that cannot be written to, or that holds something else.

    Parameters
    ----------
    path
        What is going to be written. Folders above it that are missing are made when it is.
    overwrite
        Whether it may replace what is there.
    folder
        Whether it is going to be a folder, not a file.

    Raises
    ------
    InputError
        If it is there and may not be replaced, is a folder where a file is to be or the other way round, or nothing can
        be written there.

    Examples
    --------
    >>> check_output(Path(tempfile.mkdtemp()), overwrite=False, folder=True)
    Traceback (most recent call last):
    featx.errors.InputError: '...' exists. Give another name, or overwrite=True to replace it.
    """
    if path.is_dir() != folder and path.exists():
        kinds = ("a folder", "a file") if folder else ("a file", "a folder")
        raise InputError(f"{str(path)!r} is {kinds[1]}, and {kinds[0]} is to be written. Give another name.")
    if path.exists() and not overwrite:
        raise InputError(f"{str(path)!r} exists. Give another name, or overwrite=True to replace it.")
    above = next(one for one in path.absolute().parents if one.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be written: {error.strerror}: {str(above)!r}. Give another name."
        ) from error


def save_model(model: Any, place: Path, *, overwrite: bool, **others: Any) -> None:
    """Save a model; where that fails after all, save it in the folder for passing files.

    Parameters
    ----------
    model, place, overwrite, others
        As `featx.save` takes them.

    Raises
    ------
    SavedModelError
        If it could not be saved in its place. The message says where it is.
    """
    try:
        featx.save(model, place, overwrite=overwrite, **others)
    except SavedModelError as error:
        spare = Path(tempfile.mkdtemp(prefix="featx-")) / "model"
        try:
            featx.save(model, spare, **others)
        except SavedModelError:  # it cannot be saved anywhere
            spare.parent.rmdir()
            raise error from None
        raise SavedModelError(
            *error.parts, f" The model is saved in {str(spare)!r} instead; move it."
        ) from error


def write(path: Path, content: Callable[[BinaryIO], object]) -> None:
    """Write a file, whole or not at all, and the folders above it that are missing.

    Parameters
    ----------
    path
        The file.
    content
        Called with the open file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        make_folder(path.absolute().parent)
        with whole_file(path.absolute()) as draft:
            content(draft.file)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error
