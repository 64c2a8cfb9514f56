"""Passes over images: several networks side by side, each shown one view of an image or several."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import tee
from pathlib import Path
from typing import Any

import numpy as np

from featx.cache.memo import Memo
from featx.embedding.batches import regrouped
from featx.embedding.engines import Engine, engine_for
from featx.embedding.plan import Choices, Plan, Tap, ask
from featx.embedding.views import WHOLE, Views
from featx.errors import InputError
from featx.networks.graph import Graph
from featx.text import quoted

BLOCK = 32
"""Images whose vectors are put together at a time, where several engines share the decoded ones."""
LISTED = ("weights", "scaling", "depth", "pooling")
"""Choices that may be a list, with one for each backbone; of depths and poolings a list with lists in it."""


@dataclass(frozen=True)
class Pass:
    """One network over images: its vectors are means over the views of an image."""

    plans: Sequence[Plan]
    """The network at each size, without views."""
    views: Views
    taps: Sequence[Tap]
    """Where it is cut, with the views in their recipes: what is kept."""

    @property
    def pictures(self) -> list[tuple[int, int]]:
        """The sizes that an image is brought to."""
        return [self.views.picture(plan.input_size) for plan in self.plans]


@dataclass(frozen=True)
class Composed(Plan):
    """The plan of several backbones, or of several views."""

    passes: Sequence[Pass] = ()

    def question(self) -> Hashable:
        """As `Plan.question`."""
        if self.is_kept:
            return super().question()
        return tuple((plan.question(), one.views) for one in self.passes for plan in one.plans)


def passes_of(plan: Plan) -> Sequence[Pass]:
    """List what has to be run for a plan: for one of a single network, that network over whole images."""
    return plan.passes if isinstance(plan, Composed) else [Pass([plan], WHOLE, plan.taps)]


def compose(
    backbones: Sequence[Choices],
    views: Views,
    content_of: Callable[[Path], bytes],
    memo: Memo | None = None,
    *,
    elsewhere: bool = True,
) -> Callable[[], Plan]:
    """Begin to turn choices into one plan; as `featx.embedding.plan.ask`, which it asks for each backbone.

    Parameters
    ----------
    backbones
        The choices for each backbone.
    views
        What each is shown of an image.
    content_of, memo, elsewhere
        As for `ask`.
    """

    def begin(choices: Choices) -> Callable[[], Plan]:
        return ask(choices, content_of, memo, elsewhere=elsewhere)

    waiting = [begin(choices) for choices in backbones]
    if views == WHOLE and len(waiting) == 1:
        return waiting[0]

    @cache
    def plan() -> Plan:
        passes = []
        for choices, first in zip(backbones, waiting, strict=True):
            plain = first()
            plans = [
                plain if factor == 1 else begin(replace(choices, input_size=_scaled(plain, factor)))()
                for factor in views.factors
            ]
            passes.append(Pass(plans, views, _viewed(plans, views)))
        return _composed(_with_names_of_their_own(passes))

    return plan


def _scaled(plan: Plan, factor: float) -> tuple[int, int]:
    height, width = (max(1, round(factor * side)) for side in plan.input_size)
    return height, width


def _viewed(plans: Sequence[Plan], views: Views) -> list[Tap]:
    """Give the taps of a network with its views in their recipes."""
    taps = []
    for first, *others in zip(*(plan.taps for plan in plans), strict=True):
        words = views.words
        for plan, tap in zip(plans[1:], others, strict=True):
            if tap.width != first.width:
                height, width = plan.input_size
                raise InputError(
                    f"pooling={tap.pooling!r} gives {tap.width} columns of an image at {height} x {width} pixels, and "
                    f"{first.width} at its input size, of which there is no mean. Take another pooling, such as 'avg', "
                    "or leave sizes out of views=."
                )
        if others:
            words["sizes"] = [tap.recipe_id for tap in others]
        taps.append(replace(first, recipe={**first.recipe, "views": words}) if words else first)
    return taps


def _with_names_of_their_own(passes: Sequence[Pass]) -> list[Pass]:
    """Tell networks that are called alike apart by a number; refuse the same columns twice."""
    seen: dict[str, int] = {}
    found, recipes = [], set()
    for one in passes:
        name = one.plans[0].name
        own = tuple(tap.recipe_id for tap in one.taps)
        if own in recipes:
            raise InputError(
                f"backbone: {quoted(name)} stands there twice with the same choices, so each of its columns would, "
                "too. Give each backbone once."
            )
        recipes.add(own)
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            taps = [replace(tap, backbone=f"{name}:{seen[name]}") for tap in one.taps]
            found.append(replace(one, taps=taps))
        else:
            found.append(one)
    return found


def _composed(passes: Sequence[Pass]) -> Plan:
    first = passes[0].plans[0]
    taps = [tap for one in passes for tap in one.taps]
    if len(passes) == 1:
        plain = {name: getattr(first, name) for name in first.__dataclass_fields__}
        return Composed(**plain | {"taps": taps, "passes": passes})
    name = " + ".join(dict.fromkeys(tap.backbone for tap in taps))

    def graph(precision: str) -> Graph:  # noqa: ARG001 - as any plan's
        raise several(len(passes))

    return Composed(name, first.input_size, taps, first.precision, graph, passes=passes)


def several(count: int) -> InputError:
    """Make the error of work that needs a single network."""
    return InputError(f"This needs one network, and {count} are given side by side. Give one backbone.")


def choices_of_each(backbone: Any, shared: Mapping[str, Any]) -> list[Choices]:
    """Take choices apart that may name several backbones.

    Parameters
    ----------
    backbone
        One, or a list.
    shared
        All other choices; those in `LISTED` may be lists, with one for each backbone.

    Raises
    ------
    InputError
        If there is no backbone, or a list has another length.

    Examples
    --------
    >>> shared = {"weights": "auto", "scaling": "auto", "depth": [[2, 3], -1], "pooling": "avg"}
    >>> [one.depth for one in choices_of_each(["featx-mini", "mobilenet_v2"], shared)]
    [[2, 3], -1]
    """
    backbones = backbone if isinstance(backbone, list | tuple) else [backbone]
    if not backbones:
        raise InputError("backbone is an empty list: give at least one.")
    rows = [{**shared, "backbone": one} for one in backbones]
    for name in LISTED:
        given = shared[name]
        if not isinstance(given, list | tuple):
            continue
        if name in ("depth", "pooling") and not any(isinstance(one, list | tuple) for one in given):
            continue
        if len(given) != len(rows):
            count = f"{len(rows)} backbone{'s' * (len(rows) > 1)}"
            raise InputError(
                f"{name} is a list of {len(given)} for {count}: give one for all, or one for each."
            )
        for row, value in zip(rows, given, strict=True):
            row[name] = value
    return [Choices(**row) for row in rows]


@dataclass(frozen=True)
class Shown:
    """An engine that is shown views of images: its vectors are means over the views of an image."""

    engine: Engine
    views: Views
    size: tuple[int, int]

    def run(self, parts: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
        """Embed pictures, as engines do."""
        count = self.views.at_a_size
        if count == 1:
            yield from self.engine.run(self.views.shown(part, self.size) for part in parts)
            return
        left: list[np.ndarray] = []
        for vectors in self.engine.run(self.views.shown(part, self.size) for part in parts):
            held = [np.concatenate(pair) for pair in zip(left, vectors, strict=True)] if left else vectors
            whole = len(held[0]) // count * count
            left = [array[whole:] for array in held]
            if whole:
                yield [array[:whole].reshape(-1, count, array.shape[1]).mean(axis=1) for array in held]


def shown_by(
    one: Pass,
    numbers: Sequence[int],
    batch_size: int,
    *,
    engine: str = "auto",
    images: int = 0,
    folder: Path | None = None,
) -> list[Shown]:
    """Make an engine for each size of a pass; as `featx.embedding.engines.engine_for`.

    Parameters
    ----------
    one
        The pass.
    numbers
        Of those of its taps that are wanted.
    batch_size, engine, images, folder
        As there.
    """
    views = images * one.views.at_a_size
    found = []
    for plan in one.plans:
        taps = [plan.taps[number] for number in numbers]
        made = engine_for(plan, taps, batch_size, engine=engine, images=views, folder=folder)
        found.append(Shown(made, one.views, plan.input_size))
    return found


def run_together(
    passes: Sequence[Sequence[Shown]], parts: Iterable[Sequence[np.ndarray]]
) -> Iterator[list[np.ndarray]]:
    """Run several engines over the same images, each of which is read and decoded once.

    Parameters
    ----------
    passes
        For each pass an engine at each size, whose vectors are averaged.
    parts
        Pictures (n, h, w, 3) at each of the sizes, any n at a time.

    Yields
    ------
    list of arrays
        As engines do: for each pass, for each of its taps.
    """
    if len(passes) == len(passes[0]) == 1:
        yield from passes[0][0].run(part[0] for part in parts)
        return
    engines = [(engine, size) for own in passes for size, engine in enumerate(own)]
    widths: list[list[int]] = [[] for _ in engines]

    def joined(place: int, own: Iterable[Sequence[np.ndarray]]) -> Iterator[np.ndarray]:
        engine, size = engines[place]
        for vectors in engine.run(part[size] for part in own):
            widths[place] = [array.shape[1] for array in vectors]
            yield np.concatenate(vectors, axis=1)

    copies = tee(parts, len(engines))
    streams = [regrouped(joined(place, own), BLOCK) for place, own in enumerate(copies)]
    for blocks in zip(*streams, strict=True):
        found, place = [], 0
        for own in passes:
            mean = np.mean(blocks[place : place + len(own)], axis=0) if len(own) > 1 else blocks[place]
            found += np.split(mean, np.cumsum(widths[place])[:-1], axis=1)
            place += len(own)
        yield found
