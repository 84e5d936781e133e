"""What was chosen for an evaluation, as arguments of the commands, and what is missing. No Qt."""

from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.scene.texts import _

from ..dataset.layout import DESCRIPTION, ENDING, IMAGES, LABELS
from ..launch.foldstate import DONE

CROSS_VALIDATION, TEST, FOLDERS = WHAT = ("cv", "test", "folders")
GRIDS = ("prepared", "exam")
CLEANUPS = ("", "largest", "none")
EVALUATIONS, PREDICTIONS = "evaluations", "predictions"
VALIDATION = "validation"
FILE, PAGE = "evaluation.json", "evaluation.html"


@dataclass(frozen=True)
class EvaluateSettings:
    """Everything that step 5 asks for.

    Parameters
    ----------
    what : {'cv', 'test', 'folders'}
    training : Training or None
    done : tuple of str
        The training's folds that are done.
    truth, prediction : str
        Folders, for ``folders``.
    grid : {'prepared', 'exam'}
    cleanup : {'', 'largest', 'none'}
        '' for what the preset or the recipe says.
    tolerance : float
        mm.
    groups : tuple of str
    output : str
        '' for a folder of the panel's choice.
    cases, key : str
        The case table and the file that says which case of the dataset is which; '' where there is none.
    """

    what: str = CROSS_VALIDATION
    training: object = None
    done: tuple = ()
    truth: str = ""
    prediction: str = ""
    grid: str = "prepared"
    cleanup: str = ""
    tolerance: float = 1.0
    groups: tuple = ()
    output: str = ""
    cases: str = ""
    key: str = ""


def whatIsMissing(settings):
    """Return the sentence that says what the user has to do before the evaluation can start, or ''."""
    if settings.what == FOLDERS:
        for folder, empty, gone in (
            (
                settings.truth,
                _("Choose the folder with the reference masks."),
                _("The folder with the reference masks is not there."),
            ),
            (
                settings.prediction,
                _("Choose the folder with the predictions."),
                _("The folder with the predictions is not there."),
            ),
        ):
            if not folder:
                return empty
            if not Path(folder).is_dir():
                return gone
        if Path(settings.truth) == Path(settings.prediction):
            return _("Both folders are the same.")
    elif settings.training is None:
        return _("Train a model in step 4 first, or choose its work folder there.")
    elif not settings.done:
        return _("No fold of {name} is done yet.").format(name=settings.training.name)
    elif settings.what == TEST and not testCases(settings.training.raw):
        return _("The dataset of {name} has no test part.").format(name=settings.training.name)
    needsTable = settings.grid == "exam" or set(settings.groups) - {"size"}
    if needsTable and not settings.cases:
        return _("Groups and the exam's own grid need the case table: open it in step 1.")
    if needsTable and not keyOf(settings):
        return _("The key file, which says which case is which, was not found: choose it in step 3, Advanced.")
    if settings.output and Path(settings.output, FILE).exists():
        return _("That folder holds an evaluation already: choose another one.")
    return ""


def argumentsOf(settings, output):
    """Return what stands behind ``python -m BreastSegTrainingLib``; predictions of a test part lie there already."""
    arguments = ["evaluate"]
    if settings.what == CROSS_VALIDATION:
        arguments += ["--training", str(settings.training.folder)]
        if len(settings.done) < len(settings.training.folds):
            arguments += ["--folds", *settings.done]
    elif settings.what == TEST:
        arguments += ["--dataset", settings.training.raw, "--prediction", str(predictionsOf(settings.training))]
    else:
        arguments += ["--truth", settings.truth, "--prediction", settings.prediction]
        arguments += _datasetOf(settings.truth)
    if settings.what == TEST:
        arguments += ["--name", settings.training.name]
    arguments += ["--output", str(output), "--grid", settings.grid, "--tolerance", f"{settings.tolerance:g}"]
    arguments += ["--cleanup", settings.cleanup] if settings.cleanup else []
    if settings.cases and keyOf(settings):
        arguments += ["--cases", settings.cases, "--key", keyOf(settings)]
    return [*arguments, "--groups", *settings.groups] if settings.groups else arguments


def keyOf(settings):
    """Return the key file of the evaluated dataset: the chosen one, or that which the export writes; '' for none."""
    if settings.key:
        return settings.key if Path(settings.key).is_file() else ""
    if not settings.cases:
        return ""
    if settings.what == FOLDERS:
        dataset = Path(*_datasetOf(settings.truth)[1:]).name
    else:
        dataset = settings.training.dataset if settings.training else ""
    table = Path(settings.cases)
    paths = [table.with_name(f"{table.stem}.{name}.key.csv") for name in (dataset, dataset.removeprefix("Dataset"))]
    return next((str(path) for path in paths if dataset and path.is_file()), "")


