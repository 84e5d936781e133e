"""What an importer returns: the cases it understood, and row by row what it could not."""

from dataclasses import dataclass, field

from .table import CaseTable


@dataclass(frozen=True)
class NotRead:
    """Something of the source that did not become a case.

    Parameters
    ----------
    where : str
        Which row, file or folder, with the line number of a table.
    why : str
        A sentence without full stop.
    """

    where: str
    why: str

    @property
    def line(self):
        """str: both, for people."""
        return f"{self.where}: {self.why}"


@dataclass(frozen=True)
class Imported:
    """A case table and what did not fit into it.

    Parameters
    ----------
    table : CaseTable
        Its folder is the source's, so that paths are relative to it.
    not_read : tuple of NotRead
    notes : tuple of str
        What else the user should know, one sentence each.
    """

    table: CaseTable
    not_read: tuple = field(default=())
    notes: tuple = field(default=())
