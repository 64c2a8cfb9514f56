"""A file or a folder appears whole and durable, or not at all."""

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from featx import files
from featx.errors import UnfitFileError
from featx.files import (
    file_digest,
    leftovers,
    make_folder,
    open_file,
    put_in_place,
    read_file,
    remove,
    scratch,
    size_of,
    sweep,
    whole_file,
    whole_folder,
)

NAME = ".featx-" + "0f" * 16
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="uses what only Linux offers")


def names(folder):
    """List the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def synced(monkeypatch):
    """Record what is sent to the disk, by its path, and when names change."""
    steps = []
    sync, rename, replace = os.fsync, Path.rename, Path.replace

    def noting(descriptor):
        steps.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    for name, real in (("rename", rename), ("replace", replace)):
        monkeypatch.setattr(
            Path, name, lambda old, new, real=real: (steps.append(("name", Path(new))), real(old, new))[1]
        )
    return steps


def write(path, content):
    with whole_file(path) as draft:
        draft.file.write(content)


def fill(folder, content, **choices):
    with whole_folder(folder, **choices) as draft:
        (draft / "inner").mkdir()
        (draft / "inner" / "one.txt").write_text(content)


@LINUX
def test_a_file_is_on_the_disk_before_it_has_its_name_and_so_is_its_name(tmp_path, synced):
    """Content, name, folder: in this order a power cut leaves the old state or the new one."""
    write(tmp_path / "a", b"1")
    (_, draft), *rest = synced
    assert draft.parent == tmp_path
    assert rest == [("name", tmp_path / "a"), ("sync", tmp_path)]


@LINUX
def test_a_folder_is_on_the_disk_before_the_old_one_goes(tmp_path, synced, monkeypatch):
    """All that is in it, then its name; what it replaces is deleted after that."""
    fill(tmp_path / "f", "old")
    synced.clear()
    removed = files.remove
    monkeypatch.setattr(files, "remove", lambda path: (synced.append(("gone", path)), removed(path)))
    fill(tmp_path / "f", "new", replace=True)
    kinds = [(kind, path.name if path.parent == tmp_path else "") for kind, path in synced]
    last = kinds.index(("name", "f"))
    assert [kind for kind, _ in kinds[:last]] == ["sync", "sync", "sync", "name"]
    assert synced[last + 1] == ("sync", tmp_path)
    assert kinds[last + 2][0] == "gone"
    assert (tmp_path / "f" / "inner" / "one.txt").read_text() == "new"
    assert names(tmp_path) == ["f"]


@LINUX
def test_a_new_folder_is_known_to_the_one_above_it(tmp_path, synced):
    """Each folder that is made is synced into its parent; one that is there costs nothing."""
    make_folder(tmp_path / "a" / "b")
    assert synced == [("sync", tmp_path), ("sync", tmp_path / "a")]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left"), KeyboardInterrupt("Ctrl-C"), ValueError("bad")]
)
@pytest.mark.parametrize("before", [True, False])
def test_what_fails_leaves_what_was(tmp_path, error, before):
    """Whatever ends the block, an interrupt too: the old content or none, and no draft."""
    if before:
        write(tmp_path / "file", b"old")
        fill(tmp_path / "folder", "old")

    def half_a_file():
        with whole_file(tmp_path / "file") as draft:
            draft.file.write(b"half")
            raise error

    def half_a_folder():
        with whole_folder(tmp_path / "folder", replace=True) as draft:
            (draft / "half").write_text("half")
            raise error

    for writer in (half_a_file, half_a_folder):
        with pytest.raises(type(error), match=error.args[-1]):
            writer()
    assert names(tmp_path) == (["file", "folder"] if before else [])
    if before:
        assert (tmp_path / "file").read_text() == (tmp_path / "folder/inner/one.txt").read_text() == "old"


def test_a_folder_that_is_there_is_replaced_only_if_asked(tmp_path):
    """Otherwise it stays, whoever was first, and the error is one that can be told from a broken disk."""
    fill(tmp_path / "f", "old")
    with pytest.raises(FileExistsError, match=r"'.*/f'"):
        fill(tmp_path / "f", "new")
    assert (tmp_path / "f/inner/one.txt").read_text() == "old"
    assert names(tmp_path) == ["f"]


def test_a_replacement_that_cannot_take_its_place_puts_the_old_one_back(tmp_path, monkeypatch):
    """The old folder, moved aside already, returns."""
    fill(tmp_path / "f", "old")
    rename = Path.rename

    def refuse_drafts(path, target):
        if path.suffix == ".tmp":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_drafts)
    with pytest.raises(OSError, match="Input/output error"):
        fill(tmp_path / "f", "new", replace=True)
    assert names(tmp_path) == ["f"]
    assert (tmp_path / "f/inner/one.txt").read_text() == "old"


def test_a_planted_link_is_replaced_and_not_followed(tmp_path):
    """Neither where the result goes nor where its draft lies; names of drafts do not repeat."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("precious")
    (tmp_path / "a").symlink_to(tmp_path / "precious" / "file")
    (tmp_path / "f").symlink_to(tmp_path / "precious")
    write(tmp_path / "a", b"new")
    fill(tmp_path / "f", "new", replace=True)
    assert not (tmp_path / "a").is_symlink()
    assert not (tmp_path / "f").is_symlink()
    assert (tmp_path / "precious" / "file").read_text() == "precious"
    assert names(tmp_path) == ["a", "f", "precious"]
    drafts = set()
    for _ in range(2):
        with scratch(tmp_path) as folder:
            drafts.add(folder.name)
        with whole_file(tmp_path / "a") as draft:
            drafts.add(draft.path.name)
    assert len(drafts) == 4


