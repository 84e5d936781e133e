"""A batch whose cases are done by jobs of a cluster; the results come into the same folder as those of any batch."""

import os
import sys
import time
import uuid

from ..errors import BadInput, BreastSegError
from ..executors import RUNNING, Job, JobState
from .batch import Batch
from .batch_lock import NAME as LOCK
from .batch_shares import (
    FOLDER,
    RESULTS,
    TABLE,
    Share,
    collect,
    let_go,
    open_room,
    read_shares,
    split,
    tidy,
    write_share,
    write_shares,
)
from .batch_summary import row_of_record, row_without_result

FIRST_S, LATER_S = 1.0, 10.0  # between two questions to the cluster
ENDINGS = (0, 1)  # of a batch that came to its end
IN_THE_QUEUE = "with the cluster; the same command later collects the results"
PASSED_ON = ("BREASTSEG_MODELS",)  # members of an ensemble are looked for in the library


class ClusterBatch(Batch):
    """Many exams, one model and the jobs of a cluster. It does not wait for them where nobody waits for it.

    Parameters
    ----------
    cases, model, output, options, overwrite
        As for `Batch`.
    executor : Executor
        See `executors.make`.
    arguments : sequence of str
        Of ``batch`` on the nodes, without cases and output.
    resources : Resources
        Of each job.
    jobs : int
        Among how many the cases are divided.
    detach : bool
        End when the jobs are in the queue. The next `ClusterBatch` in this folder goes on with them.
    """

    def __init__(
        self, cases, model, output, options, overwrite, *, executor, arguments, resources, jobs=1, detach=False
    ):
        super().__init__(cases, model, output, options, overwrite)
        try:
            self._shares = read_shares(self._folder.path)
        except BadInput:
            self.close()
            raise
        self._executor, self._arguments, self._resources = executor, list(arguments), resources
        self._jobs, self._detach = jobs, detach
        self._look_at, self._silent, self._states = 0.0, False, {}
        if self._shares and overwrite:
            self.close()
            raise BadInput(
                "Jobs of this batch are with the cluster",
                output,
                "Let the same command without --overwrite collect them",
            )

    def poll(self):
        """Return what happened since the last call, as events (see `Batch.poll`)."""
        if self.ended:
            return []
        events = []
        try:
            if self.please_stop:
                self.stop()
            if not self._begun:
                self._begin(events)
            elif time.monotonic() >= self._look_at:
                self._look(events)
            if self._stopping or not self._shares or (self._detach and self._look_at):
                self._finish(events)
        except BreastSegError as error:
            self._give_up(error, events)
        return events

    def _begin(self, events):
        self._tell_start(events)
        if self._shares:
            self._look(events)
        elif self._todo and not self._stopping:
            open_room(self._folder.path)
            self._submit(events)
            self._look_at = time.monotonic() + FIRST_S

    def _submit(self, events):
        run = uuid.uuid4().hex[:8]
        for number, cases in enumerate(split(self._todo, self._jobs), 1):
            folder = self._folder.path / FOLDER / run / f"job_{number}"
            write_share(folder, cases, self._folder)
            job = Job(
                f"breastseg-batch-{number}",
                self._command(folder),
                folder,
                {name: os.environ[name] for name in PASSED_ON if name in os.environ},
                self._resources,
                restart=True,
            )
            self._shares.append(Share(folder, tuple(case.name for case in cases), self._executor.submit(job)))
            write_shares(self._folder.path, self._shares)
        count = len(self._shares)
        events.append({"event": "note", "message": f"{_counted(count)} given to the cluster."})

    def _command(self, folder):
        # A job that is started again on another node finds the lock that it left behind.
        shell = 'rm -f -- "$1"; shift; exec "$@"'
        batch = [sys.executable, "-m", "BreastSegLib", "batch", *self._arguments]
        batch += ["--cases", str(folder / TABLE), "--output", str(folder / RESULTS)]
        return ("sh", "-c", shell, "batch", str(folder / RESULTS / LOCK), *batch)

    def _look(self, events):
        """Ask the cluster for all jobs, and collect from those that are over."""
        self._look_at = time.monotonic() + LATER_S
        for share in list(self._shares):
            state = self._state(share, events)
            self._states[share.folder] = state
            if state.over:
                self._collect(share, state, events)
                self._shares.remove(share)
                write_shares(self._folder.path, self._shares)
                let_go(share, keep_log=state.exit_code not in ENDINGS)
        if not self._shares:
            if not self.counts["failed"] and not self.counts["skipped"]:
                tidy(self._folder.path)
            return
        running = sum(self._states[share.folder].state == RUNNING for share in self._shares)
        done = sum(share.finished for share in self._shares)
        total = sum(len(share.cases) for share in self._shares)
        stage = f"{_counted(len(self._shares))} with the cluster, {running} running"
        place = {"case": "", "number": done, "of": total, "left_s": None, "eta_s": None}
        events.append({"event": "progress", **place, "stage": stage, "done": done, "total": total})

    def _state(self, share, events):
        """Return how a job stands; while the cluster does not answer, it is thought to run."""
        try:
            state, self._silent = self._executor.state(share.handle), False
        except BadInput as error:
            if self._detach:
                raise
            if not self._silent:
                events.append({"event": "note", "message": f"{error.line} Waiting for it."})
            self._silent, state = True, JobState(RUNNING)
        return state

    def _collect(self, share, state, events):
        cases = [case for case in self.cases if case.name in share.cases]
        found = collect(share, cases, self._folder)
        for case in cases:
            result = found.get(case.name)
            if isinstance(result, dict):
                self._rows[case.name] = row_of_record(case.name, result)
                if result.get("measures"):
                    self._measures[case.name] = result["measures"]
            elif self._rows[case.name]["state"] == "done":
                continue
            else:
                ended = state.reason or f"exit code {state.exit_code}"
                reason = result or f"The job on the cluster ended before this case ({ended}). Run the batch again."
                self._rows[case.name] = row_without_result(case.name, "failed", reason)
            self._tell(case, events)
        if state.exit_code not in ENDINGS:
            said = self._executor.log(share.handle, 1) or "its log is empty"
            events.append({"event": "note", "message": f"A job ended early: {said} Its log lies in {share.folder}."})

    def _finish(self, events):
        self._next = len(self._todo)
        if self._shares:
            self._stopped_because = IN_THE_QUEUE
        elif self.counts["skipped"]:
            self._stopped_because = "not among those that the cluster was given; the same command gives it them"
        super()._finish(events)


def _counted(count):
    return f"{count} job{'' if count == 1 else 's'}"
