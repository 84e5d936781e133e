"""Curves of running fold runs: read again only when their record has changed, and never lost when it is damaged."""

import os
from pathlib import Path

from BreastSegLib.errors import BadInput

from .source import CHECKPOINTS, FILE, read_curves
from .textlog import LOGS


class LiveCurves:
    """The curves of several folds, as they grow.

    Parameters
    ----------
    folders : dict of str to Path
        Name in the legend, and the folder with the checkpoints; see `source.fold_folders`.
    planned : int, optional
        Epochs that are planned, where the records do not tell.
    """

    def __init__(self, folders, planned=None):
        self._folders = {name: Path(folder) for name, folder in folders.items()}
        self._planned, self._seen, self._curves = planned, {}, {}

    def read(self):
        """Return the curves of the folds that have finished an epoch, in order.

        A fold whose record cannot be read just now keeps the curves that it had, with a note.

        Returns
        -------
        list of Curves
        """
        for name, folder in self._folders.items():
            mark = _mark(folder)
            if mark == self._seen.get(name):
                continue
            self._seen[name] = mark
            try:
                self._curves[name] = read_curves(folder, name, self._planned)
            except BadInput as error:
                if name in self._curves:
                    former = self._curves[name]
                    notes = dict.fromkeys((*former.notes, f"{error.what}."))
                    self._curves[name] = former.changed(notes=tuple(notes))
        return [self._curves[name] for name in self._folders if name in self._curves]


def _mark(folder):
    """Return what changes whenever a record of a fold does."""
    found = []
    # The record of the trainer alone decides while it is there: checkpoints are large, and written often.
    names = [FILE] if (folder / FILE).is_file() else [*CHECKPOINTS, *sorted(path.name for path in folder.glob(LOGS))]
    for name in names:
        try:
            status = os.stat(folder / name)
        except OSError:
            continue
        found.append((name, status.st_size, status.st_mtime_ns))
    return tuple(found)
