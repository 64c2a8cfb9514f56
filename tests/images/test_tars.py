"""Tar files of WebDataset: samples are found by their names, wherever the files lie."""

import io
import tarfile
from pathlib import Path

import pytest

from featx.cli.options import images_from
from featx.embedding.naming import image_ids
from featx.errors import InputError
from featx.images import load_tars

fsspec = pytest.importorskip("fsspec")


def pack(name, **files):
    """Write a tar of files with these names, in which __ stands for a point, and contents."""
    with tarfile.open(name, "w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path.replace("__", "."))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return name


def test_samples_of_several_files_are_listed(tmp_path):
    """In the order of the files; an image of two endings, as left.png and right.png, shares its label."""
    one = pack("one.tar", b__cls=b"1\n", b__jpg=b"B", a__left__png=b"A", a__cls=b"0", a__json=b"{}")
    two = pack(tmp_path / "two.tar", **{"sub/a__PNG": b"C", "sub/a__cls": b"2"})
    table = load_tars([one, two])

    assert table.labels.tolist() == [0, 1, 2]
    assert table.classes == (0, 1, 2)
    assert table.ignored == {".json": 1}
    assert image_ids(table.paths).tolist() == image_ids([b"A", b"B", b"C"]).tolist()
    assert load_tars(one, label=None).ignored == {".cls": 2, ".json": 1}


def test_labels_may_be_words_in_files_of_another_ending():
    """One that is no whole number makes text of all."""
    pack("one.tar", a__png=b"A", a__txt=b"7", b__png=b"B", b__txt="hält".encode())
    assert load_tars("one.tar", label="txt").labels.tolist() == ["7", "hält"]


def test_a_file_may_lie_elsewhere():
    """Its URL is that of the archive."""
    pack("one.tar", a__png=b"A", a__cls=b"0")
    fsspec.filesystem("memory").pipe_file("/one.tar", Path("one.tar").read_bytes())
    table = load_tars("memory://one.tar")
    assert table.paths.tolist() == ["tar://a.png::memory://one.tar"]
    assert image_ids(table.paths).tolist() == image_ids([b"A"]).tolist()


def test_a_command_takes_a_tar():
    """Its labels are asked for by their ending."""
    pack("one.tar", a__png=b"A", a__cls=b"0")
    what = {"image": None, "root": None}
    assert images_from(Path("one.tar"), label=(), **what).labels is None
    assert images_from(Path("one.tar"), label=("cls",), **what).labels.tolist() == [0]
    with pytest.raises(InputError, match=r"has one label for each image: name one ending by --label"):
        images_from(Path("one.tar"), label=("cls", "txt"), **what)
