"""Whole Keras models as files, loaded without running code that they bring."""

import json
import re
import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featx.errors import WeightsError
from featx.networks import custom
from featx.networks.file_kinds import config_of, kind_of
from featx.networks.forks import refuse_if_forked
from featx.networks.keras2 import renewed


def load_model(path: Path, trusted: Iterable[str] = ()) -> Any:
    """Load a Keras model; code hidden in its file is refused, not run.

    Parameters
    ----------
    path
        A ``.keras`` file, or an HDF5 file of Keras 2 or 3; what it is called does not matter.
    trusted
        Full names of classes and functions of one's own that the model may use; ``keras.layers.Lambda`` for code that
        lies in the file.

    Raises
    ------
    WeightsError
        If it is no such file, Keras cannot load it, or it needs code that is not trusted. The message says what it is
        and what to do.
    InputError
        If something is trusted that is not there.
    """
    kind = kind_of(path)
    refuse_if_forked()
    from featx.networks.quiet_keras import keras

    config = config_of(path)
    written = renewed(config) if kind == "hdf5" else config
    chosen = custom.trusted_for(custom.needs(written), trusted)
    if lacking := [name for name, full in chosen.items() if full is None]:
        raise WeightsError(_needs_code(path, lacking))
    objects = {
        name: custom.imported(full) for name, full in chosen.items() if full and not custom.is_code(name)
    }
    safe = not any(map(custom.is_code, chosen))
    try:
        with _readable(path, kind, None if written == config else written) as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Do not pass an `input_shape`")  # Keras 2 wrote it
            return keras.saving.load_model(file, custom_objects=objects, compile=False, safe_mode=safe)
    except Exception as error:  # zipfile, json, h5py and Keras each raise their own
        raise WeightsError(f"{path} cannot be loaded as a Keras model: {reason(error)}.") from error


def reason(error: Exception) -> str:
    """Give what an error of Keras is about: it may go on for pages, with the cause at the end or in the middle."""
    text = str(error).rpartition("Exception encountered: ")[2].partition(" Full object config")[0]
    lines = [re.sub(r"\x1b\[\d+m", "", line).strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith("Exception encountered when calling")]
    return said[0].rstrip(".") if said else type(error).__name__


@contextmanager
def _readable(path: Path, kind: str, written: Any) -> Iterator[Path]:
    """Give a file under a name that ends as Keras wants it, which goes by that; with another configuration, if any."""
    suffix = ".keras" if kind == "zip" else ".h5"
    if path.suffix == suffix and written is None:
        yield path
        return
    with TemporaryDirectory(prefix="featx-") as folder:
        copied = Path(folder) / f"model{suffix}"
        shutil.copyfile(path, copied)
        if written is not None:
            import h5py

            with h5py.File(copied, "a") as opened:
                opened.attrs["model_config"] = json.dumps(written)
        yield copied


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
