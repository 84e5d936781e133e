"""A case table and a recipe make an nnU-Net dataset: incremental, in several processes, resumable."""

import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import whole_file, write_error, write_json
from BreastSegLib.pipeline.batch_lock import BatchLock
from BreastSegLib.recipe import load_recipe

from ..cases.views import wanted_view
from ..parallel import each
from .casefiles import CaseJob, export_case
from .description import describe_dataset, describe_split
from .fingerprint import bound, fingerprint
from .layout import (
    RECIPE,
    SPLIT_RECORD,
    SPLITS,
    Layout,
    check_dataset_name,
    full_name,
    others_with_number,
    remove_parts,
)
from .names import PATIENTS, give_names, read_key, write_key
from .split import SplitOptions, divide, leakage, splits_final

STAGE = "Exporting"
UNWRITTEN = ("The disk is full", "The file could not be written")  # what `BreastSegLib.files` says of a target
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


def export(table, options, report=None, failed=None):
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
    failed : list, optional
        Gets (case, why) of each case that fails, so that they are known also when the export ends with an error.

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
        try:
            plan = _Plan(table, options)
            plan.check()
            report(STAGE, 0, len(plan.rows))
            return _Export(plan, report, [] if failed is None else failed).run()
        except OSError as error:  # a file that cannot be moved or removed
            raise write_error(error, error.filename or folder) from error


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
        if self.key_path.resolve().is_relative_to(self.layout.folder.resolve()):
            raise BadInput("The key file lies in the dataset", self.key_path, "Keep it elsewhere: it says who is who")
        name, count = Counter(case.name for case in table).most_common(1)[0]
        if count > 1:
            raise BadInput(f"The table has {count} cases called {name}", hint="Give each a name of its own")
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
        other = next((row.dataset for row in self.before if row.dataset not in ("", self.layout.folder.name)), None)
        if other:
            hint = "Give another --key. For the same names in both datasets, copy it and empty its column dataset"
            raise BadInput(f"This is the key of {other}", self.key_path, hint)
        others = others_with_number(self.layout.folder)
        if others:
            what = f"Another dataset has this number, and nnU-Net could not tell them apart: {others[0]}"
            raise BadInput(what, self.layout.folder, "Give another number")
        names = self.layout.names()
        if names and not self.before:
            what = "The dataset has cases, and the key file that says which they are is missing"
            raise BadInput(what, self.key_path, "Give --key, or another dataset")
        known = {row.name for row in self.before}
        foreign = sorted({*self.files, *names} - known)
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

    def __init__(self, plan, report, failed):
        self.plan, self.layout, self._report = plan, plan.layout, report
        folds, notes = plan.options.split.folds, list(plan.split.notes)
        self.result = ExportResult(plan.layout.folder, failed=failed, folds=folds, notes=notes)
        self.rows = {row.name: row for row in plan.rows}
        self.before = {row.name: row for row in plan.before}
        self.records = {}
        self._key_at = 0.0

    def run(self):
        """Do everything and return the `ExportResult`."""
        prints = self._begin()
        jobs = [job for job in self.plan.jobs if job.name in prints]
        try:
            progress = self._progress(len(jobs))
            with closing(each(export_case, jobs, self.plan.options.workers, progress, STAGE)) as outcomes:
                for outcome in outcomes:
                    self._take(jobs[outcome.index], outcome, prints)
        finally:
            self.layout.sweep()  # of processes that a cancel has ended
            self._write_key(now=True)
        self._finish()
        return self.result

    def _begin(self):
        """Sort out what is there already; return {name: fingerprint} of what has to be written."""
        self.layout.sweep()
        remove_parts(self.plan.key_path.parent, f"-{self.plan.key_path.name}")
        prints, todo, gone = {}, {}, []
        for job in self.plan.jobs:
            self._report(STAGE, len(self.records) + len(gone), len(self.plan.jobs))
            if "problem" in job.source:
                self.result.failed.append((job.case, job.source["problem"]))
                gone.append(job.name)
                self._unsign(job.name)
                continue
            prints[job.name] = fingerprint(job, self.plan.recipe.hash)
            record = self._unchanged(job.name, prints[job.name])
            if record is None:
                todo[job.name] = prints[job.name]
            else:
                self.records[job.name] = _brief(record)
        if len(gone) == len(self.plan.jobs):  # a drive that is not connected: the dataset stays as it is
            first = self.result.failed[0][1]
            self.result.failed.clear()
            raise BadInput("No case could be exported", hint=f"The first: {first}")
        moving = [name for name, record in self.records.items() if record["part"] != self.rows[name].part]
        self.result.unchanged = len(self.records) - len(moving)
        self._write_key(now=True)  # names are given for good before a file bears them
        if todo or moving or gone or self.plan.stale:
            self._drop_description()
        for name in moving:
            self.records[name] = _brief(self.layout.move(name, self.rows[name].part))
            self._sign(name, prints[name])
        self.result.moved = len(moving)
        for name in (*self.plan.stale, *gone):
            self.layout.remove(name, self.plan.files.get(name, ()))
        self.result.removed = len(self.plan.stale)
        return todo

    def _unchanged(self, name, print_):
        """Return the record of a case that need not be written again, else None."""
        before = self.before.get(name)
        if before is None or before.fingerprint != bound(print_, self.layout.digest(name)):
            return None
        return self.layout.read_record(name)

    def _sign(self, name, print_):
        self.rows[name] = replace(self.rows[name], fingerprint=bound(print_, self.layout.digest(name)))

    def _unsign(self, name):
        self.rows[name] = replace(self.rows[name], fingerprint="")

    def _take(self, job, outcome, prints):
        if outcome.error is not None:
            if outcome.error.what.startswith(UNWRITTEN):
                raise outcome.error  # the case is right, and the next one would fare no better
            self.layout.remove(job.name, map(Path, job.before))  # what an earlier export wrote is out of date
            self.result.failed.append((job.case, outcome.error.line))
            self._unsign(job.name)
            return
        self.records[job.name] = _brief(outcome.result["record"])
        self.result.notes += outcome.result["notes"]
        self.result.written += 1
        self._sign(job.name, prints[job.name])
        self._write_key()

    def _check_pixels(self, rows):
        """Refuse the same image in training and test or in several folds: it belongs to one patient, or is wrong."""
        images = [(row, sample["pixels"]) for row in rows for sample in self.records[row.name]["samples"]]
        rows, pixels = [row for row, _ in images], [digest for _, digest in images]
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
            dataset = self.layout.folder.name
            # Names of cases that are not exported now stay taken, and their patients keep their place.
            named = {row.case for row in self.rows.values()}
            gone = [replace(row, case="" if row.case in named else row.case, fingerprint="") for row in gone]
            write_key(self.plan.key_path, [replace(row, dataset=dataset) for row in (*self.rows.values(), *gone)])
            self._key_at = time.monotonic()

    def _drop_description(self):
        try:
            self.layout.description.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(error, self.layout.description) from error

    def _finish(self):
        """Write what makes a dataset of the cases."""
        self._drop_description()  # until what it belongs to is right
        order = [name for name in self.rows if name in self.records]
        if not order:
            raise BadInput("No case could be exported", hint=f"The first: {self.result.failed[0][1]}")
        rows = [self.rows[name] for name in order]
        samples = [[sample["name"] for sample in self.records[name]["samples"]] for name in order]
        parts, folds = [row.part for row in rows], [row.fold for row in rows]
        self._check_pixels(rows)
        self.result.training = sum(len(s) for s, part in zip(samples, parts) if part == "train")
        self.result.test = sum(len(s) for s, part in zip(samples, parts) if part == "test")
        if not self.result.training:
            raise BadInput("No training case could be exported", hint=f"The first: {self.result.failed[0][1]}")
        strata = dict(zip((row.name for row in self.plan.rows), self.plan.split.strata))
        split = replace(self.plan.split, parts=parts, folds=folds, strata=[strata[name] for name in order])
        options, layout = self.plan.options, self.layout
        if options.split.folds:
            self.result.notes += [
                f"Fold {fold} has no case left to validate with: give fewer --folds, or --resplit."
                for fold in range(options.split.folds)
                if fold not in folds
            ]
            write_json(layout.folder / SPLITS, splits_final(samples, split, options.split.folds), overwrite=True)
        else:
            (layout.folder / SPLITS).unlink(missing_ok=True)
        write_json(layout.folder / SPLIT_RECORD, describe_split(samples, split, options.split), overwrite=True)
        self._write_recipe()
        first = self.records[order[0]]["samples"][0]
        write_json(
            layout.description,
            describe_dataset(layout.folder.name, self.plan.recipe, first["channels"], self.result.training, options),
            overwrite=True,
        )

    def _write_recipe(self):
        """Write the recipe, where it is a file of the user's; that of an earlier export goes."""
        given, target = Path(self.plan.options.recipe), self.layout.folder / RECIPE
        if given.suffix != ".json":
            target.unlink(missing_ok=True)
            return
        content = given.read_bytes()  # it may be the target itself
        with whole_file(target, overwrite=True) as temporary:
            temporary.write_bytes(content)


def _brief(record):
    """Return what is needed of a record, so that memory hardly grows with the number of cases."""
    samples = [{key: sample[key] for key in ("name", "pixels", "channels")} for sample in record["samples"]]
    return {"part": record["part"], "samples": samples}
