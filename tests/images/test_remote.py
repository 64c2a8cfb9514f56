"""Images at URLs, on real stores of this machine: read and listed as files are, fetched once, named where they fail."""

import os
import re
import tarfile
import zipfile
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from featx.cache.memo import Memo
from featx.cli import main
from featx.cli.options import paths_from
from featx.embedding import naming
from featx.embedding.naming import image_ids
from featx.errors import InputError
from featx.images import as_sources, load_folder, load_table, remote, synthetic, write_folder
from featx.images.loading import load

fsspec = pytest.importorskip("fsspec")

NAMES = [f"{label}/{row:04}.png" for label, row in (("disc", 0), ("disc", 2), ("square", 1))]
OLD = 1_600_000_000  # seconds: a change so long ago cannot hide another one


@pytest.fixture
def photos(tmp_path):
    """Write three images into class folders, and what is none beside them."""
    folder = write_folder(*synthetic(n=3, classes=2, size=16), tmp_path / "photos")
    (folder / "disc" / "notes.txt").write_text("x")
    (folder / "disc" / ".hidden.png").touch()
    for path in folder.rglob("*.*"):
        os.utime(path, (OLD, OLD))
    return folder


class Server(SimpleHTTPRequestHandler):
    """A web server that counts what it is asked for, and keeps what is called secret to itself."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[Counter] = Counter()

    def do_GET(self):  # noqa: D102 - the library's, as the others
        self.answer(super().do_GET)

    def do_HEAD(self):  # noqa: D102
        self.answer(super().do_HEAD)

    def answer(self, usual):  # noqa: D102
        self.asked[self.command] += 1
        self.send_error(403) if "secret" in self.path else usual()

    def log_message(self, *_):  # noqa: D102
        pass


@pytest.fixture
def web(photos):
    """Serve the folder over HTTP; gives its URL."""
    pytest.importorskip("aiohttp")
    Server.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, directory=photos))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def bucket(photos, monkeypatch):
    """Keep the folder in a bucket of a server that speaks S3; gives its URL, and a client."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    import boto3

    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    for path in photos.rglob("*.*"):
        client.upload_file(str(path), "bucket", f"photos/{path.relative_to(photos)}")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield "s3://bucket/photos", client
    server.stop()


@pytest.fixture
def archives(photos):
    """Put the folder into a zip and a tar."""
    with zipfile.ZipFile("photos.zip", "w") as zipped, tarfile.open("photos.tar", "w") as tarred:
        for path in sorted(photos.rglob("*.*")):
            zipped.write(path, path.relative_to(photos))
            tarred.add(path, path.relative_to(photos))
    for name in ("photos.zip", "photos.tar"):
        os.utime(name, (OLD, OLD))
    return {"zip": "zip://::photos.zip", "tar": f"tar://::{Path('photos.tar').absolute()}"}


@pytest.fixture
def memory(photos):
    """Keep the folder in fsspec's memory."""
    files = fsspec.filesystem("memory")
    files.put(str(photos), "/photos", recursive=True)
    yield "memory://photos"
    files.rm("/photos", recursive=True)


@pytest.fixture(params=["zip", "tar", "memory", "http", "s3", "file"])
def elsewhere(request, photos):
    """Give the URL of the same folder in a store of each kind."""
    kind = request.param
    if kind == "file":
        return photos.as_uri()
    if kind in ("zip", "tar"):
        return request.getfixturevalue("archives")[kind]
    found = request.getfixturevalue({"http": "web", "s3": "bucket"}.get(kind, kind))
    return found[0] if kind == "s3" else found


