"""Publishes a training: its model is made whole, looked through, packed and put in place, or nothing happens."""

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import check_output, whole_file, write_json
from BreastSegLib.models.archive import CHECKPOINTS, FINGERPRINT
from BreastSegLib.models.card import CHECKPOINT, check_name, write_card
from BreastSegLib.models.install import check_new_name
from BreastSegLib.models.library import RECIPE, open_model
from BreastSegLib.models.place import library_folder
from BreastSegLib.models.plans import check_network
from BreastSegLib.models.vetting import check_checkpoints
from BreastSegLib.models.workroom import library_lock, put_in_place, workroom

from ..launch.foldstate import DONE, FoldState
from ..launch.rawdata import check_unchanged, read_raw
from .card import card_of, labels_of, recipe_of, training_record
from .child import ask
from .data import summarise
from .leaks import leaks_in
from .packing import pack
from .texts import published_dataset, published_fingerprint, published_plans
from .validation import from_evaluation, from_validation

TRAINERS = "trainers"
KINDS = {name.removeprefix("checkpoint_").removesuffix(".pth"): name for name in CHECKPOINTS}


@dataclass(frozen=True)
class PublishOptions:
    """How a training is published.

    Parameters
    ----------
    name : str
        Of the model, in the library and in its card.
    licence : str
        Under which others may use it; has to be said.
    title, description, citation : str
    folds : tuple of str
        Empty: all of the training, which then have to be done.
    checkpoint : {'checkpoint_final.pth', 'checkpoint_best.pth'}
    evaluation : str or Path, optional
        evaluation.json of the cross-validation.
    cases : CaseTable, optional
    key : str or Path, optional
        Of the dataset; case table and key tell the numbers of patients and centres.
    labels : dict of str to str
        Terminology by name of the label.
    zip : str or Path, optional
    library : bool
        Put it into the model library.
    replace : bool
        Replace a model, and a zip, of the same name.
    """

    name: str
    licence: str
    title: str = ""
    description: str = ""
    citation: str = ""
    folds: tuple = ()
    checkpoint: str = CHECKPOINT
    evaluation: object = None
    cases: object = None
    key: object = None
    labels: dict = field(default_factory=dict)
    zip: object = None
    library: bool = True
    replace: bool = False

    def __post_init__(self):
        check_name(self.name)
        if not self.licence.strip():
            raise BadInput("The model has no licence", "--licence", "Say under which licence others may use it")
        if self.checkpoint not in CHECKPOINTS:
            raise BadInput(f"There is no checkpoint {self.checkpoint}", "", f"Choose {' or '.join(KINDS)}")
        if not self.library and not self.zip:
            raise BadInput("There is nowhere to publish to", "--no-library", "Give a --zip file")


@dataclass(frozen=True)
class Published:
    """What came of it.

    Parameters
    ----------
    card : dict
    folder : Path or None
        In the model library.
    zip : Path or None
    notes : tuple of str
    """

    card: dict
    folder: Path | None = None
    zip: Path | None = None
    notes: tuple = ()


def publish(training, options, report=None, library=None):
    """Publish a training to the model library, to a zip, or to both.

    Parameters
    ----------
    training : Training
    options : PublishOptions
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.
    library : str or Path, optional
        Another folder than the user's model library.

    Returns
    -------
    Published

    Raises
    ------
    BadInput
        If a fold is not done, the dataset has changed, the name is taken, the weights do not fit the plans, or
        something in the model would tell of a patient or of this computer. Nothing is left behind then.
    """
    library = library_folder() if library is None else Path(library)
    zipped = check_output(_as_zip(options.zip), options.replace) if options.zip else None
    if options.library:
        check_new_name(options.name, library, options.replace)
    folds = check_folds(training, options)
    check_unchanged(training)
    notes = []
    with ExitStack() as stack:
        room = stack.enter_context(_room(options, library, zipped))
        folder = room / "ready" / options.name
        card = _make(training, options, folds, folder, report, notes)
        if zipped is not None:
            # The zip takes its name last of all: when the library refuses the model, there is no zip either.
            part = stack.enter_context(whole_file(zipped, options.replace))
            names = (training.dataset, card["training"]["inference_trainer"], training.plans, training.configuration)
            pack(folder, part, *names, report)
        if options.library:
            with library_lock(library):
                check_new_name(options.name, library, options.replace)
                folder = put_in_place(room, folder, library, options.replace)
    if options.library:
        open_model(folder, verify=False)
    return Published(card, folder if options.library else None, zipped, tuple(notes))


