"""The bank: all textures and shapes of one seed, made once and kept as one file."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from shapes import FAMILIES as SHAPE_FAMILIES
from shapes import shape
from textures import FAMILIES as TEXTURE_FAMILIES
from textures import texture
from tqdm import tqdm


class Bank(NamedTuple):
    """What scenes are made of."""

    textures: np.ndarray
    """``(n, 128, 128)`` uint8."""
    shapes: np.ndarray
    """``(m, 96, 96)`` uint8."""


def make_bank(
    seed: int = 0, *, texture_programs: int = 25, fields: int = 16, masks: int = 12, share: float = 1
) -> Bank:
    """Render a bank; the default one holds 5,600 textures and 8,400 shapes, takes 40 seconds and 170 MB.

    Parameters
    ----------
    seed
        The same seed gives the same bank.
    texture_programs
        Programs per family of textures.
    fields, masks
        Instances per program of textures, of shapes.
    share
        Part of the shape programs to use, for a small bank.

    Examples
    --------
    >>> make_bank(texture_programs=1, fields=1, masks=1, share=0.01).textures.shape
    (14, 128, 128)
    """
    textures = [
        texture(seed, family, program, fields)
        for family in tqdm(range(len(TEXTURE_FAMILIES)), "textures", leave=False)
        for program in range(texture_programs)
    ]
    shapes = [
        shape(seed, family, program, masks)
        for family, programs in enumerate(tqdm(SHAPE_FAMILIES.values(), "shapes", leave=False))
        for program in range(max(1, round(share * programs)))
    ]
    return Bank(np.concatenate(textures), np.concatenate(shapes))


def load_bank(path: Path, seed: int = 0) -> Bank:
    """Read the bank at ``path``, an ``.npz`` file; make it first when it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, **make_bank(seed)._asdict())
        partial.replace(path)  # never a half-written bank under the final name
    with np.load(path) as arrays:
        return Bank(arrays["textures"], arrays["shapes"])
