"""A backbone made ready to be tuned: its fixed and its tuned part, a rate for each variable, and a linear head."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np

from featx.errors import InputError
from featx.networks.custom import made_anew
from featx.networks.forks import refuse_if_forked
from featx.networks.graph import Graph, Tensor
from featx.networks.network import Network
from featx.networks.pooling import pool

MOMENTUM = 0.9
"""Of BatchNorm's statistics while they are learned; with MobileNetV2's 0.999 they lag behind by thousands of steps."""


@dataclass(frozen=True)
class Head:
    """A linear map from embeddings to scores, ``x @ coef.T + intercept``, and the embeddings' usual values."""

    coef: np.ndarray
    """(columns, d)"""
    intercept: np.ndarray
    """(columns,)"""
    mean: np.ndarray
    """(d,). Taken from each column before the weights that are tuned; it changes no score."""
    deviation: np.ndarray
    """(d,). Each column is divided by it there, so that one learning rate suits all columns; it changes no score."""

    @classmethod
    def zeros(cls, columns: int, width: int) -> "Head":
        """Make a head that gives 0."""
        return cls(np.zeros((columns, width)), np.zeros(columns), np.zeros(width), np.ones(width))


@dataclass(frozen=True, eq=False)
class Tunable:
    """A network in a fixed and a tuned part, with layers of its own, so that tuning them changes no other model."""

    fixed: Any = field(repr=False)
    """Keras model from uint8 pixels (n, h, w, 3) to the list of what the tuned part reads."""
    tuned: Any = field(repr=False)
    """Keras model from what the fixed part gives to scores (n, columns)."""
    rates: Sequence[float]
    """Each trainable variable's share of the learning rate, in the order of `tuned`."""
    turns: Sequence[int]
    """For each trainable variable of `tuned`: how many of the tuned stages are deeper than its own."""
    _graph: Graph = field(repr=False)
    _taps: Sequence[tuple[Tensor, str]] = field(repr=False)
    _copies: Sequence[tuple[Any, Any]] = field(repr=False)
    _dense: Any = field(repr=False)
    _start: Head = field(repr=False)
    _frozen: Sequence[Any] = field(repr=False)
    _learning: Sequence[Any] = field(repr=False)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return tuple(self._graph.input.shape[1:3])

    @property
    def only_head(self) -> bool:
        """Whether nothing but the head can learn."""
        return len(self.rates) == len(self._dense.trainable_weights)

    @property
    def saves_work(self) -> bool:
        """Whether the fixed part computes anything that is worth keeping."""
        return any(hasattr(layer, "kernel") for layer in self.fixed.layers)

    def settle(self, model: Any, batches: Iterable[list[np.ndarray]]) -> None:
        """Give BatchNorm layers that learn the mean statistics of some batches, with the weights as they are now.

        Keras starts them with variance 1, which is far from that of random weights, and farther with every layer; and
        averaged weights have statistics that no training step saw (Izmailov et al., UAI 2018).
        """
        if not self._learning:
            return
        for place, inputs in enumerate(batches):
            for layer in self._learning:
                layer.momentum = place / (place + 1)
            model(inputs, training=True)
        for layer in self._learning:
            layer.momentum = MOMENTUM

    def head(self) -> Head:
        """Give the head as it now is."""
        kernel, bias = (np.asarray(value, np.float64) for value in self._dense.get_weights())
        coef = (kernel / self._start.deviation[:, None]).T
        return replace(self._start, coef=coef, intercept=bias - coef @ self._start.mean)

    def backbone(self) -> Any:
        """Give the backbone as it now is, in float32: from pixels of 0..255 to the maps that the head reads, pooled."""
        from featx.networks.quiet_keras import keras

        for trained, kept in self._copies:
            kept.set_weights(trained.get_weights())
        for layer in self._frozen:  # they may be tuned another time
            layer.trainable = True
        # the deepest comes first: the stages of a network are those on the way to its first output
        tensors = sorted(
            {tensor.name: tensor for tensor, _ in self._taps}.values(), key=self._graph.tensors.index
        )
        return keras.Model(
            self._graph.input, [tensor.symbol for tensor in reversed(tensors)], name="featx_tuned"
        )

    def where(self, backbone: Graph) -> list[str]:
        """Name the layers that the head reads in another graph of the same layers."""
        return [
            next(place.name for place in backbone.tensors if place.layer is tensor.layer)
            for tensor, _ in self._taps
        ]


