"""The command ``featx export``."""

from pathlib import Path

import click

import featx
from featx.cli.options import as_json, output, print_json, quiet
from featx.cli.outputs import check_output
from featx.cli.running import Command
from featx.text import shown


@click.command("export", cls=Command, python="featx.saving.export_model")
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@output("Folder for the graph.")
@click.option("--format", type=click.Choice(["onnx", "openvino", "keras"]), default="onnx", show_default=True,
              help="Kind of graph.")  # fmt: skip
@quiet
@as_json
def export_command(
    model: Path, *, output: Path, overwrite: bool, format: str, quiet: bool, as_json: bool,  # noqa: A002
) -> None:  # fmt: skip
    """Write a saved MODEL as one graph, from pixels to probabilities, that other programs run.

    It holds the network, the scaling of pixels, the pooling and the linear head. What it expects of images, and its
    labels, are in exported.json beside it. featx predict runs it without TensorFlow.

    Example: featx export photos-model -o photos-onnx --format onnx
    """
    from featx.saving.export import export_model
    from featx.saving.exported import check_place, read_manifest

    check_place(output, overwrite=overwrite)
    check_output(output, overwrite=overwrite, folder=True)
    export_model(featx.load(model), output, format=format, overwrite=overwrite, verbose=0 if quiet else None)
    about = read_manifest(output)
    if as_json:
        print_json({"output": str(output), **about})
        return
    _, height, width, _ = about["input"]["shape"]
    gives = about["output"]["kind"]
    click.echo(
        f"{shown(output)}: {', '.join(about['files'])}; takes uint8 pixels (n, {height}, {width}, 3), gives {gives} "
        f"(n, {about['output']['columns']})"
    )
