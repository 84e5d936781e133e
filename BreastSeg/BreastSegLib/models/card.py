"""The model card ``breastseg.json``: what a model folder is for, and the checksums of its files."""

import hashlib
import re
from pathlib import Path

from ..errors import BadInput
from ..files import read_json, write_json
from .zipped import readable

NAME = "breastseg.json"
FORMAT = "breastseg-card-1"
ENSEMBLE = "breastseg-ensemble-1"
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
ENSEMBLE_FIELDS = ("format", "name", "title", "description", "members", "labels", "licence", "citation")
TERMS = tuple(read_json(Path(__file__).resolve().parents[2] / "Resources" / "terminology.json")["terms"])
CHECKPOINT = "checkpoint_final.pth"
LONGEST_NAME = 64
LONGEST_TEXT = 4000
# Windows keeps these names for devices, whatever follows a dot.
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def read_card(folder):
    """Return the card of the model or ensemble in `folder`.

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
            "Install it: models install FOLDER asks for what is missing",
        )
    card = read_json(path)
    if not isinstance(card, dict) or card.get("format") not in (FORMAT, ENSEMBLE):
        raise BadInput("The model card has an unknown format", path, f"Expected {FORMAT} or {ENSEMBLE}")
    is_ensemble = card["format"] == ENSEMBLE
    missing = [name for name in (ENSEMBLE_FIELDS if is_ensemble else FIELDS) if name not in card]
    if missing:
        raise BadInput(f"The model card has no {', '.join(missing)}", path)
    for name in ("name", "title", "description", "licence", "citation"):
        if not isinstance(card[name], str):
            raise BadInput(f"The model card's {name} is not a text", path)
        # A stranger's text must not be able to write over a terminal's other lines.
        card[name] = readable(" ".join(card[name].split()), LONGEST_TEXT)
    _check_members(card["members"], path) if is_ensemble else _check_files(card, path)
    check_labels(card["labels"], path)
    return card


def _check_files(card, path):
    """Check what only the card of a model with files of its own has."""
    if not isinstance(card["recipe"], str) or not isinstance(card["recipe_hash"], str):
        raise BadInput("The model card's recipe or its hash is not a text", path)
    if not plain_recipe_name(card["recipe"]):
        raise BadInput("The model card's recipe is not the name of a recipe", path)
    if not isinstance(card["checksums"], dict) or not all(
        isinstance(value, str) for value in card["checksums"].values()
    ):
        raise BadInput("The model card's checksums are not a table of file names", path)
    for name in card["checksums"]:
        parts = re.split(r"[\\/]", name)
        if ".." in parts or parts[0] == "" or ":" in name:
            raise BadInput(f"The model card's checksums name a file outside the model: {name!r}", path)
    if not isinstance(card.get("configuration", ""), str):
        raise BadInput("The model card's configuration is not a text", path)
    if not re.fullmatch(r"checkpoint_\w+\.pth", str(card.get("checkpoint", CHECKPOINT))):
        raise BadInput("The model card's checkpoint is not the name of a checkpoint", path, f"Expected {CHECKPOINT}")


def _check_members(members, path):
    if not isinstance(members, list) or len(members) == 0:
        raise BadInput("The ensemble's card names no members", path)
    for member in members:
        folds = member.get("folds") if isinstance(member, dict) else ""
        if (
            not isinstance(member, dict)
            or not all(isinstance(member.get(key), str) for key in ("model", "hash"))
            or not (folds is None or (isinstance(folds, list) and all(isinstance(fold, str) for fold in folds)))
        ):
            raise BadInput("A member in the ensemble's card needs model, hash and folds", path)
        check_name(member["model"], path)


def plain_recipe_name(name):
    """bool: whether it can only be a recipe's name: a card from a stranger must not make us read some file."""
    return bool(name.strip()) and not re.search(r"[\\/:]", name) and not name.endswith(".json")


