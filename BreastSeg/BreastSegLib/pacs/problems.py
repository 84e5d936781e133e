"""What can go wrong with an archive, told apart by whether trying again may help."""

from ..errors import BreastSegError


class ArchiveError(BreastSegError):
    """The archive refuses, or what it says is wrong: trying again the same way does not help."""

    code = "archive"


class NotOffered(ArchiveError):
    """The archive does not have the service that is asked for."""


class Interrupted(ArchiveError):
    """The connection was lost, or the archive is busy: what is missing can be asked for again."""

    code = "archive-interrupted"


class Unreachable(Interrupted):
    """There is no connection to the archive."""

    code = "archive-unreachable"
