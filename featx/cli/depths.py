"""The commands ``featx depths`` and ``featx classify``."""

from pathlib import Path
from typing import Any

import click

from featx.cli.options import as_json, extraction, extractor_from, folder_from, images_from, print_json, table
from featx.errors import InputError
from featx.text import shown


@click.command("depths")
@table
@click.option(
    "--head", default="auto", help="auto, or a head of featx fit; 'ridge' treats counts as numbers."
)
@click.option(
    "--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the cross-validation."
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the curve into this .png, .svg or .pdf.",
)
@extraction
@as_json
def depths_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None, head: str, folds: int, plot: Path | None,
    as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Score every depth of a backbone, and say which to use.

    SOURCE is a folder with one folder per class, or a table. --depth and --pooling choose the depths to compare; by
    default every stage, pooled by avg+std.

    Example: featx depths photos --backbone mobilenet_v2
    """
    from featx.transfer.depths import depth_curve

    images = images_from(source, image=image, label=label, root=root, labelled=True)
    curve = depth_curve(images.paths, images.labels, extractor_from(**choices), head=head, cv=folds)
    if plot:
        picture = curve.plot().figure
        try:
            picture.savefig(plot)
        except (OSError, ValueError) as error:
            raise InputError(f"{plot} cannot be written: {error}") from error
    if as_json:
        print_json({**curve.to_dict(), "left_out": images.left_out})
    else:
        click.echo(str(curve))


@click.command("classify")
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--backbone", default="mobilenet_v2", show_default=True, help="A network trained on ImageNet.")
@click.option("--weights", default="auto", help="'auto', or a file that includes the classifier's weights.")
@click.option("--input-size", type=int, help="Image size in pixels; default: the backbone's own.")
@click.option(
    "--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Classes to list per image."
)
@click.option("--cache", metavar="FOLDER", default="auto", help="Cache folder, or 'none' to keep nothing.")
@as_json
def classify_command(
    images: tuple[Path, ...],
    *,
    backbone: str,
    weights: str,
    input_size: int | None,
    top: int,
    cache: str,
    as_json: bool,
) -> None:
    """Ask a backbone's own ImageNet classifier what it sees.

    IMAGES are files or folders.

    Example: featx classify photos --backbone mobilenet_v2
    """
    from featx.exploring.imagenet import classify

    paths = [path for one in images for path in (folder_from(one).paths if one.is_dir() else [str(one)])]
    guesses = classify(
        paths,
        backbone,
        top=top,
        weights=weights,
        input_size=input_size,
        cache=cache,
    )
    if as_json:
        print_json(
            [
                {"path": path, "guesses": [guess._asdict() for guess in row]}
                for path, row in zip(paths, guesses, strict=True)
            ]
        )
        return
    for path, row in zip(paths, guesses, strict=True):
        click.echo("\t".join([shown(path), *(f"{guess.name} {guess.confidence:.3f}" for guess in row)]))
