"""A backbone as one flat graph: its tensors, its stages, and a cut at any depth."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from featx.errors import InputError, UnknownNameError
from featx.text import quoted


@dataclass(frozen=True)
class Tensor:
    """The output of one layer in a `Graph`."""

    name: str
    """The layer's own name, or ``outer/inner`` for a layer of a nested model."""
    layer: Any = field(repr=False)
    """The Keras layer or operation that made it."""
    symbol: Any = field(repr=False)
    """The symbolic Keras tensor, of shape (n, h, w, c) or (n, d)."""
    sources: tuple[int, ...] = field(repr=False)
    """Positions, in the graph's order, of the tensors it was made from."""
    level: int | None
    """How often the maps were made smaller on the way here; None before the first convolution and behind the maps."""
    alias: str | None = None
    """The name it would have, had the network been the first of its process, if no layer has that name."""

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
    >>> from featx.networks.flatten import flatten
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
    start: Any = field(repr=False)
    """The symbolic pixels once they are scaled, float32, of shape (n, h, w, 3); of one channel for a grey network."""
    scaling: str
    """What happens to the pixels first: a name in `featx.networks.scaling.SCALINGS`."""
    tensors: Sequence[Tensor] = field(repr=False)
    end: int
    """Position of the network's own first output; where it has several and the first are maps, of the smallest ones."""
    copied: bool = False
    """Whether some layers are copies, at another precision, whose weights do not follow those of the network."""

    @cached_property
    def stages(self) -> tuple[Tensor, ...]:
        """The last tensor of each spatial resolution on the way to the network's output.

        "Last" means the last one through which everything deeper passes (not a branch inside a block); a padded
        or dropped-out copy does not count. Where a network keeps two streams throughout (NASNet) no tensor is alone;
        there the last of the widest that join several others stands for the stage.
        """
        path = self.needs(self.end)
        reach = defaultdict(int, {source: later for later in path for source in self.tensors[later].sources})
        ends: dict[int, Tensor] = {}
        joins: dict[int, Tensor] = {}
        furthest = 0
        for position in path:
            tensor = self.tensors[position]
            alone = furthest <= position  # no tensor computed earlier is still needed later
            furthest = max(furthest, reach[position])
            if tensor.level is None or _adds_nothing(tensor.layer):
                continue
            if alone:
                ends[tensor.level] = tensor
            widest = joins.get(tensor.level)
            if len(set(tensor.sources)) > 1 and (widest is None or tensor.shape[-1] >= widest.shape[-1]):
                joins[tensor.level] = tensor
        return tuple(ends.get(level) or joins[level] for level in sorted({*ends, *joins}))

    def meant(self, depth: int | str) -> int | str:
        """Give the number of a stage that is called ``stage3``, unless a layer is; any other depth as it is."""
        number = re.fullmatch(r"stage[ _-]?(\d+)", depth) if isinstance(depth, str) else None
        names = (name for tensor in self.tensors for name in (tensor.name, tensor.alias) if name)
        if number is None or any(name == depth or name.endswith(f"/{depth}") for name in names):
            return depth
        return int(number[1])

    def at(self, depth: int | str) -> Tensor:
        """Find the tensor at a depth.

        Parameters
        ----------
        depth
            A stage number (1 is the first; negative counts from the end), also as ``stage3``, or a layer's name.

        Raises
        ------
        InputError
            If there is no such stage, or the layer gives neither maps nor vectors.
        UnknownNameError
            If there is no such layer.
        """
        depth = self.meant(depth)
        if isinstance(depth, str):
            named = {tensor.alias: tensor for tensor in self.tensors if tensor.alias}
            named |= {tensor.name: tensor for tensor in self.tensors}
            inner = [tensor for name, tensor in named.items() if name.endswith(f"/{depth}")]
            if depth not in named and len(inner) != 1:
                raise UnknownNameError("layer", depth, named, "featx layers lists the layers of a backbone.")
            tensor = named.get(depth) or inner[0]
            if len(tensor.shape) not in (1, 3):
                raise InputError(
                    f"Layer {quoted(depth)} gives values of shape {tensor.shape} for an image; featx can cut at maps "
                    "(h, w, c) or vectors (d,). Choose a neighbouring layer."
                )
            return tensor
        count = len(self.stages)
        if not count:
            raise InputError(
                f"depth={depth}: this network has no stages, since no maps (h, w, c) lead to its output. Give a "
                "layer's name; featx layers lists them."
            )
        if depth == 0 or abs(depth) > count:
            raise InputError(
                f"depth={depth}: this backbone has {count} stages; give 1..{count}, -{count}..-1 or a layer's name."
            )
        return self.stages[depth - 1 if depth > 0 else depth]

    def needs(self, position: int) -> list[int]:
        """Give the positions of all tensors that one is made from, itself included, in their order."""
        needed = {position}
        for before in range(position, -1, -1):
            if before in needed:
                needed.update(self.tensors[before].sources)
        return sorted(needed)

    def cut(self, tensors: Iterable[Tensor]) -> Any:
        """Make the Keras model from uint8 pixels to these tensors; it holds only the layers they need."""
        from featx.networks.quiet_keras import keras

        return keras.Model(self.input, [tensor.symbol for tensor in tensors])


def _adds_nothing(layer: Any) -> bool:
    """Tell whether a layer only pads, crops, or does nothing once the network is trained."""
    from featx.networks.quiet_keras import layers

    return type(layer).__name__ == "Pad" or isinstance(  # keras.ops.pad
        layer,
        layers.ZeroPadding2D | layers.Cropping2D | layers.Dropout | layers.SpatialDropout2D | layers.Identity,
    )
