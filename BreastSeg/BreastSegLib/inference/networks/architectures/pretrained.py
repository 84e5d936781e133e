"""Networks whose encoder can be pretrained: decoders of segmentation-models-pytorch on ResNets (M4, M5)."""

from torch import nn

from .resnet22 import ResNet22

ENCODERS = ("resnet18", "resnet34", "resnet50")
WIDTHS = (256, 128, 64, 32, 16)  # channels of the decoder's levels; one more, finer, for ResNet22


class Segmenter(nn.Module):
    """Encoder, decoder, spatial dropout and the last convolution, with the names that the library gives them."""

    def __init__(self, encoder, decoder, dropout, head):
        super().__init__()
        self.encoder, self.decoder, self.dropout, self.segmentation_head = encoder, decoder, dropout, head
        from segmentation_models_pytorch.base import initialization

        initialization.initialize_decoder(self.decoder)
        initialization.initialize_head(self.segmentation_head)

    def forward(self, image):
        return self.segmentation_head(self.dropout(self.decoder(self.encoder(image))))


def unet(channels, heads, encoder="resnet34", dropout=0.0):
    """Return a U-Net; ``dropout`` is the share of channels that are left out before the last convolution."""
    from segmentation_models_pytorch.base import SegmentationHead
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    part = _encoder(encoder, channels)
    widths = list(WIDTHS) if encoder != "resnet22" else [*WIDTHS, WIDTHS[-1]]
    decoder = UnetDecoder(part.out_channels, widths, n_blocks=len(widths))
    return Segmenter(part, decoder, nn.Dropout2d(dropout), SegmentationHead(widths[-1], heads, kernel_size=3))


def fpn(channels, heads, encoder="resnet34", dropout=0.0):
    """Return a feature pyramid network; its four finest levels begin at 1/4 of the image, with ResNet22 at 1/8."""
    from segmentation_models_pytorch.base import SegmentationHead
    from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder

    part = _encoder(encoder, channels)
    depth = len(part.out_channels) - 1
    decoder = FPNDecoder(part.out_channels, depth, dropout=dropout)
    head = SegmentationHead(decoder.out_channels, heads, kernel_size=1, upsampling=2 ** (depth - 3))
    return Segmenter(part, decoder, nn.Identity(), head)


def unetplusplus(channels, heads, encoder="resnet34"):
    """Return a UNet++."""
    return _whole("UnetPlusPlus", channels, heads, encoder)


def pspnet(channels, heads, encoder="resnet34"):
    """Return a PSPNet."""
    return _whole("PSPNet", channels, heads, encoder)


def linknet(channels, heads, encoder="resnet34"):
    """Return a LinkNet."""
    return _whole("Linknet", channels, heads, encoder)


def _whole(kind, channels, heads, encoder):
    import segmentation_models_pytorch

    _check(encoder, ENCODERS)
    whole = getattr(segmentation_models_pytorch, kind)
    network = whole(encoder_name=encoder, encoder_weights=None, in_channels=channels, classes=heads)
    network.encoder.name = encoder
    return network


def _encoder(name, channels):
    _check(name, (*ENCODERS, "resnet22"))
    if name == "resnet22":
        return ResNet22(channels)
    from segmentation_models_pytorch.encoders import get_encoder

    encoder = get_encoder(name, in_channels=channels, depth=5, weights=None)
    encoder.name = name
    return encoder


def _check(name, known):
    if name not in known:
        raise ValueError(f"there is no encoder {name} for this network; there are: {', '.join(known)}")
