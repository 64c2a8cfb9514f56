"""The depth curve on real data, and what it costs.

    python benchmarks/depths.py FOLDER ... [--backbone mobilenet_v2 ...] [--pooling std+grid2] [--input-size 224]
    python benchmarks/depths.py --times mobilenet_v2 resnet50

Each FOLDER has a subfolder of images per class. The first form prints the curve of each; the second, from JPEG files
of 500 x 375 pixels and with random weights, the time of each stage as measured and as estimated
(`featx.networks.cost.shares`), as shares of the deepest, and what all stages in one pass take, as a multiple of the
deepest alone.
"""

import argparse
from tempfile import TemporaryDirectory
from time import perf_counter

from featx import FeatureExtractor, depth_curve, load_folder
from featx.images import write_photographs
from featx.networks import cuts
from featx.networks.cost import shares

IMAGES, ROUNDS = 256, 3


def seconds(backbone: str, depth: list[int], files: list[str]) -> float:
    """Return the least seconds for all files of several rounds, exported and warm."""
    extractor = FeatureExtractor(
        backbone, depth=depth, pooling="avg+std", weights=None, cache=None, engine="openvino"
    )
    extractor.transform(files[:8])
    found = []
    for _ in range(ROUNDS):
        started = perf_counter()
        extractor.transform(files)
        found.append(perf_counter() - started)
    return min(found)


def times(backbone: str) -> None:
    stages = [cut for cut in cuts(backbone) if cut.stage]
    graph = FeatureExtractor(backbone, weights=None, cache=None).plan().graph("float32")
    estimated = shares(graph, [cut.layer for cut in stages])
    with TemporaryDirectory() as folder:
        files = write_photographs(folder, IMAGES)
        measured = [seconds(backbone, [cut.stage or 0], files) for cut in stages]
        together = seconds(backbone, [cut.stage or 0 for cut in stages], files)
    print(f"\n{backbone}\n\n| stage | measured | estimated |\n|---|---|---|")
    for cut, took, share in zip(stages, measured, estimated, strict=True):
        print(f"| {cut.stage} | {took / measured[-1]:.2f} | {share:.2f} |")
    print(f"\nAll stages in one pass: {together / measured[-1]:.2f} times the deepest alone.", flush=True)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="*")
parser.add_argument("--backbone", nargs="+", default=["featx-mini"])
parser.add_argument("--pooling", default="default")
parser.add_argument("--input-size", type=int)
parser.add_argument("--times", nargs="+", metavar="BACKBONE", default=[])
choice = parser.parse_args()
for name in choice.times:
    times(name)
for folder in choice.folder:
    table = load_folder(folder)
    for name in choice.backbone:
        print(f"\n{folder}, pooling {choice.pooling}")
        curve = depth_curve(
            table.paths, table.labels, name, pooling=choice.pooling, input_size=choice.input_size
        )
        print(curve, flush=True)
