"""The command ``featx``: parse, call one function, print. Results go to stdout, everything else to stderr."""

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
from featx.cli.extract import extract_command
from featx.cli.finetune import finetune_command
from featx.cli.fit import fit_command
from featx.cli.layers import layers_command
from featx.cli.options import as_json, overwrite, print_json, print_table
from featx.cli.outputs import check_output
from featx.cli.predict import classify_command, predict_command
from featx.cli.running import Group
from featx.cli.see import see_group
from featx.errors import InputError


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(featx.__version__)
def main() -> None:
    """Cut a pretrained CNN at any depth, embed images once, fit any scikit-learn head on the embeddings."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a name may not fit a terminal's code


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


for command in (
    advise_command, bench_command, cache_group, classify_command, cluster_command, depths_command,
    duplicates_command, extract_command, finetune_command, fit_command, layers_command, predict_command, see_group,
):  # fmt: skip
    main.add_command(command)