def make_tunable(
    network: Network,
    taps: Sequence[tuple[str, str]],
    head: Head,
    *,
    scaling: str,
    stages: int | str,
    decay: float,
    dropout: float,
    precision: str,
    keep_statistics: bool,
) -> Tunable:
    """Copy a network and make it ready.

    Parameters
    ----------
    network
        The backbone.
    taps
        The layers whose maps the head reads, and how each is pooled.
    head
        Where the head starts.
    scaling
        A name in `featx.networks.scaling.SCALINGS`, or ``"auto"``.
    stages
        How many of the deepest stages are tuned; ``"all"``; or ``"norm"``: of all stages what has one dimension, the
        scales and shifts of normalisation and the biases.
    decay
        How rates fall from stage to stage: the head has 1, the deepest stage `decay`, the one before it `decay` ** 2,
        and so on.
    dropout
        Share of the embedding's columns that a training step leaves out.
    precision
        ``"float32"``, or ``"mixed"``: weights stay float32, the backbone's arithmetic is bfloat16.
    keep_statistics
        Whether BatchNorm layers stay as they are: what they do to an image then does not depend on its batch.

    Raises
    ------
    InputError
        If there are fewer stages.
    """
    refuse_if_forked()
    model = _copy(network)
    own = replace(network, load=lambda: model)
    kept = own.graph(scaling, "float32")
    graph = own.graph(scaling, "bfloat16") if precision == "mixed" else kept
    places = {tensor.name: place for place, tensor in enumerate(graph.tensors)}
    tapped = [(graph.tensors[places[graph.at(layer).name]], how) for layer, how in taps]

    stage_of = _stages(graph)
    deepest = max(stage_of[places[tensor.name]] for tensor, _ in tapped)
    count = deepest if stages in ("all", "norm") else int(stages)
    if count > deepest:
        raise InputError(
            f"stages={stages}: there are {deepest} stages up to the deepest one used; give 0..{deepest}."
        )
    first_of: dict[int, int] = {}  # id of a layer → the first stage it works in
    for tensor, stage in zip(graph.tensors, stage_of, strict=True):
        first_of[id(tensor.layer)] = min(stage, first_of.get(id(tensor.layer), stage))
    still = {layer for layer, first in first_of.items() if first <= deepest - count}
    if keep_statistics:
        still |= {id(tensor.layer) for tensor in graph.tensors if _normalises(tensor.layer)}
    frozen = _freeze(graph, still, only_vectors=stages == "norm")

    fixed, tuned, dense = _split(graph, tapped, head, dropout)
    turn_of = {
        id(weight): deepest - first_of[id(tensor.layer)]
        for tensor in graph.tensors
        for weight in _learning(tensor.layer)
    }
    turns = [turn_of.get(id(weight), -1) for weight in tuned.trainable_variables]  # -1: the head's
    copies = [
        (trained.layer, original.layer)
        for trained, original in zip(graph.tensors, kept.tensors, strict=True)
        if trained.layer is not original.layer and getattr(original.layer, "weights", None)
    ]
    originals = [(kept.tensors[places[tensor.name]], how) for tensor, how in tapped]
    rates = [decay ** (turn + 1) for turn in turns]
    return Tunable(
        fixed, tuned, rates, [max(turn, 0) for turn in turns], kept, originals, copies, dense, head,
        [] if copies else frozen,
        [] if keep_statistics else [tensor.layer for tensor in graph.tensors if _normalises(tensor.layer)],
    )  # fmt: skip


def _copy(network: Network) -> Any:
    """Give a model that nobody else has. A model that is its own backbone is cloned; others are built anew."""
    from featx.networks.quiet_keras import keras

    model = network.load()
    if network.key is not None:
        return model
    clone = keras.models.clone_model(model, clone_function=made_anew, recursive=True)
    if not clone.built:
        clone.build(model.input_shape)
    clone.set_weights(model.get_weights())
    return clone


