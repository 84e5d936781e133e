"""The case table: one labelled case a row, kept as one CSV file that a spreadsheet program can edit."""

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import whole_file

COLUMNS = ("case_id", "patient_id", "exam_path", "mask_path", "centre", "notes")
REQUIRED = COLUMNS[:4]
# Case names become file names of the training set on every system.
_CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Case:
    """An exam with its reference mask.

    Parameters
    ----------
    case_id : str
        Unique name; letters, digits, dot, underscore and hyphen only.
    patient_id : str
        Which woman it is; all cases of one patient stay on one side of every split.
    exam_path : str
        Folder or file of the exam, relative to the table's folder or absolute.
    mask_path : str
        File of the reference mask, likewise.
    centre : str
        Where it was acquired; empty when unknown.
    notes : str
        Free text.
    more : dict
        Further columns (BI-RADS, density, age …), kept as they are.

    Raises
    ------
    BadInput
        If a required value is empty or the case id has other characters.
    """

    case_id: str
    patient_id: str
    exam_path: str
    mask_path: str
    centre: str = ""
    notes: str = ""
    more: dict = field(default_factory=dict)

    def __post_init__(self):
        for name in COLUMNS:
            object.__setattr__(self, name, str(getattr(self, name)).strip())
        for name in REQUIRED:
            if not getattr(self, name):
                raise BadInput(f"The column {name} is empty", self.case_id and f"case {self.case_id}", "Fill it in")
        if not _CASE_ID.fullmatch(self.case_id):
            raise BadInput(
                "The case id has characters that file names cannot have everywhere",
                self.case_id,
                "Use letters a-z, digits, dot, underscore and hyphen",
            )

    def value(self, column):
        """Return the text of a column ('' when the case has none)."""
        return getattr(self, column) if column in COLUMNS else self.more.get(column, "")


class CaseTable:
    """Labelled cases in order, each id once.

    Parameters
    ----------
    cases : iterable of Case
        The rows.
    folder : str or Path, optional
        Folder that relative paths start from; that of the CSV file once the table was read or written.

    Raises
    ------
    BadInput
        If a case id occurs twice.
    """

    def __init__(self, cases=(), folder="."):
        self.cases = []
        self.folder = Path(folder)
        for case in cases:
            self.add(case)

    def __len__(self):
        return len(self.cases)

    def __iter__(self):
        return iter(self.cases)

    @property
    def columns(self):
        """tuple of str: the fixed columns, then the further ones in the order in which they first occur."""
        return COLUMNS + tuple(dict.fromkeys(name for case in self.cases for name in case.more))

    def add(self, case):
        """Append a case.

        Raises
        ------
        BadInput
            If its id is there already. Case does not count, because some file systems do not tell it apart either.
        """
        if any(case.case_id.lower() == other.case_id.lower() for other in self.cases):
            raise BadInput(f"The case id {case.case_id} occurs twice", "", "Give every case an id of its own")
        self.cases.append(case)

    def remove(self, index):
        """Remove the case at a position, counted from 0."""
        del self.cases[index]

    def resolve(self, path):
        """Return a path of the table as it lies on this machine."""
        return self.folder / path

    def missing_files(self):
        """Return a sentence for each exam or mask that is not on this machine, with the row of the spreadsheet."""
        return [
            f"Row {number}: the {name} of {case.case_id} does not exist: {self.resolve(path)}"
            for number, case in enumerate(self.cases, start=2)
            for name, path in (("exam", case.exam_path), ("mask", case.mask_path))
            if not self.resolve(path).exists()
        ]

    @classmethod
    def read(cls, path):
        """Return the table in a CSV file (UTF-8; comma or semicolon between the columns).

        Raises
        ------
        BadInput
            If the file cannot be used; the row is named, counted as a spreadsheet program does (the header is row 1).
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise BadInput("The case table does not exist", path, "Check the name") from error
        except OSError as error:
            raise BadInput(f"The case table cannot be read: {error.strerror}", path) from error
        except UnicodeDecodeError as error:
            raise BadInput(
                "The case table is not UTF-8 text", path, 'Save it from the spreadsheet as "CSV UTF-8"'
            ) from error
        header = text.split("\n", 1)[0]
        delimiter = ";" if header.count(";") > header.count(",") else ","
        table = cls(folder=path.parent)
        try:
            rows = [
                (number, row)
                for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True), 1)
                if any(value.strip() for value in row)
            ]
        except csv.Error as error:
            raise BadInput(f"The case table is not valid CSV: {error}", path) from error
        names = [name.strip() for name in rows[0][1]] if rows else []
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            raise BadInput(
                f"The case table has no column {', '.join(missing)}",
                f"{path}, row 1",
                f"The first row names the columns: {', '.join(COLUMNS)}",
            )
        if len(set(names)) != len(names):
            raise BadInput("A column name occurs twice", f"{path}, row 1", "Give every column a name of its own")
        for number, row in rows[1:]:
            try:
                table.add(_case(names, row))
            except BadInput as error:
                raise BadInput(error.what, f"{path}, row {number}", error.hint) from error
        return table

    def write(self, path, overwrite=False):
        """Write the table as CSV, whole or not at all; relative paths are rewritten to start from the new folder.

        Raises
        ------
        BadInput
            If the file exists and may not be replaced, or cannot be written.
        """
        path = Path(path)
        moved = [self._seen_from(path.parent, case) for case in self.cases]
        with whole_file(path, overwrite) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows([case.value(name) for name in self.columns] for case in moved)
        self.cases, self.folder = moved, path.parent

    def _seen_from(self, folder, case):
        if folder.resolve() == self.folder.resolve():
            return case
        paths = (_relative(self.resolve(p), folder) for p in (case.exam_path, case.mask_path))
        return Case(case.case_id, case.patient_id, *paths, case.centre, case.notes, case.more)


def unused_id(taken, stem="case"):
    """Return the first of ``case_001``, ``case_002`` … that is not in `taken` (a set of lower-case ids)."""
    return next(name for name in (f"{stem}_{k:03d}" for k in range(1, len(taken) + 2)) if name not in taken)


def _case(names, row):
    if len(row) > len(names) and any(value.strip() for value in row[len(names) :]):
        raise BadInput(
            f"The row has {len(row)} values for {len(names)} columns",
            "",
            "Put values that contain the separator in double quotes",
        )
    values = dict(zip(names, (value.strip() for value in row)))
    return Case(
        *(values.get(name, "") for name in COLUMNS),
        {name: values.get(name, "") for name in names if name and name not in COLUMNS},
    )


def _relative(path, folder):
    """Return `path` relative to `folder` when it lies in it, else absolute; forward slashes on every system."""
    path, folder = path.resolve(), folder.resolve()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
