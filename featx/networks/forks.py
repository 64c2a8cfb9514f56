"""What a forked process cannot do: run what Keras or OpenVINO began before the fork."""

import os
import sys
import threading

from featx.errors import ForkedProcessError

_inherited: list[str] = []


def is_forked() -> bool:
    """Tell whether this process was forked after Keras or OpenVINO was loaded."""
    return bool(_inherited)


def refuse_if_forked() -> None:
    """Raise an error in a process that was forked after Keras or OpenVINO was loaded: it would wait for ever.

    A fork copies one thread only, and these compute with threads that the child lacks.

    Raises
    ------
    ForkedProcessError
        If this is such a process.
    """
    if is_forked():
        raise ForkedProcessError(
            f"This process was forked after {' and '.join(_inherited)} was loaded, and cannot compute embeddings; only "
            "what is cached can be read. Start processes with 'spawn' or 'forkserver', or take joblib's 'loky'."
        )


class Lock:
    """A lock that a thread may take again, and that is free in a forked child, whoever held it in the parent."""

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):  # Windows has none, and no fork
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _note() -> None:
    _inherited.extend(
        name for name in ("keras", "openvino") if name in sys.modules and name not in _inherited
    )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note)
