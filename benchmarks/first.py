"""What a first run costs: whole processes with nothing cached, beside the loop of Keras that people write by hand.

    FEATX_TEST_DATA=... python benchmarks/first.py [rounds]

Takes MobileNetV2's weights and photographs from the folder that FEATX_TEST_DATA names. The programs take turns;
prints wall seconds from the start of Python to the vectors, median, least and most, and the share of the loop's time.
One of the programs is the least that gives a vector without TensorFlow: Keras' own OpenVINO backend, exported and
compiled.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

DATA = Path(os.environ["FEATX_TEST_DATA"])
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
FILES = sorted(map(str, DATA.glob("images/hymenoptera/train/*/*")))

LOOP = """
import keras, numpy as np
network = keras.applications.MobileNetV2(include_top=False, pooling="avg", input_shape=(224, 224, 3))
vectors = []
for start in range(0, len(files), 32):
    batch = [keras.utils.load_img(file, target_size=(224, 224)) for file in files[start : start + 32]]
    pixels = np.stack([keras.utils.img_to_array(image) for image in batch])
    vectors.append(network.predict(keras.applications.mobilenet_v2.preprocess_input(pixels), verbose=0))
np.concatenate(vectors)
"""
FEATX = """
from featx import FeatureExtractor
FeatureExtractor("mobilenet_v2", depth=-1, pooling="avg").transform(files)
"""
OPENVINO = """
import os
os.environ["KERAS_BACKEND"] = "openvino"
import keras, numpy as np, openvino
keras.config.set_image_data_format("channels_first")
network = keras.applications.MobileNetV2(include_top=False, pooling="avg", input_shape=(3, 224, 224))
pixels = keras.Input((224, 224, 3))
network = keras.Model(pixels, network(keras.layers.Permute((3, 1, 2))(pixels)))
network.export("network.xml", format="openvino", verbose=False)
network = openvino.Core().compile_model("network.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
vectors = []
for file in files:
    pixels = keras.utils.img_to_array(keras.utils.load_img(file, target_size=(224, 224)), data_format="channels_last")
    vectors.append(network(pixels[None] / 127.5 - 1)[0])
np.concatenate(vectors)
"""
KERAS = FEATX.replace("import FeatureExtractor", "import FeatureExtractor; import keras")
PROGRAMS = {
    "Keras: `load_img`, `model.predict`": LOOP,
    "Keras' OpenVINO backend and `openvino`, by hand": OPENVINO,
    "featx": FEATX,
    "featx, where Keras is loaded already": KERAS,
}


def seconds(program: str, files: list[str]) -> float:
    """Time a process that has nothing but the weights."""
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "FEATX_CACHE": f"{folder}/cache",
            "FEATX_GRAPHS": f"{folder}/graphs",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", f"files = {files}\n{program}"],
            cwd=folder,
            env={**os.environ, **own, "KERAS_HOME": str(DATA / "keras_home")},
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return time.perf_counter() - start


def main() -> None:
    """Print a table for all photographs and one for a single one."""
    for files in (FILES, FILES[:1]):
        times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
        seconds(FEATX, files)  # what the system reads from the disk the first time
        for _ in range(ROUNDS):
            for name, program in PROGRAMS.items():
                times[name].append(seconds(program, files))
        loop = times[next(iter(PROGRAMS))]
        print(f"\n| {len(files)} photographs | seconds | share of the loop |\n| --- | ---: | ---: |")
        for name, own in times.items():
            shares = [one / other for one, other in zip(own, loop, strict=True)]
            cells = [f"{median(row):.2f} ({min(row):.2f}..{max(row):.2f})" for row in (own, shares)]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
