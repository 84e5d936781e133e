"""The card of a model that is being installed: its own, the catalogue's preset, and what the user says."""

import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..errors import BadInput
from .card import CHECKPOINT, FORMAT, TERMS, check_labels, plain_recipe_name
from .library import RECIPE

UNKNOWN = "not stated"
TEXTS = ("title", "description", "licence", "citation", "training")


class NeedsCard(BadInput):
    """The user has to say what a model is for; ``details["proposal"]`` holds what its names suggest."""

    code = "needs-card"

    def __init__(self, what, where="", hint="", proposal=None):
        self.proposal = proposal
        super().__init__(what, where, hint)

    @property
    def details(self):
        """dict: what a dialog asks with."""
        record = asdict(replace(self.proposal, preset=None))
        return {"proposal": {key: value for key, value in record.items() if key != "preset"}}


class NeedsLicence(BadInput):
    """The user has to agree to the terms of a model; ``details`` holds the catalogue's entry and its licence."""

    code = "needs-licence"

    def __init__(self, what, where="", hint="", entry=None):
        self.details = {"entry": entry.name, "licence": entry.licence.text}
        super().__init__(what, where, hint)


@dataclass(frozen=True)
class Wishes:
    """What the user says about the models that are installed.

    Parameters
    ----------
    load_recipe : callable
        ``recipe.load_recipe``, which checks recipes.
    name : str, optional
        The model's name; where there are several configurations, each is named NAME-CONFIGURATION.
    card : dict, optional
        Fields of the card that replace others: title, description, licence, citation, training, labels.
    recipe : str or Path, optional
        A shipped recipe's name, or the file of the user's own, which is kept with the model.
    labels : dict of str to str, optional
        Terminology by name of the network's label, such as ``{"lesion": "mass"}``.
    configuration : str, optional
        Only this one, such as ``3d_fullres``.
    checkpoint : str, optional
        File name, such as ``checkpoint_best.pth``; the final one when not given.
    entry : catalogue.Entry, optional
        The catalogue's entry that the source is of; recipe, labels and licence come from it.
    accept_licence : bool
        The user has agreed to the terms of the catalogue's entry.
    combine : bool
        Make an ensemble NAME of all configurations as well.
    overwrite : bool
        Replace models of the same names.
    """

    load_recipe: object
    name: str | None = None
    card: dict = field(default_factory=dict)
    recipe: object = None
    labels: dict = field(default_factory=dict)
    configuration: str | None = None
    checkpoint: str | None = None
    entry: object = None
    accept_licence: bool = False
    combine: bool = False
    overwrite: bool = False


def complete_card(found, said, checkpoint, shown, notes):
    """Return the card of a found model, without checksums, and its own recipe's file or None.

    Parameters
    ----------
    found : sources.Found
        With its network, without a problem.
    said : Wishes
    checkpoint : str
        File name of the checkpoint that is taken.
    shown : Path
        The name that the user knows the model by.
    notes : list of str
        Gets what the user should know.

    Raises
    ------
    BadInput
        If something is missing (the line says which options would say it and what is proposed) or does not fit the
        network.
    """
    network = found.network
    preset = _preset(found, said, shown, notes) if found.card is None else None
    base = dict(found.card) if found.card else _preset_card(preset)
    _ask_for_missing(found, said, preset, shown)
    recipe, file = _recipe_of(found, said, preset, shown)
    labels = said.card.get("labels") or _labels_of(found, said, preset, shown)
    card = {"title": "", "description": "", **dict.fromkeys(("licence", "citation"), UNKNOWN), "training": {}}
    card |= {key: value for key, value in base.items() if key not in ("format", "checksums")}
    card |= {key: said.card[key] for key in TEXTS if said.card.get(key)}
    card |= {"format": FORMAT, "recipe": _plain_name(recipe), "recipe_hash": recipe.hash, "labels": labels}
    card |= {"configuration": network.configuration}
    card.pop("checkpoint", None)
    if checkpoint != CHECKPOINT:
        card["checkpoint"] = checkpoint
    _check_fit(card, recipe, network, shown)
    return card, file


def _preset(found, said, shown, notes):
    """Return the catalogue's entry that a model without a card is, or looks like; its terms are agreed to first."""
    preset = said.entry or (None if said.recipe else found.proposal.preset)
    if preset is None:
        return None
    if said.entry is None:
        what = f"It looks like {preset.title} of the catalogue ({preset.name}): its recipe {preset.recipe}"
        notes.append(f"{what}, labels and licence were taken.")
    if preset.licence.must_accept and not said.accept_licence:
        raise NeedsLicence(
            f"The model {preset.title} comes under {preset.licence.text}",
            shown,
            "If you agree to these terms, say --accept-licence",
            preset,
        )
    return preset


