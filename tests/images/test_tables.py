"""Tables: one listing from every kind of them, in their order, and no row is left out in silence."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from featx.errors import InputError
from featx.images.decoding import decode
from featx.images.sources import as_sources, content
from featx.images.tables import IMAGE_COLUMNS, load_table


def names(table, folder):
    """Give the paths of a table, relative to a folder."""
    return [os.path.relpath(path, folder) for path in table.paths]


@pytest.fixture
def shop(tmp_path):
    """Write three images, deep in a folder, and a table of them."""
    (tmp_path / "images").mkdir()
    for name in ("0001.png", "0002.png", "0003.png"):
        (tmp_path / "images" / name).touch()
    frame = pd.DataFrame(
        {
            "File Name": ["images/0002.png", "images/0001.png", "images/0003.png"],
            "kind": ["shoe", "NA", "shoe"],
            "price": [1.5, 2.0, 0.0],
            "stars": [5, 3, 4],
            "new": [True, False, True],
        }
    )
    frame.to_csv(tmp_path / "shop.csv", index=False)
    frame.to_csv(tmp_path / "shop.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "shop.parquet")
    return tmp_path, frame


@pytest.mark.parametrize("how", ["csv", "tsv", "parquet", "pandas", "polars", "arrow", "path object"])
def test_every_kind_of_table_gives_the_same_listing(how, shop):
    """The rows keep their order, paths start from the table's folder, and labels keep their kinds."""
    folder, frame = shop
    table, root = {
        "pandas": (frame, folder),
        "polars": (pl.DataFrame(frame.to_dict("list")), folder),
        "arrow": (pa.Table.from_pandas(frame), folder),
        "path object": (folder / "shop.csv", None),
    }.get(how, (f"{folder}/shop.{how}", None))
    kinds = load_table(table, label="kind", root=root)
    assert names(kinds, folder) == ["images/0002.png", "images/0001.png", "images/0003.png"]
    assert (kinds.labels.tolist(), kinds.classes) == (["shoe", "NA", "shoe"], ("NA", "shoe"))
    prices = load_table(table, label="price", root=root)
    assert (prices.labels.tolist(), prices.classes) == ([1.5, 2.0, 0.0], ())
    stars = load_table(table, label="stars", root=root)
    assert (stars.labels.tolist(), stars.classes) == ([5, 3, 4], (3, 4, 5))
    several = load_table(table, label=["stars", "new"], root=root)
    assert (several.labels.tolist(), several.classes) == ([[5, 1], [3, 0], [4, 1]], ("stars", "new"))
    alone = load_table(table, label=["stars"], root=root)
    assert (alone.labels.shape, alone.labels.dtype.kind) == ((3, 1), "i")
    assert load_table(table, root=root).labels is None


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"label": "kind"}, "ImageTable(3 images, 2 classes: 'NA' 1, 'shoe' 2)"),
        ({"label": "price"}, "ImageTable(3 images, labels are numbers)"),
        ({"label": ["stars", "new"]}, "ImageTable(3 images, 2 labels each: stars, new)"),
        ({}, "ImageTable(3 images, no labels)"),
    ],
)
def test_a_listing_says_what_it_holds(arguments, shown, shop):
    """The repr tells how many images there are, and of what."""
    assert repr(load_table(shop[0] / "shop.csv", **arguments)) == shown


def test_names_that_look_like_numbers_stay_names(tmp_path):
    """A column of 0012 and 0007 is no column of 12 and 7."""
    for name in ("0012", "0007"):
        (tmp_path / name).touch()
    (tmp_path / "t.csv").write_text("image,label\n0012,a\n0007,b\n")
    assert names(load_table(tmp_path / "t.csv"), tmp_path) == ["0012", "0007"]


def test_absolute_paths_and_root(shop, monkeypatch):
    """An absolute path stays; a relative root starts from the working folder, as any path does."""
    folder, frame = shop
    monkeypatch.chdir(folder)
    bare = frame.assign(**{"File Name": ["0002.png", str(folder / "images" / "0001.png"), "0003.png"]})
    table = load_table(bare, root="images")
    assert table.paths.tolist() == ["images/0002.png", str(folder / "images/0001.png"), "images/0003.png"]


