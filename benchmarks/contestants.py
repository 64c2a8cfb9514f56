"""The contestants of speed.py. Each function makes one ready and gives what takes it once over files.

speed.py starts this program once for each contestant, in featx's environment or in that of the peers, and tells it over
stdin when to run. What people write by hand is written here as they do: in few lines, with the defaults. Those of torch
take a GPU if there is one, as Keras does by itself.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

Run = Callable[[list[str]], tuple[float, int]]
"""Takes files, gives how much was done (images, or operations) and the width of a vector (0 where there is none)."""

TIMM = {"mobilenet_v2": "mobilenetv2_100", "resnet50": "resnet50"}
BATCH = int(os.environ.get("BATCH", "32"))
_BEFORE: list[Callable[[], object]] = []
"""Called before each run, outside of the time."""


def _batches(files: Sequence[Any]) -> list[Any]:
    return [files[start : start + BATCH] for start in range(0, len(files), BATCH)]


# ---------------------------------------------------------------- in featx's environment


def _keras(network: str) -> Any:
    import keras

    from featx.networks.catalogue import find

    row = find(network)
    builder = getattr(keras.applications, row.builder)
    shape = (row.input_size, row.input_size, 3)
    return builder(weights=None, include_top=False, pooling="avg", input_shape=shape, **row.options)


def _loop(model: Any, preprocess: Any, files: list[str]) -> int:
    """Write what Keras' own examples do, and give the width of a vector."""
    import keras

    features = []
    for batch in _batches(files):
        images = [keras.utils.load_img(path, target_size=(224, 224)) for path in batch]
        pixels = np.stack([keras.utils.img_to_array(image) for image in images])
        features.append(model.predict(preprocess(pixels), verbose=0))
    return int(np.concatenate(features).shape[1])


def keras_loop(network: str) -> Run:
    """`load_img` and `model.predict`, batch after batch, as in Keras' own examples."""
    import keras

    model, preprocess = _keras(network), getattr(keras.applications, network).preprocess_input

    def run(files: list[str]) -> tuple[float, int]:
        return len(files), _loop(model, preprocess, files)

    return run


def keras_loop_per_depth(network: str, layers: list[str]) -> Run:
    """`keras_loop` once for each depth, with a model cut there, as one writes it to compare depths."""
    import keras

    whole, preprocess = _keras(network), getattr(keras.applications, network).preprocess_input
    models = [
        keras.Model(whole.input, keras.layers.GlobalAveragePooling2D()(whole.get_layer(layer).output))
        for layer in layers
    ]

    def run(files: list[str]) -> tuple[float, int]:
        return len(files), sum(_loop(model, preprocess, files) for model in models)

    return run


def keras_forward(network: str) -> Run:
    """`predict_on_batch` on arrays that are decoded already."""
    model = _keras(network)
    pixels = np.random.default_rng(0).uniform(-1, 1, (BATCH, *model.input_shape[1:])).astype("float32")

    def run(files: list[str]) -> tuple[float, int]:
        for _ in _batches(files):
            vectors = model.predict_on_batch(pixels)
        return len(files), vectors.shape[1]

    return run


def _plan(**choices: Any) -> tuple[dict[str, Any], Any]:
    from featx.embedding.plan import Choices, resolve

    choices = {"weights": None, "pooling": "avg", "depth": -1, **choices}
    return choices, resolve(Choices(**choices), Path.read_bytes)


def featx(engine: str, **choices: Any) -> Run:
    """`FeatureExtractor.transform`; the engine and the recipe are ready, no file is known, no vector is kept."""
    from featx import EmbeddingCache, FeatureExtractor

    choices, plan = _plan(**choices)
    cache = EmbeddingCache(mkdtemp(prefix="featx-speed-"))
    extractor = FeatureExtractor(**choices, engine=engine, cache=cache, batch_size=BATCH)

    def run(files: list[str]) -> tuple[float, int]:
        return len(files), extractor.transform(files).shape[1]

    def forget() -> None:
        for tap in plan.taps:
            cache.delete(tap.recipe_id)
        time.sleep(2.1)  # files that changed less than two seconds ago are hashed twice

    _BEFORE.append(forget)
    return run


