"""Which images a saved model was fitted to: their ids, by which others tell whether they are among them."""

import io
from typing import Any

import numpy as np

from featx.cache.embedding_cache import EmbeddingCache
from featx.cache.identity import SIZE
from featx.cache.memo import Memo
from featx.embedding.composition import parts_of
from featx.embedding.extractor import FeatureExtractor
from featx.embedding.naming import image_ids
from featx.errors import SavedModelError
from featx.images.sources import as_sources

FITTED = "images.npy"
"""The file that holds the ids."""


def ids_of(images: Any, model: Any) -> np.ndarray:
    """Give the ids of images, (n, 16) uint8: of files from the memo beside the cache of a model, where there is one."""
    caches = [part.cache for part in parts_of(model) if isinstance(part, FeatureExtractor)]
    cache = EmbeddingCache.at(caches[0]) if caches else None
    return image_ids(as_sources(images), Memo(cache.path) if cache else None)


def packed(images: Any, model: Any) -> bytes:
    """Give the content of the file: ids in an order that says nothing of the images'."""
    file = io.BytesIO()
    np.save(file, np.unique(ids_of(images, model), axis=0), allow_pickle=False)
    return file.getvalue()


def unpacked(content: bytes, name: str) -> np.ndarray:
    """Read the content of the file.

    Raises
    ------
    SavedModelError
        If it holds something else.
    """
    try:
        ids = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # whatever a crafted header makes NumPy raise
        raise SavedModelError(f"{name!r} is not what save wrote: {error}. Save the model again.") from error
    if not isinstance(ids, np.ndarray) or ids.dtype != np.uint8 or ids.ndim != 2 or ids.shape[1] != SIZE:
        raise SavedModelError(f"{name!r} is not what save wrote. Save the model again.")
    return ids


def among(images: Any, fitted: np.ndarray, model: Any) -> np.ndarray:
    """Give the rows of the images whose content is among that of others.

    Parameters
    ----------
    images
        In any form that `FeatureExtractor` takes.
    fitted
        (m, 16) uint8, the ids of the others.
    model
        The model, whose cache knows the content of most files.
    """
    ids = np.ascontiguousarray(ids_of(images, model))
    known = np.ascontiguousarray(fitted).view("V16").ravel()
    return np.flatnonzero(np.isin(ids.view("V16").ravel(), known) & ids.any(axis=1))