def test_a_folder_elsewhere_is_listed_and_read_as_one_here(elsewhere, photos):
    """The same labels, the same order, the same files left out, the same pixels and the same names."""
    here, there = load_folder(photos), load_folder(elsewhere)

    assert there.labels.tolist() == here.labels.tolist() == ["disc", "disc", "square"]
    assert there.classes == here.classes
    assert there.left_out == here.left_out == {".txt": 1}
    assert image_ids(as_sources(there.paths)).tolist() == image_ids(as_sources(here.paths)).tolist()
    ((pixels, reasons),) = load([as_sources(there.paths)], (16, 16))
    ((expected, _),) = load([as_sources(here.paths)], (16, 16))
    assert not reasons
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("kind", ["web", "bucket"])
def test_a_later_run_fetches_nothing_that_has_not_changed(kind, request, photos, tmp_path):
    """Named once, an image is asked for its state only; one that changed is fetched, and named anew."""
    found = request.getfixturevalue(kind)
    url, client = (found, None) if kind == "web" else found
    urls = [f"{url}/{name}" for name in NAMES]
    memo = Memo(tmp_path / "cache")
    fetched, real = [], remote.read

    def reading(url):
        fetched.append(url)
        return real(url)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(remote, "read", reading)
        patched.setattr("featx.cache.memo._RACY", 0)  # an upload is never old
        first = image_ids(urls, memo)
        assert sorted(fetched) == sorted(urls)
        fetched.clear()
        assert image_ids(urls, memo).tolist() == first.tolist()
        assert fetched == []

        changed = (photos / NAMES[1]).read_bytes()[:-1] + b"x"  # as long as before
        (photos / NAMES[1]).write_bytes(changed)
        os.utime(photos / NAMES[1], (OLD + 5, OLD + 5))
        if client:
            client.upload_file(str(photos / NAMES[1]), "bucket", f"photos/{NAMES[1]}")
        second = image_ids(urls, memo)
        assert fetched == [urls[1]]
        assert [bool((a == b).all()) for a, b in zip(first, second, strict=True)] == [True, False, True]


def test_what_changes_while_it_is_fetched_is_not_remembered(web, photos, monkeypatch, tmp_path):
    """Put back as it was, state and all, it is read again, and not known by what it was for a moment."""
    path, other = photos / NAMES[0], photos / NAMES[1]
    was, url = path.read_bytes(), f"{web}/{NAMES[0]}"
    expected = image_ids([url])
    fetch = naming.content

    def content(source):
        path.write_bytes(other.read_bytes())
        return fetch(source)

    memo = Memo(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(naming, "content", content)
        assert (image_ids([url], memo) != expected).any()
    path.write_bytes(was)
    os.utime(path, (OLD, OLD))
    assert (image_ids([url], memo) == expected).all()


def test_each_image_is_fetched_once_for_its_embedding(web):
    """What came to be named is decoded, and later runs of the extractor, in any order, fetch nothing."""
    from featx import FeatureExtractor

    urls = [f"{web}/{name}" for name in NAMES]
    extractor = FeatureExtractor(depth=1, pooling="avg", input_size=32, engine="keras")
    vectors = extractor.transform(urls)
    assert Server.asked == {"HEAD": 6, "GET": 3}
    assert np.array_equal(extractor.transform(urls[::-1]), vectors[::-1])
    assert Server.asked == {"HEAD": 9, "GET": 3}


def test_what_does_not_fit_into_memory_is_fetched_again(web, monkeypatch):
    """The bound holds, and the vectors are the same."""
    from featx import FeatureExtractor

    urls = [f"{web}/{name}" for name in NAMES]
    extractor = FeatureExtractor(depth=1, pooling="avg", input_size=32, engine="keras", cache=None)
    vectors = extractor.transform(urls)
    monkeypatch.setattr("featx.embedding.naming.FETCHED", 0)
    Server.asked.clear()
    assert np.array_equal(extractor.transform(urls), vectors)
    assert Server.asked["GET"] == 6


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_changed_is_opened_anew(archives, kind, tmp_path):
    """Its files are named by what is in it now."""
    url, other = archives[kind].replace("::", "disc/0000.png::"), b"another picture"
    memo = Memo(tmp_path)
    (first,) = image_ids([url], memo)
    if kind == "zip":
        with zipfile.ZipFile("photos.zip", "w") as file:
            file.writestr("disc/0000.png", other)
    else:
        Path("other").write_bytes(other)
        with tarfile.open("photos.tar", "w") as file:
            file.add("other", "disc/0000.png")
    (second,) = image_ids([url], memo)
    assert first.tolist() != second.tolist() == image_ids([other])[0].tolist()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("{web}/disc/gone.png", "there is no such file"),
        ("{web}/secret.png", "access is denied there; check who you are to it"),
        ("s3://bucket/photos/gone.png", "there is no such file"),
        ("http://127.0.0.1:9/cat.png", r"its store cannot be reached \(.*127.0.0.1:9.*\)"),
        ("zip://disc/gone.png::photos.zip", "there is no such file"),
        ("zip://disc/0000.png::gone.zip", "there is no such file"),
        ("zip://disc/0000.png::photos.tar", r"cannot be fetched \(File is not a zip file\)"),
    ],
)
def test_what_cannot_be_fetched_is_named_and_the_others_are_read(path, reason, web, bucket, archives):
    """One line for each, as for any bad image."""
    sources = as_sources([path.format(web=web), f"{web}/{NAMES[0]}"])
    ((pixels, reasons),) = load([sources], (16, 16))
    assert list(reasons) == [0]
    assert len(reasons[0].splitlines()) == 1
    with pytest.raises(InputError, match=f"^{reason}$"):
        remote.read(sources[0])
    assert pixels[1].any()
    assert not image_ids(sources)[0].any()
    assert image_ids(sources)[1].any()


