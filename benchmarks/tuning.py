"""Steps a second of fine-tuning: featx beside a hand-written Keras `fit` with the same layers frozen.

    python benchmarks/tuning.py [--backbone mobilenet_v2] [--input-size 96] [--images 256] [--epochs 3] [--rounds 2]

Weights are random, since speed does not depend on them, and BatchNorm stays as it is in both. Both take the same
uint8 arrays, in batches of 32, with AdamW and without images held out. They take turns; printed are steps a second of
all epochs but the first one, which compiles: the median, the least and the most, and the ratio of the medians.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from featx import FeatureExtractor, FineTuner
from featx.networks import cuts

CASES = [("all", None), ("all", "flip"), (2, None), (2, "flip"), (1, None), (1, "flip")]
CLASSES = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--input-size", type=int, default=96)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    choice = parser.parse_args()
    size = (choice.input_size, choice.input_size)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (choice.images, *size, 3), "u1")
    labels = np.arange(choice.images) % CLASSES
    print(
        f"{choice.backbone}, {choice.images} images of {size[0]} x {size[1]}, load {os.getloadavg()[0]:.1f}\n"
    )
    print(
        "| stages tuned | changed at random | Keras `fit`, steps/s | featx, steps/s | ratio |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "random.weights.h5"
        network(choice.backbone, size).save_weights(weights)
        extractor = FeatureExtractor(
            choice.backbone, depth=-1, pooling="avg", weights=weights, input_size=size[0], cache=None
        )
        ends = [cut.layer for cut in cuts(choice.backbone, input_size=size) if cut.stage]
        for stages, augment in CASES:
            seconds: dict[str, list[float]] = {"keras": [], "featx": []}
            for _ in range(choice.rounds):
                frozen = "" if stages == "all" else ends[-1 - int(stages)]
                seconds["keras"] += by_hand(
                    choice.epochs,
                    network(choice.backbone, size),
                    frozen,
                    augment,
                    images=images,
                    labels=labels,
                )
                tuner = FineTuner(
                    extractor, stages=stages, augment=augment, epochs=choice.epochs, validation=None, head=None,
                    random_state=0, verbose=0,
                )  # fmt: skip
                history = tuner.fit(images, labels).history_
                seconds["featx"] += [epoch["seconds"] for epoch in history[2:]]
            steps = {name: [-(-len(images) // 32) / one for one in times] for name, times in seconds.items()}
            cells = [
                f"{median(one):.2f} ({min(one):.2f}..{max(one):.2f})"
                for one in (steps["keras"], steps["featx"])
            ]
            ratio = median(steps["featx"]) / median(steps["keras"])
            print(f"| {stages} | {augment or 'no'} | {' | '.join(cells)} | {ratio:.2f} |", flush=True)


def network(backbone: str, size: tuple[int, int]) -> Any:
    from featx.networks.catalogue import find
    from featx.networks.quiet_keras import keras

    keras.utils.set_random_seed(0)
    build = getattr(keras.applications, find(backbone).builder)
    return build(include_top=False, weights=None, input_shape=(*size, 3))


def by_hand(
    epochs: int, base: Any, frozen: str, augment: str | None, *, images: np.ndarray, labels: np.ndarray
) -> list[float]:
    """Fine-tune as Keras' guide does; give the seconds of each epoch but the first."""
    from featx.networks.quiet_keras import keras

    names = [layer.name for layer in base.layers]
    last = names.index(frozen) if frozen else -1
    for place, layer in enumerate(base.layers):
        layer.trainable = place > last and not isinstance(layer, keras.layers.BatchNormalization)
    inputs = keras.Input(images.shape[1:])
    x = inputs
    if augment:
        x = keras.layers.RandomFlip("horizontal")(x)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(1e-4), loss, jit_compile=False)
    ends: list[float] = []
    each = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.perf_counter()))
    model.fit(images, labels, batch_size=32, epochs=epochs, callbacks=[each], verbose=0)
    return np.diff(ends).tolist()


if __name__ == "__main__":
    main()
