"""Images that cannot be read: the others are worked on all the same, and these are named on stderr."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import click

from featx.errors import BadImage
from featx.text import shown

Result = TypeVar("Result")

_OPTION = partial(
    click.option, "--on-error", type=click.Choice(["raise", "skip"]), default="raise", show_default=True
)
on_error = _OPTION(
    help="Bad images: stop with exit code 1 once the others have been read, or leave them out."
)
on_error_of_answers = _OPTION(
    help="Bad images are named after the answers for the others; raise: with exit code 1, skip: with 0."
)


def past_bad_if(
    on_error: str, work: Callable[..., Result], *columns: Any
) -> tuple[Result, tuple[Any, ...], tuple[BadImage, ...]]:
    """Do as `past_bad` does where bad images are to be skipped, and name them; else any bad image is an error."""
    from featx.images.loading import past_bad

    if on_error == "raise":
        return work(*columns), columns, ()
    found = past_bad(work, *columns)
    name_bad(found[-1])
    return found


def name_bad(bad: Iterable[BadImage]) -> None:
    """Name images that were left out, and say why, on stderr."""
    for one in bad:
        click.echo(shown(f"{one.name}: {one.reason}"), err=True)


def end_with(bad: Sequence[BadImage], on_error: str) -> None:
    """End a command that has printed its answers: with exit code 1 if it could not answer for all images."""
    name_bad(bad)
    if bad and on_error == "raise":
        raise SystemExit(1)
