"""Which vectors a set of choices stands for: from choices to recipes, without building the network where possible."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property, partial
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np

from featx import __version__
from featx.cache.identity import FORMAT, digest, recipe_id, version_of
from featx.cache.memo import Memo
from featx.embedding import beside
from featx.embedding.beside import Beside
from featx.embedding.calibration import Calibration
from featx.embedding.definition import graph_of, has_code, is_kept, recipe_of
from featx.errors import InputError, UnknownNameError
from featx.networks.backbone import Backbone
from featx.networks.graph import Graph, Tensor
from featx.networks.network import Network, Size, network_of
from featx.networks.pooling import columns, parts, width_of
from featx.networks.scaling import SCALINGS
from featx.text import quoted

PRECISIONS = ("float32", "bfloat16", "int8")
"""The names there are; int8 on OpenVINO only."""

LAST_THREE = (-3, -2, -1)
"""Default depths of a network that is not in the catalogue."""

USUAL_POOLING = "avg+std"
"""Default pooling where nothing better was measured."""


@dataclass(frozen=True)
class Tap:
    """One depth of a backbone with its pooling: where it is cut, and how its maps become a vector."""

    backbone: str
    """Name of the network."""
    depth: int | str
    """A stage number or a layer's name."""
    layer: str
    """The layer's name."""
    pooling: str
    shape: tuple[int, ...]
    """Shape of one image's maps, (h, w, c), or of its vector, (d,)."""
    recipe: Mapping[str, Any]
    """Every choice that fixes the vector's numbers, in JSON."""

    @cached_property
    def recipe_id(self) -> str:
        """The recipe's name in the cache."""
        return recipe_id(self.recipe)

    @property
    def about(self) -> dict[str, Any]:
        """The recipe with, for people, the place in the network it was made for."""
        return {
            "backbone": self.backbone,
            "depth": self.depth,
            "layer": self.layer,
            "recipe": dict(self.recipe),
        }

    @property
    def width(self) -> int:
        """Length of its vector."""
        return width_of(self.shape, self.pooling)

    @cached_property
    def columns(self) -> list[str]:
        """Names of the vector's numbers, e.g. ``stage4_avg_0``."""
        place = f"stage{self.depth}" if isinstance(self.depth, int) else self.depth
        return [f"{place}_{column}" for column in columns(self.shape, self.pooling)]


@dataclass(frozen=True)
class Plan:
    """The taps that a set of choices names, in order, and the way to the network that computes them."""

    name: str
    """The backbone's name."""
    input_size: tuple[int, int]
    taps: Sequence[Tap]
    precision: str
    graph: Callable[[str], Graph] = field(repr=False)
    """Gives the network at a precision, building it on first use; at float32 for int8, which is made of that."""
    key: str | None = None
    """Names the network and its weights by content; None for a Keras model."""
    row: Backbone | None = None
    """Its row in the catalogue, if it was named."""
    beside: Beside | None = field(default=None, repr=False)
    """The process that exports the network, where another one can."""
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the memo remembers of all this, in JSON."""
    calibration: Calibration | None = None
    """Images to calibrate on, at int8."""

    @property
    def is_kept(self) -> bool:
        """Whether its vectors may be kept, and found again: whether all that the network does is known."""
        return all(is_kept(tap.recipe) for tap in self.taps)

    def at_int8(self, calibration: Calibration) -> "Plan":
        """Give this plan, which is one at float32, at int8."""
        more = {"precision": "int8", "quantised": calibration.words}
        taps = [replace(tap, recipe={**tap.recipe, **more}) for tap in self.taps]
        return replace(self, taps=taps, precision="int8", calibration=calibration)

    def at_float32(self, taps: Sequence[Tap]) -> "Plan":
        """Give the plan of some of its taps at float32, of which those at int8 are made."""
        recipes = [{**tap.recipe, "precision": "float32"} for tap in taps]
        for recipe in recipes:
            recipe.pop("quantised", None)
        plain = [replace(tap, recipe=recipe) for tap, recipe in zip(taps, recipes, strict=True)]
        return replace(self, taps=plain, precision="float32", calibration=None)

    @property
    def width(self) -> int:
        """Length of the embedding."""
        return sum(tap.width for tap in self.taps)

    def question(self) -> Hashable:
        """Name what is computed, as long as the process lives.

        Its recipes do, unless they stand for unknown code: such a recipe is another one each time that it is written.
        """
        if self.is_kept:
            return tuple(tap.recipe_id for tap in self.taps)
        places = tuple((tap.layer, tap.pooling, tap.recipe["resize"]) for tap in self.taps)
        return self.graph(self.precision), self.precision, self.calibration and self.calibration.name, places


@dataclass(frozen=True)
class Choices:
    """Every choice of a `FeatureExtractor` that changes an embedding's numbers. Documented there."""

    backbone: Any = "featx-mini"
    depth: Any = "default"
    pooling: Any = "default"
    weights: Any = "auto"
    scaling: str = "auto"
    input_size: int | tuple[int, int] | None = None
    resize: str = "squash"
    precision: str = "float32"
    calibration: Calibration | None = None


