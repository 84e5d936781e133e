"""The exams that a watch has received: their files and states, on disk so that a restart goes on."""

import hashlib
import json
import shutil
import threading
import time
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

from pydicom import dcmread

from ..errors import BadInput
from ..files import whole_file, write_error, write_json
from .query import code_of

FORMAT = "breastseg-watch-1"
RECEIVING, RUNNING, DONE, FAILED = "receiving", "running", "done", "failed"
# What is no image of an exam: results (ours come back to us from many archives), reports, notes, plans.
NO_EXAM = ("SEG", "SR", "DOC", "PR", "KO", "REG", "AU", "PLAN", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "ECG")
TAGS = ["SOPInstanceUID", "StudyInstanceUID", "Modality"]
KEY_LENGTH = 12
FILES, NOTES, HALF_WRITTEN = "[!.]*.dcm", "[!.]*.json", ".part-*"  # the last: whole_file's, not to be read yet


class NotAnExam(Exception):
    """What came is no image."""


def key_of(study):
    """Return the name of a study in folders and logs: a short hash that tells nothing about the patient."""
    return hashlib.sha256(study.encode()).hexdigest()[:KEY_LENGTH]


def made_private(folder):
    """Make a folder that only we may look into, if it is not there: it will hold images of patients.

    Raises
    ------
    BadInput
        If it cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise write_error(error, folder) from error


class Exams:
    """Exams below a folder: ``incoming/KEY/*.dcm`` and ``exams/KEY.json``. Its methods may be called in any thread.

    Parameters
    ----------
    folder : str or Path
        Made if missing.
    clock : callable, optional
        Seconds, for how long ago something came.
    """

    def __init__(self, folder, clock=time.monotonic):
        self.folder, self._clock = Path(folder), clock
        self._lock, self._last, self._states = threading.RLock(), {}, {}
        self._incoming, self._notes = self.folder / "incoming", self.folder / "exams"
        for place in (self.folder, self._incoming, self._notes):
            made_private(place)
        for path in sorted(self._incoming.iterdir()):
            if path.is_dir() and any(path.glob(FILES)):
                self._take_up(path)

    def arrived(self, data):
        """Keep an object that was received; one that is here already changes nothing.

        Parameters
        ----------
        data : bytes
            A whole DICOM file.

        Returns
        -------
        str
            Key of its exam.

        Raises
        ------
        NotAnExam
            If it is no image; it is not kept.
        BadInput
            If it cannot be read, or the disk is full.
        """
        study, uid = self._identity(data)
        key = key_of(study)
        path = self._incoming / key / f"{hashlib.sha256(uid.encode()).hexdigest()[:24]}.dcm"
        with self._lock:
            if not path.exists():
                with whole_file(path) as temporary:
                    temporary.write_bytes(data)
                if self._states.get(key, {}).get("state") not in (RECEIVING, RUNNING):  # its end will see it
                    self._set(key, RECEIVING)
            self._last[key] = self._clock()
        return key

    def quiet(self, seconds):
        """Return the keys of the exams of which nothing came for so long, longest ago first."""
        now = self._clock()
        with self._lock:
            found = [key for key, row in self._states.items() if row["state"] == RECEIVING]
            found = [key for key in found if now - self._last[key] >= seconds]
            return sorted(found, key=self._last.get)

    def next_quiet_s(self, seconds):
        """Return how long until an exam can be quiet for so long; None where none is being received."""
        now = self._clock()
        with self._lock:
            waits = [seconds - now + self._last[key] for key, row in self._states.items() if row["state"] == RECEIVING]
        return max(0.0, min(waits)) if waits else None

    def folder_of(self, key):
        """Return the folder with the files of an exam."""
        return self._incoming / key

    def study_of(self, key):
        """Return the Study Instance UID of an exam."""
        first = min(self.folder_of(key).glob(FILES))
        return code_of(dcmread(first, stop_before_pixels=True, specific_tags=TAGS), TAGS[1])

    def begin(self, key):
        """Note that an exam is being worked on; return the fingerprint of what it consists of now."""
        with self._lock:
            fingerprint = self.fingerprint(key)
            self._set(key, RUNNING, runs=self._states[key]["runs"] + 1)
            return fingerprint

    def end(self, key, fingerprint, state, reason=""):
        """Note how the work on an exam ended; more images that came meanwhile make it begin again.

        Returns
        -------
        bool
            Whether the exam is what it was at the beginning, so that the result counts.
        """
        with self._lock:
            same = self.fingerprint(key) == fingerprint
            if same:
                self._set(key, state, reason=reason, of=fingerprint)
            else:
                self._set(key, RECEIVING)
            return same

    def unchanged(self, key):
        """Return whether an exam was done as it is now: then there is nothing to do."""
        with self._lock:
            same = self._states[key]["of"] == self.fingerprint(key)
            if same:
                self._set(key, DONE)
            return same

    def wait_again(self, key):
        """Note that an exam is waited for once more, from now on."""
        with self._lock:
            self._set(key, RECEIVING)
            self._last[key] = self._clock()

    def retry(self):
        """Take up what failed; return the keys."""
        with self._lock:
            failed = [key for key, row in self._states.items() if row["state"] == FAILED]
            for key in failed:
                self._set(key, RECEIVING, of="")
                self._last[key] = float("-inf")
            return failed

    def forget(self, days):
        """Remove what is left of exams that were done so many days ago: images, results and state.

        Returns
        -------
        list of str
            Their keys.
        """
        before = datetime.now().astimezone() - timedelta(days=days)
        with self._lock:
            old = [key for key, row in self._states.items() if row["state"] == DONE and _time(row) < before]
            for key in old:
                del self._states[key]
                (self._notes / f"{key}.json").unlink(missing_ok=True)
                for place in (self.folder_of(key), self.folder / "results" / key):
                    shutil.rmtree(place, ignore_errors=True)
            return old

    def fingerprint(self, key):
        """Return a hash of which images an exam has."""
        names = sorted(path.name for path in self.folder_of(key).glob(FILES))
        return hashlib.sha256("\n".join(names).encode()).hexdigest()

    def runs(self, key):
        """Return how often an exam has been begun."""
        return self._states[key]["runs"]

    def count(self, key):
        """Return how many images an exam has."""
        return sum(1 for _ in self.folder_of(key).glob(FILES))

    def _identity(self, data):
        try:
            header = dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=TAGS)
            uid, study, modality = (code_of(header, tag) for tag in TAGS)
        except Exception as error:  # pydicom raises many kinds of errors for broken objects
            raise BadInput("What was received is no DICOM object that can be read") from error
        if modality in NO_EXAM:
            raise NotAnExam
        if not study or not uid:
            raise BadInput("What was received does not say which study it belongs to")
        return study, uid

    def _take_up(self, path):
        """Take up an exam that is on disk; one that was being worked on begins again."""
        for half in path.glob(HALF_WRITTEN):  # when the former watch ended
            half.unlink(missing_ok=True)
        row = read_state(self._notes / f"{path.name}.json")
        self._last[path.name] = self._clock()
        if row is None:
            self._set(path.name, RECEIVING)
            return
        self._states[path.name] = row
        if row["state"] == RUNNING:
            self._set(path.name, RECEIVING)

    def _set(self, key, state, **more):
        old = self._states.get(key, {"runs": 0, "of": "", "reason": ""})
        row = {"format": FORMAT, "state": state, "reason": "", "runs": old["runs"], "of": old["of"], **more}
        row["since"] = datetime.now().astimezone().isoformat(timespec="seconds")
        row["images"] = self.count(key)
        self._states[key] = row
        write_json(self._notes / f"{key}.json", row, overwrite=True)


def _time(row):
    """Return since when a state is as it is; now where that cannot be read."""
    try:
        return datetime.fromisoformat(row["since"]).astimezone()
    except (KeyError, TypeError, ValueError):
        return datetime.now().astimezone()


def read_state(path):
    """Return the state of an exam that was written, or None."""
    try:
        row = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(row, dict) or row.get("format") != FORMAT:
        return None
    known = row.get("state") in (RECEIVING, RUNNING, DONE, FAILED)
    return row if known and isinstance(row.get("runs"), int) and isinstance(row.get("of"), str) else None


def states_in(folder):
    """Return the states of all exams below a folder, by key, whoever works on them."""
    found = {path.stem: read_state(path) for path in sorted((Path(folder) / "exams").glob(NOTES))}
    for key, row in found.items():
        if row is not None and row["state"] == RECEIVING:
            row["images"] = sum(1 for _ in (Path(folder) / "incoming" / key).glob(FILES))
    return {key: row for key, row in found.items() if row is not None}
