"""Learning rates as functions of the epoch: the same after a resumed training, with nothing to store."""

import math


class Schedule:
    """Sets the learning rate of an optimizer at the start of each epoch, as nnU-Net calls it.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
    rate : callable
        ``rate(epoch) -> float``.
    """

    def __init__(self, optimizer, rate):
        self._optimizer, self._rate = optimizer, rate
        self.step(0)

    def step(self, epoch):
        """Set the learning rate of an epoch, counted from 0."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(epoch)


def rate_of(schedule, lr, epochs):
    """Return the function from epoch to learning rate.

    Parameters
    ----------
    schedule : dict
        ``poly``: lr·(1 − epoch/epochs)^exponent (nnU-Net). ``cosine_restarts``: half a cosine from lr to ``least``
        over ``first`` epochs, then over ``factor`` times as many, and so on (M3). ``steps``: times ``factor`` from
        each of the epochs ``at`` on (M5). ``constant``.
    lr : float
        At the beginning.
    epochs : int
        Of the whole training.
    """
    if schedule["kind"] == "poly":
        return lambda epoch: lr * max(0.0, 1 - epoch / epochs) ** schedule["exponent"]
    if schedule["kind"] == "cosine_restarts":
        return lambda epoch: _cosine(epoch, lr, schedule["first"], int(schedule["factor"]), schedule["least"])
    if schedule["kind"] == "steps":
        return lambda epoch: lr * schedule["factor"] ** sum(epoch >= start for start in schedule["at"])
    return lambda epoch: lr


def _cosine(epoch, lr, length, factor, least):
    while epoch >= length:
        epoch, length = epoch - length, length * factor
    return least + (lr - least) * (1 + math.cos(math.pi * epoch / length)) / 2
