"""The command ``featx similar``."""

import os
from pathlib import Path
from typing import Any

import click

from featx.cli.bad_images import end_with, name_bad, on_error_of_answers
from featx.cli.options import (
    Place,
    as_json,
    extraction,
    extractor_from,
    images_from,
    overwrite,
    paths_from,
    print_json,
    print_table,
    table,
)
from featx.cli.outputs import check_output, write
from featx.cli.running import Command
from featx.errors import InputError
from featx.files import ending
from featx.text import shown

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""The kinds of pictures, by their endings."""
MOST = 50
"""Rows of the picture, one for each image asked about."""


@click.command("similar", cls=Command, python="featx.exploring.similar")
@table
@click.argument("images", nargs=-1, required=True, type=Place())
@click.option("-k", "--count", type=click.IntRange(1), default=10, show_default=True,
              help="How many similar images to find for each.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="Picture, .png or .jpg: a row for each image, with those that are like it.")  # fmt: skip
@overwrite
@on_error_of_answers
@extraction
@as_json
def similar_command(
    source: Path, *, images: tuple[Path, ...], image: str, label: tuple[str, ...], root: Path | None, count: int,
    output: Path | None, overwrite: bool, on_error: str, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Find the images of a folder that are most like others.

    SOURCE is a folder or a table to choose from; IMAGES are files or folders. An image of SOURCE itself is not found
    again, but its copies are.

    Example: featx similar photos photos/disc/0000.png -k 5
    """
    import numpy as np

    from featx.exploring.contact_sheet import contact_sheet
    from featx.exploring.neighbours import similar
    from featx.images.loading import past_bad

    if output is not None:
        if ending(output, PICTURES) not in PICTURES:
            raise InputError(f"{str(output)!r}: a picture ends in .png or .jpg.")
        check_output(output, overwrite=overwrite)
    known = images_from(source, image=image, label=label, root=root)
    asked = np.array(paths_from(images), object)
    extractor = extractor_from(**choices)
    paths = np.concatenate([known.paths, asked])
    # both at once, so that each goes through the network once, under one bar
    embeddings, (paths, rows), bad = past_bad(
        lambda paths, _: extractor.transform(paths), paths, np.arange(len(paths))
    )
    stock = rows < len(known)
    if stock.all() or not stock.any():
        name_bad(bad)
        raise InputError(
            f"{'No image to compare with' if stock.all() else f'No image of {str(source)!r}'} is left."
        )
    labels = known.labels[rows[stock]] if known.labels is not None and known.labels.ndim == 1 else None
    itself = {os.path.realpath(path): row for row, path in enumerate(paths[stock]) if isinstance(path, str)}
    own = [itself.get(os.path.realpath(path), -1) for path in paths[~stock]]
    found = similar(embeddings[stock], embeddings[~stock], count, own=own)
    listed = [
        {
            "path": path,
            "similar": [
                {
                    "path": one,
                    "cosine": float(cosine),
                    **({} if labels is None else {"label": labels[row].item()}),
                }
                for one, cosine, row in zip(paths[stock][chosen], cosines, chosen, strict=True)
            ],
        }
        for path, chosen, cosines in zip(paths[~stock], found.rows, found.cosines, strict=True)
    ]
    if output is not None:
        tiles = [one for path, chosen in zip(paths[~stock][:MOST], found.rows, strict=False)
                 for one in (path, *paths[stock][chosen])]  # fmt: skip
        sheet = contact_sheet(tiles, columns=found.rows.shape[1] + 1)
        write(output, lambda file: sheet.save(file, PICTURES[output.suffix.lower()]))
    if as_json:
        print_json(listed)
    else:
        cells = [
            [query["path"], f"{one['cosine']:.3f}", *([one["label"]] if labels is not None else []), one["path"]]
            for query in listed for one in query["similar"]
        ]  # fmt: skip
        print_table(cells, ["image", "cosine", *(["label"] if labels is not None else []), "similar"])
        if output is not None:
            click.echo(f"picture in {shown(output)}", err=True)
    end_with(bad, on_error)