def resolve(choices: Choices, content_of: Callable[[Path], bytes], memo: Memo | None = None) -> Plan:
    """Turn choices into a plan.

    Parameters
    ----------
    choices
        What was asked for.
    content_of
        Gives the digest of a file's content.
    memo
        Remembers the recipes of earlier runs, so that one that was resolved before needs no network and no Keras.

    Raises
    ------
    InputError, WeightsError
        If a choice cannot be carried out; the message says which and what to do.
    """
    return ask(choices, content_of, memo, elsewhere=False)()


def ask(
    choices: Choices, content_of: Callable[[Path], bytes], memo: Memo | None = None, *, elsewhere: bool = True
) -> Callable[[], Plan]:
    """Begin to turn choices into a plan; gives what waits for it. As `resolve`, which waits at once.

    Parameters
    ----------
    choices, content_of, memo
        As above.
    elsewhere
        Whether another process may describe the network, where this one would have to load Keras for that.
    """
    network = _network(choices, content_of)
    depths = _depths(choices.depth, network)
    poolings = _poolings(choices.pooling, len(depths))
    built = cache(
        partial(graph_of, network, choices.scaling)
    )  # one for this plan, however it changes meanwhile

    def graph(precision: str) -> Graph:
        return built("float32" if precision == "int8" else precision)

    calibration = None
    if choices.precision == "int8":  # the network is described as at float32, of which it is made
        calibration = choices.calibration or Calibration()
        choices = replace(choices, precision="float32", calibration=None)
    spoken = [network.size, choices.scaling, choices.resize, choices.precision, depths, poolings]
    versions = [
        FORMAT,
        __version__,
        version_of("keras"),
    ]  # another one may find other stages, or write other recipes
    question = network.key and digest(json.dumps([versions, network.key, spoken]).encode()).hex()
    known = memo.recall(question) if memo and question else None
    before = known or _answers.get(question or "")
    helper = _helper(choices, network, depths) if elsewhere else None
    if helper and before is None:
        helper.begin()

    @cache
    def plan() -> Plan:
        answer = before or (helper.describe() if helper else None)
        if answer is None:
            answer = _answer(graph(choices.precision), network, depths, poolings, choices)
        # code may be edited while the file of the network stays what it is
        if question and not any(has_code(tap["recipe"]) for tap in answer["taps"]):
            _answers[question] = answer
            if known is None and memo:
                memo.note(question, answer)
        taps = [Tap(network.name, **{**tap, "shape": tuple(tap["shape"])}) for tap in answer["taps"]]
        size = tuple(answer["input_size"])
        found = Plan(
            network.name, size, taps, choices.precision, graph, network.key, network.row, helper, answer
        )
        return found.at_int8(calibration) if calibration else found

    return plan


def _network(choices: Choices, content_of: Callable[[Path], bytes]) -> Network:
    """Find the network, and refuse a precision or scaling that is none, or that is not for this network."""
    if choices.precision not in PRECISIONS:
        raise UnknownNameError("precision", choices.precision, PRECISIONS)
    if choices.scaling not in ("auto", *SCALINGS):
        raise UnknownNameError("scaling", choices.scaling, ("auto", *SCALINGS))
    network = network_of(choices.backbone, choices.weights, _size(choices.input_size), content_of)
    if network.row and choices.scaling not in ("auto", network.row.scaling):
        raise InputError(
            f"scaling={quoted(choices.scaling)}: {network.name!r} brings its own, {network.row.scaling!r}. "
            "scaling= is for Keras models of your own."
        )
    return network


