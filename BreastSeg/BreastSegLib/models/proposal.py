"""What a model without a card is probably for: proposals made from its folder, which the user confirms."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..files import read_json
from .card import TERMS, safe_name
from .catalogue import recognised
from .plans import read_network

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"
DATASET = re.compile(r"Dataset\d+_?")
# How well a recipe's channels go with the model's, best first.
SAME, MEANT, NUMBER, ANY = range(4)


@dataclass(frozen=True)
class Proposal:
    """What the names in a model folder suggest.

    Parameters
    ----------
    name : str
        For the model library.
    own_name : str
        The same, made of the dataset's name alone: for a model that is not the preset although it looks like it.
    configuration : str
    recipes : tuple of (str, str)
        Names of shipped recipes that give as many channels as the network takes, the likeliest first, and why.
    labels : dict of str to dict
        Of each label of the network its ``value`` and ``terminology``; '' where its name does not tell.
    channel_names : tuple of str
        In network order.
    preset : catalogue.Entry or None
        The catalogue's entry that the model looks like; its recipe and labels then come first.
    questions : tuple of str
        What the user has to say before the model can be used; empty with a preset.
    """

    name: str
    own_name: str
    configuration: str
    recipes: tuple
    labels: dict
    channel_names: tuple
    preset: object
    questions: tuple


def propose(folder, folder_name="", configuration=None):
    """Return the `Proposal` for the nnU-Net model in `folder`.

    Parameters
    ----------
    folder : str or Path
        With plans.json and dataset.json.
    folder_name : str
        Name of the folder that the model came in, such as ``Dataset105_X``; else it is looked for in `folder`.
    configuration : str, optional
        Where plans.json holds several.

    Raises
    ------
    BadInput
        If it is not an nnU-Net v2 model.
    """
    folder = Path(folder)
    network = read_network(folder, configuration)
    folder_name = folder_name or next((part for part in folder.parts[::-1] if DATASET.match(part)), folder.name)
    preset = recognised(network, folder_name)
    labels = {
        name: {"value": value, "terminology": _term_of(name)} for name, value in network.labels.items() if value != 0
    }
    recipes = _fitting_recipes(network)
    if preset is not None:
        terms = {row["value"]: row["terminology"] for row in preset.labels.values()}
        labels = {name: {**row, "terminology": terms.get(row["value"], "")} for name, row in labels.items()}
        why = f"the model looks like {preset.title} of the catalogue"
        recipe = str(preset.recipe_source)
        recipes = ((recipe, why), *(row for row in recipes if row[0] != recipe))
    plain = DATASET.sub("", network.dataset_name) or DATASET.sub("", folder_name)
    return Proposal(
        name=preset.name if preset else safe_name(plain),
        own_name=safe_name(plain),
        configuration=network.configuration,
        recipes=recipes,
        labels=labels,
        channel_names=network.channel_names,
        preset=preset,
        questions=() if preset else _questions(recipes, labels, network),
    )


def _questions(recipes, labels, network):
    """Return what only the user knows: how the exams were prepared, and what each label means."""
    channels = ", ".join(network.channel_names)
    likely = f"; likely {recipes[0][0]}: {recipes[0][1]}" if recipes else ""
    asked = [f"Which recipe were the exams prepared with (channels: {channels}{likely})?"]
    for name, row in labels.items():
        likely = f"; likely {row['terminology']}" if row["terminology"] else ""
        asked.append(f"What does the label {name!r} mean ({', '.join(TERMS)}{likely})?")
    return tuple(asked)


def _term_of(label):
    """Return the terminology that a label's name suggests; '' when none."""
    plain, words = _plain(label), _words()["labels"]
    found = [term for term in TERMS if _matches(plain, words.get(term, ()))]
    return found[0] if len(found) == 1 else ""


def _fitting_recipes(network):
    """Return (name, why) of the shipped recipes that a network can have been trained with, the likeliest first."""
    found = []
    for name, record in _recipes().items():
        rank, why = _fit(record, network)
        if rank is not None:
            found.append((rank, name, why))
    return tuple((name, why) for _rank, name, why in sorted(found))


def _fit(record, network):
    """Return how well a recipe goes with a network and why; (None, '') when it cannot be its recipe."""
    names = network.channel_names
    if record["modality"] == "any":
        return ANY, "takes the images as they are, one for each channel"
    if record["modality"] == "mammography":
        channels = ("mammogram",)
        if network.dimension != 2:
            return None, ""
    else:
        channels = tuple(channel["name"] for channel in record["channels"])
    if len(channels) != len(names):
        return None, ""
    if [_plain(name) for name in names] == [_plain(name) for name in channels]:
        return SAME, f"the channels have the names {', '.join(names)}"
    words = _words()["channels"]
    if all(_matches(_plain(name), words.get(channel, ())) for name, channel in zip(names, channels, strict=True)):
        return MEANT, f"the channels {', '.join(names)} are probably {', '.join(channels)}"
    return NUMBER, f"takes {len(names)} channel{'s' if len(names) > 1 else ''}, as the model does"


def _matches(plain, patterns):
    return any(re.fullmatch(pattern, plain) for pattern in patterns)


def _plain(name):
    """Return a name in small letters without anything but letters and digits."""
    return "".join(letter for letter in str(name).casefold() if letter.isalnum())


@lru_cache(maxsize=1)
def _words():
    return read_json(RESOURCES / "model_proposals.json")


@lru_cache(maxsize=1)
def _recipes():
    """Return the shipped recipes as they are declared, by name."""
    return {path.stem: read_json(path) for path in sorted((RESOURCES / "recipes").glob("*.json"))}
