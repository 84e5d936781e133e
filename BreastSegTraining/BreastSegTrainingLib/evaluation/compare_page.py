"""The files of a comparison: JSON, CSV, figures and one page, all of them or none."""

import re
from html import escape

import numpy as np
from BreastSegLib.files import write_json
from BreastSegLib.reports.page import html_document

from .compare import ALPHA, p_text
from .figures import violins, within_unit
from .figurestyle import DARK, new_figure
from .page import GRIDS, NOTICE, STYLE, heading, image, mean_text, number, table
from .stats import finite
from .summary import plain_numbers
from .wholefolder import whole_folder
from .write import FIGURES, column_name, write_figures, write_rows

FILE, PAGE, TESTS, VALUES = "comparison.json", "comparison.html", "tests.csv", "values.csv"
MOST_FIGURES = 4  # measures
_OWN = re.compile(r"(comparison\.(json|html)|(tests|values)\.csv)|figures[/\\][\w.-]+\.(png|svg)")
_COLUMNS = ("n", "missing", "infinite", "zeros", "median_difference", "ci_low", "ci_high", "p", "p_holm", "effect")


def write_comparison(folder, found, overwrite=False):
    """Write a comparison (of `compare.compare`) into a folder, whole or not at all.

    Raises
    ------
    BadInput
        If the folder may not be written.
    """
    with whole_folder(folder, FILE, own_files, overwrite) as made:
        figures = write_figures(made / FIGURES, figures_of(found))
        _write_tests(made / TESTS, found)
        _write_values(made / VALUES, found)
        (made / PAGE).write_text(comparison_page(found, figures), encoding="utf-8")
        write_json(made / FILE, plain_numbers({key: value for key, value in found.items() if key != "values"}))


def own_files(folder):
    """Return the files of a comparison that lie in a folder, relative to it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [path for path in found if _OWN.fullmatch(str(path))]


def figures_of(found):
    """Return {name: figure}: for each of the first measures the models side by side, each case a line."""
    return {name: _paired_figure(found, name) for name in list(found["measures"])[:MOST_FIGURES]}


def comparison_page(found, figures):
    """Return the page as HTML text."""
    measures, title = found["measures"], "Comparison: " + ", ".join(found["models"])
    facts = [
        ("Truth", found["truth"]),
        ("Measured on", GRIDS.get(found["grid"], found["grid"])),
        ("Cases in common", str(len(found["cases"]))),
        ("Masks", found["stage"]),
    ]
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts)
    rows = [
        (heading(measure), *(mean_text(found["summary"][model][name], measure) for model in found["models"]))
        for name, measure in measures.items()
    ]
    parts = [
        f"<h1>{escape(title)}</h1>",
        STYLE,
        NOTICE,
        f"<table class='facts'>{lines}</table>",
        "<h2>In words</h2>",
        "<ul>" + "".join(f"<li>{escape(test['words'])}</li>" for test in found["tests"]) + "</ul>",
        "<h2>Numbers of the common cases</h2>",
        table(("Mean ± SD", *found["models"]), rows),
        "<h2>Tests</h2>",
        _tests(found),
        "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in found["notes"]) + "</ul>",
        "<h2>Each case</h2>",
        *(image(png, name, f"{measures[name]['title']}: each line is a case.") for name, png in figures.items()),
    ]
    parts += _left_out(found)
    return html_document(title, parts)


def _tests(found):
    rows = []
    for test in found["tests"]:
        measure = found["measures"][test["measure"]]
        low, high = number(test["ci_low"], measure), number(test["ci_high"], measure)
        difference = f"{number(test['median_difference'], measure)} ({low} to {high})"
        effect = "–" if test["effect"] is None else f"{test['effect']:+.2f}"
        pair = f"{heading(measure)}: {test['second']} − {test['first']}"
        rows.append((pair, test["n"], difference, effect, p_text(test["p"]), p_text(test["p_holm"]), test["better"]))
    header = ("Measure", "n", "Median difference (95 %)", "Effect r", "p", "p (Holm)", f"Better at p < {ALPHA}")
    return table(header, rows)


def _left_out(found):
    rows = [(name, ", ".join(cases)) for name, cases in found["left_out"].items() if cases]
    if not rows:
        return []
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return ["<h2>Cases that are not in all evaluations</h2>", f"<table class='facts'>{lines}</table>"]


def _paired_figure(found, name):
    models, measure = found["models"], found["measures"][name]
    values = {model: found["values"][model][name] for model in models}
    figure, (axis,) = new_figure(max(3.4, 1.3 * len(models) + 1.2), 3.2)
    groups = {model: finite(row) for model, row in values.items()}
    violins(axis, groups)
    lines = np.array(
        [[np.nan if v is None or not np.isfinite(v) else v for v in row] for row in values.values()], float
    )
    axis.plot(np.arange(len(models)), lines, color=DARK, linewidth=0.5, alpha=0.25)
    axis.set_ylabel(measure["title"] + (f" ({measure['unit']})" if measure.get("unit") else ""))
    within_unit(axis, groups, measure)
    return figure


def _write_tests(path, found):
    rows = []
    for test in found["tests"]:
        numbers = ["" if test[column] is None else repr(test[column]) for column in _COLUMNS]
        unit = found["measures"][test["measure"]].get("unit", "")
        rows.append((test["measure"], unit, test["first"], test["second"], *numbers, test["better"], test["words"]))
    write_rows(path, ("measure", "unit", "first", "second", *_COLUMNS, "better", "words"), rows)


def _write_values(path, found):
    columns = [(model, name) for name in found["measures"] for model in found["models"]]
    head = ["case", *(f"{column_name(name, found['measures'][name])}_{model}" for model, name in columns)]
    rows = []
    for place, case in enumerate(found["cases"]):
        values = (found["values"][model][name][place] for model, name in columns)
        rows.append([case, *("" if value is None else repr(float(value)) for value in values)])
    write_rows(path, head, rows)
