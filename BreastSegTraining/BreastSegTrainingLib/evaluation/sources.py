"""Where the pairs of masks come from: two folders, the folds of a training, the test part of a dataset."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json

from ..dataset.layout import LABELS, SPLITS, Layout, case_of
from ..launch.training import ALL
from .reading import CHANCES, stem

REFUSE, EMPTY, LEAVE_OUT = MISSING = ("refuse", "empty", "leave-out")
PREPARED, EXAM = GRIDS = ("prepared", "exam")
GROUND_TRUTH, VALIDATION = "gt_segmentations", "validation"  # nnU-Net's folders
SHOWN = 5  # names in a sentence


@dataclass(frozen=True)
class Pair:
    """A reference mask and the prediction of it.

    Parameters
    ----------
    case : str
        Name in both folders.
    truth : str
        File of the reference mask.
    prediction : str
        File of the prediction; '' where it is missing and counts as empty.
    chances : str
        nnU-Net's file of probabilities; '' without.
    fold : int or None
        Whose validation it is from.
    record : str
        Record of the case in the dataset; '' without.
    reference : dict or None
        On the exam's grid: ``masks``, ``wanted`` and ``fixes`` of the case table, for `cases.masks.read_lesion_mask`.
    """

    case: str
    truth: str
    prediction: str
    chances: str = ""
    fold: int | None = None
    record: str = ""
    reference: dict | None = None


@dataclass(frozen=True)
class Source:
    """The pairs of an evaluation.

    Parameters
    ----------
    name : str
        Of the evaluation.
    truth, prediction : str
        Names of the folders, for the report.
    pairs : tuple of Pair
        By name.
    notes : tuple of str
        What is worth saying: predictions that are missing or belong to no case.
    dataset : Path or None
        Folder of the raw dataset.
    grid : {'prepared', 'exam'}
    """

    name: str
    truth: str
    prediction: str
    pairs: tuple
    notes: tuple = ()
    dataset: Path | None = field(default=None)
    grid: str = PREPARED


def folders(truth, prediction, missing=REFUSE, dataset=None, name=""):
    """Return the `Source` of two folders of masks with equal names.

    Parameters
    ----------
    truth, prediction : str or Path
        Any images that SimpleITK reads; their endings may differ.
    missing : {'refuse', 'empty', 'leave-out'}
        Reference masks without a prediction: refused, counted as empty predictions, or left out; told in any case.
    dataset : str or Path, optional
        Raw dataset whose cases they are: for voxel sizes that are unknown, the recipe's clean-up and the exam's grid.
    name : str
        Of the evaluation; the name of the folder of predictions when not given.

    Raises
    ------
    BadInput
        If a folder is missing or holds no masks, names are not clear, or predictions are missing.
    """
    truth, prediction = Path(truth), Path(prediction)
    masks, predictions = _masks_in(truth), _masks_in(prediction, required=missing == REFUSE)
    dataset = _dataset(dataset)
    pairs, notes = _paired(masks, predictions, missing, dataset, prediction)
    surplus = sorted(set(predictions) - set(masks))
    notes += [f"{_some(surplus)} have no reference mask and were left out."] if surplus else []
    return Source(name or prediction.name, truth.name, prediction.name, pairs, tuple(notes), dataset)


def of_test_part(dataset, prediction, missing=REFUSE, name=""):
    """Return the `Source` of a dataset's test part (``labelsTs``) and a folder of predictions of it."""
    truth = Path(dataset) / LABELS["test"]
    if not truth.is_dir():
        raise BadInput("The dataset has no test part", dataset, "Export it with --test, or give two folders")
    return replace(folders(truth, prediction, missing, dataset), name=name or Path(prediction).name)


