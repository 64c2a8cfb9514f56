"""How a command runs: its errors, warnings and interrupts become lines on stderr and an exit code."""

import errno
import shlex
import sys
import traceback
import warnings
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any

import click

from featx.cache.folder import NOTHING, meant
from featx.cli.wording import on_shell, options_of
from featx.errors import FeatxError

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it."""

_DEBUG, _GIVEN = "featx.debug", "featx.given"


class Command(click.Command):
    """A command that says what went wrong in a line or two, and with ``--debug`` also where.

    Parameters
    ----------
    python
        The public names that do in Python what the command does.
    """

    def __init__(self, name: str | None, *, python: str, **choices: Any) -> None:
        super().__init__(name, **{"epilog": f"In Python: {python}", **choices})
        self.python = python
        self.params.append(
            click.Option(
                ["--debug"], is_flag=True, expose_value=False, callback=_note_debug,
                help="Show where an error came from.",
            )
        )  # fmt: skip

    def parse_args(self, context: click.Context, given: list[str]) -> list[str]:  # noqa: D102 - click's
        context.meta[_GIVEN] = list(given)
        with _in_words(context):
            return super().parse_args(context, given)

    def invoke(self, context: click.Context) -> Any:  # noqa: D102 - click's
        with _in_words(context):
            return super().invoke(context)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type  # click's word for: groups in it are of this class, too


def in_python(group: click.Group, path: str = "featx") -> Iterator[tuple[str, str]]:
    """Give the public names that stand for commands, each with the command as it is typed."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from in_python(command, f"{path} {name}")
        elif isinstance(command, Command):
            for public in command.python.split(", "):
                yield public, f"{path} {name}"


def typed(context: click.Context) -> str:
    """Give the command that runs as it can be typed again."""
    return shlex.join(["featx", str(context.info_name), *context.meta[_GIVEN]])


def _note_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[_DEBUG] = value


@contextmanager
def _in_words(context: click.Context) -> Iterator[None]:
    """Turn errors into a message with exit code 1, or `INTERRUPTED`; wrong usage is click's exit code 2."""
    root = context.find_root().command
    options, names = (
        options_of(context.command),
        dict(in_python(root)) if isinstance(root, click.Group) else {},
    )

    said: set[str] = set()

    def show(message: object, *_: object) -> None:
        line = f"Warning: {on_shell(message, options, names)}"
        if line not in said:  # a fold more is no news
            click.echo(line, err=True)
        said.add(line)

    try:
        with warnings.catch_warnings(), _insisting():
            warnings.showwarning = show  # type: ignore[assignment] # takes what the original takes, and ignores most
            yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except (Exception, KeyboardInterrupt) as error:
        if (
            isinstance(error, OSError) and error.errno == errno.EPIPE
        ):  # whoever reads has enough, such as head
            raise
        if context.meta.get(_DEBUG):
            traceback.print_exc()
        if isinstance(error, KeyboardInterrupt):
            click.echo(f"\nStopped.{_kept(context.params)}", err=True)
            sys.exit(INTERRUPTED)
        raise click.ClickException(_said(error, options, names)) from error


@contextmanager
def _insisting() -> Iterator[None]:
    """Interrupt again where Ctrl-C fell into the garbage collector or a `__del__`, which Python ignores."""
    before = sys.unraisablehook

    def hook(ignored: Any) -> None:
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            Timer(0.01, interrupt_main).start()  # when the callback has returned
        else:
            before(ignored)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _said(error: Exception, options: dict[str, str], names: dict[str, str]) -> str:
    if isinstance(error, FeatxError):
        return on_shell(error, options, names)
    if isinstance(error, MemoryError):
        return "There is not enough memory. Take a smaller --batch-size or --input-size, or fewer images."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, ModuleNotFoundError):
        package = str(error.name).partition(".")[0]
        return f"This needs {package}, which is not installed. Run pip install featx, which brings all that it takes."
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}\nThis is a bug in featx; --debug shows where it is."


def _kept(choices: dict[str, Any]) -> str:
    """Say what an interrupted command leaves, if anything."""
    cache = choices.get("cache")
    if not isinstance(cache, str):  # it computes nothing that is kept
        return ""
    if choices.get("checkpoint"):
        return f" Finished epochs are kept in {choices['checkpoint']}: the same command goes on from there."
    if meant(cache) == NOTHING:
        return " Nothing is kept, since there is no cache."
    if "checkpoint" in choices:
        return " The embeddings are kept, but no epoch: for that give --checkpoint FOLDER."
    return " The embeddings that were finished are kept: the same command goes on from there."
