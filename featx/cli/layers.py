"""The command ``featx layers``."""

from dataclasses import asdict
from typing import Any

import click

from featx.cli.options import as_json, input_size, print_json, print_table, quiet
from featx.cli.running import Command


@click.command("layers", cls=Command, python="featx.networks.cuts")
@click.argument("backbone")
@input_size
@click.option("--all", "every", is_flag=True, help="List every layer, not only the ends of stages.")
@click.option("--measure", is_flag=True, help="Add the time of each stage on this machine.")
@click.option("--engine", type=click.Choice(["auto", "keras", "openvino"]), default="auto", show_default=True,
              help="What runs the network for --measure.")  # fmt: skip
@quiet
@as_json
def layers_command(
    backbone: str,
    *,
    input_size: int | None,
    every: bool,
    measure: bool,
    engine: str,
    quiet: bool,
    as_json: bool,
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
        from featx.embedding.progress import bar
        from featx.embedding.speed import stage_ms

        stages = [cut.stage for cut in found if cut.stage]
        with bar(len(stages), "stage", "measure", 0 if quiet else None) as done:
            times = stage_ms(backbone, stages, input_size=size, engine=engine, done=done.update)
    if as_json:
        print_json([asdict(cut) | ({"ms": times.get(cut.stage or 0)} if measure else {}) for cut in shown])
        return
    header = ["stage", "layer", "kind", "output", "parameters", "M multiply-adds", "share"]
    print_table((_cells(cut, times) for cut in shown), header + ["ms here"] * measure)


def _cells(cut: Any, times: dict[int, float]) -> list[Any]:
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
