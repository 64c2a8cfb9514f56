"""A fitted estimator as a folder without pickle: nothing in it is run when it is loaded.

The folder holds ``model.json`` (what this is, and the digest of every other file), ``model.skops`` (the
estimator), a ``.keras`` file for each Keras model among its parameters and, for people, ``README.md``.
`docs/saving.md` has the format.
"""

import json
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

from featx.errors import InputError, SavedModelError, SavedModelWarning, UnfitFileError, Words
from featx.files import file_digest, make_folder, open_file, read_file, whole_folder
from featx.saving import types
from featx.saving.card import CARD, REPORT, card
from featx.saving.exported import is_exported
from featx.saving.fitted_images import FITTED, packed, unpacked
from featx.saving.networks import Needs, files_to_networks, networks_to_files, untrusted
from featx.saving.replacing import check_folder
from featx.text import quoted

FORMAT = 1
LARGEST = 1 << 32
"""Bytes that a file of a saved model may have, packed or unpacked: a stranger's must not fill the memory."""

_MANIFEST, _MODEL = "model.json", "model.skops"
_LONGEST_MANIFEST = 1 << 26  # bytes: it names the classes
_PACKAGES = ("featx", "scikit-learn", "numpy", "skops", "xgboost", "keras")


def save(
    estimator: Any,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    report: Any = None,
    images: Any = None,
) -> None:
    """Save a fitted estimator as a folder, with a card that says what it is.

    Parameters
    ----------
    estimator
        A fitted scikit-learn estimator, such as a pipeline of `FeatureExtractor` and a head, also inside a
        search or a `ColumnTransformer`. A named backbone is saved as its name, a path as that path; a
        Keras model goes into the folder.
    folder
        Where to. It appears whole or not at all.
    overwrite
        Whether to replace a saved model of that name. Any other folder is left alone.
    report
        What `featx.report` gave for it: its page is written as ``report.html``, and its summary stands on the card.
    images
        The images it was fitted to. Their ids, digests of their content, are written as ``images.npy``, so that ``featx
        evaluate`` can warn where it is judged by one of them. None: nobody can tell.

    Raises
    ------
    NotFittedError
        If the estimator has not been fitted.
    SavedModelError
        If the folder exists and may not be replaced, or the estimator holds what cannot be saved.
    InputError
        If `report` is something else.

    Warns
    -----
    SavedModelWarning
        If `load` will have to be told to trust types of the estimator or code of a network, or if a network cannot
        be loaded at all.

    Examples
    --------
    >>> import tempfile
    >>> from featx import load, make_head
    >>> folder = f"{tempfile.mkdtemp()}/animals"
    >>> save(make_head("knn", n_neighbors=1).fit([[0, 1], [1, 0]], ["cat", "dog"]), folder)
    >>> str(load(folder).predict([[0.1, 0.9]])[0])
    'cat'
    """
    check_is_fitted(estimator)
    if report is not None and not hasattr(report, "to_html"):
        raise InputError(f"report={quoted(report)}: give what featx.report returned.")
    folder = Path(folder).absolute()
    check_place(folder, overwrite=overwrite)
    try:
        _write(estimator, folder, overwrite=overwrite, report=report, images=images)
    except OSError as error:
        raise SavedModelError(f"{str(folder)!r} cannot be written: {error.strerror or error}.") from error


