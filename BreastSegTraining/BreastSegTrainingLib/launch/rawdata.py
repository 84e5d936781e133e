"""What a training needs to know of nnU-Net's raw dataset, and whether it has changed since."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from ..dataset.layout import DESCRIPTION, IMAGES, LABELS, SPLITS, check_dataset_name
from .training import ALL, NUMBER

EXPORT = "Make it with the command export"
TRAIN = "train"


@dataclass(frozen=True)
class RawDataset:
    """A raw dataset, as far as a training asks.

    Parameters
    ----------
    folder : Path
        ``…/Dataset101_Name``.
    description : dict
        dataset.json.
    cases : tuple of str
        Names of the training cases, sorted.
    splits : tuple of (tuple of str, tuple of str)
        For each fold the cases to train on and those to validate on; empty when there is no splits_final.json.
    digest : str
        See `digest_of`.
    """

    folder: Path
    description: dict
    cases: tuple
    splits: tuple
    digest: str

    @property
    def channels(self):
        """tuple of str: names of the channels, in network order."""
        names = self.description["channel_names"]
        return tuple(names[str(index)] for index in range(len(names)))

    @property
    def ending(self):
        """str: how the names of image files end."""
        return self.description["file_ending"]

    def images(self, case, part=TRAIN):
        """Return the paths of a case's channels, in network order."""
        folder = self.folder / IMAGES[part]
        return [folder / f"{case}_{index:04d}{self.ending}" for index in range(len(self.channels))]

    def label(self, case, part=TRAIN):
        """Return the path of a case's reference mask."""
        return self.folder / LABELS[part] / f"{case}{self.ending}"

    def cases_of(self, fold):
        """Return (cases to train on, cases to validate on) of a fold; of ``all`` every case twice.

        Raises
        ------
        BadInput
            If there is no such fold, or a part of it is empty or names cases that are not there.
        """
        if fold == ALL:
            return self.cases, self.cases
        if not self.splits:
            raise BadInput(
                "The dataset has no folds, and nnU-Net's own would not keep the cases of a patient together",
                self.folder / SPLITS,
                "Export it again with --folds 5, or train the fold all",
            )
        if not NUMBER.fullmatch(fold) or int(fold) >= len(self.splits):
            known = ", ".join(str(number) for number in range(len(self.splits)))
            raise BadInput(f"There is no fold {fold}", self.folder / SPLITS, f"The dataset has the folds {known}")
        training, validation = self.splits[int(fold)]
        for what, names in (("train on", training), ("validate on", validation)):
            if not names:
                raise BadInput(
                    f"Fold {fold} has no case to {what}",
                    self.folder / SPLITS,
                    "Export with --resplit or with fewer folds, or leave the fold out",
                )
        missing = sorted({*training, *validation} - set(self.cases))
        if missing:
            raise BadInput(
                f"Fold {fold} names {len(missing)} cases that the dataset has not, such as {missing[0]}",
                self.folder / SPLITS,
                "Export it again with --resplit",
            )
        return training, validation


def read_raw(folder):
    """Return the `RawDataset` of a folder.

    Raises
    ------
    BadInput
        If it is no raw dataset of nnU-Net, is not whole, or holds no labelled case.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise BadInput("There is no such folder", folder, EXPORT)
    check_dataset_name(folder.name)
    if not (folder / DESCRIPTION).is_file():
        raise BadInput(
            f"The folder is no whole dataset: {DESCRIPTION} is missing", folder, f"{EXPORT}; it writes this file last"
        )
    description = _described(folder)
    ending = description["file_ending"]
    labels = folder / LABELS[TRAIN]
    found = sorted(path.name for path in labels.iterdir()) if labels.is_dir() else []
    cases = tuple(name.removesuffix(ending) for name in found if name.endswith(ending) and name[0] != ".")
    if not cases:
        raise BadInput("The dataset has no labelled case", labels, EXPORT)
    raw = RawDataset(folder, description, cases, _splits(folder), digest_of(folder))
    missing = [path for case in cases for path in raw.images(case) if not path.is_file()]
    if missing:
        raise BadInput(f"{len(missing)} images of the dataset are missing", missing[0], f"{EXPORT} again")
    return raw


def digest_of(folder):
    """Return a hash of a raw dataset: names, sizes and times of its training files; what its JSON files say.

    Reading all images would take as long as the first epochs.
    """
    folder = Path(folder)
    rows = []
    for sub in (IMAGES[TRAIN], LABELS[TRAIN]):
        place = folder / sub
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if not path.name.startswith("."):
                state = path.stat()
                rows.append([f"{sub}/{path.name}", state.st_size, state.st_mtime_ns])
    for name in (DESCRIPTION, SPLITS):
        path = folder / name
        rows.append([name, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""])
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def check_unchanged(training):
    """Refuse a training whose raw dataset is not what it was made for.

    Raises
    ------
    BadInput
        If files have been added, removed or written since; folds of two states would not compare.
    """
    if not Path(training.raw).is_dir():
        raise BadInput("The dataset of the training is gone", training.raw, "Put it back, then resume")
    if training.digest and digest_of(training.raw) != training.digest:
        raise BadInput(
            f"The dataset has changed since the training {training.name} was made",
            training.raw,
            "Start a new training in another --work folder, or put the dataset back as it was",
        )


def _described(folder):
    description = read_json(folder / DESCRIPTION)
    names = description.get("channel_names") if isinstance(description, dict) else None
    if (
        not isinstance(names, dict)
        or set(names) != {str(index) for index in range(len(names))}
        or not names
        or not isinstance(description.get("file_ending"), str)
        or not isinstance(description.get("labels"), dict)
    ):
        raise BadInput(
            "The description of the dataset is not nnU-Net's: it needs channel_names, labels and file_ending",
            folder / DESCRIPTION,
            EXPORT,
        )
    return description


def _splits(folder):
    path = folder / SPLITS
    if not path.is_file():
        return ()
    try:
        return tuple((tuple(fold["train"]), tuple(fold["val"])) for fold in read_json(path))
    except (TypeError, KeyError) as error:
        raise BadInput("The file does not list train and val of each fold", path, f"{EXPORT} again") from error
