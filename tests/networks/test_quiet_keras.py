"""Keras starts without a word on stderr, at the level of the file descriptor, whatever is used first."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import featx

FIRST_USES = {
    "a network": "featx.FeatureExtractor(depth=2, cache=None, engine='keras').transform("
    "np.zeros((3, 32, 32, 3), 'uint8'))",
    "fetching a file": "from featx.networks.weights import fetch\ntry: fetch('a.h5', 'http://127.0.0.1:9/a.h5')\n"
    "except featx.FeatxError: pass",
}


def run(program, **variables):
    """Run a program in a fresh process whose TensorFlow nobody has told to be quiet."""
    environment = dict(os.environ)
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment | variables
    )


def test_no_module_of_featx_imports_keras_otherwise():
    """Whatever is used first starts it, so each takes it from the one place where it starts in silence."""
    sources = {path.name: path.read_text() for path in Path(featx.__file__).parent.rglob("*.py")}
    direct = r"^\s*(import (keras|tensorflow)|from (keras|tensorflow)[. ])"

    assert [name for name, text in sources.items() if re.search(direct, text, re.MULTILINE)] == [
        "quiet_keras.py"
    ]


@pytest.mark.parametrize(
    "use", [pytest.param(use, marks=[pytest.mark.slow] * (use != "a network")) for use in FIRST_USES]
)
def test_the_start_of_tensorflow_is_not_seen(use):
    """TensorFlow writes of oneDNN, of CUDA and of the processor when it starts; none of it is seen."""
    done = run(f"import featx, sys, numpy as np\n{FIRST_USES[use]}\nprint('keras' in sys.modules)")

    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert done.stderr == (
        "Downloading data from http://127.0.0.1:9/a.h5\n" if use == "fetching a file" else ""
    )


@pytest.mark.slow
def test_it_is_seen_by_those_who_ask_for_it():
    """The test above can fail: the lines are there."""
    program = "import featx.networks.quiet_keras"

    assert "oneDNN" in run(program, TF_CPP_MIN_LOG_LEVEL="0").stderr


@pytest.mark.slow
def test_what_was_held_back_is_shown_where_the_start_fails():
    """The lines may say why."""
    program = (
        "import os\nfrom featx.networks.quiet_keras import _silence\n"
        "os.write(2, b'before ')\n"
        "with _silence(): os.write(2, b'kept ')\n"
        "os.write(2, b'between ')\n"
        "with _silence():\n os.write(2, b'shown ')\n raise SystemExit(3)\n"
    )
    done = run(program)

    assert (done.returncode, done.stderr) == (3, "before between shown ")