def test_images_inside_a_parquet_file_are_read(tmp_path, pixels, files):
    """A column of bytes, or of structs of bytes as Hugging Face writes it, holds the images themselves."""
    encoded = [content(path) for path in files]
    structs = [{"bytes": file, "path": None} for file in encoded]
    for column in (encoded, structs):
        pd.DataFrame({"image": column, "label": range(12)}).to_parquet(tmp_path / "t.parquet")
        table = load_table(tmp_path / "t.parquet", label="label")
        np.testing.assert_array_equal([decode(content(source)) for source in as_sources(table.paths)], pixels)


@pytest.mark.parametrize(
    "column", ["file", "FileName", "image_path", "Image Path", "img", "IMG-PATH", "path"]
)
def test_the_column_of_the_images_is_known_by_its_name(column):
    """Common names are understood, however they are written."""
    assert load_table(pd.DataFrame({"id": [1], column: ["a.png"]}), missing="keep").paths.tolist() == [
        "a.png"
    ]


def test_known_names_are_written_plainly():
    """A name in the list could not be found if it had a capital or a space."""
    assert {name for name in IMAGE_COLUMNS if not name.isalpha() or not name.islower()} == set()


@pytest.mark.parametrize(
    ("frame", "arguments", "reason"),
    [
        ({"x": [1], "y": [2]}, {}, "None of 'x', 'y' is known to be the column of the images .* image="),
        ({"path": ["a"], "img": ["a"]}, {}, "'path', 'img' may all be the column of the images"),
        ({"path": ["a"]}, {"image": "file"}, "the frame has no column 'file'. It has 'path'"),
        ({"path": ["a"]}, {"label": ["kind"]}, "the frame has no column 'kind'. It has 'path'"),
        ({"path": ["a", None]}, {}, r"Column 'path' of the frame is empty in row 1 \(the first"),
        ({"path": list("abc"), "y": [None, 1, None]}, {"label": "y"}, "'y' of .* empty in row 0, 2"),
        ({"path": ["a", "b"], "y": [["u"], ["u", "v"]]}, {"label": "y", "missing": "keep"},
         r"Column 'y' of the frame holds several labels in a cell, \['u'\] in row 0. Make a column of 0 and 1"),
        ({"path": ["a", "b"], "y": [["u", "w"], ["u", "v"]]}, {"label": ["y"], "missing": "keep"},
         "'y' of the frame holds several"),
        ({"path": ["a", "b"], "y": ["u", np.array(["u", "v"])]}, {"label": "y", "missing": "keep"}, "in row 1. Make"),
        ({"path": ["none", "no"]}, {}, "2 of 2 files in column 'path' .* are not there: none, no. Pass root="),
        ({"path": list(map(str, range(99)))}, {}, "99 of 99 .*: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 89 more"),
    ],
    ids=str,
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_refused(frame, arguments, reason, tmp_path, monkeypatch):
    """The message names the columns, rows or files."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=reason):
        load_table(pd.DataFrame(frame), **arguments)


def test_a_wrong_root_is_guessed_at(shop):
    """When the files lie one folder deeper, the message says where."""
    folder, frame = shop
    bare = frame.assign(**{"File Name": ["0002.png", "0001.png", "0003.png"]})
    with pytest.raises(InputError, match=r"Did you mean root='.*images'"):
        load_table(bare, root=folder)


def test_missing_files_may_be_kept(shop):
    """With missing="keep" their rows stay, so that labels stay aligned."""
    folder, _ = shop
    (folder / "images" / "0001.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 files .* are not there: .*0001.png"):
        load_table(folder / "shop.csv")
    assert len(load_table(folder / "shop.csv", label="kind", missing="keep")) == 3


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("t.xlsx", b"", "'.*t.xlsx' is not a .csv, .tsv or .parquet file. Read it with pandas"),
        ("t.PNG", b"", "'.*t.PNG' is an image. Give the folder in which it lies, or a table that names it"),
        ("t.csv", None, "'.*t.csv' is not there"),
        (
            "t.csv",
            b"file,y\na.png,1,2\nb.png,1,2\n",
            "The rows of '.*t.csv' have more fields than its header",
        ),
        ("t.parquet", b"PAR1 rubbish", "cannot be read as .parquet"),
    ],
)
def test_a_file_that_is_no_table_is_refused(name, text, reason, tmp_path):
    """The message says what was tried."""
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(InputError, match=reason):
        load_table(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-with-mark"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_the_usual_kinds_of_text_are_read(encoding, separator, ending, tmp_path):
    """Excel's kinds, where nothing else can be meant, with their decimal commas; text in one column only has none."""
    price = ["1,5", "-2", "1,25"] if separator == ";" else ["1.5", "-2", "1.25"]
    rows = [["file", "price", "size", "kind"], *([f"é{n}", price[n], ["1,5", "M", "L"][n] if separator == ";" else "M",
            "'=x"] for n in range(3))]  # fmt: skip
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    mark = b"\xfe\xff" if encoding.endswith("mark") else b""
    (tmp_path / f"t.{ending}").write_bytes(mark + text.encode(encoding.removesuffix("-with-mark")))
    table = load_table(tmp_path / f"t.{ending}", label="price", missing="keep")
    assert names(table, tmp_path) == ["é0", "é1", "é2"]
    assert table.labels.tolist() == [1.5, -2, 1.25]
    assert load_table(tmp_path / f"t.{ending}", label="kind", missing="keep").classes == ("=x",)
    sizes = load_table(tmp_path / f"t.{ending}", label="size", missing="keep").labels.tolist()
    assert sizes == (["1,5", "M", "L"] if separator == ";" else ["M"] * 3)


def test_a_name_with_a_semicolon_is_no_separator(tmp_path):
    """Where there is a comma, too, and in cells."""
    (tmp_path / "t.csv").write_text('file,a;b\n"x;1.png",3\n')
    table = load_table(tmp_path / "t.csv", label="a;b", missing="keep")
    assert (names(table, tmp_path), table.labels.tolist()) == (["x;1.png"], [3])


BOMBS = """
import resource, sys
import pyarrow as pa, pyarrow.parquet as pq
from featx import load_table
from featx.errors import InputError
one = pa.DictionaryArray.from_arrays(pa.array([0] * 10**4, "int32"), pa.array([b"0" * 10**6]))
with pq.ParquetWriter("big.parquet", pa.schema([("image", one.type)]), store_schema=False) as file:
    file.write_table(pa.table({"image": one}))
with pq.ParquetWriter("rows.parquet", pa.schema([("path", pa.string())]), compression="zstd") as file:
    part = pa.table({"path": pa.DictionaryArray.from_arrays(pa.array([0] * 10**5, "int32"), pa.array(["a"]))})
    for _ in range(110):
        file.write_table(part.cast(file.schema))
with open("wide.csv", "w") as file:
    file.write("path," + ",".join(map(str, range(10**6))) + "\\n")
with open("endless.csv", "w") as file:
    file.write("x" * (40 << 20))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in ("rows.parquet", "wide.csv", "endless.csv"):
    try:
        load_table(name, missing="keep")
    except InputError as error:
        print(error)
print(len(load_table("big.parquet")), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in kilobytes")
def test_small_files_of_endless_tables_fill_no_memory(tmp_path):
    """Ten gigabytes of equal images in a few hundred bytes are read; what has too many rows or columns is refused."""
    done = subprocess.run([sys.executable, "-c", BOMBS], capture_output=True, text=True, cwd=tmp_path)
    *said, last = done.stdout.splitlines()
    assert said == [
        "'rows.parquet' has 11,000,000 rows, more than 10,000,000. Cut it into parts, and load each.",
        "'wide.csv' has 1,000,001 columns, more than 100,000. Give a table of the columns that are needed.",
        "The first line of 'endless.csv' has no end. It must name the columns.",
    ], done.stderr
    assert last.split()[0] == "10000"
    assert int(last.split()[1]) < 1_000_000  # KB


def test_other_objects_are_no_table():
    """A dict is not guessed at."""
    with pytest.raises(
        InputError, match="A dict is not a table: give a path or a pandas, polars or Arrow frame"
    ):
        load_table({"path": ["a.png"]})


def test_real_tables_are_listed(data):
    """364 blood pictures with counts and presence."""
    blood = data / "images" / "bccd_blood"
    with pytest.raises(InputError, match=r"364 of 364 files .* Did you mean root='.*images'"):
        load_table(blood / "labels.csv")
    presence = ["has_RBC", "has_WBC", "has_Platelets"]
    table = load_table(blood / "labels.csv", root=blood / "images", label=presence)
    assert (table.labels.shape, table.classes, table.labels[:, 2].sum()) == ((364, 3), tuple(presence), 201)
