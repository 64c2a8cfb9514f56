"""The images that come without a download: what they hold, and that they are the same everywhere."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier

from featx.errors import InputError
from featx.images import load_folder
from featx.images.datasets import SHAPES, digits, photographs, synthetic, write_folder, write_photographs


def test_digits_are_scikit_learns_in_eight_bits():
    """The 17 greys of the original are spread over 0 to 255, and none is lost."""
    images, labels = digits()
    original = load_digits()
    np.testing.assert_array_equal(np.rint(images / 255 * 16), original.images)
    np.testing.assert_array_equal(labels, original.target)
    assert (images.dtype, images.min(), images.max()) == (np.uint8, 0, 255)


def test_photographs_are_two_in_colour():
    """A temple and a flower, both uint8 RGB."""
    images, labels = photographs()
    assert (images.shape, images.dtype, labels.tolist()) == ((2, 427, 640, 3), np.uint8, ["china", "flower"])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 20), st.integers(0, 5), st.integers(1, 8), st.integers(8, 24), st.integers(0, 99))
def test_synthetic_images_depend_on_their_seed_and_row_only(n, more, classes, size, seed):
    """The same call gives the same images, and asking for more gives the same ones first."""
    images, labels = synthetic(n, classes, size, seed)
    longer, longer_labels = synthetic(n + more, classes, size, seed)
    np.testing.assert_array_equal(longer[:n], images)
    np.testing.assert_array_equal(longer_labels[:n], labels)
    assert (images.shape, images.dtype) == ((n, size, size, 3), np.uint8)
    assert len(set(labels)) == min(n, classes)


def test_other_seeds_draw_other_images():
    """No two images are equal, within a seed and between seeds."""
    images = np.concatenate([synthetic(20, random_state=seed)[0] for seed in (0, 1)])
    assert len(np.unique(images.reshape(40, -1), axis=0)) == 40


def test_synthetic_shapes_can_be_learned_but_not_from_pixels():
    """Shapes lie anywhere, so that single pixels tell far less of them than the spectrum does."""
    images, labels = synthetic(480, classes=len(SHAPES), size=32)
    grey = images.mean(axis=3)
    spectrum = np.log1p(np.abs(np.fft.rfft2(grey - grey.mean(axis=(1, 2), keepdims=True))))
    pixels, edges = (
        RidgeClassifier(alpha=100).fit(X[:360], labels[:360]).score(X[360:], labels[360:])
        for X in (grey.reshape(480, -1), spectrum.reshape(480, -1))
    )
    assert edges > 0.7 > pixels


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"classes": 9}, "classes=9, but there are 8 shapes: disc, square"),
        ({"classes": 0}, "classes=0, but there are 8 shapes"),
        ({"size": 7}, "size=7 is too small"),
    ],
)
def test_impossible_drawings_are_refused(arguments, reason):
    """The message says how many shapes there are, and how small an image may be."""
    with pytest.raises(InputError, match=reason):
        synthetic(**arguments)


@pytest.mark.parametrize("channels", [(), (3,), (4,)], ids=["grey", "rgb", "rgba"])
def test_a_written_folder_holds_every_pixel(channels, tmp_path):
    """What write_folder writes, load_folder lists, label by label, and the files hold the images."""
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 4, *channels), dtype=np.uint8)
    labels = [2, 1, 2, 1, 2, 2]
    table = load_folder(write_folder(images, labels, tmp_path / "new" / "folder"))
    assert table.labels.tolist() == ["1", "1", "2", "2", "2", "2"]
    for path, row in zip(table.paths, [1, 3, 0, 2, 4, 5], strict=True):
        assert path.endswith(f"{row:04}.png")
        np.testing.assert_array_equal(np.asarray(Image.open(path)), images[row])


@pytest.mark.parametrize("label", ["", ".", "..", ".hidden", "a/b", "/etc"])
def test_labels_that_lead_elsewhere_are_refused(label, tmp_path):
    """A label names one folder that is seen, inside the one given, and nothing is written otherwise."""
    with pytest.raises(InputError, match="cannot be the name of a folder"):
        write_folder([np.zeros((2, 2), np.uint8)] * 2, ["good", label], tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_folder_with_files_is_not_written_into(tmp_path):
    """Old images never mix with new ones."""
    (tmp_path / "old.png").touch()
    with pytest.raises(InputError, match=r"is not empty. Give a new folder"):
        write_folder(*synthetic(2), tmp_path)


def test_every_image_needs_a_label(tmp_path):
    """Two images and one label are refused."""
    with pytest.raises(InputError, match="2 images, but 1 labels"):
        write_folder(synthetic(2)[0], ["disc"], tmp_path)


def test_written_photographs_are_all_different_files(tmp_path):
    """Of the size that was asked for, as heavy as a camera's, the same again for the same seed, never two alike."""
    paths = write_photographs(tmp_path / "one", 35)
    files = [Path(path).read_bytes() for path in paths]
    again = [Path(path).read_bytes() for path in write_photographs(tmp_path / "two", 3)]
    other = [Path(path).read_bytes() for path in write_photographs(tmp_path / "three", 3, random_state=1)]

    first, repeated = (np.asarray(Image.open(BytesIO(files[row]))) for row in (1, 33))
    assert first.shape == (375, 500, 3)
    np.testing.assert_array_equal(repeated, first)
    assert 60_000 < np.mean([len(file) for file in files]) < 100_000
    assert again == files[:3]
    assert len({*files, *other}) == 38
