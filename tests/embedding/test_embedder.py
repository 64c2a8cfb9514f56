"""An Embedder gives batches of rows their embeddings, of whatever kind the rows are and whoever calls it."""

import pickle
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dask import array as da
from PIL import Image

import featx
from featx import EmbeddingCache, FeatureExtractor
from featx.embedding import Embedder
from featx.errors import ImageError


def small(**choices):
    return FeatureExtractor(
        **{"depth": [1, 2], "pooling": "avg", "input_size": 32, "engine": "openvino", **choices}
    )


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """Keep exported graphs for all tests of this file: another export may round otherwise, and takes seconds."""
    return str(tmp_path_factory.mktemp("graphs") / "engines")


@pytest.fixture(autouse=True)
def _same_graphs(graphs, monkeypatch):
    monkeypatch.setenv("FEATX_GRAPHS", graphs)


@pytest.fixture(scope="module")
def expected(pixels, graphs, tmp_path_factory):
    """Give what the extractor itself gives for the twelve images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEATX_GRAPHS", graphs)
        return small(cache=tmp_path_factory.mktemp("reference")).transform(pixels)


def vectors_of(column):
    """Give a column of embeddings as one array, however it holds them."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        column = column.to_pylist()
    return np.array([np.asarray(cell, np.float32) for cell in column])


def batches(files):
    """Give the same twelve rows as every kind of batch."""
    columns = {"path": files, "label": list(range(12))}
    table = pa.table(columns)
    return {
        "record batch": table.to_batches()[0],
        "table": table,
        "pandas": pd.DataFrame(columns, index=range(5, 17)),
        "polars": pl.DataFrame(columns),
        "dict of arrays": {name: np.array(column) for name, column in columns.items()},
        "dict of lists": columns,
    }


@pytest.mark.parametrize("kind", batches([""] * 12))
def test_rows_come_back_with_their_embeddings(kind, files, expected):
    """In a batch of the same kind, which was not changed, with float32 and all other columns as they were."""
    rows = batches(files)[kind]
    before = pickle.dumps(rows)

    found = Embedder(small())(rows)

    assert type(found) is type(rows)
    assert pickle.dumps(rows) == before
    names = (
        found.schema.names
        if isinstance(found, pa.Table | pa.RecordBatch)
        else getattr(found, "columns", found)
    )
    assert list(names) == ["path", "label", "embedding"]
    np.testing.assert_array_equal(vectors_of(found["embedding"]), expected)
    assert list(map(str, found["path"])) == files
    if kind in {"record batch", "table"}:
        assert found.schema.field("embedding").type == pa.list_(pa.float32(), expected.shape[1])
    if kind == "polars":
        assert found["embedding"].dtype == pl.Array(pl.Float32, expected.shape[1])
    if kind == "pandas":
        assert list(found.index) == list(rows.index)


@pytest.mark.parametrize("kind", batches([""] * 12))
def test_ids_stand_for_vectors_that_all_can_read(kind, files, expected):
    """The column of ids of any kind of batch finds the vectors in the cache, also as blocks of a Dask array."""
    embedder = Embedder(small(cache="shared"), add="image_id")
    found = embedder(batches(files)[kind])

    np.testing.assert_array_equal(embedder.read(found["image_id"]), expected)
    blocks = embedder.array(found["image_id"], rows=5)
    assert blocks.chunks == ((5, 5, 2), (expected.shape[1],))
    np.testing.assert_array_equal(blocks.compute(scheduler="threads"), expected)
    np.testing.assert_array_equal(da.nanmax(blocks).compute(scheduler="threads"), expected.max())


def test_a_column_of_that_name_is_replaced(files, expected):
    """As where a table is embedded once more."""
    embedder = Embedder(small())
    for rows in batches(files).values():
        twice = embedder(embedder(rows))
        np.testing.assert_array_equal(vectors_of(twice["embedding"]), expected)


