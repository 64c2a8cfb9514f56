"""A file of answers appears whole or not at all, whatever its kind."""

import json
from pathlib import Path

import numpy as np
import pytest

from featx.saving.answers import Answers
from featx.saving.predictions import FORMATS, writing

BLOCKS = [
    Answers(["=a.png", "caf\udce9.png"], np.array(["x", "=y"]), [np.array([[0.75, 0.25], [0.0, 1.0]])], [["x", "=y"]]),
    Answers(["b.png"], np.array(["x"]), [np.array([[0.5, 0.5]])], [["x", "=y"]]),
]  # fmt: skip


def read(path):
    """Give the rows of a file of answers."""
    import pandas as pd

    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return frame.to_dict("records")


@pytest.mark.parametrize("suffix", FORMATS)
def test_blocks_become_one_file(suffix):
    """Text that a spreadsheet would run, or that UTF-8 cannot hold, is written as in other tables."""
    path = Path(f"made/answers{suffix}")
    with writing(path) as write:
        for block in BLOCKS:
            write(block)
    rows, mark = read(path), "'" if suffix == ".csv" else ""

    assert [row["path"] for row in rows] == [f"{mark}=a.png", "caf\\xe9.png", "b.png"]
    assert [row["prediction"] for row in rows] == ["x", f"{mark}=y", "x"]
    assert [row["probability"] for row in rows] == [0.75, 1.0, 0.5]
    if suffix == ".jsonl":
        assert rows[0]["probabilities"] == {"x": 0.75, "=y": 0.25}
    else:
        assert [row["probability_=y"] for row in rows] == [0.25, 1.0, 0.5]


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_interrupted_leaves_nothing(suffix):
    """The file that was there stays."""
    path = Path(f"answers{suffix}")
    path.write_text("before")

    def interrupted():
        with writing(path) as write:
            write(BLOCKS[0])
            raise KeyboardInterrupt("now")

    with pytest.raises(KeyboardInterrupt, match="now"):
        interrupted()

    assert [(one.name, one.read_text()) for one in Path().iterdir()] == [(path.name, "before")]
