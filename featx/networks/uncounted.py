"""What OpenVINO does, without its makers being told: it reports each import and each conversion over the network."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_setting = RLock()


@contextmanager
def uncounted() -> Iterator[None]:
    """Keep OpenVINO from reporting its use in the block: it does not where a variable says that this is CI.

    The other way out, a file in the user's home that declines for all programs, is the user's own to write.

    Examples
    --------
    >>> before = os.environ.get("CI")
    >>> with uncounted():
    ...     os.environ["CI"]
    'true'
    >>> os.environ.get("CI") == before
    True
    """
    with _setting:
        before = os.environ.get("CI")
        os.environ["CI"] = "true"
        try:
            yield
        finally:
            if before is None:
                del os.environ["CI"]
            else:
                os.environ["CI"] = before
