"""Batches: none is larger than what there is, and none too large for memory; the vectors stay the same."""

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.embedding import engines as running
from featx.embedding.keras_engine import KerasEngine
from featx.embedding.openvino_engine import OpenVINOEngine
from featx.finetuning import FineTuner
from featx.finetuning.loop import scores_of

PIXELS = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3), np.uint8)


@pytest.fixture
def extractor(tiny, tmp_path):
    """Make one that reads the same file, so that its engines are kept."""
    tiny.save(tmp_path / "tiny.keras")
    return FeatureExtractor(
        tmp_path / "tiny.keras", depth=[1, 3], pooling="avg+std", scaling="unit", engine="keras", cache=None
    )


@pytest.fixture
def batches(monkeypatch):
    """Note how many images each batch has, those that fill it up included."""
    sizes, call = [], KerasEngine.__call__

    def noting(engine, pixels):
        sizes.append(engine.batch_size)
        return call(engine, pixels)

    monkeypatch.setattr(KerasEngine, "__call__", noting)
    return sizes


def close(one, other):
    return np.abs(one - other).max() <= 1e-5 * np.abs(other).max()


@pytest.mark.parametrize(
    ("images", "batch_size", "expected"),
    [
        (1, 32, [1]),
        (3, 32, [2, 2]),
        (33, 32, [32, 32]),
        (5, 3, [3, 3]),
        (1, 10**6, [1]),
        (70, 10**6, [64, 64]),
    ],
)
def test_no_batch_is_larger_than_what_there_is(extractor, batches, images, batch_size, expected):
    """One image costs as much as one, whatever `batch_size` is."""
    extractor.set_params(batch_size=batch_size).transform(PIXELS[:images])
    assert batches == expected


def test_no_batch_is_too_large_for_memory(extractor, batches, monkeypatch):
    """A batch_size beyond all bounds is cut to what the network's largest maps allow, and never below 32."""
    for most, expected in ((64, [64, 64]), (1, [32, 32, 32])):
        largest = max(np.prod(tensor.shape) for tensor in extractor.plan().graph("float32").tensors)
        monkeypatch.setattr(running, "BATCH_BYTES", int(most * 4 * largest))
        batches.clear()
        extractor.set_params(batch_size=10**6).transform(PIXELS)
        assert batches == expected


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_vectors_are_the_same_at_every_batch_size(extractor, engine):
    """Alone, among few, among many: to 1e-5 of the largest number, and to the bit at one size."""
    extractor.set_params(engine=engine)
    expected = extractor.transform(PIXELS)
    np.testing.assert_array_equal(extractor.transform(PIXELS[::-1])[::-1], expected)
    for images in (1, 2, 7):
        assert close(extractor.transform(PIXELS[:images]), expected[:images])


def test_one_image_is_one_request_of_openvino(extractor, monkeypatch):
    """No second image is computed beside it."""
    chunks, run = [], OpenVINOEngine.run
    monkeypatch.setattr(
        OpenVINOEngine, "run", lambda engine, parts: chunks.append(engine._chunk) or run(engine, parts)
    )
    extractor.set_params(engine="openvino")
    for images in (1, 2, 1):
        extractor.transform(PIXELS[:images])
    assert chunks == [1, 2, 1]


def test_a_network_is_made_ready_once_for_all_batch_sizes(extractor, monkeypatch):
    """Only the number of images differs between them; each used to be a model of its own."""
    built, init = [], KerasEngine.__init__
    monkeypatch.setattr(
        KerasEngine,
        "__init__",
        lambda engine, *given, **named: built.append(1) or init(engine, *given, **named),
    )
    for images in (70, 1, 3, 20, 1):
        extractor.transform(PIXELS[:images])
    assert len(built) == 1


def test_tuning_fills_no_batch_beyond_what_there_is(tiny):
    """What is kept and what is held out is run in batches of its own number."""
    given = []

    def feed(batches):
        given.extend(map(len, batches))
        return ([np.zeros((len(rows), 4), np.float32)] for rows in batches)

    import keras

    start = keras.Input((4,))
    model = keras.Model([start], keras.layers.Dense(2)(start))
    assert scores_of(model, feed, np.arange(3), 10**6).shape == (3, 2)
    assert given == [3]
    extractor = FeatureExtractor(tiny, depth=3, pooling="avg", scaling="unit", cache=None)
    tuner = FineTuner(extractor, epochs=1, batch_size=10**6, augment=None, stages=1, random_state=0)
    assert tuner.fit(PIXELS[:12], [0, 1] * 6).predict(PIXELS[:2]).shape == (2,)
