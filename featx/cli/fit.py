"""The command ``featx fit``."""

from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.bad_images import on_error, past_bad_if
from featx.cli.hints import better_backbone, counted, setup
from featx.cli.options import (
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
from featx.cli.running import Command
from featx.text import shown


@click.command("fit", cls=Command, python="featx.make_head, featx.evaluate, featx.save")
@table
@output("Folder for the model.")
@click.option(
    "--head",
    default="auto",
    help="logistic, xgboost, svm, knn or ridge-classifier; for numbers ridge or xgboost-regressor.",
)
@folds
@group
@on_error
@extraction
@as_json
def fit_command(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None,
    group: str | None, output: Path, overwrite: bool, head: str,
    folds: int, on_error: str, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Cross-validate a head, then fit it and save the model.

    SOURCE is a folder with one folder per class, or a table. Labels that are numbers with fractions get a regressor,
    all others a classifier.

    Example: featx fit photos -o photos-model --head logistic
    """
    from sklearn.utils.multiclass import type_of_target

    from featx.heads import HeadPipeline
    from featx.saving.models import check_place
    from featx.transfer.depths import check_target

    check_place(output, overwrite=overwrite)
    check_output(output, overwrite=overwrite, folder=True)
    images = images_from(source, image=image, label=label, root=root, labelled=True)
    groups = groups_from(source, group, image=image, root=root)
    usual = "ridge" if type_of_target(images.labels).startswith("continuous") else "logistic"
    estimator = featx.make_head(usual if head == "auto" else head)
    check_target(images.paths, images.labels, estimator)
    extractor = extractor_from(**choices)
    # one pass with a progress bar; everything below reads the cache
    _, (paths, labels, groups), bad = past_bad_if(
        on_error, lambda paths, *_: extractor.transform(paths), images.paths, images.labels, groups
    )
    pipeline = HeadPipeline([("featureextractor", extractor.set_params(verbose=0)), ("head", estimator)])
    report = featx.evaluate(pipeline, paths, labels, cv=folds, groups=groups)
    pipeline.fit(paths, labels, groups=groups)
    save_model(pipeline.set_params(featureextractor__verbose=None), output, overwrite=overwrite)
    plan = extractor.plan()
    hint = better_backbone(choices["backbone"], paths, str(source))
    if as_json:
        taken = {
            "backbone": plan.name,
            "depth": [tap.depth for tap in plan.taps],
            "pooling": [tap.pooling for tap in plan.taps],
            "input_size": list(plan.input_size),
            "columns": plan.width,
            "bad": len(bad),
            "hint": hint,
        }
        print_json({"model": str(output), **report.to_dict(), **taken, "left_out": images.left_out})
        return
    low, high = report.interval
    click.echo(f"backbone {setup(plan)}")
    click.echo(f"images {counted(labels, images.left_out, len(bad))}")
    click.echo(f"{report}\n95 % interval {low:.3f}..{high:.3f}\nsaved in {shown(output)}")
    if hint:
        click.echo(hint, err=True)
