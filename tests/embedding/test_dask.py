"""A Dask cluster of real processes embeds what one process embeds, whoever dies or joins, however the rows are cut."""

import os

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from featx import EmbeddingCache, FeatureExtractor, load_folder
from featx.embedding import Embedder, passes
from featx.images import synthetic, write_folder
from featx.images.loading import spread
from tests.embedding.notes import check_a_kill, read_notes, take_notes

pytestmark = pytest.mark.slow
distributed = pytest.importorskip("distributed", reason="Dask comes with the development tools only")


class Notes(distributed.WorkerPlugin):
    """Have every worker, also one that joins later, take notes."""

    def __init__(self, folder):
        self.folder = folder

    def setup(self, worker):  # noqa: ARG002, D102 - Dask's signature
        take_notes(self.folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Give a folder with images, and with exported graphs, so that nobody exports while work is counted."""
    home = tmp_path_factory.mktemp("home")
    write_folder(*synthetic(n=96, classes=3, size=40, random_state=0), home / "images")
    return home


@pytest.fixture(scope="module")
def cluster(home):
    """Start a scheduler and three workers on this machine."""
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, dashboard_address=None, local_directory=str(home / "dask"),
            env={"FEATX_GRAPHS": str(home / "graphs")},
        ) as cluster,
        distributed.Client(cluster),
    ):  # fmt: skip
        yield cluster


@pytest.fixture
def images(home, monkeypatch):
    """Give the images' table; this process shares its exported graphs with the workers."""
    monkeypatch.setenv("FEATX_GRAPHS", str(home / "graphs"))
    return load_folder(home / "images")


@pytest.fixture
def expected(images):
    """Give what this process computes for them, by all its cores."""
    return extractor(cache=EmbeddingCache("reference")).transform(images.paths)


@pytest.fixture
def notes(cluster, tmp_path):
    """Have the workers take notes for this test; one of them is to be killed once it has computed twelve images."""
    with distributed.Client(cluster) as client:
        client.register_plugin(Notes(tmp_path), name=str(tmp_path))
        (tmp_path / "kill").touch()
        yield tmp_path
        client.unregister_worker_plugin(str(tmp_path))


def extractor(**choices):
    return FeatureExtractor(depth=2, pooling="avg", input_size=32, engine="openvino", **choices)


def test_partitions_are_embedded_whoever_dies_and_joins(cluster, images, expected, notes):
    """By an Embedder, to the bit as by one process; what the dead worker kept is not computed again, nor ever lost."""
    from dask import dataframe

    def embedded(rows, partitions):
        frame = pd.DataFrame({"path": images.paths[rows]}, index=rows)
        parts = dataframe.from_pandas(frame, npartitions=partitions, sort=False)
        meta = {"path": object, "embedding": object}
        found = parts.map_partitions(Embedder(extractor(cache=cache)), meta=meta).compute()
        return np.stack(found["embedding"].loc[np.arange(96)])

    cache, rows = EmbeddingCache("shared"), np.arange(96)
    cluster.scale(4)
    np.testing.assert_array_equal(embedded(rows, 12), expected)
    check_a_kill(notes, 96)
    before = read_notes(notes)
    np.testing.assert_array_equal(embedded(np.random.default_rng(0).permutation(rows), 7), expected)

    assert read_notes(notes) == before
    assert [recipe.rows for recipe in cache.info()] == [96]
    assert cache.verify() == []


def process(_):
    return os.getpid()


def test_an_extractor_runs_in_the_workers(images, expected, notes, monkeypatch):
    """Under joblib's configuration: no network here, and this process keeps what comes back, each image once."""

    def refuse(*_, **__):
        message = "the network ran in this process"
        raise AssertionError(message)

    monkeypatch.setattr(passes, "engine_for", refuse)
    cache = EmbeddingCache("own")
    with parallel_config(backend="dask"):
        assert os.getpid() not in set(spread(process, range(4)))
        np.testing.assert_array_equal(extractor(cache=cache).transform(images.paths), expected)

    check_a_kill(notes, 96)
    assert [recipe.rows for recipe in cache.info()] == [96]


def test_a_search_runs_in_the_workers(cluster, images, expected):
    """Folds are fitted there, and score as they do here."""
    model = make_pipeline(extractor(cache=EmbeddingCache("reference")), LogisticRegression(max_iter=2000))
    space = {"featureextractor__depth": [1, 2], "logisticregression__C": [0.1, 1.0]}
    here = GridSearchCV(model, space, cv=3).fit(images.paths, images.labels)
    with parallel_config(backend="dask"):
        there = GridSearchCV(model, space, cv=3).fit(images.paths, images.labels)

    np.testing.assert_array_equal(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
