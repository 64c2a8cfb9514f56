"""What a person reads when the images cannot be used: the whole message, for each mistake."""

import tarfile
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from fsspec import filesystem
from PIL import Image

from featx.errors import InputError
from featx.images import as_sources, load_folder, load_table, load_tars

IMAGE = Image.new("RGB", (2, 2))


def given(X, message, **choices):
    return lambda: as_sources(X, **choices), InputError, message


def listed(name, text, message, **choices):
    """Write a table, and the image ``photos/dog.JPG`` beside it, into the working folder; list it."""

    def call():
        Path("photos").mkdir(exist_ok=True)
        Path("photos/dog.JPG").touch()
        Path(name).write_bytes(text)
        load_table(name, **choices)

    return call, InputError, message


def framed(columns, message, **choices):
    return lambda: load_table(pd.DataFrame(columns), missing="keep", **choices), InputError, message


LISTING = load_table(pd.DataFrame({"path": ["a.png", "b.png"]}), missing="keep")


class Folder(list):
    """A data set of torchvision's `ImageFolder`, as far as it is looked at; each item reads a file."""

    samples = [("a.png", 0)]  # noqa: RUF012 - as it is there
    targets = [0]  # noqa: RUF012


class IterableColumn:
    """A column of a stream of Hugging Face."""

    def __iter__(self):
        return iter([IMAGE])


class Lazy:
    """A TensorFlow data set, as far as it is looked at."""

    as_numpy_iterator = None


NORMALISED = np.linspace(-2.1, 2.6, 54).reshape(2, 3, 3, 3)
PAIRS = "not an image: pass the images alone, [item[0] for item in X], and the labels as y."
SECOND = PAIRS.replace("item[0]", "item[1]")


def tar(message, *names, **choices):
    """Write an empty file of each of these names into a tar; list it."""

    def call():
        with tarfile.open("one.tar", "w") as file:
            for name in names:
                file.addfile(tarfile.TarInfo(name))
        load_tars("one.tar", **choices)

    return call, InputError, message


PACKAGES = (
    "pip install 'featx[remote]' brings those for s3:// and https://, pip install 'fsspec[gs]' most others."
)

