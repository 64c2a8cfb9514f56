"""Images as people have them: every form is understood and checked, and none is changed."""

import os
import threading
from collections import UserList, deque
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from sklearn.datasets import load_digits

from featx.embedding import FeatureExtractor
from featx.errors import ImageError, InputError
from featx.images import ImageTable
from featx.images.decoding import decode
from featx.images.resizing import to_size
from featx.images.sources import as_sources, content

PATHS = ["b.png", "a.png", "deep/ü.jpg"]
FILES = [b"\x89PNG one\0", b"two\0\0", b""]
COLUMNS = {
    "list": list,
    "tuple": tuple,
    "numpy objects": lambda values: np.array(values, dtype=object),
    "numpy column": lambda values: np.array(values, dtype=object).reshape(-1, 1),
    "pandas Series": pd.Series,
    "pandas shuffled index": lambda values: pd.Series(values, index=[7, 3, 5]),
    "pandas DataFrame": lambda values: pd.DataFrame({"path": values}),
    "pandas category": lambda values: pd.Series(values, dtype="category"),
    "polars Series": pl.Series,
    "polars DataFrame": lambda values: pl.DataFrame({"path": values}),
    "pyarrow Array": pa.array,
    "pyarrow ChunkedArray": lambda values: pa.chunked_array([values[:1], values[1:]]),
    "pyarrow Table": lambda values: pa.table({"path": values}),
}


