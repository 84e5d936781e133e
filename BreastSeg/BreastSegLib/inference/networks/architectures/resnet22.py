"""ResNet22: the pre-activation residual network of the NYU mammogram classifier, as an encoder (M5).

The names of its layers are those of the classifier's weights, so that these can be loaded. It has exactly 2,799,536
trainable parameters with one input channel. Unlike in the classifier the first layers pad the image, so that every
level is half as large as the one before: a decoder needs that, and no weight depends on it.
"""

from torch import nn

WIDTHS = (16, 32, 64, 128, 256)


class Block(nn.Module):
    """Batch norm, ReLU, convolution, twice; the input, brought to the same size after the first ReLU, is added."""

    def __init__(self, before, after, stride, first):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False)) if first else None

    def forward(self, image):
        active = self.bn1(image).relu()
        rest = image if self.downsample is None else self.downsample(active)
        return self.conv2(self.bn2(self.conv1(active)).relu()) + rest


class ResNet22(nn.Module):
    """The encoder.

    Parameters
    ----------
    channels : int
        Inputs.

    Attributes
    ----------
    out_channels : list of int
        Channels of what `forward` returns: the image itself, then levels of 1/2, 1/4 … 1/64 of its size.
    """

    name = "resnet22"

    def __init__(self, channels):
        super().__init__()
        self.out_channels = [channels, WIDTHS[0], *WIDTHS]
        self.output_stride = 64
        self.first_conv = nn.Conv2d(channels, WIDTHS[0], 7, 2, 3, bias=False)
        self.first_pool = nn.MaxPool2d(3, 2, 1)
        self.layer_list = nn.ModuleList()
        for level, (before, width) in enumerate(zip((WIDTHS[0], *WIDTHS), WIDTHS)):
            blocks = Block(before, width, 2 if level else 1, first=True), Block(width, width, 1, first=False)
            self.layer_list.append(nn.Sequential(*blocks))
        self.final_bn = nn.BatchNorm2d(WIDTHS[-1])

    def forward(self, image):
        features = [image, self.first_conv(image)]
        level = self.first_pool(features[-1])
        for layer in self.layer_list:
            level = layer(level)
            features.append(level)
        features[-1] = self.final_bn(level).relu()
        return features
