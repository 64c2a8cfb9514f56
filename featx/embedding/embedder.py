"""`Embedder`: batches of rows → the same rows with their embeddings, in whichever processes a framework calls it."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from featx.embedding.composition import as_extractor
from featx.embedding.rows import column_of, with_column
from featx.embedding.sending import from_anywhere
from featx.errors import InputError, UnknownNameError
from featx.images.workers import as_worker
from featx.text import quoted

ADDED = ("embedding", "image_id")
_NO_CACHE = (
    "The extractor keeps no vectors that could be read by image id: give it a cache= that every worker sees."
)


class Embedder:
    """Add embeddings to batches of rows, in the processes of a framework that shares out rows.

    A function for Ray Data's ``map_batches``, Dask's ``map_partitions``, Spark's ``mapInArrow``, ``map`` of Hugging
    Face's ``datasets``, and joblib; docs/machines.md has an example of each. It is pickled as its choices. Each process
    builds the network once, asks the cache first, and keeps there what is new. So work that broke off, or is shared out
    in another way the next time, computes only what is missing.

    Parameters
    ----------
    extractor
        A `FeatureExtractor`, or the name of a backbone. Name a folder that every worker sees as its `cache`; by default
        each machine has one of its own. Its `n_jobs` is the number of cores for each worker; None: as many as the
        framework grants it. Its `on_error` says what becomes of bad images.
    image
        The column of images: paths that every worker sees, files as bytes, Pillow images or arrays.
    add
        The column to add, in place of one of that name. ``"embedding"``: the vector, float32. ``"image_id"``: the
        image's name by its content, 16 bytes, by which `read` finds the vector in the cache; zeros for a bad image.

    Raises
    ------
    InputError
        If the backbone is a Keras model, which would travel with every batch, `add` is neither, or ids are to be
        added and there is no cache.

    Examples
    --------
    >>> from featx import FeatureExtractor
    >>> from featx.images import synthetic
    >>> images, labels = synthetic(n=4, classes=2, size=32, random_state=0)
    >>> embedder = Embedder(FeatureExtractor(depth=2, pooling="avg", input_size=32, cache=None), image="picture")
    >>> rows = embedder({"picture": images, "label": labels})
    >>> list(rows), rows["embedding"].shape
    (['picture', 'label', 'embedding'], (4, 64))
    """

    def __init__(self, extractor: Any = "featx-mini", image: str = "path", *, add: str = "embedding") -> None:
        if add not in ADDED:
            raise UnknownNameError("add", add, ADDED)
        given = as_extractor(extractor)
        if not given.travels:
            raise InputError(
                "The backbone is a Keras model, whose weights would travel with every batch. Save it, "
                "model.save('model.keras'), and give that path: each worker reads it once."
            )
        if add == "image_id" and given.open_cache() is None:
            raise InputError(_NO_CACHE)
        self.extractor = from_anywhere(given)
        self.image = image
        self.add = add

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extractor!r}, image={self.image!r}, add={self.add!r})"

    def __call__(self, rows: Any) -> Any:
        """Give a batch of rows its new column.

        Parameters
        ----------
        rows
            A pyarrow RecordBatch or Table, a frame of pandas or polars, or a dict of arrays or lists; or an iterator of
            these, as Spark passes. It is not changed.

        Returns
        -------
        of the same kind
            The embeddings are a fixed-size list for each row in Arrow, an Array in polars, an array in each cell in
            pandas, and one array (n, d) in a dict. Ids are 16 bytes in each cell, in a dict an array (n, 16), uint8.
            From an iterator, Arrow's types leave the length open, since Spark knows no other.

        Raises
        ------
        ImageError
            If images cannot be read and the extractor's `on_error` is ``"raise"``; the others are kept by then.
        InputError
            If `rows` are of another kind, have no such column, or a choice of the extractor cannot be carried out.
        """
        if isinstance(rows, Iterator):
            return (self._with_added(batch, fixed=False) for batch in rows)
        return self._with_added(rows, fixed=True)

    def read(self, image_ids: Any) -> np.ndarray:
        """Read embeddings from the cache, where workers have put them.

        Parameters
        ----------
        image_ids
            Ids from the column ``image_id``: (n, 16) uint8, or n times 16 bytes.

        Returns
        -------
        array of shape (n, d), float32
            Rows of NaN for images that are not in the cache.

        Raises
        ------
        InputError
            If these are no ids, or the extractor has no cache.
        """
        ids, cache = _as_ids(image_ids), self.extractor.open_cache()
        if cache is None:
            raise InputError(_NO_CACHE)
        taps = self.extractor.plan().taps
        vectors = np.empty((len(ids), sum(tap.width for tap in taps)), np.float32)
        found, column = np.ones(len(ids), bool), 0
        for tap in taps:
            found &= cache.gather(tap.recipe_id, ids, vectors[:, column : column + tap.width])
            column += tap.width
        vectors[~found] = np.nan
        return vectors

    def array(self, image_ids: Any, rows: int = 10_000) -> Any:
        """Give embeddings as a Dask array, of which each worker reads its blocks from the cache.

        Parameters
        ----------
        image_ids
            As for `read`.
        rows
            Rows of a block.

        Returns
        -------
        dask.array.Array
            Of shape (n, d), float32, in blocks of all columns.

        Raises
        ------
        InputError
            As for `read`.
        """
        if find_spec("dask") is None:
            raise InputError("array() needs Dask, and it is not installed: pip install 'dask[array]'.")
        from dask import array

        ids, width = _as_ids(image_ids), self._width
        blocks: Any = array.from_array(ids, chunks=(rows, ids.shape[1]))  # type: ignore[no-untyped-call]
        nothing = np.empty((0, width), np.float32)
        return blocks.map_blocks(
            self.read, dtype=np.float32, chunks=(blocks.chunks[0], (width,)), meta=nothing
        )

    def _with_added(self, rows: Any, *, fixed: bool) -> Any:
        images = column_of(rows, self.image)
        with as_worker(self.extractor.n_jobs):
            return with_column(rows, self.add, self._added(images), fixed=fixed)

    def _added(self, images: Any) -> np.ndarray:
        named = self.add == "image_id"
        if not len(images):  # frameworks try a function on no rows
            return np.empty((0, 16), np.uint8) if named else np.empty((0, self._width), np.float32)
        vectors = self.extractor.transform(images)
        return self.extractor.image_ids(images) if named else vectors

    @property
    def _width(self) -> int:
        return self.extractor.plan().width


def _as_ids(given: Any) -> np.ndarray:
    """Give ids as (n, 16) uint8, however a column holds them."""
    ids = given if isinstance(given, np.ndarray) and given.ndim == 2 else _joined(given)
    if ids.dtype != np.uint8 or ids.shape[1:] != (16,):
        raise InputError(
            f"Expected image ids, (n, 16) uint8 or n times 16 bytes, got {ids.shape} {ids.dtype}."
        )
    return ids


def _joined(given: Any) -> np.ndarray:
    cells = given.to_pylist() if hasattr(given, "to_pylist") else list(given)
    if not all(isinstance(cell, bytes) and len(cell) == 16 for cell in cells):
        raise InputError(f"Expected image ids, (n, 16) uint8 or n times 16 bytes, got {quoted(cells[:1])}.")
    return np.frombuffer(b"".join(cells), np.uint8).reshape(-1, 16)
