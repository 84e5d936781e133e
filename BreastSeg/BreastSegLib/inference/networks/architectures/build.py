"""From a name in nnU-Net's plans to a network."""

from .baseline import BaselineUNet
from .pretrained import fpn, linknet, pspnet, unet, unetplusplus

PREFIX = "breastseg_networks."  # of network_class_name in the plans
NETWORKS = {
    "BaselineUNet": BaselineUNet,
    "UNet": unet,
    "FPN": fpn,
    "UNetPlusPlus": unetplusplus,
    "PSPNet": pspnet,
    "LinkNet": linknet,
}


def is_ours(class_name):
    """Return whether a network_class_name of nnU-Net's plans means one of these networks."""
    return isinstance(class_name, str) and class_name.startswith(PREFIX)


def build(name, arch_kwargs, channels, heads):
    """Return a network with random weights; nothing is downloaded.

    Parameters
    ----------
    name : str
        ``UNet`` or ``breastseg_networks.UNet``.
    arch_kwargs : dict
        As the plans have them: ``encoder``, ``dropout``, ``features``.
    channels, heads : int
        Inputs and outputs.

    Returns
    -------
    torch.nn.Module
        (batch, channels, y, x) → (batch, heads, y, x).

    Raises
    ------
    ValueError
        If there is no such network or no such encoder.
    ImportError
        If segmentation-models-pytorch is needed and missing.
    """
    short = name.removeprefix(PREFIX)
    if short not in NETWORKS:
        raise ValueError(f"there is no network {short}; there are: {', '.join(NETWORKS)}")
    return NETWORKS[short](channels, heads, **arch_kwargs)
