"""What of a network is code: functions and classes of one's own, which its configuration only names.

Keras writes down a `Lambda`, a custom layer or an activation of one's own by its name, so two networks with the same
configuration and the same weights may give different numbers. `code_digest` digests the code, with all it refers to.
"""

import builtins
import dis
import functools
import importlib
import json
import sys
import types
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

from featx.errors import InputError

_LIBRARIES = {
    "keras",
    "tensorflow",
    "jax",
    "jaxlib",
    "torch",
    "numpy",
    "scipy",
    "ml_dtypes",
}
"""Whose functions are known by their names. All other code is read."""
_CALM = {
    "abc", "cmath", "collections", "copy", "dataclasses", "decimal", "enum", "fractions", "functools", "itertools",
    "logging", "math", "numbers", "operator", "re", "string", "types", "typing", "warnings",
}  # fmt: skip
"""Modules of the standard library that give the same for the same arguments, or change no number."""
_OUTSIDE = {
    "open", "input", "exec", "eval", "compile", "globals", "locals", "vars", "__import__", "id", "hash", "iter", "next",
    "load", "loadtxt", "genfromtxt", "fromfile", "memmap", "read_file", "py_function", "numpy_function", "io_callback",
    "pure_callback",
}  # fmt: skip
"""Names of functions, built in or of a library, whose answer is fixed by something outside of the program."""
_ABOUT = {
    "__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__qualname__", "__firstlineno__",
    "__static_attributes__", "__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__", "__slots__",
}  # fmt: skip
"""What a class has to say about itself that changes nothing."""


_BOOKS = {"train_function", "test_function", "predict_function"}
"""Attributes that Keras adds to layers when it exports them, beside TensorFlow's, which begin with ``_self_``."""


def code_digest(operations: Iterable[Any]) -> str | None:
    """Digest the code of one's own that some layers run.

    Parameters
    ----------
    operations
        Keras layers and operations, in the order of the graph.

    Returns
    -------
    str or None
        32 hexadecimal digits; None where all code is that of Keras.

    Raises
    ------
    InputError
        If what some code does cannot be known: it reads a file or the clock, or an object whose contents cannot be
        seen. The message says which, and fits after the name of the network.

    Examples
    --------
    >>> import keras
    >>> code_digest([keras.layers.ReLU()])
    >>> double, triple = keras.layers.Lambda(lambda x: 2 * x), keras.layers.Lambda(lambda x: 3 * x)
    >>> code_digest([double]) == code_digest([triple])
    False
    """
    reader = _Reader()
    said = []
    for place, operation in enumerate(operations):
        try:
            if found := reader.operation(operation):
                said.append([place, found])
        except (InputError, RecursionError) as error:
            name = getattr(operation, "name", type(operation).__name__)
            raise InputError(f"the code of its layer {name!r} cannot be known: {error}") from error
    return blake2b(json.dumps(said).encode(), digest_size=16).hexdigest() if said else None


