"""What the commands share: tables in columns, and labels asked for where a command needs them."""

import pytest

from featx.cli.options import images_from, print_table
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
