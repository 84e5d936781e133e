"""A case table and a recipe make an nnU-Net dataset: incremental, in several processes, resumable."""

import shutil
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import write_error, write_json
from BreastSegLib.pipeline.batch_lock import BatchLock
from BreastSegLib.recipe import load_recipe

from ..cases.views import wanted_view
from ..parallel import each
from .casefiles import CaseJob, export_case
from .description import describe_dataset, describe_split
from .fingerprint import fingerprint
from .layout import RECIPE, SPLIT_RECORD, SPLITS, Layout, check_dataset_name, full_name
from .names import PATIENTS, give_names, read_key, write_key
from .split import SplitOptions, divide, leakage, splits_final

STAGE = "Exporting"
KEY_EVERY_S = 2.0  # how often the key says what is finished


@dataclass(frozen=True)
class ExportOptions:
    """How a table becomes a dataset.

    Parameters
    ----------
    recipe : str
        Name or file.
    output : str or Path
        Folder of nnU-Net's raw datasets.
    dataset : str
        ``101_Name`` or ``Dataset101_Name``.
    key : str or Path
        The key file; it must not lie in the dataset.
    names : str
        ``patients``, or a prefix (`names.give_names`).
    split : SplitOptions
    licence, reference, description : str
        For dataset.json.
    workers : int or None
    remove : bool
        Take cases out of the dataset that the table does not select any more.
    resplit : bool
        Divide all patients anew.
    """

    recipe: str
    output: object
    dataset: str
    key: object
    names: str = PATIENTS
    split: SplitOptions = field(default_factory=SplitOptions)
    licence: str = ""
    reference: str = ""
    description: str = ""
    workers: int | None = None
    remove: bool = False
    resplit: bool = False


@dataclass
class ExportResult:
    """What an export did.

    Parameters
    ----------
    folder : Path
        Of the dataset.
    written, unchanged, moved, removed : int
        Cases.
    failed : list of (str, str)
        Case and why.
    training, test, folds : int
        Samples of each part, and the number of folds.
    notes : list of str
    """

    folder: Path
    written: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    failed: list = field(default_factory=list)
    training: int = 0
    test: int = 0
    folds: int = 0
    notes: list = field(default_factory=list)


def export(table, options, report=None):
    """Export the selected cases of a table.

    What the dataset holds already and has not changed is left alone. A case counts once its record is there, which
    takes its name after all files of the case have; ``dataset.json``, which nnU-Net needs, is there only while the
    dataset is whole. So an export can be ended at any time, and the same call goes on.

    Parameters
    ----------
    table : CaseTable
        Checked: cases that are refused must have been left out (`selectable`).
    options : ExportOptions
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    ExportResult

    Raises
    ------
    BadInput
        If options, key and dataset do not fit each other, a patient would be in training and test, or the disk is full
        or cannot be written.
    """
    report = report or (lambda *_: None)
    folder = Path(options.output).absolute() / full_name(options.dataset)
    check_dataset_name(options.dataset)
    with _alone_in(folder):
        plan = _Plan(table, options)
        plan.check()
        report(STAGE, 0, len(plan.rows))
        return _Export(plan, report).run()


def selectable(table):
    """Return the table of the cases that go into a dataset: selected, and found right by the check."""
    return table.replace(case for case in table if case.selected and case.get("status") == "ok")


