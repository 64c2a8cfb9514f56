"""A process beside this one that describes and exports a network, so that this one need not load TensorFlow.

Keras takes its backend once for each process. TensorFlow takes three seconds to load, OpenVINO's one; so a process that
only embeds leaves both to another one (`featx.embedding.exporter`), and reads and decodes images meanwhile.
"""

import atexit
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from featx.embedding.openvino_engine import CHUNK, VECTORS, OpenVINOEngine, keep, prepare
from featx.errors import EngineWarning, ExportError
from featx.networks.forks import Lock
from featx.networks.network import backend_name

_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from featx.embedding.exporter import main; main()"
_GPUS = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Devices by which a GPU may be had, on Linux; on one Keras may be faster than OpenVINO on the processor."""


class Beside:
    """What the process beside this one is asked of one network.

    Parameters
    ----------
    name
        The network's, for a warning.
    choices
        Those of `featx.embedding.plan.Choices`, in JSON.
    key
        The network's name by content, which the other process must find, too.
    """

    def __init__(self, name: str, choices: Mapping[str, Any], key: str) -> None:
        self.works = True
        """Whether it may be asked; not after it failed once."""
        self._name = name
        self._request = {"choices": dict(choices), "key": key}
        self._number: int | None = None

    def begin(self) -> None:
        """Ask for the description, and do not wait for it; starts the process where there is none."""
        if self._number is None:
            self._number = _process.ask({"do": "describe", **self._request})
            Thread(target=prepare).start()  # what this process will need, while the other one is busy

    def describe(self) -> dict[str, Any] | None:
        """Wait for the description; None where the other process cannot give it."""
        self.begin()
        reply = _process.reply(self._number)
        self._number = None
        if "answer" in reply:
            return dict(reply["answer"])
        self._give_up(reply)
        return None

    def export(self, recipes: Sequence[str], folder: Path, chunk: int = CHUNK) -> OpenVINOEngine:
        """Have the taps of these recipes exported, one output each, in their order.

        The graph is compared, and kept, in this process: it is loaded here while the other one runs Keras' own.

        Parameters
        ----------
        recipes
            Their names.
        folder, chunk
            As for `featx.embedding.openvino_engine.keep`.

        Raises
        ------
        ExportError
            If it cannot be done, or the exported graph gives other numbers.
        OSError
            If the folder cannot be written.
        """
        try:
            return keep(partial(self._write, list(recipes)), folder, chunk)
        except ExportError as error:
            if self.works:
                self._give_up({"reason": f"ExportError: {error}"})
            raise

    def _write(self, recipes: list[str], draft: Path, passing: Path) -> Callable[[], list[np.ndarray]]:
        folders = {"draft": str(draft), "passing": str(passing)}
        writing = _process.ask({"do": "write", **self._request, "recipes": recipes, **folders})
        running = _process.ask({"do": "run", **folders})
        self._wait(writing)

        def expected() -> list[np.ndarray]:
            self._wait(running)
            with np.load(passing / VECTORS) as arrays:
                return [arrays[name] for name in arrays.files]

        return expected

    def _wait(self, number: int | None) -> None:
        reply = _process.reply(number)
        if "unwritten" in reply:
            raise OSError(reply["unwritten"])
        if "done" not in reply:
            self._give_up(reply)
            raise ExportError("another process could not")

    def _give_up(self, reply: Mapping[str, Any]) -> None:
        """Leave it to Keras in this process; say why, unless it was foreseen."""
        self.works = False
        if "unfit" not in reply:
            reason = reply.get("reason", "it ended early")
            warnings.warn(
                f"{self._name!r} is prepared by Keras in this process, which takes some seconds more: the process "
                f"that was to do it failed ({reason}).",
                EngineWarning,
                stacklevel=2,
            )


def is_open() -> bool:
    """Tell whether the process beside this one saves time: Keras is not loaded here, and would take TensorFlow."""
    if "keras" in sys.modules or backend_name() != "tensorflow" or "KERAS_BACKEND" in os.environ:
        return False
    # where Python is embedded, something else may be the executable
    return (
        "python" in Path(sys.executable or "").name.lower()
        and find_spec("openvino") is not None
        and not _may_have_gpu()
    )


def _may_have_gpu() -> bool:
    """Tell whether Keras might compute on a GPU, without loading it."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return False
    return any(map(os.path.exists, _GPUS)) or find_spec("tensorflow-plugins") is not None


class _Process:
    """The process, started when it is asked something, and again after it ended; it answers one after the other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._popen: Any = None
        self._asked = 0
        self._replies: dict[int, dict[str, Any] | None] = {}  # to what was asked; None until it is there
        atexit.register(self._end)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def ask(self, request: Mapping[str, Any]) -> int | None:
        """Send a question and give its number; None where that is not possible."""
        with self._lock:
            for _ in range(2):  # it ends by itself when it is idle for long
                with suppress(OSError, ValueError):
                    popen = self._popen = self._popen or _start()
                    popen.stdin.write(json.dumps({"number": self._asked + 1, **request}) + "\n")
                    popen.stdin.flush()
                    self._asked += 1
                    self._replies[self._asked] = None
                    return self._asked
                self._end()
            return None

    def reply(self, number: int | None) -> dict[str, Any]:
        """Wait for the reply to a question; empty where the process ended before."""
        with self._lock:
            while number in self._replies and self._replies[number] is None:
                try:
                    reply = json.loads(self._popen.stdout.readline())
                except (OSError, ValueError):  # it ended: a line of no text is no JSON
                    self._end()
                except BaseException:  # Ctrl-C: it must not write into a folder that is being removed
                    self._end()
                    raise
                else:
                    self._replies[reply["number"]] = reply
            return self._replies.pop(number, None) or {} if number else {}

    def _end(self) -> None:
        popen, self._popen = self._popen, None
        self._replies.clear()
        if popen:
            popen.kill()
            with suppress(OSError, ValueError):
                popen.communicate()

    def _forget(self) -> None:
        """Leave the process to the parent of a forked one: it ends when nobody holds its input open any more."""
        popen, self._popen, self._replies = self._popen, None, {}
        if popen:
            popen.returncode = 0  # whose child it is not, need not wait for it
            for pipe in (popen.stdin, popen.stdout):
                with suppress(OSError, ValueError):
                    pipe.close()


def _start() -> Any:
    return subprocess.Popen(  # noqa: S603 - this Python, and a program that stands above
        [sys.executable, "-c", _PROGRAM, json.dumps(sys.path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
        env={**os.environ, "KERAS_BACKEND": "openvino"},
    )  # fmt: skip


_process = _Process()
