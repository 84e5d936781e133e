"""Layers that call oneDNN directly give what torch's own layers give."""

import pytest
import torch
from BreastSegLib.inference.networks.processor import use_onednn

LAYERS = {
    "first of a small tile": (torch.nn.Conv3d(3, 12, 3, padding=1), (1, 3, 20, 24, 28)),
    "deep and small": (torch.nn.Conv3d(16, 24, 3, padding=1, stride=2), (1, 16, 6, 8, 8)),
    "flat kernel": (torch.nn.Conv3d(4, 8, (1, 3, 3), padding=(0, 1, 1), stride=(1, 2, 2)), (2, 4, 5, 16, 16)),
    "one voxel": (torch.nn.Conv3d(8, 2, 1), (1, 8, 4, 5, 6)),
    "no bias, in groups": (torch.nn.Conv3d(8, 8, 3, padding=1, groups=4, bias=False), (1, 8, 9, 9, 9)),
    "widened": (torch.nn.Conv3d(2, 3, 3, padding=2, dilation=2), (1, 2, 9, 10, 11)),
    "upsampling": (torch.nn.ConvTranspose3d(6, 4, 2, stride=2), (2, 6, 5, 6, 7)),
    "upsampling in plane": (torch.nn.ConvTranspose3d(6, 4, (1, 2, 2), stride=(1, 2, 2), bias=False), (1, 6, 5, 6, 7)),
    "overlapping, left alone": (torch.nn.ConvTranspose3d(3, 4, 3, stride=2, padding=1), (1, 3, 5, 6, 7)),
    "mirrored border, left alone": (torch.nn.Conv3d(2, 3, 3, padding=1, padding_mode="reflect"), (1, 2, 6, 6, 6)),
    "named padding, left alone": (torch.nn.Conv3d(2, 3, 3, padding="same"), (1, 2, 6, 6, 6)),
    "2D, left alone": (torch.nn.Conv2d(2, 3, 3), (1, 2, 16, 16)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_the_same(name):
    torch.manual_seed(0)
    layer, shape = LAYERS[name]
    image, beats = torch.randn(shape), []
    layer.register_forward_pre_hook(lambda *_: beats.append(1))
    with torch.inference_mode():
        expected = layer(image)
        plain = layer.forward
        use_onednn(torch.nn.Sequential(layer))
        found = layer(image)
    assert torch.allclose(found, expected, atol=1e-5) and found.shape == expected.shape
    assert len(beats) == 2, "hooks are kept"
    assert (layer.forward == plain) == name.endswith("left alone")
