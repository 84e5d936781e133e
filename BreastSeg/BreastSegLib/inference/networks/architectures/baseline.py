"""The baseline U-Net of M3: two convolutions with batch norm on each level, bilinear up-sampling."""

import torch
from torch import nn
from torch.nn import functional


class BaselineUNet(nn.Module):
    """A U-Net whose levels have ``features`` channels; each level is half as large as the one before.

    Parameters
    ----------
    channels, heads : int
        Inputs and outputs.
    features : sequence of int
        Channels of the levels, the finest first (M3: 64, 128, 256, 512).
    """

    def __init__(self, channels, heads, features=(64, 128, 256, 512)):
        super().__init__()
        before = [channels, *features[:-1]]
        self.down = nn.ModuleList(_convolutions(*pair) for pair in zip(before, features))
        self.up = nn.ModuleList(
            _convolutions(deep + shallow, shallow) for deep, shallow in zip(features[:0:-1], features[-2::-1])
        )
        self.head = nn.Conv2d(features[0], heads, 1)

    def forward(self, image):
        levels = []
        for index, block in enumerate(self.down):
            image = block(functional.max_pool2d(image, 2) if index else image)
            levels.append(image)
        for block, level in zip(self.up, levels[-2::-1]):
            image = functional.interpolate(image, size=level.shape[2:], mode="bilinear", align_corners=False)
            image = block(torch.cat([level, image], 1))
        return self.head(image)


def _convolutions(before, after):
    layers = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
