"""The arrays in a ``.pth`` file of PyTorch, read without running anything that stands in it.

Such a file is a pickle with raw numbers behind it (before PyTorch 1.6) or beside it in a ZIP archive (since then). A
pickle is a program. Here it is not run: `pickletools` splits it into its operations, the few that describe a dict of
tensors are carried out on tuples, strings and numbers, and the first other one ends the reading.
"""

import io
import struct
import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from pickletools import genops
from typing import Any, NoReturn

import numpy as np

from featx.errors import WeightsError

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_MOST_DIMENSIONS = 8
_MOST_OPERATIONS = 1_000_000  # a network of 1,000 layers takes 200,000

_DTYPES = {
    f"torch {kind}Storage": np.dtype(code)
    for kind, code in {"Double": "<f8", "Float": "<f4", "Half": "<f2", "Long": "<i8", "Int": "<i4"}.items()
}


@dataclass(frozen=True)
class _Name:
    """A function or class that the file names; it is never looked up."""

    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor as the file describes it: a part of a storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    strides: tuple[int, ...]


def read_pth(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a ``.pth`` file.

    Parameters
    ----------
    path
        A file that holds a dict of tensors, as ``torch.save(network.state_dict(), path)`` writes it.

    Returns
    -------
    dict
        Name → array. The arrays are read-only and share the memory of the file's content.

    Raises
    ------
    WeightsError
        If the file holds anything else, is damaged, or says of a tensor what its numbers do not bear out.

    Examples
    --------
    >>> from featx.networks.catalogue import find
    >>> from featx.networks.weights import locate
    >>> read_pth(locate(find("efficientnet_lite0"), "auto", 224))["_conv_stem.weight"].shape
    (32, 3, 3, 3)
    """
    try:
        content = path.read_bytes()
        tensors = _zipped(content) if content.startswith(b"PK\x03\x04") else _plain(content)
    except Exception as error:  # pickletools, zipfile, struct and the disk each raise their own
        raise WeightsError(
            f"{path} cannot be read as weights saved by PyTorch: {error or type(error).__name__}. It must hold a dict "
            "of tensors, as torch.save(network.state_dict(), path) writes it."
        ) from error
    return tensors


def _plain(content: bytes) -> dict[str, np.ndarray]:
    """Read the older form: five pickles, then each storage's count and numbers."""
    file = io.BytesIO(content)
    if _unpickled(file) != _MAGIC or _unpickled(file) != _PROTOCOL:
        _refuse("it does not begin as such a file does")
    machine = _unpickled(file)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        _refuse("it was written on a machine of another byte order")
    views, keys = _views(_unpickled(file)), _unpickled(file)
    storages = {view.storage.key: view.storage for view in views.values()}
    if sorted(_of(str, key) for key in _of(list, keys)) != sorted(storages):
        _refuse("the list of its storages does not fit its tensors")
    numbers = {}
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            _refuse(f"storage {_short(key)} has {count} numbers, not {storage.count}")
        numbers[key] = _numbers(content, file.tell(), storage)
        file.seek(numbers[key].nbytes, io.SEEK_CUR)
    if file.tell() != len(content):
        _refuse("there is something behind its last storage")
    return {name: _array(view, numbers[view.storage.key]) for name, view in views.items()}


def _zipped(content: bytes) -> dict[str, np.ndarray]:
    """Read the newer form: an archive with ``data.pkl`` and a file for each storage, none of them compressed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()}
        if len(entries) != len(archive.infolist()) or "data.pkl" not in entries:
            _refuse("it is another kind of archive")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            _refuse("its parts are compressed")
        if sum(entry.file_size for entry in entries.values()) > len(content):
            _refuse("its parts overlap")
        if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
            _refuse("it was written on a machine of another byte order")
        views = _views(_unpickled(io.BytesIO(archive.read(entries["data.pkl"]))))
        numbers = {}
        for storage in {view.storage.key: view.storage for view in views.values()}.values():
            part = archive.read(entries[f"data/{storage.key}"])  # checks its CRC-32
            if len(part) != storage.count * storage.dtype.itemsize:
                _refuse(f"storage {_short(storage.key)} has {len(part)} bytes")
            numbers[storage.key] = _numbers(part, 0, storage)
    return {name: _array(view, numbers[view.storage.key]) for name, view in views.items()}


def _views(state: Any) -> dict[str, _View]:
    if not isinstance(state, dict) or not state or not all(isinstance(it, _View) for it in state.values()):
        _refuse("it holds something else than a dict of tensors")
    known: dict[str, _Storage] = {}
    for view in state.values():
        if known.setdefault(view.storage.key, view.storage) != view.storage:
            _refuse(f"it says two things of storage {_short(view.storage.key)}")
    return state


def _numbers(content: bytes, start: int, storage: _Storage) -> np.ndarray:
    if start + storage.count * storage.dtype.itemsize > len(content):
        _refuse("it ends too early")
    return np.frombuffer(content, storage.dtype, storage.count, start)


def _array(view: _View, numbers: np.ndarray) -> np.ndarray:
    """Lay a tensor over its storage, within its bounds."""
    size, strides = view.size, view.strides
    count: int = prod(size)
    last = view.offset + sum((side - 1) * step for side, step in zip(size, strides, strict=True))
    if count > len(numbers) or (count and last >= len(numbers)) or view.offset > len(numbers):
        _refuse(f"a tensor of size {size} lies outside its storage of {len(numbers)} numbers")
    steps = [step * numbers.itemsize if side > 1 else 0 for side, step in zip(size, strides, strict=True)]
    return np.lib.stride_tricks.as_strided(
        numbers[min(view.offset, len(numbers)) :], size, steps, writeable=False
    )


def _unpickled(file: io.BytesIO) -> Any:  # noqa: C901, PLR0912, PLR0915 - one case for each operation
    """Carry out the operations of one pickle, as far as dicts of tensors have them."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    marks: list[int] = []

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    argument: Any
    for step, (operation, argument, _) in enumerate(genops(file)):
        if step > _MOST_OPERATIONS:
            break
        match operation.name:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE" | "SHORT_BINSTRING" | "BINSTRING":
                stack.append(argument)
            case "GLOBAL":
                stack.append(_Name(argument))
            case "MARK":
                marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(operation.name[-1])
                items = [stack.pop() for _ in range(count)]
                stack.append(tuple(reversed(items)))
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                item = stack.pop()
                _of(list, stack[-1]).append(item)
            case "APPENDS":
                items = since_mark()
                _of(list, stack[-1]).extend(items)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _of(dict, stack[-1])[_of(str, key)] = value
            case "SETITEMS":
                items = since_mark()
                pairs = zip(items[::2], items[1::2], strict=True)
                _of(dict, stack[-1]).update((_of(str, key), value) for key, value in pairs)
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                given, function = stack.pop(), stack.pop()
                stack.append(_made(function, given))
            case "BUILD":  # the versions of the layers, which PyTorch hangs on the dict
                stack.pop()
                _of(dict, stack[-1])
            case other:
                _refuse(f"it does {other}, which no dict of tensors needs")
    return _refuse(f"it has no end within {_MOST_OPERATIONS:,} operations")


def _made(function: Any, given: Any) -> Any:
    """Say what the call of a function would give; functions that make no tensor are refused."""
    name = _of(_Name, function).name
    given = _of(tuple, given)
    if name == "collections OrderedDict" and given == ():
        return {}
    if name in ("torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2") and len(given) >= 4:
        storage, offset, size, strides = given[:4]
        size, strides = _counts(size), _counts(strides)
        if len(size) != len(strides) or len(size) > _MOST_DIMENSIONS:
            _refuse("a tensor's size and strides do not fit")
        return _View(_of(_Storage, storage), _count(offset), size, strides)
    if name == "torch._utils _rebuild_parameter" and given:
        return _of(_View, given[0])
    return _refuse(f"it calls {_short(name)}, which makes no tensor")


def _storage(given: Any) -> _Storage:
    kind, name, key, _, count = _of(tuple, given)[:5]
    if kind != "storage" or _of(_Name, name).name not in _DTYPES or given[5:] not in ((), (None,)):
        _refuse("it has a storage of a kind that featx does not read")
    return _Storage(_of(str, key), _DTYPES[name.name], _count(count))


def _counts(given: Any) -> tuple[int, ...]:
    return tuple(map(_count, _of(tuple, given)))


def _count(given: Any) -> int:
    if type(given) is not int or not 0 <= given < 2**48:
        _refuse("a tensor's size, strides or place are no numbers from 0 on")
    return given


def _of(kind: type, given: Any) -> Any:
    if type(given) is not kind:
        _refuse(f"there is a {type(given).__name__.lstrip('_')} in place of a {kind.__name__.lstrip('_')}")
    return given


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:57]}...")


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)
