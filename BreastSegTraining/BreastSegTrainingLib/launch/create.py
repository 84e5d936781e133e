"""Makes a training from what the user asks for, after checking that it can begin; nothing is queued yet."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from .. import trainers
from . import estimate
from .foldstate import now
from .rawdata import read_raw
from .training import ALL, TRAININGS, Training, trainings_in

CONFIGURATIONS = ("2d", "3d_fullres", "3d_lowres")


@dataclass(frozen=True)
class Wish:
    """What a user asks for; what is None is left to the preset, to the trainer or to nnU-Net.

    Parameters
    ----------
    raw, work : str or Path
        The raw dataset; the folder of the trainings.
    preset, trainer, configuration, name : str
    folds : sequence of str
        ``("all",)`` of numbers stands for every fold of the dataset: see `folds_of`.
    plan, settings : dict
        As in `Training`.
    values : dict
        Further fields of `Training`: device, devices, workers, executor, resources …
    pretrained : str
    """

    raw: str
    work: str
    preset: str = ""
    trainer: str = ""
    configuration: str = ""
    name: str = ""
    folds: tuple = ()
    plan: dict = None
    settings: dict = None
    values: dict = None
    pretrained: str = ""


def make(wish):
    """Return (the `Training`, the `RawDataset`, notes for people); nothing is written.

    Raises
    ------
    BadInput
        If preset, trainer, dataset, folds or settings do not go together.
    """
    raw = read_raw(wish.raw)
    base, notes = _base(wish, raw)
    folds = folds_of(wish.folds or base.pop("folds", ()), raw)
    for fold in folds:
        raw.cases_of(fold)
    plan = {**base.get("plan", {}), **(wish.plan or {})}
    settings = {**base.get("settings", {}), **(wish.settings or {})}
    model = None
    if wish.pretrained:
        from .finetune import check_pretrained

        model = check_pretrained(wish.pretrained, base["configuration"], raw, wish.plan or {})
        plan = {key: value for key, value in plan.items() if key in ("batch_size", "batch_dice")}
    _check_settings(base["trainer"], settings)
    work = Path(wish.work)
    _check_work(work, raw)
    training = Training(
        work=work,
        name=wish.name or free_name(work, wish.preset or base["trainer"]),
        raw=str(raw.folder),
        configuration=base["configuration"],
        trainer=base["trainer"],
        folds=folds,
        preset=base.get("preset", ""),
        recipe=str(raw.description.get("recipe", "")),
        recipe_hash=str(raw.description.get("recipe_hash", "")),
        plan=plan,
        settings=settings,
        pretrained=str(model.folder) if model else "",
        digest=raw.digest,
        created=now(),
        **(wish.values or {}),
    )
    if training.folder.exists():
        raise BadInput(f"There is a training {training.name} already", work, "Give another --name, or resume that one")
    return training, raw, notes


def folds_of(wanted, raw):
    """Return the folds to train: those that are named, else all of the dataset's cross-validation.

    Raises
    ------
    BadInput
        If the dataset has no folds and none was named.
    """
    wanted = tuple(str(fold) for fold in wanted)
    if wanted:
        return wanted
    if not raw.splits:
        raw.cases_of("0")  # says what to do
    return tuple(str(number) for number in range(len(raw.splits)))


def free_name(work, base):
    """Return a name for a training that is not taken: that of its preset or trainer, with a number behind."""
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", base.removesuffix(".json").rpartition("/")[2]).strip("-_") or "training"
    name, number = base, 1
    while (Path(work) / TRAININGS / name).exists():
        number += 1
        name = f"{base}-{number}"
    return name


def expected_disk(training, raw):
    """Return the `estimate.Disk` of a training, from the headers of the reference masks."""
    shapes, spacings = _headers(raw)
    dimension = 2 if training.configuration == "2d" else 3
    spacing = training.plan.get("spacing") if training.plan.get("resampling") != "none" else None
    kind = (training.settings.get("optimizer") or {}).get("kind")
    if kind is None and training.trainer in trainers.names():
        kind = trainers.describe(training.trainer)["settings"]["optimizer"]["kind"]
    return estimate.disk(
        estimate.resampled_voxels(shapes, spacings, spacing),
        len(raw.channels),
        len(raw.cases),
        len(training.folds),
        dimension,
        kind or "sgd",
    )


def check_disk(training, need):
    """Refuse a training for which the disk surely does not suffice.

    Returns
    -------
    int
        Free bytes.

    Raises
    ------
    BadInput
    """
    place = training.work
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < need.least:
        raise BadInput(
            f"The disk has {estimate.in_gigabytes(free)} free, and the training needs at least "
            f"{estimate.in_gigabytes(need.least)}",
            training.work,
            "Free some space, or give a --work folder on another disk",
        )
    return free


def expected_time(training, measured=None):
    """Return the `estimate.Time` of a training.

    Parameters
    ----------
    training : Training
    measured : dict, optional
        What ``--estimate`` has measured: ``iteration_s``, ``iterations``, ``epochs``, ``device``.
    """
    parallel = max(1, len(training.devices)) if training.executor == "local" else len(training.folds)
    if measured:
        return estimate.time(
            len(training.folds),
            measured["epochs"],
            parallel,
            iteration_s=measured["iteration_s"],
            iterations=measured["iterations"],
            basis=f"{measured['measured']} iterations measured on {measured['device']}",
        )
    epochs, epoch_s, basis = _epochs_of(training), None, ""
    for other in reversed(trainings_in(training.work)):
        same = ("configuration", "trainer", "device", "raw")
        if other.name != training.name and all(getattr(other, key) == getattr(training, key) for key in same):
            if other.plan != training.plan or other.settings.get("iterations") != training.settings.get("iterations"):
                continue
            epoch_s = _seen_epoch(other)
            if epoch_s:
                basis = f"the epochs of the training {other.name}"
                break
    return estimate.time(len(training.folds), epochs, parallel, epoch_s=epoch_s, basis=basis)


def _base(wish, raw):
    """Return (fields of a training from the preset or from trainer and configuration, notes)."""
    notes = []
    if wish.preset:
        from ..presets import load_preset  # which reads recipes: too much for the processes of the queue

        preset = load_preset(wish.preset)
        base = preset.training_values()
        recipe = raw.description.get("recipe")
        if recipe and recipe != preset.recipe:
            notes.append(f"The dataset was made with the recipe {recipe}, the preset means {preset.recipe}")
        if wish.trainer:
            base["trainer"] = wish.trainer
        if wish.configuration:
            base["configuration"] = wish.configuration
        known = {str(number) for number in range(len(raw.splits))} | {ALL}
        if set(base["folds"]) - known:
            base["folds"] = tuple(fold for fold in base["folds"] if fold in known)
            notes.append(f"The dataset has {len(raw.splits)} folds, the preset means {preset.dataset['folds']}")
        return base, notes
    if not wish.configuration:
        raise BadInput("Nothing says what to train", "", "Give --preset, or --trainer and --configuration")
    if wish.configuration not in CONFIGURATIONS:
        raise BadInput(
            f"There is no configuration {wish.configuration}", "", f"Choose one of {', '.join(CONFIGURATIONS)}"
        )
    return {"trainer": wish.trainer or trainers.names()[0], "configuration": wish.configuration}, notes


def _check_settings(trainer, settings):
    """Refuse settings before anything begins; those of nnU-Net's own trainers are looked at by the fold run."""
    if trainer not in trainers.names():
        if not re.fullmatch(r"nnUNetTrainer\w*", trainer):
            raise BadInput(f"There is no trainer {trainer}", "", f"Trainers: {', '.join(trainers.names())}")
        return
    try:
        trainers.resolve(trainer, settings)
    except trainers.SettingsWrong as error:
        raise BadInput(str(error), trainer) from error


