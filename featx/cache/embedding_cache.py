"""`EmbeddingCache`: vectors kept on disk under the recipe and the image that they come from.

Any number of threads and processes may read and write at once, without locks: each write is a new HDF5 file, which
appears whole and durable or not at all and is never changed. docs/cache-format.md lists the promises and their tests.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from featx.cache import compacting, exports, merging, upkeep
from featx.cache.checks import check_out, check_rows, checked
from featx.cache.exports import Export
from featx.cache.folder import NOTHING, folder_of, graphs_folder, meant
from featx.cache.index import ascending, join, split
from featx.cache.merging import Merged
from featx.cache.segment import DTYPES
from featx.cache.segment_writer import in_order
from featx.cache.store import shared
from featx.cache.upkeep import Damage, RecipeInfo, Removed
from featx.errors import DamagedSegmentError, InputError, UnknownNameError


class EmbeddingCache:
    """A folder of embeddings.

    Costs nothing to make, creates nothing on disk before the first `put`, holds no open file, and is pickled
    as its path and dtype. All caches of one folder in a process share what they have read of it.

    Parameters
    ----------
    path
        The folder. Default, or ``"auto"``: the one that the environment variable ``FEATX_CACHE`` names, else the
        platform's user cache folder.
    dtype
        How vectors are stored from now on: ``float32``, or ``float16``, which takes half the room and rounds
        each number to 11 binary digits. Both are read as float32, and one folder may hold both. With float16
        the run that computes a vector returns it as computed, later runs as rounded. Vectors with numbers
        beyond 65,504, float16's largest, are stored as float32 all the same.

    Examples
    --------
    >>> import tempfile
    >>> cache = EmbeddingCache(tempfile.mkdtemp())
    >>> ids = np.arange(32, dtype="uint8").reshape(2, 16)
    >>> cache.put("0" * 32, ids, np.array([[1, 2, 3], [4, 5, 6]], "float32"))
    >>> out = np.zeros((3, 3), "float32")
    >>> cache.gather("0" * 32, np.vstack([ids[::-1], ids[:1] + 99]), out)
    array([ True,  True, False])
    >>> out[:2]
    array([[4., 5., 6.],
           [1., 2., 3.]], dtype=float32)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, dtype: str = "float32") -> None:
        if dtype not in DTYPES:
            raise UnknownNameError("dtype", dtype, DTYPES)
        self.path = folder_of(path)
        self.dtype = dtype
        self._store = shared(self.path)

    @classmethod
    def at(
        cls, cache: "str | os.PathLike[str] | EmbeddingCache | None", dtype: str = "float32"
    ) -> "EmbeddingCache | None":
        """Give the cache that someone means: what ``cache=`` and ``--cache`` take, everywhere in featx.

        Parameters
        ----------
        cache
            ``"auto"``: the folder that ``FEATX_CACHE`` names, else the platform's user cache folder. A path or a
            cache: that one. ``"none"`` or None, also by ``FEATX_CACHE=none``: nothing is kept.
        dtype
            As above; a cache that is given keeps its own.

        Raises
        ------
        InputError
            If it is none of these.

        Examples
        --------
        >>> EmbeddingCache.at("/tmp/photos")
        EmbeddingCache('/tmp/photos')
        >>> EmbeddingCache.at("none") is None
        True
        """
        if cache is None or isinstance(cache, EmbeddingCache):
            return cache
        return None if meant(cache) == NOTHING else cls(cache, dtype)

    def __repr__(self) -> str:
        dtype = "" if self.dtype == DTYPES[0] else f", dtype={self.dtype!r}"
        return f"{type(self).__name__}({str(self.path)!r}{dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmbeddingCache) and (self.path, self.dtype) == (other.path, other.dtype)

    def __hash__(self) -> int:
        return hash((self.path, self.dtype))

    def __reduce__(self) -> tuple[type["EmbeddingCache"], tuple[str, str]]:
        return type(self), (str(self.path), self.dtype)

    def gather(self, recipe_id: str, image_ids: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Copy the vectors that are cached into an array.

        Parameters
        ----------
        recipe_id
            32 hexadecimal digits.
        image_ids
            (n, 16) uint8; may repeat.
        out
            (n, d) float32; may be a slice of columns. Rows of images that are not found hold nothing of use
            afterwards.

        Returns
        -------
        numpy.ndarray
            (n,) bool, which images were found.

        Raises
        ------
        InputError
            If a shape, a dtype or the recipe id is wrong.
        CacheError
            If the folder cannot be read, is of a newer format, or holds vectors of another dimension.

        Warns
        -----
        CacheWarning
            For each damaged segment, once; its images count as not found.
        """
        ids = checked(recipe_id, image_ids)
        check_out(out, len(ids))
        with self._store.explained("read"):
            while True:
                index = self._store.index(recipe_id, out.shape[1])
                places = index.find(ids)
                try:
                    index.take(places, out)
                except FileNotFoundError:
                    continue  # another process compacted or removed a segment since we listed them
                except DamagedSegmentError as damage:
                    self._store.disbelieve(damage)
                    continue
                return places >= 0

    def put(
        self,
        recipe_id: str,
        image_ids: np.ndarray,
        rows: np.ndarray,
        recipe: Mapping[str, Any] | None = None,
        *,
        made_with: Mapping[str, str] | None = None,
    ) -> None:
        """Store vectors as one new segment, durable on return, and compact small ones if they are many.

        Parameters
        ----------
        recipe_id
            32 hexadecimal digits.
        image_ids
            (n, 16) uint8; of an id that repeats, the first row counts. Nothing happens for n = 0.
        rows
            (n, d) float32, stored as this cache's `dtype`, or float16, stored as such.
        recipe
            The recipe in words, JSON values only, kept beside the segments for people.
        made_with
            Names and versions of what computed the rows, kept in the segment for people.

        Raises
        ------
        InputError
            If a shape, a dtype or the recipe id is wrong, or a row holds NaN.
        CacheError
            If the folder cannot be written to, or the recipe holds vectors of another dimension. Nothing
            half-done is left behind, and what was stored before is kept.
        """
        ids = checked(recipe_id, image_ids)
        check_rows(rows, len(ids))
        if not len(ids):
            return
        dim = rows.shape[1]
        if self.dtype == "float16" and max(rows.max(), -rows.min()) <= np.finfo("f2").max:
            rows = rows.astype("f2")
        order = ascending(*split(ids))
        blocks = in_order(rows, order)
        with self._store.explained("write to"):
            self._store.index(recipe_id, dim)
            self._store.write(
                recipe_id,
                ids[order],
                blocks,
                recipe=recipe,
                dim=dim,
                dtype=str(rows.dtype),
                made_with=made_with,
            )
        compacting.tidy(self._store, recipe_id)

    def image_ids(self, recipe_id: str) -> np.ndarray:
        """Return the ids of all images cached for a recipe, (n, 16) uint8, sorted."""
        checked(recipe_id)
        with self._store.explained("read"):
            index = self._store.index(recipe_id)
        high, low, _ = index.distinct()
        return join(high, low)

    def recipe(self, beginning: str) -> RecipeInfo:
        """Return what the cache holds for the recipe whose id begins so.

        Raises
        ------
        InputError
            If there is no such recipe, or more than one.
        """
        with self._store.explained("read"):
            known = self._store.recipes()
            found = [recipe_id for recipe_id in known if recipe_id.startswith(beginning)]
            if not found:
                raise UnknownNameError("recipe", beginning, known, "`featx cache info` lists them.")
            if len(found) > 1:
                raise InputError(
                    f"{len(found)} recipes have ids that begin with {beginning!r}. Give more digits; "
                    f"`featx cache info --json` shows all of them."
                )
            return upkeep.info(self._store, found[0])

    def info(self) -> list[RecipeInfo]:
        """Return what the cache holds, one row per recipe."""
        with self._store.explained("read"):
            return [upkeep.info(self._store, recipe_id) for recipe_id in self._store.recipes()]

    @property
    def engines(self) -> Path:
        """The folder in which exported graphs are kept, one for all caches of this machine; need not exist."""
        return graphs_folder()

    def exports(self) -> list[Export]:
        """Return the exported graphs of this machine, the one used longest ago first."""
        with self._store.explained("read"):
            return [one for folder in self._store.exports for one in exports.exports(folder)]

    def verify(self, *, repair: bool = False) -> list[Damage]:
        """Read every byte of the vectors and of the exported graphs, and compare them with their digests.

        Parameters
        ----------
        repair
            Whether to rename damaged files to ``*.damaged``, out of the cache's sight, and to remove damaged
            graphs; the next run computes those images, and exports those networks, again.

        Returns
        -------
        list of Damage
            Empty if all is well.
        """
        with self._store.explained("write to" if repair else "read"):
            return upkeep.verify(self._store, repair=repair)

    def compact(self) -> int:
        """Make one segment, or one for each GiB, of the small ones of each recipe, which makes lookups faster.

        Other processes may read and write meanwhile. Needs room for 2 GiB. Damaged segments are left alone.

        Returns
        -------
        int
            By how many segments there are fewer now.
        """
        with self._store.explained("write to"):
            return compacting.compact(self._store)

    def merge(self, *others: "str | os.PathLike[str] | EmbeddingCache") -> list[Merged]:
        """Copy the vectors of other caches into this one, such as those that jobs without a common disk have filled.

        Their segments are copied as they are, and every byte is checked on its way; of a damaged one the sound rows
        are copied, and it is named. What is here already is not copied again: after a failure the same call goes on.
        The others do not change, and any process may read and write here and there meanwhile.

        Parameters
        ----------
        others
            Caches, or their folders.

        Returns
        -------
        list of Merged
            What came from each.

        Raises
        ------
        InputError
            If one of them is no cache, or this one; nothing is copied then.
        CacheError
            If a folder cannot be read or written. What was copied until then is kept.
        """
        stores = [shared(one.path if isinstance(one, EmbeddingCache) else folder_of(one)) for one in others]
        return merging.merge(self._store, stores)

    def gc(
        self, *, max_size: int | None = None, older_than: float | None = None, dry_run: bool = False
    ) -> list[Removed]:
        """Remove the segments and exported graphs idle longest, and what damage and dead writers left.

        A segment is idle since it was written, or since a `FeatureExtractor` last asked for its recipe. The
        memo knows the latter where it can be written; a recipe that is used keeps all its segments. A graph is
        idle since it was run last.

        Parameters
        ----------
        max_size
            Bytes of segments and graphs that may stay; default: any number.
        older_than
            Seconds: remove what has been idle for longer; default: no limit.
        dry_run
            Whether to remove nothing, and only say what would go.

        Returns
        -------
        list of Removed
            Idle longest first. What is needed again is computed, or exported, again.
        """
        with self._store.explained("delete from"):
            return upkeep.gc(self._store, max_size=max_size, older_than=older_than, dry_run=dry_run)

    def delete(self, recipe_id: str) -> int:
        """Remove a recipe with all its vectors.

        Returns
        -------
        int
            The bytes freed; 0 if there was no such recipe.
        """
        checked(recipe_id)
        with self._store.explained("delete from"):
            return upkeep.delete(self._store, recipe_id)
