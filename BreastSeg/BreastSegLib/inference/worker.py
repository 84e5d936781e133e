"""The child process that owns torch and nnU-Net: ``python -m BreastSegLib.inference.worker``.

An entry point like ``__main__``: it reads requests, lets `pipeline` do them and says how they go (see `messages`).
It ends itself when its parent is gone, and when it had nothing to do for a while.
"""

import argparse
import os
import queue
import signal
import sys
import threading
import traceback

from .. import pipeline
from ..errors import BreastSegError, Cancelled
from ..exam import reading
from . import allocator, logfile, privatefolder
from .ahead import Ahead
from .inbox import Inbox
from .messages import check_request, encode, error_event
from .networks import devices
from .networks.engine import Engine
from .reporter import Reporter
from .versions import versions

REST_S = 2.0  # without a request, after which freed memory is given back


class OutOfMainMemory(BreastSegError):
    """The computer has too little memory for a request."""

    code = "out-of-memory"


class Channel:
    """Events go out here. Whatever libraries print to the standard output goes to the log instead."""

    def __init__(self, log):
        self._stream = os.fdopen(os.dup(1), "wb", buffering=0)
        self._log = log
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def send(self, **event):
        """Write one event."""
        self._stream.write(encode(event))
        logfile.trim(self._log)


def serve(channel, inbox, ahead, idle_s):
    """Answer requests until shutdown, or until none came for `idle_s` seconds."""
    engine = Engine()

    def predict(request, report):
        ready = ahead.take(request, report)
        return pipeline.segment_exam(request, engine, report, ready=ready)

    handlers = {
        "read": lambda request, report: reading.read_to_store(request["source"], request["output"], report),
        "prepare": pipeline.prepare_exam,
        "measure": pipeline.measure_exam,
        "export": pipeline.export_results,
        "load": lambda request, report: pipeline.load_model(request, engine, report),
        "predict": predict,
        "devices": lambda request, report: {"devices": devices.list_devices()},
    }
    channel.send(event="ready", pid=os.getpid(), versions=versions())
    while True:
        request = next_request(inbox, ahead, idle_s)
        if request is None:
            channel.send(event="ended", reason="idle")
            return
        if request.get("request") == "shutdown":
            return
        channel.send(**answer(request, handlers, Reporter(channel.send, request.get("id"), inbox.is_cancelled), ahead))


def next_request(inbox, ahead, idle_s):
    """Return the next request, or None when none came for `idle_s` seconds (None: wait for ever).

    Memory is given back only when nothing follows at once: the next exam of a batch would ask for it again.
    """
    rest_s = REST_S if idle_s is None else min(REST_S, idle_s)
    try:
        return inbox.requests.get(timeout=rest_s)
    except queue.Empty:
        allocator.give_back_freed_memory()
    while True:
        try:
            return inbox.requests.get(timeout=None if idle_s is None else max(0.0, idle_s - rest_s))
        except queue.Empty:
            if not ahead.working:
                return None
            rest_s = 0.0


def answer(request, handlers, report, ahead):
    """Do a request and return the event that answers it.

    Every error is answered, because the worker must stay; only when the parent no longer listens there is nobody to
    tell, and BrokenPipeError goes through.
    """
    request_id = request.get("id")
    try:
        kind = check_request(request)
        event = {"event": "result", "id": request_id, **handlers[kind](request, report)}
        encode(event)  # what JSON lacks is an error of this request
        return event
    except Cancelled as error:
        ahead.drop()
        return error_event(request_id, error)
    except BreastSegError as error:
        return error_event(request_id, error)
    except BrokenPipeError:
        raise
    except Exception as error:
        text = traceback.format_exc()
        sys.stderr.write(text)
        if isinstance(error, MemoryError):
            error = OutOfMainMemory(
                "The computer has too little memory for this exam", hint="Close other programs and run again"
            )
        return error_event(request_id, error, log=text[-4000:])


def main():
    """Run the worker."""
    parser = argparse.ArgumentParser(prog="BreastSegLib.inference.worker")
    parser.add_argument("--folder", required=True, help="private folder of the parent, removed if the parent dies")
    parser.add_argument("--lease", required=True, help="file that the parent deletes before it lets go of this worker")
    parser.add_argument("--idle", type=float, help="end after so many seconds without a request")
    parser.add_argument("--own-tree", action="store_true", help="this process leads its own session or process group")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the parent's to handle
    allocator.keep_freed_memory()
    ahead = Ahead(lambda request, report: pipeline.make_ready(request, report))
    inbox = Inbox(arguments.folder, arguments.lease, ahead, arguments.own_tree)
    channel = Channel(os.path.join(arguments.folder, logfile.NAME))
    inbox.start()
    threading.Thread(target=privatefolder.sweep, name="sweep", daemon=True).start()
    try:
        serve(channel, inbox, ahead, arguments.idle)
    except BrokenPipeError:
        inbox.leave()
    # At once: threads may be in the middle of libraries that do not survive an orderly end of the interpreter.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