def test_a_planted_link_under_a_drafts_name_is_refused(tmp_path, monkeypatch):
    """Even who guesses the name of a draft cannot lead its writer elsewhere."""
    monkeypatch.setattr("secrets.token_hex", lambda size: "0f" * size)
    (tmp_path / f"{NAME}.tmp").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match="tmp"):
        write(tmp_path / "a", b"1")
    with pytest.raises(FileExistsError, match="tmp"):
        fill(tmp_path / "f", "1")
    assert not (tmp_path / "elsewhere").exists()


def test_a_fetched_file_gets_its_place_and_its_folder_goes(tmp_path):
    """What a library wrote into a folder of its own is moved when it is whole."""
    with scratch(tmp_path) as folder:
        (folder / "rest").write_text("x")
        (folder / "fetched").write_text("whole")
        put_in_place(folder / "fetched", tmp_path / "weights")
    assert names(tmp_path) == ["weights"]


def aged(path, seconds=4000):
    """Let a file, or a folder with all that is in it, be that old."""
    for part in [*(path.rglob("*") if path.is_dir() else ()), path]:
        os.utime(part, (time.time() - seconds,) * 2, follow_symlinks=False)
    return path


def test_only_what_dead_writers_left_is_swept(tmp_path):
    """By names that are ours, an hour after the last byte; a writer at work and the user's files are left alone."""
    old, young, busy = (tmp_path / f".featx-{digit * 32}.tmp" for digit in "abc")
    for folder in (old, busy):
        folder.mkdir()
        (folder / "part").write_text("x")
        aged(folder)
    (busy / "part").write_text("still growing")
    young.touch()
    link = tmp_path / f".featx-{'d' * 32}.tmp"
    link.symlink_to(tmp_path / "photos")
    aged(link)
    for name in ("photos", ".featx-notes.tmp", f"{'a' * 32}.tmp", f".featx-{'a' * 31}.tmp"):
        aged(tmp_path / name) if (tmp_path / name).write_text("the user's") else None
    assert leftovers(tmp_path) == [old, link]
    write(tmp_path / "next", b"sweeps")
    assert not {old.name, link.name} & set(names(tmp_path))
    assert len(names(tmp_path)) == 7
    sweep(tmp_path / "nowhere")


def test_a_replaced_folder_is_swept_only_if_it_has_a_successor(tmp_path):
    """Whoever was killed between two renames has left the only copy, under its own name."""
    aside = tmp_path / f"{NAME}.old"
    (aside / "model").mkdir(parents=True)
    aged(aside)
    assert leftovers(tmp_path) == []
    (tmp_path / "model").mkdir()
    assert leftovers(tmp_path) == [aside]
    sweep(tmp_path)
    assert names(tmp_path) == ["model"]


