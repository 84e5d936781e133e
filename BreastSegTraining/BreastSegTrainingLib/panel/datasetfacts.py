"""What a raw dataset's small files tell of it: cases, folds, channels. No Qt, and no image is opened."""

from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from BreastSegLib.scene.texts import _

from ..dataset.layout import DESCRIPTION, SPLITS, check_dataset_name


@dataclass(frozen=True)
class DatasetFacts:
    """A dataset that can be trained on, or why it cannot.

    Parameters
    ----------
    name : str
        ``Dataset101_Name``.
    problem : str
        Why it cannot be trained on; '' when it can.
    cases : int
        For training, and for the folds' validation.
    folds : int
        Of its split; 0 when it has none: then only a training on all cases is possible.
    channels : tuple of str
    recipe : str
        Name of the recipe; '' when the dataset does not tell.
    """

    name: str = ""
    problem: str = ""
    cases: int = 0
    folds: int = 0
    channels: tuple = ()
    recipe: str = ""


class DatasetReader:
    """Reads a dataset again only when its description has changed."""

    def __init__(self):
        self._mark, self._facts = None, DatasetFacts()

    def read(self, folder):
        """Return the `DatasetFacts` of a folder; of '' those of none."""
        mark = (str(folder), *(_stamp(Path(folder) / name) for name in (DESCRIPTION, SPLITS))) if folder else None
        if mark != self._mark:
            self._mark = mark
            self._facts = _facts(Path(folder)) if folder else DatasetFacts()
        return self._facts


def _facts(folder):
    name = folder.name
    if not folder.is_dir():
        return DatasetFacts(name, _("The dataset's folder is not there."))
    try:
        check_dataset_name(name)
        record = read_json(folder / DESCRIPTION)
    except BadInput:
        return DatasetFacts(name, _("The folder is no dataset: choose DatasetNNN_Name as step 3 exports it."))
    if not isinstance(record, dict) or not isinstance(record.get("channel_names"), dict):
        return DatasetFacts(name, _("The file dataset.json names no channels."))
    count = record.get("numTraining")
    count = count if type(count) is int and count > 0 else 0
    problem = "" if count else _("The dataset has no case for training.")
    channels = tuple(str(value) for _key, value in sorted(record["channel_names"].items()))
    recipe = record.get("recipe")
    return DatasetFacts(
        name, problem, count, _folds(folder / SPLITS), channels, recipe if isinstance(recipe, str) else ""
    )


def _folds(path):
    """Return how many folds a split has."""
    try:
        splits = read_json(path) if path.is_file() else ()
    except BadInput:
        return 0
    return len(splits) if isinstance(splits, list) else 0


def _stamp(path):
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
