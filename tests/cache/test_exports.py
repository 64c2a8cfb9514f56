"""Exported graphs: upkeep sees them, and touches nothing else in their folder."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from featx.cache import EmbeddingCache
from featx.cache.exports import exports, make_room, one_at_a_time, open_export, seal
from featx.cli import main
from featx.errors import CacheWarning, ExportError

RECIPE = "0123456789abcdef" * 2
NAMES = ["a" * 32, "b" * 32, "c" * 32]
BYTES = 1000 + 10 + 2 * 64 + len("# " + 32 * "a" + "\n  graph.bin\n  graph.xml\n")


@pytest.fixture
def cache(tmp_path):
    """Return a cache with three exported graphs, used 3, 2 and 1 days ago, and things of others beside them."""
    cache = EmbeddingCache(tmp_path / "cache")
    for days, name in zip((3, 2, 1), NAMES, strict=True):
        folder = cache.engines / name
        folder.mkdir(parents=True)
        (folder / "graph.bin").write_bytes(bytes(1000))
        (folder / "graph.xml").write_bytes(b"<net/>    ")
        seal(folder, name)
        for path in (folder / "sha256", folder):
            os.utime(path, (time.time() - days * 86_400,) * 2)
    (cache.engines / "photographs").mkdir()
    (cache.engines / "notes").write_text("the user's")
    (cache.engines / ("d" * 32)).write_text("a file")
    return cache


def left(cache):
    """Return which of the three graphs are there, and check that nothing of others is gone."""
    names = {path.name for path in cache.engines.iterdir()}
    assert names >= {"photographs", "notes", "d" * 32}
    return sorted(names - {"photographs", "notes", "d" * 32})


def test_they_are_listed_with_size_and_last_use(cache):
    """The one used longest ago first; using one makes it the last."""
    found = cache.exports()
    assert [one.path.name for one in found] == NAMES
    assert {one.bytes for one in found} == {BYTES}
    assert [round((time.time() - one.used) / 86_400) for one in found] == [3, 2, 1]
    assert open_export(cache.engines / NAMES[0]) == cache.engines / NAMES[0] / "graph.xml"
    assert [one.path.name for one in cache.exports()] == [NAMES[1], NAMES[2], NAMES[0]]
    assert EmbeddingCache(cache.path.with_name("other")).exports() == cache.exports(), (
        "they are the machine's"
    )


def test_their_folder_is_the_users_unless_one_is_named(cache, monkeypatch, tmp_path):
    """One for all caches; those that a cache had of its own are looked after, too."""
    assert cache.engines == Path(os.environ["FEATX_GRAPHS"])
    cache.path.mkdir()
    cache.engines.rename(cache.path / "engines")
    assert [one.path.parent for one in cache.exports()] == [cache.path / "engines"] * 3
    assert [file.path.name for file in cache.gc(max_size=0)] == NAMES

    monkeypatch.delenv("FEATX_GRAPHS")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: tmp_path / name)
    assert cache.engines == tmp_path / "featx" / "engines"
    assert EmbeddingCache("auto").engines == cache.engines


@pytest.mark.parametrize("name", ["graph.bin", "graph.xml", "sha256"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_verify_names_a_damaged_graph_and_removes_it(cache, name, how):
    """By its digest, and it is never opened; `repair` removes it, since it is exported again in seconds."""
    path = cache.engines / NAMES[1] / name
    path.unlink() if how == "gone" else path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(
        ExportError, match=f"The exported graph .*{NAMES[1]} (does not match its SHA-256|lacks {name})"
    ):
        open_export(path.parent)
    (damage,) = cache.verify()
    assert damage.path == path.parent
    assert damage.reason == ("does not match its SHA-256" if how == "changed" else f"lacks {name}")
    assert left(cache) == NAMES
    assert cache.verify(repair=True) == [damage]
    assert left(cache) == [NAMES[0], NAMES[2]]
    assert cache.verify() == []


HOSTILE = {
    "pipe": (os.mkfifo, "is not a regular file"),
    "folder": (Path.mkdir, "is not a regular file"),
    "link": (lambda path: path.symlink_to("/etc/passwd"), "is a link"),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), "is a link"),
    "sparse file": (
        lambda path: (path.touch(), os.truncate(path, 100 * 10**9)),
        "has 100,000,000,000 bytes, more than the .* allowed here",
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="uses what only Linux offers")
@pytest.mark.parametrize("name", ["graph.bin", "graph.xml", "sha256"])
@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_file_of_a_graph_is_damage(cache, name, what):
    """It is not read: nothing hangs, and nothing outside the folder counts."""
    put, reason = HOSTILE[what]
    path = cache.engines / NAMES[1] / name
    path.unlink()
    put(path)
    with pytest.raises(ExportError, match=rf"{NAMES[1]} is damaged: {name} {reason}\.$"):
        open_export(path.parent)
    assert [damage.path for damage in cache.verify(repair=True)] == [path.parent]
    assert left(cache) == [NAMES[0], NAMES[2]]


@pytest.mark.skipif(os.name != "posix", reason="rights are others there")
@pytest.mark.parametrize("name", ["", "graph.bin", "graph.xml", "sha256"])
@pytest.mark.parametrize("right", [0o020, 0o002])
def test_a_graph_that_others_can_write_is_not_opened(cache, name, right):
    """Its digests may fit: who can write it can write them, too."""
    path = cache.engines / NAMES[1] / name
    path.chmod(path.stat().st_mode | right)
    with pytest.raises(ExportError, match=f"{NAMES[1]} can be written by others"):
        open_export(cache.engines / NAMES[1])
    assert [damage.reason for damage in cache.verify()] == ["can be written by others"]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["", "graph.bin", "sha256"])
def test_a_graph_of_another_user_is_opened_only_if_the_cache_is_theirs(cache, name):
    """Who may write in the cache can put a graph of their own in it."""
    path = cache.engines / NAMES[1] / name
    os.chown(path, 65534, -1)
    with pytest.raises(ExportError, match=f"{NAMES[1]} can be written by others"):
        open_export(cache.engines / NAMES[1])
    os.chown(cache.engines.parent, 65534, -1)
    assert open_export(cache.engines / NAMES[1]).exists()


def test_a_graph_under_the_name_of_another_is_not_opened(cache):
    """Folders that were mixed up would give one network's vectors for another's."""
    (cache.engines / NAMES[1]).rename(cache.engines / ("e" * 32))
    with pytest.raises(ExportError, match="does not match its SHA-256"):
        open_export(cache.engines / ("e" * 32))


def test_gc_removes_what_was_not_used_for_long(cache):
    """Graphs and vectors by the same rule: the longest idle first, down to the size, or by age."""
    cache.put(RECIPE, np.zeros((1, 16), "u1"), np.zeros((1, 300), "f4"))
    (segment,) = cache.path.glob("*/*.h5")
    os.utime(segment, (time.time() - 2.5 * 86_400,) * 2)
    size = segment.stat().st_size

    dry = cache.gc(max_size=2 * BYTES, dry_run=True)
    assert [(file.path, file.bytes) for file in dry] == [(cache.engines / NAMES[0], BYTES), (segment, size)]
    assert [round(file.idle / 86_400, 1) for file in dry] == [3.0, 2.5]
    assert left(cache) == NAMES
    assert [file.path for file in cache.gc(max_size=2 * BYTES + size)] == [cache.engines / NAMES[0]]
    assert segment.exists()
    assert [file.path.name for file in cache.gc(older_than=1.5 * 86_400)] == [segment.name, NAMES[1]]
    assert left(cache) == [NAMES[2]]
    assert cache.gc() == []


def test_gc_removes_what_a_killed_export_left(cache):
    """Once it is an hour old."""
    draft = cache.engines / f".featx-{'e' * 32}.tmp"
    draft.mkdir()
    (draft / "graph.bin").write_bytes(bytes(50))
    assert cache.gc() == []
    for path in (draft / "graph.bin", draft):
        os.utime(path, (time.time() - 4000,) * 2)
    assert [(file.path, file.bytes) for file in cache.gc()] == [(draft, 50)]
    assert left(cache) == NAMES


def test_the_newest_graph_is_never_what_makes_room(cache, monkeypatch):
    """Even if it alone is too large."""
    monkeypatch.setattr("featx.cache.exports.KEEP", 2 * BYTES)
    make_room(cache.engines / NAMES[0])
    assert left(cache) == [NAMES[0], NAMES[2]]
    monkeypatch.setattr("featx.cache.exports.KEEP", 1)
    make_room(cache.engines / NAMES[0])
    assert left(cache) == [NAMES[0]]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_not_followed(cache, tmp_path, monkeypatch):
    """A cache from a stranger cannot make upkeep delete elsewhere."""
    graphs = cache.engines
    monkeypatch.setenv("FEATX_GRAPHS", str(tmp_path / "none"))
    other = EmbeddingCache(tmp_path / "other")
    other.put(RECIPE, np.zeros((1, 16), "u1"), np.zeros((1, 3), "f4"))
    (other.path / "engines").symlink_to(graphs)
    draft = graphs / f".featx-{'e' * 32}.tmp"
    draft.touch()
    os.utime(draft, (time.time() - 4000,) * 2)
    with pytest.warns(
        CacheWarning, match="other/engines has the name of a folder .* and is a file or a link"
    ):
        assert other.exports() == []
    assert other.verify(repair=True) == [], "warned of once"
    assert [file.path.parent.name for file in other.gc(max_size=0)] == [RECIPE], "the rest is seen to"
    assert draft.exists()
    draft.unlink()
    (other.path / "engines").unlink()
    (other.path / "engines").mkdir()
    (other.path / "engines" / NAMES[0]).symlink_to(graphs / NAMES[0])
    assert other.exports() == other.gc(max_size=0) == []
    monkeypatch.setenv("FEATX_GRAPHS", str(graphs))
    assert left(cache) == NAMES


def test_the_commands_show_them(cache):
    """`featx cache info` counts them, `verify` names damage, `gc` removes them."""
    run = lambda *words: CliRunner().invoke(main, ["cache", *words, "--cache", str(cache.path)])  # noqa: E731
    assert f"3 exported graphs, {3 * BYTES} bytes" in run("info").output
    assert [one["bytes"] for one in json.loads(run("info", "--json").output)["exports"]] == [BYTES] * 3
    (cache.engines / NAMES[0] / "graph.bin").write_bytes(b"damaged")
    assert f"{cache.engines / NAMES[0]}: does not match its SHA-256" in run("verify").output
    assert run("verify", "--repair").exit_code == 1
    assert run("verify").output == "nothing is damaged\n"
    assert "2 files removed" in run("gc", "--older-than", "1h").output
    assert "exported" not in run("info").output


@pytest.mark.skipif(sys.platform != "linux", reason="uses sha256sum")
def test_anyone_can_check_the_digests(cache):
    """The file of digests is what sha256sum writes and reads."""
    folder = cache.engines / NAMES[0]
    done = subprocess.run(
        ["sha256sum", "-c", "sha256"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["graph.bin: OK", "graph.xml: OK"]
    assert [one.path.name for one in exports(cache.engines)] == NAMES


def test_a_graph_is_made_by_one_process_at_a_time_and_a_dead_one_keeps_nobody_waiting(tmp_path, monkeypatch):
    """One that lives is waited for, but not for ever; nothing stays in the folder."""
    graph = tmp_path / "engines" / NAMES[0]
    program = (
        "import sys, time; from pathlib import Path; from featx.cache.exports import one_at_a_time\n"
        "with one_at_a_time(Path(sys.argv[1])): print('held', flush=True); time.sleep(1e6)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(graph)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        monkeypatch.setattr("featx.cache.exports.PATIENCE", 0.1)
        with one_at_a_time(graph):
            assert len(list(graph.parent.iterdir())) == 1  # the other's lock
        monkeypatch.setattr("featx.cache.exports.PATIENCE", 1e6)
        other.kill()
        with one_at_a_time(graph):
            pass
    assert list(graph.parent.iterdir()) == []
