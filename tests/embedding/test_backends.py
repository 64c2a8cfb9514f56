"""The same numbers on another backend of Keras, and training works there."""

import os
import subprocess
import sys

import numpy as np
import pytest

from featx import FeatureExtractor
from featx.images import synthetic

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
import keras
import numpy as np
from featx import FeatureExtractor, FineTuner
from featx.embedding import engines as running
from featx.embedding import handover
from featx.images import synthetic

images, labels = synthetic(n=40, classes=2, size=32, random_state=0)
extractor = FeatureExtractor(depth=2, input_size=32, engine="keras", cache=None)
embeddings = extractor.fit_transform(images)
np.save(sys.argv[1], embeddings)
with ThreadPoolExecutor(4) as threads:
    for found in threads.map(extractor.transform, [images] * 8):
        assert np.array_equal(found, embeddings), "threads"
handover.FIXED_SECONDS = handover.LAYER_SECONDS = 0.0
many = np.repeat(images, 5, axis=0)
many[:, 0, 0, 0] = np.arange(len(many)) % 256
assert extractor.set_params(engine="auto").transform(many).shape == (len(many), embeddings.shape[1])
running.accelerated = lambda: True
running._engines.clear()
assert np.array_equal(extractor.transform(images), embeddings), "blocks"
labels = np.random.default_rng(0).permutation(labels)  # the frozen network cannot know them
tuner = FineTuner(
    extractor, epochs=8, learning_rate=1e-2, augment=None, validation=None, random_state=0
).fit(images, labels)
losses = [epoch["loss"] for epoch in tuner.history_[1:]]
assert losses[-1] < 0.9 * losses[0], losses
assert keras.backend.backend() == "jax"
"""


@pytest.mark.slow
def test_jax_gives_the_same_embeddings_and_trains(tmp_path):
    """What is written against keras.ops runs on what it stands for."""
    pytest.importorskip("jax", reason="jax is not installed")
    images, _ = synthetic(n=40, classes=2, size=32, random_state=0)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "embeddings.npy")]
    done = subprocess.run(
        command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]
    expected = FeatureExtractor(depth=2, input_size=32, engine="keras", cache=None).fit_transform(images)
    np.testing.assert_allclose(np.load(tmp_path / "embeddings.npy"), expected, rtol=1e-4, atol=1e-5)
