"""Ray Data, with real processes, embeds what one process embeds, whoever dies, however the rows are cut."""

import os

import numpy as np
import pytest

from featx import EmbeddingCache, FeatureExtractor, load_folder
from featx.embedding import Embedder
from featx.images import synthetic, write_folder
from tests.conftest import ROOT
from tests.embedding.notes import check_a_kill, read_notes

pytestmark = pytest.mark.slow
if not os.environ.get("FEATX_SOAK"):  # it stopped for good once (docs/machines.md)
    pytest.skip("`make soak` runs it", allow_module_level=True)
ray = pytest.importorskip("ray", reason="Ray comes with the development tools only")
data = pytest.importorskip("ray.data")


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Start Ray with two workers, which take notes; one is to be killed once it has computed twelve images."""
    monkeypatch.setenv("FEATX_GRAPHS", str(tmp_path / "graphs"))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "kill").touch()
    there = {"FEATX_NOTES": str(notes), "FEATX_GRAPHS": str(tmp_path / "graphs"), "PYTHONPATH": str(ROOT)}
    hook = "tests.embedding.notes.take_notes_there"
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": there, "worker_process_setup_hook": hook},
    )
    data.DataContext.get_current().enable_progress_bars = False
    yield notes
    ray.shutdown()


@pytest.mark.timeout(600)  # a minute on an idle machine, five on a busy one
def test_blocks_are_embedded_whoever_dies(started, tmp_path):
    """By an Embedder, to the bit as by one process; what the dead worker kept is not computed again, nor ever lost."""
    paths = load_folder(
        write_folder(*synthetic(n=96, classes=3, size=40, random_state=0), tmp_path / "images")
    ).paths
    extractor = FeatureExtractor(depth=2, pooling="avg", input_size=32, engine="openvino")
    expected = extractor.with_choices(cache="reference").transform(paths)
    cache = EmbeddingCache("shared")
    embedder = Embedder(extractor.with_choices(cache=cache))

    def embedded(rows, blocks, size):
        items = [{"path": str(paths[row]), "row": int(row)} for row in rows]
        found = data.from_items(items, override_num_blocks=blocks).map_batches(
            embedder, batch_size=size, num_cpus=1
        )
        by_row = {row["row"]: row["embedding"] for row in found.take_all()}
        return np.array([by_row[row] for row in range(96)])

    np.testing.assert_array_equal(embedded(range(96), 6, 8), expected)
    check_a_kill(started, 96)
    before = read_notes(started)
    shuffled = np.random.default_rng(0).permutation(96)
    np.testing.assert_array_equal(embedded(shuffled, 3, 20), expected)

    assert read_notes(started) == before
    assert [recipe.rows for recipe in cache.info()] == [96]
    assert cache.verify() == []
