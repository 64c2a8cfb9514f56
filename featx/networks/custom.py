"""Code of one's own that a Keras model needs: what a file asks for, what it is called, where it is taken from."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from types import FunctionType
from typing import Any

from featx.errors import InputError

_ROOTS = {"keras", "keras_hub", "keras_cv", "keras_nlp"}
"""Packages whose classes Keras finds by itself."""
_UNSAFE = {"TFSMLayer", "TorchModuleWrapper"}
"""Layers of Keras that run what lies in a file."""
_ROOMS_OF_FUNCTIONS = (
    "activations", "constraints", "initializers", "losses", "metrics", "optimizers", "regularizers",
)  # fmt: skip
_ROOMS = ("layers", "models", "dtype_policies", *_ROOMS_OF_FUNCTIONS)
"""Where Keras looks for what a configuration names without a module."""


def needs(config: Any) -> list[str]:
    """Name what a model's configuration asks for and Keras does not know here, as `asked_for` does."""
    from featx.networks.quiet_keras import keras

    return [name for name in asked_for(config) if keras.saving.get_registered_object(name) is None]


def asked_for(config: Any) -> list[str]:
    """Name all that a model's configuration asks for and that is not Keras' own, known here or not.

    Parameters
    ----------
    config
        Of the model, in JSON's types, as ``.keras`` and HDF5 files hold it.

    Returns
    -------
    list of str
        The names by which Keras looks for classes and functions of one's own, such as ``Scale`` or ``shop>Scale``; and
        ``keras.layers.Lambda`` and the like for code that lies in the file itself, which it does not run unasked.

    Examples
    --------
    >>> import keras
    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Lambda(full_name)])
    >>> asked_for(keras.saving.serialize_keras_object(network))
    ['full_name']
    """
    return list(dict.fromkeys(_names(config)))


def _names(config: Any) -> Iterator[str]:
    if isinstance(config, Mapping):
        if name := _name(config):
            yield name
        config = list(config.values())
    if isinstance(config, list | tuple):
        for value in config:
            yield from _names(value)


def _name(config: Mapping[str, Any]) -> str | None:
    """Name what one object in a configuration is, if it is not Keras' own."""
    kind, inner, module = (config.get(key) for key in ("class_name", "config", "module"))
    old = "module" not in config  # as HDF5 files have it
    of_keras = str(module).partition(".")[0] in _ROOTS
    if kind == "__lambda__" or (kind == "Lambda" and old and not _is_named(inner)):
        return "keras.layers.Lambda"
    if of_keras:
        return f"keras.layers.{kind}" if kind in _UNSAFE else None
    if kind == "function" and module == "builtins":
        return inner if isinstance(inner, str) and not _is_in(_ROOMS_OF_FUNCTIONS, inner) else None
    if (
        not isinstance(kind, str)
        or kind.startswith("__")
        or not isinstance(inner, Mapping)
        or module == "builtins"
    ):
        return None
    if old:
        return None if kind == "Functional" or _is_in(_ROOMS, kind) else kind
    return str(config.get("registered_name") or kind)


def _is_in(rooms: Iterable[str], name: str) -> bool:
    from featx.networks.quiet_keras import keras

    return any(hasattr(getattr(keras, room), name) for room in rooms)


def _is_named(config: Any) -> bool:
    """Tell whether a `Lambda` in the old format only names its function."""
    return isinstance(config, Mapping) and config.get("function_type") == "function"


def is_code(name: str) -> bool:
    """Tell whether a name that `needs` gave stands for code that lies in the file."""
    return name.startswith("keras.layers.")


def trusted_for(needed: Iterable[str], trusted: Iterable[str]) -> dict[str, str | None]:
    """Find what a model needs among what the caller trusts.

    Parameters
    ----------
    needed
        What `needs` gave.
    trusted
        Full names, such as ``shop.layers.Scale``.

    Returns
    -------
    dict
        From each name to the full one; None where it is not trusted.

    Examples
    --------
    >>> trusted_for(["shop>Scale", "double"], ["shop.layers.Scale"])
    {'shop>Scale': 'shop.layers.Scale', 'double': None}
    """
    return {
        name: next(
            (full for full in trusted if full == name or full.rpartition(".")[2] == name.rpartition(">")[2]),
            None,
        )
        for name in needed
    }


def imported(full: str) -> Any:
    """Import something by its full name.

    Raises
    ------
    InputError
        If it is not there.
    """
    module, _, name = full.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # the module may raise anything
        raise InputError(f"trusted={full!r} cannot be imported: {error}.") from error


def objects_in(model: Any, needed: Iterable[str]) -> dict[str, list[Any]]:
    """Find in a model what its file asks for: under each name the different objects that bear it."""
    from featx.networks.quiet_keras import keras

    wanted: dict[str, list[Any]] = {name: [] for name in needed}
    seen: dict[int, Any] = {}
    waiting: list[Any] = [model]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif id(value) not in seen:
            seen[id(value)] = value
            is_object = hasattr(value, "get_config") and not isinstance(value, type)
            if not is_object and not isinstance(value, FunctionType):
                continue
            bearer: Any = type(value) if is_object else value
            same = wanted.get(keras.saving.get_registered_name(bearer))
            if same is not None and bearer not in same:
                same.append(bearer)
            if is_object:
                waiting.extend(getattr(value, "layers", ()))
                waiting.extend(getattr(value, "operations", ()))
                waiting.extend(vars(value).values() if hasattr(value, "__dict__") else ())
    return wanted


def full_name(value: type | FunctionType) -> str | None:
    """Give the shortest name by which something can be imported; None where there is none.

    Examples
    --------
    >>> import keras
    >>> full_name(keras.applications.vgg16.preprocess_input), full_name(lambda x: x)
    ('keras.applications.vgg16.preprocess_input', None)
    """
    parts = str(value.__module__).split(".")
    if parts[0] in _ROOTS:  # what they have is public under shorter names
        parts = [part for part in parts if part != "src"]
    for end in range(1, len(parts) + 1):
        module = ".".join(parts[:end])
        try:
            if getattr(import_module(module), value.__name__, None) is value:
                return f"{module}.{value.__name__}"
        except ImportError:
            continue
    return None


def made_anew(layer: Any, **changes: Any) -> Any:
    """Make a layer of the same configuration, with new weights.

    A `Lambda` keeps its function, which a configuration holds as byte code that Keras does not run unasked.

    Parameters
    ----------
    layer
        A Keras layer.
    changes
        What of its configuration is to be another.
    """
    from featx.networks.quiet_keras import keras

    config = {**layer.get_config(), **changes}
    if not isinstance(layer, keras.layers.Lambda):
        return type(layer).from_config(config)
    if isinstance(config.get("output_shape"), Mapping):  # a function, too; Keras finds the shape without it
        del config["output_shape"]
    own = {"function": layer.function, "arguments": layer.arguments, "mask": layer.mask}
    return type(layer)(**{**config, **own})
