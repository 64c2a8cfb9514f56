"""Embeddings as one plain file, which is read without featx."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np

from featx.cache.embedding_cache import EmbeddingCache
from featx.cache.memo import Memo
from featx.embedding.naming import image_ids
from featx.errors import InputError, UnknownNameError
from featx.files import Draft, ending, whole_file
from featx.images.image_table import ImageTable
from featx.images.sources import as_sources
from featx.networks.pooling import columns, parts
from featx.text import encodable, shown, to_cell, to_json

FORMATS = (".h5", ".npz", ".parquet", ".csv")


def write_embeddings(
    path: str | Path,
    embeddings: np.ndarray,
    paths: Sequence[Any] | np.ndarray,
    columns: Sequence[str],
    labels: Any = None,
    *,
    ids: np.ndarray | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Path:
    r"""Write embeddings, one row for each image.

    ========== ===================================================================================
    suffix     what is in it
    ========== ===================================================================================
    .h5        data sets ``embedding`` (n, d), ``path`` (n,), ``column`` (d,) and, if given,
               ``label`` and ``image_id``; the attribute ``recipe``, JSON
    .npz       arrays of the same names; ``recipe`` is an array of one text
    .parquet   a table with the columns ``path``, ``label``, ``image_id`` and one for each number;
               ``recipe`` is in the metadata of its schema
    .csv       the same table; the recipe is in a file beside it, ``<name>.csv.json``
    ========== ===================================================================================

    Several columns of labels are ``label_0``, ``label_1`` and so on in a table. A byte of a path that is not UTF-8 is
    written as ``\xe9``. In CSV an apostrophe stands before text that a spreadsheet would take for a formula.
    `load_table` undoes both.

    Parameters
    ----------
    path
        Where to; an existing file is replaced, whole or not at all.
    embeddings
        (n, d) float32.
    paths
        n paths of images; what is not a path, such as the bytes of a file, has an empty one.
    columns
        d names.
    labels
        (n,), (n, k) for k columns, or None.
    ids
        Image ids, (n, 16) uint8, written as 32 hexadecimal digits each, or None.
    recipe
        What the numbers were made with, JSON values only, or None.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    UnknownNameError
        If the suffix is none of the four.
    InputError
        If the folder cannot be written to.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> file = write_embeddings(f"{mkdtemp()}/e.csv", np.eye(2, dtype="float32"), ["a.png", "b.png"], ["x", "y"])
    >>> print(file.read_text().strip())
    path,x,y
    a.png,1.0,0.0
    b.png,0.0,1.0
    """
    path = Path(path)
    check_suffix(path)
    about = {
        "path": np.array([os.fsdecode(one) if isinstance(one, str | os.PathLike) else "" for one in paths])
    }
    if labels is not None:
        about["label"] = np.asarray(labels)
    if ids is not None:
        about["image_id"] = np.array([bytes(name).hex() for name in ids], str)
    words = "" if recipe is None else to_json(recipe)
    beside = path.with_name(f"{path.name}.json")
    try:
        with ExitStack() as stack:
            if path.suffix == ".csv" and words:
                side = stack.enter_context(whole_file(beside))
                side.file.write(f"{words}\n".encode())
            draft = stack.enter_context(whole_file(path))
            change = to_cell if path.suffix == ".csv" else encodable
            texts = {name: _changed(array, change) for name, array in about.items()}
            _WRITERS[path.suffix](draft, embeddings, _changed(np.asarray(columns, str), change), texts, words)
        if path.suffix == ".csv" and not words:
            beside.unlink(missing_ok=True)  # it told of the table that was replaced
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{shown(path)} cannot be written: {reason}. Give a name in a folder that exists and has room."
        ) from error
    return path


def export_recipe(
    cache: EmbeddingCache, recipe: str, path: str | Path, images: ImageTable | None = None
) -> tuple[int, int]:
    """Write what a cache holds for one recipe. All of it is held in memory meanwhile.

    Parameters
    ----------
    cache
        The cache.
    recipe
        The recipe's id, or as much of its beginning as no other shares.
    path
        Where to, as in `write_embeddings`.
    images
        Which images, in which order, with which labels. Default: all that are cached, in the order of their ids;
        ``path`` is then where each was seen last, and empty if it is no longer there.

    Returns
    -------
    tuple of int
        How many images, and how many columns.

    Raises
    ------
    InputError
        If there is no such recipe or more than one, or some of the images are not cached; nothing is written then.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> cache = EmbeddingCache(mkdtemp())
    >>> ids = np.arange(32, dtype="uint8").reshape(2, 16)
    >>> cache.put("c0ffee" + "0" * 26, ids, np.eye(2, 3, dtype="float32"))
    >>> export_recipe(cache, "c0ffee", f"{mkdtemp()}/e.npz")
    (2, 3)
    """
    check_suffix(Path(path))
    info, memo = cache.recipe(recipe), Memo(cache.path)
    ids = cache.image_ids(info.recipe_id) if images is None else image_ids(as_sources(images.paths), memo)
    embeddings = np.empty((len(ids), info.dim), np.float32)
    found = cache.gather(info.recipe_id, ids, embeddings)
    if images is not None and not found.all():
        first = images.paths[np.flatnonzero(~found)[0]]
        raise InputError(
            f"{np.count_nonzero(~found)} of {len(ids)} images are not cached under the recipe "
            f"{info.recipe_id[:8]}, such as {first!r}. Run featx extract with its backbone, depth and pooling first."
        )
    ids, embeddings = ids[found], embeddings[found]  # fewer only if damage was found just now
    paths = memo.paths(ids) if images is None else images.paths
    write_embeddings(
        path,
        embeddings,
        paths,
        _columns(info.recipe or {}, info.dim),
        None if images is None else images.labels,
        ids=ids,
        recipe={"recipe_id": info.recipe_id, **(info.recipe or {})},
    )
    return len(ids), info.dim


def _columns(words: Mapping[str, Any], dim: int) -> list[str]:
    """Name columns as `FeatureExtractor.get_feature_names_out` does where a recipe's words tell; else number them."""
    depth, recipe, names = words.get("depth"), words.get("recipe"), list(map(str, range(dim)))
    pooling = str(recipe.get("pooling")) if isinstance(recipe, Mapping) else ""
    if isinstance(depth, int):  # a stage, so maps were pooled; a layer may give a vector
        with suppress(InputError):  # a stranger's words
            maps = (1, 1, dim // len(columns((1, 1, 1), pooling)))
            known = (
                "none" not in parts(pooling) or pooling == "none"
            )  # a sum with it hides how large the maps were
            names = columns(maps, pooling) if known and len(columns(maps, pooling)) == dim else names
    place = f"stage{depth}" if isinstance(depth, int) else depth or "embedding"
    return [f"{words.get('backbone', 'featx')}_{place}_{name}" for name in names]


def check_suffix(path: Path) -> None:
    """Refuse a name whose suffix is no format."""
    ending(path, FORMATS)
    if path.suffix not in FORMATS:
        raise UnknownNameError("format", path.suffix or path.name, FORMATS)


def _changed(array: np.ndarray, change: Callable[[str], str]) -> np.ndarray:
    """Change every text in an array; numbers stay."""
    if array.dtype.kind not in "UO":
        return array
    cells = np.empty(array.size, object)
    cells[:] = [change(one) if isinstance(one, str) else one for one in array.ravel().tolist()]
    return (cells if array.dtype.kind == "O" else cells.astype(str)).reshape(array.shape)


def _write_h5(
    draft: Draft, embeddings: np.ndarray, columns: np.ndarray, about: Mapping[str, np.ndarray], recipe: str
) -> None:
    import h5py

    with h5py.File(draft.path, "w") as file:
        for name, array in {"embedding": embeddings, "column": columns, **about}.items():
            text = array.dtype.kind in "UO"
            file.create_dataset(
                name,
                data=array.astype(object) if text else array,
                dtype=h5py.string_dtype() if text else None,
            )
        if recipe:
            file.attrs["recipe"] = recipe


def _write_npz(
    draft: Draft, embeddings: np.ndarray, columns: np.ndarray, about: Mapping[str, np.ndarray], recipe: str
) -> None:
    arrays = {name: array.astype(str) if array.dtype.kind == "O" else array for name, array in about.items()}
    words = {"recipe": np.array(recipe)} if recipe else {}
    np.savez(draft.file, allow_pickle=False, embedding=embeddings, column=columns, **arrays, **words)


def _frame(embeddings: np.ndarray, columns: np.ndarray, about: Mapping[str, np.ndarray]) -> Any:
    import pandas as pd

    frame = pd.DataFrame(embeddings, columns=columns)
    single = {
        f"{name}_{place}" if array.ndim == 2 else name: column
        for name, array in about.items()
        for place, column in enumerate(np.atleast_2d(array.T))
    }
    for place, (name, column) in enumerate(single.items()):
        frame.insert(place, name, column)
    return frame


def _write_parquet(draft: Draft, *parts: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    *table, recipe = parts
    arrow = pa.Table.from_pandas(_frame(*table), preserve_index=False)
    words = {"recipe": recipe} if recipe else {}
    parquet.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **words}), draft.file)


_WRITERS: dict[str, Callable[..., None]] = {
    ".h5": _write_h5,
    ".npz": _write_npz,
    ".parquet": _write_parquet,
    ".csv": lambda draft, *parts: _frame(*parts[:-1]).to_csv(draft.file, index=False),
}
