"""The command ``featx evaluate``."""

import warnings
from pathlib import Path, PurePath
from typing import Any

import click

from featx.cli.bad_images import end_with, on_error_of_answers
from featx.cli.models import load_model
from featx.cli.options import (
    Place,
    as_json,
    cache,
    columns,
    images_from,
    jobs,
    overwrite,
    print_json,
    print_table,
    quiet,
)
from featx.cli.outputs import check_output
from featx.cli.running import Command
from featx.errors import DuplicateWarning, InputError
from featx.files import ending
from featx.text import shown

MOST = 10
"""Pairs of confused classes that are printed."""


@click.command(
    "evaluate", cls=Command, python="featx.evaluation.evaluate_fitted, featx.reporting.report_fitted"
)
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("source", type=Place())
@columns
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Page to write as well, .html.")
@overwrite
@on_error_of_answers
@jobs
@quiet
@cache
@as_json
def evaluate_command(
    model: Path, *, source: Path, image: str, label: tuple[str, ...], root: Path | None,
    output: Path | None, overwrite: bool, on_error: str, jobs: int | None, quiet: bool, cache: str, as_json: bool,
) -> None:  # fmt: skip
    """Score a saved or exported MODEL on labelled images that it has not seen.

    SOURCE is a folder with one folder per class, or a table. Nothing is fitted. Prints the scores with their 95 %
    intervals, each class, and which classes are taken for which; with -o also the page that featx fit writes.

    Example: featx evaluate photos-model new-photos
    """
    import numpy as np

    from featx.evaluation.unseen import judge, targets
    from featx.reporting.answers import quality
    from featx.reporting.model_report import PAGES
    from featx.reporting.unseen import report_fitted
    from featx.saving.answers import answers

    if output is not None:
        if ending(output, PAGES) not in PAGES:
            raise InputError(f"{str(output)!r}: a report is a page. Give a name that ends in .html.")
        check_output(output, overwrite=overwrite)
    loaded = load_model(model, n_jobs=jobs, cache=cache)
    images = images_from(source, image=image, label=label, root=root, labelled=True)
    y = targets(loaded, images.labels)
    found = list(answers(loaded, images.paths, verbose=0 if quiet else None))
    good = [some for some in found if len(some.paths)]
    bad = [one for some in found for one in some.bad]
    rows = [row for some in good for row in some.rows]
    predicted = np.concatenate([some.predictions for some in good])
    chances = [np.concatenate(parts) for parts in zip(*(some.probabilities for some in good), strict=True)]
    several = predicted.ndim == 2
    told = [one[:, -1] for one in chances] if several else chances
    held = judge(
        loaded, y[rows], predicted, None if not told else np.column_stack(told) if several else told[0]
    )
    facts = quality(held)
    seen = _seen(model, loaded, images.paths[rows])
    if output is not None:
        title = f"{model.name}: {PurePath(source).name}"
        report_fitted(
            loaded,
            images.paths[rows],
            y[rows],
            held=held,
            bad_images=bad,
            leaked=seen,
            title=title,
            verbose=0 if quiet else None,
        ).save(output, overwrite=overwrite)
    if as_json:
        print_json({"model": str(model), "scores": held.scores.to_dict(), **facts, "seen": len(seen),
                    "bad": len(bad), "left_out": images.left_out})  # fmt: skip
    else:
        _print(held.scores, facts)
        if output is not None:
            click.echo(f"\nreport {shown(output)}")
    end_with(bad, on_error)


def _seen(folder: Path, model: Any, paths: Any) -> list[int]:
    """Give the rows of the images that a saved model was fitted to, where it says so, and warn of them."""
    from featx.saving.exported import is_exported
    from featx.saving.fitted_images import among
    from featx.saving.models import fitted_to

    ids = None if is_exported(folder) else fitted_to(folder)
    rows = [] if ids is None else among(paths, ids, model).tolist()
    if rows:
        some = ", ".join(shown(paths[row]) for row in rows[:3]) + ", ..." * (len(rows) > 3)
        warnings.warn(
            f"The model was fitted to {len(rows)} of these {len(paths)} images ({some}), so the score is too good. "
            "Leave them out.",
            DuplicateWarning,
            stacklevel=2,
        )
    return rows


def _print(scores: Any, facts: dict[str, Any]) -> None:
    for one in (scores, *scores.others.values()):
        low, high = one.interval
        guess = "" if one.guess is None else f"guessing {one.guess:.3f}"
        click.echo(
            f"{one.metric} {one.mean:.3f}, 95 % interval {low:.3f}..{high:.3f}{', ' * bool(guess)}{guess}"
        )
    click.echo(f"{scores.images} images")
    for kind in ("classes", "labels", "numbers"):
        rows = facts.get(kind) or ()
        names = [name for name, value in (rows[0] if rows else {}).items() if not isinstance(value, list)]
        if rows:
            click.echo()
            print_table([[_cell(row[name]) for name in names] for row in rows], names)
    confused = facts.get("confusion", {}).get("confused", ())
    if confused:
        click.echo()
        print_table([[one["class"], one["predicted"], one["images"]] for one in confused[:MOST]],
                    ["class", "taken for", "images"])  # fmt: skip
        if len(confused) > MOST:
            click.echo(f"and {len(confused) - MOST} more pairs of classes; --json has them all")


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else shown(value)
