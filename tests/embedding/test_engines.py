"""Which engine runs: the fastest that works, said once where it does not, and never other numbers."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.cache.exports import one_at_a_time, seal
from featx.embedding import engines
from featx.embedding.openvino_engine import OpenVINOEngine
from featx.errors import EngineWarning, ExportError

MANY = 40
PIXELS = np.random.default_rng(0).integers(0, 256, (MANY, 16, 16, 3), np.uint8)


@pytest.fixture(autouse=True)
def never(monkeypatch, forwards):
    """Let an export pay as soon as Keras' speed is known, after the second batch; give a function that forbids it."""
    for name in ("FIXED_SECONDS", "LAYER_SECONDS"):
        monkeypatch.setattr(f"featx.embedding.handover.{name}", 0.0)
    return lambda: monkeypatch.setattr("featx.embedding.handover.FIXED_SECONDS", 1e9)


@pytest.fixture
def extractor(tiny, tmp_path):
    tiny.save(tmp_path / "tiny.keras")
    return FeatureExtractor(
        tmp_path / "tiny.keras", depth=[1, 3], pooling="avg+std", scaling="unit", cache=tmp_path / "cache"
    )


@pytest.fixture
def odd():
    """Make a network with a layer that OpenVINO does not know."""
    import keras

    class Waves(keras.layers.Layer):
        def call(self, inputs):
            return keras.ops.fft2((inputs, keras.ops.zeros_like(inputs)))[0]

    return keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3, name="conv"), Waves(name="waves")], name="odd"
    )


def distance(one, other):
    return np.abs(one - other).max() / np.abs(other).max()


def exported():
    return list(Path(os.environ["FEATX_GRAPHS"]).glob("*"))


