"""A saved model names public types only, and trusts estimators and plain data, never functions."""

import json
import pkgutil
import zipfile
from importlib import import_module

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import featx
from featx.cache import EmbeddingCache
from featx.embedding import FeatureExtractor, PixelExtractor
from featx.errors import BadImage, SavedModelError
from featx.finetuning import FineTuner, FineTunerRegressor
from featx.heads import (
    BlendHead,
    BlendRegressorHead,
    EnsembleHead,
    LogisticHead,
    RelevanceSelector,
    SteadyScaler,
    Target,
    XGBoostHead,
    XGBoostRegressorHead,
    make_head,
)
from featx.images import synthetic
from featx.saving import load, save
from featx.saving.types import DATA, ROOMS, public_name, trusted
from featx.transfer import EachView, TransferClassifier, TransferRegressor

IMAGES, LABELS = synthetic(n=16, classes=2, size=32, random_state=0)
NUMBERS = np.arange(16) % 5 + 0.5
COLUMNS = np.random.default_rng(0).normal(size=(16, 6)).astype("f4")
INNER = sorted(
    module.name
    for module in pkgutil.walk_packages(featx.__path__, "featx.")
    if module.name.count(".") >= 2 or module.name == "featx.files"
)
TREES = {"n_estimators": 2, "n_jobs": 1}


def public_estimators():
    """Give every estimator at the door of any room, by its public name."""
    doors = [import_module(f"featx.{one.name}") for one in pkgutil.iter_modules(featx.__path__) if one.ispkg]
    return {
        f"{door.__name__}.{name}"
        for door in doors
        for name in door.__all__
        if isinstance(kind := getattr(door, name), type) and issubclass(kind, BaseEstimator)
    }


def extractor():
    return FeatureExtractor(depth=1, pooling="avg", input_size=32, on_error="nan")


def transfer(kind):
    return kind(extractor(), cv=2, finetune=False)


MAKERS = {
    "featx.embedding.FeatureExtractor": lambda: (extractor(), [*IMAGES, b"no image"], None),
    "featx.embedding.PixelExtractor": lambda: (PixelExtractor(size=8), IMAGES, None),
    "featx.heads.HeadPipeline": lambda: (make_head("ridge-classifier"), COLUMNS, LABELS),
    "featx.heads.UnweightedPipeline": lambda: (make_head("knn", n_neighbors=1), COLUMNS, LABELS),
    "featx.heads.LogisticHead": lambda: (LogisticHead(Cs=2, cv=2), COLUMNS, LABELS),
    "featx.heads.XGBoostHead": lambda: (XGBoostHead(**TREES), COLUMNS, LABELS),
    "featx.heads.XGBoostRegressorHead": lambda: (XGBoostRegressorHead(**TREES), COLUMNS, NUMBERS),
    "featx.heads.RelevanceSelector": lambda: (RelevanceSelector(), COLUMNS, LABELS),
    "featx.heads.EnsembleHead": lambda: (
        EnsembleHead(LogisticHead(Cs=2, cv=2), (3, 3), cv=2),
        COLUMNS,
        LABELS,
    ),
    "featx.heads.BlendHead": lambda: (BlendHead((3, 3), [[0], [0, 1]], cv=2), COLUMNS, LABELS),
    "featx.heads.BlendRegressorHead": lambda: (
        BlendRegressorHead((3, 3), [[0], [0, 1]], cv=2),
        COLUMNS,
        NUMBERS,
    ),
    "featx.heads.SteadyScaler": lambda: (SteadyScaler(), COLUMNS, None),
    "featx.finetuning.FineTuner": lambda: (FineTuner(extractor(), epochs=1), IMAGES, LABELS),
    "featx.finetuning.FineTunerRegressor": lambda: (
        FineTunerRegressor(extractor(), epochs=1),
        IMAGES,
        NUMBERS,
    ),
    "featx.transfer.EachView": lambda: (
        EachView(extractor().with_choices(views="flip"), LogisticHead(Cs=2, cv=2)),
        IMAGES,
        LABELS,
    ),
    "featx.transfer.TransferClassifier": lambda: (
        TransferClassifier(extractor(), cv=2, finetune=False),
        IMAGES,
        LABELS,
    ),
    "featx.transfer.TransferRegressor": lambda: (
        TransferRegressor(extractor(), cv=2, finetune=False),
        IMAGES,
        NUMBERS,
    ),
    "sklearn.model_selection._search.GridSearchCV": lambda: (
        GridSearchCV(
            make_pipeline(extractor().set_params(cache=EmbeddingCache()), SteadyScaler(), make_head("svm")),
            {"featureextractor__depth": [1, 2]},
            cv=2,
        ),
        IMAGES,
        LABELS,
    ),
}


def test_every_public_estimator_is_tried_and_trusted():
    """None is forgotten below, and none needs to be named by whoever loads it."""
    assert {name for name in MAKERS if name.startswith("featx.")} == public_estimators()
    assert all(map(trusted, public_estimators()))


@pytest.mark.parametrize("name", MAKERS)
def test_a_saved_model_names_no_inner_module(name, tmp_path):
    """So that moving a module breaks none; it says its public name, and loads without being told to trust."""
    estimator, X, y = MAKERS[name]()
    if hasattr(estimator, "transform") and name.endswith("Extractor"):
        estimator.fit(X).transform(X)  # which notes bad images
    save(estimator.fit(X, y), tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model" / "model.skops") as file:
        words = file.read("schema.json").decode() + (tmp_path / "model" / "model.json").read_text()
    assert [module for module in INNER if f'"{module}"' in words or f"{module}." in words] == []
    assert json.loads((tmp_path / "model" / "model.json").read_text())["estimator"] == name
    assert type(load(tmp_path / "model")) is type(estimator)


def test_plain_data_is_trusted_by_its_public_name():
    """What fitted estimators hold besides numbers."""
    kinds = (EmbeddingCache, Target, BadImage)
    assert {".".join(public_name(kind.__module__, kind.__name__)) for kind in kinds} == DATA


@pytest.mark.parametrize(
    "name",
    [
        "featx.heads.make_head",  # a function
        "featx.cache.Damage",  # a class that no estimator holds
        "featx.heads.boosting.XGBoostHead",  # not its public name
        "featx.heads.LogisticHead.fit",
        "featx.heads.LogisticHead.__init__.__globals__",
        "featx.heads.__all__",
        "featx.heads.",
        "featx..LogisticHead",
        "featx",
        "featx.cli.main",
        "featx.saving.load",
        "featy.heads.LogisticHead",
        "builtins.eval",
        "os.system",
    ],
)
def test_nothing_else_is_trusted(name):
    """Least of all what a file could have called with arguments of its choice."""
    assert not trusted(name)
    assert set(ROOMS) <= {one.name for one in pkgutil.iter_modules(featx.__path__)}


def test_a_function_of_featx_is_not_made(tmp_path):
    """Though it stands at a door."""
    from sklearn.preprocessing import FunctionTransformer

    with pytest.warns(UserWarning, match=r"trusted=\['featx\.heads\.make_head'\]"):
        save(FunctionTransformer(make_head).fit([[0]]), tmp_path / "model")
    with pytest.raises(SavedModelError, match=r"not trusted.*'featx\.heads\.make_head'"):
        load(tmp_path / "model")
    data = (tmp_path / "model" / "model.skops").read_bytes()
    assert skops.io.get_untrusted_types(data=data) == ["featx.heads.make_head"]
