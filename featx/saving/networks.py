"""What a fitted estimator would need from elsewhere: Keras models, each a file of the folder, and images."""

import copy
import sys
import warnings
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from featx.embedding import FeatureExtractor
from featx.errors import InputError, SavedModelError, WeightsError
from featx.images.sources import as_sources, content
from featx.networks import custom
from featx.networks.code import code_digest
from featx.networks.file_kinds import config_of
from featx.networks.model_files import load_model, reason

_PLACE = "featx-network:"  # stands before a file's name where a Keras model was


@dataclass
class Needs:
    """What it takes to load the networks of a saved model, beside Keras."""

    trusted: list[str] = field(default_factory=list)
    """Full names of what `load` has to be told to trust."""
    unnamed: list[str] = field(default_factory=list)
    """What cannot be imported by a name, and so must be made known to Keras."""
    hopeless: list[str] = field(default_factory=list)
    """Why a network cannot be loaded at all."""


def networks_to_files(estimator: Any, draft: Path) -> tuple[Any, Needs]:
    """Save the Keras models in an estimator, and take along what lies in the files that it calibrates on.

    Parameters
    ----------
    estimator
        It is not changed.
    draft
        The folder; models go to ``network-0.keras`` and so on.

    Returns
    -------
    estimator
        A copy, with the files' names in place of the models, and contents in place of the paths of images.
    needs : Needs

    Raises
    ------
    SavedModelError
        If Keras cannot write a model.
    InputError
        If an image cannot be read.
    """
    needs = Needs()
    memo: dict[int, Any] = {}
    for part in _estimators(estimator, set()):
        given = part.calibration if isinstance(part, FeatureExtractor) else None
        if given is not None and id(given) not in memo:
            how = {"image_shape": part.image_shape, "value_range": part.value_range}
            memo[id(given)] = [content(source) for source in as_sources(given, **how)]
    kinds = (sys.modules["keras"].Model,) if "keras" in sys.modules else ()  # else there can be no model
    for part in _estimators(estimator, set()):
        for value in _each(vars(part).values()):
            if isinstance(value, kinds) and id(value) not in memo:
                name = f"network-{len(memo)}.keras"
                _write(value, draft / name, needs)
                memo[id(value)] = _PLACE + name
    # deepcopy puts memo's values in their place
    needs.trusted = list(dict.fromkeys(needs.trusted))
    needs.unnamed = list(dict.fromkeys(needs.unnamed))
    return (copy.deepcopy(estimator, memo) if memo else estimator), needs


def _write(model: Any, path: Path, needs: Needs) -> None:
    try:
        with warnings.catch_warnings():  # that a Lambda needs trust is said in the words of `load`
            warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
            model.save(path)
    except Exception as error:  # whatever Keras and layers of one's own raise
        raise SavedModelError(
            f"The network {model.name!r} cannot be written: {reason(error)}. Give each layer of your own a "
            "get_config with the arguments of its __init__."
        ) from error
    if not _has_code(model):
        return
    objects = custom.objects_in(model, custom.asked_for(config_of(path)))
    for name, found in objects.items():
        known = name if custom.is_code(name) else next(filter(None, map(custom.full_name, found)), None)
        place = needs.trusted if known else needs.unnamed
        place.append(known or name)
    twice = [name for name, found in objects.items() if len(found) > 1]
    if why := (
        f"holds two different things called {twice[0]!r}, which its file does not tell apart"
        if twice
        else _trial(model, path, {name: found[0] for name, found in objects.items() if found})
    ):
        needs.hopeless.append(f"the network {model.name!r} {why}")


def _has_code(model: Any) -> bool:
    try:
        return code_digest([model, *getattr(model, "operations", ())]) is not None
    except InputError:  # it cannot be read, so there is some
        return True


