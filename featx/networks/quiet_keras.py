"""Keras, imported so that what its backend writes to stderr while it starts does not reach the user.

Whatever may be the first in a process to use Keras takes it from here. TensorFlow's native code writes lines before it
has read which are wanted, and more when it first looks for a GPU, so both happen here. They are shown where the start
fails, and where TF_CPP_MIN_LOG_LEVEL is 0.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from featx.networks.forks import is_forked
from featx.networks.uncounted import uncounted

__all__ = ["keras", "layers", "ops"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only, from now on


@contextmanager
def _silence() -> Iterator[None]:
    """Hold back what is written to the file descriptor of stderr, and write it where the block raises."""
    with ExitStack() as stack:
        try:
            held = stack.enter_context(tempfile.TemporaryFile())
            terminal = os.dup(2)
        except OSError:  # no room, or a process without stderr
            yield
            return
        stack.callback(os.close, terminal)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            os.dup2(terminal, 2)


with ExitStack() as _stack:
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] != "0":
        _stack.enter_context(_silence())
    _stack.enter_context(uncounted())  # one of its backends is OpenVINO
    import keras
    from keras import layers, ops

    if not is_forked():
        ops.zeros(1)
