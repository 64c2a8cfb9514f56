"""docs/scale.md: every figure that a formula gives is that formula's."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from featx.cache import EmbeddingCache
from featx.cache.segment import HEADER
from featx.cli.shard import CHUNK

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "scale.md").read_text()


@pytest.fixture(scope="module")
def scale():
    """Give the program that prints the tables."""
    spec = spec_from_file_location("scale", ROOT / "benchmarks" / "scale.py")
    sys.modules["scale"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["scale"])
    yield sys.modules["scale"]
    del sys.modules["scale"]


def test_the_tables_are_those_that_the_program_prints(scale):
    """So is what the text repeats of them."""
    assert scale.tables() in PAGE
    dim = scale.DIM["mobilenet_v2"]
    assert f"embeds {scale.PER_CORE['mobilenet_v2']:.0f} images" in PAGE
    assert f"{scale.PER_CORE['resnet50']:.0f} by ResNet-50" in PAGE
    assert f"an H200 with 16 cores {scale.PER_GPU['mobilenet_v2']} and {scale.PER_GPU['resnet50']}," in PAGE
    assert f"| 100,000 ids | 66 ms | {1e8 * scale.LOOKUP:.0f} ms |" in PAGE
    assert f"{1e6 * dim * 4 / 1e9:.0f} GB for a million" in PAGE
    assert f"images {scale.SEGMENT:,} at a time" in " ".join(PAGE.split())
    text = " ".join(PAGE.split())
    assert f"each holds an index of its own, {1e8 * scale.memory(dim) / 1e9:.1f} GB" in text
    assert (
        f"{scale.rows_within(scale.MEMORY, dim) // 1e8 * 100:.0f} million rows | the index takes more than 24 GiB"
        in text
    )
    assert f"two cores take {scale.SEGMENT / (2 * scale.PER_CORE['mobilenet_v2']):.0f} s to fill one" in text
    assert 1e9**2 / 2**129 < 1e-20  # a digest has 128 bits: birthdays


def test_the_rates_are_those_that_were_measured(scale):
    """Each stands in docs/performance.md."""
    text = (ROOT / "docs" / "performance.md").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith("| float32: from files |"))
    for rate in scale.PER_CORE.values():
        assert f" {2 * rate:.3g} (" in row
    (row, *_) = (
        line for line in text[text.index("## On a GPU") :].splitlines() if line.startswith("| featx |")
    )
    for rate in scale.PER_GPU.values():
        assert f" {rate} (" in row


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_row_takes_the_bytes_that_the_formulas_say(scale, tmp_path, dtype):
    """On the disk and in memory, but for a header and HDF5's own structures."""
    from featx.cache.store import shared

    dim, rows = scale.DIM["mobilenet_v2"], 300
    cache = EmbeddingCache(tmp_path, dtype)
    for part in range(2):
        ids = np.random.default_rng(part).integers(0, 256, (rows, 16), "u1")
        cache.put("0" * 32, ids, np.zeros((rows, dim), "f4"))
    sizes = [path.stat().st_size for path in tmp_path.glob("*/*.h5")]
    itemsize = np.dtype(dtype).itemsize
    assert sizes == pytest.approx([rows * scale.row(dim, itemsize) + HEADER] * 2, abs=4096)
    index = shared(tmp_path).index("0" * 32)
    assert index.nbytes == 2 * rows * (scale.INDEX + scale.check(dim, itemsize))


def test_a_chunk_is_as_long_as_the_program_thinks(scale):
    """And `featx cache compact` makes what it says."""
    from featx.cache.compacting import COMPACT_BELOW

    assert (scale.SEGMENT, scale.COMPACTED) == (CHUNK, COMPACT_BELOW)
