"""Listings: the same folder or table gives the same rows everywhere, and nothing is left out in silence."""

import os
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.errors import InputError
from featx.images.decoding import decode
from featx.images.folders import IMAGE_COLUMNS, ImageTable, load_folder, load_table
from featx.images.sources import as_sources, content


def plant(folder, *names):
    """Create empty files, with their folders; a name that ends in / is a folder."""
    for name in names:
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    return folder


def names(table, folder):
    """Give the paths of a table, relative to a folder."""
    return [os.path.relpath(path, folder) for path in table.paths]


def test_a_folder_per_class_gives_paths_and_labels(tmp_path):
    """The label is the first folder's name, however deep an image lies; the order is that of the names."""
    plant(
        tmp_path,
        "dog/b.JPG",
        "cat/2.png",
        "cat/10.webp",
        "cat/more/even more/x.tiff",
        "Zebra/a.gif",
        "dog/a.bmp",
    )
    table = load_folder(tmp_path)
    assert names(table, tmp_path) == [
        "Zebra/a.gif", "cat/10.webp", "cat/2.png", "cat/more/even more/x.tiff", "dog/a.bmp", "dog/b.JPG",
    ]  # fmt: skip
    assert table.labels.tolist() == ["Zebra", "cat", "cat", "cat", "dog", "dog"]
    assert (table.classes, table.ignored, len(table)) == (("Zebra", "cat", "dog"), {}, 6)
    assert (table.paths.dtype, type(table.paths[0])) == (object, str)


@settings(max_examples=30, deadline=None)
@given(
    st.sets(
        st.sampled_from([f"{a}{b}/{c}{d}.png" for a in "aB" for b in "é1" for c in "xY/"[:2] for d in "_.-"])
    ),
    st.randoms(),
)
def test_the_order_does_not_depend_on_who_came_first(tmp_path_factory, files, chance):
    """Files created in any order are listed in one order."""
    files = sorted(files | {"a1/first.png"})
    expected = None
    for _ in range(2):
        folder = tmp_path_factory.mktemp("order")
        plant(folder, *chance.sample(files, len(files)))
        listed = names(load_folder(folder), folder)
        assert listed == (expected or sorted(files, key=lambda name: name.split("/")))
        expected = listed


def test_what_is_left_out_is_counted(tmp_path):
    """Hidden files, litter, other files, stray images and empty classes are in .ignored and in the repr."""
    plant(
        tmp_path, "cat/a.png", "cat/.hidden.png", "cat/._a.png", "cat/Thumbs.db", "cat/notes.TXT", "bird/",
        "dog/list.txt", "dog/README", ".DS_Store", ".git/config.png", "desktop.ini", "__MACOSX/cat/a.png",
        "stray.png",
    )  # fmt: skip
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    table = load_folder(tmp_path)
    assert names(table, tmp_path) == ["cat/a.png"]
    assert table.ignored == {
        ".txt": 2,
        "Thumbs.db": 1,
        "__MACOSX": 1,
        "broken links": 1,
        "desktop.ini": 1,
        "folder 'bird' without images": 1,
        "folder 'dog' without images": 1,
        "hidden": 4,
        "images beside the class folders": 1,
        "no extension": 1,
    }
    assert repr(table).startswith("ImageTable(1 image, 1 class: 'cat' 1; ignored: .txt 2, Thumbs.db 1,")


def test_a_folder_of_images_alone_has_no_labels(tmp_path):
    """Without class folders there is nothing to call the images."""
    table = load_folder(plant(tmp_path, "b.png", "a.png", "empty/"))
    assert (names(table, tmp_path), table.labels, table.classes) == (["a.png", "b.png"], None, ())
    assert repr(table) == "ImageTable(2 images, no labels; ignored: folder 'empty' without images 1)"


def test_links_are_followed_but_not_in_circles(tmp_path):
    """A linked class is a class; a link to a folder above ends the way, and is counted."""
    plant(tmp_path, "elsewhere/x.png", "set/cat/a.png")
    (tmp_path / "set" / "dog").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "set" / "cat" / "round").symlink_to(tmp_path / "set", target_is_directory=True)
    table = load_folder(tmp_path / "set")
    assert names(table, tmp_path / "set") == ["cat/a.png", "dog/x.png"]
    assert table.ignored == {"links that lead back": 1}


