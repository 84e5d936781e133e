"""The files of an evaluation: JSON, CSV, figures, pictures and one page, all of them or none."""

import csv
import re
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_json

from .caserecord import STAGES, counted, image_class_of
from .figures import figures_of
from .figurestyle import png_of, svg_of
from .page import evaluation_page, number, shown_measures
from .pictures import DPI as PICTURE_DPI
from .pictures import case_picture
from .summary import FORMAT
from .wholefolder import whole_folder
from .worst import read_cut, worst_cases

FILE, CASES, SUMMARY, PAGE = "evaluation.json", "cases.csv", "summary.csv", "evaluation.html"
FIGURES, WORST = "figures", "worst"
LESIONS = ("lesions_found", "lesions_false", "image_class")
_OWN = re.compile(
    r"(evaluation\.json|cases\.csv|summary\.csv|evaluation\.html)|(figures|worst)[/\\][\w.-]+\.(png|svg)"
)


def read_evaluation(path):
    """Return an evaluation from its file, or from the folder that it lies in.

    Raises
    ------
    BadInput
        If it is none.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise BadInput("There is no evaluation", path.parent, "Make one with the command evaluate")
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadInput(f"The file is no {FORMAT}", path)
    for field, kind in (("cases", list), ("measures", dict), ("summary", dict), ("stage", str)):
        if not isinstance(record.get(field), kind):
            raise BadInput(f"The evaluation is damaged: it has no {field}", path, "Evaluate again")
    for row in record["cases"]:
        if not isinstance(row, dict) or not isinstance(row.get("case"), str) or not isinstance(row.get("raw"), dict):
            raise BadInput("The evaluation is damaged: a case has no numbers", path, "Evaluate again")
    return record


def write_evaluation(folder, evaluation, files=None, worst=0, channel_names=(), overwrite=False, report=None):
    """Write an evaluation into a folder, whole or not at all.

    Parameters
    ----------
    folder : str or Path
    evaluation : dict
        Of `summary.assemble`; notes about pictures that could not be made are added.
    files : callable, optional
        ``files(case)`` returns the `worst.CaseFiles` of a case, or None where there are no images for it.
    worst : int
        How many cases are shown.
    channel_names : sequence of str
    overwrite : bool
        Replace an earlier evaluation there.
    report : callable, optional
        ``report(stage, done, total)``.

    Raises
    ------
    BadInput
        If the folder may not be written.
    """
    report = report or (lambda *_: None)
    with whole_folder(folder, FILE, own_files, overwrite) as made:
        pictures = _write_pictures(made, evaluation, files, worst, channel_names, report)
        report("Drawing figures", 0, 1)
        figures = write_figures(made / FIGURES, figures_of(evaluation))
        report("Drawing figures", 1, 1)
        write_cases(made / CASES, evaluation)
        write_summary(made / SUMMARY, evaluation)
        (made / PAGE).write_text(evaluation_page(evaluation, figures, pictures), encoding="utf-8")
        write_json(made / FILE, evaluation)


def own_files(folder):
    """Return the files of an evaluation that lie in a folder, relative to it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [path for path in found if _OWN.fullmatch(str(path))]


def write_figures(folder, figures):
    """Write figures as PNG and SVG; return {name: PNG bytes}."""
    folder.mkdir(exist_ok=True)
    pictures = {name: png_of(figure) for name, figure in figures.items()}
    for name, figure in figures.items():
        (folder / f"{name}.png").write_bytes(pictures[name])
        (folder / f"{name}.svg").write_bytes(svg_of(figure))
    return pictures