@pytest.mark.parametrize("kind", ["bytes", "cells", "pictures", "arrays", "one array", "tensors"])
def test_images_may_be_whatever_the_extractor_takes(kind, files, pixels, expected):
    """Files' bytes, Hugging Face's cells, Pillow images, arrays, and tensors of Arrow."""
    data = [Path(file).read_bytes() for file in files]
    column = {
        "bytes": data,
        "cells": [{"bytes": one, "path": None} for one in data],
        "pictures": [Image.fromarray(picture) for picture in pixels],
        "arrays": list(pixels),
        "one array": pixels,
        "tensors": pa.FixedShapeTensorArray.from_numpy_ndarray(pixels),
    }[kind]
    rows = pa.table({"image": column}) if kind in {"bytes", "cells", "tensors"} else {"image": column}

    np.testing.assert_array_equal(vectors_of(Embedder(small(), "image")(rows)["embedding"]), expected)


@pytest.mark.parametrize("add", ["embedding", "image_id"])
def test_no_rows_are_rows_too(add):
    """Frameworks try a function on an empty batch to learn its columns."""
    width = {"embedding": 96, "image_id": 16}[add]
    embedder = Embedder(small(), add=add)
    assert embedder({"path": np.array([], str)})[add].shape == (0, width)
    for rows in batches([""] * 12).values():
        if not isinstance(rows, dict):
            assert len(embedder(rows[:0])[add]) == 0


def test_batches_may_come_one_by_one(files, expected):
    """As Spark's mapInArrow passes them, of types that Spark knows: none is asked for before it is needed."""
    taken = []
    rows = (taken.append(None) or batch for batch in pa.table({"path": files}).to_batches(max_chunksize=5))
    found = Embedder(small())(rows)

    assert taken == []
    first = next(found)
    assert [first.num_rows, len(taken)] == [5, 1]
    assert first.schema.field("embedding").type == pa.list_(pa.float32())
    np.testing.assert_array_equal(
        np.concatenate([vectors_of(batch["embedding"]) for batch in found]), expected[5:]
    )


def test_choices_travel_and_no_network_does(files, expected, monkeypatch, tmp_path):
    """A few hundred bytes, also when it has run; and they mean the same in another folder."""
    embedder = Embedder(small(cache="here"))
    embedder({"path": files})
    sent = pickle.dumps(embedder)
    assert len(sent) < 2000
    assert embedder.extractor.open_cache() == EmbeddingCache("here")

    monkeypatch.chdir(tmp_path)
    there = pickle.loads(sent)
    assert repr(there) == repr(embedder)
    np.testing.assert_array_equal(there({"path": files})["embedding"], expected)
    assert not Path("here").exists()


def test_a_network_of_ones_own_travels_as_its_path(tiny, files, monkeypatch, tmp_path):
    """Its file is found from another folder, too."""
    tiny.save("own.keras")
    both = FeatureExtractor(["own.keras", "featx-mini"], depth=1, scaling=["unit", "auto"], cache=None)
    embedder = Embedder(both)
    expected = embedder({"path": files})["embedding"]
    monkeypatch.chdir(tmp_path)

    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(embedder))({"path": files})["embedding"], expected
    )


def test_a_bad_image_is_named_and_the_others_are_kept(files, forwards):
    """Or it becomes a row of NaN, and an id of zeros, if the extractor says so."""
    files[3] = "nowhere.png"
    with pytest.raises(ImageError, match=r"nowhere\.png: there is no such file") as caught:
        Embedder(small(engine="keras"))({"path": files})
    assert [bad.row for bad in pickle.loads(pickle.dumps(caught.value)).bad] == [3]
    assert sum(forwards) == 11

    lenient = small(engine="keras", on_error="nan")
    found = Embedder(lenient)({"path": files})["embedding"]
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [3]
    named = Embedder(lenient, add="image_id")
    ids = named({"path": files})["image_id"]
    assert np.flatnonzero(~ids.any(axis=1)).tolist() == [3]
    np.testing.assert_array_equal(named.read(ids), found)
    assert sum(forwards) == 11


def test_datasets_keep_their_images_as_they_are(files, expected):
    """`map` of Hugging Face's datasets takes it; pictures are not decoded and written anew."""
    table = datasets.Dataset.from_dict({"image": files}).cast_column("image", datasets.Image())
    found = table.map(Embedder(small(), "image"), batched=True, batch_size=5)

    np.testing.assert_array_equal(np.array(found["embedding"], np.float32), expected)
    cells = found.cast_column("image", datasets.Image(decode=False))["image"]
    assert [cell["path"] for cell in cells] == files


def test_it_is_public():
    """From the room's door."""
    assert featx.embedding.Embedder is Embedder
