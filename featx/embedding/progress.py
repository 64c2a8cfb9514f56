"""Progress bars on stderr: one for each piece of work, whether that is one call or several."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm

DELAY = 1.0
"""Seconds that work goes on without a bar."""
_shared: ContextVar[Any] = ContextVar("_shared", default=None)
_left: ContextVar[int] = ContextVar("_left", default=0)


def bar(total: int | None, unit: str, name: str, verbose: int | None) -> Any:
    """Make a bar, which is a context.

    Parameters
    ----------
    total, unit
        How many of what it counts; None where nobody knows.
    name
        What stands before it.
    verbose
        1: a bar. 0: none. None: one where stderr is a terminal, after a second.
    """
    hidden: bool | None = None if verbose is None else verbose <= 0
    if total == 0 or _shared.get() is not None:  # what is counted there is all that is shown
        hidden = True
    return tqdm(total=total, unit=unit, desc=name, disable=hidden, delay=DELAY if verbose is None else 0)


def images_bar(total: int, name: str, verbose: int | None) -> AbstractContextManager[Any]:
    """Make a bar that counts images, or give the one that is shared here."""
    shared = _shared.get()
    return bar(total, "image", name, verbose) if shared is None else nullcontext(shared)


def ahead() -> int:
    """Tell how many images a piece of work had left when this call of it began; 0 where it is one call."""
    return _left.get()


@contextmanager
def sharing(bar: Any, left: int) -> Iterator[None]:
    """Count on a bar that is there already, in the block, in place of others.

    Parameters
    ----------
    bar
        The bar.
    left
        How many images it has yet to count: an engine that pays for all of them may not pay for those of one call.
    """
    tokens = _shared.set(bar), _left.set(left)
    try:
        yield
    finally:
        _shared.reset(tokens[0])
        _left.reset(tokens[1])