def _trial(model: Any, path: Path, objects: dict[str, Any]) -> str | None:
    """Load a model again, and compare; say why it does not come back, if it does not."""
    from featx.networks.quiet_keras import keras

    noise, expected = _answer(model)
    try:
        loaded = keras.saving.load_model(path, custom_objects=objects, compile=False, safe_mode=False)
    except Exception as error:  # noqa: BLE001 - whatever Keras and code of one's own raise
        return f"cannot be made again from its file ({reason(error)})"
    try:
        found = _run(loaded, noise) if expected else []
    except Exception as error:  # noqa: BLE001 - whatever code of one's own raises
        return f"cannot be run when it is loaded again ({reason(error)})"
    pairs = zip(expected, found, strict=True)
    same = all(np.allclose(one, other, rtol=1e-4, atol=1e-6) for one, other in pairs)
    return None if same else "gives other numbers when it is loaded again"


def _answer(model: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    """Give noise, and what a model makes of it; nothing where it was never called, or takes something else."""
    noise = np.zeros(0)
    try:
        (start,) = model.inputs
        shape = [size or 64 for size in (2, *start.shape[1:])]
        noise = np.random.default_rng(0).random(shape).astype(start.dtype)
        return noise, _run(model, noise)
    except Exception:  # noqa: BLE001 - whatever Keras and code of one's own raise
        return noise, []


def _run(model: Any, noise: np.ndarray) -> list[np.ndarray]:
    from featx.networks.quiet_keras import keras

    return [keras.ops.convert_to_numpy(one) for one in keras.tree.flatten(model(noise, training=False))]


def untrusted(
    folder: Path, files: Iterable[str], trusted: Iterable[str], hints: Any
) -> tuple[list[str], list[str]]:
    """Name what the networks of a saved model need and nobody has trusted yet.

    Parameters
    ----------
    folder, files
        The saved model, and the names of its files.
    trusted
        Full names that the caller trusts.
    hints
        Full names that `save` noted; they may be wrong.

    Returns
    -------
    named, unnamed : list of str
        Full names to trust; and what has none.
    """
    known = [hint for hint in hints if isinstance(hint, str)] if isinstance(hints, list) else []
    named: list[str] = []
    unnamed: list[str] = []
    for file in files:
        if not file.endswith(".keras"):
            continue
        for name, full in custom.trusted_for(custom.needs(config_of(folder / file)), trusted).items():
            if full:
                continue
            ends = f".{name.rpartition('>')[2]}"
            hint = name if custom.is_code(name) else next((one for one in known if one.endswith(ends)), None)
            (named if hint else unnamed).append(hint or name)
    return list(dict.fromkeys(named)), list(dict.fromkeys(unnamed))


def files_to_networks(estimator: Any, folder: Path, listed: Container[str], trusted: Iterable[str]) -> None:
    """Put the Keras models back, inside an estimator. Code hidden in them is not run unless it is trusted."""
    loaded: dict[str, Any] = {}

    def network(value: str) -> Any:
        name = value.removeprefix(_PLACE)
        if name not in listed:
            raise SavedModelError(
                f"{str(folder)!r} asks for {name!r}, which model.json does not list. Save the model again."
            )
        if name not in loaded:
            try:
                loaded[name] = load_model(folder / name, trusted)
            except (WeightsError, InputError) as error:
                raise SavedModelError(str(error)) from error
        return loaded[name]

    for part in _estimators(estimator, set()):
        for attribute, value in list(vars(part).items()):
            if any(map(_is_place, _each([value]))):
                found = [network(one) if _is_place(one) else one for one in _each([value])]
                setattr(part, attribute, type(value)(found) if isinstance(value, list | tuple) else found[0])


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_PLACE)


def _each(values: Iterable[Any]) -> Iterator[Any]:
    """Give values, and of lists among them what they hold: several backbones are a list."""
    for value in values:
        yield from value if isinstance(value, list | tuple) else [value]


def _estimators(value: Any, seen: set[int]) -> Iterator[Any]:
    """Every scikit-learn object that can be reached from `value`, itself included."""
    if id(value) in seen:
        return
    seen.add(id(value))
    parts: Iterable[Any] = ()
    if hasattr(value, "__dict__") and (
        isinstance(value, BaseEstimator) or type(value).__module__.startswith("sklearn.")
    ):
        yield value
        parts = list(vars(value).values())
    elif isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    elif isinstance(value, np.ndarray) and value.dtype == object:
        parts = value.ravel().tolist()
    for part in parts:
        yield from _estimators(part, seen)
