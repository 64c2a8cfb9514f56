"""Where weights come from: every place in its order, and a message that an offline user can act on."""

import functools
import shutil
import threading
from dataclasses import replace
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from featx.errors import WeightsError
from featx.networks.catalogue import find
from featx.networks.places import find_local, keras_home
from featx.networks.weights import check, fetch, is_published, locate

ROW = replace(find("resnet50"), digest=md5(b"weights").hexdigest())
FILE = ROW.weights_file()


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve a folder over real HTTP on loopback, as Keras' mirror."""
    folder = tmp_path / "mirror"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("FEATX_MIRROR", f"http://127.0.0.1:{server.server_port}")
    yield folder
    server.shutdown()
    server.server_close()


def put(folder, content=b"weights"):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(content)
    return folder / FILE


def test_embedded_weights_come_with_the_package():
    """featx-mini needs no folder and no network."""
    assert locate(find("featx-mini"), "auto", 96).is_file()


def test_no_weights_is_no_file():
    """weights=None means random ones."""
    assert locate(ROW, None, 224) is None


def test_places_are_asked_in_order(tmp_path, monkeypatch, mirror):
    """A path given, then FEATX_WEIGHTS, then Keras' folder, then the download."""
    put(mirror)
    downloaded = locate(ROW, "auto", 224)
    assert downloaded == keras_home() / "models" / FILE

    (mirror / FILE).unlink()
    assert locate(ROW, "imagenet", 224) == downloaded

    monkeypatch.setenv("FEATX_WEIGHTS", str(tmp_path / "own"))
    own = put(tmp_path / "own")
    assert locate(ROW, "auto", 224) == own
    assert locate(ROW, downloaded, 224) == downloaded


def test_a_download_is_whole_or_not_there(mirror):
    """A damaged download leaves nothing behind, and says so."""
    put(mirror, b"other bytes")

    with pytest.raises(WeightsError, match="could not be downloaded"):
        locate(ROW, "auto", 224)
    assert [path.name for path in (keras_home() / "models").iterdir()] == []


def test_downloads_report_on_stderr(mirror, capfd):
    """stdout belongs to results."""
    put(mirror)
    locate(ROW, "auto", 224)

    assert capfd.readouterr().out == ""


def test_another_file_is_not_believed(tmp_path):
    """A file whose digest is not the published one is an error that names both."""
    check(put(tmp_path), ROW.digest)
    check(put(tmp_path, b"damaged"), None)

    found = md5(b"damaged").hexdigest()
    with pytest.raises(
        WeightsError, match=f"not the published file: expected digest {ROW.digest}, found {found}"
    ):
        check(tmp_path / FILE, ROW.digest)


def test_any_published_file_is_fetched_the_same_way(mirror):
    """From the mirror into Keras' folder, where it is found the next time; the message says what to do without."""
    put(mirror)
    assert find_local(FILE) is None

    path = fetch(FILE, "http://127.0.0.1:9/elsewhere", ROW.digest)
    assert path == find_local(FILE) == keras_home() / "models" / FILE

    with pytest.raises(
        WeightsError, match=r"labels\.json is not on this machine .* put it at .*labels\.json or"
    ):
        fetch("labels.json", "http://127.0.0.1:9/labels.json")


def test_is_published_goes_by_content(tmp_path):
    """The published file is known by its bytes, wherever it lies."""
    assert is_published(ROW, put(tmp_path))
    assert not is_published(ROW, put(tmp_path, b"other"))
    assert not is_published(replace(ROW, digest=None), put(tmp_path))


def test_the_real_weights_download(imagenet, mirror, monkeypatch, tmp_path):
    """From a local copy of the mirror to vectors, by the code that downloads from Keras' own."""
    from featx import FeatureExtractor
    from featx.images import synthetic

    row = find("mobilenet_0.25")
    shutil.copy(imagenet / row.weights_file(128), mirror)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    images, _ = synthetic(n=2, classes=2, size=32, random_state=0)

    vectors = FeatureExtractor("mobilenet_0.25", depth=-1, pooling="avg", input_size=128).transform(images)

    assert vectors.shape == (2, 256)
    assert (tmp_path / "keras" / "models" / row.weights_file(128)).is_file()
