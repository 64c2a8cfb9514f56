"""What a network is, as one value: the recipe of a tap, read from the very graph that will be run.

Whatever decides a vector's numbers stands in its recipe: the configuration of the cut graph and the code that this
only names, the values of the weights, scaling, pooling, sizes, decoding and precision. Nothing here remembers a network
by a name or by an object that may have changed: a model that was given is described anew each time it is used.
"""

import json
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from featx.cache.identity import digest, graph_digest, recipe_id, weights_digest
from featx.embedding.keras_engine import PREDICTING
from featx.errors import CacheWarning, InputError
from featx.networks.code import code_digest
from featx.networks.forks import Lock
from featx.networks.graph import Graph, Tensor
from featx.networks.network import Network
from featx.networks.scaling import SCALINGS

_UNKNOWN = "unknown "
"""Begins what stands for code in a recipe where nobody can know what the code does."""

_lock = Lock()
_graphs: OrderedDict[Any, Graph] = (
    OrderedDict()
)  # of named backbones and files; the four used last: networks may be side by side, and at several sizes
_own_graphs: WeakKeyDictionary[Any, dict[Any, Graph]] = (
    WeakKeyDictionary()
)  # of Keras models; the two used last, since one may be run at two sizes
_described: WeakKeyDictionary[Graph, set[str]] = WeakKeyDictionary()  # the ids of recipes read from a graph
_warned: set[str] = set()


def recipe_of(
    graph: Graph, tensor: Tensor, pooling: str, *, resize: str, precision: str, name: str = "The network"
) -> dict[str, Any]:
    """Describe a tap: every choice that fixes its vectors' numbers.

    Parameters
    ----------
    graph
        The network, as it will be run.
    tensor
        Where it is cut.
    pooling, resize, precision
        The choices that are not in the graph.
    name
        Of the network, for a warning.

    Returns
    -------
    dict
        JSON values; `featx.cache.identity.recipe_id` names it.

    Warns
    -----
    CacheWarning
        Once for each network whose code cannot be known: its recipe is then used for this run only.
    """
    part = graph.cut([tensor])
    with PREDICTING:
        weights = part.get_weights()
    recipe: dict[str, Any] = {
        "weights": weights_digest(map(_as_tensorflow, weights)),
        "scaling": SCALINGS[graph.scaling],
        "pooling": pooling,
        "input_size": list(graph.input.shape[1:3]),
        "decode": "reduced",  # large JPEGs at 1/2, 1/4 or 1/8, see featx.images.decoding.picture_of
        "resize": resize,
        "precision": precision,
    }
    try:
        recipe["graph"] = graph_digest(_config(part))
        needed = graph.needs(graph.tensors.index(tensor))
        if code := code_digest(graph.tensors[position].layer for position in needed):
            recipe["code"] = code
    except InputError as error:
        recipe |= {"graph": _UNKNOWN, "code": _UNKNOWN + uuid.uuid4().hex}
        if name not in _warned:
            _warned.add(name)
            warnings.warn(
                f"{name!r} is not cached: {error}. Its embeddings are computed anew in every run.",
                CacheWarning,
                stacklevel=2,
            )
    _described.setdefault(graph, set()).add(recipe_id(recipe))
    return recipe


def _as_tensorflow(weight: Any) -> np.ndarray:
    """Give a weight as TensorFlow has it, where Keras' "int" is of 64 bits, so that each backend writes one recipe."""
    from featx.networks.quiet_keras import keras

    values = np.asarray(weight)
    other = keras.config.backend() != "tensorflow" and values.dtype == np.int32
    return values.astype(np.int64) if other else values


def is_kept(recipe: Mapping[str, Any]) -> bool:
    """Tell whether vectors of a recipe may be kept, and found again: whether all that it does is known."""
    return not str(recipe.get("code", "")).startswith(_UNKNOWN)


def has_code(recipe: Mapping[str, Any]) -> bool:
    """Tell whether a recipe depends on code of one's own, which may be edited while no file of the network changes."""
    return "code" in recipe


def check(graph: Graph, tensor: Tensor, recipe: Mapping[str, Any], *, precision: str, name: str) -> None:
    """Make sure that a graph is the one that a recipe describes, before its vectors are kept under the recipe's name.

    Parameters
    ----------
    graph, tensor
        The network, and where it is cut.
    recipe
        What it was said to be, perhaps in an earlier process.
    precision
        Of the graph: OpenVINO rounds a float32 graph itself.
    name
        Of the network.

    Raises
    ------
    InputError
        If it is another one: its weights were exchanged, or what was remembered of it is wrong.
    """
    if recipe_id(recipe) in _described.get(graph, ()):
        return
    found = recipe_of(
        graph, tensor, recipe["pooling"], resize=recipe["resize"], precision=precision, name=name
    )
    if precision != recipe["precision"]:  # layers say in their configuration at which they compute
        found |= {key: recipe[key] for key in ("precision", "graph")}
        if not is_kept(recipe):  # what stands for unknown code is drawn anew each time
            found["code"] = recipe["code"]
    if found != recipe:
        raise InputError(
            f"{name!r} is not the network that it was when it was described; it changed meanwhile. Run again."
        )


def graph_of(network: Network, scaling: str, precision: str) -> Graph:
    """Build a network, or give what was built before, if it is still the same.

    A model that was given is asked for its configuration, its code and its layers each time; its weights may change
    freely, since the graph shares them.
    """
    with _lock:
        if network.key is not None:
            question = (network.key, network.size, scaling, precision)
            if question not in _graphs:
                _graphs[question] = network.graph(scaling, precision)
                while len(_graphs) > 4:
                    _graphs.popitem(last=False)
            _graphs.move_to_end(question)
            return _graphs[question]
        model = network.load()
        question = (_state(model), network.size, scaling, precision)
        known = _own_graphs.setdefault(model, {})
        if question not in known:
            graph = network.graph(scaling, precision)
            while len(known) > 1:
                del known[next(iter(known))]
            if graph.copied:  # the weights of the copies do not follow those of the model
                return graph
            known[question] = graph
        return known[question]


def _state(model: Any) -> Any:
    """Name what may change in a model in place, other than its weights' values."""
    layers = _layers(model)
    try:
        code = code_digest(getattr(model, "operations", layers))
        config = json.dumps(_config(model), sort_keys=True, default=str)
    except InputError:
        return object()  # like nothing before
    return digest(config.encode()), code, tuple(map(id, layers))


def _config(model: Any) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "The object being serialized includes a `lambda`"
        )  # it is not loaded again
        try:
            return model.get_config()
        except Exception as error:  # whatever Keras and layers of one's own raise
            first, *_ = str(error).splitlines() or [""]
            raise InputError(f"its configuration cannot be written ({first})") from error


def _layers(model: Any) -> Sequence[Any]:
    return [
        part
        for layer in model.layers
        for part in (layer, *(_layers(layer) if hasattr(layer, "layers") else ()))
    ]
