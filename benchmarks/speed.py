"""How fast features come out of images on disk: featx beside what people write by hand, and beside the cores' limit.

    python benchmarks/speed.py [SECTION ...] [--rounds 3] [--images 256] [--peers FOLDER | PYTHON | none]

Each contestant is a process of its own (contestants.py). They take turns, and only the one whose turn it is runs; a
first turn is not counted. Printed are medians with the least and the most, and the ratios of each round to the first
row's. Weights are random, on which speed does not depend. The photographs are drawn, all different, and lie in the
disk's cache; featx's own cache is empty each time. The first use installs torch, timm and torchvision into an
environment of their own, 1.1 GB; --peers says where, or which Python has them; with none they are left out.

Sections, of 2 to 7 minutes on two cores each:
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import platformdirs
from tqdm import tqdm

from featx.embedding.speed import machine
from featx.images import write_photographs

PEERS = ("torch==2.13.0", "torchvision==0.28.0", "timm>=1.0")
PROGRAM = Path(__file__).with_name("contestants.py")
SMALL, LARGE, TINY = (375, 500), (1366, 2048), (100, 100)  # height, width of the photographs


@dataclass
class Contestant:
    """One row of a table."""

    title: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    peer: bool = False
    """Whether it needs the peers' environment."""


@dataclass
class Section:
    """One table."""

    about: str
    contestants: list[Contestant]
    size: tuple[int, int] = SMALL
    images: float = 1.0
    """How many, as a multiple of --images."""
    limit: str | None = None
    """The network whose limit is told below the table."""


def featx(title: str, engine: str = "openvino", **choices: Any) -> Contestant:
    return Contestant(f"featx, {title}", "featx", {"engine": engine, **choices})


def against_others(network: str, images: float) -> Section:
    here = {"network": network}
    return Section(
        f"{network}, JPEG files of 500 x 375 pixels",
        [
            Contestant("Keras: `load_img`, `model.predict`", "keras_loop", here),
            Contestant("timm, eager", "timm", here, peer=True),
            Contestant("timm, channels last, bfloat16", "timm", {**here, "fast": True}, peer=True),
            Contestant("torchvision, eager", "torchvision", here, peer=True),
            Contestant("Keras: `predict_on_batch`, nothing decoded", "keras_forward", here),
            featx("Keras", engine="keras", backbone=network),
            featx("OpenVINO", backbone=network),
            featx("OpenVINO, bfloat16", backbone=network, precision="bfloat16"),
        ],
        images=images,
    )


def on_gpu(network: str, images: float) -> Section:
    here, fast = {"network": network}, {"network": network, "fast": True}
    keras = {"backbone": network, "engine": "keras"}
    bfloat16 = {**keras, "precision": "bfloat16"}
    return Section(
        f"{network} on a GPU, JPEG files of 500 x 375 pixels",
        [
            Contestant("timm, eager", "timm", here, peer=True),
            Contestant("timm, channels last, bfloat16", "timm", fast, peer=True),
            Contestant("torchvision, eager", "torchvision", here, peer=True),
            Contestant("featx", "featx", keras),
            Contestant("featx, bfloat16", "featx", bfloat16),
            Contestant("featx's decoding alone", "decode"),
            Contestant("timm, eager, nothing decoded", "timm_forward", here, peer=True),
            Contestant("timm, channels last, bfloat16, nothing decoded", "timm_forward", fast, peer=True),
            Contestant("Keras: `predict_on_batch`, nothing decoded", "keras_forward", here),
            Contestant("featx, nothing decoded", "featx_forward", keras),
            Contestant("featx, bfloat16, nothing decoded", "featx_forward", bfloat16),
        ],
        images=images,
    )


def limit(network: str, images: float, size: tuple[int, int] = SMALL) -> Section:
    rows = [Contestant("decode alone", "decode"), Contestant("matrix product, float32", "matmul")]
    for precision in ("float32", "bfloat16", "int8"):
        choices = {"backbone": network, "engine": "openvino", "precision": precision}
        rows.append(Contestant(f"forward alone, {precision}", "featx_forward", choices))
        rows.append(Contestant(f"from files, {precision}", "featx", choices))
    about = f"{network}, files of {size[1]} x {size[0]} pixels: what the cores allow"
    return Section(about, rows, size, images, limit=network)


def beside_the_loop(network: str, images: float) -> Section:
    """Everything from files, in one run: the loop that people write, and float32 and int8 beside their limits."""
    section = limit(network, images)
    rows = [one for one in section.contestants if "bfloat16" not in one.title]
    rows.insert(0, Contestant("Keras: `load_img`, `model.predict`", "keras_loop", {"network": network}))
    return Section(f"{network}, files beside a loop by hand", rows, SMALL, images, limit=network)


