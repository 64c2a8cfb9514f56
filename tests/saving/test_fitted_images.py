"""A saved model knows which images it was fitted to, by their content."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from featx.embedding import FeatureExtractor
from featx.errors import SavedModelError
from featx.heads import make_head
from featx.saving import load, save
from featx.saving.fitted_images import among
from featx.saving.models import fitted_to


@pytest.fixture
def model():
    """Give a fitted head; what is beside it in its folder depends on no network."""
    return make_head("knn", n_neighbors=1).fit([[0, 1], [1, 0]], ["cat", "dog"])


def test_a_copy_of_an_image_it_was_fitted_to_is_found(model, files):
    """Whatever it is called; another image and one that cannot be read are not."""
    save(model, "model", images=files[:6])
    shutil.copy(files[2], "copy.png")
    Path("bad.png").write_bytes(b"")

    assert among([files[9], "copy.png", "bad.png", files[5]], fitted_to("model"), model).tolist() == [1, 3]
    assert load("model").predict([[0, 1]]).tolist() == ["cat"]


def test_nobody_can_tell_where_it_was_not_said(model):
    save(model, "model")

    assert fitted_to("model") is None


def test_arrays_are_known_by_their_values(tiny, pixels):
    """By the extractor's own cache, or without one."""
    pipe = make_pipeline(FeatureExtractor(tiny, scaling="unit", cache=None), make_head("logistic"))
    save(pipe.fit(pixels, np.arange(12) % 2), "model", images=pixels[3:])

    assert among(pixels, fitted_to("model"), pipe).tolist() == list(range(3, 12))


@pytest.mark.parametrize("content", [np.array([{}], object), np.zeros((2, 8), np.uint8), np.zeros((2, 16))])
def test_a_strangers_file_is_refused(model, files, content):
    """A pickle is never read."""
    save(model, "model", images=files)
    np.save("model/images.npy", content, allow_pickle=True)
    manifest = json.loads(Path("model/model.json").read_text())
    manifest["files"]["images.npy"] = sha256(Path("model/images.npy").read_bytes()).hexdigest()
    Path("model/model.json").write_text(json.dumps(manifest))

    with pytest.raises(SavedModelError, match=r"images.npy' is not what save wrote"):
        fitted_to("model")
