"""A backbone as one flat graph from uint8 pixels on: scaled, numbered in stages, and cut at any depth."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from featx.errors import InputError, UnknownNameError

SCALINGS: Mapping[str, dict[str, Any]] = {
    "none": {"divide": 1, "mean": [0, 0, 0], "deviation": [1, 1, 1], "order": "rgb"},
    "unit": {"divide": 255, "mean": [0, 0, 0], "deviation": [1, 1, 1], "order": "rgb"},
    "tf": {"divide": 127.5, "mean": [1, 1, 1], "deviation": [1, 1, 1], "order": "rgb"},
    "torch": {
        "divide": 255,
        "mean": [0.485, 0.456, 0.406],
        "deviation": [0.229, 0.224, 0.225],
        "order": "rgb",
    },
    "caffe": {"divide": 1, "mean": [103.939, 116.779, 123.68], "deviation": [1, 1, 1], "order": "bgr"},
}
"""What a pixel x of 0..255 becomes before the first layer: (x / divide - mean) / deviation, channel by channel.

``none``, ``tf``, ``torch`` and ``caffe`` are the four conventions of Keras' `preprocess_input`, step by step the same
arithmetic; tests hold each against the function itself. ``unit`` is x / 255.
"""


@dataclass(frozen=True)
class Tensor:
    """The output of one layer in a `Graph`."""

    name: str
    """The layer's name, or ``outer/inner`` for a layer of a nested model."""
    layer: Any = field(repr=False)
    """The Keras layer or operation that made it."""
    symbol: Any = field(repr=False)
    """The symbolic Keras tensor, of shape (n, h, w, c) or (n, d)."""
    sources: tuple[int, ...] = field(repr=False)
    """Places, in the graph's order, of the tensors it was made from."""
    level: int | None
    """How often the maps were made smaller on the way here; None before the first convolution and behind the maps."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape for one image: (h, w, c) of maps, (d,) of a vector."""
        return tuple(self.symbol.shape[1:])


@dataclass(frozen=True, eq=False)
class Graph:
    """A backbone as a flat sequence of tensors, in the order in which they are computed.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential([
    ...     keras.Input((32, 32, 3)),
    ...     keras.layers.Conv2D(4, 3, strides=2, padding="same", name="stem"),
    ...     keras.layers.Conv2D(8, 3, padding="same", name="body"),
    ...     keras.layers.MaxPooling2D(name="shrink"),
    ...     keras.layers.Conv2D(16, 3, padding="same", name="top"),
    ... ])
    >>> graph = flatten(network, input_size=(32, 32), scaling="tf")
    >>> [(stage.name, stage.shape) for stage in graph.stages]
    [('body', (16, 16, 8)), ('top', (8, 8, 16))]
    >>> graph.at(-1).name, graph.at("shrink").shape
    ('top', (8, 8, 8))
    """

    input: Any = field(repr=False)
    """The symbolic input, uint8, of shape (n, h, w, 3)."""
    scaling: str
    """What happens to the pixels first: a name in `SCALINGS`."""
    tensors: Sequence[Tensor] = field(repr=False)
    end: int
    """Place of the network's own first output."""

    @cached_property
    def stages(self) -> tuple[Tensor, ...]:
        """The last tensor of each spatial resolution on the way to the network's output.

        "Last" means the last one through which everything deeper passes (not a branch inside a block); a padded
        or dropped-out copy does not count. Where a network keeps two streams throughout (NASNet) no tensor is alone;
        there the last of the widest that join several others stands for the stage.
        """
        path = _ancestors(self.tensors, self.end)
        reach = defaultdict(int, {source: place for place in path for source in self.tensors[place].sources})
        ends: dict[int, Tensor] = {}
        joins: dict[int, Tensor] = {}
        furthest = 0
        for place in path:
            tensor = self.tensors[place]
            alone = furthest <= place  # no tensor computed earlier is still needed later
            furthest = max(furthest, reach[place])
            if tensor.level is None or _adds_nothing(tensor.layer):
                continue
            if alone:
                ends[tensor.level] = tensor
            widest = joins.get(tensor.level)
            if len(set(tensor.sources)) > 1 and (widest is None or tensor.shape[-1] >= widest.shape[-1]):
                joins[tensor.level] = tensor
        return tuple(ends.get(level) or joins[level] for level in sorted({*ends, *joins}))

    def at(self, depth: int | str) -> Tensor:
        """Find the tensor at a depth.

        Parameters
        ----------
        depth
            A stage number (1 is the first; negative counts from the end) or a layer's name.

        Raises
        ------
        InputError
            If there is no such stage, or the layer gives neither maps nor vectors.
        UnknownNameError
            If there is no such layer.
        """
        if isinstance(depth, str):
            named = {tensor.name: tensor for tensor in self.tensors}
            inner = [tensor for name, tensor in named.items() if name.endswith(f"/{depth}")]
            if depth not in named and len(inner) != 1:
                raise UnknownNameError("layer", depth, named, "featx layers lists the layers of a backbone.")
            tensor = named.get(depth) or inner[0]
            if len(tensor.shape) not in (1, 3):
                raise InputError(
                    f"Layer {depth!r} gives values of shape {tensor.shape} for an image; featx can cut at maps "
                    "(h, w, c) or vectors (d,). Choose a neighbouring layer."
                )
            return tensor
        count = len(self.stages)
        if depth == 0 or abs(depth) > count:
            raise InputError(
                f"depth={depth}: this backbone has {count} stages; give 1..{count}, -{count}..-1 or a layer's name."
            )
        return self.stages[depth - 1 if depth > 0 else depth]

    def cut(self, tensors: Iterable[Tensor]) -> Any:
        """Make the Keras model from uint8 pixels to these tensors; it holds only the layers they need."""
        import keras

        return keras.Model(self.input, [tensor.symbol for tensor in tensors])