def _stages(graph: Graph) -> list[int]:
    """Give the stage in which each tensor is computed: one more than the stage that ends before it."""
    ends = {stage.name for stage in graph.stages[:-1]}
    numbers: list[int] = []
    for tensor in graph.tensors:
        before = [numbers[source] + (graph.tensors[source].name in ends) for source in tensor.sources]
        numbers.append(max(before, default=1))
    return numbers


def _freeze(graph: Graph, still: Container[int], *, only_vectors: bool) -> list[Any]:
    """Hold layers, by their ids, and list those that may learn less than they might; of all others' weights vectors."""
    touched = []
    for layer in {id(tensor.layer): tensor.layer for tensor in graph.tensors}.values():
        holds = id(layer) in still
        # operators have nothing to train
        if not getattr(layer, "trainable", False) or not (holds or only_vectors):
            continue
        touched.append(layer)
        weights = layer.trainable_weights
        if holds:
            layer.trainable = False
        if (
            only_vectors
        ):  # a BatchNorm layer that is held keeps its statistics, while its scale and shift learn
            for weight in weights:
                weight.trainable = len(weight.shape) < 2
    return touched


def _learning(layer: Any) -> list[Any]:
    """List the weights that training changes. Keras goes by each weight, whatever is said of its layer."""
    return [weight for weight in getattr(layer, "weights", ()) if weight.trainable]


def _normalises(layer: Any) -> bool:
    from featx.networks.quiet_keras import keras

    return isinstance(layer, keras.layers.BatchNormalization)


class _Sloped(ModuleType):
    """`keras.ops`, with a square root whose slope is finite at 0: a dead channel has deviation 0."""

    def __getattr__(self, name: str) -> Any:
        from featx.networks.quiet_keras import ops

        return getattr(ops, name)

    def sqrt(self, x: Any) -> Any:
        from featx.networks.quiet_keras import ops

        return ops.sqrt(ops.maximum(x, 1e-12))


def _split(
    graph: Graph, taps: Sequence[tuple[Tensor, str]], head: Head, dropout: float
) -> tuple[Any, Any, Any]:
    """Make the models before and after the first tensors that tuning can change, and give the head's layer."""
    from featx.networks.quiet_keras import keras, layers, ops

    moves: list[bool] = []
    for tensor in graph.tensors:
        own = bool(_learning(tensor.layer))
        moves.append(own or any(moves[source] for source in tensor.sources))
    border: dict[int, Any] = {}  # id of a symbol → the symbol, where the fixed part ends
    for place, tensor in enumerate(graph.tensors):
        if moves[place]:
            for symbol in [graph.tensors[source].symbol for source in tensor.sources if not moves[source]]:
                border[id(symbol)] = symbol
            if not tensor.sources:  # it reads the scaled pixels; uint8 takes a quarter of their room
                border[id(graph.input)] = graph.input
    vectors: list[Any] = []
    place_of = {tensor.name: place for place, tensor in enumerate(graph.tensors)}
    for tensor, pooling in taps:
        # a model of its own, so that no operator here gets a name that one in the graph has
        maps = keras.Input(tensor.shape, dtype=tensor.symbol.dtype)
        pooler = keras.Model(
            maps,
            pool(ops.cast(maps, "float32"), pooling, _Sloped("sloped")),
            name=f"featx_pooling_{len(vectors)}",
        )
        vectors.append(pooler(tensor.symbol))
        if not moves[place_of[tensor.name]]:
            border[id(vectors[-1])] = vectors[-1]

    start = keras.Input((head.coef.shape[1],), dtype="float32")
    x = (start - head.mean.astype("float32")) / head.deviation.astype("float32")
    x = layers.Dropout(dropout, dtype="float32")(x)
    dense = layers.Dense(len(head.coef), dtype="float32")
    top = keras.Model(start, dense(x), name="featx_head")
    coef = head.coef * head.deviation
    dense.set_weights([coef.T, head.intercept + head.coef @ head.mean])

    embedding = layers.Concatenate(name="featx_embedding")(vectors) if len(vectors) > 1 else vectors[0]
    between = list(border.values())
    return keras.Model(graph.input, between), keras.Model(between, top(embedding)), dense
