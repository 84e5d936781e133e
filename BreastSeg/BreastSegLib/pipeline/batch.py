"""A batch: one exam after the other through one warm worker, resumable at any moment.

While the network works on one exam, the worker reads and prepares the next, and this side writes the files of the one
before.
"""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass

from ..errors import BadInput, BreastSegError, Cancelled, DeviceUnavailable, WorkerDied
from ..inference.client import WorkerClient
from ..inference.messages import to_exception
from .batch_folder import BatchFolder
from .batch_pace import Pace
from .batch_reason import reason_of
from .batch_summary import NAME as SUMMARY
from .batch_summary import WAITING, row_of_record, row_without_result, write_tables
from .call import loaded
from .outputs import Outputs, write_result
from .parts import parts_of
from .result import MAPS

DISK_FULL = "The disk is full"  # what `files.write_error` says, on this side or in the worker
LOOK_S = 0.02
FORMATS = ("nii.gz", "nrrd", "seg.nrrd")


@dataclass(frozen=True)
class BatchOptions:
    """How the exams of a batch are segmented; see `pipeline.segment`.

    Parameters
    ----------
    device : str
    folds : tuple of str or None
    tta, shortcuts, cleanup : bool
    format : {'nii.gz', 'nrrd', 'seg.nrrd'}
    maps : tuple of str
        Which of `MAPS` are written.
    motion : {'off', 'rigid', 'bspline'}
        Of DCE exams; see `exam.source.read`.
    """

    device: str = "auto"
    folds: tuple | None = None
    tta: bool = False
    shortcuts: bool = True
    cleanup: bool = True
    format: str = "nii.gz"
    maps: tuple = ()
    motion: str = "off"