@contextmanager
def _alone_in(folder):
    """Let no other export work in a dataset while the block runs; a folder that stays empty is removed again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder) from error
    lock = BatchLock(folder, "export")
    try:
        yield
    finally:
        lock.release()
        if not any(folder.iterdir()):
            folder.rmdir()


class _Plan:
    """What is to be exported: names, parts and folds, before anything is written."""

    def __init__(self, table, options):
        self.table, self.options = table, options
        self.recipe = load_recipe(options.recipe)
        self.layout = Layout(Path(options.output).absolute() / full_name(options.dataset))
        self.key_path = Path(options.key).absolute()
        if not len(table):
            raise BadInput(
                "No case of the table is selected and checked", hint="Check the table and its selection first"
            )
        if self.key_path.is_relative_to(self.layout.folder):
            raise BadInput("The key file lies in the dataset", self.key_path, "Keep it elsewhere: it says who is who")
        self.before = read_key(self.key_path)
        self.rows = give_names(table.cases, self.before, options.names)
        kept = {} if options.resplit else {r.patient: (r.part, r.fold) for r in self.before if r.part and r.case}
        self.split = divide(table.cases, options.split, kept)
        placed = zip(self.rows, self.split.parts, self.split.folds)
        self.rows = [replace(row, part=part, fold=fold) for row, part, fold in placed]
        self.files = self.layout.files_of()
        self.jobs = [self._job(case, row) for case, row in zip(table.cases, self.rows)]
        mine = {row.name for row in self.rows}
        known = {row.name for row in self.before}
        self.stale = sorted((set(self.layout.names()) | (set(self.files) & known)) - mine)

    def check(self):
        """Refuse what would lose or mix up something."""
        found = leakage([row.patient for row in self.rows], self.split.parts, self.split.folds)
        if found:
            raise BadInput(found[0], hint="Correct the column patient or split")
        names = self.layout.names()
        if names and not self.before:
            what = "The dataset has cases, and the key file that says which they are is missing"
            raise BadInput(what, self.key_path, "Give --key, or another dataset")
        known = {row.name for row in self.before}
        foreign = sorted(set(self.files) - known)
        if foreign:
            what = f"The dataset holds images that no export of this table wrote: {', '.join(foreign[:3])}"
            raise BadInput(what, self.layout.folder, "Give another dataset")
        if self.stale and not self.options.remove:
            shown = ", ".join(self.stale[:5]) + (" …" if len(self.stale) > 5 else "")
            what = f"The dataset has {len(self.stale)} cases that the table does not select: {shown}"
            raise BadInput(what, self.layout.folder, "Give --remove to take them out")

    def _job(self, case, row):
        masks = tuple(str(path) for path in self.table.mask_paths(case))
        try:
            source = self.table.source(case)
        except BadInput as error:
            source = {"problem": error.line}
        return CaseJob(
            str(self.layout.folder),
            row.name,
            case.name,
            row.part,
            self.options.recipe,
            source,
            masks,
            tuple(case.parts("label")),
            tuple(case.parts("fixes")),
            wanted_view(case),
            tuple(str(path) for path in self.files.get(row.name, ())),
        )


class _Export:
    """The work of one export."""

    def __init__(self, plan, report):
        self.plan, self.layout, self._report = plan, plan.layout, report
        self.result = ExportResult(plan.layout.folder, folds=plan.options.split.folds, notes=list(plan.split.notes))
        self.rows = {row.name: row for row in plan.rows}
        self.before = {row.name: row for row in plan.before}
        self.records = {}
        self._key_at = 0.0

    def run(self):
        """Do everything and return the `ExportResult`."""
        todo = self._begin()
        prints = {job.name: print_ for job, print_ in todo}
        jobs = [job for job, _ in todo]
        try:
            progress = self._progress(len(jobs))
            with closing(each(export_case, jobs, self.plan.options.workers, progress, STAGE)) as outcomes:
                for outcome in outcomes:
                    self._take(jobs[outcome.index], outcome, prints)
        finally:
            self._write_key(now=True)
        self._finish()
        return self.result

    def _begin(self):
        """Sort out what is there already; return what has to be written, with its fingerprint."""
        self.layout.sweep()
        todo = []
        for job in self.plan.jobs:
            if "problem" in job.source:
                self.result.failed.append((job.case, job.source["problem"]))
                continue
            print_ = fingerprint(job, self.plan.recipe.hash)
            record = self.layout.read_record(job.name)
            same = record and self.before.get(job.name) and self.before[job.name].fingerprint == print_
            if not same:
                todo.append((job, print_))
                continue
            self.rows[job.name] = replace(self.rows[job.name], fingerprint=print_)
            self.records[job.name] = _brief(record)
        moving = [name for name, record in self.records.items() if record["part"] != self.rows[name].part]
        self.result.unchanged = len(self.records) - len(moving)
        if todo or moving or self.plan.stale or self.result.failed:
            self._drop_description()
        self._write_key(now=True)  # names are given for good before a file bears them
        for name in moving:
            self.records[name] = _brief(self.layout.move(name, self.rows[name].part))
        self.result.moved = len(moving)
        for name in self.plan.stale:
            self.layout.remove(name, self.plan.files.get(name, ()))
        self.result.removed = len(self.plan.stale)
        return todo

    def _take(self, job, outcome, prints):
        if outcome.error is not None:
            self.layout.remove(job.name, map(Path, job.before))  # what an earlier export wrote is out of date
            self.result.failed.append((job.case, outcome.error.line))
            if "disk is full" in outcome.error.what:
                raise outcome.error
            return
        self.records[job.name] = _brief(outcome.result["record"])
        self.result.notes += outcome.result["notes"]
        self.result.written += 1
        self.rows[job.name] = replace(self.rows[job.name], fingerprint=prints[job.name])
        self._write_key()

    def _check_pixels(self, rows):
        """Refuse the same image in training and test or in several folds: it belongs to one patient, or is wrong."""
        pixels = ["".join(sample["pixels"] for sample in self.records[row.name]["samples"]) for row in rows]
        found = leakage((), [row.part for row in rows], [row.fold for row in rows], pixels)
        if found:
            first = {}
            pair = next(
                (first[p], row.case) for row, p in zip(rows, pixels) if first.setdefault(p, row.case) != row.case
            )
            hint = "Leave one of them out, or give both the same patient"
            raise BadInput(found[0], f"for one, cases {pair[0]} and {pair[1]}", hint)

    def _progress(self, count):
        done_before = len(self.plan.jobs) - count
        return lambda stage, done, total: self._report(stage, done + done_before, total + done_before)

    def _write_key(self, now=False):
        if now or time.monotonic() - self._key_at > KEY_EVERY_S:
            gone = [row for row in self.plan.before if row.name not in self.rows]
            # Names of cases that are not exported now stay taken, and their patients keep their place.
            named = {row.case for row in self.rows.values()}
            gone = [replace(row, case="" if row.case in named else row.case, fingerprint="") for row in gone]
            write_key(self.plan.key_path, [*self.rows.values(), *gone])
            self._key_at = time.monotonic()

    def _drop_description(self):
        try:
            self.layout.description.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(error, self.layout.description) from error

    def _finish(self):
        """Write what makes a dataset of the cases."""
        order = [name for name in self.rows if name in self.records]
        if not order:
            raise BadInput("No case could be exported", hint=f"The first: {self.result.failed[0][1]}")
        rows = [self.rows[name] for name in order]
        samples = [[sample["name"] for sample in self.records[name]["samples"]] for name in order]
        parts, folds = [row.part for row in rows], [row.fold for row in rows]
        self._check_pixels(rows)
        self.result.training = sum(len(s) for s, part in zip(samples, parts) if part == "train")
        self.result.test = sum(len(s) for s, part in zip(samples, parts) if part == "test")
        strata = dict(zip((row.name for row in self.plan.rows), self.plan.split.strata))
        split = replace(self.plan.split, parts=parts, folds=folds, strata=[strata[name] for name in order])
        options, layout = self.plan.options, self.layout
        if options.split.folds:
            write_json(layout.folder / SPLITS, splits_final(samples, split, options.split.folds), overwrite=True)
        else:
            (layout.folder / SPLITS).unlink(missing_ok=True)
        write_json(layout.folder / SPLIT_RECORD, describe_split(samples, split, options.split), overwrite=True)
        if Path(options.recipe).suffix == ".json":
            shutil.copyfile(options.recipe, layout.folder / RECIPE)
        first = self.records[order[0]]["samples"][0]
        write_json(
            layout.description,
            describe_dataset(layout.folder.name, self.plan.recipe, first["channels"], self.result.training, options),
            overwrite=True,
        )


def _brief(record):
    """Return what is needed of a record, so that memory hardly grows with the number of cases."""
    samples = [{key: sample[key] for key in ("name", "pixels", "channels")} for sample in record["samples"]]
    return {"part": record["part"], "samples": samples}