class _Reader:
    """Says in JSON what values are. What is said twice is only numbered the second time, so that circles end."""

    def __init__(self) -> None:
        from featx.networks.quiet_keras import keras

        self.everyone_has = vars(keras.layers.Layer())
        self.seen: dict[
            int, tuple[int, Any]
        ] = {}  # id → number, and the value, so that nothing else gets its id

    def operation(self, operation: Any) -> list[Any]:
        """Say what of a layer is not Keras' own: its class, functions it was given, and the layers inside it."""
        from featx.networks.quiet_keras import keras

        if id(operation) in self.seen:
            return []
        self.seen[id(operation)] = len(self.seen), operation
        own = not _of_library(type(operation))
        said: list[Any] = [self.say(type(operation))] if own else []
        for name, value in sorted(vars(operation).items()):
            if name in _BOOKS or name.startswith("_self_"):
                continue
            if name in self.everyone_has and getattr(value, "__wrapped__", value) is not value:
                continue  # build is wrapped for each layer; the class was read
            for part in _leaves(value):
                if isinstance(part, keras.Operation):
                    said += self.operation(part)
                elif _root(type(part)) == "keras" or (name in self.everyone_has and not callable(part)):
                    pass  # weights, which are digested by their values, and what Keras keeps for itself
                elif own or (callable(part) and not isinstance(part, type) and not _named_in_config(part)):
                    said.append([name, self.say(part)])
        return said

    def say(self, value: Any) -> Any:
        """Say what a value is, whole."""
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float | complex | bytes | range | slice | type(Ellipsis)):
            return repr(value)
        if id(value) in self.seen:
            return ["again", self.seen[id(value)][0]]
        self.seen[id(value)] = len(self.seen), value
        for kinds, say in (
            ((list, tuple), lambda: ["list", *map(self.say, value)]),
            ((set, frozenset), lambda: ["set", *sorted(json.dumps(self.say(item)) for item in value)]),
            ((Mapping,), lambda: ["dict", *([self.say(key), self.say(item)] for key, item in value.items())]),
            ((type,), lambda: self._class(value)),
            ((types.ModuleType,), lambda: self._module(value)),
            ((types.FunctionType,), lambda: self._function(value)),
            ((types.MethodType,), lambda: [self.say(value.__func__), self.say(value.__self__)]),
            ((staticmethod, classmethod), lambda: [type(value).__name__, self.say(value.__func__)]),
            ((property,), lambda: ["property", self.say(value.fget)]),
            (
                (functools.partial,),
                lambda: [self.say(part) for part in (value.func, value.args, value.keywords)],
            ),
            ((types.BuiltinFunctionType, np.ufunc), lambda: self._built_in(value)),
        ):
            if isinstance(value, kinds):
                return say()
        return self._object(value)

    def _object(self, value: Any) -> Any:
        from featx.networks.quiet_keras import keras

        if isinstance(value, keras.Operation):
            values = [np.asarray(weight) for weight in getattr(value, "weights", [])]
            return ["layer", repr(value.get_config()), self.operation(value), self.say(values)]
        for inside in ("__wrapped__", "python_function"):  # functools' caches, jax.jit, tf.function
            if hasattr(value, inside):
                return [type(value).__name__, self.say(getattr(value, inside))]
        if hasattr(value, "__array__"):
            array = np.ascontiguousarray(value)
            if array.dtype != object:
                return ["array", array.shape, array.dtype.str, blake2b(array.tobytes()).hexdigest()]
        if _of_library(type(value)) and hasattr(value, "get_config"):
            return [_full_name(type(value)), repr(value.get_config())]
        if _root(type(value)) not in _LIBRARIES | sys.stdlib_module_names:
            slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
            state = {
                **getattr(value, "__dict__", {}),
                **{k: getattr(value, k) for k in slots if hasattr(value, k)},
            }
            return ["object", self.say(type(value)), self.say(state)]
        raise InputError(f"it uses a {_full_name(type(value))}, whose contents cannot be seen")

    def _class(self, kind: type) -> Any:
        if _root(kind) in _LIBRARIES | sys.stdlib_module_names:
            return self._named(kind.__module__, kind.__qualname__)
        members = {name: member for name, member in vars(kind).items() if name not in _ABOUT}
        slot = types.MemberDescriptorType | types.GetSetDescriptorType
        said = [
            [name, self.say(member)]
            for name, member in sorted(members.items())
            if not isinstance(member, slot)
        ]
        return ["class", said, *(self.say(base) for base in kind.__bases__)]

    def _module(self, module: types.ModuleType) -> Any:
        if _root(module) not in _LIBRARIES | sys.stdlib_module_names:
            raise InputError(f"it uses the module {module.__name__!r} as a whole")
        return self._named(module.__name__, "")

    def _built_in(self, function: Any) -> Any:
        owner = getattr(function, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):  # a ufunc has no module, and is numpy's
            module = function.__module__ if hasattr(function, "__module__") else "numpy"
            return self._named(str(module or "builtins"), function.__name__)
        return [function.__name__, self.say(owner)]

    def _named(self, module: str, name: str) -> Any:
        """Say the name of something that a library or Python brings, unless it looks outside."""
        root = module.partition(".")[0]
        if name in _OUTSIDE or (
            root not in _LIBRARIES | _CALM | {"builtins", "_operator"} and root in sys.stdlib_module_names
        ):
            raise InputError(f"it uses {module}.{name}".rstrip("."))
        return ["named", module, name]

    def _function(self, function: types.FunctionType) -> Any:
        if _root(function) in _LIBRARIES | sys.stdlib_module_names:
            return self._named(function.__module__, function.__qualname__)
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        around = {name: cell.cell_contents for name, cell in cells if _filled(cell)}
        kept = [function.__defaults__, function.__kwdefaults__, {**vars(function)}]
        return ["function", self._code(function.__code__, function.__globals__, around), *map(self.say, kept)]

    def _code(self, code: types.CodeType, scope: Mapping[str, Any], around: Mapping[str, Any]) -> Any:
        inner = {name: value for name, value in around.items() if name not in code.co_cellvars}
        constants = [
            self._code(one, scope, inner) if isinstance(one, types.CodeType) else self.say(one)
            for one in code.co_consts
        ]
        read = [[path, self.say(value)] for path, value in _read_by(code, scope, inner)]
        return ["code", code.co_code.hex(), code.co_names, code.co_argcount, code.co_flags, constants, read]


