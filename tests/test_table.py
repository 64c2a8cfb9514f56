"""The table of docs/table.md: what is measured is kept, and what is behind is named."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

PROGRAMS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def program():
    spec = spec_from_file_location("table", PROGRAMS / "table.py")
    loaded = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PROGRAMS)
        spec.loader.exec_module(loaded)
    return loaded


def cell(row, right, images=100):
    """Give a set of which so many of a hundred answers are right."""
    each = (np.arange(images) < right).astype(float)
    return {"row": row, "set": "birds", "images": images, "seconds": 1.0, "calibration": 0.1, "each": [*each]}


@pytest.mark.parametrize(
    ("ours", "expected"),
    [(80, "`default` behind embetter on birds by 0.100 ± 0.030."), (89, "none."), (100, "none.")],
)
def test_what_is_behind_by_more_than_noise_is_named(program, ours, expected):
    """One answer of a hundred is within two standard errors, ten are not."""
    cells = {(row, "birds"): cell(row, right) for row, right in (("default", ours), ("embetter", 90))}
    *_, last = program.differences(cells, ["birds"])
    assert last.endswith(f"Behind by more than two standard errors: {expected}")


def test_what_a_kill_cut_short_is_measured_again(program, tmp_path):
    """The lines before and behind it count."""
    file = tmp_path / "table.jsonl"
    lines = [program.json.dumps(cell(row, 90)) for row in ("pixels", "default", "auto")]
    file.write_text(f"\n{lines[0]}\n\n{lines[1][:40]}\n{lines[2]}\n")
    assert list(program.measured(file)) == [("pixels", "birds"), ("auto", "birds")]
    assert list(program.measured(tmp_path / "none")) == []


def test_the_table_has_a_cell_for_each_row_and_set(program):
    """With its interval, calibration error and seconds; the mean only where no set is missing."""
    cells = {("default", "birds"): cell("default", 90), ("auto", "birds"): cell("auto", 95)}
    cells["auto", "cats"] = cell("auto", 80)
    head, _, default, auto = program.table(cells, ["default", "auto"], ["birds", "cats"])
    assert head == "| | birds (100) | cats (100) | mean |"
    assert default == "| default | 0.900 (0.786-0.957), 0.100, 1.0 s |  |  |"
    assert auto.endswith("| 0.875, 0.100, 2 s |")
