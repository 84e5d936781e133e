"""CSV tables as people and spreadsheet programs write them: other separators, other encodings, empty lines."""

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

from .errors import BadInput

LARGEST = 64 * 1024 * 1024  # bytes; a table of cases comes nowhere near


@dataclass(frozen=True)
class Cells:
    """The cells of a table, without empty lines.

    Parameters
    ----------
    line : int
        Where the header stands, from 1.
    header : tuple of str
        Names of the columns, without blanks around them.
    rows : list of (int, list of str)
        Line and values of each row, without blanks around them. A row can be shorter than the header; separators
        behind its last value are dropped, other values too many are kept.
    separator : str
        What stands between the columns.
    """

    line: int
    header: tuple
    rows: list = field(repr=False)
    separator: str = ","


def read_cells(path):
    """Read a table.

    Parameters
    ----------
    path : str or Path
        Comma, semicolon or tab between the columns; UTF-8, UTF-16 or, if it is neither, Windows-1252.

    Returns
    -------
    Cells or None
        None for a file without any value.

    Raises
    ------
    BadInput
        If the file cannot be read, is no text, or a quote is never closed.
    """
    path = Path(path)
    text = _text(path)
    first, _, rest = text.partition("\n")
    skipped = 0
    told = re.fullmatch(r"sep=(.)", first.strip("\r"), re.IGNORECASE)  # Excel's own line
    if told:
        text, skipped = rest, 1
    rows, separator = [], told[1] if told else _separator(text)
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=separator, strict=True)
    began = 1 + skipped
    try:
        for values in reader:
            values = [value.strip() for value in values]
            if any(values):
                rows.append((began, values))
            began = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise BadInput(f"The table cannot be read: line {began}: {error}", path, "Save it as CSV again") from error
    if not rows:
        return None
    line, header = rows[0]
    # Spreadsheet programs write separators behind the last value.
    rows = [(number, _trimmed(values, len(header))) for number, values in rows[1:]]
    return Cells(line, tuple(header), rows, separator)


def _trimmed(values, count):
    while len(values) > count and not values[-1]:
        values = values[:-1]
    return values


def _text(path):
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise BadInput(f"The table cannot be read: {error.strerror}", path) from error
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise BadInput("The table is a spreadsheet file", path, "Save it as CSV: in Excel 'CSV UTF-8'")
    if size > LARGEST or (b"\x00" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff"))):
        raise BadInput("The file is not a table", path, "Give a CSV file with the columns case, exam …")
    for encoding in ("utf-16",) if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text.replace("\r\n", "\n").replace("\r", "\n")
    raise BadInput("The letters of the table cannot be read", path, "Save it as CSV UTF-8")


def _separator(text):
    """Return what separates the columns: the header tells, as no column name holds one."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=header.count)
