"""What a paper says of its data: how cases were left out, numbers for each centre, and figures."""

import csv
from collections import Counter
from html import escape

import numpy as np
from BreastSegLib.files import whole_file
from BreastSegLib.reports.page import html_document, html_table

from ..cases import all_columns, columns_of
from ..checks import all_checks
from .names import PARTS
from .svg import histogram_svg, nice_edges, plain_number

UNKNOWN = "unknown"
ALL = "All"
NUMBERS = ("age", "field_strength", "phase_count", "volume_mm3", "area_mm2")
CATEGORIES = ("side", "view", "birads", "density", "pathology", "menopause", "scanner")
MOST_VALUES = 12  # of a category that are listed


def summarise(table, key=()):
    """Return the numbers of a table.

    Parameters
    ----------
    table : CaseTable
    key : sequence of KeyRow
        Of an exported dataset, for the sizes of its parts.

    Returns
    -------
    dict
        JSON-ready: ``flow`` (rows of step and count), ``centres`` (names), ``rows`` (label and one text for each
        centre and for all). Nothing in it tells who a patient is.
    """
    used = [case for case in table if case.selected and case.get("status") in ("ok", "")]
    centres = sorted({_centre(case) for case in used})
    groups = {**{name: [case for case in used if _centre(case) == name] for name in centres}, ALL: used}
    if len(centres) == 1:
        groups = {ALL: used}
    parts = {row.case: row.part for row in key if row.case}
    return {"flow": flow_of(table), "centres": list(groups), "rows": _rows(groups, parts)}


def flow_of(table):
    """Return the steps from all cases to those that are used, as (text, cases, patients)."""
    cases = list(table)
    steps = [("In the table", cases)]
    refused = [case for case in cases if case.selected and case.get("status") not in ("ok", "")]
    for why, _ in Counter(_refusal(case) for case in refused).most_common():
        steps.append((why, [case for case in refused if _refusal(case) == why]))
    out = [case for case in cases if not case.selected]
    for why, _ in Counter(_why(case) for case in out).most_common():
        steps.append((f"Left out: {why}", [case for case in out if _why(case) == why]))
    used = [case for case in cases if case.selected and case.get("status") in ("ok", "")]
    unchecked = sum(case.get("status") == "" for case in used)
    steps.append(("Used" + (f" ({unchecked} of them not checked)" if unchecked else ""), used))
    return [(text, len(rows), len({case.patient for case in rows})) for text, rows in steps]


def figures_of(table):
    """Return the figures as {title: SVG text}: lesion sizes, ages, quality measures."""
    used = [case for case in table if case.selected and case.get("status") in ("ok", "")]
    figures = {}
    for name in ("volume_mm3", "area_mm2", "age", *columns_of("quality")):
        column = all_columns()[name]
        groups = {}
        for case in used:
            value = case.number(name)
            if value is not None:
                groups.setdefault(_centre(case), []).append(value)
        values = np.concatenate([*groups.values(), []])
        if values.size < 2:
            continue
        log = name in ("volume_mm3", "area_mm2") and values.min() > 0
        title = "Lesion size" if name in ("volume_mm3", "area_mm2") else column.title
        label = {"volume_mm3": "mm³", "area_mm2": "mm²"}.get(name, column.unit)
        figures[f"{title} ({label})" if label else title] = histogram_svg(
            dict(sorted(groups.items())),
            nice_edges(values, log),
            f"{title}, {values.size} cases",
            label or column.title,
            log,
        )
    return figures


def summary_page(table, key=(), title="Summary of the data"):
    """Return the summary as one HTML page."""
    found = summarise(table, key)
    parts = [
        f"<h1>{escape(title)}</h1>",
        "<p class='notice'>For research use only.</p>",
        "<h2>Cases</h2>",
        html_table(("", "Cases", "Patients"), found["flow"]),
        "<h2>Numbers for each centre</h2>",
        html_table(("", *found["centres"]), found["rows"]),
        "<p>Numbers are median (first to third quartile) [lowest to highest], and of how many cases.</p>",
        "<h2>Figures</h2>",
        *(f"<figure>{svg}</figure>" for svg in figures_of(table).values()),
    ]
    return html_document(title, parts)


