"""A child process that answers one question: a request file in, an answer file out, progress beside it."""

import json
import os
import sys
from pathlib import Path

from BreastSegLib.errors import BreastSegError
from BreastSegLib.files import read_json, write_json

PROGRESS = "progress.json"


def answer(work, arguments=None):
    """Do `work` for the request file and write what it returns; return the exit code.

    Parameters
    ----------
    work : callable
        ``work(request, report)`` returns a JSON-ready dict; ``report(stage, done, total)``.
    arguments : sequence of str, optional
        ``REQUEST.json ANSWER.json``; those of the process when not given.
    """
    request, target = map(Path, sys.argv[1:] if arguments is None else arguments)
    part = target.with_name(f".{PROGRESS}")

    def report(stage, done, total):
        part.write_text(json.dumps([stage, done, total]), encoding="utf-8")
        os.replace(part, target.with_name(PROGRESS))

    try:
        write_json(target, {"result": work(read_json(request), report)}, overwrite=True)
    except BreastSegError as error:
        told = {"what": error.what, "where": error.where, "hint": error.hint}
        write_json(target, {"error": told}, overwrite=True)
        return 1
    return 0
