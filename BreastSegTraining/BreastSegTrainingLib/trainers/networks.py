"""The network of a training, as its plans name it."""

from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch._dynamo import OptimizedModule
from torch.nn.parallel import DistributedDataParallel

try:
    from BreastSegLib.inference.networks import architectures
except ImportError:  # in a copy beside a model, which brings them along
    from . import architectures


def is_ours(configuration):
    """Return whether a configuration of the plans names one of our networks, ``breastseg_networks.NAME``."""
    return architectures.is_ours(configuration.network_arch_class_name)


def has_coarse_outputs(configuration):
    """Return whether a network can be supervised at coarser outputs as well.

    Not ours; nor one of two stages, whose only output nnU-Net would give the weight 0 / 0.
    """
    return not is_ours(configuration) and len(configuration.network_arch_init_kwargs["strides"]) > 2


def build(configuration, channels, heads, deep_supervision):
    """Return the network that the plans name, with random weights.

    Parameters
    ----------
    configuration : ConfigurationManager
        Of nnU-Net's plans.
    channels, heads : int
        Inputs and outputs.
    deep_supervision : bool
        For nnU-Net's own networks; ours have none.
    """
    name, arguments = configuration.network_arch_class_name, configuration.network_arch_init_kwargs
    if architectures.is_ours(name):
        return architectures.build(name, arguments, channels, heads)
    needed = configuration.network_arch_init_kwargs_req_import
    return get_network_from_plans(
        name, arguments, needed, channels, heads, allow_init=True, deep_supervision=deep_supervision
    )


def bare(network):
    """Return the network without what torch wraps around it to compile or to share it."""
    if isinstance(network, DistributedDataParallel):
        network = network.module
    return network._orig_mod if isinstance(network, OptimizedModule) else network
