"""Duplicates: the same content is found always, what looks alike by cosine, and neither is made up."""

import json
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

import featx.evaluation.duplicates
from featx import FeatureExtractor, evaluate, load_folder
from featx.cli import main
from featx.errors import DuplicateWarning, InputError
from featx.evaluation.duplicates import find_duplicates, leaked
from featx.images import synthetic, write_folder


def image(number):
    """Make an image whose content is a function of a number."""
    return np.full((4, 4), number, np.uint8)


@given(numbers=st.lists(st.integers(0, 9), min_size=1, max_size=25))
def test_groups_are_the_rows_of_equal_content(numbers):
    """Every image with a twin is in one group, with all its twins, and no other is in any."""
    found = find_duplicates([image(number) for number in numbers], numbers, cache=None)
    expected = {
        tuple(row for row, other in enumerate(numbers) if other == number)
        for number in numbers
        if numbers.count(number) > 1
    }
    assert {group.rows for group in found.groups} == expected
    assert all(group.exact and group.similarity == 1 and len(group.labels) == 1 for group in found.groups)
    assert found.images == len(numbers)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), threshold=st.floats(-0.9, 0.99), block=st.integers(1, 400))
def test_what_looks_alike_is_what_a_chain_of_cosines_connects(seed, threshold, block):
    """The blocks give what all cosines at once and a walk over them give."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(20, 3)).astype("f4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(featx.evaluation.duplicates, "_BLOCK", block)
        found = find_duplicates(
            [image(row) for row in range(20)], embeddings=points, threshold=threshold, cache=None
        )
    centred = points - points.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    alike = centred @ centred.T >= threshold
    expected, left = set(), set(range(20))
    while left:
        group, edge = set(), {left.pop()}
        while edge:
            group |= edge
            edge = {there for here in edge for there in np.flatnonzero(alike[here]).tolist()} - group
        left -= group
        if len(group) > 1:
            expected.add(tuple(sorted(group)))
    assert {group.rows for group in found.groups} == expected
    assert not any(group.exact for group in found.groups)


def test_labels_and_parts_are_compared():
    """One image under two labels, and one in two parts, are said to be so."""
    found = find_duplicates(
        [image(number) for number in (1, 1, 2, 2, 3)],
        ["ant", "bee", "ant", "ant", "bee"],
        parts=["train", "train", "train", "test", "test"],
        cache=None,
    )
    first, second = found.groups
    assert (first.labels, first.parts) == (("ant", "bee"), ("train",))
    assert (second.labels, second.parts) == (("ant",), ("test", "train"))
    assert str(found) == (
        "5 images: 2 groups with the same content, 0 that look alike; 1 under several labels; 1 in several parts"
    )
    assert json.loads(json.dumps(found.to_dict()))["groups"][0]["rows"] == [0, 1]


def test_a_group_that_looks_alike_has_all_copies_in_it():
    """An exact pair and an image like it: a group of two, and one of all three."""
    points = (
        np.eye(6, dtype="f4")[[0, 0, 0, 1, 2, 3]]
        + np.float32(1e-3) * np.eye(6, dtype="f4")[[4, 4, 5, 4, 4, 4]]
    )
    found = find_duplicates(
        [image(number) for number in (1, 1, 2, 3, 4, 5)], embeddings=points, threshold=0.9, cache=None
    )
    assert [(group.rows, group.exact) for group in found.groups] == [((0, 1), True), ((0, 1, 2), False)]


def test_unreadable_images_are_no_duplicates_of_each_other(tmp_path):
    """They are named, and neither their missing content nor their rows of NaN are compared."""
    paths = [str(tmp_path / f"{name}.png") for name in "abcd"]
    Path(paths[2]).write_bytes(b"c")
    Path(paths[3]).write_bytes(b"d")
    points = np.array([[np.nan, np.nan], [np.nan, np.nan], [1, 0], [np.nan, np.nan]], "f4")
    found = find_duplicates(paths, embeddings=points, threshold=-1, cache=None)
    assert (found.groups, found.images, found.unreadable) == ((), 2, (0, 1))
    assert leaked(paths, KFold(2).split(paths), cache=None).tolist() == []


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"y": [1]}, "y has 1 rows for 3 images"),
        ({"parts": [1, 2]}, "parts has 2 rows for 3 images"),
        ({"embeddings": np.zeros((2, 2))}, "embeddings has 2 rows for 3 images"),
        ({"threshold": 1.5}, r"threshold=1.5: give a cosine from -1 to 1"),
    ],
)
def test_wrong_arguments_are_named(choices, message):
    """With what was given and what was expected."""
    with pytest.raises(InputError, match=message):
        find_duplicates([image(1)] * 3, cache=None, **choices)


@given(numbers=st.lists(st.integers(0, 12), min_size=4, max_size=20), seed=st.integers(0, 99))
def test_leaked_is_what_is_tested_on_and_trained_on(numbers, seed):
    """By the definition, for any folds."""
    splits = list(KFold(3, shuffle=True, random_state=seed).split(numbers))
    expected = {
        int(row)
        for train, test in splits
        for row in test
        if numbers[row] in {numbers[other] for other in train}
    }
    assert set(leaked([image(number) for number in numbers], splits, cache=None).tolist()) == expected


@pytest.fixture
def images():
    """Return 40 drawn images with labels."""
    return synthetic(n=40, classes=2, size=96, random_state=0)


def test_evaluate_warns_of_images_that_are_tested_and_trained_on(images):
    """With their rows; and not if there are none."""
    pixels, labels = images
    pipeline = make_pipeline(FeatureExtractor(depth=1, input_size=32), LogisticRegression(max_iter=1000))
    evaluate(pipeline, pixels, labels, cv=2)
    more = [0] * 9  # ten equal images cannot all fall into one fold of four times five
    with pytest.warns(DuplicateWarning, match=r"10 of 49 images \(rows 0, 40, .*48\) are tested on although"):
        evaluate(pipeline, np.concatenate([pixels, pixels[more]]), np.append(labels, labels[more]), cv=5)


def test_evaluate_does_not_look_at_what_are_no_images(images):
    """Rows of numbers that go into another estimator may repeat."""
    pixels, labels = images
    evaluate(
        LogisticRegression(max_iter=1000),
        np.repeat(pixels[:, ::8, ::8].reshape(40, -1) / 255, 2, axis=0),
        np.repeat(labels, 2),
    )


def saved_anew(path):
    """Return the bytes of an image as a JPEG file of high quality."""
    file = BytesIO()
    Image.open(path).save(file, "JPEG", quality=95)
    return file.getvalue()


def shrunk(path):
    """Return the bytes of an image at 90 % of its size."""
    picture, file = Image.open(path), BytesIO()
    picture.resize((picture.width * 9 // 10, picture.height * 9 // 10)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def photos(images, tmp_path, monkeypatch):
    """Work in a folder with 40 images in photos/."""
    monkeypatch.chdir(tmp_path)
    write_folder(*images, tmp_path / "photos")
    return load_folder("photos")


def featx_duplicates(*arguments, code):
    result = CliRunner().invoke(main, ["duplicates", *map(str, arguments), "--quiet"])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_the_command_lists_groups_and_exits_1(photos):
    """A renamed copy is found by content under its two labels; 0 and a sentence if there is nothing."""
    assert featx_duplicates("photos", "--exact", code=0).stdout == "no duplicates among 40 images\n"
    other = next(Path(path).parent for path in photos.paths if photos.labels[0] not in path)
    shutil.copy(photos.paths[0], other / "copy.png")
    lines = featx_duplicates("photos", "--exact", code=1).stdout.splitlines()
    assert lines[0].split() == ["group", "cosine", "label", "path"]
    assert [line.split() for line in lines[1:]] == [
        ["1", "same", Path(path).parent.name, path] for path in (photos.paths[0], str(other / "copy.png"))
    ]


def test_the_command_finds_what_looks_alike(photos):
    """An image that was saved anew has other content and nearly the same embedding."""
    Path(photos.paths[3] + ".again.jpg").write_bytes(saved_anew(photos.paths[3]))
    Path(photos.paths[0]).with_name("bad.png").write_bytes(b"bad")
    result = featx_duplicates("photos", "--json", code=1)
    (group,) = json.loads(result.stdout)["groups"]
    assert group["paths"] == [photos.paths[3], photos.paths[3] + ".again.jpg"]
    assert 0.95 <= group["similarity"] < 1
    assert "bad.png: not an image that Pillow can read" in result.stderr
    featx_duplicates("photos", "--threshold", "0.999", code=1)  # for the bad image
    featx_duplicates("photos", "--threshold", "0.999", "--on-error", "skip", code=0)

    Path(photos.paths[3] + ".again.jpg").write_bytes(
        shrunk(photos.paths[3])
    )  # farther off: at a lower threshold
    found = json.loads(featx_duplicates("photos", "--json", "--threshold", "0.93", code=1).stdout)
    assert [group["paths"] for group in found["groups"]] == [
        [photos.paths[3], photos.paths[3] + ".again.jpg"]
    ]


def test_the_command_compares_two_folders(photos, tmp_path):
    """What is only in one of them twice is not listed; what is in both is, and sets the exit code."""
    shutil.copytree("photos", "others")
    listed = json.loads(featx_duplicates("photos", "others", "--exact", "--json", code=1).stdout)
    assert len(listed["groups"]) == 40
    assert all(group["parts"] == ["others", "photos"] for group in listed["groups"])

    folders = sorted(path.name for path in Path("photos").iterdir())
    shutil.copy(photos.paths[0], Path(photos.paths[0]).with_name("copy.png"))
    featx_duplicates(Path("photos", folders[0]), Path("photos", folders[1]), "--exact", code=0)


def test_images_without_a_label_may_be_among_them(pixels):
    """None stands beside the labels of the others."""
    found = find_duplicates([pixels[0], pixels[1], pixels[0]], ["ant", "bee", None], cache=None)

    assert found.groups[0].labels == (None, "ant")
