"""Several backbones as one extractor: their vectors side by side, each image read and decoded once."""

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import featx
from featx import FeatureExtractor, make_head
from featx.embedding.composition import each_backbone
from featx.errors import ImageError
from featx.images import resizing, synthetic


@pytest.fixture(scope="module")
def pair(tiny):
    """Give an extractor of two small networks that are called alike."""
    keras.utils.set_random_seed(8)
    other = keras.models.clone_model(tiny)
    return FeatureExtractor([tiny, other], scaling="unit", depth=2, pooling="avg", cache=None)


@pytest.fixture
def decoded(monkeypatch):
    """Count how often an image is decoded."""
    counts = []
    picture_of = resizing.picture_of

    def counting(*arguments, **choices):
        counts.append(1)
        return picture_of(*arguments, **choices)

    monkeypatch.setattr(resizing, "picture_of", counting)
    return counts


@pytest.mark.parametrize("engine", ["keras", "openvino"])
@pytest.mark.parametrize("views", [None, ["flip", 1.5]])
def test_vectors_are_side_by_side(pair, files, decoded, engine, views):
    """As each backbone gives them by itself, though files are decoded once for both and for every view."""
    extractor = pair.with_choices(engine=engine, views=views)

    found = extractor.transform(files)

    assert len(decoded) == len(files)
    expected = np.concatenate([one.transform(files) for one in each_backbone(extractor)], axis=1)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_columns_are_called_by_their_backbones():
    """The plan lists the taps of all, and depths, poolings and sizes are each backbone's own."""
    extractor = FeatureExtractor(["featx-mini", "mobilenet_0.25"], weights=["auto", None], cache=None)

    names, taps = extractor.get_feature_names_out(), extractor.plan().taps

    each = [one.get_feature_names_out() for one in each_backbone(extractor)]
    assert names.tolist() == np.concatenate(each).tolist()
    assert list(dict.fromkeys(tap.backbone for tap in taps)) == ["featx-mini", "mobilenet_0.25"]
    assert {tuple(tap.recipe["input_size"]) for tap in taps} == {(96, 96), (224, 224)}
    assert extractor.plan().name == "featx-mini + mobilenet_0.25"
    assert extractor.plan().width == len(names)


def test_each_backbone_has_its_own_depths(pair, files):
    """A list with lists in it has one entry for each; a list without is for all."""
    extractor = pair.with_choices(depth=[[1, 2], -1], pooling=[["std", "avg"], "max"])

    one, other = each_backbone(extractor)
    assert (one.depth, one.pooling, other.depth, other.pooling) == ([1, 2], ["std", "avg"], -1, "max")
    expected = np.concatenate([one.transform(files), other.transform(files)], axis=1)
    np.testing.assert_allclose(extractor.transform(files), expected, rtol=1e-5, atol=1e-6)
    assert [part.depth for part in each_backbone(pair.with_choices(depth=[1, 2]))] == [[1, 2], [1, 2]]


def test_each_is_cached_by_itself(pair, files, tmp_path, forwards):
    """What one backbone has, the pair need not compute; in another order all is read."""
    choices = {"cache": tmp_path, "engine": "keras"}
    each_backbone(pair)[0].with_choices(**choices).transform(files)
    alone = sum(forwards)

    together = pair.with_choices(**choices).transform(files)

    assert sum(forwards) == 2 * alone
    turned = pair.with_choices(backbone=pair.backbone[::-1], **choices).transform(files)
    assert sum(forwards) == 2 * alone
    np.testing.assert_array_equal(together, np.roll(turned, together.shape[1] // 2, axis=1))


@pytest.mark.parametrize("kept", [False, True])
def test_a_bad_image_is_named_once(pair, files, tmp_path, kept):
    """Also where the backbones lack vectors of different images, so that each decodes for itself."""
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    pair = pair.with_choices(cache=tmp_path / "cache")
    if kept:
        each_backbone(pair)[0].transform(files[:2])

    with pytest.raises(ImageError, match="1 image cannot be read") as caught:
        pair.transform([*files[:3], bad])

    assert [image.name for image in caught.value.bad] == [str(bad)]


def test_a_pipeline_of_two_is_searched_saved_and_loaded(pair, tmp_path, tiny):
    """Whether two are better than one is a parameter like any other; Keras models are saved with the pipeline."""
    images, labels = synthetic(n=30, classes=3, size=16, random_state=0)
    pipe = make_pipeline(
        pair.with_choices(cache=tmp_path / "cache", engine="keras"), make_head("ridge-classifier")
    )
    choices = {"featureextractor__backbone": [tiny, pair.backbone], "featureextractor__views": [None, "flip"]}

    search = GridSearchCV(pipe, choices, cv=2).fit(images, labels)

    assert len(search.cv_results_["params"]) == 4
    model = pipe.set_params(featureextractor__views="flip").fit(images, labels)
    featx.save(model, tmp_path / "model")
    loaded = featx.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(images), model.predict(images))


def test_networks_that_are_called_alike_are_told_apart(pair, pixels):
    """By a number; a clone has copies of the networks."""
    names = pair.get_feature_names_out()

    assert [names[0], names[-1]] == ["tiny_stage2_avg_0", "tiny:2_stage2_avg_5"]
    np.testing.assert_allclose(clone(pair).transform(pixels), pair.transform(pixels), rtol=1e-5, atol=1e-6)


def test_a_report_names_each_depth_by_its_backbone(pair):
    """And says what the network was shown."""
    images, labels = synthetic(n=30, classes=3, size=16, random_state=0)
    model = make_pipeline(pair.with_choices(views="flip"), make_head("ridge-classifier"))

    html = featx.report(model, images, labels, cv=2, all_depths=True).to_html()

    assert "tiny + tiny:2" in html
    assert "mean of 2 views" in html
    assert "tiny 1-3" in html
