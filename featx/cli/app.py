"""The command ``featx``: parse, call one function, print. Results go to stdout, everything else to stderr."""

import io
import sys
from dataclasses import asdict
from pathlib import Path

import click

import featx
from featx.cli.advise import advise_command
from featx.cli.bench import bench_command
from featx.cli.cache import cache_group
from featx.cli.cluster import cluster_command
from featx.cli.depths import depths_command
from featx.cli.duplicates import duplicates_command
from featx.cli.evaluate import evaluate_command
from featx.cli.export import export_command
from featx.cli.extract import extract_command
from featx.cli.finetune import finetune_command
from featx.cli.fit import fit_command
from featx.cli.layers import layers_command
from featx.cli.options import as_json, overwrite, print_json, print_table
from featx.cli.outputs import check_output
from featx.cli.predict import classify_command, predict_command
from featx.cli.running import Group
from featx.cli.see import see_group
from featx.cli.similar import similar_command
from featx.errors import InputError
from featx.networks.catalogue import COLUMNS, cells


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(featx.__version__)
def main() -> None:
    """Cut a pretrained CNN at any depth, embed images once, fit any scikit-learn head on the embeddings."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook's is none
            stream.reconfigure(errors="backslashreplace")  # a name may not fit a terminal's code


@main.command(python="featx.cli.demo")
@click.option("--folder", type=click.Path(path_type=Path), default="featx-demo", show_default=True,
              help="Folder for the cache, the model and a few images.")  # fmt: skip
@click.option("--images", type=click.IntRange(100, 1797), help="How many digits to take; default: all 1,797.")
@overwrite
@as_json
def demo(folder: Path, *, images: int | None, overwrite: bool, as_json: bool) -> None:
    """Run the main job on handwritten digits, offline.

    Embeds scikit-learn's digits at several depths, scores heads on them, reads everything again from the cache, saves
    a model and uses it.

    Example: featx demo
    """
    from featx.cli.digits_demo import demo

    check_output(folder, overwrite=overwrite, folder=True)
    result = demo(folder, count=images, overwrite=overwrite, say=lambda text: click.echo(text, err=as_json))
    if as_json:
        print_json(result)


@main.command("backbones", python="featx.backbones")
@click.argument("pattern", default="")
@click.option("--available", is_flag=True, help="Only those whose weights are here: they need no download.")
@click.option(
    "--max-parameters", type=click.FloatRange(0), help="Only those with at most so many weights, such as 5e6."
)
@click.option(
    "--sort", type=click.Choice([sign + name for name in COLUMNS for sign in ("", "-")]), metavar="COLUMN",
    help=f"{', '.join(COLUMNS)}; with - before it, the largest first.",
)  # fmt: skip
@as_json
def list_backbones(
    pattern: str, *, available: bool, max_parameters: float | None, sort: str | None, as_json: bool
) -> None:
    """List the backbones, or those whose name contains PATTERN.

    Says of each when it was published, its weights and multiply-adds in millions, its accuracy on ImageNet, how long an
    embedding from its last stage is (width), where its weights come from, and whether they are here, so that it works
    without a download. --json adds the paper and the source of the accuracy.

    Example: featx backbones --available --sort -top1
    """
    rows = [
        row for row in featx.backbones() if pattern.lower().replace("-", "_") in row.name.replace("-", "_")
    ]
    if not rows:
        raise InputError(f"No backbone's name contains {pattern!r}. featx backbones lists them all.")
    rows = [row for row in rows if row.available or not available]
    if max_parameters is not None:
        rows = [row for row in rows if row.parameters and row.parameters <= max_parameters]
    if not rows:
        raise InputError("No backbone is left by --available and --max-parameters; leave one of them out.")
    if sort:
        column = sort.lstrip("-")
        known = [row for row in rows if getattr(row, column)]  # what is not known comes last either way
        unknown = [row for row in rows if not getattr(row, column)]
        rows = sorted(known, key=lambda row: getattr(row, column), reverse=sort != column) + unknown
    if as_json:
        extra = ("origin", "available")
        print_json([asdict(row) | {name: getattr(row, name) for name in extra} for row in rows])
        return
    print_table(
        ([*cells(row), "yes" if row.available else "no"] for row in rows), (*COLUMNS.values(), "here")
    )


for command in (
    advise_command, bench_command, cache_group, classify_command, cluster_command, depths_command,
    duplicates_command, evaluate_command, export_command, extract_command, finetune_command, fit_command,
    layers_command, predict_command, see_group, similar_command,
):  # fmt: skip
    main.add_command(command)
