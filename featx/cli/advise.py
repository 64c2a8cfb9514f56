"""The command ``featx advise``."""

from pathlib import Path

import click

from featx.cli.bad_images import on_error, past_bad_if
from featx.cli.options import (
    as_json,
    backbone,
    cache,
    extractor_from,
    folds,
    group,
    groups_from,
    images_from,
    input_size,
    jobs,
    print_json,
    quiet,
    table,
)
from featx.cli.running import Command
from featx.text import shown_lines


@click.command("advise", cls=Command, python="featx.advise")
@table
@backbone
@input_size
@folds
@group
@click.option("--large", type=click.IntRange(1), default=1000, show_default=True,
              help="Images that make a data set large.")  # fmt: skip
@click.option("--per-class", type=click.IntRange(1), default=50, show_default=True,
              help="Images of its median class that make it large.")  # fmt: skip
@on_error
@jobs
@quiet
@cache
@as_json
def advise_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None,
    group: str | None, backbone: str, input_size: int | None,
    folds: int, large: int, per_class: int, on_error: str, jobs: int | None, quiet: bool, cache: str, as_json: bool,
) -> None:  # fmt: skip
    """Measure which strategy suits your images, and say what to run.

    SOURCE is a folder with one folder per class, or a table. Counts its images, compares them with the pretraining
    data by the depth curve, and prints the strategy's command with about how long it takes.

    Example: featx advise photos --backbone mobilenet_v2
    """
    from featx.transfer.advice import advise

    images = images_from(source, image=image, label=label, root=root, labelled=True)
    groups = groups_from(source, group, image=image, root=root)
    extractor = extractor_from(
        backbone=backbone, input_size=input_size, weights="auto", cache=cache, jobs=jobs, quiet=quiet
    )
    advice, _, bad = past_bad_if(
        on_error,
        lambda paths, labels, groups: advise(
            paths, labels, extractor, large=large, per_class=per_class, cv=folds, groups=groups
        ),
        images.paths,
        images.labels,
        groups,
    )
    if as_json:
        said = {**advice.to_dict(), "command": advice.command(str(source)), "bad": len(bad)}
        print_json({**said, "left_out": images.left_out})
    else:
        click.echo(shown_lines(advice.text(str(source))))