REPLACING = """
from pathlib import Path
from featx.files import whole_file, whole_folder
folder = Path(sys.argv[2])

def write(kill, number):
    with whole_file(folder / "file") as draft:
        draft.file.write(b"%d" % number * 100_000)
    with whole_folder(folder / "folder", replace=True) as draft:
        for name in "ab":
            (draft / name).write_text(str(number) * 1000)

def check(kill, done):
    text, target = (folder / "file").read_text(), folder / "folder"
    assert text == text[: len(text) // 100_000] * 100_000
    if not target.exists():  # killed between two renames; an earlier kill may have left an older one
        olds = folder.glob(".featx-*.old/folder")
        max(olds, key=lambda old: old.parent.stat().st_mtime_ns).rename(target)
    texts = {(target / name).read_text() for name in "ab"}
    assert len(texts) == 1
    assert int(text[: len(text) // 100_000]) >= done - 1
"""


def test_a_kill_at_any_moment_leaves_the_old_or_the_new(tmp_path, killing):
    """After each of many SIGKILLs file and folder are whole, and what was finished is there."""
    killing(REPLACING, tmp_path, kills=20)
    for path in tmp_path.iterdir():
        aged(path)
    sweep(tmp_path)
    assert names(tmp_path) == ["file", "folder"]


def test_sizes_and_digests(tmp_path):
    """Of files and of folders, without following links out of them."""
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "c").write_bytes(b"abc")
    (tmp_path / "a" / "d").write_bytes(b"12345")
    assert size_of(tmp_path / "a") == 8
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert size_of(tmp_path / "a") == 8 + (tmp_path / "a" / "up").lstat().st_size
    assert size_of(tmp_path / "nowhere") == 0
    assert file_digest(tmp_path / "a/b/c", "md5") == "900150983cd24fb0d6963f7d28e17f72"
    remove(tmp_path / "a")
    assert names(tmp_path) == []


def bind(path):
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


HOSTILE = {
    "link": (lambda path: path.symlink_to("/etc/passwd"), "is a link"),
    "link to an endless device": (lambda path: path.symlink_to("/dev/zero"), "is a link"),
    "link to itself": (lambda path: path.symlink_to(path), "is a link"),
    "pipe": (os.mkfifo, "is not a regular file"),
    "socket": (bind, "is not a regular file"),
    "folder": (Path.mkdir, "is not a regular file"),
    "sparse file of 100 GB": (
        lambda path: (path.touch(), os.truncate(path, 100 * 10**9)),
        "has 100,000,000,000 bytes, more than the 9 allowed here",
    ),
}


@LINUX
@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_file_or_too_large_is_not_read(tmp_path, monkeypatch, what):
    """Nothing hangs, fills the memory or is read elsewhere; the error says what stands there."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make, reason = HOSTILE[what]
    make(Path("file"))
    for read in (
        lambda: read_file(Path("file"), 9),
        lambda: file_digest(Path("file"), largest=9, follow=False),
    ):
        with pytest.raises(UnfitFileError, match=rf"^file {reason}\. Put the file itself in its place\.$"):
            read()


@LINUX
def test_where_a_link_may_stand_it_leads_to_files_only(tmp_path):
    """A weights file may be linked, and a device not even then."""
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    assert file_digest(tmp_path / "link", "md5") == "900150983cd24fb0d6963f7d28e17f72"
    with pytest.raises(UnfitFileError, match="is not a regular file"):
        open_file(tmp_path / "zeros", follow=True)


def test_a_file_that_grows_while_it_is_read_is_cut_off(tmp_path, monkeypatch):
    """The size that was asked for first is not believed."""
    (tmp_path / "file").write_bytes(b"123456")
    assert read_file(tmp_path / "file", 6) == b"123456"
    real = files.open_file
    monkeypatch.setattr(files, "open_file", lambda path, _: real(path))
    with pytest.raises(UnfitFileError, match="has more than the 5 bytes allowed here"):
        read_file(tmp_path / "file", 5)
