"""Tables of datasets: CSV and the spreadsheet files of Excel, read to the same cells of text."""

import math
from datetime import date, datetime, time
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.tables import Cells, read_cells

LARGEST = 64 * 1024 * 1024  # bytes
MOST_ROWS = 1_000_000
XLSX, XLS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"  # how the files begin, whatever they are called
ERRORS = {"#N/A", "#REF", "#VALUE", "#DIV/0", "#NAME", "#NULL", "#NUM"}  # of formulas
AS_CSV = "Save it as CSV UTF-8 and give that"


def read_sheet(path, having=()):
    """Read a table.

    Parameters
    ----------
    path : str or Path
        CSV with any separator and encoding, .xlsx or .xls; told by its content, not by its ending.
    having : sequence of str
        Headings (compared without case, blanks and underscores) that the sheet has to have: of a file with several
        sheets the first with all of them is read. Empty: the first sheet with any value.

    Returns
    -------
    Cells
        Of a spreadsheet `line` is the row as the program numbers it. Whole numbers have no decimal point, dates are
        written as ``2010-01-31``, empty cells and errors (``#N/A``) are ''.

    Raises
    ------
    BadInput
        If the file cannot be read, is empty, lacks a heading, or needs a package that is not installed.
    """
    path = Path(path)
    start = _start(path)
    if start == XLSX:
        sheets = _xlsx(path)
    elif start == XLS:
        sheets = _xls(path)
    else:
        cells = read_cells(path)
        sheets = [] if cells is None else [cells]
    if not sheets:
        raise BadInput("The table is empty", path, "Its first line names the columns")
    wanted = {heading_key(text) for text in having}
    for cells in sheets:
        if wanted <= {heading_key(text) for text in cells.header}:
            return cells
    raise BadInput(f"The table has no columns {', '.join(having)}", path, "Give the dataset's own table")


def rows_of(cells):
    """Return [(line, {heading: text})] of a table: headings as `heading_key` writes them, the first of doubles."""
    keys = [heading_key(text) for text in cells.header]
    rows = []
    for line, values in cells.rows:
        row = {}
        for key, value in zip(keys, values):
            if key and value:
                row.setdefault(key, value)
        rows.append((line, row))
    return rows


def heading_key(text):
    """Return a heading without what people write differently: ``Bi-Rads`` and ``BI RADS`` are ``birads``."""
    return "".join(character for character in text.casefold() if character.isalnum())


def _start(path):
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput("The table is larger than any table of cases", path, AS_CSV)
        with open(path, "rb") as stream:
            return stream.read(4)
    except OSError as error:
        raise BadInput(f"The table cannot be read: {error.strerror}", path) from error


def _xlsx(path):
    try:
        import openpyxl
    except ImportError as error:
        raise _not_installed("openpyxl", path) from error
    try:
        # As a stream: given a path, openpyxl judges the file by its ending.
        with open(path, "rb") as stream:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            sheets = [_cells(sheet.iter_rows(values_only=True), path) for sheet in book.worksheets]
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - damaged files make the reader raise almost any exception
        raise BadInput("The spreadsheet file is damaged or has a password", path, AS_CSV) from error
    return [cells for cells in sheets if cells is not None]


def _xls(path):
    try:
        import xlrd
    except ImportError as error:
        raise _not_installed("xlrd", path) from error
    try:
        # xlrd writes its doubts to a log; nobody would look for them on the screen.
        with open(path, "rb") as stream, _Nowhere() as log:
            book = xlrd.open_workbook(file_contents=stream.read(), logfile=log, formatting_info=False)
            sheets = [_cells(_xls_rows(sheet, book.datemode), path) for sheet in book.sheets()]
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - damaged files make the reader raise almost any exception
        raise BadInput("The spreadsheet file is damaged or has a password", path, AS_CSV) from error
    return [cells for cells in sheets if cells is not None]


def _xls_rows(sheet, datemode):
    import xlrd

    for number in range(sheet.nrows):
        values = []
        for cell in sheet.row(number):
            if cell.ctype == xlrd.XL_CELL_DATE:
                values.append(_xls_date(cell.value, datemode))
            elif cell.ctype == xlrd.XL_CELL_ERROR:
                values.append(None)
            else:
                values.append(bool(cell.value) if cell.ctype == xlrd.XL_CELL_BOOLEAN else cell.value)
        yield values


def _xls_date(value, datemode):
    import xlrd

    try:
        return xlrd.xldate_as_datetime(value, datemode)
    except (ValueError, OverflowError, xlrd.XLDateError):
        return value


def _cells(rows, path):
    """Return the `Cells` of rows of values, or None when there is none."""
    found = []
    for line, values in enumerate(rows, 1):
        if len(found) > MOST_ROWS:
            raise BadInput("The table has more than a million rows", path, AS_CSV)
        texts = [_text(value) for value in values]
        if any(texts):
            found.append((line, texts))
    if not found:
        return None
    line, header = found[0]
    while header and not header[-1]:
        header = header[:-1]
    return Cells(
        line, tuple(header), [(number, texts[: max(len(header), _used(texts))]) for number, texts in found[1:]]
    )


def _used(texts):
    return max((place for place, text in enumerate(texts, 1) if text), default=0)


def _text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        plain = value.time() == time(0)
        return value.date().isoformat() if plain else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    text = str(value).strip()
    return "" if text.startswith("#") and text.rstrip("!?").upper() in ERRORS else text


def _not_installed(package, path):
    return BadInput(
        f"This spreadsheet file needs the package {package}, which is not installed", path, f"{AS_CSV}, or install it"
    )


class _Nowhere:
    """A stream that keeps nothing."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def write(self, text):
        """Take a text and do nothing."""

    def flush(self):
        """Do nothing."""