def _write(estimator: Any, folder: Path, *, overwrite: bool, report: Any, images: Any) -> None:
    import skops.io

    make_folder(folder.parent)
    with whole_folder(folder, replace=overwrite) as draft:
        stripped, needs = networks_to_files(estimator, draft)
        try:
            data = types.with_public_names(skops.io.dumps(stripped))
        except (TypeError, ValueError, AttributeError, RecursionError) as error:  # what skops raises
            raise SavedModelError(
                f"{type(estimator).__name__} cannot be saved without pickle: {error}"
            ) from error
        strange = [name for name in skops.io.get_untrusted_types(data=data) if not types.trusted(name)]
        for sentence in _warnings([*strange, *needs.trusted], needs):
            warnings.warn(sentence, SavedModelWarning, stacklevel=3)
        if len(data) > LARGEST:
            raise SavedModelError(
                f"{type(estimator).__name__} takes {len(data):,} bytes, and a saved model may have {LARGEST:,}. "
                "Fit it on fewer images or columns."
            )
        (draft / _MODEL).write_bytes(data)
        if images is not None:
            (draft / FITTED).write_bytes(packed(images, estimator))
        classes = getattr(estimator, "classes_", None)
        manifest = {
            "format": FORMAT,
            "estimator": ".".join(
                types.public_name(type(estimator).__module__, type(estimator).__qualname__)
            ),
            "classes": classes.tolist() if isinstance(classes, np.ndarray) else None,
            "versions": {package: _version(package) for package in _PACKAGES},
            "files": {path.name: file_digest(path) for path in sorted(draft.iterdir())},
            "code": needs.trusted,
        }
        (draft / _MANIFEST).write_text(json.dumps(manifest, indent=2, default=str) + "\n", encoding="utf-8")
        (draft / CARD).write_text(card(estimator, folder.name, manifest, report), encoding="utf-8")
        if report is not None:
            (draft / REPORT).write_text(report.to_html(), encoding="utf-8")


def load(folder: str | os.PathLike[str], *, trusted: Iterable[str] = ()) -> Any:
    """Load an estimator saved by `save`. Nothing is unpickled, and no type is made that is not trusted.

    Parameters
    ----------
    folder
        The folder.
    trusted
        Full names of further types and functions to trust, such as an estimator or a layer of your own. The file
        decides what they are called with. ``keras.layers.Lambda`` is code that lies in the file.

    Returns
    -------
    estimator
        As it was saved.

    Raises
    ------
    SavedModelError
        If the folder is incomplete or damaged, of a newer format, or holds types that are not trusted, which
        are named.

    Warns
    -----
    SavedModelWarning
        If the model was saved with another version of scikit-learn.
    """
    import skops.io

    if isinstance(trusted, str | bool):
        raise SavedModelError(
            f"trusted={trusted!r}: give a list of full type names, as the error names them."
        )
    allowed = set(trusted)
    folder = Path(folder).absolute()
    manifest = _read_manifest(folder)
    for name, digest in manifest["files"].items():
        _check_digest(folder / name, digest)
    saved, here = manifest["versions"].get("scikit-learn"), _version("scikit-learn")
    if saved != here:
        warnings.warn(
            f"{str(folder)!r} was saved with scikit-learn {saved}, and this is {here}: its predictions may "
            f"differ. Install scikit-learn=={saved}, or fit and save it again.",
            SavedModelWarning,
            stacklevel=2,
        )
    try:
        data = read_file(folder / _MODEL, LARGEST)
        named = skops.io.get_untrusted_types(data=data)
        strange = [name for name in named if name not in allowed and not types.trusted(name)]
        if not strange:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InconsistentVersionWarning)  # said above, once
                estimator = skops.io.loads(data, trusted=named)
    except Exception as error:  # a crafted file can make skops, and the types it makes, fail in any way
        raise SavedModelError(
            f"{str(folder / _MODEL)!r} is not what save wrote: {type(error).__name__}: {error}. "
            "Save the model again."
        ) from error
    named, unnamed = untrusted(folder, manifest["files"], allowed, manifest.get("code"))
    if strange := [*strange, *named]:
        raise SavedModelError(
            f"{str(folder)!r} holds types that are not trusted. If its source is, {_trust(strange)}"
        )
    if unnamed:
        raise SavedModelError(f"{str(folder)!r} needs code that Keras does not know: {_scope(unnamed)}")
    files_to_networks(estimator, folder, manifest["files"], allowed)
    return estimator


