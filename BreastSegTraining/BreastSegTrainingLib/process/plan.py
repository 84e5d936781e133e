"""Plans and preprocesses for a training with nnU-Net's own code, once for all trainings that need the same data."""

import json
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from BreastSegLib.errors import BadInput, BreastSegError
from BreastSegLib.files import read_json, write_error, write_json

from ..dataset.layout import DESCRIPTION, SPLITS
from ..launch.exits import TOLD
from ..launch.rawdata import check_unchanged, read_raw
from .locking import locked
from .plans import adapted, data_identifier

FINGERPRINT, TRUTH, STATE = "dataset_fingerprint.json", "gt_segmentations", "breastseg_data.json"
PART = ".part-"
AUGMENTING = "nnUNet_n_proc_DA"


def run(training):
    """Plan and preprocess for a training; an exit code."""
    try:
        prepare(training)
    except BreastSegError as error:
        sys.stderr.write(f"Error: {error.line}\n")
        return TOLD
    return 0


def prepare(training, tell=lambda stage, **values: None):
    """Make sure that plans and preprocessed data of a training are there, and whole.

    What another training of the dataset has made is used; two processes never make the same at once.

    Parameters
    ----------
    training : Training
    tell : callable
        ``tell(stage, message=…)``: planning or preprocessing, and how far it is.

    Returns
    -------
    dict
        The plans.

    Raises
    ------
    BadInput
        If the dataset has changed, the configuration cannot be planned, or the disk is full.
    """
    check_unchanged(training)
    folder = training.preprocessed
    with locked(folder, lambda why: tell("planning", message=f"Waits: {why}")):
        check_unchanged(training)
        raw = read_raw(training.raw)
        try:
            _share(raw, folder)
            tell("planning", message="")
            plans = _plan(training, raw)
            _preprocess(training, raw, plans, tell)
        except OSError as error:
            raise write_error(error, folder) from error
    tell("preprocessing", message="")
    return plans


def _share(raw, folder):
    """Copy what nnU-Net reads of the raw dataset, and remember which state of it that was."""
    record = read_json(folder / STATE) if (folder / STATE).is_file() else None
    if record is not None and record.get("digest") != raw.digest:
        raise BadInput(
            "The preprocessed data are of an earlier state of the dataset",
            folder,
            "Give another --work folder, or remove this one when no training needs it any more",
        )
    if record is None:
        (folder / FINGERPRINT).unlink(missing_ok=True)  # of an unknown state
    truth = folder / TRUTH
    truth.mkdir(exist_ok=True)
    for case in raw.cases:
        source = raw.label(case)
        target = truth / source.name
        if not target.is_file() or target.stat().st_size != source.stat().st_size:
            _copy(source, target)
    _copy(raw.folder / DESCRIPTION, folder / DESCRIPTION)
    if raw.splits:
        _copy(raw.folder / SPLITS, folder / SPLITS)
    write_json(folder / STATE, {"format": "breastseg-preprocessed-1", "digest": raw.digest}, overwrite=True)


def _copy(source, target):
    part = target.with_name(PART + target.name)
    shutil.copyfile(source, part)
    os.replace(part, target)


def _plan(training, raw):
    """Return the plans of a training, made at the first call."""
    path = training.preprocessed / f"{training.plans}.json"
    if path.is_file():
        return read_json(path)
    if not (training.preprocessed / FINGERPRINT).is_file():
        from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

        extractor = DatasetFingerprintExtractor(training.dataset, max(1, training.workers))
        extractor.show_progress_bar = False
        extractor.run(overwrite_existing=True)
    plans = adapted(_planned(training), training, raw)
    table = plans["configurations"][training.configuration]
    table["data_identifier"] = data_identifier(plans, training.configuration)
    plans["breastseg"] = dict(training.settings)
    write_json(path, plans)
    return plans


def _planned(training):
    """Return nnU-Net's own plans of a dataset."""
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
    from nnunetv2.utilities.json_export import recursive_fix_for_json_export

    class Planner(ExperimentPlanner):
        """Keeps the plans to itself: the file appears when they are complete."""

        def save_plans(self, plans):
            recursive_fix_for_json_export(plans)
            plans["experiment_planner_used"] = ExperimentPlanner.__name__
            self.kept = json.loads(json.dumps(plans))  # as a file gives them back

    spacing = training.plan.get("spacing")
    target = None
    if spacing:
        # Of a 2D network nnU-Net takes the last two; the largest, which is not resampled, it moves to the front.
        target = [float(value) for value in (spacing if len(spacing) == 3 else [max(spacing), *spacing])]
    # Single images keep their axes, however thick their one slice claims to be.
    shapes = read_json(training.preprocessed / FINGERPRINT)["shapes_after_crop"]
    planner = Planner(
        training.dataset,
        plans_name=training.plans,
        overwrite_target_spacing=target,
        suppress_transpose=all(shape[0] == 1 for shape in shapes),
    )
    augmenting = os.environ.get(AUGMENTING, "")
    os.environ[AUGMENTING] = str(max(1, training.workers))  # it takes them for threads, of which 0 are wrong
    try:
        planner.plan_experiment()
    finally:
        os.environ[AUGMENTING] = augmenting
    return planner.kept


def _preprocess(training, raw, plans, tell):
    """Preprocess every case into a folder that takes its name when all are there."""
    identifier = plans["configurations"][training.configuration]["data_identifier"]
    target = training.preprocessed / identifier
    if target.is_dir():
        return
    part = training.preprocessed / (PART + identifier)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    tell("preprocessing", message=f"0 of {len(raw.cases)} cases")
    work = [(case, part, raw.images(case), raw.label(case)) for case in raw.cases]
    for done, _ in enumerate(_each(training, plans, work), start=1):
        tell("preprocessing", message=f"{done} of {len(raw.cases)} cases")
    os.replace(part, target)


def _each(training, plans, work):
    if training.workers < 2:
        for case in work:
            yield _one(plans, training.configuration, *case)
        return
    with ProcessPoolExecutor(training.workers, mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(_one, plans, training.configuration, *case) for case in work]
        try:
            for task in as_completed(tasks):
                yield task.result()
        except BrokenProcessPool as error:
            raise BadInput(
                "A process that preprocesses was ended, perhaps because the computer's memory ran out",
                training.name,
                "Resume with fewer --workers",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _one(plans, configuration, case, folder, images, label):
    """Preprocess one case."""
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    description = read_json(folder.parent / DESCRIPTION)
    paths = [str(path) for path in images]
    preprocessor = DefaultPreprocessor(verbose=False)
    preprocessor.run_case_save(
        str(folder / case), paths, str(label), manager, manager.get_configuration(configuration), description
    )
    return case