MESSAGES = {
    "a URL of no kind": given(
        ["a.png", "nosuch://bucket/cat.jpg"],
        "image 1, 'nosuch://bucket/cat.jpg': nosuch:// is no kind of URL that fsspec knows.",
    ),
    "a URL whose package is missing": given(
        ["gs://bucket/cat.jpg"],
        "image 0, 'gs://bucket/cat.jpg': gs:// takes a package that is not installed (Please install gcsfs to access "
        f"Google Storage): {PACKAGES}",
    ),
    "a file that names other URLs": given(
        ["zip://cat.jpg::reference://::https://example.org/references.json"],
        "image 0, 'zip://cat.jpg::reference://::https://example.org/references.json': what a reference:// file names "
        "is not opened: give the URLs themselves.",
    ),
    "a tar of no images": tar("There are no images in 'one.tar'.", "a.txt", label=None),
    "an image in a tar without its label": tar(
        "'b.png' of 'one.tar' has no label: there is no 'b.cls'. Name the ending of labels by label=, or pass "
        "label=None.",
        "a.png",
        "a.cls",
        "b.png",
    ),
    "a tar that is not there": (
        lambda: load_tars("gone.tar"),
        InputError,
        "'gone.tar': there is no such file.",
    ),
    "no tar": (
        lambda: (Path("x.tar").write_text("x" * 1000), load_tars("x.tar")),
        InputError,
        "'x.tar': cannot be fetched (*).",
    ),
    "a folder of no kind": (
        lambda: load_folder("nosuch://bucket/photos"),
        InputError,
        "'nosuch://bucket/photos': nosuch:// is no kind of URL that fsspec knows.",
    ),
    "a folder elsewhere that is not there": (
        lambda: load_folder("memory://nowhere"),
        InputError,
        "'memory://nowhere': there is no such folder.",
    ),
    "a folder elsewhere that cannot be reached": (
        lambda: load_folder("http://127.0.0.1:9/photos"),
        InputError,
        "'http://127.0.0.1:9/photos': its store cannot be reached (*).",
    ),
    "a table elsewhere that is not there": (
        lambda: load_table("memory://nowhere/table.csv"),
        InputError,
        "'memory://nowhere/table.csv': there is no such file.",
    ),
    "a table elsewhere that is none": (
        lambda: (
            filesystem("memory").pipe_file("/table.parquet", b"x"),
            load_table("memory://table.parquet"),
        ),
        InputError,
        "'memory://table.parquet' cannot be read as .parquet: Parquet file size is 1 bytes*",
    ),
    "a folder that is not there": (
        lambda: load_folder("nowhere"),
        InputError,
        "'nowhere' is not there.",
    ),
    "a row that is not there": (lambda: LISTING[2], IndexError, "There is no row 2: the table has 2 rows."),
    "a column as an index": (
        lambda: LISTING["label"],
        InputError,
        (
            "table['label']: give a row's number, a slice, a list of numbers, or a mask of 2 true and false. "
            "Its columns are .paths and .labels."
        ),
    ),
    "a mask of another length": (
        lambda: LISTING[[True]],
        InputError,
        (
            "table[[True]]: give a row's number, a slice, a list of numbers, or a mask of 2 true and false. "
            "Its columns are .paths and .labels."
        ),
    ),
    "a generator": given(
        (one for one in "ab"), "X is a generator, which can be read only once: pass list(X)."
    ),
    "an iterator": given(iter(["a.png"]), "X is a list_iterator, which can be read only once: pass list(X)."),
    "a set": given({"a.png"}, "X is a set, which has no order: pass sorted(X)."),
    "a dict": given(
        {"label": [1], "image": ["a.png"]},
        "X is a dict of 'label', 'image': pass the one that holds the images, such as X['image'].",
    ),
    "a dict's values": given(
        {"a": "a.png"}.values(), "X is a dict_values, not a list, array or column of images: pass list(X)."
    ),
    "a number": given(5, "X is an int, not a list, array or column of images."),
    "a data set of Hugging Face": given(
        SimpleNamespace(column_names=["image", "label"]),
        "X is a SimpleNamespace of 'image', 'label': pass the one that holds the images, such as X['image'].",
    ),
    "a lazy frame": given(
        pl.LazyFrame({"path": ["a.png"]}),
        "X is a LazyFrame, which is not computed yet: pass the column of images of X.collect().",
    ),
    "a data set of TensorFlow": given(
        Lazy(),
        "X is a Lazy, a data set of tensors: pass list(X.as_numpy_iterator()), or the images alone where it has "
        "labels, too, [image for image, label in X.as_numpy_iterator()].",
    ),
    "a loader of batches": given(
        SimpleNamespace(dataset=[]),
        "X is a SimpleNamespace, which gives batches: pass the images of X.dataset, such as "
        "[image for image, label in X.dataset].",
    ),
    "images with their labels": given([(IMAGE, 0)], f"Each item of X is a tuple (Image, int), {PAIRS}"),
    "arrays with their labels": given(
        [(np.zeros((2, 2)), "cat")], f"Each item of X is a tuple (ndarray, str), {PAIRS}"
    ),
    "paths with their labels": given([["a.png", 3]], f"Each item of X is a list (str, int), {PAIRS}"),
    "labels before their images": given([(3, IMAGE)], f"Each item of X is a tuple (int, Image), {SECOND}"),
    "a data set of a folder": given(
        Folder([(IMAGE, 0)]),
        "Each item of X is a tuple (Image, int), not an image: pass the paths alone, [path for path, _ in X.samples], "
        "and the labels, X.targets, as y.",
    ),
    "a stream": given(
        IterableColumn(), "X is an IterableColumn, not a list, array or column of images: pass list(X)."
    ),
    "tensors with their channels first": given(
        [np.zeros((3, 9, 8))],
        "image 0 has shape (3, 9, 8), not (h, w) or (h, w, 1 | 3 | 4). Its channels come first: pass "
        "[image.swapaxes(0, 2).swapaxes(0, 1) for image in X].",
    ),
    "rows that hold more than the image": given(
        [{"label": 0, "image": IMAGE}],
        "image 0 is a dict of 'label', 'image', not a path, bytes, a Pillow image or an array. "
        "Pass [item['image'] for item in X].",
    ),
    "an open file": given(
        [SimpleNamespace(read=BytesIO(b"").read)],
        "image 0 is an open file, not a path, bytes, a Pillow image or an array. "
        "Pass its path, or what its .read() gives.",
    ),
    "pixels normalised by ImageNet's mean and deviation": given(
        NORMALISED,
        "Input X has values from -2.1 to 2.6, outside value_range=(0, 255). They look normalised by a mean and a "
        "deviation. Undo that, for ImageNet's by X * [0.229, 0.224, 0.225] + [0.485, 0.456, 0.406], and pass "
        "value_range=(0, 1): featx scales by itself.",
    ),
    "pixels without ImageNet's mean": given(
        NORMALISED * 50,
        "Input X has values from -105 to 130, outside value_range=(0, 255). They look as if a mean had been "
        "subtracted. Undo that, for ImageNet's by X + [103.939, 116.779, 123.68] and [..., ::-1], which makes RGB "
        "of BGR: featx scales by itself.",
    ),
    "pixels of -1 to 1": given(
        np.clip(NORMALISED, -1, 1),
        "Input X has values from -1 to 1, outside value_range=(0, 255). Pass value_range=(-1, 1).",
    ),
    "degrees": given(
        NORMALISED * 10,
        "Input X has values from -21 to 26, outside value_range=(0, 255). Pass value_range=(-21, 26).",
    ),
    "a table without the column": framed(
        {f"c{number}": ["a"] for number in range(12)},
        "the frame has no column 'label'. It has 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9' "
        "and 2 more.",
        image="c0",
        label="label",
    ),
    "a table without its header": listed(
        "t.csv",
        b"photos/dog.JPG,dog\nphotos/cat.JPG,cat\n",
        "The first row of 't.csv' is an image, not the names of the columns: add such a row.",
    ),
    "an empty table": listed("t.csv", b"\n", "'t.csv' is empty. Its first line must name the columns."),
    "a table in Latin-1": listed(
        "t.csv",
        b"file\n\xe9.png\n",
        "'t.csv' is not text in UTF-8. Save it as UTF-8, or pass the frame that "
        'pandas.read_csv(..., encoding="latin-1") gives, or whichever encoding it has.',
    ),
    "a table in UTF-16 without its mark": listed(
        "t.csv",
        "file\na.png\n".encode("utf-16-le"),
        "'t.csv' holds zero bytes, so it is not text in UTF-8. Save it as UTF-8.",
    ),
    "paths of Windows": listed(
        "t.csv",
        b"file\nphotos\\dog.JPG\n",
        r"1 of 1 files in column 'file' of 't.csv' are not there: photos\dog.JPG. With / in the place of \ they are "
        'there: change the column. Or pass missing="keep" to list them nevertheless.',
    ),
    "names without an ending": listed(
        "t.csv",
        b"file\nphotos/dog\n",
        "1 of 1 files in column 'file' of 't.csv' are not there: photos/dog. With the ending '.JPG' they are there: "
        'change the column. Or pass missing="keep" to list them nevertheless.',
    ),
    "names with another ending, in another folder": listed(
        "t.csv",
        b"id;breed\ndog.png;collie\n",
        "1 of 1 files in column 'id' of 't.csv' are not there: dog.png. With the ending '.JPG' they are there: "
        "change the column. Did you mean root='photos'? Or pass missing=\"keep\" to list them nevertheless.",
        image="id",
    ),
    "numbers in the place of paths": listed(
        "t.csv",
        b"path,price\na.png,1.5\nb.png,2\n",
        "2 of 2 files in column 'price' of 't.csv' are not there: 1.5, 2. It holds numbers: name the column of the "
        'paths by image=. Or pass missing="keep" to list them nevertheless.',
        image="price",
    ),
    "names in another folder": listed(
        "t.csv",
        b"file\ndog.JPG\n",
        "1 of 1 files in column 'file' of 't.csv' are not there: dog.JPG. Did you mean root='photos'? Or pass "
        'missing="keep" to list them nevertheless.',
    ),
    "labels of two kinds": framed(
        {"path": ["a", "b", "c"], "y": ["cat", 3, "dog"]},
        "Column 'y' of the frame mixes text and numbers, 'cat' in row 0 and 3 in row 1 (the first row is 0). "
        "Give labels of one kind.",
        label="y",
    ),
    "no label": framed(
        {"path": ["a", "b", "c"], "y": ["cat", None, "dog"]},
        "Column 'y' of the frame is empty in row 1 (the first row is 0).",
        label="y",
    ),
    "a cell with neither bytes nor a path": framed(
        {"image": [{"bytes": b"", "path": None}, {"bytes": None, "path": None}]},
        "Column 'image' of the frame is empty in row 1 (the first row is 0).",
    ),
    "a lazy frame as a table": (
        lambda: load_table(pl.LazyFrame({"path": ["a.png"]})),
        InputError,
        "A LazyFrame is not a table: give a path or a pandas, polars or Arrow frame. Pass its .collect().",
    ),
}


@pytest.mark.parametrize("mistake", MESSAGES)
def test_says(mistake, says):
    says(*MESSAGES[mistake])
