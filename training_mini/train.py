"""Train featx-mini on scenes made by formulae: ``python training_mini/train.py``.

Contrastive learning (SimCLR, Chen et al. 2020): two views of one scene shall be nearer to each other than to
the views of any other scene in the batch. Killed at any moment, the same command goes on from the last
checkpoint.
"""

import argparse
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from bank import Bank, load_bank
from draws import Draws
from network import FeatxMini, Projector
from scenes import SceneMaker
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from tqdm import tqdm
from views import normalise, two_views

RUNS = Path(__file__).parent / "runs"


@dataclass(frozen=True)
class Settings:
    """What a run is; a checkpoint of other settings is refused."""

    steps: int = 6500
    """The learning rate ends at 0 here, so the number is fixed before the run."""
    seed: int = 0
    """Of the weights and of the stream of scenes; the bank has a seed of its own."""
    scenes: int = 128
    """Per step; the batch holds two views of each."""
    temperature: float = 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: int = 50
    """Steps until the learning rate is reached."""


def contrastive_loss(embedding: Tensor, temperature: float) -> Tensor:
    """NT-Xent of ``(2 * count, d)`` embeddings whose row i and row i + count show the same scene."""
    unit = normalize(embedding.float(), dim=1)
    similarity = unit @ unit.T / temperature
    similarity.fill_diagonal_(-math.inf)
    partner = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return cross_entropy(similarity, partner)


def learning_rate(settings: Settings, step: int) -> float:
    """Rise over the warm-up, fall along a cosine to 0 at the last step."""
    rise = min(1, (step + 1) / settings.warm_up)
    return settings.learning_rate * rise * (0.5 + 0.5 * math.cos(math.pi * step / settings.steps))


class Run:
    """One training run and its state, which a checkpoint holds completely.

    Parameters
    ----------
    settings
        What to train.
    bank
        Textures and shapes.
    device
        ``"cpu"``, ``"cuda"`` or another of torch's.
    """

    def __init__(self, settings: Settings, bank: Bank, device: str = "cpu") -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.step = settings, torch.device(device), 0
        self.network = FeatxMini().to(self.device, memory_format=torch.channels_last)
        self.projector = Projector().to(self.device)
        self.modules = nn.ModuleList([self.network, self.projector])
        self.optimizer = torch.optim.AdamW(
            self.modules.parameters(),
            settings.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=settings.weight_decay,
        )
        self.draws = Draws(settings.seed + 1, device)
        self.scenes = SceneMaker(bank, self.draws)

    def train_step(self) -> float:
        """Make a batch, learn from it once, and return the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.step)
        with torch.no_grad():
            batch = normalise(two_views(self.scenes(self.settings.scenes), self.draws))
        with torch.autocast(self.device.type, torch.bfloat16):
            embedding = self.network(batch)
        loss = contrastive_loss(self.projector(embedding), self.settings.temperature)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.modules.parameters(), 5)
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def save(self, path: Path) -> None:
        """Write a checkpoint; a kill at any moment leaves the old one or the new one, never half of one."""
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save(
                {
                    "settings": asdict(self.settings),
                    "step": self.step,
                    "network": self.network.state_dict(),
                    "projector": self.projector.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "draws": self.draws.generator.get_state(),
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same settings."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["settings"] != asdict(self.settings):
            raise SystemExit(
                f"{path} is a run of {state['settings']}, but this one has {asdict(self.settings)}. "
                "Give the same settings to go on, or another --out for a new run."
            )
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.projector.load_state_dict(state["projector"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.draws.generator.set_state(state["draws"].cpu())


def train(run: Run, out: Path, checkpoint_every: int = 100) -> None:
    """Train to the last step, resuming from ``out/checkpoint.pt`` if it is there."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = out / "checkpoint.pt", out / "log.csv"
    if checkpoint.exists():
        run.load(checkpoint)
    total, started, losses = run.settings.steps, time.monotonic(), []
    with tqdm(total=total, initial=run.step, unit="step", desc=out.name, mininterval=5) as bar:
        while run.step < total:
            losses.append(run.train_step())
            bar.update()
            if run.step % checkpoint_every == 0 or run.step == total:
                mean_loss, losses = sum(losses) / len(losses), []
                bar.set_postfix(loss=f"{mean_loss:.3f}")
                run.save(checkpoint)
                with log.open("a", encoding="utf-8") as file:
                    file.write(f"{run.step},{mean_loss:.4f},{time.monotonic() - started:.0f}\n")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder of the run (default: training_mini/runs/seed<N>)")
    parser.add_argument("--bank", type=Path, default=RUNS / "bank0.npz", help="made when not there")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; more than are idle slow it down")
    parser.add_argument("--checkpoint-every", type=int, default=100, help="steps (default: %(default)s)")
    for name in ("steps", "seed", "scenes"):
        parser.add_argument(
            f"--{name}", type=int, default=getattr(Settings, name), help="default: %(default)s"
        )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = Settings(steps=options.steps, seed=options.seed, scenes=options.scenes)
    out = options.out or RUNS / f"seed{options.seed}"
    train(Run(settings, load_bank(options.bank), options.device), out, options.checkpoint_every)


if __name__ == "__main__":
    main()
