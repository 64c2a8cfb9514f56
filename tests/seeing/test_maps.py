"""The strongest maps of each stage: those of the network itself, in order of strength, drawn for people."""

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.images import synthetic
from featx.seeing import strongest_maps

IMAGE = synthetic(n=1, size=96, random_state=3)[0][0]


@pytest.fixture
def shown(tiny):
    return FeatureExtractor(tiny, scaling="unit", input_size=16, cache=None)


def test_every_stage_is_shown_unless_depths_are_given(shown):
    """A backbone's name or an extractor; layers, too."""
    assert [one.depth for one in strongest_maps(IMAGE, shown).depths] == [1, 2, 3]
    assert [one.depth for one in strongest_maps(IMAGE, "featx-mini").depths] == [1, 2, 3, 4]
    (only,) = strongest_maps(IMAGE, shown.with_choices(depth="two")).depths
    assert (only.depth, only.layer, only.width, only.maps.shape) == ("two", "two", 6, (6, 4, 4))


def test_maps_are_those_that_embeddings_are_made_of(shown):
    """Their means are the columns of the extractor's own embedding."""
    one = shown.with_choices(depth=2, pooling="avg")
    (found,) = strongest_maps(IMAGE, one, count=3).depths
    np.testing.assert_allclose(
        found.maps.mean(axis=(1, 2)), one.transform([IMAGE])[0, found.channels], rtol=1e-5
    )


def test_the_strongest_come_first(shown):
    """By the mean of absolute values, over all maps of the depth."""
    (every,) = strongest_maps(IMAGE, shown.with_choices(depth=3)).depths
    strengths = np.abs(every.maps).mean(axis=(1, 2))
    assert sorted(every.channels) == list(range(8))
    assert (np.diff(strengths) <= 0).all()
    np.testing.assert_allclose(every.strengths, strengths, rtol=1e-5)


def test_a_negative_map_is_strong():
    """What a stage says without a ReLU counts by its size."""
    import keras

    bare = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1, name="only")], name="bare")
    bare.layers[0].set_weights([np.array([[[[1, -2], [0, 0], [0, 0]]]], np.float32), np.zeros(2, np.float32)])
    (found,) = strongest_maps(
        np.full((8, 8, 3), 9, np.uint8), FeatureExtractor(bare, scaling="none", cache=None)
    ).depths
    assert found.channels.tolist() == [1, 0]
    assert found.maps[:, 0, 0].tolist() == [-18, 9]


def test_the_picture_has_a_row_for_each_depth(shown):
    """Of one width, higher with each row, and with something in it."""
    two, three = (
        strongest_maps(IMAGE, shown.with_choices(depth=depth)).picture() for depth in ([1, 2], [1, 2, 3])
    )
    assert three.height > two.height
    assert three.width >= two.width > 400
    assert len(three.getcolors(1 << 20)) > 100
