"""Files of PyTorch give the right arrays or an error; nothing in them is ever run."""

import encodings.cp437  # zipfile and pickletools load these for odd names: no code of the file's
import encodings.raw_unicode_escape  # noqa: F401
import io
import os
import pickle
import struct
import sys
import zipfile

import numpy as np
import pytest

from featx.errors import WeightsError
from featx.networks.pth import read_pth

KINDS = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long", "i4": "Int"}
ARRAYS = {
    "conv.weight": np.arange(54, dtype="f4").reshape(2, 3, 3, 3) / 7,
    "norm.running_mean": np.array([0.5, -1.0], "f8"),
    "norm.num_batches_tracked": np.array(7, "i8"),
    "head.weight": np.arange(6, dtype="f2").reshape(2, 3),
    "head.bias": np.arange(3, dtype="i4"),
}


def plain(value):
    """Give the operations that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def called(function, *arguments):
    """Give the operations that push what a function makes."""
    return b"c" + function.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR"


def program(*operations):
    return b"\x80\x02" + b"".join(operations) + b"."


EMPTY = called("collections OrderedDict")


def tensor(*, key, kind, count, offset, size, strides, place=(), function="torch._utils _rebuild_tensor_v2"):
    """Give the operations that push a tensor."""
    storage = b"(" + plain("storage") + b"ctorch\n" + kind.encode() + b"Storage\n"
    storage += plain(key) + plain("cpu") + plain(count) + b"".join(map(plain, place)) + b"tQ"
    return called(function, storage, plain(offset), plain(size), plain(strides), plain(False), EMPTY)


def described(array, key, **more):
    """Give the operations that push the tensor of an array whose storage holds it alone."""
    strides = tuple(step // array.itemsize for step in array.strides)
    kind = KINDS[array.dtype.str[1:]]
    return tensor(key=key, kind=kind, count=array.size, offset=0, size=array.shape, strides=strides, **more)


def state(pushes):
    """Give the operations that push a dict, as `state_dict` makes it."""
    items = b"".join(plain(name) + push for name, push in pushes.items())
    return EMPTY + b"(" + items + b"u" + plain({"_metadata": {"": {"version": 1}}}) + b"b"


def old_form(pushes, parts, *, little=True):
    machine = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"int": 4}}
    start = [program(plain(value)) for value in (0x1950A86A20F9469CFC6C, 1001, machine)]
    numbers = [struct.pack("<q", len(part)) + part.tobytes() for part in parts.values()]
    return b"".join([*start, program(state(pushes)), program(plain(list(parts))), *numbers])


def new_form(pushes, parts, *, compression=zipfile.ZIP_STORED, order=b"little"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("model/data.pkl", program(state(pushes)))
        archive.writestr("model/byteorder", order)
        archive.writestr("model/version", b"3\n")
        for key, part in parts.items():
            archive.writestr(f"model/data/{key}", part.tobytes())
    return file.getvalue()


def written(form, arrays=ARRAYS):
    keys = {str(place): array.ravel() for place, array in enumerate(arrays.values())}
    more = {"place": (None,)} if form is old_form else {}
    pushes = {
        name: described(array, key, **more) for (name, array), key in zip(arrays.items(), keys, strict=True)
    }
    return form(pushes, keys)


@pytest.fixture(params=[old_form, new_form])
def form(request):
    return request.param


def reading(content, path):
    path.write_bytes(content)
    return read_pth(path)


def test_arrays_come_back_as_they_were(form, tmp_path):
    """Names in their order, values, shapes and dtypes, from either form; nobody can write to them."""
    found = reading(written(form), tmp_path / "a.pth")

    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert not found[name].flags.writeable


def test_views_of_one_storage_are_laid_out_by_offset_and_strides(form, tmp_path):
    """A transposed tensor, a part, one that repeats nothing, an empty one, and a parameter."""
    numbers = np.arange(12, dtype="f4")
    view = {"key": "0", "kind": "Float", "count": 12}
    pushes = {
        "turned": tensor(**view, offset=0, size=(3, 4), strides=(1, 3)),
        "part": tensor(**view, offset=5, size=(2, 2), strides=(4, 1), function="torch._utils _rebuild_tensor"),
        "one": tensor(**view, offset=11, size=(), strides=()),
        "none": tensor(**view, offset=12, size=(0, 5), strides=(5, 1)),
        "wide": tensor(**view, offset=2, size=(1, 3), strides=(999, 1)),
        "own": called("torch._utils _rebuild_parameter", tensor(**view, offset=0, size=(12,), strides=(1,)),
                      plain(True), EMPTY),
    }  # fmt: skip
    found = reading(form(pushes, {"0": numbers}), tmp_path / "a.pth")

    expected = {
        "turned": numbers.reshape(4, 3).T,
        "part": numbers[[[5, 6], [9, 10]]],
        "one": numbers[11],
        "none": numbers[:0].reshape(0, 5),
        "wide": numbers[None, 2:5],
        "own": numbers,
    }
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape


def one(**changes):
    """Describe one tensor of twelve numbers that is wrong in one way."""
    right = {"key": "0", "kind": "Float", "count": 12, "offset": 0, "size": (3, 4), "strides": (4, 1)}
    return {"a": tensor(**right | changes)}


NUMBERS = {"0": np.arange(12, dtype="f4")}
LIES = {
    "an offset behind the storage": (one(offset=1), "lies outside its storage of 12 numbers"),
    "strides that lead out of it": (one(strides=(5, 1)), "lies outside its storage of 12 numbers"),
    "more numbers than there are": (one(size=(10**12, 4), strides=(0, 0)), "lies outside its storage"),
    "a negative stride": (one(strides=(-4, 1)), "no numbers from 0 on"),
    "a negative offset": (one(offset=-1), "no numbers from 0 on"),
    "a truth as a number": (one(offset=True), "no numbers from 0 on"),
    "a giant number": (one(size=(2**200,), strides=(1,)), "no numbers from 0 on"),
    "strides for other axes": (one(strides=(1,)), "size and strides do not fit"),
    "too many axes": (one(size=(1,) * 9, strides=(1,) * 9), "size and strides do not fit"),
    "a list as size": (one(size=[3, 4]), "a list in place of a tuple"),
    "another count": (one(count=13), "storage '0' has"),
    "an unknown kind of numbers": (one(kind="Quantized"), "of a kind that featx does not read"),
    "a storage that is not there": (one(key="1"), "fit its tensors|data/1"),
    "two counts": ({**one(), "b": one(count=3)["a"]}, "says two things of storage '0'"),
    "no tensors": ({}, "something else than a dict of tensors"),
    "a word in place of a tensor": ({"a": plain("tensor")}, "something else than a dict of tensors"),
    "a call of eval": (
        {"a": called("builtins eval", plain("1/0"))},
        r"calls 'builtins eval', which makes no tensor",
    ),
    "a call of os.system": ({"a": called("os system", plain("true"))}, "calls 'os system'"),
    "a tensor of no storage": (
        {"a": called("torch._utils _rebuild_tensor_v2", *map(plain, ("s", 0, (), ())))},
        "a str in place of a Storage",
    ),
    "a number as name": ({1: one()["a"]}, "a int in place of a str"),
    "an object built": ({"a": b"cos\nsystem\n)\x81"}, "does NEWOBJ, which no dict of tensors needs"),
    "a global by a number": ({"a": b"\x82\x01"}, "does EXT1"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_the_numbers_do_not_bear_out_is_refused(lie, form, tmp_path):
    """Each lie is an error that names the file and says what is wrong."""
    pushes, message = LIES[lie]
    with pytest.raises(
        WeightsError, match=rf"a\.pth cannot be read as weights saved by PyTorch: .*{message}"
    ):
        reading(form(pushes, NUMBERS), tmp_path / "a.pth")


FILES = {
    "empty": (b"", "It must hold a dict of tensors"),
    "a page": (b"<html>not found</html>", "It must hold a dict of tensors"),
    "another pickle": (pickle.dumps({"a": 1}), "does not begin as such a file does|STACK_GLOBAL|FRAME"),
    "another archive": (new_form({}, {}).replace(b"data.pkl", b"date.pkl"), "another kind of archive"),
    "compressed": (new_form(one(), NUMBERS, compression=zipfile.ZIP_DEFLATED), "parts are compressed"),
    "big-endian, old": (old_form(one(), NUMBERS, little=False), "another byte order"),
    "big-endian, new": (new_form(one(), NUMBERS, order=b"big"), "another byte order"),
    "more behind it": (old_form(one(), NUMBERS) + b"more", "something behind its last storage"),
    "cut off": (old_form(one(), NUMBERS)[:-1], "it ends too early"),
    "one bit flipped": (new_form(one(), NUMBERS).replace(NUMBERS["0"].tobytes(), b"\1" * 48), "CRC-32"),
    "no end": (
        program(plain(0x1950A86A20F9469CFC6C)) + b"N" * 1_000_100,
        "no end within 1,000,000 operations",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_other_and_damaged_files_are_named(kind, tmp_path):
    """Whatever else a file may be, the error names it."""
    content, message = FILES[kind]
    with pytest.raises(
        WeightsError, match=rf"a\.pth cannot be read as weights saved by PyTorch: .*({message})"
    ):
        reading(content, tmp_path / "a.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        WeightsError, match=r"none\.pth cannot be read as weights saved by PyTorch: .*No such file"
    ):
        read_pth(tmp_path / "none.pth")


def test_tuples_that_double_take_no_time(form, tmp_path):
    """Fifty tuples, each of the one before twice, are 2^50 if anyone looks into them."""
    doubled = b")" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(50))
    with pytest.raises(WeightsError, match="something else than a dict of tensors"):
        reading(form({"a": doubled}, NUMBERS), tmp_path / "a.pth")


WATCHED = (
    "pickle.find_class",
    "exec",
    "os.system",
    "subprocess.Popen",
    "os.exec",
    "socket.connect",
    "marshal.loads",
)
seen = []
watching = [False]


def watch(event, _):
    if watching[0] and event in WATCHED:
        seen.append(event)


sys.addaudithook(watch)


def mutated(content, draws):
    """Change a file in one to eight places: a bit, a byte, a piece cut out, doubled or put in, or the end cut off."""
    content = bytearray(content)
    for _ in range(draws.integers(1, 9)):
        place, length = int(draws.integers(len(content) + 1)), int(draws.integers(1, 9))
        piece = content[place : place + length]
        match draws.integers(6):
            case 0 if piece:
                content[place] ^= 1 << int(draws.integers(8))
            case 1 if piece:
                content[place] = int(draws.choice(bytearray(b"cRtQubsN(.)}]X\x80\x81\x82\x93\x88\x8aKMJ")))
            case 2:
                del content[place : place + length]
            case 3:
                content[place:place] = piece
            case 4:
                content[place:place] = draws.bytes(length)
            case 5 if draws.integers(8) == 0:
                del content[max(place, 8) :]
            case _:
                pass
    return bytes(content)


def test_ten_thousand_mutated_files_do_no_harm(tmp_path):
    """Each is refused or gives arrays within the file; nothing is run, and nothing crashes."""
    draws, read = np.random.default_rng(1), 0
    originals = [written(old_form), written(new_form)]
    for number in range(10_000):
        content = mutated(originals[number % 2], draws)
        watching[0] = True
        try:
            found = reading(content, tmp_path / "a.pth")
        except WeightsError:
            continue
        finally:
            watching[0] = False
        read += 1
        for array in found.values():
            assert array.nbytes <= len(content)
            array.sum()  # every number lies in memory that is there
        if number % 2 and set(found) == set(ARRAYS):  # archives have checksums
            for name, array in found.items():
                np.testing.assert_array_equal(array, ARRAYS[name], strict=True)
    assert seen == []
    assert 0 < read < 10_000


@pytest.mark.parametrize("new", [False, True])
def test_files_that_torch_writes(new, tmp_path):
    """Either form, as PyTorch itself writes it, with parameters, views, halves and names in its order."""
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(4, 5))
    tensors = dict(network.state_dict())
    tensors |= {"turned": tensors["2.weight"].T, "half": tensors["0.bias"].half(), "own": network[2].bias}
    torch.save(tensors, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    found = read_pth(tmp_path / "a.pth")

    assert list(found) == list(tensors)
    for name, value in tensors.items():
        np.testing.assert_array_equal(found[name], value.detach().numpy(), strict=True)


@pytest.mark.parametrize("made", [old_form, new_form])
def test_torch_reads_mutated_files_no_otherwise(made, tmp_path):
    """Where PyTorch's own restricted reader gives tensors, too, they are the same."""
    torch = pytest.importorskip("torch")
    draws, both = np.random.default_rng(2), 0
    original = written(made)
    for _ in range(600):
        try:
            found = reading(mutated(original, draws), tmp_path / "a.pth")
        except WeightsError:
            continue
        try:
            theirs = torch.load(tmp_path / "a.pth", weights_only=True)
        except Exception:  # noqa: BLE001 - it refuses more in one place and less in another
            continue
        both += 1
        assert list(theirs) == list(found)
        for name, array in found.items():
            np.testing.assert_array_equal(array, theirs[name].detach().numpy(), strict=True)
    assert both


def test_no_name_of_a_file_is_ever_looked_up(form, tmp_path, monkeypatch):
    """A module of the user's that a file names is not even imported."""
    (tmp_path / "trap.py").write_text(f"open({os.fspath(tmp_path / 'sprung')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match="calls 'trap spring'"):
        reading(form({"a": called("trap spring")}, NUMBERS), tmp_path / "a.pth")
    assert "trap" not in sys.modules
    assert not (tmp_path / "sprung").exists()
