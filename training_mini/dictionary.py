"""The patch dictionary of featx-mini: whitening filters and 400 words, learned from scenes.

After Coates, Ng & Lee, An analysis of single-layer networks in unsupervised feature learning (AISTATS 2011):
small patches, each with its mean and contrast removed, whitened, and clustered by k-means. The layers that
use it are in `featx.networks.families.featx_mini`.
"""

import numpy as np
import torch
from bank import Bank
from draws import Draws
from scenes import SceneMaker
from torch import Tensor
from torch.nn.functional import avg_pool2d
from tqdm import trange

PATCH = 6
WORDS = 400


def learn_dictionary(
    bank: Bank, seed: int = 0, *, scenes: int = 2000, per_scene: int = 30, rounds: int = 30
) -> dict:
    """Learn whitening and words; takes half a minute.

    Parameters
    ----------
    bank, seed
        What scenes are made of, and the start of the random numbers.
    scenes, per_scene
        How many scenes, and patches of each.
    rounds
        Of k-means.

    Returns
    -------
    dict
        Arrays by the names of the Keras variables they become.
    """
    draws = Draws(seed + 1000)
    patches = normalised(sample_patches(SceneMaker(bank, draws), draws, scenes, per_scene))
    values, vectors = torch.linalg.eigh(
        patches.T @ patches / len(patches) + 0.1 * torch.eye(patches.shape[1])
    )
    whiten = vectors @ torch.diag(values**-0.5) @ vectors.T
    words = k_means(patches @ whiten, draws, rounds)
    filters = whiten - whiten.mean(0)  # sum zero, so that they need no mean taken away from the patch
    return {
        "patches_whiten/kernel": filters.reshape(PATCH, PATCH, 3, -1).numpy(),
        "patches_words/kernel": -2 * words.T[None, None].numpy(),
        "patches_words/bias": words.square().sum(1).numpy(),
    }


def sample_patches(maker: SceneMaker, draws: Draws, scenes: int, per_scene: int) -> Tensor:
    """Cut patches out of scenes reduced to 32 x 32: ``(scenes * per_scene, 108)``, row, column, channel."""
    images = torch.cat([avg_pool2d(maker(100).clamp(0, 1), 2) for _ in range(scenes // 100)])
    windows = images.unfold(2, PATCH, 1).unfold(3, PATCH, 1)  # (n, 3, 27, 27, 6, 6)
    image = torch.arange(len(images)).repeat_interleave(per_scene)
    row, column = torch.randint(windows.shape[2], (2, len(image)), generator=draws.generator)
    return windows[image, :, row, column].permute(0, 2, 3, 1).flatten(1)


def normalised(patches: Tensor) -> Tensor:
    """Take the mean out of each patch and divide by its deviation; nearly flat ones stay nearly flat."""
    centred = patches - patches.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 10 / 255**2).sqrt()


def k_means(points: Tensor, draws: Draws, rounds: int) -> Tensor:
    """Cluster by Lloyd's algorithm from random points; a word without points starts again at one."""
    words = points[torch.randperm(len(points), generator=draws.generator)[:WORDS]]
    for _ in trange(rounds, desc="k-means", leave=False):
        nearest = torch.cat([torch.cdist(part, words).argmin(1) for part in points.split(10_000)])
        count = torch.bincount(nearest, minlength=WORDS)[:, None]
        total = torch.zeros_like(words).index_add_(0, nearest, points)
        spare = points[torch.randint(len(points), (WORDS,), generator=draws.generator)]
        words = torch.where(count > 0, total / count.clamp(min=1), spare)
    return words


def code(images: Tensor, arrays: dict[str, np.ndarray]) -> Tensor:
    """Answer of every word at every place, by the definition; the Keras layers do the same in convolutions.

    Parameters
    ----------
    images
        ``(n, 3, 32, 32)`` in 0..1.
    arrays
        A dictionary.

    Returns
    -------
    torch.Tensor
        ``(n, 400, 27, 27)``: how much nearer than the average word a word is, 0 where it is farther.
    """
    windows = images.unfold(2, PATCH, 1).unfold(3, PATCH, 1).permute(0, 2, 3, 4, 5, 1)
    patches = normalised(windows.reshape(-1, 3 * PATCH**2))
    whiten, words = (
        torch.from_numpy(arrays[f"patches_{name}/kernel"]).float() for name in ("whiten", "words")
    )
    distance = torch.cdist(patches @ whiten.reshape(patches.shape[1], -1), words[0, 0].T / -2)
    answer = (distance.mean(1, keepdim=True) - distance).clamp(min=0)
    return answer.reshape(*windows.shape[:3], -1).permute(0, 3, 1, 2)
