"""The table of an experiment, laid out like the paper's: the published figures beside ours; HTML, CSV and JSON."""

import csv
from datetime import UTC, datetime
from html import escape

from BreastSegLib.files import whole_file, write_json
from BreastSegLib.reports.page import html_document, html_table

from .outcome import DONE, FAILED

FORMAT = "breastseg-experiment-results-1"
JSON, CSV, HTML = "results.json", "results.csv", "results.html"
NONE = "–"


def results_record(experiment, options, outcomes):
    """Return what ``results.json`` keeps.

    Parameters
    ----------
    experiment : Experiment
    options : ExperimentOptions
    outcomes : dict of int to Outcome
        By the number of the row.

    Returns
    -------
    dict
    """
    rows = []
    for row in experiment.rows:
        outcome = outcomes[row.number]
        rows.append(
            {
                "number": row.number,
                "name": row.name,
                "title": row.title,
                "cells": list(row.cells),
                "preset": row.preset.name,
                "recipe": row.preset.recipe,
                "part": row.part,
                "state": outcome.state,
                "message": outcome.message,
                "samples": outcome.samples,
                "cases": outcome.cases,
                "values": outcome.values,
                "published": row.published,
                "notes": list(outcome.notes),
            }
        )
    return {
        "format": FORMAT,
        "name": experiment.name,
        "title": experiment.title,
        "source": experiment.source,
        "updated": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": options.deciding(),
        "headers": list(experiment.headers),
        "columns": [{"name": value.name, "title": value.title, "digits": value.digits} for value in experiment.values],
        "rows": rows,
        "best": experiment.best,
        "notes": list(experiment.notes),
    }


def table_of(experiment, outcomes):
    """Return (header, rows) of the table as texts.

    Parameters
    ----------
    experiment : Experiment
    outcomes : dict of int to Outcome
    """
    told = {name for row in experiment.rows for name in row.published} | set(experiment.best)
    header = ["No.", *experiment.headers, "Cases"]
    for value in experiment.values:
        header += [value.title, *([f"{value.title}, published"] if value.name in told else [])]
    rows = [_cells(row, outcomes[row.number], experiment.values, told) for row in experiment.rows]
    if experiment.best:
        best = ["", "published best", *[""] * len(experiment.headers)]
        for value in experiment.values:
            best += ["", *([_plain(experiment.best.get(value.name), value.digits)] if value.name in told else [])]
        rows.append(best)
    return header, rows


def write_results(folder, experiment, options, outcomes):
    """Write the table into the folder of the experiment, in place of an earlier one.

    Returns
    -------
    dict
        The record.
    """
    record = results_record(experiment, options, outcomes)
    header, rows = table_of(experiment, outcomes)
    write_json(folder / JSON, record, overwrite=True)
    with whole_file(folder / CSV, overwrite=True) as part, open(part, "w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    with whole_file(folder / HTML, overwrite=True) as part:
        part.write_text(_page(experiment, record, header, rows, outcomes), encoding="utf-8")
    return record


def _cells(row, outcome, values, told):
    cells = [str(row.number), *row.cells, NONE if outcome.cases is None else str(outcome.cases)]
    for value in values:
        cells.append(_shown(outcome, value))
        if value.name in told:
            cells.append(_plain(row.published.get(value.name), value.digits))
    return cells


def _shown(outcome, value):
    if outcome.state != DONE:
        return outcome.state
    figure = outcome.values.get(value.name)
    if not figure or figure.get("mean") is None:
        return NONE
    text = _plain(figure["mean"], value.digits)
    if figure.get("sd") is not None:
        text += f" ± {_plain(figure['sd'], value.digits)}"
    if value.spread and figure.get("median") is not None:
        median, low, high = (_plain(figure[name], value.digits) for name in ("median", "min", "max"))
        text += f" (median {median}, {low} to {high})"
    return text


def _plain(number, digits):
    return NONE if number is None else f"{number:.{digits}f}"


def _page(experiment, record, header, rows, outcomes):
    parts = [
        f"<h1>{escape(experiment.title)}</h1>",
        f"<p>{escape(experiment.source)}</p>",
        "<p class='notice'>For research use only. Not a medical device, not for diagnosis or treatment.</p>",
        html_table(header, rows),
        "<p>Mean ± standard deviation over the cases. The published figures are of the source's own data.</p>",
    ]
    failed = [row for row in experiment.rows if outcomes[row.number].state == FAILED]
    parts += (
        ["<h2>What failed</h2>", _list(f"{row.number}: {outcomes[row.number].message}" for row in failed)]
        if failed
        else []
    )
    decided = [f"{key}: {value}" for key, value in record["options"].items() if value not in (None, {})]
    said = [f"{row.number}: {note}" for row in experiment.rows for note in outcomes[row.number].notes]
    parts += ["<h2>Notes</h2>", _list([*experiment.notes, *said]), f"<p>Options: {escape(', '.join(decided))}</p>"]
    links = [row for row in experiment.rows if outcomes[row.number].state == DONE]
    parts += ["<h2>Evaluations</h2>", "<ul>", *(_link(row) for row in links), "</ul>"] if links else []
    return html_document(f"{experiment.name}: {experiment.title}", parts)


def _list(lines):
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _link(row):
    return f"<li><a href='row_{row.number}/evaluation/evaluation.html'>{row.number}: {escape(row.title)}</a></li>"
