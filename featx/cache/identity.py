"""When an embedding may be reused: the ids of images, weights and recipes.

Everything here is a pure function of its arguments and of what is installed. A digest is BLAKE2b of 16 bytes (128
bits): among 10**9 images the chance of any accidental collision is below 10**-20 (birthday bound n**2 / 2**129).
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from typing import Any

import numpy as np

FORMAT = 3
"""Version of the recipe. Raised whenever the same words come to mean other numbers; old embeddings then miss."""

SIZE = 16
"""Bytes in a digest."""


@cache
def version_of(package: str) -> str:
    """Give the version of an installed package; asked once, since that reads a file."""
    return version(package)


def digest(*parts: bytes | memoryview) -> bytes:
    """Digest byte strings, each with its length, so that no two lists of parts can be confused.

    Examples
    --------
    >>> digest(b"ab", b"c") == digest(b"a", b"bc")
    False
    >>> len(digest(b""))
    16
    """
    state = blake2b(digest_size=SIZE)
    for part in parts:
        state.update(memoryview(part).nbytes.to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def array_digest(array: np.ndarray) -> bytes:
    """Digest an array's shape, dtype and values.

    Examples
    --------
    >>> zeros = np.zeros((2, 3), "uint8")
    >>> array_digest(zeros) == array_digest(zeros.T)
    False
    >>> array_digest(zeros) == array_digest(np.asfortranarray(zeros))
    True
    """
    little = array.dtype.newbyteorder("<")  # the same numbers on any machine
    values = np.ascontiguousarray(array, dtype=little).reshape(-1)
    return digest(str(array.shape).encode(), little.str.encode(), values.view(np.uint8).data)


def image_id(content: bytes | np.ndarray) -> bytes:
    """Name an image by its content: the encoded bytes of a file, or the shape, dtype and values of an array.

    The name of a file does not matter: a renamed or copied file is the same image.

    Parameters
    ----------
    content
        The bytes of an image file, or an array of pixels of any shape.

    Returns
    -------
    bytes
        16 bytes.

    Examples
    --------
    >>> image_id(b"...the bytes of a file...").hex()
    '878e4267e25972e8fe7fd0964551527d'
    """
    if isinstance(content, np.ndarray):
        return digest(b"array", array_digest(content))
    return digest(b"file", content)


def recipe_id(recipe: Mapping[str, Any], version: int = FORMAT) -> str:
    """Name a recipe by its canonical JSON: every choice that changes an embedding's numbers.

    Parameters
    ----------
    recipe
        JSON values only; the order of the keys does not matter.
    version
        Of the recipe's format.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    TypeError, ValueError
        If the recipe holds something JSON cannot say exactly (an object, a NaN).

    Examples
    --------
    >>> recipe_id({"pooling": "avg", "resize": "squash"}) == recipe_id({"resize": "squash", "pooling": "avg"})
    True
    """
    return digest(json.dumps([version, recipe], sort_keys=True, allow_nan=False).encode()).hex()


def weights_digest(weights: Iterable[np.ndarray]) -> str:
    """Digest a network's weights, in the order of its graph; their names do not matter, their values do."""
    return digest(*map(array_digest, weights)).hex()


def graph_digest(config: Mapping[str, Any]) -> str:
    """Digest a network's configuration (`keras.Model.get_config`), whatever its layers happen to be called.

    Keras numbers unnamed layers in the order of their making (``conv2d_7``), so the same network built twice in one
    process has other names. Names are therefore replaced by the layer's position; ``trainable`` and the models' own
    names are dropped, for they change no number.

    Parameters
    ----------
    config
        What `get_config` of a functional model returns.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    return digest(json.dumps(_without_names(config), sort_keys=True, default=str).encode()).hex()


def _without_names(config: Mapping[str, Any]) -> Any:
    places = {  # a layer of one's own may say nothing of its name, not even in its configuration
        layer.get("name") or layer["config"].get("name"): place
        for place, layer in enumerate(config["layers"])
    }

    def tidy(value: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            if isinstance(value.get("layers"), list):
                return _without_names(
                    value
                )  # a network inside the network: its layers have names of their own
            return {inner: tidy(item, inner) for inner, item in value.items() if inner not in _SILENT}
        if isinstance(value, list | tuple):
            if len(value) == 3 and isinstance(value[0], str) and key in _REFERENCES:  # [layer, call, output]
                return [places[value[0]], *value[1:]]
            return [tidy(item, key) for item in value]
        return places.get(value, value) if key == "name" else value

    return {key: tidy(value, key) for key, value in config.items() if key not in {"name", *_SILENT}}


_REFERENCES = {"keras_history", "input_layers", "output_layers"}
_SILENT = {"trainable", "build_config"}  # change no number
