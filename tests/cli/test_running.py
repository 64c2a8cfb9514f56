"""How a command ends: in words, with an exit code, without a traceback, and with what it finished kept."""

import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pkgutil import resolve_name

import click
import pytest
from click.testing import CliRunner

from featx.cli import main
from featx.cli.running import Command, in_python
from featx.errors import DuplicateWarning, InputError
from featx.images import synthetic, write_folder


def every(group=main, path="featx"):
    """Give all commands with their names."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def raising(error):
    """Make a command that raises an error, and run it with some arguments."""

    @click.command("raising", cls=Command, python="featx.load")
    @click.option("--overwrite", is_flag=True)
    def command(overwrite):
        raise error

    return lambda *arguments: CliRunner().invoke(command, arguments)


@pytest.mark.parametrize(("name", "command"), list(every()))
def test_every_command_takes_debug_and_has_its_name_in_python(name, command):
    """Each name of Python is there, and the help shows it."""
    assert "--debug" in command.get_help(click.Context(command))
    for public in command.python.split(", "):
        assert callable(resolve_name(public))
        assert dict(in_python(main))[public].startswith("featx ")
    assert command.python in command.get_help(click.Context(command))


ENDS = {
    "an error of featx": (
        InputError("It exists. Pass overwrite=True."),
        "Error: It exists. Pass --overwrite.\n",
    ),
    "a package that is missing": (
        ModuleNotFoundError("No module named 'skops.io'", name="skops.io"),
        "Error: This needs skops, which is not installed. Run pip install featx, which brings all that it takes.\n",
    ),
    "a bug": (
        KeyError("x"),
        "Error: KeyError: 'x'\nThis is a bug in featx; --debug shows where it is.\n",
    ),
    "a full disk": (
        OSError(28, "No space left on device", "m/model.skops"),
        "Error: No space left on device: m/model.skops\n",
    ),
    "no memory": (
        MemoryError(),
        "Error: There is not enough memory. Take a smaller --batch-size or --input-size, or fewer images.\n",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_no_error_shows_a_traceback_unless_asked(end):
    """Whatever is raised: a line or two on stderr, and exit code 1; with --debug the traceback before them."""
    error, said = ENDS[end]
    plain, debug = raising(error)(), raising(error)("--debug")

    assert (plain.exit_code, plain.stdout, plain.stderr) == (1, "", said)
    assert debug.exit_code == 1
    assert debug.stderr.startswith("Traceback (most recent call last)")
    assert debug.stderr.endswith(said)


def test_ctrl_c_is_130():
    """As shells have it, and without click's word for it."""
    done = raising(KeyboardInterrupt())()

    assert (done.exit_code, done.stderr) == (130, "\nStopped.\n")


def test_ctrl_c_is_heard_while_the_garbage_collector_runs():
    """JAX has a function called there, and what is raised in it Python only prints."""

    def interrupted(phase, _):
        if phase == "start":
            raise KeyboardInterrupt

    @click.command("collecting", cls=Command, python="featx.load")
    def command():
        gc.callbacks.append(interrupted)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(interrupted)
        for _ in range(3000):
            time.sleep(0.01)

    done = CliRunner().invoke(command)

    assert (done.exit_code, done.stderr) == (130, "\nStopped.\n")


def test_wrong_usage_is_2():
    """And nothing else is."""
    assert raising(InputError("x"))("--no-such-option").exit_code == 2


def test_a_warning_is_a_line_in_the_words_of_the_shell():
    """Not a file's name, a line number and a line of code."""

    @click.command("warning", cls=Command, python="featx.load")
    def command():
        warnings.simplefilter("always")
        warnings.warn(
            "2 images twice. featx.evaluation.find_duplicates lists them.", DuplicateWarning, stacklevel=1
        )

    group = click.Group(commands={**main.commands, "warning": command})
    assert (
        CliRunner().invoke(group, ["warning"], prog_name="featx").stderr
        == "Warning: 2 images twice. featx duplicates lists them.\n"
    )


INTERRUPTED = {
    "extract": (
        ["-o", "out.npz"],
        "The embeddings that were finished are kept: the same command goes on from there.",
    ),
    "fit": (
        ["-o", "out"],
        "The embeddings that were finished are kept: the same command goes on from there.",
    ),
    "cluster": (
        ["-o", "out"],
        "The embeddings that were finished are kept: the same command goes on from there.",
    ),
    "finetune": (
        [
            "-o",
            "out",
            "--checkpoint",
            "states",
            "--epochs",
            "2000",
            "--patience",
            "2000",
            "--input-size",
            "32",
        ],
        "Finished epochs are kept in states: the same command goes on from there.",
    ),
}
HEAVY = ["--backbone", "resnet50", "--weights", "none", "--batch-size", "4"]


@pytest.mark.slow
@pytest.mark.parametrize("command", INTERRUPTED)
def test_a_real_ctrl_c_keeps_what_is_finished(tmp_path, command):
    """SIGINT to a process in the middle of its work: what was finished is in the cache, nothing half-done is left."""
    pty, termios = (
        pytest.importorskip(name, reason="there are no pseudo-terminals here") for name in ("pty", "termios")
    )
    options, kept = INTERRUPTED[command]
    heavy = [] if command == "finetune" else HEAVY
    write_folder(*synthetic(n=300, classes=3, size=32, random_state=0), tmp_path / "photos")
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    child = subprocess.Popen(
        [sys.executable, "-m", "featx", command, "photos", *options, *heavy],
        cwd=tmp_path, stderr=its, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(its)
    shown = ""
    try:
        while some := os.read(ours, 4096).decode():
            shown += some
            if re.search(r"\d(image|batch)/s|\ds/(image|batch)", shown):  # a bar that moves
                child.send_signal(signal.SIGINT)
                break
        while some := os.read(ours, 4096).decode():
            shown += some
    except OSError:  # on Linux the end of a terminal whose program has ended
        pass
    os.close(ours)

    assert child.wait() == 130, shown
    assert f"Stopped. {kept}" in shown
    assert "Traceback" not in shown
    assert {path.name for path in tmp_path.iterdir()} <= {"photos", "states"}
    if command != "finetune":
        recipes = json.loads(CliRunner().invoke(main, ["cache", "info", "--json"]).stdout)["recipes"]
        assert recipes
        assert all(0 < recipe["rows"] < 300 for recipe in recipes)