def of_training(training, folds=None, missing=REFUSE):
    """Return the `Source` of a training's cross-validation: each fold's validation, its fold kept.

    Parameters
    ----------
    training : launch.Training
    folds : sequence of str, optional
        Without it those folds of the training that have a validation.
    missing : {'refuse', 'empty', 'leave-out'}
        See `folders`; of each fold those cases are expected that its split names.

    Raises
    ------
    BadInput
        If no fold is validated, or a fold that was asked for is not.
    """
    wanted = [str(fold) for fold in folds] if folds else list(training.folds)
    there = [fold for fold in wanted if (training.output(fold) / VALIDATION).is_dir()]
    absent = [fold for fold in wanted if fold not in there]
    if not there or (folds and absent):
        what = f"Fold {absent[0]} has no validation yet" if there else "No fold has a validation yet"
        raise BadInput(what, training.name, "A fold run ends with its validation")
    notes = [f"Folds without a validation were left out: {', '.join(absent)}."] if absent else []
    if ALL in there:
        notes.append("The fold all is validated with the cases that it was trained on.")
    dataset = Path(training.raw) if Path(training.raw).is_dir() else None
    masks, splits, pairs = _masks_in(training.preprocessed / GROUND_TRUTH), _splits(training), {}
    for fold in there:
        folder = training.output(fold) / VALIDATION
        predictions = _masks_in(folder, required=False)
        number = int(fold) if fold != ALL else None
        known = number is not None and number < len(splits)
        expected = splits[number]["val"] if known else sorted(predictions)
        strangers = [case for case in expected if case not in masks]
        if strangers:
            raise BadInput(f"The reference mask of {strangers[0]} is missing", training.preprocessed / GROUND_TRUTH)
        found, said = _paired({case: masks[case] for case in expected}, predictions, missing, dataset, folder)
        notes += [f"Fold {fold}: {text}" for text in said]
        twice = sorted({pair.case for pair in found} & set(pairs))
        if twice:
            raise BadInput(f"{twice[0]} is in the validation of two folds", training.name, "Choose one fold")
        pairs |= {pair.case: replace(pair, fold=number) for pair in found}
    names = GROUND_TRUTH, f"{training.model.name}/{VALIDATION}"
    ordered = tuple(pairs[case] for case in sorted(pairs))
    return Source(training.name, *names, ordered, tuple(notes), dataset)


def _paired(masks, predictions, missing, dataset, folder):
    """Return the pairs, and notes about predictions that are missing."""
    if missing not in MISSING:
        raise BadInput(f"Missing predictions cannot be treated as {missing!r}", hint="Choose " + ", ".join(MISSING))
    absent, notes = sorted(set(masks) - set(predictions)), []
    if absent and missing == REFUSE:
        hint = "Predict them, or count them as empty (--missing empty), or leave them out (--missing leave-out)"
        raise BadInput(f"Predictions are missing: {_some(absent)}", folder, hint)
    if absent:
        how = "count as empty" if missing == EMPTY else "are left out"
        notes.append(f"Predictions are missing and {how}: {_some(absent)}.")
    pairs = []
    for case in sorted(masks):
        if case in absent and missing == LEAVE_OUT:
            continue
        file = predictions.get(case, "")
        chances = Path(file).with_name(case + CHANCES) if file else None
        record = Layout(dataset).record(case_of(case)) if dataset else None
        pairs.append(
            Pair(
                case,
                str(masks[case]),
                str(file),
                str(chances) if chances and chances.is_file() else "",
                record=str(record) if record and record.is_file() else "",
            )
        )
    if not pairs:
        raise BadInput("There is nothing to compare", folder, "Check the folders")
    return tuple(pairs), notes


def _masks_in(folder, required=True):
    """Return {name without ending: file} of the masks in a folder."""
    if not Path(folder).is_dir():
        raise BadInput("There is no such folder", folder, "Check the path")
    found = {}
    for path in sorted(Path(folder).iterdir()):
        name = stem(path) if path.is_file() else None
        if name is None:
            continue
        if name in found:
            raise BadInput(f"Two files are called {name}: {found[name].name} and {path.name}", folder, "Move one away")
        found[name] = path
    if required and not found:
        raise BadInput("The folder holds no masks", folder, "Check the path")
    return found


def _splits(training):
    path = training.preprocessed / SPLITS
    splits = read_json(path) if path.is_file() else []
    right = isinstance(splits, list) and all(isinstance(s, dict) and isinstance(s.get("val"), list) for s in splits)
    if not right:
        raise BadInput("The division into folds is damaged", path)
    return splits


def _dataset(folder):
    if folder is None:
        return None
    if not Path(folder).is_dir():
        raise BadInput("There is no such dataset", folder, "Check the path")
    return Path(folder)


def _some(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
