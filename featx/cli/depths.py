"""The command ``featx depths``."""

from pathlib import Path
from typing import Any

import click

from featx.cli.bad_images import on_error, past_bad_if
from featx.cli.options import (
    as_json,
    extraction,
    extractor_from,
    folds,
    group,
    groups_from,
    images_from,
    overwrite,
    print_json,
    table,
)
from featx.cli.outputs import check_output, write
from featx.cli.running import Command
from featx.errors import InputError
from featx.files import ending

PICTURES = (".png", ".svg", ".pdf")


@click.command("depths", cls=Command, python="featx.depth_curve")
@table
@click.option(
    "--head", default="auto", help="auto, or a head of featx fit; 'ridge' treats counts as numbers."
)
@folds
@group
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the curve into this .png, .svg or .pdf.")
@overwrite
@on_error
@extraction
@as_json
def depths_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None,
    group: str | None, head: str, folds: int, plot: Path | None,
    overwrite: bool, on_error: str, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Score every depth of a backbone, and say which to use.

    SOURCE is a folder with one folder per class, or a table. --depth and --pooling choose the depths to compare; by
    default every stage, pooled by avg+std.

    Example: featx depths photos --backbone mobilenet_v2
    """
    from featx.transfer.depth_report import new_axes
    from featx.transfer.depths import depth_curve

    if plot:
        if ending(plot, PICTURES) not in PICTURES:
            raise InputError(f"{str(plot)!r}: a picture ends in .png, .svg or .pdf.")
        check_output(plot, overwrite=overwrite)
        axes = new_axes()
    images = images_from(source, image=image, label=label, root=root, labelled=True)
    groups = groups_from(source, group, image=image, root=root)
    extractor = extractor_from(**choices)
    curve, _, bad = past_bad_if(
        on_error,
        lambda paths, labels, groups: depth_curve(
            paths, labels, extractor, head=head, cv=folds, groups=groups
        ),
        images.paths,
        images.labels,
        groups,
    )
    if as_json:
        print_json({**curve.to_dict(), "bad": len(bad), "left_out": images.left_out})
    else:
        click.echo(str(curve))
    if plot:
        write(plot, lambda file: curve.plot(axes).figure.savefig(file, format=plot.suffix[1:].lower()))
