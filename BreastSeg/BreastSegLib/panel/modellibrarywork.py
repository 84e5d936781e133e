"""One model command at a time, as a child process: unzipping, copying and checksums never keep the window waiting."""

from ..inference.childcommand import ChildCommand
from ..models import place
from ..scene.session import childEnvironment, ownInterpreter
from .commandwork import CommandWork


class LibraryWork(CommandWork):
    """Runs ``models …`` commands for the model library (see `CommandWork`).

    Parameters
    ----------
    parent : qt.QWidget
    onProgress, onChanged : callable
    """

    def __init__(self, parent, onProgress, onChanged):
        CommandWork.__init__(self, parent, makeCommand, onProgress, onChanged)


def makeCommand(arguments):
    """Return the `ChildCommand` of what stands behind ``models``, not started yet."""
    # Both sides mean the same folder, whatever the environment was when the application started.
    environment = childEnvironment() | {place.ENVIRONMENT: str(place.library_folder())}
    return ChildCommand(["models", *arguments, "--events"], ownInterpreter(), environment)
