"""The case table that is open: what stands in memory, what stands in the file, and whether they differ. No Qt."""

import os
from pathlib import Path

from BreastSegLib.errors import BadInput

from ..cases import Case, CaseTable, unused_name, update_file

# What a mask that was drawn anew makes untrue.
OF_THE_MASK = ("label", "fixes", "status", "findings", "volume_mm3", "area_mm2")
# Columns whose change makes a former check untrue.
CHECKED = {"exam", "phases", "image", "channels", "times", "choose", "mask", "label", "side", "patient"}


class OpenTable:
    """A case table with its file.

    Attributes
    ----------
    table : CaseTable
    path : Path or None
        None as long as it was never saved.
    unsaved : bool
        Whether there are changes that are not in the file.
    """

    def __init__(self):
        self.table, self.path, self.unsaved = CaseTable(), None, False
        self._stamp = None

    @property
    def cases(self):
        """list of Case: the rows in the file's order."""
        return self.table.cases

    @property
    def name(self):
        """str: the file's name, '' without a file."""
        return self.path.name if self.path is not None else ""

    def clear(self):
        """Begin an empty table without a file."""
        self.__init__()

    def open(self, path):
        """Read a table from its file.

        Raises
        ------
        BadInput
            If the file cannot be used; what is open stays.
        """
        path = Path(path).absolute()
        stamp = _stamp(path)
        self.table = CaseTable.read(path)
        self.path, self.unsaved, self._stamp = path, False, stamp

    def reread(self):
        """Read the file again after a command has written into it.

        Raises
        ------
        BadInput
            If it is gone or broken; what is in memory stays then, as unsaved.
        """
        try:
            self.open(self.path)
        except BadInput:
            self.unsaved = True
            raise

    @property
    def changedOutside(self):
        """bool: whether another program has changed or removed the file since it was read or saved."""
        return self.path is not None and _stamp(self.path) != self._stamp

    def save(self, path=None):
        """Write the table, replacing its file.

        Parameters
        ----------
        path : str or Path, optional
            Another file; ``.csv`` is added when it is missing.

        Raises
        ------
        BadInput
            If it cannot be written: all stays as it is.
        """
        target = Path(path).absolute() if path is not None else self.path
        if target is None:
            raise BadInput("The table has no file yet", hint="Choose one with Save as")
        if target.suffix.lower() != ".csv":
            target = target.with_name(target.name + ".csv")
        self.table = self.table.write(target, overwrite=True)
        self.path, self.unsaved, self._stamp = target, False, _stamp(target)

    def setValue(self, index, column, text):
        """Write a value that the user typed; returns whether that changed anything."""
        case, text = self.cases[index], text.strip()
        if case.get(column) == text:
            return False
        changes = {column: text}
        if column in CHECKED and case.get("status"):
            changes |= {"status": None, "findings": None}
        self.cases[index] = case.changed(**changes)
        self.unsaved = True
        return True

    def setOfCase(self, name, changes):
        """Write values of one case into memory and, at once, into the file.

        Raises
        ------
        BadInput
            If the file cannot be written; the values stand in memory then, unsaved.
        """
        index = self.table.index_of(name)
        self.cases[index] = self.cases[index].changed(**changes)
        if self.path is None:
            self.unsaved = True
            return
        outside = self.changedOutside
        try:
            written = update_file(self.path, {name: changes})
            if name not in {case.name for case in written}:
                raise BadInput("The file has no such case yet", name, "Save the table")
        except BadInput:
            self.unsaved = True
            raise
        if not outside:
            self._stamp = _stamp(self.path)

    def add(self, cases):
        """Add cases at the end.

        Those that stand there already (same patient, exam, mask, lesion) are left out; a name that is taken gets a
        number.

        Returns
        -------
        tuple of int
            How many were added, and how many were there already.
        """
        taken = {case.name.casefold() for case in self.cases}
        there, added, left = {_key(case, self.table) for case in self.cases}, 0, 0
        for case in cases:
            key = _key(case, self.table)
            if key in there:
                left += 1
                continue
            there.add(key)
            if not case.name or case.name.casefold() in taken:
                case = case.changed(case=unused_name(taken, case.name or "case"))
            taken.add(case.name.casefold())
            self.cases.append(Case(dict(case.values)))
            added += 1
        self.unsaved = self.unsaved or added > 0
        return added, left

    def addRow(self, **values):
        """Add one row as it is, with a free name when it has none; returns its place."""
        taken = {case.name.casefold() for case in self.cases}
        name = values.pop("case", "") or unused_name(taken)
        self.cases.append(Case({}).changed(case=name, **values))
        self.unsaved = True
        return len(self.cases) - 1

    def remove(self, indices):
        """Take rows out of the table; no other file changes."""
        gone = set(indices)
        self.table.cases[:] = [case for index, case in enumerate(self.cases) if index not in gone]
        self.unsaved = self.unsaved or bool(gone)

    def relocate(self, old, new):
        """Let every path that begins with one folder begin with another; returns how many did."""
        self.table, count = self.table.relocated(old, new)
        self.unsaved = self.unsaved or count > 0
        return count

    def cell(self, path):
        """Return a path as it is written in this table: relative when it lies beside the file."""
        path = Path(path).absolute()
        folder = self.table.folder.absolute()
        return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()

    def maskFile(self, name, folder):
        """Return the file beside the table that a case's new mask is written to: one that no other row names."""
        low = name.casefold()
        others = [case for case in self.cases if case.name != name and low in case.get("mask").casefold()]
        used = {str(path).casefold() for case in others for path in self.table.mask_paths(case)}
        stem, number = self.path.parent / folder / name, 2
        path = Path(f"{stem}.nrrd")
        while str(path).casefold() in used or (number > 2 and path.exists()):
            path, number = Path(f"{stem}_{number}.nrrd"), number + 1
        return path

    def thumbnail(self, case):
        """Return where the check puts the picture of a case, whether it is there or not; None without a file."""
        if self.path is None or not case.name:
            return None
        return self.path.parent / f"{self.path.stem}.thumbnails" / f"{case.name}.png"


def forNewMask(path):
    """Return the changes of a row whose mask was drawn anew and lies in `path` (as the table writes it)."""
    return {**dict.fromkeys(OF_THE_MASK), "mask": path}


def commonFolder(paths):
    """Return the longest folder that all of some paths lie in, as the table writes it; '' when there is none."""
    parts = [path.replace("\\", "/").split("/")[:-1] for path in paths]
    if not parts:
        return ""
    shared = []
    for names in zip(*parts):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return "/".join(shared)


def _key(case, table):
    exam = "|".join(
        str(table.path(part)) for column in ("exam", "phases", "image", "channels") for part in case.parts(column)
    )
    masks = "|".join(str(table.path(part)) for part in case.parts("mask"))
    return (case.patient, exam, masks, case.get("lesion"), case.get("label")) if exam else object()


def _stamp(path):
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