def check_labels(labels, where=""):
    """Check the table of labels of a card: each a whole number above 0 and a known terminology.

    Raises
    ------
    BadInput
    """
    if not isinstance(labels, dict) or not labels:
        raise BadInput("The model card names no labels", where)
    for name, label in labels.items():
        value = label.get("value") if isinstance(label, dict) else None
        if isinstance(value, bool) or not isinstance(value, int) or label.get("terminology") not in TERMS:
            raise BadInput(
                f"The model card's label {name!r} needs a value and a terminology",
                where,
                "Terminology: " + ", ".join(TERMS),
            )
    values = [label["value"] for label in labels.values()]
    if min(values) < 1 or len(set(values)) < len(values):
        raise BadInput("The values of the model card's labels have to differ, and be above 0", where)


def check_name(name, where=""):
    """Return a model's name after checking that it can be a folder's name on every system.

    Raises
    ------
    BadInput
        If it is empty or too long, has other characters than letters without accents, digits, ``-``, ``_`` and ``.``,
        begins or ends with a dot, ends like a file, or is a name that Windows keeps for a device.
    """
    text = str(name)
    problem = _problem_of(text)
    if problem:
        raise BadInput(f"A model cannot be named {text!r}: {problem}", where, "Choose another name")
    return text


def _problem_of(name):
    """Return why a text cannot be a model's name; '' when it can."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?", name):
        return "use letters without accents, digits, - _ and ., and begin with a letter or digit"
    if len(name) > LONGEST_NAME:
        return f"use at most {LONGEST_NAME} characters"
    if name.split(".")[0].lower() in DEVICES:
        return "Windows keeps this name for a device"
    return "it ends like the name of a file" if name.lower().endswith((".json", ".zip", ".pth")) else ""


def safe_name(text, fallback="model"):
    """Return a name that `check_name` accepts and that is as close to `text` as can be."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", str(text)).strip("._-")[:LONGEST_NAME].rstrip(".") or fallback
    for name in (str(text), plain):
        if not _problem_of(name):
            return name
    return f"model-{plain.replace('.', '-')}"[:LONGEST_NAME]


def write_card(folder, card, overwrite=True):
    """Write the card of the model in `folder` with the checksums of its files as they are now."""
    folder = Path(folder)
    write_json(folder / NAME, {"format": FORMAT, **card, "checksums": checksums(folder)}, overwrite)
    return read_card(folder)


def checksums(folder):
    """Return the SHA-256 of every file of a model folder but the card, by relative path with forward slashes."""
    folder = Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def changed_files(folder, card, verify=True, report=None):
    """Return the names of files that are missing or differ from the card's checksums, and of checkpoints not listed.

    Loading a checkpoint can run code, so one that the card does not know is not taken. Without `verify` the content of
    the listed files is not compared.

    Parameters
    ----------
    folder : str or Path
    card : dict
    verify : bool
    report : callable, optional
        ``report(stage, done, total)`` in MiB, while the content is compared; may raise `Cancelled`.
    """
    folder, known, changed, done = Path(folder), card["checksums"], [], 0
    total = sum((folder / name).stat().st_size for name in known if (folder / name).is_file()) if report else 0
    for name, value in known.items():
        path = folder / name
        if not path.is_file():
            changed.append(name)
        elif verify:
            start = done

            def share(count, start=start):
                report("Checking the model", (start + count) >> 20, total >> 20)

            if sha256_of(path, share if report else None) != value:
                changed.append(name)
            done += path.stat().st_size if report else 0
    found = sorted(path.relative_to(folder).as_posix() for path in folder.glob("fold_*/*.pth"))
    return changed + [name for name in found if name not in known]


def sha256_of(path, report=None):
    """Return the SHA-256 of a file, hexadecimal; `report` is called with the number of bytes read so far."""
    digest, done = hashlib.sha256(), 0
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
            done += len(chunk)
            if report is not None:
                report(done)
    return digest.hexdigest()
