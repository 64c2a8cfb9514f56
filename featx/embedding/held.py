"""Embeddings held in memory for a block of code in which a model is asked several times about the same images."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from featx.errors import BadImage
from featx.images.loading import bad_image
from featx.images.sources import Source

Embedded = tuple[np.ndarray, list[BadImage]]
_Known = dict[str, tuple[np.ndarray, str]]
"""For each file its vector, and why it cannot be read, or nothing."""

_held: ContextVar[dict[Hashable, _Known] | None] = ContextVar("_held", default=None)


@contextmanager
def hold() -> Iterator[None]:
    """Embed each file at most once in the block, whatever is asked of a model, and whether or not there is a cache.

    ``predict`` and ``predict_proba`` embed the same images, and so does a second call that leaves out those that cannot
    be read. What is held is gone when the block ends.
    """
    token = _held.set({})
    try:
        yield
    finally:
        _held.reset(token)


def held(
    sources: Sequence[Source], question: Callable[[], Hashable], compute: Callable[[], Embedded]
) -> Embedded:
    """Give what is held, or compute it.

    Parameters
    ----------
    sources
        The images. Nothing is held for other ones than files.
    question
        Gives what is computed of them, where that is of interest.
    compute
        Gives embeddings, (n, d), with rows of NaN for images that cannot be read, and these.
    """
    store = _held.get()
    if store is None or not all(isinstance(source, str) for source in sources):
        return compute()
    known = store.setdefault(question(), {})
    if not all(source in known for source in sources):
        embeddings, bad = compute()
        reasons = {image.row: image.reason for image in bad}
        known.update(
            (str(source), (embeddings[row], reasons.get(row, ""))) for row, source in enumerate(sources)
        )
        return embeddings, bad
    rows = [known[str(source)] for source in sources]
    bad = [bad_image(row, sources[row], reason) for row, (_, reason) in enumerate(rows) if reason]
    return np.array([vector for vector, _ in rows], np.float32), bad
