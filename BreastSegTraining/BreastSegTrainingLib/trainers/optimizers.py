"""The optimizers of the methods."""

import torch


def optimizer_of(settings, parameters):
    """Return the optimizer that a table of settings names.

    Parameters
    ----------
    settings : dict
        ``kind`` (sgd: nnU-Net; adam: M1, M4, M5; adamw: M3), ``lr``, ``weight_decay``, and for sgd ``momentum`` and
        ``nesterov``.
    parameters : iterable of torch.nn.Parameter
    """
    common = {"lr": settings["lr"], "weight_decay": settings["weight_decay"]}
    if settings["kind"] == "sgd":
        momentum = settings.get("momentum", 0.0)
        nesterov = settings.get("nesterov", False) and momentum > 0
        return torch.optim.SGD(parameters, momentum=momentum, nesterov=nesterov, **common)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings["kind"]]
    return kind(parameters, **common)
