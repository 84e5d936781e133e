"""What was chosen for a training, as arguments of the command ``train``, and what is missing. No Qt."""

import re
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.scene.texts import _

from ..launch import Training, estimate
from . import counted

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
PATCH = re.compile(r"[1-9]\d{0,3}([ ,x]+[1-9]\d{0,3}){1,2}")
ALL = "all"
DEVICES = ("auto", "cuda", "cpu")
CONFIGURATIONS = ("", "3d_fullres", "3d_lowres", "2d")
EXECUTORS = ("local", "slurm")
GO_ON, STOP = CLOSINGS = ("go on", "stop")


@dataclass(frozen=True)
class TrainSettings:
    """Everything that step 4 asks for.

    Parameters
    ----------
    dataset, work : str
        Folders.
    preset, name : str
    folds : tuple of str
    device : {'auto', 'cuda', 'cpu'}
    epochs, iterations, batch, checkpoint_every : int
        0 for what the preset says.
    patch, trainer, configuration, fine_tune, encoder : str
        '' for what the preset says.
    seed, workers : int
        -1 for what the preset says, and as many as are useful.
    executor : {'local', 'slurm'}
    partition : str
    hours, gpus : int
    """

    dataset: str = ""
    work: str = ""
    preset: str = ""
    name: str = ""
    folds: tuple = ()
    device: str = "auto"
    epochs: int = 0
    trainer: str = ""
    configuration: str = ""
    iterations: int = 0
    batch: int = 0
    patch: str = ""
    seed: int = -1
    workers: int = -1
    checkpoint_every: int = 0
    fine_tune: str = ""
    encoder: str = ""
    executor: str = "local"
    partition: str = ""
    hours: int = 24
    gpus: int = 1


def whatIsMissing(settings, facts):
    """Return the sentence that says what the user has to do before the training can start, or ''.

    Parameters
    ----------
    settings : TrainSettings
    facts : DatasetFacts
        Of the chosen dataset.
    """
    if not settings.dataset:
        return _("Choose a dataset, or export one in step 3.")
    if facts.problem:
        return facts.problem
    if not settings.work:
        return _("Choose the work folder, in which trainings are kept.")
    if not settings.preset:
        return _("Choose a preset.")
    if not NAME.fullmatch(settings.name):
        return _("The training's name has letters, digits, _ and - only.")
    if Training(Path(settings.work), settings.name, settings.dataset, "", "").folder.exists():
        return _("There is a training {name} already: choose another name, or resume that one below.").format(
            name=settings.name
        )
    if not settings.folds:
        return _("Tick at least one fold.")
    if settings.patch and not PATCH.fullmatch(settings.patch):
        return _("The patch size is two or three numbers, such as 96 160 160.")
    if settings.encoder and not Path(settings.encoder).is_file():
        return _("The file with the encoder's weights is not there.")
    return ""


def argumentsOf(settings):
    """Return what stands behind ``python -m BreastSegTrainingLib``."""
    arguments = ["train", settings.dataset, "--work", settings.work, "--preset", settings.preset]
    arguments += ["--name", settings.name, "--folds", *settings.folds, "--device", settings.device]
    for option, value in (
        ("--epochs", settings.epochs),
        ("--trainer", settings.trainer),
        ("--configuration", settings.configuration),
        ("--iterations", settings.iterations),
        ("--batch", settings.batch),
        ("--checkpoint-every", settings.checkpoint_every),
        ("--pretrained", settings.fine_tune),
        ("--encoder-weights", settings.encoder),
    ):
        arguments += [option, str(value)] if value else []
    arguments += ["--patch", *re.split(r"[ ,x]+", settings.patch)] if settings.patch else []
    for option, value in (("--seed", settings.seed), ("--workers", settings.workers)):
        arguments += [option, str(value)] if value >= 0 else []
    if settings.executor == "slurm":
        arguments += ["--executor", "slurm", "--hours", str(settings.hours), "--gpus", str(settings.gpus)]
        arguments += ["--partition", settings.partition] if settings.partition else []
    return [*arguments, "--detach"]


def estimateArguments(settings):
    """Return the arguments that only tell how much disk and time a training would take."""
    # A cluster cannot be measured from here.
    measured = ["--estimate"] if settings.executor == "local" else []
    return [*argumentsOf(settings)[:-1], "--dry-run", *measured]


def estimateWords(event):
    """Return the answer to `estimateArguments` as sentences."""
    disk, time = event.get("disk") or {}, event.get("time") or {}
    words = []
    if disk:
        text = _("Disk: {least} to {most}, and {free} are free.")
        if disk["most"] > disk["free"]:
            text = _("Disk: {least} to {most}, but only {free} are free.")
        sizes = {name: estimate.in_gigabytes(disk[name]) for name in ("least", "most", "free")}
        words.append(text.format(**sizes))
    if time.get("seconds") is not None:
        words.append(_("Time: about {time}.").format(time=estimate.in_words(time["seconds"])))
    elif time:
        words.append(_("Time: not known yet."))
    return " ".join([*words, *map(str, event.get("notes") or ())])


def defaultName(preset, dataset, work):
    """Return a name that no training of the work folder has, such as ``m3-unet-d101``.

    Parameters
    ----------
    preset : str
    dataset : str
        Name of the dataset, ``Dataset101_Name``.
    work : str
        '' when none is chosen.
    """
    number = re.match(r"Dataset(\d{3})_", dataset)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{preset}-d{number[1]}" if number else preset).strip("-_") or "training"
    taken = {path.name.casefold() for path in (Path(work) / "trainings").glob("*")} if work else set()
    candidate, count = name, 2
    while candidate.casefold() in taken:
        candidate, count = f"{name}-{count}", count + 1
    return candidate


def inWords(facts, settings):
    """Return a sentence about what the folds are trained on; '' while no dataset is chosen."""
    if facts.problem or not facts.cases:
        return ""
    words = _("{name}: {cases}, {channels}.").format(
        name=facts.name, cases=counted.cases(facts.cases), channels=counted.channels(len(facts.channels))
    )
    numbered = [fold for fold in settings.folds if fold != ALL]
    if numbered:
        held = max(1, round(facts.cases / facts.folds))
        words += " " + _("Each fold trains on about {train} and is tested on about {held}.").format(
            train=facts.cases - held, held=held
        )
    if ALL in settings.folds:
        words += " " + _("The fold “all” trains on all of them and has no test of its own.")
    return words