def _read_by(
    code: types.CodeType, scope: Mapping[str, Any], around: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """Find what code reads from around it: globals, variables of enclosing functions, what it takes from modules."""
    found: list[tuple[str, Any]] = []
    path, value = "", None
    for step in dis.get_instructions(code):
        name = step.argval
        if step.opname in {"LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"} and isinstance(value, types.ModuleType):
            path, value = f"{path}.{name}", _attribute(value, name)
            continue
        if path:
            found.append((path, value))
            path, value = "", None
        if step.opname in {"STORE_GLOBAL", "DELETE_GLOBAL"}:
            raise InputError(f"it changes the global variable {name!r}")
        if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
            if name in scope or hasattr(builtins, name):
                path, value = name, scope.get(name, getattr(builtins, name, None))
        elif step.opname in {"LOAD_DEREF", "LOAD_CLASSDEREF"} and name in around:
            path, value = name, around[name]
        elif step.opname == "IMPORT_NAME":
            path, value = name, _imported(name, scope)
    return [*found, (path, value)] if path else found


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return _leaves(list(value.values()))
    return [leaf for part in value for leaf in _leaves(part)] if isinstance(value, list | tuple) else [value]


def _root(value: Any) -> str:
    """Name the package that something is from."""
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return str(name).partition(".")[0]


def _of_library(kind: type) -> bool:
    return _root(kind) in _LIBRARIES


def _named_in_config(function: Any) -> bool:
    """Tell whether Keras finds a function again by the name that it writes into a configuration."""
    from featx.networks.quiet_keras import keras

    try:
        return keras.activations.get(function.__name__) is function
    except (AttributeError, ValueError, TypeError):
        return False


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty one raises
    except ValueError:
        return False
    return True


def _attribute(module: types.ModuleType, name: str) -> Any:
    if module is np.random:
        raise InputError("it draws random numbers by numpy.random")
    try:
        return getattr(module, name)
    except AttributeError:
        raise InputError(f"it takes {name!r} from {module.__name__!r}, which has no such thing") from None


def _imported(name: str, scope: Mapping[str, Any]) -> Any:
    try:
        return importlib.import_module(name, scope.get("__package__"))
    except (ImportError, ValueError, TypeError) as error:
        raise InputError(f"it imports {name!r}, which fails: {error}") from error
