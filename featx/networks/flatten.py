"""Any Keras network laid out as a flat graph that begins with uint8 pixels."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from featx.errors import InputError
from featx.networks.custom import made_anew
from featx.networks.graph import Graph, Tensor
from featx.networks.scaling import scaled


def flatten(
    network: Any,
    *,
    input_size: tuple[int, int],
    scaling: str,
    precision: str = "float32",
    renumber: bool = False,
) -> Graph:
    """Lay a network out as a flat graph that begins with uint8 pixels.

    Parameters
    ----------
    network
        A functional or sequential Keras model that takes one image of 3 channels, or of 1 (then fed with luminance).
        Its layers and weights are shared; only those that compute at another precision are copied.
    input_size
        Height and width in pixels.
    scaling
        A name in `featx.networks.scaling.SCALINGS`.
    precision
        Of each layer's arithmetic, whatever the network's own dtype policy: ``"float32"`` or ``"bfloat16"``; weights
        are float32.
    renumber
        Whether layers that Keras named are called as in the first network of a process: for networks that nobody but
        featx has seen. Where layers have names that a user knows, these count.

    Returns
    -------
    Graph

    Raises
    ------
    InputError
        If the network is not functional, takes something else than images, does not work at this size, or has layers
        that cannot be brought to the precision.
    """
    from featx.networks.quiet_keras import keras

    if not isinstance(network, keras.Sequential | keras.Function):
        raise InputError(
            f"{type(network).__name__} is not a functional or sequential Keras model, so its layers cannot be seen "
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
    start = scaled(pixels, scaling, network.inputs[0].shape[-1])
    walk = _Walk(start, precision)
    try:
        outputs = walk.run(network, start, "")
    except InputError:
        raise
    except (ValueError, TypeError) as error:  # what Keras' layers raise for shapes they cannot take
        raise InputError(
            f"The network does not work on images of {input_size[0]}x{input_size[1]}: {error}"
        ) from error
    tensors = _numbered(walk.tensors, renumber=renumber)
    ends = [walk.positions[id(output)] for output in outputs]
    if len(tensors[ends[0]].shape) == 3:
        ends.sort(key=lambda end: -(tensors[end].level or 0))
    return Graph(pixels, start, scaling, tensors, ends[0], bool(walk.copies))


class _Walk:
    """Calls the layers of a network, nested ones too, on new tensors, and notes what it sees."""

    def __init__(self, start: Any, precision: str) -> None:
        self.precision = precision
        self.tensors: list[Tensor] = []
        self.positions: dict[int, int] = {}  # id of a symbol → its position; the symbols live in self.tensors
        self.sizes: dict[int, tuple[int | None, bool]] = {id(start): (0, False)}  # (level, convolved)
        self.tokens: dict[int, tuple[int, int]] = {}  # (level, side) of the maps that tokens were made of
        self.copies: dict[int, Any] = {}

    def run(self, network: Any, start: Any, prefix: str) -> list[Any]:
        """Run a network on a symbolic tensor; give its outputs on the new graph."""
        from featx.networks.quiet_keras import keras

        marks = [
            keras.layers.Identity(name=f"featx_mark_{number}") for number, _ in enumerate(network.outputs)
        ]
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
        from featx.networks.quiet_keras import keras

        inputs = [
            value for value in keras.tree.flatten((args, kwargs)) if isinstance(value, keras.KerasTensor)
        ]
        made_by = self._at_precision(layer)
        outputs = made_by(*args, **kwargs)
        for output in keras.tree.flatten(outputs) if isinstance(layer, keras.layers.Layer) else ():
            if self.precision == "float32" and output.dtype in {"float16", "bfloat16", "float64"}:
                raise InputError(
                    f"Layer {layer.name!r} ({type(layer).__name__}) computes in {output.dtype}, whatever it is told, "
                    "and embeddings are computed in float32. Build it with dtype='float32'."
                )
        if made_by is not layer and layer.weights:
            made_by.set_weights(layer.get_weights())
        for output in keras.tree.flatten(outputs):
            level, convolved = self._size(layer, inputs, output)
            self.sizes[id(output)] = level, convolved
            self.positions[id(output)] = len(self.tensors)
            sources = tuple(self.positions[id(value)] for value in inputs if id(value) in self.positions)
            self.tensors.append(
                Tensor(prefix + layer.name, made_by, output, sources, level if convolved else None)
            )
            if len(output.shape) == 4 and _is_composite(layer):
                inputs = [output]  # what it answers next, as an encoder of several stages does, lies behind
        return outputs

    def _at_precision(self, layer: Any) -> Any:
        from featx.networks.quiet_keras import keras

        if not isinstance(layer, keras.layers.Layer):
            return layer
        policy = "float32" if self.precision == "float32" else f"mixed_{self.precision}"
        if policy == "float32" and {layer.compute_dtype, layer.variable_dtype} <= {"float32"}:
            return layer
        if id(layer) not in self.copies:
            try:
                self.copies[id(layer)] = made_anew(layer, dtype=policy)
            except Exception as error:  # whatever a layer of one's own raises
                raise InputError(
                    f"Layer {layer.name!r} ({type(layer).__name__}) cannot be made anew at {self.precision}: {error}. "
                    "Give it a get_config with the arguments of its __init__."
                ) from error
        return self.copies[id(layer)]

    def _size(self, layer: Any, inputs: list[Any], output: Any) -> tuple[int | None, bool]:
        from featx.networks.quiet_keras import keras

        known = [self.sizes[id(value)] for value in inputs]
        levels = [level for level, _ in known if level is not None]
        composite = _is_composite(layer)
        convolved = any(seen for _, seen in known) or hasattr(layer, "kernel_size")
        convolved = convolved or (composite and any(len(weight.shape) == 4 for weight in layer.weights))
        pooled = isinstance(layer, keras.layers.GlobalAveragePooling2D | keras.layers.GlobalMaxPooling2D)
        sides = [value.shape[1] for value in inputs if len(value.shape) == 4]
        if len(output.shape) == 3:  # tokens, of which a transformer makes maps again
            before = [self.tokens[id(value)] for value in inputs if id(value) in self.tokens]
            if levels or before:
                self.tokens[id(output)] = max([*before, *zip(levels, sides, strict=False)])
            return None, convolved
        if not levels and any(id(value) in self.tokens for value in inputs):
            level, side = max(self.tokens[id(value)] for value in inputs if id(value) in self.tokens)
            levels, sides = [level], [side]
        if len(output.shape) != 4 or pooled or not levels:
            return None, convolved
        # the stride, where there is one, counts the same at any input size; 1 x 1 maps cannot become smaller. What a
        # layer made of layers calls strides may be anything
        strides = None if composite else getattr(layer, "strides", None)
        shrunk = output.shape[1] <= 0.75 * max(sides)
        smaller = shrunk if strides is None else max(keras.tree.flatten(strides)) > 1
        return max(levels) + smaller, convolved


def _is_composite(layer: Any) -> bool:
    """Tell whether a layer is made of layers."""
    from featx.networks.quiet_keras import keras

    inner = keras.tree.flatten([*vars(layer).values()]) if isinstance(layer, keras.layers.Layer) else []
    return any(isinstance(part, keras.layers.Layer) for part in inner)


def _numbered(tensors: Sequence[Tensor], *, renumber: bool) -> tuple[Tensor, ...]:
    """Count unnamed layers from the start of the network, not of the process: ``conv2d_94`` may mean ``conv2d``.

    These are their names, or only what they are called beside their names, where no layer has that name.
    """
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
    tensors = _told_apart(tensors)
    counted = [ranks[kind] if kind else None for kind in kinds]
    if renumber:
        return tuple(replace(t, name=name) if name else t for t, name in zip(tensors, counted, strict=True))
    own = {tensor.name for tensor in tensors}
    return tuple(
        replace(t, alias=name) if name and name not in own else t
        for t, name in zip(tensors, counted, strict=True)
    )


def _told_apart(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """Give numbers to tensors of one name, where a layer is called or answers several times: ``shared:2``."""
    times = Counter(tensor.name for tensor in tensors)
    seen: Counter[str] = Counter()
    found = []
    for tensor in tensors:
        seen[tensor.name] += 1
        again = times[tensor.name] > 1
        found.append(replace(tensor, name=f"{tensor.name}:{seen[tensor.name]}") if again else tensor)
    return found