@pytest.mark.parametrize(
    ("files", "path", "reason"),
    [
        ([], "nowhere", "'.*nowhere' is not there"),
        (["a.png"], "a.png", "'.*a.png' is a file, not a folder"),
        ([], "", r"No images in '.*' \(it is empty\). Images end in .bmp, .gif"),
        (["a.txt", "x/"], "", r"No images in '.*' \(.txt 1, folder 'x' without images 1\)"),
        (
            ["train/cat/a.png", "Test/cat/b.png"],
            "",
            r"parts of a data set, not classes: Test, train. .*load_folder\('",
        ),
    ],
)
def test_a_folder_that_cannot_be_meant_is_refused(files, path, reason, tmp_path):
    """A wrong path, an empty folder and a folder of train/ and test/ each say so."""
    plant(tmp_path, *files)
    with pytest.raises(InputError, match=reason):
        load_folder(f"{tmp_path}/{path}")


def test_classes_may_be_called_test(tmp_path):
    """Folders called train and test that hold images themselves are classes."""
    assert load_folder(plant(tmp_path, "train/a.png", "test/b.png")).classes == ("test", "train")


def test_a_listing_can_be_pickled_and_not_changed(tmp_path):
    """A listing goes to other processes, and is frozen."""
    table = load_folder(plant(tmp_path, "cat/a.png"))
    copy = pickle.loads(pickle.dumps(table))
    assert (copy.paths.tolist(), copy.classes) == (table.paths.tolist(), table.classes)
    with pytest.raises(AttributeError, match="cannot assign to field 'paths'"):
        table.paths = []


@pytest.fixture
def shop(tmp_path):
    """Write three images, deep in a folder, and a table of them."""
    plant(tmp_path, "images/0002.png", "images/0001.png", "images/0003.png")
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


def test_the_repr_of_many_classes_is_short():
    """Ten classes are shown."""
    labels = np.arange(1000)
    table = ImageTable(labels.astype(object), labels, tuple(labels.tolist()), {})
    assert (
        repr(table) == f"ImageTable(1000 images, 1000 classes: {', '.join(f'{k} 1' for k in range(10))}, ...)"
    )


def test_names_that_look_like_numbers_stay_names(tmp_path):
    """A column of 0012 and 0007 is no column of 12 and 7."""
    plant(tmp_path, "0012", "0007")
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
        ({"path": ["a", "b"]}, {}, "2 of 2 files in column 'path' .* are not there: a, b. Pass root="),
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
        ("t.xlsx", b"", "'.*t.xlsx' is none of .csv, .tsv and .parquet. Read it with pandas"),
        ("t.csv", None, "'.*t.csv' is not there"),
        ("t.csv", b"", "'.*t.csv' cannot be read as .csv: No columns"),
        ("t.csv", b"file\n\xff\xfe.png\n", "cannot be read as .csv: .*utf-8"),
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


def test_other_objects_are_no_table():
    """A dict is not guessed at."""
    with pytest.raises(
        InputError, match="A dict is no table: give a path or a pandas, polars or Arrow frame"
    ):
        load_table({"path": ["a.png"]})


def test_real_tables_and_folders_are_listed(data):
    """364 blood pictures with counts and presence, and ants and bees in folders."""
    blood = data / "images" / "bccd_blood"
    with pytest.raises(InputError, match=r"364 of 364 files .* Did you mean root='.*images'"):
        load_table(blood / "labels.csv")
    presence = ["has_RBC", "has_WBC", "has_Platelets"]
    table = load_table(blood / "labels.csv", root=blood / "images", label=presence)
    assert (table.labels.shape, table.classes, table.labels[:, 2].sum()) == ((364, 3), tuple(presence), 201)
    insects = load_folder(data / "images" / "hymenoptera" / "train")
    assert (len(insects), insects.classes) == (244, ("ants", "bees"))
    with pytest.raises(InputError, match="parts of a data set, not classes: train, val"):
        load_folder(data / "images" / "hymenoptera")