def _ancestors(tensors: Sequence[Tensor], end: int) -> list[int]:
    needed = {end}
    for place in range(end, -1, -1):
        if place in needed:
            needed.update(tensors[place].sources)
    return sorted(needed)


def _adds_nothing(layer: Any) -> bool:
    """Tell whether a layer only pads, crops, or does nothing once the network is trained."""
    from keras import layers

    return isinstance(
        layer,
        layers.ZeroPadding2D | layers.Cropping2D | layers.Dropout | layers.SpatialDropout2D | layers.Identity,
    )


def flatten(network: Any, *, input_size: tuple[int, int], scaling: str, precision: str = "float32") -> Graph:
    """Lay a network out as a flat graph that begins with uint8 pixels.

    Parameters
    ----------
    network
        A functional or sequential Keras model that takes one image of 3 channels, or of 1 (then fed with luminance).
        Its layers and weights are shared, not copied, in float32.
    input_size
        Height and width in pixels.
    scaling
        A name in `SCALINGS`.
    precision
        ``"float32"``; or ``"bfloat16"``: weights stay float32, the arithmetic of each layer is bfloat16.

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        If the network is not functional, takes something else than images, or does not work at this size.
    """
    import keras

    if not isinstance(network, keras.Sequential | keras.Function):
        raise InputError(
            f"{type(network).__name__} is no functional or sequential Keras model, so its layers cannot be seen "
            "from outside. Rebuild it with keras.Model(inputs, outputs)."
        )
    if isinstance(network, keras.Sequential) and not network.built:
        network.build((None, *input_size, 3))
    if (
        len(network.inputs) != 1
        or len(network.inputs[0].shape) != 4
        or network.inputs[0].shape[-1] not in (1, 3)
    ):
        shapes = [tuple(tensor.shape) for tensor in network.inputs]
        raise InputError(
            f"A backbone takes one image of shape (n, h, w, 3) or (n, h, w, 1); this one takes {shapes}."
        )
    pixels = keras.Input((*input_size, 3), dtype="uint8", name="featx_pixels")
    scaled = _scale(pixels, scaling, network.inputs[0].shape[-1])
    walk = _Walk(scaled, precision)
    try:
        outputs = walk.run(network, scaled, "")
    except (ValueError, TypeError) as error:  # what Keras' layers raise for shapes they cannot take
        raise InputError(
            f"The network does not work on images of {input_size[0]}x{input_size[1]}: {error}"
        ) from error
    return Graph(pixels, scaling, _rename(walk.tensors), walk.places[id(outputs[0])])


def _scale(pixels: Any, scaling: str, channels: int) -> Any:
    import keras
    from keras import ops

    how = SCALINGS[scaling]
    mean, deviation = (np.array(how[name], "float32") for name in ("mean", "deviation"))
    # a model of its own: Keras counts operators per thread, so one of these could get a name of the network's
    start = keras.Input(pixels.shape[1:], dtype="uint8")
    # by ops.take, since OpenVINO runs ops.flip slowly
    bgr = how["order"] == "bgr" and channels == 3
    x = ops.cast(ops.take(start, [2, 1, 0], axis=-1) if bgr else start, "float32")
    if channels == 1:
        # ITU-R BT.601 luminance, as Pillow's convert("L")
        x = ops.sum(x * np.array([0.299, 0.587, 0.114], "float32"), axis=-1, keepdims=True)
        mean, deviation = mean.mean(keepdims=True), deviation.mean(keepdims=True)
    x = x / how["divide"] if how["divide"] != 1 else x
    x = x - mean if mean.any() else x
    x = x / deviation if (deviation != 1).any() else x
    return keras.Model(start, x, name="featx_scaling")(pixels)


