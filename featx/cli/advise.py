"""The command ``featx advise``."""

from pathlib import Path

import click

from featx.cli.options import as_json, images_from, print_json, table


@click.command("advise")
@table
@click.option("--backbone", default="featx-mini", help="A name of featx backbones, or a .keras file.")
@click.option("--input-size", type=int, help="Pixels; default: the backbone's own.")
@click.option(
    "--folds", type=click.IntRange(2), default=5, show_default=True, help="Of the cross-validation."
)
@click.option(
    "--large", type=int, default=1000, show_default=True, help="Images from which on a set is large."
)
@click.option("--per-class", type=int, default=50, show_default=True, help="And images of the median class.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
@click.option("--cache", metavar="FOLDER", default="auto", help="Cache folder; 'none' to keep nothing.")
@as_json
def advise_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None, backbone: str, input_size: int | None,
    folds: int, large: int, per_class: int, quiet: bool, cache: str, as_json: bool,
) -> None:  # fmt: skip
    """Measure how much data there is and how like the pretraining data it is, and say what to do.

    Example: featx advise photos --backbone mobilenet_v2
    """
    from featx.transfer.advice import advise

    images = images_from(source, image=image, label=label, root=root, labelled=True)
    advice = advise(
        images.paths, images.labels, backbone, large=large, per_class=per_class, cv=folds, input_size=input_size,
        verbose=int(not quiet), cache=cache,
    )  # fmt: skip
    if as_json:
        print_json({**advice.to_dict(), "command": advice.command(str(source))})
    else:
        click.echo(advice.text(str(source)))
