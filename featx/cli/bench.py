"""The command ``featx bench``: the catalogue with the speed of this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any

import click

import featx
from featx.cli.options import as_json, print_json, print_table, quiet
from featx.cli.running import INTERRUPTED, Command
from featx.networks.backbone import Backbone
from featx.networks.catalogue import find


@click.command("bench", cls=Command, python="featx.embedding.bench")
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Measure every network of the catalogue; takes hours.")
@click.option("--engine", "engines", type=click.Choice(["keras", "openvino"]), multiple=True,
              help="keras or openvino; default: both.")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "bfloat16", "int8", "all"]), default="float32",
              show_default=True, help="Precision of the arithmetic; int8 is OpenVINO's only.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
              help="Seconds to measure each figure for, roughly.")  # fmt: skip
@quiet
@as_json
def bench_command(
    names: tuple[str, ...],
    *,
    every: bool,
    engines: tuple[str, ...],
    precision: str,
    seconds: float,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure how fast networks run on this machine.

    Without NAMES it takes a handful of small ones. It works offline: the weights are random, which does not change
    the speed, and the photographs are drawn. Each of several networks runs in a process of its own; Ctrl-C prints
    what has been measured so far.

    Example: featx bench mobilenet_v2 resnet50
    """
    from featx.embedding.progress import bar
    from featx.embedding.speed import ALL_ENGINES, SMALL, Speed, combinations, machine

    if names and every:
        raise click.UsageError("Give names or --all, not both.")
    rows = featx.backbones() if every else [find(name) for name in names or SMALL]
    engines = engines or ALL_ENGINES
    measured = _measure(rows, engines, precision, seconds)
    speeds: list[Speed] = []
    ended = 0
    try:
        count = len(rows) * len(list(combinations(engines, precision)))
        with bar(count, "engine", "bench", 0 if quiet else None) as done:
            for speed in measured:
                speeds.append(speed)
                done.update()
    except KeyboardInterrupt:
        ended = INTERRUPTED
    table = {row.name: row for row in rows}
    if as_json:
        facts = ("size_mb", "parameters", "layers", "top1", "top5")
        figures = [
            {fact: getattr(table[speed.backbone], fact) for fact in facts} | asdict(speed) for speed in speeds
        ]
        print_json({"machine": machine(), "precision": precision, "speeds": figures})
        sys.exit(ended)
    print_table((_cells(table[speed.backbone], speed) for speed in speeds), _HEADER)
    click.echo()
    about = {"precision": precision, **machine()}
    print_table([what.replace("_", " "), _text(value)] for what, value in about.items())
    for speed in speeds:
        if speed.problem:
            click.echo(f"{speed.backbone} on {speed.engine} at {speed.precision}: {speed.problem}", err=True)
    sys.exit(ended)


def _measure(
    rows: Sequence[Backbone], engines: Sequence[str], precision: str, seconds: float
) -> Iterator[Any]:
    """Measure networks; several in a process each, so that none disturbs the next one or dies with it."""
    from featx.embedding.speed import Speed, bench, combinations

    if len(rows) == 1:
        yield from bench(rows, engines=engines, precision=precision, seconds=seconds)
        return
    options = ["--precision", precision, "--seconds", str(seconds), *(f"--engine={name}" for name in engines)]
    for row in rows:
        command = [sys.executable, "-m", "featx", "bench", row.name, "--json", "--quiet", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - itself
        if done.returncode:
            said = done.stderr.strip().rpartition("\n")[2]
            problem = f"its process ended with {done.returncode}{': ' * bool(said)}{said}"
            for engine, each in combinations(engines, precision):
                yield Speed(row.name, engine, each, problem=problem)
        else:
            for found in json.loads(done.stdout)["speeds"]:
                yield Speed(**{each.name: found[each.name] for each in fields(Speed)})


_HEADER = (
    "model",
    "MB",
    "parameters",
    "layers",
    "top-1 %",
    "top-5 %",
    "engine",
    "precision",
    "ms alone",
    "ms from a file",
    "ms of 32",
    "files/s",
)


def _cells(row: Backbone, speed: Any) -> list[Any]:
    figures = (speed.single_ms, speed.answer_ms, speed.batch_ms, speed.files_per_s)
    return [
        row.name,
        row.size_mb,
        f"{row.parameters:,}" if row.parameters else "",
        row.layers,
        row.top1,
        row.top5,
        speed.engine,
        speed.precision,
        *("failed" if figure is None else f"{figure:.{1 if figure < 100 else 0}f}" for figure in figures),
    ]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items()) or "not set"
    return ", ".join(value) if isinstance(value, list) else str(value)