def same(left, right):
    """Compare two lists of sources."""
    return len(left) == len(right) and all(
        type(a) is type(b) and (np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b)
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("values", [PATHS, FILES], ids=["paths", "bytes"])
@pytest.mark.parametrize("column", COLUMNS)
def test_every_kind_of_column_gives_the_same_sources(column, values):
    """A path is a str and a file is bytes, in their order, whatever library holds the column."""
    assert same(as_sources(COLUMNS[column](values)), values)


def test_numpy_strings_and_path_objects_become_str():
    """Paths of other types are plain str afterwards, which any process can read."""
    for given_as in (np.array(PATHS), [np.str_(path) for path in PATHS], [Path(path) for path in PATHS]):
        assert same(as_sources(given_as), PATHS)


def test_numpys_bytes_keep_their_zeros():
    """A list of numpy's own bytes is a list of files, not an array that cuts off zeros."""
    assert same(as_sources([np.bytes_(file) for file in FILES]), FILES)


def test_a_list_may_mix_paths_bytes_pictures_and_arrays():
    """Each item of a list is understood for itself."""
    grey = np.zeros((2, 3), dtype=np.uint8)
    red = Image.new("RGB", (1, 1), "red")
    expected = ["a.png", b"two", np.array([[[255, 0, 0]]], dtype=np.uint8), grey]
    assert same(as_sources(["a.png", bytearray(b"two"), red, grey]), expected)


def test_pillow_images_are_turned_upright():
    """An image opened by Pillow is read like its file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.array([[1, 2]], dtype=np.uint8))
    image.getexif().update(exif)
    assert as_sources([image])[0][..., 0].tolist() == [[1], [2]]


SIDES = st.integers(1, 5)
BATCHES = hnp.arrays(
    "uint8",
    st.tuples(SIDES, SIDES, st.integers(5, 7)) | st.tuples(SIDES, SIDES, SIDES, st.sampled_from([1, 3, 4])),
)


@given(BATCHES)
def test_a_batch_and_a_list_of_its_images_are_the_same(batch):
    """One array, a list of arrays, nested lists and a fractional copy give equal sources."""
    expected = list(batch)
    assert same(as_sources(batch), expected)
    assert same(as_sources(list(batch)), expected)
    assert same(as_sources(batch.tolist()), expected)
    assert same(as_sources(batch / 255, value_range=(0, 1)), expected)
    assert same(as_sources(np.asfortranarray(batch)), expected)


@given(BATCHES)
def test_rows_of_numbers_are_images_when_their_shape_is_given(batch):
    """image_shape undoes a flattening, with or without a -1, in arrays, objects, lists and frames."""
    flat = batch.reshape(len(batch), -1)
    for rows in (
        flat,
        flat.astype(object),
        flat.tolist(),
        list(flat),
        pd.DataFrame(flat),
        pl.DataFrame(flat),
    ):
        assert same(as_sources(rows, image_shape=batch.shape[1:]), list(batch))
        assert same(as_sources(rows, image_shape=(-1, *batch.shape[2:])), list(batch))


def test_digits_are_read_with_their_shape_and_range():
    """scikit-learn's digits, rows of 64 fractions from 0 to 16, become the images they are."""
    digits = load_digits()
    sources = as_sources(digits.data[:50], image_shape=(8, 8), value_range=(0, 16))
    np.testing.assert_array_equal(sources, np.rint(digits.images[:50] * 255 / 16))


def test_images_of_different_sizes_stay_different():
    """A list of arrays is no batch, and need not be one."""
    images = [np.zeros(shape, dtype=np.uint8) for shape in [(2, 3), (4, 1), (5, 6, 3), (1, 1, 4), (3, 3, 1)]]
    assert same(as_sources(images), images)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64", "float16", "float32", "float64"])
def test_whole_numbers_of_every_type_are_pixels(dtype):
    """0 to 255 mean the same in every type."""
    image = np.arange(0, 256, 51, dtype=dtype).reshape(1, 2, 3)
    assert as_sources(image, image_shape=(2, 3))[0].tolist() == [[0, 51, 102], [153, 204, 255]]


def test_bool_is_black_and_white():
    """True is white, without a value_range."""
    assert as_sources([np.array([[True, False]])])[0].tolist() == [[255, 0]]


@pytest.mark.parametrize("kind", ["uint8", "float64", "bool", "rows", "pillow"])
def test_the_input_is_never_modified(kind):
    """What was given is as it was, down to the last byte, though it is read-only."""
    numbers = np.random.default_rng(0).integers(0, 2, (3, 4, 5))
    X = numbers.astype("float64" if kind == "rows" else "uint8" if kind == "pillow" else kind) * 2 + 0
    if kind == "pillow":
        X = [Image.fromarray(image) for image in X]
        as_sources(X)
        np.testing.assert_array_equal([np.asarray(image) for image in X], numbers * 2)
        return
    X.flags.writeable = False
    before = X.tobytes()
    for source in as_sources(X, image_shape=(4, 5)):
        to_size(source, (2, 2), "pad")
    assert X.tobytes() == before


@pytest.mark.parametrize(
    ("X", "reason"),
    [
        ("cat.jpg", "X is a single str, not several images: wrap it in a list"),
        (b"\xff\xd8", "X is a single bytes, .*: wrap it in a list"),
        (Image.new("L", (1, 1)), "X is a single Image, .*: wrap it in a list"),
        (np.zeros((4, 4, 3)), r"\(4, 4, 3\) looks like a single image: wrap .* image_shape=\(4, 3\)"),
        (np.zeros((4, 4)), r"each row is an image of 4 numbers, .*image_shape=\(28, 28\).* wrap it in a"),
        (np.zeros(4), r"X of shape \(4,\) holds no images. Reshape your data to"),
        (np.float64(3), r"X of shape \(\) holds no images"),
        ([1, 2, 3], r"X of shape \(3,\) holds no images"),
        ([], r"X is empty: 0 sample\(s\)"),
        (pd.DataFrame({"path": []}), r"0 sample\(s\)"),
        (np.zeros((2, 0)), r"0 feature\(s\) \(shape=\(2, 0\)\) while a minimum of 1 is required"),
        (None, "X is a NoneType, not a list"),
        (ImageTable(np.array(["a.png"], object), None, (), {}), "ImageTable, not .* Pass its .paths"),
        ([[1, 2], [3]], "rows of different lengths"),
        (pd.DataFrame({"path": ["a"], "label": ["b"]}), r"\(1, 2\) is not one column: pass"),
        (np.array([b"one\0"]), "fixed-width bytes, which lose zeros"),
        (np.zeros((1, 5, 5), complex), "Complex data not supported"),
        (np.zeros((1, 5, 5), "datetime64[s]"), "dtype datetime64.*pixels are numbers"),
        (["a.png", None], "image 1 is None, not a path"),
        (pd.Series(["a.png", None]), "image 1 is nan, not a path"),
        ([np.zeros((2, 2, 2))], r"image 0 has shape \(2, 2, 2\), not \(h, w\) or"),
        ([np.zeros((0, 2))], r"image 0 has shape \(0, 2\)"),
        ([np.zeros((2, 2), complex)], "image 0 has dtype complex128"),
    ],
)  # fmt: skip
def test_what_is_no_batch_of_images_is_refused(X, reason):
    """The message says what was given and what to do."""
    with pytest.raises(InputError, match=reason):
        as_sources(X)


def test_sparse_matrices_are_refused():
    """A sparse matrix is told to become dense."""
    from scipy.sparse import csr_array

    with pytest.raises(InputError, match=r"sparse matrix, but images are dense: pass X.toarray\(\)"):
        as_sources(csr_array(np.eye(3)), image_shape=(1, -1))


@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2), (-1, -1), "8x8", (0, -1)])
def test_an_image_shape_that_does_not_fit_is_refused(shape):
    """Eight numbers are no image of these shapes."""
    with pytest.raises(InputError, match=r"image 0 .*(does not fit image_shape|has shape)"):
        as_sources(np.zeros((2, 8)), image_shape=shape)


