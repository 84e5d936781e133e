"""What is in a folder or zip that a user gives: its models, wherever in it they lie."""

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput, Undecided
from .archive import unpack
from .card import CHECKPOINT, ENSEMBLE, NAME, read_card
from .plans import check_network, read_network
from .proposal import DATASET, propose
from .workroom import workroom

BEST = "checkpoint_best.pth"
NONE = "checkpoint_of_no_fold.pth"  # asks `unpack` for everything but checkpoints
DEEPEST = 6
MOST_FOLDERS = 20_000
FOLD = re.compile(r"fold_(all|\d{1,3})")


@dataclass(frozen=True)
class Found:
    """A model, or the card of an ensemble, in what a user gives.

    Parameters
    ----------
    folder : Path
    came_in : str
        Name of the nearest folder ``Dataset…`` around it, or of its own.
    card : dict or None
        Its own model card.
    network : plans.Network or None
        None for an ensemble, and where there is a problem.
    problem : BadInput or None
        Why it cannot be used.
    """

    folder: Path
    came_in: str
    card: dict | None = None
    network: object = None
    problem: BadInput | None = None

    @property
    def is_ensemble(self):
        """bool: whether it is the card of an ensemble."""
        return self.card is not None and self.card["format"] == ENSEMBLE

    @property
    def proposal(self):
        """Proposal: what its names suggest; only where there is a network."""
        return propose(self.folder, self.came_in, self.network.configuration)


@contextmanager
def look(source, configuration=None, library=None):
    """Give a list of `Found` in a folder or zip, without its checkpoints: what a dialog shows before it installs.

    Parameters
    ----------
    source : str or Path
    configuration : str, optional
        Where the files do not tell which of several it is.
    library : Path, optional
        Of a zip, the texts are unpacked there for as long as the block lasts.

    Raises
    ------
    BadInput
        If there is no model in it, or the zip is unsafe.
    """
    source = check_source(source)
    if source.is_dir():
        yield find_models(source, configuration)
        return
    with workroom(library) as room:
        folder = room / came_in(source)
        unpack(source, folder, None, NONE)
        yield find_models(folder, configuration, source)


def check_source(source):
    """Return a path after checking that it is a folder or a zip."""
    path = Path(os.path.abspath(os.path.expanduser(source)))
    if os.path.isdir(path):
        if FOLD.fullmatch(path.name) and (path.parent / "plans.json").is_file():
            raise BadInput("This is one fold of a model", path, "Choose the folder above it, which holds plans.json")
        return path
    if not os.path.isfile(path):
        raise BadInput("There is no such folder or zip", path)
    if path.suffix.lower() == ".pth":
        raise BadInput("A checkpoint alone is no model", path, "Choose the folder that holds plans.json and fold_0")
    return path


def came_in(source):
    """Return the name for the folder that a zip is unpacked to: that of the zip, if it names an nnU-Net dataset."""
    return source.stem if DATASET.match(source.stem) and len(source.stem) < 100 else "source"


def find_models(root, configuration=None, shown=None):
    """Return a `Found` for each model in a folder and the folders in it, sorted by path; ensembles come last.

    Parameters
    ----------
    root : Path
    configuration : str, optional
        Where the files do not tell which of several it is.
    shown : Path, optional
        The name that the user knows it by.

    Raises
    ------
    BadInput
        If there is none, or there are too many folders.
    """
    shown = shown or root
    folders, old = _folders_with_models(root, shown)
    if not folders:
        what = "This is a model of nnU-Net v1, which cannot be used" if old else "There is no nnU-Net v2 model in it"
        raise BadInput(what, shown, "Choose the folder or zip that holds plans.json and fold_0")
    return sorted((_look_at(folder, root, configuration) for folder in folders), key=lambda found: found.is_ensemble)


def checkpoints_in(folder, name):
    """Return the folds of a model folder that hold a checkpoint of this name, as sorted folder names."""
    return sorted(path.parent.name for path in folder.glob(f"fold_*/{name}") if FOLD.fullmatch(path.parent.name))


def chosen_checkpoint(found, checkpoint, shown):
    """Return the file name of the checkpoint to take, and the names of the fold folders that have it.

    Parameters
    ----------
    found : Found
    checkpoint : str or None
        As the user says; else what the card says, else the final one.
    shown : Path

    Raises
    ------
    BadInput
        If no fold has it. That only the best checkpoint is there has to be said knowingly: it is the one of a training
        that has not finished, or one chosen by the cases it is judged on.
    """
    name = checkpoint or (found.card or {}).get("checkpoint", CHECKPOINT)
    folds = checkpoints_in(found.folder, name)
    if not folds and name == CHECKPOINT and checkpoints_in(found.folder, BEST):
        raise BadInput(
            f"The training has not finished: there is no {CHECKPOINT}, only {BEST}",
            shown,
            "Finish the training, or take it knowingly with --checkpoint best",
        )
    if not folds:
        raise BadInput(
            f"The model has no checkpoint: no fold_*/{name}", shown, "Choose a model whose training has finished"
        )
    return name, folds


def _folders_with_models(root, shown):
    """Return the folders that hold plans.json or an ensemble's card, and whether nnU-Net v1 files are there."""
    folders, old, count = [], False, 0
    for place, inner, files in os.walk(root):
        count += 1
        if count > MOST_FOLDERS:
            raise BadInput("The folder holds too many folders to look through", shown, "Choose the model's own folder")
        place = Path(place)
        old = old or "plans.pkl" in files
        if "plans.json" in files or NAME in files:
            folders.append(place)
            inner.clear()
            continue
        deep = len(place.relative_to(root).parts) >= DEEPEST
        inner[:] = () if deep else sorted(name for name in inner if not name.startswith(".") and not FOLD.match(name))
    return sorted(folders), old


def _look_at(folder, root, configuration):
    """Return the `Found` of a folder."""
    names = [folder.name, *(parent.name for parent in folder.parents)]
    came = next((name for name in names if DATASET.match(name)), folder.name if folder != root else root.name)
    card = None
    try:
        card = read_card(folder) if (folder / NAME).is_file() else None
        if card is not None and card["format"] == ENSEMBLE:
            return Found(folder, came, card)
        network = _network_of(folder, configuration, card)
        check_network(folder, network.configuration)
    except BadInput as error:
        return Found(folder, came, card, problem=error)
    return Found(folder, came, card, network)


def _network_of(folder, configuration, card):
    """Return the network as the folder tells it; what the user says counts where it does not."""
    if card is not None and card.get("configuration"):
        return read_network(folder, card["configuration"])
    try:
        return read_network(folder)
    except Undecided:
        if configuration is None:
            raise
    return read_network(folder, configuration)