def _helper(choices: Choices, network: Network, depths: Sequence[int | str]) -> Beside | None:
    """Give the way to the process that can describe and export a network, if one can, and would save time.

    A Keras model has no file, and what a seed gives depends on the backend.
    """
    if network.key is None or network.file is None or not beside.is_open():
        return None
    plain = asdict(replace(choices, backbone=fspath(choices.backbone), calibration=None))
    plain["weights"] = choices.weights if choices.weights is None else fspath(choices.weights)
    plain["input_size"] = network.size
    if not (isinstance(choices.depth, str) and choices.depth == "default"):
        plain["depth"] = depths
    if not isinstance(choices.pooling, str):
        plain["pooling"] = list(choices.pooling)
    return Beside(network.name, plain, network.key)


_answers: dict[str, dict[str, Any]] = {}  # by question, of this process: some kilobytes each


def _answer(
    graph: Graph,
    network: Network,
    depths: Sequence[int | str],
    poolings: Sequence[str | None],
    choices: Choices,
) -> dict[str, Any]:
    input_size = list(graph.input.shape[1:3])
    if depths == LAST_THREE and len(graph.stages) < 3:  # a network of one or two stages has no more to give
        depths, poolings = LAST_THREE[-len(graph.stages) :], poolings[-len(graph.stages) :]
    taps = []
    for depth, given in zip(map(graph.meant, depths), poolings, strict=True):
        tensor = graph.at(depth)
        pooling = given or _best_pooling(graph, network.row, tensor)
        how = {"resize": choices.resize, "precision": choices.precision, "name": network.name}
        recipe = recipe_of(graph, tensor, pooling, **how)
        number = (
            depth % (len(graph.stages) + 1) if isinstance(depth, int) else depth
        )  # -1 is the last of them
        taps.append(
            {
                "depth": number,
                "layer": tensor.name,
                "pooling": pooling,
                "shape": tensor.shape,
                "recipe": recipe,
            }
        )
    return {"input_size": input_size, "taps": taps}


def _size(given: Any) -> Size | None:
    if given is None:
        return None
    pair = tuple(given) if isinstance(given, tuple | list | np.ndarray) else (given, given)
    if len(pair) != 2 or not all(is_count(number) for number in pair):
        raise InputError(f"input_size={quoted(given)}: give a number of pixels, or (height, width).")
    return int(pair[0]), int(pair[1])


def is_count(number: Any) -> bool:
    """Tell whether something is a whole number above 0."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool) and bool(number > 0)


def _depths(given: Any, network: Network) -> tuple[int | str, ...]:
    if isinstance(given, str) and given == "default":
        return network.row.depth if network.row else LAST_THREE
    items = given if isinstance(given, tuple | list | np.ndarray) else [given]
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int | np.integer | str):
            raise InputError(
                f"depth={quoted(given)}: give a stage number, a layer's name, or a list of these."
            )
    if not len(items):
        raise InputError("depth is an empty list: give at least one stage number or layer name.")
    return tuple(str(item) if isinstance(item, str) else int(item) for item in items)


def _poolings(given: Any, count: int) -> tuple[str | None, ...]:
    """Give the pooling of each depth; None for the one that was measured best there."""
    if isinstance(given, str) and given == "default":
        return (None,) * count
    poolings = tuple(given) if isinstance(given, tuple | list | np.ndarray) else (given,) * count
    if len(poolings) != count:
        raise InputError(f"{len(poolings)} poolings for {count} depths: give one for all, or one for each.")
    return tuple("+".join(parts(pooling)) for pooling in poolings)


def _best_pooling(graph: Graph, row: Backbone | None, tensor: Tensor) -> str:
    """Give the default pooling of a layer, however its depth was written: 3, -2 and a name may be one layer."""
    if row is None:
        return USUAL_POOLING
    if isinstance(row.pooling, str):
        return row.pooling
    best = {graph.at(depth).name: pooling for depth, pooling in zip(row.depth, row.pooling, strict=True)}
    return best.get(tensor.name, USUAL_POOLING)
