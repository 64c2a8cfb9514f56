"""What int8 gains and changes: networks at float32 and int8 by turns, in one process, nothing decoded.

    python benchmarks/int8.py [NETWORK ...] [--images FOLDER] [--weights auto] [--rounds 5]

Prints for each network images/s at float32 and int8 (the fastest round of each), their ratio, and with --weights auto,
which takes real ones, the mean cosine of its last stage, averaged, on up to 100 images of the FOLDER; default:
photographs drawn by another seed than those of the calibration. Weights are random by default, on which speed does not
depend, and a cosine would say nothing. A network takes 20 to 60 seconds.
"""

import argparse
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from featx import load_folder
from featx.embedding.engines import engine_for
from featx.embedding.plan import Choices, resolve
from featx.embedding.speed import machine
from featx.embedding.worth import cosines
from featx.errors import EngineWarning
from featx.images.datasets import parts_of_photographs
from featx.images.loading import in_parts, load

FAMILIES = (
    "featx-mini", "mobilenet", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_lite0", "efficientnet_b0",
    "efficientnet_v2_b0", "convnext_tiny", "resnet50", "resnet50_v2", "densenet121", "inception_v3", "xception",
    "nasnet_mobile", "vgg16",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", nargs="*", default=FAMILIES)
    parser.add_argument("--images")
    parser.add_argument("--weights", choices=["none", "auto"], default="none")
    parser.add_argument("--rounds", type=int, default=5)
    choice = parser.parse_args()
    warnings.simplefilter("ignore", EngineWarning)  # the table says it
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores\n{instructions()}\n")
    print("| network | float32, images/s | int8 | ratio | cosine |\n| --- | ---: | ---: | ---: | ---: |")
    for network in choice.network:
        weights = None if choice.weights == "none" else "auto"
        print(row(network, weights, choice.images, choice.rounds), flush=True)


def instructions() -> str:
    """Name those of the processor's instructions that decide which precision pays."""
    wanted = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    known = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    return ", ".join(f"{name} {'yes' if name in known else 'no'}" for name in wanted)


def row(network: str, weights: str | None, images: str | None, rounds: int) -> str:
    with TemporaryDirectory() as folder:
        engines = []
        for precision in ("float32", "int8"):
            choices = Choices(network, depth=-1, pooling="avg", weights=weights, precision=precision)
            plan = resolve(choices, Path.read_bytes)
            engines.append(
                engine_for(plan, plan.taps, 32, engine="openvino", images=10_000, folder=Path(folder))
            )
    pixels = read(images, plan.input_size)
    times: list[list[float]] = [[], []]
    for _ in range(rounds + 1):
        for engine, own in zip(engines, times, strict=True):
            started = perf_counter()
            for _vectors in engine.run([pixels[:32]]):
                pass
            own.append((perf_counter() - started) / len(pixels[:32]))
    float32, int8 = (1 / min(own[1:]) for own in times)
    cosine = f"{cosines(*engines, pixels)[0]:.4f}" if weights else ""
    return f"| {network} | {float32:.0f} | {int8:.0f} | {int8 / float32:.2f} | {cosine} |"


def read(images: str | None, size: tuple[int, int]) -> Any:
    if images is None:
        return parts_of_photographs(100, size, random_state=1)
    paths = load_folder(images).paths
    some = paths[np.random.default_rng(0).permutation(len(paths))[:100]].tolist()
    return np.concatenate([pixels for pixels, _ in load(in_parts(some), size)])


if __name__ == "__main__":
    main()
