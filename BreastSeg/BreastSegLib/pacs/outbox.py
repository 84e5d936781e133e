"""Files that wait to be sent: kept on disk until each is acknowledged, through restarts and failures."""

import json
import os
import re
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

from ..errors import BadInput, BreastSegError, Cancelled
from ..files import read_json, whole_file, write_error, write_json
from ..pipeline.batch_lock import BatchLock
from .archive import Answer, outgoing
from .problems import Interrupted
from .retry import Retry
from .sending import deliver

FORMAT = "breastseg-outbox-1"
STATE, SENT = "job.json", ".sent"  # of a job; where those that are done are noted
PAUSES = Retry(first_s=5.0, longest_s=900.0)


class Outbox:
    """A folder of jobs: each a folder of DICOM files with ``job.json``, which tells how far each file is.

    Jobs can be added by several processes; `send_due` is for one that holds the `lock`.

    Parameters
    ----------
    folder : str or Path
        Made if missing.
    pauses : Retry, optional
        How long a job waits after a failure; it is never given up.
    clock : callable, optional
        Seconds since 1970.
    """

    def __init__(self, folder, pauses=PAUSES, clock=time.time):
        self.folder, self._pauses, self._clock, self._broken = Path(folder), pauses, clock, set()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # results of patients
        except OSError as error:
            raise write_error(error, folder) from error

    def lock(self):
        """Return the lock of who sends; ``release`` it.

        Raises
        ------
        BadInput
            If another process sends from this folder.
        """
        return BatchLock(self.folder, "sender")

    def add(self, files, label=""):
        """Keep copies of DICOM files until they are sent; the job is there whole or not at all.

        Parameters
        ----------
        files : sequence of str or Path
        label : str
            What the job is, without anything about the patient: letters, digits and hyphens. A job of the same
            label that has not been sent yet, or was, is not added again.

        Returns
        -------
        str
            Name of the job.

        Raises
        ------
        BadInput
            If a file is no DICOM file, there is none, or the disk is full.
        """
        if not re.fullmatch(r"[A-Za-z0-9-]{0,64}", label):
            raise BadInput("The label of a job has letters, digits and hyphens", label[:80])
        items = list({item.uid: item for item in map(outgoing, files)}.values())
        if not items:
            raise BadInput("There is nothing to send")
        name = label or uuid.uuid4().hex[:12]
        if self.knows(name):
            return name
        filling = self.folder / f".part-{uuid.uuid4().hex[:12]}"
        try:
            filling.mkdir()
            rows = []
            for number, item in enumerate(items, 1):
                copy = filling / f"{number:06d}.dcm"
                shutil.copyfile(item.path, copy)
                with open(copy, "rb+") as stream:
                    os.fsync(stream.fileno())
                rows.append({"file": copy.name, "uid": item.uid, "state": Answer.WAITING.value, "reason": ""})
            job = {"format": FORMAT, "failures": 0, "next": 0.0, "reason": "", "files": rows}
            write_json(filling / STATE, job)
            os.replace(filling, self.folder / name)
        except OSError as error:
            raise write_error(error, self.folder) from error
        finally:
            shutil.rmtree(filling, ignore_errors=True)
        return name

    def knows(self, label):
        """Return whether a job of this label was added, be it sent already or not."""
        return (self.folder / label).exists() or (self.folder / SENT / f"{label}.json").exists()

    def jobs(self):
        """Return the names of the jobs that are not done, in the order in which they were added."""
        found = [path.parent for path in self.folder.glob(f"*/{STATE}") if not path.parent.name.startswith(".")]
        return [path.name for path in sorted(found, key=lambda path: (path.stat().st_mtime, path.name))]

    def counts(self):
        """Return how many jobs wait and how many hold a file that was refused, as ``waiting`` and ``refused``."""
        waiting = refused = 0
        for _, job in self._readable():
            states = {row["state"] for row in job["files"]}
            waiting += bool(states & {Answer.WAITING.value, Answer.SENDING.value})
            refused += Answer.REFUSED.value in states
        return {"waiting": waiting, "refused": refused}

    def again(self):
        """Make every job due now, and send once more what was refused."""
        for name, job in self._readable():
            for row in job["files"]:
                if row["state"] == Answer.REFUSED.value:
                    row |= {"state": Answer.WAITING.value, "reason": ""}
            self._write(name, job | {"failures": 0, "next": 0.0})

    def send_due(self, archive, pulse=lambda: None):
        """Send what is due.

        Parameters
        ----------
        archive : Archive
        pulse : callable
            Called between files; may raise `Cancelled`.

        Returns
        -------
        list of (str, str)
            Job and what became of it: ``sent``, ``refused`` (its other files are sent) or why it waits.
        """
        told = []
        for name in self.jobs():
            try:
                job = self._read(name)
                if self._is_due(job):
                    told.append((name, self._send(name, job, archive, pulse)))
            except BadInput as error:
                if name not in self._broken:  # the others go on; it is told once
                    self._broken.add(name)
                    told.append((name, error.what))
        return told

    def _is_due(self, job):
        states = {row["state"] for row in job["files"]}
        if not states & {Answer.WAITING.value, Answer.SENDING.value} and states != {Answer.STORED.value}:
            return False
        wait = float(job["next"]) - self._clock()
        return wait <= 0 or wait > 2 * self._pauses.longest_s  # the computer's clock was put back

    def _send(self, name, job, archive, pulse):
        rows = {row["uid"]: row for row in job["files"]}
        states = {uid: Answer(row["state"]) for uid, row in rows.items()}

        def note(item, now, reason):
            rows[item.uid] |= {"state": now.value, "reason": reason}
            self._write(name, job)
            pulse()

        try:
            items = [outgoing(self.folder / name / row["file"]) for row in job["files"]]
            deliver(archive, items, states, note)
        except Cancelled:
            raise
        except (BreastSegError, OSError) as error:
            # Also what trying again cannot help with by itself: somebody may put it right at the archive.
            job["failures"] += 1
            what = error.what if isinstance(error, BreastSegError) else f"A file cannot be read: {error.strerror}"
            job["reason"] = what
            job["next"] = self._clock() + self._pauses.pause_s(job["failures"])
            self._write(name, job)
            return what if isinstance(error, Interrupted) else f"{what} (tried again later)"
        if Answer.REFUSED in states.values():
            self._write(name, job | {"reason": "The archive refused a file"})
            return "refused"
        self._finish(name, len(items))
        return "sent"

    def _finish(self, name, count):
        """Note that a job is done, and remove its files."""
        done = self.folder / SENT / f"{name}.json"
        write_json(done, {"format": FORMAT, "sent": count}, overwrite=True)
        gone = self.folder / f".gone-{uuid.uuid4().hex[:12]}"
        os.replace(self.folder / name, gone)  # in one step: half a job would look like a whole one
        shutil.rmtree(gone, ignore_errors=True)

    def _readable(self):
        for name in self.jobs():
            with suppress(BadInput):
                yield name, self._read(name)

    def _read(self, name):
        job = read_json(self.folder / name / STATE)
        try:
            states = {Answer(row["state"]) for row in job["files"] if row["uid"] and row["file"]}
            known = job["format"] == FORMAT and bool(states) and float(job["next"]) + int(job["failures"]) >= 0
        except (KeyError, TypeError, ValueError):
            known = False
        if not known:
            raise BadInput("This is no job of an outbox", self.folder / name, "Remove the folder")
        return job

    def _write(self, name, job):
        with whole_file(self.folder / name / STATE, overwrite=True) as temporary:
            temporary.write_text(json.dumps(job), encoding="utf-8")
