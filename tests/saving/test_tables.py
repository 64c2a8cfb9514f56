"""One plain file holds what the cache holds."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from featx.cache import EmbeddingCache
from featx.cache.identity import recipe_id
from featx.cache.memo import Memo, Stat, stat_of
from featx.embedding import FeatureExtractor
from featx.embedding.naming import image_ids
from featx.errors import InputError
from featx.images import load_folder, synthetic, write_folder
from featx.saving import export_recipe, write_embeddings
from featx.saving.tables import FORMATS

WORDS = {"backbone": "résnet", "depth": 3, "recipe": {"pooling": "avg"}}
RECIPE = recipe_id(WORDS["recipe"])


@pytest.fixture
def cache(tmp_path):
    """Return an empty cache."""
    return EmbeddingCache(tmp_path / "cache")


@pytest.fixture
def images(cache, tmp_path):
    """Return six labelled images whose vectors are cached, and whose files the memo knows."""
    images = load_folder(write_folder(*synthetic(n=6, classes=3, size=16), tmp_path / "photos"))
    ids = image_ids(list(images.paths))
    stats = [stat_of(path) for path in images.paths]
    settled = [Stat(s.size, s.mtime_ns, s.ctime_ns, s.inode, s.taken_ns + 10**10) for s in stats]
    Memo(cache.path).remember(zip(images.paths, settled, map(bytes, ids), strict=True))
    cache.put(RECIPE, ids, np.arange(24, dtype="f4").reshape(6, 4), WORDS)
    return images


def read(path):
    """Return a file's vectors, per-row columns as lists, column names and recipe, whatever its format."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            texts = {name: file[name].asstr()[:].tolist() for name in file if name != "embedding"}
            vectors, recipe = file["embedding"][:], json.loads(file.attrs["recipe"])
        return vectors, texts, texts.pop("column"), recipe
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        vectors, recipe = arrays.pop("embedding"), json.loads(str(arrays.pop("recipe")))
        texts = {name: array.tolist() for name, array in arrays.items()}
        return vectors, texts, texts.pop("column"), recipe
    if path.suffix == ".csv":
        frame = pd.read_csv(path, keep_default_na=False)
        recipe = json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf-8"))
    else:
        frame = pd.read_parquet(path)
        recipe = json.loads(parquet.read_schema(path).metadata[b"recipe"])
    names = [name for name in frame if name in {"path", "label", "image_id"}]
    texts = {name: frame.pop(name).tolist() for name in names}
    return frame.to_numpy("f4"), texts, list(frame), recipe


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_holds_vectors_paths_labels_ids_and_recipe(cache, images, tmp_path, suffix):
    """The images of a source, in its order."""
    assert export_recipe(cache, RECIPE[:5], tmp_path / f"out{suffix}", images) == (6, 4)

    vectors, texts, columns, recipe = read(tmp_path / f"out{suffix}")
    assert np.array_equal(vectors, np.arange(24).reshape(6, 4))
    assert texts == {
        "path": list(images.paths),
        "label": images.labels.tolist(),
        "image_id": [bytes(name).hex() for name in image_ids(list(images.paths))],
    }
    assert columns == [f"résnet_stage3_avg_{number}" for number in range(4)]
    assert recipe == {"recipe_id": RECIPE, **WORDS}


@pytest.mark.parametrize("suffix", FORMATS)
def test_without_a_source_all_is_written_with_the_paths_that_are_known(cache, images, tmp_path, suffix):
    """In the order of the ids; a file that is gone or was changed is not named."""
    Path(images.paths[1]).unlink()
    Path(images.paths[4]).write_bytes(b"another")
    export_recipe(cache, RECIPE, tmp_path / f"out{suffix}")

    vectors, texts, _, _ = read(tmp_path / f"out{suffix}")
    order = (vectors[:, 0] / 4).astype(int)
    assert sorted(order) == list(range(6))
    assert texts["path"] == ["" if row in {1, 4} else images.paths[row] for row in order]
    assert texts["image_id"] == sorted(texts["image_id"])
    assert texts.keys() == {"path", "image_id"}


@pytest.mark.parametrize("pooling", ["avg", "avg+std", "grid2+max", "none", "avg+none"])
def test_columns_are_named_as_the_extractor_names_them(tmp_path, pooling):
    """Where the recipe tells how; where it does not, they are numbered."""
    images, _ = synthetic(n=2, size=32)
    extractor = FeatureExtractor(depth=2, pooling=pooling, input_size=32, cache=tmp_path / "cache")
    extractor.transform(images)
    cache = EmbeddingCache(tmp_path / "cache")
    export_recipe(cache, cache.info()[0].recipe_id, tmp_path / "out.npz")
    names, told = read(tmp_path / "out.npz")[2], extractor.get_feature_names_out().tolist()
    if pooling == "avg+none":
        told = [f"featx-mini_stage2_{number}" for number in range(len(told))]
    assert names == told


