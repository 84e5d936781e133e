"""The child process that owns torch and nnU-Net: ``python -m BreastSegLib.inference.worker``.

An entry point like ``__main__``: it reads requests, lets `pipeline` do them and says how they go (see `messages`).
It ends itself when its parent is gone.
"""

import argparse
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback

from .. import pipeline
from ..errors import BreastSegError, Cancelled
from ..exam import reading
from .engine import Engine
from .messages import check_request, decode, encode, error_event
from .versions import versions

PROGRESS_INTERVAL_S = 0.05


class Channel:
    """Events go out here. Whatever libraries print to the standard output goes to the log instead."""

    def __init__(self):
        self._stream = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def send(self, **event):
        """Write one event."""
        self._stream.write(encode(event))


class Inbox(threading.Thread):
    """Reads requests, so that a cancel is seen while a request runs, and notices when the parent is gone.

    A thread is right here: this process is an ordinary Python, not the application.
    """

    def __init__(self, folder, lease):
        super().__init__(daemon=True)
        self.requests = queue.Queue()
        self.cancelled = None  # id of the request that the user cancelled
        self._folder, self._lease = folder, lease

    def run(self):
        for line in sys.stdin.buffer:
            try:
                message = decode(line)
            except ValueError:
                message = {"id": None, "request": "unreadable"}
            if message.get("request") == "cancel":
                self.cancelled = message.get("id")
            else:
                self.requests.put(message)
            if message.get("request") == "shutdown":
                return
        # End of input without a shutdown: the parent is gone. Nobody needs the arrays any more.
        # The lease says whether it died or only let go of this worker, and still needs the folder.
        if os.path.exists(self._lease):
            shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(3)


class Reporter:
    """Sends progress with an estimate of the time left in the stage; raises `Cancelled` when the user asked for it."""

    def __init__(self, channel, request_id, inbox):
        self._channel, self._id, self._inbox = channel, request_id, inbox
        self._stage, self._began, self._sent = None, 0.0, 0.0

    def __call__(self, stage, done, total):
        if self._inbox.cancelled == self._id:
            raise Cancelled()
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self._sent = stage, now, 0.0
        if now - self._sent < PROGRESS_INTERVAL_S and done < total:
            return
        self._sent = now
        eta = (now - self._began) / done * (total - done) if done else None
        self._channel.send(
            event="progress",
            id=self._id,
            stage=stage,
            done=done,
            total=total,
            eta_s=None if eta is None else round(eta, 1),
        )


def serve(channel, inbox):
    """Answer requests until shutdown."""
    engine = Engine()
    handlers = {
        "read": lambda request, report: reading.read_to_store(request["source"], request["output"], report),
        "prepare": lambda request, report: pipeline.prepare_exam(request, report),
        "load": lambda request, report: pipeline.load_model(request, engine, report),
        "predict": lambda request, report: pipeline.segment_exam(request, engine, report),
    }
    channel.send(event="ready", pid=os.getpid(), versions=versions())
    while True:
        request = inbox.requests.get()
        request_id = request.get("id")
        try:
            kind = check_request(request)
            if kind == "shutdown":
                return
            result = handlers[kind](request, Reporter(channel, request_id, inbox))
            channel.send(event="result", id=request_id, **result)
        except BreastSegError as error:
            channel.send(**error_event(request_id, error))
        except Exception as error:  # the worker must answer and stay; the traceback is in the log
            text = traceback.format_exc()
            sys.stderr.write(text)
            channel.send(**error_event(request_id, error, log=text[-4000:]))


def main():
    """Run the worker."""
    parser = argparse.ArgumentParser(prog="BreastSegLib.inference.worker")
    parser.add_argument("--folder", required=True, help="private folder of the parent, removed if the parent dies")
    parser.add_argument("--lease", required=True, help="file that the parent deletes before it lets go of this worker")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the parent's to handle
    inbox = Inbox(arguments.folder, arguments.lease)
    channel = Channel()
    inbox.start()
    try:
        serve(channel, inbox)
    except BrokenPipeError:
        os._exit(3)


if __name__ == "__main__":
    main()
