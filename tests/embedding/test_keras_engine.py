"""Keras as an engine: blocks of batches, as accelerators get them, give the numbers of single batches."""

from threading import Semaphore

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.embedding import engines as running
from featx.embedding.keras_engine import KerasEngine
from featx.networks.flatten import flatten

PIXELS = np.random.default_rng(0).integers(0, 256, (41, 16, 16, 3), np.uint8)


@pytest.fixture
def engine(tiny):
    """Make an engine with some number of batches of 4 images in a block."""
    graph = flatten(tiny, input_size=(16, 16), scaling="unit")
    taps = [(graph.at(1), "avg+std"), (graph.at(2), "grid2"), (graph.at(3), "none")]
    return lambda batches: KerasEngine(graph, taps, 4, batches)


def embeddings(engine, parts):
    return [np.concatenate(some) for some in zip(*engine.run(parts), strict=True)]


@pytest.mark.parametrize("cuts", [[], [1, 2, 15], [16], [12, 12, 24]], ids=str)
@pytest.mark.parametrize("count", [1, 12, 41])
def test_blocks_give_the_numbers_of_single_batches(engine, cuts, count):
    """Less than a batch, a whole block, several and a rest; however the images come."""
    one_by_one = engine(1)
    expected = [one_by_one(PIXELS[start : min(start + 4, count)]) for start in range(0, count, 4)]
    found = embeddings(engine(3), np.split(PIXELS[:count], cuts))
    for tap, vectors in enumerate(found):
        assert vectors.dtype == np.float32
        np.testing.assert_array_equal(vectors, np.concatenate([batch[tap] for batch in expected]))


def test_no_images_give_no_vectors(engine):
    """As where none of a folder's files can be read."""
    assert list(engine(3).run([])) == []
    assert list(engine(3).run([PIXELS[:0]])) == []


def test_the_next_block_is_gathered_while_one_is_run(engine, monkeypatch):
    """Each block ends only when the one after it has been asked for; no further one is, to bound memory."""
    asked, count, call = Semaphore(0), [], KerasEngine.__call__

    def parts():
        for block in range(4):
            if block:
                asked.release()
            count.append(block)
            yield PIXELS[:12]
        asked.release()

    def waits(self, pixels):
        assert asked.acquire(timeout=600), "nothing was gathered meanwhile"
        return call(self, pixels)

    monkeypatch.setattr(KerasEngine, "__call__", waits)
    assert [len(count) for _ in engine(3).run(parts())] == [2, 3, 4, 4]


def test_an_error_comes_through_and_an_abandoned_run_ends(engine):
    """What the images' source raises is raised, after the vectors of blocks before it."""

    def broken():
        yield PIXELS[:24]
        raise OSError("the disk is gone")

    run = engine(3).run(broken())
    assert len(next(run)[0]) == 12
    with pytest.raises(OSError, match="the disk is gone"):
        next(run)

    left = engine(3).run(iter([PIXELS]))
    next(left)
    left.close()
    assert len(embeddings(engine(3), [PIXELS])[0]) == 41


def test_on_an_accelerator_images_go_in_blocks(tiny, tmp_path, monkeypatch):
    """The extractor's numbers are the same, with duplicates and a file that is no image among them."""
    tiny.save(tmp_path / "tiny.keras")
    extractor = FeatureExtractor(
        tmp_path / "tiny.keras", depth=[1, 3], pooling="none", scaling="unit", batch_size=4, engine="keras", cache=None,
    )  # fmt: skip
    images = [*PIXELS, *PIXELS[5:9], str(tmp_path / "tiny.keras")]
    expected = extractor.set_params(on_error="nan").transform(images)

    monkeypatch.setattr(running, "accelerated", lambda: True)
    each = 16 * 16 * 3 + 4 * (8 * 8 * 4 + 2 * 2 * 8)  # bytes of its pixels and of its vectors
    monkeypatch.setattr(running, "BLOCK_BYTES", 3 * 4 * each)
    used, run = [], KerasEngine.run
    monkeypatch.setattr(
        KerasEngine, "run", lambda engine, parts: used.append(engine.batches) or run(engine, parts)
    )
    found = extractor.transform(images)
    assert used == [3]
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found[-1]).all()
    assert not np.isnan(found[:-1]).any()
