"""The flow of an experiment: datasets, trainings, evaluations, one table; each finished step is found again."""

from dataclasses import dataclass, replace

from BreastSegLib.errors import BreastSegError, Cancelled
from BreastSegLib.pipeline.batch_lock import BatchLock

from .options import begin
from .outcome import DONE, FAILED, Outcome, earlier, figures, fingerprint, row_folder
from .prepare import dataset_plans
from .results import write_results
from .steps import Steps


@dataclass
class _Work:
    """A row under way.

    Parameters
    ----------
    row : Row
    preset : Preset
        With the options of the user.
    mark : str
        Fingerprint.
    made, training : object or None
        Of the steps.
    """

    row: object
    preset: object
    mark: str
    made: object = None
    training: object = None


def run_experiment(experiment, options, report=None, steps=None):
    """Run an experiment, or go on with it.

    Datasets of all rows are made and their trainings queued first, so that a cluster or several GPUs work at all of
    them; then each row is waited for and evaluated. A row that fails does not stop the others.

    Parameters
    ----------
    experiment : Experiment
    options : ExperimentOptions
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.
    steps : Steps, optional
        Those that do the work.

    Returns
    -------
    dict
        The content of ``results.json``.

    Raises
    ------
    BadInput
        If the folder belongs to another experiment, or another process works in it.
    Cancelled
        What was finished is found again by the next call.
    """
    report, steps = report or (lambda *_: None), steps or Steps(experiment, options)
    folder = options.folder(experiment.name)
    chosen = experiment.chosen(options.only)
    folder.mkdir(parents=True, exist_ok=True)
    lock = BatchLock(folder, "experiment")
    try:
        begin(folder, experiment.name, options)
        return _Run(experiment, options, folder, report, steps).rows(chosen)
    except (Cancelled, KeyboardInterrupt) as error:
        steps.interrupted()
        raise Cancelled("Cancelled; the same command goes on where this one ended") from error
    finally:
        lock.release()


class _Run:
    """One call of an experiment."""

    def __init__(self, experiment, options, folder, report, steps):
        self._experiment, self._options, self._folder = experiment, options, folder
        self._report, self._steps = report, steps
        self._plans = dataset_plans(experiment, options)
        self._outcomes = {row.number: earlier(row_folder(folder, row), row) for row in experiment.rows}

    def rows(self, chosen):
        """Run the rows and return the record of the results."""
        todo = [work for row in chosen if (work := self._begun(row))]
        record = self._write()
        ready = [work for work in todo if self._attempt(work, self._prepare)]
        self._steps.start()
        for work in ready:
            if self._attempt(work, self._finish):
                self._set(work, DONE)
            record = self._write()
        return self._write() if len(ready) < len(todo) else record

    def _begun(self, row):
        """Return the work of a row; None when it was finished by an earlier call."""
        preset = self._options.for_preset(row.preset)
        work = _Work(row, preset, fingerprint(row, preset, self._options))
        self._outcomes[row.number] = earlier(row_folder(self._folder, row), row, work.mark)
        return None if self._outcomes[row.number].state == DONE else work

    def _attempt(self, work, step):
        """Return whether a step was done; what went wrong is told in the row."""
        try:
            step(work)
        except Cancelled:
            raise
        except BreastSegError as error:
            self._set(work, FAILED, message=error.line)
            return False
        return True

    def _prepare(self, work):
        row = work.row
        work.made = self._steps.make_dataset(self._plans[row.number], self._told(row))
        self._note(work, samples=work.made.samples, notes=tuple(work.made.notes))
        work.training = self._steps.begin_training(row, work.preset, work.made)

    def _finish(self, work):
        row, place = work.row, row_folder(self._folder, work.row)
        self._steps.wait(work.training, self._told(row))
        self._steps.judge(row, work.preset, work.made, work.training, place, self._told(row))
        values, cases = figures(place, self._experiment.values)
        self._note(work, values=values, cases=cases)

    def _told(self, row):
        return lambda stage, done, total: self._report(f"{row.number} {row.title}: {stage}", done, total)

    def _note(self, work, **values):
        number = work.row.number
        self._outcomes[number] = replace(self._outcomes[number], **values)

    def _set(self, work, state, message=""):
        known = self._outcomes.get(work.row.number) or Outcome(work.row.number)
        outcome = replace(known, state=state, message=message, fingerprint=work.mark)
        self._outcomes[work.row.number] = outcome
        outcome.write(row_folder(self._folder, work.row))

    def _write(self):
        return write_results(self._folder, self._experiment, self._options, self._outcomes)
