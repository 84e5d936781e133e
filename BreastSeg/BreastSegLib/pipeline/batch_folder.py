"""The output folder of a batch: what it was begun with, and which of its cases are finished."""

import hashlib
import json
import re
import shutil
import uuid
from pathlib import Path

from ..errors import BadInput
from ..files import read_json, write_error, write_json
from ..reports.masks import FORMATS
from .batch_lock import BatchLock
from .batch_names import KINDS, is_view, same

FORMAT = "breastseg-batch-1"
NAME = "batch.json"
DIGITS = 8
_KIND = re.compile(rf"\.(?:{'|'.join(KINDS)})$")


class BatchFolder:
    """The output folder, locked for this batch.

    Parameters
    ----------
    path : str or Path
        Made if it is missing.
    settings : dict
        What the results depend on, by name: a rerun with others is refused.
    overwrite : bool
        Begin again: results of former batches are replaced, case by case.

    Attributes
    ----------
    path : Path
    id : str
        Of this batch; a rerun has the same.
    notes : list of str

    Raises
    ------
    BadInput
        If another batch works there, or one with other settings has, or the folder cannot be written.
    """

    def __init__(self, path, settings, overwrite=False):
        self.path, self.notes = Path(path).absolute(), []
        self._made = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_error(error, self.path) from error
        self._lock = BatchLock(self.path)
        settings = json.loads(json.dumps(settings))  # as it comes back from the file
        try:
            if self._lock.left_by is not None:
                self.notes.append(
                    f"The last batch in this folder did not end by itself (process {self._lock.left_by}); "
                    "going on where it stopped."
                )
            self._overwrite, self._settings = overwrite, settings
            self._former = self._read()
            self.id = self._former["id"]
        except BaseException:
            self.release()
            raise

    def names_of(self, folders):
        """Return case_0001 … for the names of folders; one that had a name in a former run keeps it."""
        known = {digest: name for name, digest in self._former["cases"].items() if re.fullmatch(r"case_\d+", name)}
        names = [known.pop(self.digest({"exam": folder}), None) for folder in folders]
        taken = set(self._former["cases"])
        free = (name for number in range(1, 10**7) if (name := f"case_{number:04d}") not in taken)
        return [name or next(free) for name in names]

    def begin(self, cases):
        """Note the cases, and refuse what cannot go on: foreign files in the way, finished cases that were changed.

        Parameters
        ----------
        cases : sequence of BatchCase

        Returns
        -------
        dict of str to dict
            The run records of the finished cases by name.

        Raises
        ------
        BadInput
        """
        before = self._former["cases"]
        finished = {case.name: record for case in cases if (record := self.record_of(case)) is not None}
        said = {case.name: self.digest(case.given) for case in cases}
        changed = [name for name in finished if before.get(name, said[name]) != said[name]]
        if changed:
            raise BadInput(
                f"What is said about cases that are finished has changed: {_some(changed)}",
                self.path,
                "Delete their .run.json files to have them done again, or choose another output folder",
            )
        foreign = self._in_the_way([case.name for case in cases], {same(name) for name in before})
        if foreign and not self._overwrite:
            raise BadInput(
                f"The output folder holds files of these names already: {_some(foreign)}",
                self.path,
                "Choose another folder, or give --overwrite",
            )
        before.update(said)
        write_json(self.path / NAME, self._former, overwrite=True)
        self._tidy(cases)
        return finished

    def record_of(self, case):
        """Return the run record of a finished case whose files are all there, as long as they were; else None."""
        path = self.path / f"{case.name}.run.json"
        if not path.is_file():
            return None
        try:
            record = read_json(path)
            own = record["batch"]["id"] == self.id and record["batch"]["case"] == case.name
            sizes = record["sizes"]
            whole = bool(sizes) and all((self.path / name).stat().st_size == size for name, size in sizes.items())
            return record if own and whole else None
        except (BadInput, OSError, KeyError, TypeError, AttributeError):  # half a file, or of another program
            return None

    def beginning(self):
        """Return what batch.json of another folder begins with, so that its results belong to this batch."""
        return {**self._former, "cases": {}}

    def mark(self, case):
        """Return what the run record of a case says about this batch."""
        return {"id": self.id, "case": case.name}

    def digest(self, given):
        """Return some digits that change with what is said about an exam, and do not say it."""
        text = json.dumps(given, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(f"{self._former['salt']}:{text}".encode()).hexdigest()[:DIGITS]

    def release(self):
        """Let go of the folder; one that was made for nothing is removed."""
        self._lock.release()
        if self._made and not any(self.path.iterdir()):
            self.path.rmdir()

    def _read(self):
        """Return what stands in batch.json, or what will."""
        fresh = {"format": FORMAT, "id": str(uuid.uuid4()), "salt": uuid.uuid4().hex}
        fresh |= {"settings": self._settings, "cases": {}}
        path = self.path / NAME
        if not path.exists():
            return fresh
        if self._overwrite:
            # Its files are known, so that they may be replaced; its results no longer count.
            try:
                former = _checked(read_json(path), path)
                return {**fresh, "salt": former["salt"], "cases": former["cases"]}
            except BadInput:
                return fresh
        former = _checked(read_json(path), path)
        other = [
            f"{name} was {_shown(former['settings'].get(name))} and is {_shown(self._settings.get(name))}"
            for name in sorted(set(self._settings) | set(former["settings"]))
            if former["settings"].get(name) != self._settings.get(name)
        ]
        if other:
            raise BadInput(
                f"The output folder holds a batch with other settings: {'; '.join(other)}",
                self.path,
                "Give the same settings or another folder, or --overwrite to do all cases again",
            )
        return former

    def _in_the_way(self, names, ours):
        """Return the names whose files are in the folder although no former run has noted them."""
        there = {_stem(same(path.name)) for path in self.path.iterdir()} - {None}
        there |= {stem.rpartition("-")[0] for stem in there if is_view(stem.rpartition("-")[2])}
        return [name for name in names if same(name) in there - ours]

    def _tidy(self, cases):
        """Remove half-written files that a batch which was killed left behind."""
        names = (".part-", *(name for case in cases for name in (f"{case.name}.", f"{case.name}-")))
        for room in self.path.glob(".part-*"):
            if room.is_dir() and all(path.name.startswith(names) for path in room.iterdir()):
                shutil.rmtree(room, ignore_errors=True)
            elif room.name.endswith(("-" + NAME, "-summary.csv", "-measures.csv")):
                room.unlink(missing_ok=True)


def _stem(name):
    """Return the name of the case that a file would be of, with its view; None for other files."""
    ending = next((ending for ending in (*FORMATS, ".run.json") if name.endswith(ending)), None)
    return None if ending is None else _KIND.sub("", name[: -len(ending)])


def _checked(record, path):
    try:
        whole = record["format"] == FORMAT and isinstance(record["settings"], dict)
        whole = whole and all(isinstance(record[key], str) for key in ("id", "salt"))
        whole = whole and all(isinstance(v, str) for pair in record["cases"].items() for v in pair)
    except (KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise BadInput("The file does not describe a batch", path, "Choose another folder, or give --overwrite")
    return record


def _shown(value):
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) or "none" if isinstance(value, (list, tuple)) else str(value)


def _some(names):
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
