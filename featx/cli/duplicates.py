"""The command ``featx duplicates``: what is in a folder twice, or in two folders."""

from collections import Counter
from pathlib import Path
from typing import Any

import click

from featx.cli.bad_images import name_bad, on_error_of_answers
from featx.cli.options import (
    Place,
    as_json,
    extraction,
    extractor_from,
    images_from,
    print_json,
    print_table,
    table,
)
from featx.cli.running import Command


@click.command("duplicates", cls=Command, python="featx.evaluation.find_duplicates")
@table
@click.argument("other", required=False, type=Place())
@click.option("--exact", is_flag=True, help="Compare content only, without a network.")
@click.option(
    "--threshold",
    type=click.FloatRange(-1, 1),
    help="Cosine similarity above which images look alike; default: 0.95.",
)
@on_error_of_answers
@extraction
@as_json
def duplicates_command(
    source: Path, *, other: Path | None, image: str, label: tuple[str, ...], root: Path | None, exact: bool,
    threshold: float | None, on_error: str, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """List images that occur more than once.

    SOURCE is a folder or a table. With OTHER, a second one, only images that are in both, such as in training and
    test data. The exit code is 1 if there are any, or images that cannot be read.

    Example: featx duplicates photos
    """
    import numpy as np

    from featx.evaluation.duplicates import THRESHOLD, find_duplicates
    from featx.images.loading import bad_image

    tables = [images_from(one, image=image, label=label, root=root) for one in (source, other) if one]
    paths = np.concatenate([one.paths for one in tables])
    parts = [str(place) for place, one in zip((source, other), tables, strict=False) for _ in range(len(one))]
    labelled = all(one.labels is not None and one.labels.ndim == 1 for one in tables)
    labels = np.concatenate([one.labels for one in tables]) if labelled else None
    extractor = extractor_from(**choices, on_error="nan")
    found = find_duplicates(
        paths,
        labels,
        parts=parts,
        embeddings=None if exact else extractor.transform(paths),
        threshold=THRESHOLD if threshold is None else threshold,
        cache=extractor.cache,
        verbose=extractor.verbose,
    )
    groups = [group for group in found.groups if other is None or len(group.parts) > 1]
    unreadable = sorted({*found.unreadable, *(bad.row for bad in getattr(extractor, "bad_images_", ()))})
    reasons = {bad.row: bad.reason for bad in getattr(extractor, "bad_images_", ())}
    for row in unreadable:
        name_bad([bad_image(row, paths[row], reasons.get(row, "cannot be read"))])
    if as_json:
        left_out = sum((Counter(one.left_out) for one in tables), Counter())
        listed = [{**vars(group), "paths": [paths[row] for row in group.rows]} for group in groups]
        print_json(
            {
                "images": found.images,
                "groups": listed,
                "unreadable": list(paths[unreadable]),
                "left_out": left_out,
            }
        )
    else:
        rows = [
            [number, "same" if group.exact else f"{group.similarity:.3f}", *([] if labels is None else [labels[row]]),
             paths[row]]
            for number, group in enumerate(groups, 1) for row in group.rows
        ]  # fmt: skip
        header = ["group", "cosine", *([] if labels is None else ["label"]), "path"]
        print_table(rows, header) if rows else click.echo(f"no duplicates among {found.images} images")
    if groups or (unreadable and on_error == "raise"):
        raise SystemExit(1)