@pytest.mark.parametrize(
    ("values", "value_range", "reason"),
    [
        ([0, np.nan], (0, 255), r"Input X contains NaN\.$"),
        ([0, np.inf], (0, 255), r"Input X contains infinity \(inf\)\.$"),
        ([-np.inf, 0], (0, 255), "Input X contains infinity"),
        ([0, 0.5], (0, 255), r"fractions from 0 to 0.5, .* black. Pass value_range=\(0, 1\)\."),
        ([0, 1.0], (0, 255), r"Pass value_range=\(0, 1\)"),
        (
            [-1, 1.0],
            (0, 255),
            r"has values from -1 to 1, outside value_range=\(0, 255\). Pass value_range=\(-1, 1\)",
        ),
        ([0, 4095], (0, 255), r"outside value_range=\(0, 255\). Pass value_range=\(0, 65535\)"),
        ([0, 200], (0, 1), r"Pass value_range=\(0, 255\)"),
        ([-7, 300.5], (0, 255), r"Pass value_range=\(-7, 300.5\)"),
    ],
    ids=str,
)
def test_numbers_outside_their_range_are_refused(values, value_range, reason):
    """Nothing is clipped, and nothing turns black: the message names the numbers and the range to pass."""
    array = np.array(values)
    for X in (array.reshape(1, 1, 2), [np.zeros((2, 2)), array.reshape(1, 2)]):
        with pytest.raises(InputError, match=reason):
            as_sources(X, value_range=value_range)


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, np.inf), (np.nan, 1)])
def test_a_range_needs_two_ends(value_range):
    """A range that is empty, reversed or endless is refused."""
    with pytest.raises(InputError, match="is not a range"):
        as_sources(np.zeros((1, 2, 5)), value_range=value_range)


def test_a_black_image_is_no_fault():
    """All zeros are black in every range."""
    assert not np.any(as_sources(np.zeros((1, 2, 5))))


def test_damaged_pillow_images_are_bad_images_like_files(tmp_path, tiny, pixels):
    """Both are named, and the others are embedded; Pillow fails only when the pixels are asked for."""
    path = tmp_path / "a.png"
    Image.effect_noise((50, 50), 99).save(path)
    path.write_bytes(path.read_bytes()[:500])
    with Image.open(path) as cut:
        X = [Image.fromarray(pixels[0]), cut, Image.fromarray(pixels[1]), Image.new("RGB", (0, 5))]
        extractor = FeatureExtractor(
            tiny, depth=-1, pooling="avg", scaling="unit", cache=None, on_error="nan"
        )
        vectors = extractor.transform(X)
        assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False, True]
        with pytest.raises(
            ImageError, match=r"(?s)2 images .*image 1: the image ends too.*image 3: has no pixels"
        ):
            extractor.set_params(on_error="raise").transform(X)


@pytest.mark.parametrize("how", ["with", "close", "file", "loaded"])
def test_a_closed_pillow_image_says_so(how, tmp_path):
    """However it was closed; one that was loaded before is read."""
    path = tmp_path / "a.png"
    Image.new("RGB", (3, 3), "red").save(path)
    with path.open("rb") as file:
        image = Image.open(file if how == "file" else path)
        if how == "close":
            image.close()
        elif how == "loaded":
            image.load()
    if how in {"with", "loaded"}:
        with image:
            pass
    [source] = as_sources([image])
    if how == "loaded":
        assert content(source)[0, 0].tolist() == [255, 0, 0]
    else:
        with pytest.raises(
            InputError, match=r"^its file was closed before .* call its \.load\(\) while .* pass the path$"
        ):
            content(source)


CELLS = [{"bytes": b"one", "path": None}, {"bytes": None, "path": "a.png"}, {"bytes": b"", "path": "b.png"}]


@pytest.mark.parametrize("column", sorted(COLUMNS.keys() - {"pandas category", "pyarrow ChunkedArray"}))
def test_hugging_faces_cells_are_their_bytes_or_their_path(column):
    """Whatever holds them."""
    assert same(as_sources(COLUMNS[column](CELLS)), [b"one", "a.png", b""])


def test_a_cell_with_neither_is_a_bad_image():
    """It has its row, and its reason."""
    [_, source] = as_sources([*CELLS[:1], {"bytes": None, "path": None}])
    with pytest.raises(InputError, match=r"^has neither bytes nor a path$"):
        content(source)


