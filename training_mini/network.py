"""The network as torch trains it; a test holds its Keras twin, `featx.networks.families.featx_mini`, against it."""

from torch import Tensor, cat, nn
from torch.nn.functional import avg_pool2d, relu

WIDTHS = (32, 64, 128, 256)


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """Convolve without bias, then normalise the batch."""
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Two 3 x 3 convolutions, the first with stride 2, beside a 1 x 1 convolution of the 2 x 2 average."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, outputs, 3, 2)
        self.conv2 = convolution(outputs, outputs, 3)
        self.shortcut = convolution(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Halve the resolution (rounding up) of ``(n, inputs, h, w)``."""
        half = avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
        return relu(self.conv2(relu(self.conv1(x))) + self.shortcut(half))


class FeatxMini(nn.Module):
    """A stem and three blocks: 1.2 million parameters, no fully connected layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = convolution(3, WIDTHS[0], 3, 2)
        self.stage2 = Block(WIDTHS[0], WIDTHS[1])
        self.stage3 = Block(WIDTHS[1], WIDTHS[2])
        self.stage4 = Block(WIDTHS[2], WIDTHS[3])

    def stages(self, x: Tensor) -> list[Tensor]:
        """Return the maps of the four stages for normalised images ``(n, 3, h, w)``."""
        maps = [relu(self.stage1(x))]
        for stage in (self.stage2, self.stage3, self.stage4):
            maps.append(stage(maps[-1]))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        """Return what the loss sees: the averages of the last three stages side by side, ``(n, 448)``."""
        return cat([stage.float().mean((2, 3)) for stage in self.stages(x)[1:]], 1)


class Projector(nn.Sequential):
    """The part between network and loss, thrown away after training."""

    def __init__(self, inputs: int = sum(WIDTHS[1:]), hidden: int = 512, outputs: int = 128) -> None:
        super().__init__(
            nn.BatchNorm1d(inputs),
            nn.Linear(inputs, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, outputs),
        )
