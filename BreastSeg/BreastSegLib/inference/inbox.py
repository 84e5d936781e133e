"""The requests as they reach the worker."""

import os
import queue
import shutil
import sys
import threading
import time

from ..errors import BadInput
from .messages import check_request, decode
from .processtree import end_own_tree

PARENT_GONE = 3  # exit code
REMOVING_S = 3.0


class Inbox(threading.Thread):
    """Reads requests, so that a cancel is seen while a request runs, and notices when the parent is gone.

    A thread is right here: this process is an ordinary Python, not the application.

    Parameters
    ----------
    folder, lease : str
        Private folder of the parent; file in it that the parent deletes before it lets go of this worker.
    ahead : Ahead
        Gets the exams that are to be made ready meanwhile.
    own_tree : bool
        This process leads a tree of its own, which ends with it.
    """

    def __init__(self, folder, lease, ahead, own_tree=False):
        super().__init__(name="inbox", daemon=True)
        self.requests = queue.Queue()
        self._cancelled = None
        self._folder, self._lease, self._ahead, self._own_tree = folder, lease, ahead, own_tree
        self._leaving = threading.Lock()

    def run(self):
        """Sort requests until the shutdown, or the end of the input, which means that the parent is gone."""
        for line in sys.stdin.buffer:
            try:
                message = decode(line)
            except ValueError:
                message = {"id": None, "request": "unreadable"}
            kind = message.get("request")
            if kind == "cancel":
                self._cancelled = message.get("id")
            elif kind == "ahead":
                self._begin_ahead(message)
            else:
                self.requests.put(message)
            if kind == "shutdown":
                return
        self.leave()

    def is_cancelled(self, request_id):
        """Return whether the user cancelled this request."""
        return self._cancelled is not None and self._cancelled == request_id

    def leave(self):
        """End this process because the parent is gone; nobody needs the arrays any more."""
        self._leaving.acquire()  # never released: whoever comes second waits here for the end
        # The lease says whether the parent died or only let go of this worker, and still needs the folder.
        if os.path.exists(self._lease):
            _remove(self._folder)
        if self._own_tree:
            end_own_tree(PARENT_GONE)
        os._exit(PARENT_GONE)

    def _begin_ahead(self, message):
        try:
            check_request(message)
        except BadInput as error:  # the predict that follows says the same to the user
            sys.stderr.write(f"{error.line}\n")
            return
        self._ahead.begin(message)


def _remove(folder):
    """Remove a folder into which the request that still runs may be writing."""
    os.chdir(os.path.dirname(folder))  # Windows does not remove the folder that a process is in
    end = time.monotonic() + REMOVING_S
    while os.path.exists(folder) and time.monotonic() < end:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.02)
