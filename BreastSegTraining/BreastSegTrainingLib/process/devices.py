"""The device that a training runs on, and what torch is told about it."""

import os

from BreastSegLib.inference.networks.devices import choose, name_of


def set_up(training):
    """Return the `torch.device` to train on, tried out; nothing falls back silently.

    nnU-Net's trainers take the first GPU that the process sees.

    Raises
    ------
    DeviceUnavailable
        If there is no such GPU, or it does not work with this PyTorch.
    """
    device = choose("cpu" if training.device == "cpu" else "cuda:0")
    if device.type == "cuda":
        import torch

        torch.set_num_threads(1)  # the CPU only feeds the GPU
        repeatable = training.settings.get("seed") is not None
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = not repeatable, repeatable
    return device


def name_for_people(device):
    """Return what a state calls a device, such as ``cuda:1 NVIDIA …``."""
    if device.type == "cpu":
        return "cpu"
    return f"cuda:{os.environ.get('CUDA_VISIBLE_DEVICES', '') or 0} {name_of(device)}"
