"""The next exam is read and prepared while the network works on the current one."""

import threading

from ..errors import Cancelled

# Neither changes what is prepared.
ASIDE = ("id", "request", "output")
LOOK_S = 0.05


class Ahead:
    """At most one exam that is made ready in a thread, and kept until the request that it was made for.

    Parameters
    ----------
    prepare : callable
        ``prepare(request, report)``: what is done in the thread; `report` raises `Cancelled` when nobody wants the
        result any more.
    """

    def __init__(self, prepare):
        self._prepare = prepare
        self._guard = threading.Lock()  # requests arrive in one thread and are done in another
        self._job = None

    def begin(self, request):
        """Begin with the exam of an ``ahead`` request, instead of any other."""
        with self._guard:
            former = self._drop()
            self._job = _Job(self._prepare, request, former)
            self._job.start()

    def take(self, request, report):
        """Return what was made ready for a ``predict`` request; None when that was another exam or none.

        Waits for a job that is not finished, and shows its progress meanwhile.

        Raises
        ------
        Exception
            What went wrong in the thread; `Cancelled` from `report`.
        """
        with self._guard:
            job = self._job
            if job is None or _older(request, job.request):
                return None
            self._job = None
        if _fields(job.request) != _fields(request):
            job.wanted = False
            return None
        try:
            while not job.finished.wait(LOOK_S):
                report(*job.progress)
        except BaseException:
            job.wanted = False
            raise
        if job.error is not None:
            raise job.error
        return job.ready

    def drop(self):
        """Forget the exam; the thread ends at its next report."""
        with self._guard:
            self._drop()

    @property
    def working(self):
        """bool: whether an exam is being made ready right now."""
        job = self._job
        return job is not None and not job.finished.is_set()

    def _drop(self):
        job, self._job = self._job, None
        if job is not None:
            job.wanted = False
        return job


class _Job(threading.Thread):
    def __init__(self, prepare, request, former):
        super().__init__(name="ahead", daemon=True)
        self.request, self.ready, self.error = request, None, None
        self.wanted, self.finished = True, threading.Event()
        self.progress = ("Reading", 0, 1)
        self._prepare, self._former = prepare, former

    def run(self):
        former, self._former = self._former, None
        if former is not None:
            former.join()  # two exams at once would need the memory of both
        try:
            ready = self._prepare(self.request, self._report)
            self.ready = ready if self.wanted else None
        except Exception as error:  # it belongs to the request that takes the exam
            self.error = error
        finally:
            self.finished.set()

    def _report(self, stage, done, total):
        self.progress = (stage, done, total)
        if not self.wanted:
            raise Cancelled()


def _older(request, other):
    """Return whether `request` was sent before `other`, which then is not about it."""
    first, second = request.get("id"), other.get("id")
    return isinstance(first, int) and isinstance(second, int) and first < second


def _fields(request):
    return {name: value for name, value in request.items() if name not in ASIDE and value is not None}
