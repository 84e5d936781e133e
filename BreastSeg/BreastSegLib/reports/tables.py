"""Measures as files: JSON as it is, or a table with one row for each lesion and units in the header."""

import csv
import io
from pathlib import Path

from ..errors import BadInput
from ..files import whole_file, write_json
from ..measures.quantities import quantities

FORMATS = (".json", ".csv")


def table_format(path):
    """Return the ending of `path`, in small letters.

    Raises
    ------
    BadInput
        If it is not one of `FORMATS`.
    """
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise BadInput("The format of the measures is not known by the ending", path, "Use .json or .csv")
    return ending


def write_measures(path, measures, overwrite=False):
    """Write the measures of one exam, whole or not at all.

    Parameters
    ----------
    path : str or Path
        ``.json``: everything. ``.csv``: one row for each lesion.
    measures : dict
        As `pipeline.measure` returns them.
    overwrite : bool

    Raises
    ------
    BadInput
        If the ending is another one, the file exists, or it cannot be written.
    """
    if table_format(path) == ".json":
        write_json(path, measures, overwrite)
    else:
        _write(path, measures_text(measures), overwrite)


def write_table(path, rows_by_case, overwrite=False):
    """Write the lesions of several exams as one table, whole or not at all; the first column is the case.

    Parameters
    ----------
    path : str or Path
    rows_by_case : dict of str to dict
        The measures of each exam by the name of its case, in the order of the table.
    overwrite : bool
    """
    _write(path, table_text(rows_by_case), overwrite)


def measures_text(measures):
    """Return the table of one exam's lesions as CSV."""
    return _text(("lesion",), [("", measures)])


def table_text(rows_by_case):
    """Return the table of several exams' lesions as CSV."""
    return _text(("case", "lesion"), list(rows_by_case.items()))


def _text(first, exams):
    """Return CSV. Its columns are those of all exams: the second kind, and further phases, are added behind."""
    rows, columns = [], dict.fromkeys(first)
    for case, measures in exams:
        heads = list(columns_of(measures))
        columns.update(dict.fromkeys(heads))
        rows += [
            {"case": _plain(case), "lesion": lesion["label"], **dict(zip(heads, cells_of(measures, lesion)))}
            for lesion in measures["lesions"]
        ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns), restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def columns_of(measures):
    """Return the headers of a lesion's values, with units."""
    heads = ["label value", "segment"]
    heads += [quantity.column for quantity in quantities(measures["kind"])]
    if measures["kind"] == "mammograms":
        return [*heads, "centre x (px)", "centre y (px)"]
    heads += ["voxels", *(f"centre {axis} (mm, LPS)" for axis in "xyz")]
    names = phase_names(measures)
    return [*heads, *(f"enhancement at {name} (%)" for name in names), *(f"signal at {name}" for name in names)]


def cells_of(measures, lesion):
    """Return a lesion's values under `columns_of`: numbers in full, empty where unknown."""
    cells = [lesion.get("value"), lesion.get("name")]
    cells += [lesion.get(quantity.key) for quantity in quantities(measures["kind"])]
    if measures["kind"] == "mammograms":
        cells += _filled(lesion.get("centroid_px"), 2)
    else:
        known = measures.get("spacing_known", True)
        cells += [lesion.get("voxels"), *_filled(lesion.get("centroid_lps") if known else None, 3)]
        count = len(phase_names(measures))
        cells += [*_filled(lesion.get("curve_pct"), count), *_filled(lesion.get("curve_signal"), count)]
    return [_plain(cell) for cell in cells]


def phase_names(measures):
    """Return the names of the phases that have a curve."""
    return [phase["name"] for phase in measures.get("phases") or () if phase["role"] != "channel"]


def _filled(values, count):
    values = list(values or ())[:count]
    return [*values, *[None] * (count - len(values))]


def _plain(value):
    """Return a cell; no spreadsheet program takes a text for a formula."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):  # lesions of other views
        value = "; ".join(" ".join(map(str, pair)) for pair in value)
    if not isinstance(value, str):
        return value
    text = " ".join(value.split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _write(path, text, overwrite):
    with whole_file(path, overwrite) as temporary:
        # With the mark by which spreadsheet programs know UTF-8.
        temporary.write_text(text, encoding="utf-8-sig", newline="")
