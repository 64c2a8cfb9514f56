"""Which network: a name of the catalogue, a Keras model, or a file of one; with its weights and its scaling."""

import json
import os
import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from featx.errors import InputError, WeightsError
from featx.networks import families
from featx.networks.backbone import Backbone
from featx.networks.catalogue import backbones, find
from featx.networks.file_kinds import is_file, kind_of
from featx.networks.flatten import flatten
from featx.networks.forks import Lock, refuse_if_forked
from featx.networks.graph import Graph
from featx.networks.model_files import load_model
from featx.networks.places import keras_home
from featx.networks.porting import READERS, port
from featx.networks.scaling import before_convolution, own_scaling
from featx.networks.weights import check, is_published, locate

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Network:
    """What is known of a network before it is built."""

    name: str
    load: Callable[[], Any] = field(repr=False)
    """Builds the Keras model and gives it its weights."""
    size: Size | None = None
    """Height and width of its input in pixels; None where only the built network can tell."""
    row: Backbone | None = None
    """Its row in the catalogue, if it was named."""
    key: str | None = None
    """Names the network and its weights by content; None for a Keras model, whose weights may change at any time."""
    file: Path | None = None
    """What holds its weights, or all of it; None where no file does."""

    def graph(self, scaling: str, precision: str) -> Graph:
        """Build the network and lay it out.

        Parameters
        ----------
        scaling
            A name in `featx.networks.scaling.SCALINGS`; ``"auto"`` for the network's own.
        precision
            ``"float32"`` or ``"bfloat16"``.

        Raises
        ------
        InputError
            If the network's own scaling or input size cannot be told.
        """
        with as_shipped():
            network = self.load()
            row = self.row or _row_of(network.name)
            size = self.size or _input_size(network) or ((row.input_size, row.input_size) if row else None)
            if size is None:
                raise InputError(f"{self.name!r} takes images of any size; choose one with input_size=.")
            if scaling == "auto":
                scaling = self.row.scaling if self.row else self._scaling(network, size)
            renumber = self.row is not None
            return flatten(network, input_size=size, scaling=scaling, precision=precision, renumber=renumber)

    def _scaling(self, network: Any, size: Size) -> str:
        """Tell which pixel values a network expects, by what it holds."""
        graph = flatten(network, input_size=size, scaling="none")
        own = own_scaling(graph)
        if own is True:
            return "none"
        row = None
        if own is False:
            _, first = before_convolution(graph)
            inside = first.name.split("/")[:-1] if first else []
            row = next(filter(None, map(_row_of, [network.name, *inside])), None)
        if row is None or row.scaling == "none":  # the one of this name would scale, and this one does not
            reason = own if isinstance(own, str) else "does not say which pixel values it was trained on"
            raise InputError(
                f"{self.name!r} {reason}. Pass scaling=: 'none' for 0..255, 'unit' for 0..1, 'tf' for -1..1, 'torch' "
                "or 'caffe' for those conventions of Keras."
            )
        return row.scaling


def network_of(
    backbone: Any, weights: Any, size: Size | None, content_of: Callable[[Path], bytes]
) -> Network:
    """Find a network.

    Parameters
    ----------
    backbone
        A name of the catalogue, the path of a ``.keras`` or ``.h5`` file, or a functional or sequential Keras model.
    weights
        For a name: see `featx.networks.weights.locate`. The others bring their own.
    size
        Height and width of the input in pixels; None for the network's own.
    content_of
        Gives the digest of a file's content.

    Raises
    ------
    UnknownNameError, InputError, WeightsError
        If there is no such network; the message says what to do.
    """
    if isinstance(backbone, str | PathLike) and not is_file(backbone):
        row = find(fspath(backbone))
        size = size or (row.input_size, row.input_size)
        if min(size) < row.min_size:
            raise InputError(f"input_size={size}: {row.name!r} takes {row.min_size} pixels and more.")
        path = locate(row, weights, size[0] if size[0] == size[1] else row.input_size)  # as Keras chooses
        published = weights in ("auto", "imagenet")
        # the digest of the file, not its name: another file may come to stand there. What is called published is
        # checked when it is loaded, so it must not be found under the key of a file that was not
        origin = "published" if published else "given"
        load = partial(build, row, path, size, published=published)
        if path is None:  # what the seed gives depends on the backend
            return Network(row.name, load, size, row, f"{row.name} random {backend_name()}")
        content = content_of(path)
        load = partial(_unchanged, load, path, content, content_of)
        return Network(row.name, load, size, row, f"{row.name} {origin} {content.hex()}", path)
    if weights != "auto":
        raise InputError("weights= goes with a named backbone; a Keras model or its file brings its own.")
    if isinstance(backbone, str | PathLike):
        path = Path(backbone).expanduser()
        if not path.exists():
            raise WeightsError(f"backbone={fspath(backbone)!r}: there is no such file.")
        kind_of(path)
        content = content_of(path)
        load = partial(_unchanged, partial(load_model, path), path, content, content_of)
        return Network(path.stem, load, size, key=f"file {content.hex()}", file=path)
    if not hasattr(backbone, "get_config") or not hasattr(backbone, "layers"):
        raise InputError(
            f"backbone={backbone!r}: give a name that featx backbones lists, a Keras model, or the path of a .keras or "
            ".h5 file."
        )
    return Network(str(backbone.name), lambda: backbone, size)


