"""One segment: what is written is read, and nothing else ever is."""

import errno
import json
import os
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import featx.cache.segment
import featx.cache.segment_writer
from featx.cache.identity import digest
from featx.cache.segment import HEADER, block_check, open_segment
from featx.cache.segment_writer import write_segment
from featx.errors import DamagedSegmentError

RECIPE = "0123456789abcdef" * 2
SOAK = bool(os.environ.get("FEATX_SOAK"))  # `make soak`: minutes instead of seconds
GOLDEN_RECIPE, GOLDEN_NAME = "00112233445566778899aabbccddeeff", "c77e305ac2c63eaf5cf1be7ad95e14b8"
GOLDEN = Path(__file__).parents[1] / "data" / "golden_segment.h5"


def make(rows=3, dim=4, dtype="float32"):
    """Return sorted ids and rows."""
    ids = np.random.default_rng(rows).integers(0, 256, (rows, 16), "u1")
    return ids[np.lexsort(ids.T[::-1])], (np.arange(rows * dim, dtype=dtype) - 3.5).reshape(rows, dim)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return a sound segment: path, bytes and rows. Tests copy it."""
    ids, rows = make()
    path = write_segment(tmp_path_factory.mktemp("sound"), RECIPE, ids, [rows], dim=4)
    return path, path.read_bytes(), rows


def read(path):
    """Read all rows in reverse, so that offsets matter."""
    segment = open_segment(path, RECIPE)
    out = np.empty((segment.rows, segment.dim), segment.dtype)
    segment.take(np.arange(segment.rows)[::-1], out)
    return out[::-1]


@settings(deadline=None)
@given(
    rows=arrays(
        st.sampled_from(["float32", "float16"]),
        st.tuples(st.integers(1, 40), st.integers(1, 9)),
        elements={"allow_nan": False},
    ),
    cut=st.integers(0, 40),
)
def test_what_is_written_is_read(tmp_path_factory, rows, cut):
    """Every value of both dtypes, infinities and signed zeros included, comes back bit for bit."""
    ids = make(len(rows))[0]
    folder = tmp_path_factory.mktemp("segment")
    path = write_segment(
        folder, RECIPE, ids, [rows[:cut], rows[cut:]], dim=rows.shape[1], dtype=str(rows.dtype)
    )
    segment = open_segment(path, RECIPE)
    assert (segment.rows, segment.dim, segment.dtype) == (*rows.shape, str(rows.dtype))
    assert read(path).tobytes() == rows.tobytes()
    assert list(folder.iterdir()) == [path]


def test_rows_go_where_they_are_wanted(sound):
    """Into a slice of columns, into given rows, converted to the array's dtype."""
    path, _, rows = sound
    segment = open_segment(path, RECIPE)
    out = np.zeros((5, 9))
    segment.take(np.array([2, 0]), out[:, 3:7], np.array([4, 1]))
    expected = np.zeros((5, 9))
    expected[[4, 1], 3:7] = rows[[2, 0]]
    assert np.array_equal(out, expected)


def test_any_hdf5_tool_reads_a_segment(sound):
    """The file is plain HDF5: contiguous data sets, and attributes for people."""
    path, _, rows = sound
    segment = open_segment(path, RECIPE)
    with h5py.File(path) as file:
        assert np.array_equal(file["embedding"], rows)
        assert np.array_equal(file["image_id"], make()[0])
        assert file["block_check"][:].tolist() == [block_check(rows.tobytes(), 0)]
        assert set(file) == {"embedding", "image_id", "block_check"}
        for name, dataset in file.items():
            assert dataset.chunks is dataset.compression is dataset.external is None
            assert dataset.id.get_offset() == segment.offsets[name]
        assert file.attrs["recipe_id"].decode() == RECIPE
        assert file.attrs["created"].decode() == segment.created
        assert (file.attrs["rows"], file.attrs["dim"]) == rows.shape
        assert file.attrs["made_with"].startswith(b"featx ")


def golden_rows():
    """Return the rows of the golden segment: ``write_segment(folder, GOLDEN_RECIPE, ids, [rows], dim=1000)`` made it.

    It is written anew only for another version of the format.
    """
    rows = (np.arange(5000, dtype="f4").reshape(5, 1000) - 2500) / 4
    rows[0, 0] = -0.0
    return rows


