"""The settings of a trainer: its entry in trainers.json, what overrides it, and what is refused. Needs no torch."""

import json
import math
from copy import deepcopy
from functools import cache
from pathlib import Path

from .failures import SettingsWrong

TABLE = Path(__file__).with_name("trainers.json")
WATCHED = ("ema_fg_dice", "val_loss", "val_jaccard")
AUGMENTATIONS = ("nnunet", "m1", "m4", "m5", "none")
# kind → its own keys; a key that ends with "?" may be left out.
OPTIMIZERS = {
    "sgd": ("lr", "weight_decay", "momentum?", "nesterov?"),
    "adam": ("lr", "weight_decay"),
    "adamw": ("lr", "weight_decay"),
}
SCHEDULES = {
    "poly": ("exponent",),
    "cosine_restarts": ("first", "factor", "least"),
    "steps": ("at", "factor"),
    "constant": (),
}
LOSSES = {
    "nnunet": ("batch_dice?",),
    "bce_weighted_dice": ("bce", "dice", "lesion"),
    "dice": (),
    "bce_jaccard": (),
    "focal_tversky": ("alpha", "beta", "gamma"),
}


@cache
def table():
    """Return trainers.json."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def names():
    """Return the names of the trainers, nnU-Net's default first."""
    return list(table()["trainers"])


def entry(name):
    """Return the entry of a trainer with what it has from another one (``like``).

    Raises
    ------
    SettingsWrong
        If there is no such trainer.
    """
    rows = table()["trainers"]
    if name not in rows:
        raise SettingsWrong(f"There is no trainer {name}; there are: {', '.join(rows)}")
    row = rows[name]
    if "like" not in row:
        return deepcopy(row)
    base = entry(row["like"])
    settings = merged(base["settings"], row["settings"])
    return {**base, **deepcopy({key: value for key, value in row.items() if key != "like"}), "settings": settings}


def resolve(name, overrides=None):
    """Return all settings of a trainer.

    Parameters
    ----------
    name : str
    overrides : dict, optional
        What differs from the trainer's entry. A table such as ``optimizer`` may name some of its keys only; with
        another ``kind`` it takes the place of the whole table.

    Raises
    ------
    SettingsWrong
        If the trainer or a setting is unknown, or a value cannot be meant.
    """
    settings = merged(table()["defaults"], entry(name)["settings"])
    if overrides is not None:
        if not isinstance(overrides, dict):
            raise SettingsWrong(f"The settings are {overrides!r}, not a table")
        settings = merged(settings, overrides)
    check(settings)
    return settings


def merged(base, overrides):
    """Return settings with others laid over them."""
    result = deepcopy(base)
    for key, value in overrides.items():
        old = result.get(key)
        same = (
            isinstance(old, dict) and isinstance(value, dict) and value.get("kind", old.get("kind")) == old.get("kind")
        )
        result[key] = {**old, **deepcopy(value)} if same else deepcopy(value)
    return result


def check(settings):
    """Refuse settings that no training can run with; raises `SettingsWrong`."""
    unknown = sorted(set(settings) - set(table()["defaults"]))
    if unknown:
        raise SettingsWrong(f"Unknown setting {unknown[0]}; settings are: {', '.join(table()['defaults'])}")
    for key in ("epochs", "checkpoint_every"):
        _whole(settings, key, 1)
    for key in ("iterations", "validation_iterations"):
        if settings[key] != "dataset":
            _whole(settings, key, 1, "; or the word dataset")
    if settings["seed"] is not None:
        _whole(settings, "seed", 0)
    _table(settings, "optimizer", OPTIMIZERS)
    _table(settings, "schedule", SCHEDULES)
    _table(settings, "loss", LOSSES)
    _number(settings, "clip", 1e-9, 1e9)
    _number(settings, "oversample", 0, 1)
    _word(settings, "augmentation", AUGMENTATIONS)
    _word(settings, "best_by", WATCHED)
    _word(settings, "keep", ("last", "best"))
    for key in ("deep_supervision", "whole_image"):
        if not isinstance(settings[key], bool):
            raise SettingsWrong(f"{key} is {settings[key]!r}, not true or false")
    if settings["encoder_weights"] is not None and not isinstance(settings["encoder_weights"], str):
        raise SettingsWrong(f"encoder_weights is {settings['encoder_weights']!r}, not a file or the word imagenet")
    _check_early_stopping(settings["early_stopping"])


def _check_early_stopping(value):
    if value is None:
        return
    if not isinstance(value, dict) or set(value) != {"patience", "min_epochs", "on"}:
        raise SettingsWrong(f"early_stopping is {value!r}; it needs patience, min_epochs and on")
    _whole(value, "patience", 1)
    _whole(value, "min_epochs", 0)
    _word(value, "on", WATCHED)


def _table(settings, key, kinds):
    """Check a table with a kind: the keys that the kind has, each a number (or what its name says)."""
    value = settings[key]
    if not isinstance(value, dict) or value.get("kind") not in kinds:
        raise SettingsWrong(f"The kind of {key} is not one of: {', '.join(kinds)}")
    known = kinds[value["kind"]]
    missing = [name for name in known if not name.endswith("?") and name not in value]
    unknown = sorted(set(value) - {"kind", *(name.rstrip("?") for name in known)})
    if missing or unknown:
        what = f"has no {missing[0]}" if missing else f"knows no {unknown[0]}"
        raise SettingsWrong(f"The {key} {value['kind']} {what}")
    for name in value:
        if name in ("nesterov", "batch_dice"):
            if not isinstance(value[name], bool):
                raise SettingsWrong(f"{name} of {key} is {value[name]!r}, not true or false")
        elif name == "at":
            if not isinstance(value[name], list) or not all(type(epoch) is int and epoch > 0 for epoch in value[name]):
                raise SettingsWrong(f"at of {key} is {value[name]!r}, not a list of epochs")
        elif name == "first":
            _whole(value, name, 1)
        elif name != "kind":
            _number(value, name, 0, 1e6)
    if key == "optimizer" and not value["lr"] > 0:
        raise SettingsWrong(f"The learning rate is {value['lr']}")
    if value["kind"] == "cosine_restarts" and (value["factor"] < 1 or value["factor"] != int(value["factor"])):
        raise SettingsWrong(f"factor of cosine_restarts is {value['factor']}, not a whole number from 1 on")


def _whole(settings, key, least, more=""):
    if type(settings[key]) is not int or settings[key] < least:
        raise SettingsWrong(f"{key} is {settings[key]!r}, not a whole number from {least} on{more}")


def _number(settings, key, least, most):
    value = settings[key]
    if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
        raise SettingsWrong(f"{key} is {value!r}, not a number from {least:g} to {most:g}")


def _word(settings, key, words):
    if settings[key] not in words:
        raise SettingsWrong(f"{key} is {settings[key]!r}, not one of: {', '.join(words)}")