def write_cases(path, evaluation):
    """Write one row for each case: units in the header, a point in decimals, empty where there is no number."""
    measures = evaluation["measures"]
    stages = [stage for stage in STAGES if evaluation["summary"].get(stage)]
    columns = list(evaluation["groups"])
    head = ["case", "fold", *columns]
    head += [column_name(name, measures[name], stage) for stage in stages for name in measures]
    head += ["lesions", *(f"{name}_{stage}" for stage in stages for name in LESIONS)]
    rows = []
    for record in evaluation["cases"]:
        groups = [record.get("groups", {}).get(column, "") for column in columns]
        values = [_cell((record.get(stage) or {}).get(name)) for stage in stages for name in measures]
        lesions = [_cell((record.get("detection") or {}).get("truth"))]
        for stage in stages:
            found = record.get("detection" if stage == "raw" else "cleaned_detection") or {}
            lesions += [_cell(found.get("found")), _cell(found.get("false")), image_class_of(record, stage)]
        rows.append([record["case"], _cell(record.get("fold")), *groups, *values, *lesions])
    write_rows(path, head, rows)


def write_summary(path, evaluation):
    """Write one row for each measure of all cases, of each fold and of each group."""
    head = ["of", "group", "masks", "measure", "unit", "n", "missing"]
    head += ["mean", "sd", "median", "min", "max", "ci95_low", "ci95_high"]
    parts = [("all", "", stage, found) for stage, found in evaluation["summary"].items()]
    parts += [("fold", fold, evaluation["stage"], found) for fold, found in (evaluation.get("folds") or {}).items()]
    parts += [
        (column, group, evaluation["stage"], found)
        for column, groups in evaluation["groups"].items()
        for group, found in groups.items()
    ]
    rows = []
    for of, group, stage, found in parts:
        for name, numbers in found.items():
            cells = (numbers[k] for k in ("mean", "sd", "median", "min", "max", "ci_low", "ci_high"))
            start = (of, group, stage, name, evaluation["measures"][name].get("unit", ""))
            rows.append([*start, numbers["n"], numbers["missing"], *map(_cell, cells)])
    write_rows(path, head, rows)


def write_rows(path, head, rows):
    """Write a CSV table with commas, UTF-8 with its mark so that spreadsheet programs know it."""
    with open(path, "w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows([["" if cell is None else cell for cell in row] for row in rows])


def column_name(name, measure, stage=""):
    """Return the heading of a measure in a table for programs: name, unit and which masks."""
    unit = {"": "", "%": "percent"}.get(measure.get("unit", ""), measure.get("unit", ""))
    return "_".join(part for part in (name, unit if unit != "voxels" else "", stage) if part)


def _write_pictures(made, evaluation, files, worst, channel_names, report):
    """Write the pictures of the worst cases; return (caption, PNG) of each."""
    rows = worst_cases(evaluation["cases"], worst if files else 0, evaluation["stage"])
    pictures, failed = [], []
    for done, record in enumerate(rows):
        report("Drawing worst cases", done, len(rows))
        try:
            found = files(record["case"])
            cut = read_cut(found) if found else None
        except BadInput as error:
            failed.append(f"{record['case']}: {error.what}")
            continue
        if cut is None:
            failed.append(f"{record['case']}: its images are not at hand")
            continue
        text = _caption(record, evaluation)
        png = png_of(case_picture(cut, channel_names, record["case"]), PICTURE_DPI)
        (made / WORST).mkdir(exist_ok=True)
        (made / WORST / f"{len(pictures) + 1:02d}_{_file_part(record['case'])}.png").write_bytes(png)
        pictures.append((text, png))
    if rows:
        report("Drawing worst cases", len(rows), len(rows))
    if failed:
        evaluation["notes"].append(f"No picture of {counted(len(failed), 'worst case')} ({'; '.join(failed[:3])}).")
    return pictures


def _caption(record, evaluation):
    described, texts = evaluation["measures"], []
    for name in shown_measures(evaluation)[:4]:
        values = [
            number((record.get(stage) or {}).get(name), described[name]) for stage in STAGES if record.get(stage)
        ]
        unit = f" {described[name]['unit']}" if described[name].get("unit") else ""
        texts.append(f"{described[name]['title']} {' → '.join(values)}{unit}")
    fold = "" if record.get("fold") is None else f", fold {record['fold']}"
    return f"{record['case']}{fold}: {', '.join(texts)}"


def _file_part(name):
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)


def _cell(value):
    """Return a number as text with a point, whatever the country."""
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)
