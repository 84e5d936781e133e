"""Asks a child process that knows torch and nnU-Net one question, and waits for the answer."""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_json
from BreastSegLib.inference import processtree

from ..launch import interpreter

PROGRESS = "progress.json"
LOOK_S = 0.1
# A plug-in path of Slicer's that makes SimpleITK crash in other processes.
_NOT_INHERITED = ("ITK_AUTOLOAD_PATH",)


def ask(module, request, report=None, environment=None):
    """Run a module of the room ``process`` with a request, and return its result.

    Parameters
    ----------
    module : str
        Such as ``slim``.
    request : dict
        JSON-ready.
    report : callable, optional
        ``report(stage, done, total)``; what it raises ends the child and every process below it.
    environment : dict, optional
        Further variables, of that child only.

    Returns
    -------
    dict

    Raises
    ------
    BadInput
        As the child says, or if it ends without an answer.
    """
    variables = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
    variables |= {**interpreter.environment(), **(environment or {})}
    with tempfile.TemporaryDirectory(prefix="breastseg-") as place:
        folder = Path(place)
        write_json(folder / "request.json", request)
        command = interpreter.command(f"process.{module}", folder / "request.json", folder / "answer.json")
        with open(folder / "log.txt", "wb") as log:
            child = subprocess.Popen(
                command,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **processtree.start_options(),
            )
            try:
                _wait(child, folder / PROGRESS, report)
            except BaseException:
                processtree.end_tree(child)
                raise
        return _answer_in(folder, child.returncode)


def _wait(child, progress, report):
    told = None
    while child.poll() is None:
        time.sleep(LOOK_S)
        try:
            now = json.loads(progress.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if now != told and report is not None:
            report(*now)
        told = now


def _answer_in(folder, code):
    path = folder / "answer.json"
    if path.is_file():
        content = read_json(path)
        if "error" in content:
            raise BadInput(**content["error"])
        return content["result"]
    log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    said = lines[-1][:300] if lines else f"exit code {code}"
    if any(f"No module named '{name}" in said for name in ("torch", "nnunetv2")):
        raise BadInput(f"nnU-Net or torch is missing: {said}", "", "Install what training needs")
    raise BadInput(f"The process that knows nnU-Net ended without an answer: {said}")
