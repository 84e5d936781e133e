"""An experiment: the rows and columns of a paper's table, and the preset behind each row."""

from dataclasses import dataclass, field
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from BreastSegLib.recipe import load_recipe

from ..presets import Preset, load_preset
from ..presets.variants import variants

FORMAT = "breastseg-experiment-1"
FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "experiments"
VALIDATION, TEST = PARTS = ("validation", "test")
FIELDS = ("format", "name", "title", "source", "kind", "dataset_number", "headers", "values", "rows", "notes")
OPTIONAL = ("best",)
ROW = ("name", "title", "cells", "preset")
OF_ROW = (*ROW, "recipe", "dataset", "plan", "settings", "configuration", "trainer", "part", "published")
CHANGES = ("dataset", "plan", "settings", "configuration", "trainer")  # of the preset


@dataclass(frozen=True)
class Value:
    """A column of figures.

    Parameters
    ----------
    name, title : str
    at : tuple of str
        Where the figure stands in ``evaluation.json``.
    digits : int
        Behind the point.
    spread : bool
        Standard deviation, median and range as well.
    """

    name: str
    title: str
    at: tuple
    digits: int = 3
    spread: bool = False


@dataclass(frozen=True)
class Row:
    """A row of the table: one training and its evaluation.

    Parameters
    ----------
    number : int
        From 1; what ``--only`` names.
    name, title : str
    cells : tuple of str
        What stands in the first columns.
    preset : Preset
        With the row's changes.
    part : {'validation', 'test'}
        What is evaluated: the validation of the trained folds, or the test part by the mean of the folds.
    published : dict of str to float
        Figures of the source by the name of the column.
    """

    number: int
    name: str
    title: str
    cells: tuple
    preset: Preset
    part: str = VALIDATION
    published: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """What is run and shown.

    Parameters
    ----------
    name, title, source : str
    kind : {'dce', 'mammograms'}
        Of the exams.
    dataset_number : int
        nnU-Net's number of its first dataset.
    headers : tuple of str
        Of the rows' cells.
    values : tuple of Value
    rows : tuple of Row
    notes : tuple of str
        What a reader of the table has to know.
    best : dict of str to float
        The best published figures, where the source gives no more.
    """

    name: str
    title: str
    source: str
    kind: str
    dataset_number: int
    headers: tuple
    values: tuple
    rows: tuple
    notes: tuple = ()
    best: dict = field(default_factory=dict)

    def chosen(self, numbers=()):
        """Return the rows with these numbers; all when none is given.

        Raises
        ------
        BadInput
            If there is no such row.
        """
        known = {row.number: row for row in self.rows}
        wrong = [number for number in numbers if number not in known]
        if wrong:
            raise BadInput(
                f"The experiment {self.name} has no row {wrong[0]}", "--only", f"Its rows are 1 to {len(self.rows)}"
            )
        return tuple(known[number] for number in sorted(set(numbers))) if numbers else self.rows


def experiment_names():
    """Return the names of the experiments that ship with the extension."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load_experiment(name_or_path):
    """Return the `Experiment` of a shipped name or of a JSON file.

    Raises
    ------
    BadInput
        If there is none, or something in it is wrong.
    """
    path = Path(name_or_path)
    if path.suffix != ".json":
        path = FOLDER / f"{name_or_path}.json"
        if str(name_or_path) not in experiment_names():
            known = ", ".join(experiment_names())
            raise BadInput(f"There is no experiment {str(name_or_path)!r}", hint=f"Choose one of {known}")
    return parse_experiment(read_json(path), path)


def parse_experiment(record, where="experiment"):
    """Return the `Experiment` that the JSON object `record` declares (see `load_experiment`)."""
    _check_fields(record, FIELDS, (*FIELDS, *OPTIONAL), "The experiment", where)
    if record["format"] != FORMAT:
        raise BadInput(f"The file is no {FORMAT}", where)
    rows = []
    for entry in record["rows"]:
        if not isinstance(entry, dict):
            raise BadInput("A row of the experiment is no table", where)
        for one in variants(entry):
            rows.append(_row(one, len(rows) + 1, len(record["headers"]), where))
    if len({row.name for row in rows}) < len(rows):
        raise BadInput("Two rows of the experiment have the same name", where)
    experiment = Experiment(
        **{key: record[key] for key in ("name", "title", "source", "kind", "dataset_number")},
        headers=tuple(record["headers"]),
        values=tuple(Value(**{**value, "at": tuple(value["at"])}) for value in record["values"]),
        rows=tuple(rows),
        notes=tuple(record["notes"]),
        best=dict(record.get("best", {})),
    )
    for row in rows:
        if not load_recipe(row.preset.recipe).fits(experiment.kind):
            raise BadInput(f"The recipe {row.preset.recipe} is not for {experiment.kind}", f"{where}, row {row.name}")
    return experiment


def _row(record, number, cells, where):
    place = f"{where}, row {number}"
    record = {"cells": [], **record}
    _check_fields(record, ROW, OF_ROW, "The row", place)
    if len(record["cells"]) != cells:
        raise BadInput(f"The row has {len(record['cells'])} cells for {cells} headers", place)
    part = record.get("part", VALIDATION)
    if part not in PARTS:
        raise BadInput(f"part is {part!r}", place, f"It may be {', '.join(PARTS)}")
    name = record["name"]
    preset = load_preset(record["preset"].replace("{name}", name), record.get("recipe"))
    changes = {key: record[key] for key in CHANGES if key in record}
    preset = preset.changed(**changes) if changes else preset
    published = dict(record.get("published", {}))
    return Row(number, name, record["title"], tuple(record["cells"]), preset, part, published)


def _check_fields(record, needed, known, what, where):
    if not isinstance(record, dict):
        raise BadInput(f"{what} is no table", where)
    missing = [name for name in needed if name not in record]
    unknown = sorted(set(record) - set(known))
    if missing or unknown:
        names = ", ".join(missing or unknown)
        raise BadInput(
            f"{what} has {'no' if missing else 'unknown'} field {names}", where, f"Fields: {', '.join(known)}"
        )
