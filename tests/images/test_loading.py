"""Images read in parallel: in order, never far ahead of whoever takes them, and each bad one with its reason."""

import threading

import numpy as np
import pytest

from featx.images.loading import AHEAD, bad_image, in_parts, load, spread
from featx.images.resizing import to_size


@pytest.mark.parametrize("n_jobs", [1, 2, 3, -1, None])
def test_results_come_in_the_order_of_the_items(n_jobs):
    """As from map, for any number of workers, more items than are taken at a time, one, and none."""
    for count in (0, 1, 2 * 3 * AHEAD + 1):
        assert list(spread(str, range(count), n_jobs)) == [str(item) for item in range(count)]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_slow_consumer_is_never_left_behind(n_jobs):
    """Of a thousand items only a few are called before the first result is taken, and none once nobody takes any."""
    called = []
    results = spread(called.append, range(1000), n_jobs)
    for taken in range(1, 101):
        next(results)
        assert len(called) <= taken + AHEAD * n_jobs
    results.close()
    assert len(called) <= 100 + AHEAD * n_jobs


@pytest.mark.parametrize("n_jobs", [2, None])
def test_a_single_item_is_done_by_whoever_asks(n_jobs):
    """Workers are not started for it: that takes longer than to read a photograph."""
    assert list(spread(lambda _: threading.get_ident(), [0], n_jobs)) == [threading.get_ident()]
    assert threading.get_ident() not in set(spread(lambda _: threading.get_ident(), [0, 1], n_jobs))


def test_an_error_comes_to_whoever_takes_the_result():
    """The first item that fails ends it, with its own error."""
    results = spread(lambda item: 1 / (item - 5), range(100), 2)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        list(results)


def test_every_image_of_a_part_is_read_and_a_bad_one_has_its_reason(pixels, files):
    """Parts come in their order, of one size; what cannot be read is black, with why, and stops nobody else."""
    sources = [*files[:3], "nowhere.png", b"no image", pixels[5], *files[6:]]
    parts = list(load(in_parts(sources), (10, 12), "pad", n_jobs=2))

    assert [part.shape for part, _ in parts] == [(8, 10, 12, 3), (len(sources) - 8, 10, 12, 3)]
    for position, image in ((0, pixels[0]), (5, pixels[5]), (7, pixels[7])):
        np.testing.assert_array_equal(parts[0][0][position], to_size(image, (10, 12), "pad"))
    assert not parts[0][0][[3, 4]].any()
    assert set(parts[0][1]) == {3, 4}
    assert parts[0][1][3] == "there is no such file"
    assert parts[1][1] == {}


def test_a_bad_image_is_named_by_its_path_or_its_row():
    """Whatever loop met it."""
    assert bad_image(np.int64(3), "a.jpg", "why") == (3, "a.jpg", "why")
    assert bad_image(3, b"...", "why").name == "image 3"
