"""A first run: another process prepares the network, this one loads no Keras, and whatever fails there is done here."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from featx import FeatureExtractor
from featx.embedding import beside, engines, plan
from featx.errors import EngineWarning, ExportError, InputError

PROGRAM = """
import json, sys, warnings
import numpy as np
from featx import FeatureExtractor
from featx.embedding import beside
folder, choices, before = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
exec(before)
extractor = FeatureExtractor(**choices)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    try:
        vectors = extractor.transform(np.load(folder + "/pixels.npy"))
        ids = [tap.recipe_id for tap in extractor.plan().taps]
    except Exception as error:
        vectors, ids = None, f"{type(error).__name__}: {error}"
np.save(folder + "/vectors.npy", vectors)
loaded = [name for name in ("keras", "tensorflow") if name in sys.modules]
print(json.dumps([ids, loaded, [str(one.message) for one in said]]))
"""


@pytest.fixture
def first_run(pixels, tmp_path):
    """Give a function that embeds in a process that has loaded nothing: vectors, recipes, what it loaded and said."""

    def run(before="", env=None, **choices):
        size = choices.get("input_size", 16)
        np.save(tmp_path / "pixels.npy", np.resize(pixels, (4, size, size, 3)))
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), json.dumps(choices), before]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False
        )
        assert done.returncode == 0, done.stderr
        return np.load(tmp_path / "vectors.npy", allow_pickle=True), *json.loads(done.stdout)

    return run


@pytest.fixture
def saved(tiny, tmp_path):
    """Give the choices of an extractor on a file."""
    tiny.save(tmp_path / "tiny.keras")
    return {"backbone": str(tmp_path / "tiny.keras"), "depth": [1, 3], "scaling": "unit"}


def of_keras(pixels, **choices):
    """Give the vectors and recipes of Keras in this process."""
    extractor = FeatureExtractor(**choices | {"engine": "keras", "cache": None})
    size = choices.get("input_size", 16)
    vectors = extractor.transform(np.resize(pixels, (4, size, size, 3)))
    return vectors, [tap.recipe_id for tap in extractor.plan().taps]


def assert_close(one, other):
    assert np.abs(one - other).max() < 1e-5 * np.abs(other).max()


def test_a_first_run_loads_no_keras(first_run, saved, pixels, tmp_path):
    """Few images, nothing cached: Keras' numbers and recipes; what is kept serves the next run."""
    vectors, recipes, loaded, said = first_run(cache=str(tmp_path / "cache"), **saved)
    expected, names = of_keras(pixels, **saved)
    assert (recipes, loaded, said) == (names, [], [])
    assert_close(vectors, expected)

    ended = "beside._PROGRAM = 'raise SystemExit'"  # no other process could help now
    again, _, loaded, said = first_run(ended, cache=str(tmp_path / "cache"), **saved)
    assert (loaded, said) == ([], [])
    assert np.array_equal(again, vectors)


@pytest.fixture
def helped(monkeypatch):
    """Let the other process help this one, which has Keras loaded; give a function that sets its program."""
    process = beside._Process()
    monkeypatch.setattr(beside, "_process", process)
    monkeypatch.setattr(beside, "is_open", lambda: True)
    monkeypatch.setattr(plan, "_answers", {})  # what another test has asked
    monkeypatch.setattr(engines, "_exported", {})
    yield lambda program: monkeypatch.setattr(beside, "_PROGRAM", program)
    process._end()


ANSWERS = "import json, sys; from featx.embedding.exporter import main; sys.path[:] = json.loads(sys.argv[1])"
NO_EXPORT = f"""{ANSWERS}
import featx.embedding.exporter as exporter
def answer(request, answer=exporter.answer):
    if request["do"] == "write":
        sys.exit()
    return answer(request)
exporter.answer = answer
main()"""


OTHER_NUMBERS = f"""{ANSWERS}
import featx.embedding.openvino_engine as engine
def as_it_was(passing, run=engine.as_it_was):
    return [array + 1 for array in run(passing)]
engine.as_it_was = as_it_was
main()"""


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise SystemExit", "it ended early"),
        ("print(input() and 'no JSON')", "it ended early"),
        (
            "import json; print(json.dumps({'number': json.loads(input())['number'], 'reason': 'E: no'}))",
            "E: no",
        ),
        (NO_EXPORT, "it ended early"),
        (OTHER_NUMBERS, "ExportError: its numbers differ from those of Keras by *"),
    ],
    ids=["ends", "talks nonsense", "fails", "ends before the export", "its export is wrong"],
)
def test_what_fails_in_the_other_process_is_done_in_this_one(helped, saved, pixels, program, reason):
    """Said once, with the reason, and the same vectors."""
    helped(program)
    extractor = FeatureExtractor(**saved, cache=None)
    message = (
        "'tiny' is prepared by Keras in this process, which takes some seconds more: the process that was to do it "
        f"failed ({reason})."
    )
    pattern = ".*".join(map(re.escape, message.split("*")))
    with pytest.warns(EngineWarning, match=f"^{pattern}$") as said:
        vectors = extractor.transform(np.resize(pixels, (4, 16, 16, 3)))
    assert len(said) == 1
    assert_close(vectors, of_keras(pixels, **saved)[0])


INTERRUPTS = f"""{ANSWERS}
import os, pathlib, signal, time
import featx.embedding.exporter as exporter
def answer(request, answer=exporter.answer):
    if request["do"] == "write":
        pathlib.Path(request["draft"], "graph.bin").write_bytes(bytes(9))
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(1e6)
    return answer(request)
exporter.answer = answer
main()"""


