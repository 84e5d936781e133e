"""Where models are: those shipped with the extension and any model folder the user names."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from ..files import read_json
from .card import changed_files, read_card

SHIPPED = Path(__file__).resolve().parents[2] / "Resources" / "Models"
CHECKPOINT = "checkpoint_final.pth"


@dataclass(frozen=True)
class Model:
    """A complete model folder.

    Parameters
    ----------
    folder : Path
    card : dict
        See `card.read_card`.
    folds : tuple of str
        Folds that have a final checkpoint: ``0`` … ``4`` or ``all``.
    channel_names : tuple of str
        From nnU-Net's dataset.json, in network order.
    hash : str
        SHA-256 over the checkpoints' checksums in the card: changes when the weights change.
    """

    folder: Path
    card: dict
    folds: tuple
    channel_names: tuple
    hash: str

    @property
    def name(self):
        """str: the model's name in the library."""
        return self.card["name"]


def list_models(folder=None):
    """Return the usable models of a library folder (the shipped one when not given), sorted by name."""
    return survey(folder)[0]


def survey(folder=None):
    """Return the usable models of a library folder, sorted by name, and the errors of the others by folder name.

    Folders without a card are not models. One broken model does not hide the rest. Checksums are left to `find_model`:
    they would keep a window waiting for models of several GB.
    """
    models, problems = [], {}
    for path in sorted(Path(SHIPPED if folder is None else folder).glob("*/breastseg.json")):
        try:
            models.append(open_model(path.parent, verify=False))
        except BadInput as error:
            problems[path.parent.name] = error
    return sorted(models, key=lambda model: model.name), problems


def find_model(name_or_folder, verify=True):
    """Return the `Model` of a library name or of a folder; `verify` as in `open_model`.

    Raises
    ------
    BadInput
        If there is no such model, or its folder is incomplete.
    """
    shipped = SHIPPED / str(name_or_folder)
    if "/" not in str(name_or_folder) and "\\" not in str(name_or_folder) and (shipped / "breastseg.json").is_file():
        return open_model(shipped, verify)
    if str(name_or_folder) and Path(name_or_folder).is_dir():
        return open_model(name_or_folder, verify)
    names = ", ".join(sorted(path.parent.name for path in SHIPPED.glob("*/breastseg.json"))) or "no model"
    raise BadInput("There is no such model", str(name_or_folder), f"Installed: {names}; or give a model folder")


def open_model(folder, verify=True):
    """Return the `Model` of `folder` after checking that it is whole.

    Parameters
    ----------
    folder : str or Path
    verify : bool
        Compare every file with the card's checksum; else only that each is there.

    Raises
    ------
    BadInput
        If dataset.json, plans.json, the card or every checkpoint is missing, or a file differs from the card's
        checksums.
    """
    folder = Path(folder).resolve()
    for name in ("dataset.json", "plans.json"):
        if not (folder / name).is_file():
            raise BadInput(
                f"The folder is not an nnU-Net model: {name} is missing",
                folder,
                "Choose the folder that holds plans.json and fold_0",
            )
    folds = tuple(sorted(path.parent.name.removeprefix("fold_") for path in folder.glob(f"fold_*/{CHECKPOINT}")))
    if not folds:
        raise BadInput(
            f"The model has no checkpoint: no fold_*/{CHECKPOINT}",
            folder,
            "Choose a model whose training has finished",
        )
    card = read_card(folder)
    changed = changed_files(folder, card, verify)
    if changed:
        raise BadInput(
            "Files of the model are missing, or were added or changed after its card was written: "
            + ", ".join(changed),
            folder,
            "Install the model again",
        )
    weights = "".join(value for name, value in sorted(card["checksums"].items()) if name.endswith(".pth"))
    return Model(
        folder, card, folds, _channel_names(folder / "dataset.json"), hashlib.sha256(weights.encode()).hexdigest()
    )


def _channel_names(path):
    """Return the channel names of nnU-Net's dataset.json in network order: by number, as 10 comes after 2."""
    dataset = read_json(path)
    names = dataset.get("channel_names") if isinstance(dataset, dict) else None
    if not isinstance(names, dict) or not names or not all(key.isdecimal() for key in names):
        raise BadInput(
            "The model's dataset.json has no table of channel names",
            path,
            "Choose a folder that nnU-Net v2 has trained",
        )
    return tuple(str(names[key]) for key in sorted(names, key=int))
