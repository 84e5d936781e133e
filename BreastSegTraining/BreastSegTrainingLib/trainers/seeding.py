"""One number from which everything random in a training follows."""

import random

import numpy as np
import torch


def seed_all(seed):
    """Seed Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
