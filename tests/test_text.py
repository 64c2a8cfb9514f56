"""Text from outside changes nothing on a terminal, is UTF-8 in every file, and runs in no spreadsheet."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from featx.errors import BadImage, CacheWarning, ImageError, InputError
from featx.images import load_folder, load_table
from featx.saving import write_embeddings
from featx.saving.tables import FORMATS
from featx.text import encodable, from_cell, shown, shown_lines, to_cell, to_json, undecoded

NAMES = [  # as the file system gives them, as a person is shown them
    (b"caf\xe9.png", r"caf\xe9.png"),
    ("café 日本.png".encode(), "café 日本.png"),
    (b"\x1b[2J\x1b[31mred.png", r"\x1b[2J\x1b[31mred.png"),
    (b"two\nlines\r\t.png", r"two\nlines\r\t.png"),
    ("gnp\u202e.png".encode(), r"gnp\u202e.png"),
    ("\x9b2J\x7f\u2028\u2066.png".encode(), r"\x9b2J\x7f\u2028\u2066.png"),
    (b"=cmd|'-C calc'!A0.png", "=cmd|'-C calc'!A0.png"),
]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps names that are not UTF-8")


@pytest.mark.parametrize(("name", "said"), NAMES)
def test_a_name_is_shown_on_one_line_that_cannot_act(name, said):
    """In every error and warning, too, whether they quote it or not."""
    text = os.fsdecode(name)
    assert shown(text) == said
    assert said in str(ImageError([BadImage(0, text, "the file is empty")]))
    assert str(InputError(f"Cannot read {text!r}.")) == f"Cannot read {said!r}.".replace(r"\\", "\\")
    assert "\x1b" not in str(CacheWarning(f"Cannot read {text}."))


def test_messages_keep_their_lines():
    """Only what acts is escaped."""
    assert shown_lines("one\n\ttwo\x1b") == "one\n\ttwo\\x1b"
    assert len(str(ImageError([BadImage(0, "a\nb", "broken\x1b")])).splitlines()) == 3


@given(st.text(alphabet=st.characters() | st.sampled_from("'=+-@\t\r\n\uff1d")))
def test_a_cell_gives_back_its_text_and_is_no_formula(text):
    """Whatever it holds, apostrophes before a formula included."""
    assert from_cell(to_cell(text)) == encodable(text)
    assert not to_cell(text).startswith(tuple("=+-@\t\r\n\uff0b"))


@given(st.binary().map(os.fsdecode))
def test_json_is_utf8_and_gives_back_its_text(text):
    """Escaped where it would act on a terminal."""
    said = to_json({"path": text})
    assert json.loads(said.encode())["path"] == encodable(text)
    assert said.isprintable()


@LINUX
def test_bytes_that_are_not_utf8_come_back():
    """What was escaped is found."""
    assert undecoded(encodable(os.fsdecode(b"caf\xe9.png"))) == os.fsdecode(b"caf\xe9.png")
    assert undecoded("café.png") is None


@pytest.fixture
def odd_files(tmp_path):
    """Write an image under each of the names, in folders with such names, and list them."""
    for label in (b"=1+1", b"caf\xe9"):
        folder = tmp_path / "odd" / os.fsdecode(label)
        folder.mkdir(parents=True)
        for number, (name, _) in enumerate(NAMES):
            with (folder / os.fsdecode(name)).open("wb") as file:
                Image.new("RGB", (9, 9), (number, len(label), 0)).save(file, "PNG")
    return load_folder(tmp_path / "odd")


@LINUX
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_holds_odd_names_and_a_table_of_them_finds_the_files(odd_files, tmp_path, suffix):
    """Escaped as they are shown, and as they are where they are UTF-8; labels likewise."""
    path = tmp_path / f"out{suffix}"
    write_embeddings(path, np.zeros((14, 1)), odd_files.paths, ["=x"], odd_files.labels, recipe={"\udce9": 1})
    assert odd_files.classes == ("=1+1", r"caf\xe9")
    wanted = list(map(encodable, odd_files.paths))
    if suffix == ".h5":
        with h5py.File(path) as file:
            found = file["path"].asstr()[:].tolist()
    elif suffix == ".npz":
        with np.load(path) as file:
            found = file["path"].tolist()
    else:
        table = load_table(path, label="label")
        assert table.paths.tolist() == odd_files.paths.tolist()
        assert table.labels.tolist() == odd_files.labels.tolist()
        return
    assert found == wanted


def test_no_cell_of_csv_begins_a_formula(tmp_path):
    """Names, labels and columns; numbers stay numbers."""
    write_embeddings(tmp_path / "e.csv", -np.eye(2), ["=a", "@b"], ["+x", "y"], ["-1", "\tz"])
    frame = pd.read_csv(tmp_path / "e.csv")
    assert frame.columns.tolist() == ["path", "label", "'+x", "y"]
    assert frame["path"].tolist() == ["'=a", "'@b"]
    assert frame["label"].tolist() == ["'-1", "'\tz"]
    assert frame["y"].tolist() == [0, -1]
    table = load_table(tmp_path / "e.csv", label="label", root=".", missing="keep")
    assert (table.paths.tolist(), table.labels.tolist()) == (["=a", "@b"], ["-1", "\tz"])


@LINUX
def test_a_name_that_may_be_two_files_is_refused(odd_files, tmp_path):
    """Rather than one of them taken for the other."""
    folder = tmp_path / "odd" / "=1+1"
    (folder / r"caf\xe9.png").touch()
    pd.DataFrame({"path": [r"caf\xe9.png"]}).to_csv(folder / "t.csv")
    with pytest.raises(InputError, match=r"caf\\xe9\.png may be two files, .* Rename one of them"):
        load_table(folder / "t.csv")


@LINUX
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_shell_shows_odd_names_escaped(odd_files, tmp_path, options):
    """On standard output and standard error, in a terminal of UTF-8 and in one that knows no Japanese."""
    command = [sys.executable, "-m", "featx", "duplicates", str(tmp_path / "odd"), "--exact", *options]
    (tmp_path / "odd" / "=1+1" / "bad\x1b.png").write_bytes(b"")
    (tmp_path / "odd" / "=1+1" / "left.out\x1b").touch()
    for code in ("utf-8", "latin-1"):
        for folder in ("=1+1", os.fsdecode(b"caf\xe9")):
            for copy in ("a", "b"):
                Image.new("RGB", (3, 3)).save(tmp_path / "odd" / folder / f"{copy}日\x1b\udce9.png")
        done = subprocess.run(
            command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": f"{code}:strict"}
        )
        said = (done.stdout + done.stderr).decode(code)
        assert done.returncode == 1
        assert "Traceback" not in said
        assert "\x1b" not in said
        a = "a日" if code == "utf-8" else r"a\u65e5"
        assert a + (r"\u001b\\xe9.png" if options else r"\x1b\xe9.png") in said
        assert r"left out .out\x1b 1" in said
        if options:
            json.loads(done.stdout.decode(code))
