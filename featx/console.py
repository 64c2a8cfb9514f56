"""What the commands share: options, how a source of images is named, how results are printed."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

import featx

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def images_from(source: Path, *, image: str | None, label: Iterable[str], root: Path | None) -> Any:
    """List the images of a folder or table; the others are for a table, as `featx.load_table` takes them."""
    if source.is_dir():
        return featx.load_folder(source)
    labels = list(label)
    return featx.load_table(
        source, image=image, label=(labels[0] if len(labels) == 1 else labels) or None, root=root
    )


def columns(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a table's columns and the folder its paths begin at."""
    root = click.Path(exists=True, file_okay=False, path_type=Path)
    command = click.option("--root", type=root, help="Folder of a table's paths; default: its own.")(command)
    command = click.option("--label", multiple=True, help="Column with the labels; may be repeated.")(command)
    return click.option("--image", help="Column with the paths.")(command)


def print_json(value: Any) -> None:
    """Print what a program can read."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(rows: Iterable[Iterable[Any]], header: Iterable[str]) -> None:
    """Print columns of equal width."""
    cells = [list(header), *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