def featx_forward(engine: str, **choices: Any) -> Run:
    """`Engine.run` on arrays that are decoded already."""
    from featx.embedding.engines import engine_for

    _, plan = _plan(**choices)
    runner = engine_for(plan, plan.taps, BATCH, engine=engine, images=10_000)
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, *plan.input_size, 3), np.uint8)

    def run(files: list[str]) -> tuple[float, int]:
        width = 0
        for vectors in runner.run(pixels for _ in _batches(files)):
            width = vectors[0].shape[1]
        return len(files), width

    return run


def decode(size: int = 224) -> Run:
    """Featx's reading, decoding and resizing alone, on all cores."""
    from featx.images.loading import in_parts, load

    def run(files: list[str]) -> tuple[float, int]:
        for _ in load(in_parts(files), (size, size)):
            pass
        return len(files), 0

    return run


def matmul(n: int = 3072) -> Run:
    """NumPy's product of two float32 matrices: what the cores can reach."""
    a, b = (np.random.default_rng(seed).standard_normal((n, n), dtype=np.float32) for seed in (0, 1))
    out = np.empty_like(a)

    def run(_: list[str]) -> tuple[float, int]:
        for _ in range(3):
            np.matmul(a, b, out=out)
        return 3 * 2 * n**3, 0

    return run


# ---------------------------------------------------------------- in the peers' environment


def torchvision_without_operators() -> None:
    """Let torchvision load where its C++ operators cannot, as beside a CPU build of torch of another origin.

    Networks and transforms need none of them; the import only wants their signatures.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)


_kept: list[Any] = []  # a library's signatures live as long as it does


def _on_device(model: Any, *, fast: bool) -> Callable[[Any], np.ndarray]:
    """Give what takes a batch of pixels (n, 3, h, w) through a network of torch."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    layout = torch.channels_last if fast else torch.contiguous_format
    model = model.eval().to(device, memory_format=layout)

    def features(pixels: Any) -> np.ndarray:
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=fast):
            pixels = pixels.to(device, memory_format=layout, non_blocking=True)
            return model(pixels).float().cpu().numpy()

    return features


def _torch_loop(model: Any, transform: Any, *, fast: bool = False) -> Run:
    import torch
    from PIL import Image

    class Files(torch.utils.data.Dataset):
        def __init__(self, paths: list[str]) -> None:
            self.paths = paths

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, row: int) -> Any:
            return transform(Image.open(self.paths[row]).convert("RGB"))

    features = _on_device(model, fast=fast)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def run(files: list[str]) -> tuple[float, int]:
        loader = torch.utils.data.DataLoader(
            Files(files), batch_size=BATCH, num_workers=workers, pin_memory=torch.cuda.is_available()
        )
        return len(files), np.concatenate([features(pixels) for pixels in loader]).shape[1]

    return run


def _timm(network: str) -> Any:
    torchvision_without_operators()
    import timm

    return timm.create_model(TIMM[network], pretrained=False, num_classes=0)


def timm(network: str, *, fast: bool = False) -> Run:
    """`timm.create_model` and its own transform; `fast`: channels last and bfloat16, as its documents advise."""
    model = _timm(network)
    from timm.data import create_transform, resolve_model_data_config

    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    return _torch_loop(model, transform, fast=fast)


def timm_forward(network: str, *, fast: bool = False) -> Run:
    """`timm`'s network on arrays that are decoded already."""
    features = _on_device(_timm(network), fast=fast)
    import torch

    pixels = torch.rand((BATCH, 3, 224, 224))
    pixels = pixels.pin_memory() if torch.cuda.is_available() else pixels

    def run(files: list[str]) -> tuple[float, int]:
        return len(files), [features(pixels) for _ in _batches(files)][-1].shape[1]

    return run


def torchvision(network: str) -> Run:
    """`torchvision.models` without the classifier, and the transform that comes with the weights."""
    torchvision_without_operators()
    import torch
    from torchvision import models

    model = getattr(models, network)(weights=None)
    setattr(model, "fc" if network == "resnet50" else "classifier", torch.nn.Identity())
    return _torch_loop(model, models.get_model_weights(network).DEFAULT.transforms())


# ---------------------------------------------------------------- orders


def main() -> None:
    run = globals()[sys.argv[1]](**json.loads(sys.argv[2]))
    for line in sys.stdin:
        files = json.loads(line)
        for call in _BEFORE:
            call()
        started = time.perf_counter()
        amount, width = run(files)
        seconds = time.perf_counter() - started
        print("@" + json.dumps({"seconds": seconds, "amount": amount, "width": width}), flush=True)


if __name__ == "__main__":
    main()