@pytest.mark.skipif(os.name != "posix", reason="no such signal here")
def test_ctrl_c_during_an_export_leaves_nothing(helped, saved, pixels, tmp_path):
    """Nothing half-written; the next run exports again."""
    helped(INTERRUPTS)
    extractor = FeatureExtractor(**saved, cache=str(tmp_path / "cache"))
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        extractor.transform(np.resize(pixels, (4, 16, 16, 3)))
    assert list(Path(os.environ["FEATX_GRAPHS"]).iterdir()) == []


def test_layers_that_no_test_knows_are_left_to_tensorflow(helped, pixels, forwards, tmp_path):
    """A wrong number would be worse than seconds; nothing is said, since nothing failed."""
    import keras

    layers = [
        keras.Input((16, 16, 3)),
        keras.layers.Conv2D(4, 3),
        keras.layers.Conv2DTranspose(4, 3, strides=2),
    ]
    keras.Sequential(layers, name="odd").save(tmp_path / "odd.keras")
    choices = {"backbone": str(tmp_path / "odd.keras"), "depth": -1, "scaling": "unit"}
    vectors = FeatureExtractor(**choices, cache=None).transform(np.resize(pixels, (4, 16, 16, 3)))
    assert forwards == [4]
    assert_close(vectors, of_keras(pixels, **choices)[0])


def test_layers_that_no_test_knows_are_not_exported_either(helped, pixels, tmp_path):
    """Nor where the memo knows the network, which Keras on TensorFlow described in an earlier run."""
    import keras

    layers = [keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3), keras.layers.UpSampling2D()]
    keras.Sequential(layers, name="odd").save(tmp_path / "odd.keras")
    choices = {"backbone": str(tmp_path / "odd.keras"), "depth": -1, "scaling": "unit"}
    extractor = FeatureExtractor(**choices, cache=str(tmp_path / "cache"), engine="keras")
    extractor.transform(np.resize(pixels, (2, 16, 16, 3)))
    plan._answers.clear()  # as in a new process
    known = extractor.set_params(engine="auto").plan()
    with pytest.raises(ExportError, match="another process could not"):
        known.beside.export([tap.recipe_id for tap in known.taps], tmp_path / "graph")
    assert not known.beside.works


def test_a_wrong_choice_is_the_same_error(helped, saved):
    """It is found in the other process, and said by this one."""
    with pytest.raises(InputError, match=r"^depth=9: this backbone has 3 stages; give 1\.\.3"):
        FeatureExtractor(**saved | {"depth": 9}, cache=None).plan()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_lets_go_of_it_without_a_word(tmp_path):
    """It neither warns of a child that is not its own nor keeps it alive."""
    program = (
        "import os, sys\nfrom featx.embedding.beside import Beside, _process\n"
        "Beside('none', {}, '').begin()\nchild = os.fork()\n"
        "if not child:\n    assert _process._popen is None\n    sys.exit()\n"
        "os.waitpid(child, 0)\nassert _process._popen.poll() is None"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_ends_with_the_process_that_asked(tmp_path):
    """However that ended, and in the middle of its work."""
    program = (
        "import os, signal, sys\nfrom featx.embedding import beside\n"
        "beside._PROGRAM = 'import time, featx.embedding.exporter as own\\n'"
        "'own.answer = lambda _: time.sleep(1e6)\\nown.main()'\n"
        "beside.Beside('none', {}, '').begin()\nprint(beside._process._popen.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    while psutil.pid_exists(int(done.stdout)):
        if psutil.Process(int(done.stdout)).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)


def test_it_loads_nothing_that_keras_does_without():
    """What is put off works when it is used: windows of spectrograms."""
    program = (
        "import sys\nfrom featx.embedding.exporter import _Finder\nsys.meta_path.insert(0, _Finder())\n"
        "import keras\nassert not {'scipy.stats', 'sklearn', 'pandas', 'tensorflow'} & set(sys.modules)\n"
        "import scipy.signal\nassert scipy.signal.get_window('boxcar', 2).tolist() == [1, 1]\n"
    )
    command = [sys.executable, "-c", program]
    env = os.environ | {"KERAS_BACKEND": "openvino"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_two_extractors_may_ask_at_once(helped, saved, pixels):
    """Each gets the answer to its own question."""
    extractors = [FeatureExtractor(**saved | {"depth": depth}, cache=None) for depth in (1, 2, 3)]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda one: one.transform(np.resize(pixels, (4, 16, 16, 3))), extractors))
    for depth, vectors in zip((1, 2, 3), found, strict=True):
        assert_close(vectors, of_keras(pixels, **saved | {"depth": depth})[0])


@pytest.mark.parametrize(
    ("before", "env", "choices"),
    [
        ("import keras", {}, {}),
        ("", {"KERAS_BACKEND": "tensorflow"}, {}),
        ("", {}, {"engine": "keras"}),
        ("beside._GPUS = ['/dev/null']", {}, {}),
    ],
    ids=["Keras is loaded", "the backend is chosen", "the engine is chosen", "a GPU is there"],
)
@pytest.mark.slow
def test_no_other_process_is_asked_where(first_run, saved, before, env, choices):
    """Each of these needs Keras in this process."""
    never = "\nbeside._start = None"
    *_, loaded, said = first_run(before + never, env, cache=None, **saved, **choices)
    assert loaded == ["keras", "tensorflow"]
    assert said == []
