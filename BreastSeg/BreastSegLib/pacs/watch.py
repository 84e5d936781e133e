"""As soon as an exam is stored it is segmented: what listens, works and sends back."""

import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput, BreastSegError, Cancelled
from ..pipeline.batch_lock import BatchLock
from .exams import DONE, FAILED, NO_EXAM, RECEIVING, Exams, NotAnExam, made_private, states_in
from .outbox import Outbox
from .peer import OWN_AE, Tls
from .receiving import NO_ROOM, NOT_UNDERSTOOD, STORED, Receiver

LOOK_S, SEND_LOOK_S, FORGET_LOOK_S = 0.2, 1.0, 3600.0
RETRY_ASKED = "retry-asked"


@dataclass(frozen=True)
class WatchSettings:
    """How a watch works.

    Parameters
    ----------
    folder : Path
        For everything that it keeps.
    port : int
        Where it listens; 0: a free one.
    aet : str
        Its application entity title.
    address : str
        Of the network interface; all when empty.
    callers : tuple of str
        Titles of who may send; everybody when empty.
    tls : Tls or None
        Listen with TLS.
    complete_after_s : float
        An exam is complete when nothing came for so long …
    whole_study : bool
        … and the archive has not more images of it …
    patience_s : float
        … for which it is waited so long.
    keep_free_mb : float
        Images are refused when less is free on the disk.
    forget_days : float
        Exams that were done so long ago are removed; 0: never.
    """

    folder: Path
    port: int
    aet: str = OWN_AE
    address: str = ""
    callers: tuple = ()
    tls: Tls | None = field(default=None, repr=False)
    complete_after_s: float = 30.0
    whole_study: bool = False
    patience_s: float = 3600.0
    keep_free_mb: float = 1000.0
    forget_days: float = 0.0


