"""Views: what two looks at one scene may differ in, and what a network must therefore ignore."""

import torch
from draws import Draws, per_image
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, pad

MEAN, DEVIATION = 0.45, 0.26  # of procedural scenes; featx/networks/families/featx_mini.py applies the same


def two_views(scenes: Tensor, draws: Draws) -> Tensor:
    """Look twice at every scene: ``(2 * count, 3, h, w)`` in 0..1, all first views, then all second."""
    return torch.cat([photograph(recolour(crop(scenes, draws), draws), draws) for _ in range(2)])


def normalise(images: Tensor) -> Tensor:
    """Scale images in 0..1 to about mean 0 and deviation 1, in the memory layout convolutions like."""
    return ((images - MEAN) / DEVIATION).contiguous(memory_format=torch.channels_last)


def crop(images: Tensor, draws: Draws) -> Tensor:
    """Cut out a quarter to all of each image, resized back to full size; every second one mirrored."""
    count = len(images)
    side, stretch = draws.uniform(0.25, 1, count).sqrt(), draws.exp_uniform(-0.28, 0.28, count)
    width, height = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
    mirror, zero = 1 - 2 * draws.chance(0.5, count), torch.zeros(count, device=images.device)
    first = torch.stack([width * mirror, zero, draws.uniform(-1, 1, count) * (1 - width)], -1)
    second = torch.stack([zero, height, draws.uniform(-1, 1, count) * (1 - height)], -1)
    grid = affine_grid(torch.stack([first, second], 1), list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def recolour(images: Tensor, draws: Draws) -> Tensor:
    """Mix the channels of most images a little, and shift them."""
    count = len(images)
    on = draws.chance(0.8, count, 1, 1)
    mix = torch.eye(3, device=images.device) + on * draws.normal(0.18, count, 3, 3)
    mixed = mix @ images.flatten(2) + on * draws.normal(0.1, count, 3, 1)
    return mixed.view_as(images).clamp(0, 1)


def photograph(images: Tensor, draws: Draws) -> Tensor:
    """Change contrast, brightness, sharpness and colour as cameras do, and add noise."""
    count = len(images)
    contrast = per_image(draws.uniform, 0.5, 1.3, count=count)
    images = (images - 0.5) * contrast + 0.5 + per_image(draws.uniform, -0.2, 0.2, count=count)
    blurred = avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = torch.lerp(images, blurred, per_image(draws.chance, 0.35, count=count))
    images = torch.lerp(images, images.mean(1, keepdim=True), per_image(draws.chance, 0.15, count=count))
    noise = draws.normal(1, *images.shape) * per_image(draws.uniform, 0, 0.06, count=count)
    return (images + noise).clamp(0, 1)
