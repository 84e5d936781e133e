"""The tables of a batch, as spreadsheet programs open them: one row for each case, and one for each lesion."""

import csv
import io

from ..files import whole_file
from ..reports.tables import write_table

NAME, MEASURES = "summary.csv", "measures.csv"
COLUMNS = ("case", "state", "reason", "lesions", "largest_cm3", "largest_mm2", "seconds", "notes")
WAITING = "not run yet"


def row_of_record(case, record):
    """Return the row of a finished case.

    Parameters
    ----------
    case : str
    record : dict
        Its run record, see `outputs.record_of`.
    """
    images = record.get("results") or [record]
    lesions = [row for image in images for row in image["components"]]
    return {
        "case": case,
        "state": "done",
        "lesions": len(lesions),
        "largest_cm3": _largest(lesions, "volume_mm3", 1000, 3),
        "largest_mm2": _largest(lesions, "area_mm2", 1, 1),
        "seconds": f"{sum(record.get('seconds', {}).values()):.1f}",
        "notes": " ".join(record.get("notes", ())),
    }


def row_without_result(case, state, reason):
    """Return the row of a case that failed, or was skipped."""
    return {"case": case, "state": state, "reason": reason}


def write_tables(folder, rows, measures):
    """Write summary and measures, each whole, in place of the former ones.

    Parameters
    ----------
    folder : Path
    rows : dict of str to dict
        Of the summary, by case, in the order of the batch.
    measures : dict of str to dict
        Of the finished cases, in any order.

    Raises
    ------
    BadInput
        If one cannot be written: the disk is full, or a spreadsheet program on Windows has it open.
    """
    write_summary(folder, rows.values())
    write_table(folder / MEASURES, {case: measures[case] for case in rows if case in measures}, overwrite=True)


def write_summary(folder, rows):
    """Write the summary, whole, in place of the former one.

    Raises
    ------
    BadInput
        If it cannot be written: the disk is full, or a spreadsheet program on Windows has it open.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    with whole_file(folder / NAME, overwrite=True) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8-sig", newline="")


def _largest(lesions, name, factor, digits):
    sizes = [row[name] for row in lesions if row.get(name) is not None]
    return f"{max(sizes) / factor:.{digits}f}" if sizes else ""


def _plain(value):
    """Return a value that no spreadsheet program takes for a formula."""
    text = " ".join(str(value).split())
    return f"'{text}" if text[:1] in "=+-@" and text[:1] else text
