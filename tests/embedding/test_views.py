"""Views: the vector of an image is the mean over the pictures of it that a network is shown."""

from itertools import product

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from featx import FeatureExtractor
from featx.cli import main
from featx.embedding.views import WHOLE, Views

SIZE = 16


@pytest.fixture(scope="module")
def base(tiny):
    """Give an extractor of a small network, without views."""
    return FeatureExtractor(tiny, scaling="unit", depth=[2, 3], pooling=["avg+std", "avg"], cache=None)


def resized(pixels, size):
    """Bring pictures to a size, as a person would by hand."""
    return np.stack([Image.fromarray(one).resize((size, size), Image.Resampling.BILINEAR) for one in pixels])


def by_hand(base, pixels, *, flip=False, crops=False, sizes=(SIZE,)):
    """Give the mean of an extractor's vectors over views made with NumPy and Pillow."""
    found = []
    for size in sizes:
        margin = round(size / 14)
        views = [resized(pixels, size)]
        if crops:
            large = resized(pixels, size + 2 * margin)
            corners = product((0, 2 * margin), (0, 2 * margin))
            views = [large[:, y : y + size, x : x + size] for y, x in [*corners, (margin, margin)]]
        if flip:
            views += [np.ascontiguousarray(view[:, :, ::-1]) for view in views]
        found += [base.with_choices(input_size=size).transform(view) for view in views]
    return np.mean(found, axis=0)


VIEWS = {
    "flip": ("flip", {"flip": True}),
    "crops": ("crops", {"crops": True}),
    "ten crops": (["flip", "crops"], {"flip": True, "crops": True}),
    "a size": (1.5, {"sizes": (16, 24)}),
    "all": (["crops", 1.5, "flip"], {"flip": True, "crops": True, "sizes": (16, 24)}),
}


@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_the_vector_is_the_mean_over_views(base, pixels, views, engine):
    """Views made by hand and given to an extractor without views have the same mean, on each engine."""
    asked, made = VIEWS[views]

    found = base.with_choices(views=asked, engine=engine).transform(pixels)

    expected = by_hand(base, pixels, **made)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("views", VIEWS)
def test_what_is_cached_is_what_was_computed(base, files, tmp_path, views, forwards):
    """One vector for each image under a recipe of its own; a second run, in another order, runs no network."""
    extractor = base.with_choices(views=VIEWS[views][0], cache=tmp_path, engine="keras")
    fresh = extractor.transform(files)
    shown = sum(forwards)

    again = extractor.transform(files[::-1])

    assert sum(forwards) == shown >= len(files) * Views.of(extractor.views).count
    np.testing.assert_array_equal(again[::-1], fresh)
    kept = {info.recipe_id: info.rows for info in extractor.open_cache().info()}
    assert kept == {tap.recipe_id: len(files) for tap in extractor.plan().taps}


def test_one_by_one_is_all_at_once(base, pixels):
    """Neither the batch nor what is in it changes a vector."""
    extractor = base.with_choices(views=["flip", "crops"], engine="keras")
    together = extractor.transform(pixels)

    alone = np.concatenate([extractor.transform(pixels[row : row + 1]) for row in range(3)])

    assert np.abs(alone - together[:3]).max() <= 1e-5 * np.abs(together).max()


@settings(max_examples=15, deadline=None)
@given(
    image=st.tuples(st.integers(1, 70), st.integers(1, 70)).flatmap(
        lambda side: arrays(np.uint8, (*side, 3))
    ),
    views=st.sampled_from(["flip", ["flip", "crops"]]),
    resize=st.sampled_from(["squash", "crop"]),  # an odd border of "pad" has its last pixel on the right
)
def test_a_mirrored_image_has_the_same_vector(base, image, views, resize):
    """Of whatever size and proportions, where it is mirrored, too."""
    extractor = base.with_choices(depth=2, pooling="avg+std", views=views, resize=resize, engine="openvino")

    one, other = extractor.transform([image, np.ascontiguousarray(image[:, ::-1])])

    assert np.abs(one - other).max() <= 1e-6 * max(1, np.abs(one).max())


def test_views_are_part_of_the_recipe(base):
    """Each has its own, whatever way it is written; without views it is what it was."""
    spelled = [None, "flip", "crops", 1.5, ["flip", 1.5], ["flip", "crops"], [1.5, 2]]
    recipes = [
        tuple(tap.recipe_id for tap in base.with_choices(views=views).plan().taps) for views in spelled
    ]

    assert len(set(recipes)) == len(spelled)
    assert recipes[4] == tuple(
        tap.recipe_id for tap in base.with_choices(views=[1.5, "flip", "flip"]).plan().taps
    )
    assert recipes[0] == tuple(
        tap.recipe_id for view in Views.of("flip").each() if view == WHOLE
        for tap in base.with_choices(views=view).plan().taps
    )  # fmt: skip


def test_the_cache_says_of_how_many_views_a_vector_is_the_mean(base, files, tmp_path):
    """In a column of its own."""
    base.with_choices(depth=2, pooling="avg", views=["flip", "crops", 1.5], cache=tmp_path).transform(
        files[:1]
    )

    shown = CliRunner().invoke(main, ["cache", "info", "--cache", str(tmp_path)]).output.splitlines()

    assert shown[1].split().index("views") == 4
    assert shown[2].split()[1:6] == ["tiny", "2", "avg", "20", "1"]


def test_columns_are_called_as_without_views(base):
    """The mean of a column over views is still that column."""
    names = base.get_feature_names_out()

    np.testing.assert_array_equal(base.with_choices(views=["flip", 1.5]).get_feature_names_out(), names)


def test_each_view_by_itself(base, pixels):
    """They are all the views there are, so their mean is the vector."""
    views = Views.of(["flip", "crops", 1.5])
    each = list(views.each())

    assert len(each) == views.count == 20
    found = [base.with_choices(views=one).transform(pixels) for one in each]
    whole = base.with_choices(views=views).transform(pixels)
    assert np.abs(np.mean(found, axis=0) - whole).max() <= 1e-5 * np.abs(whole).max()


def test_a_bad_image_is_named_once(base, files, tmp_path):
    """However many views there are of it; the others are done and kept."""
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    extractor = base.with_choices(views=["flip", 1.5], on_error="nan")

    vectors = extractor.transform([*files[:3], str(bad)])

    assert [image.row for image in extractor.bad_images_] == [3]
    assert np.isnan(vectors[3]).all()
    assert np.isfinite(vectors[:3]).all()
