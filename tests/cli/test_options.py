"""What the commands share: tables in columns, and labels asked for where a command needs them."""

import pytest
from click.testing import CliRunner

from featx.cli import main
from featx.cli.options import Views, _one_or_several, images_from, print_table
from featx.errors import InputError


def test_columns_are_aligned_and_numbers_stand_on_the_right(capsys):
    """Cells stay as they are, even such as look like numbers; None is empty, and no line ends in blanks."""
    print_table([["007", 5, None], ["1e5", 1200, "x"]], ("id", "n", "note"))

    assert capsys.readouterr().out.splitlines() == ["id       n  note", "007      5", "1e5   1200  x"]


def test_a_table_without_rows_is_its_header(capsys):
    """Such as that of an empty cache."""
    print_table([], ("recipe", "images"))

    assert capsys.readouterr().out.split() == ["recipe", "images"]


def test_labels_are_asked_for_where_they_are_needed(files, tmp_path):
    """A folder of images alone will do for extract, not for fit."""
    what = {"image": None, "label": (), "root": None}

    assert len(images_from(tmp_path, **what)) == len(files)
    with pytest.raises(
        InputError, match=r"has no labels\. Give a folder with one folder per class, or --label"
    ):
        images_from(tmp_path, **what, labelled=True)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("none", None), ("flip", "flip"), ("1.43", 1.43), ("crops,flip,2", ["crops", "flip", 2])],
)
def test_views_are_separated_by_commas(given, meant):
    assert Views().convert(given, None, None) == meant


@pytest.mark.parametrize("given", ["flop", "320", "flip,", "nan"])
def test_what_are_no_views_is_wrong_usage(given):
    """Also a number of pixels in place of a factor."""
    done = CliRunner().invoke(main, ["extract", ".", "-o", "x.npz", "--views", given])

    assert done.exit_code == 2
    assert (
        f"Invalid value for '--views': '{given}' is not flip, crops or a factor of the input size from 0.25 to 4, nor "
        "several of these with commas." in done.output
    )


def test_backbones_are_separated_by_commas(tmp_path):
    """A file whose name has a comma is one backbone."""
    (tmp_path / "a,b.keras").touch()
    one = _one_or_several(None, None, str(tmp_path / "a,b.keras"))
    assert one == str(tmp_path / "a,b.keras")
    assert _one_or_several(None, None, "featx-mini,mobilenet") == ["featx-mini", "mobilenet"]