def write_summary(path, table, key=(), overwrite=False):
    """Write the summary: an HTML page, or with the ending ``.csv`` its table for other programs.

    Raises
    ------
    BadInput
        If the file exists, or cannot be written.
    """
    if str(path).lower().endswith(".csv"):
        found = summarise(table, key)
        with (
            whole_file(path, overwrite) as temporary,
            open(temporary, "w", encoding="utf-8-sig", newline="") as stream,
        ):
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("", *found["centres"]))
            writer.writerows(found["rows"])
        return
    with whole_file(path, overwrite) as temporary:
        temporary.write_text(summary_page(table, key), encoding="utf-8")


def _rows(groups, parts):
    rows = [
        ("Cases", *(str(len(cases)) for cases in groups.values())),
        ("Patients", *(str(len({case.patient for case in cases})) for cases in groups.values())),
    ]
    for part, title in zip(PARTS, ("Training cases", "Test cases")):
        counts = [sum(parts.get(case.name) == part for case in cases) for cases in groups.values()]
        if any(counts):
            rows.append((title, *map(str, counts)))
    for name in NUMBERS:
        texts = [_numbers(cases, name) for cases in groups.values()]
        if any(texts):
            rows.append((_title(name), *texts))
    for name in CATEGORIES:
        rows += _category(groups, name)
    for name in columns_of("quality"):
        texts = [_numbers(cases, name) for cases in groups.values()]
        if any(texts):
            rows.append((_title(name), *texts))
    return rows


def _title(name):
    column = all_columns()[name]
    return f"{column.title} ({column.unit})" if column.unit and column.unit not in column.title else column.title


def _numbers(cases, name):
    values = np.array([value for case in cases if (value := case.number(name)) is not None], float)
    if not values.size:
        return ""
    least, low, middle, high, most = (plain_number(v) for v in np.percentile(values, (0, 25, 50, 75, 100)))
    known = "" if values.size == len(cases) else f", of {values.size}"
    return f"{middle} ({low} to {high}) [{least} to {most}]{known}"


def _category(groups, name):
    counts = [Counter(_value(case, name) for case in cases) for cases in groups.values()]
    values = [value for value, _ in sum(counts, Counter()).most_common()]
    if values in ([], [UNKNOWN]):
        return []
    if len(values) > MOST_VALUES:
        listed = set(values[:MOST_VALUES])
        counts = [
            Counter({"others": sum(n for v, n in c.items() if v not in listed)}) + Counter({v: c[v] for v in listed})
            for c in counts
        ]
        values = [*values[:MOST_VALUES], "others"]
    else:
        values = sorted(values, key=lambda value: (value == UNKNOWN, value))
    sizes = [max(len(cases), 1) for cases in groups.values()]
    return [
        (f"{_title(name)}: {value}", *(f"{c[value]} ({c[value] / n:.0%})" for c, n in zip(counts, sizes)))
        for value in values
    ]


def _value(case, name):
    return case.plain(name).strip() or UNKNOWN


def _centre(case):
    return case.get("centre").strip() or UNKNOWN


def _refusal(case):
    """Return what refused a case: a check, or the export; what a person wrote may tell who the patient is."""
    code = case.get("findings").partition(":")[0].strip()
    if code == "export":
        return "Could not be exported"
    return f"Refused by the check: {all_checks()[code].title.lower() if code in all_checks() else 'not told'}"


def _why(case):
    """Return why a case is left out without the case's own numbers: a rule, the check, or a person."""
    reason = case.get("reason")
    kind = reason.partition(":")[0].strip()
    return {"rule": "by the selection rules", "check": "by the check"}.get(kind, "by hand")