def _preset_card(preset):
    if preset is None:
        return {}
    fields = {"title": preset.title, "description": preset.description, "citation": preset.citation}
    return {**fields, "licence": preset.licence.text, "catalogue": preset.name}


def _ask_for_missing(found, said, preset, shown):
    """Refuse a model without a card when the user has not said what only the user knows."""
    if found.card is not None or preset is not None:
        return
    described = said.card.get("labels") or said.labels
    unsaid = [name for name in foreground(found.network) if name not in described]
    if said.recipe and not unsaid:
        return
    proposal = found.proposal
    missing, why = [], ""
    if not said.recipe:
        name, reason = proposal.recipes[0] if proposal.recipes else ("", "")
        missing.append(f"--recipe {name or 'NAME_OR_FILE'}")
        others = ", ".join(other for other, _why in proposal.recipes[1:])
        why = f"{name}: {reason}" if name else "no shipped recipe has so many channels"
        why += f"; also possible: {others}" if others else ""
    unclear = False
    for name in unsaid:
        term = proposal.labels[name]["terminology"]
        unclear = unclear or not term
        missing.append(f"--label {_quoted(name)}={term or 'TERM'}")
    terms = f"TERM is one of {', '.join(TERMS)}" if unclear else ""
    beside = "".join(f" ({text})" for text in (why, terms) if text)
    raise NeedsCard(
        "The model has no model card, so what it was trained for has to be said",
        shown,
        f"Proposed from its names, check it: {' '.join(missing)}{beside}",
        proposal,
    )


def _recipe_of(found, said, preset, shown):
    """Return the recipe, and its file if it is the user's own."""
    if said.recipe or preset is not None:
        source = said.recipe or preset.recipe_source
        recipe = said.load_recipe(source)
        return recipe, Path(source) if str(source).endswith(".json") else None
    own = found.folder / RECIPE
    recipe = said.load_recipe(own if own.is_file() else found.card["recipe"])
    if recipe.hash != found.card["recipe_hash"]:
        raise BadInput(
            f"The recipe {recipe.name} is not the one that the model was trained with",
            shown,
            "Install the extension's version that the model belongs to, or name the recipe with --recipe",
        )
    return recipe, own if own.is_file() else None


def _labels_of(found, said, preset, shown):
    """Return the card's labels: every one of the network but the background."""
    wanted = foreground(found.network)
    unknown = [name for name in said.labels if name not in wanted]
    if unknown:
        raise BadInput(f"The model has no label {unknown[0]!r}", shown, f"It has {', '.join(wanted)}")
    wrong = [term for term in said.labels.values() if term not in TERMS]
    if wrong:
        raise BadInput(f"There is no terminology {wrong[0]!r}", hint="Choose one of " + ", ".join(TERMS))
    known = (found.card or {}).get("labels") or (preset.labels if preset is not None else {})
    terms = {row["value"]: row["terminology"] for row in known.values()}
    labels = {
        name: {"value": value, "terminology": said.labels.get(name) or terms.get(value, "")}
        for name, value in wanted.items()
    }
    undescribed = [f"--label {_quoted(name)}=TERM" for name, row in labels.items() if not row["terminology"]]
    if undescribed:
        hint = f"Say {' '.join(undescribed)} (TERM is one of {', '.join(TERMS)})"
        raise BadInput("The model has labels whose meaning is not known", shown, hint)
    return labels


def _check_fit(card, recipe, network, shown):
    """Compare what the card says with what the network takes and gives."""
    check_labels(card["labels"], shown)
    values = {row["value"] for row in card["labels"].values()}
    if values != set(foreground(network).values()):
        table = ", ".join(f"{name} = {value}" for name, value in foreground(network).items())
        raise BadInput("The labels of the model card are not those of the network", shown, f"The network has {table}")
    names = recipe.channel_names
    if names is not None and len(names) != len(network.channel_names):
        raise BadInput(
            f"The recipe {recipe.name} makes {len(names)} channels ({', '.join(names)}), the model takes "
            f"{len(network.channel_names)} ({', '.join(network.channel_names)})",
            shown,
            "Choose the recipe that the model was trained with",
        )
    if recipe.modality == "mammography" and network.dimension != 2:
        raise BadInput(f"The recipe {recipe.name} makes mammograms, the model takes volumes", shown, "Choose another")


def foreground(network):
    """Return the labels of a network without the background: {name: value}, by value."""
    return {name: value for name, value in sorted(network.labels.items(), key=lambda row: row[1]) if value != 0}


def _plain_name(recipe):
    """Return a recipe's name as a card may hold it; of an own recipe the file beside the card is what counts."""
    name = re.sub(r"[\\/:]+", "-", recipe.name).removesuffix(".json")
    return name if plain_recipe_name(name) else "own-recipe"


def _quoted(name):
    return f'"{name}"' if re.search(r"\s", name) else name