class Rows:
    """A data set as torch wants it: a length, and an item for each row."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        return self.rows[row]


@pytest.mark.parametrize("kind", [deque, UserList, Rows])
def test_what_has_a_length_and_items_is_a_list(kind):
    """Sequences of any library."""
    assert same(as_sources(kind(PATHS)), PATHS)
    assert same(as_sources(kind([Image.new("L", (1, 1))])), [np.zeros((1, 1, 3), np.uint8)])


class Reading:
    """A torch-style data set, which reads a file for each item, and notes which."""

    def __init__(self, item):
        self.item, self.read = item, []

    def __len__(self):
        return 5

    def __getitem__(self, row):
        self.read.append(row)
        return self.item


RED = np.full((2, 2, 3), [255, 0, 0], np.uint8)


def test_a_data_set_is_read_once():
    """Each item of it, in order; so is a part of one, as torch's `random_split` gives it."""
    whole = Reading(RED)
    part = Rows([whole[0], whole[1]])
    part.dataset = whole
    whole.read.clear()

    assert same(as_sources(whole), [RED] * 5)
    assert whole.read == [0, 1, 2, 3, 4]
    assert same(as_sources(part), [RED] * 2)


@pytest.mark.parametrize("item", [(RED, 0), {"image": RED, "label": 0}, RED.transpose(2, 0, 1)])
def test_what_cannot_be_used_of_a_data_set_is_found_at_its_first_item(item):
    """Before a hundred thousand files are read."""
    images = Reading(item)
    with pytest.raises(InputError, match=r"for (item|image) in X"):
        as_sources(images)
    assert images.read == [0]


def test_files_in_memory_are_their_bytes():
    """Wherever they were read to."""
    file = BytesIO(b"one")
    file.read(2)
    assert same(as_sources([file]), [b"one"])
    assert file.tell() == 2


def test_hugging_faces_columns_are_read():
    """Decoded or not."""
    datasets = pytest.importorskip("datasets")
    file = BytesIO()
    Image.new("RGB", (2, 2), "red").save(file, "PNG")
    table = datasets.Dataset.from_dict({"image": [file.getvalue()] * 2}).cast_column(
        "image", datasets.Image()
    )
    red = np.full((2, 2, 3), [255, 0, 0], np.uint8)
    assert same(as_sources(table["image"]), [red] * 2)
    bare = table.cast_column("image", datasets.Image(decode=False))["image"]
    assert same(as_sources(bare), [file.getvalue()] * 2)


def test_content_is_the_files_bytes_the_bytes_or_the_array(tmp_path):
    """What gives an image its identity is read, not decoded."""
    path, array = tmp_path / "no image.txt", np.zeros((2, 2), dtype=np.uint8)
    path.write_bytes(b"anything")
    assert (content(str(path)), content(b"some")) == (b"anything", b"some")
    assert content(array) is array


def test_content_says_why_a_file_cannot_be_read(tmp_path):
    """A missing file, a folder, a pipe and an impossible name each have their reason; none waits for ever."""
    os.mkfifo(tmp_path / "pipe")
    for name, reason in [
        ("missing.png", "^there is no such file$"),
        ("", "^is a folder, not an image$"),
        ("pipe", "^is a pipe or a device, not a file$"),
        ("missing.png/inside.png", "^there is no such file$"),
        ("zero\0byte", r"^cannot be read \(.*null"),
        ("long" * 999, r"^cannot be read \(File name too long\)$"),
    ]:
        with pytest.raises(InputError, match=reason):
            content(f"{tmp_path}/{name}")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read every file"
)
def test_content_says_that_a_file_is_forbidden(tmp_path):
    """A file without permission says so."""
    path = tmp_path / "secret.png"
    path.touch(mode=0)
    with pytest.raises(InputError, match="Permission denied"):
        content(str(path))


def test_a_wrong_ending_does_not_matter(tmp_path):
    """A GIF, and a PNG, named .jpg are read as what they are."""
    picture = np.full((4, 6, 3), 200, dtype=np.uint8)
    for form in ("GIF", "PNG"):
        Image.fromarray(picture).save(tmp_path / "a.jpg", form)
        np.testing.assert_array_equal(decode(content(str(tmp_path / "a.jpg"))), picture)


def test_one_file_read_by_eight_threads_is_one_image(files, pixels):
    """Reading, decoding and resizing share nothing between threads."""
    results = {}

    def work(thread):
        results[thread] = [to_size(content(path), (7, 5), "crop") for path in files]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [to_size(image, (7, 5), "crop") for image in pixels]
    assert len(results) == 8
    assert all(same(result, expected) for result in results.values())