def _check_work(work, raw):
    """Refuse a work folder inside the dataset, or one that holds another state or another place of it."""
    folder = work.resolve()
    if folder == raw.folder or raw.folder in folder.parents:
        raise BadInput("The work folder lies in the dataset", work, "Give another --work folder")
    for other in trainings_in(work):
        same = Path(other.raw).name == raw.folder.name
        if same and other.raw != str(raw.folder):
            raise BadInput(
                f"The training {other.name} there is of another dataset with the same name",
                other.raw,
                "Give another --work",
            )
        if same and other.digest != raw.digest:
            raise BadInput(
                f"The dataset has changed since the training {other.name} was made there",
                work,
                "Give another --work folder; folds of two states of a dataset do not compare",
            )


def _headers(raw):
    """Return ([(z, y, x) …], [mm …]) of the reference masks, without reading them."""
    import SimpleITK as sitk

    shapes, spacings = [], []
    for case in raw.cases:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(raw.label(case)))
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise BadInput("The reference mask cannot be read", raw.label(case), "Export the dataset again") from error
        shapes.append(tuple(reversed(reader.GetSize())))
        spacings.append(tuple(reversed(reader.GetSpacing())))
    return shapes, spacings


def _epochs_of(training):
    if "epochs" in training.settings:
        return training.settings["epochs"]
    if training.trainer in trainers.names():
        return trainers.describe(training.trainer)["settings"]["epochs"]
    return 1000


def _seen_epoch(training):
    """Return the median seconds of an epoch of a training; None when it has none yet."""
    seconds = []
    for fold in training.folds:
        path = training.output(fold) / "curves.json"
        if path.is_file():
            curves = read_json(path)
            seconds += [end - start for start, end in zip(curves["epoch_start"], curves["epoch_end"]) if start and end]
    return sorted(seconds)[len(seconds) // 2] if seconds else None
