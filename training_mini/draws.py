"""Random numbers for batches: one generator on one device, in the shapes that image batches need."""

from collections.abc import Callable

import torch
from torch import Tensor


class Draws:
    """Draw tensors from one seeded stream.

    Parameters
    ----------
    seed
        Start of the stream.
    device
        Where the numbers are drawn and live.
    """

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers between ``low`` and ``high``."""
        return low + (high - low) * torch.rand(*shape, generator=self.generator, device=self.device)

    def exp_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return e to the power of uniform numbers: factors."""
        return self.uniform(low, high, *shape).exp()

    def normal(self, scale: float, *shape: int) -> Tensor:
        """Draw normal numbers around 0."""
        return scale * torch.randn(*shape, generator=self.generator, device=self.device)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """Draw 1.0 with this probability, else 0.0."""
        return (torch.rand(*shape, generator=self.generator, device=self.device) < probability).float()

    def pick(self, bank: Tensor, count: int) -> Tensor:
        """``count`` rows of a bank of uint8 images, as ``(count, 1, h, w)`` float in 0..1."""
        row = torch.randint(len(bank), (count,), generator=self.generator, device=self.device)
        return bank[row][:, None].float() / 255


def per_image(function: Callable[..., Tensor], *arguments: float, count: int) -> Tensor:
    """Draw one number per image, shaped to broadcast over channels and pixels."""
    return function(*arguments, count, 1, 1, 1)