class Watch:
    """Receives exams, has them worked on one after the other, and sends what comes out of it.

    Parameters
    ----------
    settings : WatchSettings
    work : callable
        ``work(exam folder, results folder, report)`` returns the files that are sent; see `work.ModelWork.run`. It may
        raise `Cancelled` when `stop` was called.
    archive : Archive or None
        Where results are sent to and images are counted.
    tell : callable, optional
        ``tell(event)`` hears what happens: dicts with ``event``: ``listening`` (port, ae), ``exam`` (exam, state,
        images, reason), ``progress``, ``sending`` (job, result), ``note`` (message). Called in several threads.
    outbox : Outbox, optional
    """

    def __init__(self, settings, work, archive=None, tell=None, outbox=None):
        self.settings, self._work, self._archive = settings, work, archive
        self._tell_unlocked, self._telling = tell or (lambda event: None), threading.Lock()
        self._stop, self._to_send, self._refused_at = threading.Event(), threading.Event(), float("-inf")
        self._outbox, self._exams = outbox, None
        self._asked = {}  # exam → when its images were first counted, and when last
        self.port = None

    @property
    def stopped(self):
        """bool: whether `stop` was called."""
        return self._stop.is_set()

    def stop(self):
        """End soon; may be called in any thread and by a signal."""
        self._stop.set()
        self._to_send.set()

    def run(self):
        """Work until `stop` is called.

        Raises
        ------
        BreastSegError
            If it cannot begin: the port or the folder is in use, or cannot be written.
        """
        settings = self.settings
        with ExitStack() as stack:
            made_private(settings.folder)
            stack.callback(BatchLock(settings.folder, "watch").release)
            self._exams = Exams(settings.folder)  # not before: it takes up what another one may be working on
            self._outbox = self._outbox or Outbox(Path(settings.folder) / "outbox")
            stack.callback(self._outbox.lock().release)
            sender = threading.Thread(target=self._send, daemon=True)
            if self._archive is not None:
                sender.start()
                stack.callback(sender.join, 10.0)
            receiver = stack.enter_context(
                Receiver(settings.aet, settings.port, self._received, settings.tls, settings.callers, settings.address)
            )
            stack.callback(self.stop)  # before the sender is waited for, whatever ends this
            self.port = receiver.port
            self._tell({"event": "listening", "port": self.port, "ae": settings.aet})
            forgot_at = float("-inf")
            while not self.stopped:
                self._retry_if_asked()
                if settings.forget_days and time.monotonic() - forgot_at > FORGET_LOOK_S:
                    forgot_at = time.monotonic()
                    self._exams.forget(settings.forget_days)
                key = self._next()
                if key is not None:
                    self._do(key)
                else:
                    self._stop.wait(LOOK_S)

    # --- receiving, in the threads of the receiver

    def _received(self, received):
        """Keep what came; return the status for its sender."""
        free = shutil.disk_usage(self.settings.folder).free
        if free < self.settings.keep_free_mb * 1e6 + 2 * len(received.data):
            return self._no_room()
        try:
            self._exams.arrived(received.data)
        except NotAnExam:
            return STORED  # taken and not kept: the archive would send it again for ever
        except BadInput as error:
            return self._no_room() if isinstance(error.__cause__, OSError) else NOT_UNDERSTOOD
        return STORED

    def _no_room(self):
        if time.monotonic() - self._refused_at > 60.0:
            self._refused_at = time.monotonic()
            self._tell({"event": "note", "message": "The disk is full: images are refused until there is room"})
        return NO_ROOM

    # --- working, in the main thread

    def _next(self):
        """Return the key of an exam that is complete, or None."""
        for key in self._exams.quiet(self.settings.complete_after_s):
            if self._exams.unchanged(key):
                continue
            if not self.settings.whole_study or self._archive is None or self._all_there(key):
                return key
        return None

    def _all_there(self, key):
        """Return whether the archive has not more images of an exam than came."""
        now = time.monotonic()
        first, last = self._asked.get(key, (now, float("-inf")))
        if now - last < max(self.settings.complete_after_s, LOOK_S):
            return False
        self._asked[key] = (first, now)
        try:
            rows = self._archive.series(self._exams.study_of(key))
            wanted = sum(row["instances"] or 0 for row in rows if row["modality"] not in NO_EXAM)
            why = f"Only {self._exams.count(key)} of {wanted} images came"
        except BreastSegError as error:
            wanted, why = None, f"The images could not be counted: {error.what}"
        if wanted is not None and self._exams.count(key) >= wanted:
            self._asked.pop(key, None)
            return True
        if now - first >= self.settings.patience_s:
            self._asked.pop(key, None)
            self._exams.end(key, self._exams.fingerprint(key), FAILED, why)
            self._tell_exam(key, FAILED, why)
        return False

    def _do(self, key):
        """Work on an exam; whatever happens, the next one follows."""
        fingerprint = self._exams.begin(key)
        label = f"{key}-{fingerprint[:12]}"
        self._tell_exam(key, "running")
        try:
            if not self._outbox.knows(label):  # else the end came between adding and noting it
                files = self._work(
                    self._exams.folder_of(key), self.settings.folder / "results" / key / fingerprint[:12], self._report
                )
                if files and self._archive is not None and self._exams.fingerprint(key) == fingerprint:
                    self._outbox.add(files, label)
                    self._to_send.set()
        except Cancelled:
            self._exams.wait_again(key)
            return
        except BreastSegError as error:
            # Without where: that can name what a patient is known by.
            self._finish(key, fingerprint, FAILED, f"{error.what.rstrip('. ')}. {error.hint}".strip())
        except Exception as error:
            self._finish(key, fingerprint, FAILED, f"A fault of the program: {type(error).__name__}")
        else:
            self._finish(key, fingerprint, DONE)

    def _finish(self, key, fingerprint, state, reason=""):
        try:
            same = self._exams.end(key, fingerprint, state, reason)
        except BadInput as error:  # the disk is full; the next start takes the exam up again
            self._tell({"event": "note", "message": error.what})
            return
        self._tell_exam(key, state if same else RECEIVING, reason if same else "More images came meanwhile")

    def _report(self, stage, done, total):
        self._tell({"event": "progress", "stage": stage, "done": done, "total": total})

    def _retry_if_asked(self):
        asked = self.settings.folder / RETRY_ASKED
        if asked.exists():
            asked.unlink(missing_ok=True)
            for key in self._exams.retry():
                self._tell_exam(key, RECEIVING, "It is tried again")
            self._outbox.again()

    # --- sending, in a thread of its own

    def _send(self):
        while not self.stopped:
            try:
                for job, result in self._outbox.send_due(self._archive, self._pulse):
                    self._tell({"event": "sending", "job": job, "result": result})
            except Cancelled:
                return
            except Exception as error:  # such as a full disk: it goes on when that is over
                what = error.what if isinstance(error, BreastSegError) else type(error).__name__
                self._tell({"event": "note", "message": f"Sending failed: {what}"})
                self._stop.wait(10 * SEND_LOOK_S)
            self._to_send.wait(SEND_LOOK_S)
            self._to_send.clear()

    def _pulse(self):
        if self.stopped:
            raise Cancelled

    # --- telling

    def _tell_exam(self, key, state, reason=""):
        self._tell({"event": "exam", "exam": key, "state": state, "images": self._exams.count(key), "reason": reason})

    def _tell(self, event):
        with self._telling:
            self._tell_unlocked(event)


def ask_retry(folder):
    """Ask the watch of a folder, running or started later, to take up what failed.

    Raises
    ------
    BadInput
        If the folder is none of a watch.
    """
    _check_folder(folder)
    (Path(folder) / RETRY_ASKED).touch()


def status_of(folder):
    """Return what a watch has done: ``exams`` (key → state) and ``outbox`` (counts).

    Raises
    ------
    BadInput
        If the folder is none of a watch.
    """
    _check_folder(folder)
    outbox = Path(folder) / "outbox"
    counts = Outbox(outbox).counts() if outbox.is_dir() else {"waiting": 0, "refused": 0}
    return {"exams": states_in(folder), "outbox": counts}


def _check_folder(folder):
    if not (Path(folder) / "exams").is_dir():
        raise BadInput("This is no folder of a watch", folder, "Give the one of watch --folder")
