"""Progress bars on stderr: one for each call, or one for several calls that are one piece of work."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from tqdm import tqdm

_shared: ContextVar[Any] = ContextVar("_shared", default=None)


def bar_choices(progress: bool | None) -> dict[str, Any]:
    """Give what tqdm is to be told: a bar or none, or for None one where stderr is a terminal, after a second."""
    return {"disable": None, "delay": 1} if progress is None else {"disable": not progress}


def images_bar(total: int, name: str, progress: bool | None) -> AbstractContextManager[Any]:
    """Make a bar that counts images, or give the one that is shared here."""
    shared = _shared.get()
    if shared is not None:
        return nullcontext(shared)
    return tqdm(total=total, unit="image", desc=name, **bar_choices(progress))


@contextmanager
def sharing(bar: Any) -> Iterator[None]:
    """Count on a bar that is there already, in the block, in place of others."""
    token = _shared.set(bar)
    try:
        yield
    finally:
        _shared.reset(token)
