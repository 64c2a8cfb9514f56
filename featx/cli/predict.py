"""The commands ``featx predict`` and ``featx classify``, which answer for each image."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent
from typing import Any

import click

from featx.cli.bad_images import end_with, on_error_of_answers
from featx.cli.models import load_model
from featx.cli.options import (
    Place,
    as_json,
    cache,
    input_size,
    jobs,
    overwrite,
    paths_from,
    print_json,
    quiet,
)
from featx.cli.outputs import check_output
from featx.cli.running import Command
from featx.errors import BadImage
from featx.text import shown, to_json

_images = click.argument("images", nargs=-1, required=True, type=Place())


@click.command("predict", cls=Command, python="featx.load, featx.saving.load_exported")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_images
@click.option("--image", help="Column with the image paths of a table.")
@click.option("--root", type=Place(file_okay=False),
              help="Folder that a table's paths start from; default: the table's own.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="File for the answers, .csv, .parquet or .jsonl, in place of printing them.")  # fmt: skip
@overwrite
@click.option(
    "--top", type=click.IntRange(1, 1000), help="Classes to give for each image, the most probable first."
)
@on_error_of_answers
@jobs
@quiet
@cache
@as_json
def predict_command(
    model: Path, *, images: tuple[Path, ...], image: str | None, root: Path | None,
    output: Path | None, overwrite: bool, top: int | None, on_error: str, jobs: int | None, quiet: bool,
    cache: str, as_json: bool,
) -> None:  # fmt: skip
    """Apply a saved or exported MODEL to images, however many: files, folders or tables of paths.

    A file appears when all is done; what is printed comes as it is computed, a thousand images at a time.

    Example: featx predict photos-model photos/circle -o answers.csv
    """
    import numpy as np

    from featx.saving.answers import answers
    from featx.saving.predictions import check_suffix, writing

    if output is not None:
        check_suffix(output)
        check_output(output, overwrite=overwrite)
    loaded = load_model(model, n_jobs=jobs, cache=cache)
    paths = np.array(paths_from(images, image=image, root=root), object)
    bad: list[BadImage] = []
    count = 0
    with writing(output, top) if output else printing(top, as_json=as_json) as write:
        for found in answers(loaded, paths, verbose=0 if quiet else None):
            bad += found.bad
            count += len(found.paths)
            if len(found.paths):
                write(found)
    if output:
        summary = {"output": str(output), "images": count, "bad": len(bad)}
        print_json(summary) if as_json else click.echo(
            f"{shown(output)}: {count} image{'s' * (count != 1)}, {len(bad)} bad"
        )
    end_with(bad, on_error)


@contextmanager
def printing(top: int | None, *, as_json: bool) -> Iterator[Callable[[Any], None]]:
    """Print answers as they come: a line for each image, or one JSON list."""
    from featx.saving.predictions import records

    begun = False

    def write(found: Any) -> None:
        nonlocal begun
        if as_json:
            for one in records(found, top):
                click.echo(",\n" if begun else "[\n", nl=False)
                click.echo(indent(to_json(one, indent=2), "  "), nl=False)
                begun = True
            return
        columns = found.columns(top)
        if top is None:  # the others are for programs
            columns = {name: column for name, column in columns.items() if _BRIEF.fullmatch(name)}
        for path, *answer in zip(
            found.names(), *(column.tolist() for column in columns.values()), strict=True
        ):
            click.echo("\t".join(map(shown, [path, *map(_rounded, columns, answer)])))

    yield write
    if begun:
        click.echo("\n]")


_BRIEF = re.compile(r"prediction(_\d+)?|probability")


def _rounded(name: str, value: Any) -> Any:
    return round(value, 4) if name.startswith("probability") else value


@click.command("classify", cls=Command, python="featx.exploring.classify")
@_images
@click.option("--backbone", default="mobilenet_v2", show_default=True, help="A network trained on ImageNet.")
@click.option("--weights", default="auto", help="'auto', or a file that includes the classifier's weights.")
@input_size
@click.option(
    "--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Classes to list per image."
)
@on_error_of_answers
@jobs
@quiet
@cache
@as_json
def classify_command(
    images: tuple[Path, ...], *, backbone: str, top: int, on_error: str, jobs: int | None, quiet: bool, as_json: bool,
    **choices: Any,
) -> None:  # fmt: skip
    """Ask a backbone's own ImageNet classifier what it sees.

    IMAGES are files or folders.

    Example: featx classify photos --backbone mobilenet_v2
    """
    import numpy as np

    from featx.embedding.held import hold
    from featx.exploring.imagenet import classifier, classify
    from featx.images.loading import past_bad

    choices |= {"n_jobs": jobs, "verbose": 0 if quiet else None}
    listed = np.array(paths_from(images), object)
    network = classifier(backbone, **choices)
    with hold():  # where some are bad, the others are asked for once more
        guesses, (paths,), bad = past_bad(lambda paths: classify(paths, network, top=top), listed)
    rows = list(zip(paths, guesses, strict=True))
    if as_json:
        print_json([{"path": path, "guesses": [guess._asdict() for guess in row]} for path, row in rows])
    for path, row in [] if as_json else rows:
        click.echo("\t".join([shown(path), *(f"{guess.name} {guess.confidence:.3f}" for guess in row)]))
    end_with(bad, on_error)
