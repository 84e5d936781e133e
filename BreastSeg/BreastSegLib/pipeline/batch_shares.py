"""Shares of a batch: what a job of a cluster is given to do, and how what it made comes into the batch's folder."""

import csv
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from ..exam.cells import SOURCES
from ..files import read_json, whole_file, write_error, write_json
from ..tables import read_cells
from .batch_folder import NAME as BATCH
from .batch_folder import BatchFolder
from .batch_lock import NAME as LOCK
from .batch_summary import NAME as SUMMARY
from .batch_table import COLUMNS

FORMAT = "breastseg-batch-jobs-1"
FOLDER, JOBS = ".cluster", "jobs.json"
TABLE, RESULTS = "cases.csv", "results"


@dataclass(frozen=True)
class Share:
    """Some cases of a batch, and the job that does them.

    Parameters
    ----------
    folder : Path
        Holds the table ``cases.csv``, the folder ``results`` and the job's own files.
    cases : tuple of str
        Their names.
    handle : dict
        Of the job.
    """

    folder: Path
    cases: tuple
    handle: dict

    @property
    def results(self):
        """Path: the output folder of the job's batch."""
        return self.folder / RESULTS

    @property
    def finished(self):
        """int: how many cases have a run record by now."""
        return sum((self.results / f"{name}.run.json").is_file() for name in self.cases)


def split(cases, count):
    """Return the cases in at most `count` shares of nearly the same size, in turn."""
    return [cases[number::count] for number in range(min(count, len(cases)))]


def write_share(folder, cases, batch_folder):
    """Write what a job needs: the table of its cases, and a results folder that belongs to the same batch.

    Raises
    ------
    BadInput
        If it cannot be written.
    """
    results = folder / RESULTS
    try:
        results.mkdir(parents=True)
    except OSError as error:
        raise write_error(error, folder) from error
    write_json(results / BATCH, batch_folder.beginning())
    rows = []
    for case in cases:
        row = {"case": case.name, **_place(case.source)}
        row |= {name: case.given[name] for name in ("times", "choose") if name in case.given}
        if case.regions:
            row["regions"] = str(folder / f"regions-{case.name}.json")
            write_json(row["regions"], {"regions": list(case.regions)})
        rows.append(row)
    with (
        whole_file(folder / TABLE) as temporary,
        open(temporary, "w", encoding="utf-8-sig", newline="") as stream,
    ):
        writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def collect(share, cases, batch_folder):
    """Move what a job made into the folder of the batch.

    Returns
    -------
    dict of str to (dict or str)
        By case: the run record of a finished one, the reason of a failed one. A case that the job has not come to is
        left out.
    """
    found = {}
    with suppress(OSError):
        (share.results / LOCK).unlink(missing_ok=True)  # the job is over, on whatever node it was
    theirs = BatchFolder(share.results, batch_folder.beginning()["settings"])
    try:
        for case in cases:
            record = theirs.record_of(case)
            if record is not None:
                _move(case.name, record, share.results, batch_folder.path)
                found[case.name] = record
    finally:
        theirs.release()
    return {**_failures(share), **found}


def read_shares(output):
    """Return the shares that are with a cluster: [] when there are none.

    Raises
    ------
    BadInput
        If their record is damaged.
    """
    path = Path(output) / FOLDER / JOBS
    if not path.is_file():
        return []
    record = read_json(path)
    try:
        if record["format"] != FORMAT:
            raise ValueError
        rows = record["shares"]
        return [Share(path.parent / _plain(row["folder"]), tuple(row["cases"]), dict(row["handle"])) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput("The record of the batch's jobs is damaged", path, "Delete it to begin without them") from error


def write_shares(output, shares):
    """Write down the shares that are with a cluster; when there are none, nothing is left."""
    room = Path(output) / FOLDER
    if not shares:
        (room / JOBS).unlink(missing_ok=True)
        return
    rows = [
        {"folder": share.folder.relative_to(room).as_posix(), "cases": list(share.cases), "handle": share.handle}
        for share in shares
    ]
    write_json(room / JOBS, {"format": FORMAT, "shares": rows}, overwrite=True)


def open_room(output):
    """Make the folder of the jobs anew: for this user only, as its tables tell where the exams lie.

    Raises
    ------
    BadInput
        If it cannot be made.
    """
    tidy(output)
    try:
        (Path(output) / FOLDER).mkdir(mode=0o700)
    except OSError as error:
        raise write_error(error, output) from error


def let_go(share, keep_log):
    """Remove what a share has left behind, except for the logs where they are kept."""
    if not keep_log:
        shutil.rmtree(share.folder, ignore_errors=True)
        return
    shutil.rmtree(share.results, ignore_errors=True)
    for path in (share.folder / TABLE, *share.folder.glob("regions-*.json")):
        path.unlink(missing_ok=True)


def tidy(output):
    """Remove the folder of the jobs."""
    shutil.rmtree(Path(output) / FOLDER, ignore_errors=True)


def _place(source):
    """Return the cell that names where an exam is, with absolute paths."""
    if "store" in source:
        return {"exam": source["store"]}
    column = next(name for name, key in SOURCES.items() if key in source)
    value = source[SOURCES[column]]
    return {column: value if isinstance(value, str) else ";".join(value)}


def _move(name, record, source, target):
    """Move the files of a case; the run record last, because it says that they are all there."""
    try:
        for file in (*record["sizes"], f"{name}.run.json"):
            os.replace(source / file, target / file)
    except OSError as error:
        raise write_error(error, target) from error


def _failures(share):
    """Return the reasons of the cases that failed, as the job's own summary tells them."""
    try:
        cells = read_cells(share.results / SUMMARY)
    except BadInput:  # the job never came to it
        return {}
    if cells is None:
        return {}
    rows = [dict(zip(cells.header, values)) for _, values in cells.rows]
    return {row["case"]: row.get("reason", "") for row in rows if row.get("state") == "failed" and row["case"]}


def _plain(text):
    """Return the relative path of a share; raise ValueError for one that leads elsewhere."""
    path = Path(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(json.dumps(text))
    return path
