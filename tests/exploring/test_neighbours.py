"""The most alike images are found exactly, and never the image itself."""

import numpy as np
import pytest

from featx.errors import InputError
from featx.exploring import similar

POINTS = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32) + 5


def test_they_are_those_of_a_full_comparison():
    """By the cosine about the mean of all."""
    queries = np.random.default_rng(1).normal(size=(7, 16)).astype(np.float32) + 5
    found = similar(POINTS, queries, 5)
    one, other = queries - POINTS.mean(axis=0), POINTS - POINTS.mean(axis=0)
    cosines = (one @ other.T) / np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))

    assert found.rows.tolist() == np.argsort(-cosines, axis=1)[:, :5].tolist()
    np.testing.assert_allclose(found.cosines, -np.sort(-cosines, axis=1)[:, :5], atol=1e-5)


def test_the_image_itself_is_left_out_and_its_copy_is_not():
    """One query among the images, which is there twice, and one that is not."""
    points = np.concatenate([POINTS, POINTS[3:4]])
    found = similar(points, points[[3, 8]], 3, own=[3, -1])

    assert found.rows[0, 0] == 200
    assert 3 not in found.rows[0]
    assert found.rows[1, 0] == 8
    np.testing.assert_allclose(found.cosines[:, 0], 1, atol=1e-5)


def test_where_there_are_fewer_they_are_all_given():
    assert similar(POINTS[:4], POINTS[:2], 9).rows.shape == (2, 4)
    assert similar(POINTS[:4], POINTS[:2], 9, own=[0, -1]).rows.shape == (2, 3)


NAN = np.full((2, 16), np.nan)
MESSAGES = {
    "another width": (
        lambda: similar(POINTS, POINTS[:, :4]),
        "embeddings have the shape (200, 16) and queries (200, 4); (n, d) and (q, d) were expected.",
    ),
    "one image": (
        lambda: similar(POINTS[:1], POINTS),
        "There is nothing to choose from among 1 images. Give two or more.",
    ),
    "images that could not be read": (
        lambda: similar(POINTS, NAN),
        "2 embeddings are NaN, of images that could not be read; leave them out.",
    ),
    "none": (lambda: similar(POINTS, POINTS, 0), "count=0: give a whole number of images, 1 or more."),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    call, message = MESSAGES[mistake]
    says(call, InputError, message)
