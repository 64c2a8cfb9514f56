"""Small labelled images that need no download, for documents, demonstrations and tests."""

import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image

from featx.errors import InputError
from featx.text import quoted

SHAPES = ("disc", "square", "ring", "cross", "stripes", "checks", "triangle", "dots")
"""The classes of `synthetic`, in the order in which they are used."""


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Give scikit-learn's handwritten digits as images.

    Returns
    -------
    images : numpy.ndarray
        ``(1797, 8, 8)`` uint8, the original 0..16 scaled to 0..255.
    labels : numpy.ndarray
        ``(1797,)`` int, 0 to 9.

    References
    ----------
    The test part of E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI, 1998.

    Examples
    --------
    >>> images, labels = digits()
    >>> images.shape, images.dtype.name, images.max().item(), labels[:5].tolist()
    ((1797, 8, 8), 'uint8', 255, [0, 1, 2, 3, 4])
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.rint(bunch.images * (255 / 16)).astype(np.uint8), bunch.target


def photographs() -> tuple[np.ndarray, np.ndarray]:
    """Give scikit-learn's two photographs: a Chinese temple and a flower.

    Returns
    -------
    images : numpy.ndarray
        ``(2, 427, 640, 3)`` uint8 RGB.
    labels : numpy.ndarray
        ``("china", "flower")``.

    Examples
    --------
    >>> images, labels = photographs()
    >>> images.shape, labels.tolist()
    ((2, 427, 640, 3), ['china', 'flower'])
    """
    from sklearn.datasets import load_sample_images

    return np.stack(load_sample_images().images), np.array(["china", "flower"])


