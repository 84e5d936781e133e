"""The steps of a row: dataset, training, waiting, evaluation. Each finds what an earlier call has finished of it."""

import time
from dataclasses import replace

from BreastSegLib.errors import BadInput

from .. import launch
from ..cases import CaseTable
from ..dataset.names import read_key
from ..evaluation.cleanup import NONE, OF_RECIPE
from ..evaluation.evaluating import EvaluationWish, measured, run_evaluation
from ..evaluation.groups import SIZE
from ..evaluation.measures import MeasureOptions
from ..evaluation.run import EvaluationOptions
from ..evaluation.sources import of_test_part, of_training
from ..evaluation.summary import Judging
from .experiment import TEST
from .outcome import JUDGED
from .prepare import make_dataset

LOCAL = "local"
OPEN, DONE = ("queued", "running"), "done"
LOOK_S = 0.5
STARTED_AGAIN_S = 20.0  # somebody may have ended the process that works at the queue
PREDICTED = "predicted"
SAME = ("raw", "configuration", "trainer", "folds", "plan", "settings")  # else it is another training
MAY_CHANGE = ("device", "devices", "workers", "executor", "resources")


class Steps:
    """The work behind the rows of an experiment.

    Parameters
    ----------
    experiment : Experiment
    options : ExperimentOptions
    """

    def __init__(self, experiment, options):
        self._experiment, self._options = experiment, options
        self._names = []

    def make_dataset(self, plan, report):
        """Return the dataset of a row, `prepare.Made`."""
        return make_dataset(plan, self._options, report)

    def begin_training(self, row, preset, made):
        """Return the training of a row with its fold runs queued, as far as they are not done."""
        options, name = self._options, f"{self._experiment.name}-{row.number}"
        fields = {key: getattr(options, key) for key in MAY_CHANGE}
        training = next((one for one in launch.trainings_in(options.work) if one.name == name), None)
        if training is None:
            training, raw, _ = launch.make(self._wish(name, preset, made, fields))
            launch.check_disk(training, launch.expected_disk(training, raw))
            training.write()
        else:
            self._check_same(training, preset, made)
            if any(_plain(getattr(training, key)) != _plain(value) for key, value in fields.items()):
                training = training.changed(**fields)
                training.write(overwrite=True)
        states = {fold: launch.state_of(training, fold) for fold in training.folds}
        launch.enqueue(training, [fold for fold, state in states.items() if not _is_under_way(state)])
        self._names.append(name)
        return training

    def start(self):
        """Get the queue going."""
        if self._names:
            launch.start(self._options.work)

    def interrupted(self):
        """Ask the trainings of this computer to stop after their epoch; those of a cluster go on."""
        if self._names and self._options.executor == LOCAL:
            launch.stop(self._options.work, self._names)

    def wait(self, training, report):
        """Wait until every fold run of a training is over.

        Raises
        ------
        BadInput
            If one was stopped or has failed.
        """
        rows = self._until_over(training, report)
        wrong = next((row for row in rows if row["state"] != DONE), None)
        if wrong is not None:
            raise BadInput(f"Fold {wrong['fold']} {wrong['state']}: {wrong['message']}", training.name, wrong["hint"])

    def judge(self, row, preset, made, training, folder, report):
        """Evaluate the training of a row into its folder."""
        if row.part == TEST:
            launch.predict(training, folder / PREDICTED, training.folds, report=report)
            source = of_test_part(made.raw, folder / PREDICTED)
        else:
            source = of_training(training, training.folds)
        table, key = CaseTable.read(made.plan.table), read_key(made.plan.key)
        wish = _wish_of(preset.evaluation, table, self._options.workers)
        source = replace(source, name=f"{self._experiment.name}, {row.number}: {row.title}")
        run_evaluation(folder / JUDGED, source, wish, table, key, overwrite=True, report=report)

    def _wish(self, name, preset, made, fields):
        return launch.Wish(
            raw=str(made.raw),
            work=str(self._options.work),
            preset=preset.name,
            trainer=preset.trainer,
            configuration=preset.configuration,
            name=name,
            folds=preset.folds,
            plan=preset.plan,
            settings=preset.settings,
            values=fields,
        )

    def _check_same(self, training, preset, made):
        wanted = {**preset.training_values(), "raw": str(made.raw.resolve())}
        other = next((key for key in SAME if _plain(getattr(training, key)) != _plain(wanted[key])), None)
        if other:
            raise BadInput(
                f"The training {training.name} was made with other {other}",
                training.folder,
                "Give another --work folder",
            )

    def _until_over(self, training, report):
        started = time.monotonic()
        while True:
            rows = [row for row in launch.rows(self._options.work) if row["training"] == training.name]
            if not any(row["state"] in OPEN for row in rows):
                return rows
            done, total = sum(row["epoch"] for row in rows), sum(row["epochs"] for row in rows)
            running = [row["fold"] for row in rows if row["state"] == "running"]
            report(f"training fold {' '.join(running)}" if running else "waiting for the queue", done, total)
            if time.monotonic() - started > STARTED_AGAIN_S:
                launch.start(self._options.work)
                started = time.monotonic()
            time.sleep(LOOK_S)


def _wish_of(evaluation, table, workers):
    """Return what the preset says of its evaluation."""
    there = {column for case in table for column in case.values}
    groups = tuple(name for name in evaluation["groups"] if name in there)
    shown = tuple(evaluation["measures"])
    measure = MeasureOptions(measures=measured(shown, challenge=True), empty=evaluation["empty"])
    options = EvaluationOptions(measure, cleanup=OF_RECIPE if evaluation["cleanup"] else NONE)
    judging = Judging((*groups, SIZE), (), evaluation["bands"], evaluation["image_level"], shown)
    return EvaluationWish(options, judging, workers=max(1, workers))


def _is_under_way(state):
    return state is not None and state.state in (*OPEN, DONE)


def _plain(value):
    """Return a value with lists for tuples, as JSON gives it back."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value
