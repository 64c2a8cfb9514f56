"""Exported graphs give Keras' numbers, in order, whatever the number of batches; damage is noticed."""

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from joblib import cpu_count

from featx.embedding.keras_engine import KerasEngine
from featx.embedding.openvino_engine import OpenVINOEngine, export
from featx.embedding.plan import Choices, resolve
from featx.errors import ExportError
from featx.images.workers import as_worker
from featx.networks import backbones
from featx.networks.flatten import flatten

ONE = "1" * 32
FAMILIES = [
    "featx-mini", "mobilenet_0.25", "mobilenet_v2_0.35", "mobilenet_v3_small", "mobilenet_v3_small_minimalistic",
    "efficientnet_b0", "efficientnet_v2_b0", "convnext_tiny", "resnet50", "resnet50_v2", "densenet121", "inception_v3",
    "inception_resnet_v2", "xception", "nasnet_mobile", "vgg16",
]  # fmt: skip


def batches(count, size, last=2):
    rng = np.random.default_rng(0)
    sizes = [7] * (count - 1) + [last]
    return [rng.integers(0, 256, (n, size, size, 3), np.uint8) for n in sizes]


@pytest.fixture(scope="module")
def keras_engine(tiny):
    graph = flatten(tiny, input_size=(16, 16), scaling="unit")
    return KerasEngine(graph, [(graph.at(1), "avg+std"), (graph.at(2), "grid2"), (graph.at(3), "none")], 7)


@pytest.fixture(scope="module")
def sound(keras_engine, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound") / "engines" / ONE
    export(keras_engine.model, folder)
    return folder


@pytest.fixture
def exported(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "engines" / ONE)
    return tmp_path / "engines" / ONE


def vectors_of(engine, pixels):
    """Run an engine and put its parts together: an array for each tap."""
    return [np.concatenate(parts) for parts in zip(*engine.run(pixels), strict=True)]


def assert_close(expected, found):
    for one, other in zip(expected, found, strict=True):
        assert one.shape == other.shape
        assert other.dtype == np.float32
        assert np.abs(one - other).max() <= 1e-5 * np.abs(one).max()


def assert_same(expected, found):
    assert all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))


@pytest.mark.skipif(cpu_count() < 2, reason="needs two cores")
@pytest.mark.parametrize("among", ["workers", "containers"])
def test_processes_on_a_machine_take_no_core_from_each_other(keras_engine, exported, among, monkeypatch):
    """Each of two with a thread of its own bound it to the first core, and did half."""
    pixels = batches(3, 16)
    if among == "containers":  # whose quota joblib finds, or takes from here
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    with as_worker(1) if among == "workers" else nullcontext():
        engine = OpenVINOEngine(exported)
    assert engine._model.get_property("INFERENCE_NUM_THREADS") == 1
    assert not engine._model.get_property("ENABLE_CPU_PINNING")
    assert_close(vectors_of(keras_engine, pixels), vectors_of(engine, pixels))


def test_all_threads_compute_a_single_image(keras_engine, exported):
    """It is there sooner than where a thread for each core waits for images of its own; the numbers are Keras'."""
    pixels = batches(3, 16)
    engine = OpenVINOEngine(exported, chunk=1)
    assert "LATENCY" in str(engine._model.get_property("PERFORMANCE_HINT"))
    assert_close(vectors_of(keras_engine, pixels), vectors_of(engine, pixels))


def test_vectors_come_in_order_with_the_numbers_of_keras(keras_engine, exported):
    """More images than run at a time, the last ones not enough for a batch: every vector is that of Keras."""
    pixels = batches(9, 16)
    expected = vectors_of(keras_engine, pixels)
    assert len(expected[0]) == sum(map(len, pixels))
    assert_close(expected, vectors_of(OpenVINOEngine(exported), pixels))


def test_a_vector_does_not_depend_on_its_batch_mates(exported):
    """One image alone, and the same one among others, to the bit."""
    engine = OpenVINOEngine(exported)
    (pixels,) = batches(1, 16, last=4)

    assert_same(vectors_of(engine, [pixels]), vectors_of(engine, pixels[:, None]))
    for row in range(4):
        assert_same(
            [tap[row : row + 1] for tap in vectors_of(engine, [pixels])], vectors_of(engine, [pixels[[row]]])
        )


def test_threads_share_an_engine(exported):
    """Four runs at once give what one gives."""
    engine = OpenVINOEngine(exported)
    pixels = batches(6, 16)
    expected = vectors_of(engine, pixels)

    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: vectors_of(engine, pixels), range(4)):
            assert_same(expected, found)


def test_threads_never_call_openvino_at_once(exported, monkeypatch):
    """Its binding deadlocks in its first calls, in one process of seven, unless they come one by one."""
    import openvino

    engine, pixels, met = OpenVINOEngine(exported), batches(2, 16), []
    meeting, start = threading.Barrier(2), openvino.InferRequest.start_async

    def start_async(*given):
        with suppress(threading.BrokenBarrierError):  # nobody came within a second
            met.append(meeting.wait(timeout=1))
        start(*given)

    monkeypatch.setattr(openvino.InferRequest, "start_async", start_async)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: vectors_of(engine, pixels), range(4)))
    assert not met