FAMILIES = (
    "mobilenet", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "efficientnet_v2_b0", "convnext_tiny",
    "resnet50", "resnet50_v2", "densenet121", "inception_v3", "inception_resnet_v2", "xception", "nasnet_mobile",
    "vgg16",
)  # fmt: skip
FIVE = [
    "block_1_expand_relu",
    "block_3_expand_relu",
    "block_6_expand_relu",
    "block_13_expand_relu",
    "out_relu",
]
SECTIONS = {
    "mobilenet_v2": against_others("mobilenet_v2", 1.0),
    "resnet50": against_others("resnet50", 0.5),
    "limit-mobilenet_v2": limit("mobilenet_v2", 2.0),
    "limit-resnet50": limit("resnet50", 1.0),
    "limit-photos": limit("mobilenet_v2", 0.5, LARGE),
    "files-mobilenet_v2": beside_the_loop("mobilenet_v2", 1.0),
    "photos": Section(
        "mobilenet_v2, JPEG files of 2048 x 1366 pixels",
        [
            Contestant("Keras: `load_img`, `model.predict`", "keras_loop", {"network": "mobilenet_v2"}),
            featx("Keras", engine="keras", backbone="mobilenet_v2"),
            featx("OpenVINO", backbone="mobilenet_v2"),
            featx("OpenVINO, bfloat16", backbone="mobilenet_v2", precision="bfloat16"),
        ],
        size=LARGE,
        images=0.5,
    ),
    "depths": Section(
        "mobilenet_v2, five depths (images/s that have all of them)",
        [
            featx("the deepest alone", backbone="mobilenet_v2"),
            featx("five depths in one pass", backbone="mobilenet_v2", depth=[1, 2, 3, 4, 5]),
            Contestant(
                "Keras: a loop for each depth",
                "keras_loop_per_depth",
                {"network": "mobilenet_v2", "layers": FIVE},
            ),
        ],
    ),
    "stage": Section(
        "resnet50, cut",
        [
            featx("the whole network", backbone="resnet50"),
            featx("stage 3", backbone="resnet50", depth=3),
        ],
    ),
    "gpu-mobilenet_v2": on_gpu("mobilenet_v2", 32.0),
    "gpu-resnet50": on_gpu("resnet50", 32.0),
    "mini": Section(
        "featx-mini at 96 pixels, JPEG files of 100 x 100 pixels",
        [
            featx("Keras", engine="keras", backbone="featx-mini"),
            featx("OpenVINO", backbone="featx-mini"),
            featx("OpenVINO, default depths", backbone="featx-mini", depth="default", pooling="default"),
        ],
        size=TINY,
        images=4.0,
    ),
}


def families(rounds: int, images: int) -> None:
    """One network of each family: Keras alone beside the engine that featx would choose for many images."""
    print("### One network of each family, nothing decoded\n\n`python benchmarks/speed.py families`\n")
    print("| | `predict_on_batch`, images/s | featx, `auto` | ratio |\n| --- | ---: | ---: | ---: |")
    for network in FAMILIES:
        rows = [
            Contestant(f"{network}, Keras", "keras_forward", {"network": network}),
            Contestant(f"{network}, featx", "featx_forward", {"backbone": network, "engine": "auto"}),
        ]
        keras, own = map(rates, race(Section(network, rows), None, rounds, images))
        ratios = [mine / its for mine, its in zip(own, keras, strict=True)]
        print(f"| {network} | {spread(keras, 1)} | {spread(own, 1)} | {spread(ratios, 2)} |", flush=True)


