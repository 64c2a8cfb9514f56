"""Which network: a name of the catalogue, a ``.keras`` file, or a Keras model; with its weights and its scaling."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from featx.errors import InputError, WeightsError
from featx.networks.backbone import Backbone
from featx.networks.catalogue import backbones, find
from featx.networks.flatten import flatten
from featx.networks.graph import Graph
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
        network = self.load()
        row = self.row or _recognise(network)
        size = self.size or _input_size(network) or ((row.input_size, row.input_size) if row else None)
        if size is None:
            raise InputError(f"{self.name!r} takes images of any size; choose one with input_size=.")
        if scaling == "auto":
            scaling = row.scaling if row else ""
            if self.row is None and _scales_itself(flatten(network, input_size=size, scaling="none")):
                scaling = "none"
        if not scaling:
            raise InputError(
                f"{self.name!r} does not say which pixel values it was trained on. Pass scaling=: 'none' for 0..255, "
                "'unit' for 0..1, 'tf' for -1..1, 'torch' or 'caffe' for those conventions of Keras."
            )
        return flatten(network, input_size=size, scaling=scaling, precision=precision)


def network_of(
    backbone: Any, weights: Any, size: Size | None, content_of: Callable[[Path], bytes]
) -> Network:
    """Find a network.

    Parameters
    ----------
    backbone
        A name of the catalogue, the path of a ``.keras`` file, or a functional or sequential Keras model.
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
    if isinstance(backbone, str | PathLike) and Path(backbone).suffix != ".keras":
        row = find(fspath(backbone))
        size = size or (row.input_size, row.input_size)
        if min(size) < row.min_size:
            raise InputError(f"input_size={size}: {row.name!r} takes {row.min_size} pixels and more.")
        path = locate(row, weights, size[0] if size[0] == size[1] else row.input_size)  # as Keras chooses
        published = weights in ("auto", "imagenet")
        # the digest of the file, not its name: another file may come to stand there. What is called published is
        # checked when it is loaded, so it must not be found under the key of a file that was not
        origin = "published" if published else "given"
        key = f"{row.name} {origin} {content_of(path).hex() if path else 'random'}"
        return Network(row.name, partial(build, row, path, size, published=published), size, row, key)
    if weights != "auto":
        raise InputError(
            "weights= goes with a named backbone; a Keras model or a .keras file brings its own."
        )
    if isinstance(backbone, str | PathLike):
        path = Path(backbone).expanduser()
        if not path.is_file():
            raise WeightsError(f"backbone={fspath(backbone)!r}: there is no such file.")
        return Network(path.stem, partial(load_model, path), size, key=f"file {content_of(path).hex()}")
    if not hasattr(backbone, "get_config") or not hasattr(backbone, "layers"):
        raise InputError(
            f"backbone={backbone!r}: give a name that featx backbones lists, a Keras model, or a path ending in .keras."
        )
    return Network(str(backbone.name), lambda: backbone, size)


def load_model(path: Path) -> Any:
    """Load a ``.keras`` file; code hidden in it is refused, not run.

    Raises
    ------
    WeightsError
        If Keras cannot or will not load it.
    """
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # zipfile, json, h5py and Keras each raise their own
        raise WeightsError(f"{path} cannot be loaded as a Keras model: {error}") from error


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
    import keras

    if row.embedded:
        from featx.networks.families import featx_mini as module

        builder = partial(module.featx_mini, size)
    else:
        builder = partial(
            getattr(keras.applications, row.builder),
            weights=None, include_top=top, input_shape=(*size, 3), **row.options,
        )  # fmt: skip
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


def _recognise(network: Any) -> Backbone | None:
    """Find the row of a network of `keras.applications`, or of one wrapped around it, by the name Keras gives it."""
    import keras

    inner = [layer for layer in network.layers if isinstance(layer, keras.Sequential | keras.Function)]
    for model in [network, *inner]:
        name = re.sub(r"[^a-z0-9]", "", model.name.lower())
        for row in backbones():
            builder = row.builder.lower()
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


def _scales_itself(graph: Graph) -> bool:
    """Tell whether arithmetic on the pixels, by a layer or by operators, comes before the first convolution."""
    import keras

    for tensor in graph.tensors:
        if tensor.level is not None:
            return False
        if isinstance(
            tensor.layer, keras.layers.Rescaling | keras.layers.Normalization | keras.layers.Lambda
        ):
            return True
        if not isinstance(tensor.layer, keras.layers.Layer):
            return True
    return False