def predictArguments(training):
    """Return the arguments that segment the test part of a training's dataset."""
    return ["predict", "--training", str(training.folder), "--output", str(predictionsOf(training))]


def isPredicted(training):
    """Return whether there is a prediction of every case of the test part."""
    folder = predictionsOf(training)
    return all((folder / f"{case}{ENDING}").is_file() for case in testCases(training.raw))


def predictionsOf(training):
    """Return the folder with the predictions of the test part."""
    return training.work / PREDICTIONS / training.name


def testCases(raw):
    """Return the names of the test cases of a raw dataset, sorted."""
    folder = Path(raw) / LABELS["test"]
    found = folder.glob(f"*{ENDING}") if folder.is_dir() else ()
    return sorted(path.name.removesuffix(ENDING) for path in found if not path.name.startswith("."))


def outputOf(settings):
    """Return the folder that an evaluation is written to: one that is not there yet, unless the user chose one."""
    if settings.output:
        return Path(settings.output)
    if settings.what == FOLDERS:
        folder = Path(settings.prediction)
        base = folder.parent / f"{folder.name}-evaluation"
    else:
        ending = "-test" if settings.what == TEST else ""
        base = settings.training.work / EVALUATIONS / f"{settings.training.name}{ending}"
    path, number = base, 2
    while path.exists():
        path, number = Path(f"{base}-{number}"), number + 1
    return path


@dataclass(frozen=True)
class CaseFiles:
    """Where the images and masks of an evaluated case lie.

    Parameters
    ----------
    images : tuple of Path
        Channels, in network order.
    truth, prediction : Path
    """

    images: tuple
    truth: Path
    prediction: Path

    @property
    def missing(self):
        """Path or None: the first file that is not there."""
        return next((path for path in (*self.images, self.truth, self.prediction) if not path.is_file()), None)


def placeOf(record, trainings, truth, prediction):
    """Return where the masks of an evaluation lie, see `filesOf`; None when nothing that is known here fits.

    An evaluation names folders without their paths, so that it can be given away.

    Parameters
    ----------
    record : dict
        Content of ``evaluation.json``.
    trainings : sequence of Training
    truth, prediction : str
        Folders that are chosen.
    """
    names = record.get("truth"), record.get("prediction")
    for training in trainings:
        if record.get("name") != training.name:
            continue
        if names[1] == f"{training.model.name}/{VALIDATION}":
            return {"what": CROSS_VALIDATION, "training": training}
        if names == (LABELS["test"], predictionsOf(training).name):
            return {"what": TEST, "training": training}
    if truth and prediction and names == (Path(truth).name, Path(prediction).name):
        return {"what": FOLDERS, "truth": truth, "prediction": prediction}
    return None


def filesOf(place, case, fold):
    """Return the `CaseFiles` of a case.

    Parameters
    ----------
    place : dict
        ``what``, and ``training`` (a Training), or ``truth`` and ``prediction``.
    case : str
    fold : int, str or None

    Notes
    -----
    Of two folders the images are those of the dataset that the reference masks lie in, if they do.
    """
    name = f"{case}{ENDING}"
    if place["what"] == FOLDERS:
        truth = Path(place["truth"])
        sub = {label: IMAGES[part] for part, label in LABELS.items()}.get(truth.name)
        images = _channels(truth.parent / sub, case) if sub else ()
        return CaseFiles(images, truth / name, Path(place["prediction"]) / name)
    training = place["training"]
    part = "test" if place["what"] == TEST else "train"
    raw = Path(training.raw)
    prediction = predictionsOf(training) if part == "test" else training.output(fold) / VALIDATION
    return CaseFiles(_channels(raw / IMAGES[part], case), raw / LABELS[part] / name, prediction / name)


def _datasetOf(truth):
    """Return the arguments that name the dataset in which a folder of reference masks lies, if it does."""
    folder = Path(truth)
    inside = folder.name in LABELS.values() and (folder.parent / DESCRIPTION).is_file()
    return ["--dataset", str(folder.parent)] if inside else []


def _channels(folder, case):
    return tuple(sorted(folder.glob(f"{case}_[0-9][0-9][0-9][0-9]{ENDING}"))) if folder.is_dir() else ()


def doneFolds(runs):
    """Return the folds that are done and have a validation of their own."""
    return tuple(run.fold for run in runs if run.state.state == DONE and run.fold != "all")