def test_an_engine_has_run_before_it_is_shared(exported, monkeypatch):
    """What OpenVINO does once in a process is done by one thread."""
    import openvino

    calls, wait = [], openvino.InferRequest.wait
    monkeypatch.setattr(openvino.InferRequest, "wait", lambda request: calls.append(1) or wait(request))
    OpenVINOEngine(exported)
    assert calls


def test_a_run_that_is_given_up_leaves_the_engine_usable(exported):
    """The consumer stops after one batch, as after an error; the next run is right."""
    engine = OpenVINOEngine(exported)
    pixels = batches(6, 16)
    expected = vectors_of(engine, pixels)
    run = engine.run(pixels[::-1])
    next(run)
    run.close()

    assert_same(expected, vectors_of(engine, pixels))


@pytest.mark.parametrize("name", ["graph.xml", "graph.bin", "sha256"])
def test_a_flipped_bit_is_noticed(exported, name):
    """No damaged graph is run."""
    path = exported / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(ExportError, match=r"does not match its SHA-256|cannot be read"):
        OpenVINOEngine(exported)


def test_an_export_that_fails_leaves_nothing(tmp_path):
    """A layer that OpenVINO does not know: an error that says so, and no file."""
    import keras

    inputs = keras.Input((16, 16, 3), dtype="uint8")
    symbol = keras.ops.fft2((keras.ops.cast(inputs, "float32"), keras.ops.cast(inputs, "float32")))[0]
    model = keras.Model(inputs, keras.ops.max(keras.ops.cumsum(symbol, 1), (1, 2)))

    with pytest.raises(ExportError, match=r"\w+: "):
        export(model, tmp_path / "engines" / ONE)
    assert list((tmp_path / "engines").iterdir()) == []


def test_the_graph_used_longest_ago_makes_room(keras_engine, exported, monkeypatch):
    """All exported graphs together stay within their limit; the newest always stays, and so does what is not ours."""
    folder = exported.parent
    (folder / ".DS_Store").write_bytes(b"a file manager's")
    (folder / "photographs").mkdir()
    (folder / "photographs" / "large.jpg").write_bytes(bytes(1 << 20))
    two, three = "2" * 32, "3" * 32
    shutil.copytree(exported, folder / two)
    for age, name in ((200, ONE), (100, two)):
        os.utime(folder / name / "sha256", (time.time() - age,) * 2)
    OpenVINOEngine(exported)  # is used: the other one is what was used longest ago
    size = sum(file.stat().st_size for file in exported.iterdir())

    monkeypatch.setattr("featx.cache.exports.KEEP", int(2.5 * size))
    export(keras_engine.model, folder / three)
    assert {path.name for path in folder.iterdir()} == {ONE, three, ".DS_Store", "photographs"}


def test_layers_that_would_train_do_not(tmp_path):
    """Keras' export does not say that it does not train, so pictures turned, and BatchNorm took their statistics."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((9, 7, 3), dtype="uint8"),
        keras.layers.RandomFlip(),
        keras.layers.Resizing(11, 11),
        keras.layers.Conv2D(4, 3),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5),
        keras.layers.GlobalMaxPooling2D(),
    ]
    export(keras.Sequential(layers), tmp_path / "graph")  # compares


def test_more_than_ten_taps_come_in_order(tmp_path):
    """TensorFlow gives them in the order of their names: 1, 10, 11, 2."""
    import keras

    pixels = keras.Input((4, 4, 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(pixels)
    export(keras.Model(pixels, [mean + float(tap) for tap in range(12)]), tmp_path / "graph")  # compares


PAIRS = list(combinations(["patches", 1, 2, 3, 4], 2))


@pytest.mark.slow
@pytest.mark.parametrize("size", range(32, 129, 8))
def test_every_pair_of_taps_of_featx_mini_agrees_with_keras(size, tmp_path):
    """At each size, those where the picture is resized for the patches and those with odd maps among them."""
    import keras

    plan = resolve(Choices("featx-mini", input_size=size), Path.read_bytes)
    graph = plan.graph("float32")
    pixels = keras.Input((size, size, 3), dtype="uint8")
    engines = [KerasEngine(graph, [(graph.at(tap), "avg+std") for tap in pair], 2) for pair in PAIRS]
    export(
        keras.Model(pixels, [vectors for engine in engines for vectors in engine.model(pixels)]),
        tmp_path / "graph",
    )


@pytest.mark.slow
@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_agrees_with_keras(name, odd, tmp_path):
    """Float32 engines agree to 1e-5 of the largest number, at every stage of the default embedding, odd sizes too."""
    size = max(64, next(row.min_size for row in backbones() if row.name == name)) + odd
    plan = resolve(Choices(name, weights=None, input_size=size), lambda path: path.read_bytes())
    graph = plan.graph("float32")
    keras_engine = KerasEngine(graph, [(graph.at(tap.layer), tap.pooling) for tap in plan.taps], 7)
    pixels = batches(2, size)
    for weight in (
        keras_engine.model.weights
    ):  # untrained, a deep network's numbers vanish; nearly as He et al. keep them
        if len(weight.shape) == 4:
            inputs = np.prod(weight.shape[:2]) * (1 if weight.shape[3] == 1 else weight.shape[2])
            weight.assign(weight * np.sqrt(1.5 / inputs) / np.std(weight))
    export(keras_engine.model, tmp_path / "graph")

    assert_close(vectors_of(keras_engine, pixels), vectors_of(OpenVINOEngine(tmp_path / "graph"), pixels))
