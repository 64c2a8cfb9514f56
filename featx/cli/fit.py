"""The command ``featx fit``."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.bad_images import name_bad, on_error, past_bad_if
from featx.cli.hints import better_backbone, counted, setup
from featx.cli.options import (
    Place,
    as_json,
    extraction,
    extractor_from,
    folds,
    group,
    groups_from,
    images_from,
    output,
    print_json,
    table,
)
from featx.cli.outputs import check_output, save_model
from featx.cli.running import Command, typed
from featx.text import shown


@click.command("fit", cls=Command, python="featx.make_head, featx.report, featx.save")
@table
@output("Folder for the model.")
@click.option(
    "--head",
    default="auto",
    show_default=True,
    help="logistic, xgboost, svm, knn or ridge-classifier; for numbers ridge or xgboost-regressor; auto: logistic or "
    "ridge.",
)
@folds
@group
@click.option("--unlabelled", type=Place(), metavar="SOURCE",
              help="A folder or table of other images, without labels, that the head learns from, too.")  # fmt: skip
@click.option(
    "--report/--no-report", default=True, help="Write report.html into the model's folder; default: yes."
)
@click.option("--all-depths", is_flag=True, help="Score every stage in the report: one more pass.")
@click.option("--projection", type=click.Choice(["pca", "umap"]), default="pca", show_default=True,
              help="How the report makes a map of the images; umap needs umap-learn.")  # fmt: skip
@on_error
@extraction
@as_json
def fit_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None,
    group: str | None, unlabelled: Any, output: Path, overwrite: bool, head: str,
    folds: int, report: bool, all_depths: bool, projection: str, on_error: str, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Cross-validate a head, fit it, and save the model with a report.

    SOURCE is a folder with one folder per class, or a table. Labels that are numbers with fractions get a regressor,
    all others a classifier.

    Example: featx fit photos -o photos-model --head logistic
    """
    import numpy as np
    from sklearn.utils.multiclass import type_of_target

    from featx.heads import HeadPipeline
    from featx.reporting.embedding_map import check_projection
    from featx.saving.card import REPORT
    from featx.saving.models import check_place
    from featx.transfer.depths import check_target

    check_place(output, overwrite=overwrite)
    check_output(output, overwrite=overwrite, folder=True)
    check_projection(projection)
    images = images_from(source, image=image, label=label, root=root, labelled=True)
    groups = groups_from(source, group, image=image, root=root)
    if head == "auto" and type_of_target(images.labels).startswith("continuous"):
        head = "ridge"
    estimator = featx.make_head(head)
    check_target(images.paths, images.labels, estimator)
    extractor = extractor_from(**choices)
    pipeline = HeadPipeline([("featureextractor", extractor), ("head", estimator)])
    columns, told = (images.paths, images.labels, groups), None
    others, bad_others = _unlabelled(unlabelled, pipeline, on_error, image=image, root=root)
    paths: Any
    if report:
        extractor.set_params(on_error="nan" if on_error == "skip" else "raise")
        told = featx.report(
            pipeline, images.paths, images.labels, cv=folds, groups=groups, unlabelled=others,
            all_depths=all_depths, projection=projection, target_names=label if len(label) > 1 else None,
            title=output.name, command=typed(click.get_current_context()), verbose=extractor.verbose,
        )  # fmt: skip
        scores, bad = told.scores, told.bad_images
        name_bad(bad)
        kept = np.delete(np.arange(len(images.paths)), [one.row for one in bad])
        paths, labels, groups = (None if column is None else column[kept] for column in columns)
    else:
        # one pass with a progress bar; everything below reads the cache
        _, (paths, labels, groups), bad = past_bad_if(
            on_error, lambda paths, *_: extractor.transform(paths), *columns
        )
        extractor.set_params(verbose=0)
        scores = _scores(
            pipeline, paths, labels, folds, quiet=choices["quiet"], groups=groups, unlabelled=others
        )
    extractor.set_params(on_error="raise", verbose=0)
    pipeline.fit(paths, labels, groups=groups, unlabelled=others)
    model = pipeline.set_params(featureextractor__verbose=None)
    save_model(
        model, output, overwrite=overwrite, report=told, images=[*paths, *(() if others is None else others)]
    )
    hint = better_backbone(choices["backbone"], paths, str(source))
    page = output / REPORT if told else None
    if as_json:
        print_json({
            "model": str(output), "report": page and str(page), **scores.to_dict(),
            **_taken(extractor.plan(), choices["views"]), "bad": len(bad) + len(bad_others),
            "unlabelled": 0 if others is None else len(others), "hint": hint, "left_out": images.left_out,
        })  # fmt: skip
        return
    low, high = scores.interval
    click.echo(f"backbone {setup(extractor.plan())}\nimages {counted(labels, images.left_out, len(bad))}")
    if others is not None:
        click.echo(f"unlabelled {len(others)}{_of_no_use(estimator)}")
    click.echo(f"{scores}\n95 % interval {low:.3f}..{high:.3f}\nsaved in {shown(output)}")
    if page:
        click.echo(f"report {shown(page)}")
    if hint:
        click.echo(hint, err=True)


def _unlabelled(
    source: Any, pipeline: Any, on_error: str, *, image: str | None, root: Path | None
) -> tuple[Any, tuple[Any, ...]]:
    """List images without labels, or give None, and those that are left out; they are embedded once."""
    if source is None:
        return None, ()
    from featx.heads.routing import check_takes_unlabelled

    check_takes_unlabelled(pipeline)
    paths = images_from(source, image=image, label=(), root=root).paths
    _, (paths,), bad = past_bad_if(on_error, pipeline[0].transform, paths)
    return paths, bad


def _of_no_use(head: Any) -> str:
    """Say so if a fitted head could learn from images without labels, and did not."""
    taught = getattr(head, "taught_", None)
    if taught is None or taught.any():
        return ""
    return ", not learned from: there are 20 labelled images of a class or more, or these mislead"


def _taken(plan: Any, views: Any) -> dict[str, Any]:
    """Say what network was cut where, in values of JSON."""
    return {
        "backbone": plan.name,
        "depth": [tap.depth for tap in plan.taps],
        "pooling": [tap.pooling for tap in plan.taps],
        "input_size": list(plan.input_size),
        "views": views,
        "columns": plan.width,
    }


def _scores(pipeline: Any, paths: Any, labels: Any, folds: int, *, quiet: bool, **told: Any) -> Any:
    """Cross-validate as `featx.evaluate` does, under a bar that counts the folds."""
    from featx.embedding.progress import bar
    from featx.evaluation.held_out import held_out
    from featx.evaluation.report import warn_of_leaks

    with bar(folds, "fold", "scores", 0 if quiet else None) as done:
        held = held_out(pipeline, paths, labels, cv=folds, step=done.update, **told)
    warn_of_leaks(pipeline, paths, held.folds)
    return held.scores