class Batch:
    """Many exams and one model.

    Nothing waits but the writing of files: a window polls it, the command line calls `run`. It is a context manager;
    `close` ends the worker that it has started itself, and lets go of the output folder.

    Parameters
    ----------
    cases : sequence of BatchCase, or callable
        ``cases(folder)`` is given the `BatchFolder` and returns them.
    model : Model
    output : str or Path
        Folder; made if it is missing.
    options : BatchOptions
    overwrite : bool
        Do all cases again.
    stop_after : int, optional
        Cases that are run before the batch stops.
    client : WorkerClient, optional
        One is started and ended when not given.

    Attributes
    ----------
    ended : bool
    error : BreastSegError or None
        Why the batch cannot go on.
    please_stop : bool
        Set by signal handlers and other threads, which may do no more: the next `poll` calls `stop`.

    Raises
    ------
    BadInput
        If the folder is in use, holds a batch with other settings or foreign files, or a case is not as it was.
    """

    def __init__(
        self, cases, model, output, options=None, overwrite=False, stop_after=None, client=None, clock=time.monotonic
    ):
        self.options, self._model, self._stop_after = options or BatchOptions(), model, stop_after
        parts = parts_of(model, self.options.folds)
        self._raw = bool(parts[0].recipe.cleanup) and self.options.cleanup
        self._folder = BatchFolder(output, self._settings(parts), overwrite)
        try:
            self.cases = list(cases(self._folder) if callable(cases) else cases)
            finished = self._folder.begin(self.cases)
        except BaseException:
            self._folder.release()
            raise
        self._measures = {name: record["measures"] for name, record in finished.items() if record.get("measures")}
        self._rows = {
            case.name: row_of_record(case.name, finished[case.name])
            if case.name in finished
            else row_without_result(case.name, "skipped", WAITING)
            for case in self.cases
        }
        self._todo = [case for case in self.cases if case.name not in finished]
        self._pace = Pace(len(self._todo), clock)
        self._own, self._client = client is None, client or WorkerClient()
        self._running = self._request = None  # the case, and the id of what was sent; of the loading only the id
        self._next, self._fields, self._alone, self._processed = 0, {}, False, 0
        self._begun = self.ended = self._stopping = self._summary_missing = False
        self._stopped_because, self.error, self.please_stop = "", None, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def stopped(self):
        """bool: whether `stop` was called before the end."""
        return self._stopping

    @property
    def counts(self):
        """dict: how many cases are ``done``, ``failed`` and ``skipped``."""
        states = [row["state"] for row in self._rows.values()]
        return {state: states.count(state) for state in ("done", "failed", "skipped")}

    @property
    def summary(self):
        """Path: of the summary table."""
        return self._folder.path / SUMMARY

    def run(self, on_event=None):
        """Run to the end, waiting; `on_event` gets every event.

        Raises
        ------
        BreastSegError
            Why the batch could not go on; what was finished is kept.
        """
        while not self.ended:
            events = self.poll()
            for event in events:
                if on_event:
                    on_event(event)
            if not events and not self.ended:
                time.sleep(LOOK_S)
        if self.error is not None:
            raise self.error
        return self.counts

    def stop(self, why="stopped by the user"):
        """End soon: the running case is given up, the finished ones are kept. `poll` tells when it has ended."""
        if not self._stopping and not self.ended:
            self._stopping, self._stopped_because = True, why
            if self._request is not None:
                self._client.cancel()

    def poll(self):
        """Return what happened since the last call, as events; waits for nothing but the disk.

        Events: ``start`` (cases, finished, notes), ``running`` (case, number, of), ``progress`` (case, number, of,
        stage, done, total, eta_s, left_s), ``case`` (a row of the summary with the counts and left_s), ``note``
        (message), ``done`` (counts, stopped, line, summary). The last one is ``done``, or ``error`` (code, message).
        """
        if self.ended:
            return []
        events = []
        try:
            if self.please_stop:
                self.stop()
            if not self._begun:
                self._begin(events)
            else:
                for event in self._client.poll():
                    self._take(event, events)
            if self._request is None and not self.ended:
                self._finish(events)
        except BreastSegError as error:
            self._give_up(error, events)
        return events

    def close(self):
        """Let go of the folder, and of the worker if it is the batch's own; a case that runs is given up."""
        self.ended = True
        try:
            if self._own:
                self._client.close()
            elif self._request is not None:
                self._client.cancel()
        finally:
            self._request = None
            self._folder.release()

    def _settings(self, parts):
        options = self.options
        return {
            "model": self._model.name,
            "weights": self._model.hash,
            "recipe": [part.recipe.hash for part in parts],
            "folds": [" ".join(part.folds) for part in parts],
            "tta": options.tta,
            "shortcuts": options.shortcuts,
            "cleanup": options.cleanup,
            "format": options.format,
            "maps": sorted(options.maps),
            "motion": options.motion,
        }

    def _begin(self, events):
        self._tell_start(events)
        if self._todo and not self._stopping:
            # Before any exam, so that what is wrong with model or device is said once.
            self._request = self._client.send(
                "load", model=str(self._model.folder), device=self.options.device, folds=self.options.folds
            )
            self._ahead(0)

    def _tell_start(self, events):
        self._begun = True
        finished = len(self.cases) - len(self._todo)
        names = [case.name for case in self.cases]
        events.append({"event": "start", "cases": names, "finished": finished, "notes": list(self._folder.notes)})
        self._write_summary(events)

    def _take(self, event, events):
        """Take one event of the worker."""
        kind = event["event"]
        if kind not in ("progress", "result", "error") or event.get("id") != self._request:
            return
        if kind == "progress":
            events.append({**self._place(), **{key: event[key] for key in ("stage", "done", "total", "eta_s")}})
            return
        self._request, case = None, self._running
        self._running = None
        if kind == "error":
            self._failed(case, to_exception(event), events)
        elif case is None:
            self._send_next(events)
        else:
            fields = self._fields.pop(case.name)
            self._pace.end()
            self._processed += 1
            self._send_next(events)  # the network works while the files are written
            self._write(case, fields, event, events)

    def _failed(self, case, error, events):
        """Go on after an error, or raise it where every other case would meet it too."""
        if case is None or isinstance(error, DeviceUnavailable) or error.what.startswith(DISK_FULL):
            if case is None and isinstance(error, Cancelled):
                return
            raise error
        if self._stopping:
            self._drop(self._fields.pop(case.name))
            return
        if isinstance(error, WorkerDied) and not self._alone:
            events.append({"event": "note", "message": f"{case.name}: {error.what}. It is tried once more, alone."})
            self._send(case, events, alone=True)
            return
        self._drop(self._fields.pop(case.name))
        self._pace.end(counts=False)
        self._processed += 1
        twice = "Tried twice. " if self._alone else ""
        self._rows[case.name] = row_without_result(case.name, "failed", twice + reason_of(error, case.source))
        self._tell(case, events, error.line)
        self._send_next(events)

    def _send_next(self, events):
        """Send the next case, if there is one that may run."""
        if not self._stopping and self._next < self._until:
            self._next += 1
            self._send(self._todo[self._next - 1], events)

    @property
    def _until(self):
        """int: how many of the cases to do are run."""
        return len(self._todo) if self._stop_after is None else min(len(self._todo), self._stop_after)

    def _send(self, case, events, alone=False):
        self._running, self._alone = case, alone
        self._request = self._client.send("predict", **self._fields_of(case))
        self._pace.begin()
        events.append({**self._place(), "event": "running"})
        if not alone:
            self._ahead(self._next)

    def _ahead(self, index):
        """Let the worker read and prepare a case meanwhile."""
        if index < self._until:
            self._client.ahead(**self._fields_of(self._todo[index]))

    def _fields_of(self, case):
        """Return the fields of the request: the same for ``ahead`` and ``predict``."""
        if case.name not in self._fields:
            options = self.options
            self._client.start()
            self._fields[case.name] = {
                "source": case.source | ({} if options.motion == "off" else {"motion": options.motion}),
                "model": str(self._model.folder),
                "device": options.device,
                "folds": None if options.folds is None else list(options.folds),
                "tta": options.tta,
                "cleanup": options.cleanup,
                "shortcuts": options.shortcuts,
                "regions": list(case.regions),
                "output": str(self._client.folder / f"batch-{self._todo.index(case):05d}"),
                **{name: name in options.maps for name in MAPS},
            }
        return self._fields[case.name]

    def _write(self, case, fields, event, events):
        """Write the files of a case."""
        try:
            try:
                result = loaded(event)
            except (BreastSegError, KeyError) as error:
                what = error.what if isinstance(error, BreastSegError) else f"The worker's result lacks {error}"
                self._rows[case.name] = row_without_result(case.name, "failed", f"{what}. Run the batch again.")
                self._tell(case, events, what)
                return
            ending = f".{self.options.format}"
            maps = dict.fromkeys(self.options.maps)
            outputs = Outputs(self._folder.path / f"{case.name}{ending}", maps, self._raw, overwrite=True)
            mark = {"batch": self._folder.mark(case)}
            write_result(outputs, result, self._model, mark)
            self._rows[case.name] = row_of_record(case.name, {**result["record"], **_found(result)})
            if result["measures"]:
                self._measures[case.name] = result["measures"]
        finally:
            self._drop(fields)
        self._tell(case, events)

    def _drop(self, fields):
        """Remove the arrays of a case."""
        shutil.rmtree(fields["output"], ignore_errors=True)

    def _tell(self, case, events, full=""):
        self._write_summary(events)
        event = {"event": "case", **self._rows[case.name], **self.counts, "left_s": self._pace.left_s}
        events.append({**event, "message": full} if full else event)

    def _place(self):
        """Return the progress event of the running case, without its figures."""
        name = "" if self._running is None else self._running.name
        place = {"event": "progress", "case": name, "number": self._next, "of": len(self._todo)}
        return {**place, "left_s": self._pace.left_s}

    def _write_summary(self, events):
        try:
            write_tables(self._folder.path, self._rows, self._measures)
            self._summary_missing = False
        except BadInput as error:
            if not isinstance(error.__cause__, PermissionError) or not self.summary.exists():
                raise
            if not self._summary_missing:  # Windows: a spreadsheet program has it open
                self._summary_missing = True
                events.append({"event": "note", "message": f"{error.line} The batch goes on without it."})

    def _finish(self, events):
        if not self._stopping and self._next < len(self._todo):
            self._stopped_because = f"stopped after {self._until} cases, as asked"
        for row in self._rows.values():
            if row["state"] == "skipped":
                row["reason"] = f"{WAITING}: {self._stopped_because}"
        self._write_summary(events)
        counts = self.counts
        rest = f", {counts['skipped']} not run" if counts["skipped"] else ""
        place = f"(see {SUMMARY})" if not self._summary_missing else f"({SUMMARY} could not be written at last)"
        line = f"{counts['done']} done, {counts['failed']} failed{rest} {place}"
        done = {"event": "done", **counts, "stopped": self._stopped_because, "line": line}
        events.append({**done, "summary": str(self.summary)})
        self.ended = True

    def _give_up(self, error, events):
        """End because every other case would fail too."""
        self.error, self.ended = error, True
        reason = f"{WAITING}: the batch stopped: {error.what}"
        if self._request is not None:
            self._client.cancel()
        for row in self._rows.values():
            if row["state"] == "skipped":
                row["reason"] = reason
        with suppress(BadInput):  # the same disk
            write_tables(self._folder.path, self._rows, self._measures)
        events.append({"event": "error", "code": error.code, "message": error.line, **self.counts})


def _found(result):
    """Return of a result what the summary tells."""
    if "views" in result:
        return {"results": result["views"], "notes": result["notes"]}
    return {"components": result["components"], "notes": result["notes"]}