def test_a_claim_without_end_is_refused(archives, monkeypatch):
    """A small archive may hold a file of any length."""
    monkeypatch.setattr(remote, "LARGEST", 10)
    with pytest.raises(InputError, match=r"claims \d+ bytes, more than the 10 allowed in an archive"):
        remote.read("zip://disc/0000.png::photos.zip")


def test_a_store_that_tells_no_state_is_read_each_time(memory, monkeypatch, tmp_path):
    """What cannot be known to be unchanged is not believed."""
    monkeypatch.setattr(remote, "_TIMES", ())
    monkeypatch.setattr("featx.cache.memo._RACY", 0)
    memo = Memo(tmp_path)
    url = f"{memory}/{NAMES[0]}"
    assert remote.state(url) is None
    (first,) = image_ids([url], memo)
    fsspec.filesystem("memory").pipe_file("/photos/" + NAMES[0], b"x")
    assert image_ids([url], memo)[0].tolist() == image_ids([b"x"])[0].tolist() != first.tolist()


def test_a_table_holds_urls_and_starts_from_one(web, photos):
    """A URL in a cell stays what it is; without a scheme, a cell goes on from root."""
    frame = pd.DataFrame({"path": [f"{web}/{NAMES[0]}", NAMES[1]], "label": ["a", "b"]})

    assert load_table(frame, root=photos).paths.tolist() == [f"{web}/{NAMES[0]}", str(photos / NAMES[1])]
    assert load_table(frame, root=web).paths.tolist() == [f"{web}/{name}" for name in NAMES[:2]]
    assert Server.asked == {}  # nothing is looked for before it is read


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_may_lie_elsewhere(web, photos, ending):
    """Its relative paths start from its own folder, and a command takes it as it takes one here."""
    frame = pd.DataFrame({"path": [f"../{name}" for name in NAMES], "label": ["a", "b", "a"]})
    (photos / "lists").mkdir()
    frame.to_csv(photos / "lists" / "one.csv", index=False)
    frame.to_parquet(photos / "lists" / "one.parquet")
    table = load_table(f"{web}/lists/one.{ending}", label="label")
    assert table.paths.tolist() == [f"{web}/{name}" for name in NAMES]
    assert table.labels.tolist() == ["a", "b", "a"]
    assert (
        image_ids(as_sources(table.paths)).tolist()
        == image_ids([str(photos / name) for name in NAMES]).tolist()
    )
    done = CliRunner().invoke(
        main, ["extract", f"{web}/lists/one.{ending}", "-o", "out.npz", "--label", "label", *QUICK]
    )
    assert done.exit_code == 0, done.output
    assert np.load("out.npz")["label"].tolist() == ["a", "b", "a"]
    assert paths_from([f"{web}/lists/one.{ending}", f"{web}/a.png"]) == [*table.paths, f"{web}/a.png"]