def synthetic(
    n: int = 120, classes: int = 3, size: int = 64, random_state: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw bright shapes on dark ground, anywhere, in any colours, with noise.

    Parameters
    ----------
    n
        How many; more of them begin with the same ones.
    classes
        How many of `SHAPES`, 1 to 8; they take turns.
    size
        Height and width in pixels, at least 8.
    random_state
        Another number draws other images.

    Returns
    -------
    images : numpy.ndarray
        ``(n, size, size, 3)`` uint8 RGB.
    labels : numpy.ndarray
        ``(n,)`` str.

    Raises
    ------
    InputError
        If there are not so many shapes, or `size` is too small to tell them apart.

    Examples
    --------
    >>> images, labels = synthetic(4, classes=3, size=32)
    >>> images.shape, labels.tolist()
    ((4, 32, 32, 3), ['disc', 'square', 'ring', 'disc'])
    """
    if not 1 <= classes <= len(SHAPES):
        raise InputError(f"classes={classes}, but there are {len(SHAPES)} shapes: {', '.join(SHAPES)}.")
    if size < 8:
        raise InputError(f"size={size} is too small for a shape: at least 8 pixels are needed.")
    labels = np.array([SHAPES[row % classes] for row in range(n)], dtype=f"<U{max(map(len, SHAPES))}")
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row] = _draw(label, size, np.random.default_rng((random_state, row)))
    return images, labels


def write_folder(
    images: Iterable[np.ndarray], labels: Iterable[object], folder: str | os.PathLike[str]
) -> Path:
    """Write images as PNG files, one folder per label, as `load_folder` reads them.

    Parameters
    ----------
    images
        uint8 arrays ``(h, w)`` or ``(h, w, 3 | 4)``.
    labels
        One per image; its text names the folder.
    folder
        A new or empty folder.

    Returns
    -------
    pathlib.Path
        The folder. A file is named by the row of its image, ``disc/0000.png``.

    Raises
    ------
    InputError
        If there are more of one than of the other, a label cannot be the name of a folder, or the folder is not empty.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     sorted(path.name for path in write_folder(*synthetic(3), folder).iterdir())
    ['disc', 'ring', 'square']
    """
    pictures, names = list(images), [str(label) for label in labels]
    if len(pictures) != len(names):
        raise InputError(f"{len(pictures)} images, but {len(names)} labels.")
    for name in names:
        if not name or name.startswith(".") or Path(name).name != name:
            raise InputError(
                f"The label {quoted(name)} cannot be the name of a folder that load_folder would read."
            )
    top = Path(folder)
    if top.is_dir() and any(top.iterdir()):
        raise InputError(
            f"{os.fspath(folder)!r} is not empty. Give a new folder, so that no other image gets in."
        )
    for row, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        (top / name).mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(picture).save(top / name / f"{row:04}.png")
    return top


def parts_of_photographs(n: int, size: tuple[int, int], random_state: int = 0) -> np.ndarray:
    """Draw photographs: parts of scikit-learn's two in turn, with other colours and a sensor's noise.

    Parameters
    ----------
    n
        How many, all different; more of them begin with the same ones.
    size
        Height and width in pixels.
    random_state
        Another number gives other parts, other colours and other noise.

    Returns
    -------
    numpy.ndarray
        ``(n, h, w, 3)`` uint8 RGB.

    Examples
    --------
    >>> parts_of_photographs(2, (75, 100)).shape
    (2, 75, 100, 3)
    """
    originals, _ = photographs()
    rows = [(random_state, row) for row in range(n)]
    return np.stack([_part(originals[row[1] % 2], size, np.random.default_rng(row)) for row in rows])


def write_photographs(
    folder: str | os.PathLike[str], n: int, size: tuple[int, int] = (375, 500), random_state: int = 0
) -> list[str]:
    """Write JPEG files that cost as much to read as those of a camera, to measure speed with.

    They are parts of scikit-learn's two photographs, enlarged or reduced, with a sensor's noise: of 375 x 500 pixels
    about 70 kB each. From the 33rd on they repeat with another comment in the file, so that no two files are the same.

    Parameters
    ----------
    folder
        Where; it is made if need be.
    n
        How many.
    size
        Height and width in pixels.
    random_state
        Another number gives other parts, other colours and other noise.

    Returns
    -------
    list of str
        Their paths, in order.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     paths = write_photographs(folder, 40, size=(75, 100))
    ...     len(paths), len({Path(path).read_bytes() for path in paths})
    (40, 40)
    """
    top = Path(folder)
    top.mkdir(parents=True, exist_ok=True)
    originals, _ = photographs()
    drawn: list[bytes] = []
    paths = []
    for row in range(n):
        if row < _DIFFERENT:
            file = BytesIO()
            part = _part(originals[row % 2], size, np.random.default_rng((random_state, row)))
            PIL.Image.fromarray(part).save(file, "JPEG", quality=90)
            drawn.append(file.getvalue())
        start, rest = drawn[row % _DIFFERENT][:2], drawn[row % _DIFFERENT][2:]
        comment = b"\xff\xfe" + (10).to_bytes(2, "big") + f"{row:08}".encode()  # marker, length, text
        path = top / f"{row:06}.jpg"
        path.write_bytes(start + comment + rest)
        paths.append(str(path))
    return paths


_DIFFERENT = 32


def _part(photograph: np.ndarray, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Cut a part of the same aspect out of a photograph, bring it to a size, and change it a little."""
    height, width = photograph.shape[:2]
    scale = rng.uniform(0.6, 1) * min(height / size[0], width / size[1])
    h, w = int(size[0] * scale), int(size[1] * scale)
    top, left = rng.integers(height - h + 1), rng.integers(width - w + 1)
    part = PIL.Image.fromarray(photograph[top : top + h, left : left + w]).resize((size[1], size[0]))
    noise = rng.standard_normal((*size, 3), dtype=np.float32) * 8
    changed: np.ndarray = np.clip(np.asarray(part) * rng.uniform(0.8, 1.2, 3) + noise, 0, 255)
    return changed.astype(np.uint8)


def _draw(shape: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one shape: a mask on a grid of which the shape spans -1 to 1, filled with colour."""
    radius = rng.uniform(0.25, 0.4)
    centre = rng.uniform(radius, 1 - radius, size=2)
    grid = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid((grid - centre[0]) / radius, (grid - centre[1]) / radius, indexing="ij")
    distance, within = np.hypot(x, y), np.maximum(np.abs(x), np.abs(y)) < 1
    masks = {
        "disc": distance < 1,
        "square": within,
        "ring": (distance < 1) & (distance > 0.55),
        "cross": within & (np.minimum(np.abs(x), np.abs(y)) < 0.3),
        "stripes": within & (np.floor((y + 1) * 2.5) % 2 == 0),
        "checks": within & ((np.floor((x + 1) * 2) + np.floor((y + 1) * 2)) % 2 == 0),
        "triangle": (y < 1) & (y > -1) & (2 * np.abs(x) < y + 1),
        "dots": within & (np.hypot((x + 1) * 1.5 % 1 - 0.5, (y + 1) * 1.5 % 1 - 0.5) < 0.35),
    }
    dark, bright = rng.integers(0, 90, size=3), rng.integers(150, 256, size=3)
    picture = np.where(masks[shape][..., None], bright, dark) + rng.normal(0, 12, size=(size, size, 3))
    clipped: np.ndarray = np.clip(picture, 0, 255)
    return clipped.astype(np.uint8)
