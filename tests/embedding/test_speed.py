"""Measuring speed: that it measures what it says, on every engine. No test compares times."""

import json
import subprocess
import warnings

import pytest
from click.testing import CliRunner

from featx.cli import main
from featx.embedding.speed import ALL_ENGINES, Speed, bench, machine, stage_ms
from featx.errors import UnknownNameError
from featx.networks.catalogue import find


@pytest.fixture(autouse=True)
def _few_files(monkeypatch):
    """As many photographs as the smallest measurement reads."""
    monkeypatch.setattr("featx.embedding.speed.FILES", 64)


def test_every_engine_is_measured(forwards):
    """One row for each network and engine, in that order, with four figures; the images do go through Keras."""
    speeds = list(bench([find("featx-mini")], seconds=0.01))

    assert [(speed.backbone, speed.engine) for speed in speeds] == [("featx-mini", e) for e in ALL_ENGINES]
    for speed in speeds:
        assert speed.problem is None
        assert min(speed.single_ms, speed.answer_ms, speed.batch_ms, speed.files_per_s) > 0
    assert 1 in forwards
    assert forwards[-3:] == [1, 32, 32]  # from files: one to get ready, and it once more among 64


def test_a_network_that_cannot_run_is_a_row_with_a_reason(monkeypatch):
    """The others are measured all the same."""
    from featx.embedding import speed as module

    def refuse(*arguments, engine, **others):
        if engine == "openvino":
            raise UnknownNameError("operator", "swish", ())
        return original(*arguments, engine=engine, **others)

    original = module.engine_for
    monkeypatch.setattr(module, "engine_for", refuse)
    good, bad = bench([find("featx-mini")], engines=["keras", "openvino"], seconds=0.01)

    assert good.problem is None
    assert bad == Speed("featx-mini", "openvino", problem=bad.problem)
    assert "swish" in bad.problem


@pytest.mark.slow
def test_nothing_is_said_of_what_int8_makes_of_random_weights(monkeypatch):
    """Their vectors are near zero everywhere, so the cosine means nothing, and nobody is to act on it."""
    pytest.importorskip("nncf", reason="int8 needs featx[int8]")
    monkeypatch.setattr("featx.embedding.worth.ENOUGH", 2.0)  # any cosine is too low
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        (speed,) = bench([find("featx-mini")], engines=["openvino"], precision="int8", seconds=0.01)

    assert speed.problem is None
    assert not [one for one in said if "changes much" in str(one.message)]


def test_stages_are_measured_one_by_one(tiny):
    """A network of one's own needs no scaling to be measured; progress is told for each stage."""
    ready = []
    times = stage_ms(tiny, [1, 3], engine="keras", seconds=0.01, done=lambda: ready.append(len(ready)))

    assert list(times) == [1, 3]
    assert min(times.values()) > 0
    assert ready == [0, 1]


@pytest.mark.parametrize(
    "call", [lambda: next(bench([], engines=["tpu"])), lambda: stage_ms("x", [1], engine="tpu")]
)
def test_unknown_engines_are_refused(call):
    """With the list of those there are."""
    with pytest.raises(UnknownNameError, match=r"Unknown engine 'tpu'. Known: 'auto', 'keras'"):
        call()


def test_the_machine_is_described():
    """Cores, processor, versions and what sets the number of threads; every value can be said in JSON."""
    here = json.loads(json.dumps(machine()))

    assert here["cores"] >= 1
    assert here["processor"]
    assert {"featx", "keras", "numpy", "pillow"} <= set(here["versions"])


def test_the_command_prints_the_catalogue_with_speeds():
    """Facts and figures as text and as JSON; names and --all exclude each other."""

    def featx(*arguments, code=0):
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == code, result.output
        return result

    (row,) = json.loads(
        featx("bench", "mobilenet_0.25", "--engine", "keras", "--seconds", "0.01", "--json").stdout
    )["speeds"]
    assert (row["backbone"], row["engine"], row["top1"], row["problem"]) == (
        "mobilenet_0.25",
        "keras",
        51.6,
        None,
    )
    assert (
        "ms alone" in featx("bench", "featx-mini", "--engine", "keras", "--seconds", "0.01", "--quiet").stdout
    )
    assert "not both" in featx("bench", "featx-mini", "--all", code=2).stderr


@pytest.mark.slow
def test_of_several_networks_each_has_a_process(monkeypatch):
    """What was measured is printed, also when one process dies or the user has had enough."""
    ran = []

    def run(command, **options):
        ran.append(command[command.index("bench") + 1])
        if ran[-1] == "resnet50":
            raise KeyboardInterrupt
        return really([{"mobilenet_v2": "false"}.get(ran[-1], command[0]), *command[1:]], **options)

    really = subprocess.run
    monkeypatch.setattr(subprocess, "run", run)
    names = ["featx-mini", "mobilenet_v2", "resnet50", "vgg16"]
    result = CliRunner().invoke(main, ["bench", *names, "--engine", "keras", "--seconds", "0.01", "--json"])

    assert ran == names[:3]
    assert result.exit_code == 130
    mini, failed = json.loads(result.stdout)["speeds"]
    assert (mini["backbone"], mini["problem"]) == ("featx-mini", None)
    assert mini["single_ms"] > 0
    assert (failed["backbone"], failed["single_ms"]) == ("mobilenet_v2", None)
    assert failed["problem"] == "its process ended with 1"


def test_layers_shows_what_a_stage_costs():
    """The share of the whole network's multiply-adds and, on request, the time here."""
    command = ["layers", "featx-mini", "--input-size", "32", "--measure", "--engine", "keras"]
    stages = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    text = CliRunner().invoke(main, ["layers", "featx-mini", "--input-size", "32"]).stdout

    assert [stage["stage"] for stage in stages] == [1, 2, 3, 4]
    assert all(stage["ms"] > 0 for stage in stages)
    assert "100.0%" in text
    assert "ms here" not in text
