"""The model card ``breastseg.json``: what a model folder is for, and the checksums of its files."""

import hashlib
from pathlib import Path

from ..errors import BadInput
from ..files import read_json, write_json

NAME = "breastseg.json"
FORMAT = "breastseg-card-1"
FIELDS = (
    "format",
    "name",
    "title",
    "description",
    "recipe",
    "recipe_hash",
    "labels",
    "licence",
    "citation",
    "training",
    "checksums",
)
TERMS = ("mass", "neoplasm")


def read_card(folder):
    """Return the card of the model in `folder`.

    Raises
    ------
    BadInput
        If it is missing, a field is missing, or a label is not described.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        raise BadInput(
            "The model has no model card, so the recipe it needs is unknown",
            path,
            "Add a breastseg.json (see the documentation)",
        )
    card = read_json(path)
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise BadInput("The model card has an unknown format", path, f"Expected {FORMAT}")
    missing = [name for name in FIELDS if name not in card]
    if missing:
        raise BadInput(f"The model card has no {', '.join(missing)}", path)
    if not isinstance(card["name"], str) or not isinstance(card["recipe"], str):
        raise BadInput("The model card's name or recipe is not a text", path)
    if not isinstance(card["checksums"], dict):
        raise BadInput("The model card's checksums are not a table of file names", path)
    if not isinstance(card["labels"], dict) or not card["labels"]:
        raise BadInput("The model card names no labels", path)
    for name, label in card["labels"].items():
        if (
            not isinstance(label, dict)
            or not isinstance(label.get("value"), int)
            or label.get("terminology") not in TERMS
        ):
            raise BadInput(
                f"The model card's label {name!r} needs a value and a terminology",
                path,
                "Terminology: " + ", ".join(TERMS),
            )
    return card


def write_card(folder, card, overwrite=True):
    """Write the card of the model in `folder` with the checksums of its files as they are now."""
    folder = Path(folder)
    write_json(folder / NAME, {"format": FORMAT, **card, "checksums": checksums(folder)}, overwrite)
    return read_card(folder)


def checksums(folder):
    """Return the SHA-256 of every file of a model folder but the card, by relative path with forward slashes."""
    folder = Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def changed_files(folder, card, verify=True):
    """Return the names of files that are missing or differ from the card's checksums, and of checkpoints not listed.

    Loading a checkpoint can run code, so one that the card does not know is not taken. Without `verify` the content of
    the listed files is not compared.
    """
    folder, known = Path(folder), card["checksums"]
    changed = [
        name
        for name, value in known.items()
        if not (folder / name).is_file() or (verify and _sha256(folder / name) != value)
    ]
    found = sorted(path.relative_to(folder).as_posix() for path in folder.glob("fold_*/*.pth"))
    return changed + [name for name in found if name not in known]


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
