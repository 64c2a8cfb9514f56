"""One set of names on the command line: an option is called as its parameter in Python, or as shells have it."""

from inspect import signature

import click
import pytest

import featx
from featx.cli import demo, main
from featx.cli.wording import PARAMETERS
from featx.embedding import bench
from featx.evaluation import find_duplicates
from featx.exploring import classify, cluster, similar
from featx.saving import export_model, export_recipe

CALLS = [
    featx.FeatureExtractor, featx.FineTuner, featx.EmbeddingCache, featx.EmbeddingCache.gc, featx.EmbeddingCache.verify,
    featx.advise, featx.depth_curve, featx.evaluate, featx.load_table, featx.report, featx.save, bench, classify,
    cluster, demo, export_model, export_recipe, find_duplicates, similar,
]  # fmt: skip
SHELL = {
    "all", "available", "balanced", "cache_dtype", "cluster", "debug", "exact", "group", "images", "json",
    "max_parameters", "measure", "numbers", "output", "plot", "quiet", "shard", "sort", "source", "top",
}  # fmt: skip
"""Options that stand for no parameter: what to print and where, what is a flag here and a class or a method there."""


def options(group=main, path="featx"):
    """Give every option with the command it belongs to."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from options(command, f"{path} {name}")
            continue
        for option in command.params:
            if isinstance(option, click.Option):
                yield f"{path} {name}", option


PYTHON = {name for call in CALLS for name in signature(call).parameters}
NAMES = {PARAMETERS.get(name, name) for name in PYTHON} | SHELL
OURS = [(command, option) for command, option in options() if not command.startswith("featx see ")]


@pytest.mark.parametrize(
    ("command", "option"), OURS, ids=lambda one: one if isinstance(one, str) else one.opts[-1]
)
def test_an_option_is_called_as_its_parameter(command, option):
    """n_jobs, random_state and cv are --jobs, --seed and --folds everywhere, and nothing else is renamed."""
    name = max(option.opts, key=len).removeprefix("--").replace("-", "_")

    assert name in NAMES, f"{command} --{name}"
    assert name not in PARAMETERS


def test_what_is_called_alike_is_alike():
    """The same option takes the same values, whatever the command."""
    kinds = {}
    for command, option in OURS:
        kinds.setdefault(max(option.opts, key=len), {}).setdefault(
            str(option.type.to_info_dict()), []
        ).append(command)
    several = {name: kind for name, kind in kinds.items() if len(kind) > 1}

    assert set(several) <= {
        "--on-error",  # extract can also write rows of NaN
        "--precision",  # fine-tuning has mixed
        "--cache",  # featx cache refuses none
        "--engine",  # bench measures each
        "--batch-size",
    }