def check_folds(training, options):
    """Return the folds to publish.

    Raises
    ------
    BadInput
        If one is unknown, is not done, or has no checkpoint.
    """
    unknown = [fold for fold in options.folds if fold not in training.folds]
    if unknown:
        known = ", ".join(training.folds)
        raise BadInput(f"The training has no fold {unknown[0]}", training.name, f"It has {known}")
    folds = tuple(fold for fold in training.folds if fold in options.folds) or training.folds
    done = [fold for fold in training.folds if _is_done(training, fold)]
    missing = [fold for fold in folds if fold not in done]
    if missing:
        hint = f"Publish those that are: --folds {' '.join(done)}" if done else "Finish the training first"
        raise BadInput(f"Fold {', '.join(missing)} of the training is not done", training.name, hint)
    lost = [fold for fold in folds if not (training.output(fold) / options.checkpoint).is_file()]
    if lost:
        raise BadInput(f"Fold {lost[0]} has no {options.checkpoint}", training.output(lost[0]))
    return folds


def _is_done(training, fold):
    """Return whether a fold has been trained to its end; nnU-Net writes the final checkpoint then."""
    state = FoldState.read(training.fold_folder(fold))
    final = (training.output(fold) / CHECKPOINT).is_file()
    return final and (state is None or state.state == DONE)


def _room(options, library, zipped):
    """Give the folder that the model is made in: on the disk where it will lie."""
    if options.library:
        return workroom(library)
    zipped.parent.mkdir(parents=True, exist_ok=True)
    return _Temporary(prefix=".making-", dir=zipped.parent)


class _Temporary(tempfile.TemporaryDirectory):
    """A temporary folder that is given as a Path."""

    def __enter__(self):
        return Path(super().__enter__())


def _as_zip(path):
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise BadInput("The name of the zip does not end in .zip", path)
    return path


def _make(training, options, folds, folder, report, notes):
    """Make the finished model folder; return its card."""
    raw = read_raw(training.raw)
    recipe, own = recipe_of(raw, training)
    folder.mkdir(parents=True)
    write_json(folder / "plans.json", published_plans(training.model / "plans.json", training.configuration))
    write_json(folder / "dataset.json", published_dataset(training.model / "dataset.json", options.licence))
    fingerprint = published_fingerprint(training.model / FINGERPRINT)
    if fingerprint is None:
        notes.append(f"The training has no whole {FINGERPRINT}: exams are compared with its medians, not its ranges.")
    else:
        write_json(folder / FINGERPRINT, fingerprint)
    if own is not None:
        shutil.copyfile(own, folder / RECIPE)
    request = {"model": str(training.model), "output": str(folder), "configuration": training.configuration}
    request |= {"folds": list(folds), "checkpoint": options.checkpoint}
    told = ask("slim", request, report, training.environment())
    _add_trainers(training, told, folder, notes)
    network = check_network(folder, training.configuration)
    data = summarise(raw, options.cases, options.key, network.dimension)
    validation = from_evaluation(options.evaluation) if options.evaluation else from_validation(training.model, folds)
    notes += _notes(validation, folds, training)
    record = training_record(training, folds, told, data, validation, options.checkpoint)
    labels = labels_of(folder, training.configuration, options.labels)
    write_card(folder, card_of(options, recipe, labels, record, training.configuration), overwrite=False)
    check_checkpoints(folder, [f"fold_{fold}/{options.checkpoint}" for fold in folds], training.model)
    _check_leaks(training, raw, folder)
    return open_model(folder).card


def _add_trainers(training, told, folder, notes):
    """Lay the trainers beside a network of our own: with them it runs in nnU-Net without this extension."""
    if told["own_network"]:
        from ..trainers import copy_to

        copy_to(folder / TRAINERS)
        notes.append(f"For inference with nnU-Net alone, set nnUNet_extTrainer to the folder {TRAINERS} of the model.")
    elif told["trainer"] != "nnUNetTrainer":
        notes.append(f"Whoever uses the model needs the trainer {told['trainer']} of the training.")


def _notes(validation, folds, training):
    if validation is None:
        return ["The card holds no figures of the cross-validation: nothing was validated or evaluated."]
    left_out = [fold for fold in training.folds if fold not in folds]
    return [f"Without fold {', '.join(left_out)}."] if left_out else []


def _check_leaks(training, raw, folder):
    cases = {name for name in raw.cases if any(map(str.isdigit, name))}  # a word could stand anywhere
    found = leaks_in(folder, {str(raw.folder), str(training.work), str(Path.home()), *cases})
    if found:
        raise BadInput(
            f"The model would tell what must not leave this computer: {found[0]}",
            training.name,
            "Correct the description, title or recipe that says so",
        )