def test_a_table_in_an_archive_starts_from_its_folder(archives):
    """Which is in the archive."""
    with zipfile.ZipFile("photos.zip", "a") as zipped:
        zipped.writestr("lists/one.csv", f"path\n../{NAMES[0]}\n0.png\n")
    listed = load_table("zip://lists/one.csv::photos.zip").paths.tolist()
    assert listed == [f"zip://{NAMES[0]}::photos.zip", "zip://lists/0.png::photos.zip"]


NO_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
REFUSED = {
    "no such bucket": ({}, "s3://nobucket/photos", "there is no such bucket."),
    "no such folder": ({}, "s3://bucket/nothing", "there is no such folder."),
    "who one is": (
        {"refuse": True},
        "s3://bucket/photos",
        "access is denied there; check who you are to it.",
    ),
    "no credentials": (
        dict.fromkeys(NO_KEYS),
        "s3://bucket/photos",
        (
            "access takes credentials, and there are none here (Unable to locate credentials); see what its store asks "
            "for, such as aws configure, or FSSPEC_S3_ANON=true where all may read."
        ),
    ),
    "no network": (
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
        "s3://bucket/photos",
        "its store cannot be reached (Could not connect to the endpoint URL: *).",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_store_refuses_is_said_in_a_line(bucket, monkeypatch, kind):
    """As a folder, as a table and as an image in a list; exit code 1, and nothing is written."""
    changes, url, message = REFUSED[kind]
    reset = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth"

    def ask_for_keys(after):
        urlopen(Request(reset, after.encode(), {"Content-Type": "text/plain"})).close()

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # where a machine of Amazon's would find some
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    for name, value in changes.items():
        if name == "refuse":
            ask_for_keys("0")
        elif value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    Path("list.csv").write_text(f"path\n{url}/one.png\n")
    try:
        said = {
            given: CliRunner().invoke(main, ["extract", given, "-o", "new/out.npz", *QUICK])
            for given in (url, f"{url}/one.csv", "list.csv")
        }
    finally:
        ask_for_keys("inf")
    pattern = ".*".join(map(re.escape, message.split("*")))
    file = pattern.replace("folder", "file")
    assert re.fullmatch(f"Error: '{url}': {pattern}\n", said[url].stderr)
    assert re.fullmatch(f"Error: '{url}/one.csv': {file}\n", said[f"{url}/one.csv"].stderr)
    assert re.search(
        f"\n  {url}/one.png: {file.removesuffix('[.]').removesuffix(re.escape('.'))}\n",
        said["list.csv"].stderr,
    )
    assert [one.exit_code for one in said.values()] == [1, 1, 1]
    assert not Path("new").exists()


QUICK = ["--depth", "1", "--pooling", "avg", "--input-size", "32", "--engine", "keras", "--quiet"]


def test_a_command_takes_urls(web, bucket):
    """As a folder, and as an image."""
    done = CliRunner().invoke(main, ["extract", bucket[0], "-o", "out.npz", *QUICK])
    assert done.exit_code == 0, done.output
    assert np.load("out.npz")["path"].tolist() == [f"{bucket[0]}/{name}" for name in NAMES]
    done = CliRunner().invoke(main, ["similar", bucket[0], f"{web}/{NAMES[0]}", *QUICK, "-k", "1", "--json"])
    assert done.exit_code == 0, done.output
    assert f"{bucket[0]}/{NAMES[0]}" in done.stdout


def test_a_memo_tells_urls_without_opening_them(web, tmp_path, monkeypatch):
    """An export of the cache names images by the URLs they were noted under."""
    monkeypatch.setattr("featx.cache.memo._RACY", 0)
    memo = Memo(tmp_path)
    ids = image_ids([f"{web}/{NAMES[0]}"], memo)
    Server.asked.clear()
    assert memo.paths(ids) == [f"{web}/{NAMES[0]}"]
    assert Server.asked == {}