def fitted_to(folder: str | os.PathLike[str]) -> np.ndarray | None:
    """Give the ids of the images that a saved model was fitted to, (n, 16) uint8; None where it does not hold them.

    Raises
    ------
    SavedModelError
        As `load`.
    """
    path = Path(folder).absolute() / FITTED
    files = _read_manifest(path.parent)["files"]
    if FITTED not in files:
        return None
    _check_digest(path, files[FITTED])
    return unpacked(read_file(path, LARGEST), str(path))


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    try:
        manifest = json.loads(read_file(path, _LONGEST_MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        if is_exported(folder):
            raise SavedModelError(
                f"{str(folder)!r} is an exported model, which holds only the graph. ",
                Words(
                    "Read it with load_exported, or load the model that was exported.",
                    "Give the model that it was exported from; featx predict and evaluate take both.",
                ),
            ) from None
        raise SavedModelError(
            f"{str(folder)!r} is not a saved model: it has no {_MANIFEST}. ",
            Words(
                "Give the folder that was given to save.", "Give a folder that featx fit or finetune wrote."
            ),
        ) from None
    except UnfitFileError as error:
        raise SavedModelError(f"{str(path)!r} {error.reason}. {_COPY}") from error
    except (ValueError, RecursionError) as error:
        raise SavedModelError(f"{str(path)!r} is damaged: {error}. Save the model again.") from error
    number = manifest.get("format") if isinstance(manifest, dict) else None
    number = None if isinstance(number, bool) else number  # True == 1
    if isinstance(number, int) and number > FORMAT:
        raise SavedModelError(
            f"{str(folder)!r} has format {number}; this featx reads up to {FORMAT}. Install a newer featx."
        )
    files = manifest.get("files") if number == FORMAT else None
    if not (
        isinstance(files, dict)
        and isinstance(manifest.get("versions"), dict)
        and _MODEL in files
        and all(name == Path(name).name and "\\" not in name for name in files)  # none outside the folder
    ):
        raise SavedModelError(f"{str(path)!r} is not what save wrote. Save the model again.")
    return dict(manifest)


def _check_digest(path: Path, digest: object) -> None:
    try:
        found = file_digest(path, largest=LARGEST, follow=False)
        size = 0
        with suppress(BadZipFile), open_file(path) as file, ZipFile(file) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
    except UnfitFileError as error:
        raise SavedModelError(f"{str(path)!r} {error.reason}. {_COPY}") from error
    except OSError as error:
        raise SavedModelError(
            f"{str(path)!r} cannot be read: {error.strerror}. Save the model again."
        ) from error
    if size > LARGEST:
        raise SavedModelError(
            f"{str(path)!r} unpacks to {size:,} bytes, more than the {LARGEST:,} allowed. Do not load it."
        )
    if found != digest:
        raise SavedModelError(
            f"{str(path)!r} is damaged: its SHA-256 is {found}, but {_MANIFEST} says {digest}. "
            "Copy or save it again."
        )


_COPY = "A saved model is read from files of its own only: copy them, or save the model again."


def check_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that `save` would not write.

    Raises
    ------
    SavedModelError
        If it exists and is not to be replaced, or is something else than a saved model.
    """
    check_folder(
        folder,
        lambda: {_MANIFEST, CARD, REPORT, *_read_manifest(folder)["files"]},
        "a saved model",
        overwrite=overwrite,
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # featx from a source tree, or an engine that is not installed
        return None


def _warnings(strange: list[str], needs: Needs) -> Iterator[str]:
    """Say what it will take to load a model that is being saved."""
    if needs.hopeless:
        yield (
            f"This model will not load: {needs.hopeless[0]}. Write code of your own as a layer that has a get_config "
            "and is registered by keras.saving.register_keras_serializable()."
        )
        return
    if strange:
        yield f"To load this model, {_trust(strange)}"
    if needs.unnamed:
        yield f"To load this model, {_scope(needs.unnamed)}"


def _scope(names: list[str]) -> str:
    """Say how to make known what cannot be imported by a name."""
    known = ", ".join(f"{name!r}: {name.rpartition('>')[2]}" for name in names)
    return f"call load inside keras.saving.custom_object_scope({{{known}}})."


def _trust(types: list[str]) -> str:
    return f"pass trusted={types!r} to load, after a look at what these do."
