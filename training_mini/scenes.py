"""Scenes: coloured, shaded shapes over coloured textures, composed in batches on any device.

One scene is a textured background, up to two flat distractors, and one main shape with a fill, often
shading, sometimes a drop shadow. Contrastive learning tells scenes apart; what it must look at to do so
(outlines, materials, colours, layout) is what the network learns.
"""

import math

import torch
from bank import Bank
from draws import Draws, per_image
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, pad

SIZE = 64


class SceneMaker:
    """Compose scenes from a bank.

    Parameters
    ----------
    bank
        Textures and shapes.
    draws
        The stream of random numbers; its device is where scenes are composed.
    """

    def __init__(self, bank: Bank, draws: Draws) -> None:
        self.draws = draws
        self.textures = torch.from_numpy(bank.textures).to(draws.device)
        self.shapes = torch.from_numpy(bank.shapes).to(draws.device)

    def __call__(self, count: int) -> Tensor:
        """Compose ``count`` scenes: ``(count, 3, 64, 64)`` float32, about 0..1."""
        draws = self.draws
        image = colourise(self.texture(count), self.palette(count))
        for _ in range(2):
            place = draws.uniform(-1, 1, 2, count)
            mask = self.mask(count, draws.uniform(0.12, 0.45, count), place) * per_image(
                draws.chance, 0.4, count=count
            )
            image = image + mask * (self.palette(count)[:, 0, :, None, None] - image)

        scale = draws.exp_uniform(math.log(0.4), math.log(1.15), count)
        place = draws.uniform(-1, 1, 2, count) * (1 - 0.8 * scale).clamp(min=0.12)
        mask = self.mask(count, scale, place)
        relief = avg_pool2d(avg_pool2d(mask, 9, 1, 4), 9, 1, 4)

        flat = per_image(draws.chance, 0.4, count=count)
        fill = colourise(self.texture(count) * (1 - flat) + 0.5 * flat, self.palette(count))
        fill = fill * self.shading(relief)
        shadow = 0.6 * per_image(draws.chance, 0.3, count=count)
        image = image * (1 - shadow * torch.roll(relief, (3, 2), (2, 3)))
        return image + mask * (fill - image)

    def texture(self, count: int) -> Tensor:
        """Cut windows out of random textures, zoomed and turned: ``(count, 1, 64, 64)`` in 0..1."""
        draws = self.draws
        zoom, stretch = 2 * draws.exp_uniform(-0.7, 0.5, count), draws.exp_uniform(-0.2, 0.2, count)
        shift = draws.uniform(-1, 1, 2, count) * (1 - 1 / zoom).clamp(min=0)
        grid = view_grid(zoom * stretch, zoom / stretch, draws.uniform(-0.35, 0.35, count), shift)
        field = draws.pick(self.textures, count)
        return grid_sample(field, grid, padding_mode="reflection", align_corners=False)

    def mask(self, count: int, scale: Tensor, place: Tensor) -> Tensor:
        """Put random shapes of a size at a place, relative to the image: ``(count, 1, 64, 64)`` in 0..1."""
        draws = self.draws
        turn, stretch = draws.uniform(-0.3, 0.3, count), draws.exp_uniform(-0.2, 0.2, count)
        shear = draws.uniform(-0.15, 0.15, count)
        grid = view_grid(scale * stretch, scale / stretch, turn, -place / scale, shear)
        return grid_sample(draws.pick(self.shapes, count), grid, padding_mode="zeros", align_corners=False)

    def palette(self, count: int) -> Tensor:
        """Three colours each, ``(count, 3, 3)``: related hues, from grey to vivid, from flat to contrasty."""
        draws = self.draws
        spread = draws.uniform(0, 1, count, 1, 1) ** 2
        hue = (draws.uniform(0, 1, count, 1, 1) + spread * draws.uniform(-0.5, 0.5, count, 3, 1)) % 1
        saturation = draws.uniform(0, 1, count, 1, 1) ** 1.3 * draws.uniform(0.3, 1, count, 3, 1)
        contrast = draws.uniform(0, 1, count, 1, 1) ** 0.7
        value = draws.uniform(0, 1, count, 1, 1) + contrast * draws.uniform(-0.7, 0.7, count, 3, 1)
        value = value.clamp(0.02, 1)
        sector = (torch.tensor([5.0, 3.0, 1.0], device=draws.device) + 6 * hue) % 6  # the usual HSV to RGB
        return value - value * saturation * torch.minimum(sector, 4 - sector).clamp(0, 1)

    def shading(self, relief: Tensor) -> Tensor:
        """Light from one side on the relief of a mask, on 60 % of the images: a factor per pixel."""
        count = len(relief)
        slope_x = pad(relief[..., :, 1:] - relief[..., :, :-1], (0, 1))
        slope_y = pad(relief[..., 1:, :] - relief[..., :-1, :], (0, 0, 0, 1))
        angle = per_image(self.draws.uniform, 0, 2 * math.pi, count=count)
        strength = per_image(self.draws.uniform, 0, 6, count=count) * per_image(
            self.draws.chance, 0.6, count=count
        )
        return (1 + strength * (slope_x * angle.cos() + slope_y * angle.sin())).clamp(0.3, 1.8)


def view_grid(
    scale_x: Tensor, scale_y: Tensor, turn: Tensor, shift: Tensor, shear: Tensor | None = None
) -> Tensor:
    """Where each output pixel looks in the input, both from -1 to 1: ``(count, 64, 64, 2)``."""
    cos, sin = turn.cos(), turn.sin()
    sheared = sin if shear is None else sin + shear
    first = torch.stack([cos / scale_x, sheared / scale_x, shift[0]], -1)
    second = torch.stack([-sin / scale_y, cos / scale_y, shift[1]], -1)
    return affine_grid(torch.stack([first, second], 1), [len(turn), 1, SIZE, SIZE], align_corners=False)


def colourise(field: Tensor, palette: Tensor) -> Tensor:
    """Map grey to colour along the two straight lines through three colours."""
    dark, middle, bright = palette[..., None, None].unbind(1)
    lower, upper = (2 * field).clamp(0, 1), (2 * field - 1).clamp(0, 1)
    return dark + lower * (middle - dark) + upper * (bright - middle)