class _Walk:
    """Calls the layers of a network, nested ones too, on new tensors, and notes what it sees."""

    def __init__(self, start: Any, precision: str) -> None:
        self.precision = precision
        self.tensors: list[Tensor] = []
        self.places: dict[int, int] = {}  # id of a symbol → its place; the symbols live in self.tensors
        self.sizes: dict[int, tuple[int | None, bool]] = {id(start): (0, False)}  # (level, convolved)
        self.copies: dict[int, Any] = {}

    def run(self, network: Any, start: Any, prefix: str) -> list[Any]:
        """Run a network on a symbolic tensor; give its outputs on the new graph."""
        import keras

        marks = [keras.layers.Identity(name=f"featx_mark_{place}") for place, _ in enumerate(network.outputs)]
        marked = keras.Model(
            network.inputs, [mark(output) for mark, output in zip(marks, network.outputs, strict=True)]
        )
        found: dict[int, Any] = {}

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if any(layer is mark for mark in marks):
                found[id(layer)] = args[0]
                return args[0]
            if isinstance(layer, keras.Sequential | keras.Function) and len(layer.inputs) == 1:
                inner = self.run(layer, keras.tree.flatten(args)[0], f"{prefix}{layer.name}/")
                return inner[0] if len(inner) == 1 else inner
            return self.call(layer, args, kwargs, prefix)

        keras.models.clone_model(
            marked,
            input_tensors=keras.tree.map_structure(lambda _: start, marked.input),
            clone_function=lambda layer: layer,
            call_function=call,
        )
        return [found[id(mark)] for mark in marks]

    def call(self, layer: Any, args: Any, kwargs: Any, prefix: str) -> Any:
        """Call one layer and note its outputs."""
        import keras

        inputs = [
            value for value in keras.tree.flatten((args, kwargs)) if isinstance(value, keras.KerasTensor)
        ]
        made_by = self._at_precision(layer)
        outputs = made_by(*args, **kwargs)
        if made_by is not layer and layer.weights:
            made_by.set_weights(layer.get_weights())
        for output in keras.tree.flatten(outputs):
            level, convolved = self._size(layer, inputs, output)
            self.sizes[id(output)] = level, convolved
            self.places[id(output)] = len(self.tensors)
            sources = tuple(self.places[id(value)] for value in inputs if id(value) in self.places)
            self.tensors.append(
                Tensor(prefix + layer.name, made_by, output, sources, level if convolved else None)
            )
        return outputs

    def _at_precision(self, layer: Any) -> Any:
        import keras

        if self.precision == "float32" or not isinstance(layer, keras.layers.Layer):
            return layer
        if id(layer) not in self.copies:
            config = {**layer.get_config(), "dtype": f"mixed_{self.precision}"}
            self.copies[id(layer)] = type(layer).from_config(config)
        return self.copies[id(layer)]

    def _size(self, layer: Any, inputs: list[Any], output: Any) -> tuple[int | None, bool]:
        import keras

        known = [self.sizes[id(value)] for value in inputs]
        levels = [level for level, _ in known if level is not None]
        convolved = any(seen for _, seen in known) or hasattr(layer, "kernel_size")
        pooled = isinstance(layer, keras.layers.GlobalAveragePooling2D | keras.layers.GlobalMaxPooling2D)
        if len(output.shape) != 4 or pooled or not levels:
            return None, convolved
        # the stride, where there is one, counts the same at any input size; 1 x 1 maps cannot become smaller
        strides = getattr(layer, "strides", None)
        if strides is not None:
            smaller = max(keras.tree.flatten(strides)) > 1
        else:
            smaller = output.shape[1] <= 0.75 * max(
                value.shape[1] for value in inputs if len(value.shape) == 4
            )
        return max(levels) + smaller, convolved


def _rename(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Count unnamed layers from the start of the network, not of the process: ``conv2d_94`` may mean ``conv2d``."""
    numbers: dict[str, set[int]] = defaultdict(set)
    kinds: list[tuple[str, int] | None] = []
    for tensor in tensors:
        prefix, _, name = tensor.name.rpartition("/")
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(tensor.layer).__name__).lower()
        match = re.fullmatch(r"(.*?)(?:_(\d+))?", name)
        automatic = match is not None and match[1].replace("_", "") == snake.replace("_", "")
        kinds.append(
            (f"{prefix}/{match[1]}".lstrip("/"), int(match[2] or 0)) if match and automatic else None
        )
        if kind := kinds[-1]:
            numbers[kind[0]].add(kind[1])
    ranks = {
        (base, number): f"{base}_{rank}" if rank else base
        for base, seen in numbers.items()
        for rank, number in enumerate(sorted(seen))
    }
    return tuple(replace(t, name=ranks[kind]) if kind else t for t, kind in zip(tensors, kinds, strict=True))
