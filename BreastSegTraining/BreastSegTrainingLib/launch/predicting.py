"""Predictions of a training's folds for cases of a raw dataset, made by a child process that knows nnU-Net."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.executors.binding import bound_options
from BreastSegLib.files import read_json, write_json
from BreastSegLib.inference.processtree import end_tree, start_options

from ..dataset.layout import IMAGES
from . import interpreter
from .foldstate import LOG
from .gpus import visible
from .training import ALL

TEST = "test"
FINAL = "checkpoint_final.pth"
RECORD, FORMAT = "predictions.json", "breastseg-predictions-1"
LOOK_S = 0.2


def predict(training, output, folds=(), part=TEST, device=None, probabilities=False, report=None):
    """Segment every case of a part with the mean of some folds; cases that are there already are not done again.

    Parameters
    ----------
    training : Training
    output : str or Path
        Folder for ``CASE.nii.gz``, one for each case.
    folds : sequence of str, optional
        Those that are finished when none is given.
    part : str or Path
        ``test`` for the dataset's imagesTs, ``train`` for imagesTr, or a folder with images named as nnU-Net wants it.
    device : str, optional
        That of the training when not given.
    probabilities : bool
        Write nnU-Net's ``CASE.npz`` too.
    report : callable, optional
        ``report(stage, done, total)``; what it raises ends the child.

    Returns
    -------
    dict
        ``output``, ``cases`` (names), ``folds``, ``device``.

    Raises
    ------
    BadInput
        If there is no finished fold or no image, or the folder holds predictions of something else.
    """
    folds, images, output = finished(training, folds), images_of(training, part), Path(output).resolve()
    ending = read_json(Path(training.raw) / "dataset.json")["file_ending"]
    cases = _cases(images, ending)
    output.mkdir(parents=True, exist_ok=True)
    _claim(training, folds, images, output)
    device = device or training.device
    with tempfile.TemporaryDirectory() as room:
        request, answer = Path(room, "request.json"), Path(room, "answer.json")
        asked = {"folds": list(folds), "images": str(images), "cases": cases, "output": str(output)}
        write_json(request, {**asked, "device": device, "probabilities": probabilities, "answer": str(answer)})
        _run(training, request, output, cases, ending, report)
        told = read_json(answer) if answer.is_file() else {}
    if "message" in told or "device" not in told:
        where = training.folder / LOG
        raise BadInput(
            told.get("message", "The process that predicts has ended without a word"),
            where,
            told.get("hint", "See the log"),
        )
    return {"output": str(output), "cases": cases, "folds": list(folds), "device": told["device"]}


def finished(training, folds=()):
    """Return the folds that are named, or all that are finished.

    Raises
    ------
    BadInput
        If one has no final checkpoint, or none has.
    """
    wanted = tuple(str(fold) for fold in folds) or training.folds
    there = tuple(fold for fold in wanted if (training.output(fold) / FINAL).is_file())
    missing = sorted(set(wanted) - set(there))
    if folds and missing:
        raise BadInput(f"Fold {missing[0]} is not trained to its end", training.name, "See the command status")
    if not there:
        raise BadInput("No fold is trained to its end", training.name, "See the command status")
    numbered = tuple(fold for fold in there if fold != ALL)
    return there if folds else numbered or there  # the mean is that of the cross-validation


def images_of(training, part):
    """Return the folder with the images of a part."""
    folder = Path(training.raw) / IMAGES[part] if part in IMAGES else Path(part).resolve()
    if not folder.is_dir():
        hint = "Export the dataset with --test" if part == TEST else "Give a folder of images"
        raise BadInput("There is no such folder of images", folder, hint)
    return folder


def _cases(images, ending):
    names = sorted(path.name for path in images.iterdir() if path.name.endswith(f"_0000{ending}"))
    cases = [name.removesuffix(f"_0000{ending}") for name in names if not name.startswith(".")]
    if not cases:
        raise BadInput(
            f"No image there is named as nnU-Net wants it (CASE_0000{ending})",
            images,
            "Export the dataset with --test",
        )
    return cases


def _claim(training, folds, images, output):
    """Refuse a folder with predictions of other weights or images; remember whose this one is."""
    weights = {}
    for fold in folds:
        state = (training.output(fold) / FINAL).stat()
        weights[fold] = [state.st_size, state.st_mtime_ns]
    record = {"format": FORMAT, "training": training.name, "weights": weights, "images": str(images)}
    path = output / RECORD
    if path.is_file():
        if read_json(path) != record:
            raise BadInput("The folder holds predictions of other weights or images", output, "Give another --output")
    elif any(output.iterdir()):
        raise BadInput("The folder holds other files", output, "Give an empty folder")
    else:
        write_json(path, record)


def _run(training, request, output, cases, ending, report):
    environment = {**os.environ, **interpreter.environment(), **training.environment()}
    if training.devices:
        environment["CUDA_VISIBLE_DEVICES"] = visible(training.devices[0], os.environ)
    with open(training.folder / LOG, "ab") as log:
        child = subprocess.Popen(
            interpreter.command("process", "predict", training.folder, "--request", request),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            **start_options(),
            **bound_options(),
        )
        try:
            while child.poll() is None:
                if report is not None:
                    done = sum((output / f"{case}{ending}").is_file() for case in cases)
                    report("Predicting", done, len(cases))
                time.sleep(LOOK_S)
        finally:
            end_tree(child)