def _unchanged(
    load: Callable[[], Any], path: Path, content: bytes, content_of: Callable[[Path], bytes]
) -> Any:
    """Load a network, and make sure that its file is still what it was when it was named."""
    network = load()
    if content_of(path) != content:
        raise WeightsError(f"{path} was replaced while it was being loaded. Run again.")
    return network


def backend_name() -> str:
    """Name the backend that Keras has, or will have, without importing it."""
    if "keras" in sys.modules:
        return str(sys.modules["keras"].config.backend())
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    try:
        return str(json.loads((keras_home() / "keras.json").read_text())["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def build(row: Backbone, path: Path | None, size: Size, *, published: bool, top: bool = False) -> Any:
    """Build a network of the catalogue.

    Parameters
    ----------
    row
        The row of the catalogue.
    path
        Its weights; None for random ones.
    size
        Height and width of its input in pixels.
    published
        Whether the weights are those that Keras publishes; the file is then checked.
    top
        Whether to build its classifier, too; the weights must have it.

    Raises
    ------
    WeightsError
        If the file holds other weights, or is to be the published one and is not.
    """
    refuse_if_forked()
    from featx.networks.quiet_keras import keras

    if row.embedded:
        from featx.networks.families import featx_mini as module

        builder = partial(module.featx_mini, size)
    elif row.in_keras:
        builder = partial(
            getattr(keras.applications, row.builder),
            weights=None, include_top=top, input_shape=(*size, 3), **row.options,
        )  # fmt: skip
    else:
        builder = partial(getattr(families, row.builder), size, top=top, **row.options)
    state = random.getstate()
    random.seed(0)  # Keras draws its initialisers' seeds here: random weights are the same in every process
    try:
        network = builder()
    finally:
        random.setstate(state)
    if path is not None and path.suffix == ".npz" and row.embedded:
        module.load_weights(network, path)
    elif path is not None:
        if published:
            check(path, row.digest)
        if path.suffix in READERS:
            if row.in_keras:
                raise WeightsError(
                    f"{path} holds weights of PyTorch, which fit networks that featx builds itself, such as "
                    f"'resnet50_torchvision', and not {row.name!r}, which is Keras' own."
                )
            port(network, READERS[path.suffix](path), path, top=top)
        else:
            _load_weights(network, path, row, top=top)
        if row.gain and (published or is_published(row, path)):
            first = next(layer for layer in network.layers if hasattr(layer, "kernel"))
            first.kernel.assign(first.kernel * keras.ops.reshape(keras.ops.array(row.gain), (1, 1, 3, 1)))
    return network


def _load_weights(network: Any, path: Path, row: Backbone, *, top: bool) -> None:
    kind = "with" if top else "without"
    try:
        if path.suffix == ".keras":
            network.set_weights(load_model(path).get_weights())
        else:
            network.load_weights(path)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{path} does not hold the weights of {row.name!r} {kind} its classifier: {error} "
            f"Save them from exactly this network, built with include_top={top}."
        ) from error


def _row_of(name: str) -> Backbone | None:
    """Find the row of featx-mini, or of a network of `keras.applications` by the name that Keras gives it."""
    name = re.sub(r"[^a-z0-9]", "", name.lower())
    for row in (row for row in backbones() if row.in_keras or row.embedded):
        builder = row.builder.lower().replace("_", "")
        # MobileNets add their width and size to the name: mobilenetv2_1.00_224
        if name == builder or (
            builder.startswith("mobilenet") and re.fullmatch(rf"{builder}\d+(none)?", name)
        ):
            return row
    return None


def _input_size(network: Any) -> Size | None:
    if not network.built or not network.inputs or len(network.inputs[0].shape) != 4:
        return None
    height, width = network.inputs[0].shape[1:3]
    return None if height is None or width is None else (height, width)


@contextmanager
def as_shipped() -> Iterator[None]:
    """Build networks as Keras does when it is new, whatever dtype policy and data format a program has set."""
    from featx.networks.quiet_keras import keras

    settings = {
        (keras.config.dtype_policy, keras.config.set_dtype_policy): "float32",
        (keras.config.floatx, keras.config.set_floatx): "float32",
        (keras.config.image_data_format, keras.config.set_image_data_format): "channels_last",
    }
    with _lock:
        before = [(put, get()) for get, put in settings]
        try:
            for (_, put), value in settings.items():
                put(value)
            yield
        finally:
            for put, value in before:
                put(value)


_lock = Lock()
