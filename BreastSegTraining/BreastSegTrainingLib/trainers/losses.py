"""The losses of the methods, for one label: the lesion.

nnU-Net's networks have two outputs, background and lesion, with a softmax over both; that chance of the lesion equals
the sigmoid of the difference of the two outputs. So the losses take this difference as their logit, and the model
stays an ordinary one of nnU-Net. Sums run over the whole batch, in 32 bits.
"""

from torch import nn
from torch.nn import functional


def loss_of(settings):
    """Return the loss that a table of settings names; see the classes.

    Parameters
    ----------
    settings : dict
        ``kind`` and its numbers.
    """
    if settings["kind"] == "bce_weighted_dice":
        return BceWeightedDice(settings["bce"], settings["dice"], settings["lesion"])
    if settings["kind"] == "focal_tversky":
        return FocalTversky(settings["alpha"], settings["beta"], settings["gamma"])
    return {"dice": SoftDice, "bce_jaccard": BceJaccard}[settings["kind"]]()


class _LesionLoss(nn.Module):
    """A loss of the lesion's logit and truth.

    ``forward(output, target)`` takes nnU-Net's output (batch, 2 or 1, y, x) and labels (batch, 1, y, x).
    """

    def forward(self, output, target):
        output = output.float()
        logit = output[:, 1] - output[:, 0] if output.shape[1] == 2 else output[:, 0]
        return self.of_lesion(logit, (target[:, 0] > 0).float())

    def of_lesion(self, logit, truth):
        """Return the loss, a scalar; both arguments are (batch, y, x)."""
        raise NotImplementedError


def overlap(chance, truth):
    """Return true positives, false positives and false negatives, all soft, of the whole batch."""
    both = (chance * truth).sum()
    return both, chance.sum() - both, truth.sum() - both


def soft_dice(chance, truth, smooth=1.0):
    """Return (2·TP + smooth) / (2·TP + FP + FN + smooth)."""
    hit, extra, missed = overlap(chance, truth)
    return (2 * hit + smooth) / (2 * hit + extra + missed + smooth)


class BceWeightedDice(_LesionLoss):
    """``bce``·BCE + ``dice``·(1 − weighted mean of the soft Dice of background and lesion), weights 1 and ``lesion``
    (M3: 0.3, 0.7, 2).
    """

    def __init__(self, bce, dice, lesion):
        super().__init__()
        self.bce, self.dice, self.lesion = bce, dice, lesion

    def of_lesion(self, logit, truth):
        chance = logit.sigmoid()
        both = self.lesion * soft_dice(chance, truth) + soft_dice(1 - chance, 1 - truth)
        cross = functional.binary_cross_entropy_with_logits(logit, truth)
        return self.bce * cross + self.dice * (1 - both / (self.lesion + 1))


class SoftDice(_LesionLoss):
    """1 − soft Dice (M4)."""

    def of_lesion(self, logit, truth):
        return 1 - soft_dice(logit.sigmoid(), truth)


class BceJaccard(_LesionLoss):
    """BCE + (1 − (TP + 1) / (TP + FP + FN + 1)) (M5)."""

    def of_lesion(self, logit, truth):
        hit, extra, missed = overlap(logit.sigmoid(), truth)
        cross = functional.binary_cross_entropy_with_logits(logit, truth)
        return cross + 1 - (hit + 1) / (hit + extra + missed + 1)


class FocalTversky(_LesionLoss):
    """(1 − (TP + 1) / (TP + α·FP + β·FN + 1))^γ (M5)."""

    def __init__(self, alpha, beta, gamma):
        super().__init__()
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def of_lesion(self, logit, truth):
        hit, extra, missed = overlap(logit.sigmoid(), truth)
        index = (hit + 1) / (hit + self.alpha * extra + self.beta * missed + 1)
        return (1 - index).clamp_min(1e-7) ** self.gamma  # a power has no slope to go by at 0
