"""One command of the training library at a time, as a child process: the window never waits for it."""

from pathlib import Path

from BreastSegLib.inference.childcommand import ChildCommand
from BreastSegLib.panel import commandwork
from BreastSegLib.scene.session import childEnvironment, ownInterpreter

PACKAGE = "BreastSegTrainingLib"
FOLDER = Path(__file__).resolve().parents[2]
SILENT = ("status",)  # told to look after the queue; how it stands is read from the files


class CommandWork(commandwork.CommandWork):
    """Runs verbs of ``python -m BreastSegTrainingLib`` (see `BreastSegLib.panel.commandwork.CommandWork`).

    Parameters
    ----------
    parent : qt.QWidget
    onProgress : callable
    """

    def __init__(self, parent, onProgress):
        commandwork.CommandWork.__init__(self, parent, makeCommand, onProgress)


def makeCommand(arguments):
    """Return the `ChildCommand` of a verb, not started yet."""
    arguments = [*map(str, arguments), *(() if arguments[0] in SILENT else ("--events",))]
    return ChildCommand(arguments, ownInterpreter(), childEnvironment(), package=PACKAGE, folder=FOLDER)


def errorLine(event):
    """Return what people read of an error event: one line."""
    hint = (event.get("hint") or "").strip().rstrip(".")
    message = " ".join(str(event.get("message") or "").split())
    return f"{message} {hint}".rstrip() + ("." if hint and not hint.endswith("?") else "")
