"""Progress is shown where a terminal is there, and nowhere else."""

import os
import re
import subprocess
import sys

import pytest

PROGRAM = """
import sys, time
import numpy as np, featx
from featx.embedding.keras_engine import KerasEngine
call = KerasEngine.__call__
def slow(engine, pixels):
    time.sleep(1.1)  # the bar waits for a second
    return call(engine, pixels)
KerasEngine.__call__ = slow
for verbose in (0, 1, None):
    extractor = featx.FeatureExtractor(depth=2, cache=None, batch_size=2, engine="keras")
    if verbose is not None:
        extractor.set_params(verbose=verbose)
    print(f"{verbose}:", file=sys.stderr)
    extractor.transform(np.zeros((4, 32, 32, 3), "uint8"))
"""


def in_terminal(program):
    """Run a program whose stderr is a terminal; give what that shows."""
    pty, termios = (
        pytest.importorskip(name, reason="there are no pseudo-terminals here") for name in ("pty", "termios")
    )
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 100))
    child = subprocess.Popen([sys.executable, "-c", program], stderr=its)
    os.close(its)
    shown = b""
    try:
        while some := os.read(ours, 4096):
            shown += some
    except OSError:  # on Linux the end of a terminal whose program has ended
        pass
    os.close(ours)
    assert child.wait() == 0, shown
    return shown.decode()


def bars(shown):
    """Give which of the settings showed a bar."""
    parts = dict(re.findall(r"^(0|1|None):\s*(.*?)(?=^(?:1|None):|\Z)", shown, re.MULTILINE | re.DOTALL))
    return [name for name, part in parts.items() if "featx-mini: 100%" in part]


@pytest.mark.slow
def test_a_bar_by_default_in_a_terminal_only():
    """`verbose` is None by default: a bar in a terminal, silence in a pipe."""
    piped = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)

    assert piped.returncode == 0
    assert bars(piped.stderr) == ["1"]
    assert bars(in_terminal(PROGRAM)) == ["1", "None"]