def test_the_golden_segment_is_read_forever(tmp_path):
    """A segment written by the first version reads as it did, its bytes lying where the format says."""
    data, rows = GOLDEN.read_bytes(), golden_rows()
    path = tmp_path / f"{GOLDEN_NAME}.h5"
    path.write_bytes(data)
    segment = open_segment(path, GOLDEN_RECIPE)
    out = np.empty_like(rows)
    segment.take(np.arange(5), out)
    assert out.tobytes() == rows.tobytes()
    segment.verify()
    header = json.loads(data[:HEADER])
    assert data[HEADER - 1 : HEADER + 8] == b"\n\x89HDF\r\n\x1a\n"
    assert header == {
        "featx_segment": 2,
        "recipe_id": GOLDEN_RECIPE,
        "rows": 5,
        "dim": 1000,
        "dtype": "float32",
        "created": segment.created,
        "offsets": {"image_id": 2456, "block_check": 3136, "embedding": 3432},
        "digests": {
            "image_id": digest(bytes(range(80))).hex(),
            "block_check": digest(data[3136:3160]).hex(),
            "embedding": sha256(rows.tobytes()).hexdigest(),
            "rest": digest(data[HEADER:2456], data[2536:3136], data[3160:3432], b"").hex(),
        },
    }
    assert digest(data[:HEADER]).hex() == GOLDEN_NAME
    assert data[2456:2536] == bytes(range(80))
    assert data[3432:] == rows.tobytes()
    checks = [int.from_bytes(data[at : at + 8], "little") for at in (3136, 3144, 3152)]
    blocks = [rows[:2], rows[2:4], rows[4:]]  # of 8192 bytes at most
    assert checks == [
        xxhash.xxh3_64(block.tobytes(), seed=place).intdigest() for place, block in enumerate(blocks)
    ]


def test_a_reader_of_ten_lines_needs_no_featx(sound):
    """The program in docs/cache-format.md reads a segment."""
    text = (Path(__file__).parents[2] / "docs" / "cache-format.md").read_text()
    program = text.split("```python\n")[1].split("```")[0]
    names = {}
    exec(program, names)
    found = names["vectors"](sound[0].parent)
    assert found.keys() == set(map(bytes, make()[0]))
    for image, row in zip(*make(), strict=True):
        assert np.array_equal(found[bytes(image)], row)


def test_a_flipped_bit_is_found_wherever_it_is(sound, tmp_path):
    """Not one bit of the file can change without being noticed before a vector is returned."""
    path, data, _ = sound
    copy = tmp_path / path.name
    copy.write_bytes(data)
    with copy.open("r+b") as file:
        for place in range(len(data)):
            for bit in range(8) if SOAK else [place % 8]:
                file.seek(place)
                file.write(bytes([data[place] ^ 1 << bit]))
                file.flush()
                with pytest.raises(DamagedSegmentError, match=path.stem):
                    read(copy)
            file.seek(place)
            file.write(data[place : place + 1])
            file.flush()
    assert np.array_equal(read(copy), sound[2])


def test_a_file_of_any_other_length_is_found(sound, tmp_path):
    """Truncated anywhere, or with something appended."""
    path, data, _ = sound
    copy = tmp_path / path.name
    for length in [len(data) + 1, *range(len(data) - 1, -1, -1)]:
        copy.write_bytes((data + b"\0")[:length]) if length > len(data) else os.truncate(copy, length)
        with pytest.raises(DamagedSegmentError, match=r"header|bytes|digest|empty"):
            read(copy)


EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(min_size=1, max_size=20)), max_size=4
)


def edited(data, edits):
    """Overwrite, insert, cut out or zero something, in several places."""
    for where, kind, what in edits:
        place = int(where * len(data))
        end = place + len(what) * (kind != 1)
        data = data[:place] + (what if kind < 2 else bytes(len(what)) if kind == 3 else b"") + data[end:]
    return data


@settings(max_examples=20_000 if SOAK else 300)
@given(edits=EDITS)
def test_no_other_bytes_pass_for_a_segment(sound, tmp_path_factory, edits):
    """Whatever is done to the file, its reader gets the rows or an error that names it."""
    path, data, rows = sound
    changed = edited(data, edits)
    copy = tmp_path_factory.mktemp("fuzz") / path.name
    copy.write_bytes(changed)
    if changed == data:
        assert np.array_equal(read(copy), rows)
    else:
        with pytest.raises(DamagedSegmentError, match=path.stem):
            read(copy)