@pytest.mark.parametrize(
    "recipe", [None, "avg", {}, {"pooling": 3}, {"pooling": "agv"}, {"pooling": "grid2"}]
)
def test_a_recipe_that_tells_nothing_numbers_the_columns(cache, tmp_path, recipe):
    """Words are for people; whatever stands there, vectors are written."""
    cache.put(RECIPE, np.zeros((1, 16), "u1"), np.zeros((1, 2), "f4"), {"depth": 3, "recipe": recipe})
    export_recipe(cache, RECIPE, tmp_path / "out.npz")
    assert read(tmp_path / "out.npz")[2] == ["featx_stage3_0", "featx_stage3_1"]


def test_missing_images_are_counted_and_nothing_is_written(cache, images, tmp_path):
    """Rather than rows that hold nothing."""
    for row in (2, 3):
        Path(images.paths[row]).write_bytes(bytes([row]))
    with pytest.raises(
        InputError, match=f"2 of 6 images are not cached under the recipe {RECIPE[:8]}, such as"
    ):
        export_recipe(cache, RECIPE, tmp_path / "out.h5", images)
    assert not list(tmp_path.glob("*out*"))


def test_a_recipe_is_named_by_its_beginning(cache, images, tmp_path):
    """As long as one recipe alone begins so."""
    other = RECIPE[:2] + ("1" if RECIPE[2] != "1" else "2") * 30
    cache.put(other, np.zeros((1, 16), "u1"), np.zeros((1, 2), "f4"))
    with pytest.raises(
        InputError, match=f"2 recipes have ids that begin with '{RECIPE[:2]}'. Give more digits"
    ):
        export_recipe(cache, RECIPE[:2], tmp_path / "out.npz")
    with pytest.raises(InputError, match=r"Unknown recipe 'abc'.*`featx cache info` lists them"):
        export_recipe(cache, "abc", tmp_path / "out.npz")
    assert export_recipe(cache, other[:4], tmp_path / "out.npz") == (1, 2)
    assert read(tmp_path / "out.npz")[2] == ["featx_embedding_0", "featx_embedding_1"]


WRITING = """
from pathlib import Path
import numpy as np, h5py, pandas, pyarrow.parquet
from featx.saving import write_embeddings
path = Path(sys.argv[2])

def write(kill, number):
    rows = np.full((500, 20), number, "f4")
    write_embeddings(path, rows, ["a"] * 500, [str(n) for n in range(20)], recipe={"number": number})

def read():
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return file["embedding"][:]
    if path.suffix == ".npz":
        return np.load(path)["embedding"]
    reader = pandas.read_csv if path.suffix == ".csv" else pandas.read_parquet
    return reader(path).iloc[:, 1:].to_numpy()

def check(kill, done):
    rows = read()
    assert rows.shape == (500, 20) and (rows == rows[0, 0]).all() and rows[0, 0] >= done - 1
"""


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_kill_at_any_moment_leaves_a_whole_table(tmp_path, killing, suffix):
    """The old one or the new one."""
    killing(WRITING, tmp_path / f"out{suffix}", kills=5)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("before", [True, False])
def test_a_full_disk_leaves_what_was(tmp_path, monkeypatch, suffix, before):
    """The old table or none, nothing half-written, and the error names the file."""
    path, rows = tmp_path / f"out{suffix}", np.eye(2, dtype="f4")
    if before:
        write_embeddings(path, rows, ["a", "b"], ["x", "y"], recipe={"old": 1})
    content = {one.name: one.read_bytes() for one in tmp_path.iterdir()}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        InputError, match=rf"out{suffix} cannot be written: No space left on device\. Give a name"
    ):
        write_embeddings(path, rows + 1, ["a", "b"], ["x", "y"], recipe={"new": 1})
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == content


def test_a_recipe_does_not_outlive_its_table(tmp_path):
    """A CSV file that is replaced by one without a recipe has no other one's beside it."""
    write_embeddings(tmp_path / "e.csv", np.eye(2), ["a", "b"], ["x", "y"], recipe={"old": 1})
    assert len(list(tmp_path.iterdir())) == 2
    write_embeddings(tmp_path / "e.csv", np.eye(2), ["a", "b"], ["x", "y"])
    assert [path.name for path in tmp_path.iterdir()] == ["e.csv"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_several_labels_and_images_without_a_path_are_written(tmp_path, suffix):
    """In a table each kind of label has a column; an image that was bytes has no path."""
    write_embeddings(
        tmp_path / f"e{suffix}", np.eye(2), [b"\x89PNG\xff", Path("b")], ["x", "y"], [[1, 2], [3, 4]]
    )
    if suffix in {".csv", ".parquet"}:
        frame = (pd.read_csv if suffix == ".csv" else pd.read_parquet)(tmp_path / f"e{suffix}")
        assert frame.columns.tolist() == ["path", "label_0", "label_1", "x", "y"]
        assert frame.fillna("").to_numpy()[:, :3].tolist() == [["", 1, 2], ["b", 3, 4]]