def main() -> None:
    about = {name: section.about for name, section in SECTIONS.items()}
    about["families"] = "one network of each family, Keras alone and featx (15 minutes)"
    listing = "\n".join(f"  {name:<20}{text}" for name, text in about.items())
    parser = argparse.ArgumentParser(
        description=__doc__ + listing, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", nargs="*", help="default: all but those for a GPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=256, help="a multiple of the batch size")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--peers", default=str(platformdirs.user_cache_path("featx") / "peers"))
    choice = parser.parse_args()
    if unknown := set(choice.section) - set(about):
        parser.error(f"unknown: {', '.join(unknown)}. Sections:\n{listing}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["BATCH"] = str(choice.batch_size)
    here = machine()
    versions = ", ".join(f"{name} {number}" for name, number in here["versions"].items())
    print(
        f"{here['processor']}, {here['cores']} cores, Keras on {here['device']}; {versions}; {choice.rounds} rounds, "
        f"batches of {choice.batch_size}\n",
        flush=True,
    )
    for name in choice.section or [name for name in about if not name.startswith("gpu")]:
        if name == "families":
            families(choice.rounds, max(32, choice.images // 4))
            continue
        section = SECTIONS[name]
        peers = None
        if choice.peers != "none" and any(one.peer for one in section.contestants):
            peers = environment(Path(choice.peers))
        section.contestants = [one for one in section.contestants if peers or not one.peer]
        started = time.perf_counter()
        results = race(section, peers, choice.rounds, max(32, int(choice.images * section.images)))
        print(f"### {section.about}\n\n`python benchmarks/speed.py {name}`\n")
        table(section, results)
        if section.limit:
            reached(section, results)
        print(f"\n{time.perf_counter() - started:.0f} s\n", flush=True)


def environment(folder: Path) -> Path:
    """Give the Python of the peers' environment, which is made on first use; or the one that was given."""
    if folder.is_file():
        return folder
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "installed"
    if not done.exists() or done.read_text() != " ".join(PEERS):
        print(f"installing {' '.join(PEERS)} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True, stdout=sys.stderr)
        done.write_text(" ".join(PEERS))
    return python


def race(section: Section, peers: Path | None, rounds: int, images: int) -> list[list[dict[str, float]]]:
    """Give what each contestant did in each round."""
    results: list[list[dict[str, float]]] = [[] for _ in section.contestants]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        files = write_photographs(folder, images, section.size)
        python = {False: sys.executable, True: str(peers)}
        steps = len(section.contestants) * (rounds + 1)
        bar = stack.enter_context(tqdm(total=steps, unit="run", disable=None))
        runs = []
        for one in section.contestants:
            bar.set_description(one.title)
            runs.append(stack.enter_context(process(one, python[one.peer], folder)))
            runs[-1](files[:64])  # compiles
            bar.update()
        for _ in range(rounds):
            for one, run, list_ in zip(section.contestants, runs, results, strict=True):
                bar.set_description(one.title)
                for file in files:
                    os.utime(file)  # changed, as far as featx's cache can tell
                list_.append(run(files))
                bar.update()
    return results


@contextmanager
def process(one: Contestant, python: str, folder: str) -> Iterator[Any]:
    """Start a contestant and give what makes it run once; it is asleep while others run."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TMPDIR": folder}
    with tempfile.TemporaryFile("w+") as messages:
        child = subprocess.Popen(
            [python, str(PROGRAM), one.name, json.dumps(one.options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=messages, text=True, env=environment,
        )  # fmt: skip

        def run(files: list[str]) -> dict[str, float]:
            child.send_signal(signal.SIGCONT)
            child.stdin.write(json.dumps(files) + "\n")
            child.stdin.flush()
            for line in child.stdout:
                if line.startswith("@"):
                    child.send_signal(signal.SIGSTOP)
                    return json.loads(line[1:])
            messages.seek(0)
            raise SystemExit(f"{one.title} failed:\n{messages.read()[-2000:]}")

        try:
            yield run
        finally:
            child.kill()
            child.wait()


def rates(results: list[dict[str, float]]) -> list[float]:
    return [result["amount"] / result["seconds"] for result in results]


def spread(values: list[float], digits: int) -> str:
    """Say the median, and from where to where the values go."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"


def table(section: Section, results: list[list[dict[str, float]]]) -> None:
    print("| | images/s | times the first | width |\n| --- | ---: | ---: | ---: |")
    first = rates(results[0])
    for one, result in zip(section.contestants, results, strict=True):
        if one.name == "matmul":
            continue
        own = rates(result)
        ratios = [mine / its for mine, its in zip(own, first, strict=True)]
        print(f"| {one.title} | {spread(own, 1)} | {spread(ratios, 2)} | {result[0]['width'] or ''} |")


def reached(section: Section, results: list[list[dict[str, float]]]) -> None:
    """Say which share of the limit a run from files reaches, and which share of the peak the network does."""
    from featx.networks import cuts

    cost = 2 * cuts(section.limit)[-1].multiply_adds
    rate = {one.title: rates(result) for one, result in zip(section.contestants, results, strict=True)}
    peak = rate["matrix product, float32"]
    print(f"\nThe matrix product does {spread([value / 1e9 for value in peak], 0)} GFLOP/s.")
    for precision in ("float32", "bfloat16", "int8"):
        if f"forward alone, {precision}" not in rate:
            continue
        rounds = zip(
            rate["decode alone"], rate[f"forward alone, {precision}"], rate[f"from files, {precision}"],
            strict=True,
        )  # fmt: skip
        limits, shares = [], []
        for decode, forward, files in rounds:
            limits.append(1 / (1 / decode + 1 / forward))
            shares.append(files / limits[-1])
        flops = [cost * value for value in rate[f"forward alone, {precision}"]]
        of_peak = [100 * value / top for value, top in zip(flops, peak, strict=True)]
        print(
            f"\nAt {precision} the limit 1/(1/decode + 1/forward) is {spread(limits, 0)} images/s, of which "
            f"{spread([100 * share for share in shares], 0)} % are reached; the network alone does "
            f"{spread([value / 1e9 for value in flops], 0)} GFLOP/s, {spread(of_peak, 0)} % of the float32 product."
        )


if __name__ == "__main__":
    main()