def forge(folder, data, **changes):
    """Write a segment with a changed header and the name that goes with it, as only an attacker would."""
    header = json.loads(data[:HEADER])
    for key, value in changes.items():
        header[key] = header[key] | value if isinstance(value, dict) and value else value
    line = json.dumps(header).encode().ljust(HEADER - 1)[: HEADER - 1] + b"\n"
    path = folder / f"{digest(line).hex()}.h5"
    path.write_bytes(line + data[HEADER:])
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 2**62},
        {"rows": 2**62, "dim": 2**62},
        {"rows": 10**400},
        {"rows": 0},
        {"rows": -3},
        {"rows": 3.0},
        {"rows": True},
        {"rows": None},
        {"dim": 0},
        {"dim": 2**40},
        {"dtype": "object"},
        {"dtype": "float64"},
        {"dtype": ["float32"]},
        {"recipe_id": "f" * 32},
        {"recipe_id": "../../etc"},
        {"featx_segment": 3},
        {"featx_segment": 1},
        {"featx_segment": True},
        {"more": 1},
        {"offsets": {}},
        {"offsets": {"embedding": -48}},
        {"offsets": {"embedding": 0}},
        {"offsets": {"embedding": 2**63}},
        {"offsets": {"embedding": 10**30}},
        {"offsets": {"embedding": 2450}},
        {"offsets": {"embedding": 3417}},
        {"offsets": {"embedding": "0"}},
        {"offsets": {"image_id": 2473}, "rows": 2},
        {"offsets": ["image_id", "block_check", "embedding"]},
        {"digests": {}},
        {"digests": {"image_id": "", "block_check": "", "embedding": "", "rest": ""}},
        {"digests": {"image_id": None, "block_check": None, "embedding": None, "rest": None}},
        {"created": 5},
        {"created": "[" * 2000},
    ],
    ids=str,
)
def test_a_forged_header_is_refused(sound, tmp_path, changes):
    """A header that its name vouches for is not believed beyond what the file holds, and costs no memory."""
    path = forge(tmp_path, sound[1], **changes)
    with pytest.raises(DamagedSegmentError, match=path.stem):
        read(path)


def test_forgery_is_possible_but_harmless(sound, tmp_path):
    """Someone who recomputes the digests can lie about numbers, and about nothing else."""
    path = forge(tmp_path, sound[1], created="2000-01-01")
    assert np.array_equal(read(path), sound[2])


@settings(max_examples=20_000 if SOAK else 300)
@given(edits=EDITS, header=st.dictionaries(st.sampled_from(["rows", "dim"]), st.integers(0, 99)))
@example(edits=[(0.0, 0, b"[" * 1023)], header={})
def test_a_hostile_file_cannot_break_its_reader(sound, tmp_path_factory, edits, header):
    """Bytes of any kind under a matching name give rows or an error, no crash and no other error."""
    line_and_rest = edited(sound[1], edits).ljust(HEADER)
    path = tmp_path_factory.mktemp("fuzz") / f"{digest(line_and_rest[:HEADER]).hex()}.h5"
    path.write_bytes(line_and_rest)
    with suppress(ValueError, TypeError, RecursionError):  # no header left to change
        forge(path.parent, line_and_rest, **header)
    for file in path.parent.iterdir():
        with suppress(DamagedSegmentError):
            assert read(file).ndim == 2


def virtual(file, secret):
    """Fill a file with a virtual data set that points elsewhere."""
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource(secret, "embedding", (3, 4))
    file.create_virtual_dataset("embedding", layout)


