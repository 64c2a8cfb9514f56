"""A training run on disk, so that one that was killed goes on where it was."""

import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from featx.errors import InputError, UnfitFileError
from featx.files import make_folder, open_file, whole_file

Arrays = Sequence[np.ndarray]

_LARGEST = (
    1 << 34
)  # bytes: weights five times, as the optimizer, their average and the best epoch keep them, of the largest networks


class Checkpoint:
    """The last state of one run: a file that is replaced whole or not at all.

    Parameters
    ----------
    folder
        Where. Made if it is not there; any number of runs may share it. None: nothing is kept.
    run
        Names the run: everything that decides its outcome, as hex digits.

    Examples
    --------
    >>> import tempfile
    >>> checkpoint = Checkpoint(tempfile.mkdtemp(), "0f1e2d")
    >>> checkpoint.read() is None
    True
    >>> checkpoint.write({"epoch": 3}, {"weights": [np.ones(2)]})
    >>> facts, arrays = checkpoint.read()
    >>> facts, arrays["weights"][0].tolist()
    ({'epoch': 3}, [1.0, 1.0])
    >>> checkpoint.remove()
    """

    def __init__(self, folder: str | os.PathLike[str] | None, run: str) -> None:
        self._path = None if folder is None else Path(folder).expanduser() / f"{run}.npz"

    def read(self) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]] | None:
        """Give the facts and the lists of arrays of the last state; None if there is none.

        Raises
        ------
        InputError
            If the file is none that `write` wrote.
        """
        if self._path is None:
            return None
        try:
            with open_file(self._path, _LARGEST) as opened, np.load(opened, allow_pickle=False) as file:
                facts = json.loads(str(file["facts"]))
                lists = {
                    name: [file[f"{name}-{place}"] for place in range(count)]
                    for name, count in facts.pop("counts").items()
                }
        except FileNotFoundError:
            return None
        except UnfitFileError as error:
            raise InputError(
                f"The checkpoint {str(self._path)!r} {error.reason}. Remove it, to begin from the start."
            ) from error
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"The checkpoint {str(self._path)!r} is damaged ({error}). Remove it, to begin from the start."
            ) from error
        return facts, lists

    def write(self, facts: Mapping[str, Any], lists: Mapping[str, Arrays]) -> None:
        """Replace the last state.

        Parameters
        ----------
        facts
            What JSON can say.
        lists
            Lists of arrays, by name.
        """
        if self._path is None:
            return
        counts = {name: len(arrays) for name, arrays in lists.items()}
        arrays = {
            f"{name}-{place}": array for name, some in lists.items() for place, array in enumerate(some)
        }
        make_folder(self._path.parent)
        with whole_file(self._path) as draft:
            np.savez(draft.file, allow_pickle=False, facts=json.dumps({**facts, "counts": counts}), **arrays)

    def remove(self) -> None:
        """Forget the run: it is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
