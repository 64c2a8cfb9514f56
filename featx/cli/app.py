"""The command ``featx``: parse, call one function, print. Results go to stdout, everything else to stderr."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import featx
from featx.cli.advise import advise_command
from featx.cli.bench import bench
from featx.cli.cache import cache_group
from featx.cli.cluster import cluster_command
from featx.cli.depths import classify_command, depths_command
from featx.cli.explore import duplicates_command
from featx.cli.finetune import finetune_command
from featx.cli.options import (
    as_json,
    extraction,
    extractor_from,
    folder_from,
    images_from,
    print_json,
    print_table,
    table,
)
from featx.cli.see import see_group
from featx.errors import FeatxError, InputError
from featx.text import shown


class _Commands(click.Group):
    """Turns featx's own errors into a message and exit code 1; wrong usage is click's exit code 2."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except FeatxError as error:
            raise click.ClickException(str(error)) from error


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(featx.__version__)
def main() -> None:
    """Cut a pretrained CNN at any depth, embed images once, fit any scikit-learn head on the embeddings."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a name may not fit a terminal's code
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "2"
    )  # TensorFlow's start-up notes are not messages of featx


main.add_command(advise_command)
main.add_command(cache_group)
main.add_command(cluster_command)
main.add_command(duplicates_command)
main.add_command(depths_command)
main.add_command(classify_command)
main.add_command(finetune_command)
main.add_command(bench)
main.add_command(see_group)


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), default="featx-demo", show_default=True,
              help="Folder for the cache, the model and a few images; replaces an earlier run.")  # fmt: skip
@click.option("--images", type=click.IntRange(100, 1797), help="How many digits to take; default: all 1,797.")
@as_json
def demo(folder: Path, images: int | None, as_json: bool) -> None:
    """Run the main job on handwritten digits, offline.

    Embeds scikit-learn's digits at several depths, scores heads on them, reads everything again from the cache, saves
    a model and uses it.

    Example: featx demo
    """
    from featx.cli.demo import run

    result = run(folder, say=lambda text: click.echo(text, err=as_json), count=images)
    if as_json:
        print_json(result)


@main.command("backbones")
@click.argument("pattern", default="")
@as_json
def list_backbones(pattern: str, as_json: bool) -> None:
    """List the backbones, or those whose name contains PATTERN.

    Example: featx backbones mobilenet
    """
    rows = [
        row for row in featx.backbones() if pattern.lower().replace("-", "_") in row.name.replace("-", "_")
    ]
    if not rows:
        raise InputError(f"No backbone's name contains {pattern!r}. featx backbones lists them all.")
    if as_json:
        print_json([{**asdict(row), "options": dict(row.options)} for row in rows])
        return
    print_table(
        (
            [
                row.name,
                row.input_size,
                f"{row.parameters:,}" if row.parameters else "",
                row.top1,
                row.layers,
                row.scaling,
                row.licence,
                "embedded" if row.embedded else row.weights_file(),
            ]
            for row in rows
        ),
        ("name", "input", "parameters", "top-1 %", "layers", "scaling", "licence", "weights"),
    )


@main.command()
@click.argument("backbone")
@click.option("--input-size", type=int, help="Image size in pixels; default: the backbone's own.")
@click.option("--all", "every", is_flag=True, help="List every layer, not only the ends of stages.")
@click.option("--measure", is_flag=True, help="Add the time of each stage on this machine.")
@click.option(
    "--engine",
    default="auto",
    show_default=True,
    help="What runs the network for --measure: auto, keras or openvino.",
)
@as_json
def layers(
    backbone: str, *, input_size: int | None, every: bool, measure: bool, engine: str, as_json: bool
) -> None:
    """Show where BACKBONE can be cut, and what each cut costs.

    Lists the stages, or with --all the layers. A cut computes only the layers below it; the columns give their
    weights, their multiply-adds for one image, the share of the whole network's, and with --measure the milliseconds
    per image. Needs no weights.

    Example: featx layers featx-mini
    """
    from featx.networks import cuts

    size = (input_size, input_size) if input_size else None
    found = cuts(backbone, input_size=size)
    shown = [cut for cut in found if every or cut.stage]
    times: dict[int, float] = {}
    if measure:
        from tqdm import tqdm

        from featx.embedding.speed import stage_ms

        stages = [cut.stage for cut in found if cut.stage]
        with tqdm(total=len(stages), unit="stage", disable=None) as bar:
            times = stage_ms(backbone, stages, input_size=size, engine=engine, done=bar.update)
    if as_json:
        print_json([asdict(cut) | ({"ms": times.get(cut.stage or 0)} if measure else {}) for cut in shown])
        return
    header = ["stage", "layer", "kind", "output", "parameters", "M multiply-adds", "share"]
    print_table((_layer_cells(cut, times) for cut in shown), header + ["ms here"] * measure)


def _layer_cells(cut: Any, times: dict[int, float]) -> list[Any]:
    return [
        cut.stage,
        cut.layer,
        cut.kind,
        "x".join(map(str, cut.shape)),
        f"{cut.parameters:,}",
        None if cut.multiply_adds is None else f"{cut.multiply_adds / 1e6:,.1f}",
        None if cut.share is None else f"{cut.share:.1%}",
        *([f"{times[cut.stage]:.2f}" if cut.stage else None] if times else []),
    ]


@main.command()
@table
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write: .h5, .npz, .parquet or .csv.",
)
@click.option("--on-error", type=click.Choice(["raise", "nan"]), default="raise", show_default=True,
              help="Bad images: fail once all others are done, or become rows of NaN.")  # fmt: skip
@extraction
@as_json
def extract(
    source: Path,
    *,
    image: str,
    label: tuple[str, ...],
    root: Path | None,
    output: Path,
    as_json: bool,
    **choices: Any,
) -> None:
    """Embed the images of a folder or table into one file.

    The file also holds the paths and the labels.

    Example: featx extract photos -o photos.npz --depth 3,4 --pooling avg+std
    """
    from featx.saving.tables import write_embeddings

    images = images_from(source, image=image, label=label, root=root)
    extractor = extractor_from(**choices)
    embeddings = extractor.transform(images.paths)
    bad = getattr(extractor, "bad_images_", ())
    for one in bad:
        click.echo(shown(f"{one.name}: {one.reason}"), err=True)
    write_embeddings(output, embeddings, images.paths, extractor.get_feature_names_out(), images.labels)
    summary = {"output": str(output), "images": len(images), "columns": embeddings.shape[1], "bad": len(bad)}
    if as_json:
        print_json({**summary, "left_out": images.left_out})
    else:
        click.echo(f"{shown(output)}: {len(images)} images x {embeddings.shape[1]} columns, {len(bad)} bad")


@main.command()
@table
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the model.")
@click.option(
    "--head",
    default=None,
    help="logistic, xgboost, svm, knn or ridge-classifier; for numbers ridge or xgboost-regressor.",
)
@click.option(
    "--folds", type=click.IntRange(2), default=5, show_default=True, help="Folds of the cross-validation."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing model.")
@extraction
@as_json
def fit(
    source: Path, *, image: str, label: tuple[str, ...], root: Path | None, output: Path, head: str | None, folds: int,
    overwrite: bool, as_json: bool, **choices: Any,
) -> None:  # fmt: skip
    """Cross-validate a head, then fit it and save the model.

    SOURCE is a folder with one folder per class, or a table. Labels that are numbers with fractions get a regressor,
    all others a classifier.

    Example: featx fit photos -o photos-model --head logistic
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.utils.multiclass import type_of_target

    images = images_from(source, image=image, label=label, root=root, labelled=True)
    extractor = extractor_from(**choices)
    extractor.transform(images.paths)  # one pass with a progress bar; everything below reads the cache
    usual = "ridge" if type_of_target(images.labels).startswith("continuous") else "logistic"
    pipeline = make_pipeline(extractor.set_params(verbose=0), featx.make_head(head or usual))
    report = featx.evaluate(pipeline, images.paths, images.labels, cv=folds)
    pipeline.fit(images.paths, images.labels)
    featx.save(pipeline, output, overwrite=overwrite)
    if as_json:
        print_json({"model": str(output), **report.to_dict(), "left_out": images.left_out})
    else:
        click.echo(f"{report}\nsaved in {shown(output)}")


@main.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@as_json
def predict(model: Path, images: tuple[Path, ...], as_json: bool) -> None:
    """Apply a saved MODEL to image files or folders.

    Example: featx predict photos-model photos/circle
    """
    paths = [path for one in images for path in (folder_from(one).paths if one.is_dir() else [str(one)])]
    pipeline = featx.load(model)
    answers = [
        {"path": path, "prediction": answer}
        for path, answer in zip(paths, pipeline.predict(paths).tolist(), strict=True)
    ]
    if hasattr(pipeline, "predict_proba"):
        for answer, chances in zip(answers, pipeline.predict_proba(paths), strict=True):
            answer["probability"] = round(float(max(chances)), 4)
    if as_json:
        print_json(answers)
    for answer in [] if as_json else answers:
        click.echo("\t".join(map(shown, answer.values())))
