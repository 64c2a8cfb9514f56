"""What is checked of the ids and arrays that a cache is given."""

import numpy as np

from featx.cache.segment import DTYPES
from featx.cache.store import RECIPE_ID
from featx.errors import InputError


def checked(recipe_id: str, image_ids: np.ndarray | None = None) -> np.ndarray:
    """Give the ids, (n, 16) uint8, or raise InputError; no ids are none."""
    if not isinstance(recipe_id, str) or not RECIPE_ID.fullmatch(recipe_id):
        raise InputError(f"Expected a recipe id of 32 lowercase hexadecimal digits, got {recipe_id!r}.")
    ids = np.empty((0, 16), "u1") if image_ids is None else image_ids
    if not isinstance(ids, np.ndarray) or ids.dtype != np.uint8 or ids.ndim != 2 or ids.shape[1] != 16:
        raise InputError(f"Expected image ids of shape (n, 16) and dtype uint8, got {_shape(ids)}.")
    return ids


def check_out(out: np.ndarray, count: int) -> None:
    """Refuse what cannot take so many vectors."""
    if not isinstance(out, np.ndarray) or out.dtype != np.float32 or out.ndim != 2 or len(out) != count:
        raise InputError(f"Expected out of shape ({count}, d) and dtype float32, got {_shape(out)}.")


def check_rows(rows: np.ndarray, count: int) -> None:
    """Refuse what are not so many vectors that may be kept."""
    shape = _shape(rows)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or str(rows.dtype) not in DTYPES:
        raise InputError(f"Expected rows of shape ({count}, d), float32 or float16, got {shape}.")
    if len(rows) != count or not rows.shape[1]:
        raise InputError(f"Expected {count} rows of at least one number, one per image id, got {shape}.")
    if count and np.isnan(rows.min()):
        lacking = np.isnan(rows).any(axis=1).sum()
        raise InputError(f"{lacking} of {count} rows hold NaN, which is never cached. Leave them out.")


def _shape(value: object) -> str:
    return f"{value.shape} {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
