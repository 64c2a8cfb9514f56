"""Tuned, then embedded, then another head: a fine-tuner as a step of scikit-learn's pipelines."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import featx
from featx import FeatureExtractor, FineTuner, FineTunerRegressor, make_head
from featx.images import digits, synthetic, write_folder
from featx.saving import export_model, load_exported

EXTRACTOR = FeatureExtractor(depth=[1, 2], pooling="avg", input_size=32, cache=None)
TUNER = FineTuner(EXTRACTOR, epochs=1, augment=None, average=1, validation=None, random_state=0, verbose=0)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Draw 36 parts as files, with a length that the pictures do not show; the label needs both."""
    images = featx.load_folder(
        write_folder(*synthetic(n=36, classes=3, size=32, random_state=0), tmp_path_factory.mktemp("parts"))
    )
    long = np.arange(36) % 2 == 0
    label = [
        f"{size} {kind}" for size, kind in zip(np.where(long, "long", "short"), images.labels, strict=True)
    ]
    return pd.DataFrame({"image": images.paths, "millimetres": 40.0 + 20 * long, "label": label})


@pytest.fixture(scope="module")
def pipe(parts):
    """Fit trees to a tuned network's columns and one of the table."""
    columns = make_column_transformer((TUNER, ["image"]), (StandardScaler(), ["millimetres"]))
    return make_pipeline(columns, make_head("xgboost", n_estimators=20)).fit(parts, parts["label"])


@pytest.mark.xdist_group("tuner-transform")
def test_trees_grow_on_tuned_columns_and_a_table(parts, pipe):
    """The network was tuned to the labels of the pipeline, and the trees split by the column of the table, too."""
    tuner = pipe[0].named_transformers_["finetuner"]

    assert sorted(tuner.classes_) == sorted(parts["label"].unique())
    assert pipe.score(parts, parts["label"]) > 0.9
    columns = pipe[0].get_feature_names_out()
    assert columns[-1] == "standardscaler__millimetres"
    assert len(columns) == tuner.coef_.shape[1] + 1
    np.testing.assert_array_equal(
        tuner.transform(parts["image"]), tuner.tuned_extractor().transform(parts["image"])
    )


@pytest.mark.xdist_group("tuner-transform")
def test_such_a_pipeline_is_saved_and_loaded(parts, pipe, tmp_path):
    """The network goes with it."""
    featx.save(pipe, tmp_path / "model")

    np.testing.assert_array_equal(featx.load(tmp_path / "model").predict(parts), pipe.predict(parts))


def test_each_fold_tunes_a_network_to_its_own_images(parts):
    """No fold has seen an image, or a label, that it is judged by."""
    pipeline = make_pipeline(TUNER, make_head("ridge-classifier"))
    found = cross_validate(
        pipeline, parts["image"], parts["label"], cv=2, return_estimator=True, return_indices=True
    )

    for fitted, train in zip(found["estimator"], found["indices"]["train"], strict=True):
        alone = TUNER.fit(parts["image"].iloc[train], parts["label"].iloc[train])
        np.testing.assert_allclose(fitted[0].coef_, alone.coef_, rtol=1e-3, atol=1e-6)


def test_a_linear_head_on_tuned_columns_is_exported(parts, tmp_path):
    """As on those of an extractor: one graph, with the same answers."""
    pipe = make_pipeline(TUNER, make_head("logistic")).fit(parts["image"], parts["label"])
    export_model(pipe, tmp_path / "graph", format="keras")
    graph = load_exported(tmp_path / "graph")

    np.testing.assert_allclose(
        graph.predict_proba(parts["image"]), pipe.predict_proba(parts["image"]), atol=1e-4
    )


def test_a_regressor_embeds_too():
    """What it was tuned to are numbers."""
    images, _ = digits()
    tuner = FineTunerRegressor(EXTRACTOR, epochs=1, augment=None, random_state=0, verbose=0)
    embeddings = tuner.fit_transform(images[:30], np.arange(30.0))

    np.testing.assert_allclose(
        embeddings @ tuner.coef_[0] + tuner.intercept_, tuner.predict(images[:30]), rtol=1e-5
    )
