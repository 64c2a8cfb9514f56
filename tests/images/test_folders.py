"""Folders: the same one gives the same rows everywhere, and nothing is left out in silence."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featx.errors import InputError
from featx.images.folders import ImageTable, load_folder


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
        ([], "", r"No images in '.*' \(it is empty\). Images end in .*.bmp, "),
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


@pytest.mark.parametrize(
    "names",
    [
        ("training_set", "test_set"),
        ("train_images", "test_images"),
        ("seg_train", "seg_test"),
        ("train", "single_prediction"),
        ("TRAIN", "Valid"),
        ("imagesTr_train", "validation-data"),
        ("train2017", "val2017"),
        ("TrainingSet", "testSet"),
        ("testing",),
        ("train", "extra"),
    ],
)
def test_parts_of_a_data_set_are_no_classes(names, tmp_path):
    """A name whose words include train, val or test, of a folder of class folders, is no class."""
    for name in names:
        plant(tmp_path, f"{name}/cats/a.png", f"{name}/dogs/b.png")
    with pytest.raises(InputError, match=f"are parts of a data set, not classes: .*{names[0]}"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    "name", ["trains", "test", "contest", "valley", "pregnancy_test", "latest", "trained"]
)
def test_a_class_may_have_such_a_name(name, tmp_path):
    """Where it holds images itself; and a word that only contains another is another word."""
    assert load_folder(plant(tmp_path, f"{name}/a.png", f"{name}/more/b.png", "z/c.png")).classes == (
        name,
        "z",
    )
    if not name.endswith("test") or name in ("contest", "latest"):
        plant(tmp_path, f"{name}s/more/d.png")
        assert load_folder(tmp_path).classes == (name, f"{name}s", "z")


def test_a_listing_can_be_pickled_and_not_changed(tmp_path):
    """A listing goes to other processes, and is frozen."""
    table = load_folder(plant(tmp_path, "cat/a.png"))
    copy = pickle.loads(pickle.dumps(table))
    assert (copy.paths.tolist(), copy.classes) == (table.paths.tolist(), table.classes)
    with pytest.raises(AttributeError, match="cannot assign to field 'paths'"):
        table.paths = []


def test_the_repr_of_many_classes_is_short():
    """Ten classes are shown."""
    labels = np.arange(1000)
    table = ImageTable(labels.astype(object), labels, tuple(labels.tolist()), {})
    assert (
        repr(table) == f"ImageTable(1000 images, 1000 classes: {', '.join(f'{k} 1' for k in range(10))}, ...)"
    )


def test_real_folders_are_listed(data):
    """Ants and bees; a folder of the parts of a data set is refused."""
    insects = load_folder(data / "images" / "hymenoptera" / "train")
    assert (len(insects), insects.classes) == (244, ("ants", "bees"))
    with pytest.raises(InputError, match="parts of a data set, not classes: train, val"):
        load_folder(data / "images" / "hymenoptera")
