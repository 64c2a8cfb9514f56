"""What the tests share: no network, no user folders, and the real data where it is at hand."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import pytest

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
# set before NumPy and Keras are imported, and passed on to the processes that tests start
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores; more threads would wait for one another
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("FEATX_TEST_DATA", ROOT.parent / "shared" / "data")).absolute()


@pytest.fixture(scope="session")
def _new_folder(tmp_path_factory):
    """Give a function that makes an empty folder.

    pytest's own looks through all folders of the session for the next number, which took a tenth of the suite's time.
    """
    top = tmp_path_factory.mktemp("tests")
    return lambda name="": Path(mkdtemp(prefix=f"{name}-", dir=top))


@pytest.fixture
def tmp_path(_new_folder, request):
    """Give an empty folder that is called after the test, in place of pytest's."""
    return _new_folder(re.sub(r"\W", "_", request.node.name)[:30])


@pytest.fixture(autouse=True)
def _heard():
    """Ctrl-C is heard: a shell has what it starts with & ignore it, and once polars is used a read goes on."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch, _new_folder):
    """Every test has an empty cache, Keras folder and working folder of its own, and no way to download."""
    own = _new_folder()
    for name in ("work", "keras"):
        (own / name).mkdir()
    monkeypatch.chdir(own / "work")
    monkeypatch.setenv("FEATX_CACHE", str(own / "cache"))
    monkeypatch.setenv("FEATX_GRAPHS", str(own / "engines"))
    monkeypatch.setenv("KERAS_HOME", str(own / "keras"))
    monkeypatch.setenv("FEATX_MIRROR", "http://127.0.0.1:9/")  # the discard port: refuses at once
    monkeypatch.delenv("FEATX_WEIGHTS", raising=False)


@pytest.fixture(scope="session")
def data():
    """Give the folder with real weights and real images, or skip."""
    if not DATA.is_dir():
        pytest.skip("no real weights and images here; FEATX_TEST_DATA names their folder")
    return DATA


@pytest.fixture
def imagenet(data, monkeypatch):
    """Put the real ImageNet weights where Keras keeps its own; skip without them."""
    monkeypatch.setenv("KERAS_HOME", str(data / "keras_home"))
    return data / "keras_home" / "models"


@pytest.fixture(scope="session")
def pixels():
    """Give twelve different uint8 images of 24 by 20 pixels."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (12, 24, 20, 3), dtype=np.uint8)


@pytest.fixture
def files(pixels, tmp_path):
    """Write the twelve images as PNG files and give their paths."""
    from PIL import Image

    paths = [str(tmp_path / f"image{row:02}.png") for row in range(len(pixels))]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture(scope="session")
def tiny():
    """Make a seeded network of three stages that takes images of 16 by 16 pixels in 0..1."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="one"),
            layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="two"),
            layers.Dropout(0.5, name="dropout"),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="three"),
        ],
        name="tiny",
    )


@pytest.fixture
def forwards(monkeypatch):
    """Count, per call of Keras, how many images went through a network; all do, however slow a busy machine is."""
    from featx.embedding.keras_engine import KerasEngine
    from featx.networks.quiet_keras import keras  # noqa: F401 - so that no other process takes the network

    counts = []
    call = KerasEngine.__call__

    def counting(engine, pixels):
        counts.append(len(pixels))
        return call(engine, pixels)

    monkeypatch.setattr(KerasEngine, "__call__", counting)
    monkeypatch.setattr("featx.embedding.handover.FIXED_SECONDS", 1e9)
    monkeypatch.setattr("featx.embedding.engines._exported", {})  # what earlier tests left would run instead
    return counts


@pytest.fixture
def says():
    """Give a function that checks what a person reads when something is refused: the whole message, ``*`` for a path.

    Each room has a table of such messages, ``tests/<room>/test_messages.py``.
    """

    def check(call, error, message):
        with pytest.raises(error, match=r".") as caught:
            call()
        said = str(caught.value)
        pattern = ".*".join(map(re.escape, message.split("*")))
        assert re.fullmatch(pattern, said, re.DOTALL), said
        assert not re.search(r"np\.|numpy\.|<class|<.* object at", said), said

    return check


@pytest.fixture(scope="session")
def browser():
    """Give Debian's chromium without a window, or skip."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for choice in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{choice}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(programs[1]))
    yield driver
    driver.quit()


KILLING = """
import os, random, sys, time
{setup}
random.seed(time.time_ns())
for kill in range(int(sys.argv[1])):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        number = 0
        while True:
            write(kill, number)
            number += 1
            os.write(writing, b".")
    os.close(writing)
    done = len(os.read(reading, 1))  # wait for the first, however busy the machine is
    time.sleep(random.expovariate(1 / 0.02))  # any moment will do: the fact holds at each of them
    os.kill(child, 9)
    os.waitpid(child, 0)
    while more := os.read(reading, 65536):
        done += len(more)
    os.close(reading)
    check(kill, done)
"""


@pytest.fixture
def killing():
    """Give a function that kills writers at random moments and checks what they leave.

    It takes Python text that defines ``write(kill, number)``, called without end in a process that is killed once the
    first call has returned, and ``check(kill, done)``, called after it with the number of calls that had returned.
    """
    if not hasattr(os, "fork"):
        pytest.skip("processes cannot fork here")

    def kill(setup, *arguments, kills=10):
        command = [sys.executable, "-c", KILLING.replace("{setup}", setup), str(kills), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return kill
