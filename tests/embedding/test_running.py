"""Images are embedded by the workers that joblib's user has named, where these are processes: network and all."""

import numpy as np
import pytest
from joblib import parallel_config

from featx import EmbeddingCache, FeatureExtractor
from featx.embedding import passes, running
from featx.embedding.embed import embed_there
from featx.embedding.running import LARGEST, SMALLEST, _chunks
from featx.errors import ImageError, InputError
from featx.images import synthetic


@pytest.mark.parametrize(("images", "count"), [(1, 4), (40, 2), (1000, 2), (10**5, 64)])
def test_chunks_hold_each_image_once_and_get_smaller(images, count):
    """None is larger than the next one is small: the workers end together."""
    sizes = [chunk.stop - chunk.start for chunk in _chunks(images, count)]

    assert sum(sizes) == images
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) <= LARGEST
    assert all(size >= SMALLEST for size in sizes[:-1])


@pytest.fixture(scope="module")
def pictures():
    """Draw forty pictures, more than are left to this process."""
    return list(synthetic(n=40, size=32, random_state=0)[0])


def extractor(**choices):
    return FeatureExtractor(**{"depth": [1, 2], "pooling": "avg", "input_size": 32, **choices})


def refuse(*_, **__):
    message = "the network ran in this process"
    raise AssertionError(message)


def test_processes_embed_what_this_one_embeds(pictures, monkeypatch):
    """None of it here; what they compute is kept here, each image once, and a bad one is named by its row."""
    expected = extractor(engine="openvino", cache="reference").transform(pictures)
    cache = EmbeddingCache()
    monkeypatch.setattr(passes, "engine_for", refuse)
    images = [*pictures[:7], b"no image", *pictures[7:], pictures[0]]
    with (
        parallel_config(backend="loky", n_jobs=2),
        pytest.raises(ImageError, match="image 7: not an image"),
    ):
        extractor(engine="openvino", cache=cache).transform(images)
    found = extractor(cache=cache).transform(pictures)

    # not to the bit: a worker of an earlier test keeps its graphs elsewhere, and exports one of its own
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()
    assert [row.rows for row in cache.info()] == [40, 40]


def test_a_keras_model_and_a_few_images_stay_here(tiny, pictures, monkeypatch):
    """A model would travel with each chunk, and for a few images workers would take longer to start."""
    monkeypatch.setattr(running, "run_in_workers", refuse)
    with parallel_config(backend="loky", n_jobs=2):
        assert FeatureExtractor(tiny, scaling="unit", cache=None).transform(pictures).shape[0] == 40
        assert extractor(cache=None).transform(pictures[:32]).shape[0] == 32


def test_a_worker_that_would_compute_other_numbers_is_refused(pictures):
    """As where another version of featx, or other weights, are installed there."""
    deeper, recipes = extractor(depth=3), [tap.recipe_id for tap in extractor(depth=2).plan().taps]
    work = running.Work("squash", 32, "auto", 40, None)

    with pytest.raises(InputError, match="A worker would compute other numbers for 'featx-mini'"):
        embed_there(deeper, work, recipes, [(pictures[0], bytes(16), None)])
