"""A training: one model in the making, with its fold runs, and where its files lie."""

import os
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_json

FORMAT = "breastseg-training-1"
FILE = "training.json"
TRAININGS = "trainings"
PREPROCESSED, RESULTS = "nnUNet_preprocessed", "nnUNet_results"
ALL = "all"  # nnU-Net's name of the fold that trains on every case
NUMBER = re.compile(r"0|[1-9][0-9]{0,3}")  # of a fold, as nnU-Net writes it in the names of folders
LOCAL = "local"  # the executor of this computer
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Training:
    """What is trained, on what, how: everything that a fold run needs to know, as ``training.json`` keeps it.

    Parameters
    ----------
    work : Path
        Folder of the trainings. Holds ``trainings/NAME/``, ``nnUNet_preprocessed/`` and ``nnUNet_results/``.
    name : str
        Letters, digits, ``_`` and ``-``; also part of the name of nnU-Net's plans.
    raw : str
        Absolute path of nnU-Net's raw dataset, ``…/Dataset101_Name``.
    configuration : str
        ``2d``, ``3d_fullres`` or ``3d_lowres``.
    trainer : str
        Name of the trainer class.
    folds : tuple of str
        ``"0"`` … or ``"all"``.
    preset : str
        Name of the preset it was made from; '' for none.
    recipe, recipe_hash : str
        As dataset.json names them.
    plan : dict
        What is changed in nnU-Net's plans: ``batch_size``, ``patch_size``, ``spacing``, ``normalization``,
        ``batch_dice``, ``architecture``.
    settings : dict
        What is changed in the trainer's settings: ``epochs``, ``iterations``, ``checkpoint_every``, ``seed`` …
    pretrained : str
        Folder of the model whose weights are the beginning; '' for none.
    device : {'auto', 'cuda', 'cpu'}
    devices : tuple of int
        Numbers of the GPUs to share the folds among; empty: the first.
    workers : int
        Processes that augment; 0: none but the training's own.
    executor : {'local', 'slurm'}
    resources : dict
        For the executor: ``gpus``, ``cpus``, ``memory_gb``, ``hours``, ``partition``, ``options``.
    digest : str
        What the raw dataset looked like when the training was made (`rawdata.digest_of`); '' is not compared.
    retry_memory : bool
        Start a fold run again with half the batch when the memory was short.
    probabilities : bool
        Keep the chances of the validation cases too, which nnU-Net needs to choose an ensemble.
    created : str
        ISO time, UTC.
    """

    work: Path
    name: str
    raw: str
    configuration: str
    trainer: str
    folds: tuple = ("0", "1", "2", "3", "4")
    preset: str = ""
    recipe: str = ""
    recipe_hash: str = ""
    plan: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    pretrained: str = ""
    device: str = "auto"
    devices: tuple = ()
    workers: int = 0
    executor: str = "local"
    resources: dict = field(default_factory=dict)
    digest: str = ""
    retry_memory: bool = True
    probabilities: bool = False
    created: str = ""

    def __post_init__(self):
        if not _NAME.fullmatch(self.name):
            raise BadInput(
                f"A training cannot be named {self.name!r}", "", "Use letters without accents, digits, _ and -"
            )
        object.__setattr__(self, "work", Path(os.path.abspath(self.work)))
        object.__setattr__(self, "folds", tuple(str(fold) for fold in self.folds))
        object.__setattr__(self, "devices", tuple(int(number) for number in self.devices))
        wrong = [fold for fold in self.folds if fold != ALL and not NUMBER.fullmatch(fold)]
        if wrong or not self.folds or len(set(self.folds)) < len(self.folds):
            raise BadInput(
                f"The folds are {', '.join(self.folds) or 'none'}", self.name, "Name each once: 0 1 2 … or all"
            )

    @property
    def dataset(self):
        """str: nnU-Net's name of the dataset, ``Dataset101_Name``."""
        return Path(self.raw).name

    @property
    def plans(self):
        """str: nnU-Net's name of the plans, this training's own."""
        return f"nnUNetPlans_{self.name}"

    @property
    def folder(self):
        """Path: ``WORK/trainings/NAME``."""
        return self.work / TRAININGS / self.name

    @property
    def preprocessed(self):
        """Path: the dataset's folder in ``nnUNet_preprocessed``; trainings of one dataset share it."""
        return self.work / PREPROCESSED / self.dataset

    @property
    def model(self):
        """Path: nnU-Net's model folder, ``nnUNet_results/DATASET/TRAINER__PLANS__CONFIGURATION``."""
        return self.work / RESULTS / self.dataset / f"{self.trainer}__{self.plans}__{self.configuration}"

    def fold_folder(self, fold):
        """Return the folder with the state and the log of a fold run."""
        return self.folder / f"fold_{fold}"

    def output(self, fold):
        """Return the folder with the checkpoints, curves.json and validation of a fold run."""
        return self.model / f"fold_{fold}"

    def environment(self):
        """Return nnU-Net's environment variables: for the child processes of this training only."""
        return {
            "nnUNet_raw": str(Path(self.raw).parent),
            "nnUNet_preprocessed": str(self.work / PREPROCESSED),
            "nnUNet_results": str(self.work / RESULTS),
        }

    def changed(self, **values):
        """Return the same training with other values."""
        return replace(self, **values)

    def write(self, overwrite=False):
        """Write ``training.json``."""
        record = {"format": FORMAT, **{key: value for key, value in asdict(self).items() if key != "work"}}
        record["folds"], record["devices"] = list(self.folds), list(self.devices)
        write_json(self.folder / FILE, record, overwrite)

    @classmethod
    def read(cls, folder):
        """Return the training of a folder ``WORK/trainings/NAME``.

        Raises
        ------
        BadInput
            If there is none, or the file is no such record.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            raise BadInput("There is no training", folder, "The command status lists the trainings of a folder")
        record = read_json(path)
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise BadInput(f"The file is no {FORMAT}", path)
        known = {item.name for item in fields(cls)} - {"work"}
        values = {key: value for key, value in record.items() if key in known}
        try:
            return cls(work=path.parents[2], **values)
        except (TypeError, ValueError) as error:
            raise BadInput("The record of the training is damaged", path) from error


def trainings_in(work):
    """Return the trainings of a folder by their age, the oldest first; what cannot be read is left out."""
    found = []
    for path in (Path(work) / TRAININGS).glob(f"*/{FILE}"):
        try:
            found.append(Training.read(path.parent))
        except BadInput:
            continue
    return sorted(found, key=lambda training: (training.created, training.name))
