"""Whole Keras models as files: their configuration, and loading them without running code that they bring."""

import json
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from featx.errors import WeightsError
from featx.networks import custom
from featx.networks.forks import refuse_if_forked


def load_model(path: Path, trusted: Iterable[str] = ()) -> Any:
    """Load a Keras model; code hidden in its file is refused, not run.

    Parameters
    ----------
    path
        A ``.keras`` file.
    trusted
        Full names of classes and functions of one's own that the model may use; ``keras.layers.Lambda`` for code that
        lies in the file.

    Raises
    ------
    WeightsError
        If Keras cannot load it, or it needs code that is not trusted.
    InputError
        If something is trusted that is not there.
    """
    refuse_if_forked()
    import keras

    chosen = custom.trusted_for(custom.needs(config_of(path)), trusted)
    if lacking := [name for name, full in chosen.items() if full is None]:
        raise WeightsError(_needs_code(path, lacking))
    objects = {
        name: custom.imported(full) for name, full in chosen.items() if full and not custom.is_code(name)
    }
    safe = not any(map(custom.is_code, chosen))
    try:
        return keras.saving.load_model(path, custom_objects=objects, compile=False, safe_mode=safe)
    except Exception as error:  # zipfile, json, h5py and Keras each raise their own
        raise WeightsError(f"{path} cannot be loaded as a Keras model: {reason(error)}.") from error


def config_of(path: Path) -> Any:
    """Read the configuration of a model from its file; None where there is none."""
    try:
        with zipfile.ZipFile(path) as file:
            return json.loads(file.read("config.json"))
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile):
        return None


def reason(error: Exception) -> str:
    """Give what an error of Keras is about: it may go on for pages, with the cause at the end or in the middle."""
    text = str(error).rpartition("Exception encountered: ")[2]
    lines = [re.sub(r"\x1b\[\d+m", "", line).strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith("Exception encountered when calling")]
    return said[0].rstrip(".") if said else type(error).__name__


def _needs_code(path: Path, lacking: list[str]) -> str:
    own = [name for name in lacking if not custom.is_code(name)]
    code = [name.rpartition(".")[2] for name in lacking if custom.is_code(name)]
    objects = ", ".join(f"{name!r}: {name.rpartition('>')[2]}" for name in own)
    arguments = [
        repr(str(path)),
        *([f"custom_objects={{{objects}}}"] if own else []),
        *(["safe_mode=False"] if code else []),
    ]
    what = [*(f"a {name} layer with code in the file" for name in code), *map(repr, own)]
    return (
        f"{path} needs code that is not part of Keras: {', '.join(what)}. If you trust its source, load it in Python "
        f"and pass the model: FeatureExtractor(keras.saving.load_model({', '.join(arguments)}))."
    )