def external_storage(file, secret):
    """Fill a file with a data set whose bytes are in another file."""
    file.create_dataset("embedding", (3, 4), "f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


FOREIGN = {
    "nothing in it": lambda _, __: None,
    "virtual data set": virtual,
    "external storage": external_storage,
    "external link": lambda file, secret: file.update({"embedding": h5py.ExternalLink(secret, "embedding")}),
    "soft link": lambda file, _: file.update({"embedding": h5py.SoftLink("/elsewhere")}),
    "enormous shape": lambda file, _: file.create_dataset("embedding", (2**40, 2**20), "f4", chunks=(1, 1)),
    "wrong dtype": lambda file, _: file.update({"embedding": np.zeros((3, 4), "f8")}),
    "objects": lambda file, _: file.create_dataset("embedding", (3,), h5py.string_dtype()),
    "compressed": lambda file, _: file.create_dataset("embedding", (3, 4), "f4", compression="gzip"),
}


@pytest.mark.parametrize("fill", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_hdf5_file_is_refused(tmp_path, sound, fill):
    """HDF5 files with links, virtual data sets or external storage are not even opened by HDF5's library."""
    path = tmp_path / f"{RECIPE}.h5"
    with h5py.File(path, "w") as file:
        fill(file, sound[0])
    with pytest.raises(DamagedSegmentError, match="does not begin with the header"):
        read(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (lambda path, target: path.symlink_to(target), "is a link"),
        (lambda path, _: path.symlink_to("/dev/zero"), "is a link"),
        (lambda path, _: os.mkfifo(path), "is not a regular file"),
        (lambda path, _: path.mkdir(), "is not a regular file"),
        (lambda path, _: path.touch(), "is empty"),
    ],
    ids=["link to a segment", "link to a device", "pipe", "folder", "empty file"],
)
def test_only_regular_files_are_opened(sound, tmp_path, put, reason):
    """Nothing outside the folder is read through a link, and nothing hangs on a pipe."""
    path = tmp_path / sound[0].name
    put(path, sound[0])
    with pytest.raises(DamagedSegmentError, match=reason):
        read(path)


def test_a_missing_segment_is_missing_not_damaged(tmp_path):
    """Another process may have compacted it away."""
    with pytest.raises(FileNotFoundError, match=RECIPE):
        open_segment(tmp_path / f"{RECIPE}.h5", RECIPE)


def test_a_file_that_shrinks_after_it_was_opened_is_noticed(sound, tmp_path):
    """Reading a memory map beyond the file's end would kill the process."""
    path = tmp_path / sound[0].name
    path.write_bytes(sound[1])
    segment = open_segment(path, RECIPE)
    os.truncate(path, HEADER)
    with pytest.raises(DamagedSegmentError, match=f"has {HEADER} bytes where it had {len(sound[1])}"):
        segment.take(np.arange(3), np.empty((3, 4), "f4"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, MemoryError])
def test_an_interrupted_write_leaves_nothing(tmp_path, error):
    """Ctrl-C between two blocks leaves the folder as it was."""
    ids, rows = make()

    def blocks():
        yield rows[:1]
        raise error("stop")

    with pytest.raises(error, match="stop"):
        write_segment(tmp_path, RECIPE, ids, blocks(), dim=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_disk_that_fails_in_any_sync_is_noticed(tmp_path, monkeypatch, fails):
    """A system tells of such an error once, be it while more is written, or at the end."""
    calls, fsync = [], os.fsync

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) == fails:
            raise OSError(errno.EIO, "the disk is broken")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    monkeypatch.setattr(featx.cache.segment_writer, "_SYNCED", 10)
    ids, rows = make(6)
    blocks = [rows[:3], rows[3:]]  # two syncs of parts, one of the whole
    with pytest.raises(OSError, match="the disk is broken"):
        write_segment(tmp_path, RECIPE, ids, blocks, dim=4)
    assert list(tmp_path.iterdir()) == []


def test_ids_out_of_order_are_refused(tmp_path):
    """A segment whose ids are not sorted would hide rows from the search."""
    ids, rows = make()
    path = write_segment(tmp_path, RECIPE, ids[::-1], [rows], dim=4)
    with pytest.raises(DamagedSegmentError, match="not in order"):
        open_segment(path, RECIPE)


@given(
    content=st.binary(min_size=1, max_size=100), bits=st.lists(st.integers(0, 799), min_size=1, max_size=2)
)
@example(content=bytes(16), bits=[63, 127])  # a sum of words with odd factors does not see these
@example(content=bytes(64), bits=[31, 511])
def test_any_two_flipped_bits_change_the_check(content, bits):
    """And one flipped bit alone."""
    changed = bytearray(content)
    for bit in {bit % (8 * len(content)) for bit in bits}:
        changed[bit // 8] ^= 1 << bit % 8
    assert block_check(content, 0) != block_check(bytes(changed), 0)


@given(st.integers(1, 9000), st.integers(0, 2**40))
def test_the_check_of_zeros_is_not_zero(size, place):
    """What a disk gives that has lost everything does not fit."""
    assert block_check(bytes(size), place) != 0


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Return a segment of three blocks and a part, of two rows each, and where its rows begin."""
    ids, rows = make(7, 1000)
    path = write_segment(tmp_path_factory.mktemp("wide"), RECIPE, ids, [rows], dim=1000)
    return path, open_segment(path, RECIPE).offsets["embedding"]


def swapped(one, other):
    """Return a function that swaps two rows."""
    return lambda rows: rows.__setitem__([one, other], rows[[other, one]])


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: rows.view("u8").__ixor__(np.array([1 << 63, 1 << 63] + 498 * [0], "u8")),
        lambda rows: np.negative(rows[:, 1::2], out=rows[:, 1::2]),
        lambda rows: rows.__setitem__(6, 0),
        lambda rows: rows.fill(0),
        swapped(0, 1),
        swapped(1, 2),
        lambda rows: rows.__setitem__(slice(0, 4), rows[[2, 3, 0, 1]]),
    ],
    ids=[
        "bit 63 twice",
        "every second negated",
        "row zeroed",
        "all zeroed",
        "rows",
        "rows of two blocks",
        "blocks",
    ],
)
def test_damage_that_a_sum_does_not_see_is_found(wide, tmp_path, damage):
    """A stuck bit, lost sectors, and what lies in another's place."""
    path, start = wide
    data = bytearray(path.read_bytes())
    rows = np.frombuffer(data, "f4", 7000, start).reshape(7, 1000)
    before = rows.copy()
    damage(rows)
    (tmp_path / path.name).write_bytes(data)
    segment = open_segment(tmp_path / path.name, RECIPE)
    (changed,) = np.nonzero((rows.view("u4") != before.view("u4")).any(axis=1))
    for row in changed:
        with pytest.raises(DamagedSegmentError, match="do not match their checks"):
            segment.take(np.array([row]), np.empty((1, 1000), "f4"))
    with pytest.raises(DamagedSegmentError, match="do not match their checks"):
        segment.verify()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Write a segment whose rows are a block each, enough of them for several threads."""
    ids, rows = make(4000, 1200)
    path = write_segment(tmp_path_factory.mktemp("large"), RECIPE, ids, [rows], dim=1200)
    segment = open_segment(path, RECIPE)
    assert len(segment.checks) == len(rows)
    return path, segment, rows


@pytest.mark.parametrize("to", ["rows", "columns", "places"])
def test_threads_read_what_is_there_and_name_damage(large, tmp_path, to, monkeypatch):
    """In any order, wherever rows go: one flipped bit among millions is found, and other rows are right."""
    monkeypatch.setattr(featx.cache.segment, "_THREADS", 3)
    path, sound, rows = large
    order = np.random.default_rng(0).permutation(len(rows))
    where = None if to != "places" else order[::-1].copy()
    data = bytearray(path.read_bytes())
    data[sound.offsets["embedding"] + 2345 * 4800 + 7] ^= 16
    (tmp_path / path.name).write_bytes(data)
    damaged = open_segment(tmp_path / path.name, RECIPE)

    def taken(segment, order, where):
        out = np.empty((len(rows), 2400), "f4")[:, :1200] if to == "columns" else np.empty_like(rows)
        segment.take(order, out, where)
        return out[: len(order)] if where is None else out[where]

    np.testing.assert_array_equal(taken(sound, order, where), rows[order])
    with pytest.raises(DamagedSegmentError, match="do not match their checks"):
        taken(damaged, order, where)
    others, kept = order[order != 2345], None if where is None else where[order != 2345]
    np.testing.assert_array_equal(taken(damaged, others, kept), rows[others])


def test_verify_compares_all_rows_with_one_digest_too(sound, tmp_path):
    """What a check of 64 bits might not see, a cryptographic digest does."""
    segment = open_segment(
        forge(tmp_path, sound[1], digests={"embedding": sha256(b"other rows").hexdigest()}), RECIPE
    )
    segment.take(np.arange(3), np.empty((3, 4), "f4"))
    with pytest.raises(DamagedSegmentError, match="does not match its digest of embedding"):
        segment.verify()


def test_a_segment_of_version_1_counts_as_not_cached(sound, tmp_path):
    """Its checks did not see everything, and its recipes are of a format that is asked for no more."""
    with pytest.raises(DamagedSegmentError, match="is of version 1, which is not read any more"):
        open_segment(forge(tmp_path, sound[1], featx_segment=1), RECIPE)


@pytest.mark.parametrize("cut", [[1, 1, 5], [0, 7], [3, 4], [7]])
@pytest.mark.parametrize("dim", [1000, 1500, 3000])
def test_checks_do_not_depend_on_the_pieces_that_rows_come_in(tmp_path, cut, dim):
    """Blocks end within pieces, and pieces within blocks."""
    ids, rows = make(7, dim)
    pieces = np.split(rows, np.cumsum(cut)[:-1])
    path = write_segment(tmp_path, RECIPE, ids, pieces, dim=dim)
    open_segment(path, RECIPE).verify()
    assert np.array_equal(read(path), rows)


def test_damage_crosses_process_borders(sound):
    """Workers' errors arrive whole."""
    import pickle

    error = pickle.loads(pickle.dumps(DamagedSegmentError(sound[0], "is empty")))
    assert (error.path, error.reason) == (sound[0], "is empty")
