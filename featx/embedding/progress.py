"""Progress bars on stderr: one for each call, or one for several calls that are one piece of work."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm

DELAY = 1.0
"""Seconds that work goes on without a bar."""
_shared: ContextVar[Any] = ContextVar("_shared", default=None)
_left: ContextVar[int] = ContextVar("_left", default=0)


def bar_choices(progress: bool | None) -> dict[str, Any]:
    """Give what tqdm is to be told: a bar or none, or for None one where stderr is a terminal, after a second."""
    return {"disable": None, "delay": DELAY} if progress is None else {"disable": not progress}


def images_bar(total: int, name: str, progress: bool | None) -> AbstractContextManager[Any]:
    """Make a bar that counts images, or give the one that is shared here."""
    shared = _shared.get()
    if shared is not None:
        return nullcontext(shared)
    return tqdm(total=total, unit="image", desc=name, **bar_choices(progress))


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