def test_auto_exports_when_there_are_many_images_and_gives_the_numbers_of_keras(
    extractor, tmp_path, forwards
):
    """Few images run on Keras; where many are left, they are worth an export, which is kept; both agree to 1e-5."""
    extractor.set_params(batch_size=8)
    few = extractor.transform(PIXELS[:8])
    assert forwards == [8]
    assert not exported()

    forwards.clear()
    many = extractor.transform(PIXELS[::-1] // 2 * 2 + 1 - PIXELS[::-1] % 2)  # other images
    assert forwards == [8, 8]
    assert len(exported()) == 1

    fresh = extractor.set_params(cache=None, engine="keras")
    assert distance(few, fresh.transform(PIXELS[:8])) == 0
    assert 0 < distance(many, fresh.transform(PIXELS[::-1] // 2 * 2 + 1 - PIXELS[::-1] % 2)) < 1e-5


def test_keras_runs_all_images_where_an_export_takes_longer_than_it_saves(extractor, never, forwards):
    """However many there are."""
    never()
    extractor.set_params(batch_size=8).transform(PIXELS)
    assert forwards == [8] * 5
    assert not exported()


def test_openvino_needs_no_cache(extractor):
    """With cache=None the export is used and not kept."""
    some = extractor.set_params(cache=None, engine="openvino").transform(PIXELS[:5])
    assert distance(some, extractor.set_params(engine="keras").transform(PIXELS[:5])) < 1e-5


def test_where_the_export_is_kept_new_images_need_no_keras(extractor, tmp_path):
    """A later process embeds images it has not seen without loading Keras or TensorFlow."""
    extractor.set_params(engine="openvino").transform(PIXELS[:2])
    np.save(tmp_path / "new.npy", PIXELS[2:4])
    program = """
import json, sys, numpy as np
from featx import FeatureExtractor
folder = sys.argv[1]
choices = dict(depth=[1, 3], pooling="avg+std", scaling="unit", cache=folder + "/cache")
extractor = FeatureExtractor(folder + "/tiny.keras", **choices)
vectors = extractor.transform(np.load(folder + "/new.npy"))
print(json.dumps([vectors.tolist(), [name for name in ("keras", "tensorflow") if name in sys.modules]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True, env=os.environ
    )
    vectors, loaded = json.loads(done.stdout)

    assert loaded == []
    assert (
        distance(np.array(vectors), extractor.set_params(cache=None, engine="keras").transform(PIXELS[2:4]))
        < 1e-5
    )


def test_another_cache_runs_the_same_graph(extractor, tmp_path):
    """It belongs to the machine; with nothing kept, none is."""
    extractor.set_params(engine="openvino").transform(PIXELS[:2])
    (path,) = exported()
    written = (path / "graph.xml").stat().st_mtime_ns
    extractor.set_params(cache=tmp_path / "other", batch_size=8).transform(PIXELS[:2])
    assert exported() == [path]
    assert (path / "graph.xml").stat().st_mtime_ns == written


def test_a_damaged_export_is_replaced(extractor, tmp_path, monkeypatch):
    """Noticed by its digest, exported again, and the numbers are right."""
    expected = extractor.set_params(engine="openvino").transform(PIXELS[:3])
    cache = extractor.open_cache()
    for recipe in cache.info():
        cache.delete(recipe.recipe_id)
    (path,) = exported()
    (path / "graph.bin").write_bytes(b"\0" * (path / "graph.bin").stat().st_size)
    monkeypatch.setattr("featx.embedding.engines._exported", {})

    assert np.array_equal(expected, extractor.transform(PIXELS[:3]))
    assert cache.verify() == []


@pytest.fixture
def kept(extractor, tmp_path, monkeypatch):
    """Run the extractor once; give its vectors and the exported graph, which is read again in the next run."""
    vectors = extractor.set_params(engine="openvino").transform(PIXELS[:3])
    for recipe in extractor.open_cache().info():
        extractor.open_cache().delete(recipe.recipe_id)
    (path,) = exported()
    monkeypatch.setattr("featx.embedding.engines._exported", {})
    return vectors, path


def test_while_another_process_exports_a_graph_it_is_waited_for(extractor, kept, monkeypatch):
    """And taken from there, not made a second time."""
    vectors, path = kept
    ready, held, asked, again = path.rename(path.with_name("ready")), Event(), Event(), Event()

    def another():
        with one_at_a_time(path):
            held.set()
            asked.wait()
            again.wait(1)  # nobody looks a second time before this is done
            ready.rename(path)

    look = engines._loaded

    def looks(*given):
        found = look(*given)
        (again if asked.is_set() else asked).set()
        return found

    def exports(*_):
        message = "exported a second time"
        raise AssertionError(message)

    monkeypatch.setattr(engines, "_loaded", looks)
    monkeypatch.setattr(engines, "_exporting", exports)
    other = Thread(target=another)
    other.start()
    held.wait()
    assert np.array_equal(vectors, extractor.transform(PIXELS[:3]))
    other.join()
    assert exported() == [path]


POSIX = pytest.mark.skipif(os.name != "posix", reason="rights and links are others there")


@pytest.mark.parametrize("name", ["graph.xml", "graph.bin"])
@pytest.mark.parametrize("part", [0, 0.5, 0.99])
def test_a_graph_that_openvino_cannot_read_is_made_anew(extractor, kept, name, part):
    """It is damaged, though its digests fit: cut off before they were taken."""
    vectors, path = kept
    os.truncate(path / name, int(part * (path / name).stat().st_size))
    seal(path, path.name)
    with pytest.raises(ExportError, match="cannot be read by OpenVINO"):
        OpenVINOEngine(path)
    assert np.array_equal(vectors, extractor.transform(PIXELS[:3]))
    OpenVINOEngine(path)


@POSIX
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o775),
        lambda path: (path / "graph.bin").chmod(0o646),
        lambda path: shutil.move(shutil.copytree(path, path.parent / ("0" * 32)), path / "graph"),
        lambda path: (shutil.rmtree(path), path.symlink_to("/nowhere")),
        lambda path: (shutil.rmtree(path), path.write_text("a file")),
        lambda path: seal(path, "0" * 32),
    ],
    ids=["folder of others", "file of others", "folder within", "link", "file", "another network's"],
)
def test_what_somebody_else_may_have_put_there_is_made_anew(extractor, kept, spoil):
    """Rights of others, something in its place, and the sound graph of another network under its name."""
    vectors, path = kept
    spoil(path)
    assert np.array_equal(vectors, extractor.transform(PIXELS[:3]))
    OpenVINOEngine(path)


@POSIX
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: folder.chmod(0o775), "can be written by others"),
        (lambda folder: folder.chmod(0o757), "can be written by others"),
        (
            lambda folder: (folder.rename(f"{folder}-"), folder.symlink_to(f"{folder}-")),
            "is a file or a link",
        ),
        (lambda folder: (shutil.rmtree(folder), folder.write_text("a file")), "is a file or a link"),
    ],
    ids=["group", "everybody", "link", "file"],
)
def test_no_graph_is_run_from_a_folder_that_is_not_only_ours(extractor, kept, spoil, reason):
    """Whoever writes a graph writes its digests, too: the network is exported elsewhere, and that is said once."""
    vectors, path = kept
    spoil(path.parent)
    before = sorted(path.parent.iterdir()) if path.parent.is_dir() else None
    with pytest.warns(
        EngineWarning, match=f"engines {reason}, so no graph in it is run. Remove it, and featx makes"
    ):
        assert np.array_equal(vectors, extractor.transform(PIXELS[:3]))
    extractor.transform(PIXELS[3:6])  # another warning would be an error
    assert before is None or sorted(path.parent.iterdir()) == before


@POSIX
def test_what_is_exported_is_written_by_nobody_else(extractor, tmp_path):
    """Even where new files are everybody's."""
    before = os.umask(0)
    try:
        extractor.set_params(engine="openvino").transform(PIXELS[:3])
    finally:
        os.umask(before)
    (path,) = exported()
    assert {oct(one.stat().st_mode & 0o777) for one in (path.parent, path)} == {"0o755"}
    assert {oct(one.stat().st_mode & 0o777) for one in path.iterdir()} == {"0o644"}


AS_NOBODY = """
import os, pathlib, sys, warnings
import numpy as np
import h5py, openvino
from featx import FeatureExtractor
folder = pathlib.Path(sys.argv[1])
pixels = np.load(folder / "pixels.npy")
extractor = FeatureExtractor(
    folder / "tiny.keras", depth=[1, 3], pooling="avg+std", scaling="unit", cache=None, engine="keras"
)
extractor.transform(pixels)  # imports what nobody might not read
os.setgid(65534); os.setuid(65534)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    vectors = extractor.set_params(engine="auto", cache=folder / "cache").transform(pixels)
np.save(sys.stdout.buffer, vectors)
print(*[warning.message for warning in said if "runs on Keras" in str(warning.message)], file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root can become nobody")
@pytest.mark.slow
def test_a_graph_that_may_not_be_read_runs_on_keras(tiny, monkeypatch):
    """It may be sound: it is left alone, the network runs on Keras, and that is said."""
    with TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        folder.chmod(0o755)
        monkeypatch.setenv("FEATX_GRAPHS", str(folder / "engines"))
        tiny.save(folder / "tiny.keras")
        np.save(folder / "pixels.npy", PIXELS)
        choices = {"depth": [1, 3], "pooling": "avg+std", "scaling": "unit"}
        extractor = FeatureExtractor(
            folder / "tiny.keras", engine="openvino", cache=folder / "cache", **choices
        )
        expected = extractor.transform(PIXELS)
        for recipe in extractor.open_cache().info():
            extractor.open_cache().delete(recipe.recipe_id)
        (path,) = exported()
        (path / "graph.bin").chmod(0)
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(folder)], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        assert distance(np.load(io.BytesIO(done.stdout)), expected) < 1e-5
        assert b"cannot be read (Permission denied)" in done.stderr
        assert sorted(one.name for one in path.iterdir()) == ["graph.bin", "graph.xml", "sha256"]


def test_a_network_that_cannot_be_exported_runs_on_keras_and_says_so_once(odd, tmp_path):
    """One warning, the right vectors; asked for by name, OpenVINO is an error instead."""
    choices = {"depth": "waves", "pooling": "avg", "scaling": "unit", "batch_size": 8}
    extractor = FeatureExtractor(odd, **choices, cache=tmp_path / "cache")
    with pytest.warns(EngineWarning, match="'odd' runs on Keras, not on OpenVINO: "):
        vectors = extractor.transform(PIXELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extractor.transform(255 - PIXELS)
    assert not exported()

    extractor.set_params(cache=None, engine="keras")
    assert np.array_equal(vectors, extractor.transform(PIXELS))
    with pytest.raises(
        ExportError, match=r"'odd' cannot be run by OpenVINO \(.*\)\. Take engine='keras' or 'auto'"
    ):
        extractor.set_params(engine="openvino").transform(PIXELS[:2])


def test_bfloat16_is_near_float32_and_cached_apart(extractor):
    """Its own recipe: within two per cent of float32, on either engine, never equal to it."""
    full = extractor.set_params(engine="openvino").transform(PIXELS[:32])
    for engine in ("openvino", "keras"):
        half = extractor.set_params(precision="bfloat16", engine=engine, cache=None).transform(PIXELS[:32])
        assert 0 < distance(half, full) < 0.02


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_a_forked_process_reads_what_is_cached_and_refuses_to_compute(extractor, engine):
    """It has none of the threads that compute; it used to wait for them for ever."""
    expected = extractor.set_params(engine=engine).transform(PIXELS[:2])
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        said = "nothing"
        try:
            signal.alarm(60)
            assert np.array_equal(expected, extractor.transform(PIXELS[:2]))
            extractor.transform(PIXELS[2:4])
        except BaseException as error:  # noqa: BLE001 - the parent judges it
            said = f"{type(error).__name__}: {error}"
        finally:
            os.write(writes, said.encode())
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    assert said.startswith("ForkedProcessError: This process was forked after keras")
    assert "Start processes with 'spawn' or 'forkserver', or take joblib's 'loky'" in said
