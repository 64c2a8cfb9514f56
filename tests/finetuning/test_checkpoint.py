"""A checkpoint is whole or absent, and belongs to one run."""

import os
import sys

import numpy as np
import pytest

from featx.errors import InputError
from featx.finetuning.checkpoint import Checkpoint


def test_what_is_written_is_read(tmp_path):
    """Facts and arrays of any dtype come back, the last ones written; the folder is made."""
    checkpoint = Checkpoint(tmp_path / "deep" / "folder", "0a")
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64), np.array([], np.float64)]
    checkpoint.write({"epoch": 1}, {"weights": [], "other": arrays[:1]})
    checkpoint.write({"epoch": 2, "loss": None}, {"weights": arrays})

    facts, lists = Checkpoint(tmp_path / "deep" / "folder", "0a").read()

    assert facts == {"epoch": 2, "loss": None}
    for given, expected in zip(lists["weights"], arrays, strict=True):
        np.testing.assert_array_equal(given, expected)
        assert given.dtype == expected.dtype


def test_runs_share_a_folder(tmp_path):
    """Each has its file, and removes only that."""
    one, other = Checkpoint(tmp_path, "01"), Checkpoint(tmp_path, "02")
    one.write({"run": 1}, {})
    other.write({"run": 2}, {})
    one.remove()
    one.remove()

    assert one.read() is None
    assert other.read() == ({"run": 2}, {})


def test_a_failed_write_leaves_the_last_state(tmp_path):
    """What cannot be written without pickle fails, and nothing is left beside the old file."""
    checkpoint = Checkpoint(tmp_path, "01")
    checkpoint.write({"epoch": 1}, {})
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        checkpoint.write({"epoch": 2}, {"weights": [np.array([None])]})

    assert checkpoint.read() == ({"epoch": 1}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["01.npz"]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named(tmp_path, content):
    """It is not taken for a beginning."""
    (tmp_path / "01.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"01\.npz' is damaged .* Remove it"):
        Checkpoint(tmp_path, "01").read()


@pytest.mark.skipif(sys.platform != "linux", reason="uses what only Linux offers")
@pytest.mark.parametrize(
    ("put", "what"),
    [
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a link"),
        (
            lambda path: (path.touch(), os.truncate(path, 100 * 10**9)),
            "has 100,000,000,000 bytes, more than the *",
        ),
    ],
    ids=["pipe", "link to a device", "sparse file"],
)
def test_what_is_no_file_is_named(tmp_path, says, put, what):
    """It is not waited for, and fills no memory."""
    put(tmp_path / "01.npz")
    message = f"The checkpoint '*/01.npz' {what}. Remove it, to begin from the start."
    says(Checkpoint(tmp_path, "01").read, InputError, message)
