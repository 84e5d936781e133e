"""Networks on the CPU: the same numbers to rounding, in less time (figures in ``Testing/Benchmarks/RESULTS.md``)."""


def use_onednn(network):
    """Let the 3D convolutions of a network call oneDNN directly, and transposed ones a matrix product, in place.

    torch decides by four of the five sizes of an input whether oneDNN takes it, and leaves small batches with few
    channels or few voxels to a slow loop on one thread. Layers that have hooks keep them.

    Parameters
    ----------
    network : torch.nn.Module
        On the CPU, in evaluation mode.
    """
    import torch

    if not torch.backends.mkldnn.is_available() or not hasattr(torch, "mkldnn_convolution"):
        return
    for layer in network.modules():
        if type(layer) is torch.nn.Conv3d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            layer.forward = _Convolution(layer)
        elif type(layer) is torch.nn.ConvTranspose3d and _fills_blocks(layer):
            layer.forward = _Upsampling(layer)


class _Convolution:
    def __init__(self, layer):
        self._layer = layer

    def __call__(self, image):
        import torch

        one = self._layer
        return torch.mkldnn_convolution(image, one.weight, one.bias, one.padding, one.stride, one.dilation, one.groups)


class _Upsampling:
    """A transposed convolution whose stride is its kernel: each voxel becomes a block, independent of the others."""

    def __init__(self, layer):
        self._layer = layer

    def __call__(self, image):
        one = self._layer
        (batch, channels, *size), (out, *block) = image.shape, one.weight.shape[1:]
        blocks = one.weight.reshape(channels, -1).t() @ image.reshape(batch, channels, -1)
        blocks = blocks.view(batch, out, *block, *size).permute(0, 1, 5, 2, 6, 3, 7, 4)
        result = blocks.reshape(batch, out, *(n * k for n, k in zip(size, block)))
        return result if one.bias is None else result.add_(one.bias.view(1, -1, 1, 1, 1))


def _fills_blocks(layer):
    plain = layer.padding == layer.output_padding == (0, 0, 0) and layer.dilation == (1, 1, 1) and layer.groups == 1
    return plain and tuple(layer.kernel_size) == tuple(layer.stride)
