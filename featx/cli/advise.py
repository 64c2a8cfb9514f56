"""The command ``featx advise``."""

from pathlib import Path

import click

from featx.cli.options import as_json, images_from, print_json, table
from featx.text import shown_lines


@click.command("advise")
@table
@click.option("--backbone", default="featx-mini", help="A name that featx backbones lists, or a .keras file.")
@click.option("--input-size", type=int, help="Image size in pixels; default: the backbone's own.")
@click.option(
    "--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the cross-validation."
)
@click.option("--large", type=int, default=1000, show_default=True, help="Images that make a data set large.")
@click.option(
    "--per-class",
    type=int,
    default=50,
    show_default=True,
    help="Images of its median class that make it large.",
)
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
@click.option("--cache", metavar="FOLDER", default="auto", help="Cache folder, or 'none' to keep nothing.")
@as_json
def advise_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None, backbone: str, input_size: int | None,
    folds: int, large: int, per_class: int, quiet: bool, cache: str, as_json: bool,
) -> None:  # fmt: skip
    """Measure which strategy suits your images, and say what to run.

    SOURCE is a folder with one folder per class, or a table. Counts its images, compares them with the pretraining
    data by the depth curve, and prints the strategy's command with about how long it takes.

    Example: featx advise photos --backbone mobilenet_v2
    """
    from featx.transfer.advice import advise

    images = images_from(source, image=image, label=label, root=root, labelled=True)
    advice = advise(
        images.paths, images.labels, backbone, large=large, per_class=per_class, cv=folds, input_size=input_size,
        verbose=int(not quiet), cache=cache,
    )  # fmt: skip
    if as_json:
        print_json({**advice.to_dict(), "command": advice.command(str(source)), "left_out": images.left_out})
    else:
        click.echo(shown_lines(advice.text(str(source))))
