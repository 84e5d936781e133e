"""From the case table to the raw dataset of a row: select, check, export. Rows that need the same dataset share it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_json

from ..cases import CaseTable, update_file
from ..checks import check, stale
from ..dataset import ExportOptions, SplitOptions, export, selectable
from ..presets.preset import SELECTIONS
from ..quality.rules import Selection, apply_rules

RAW = "nnUNet_raw"
TABLE, SOURCE = "cases.csv", "source.json"


@dataclass(frozen=True)
class DatasetPlan:
    """One dataset of an experiment.

    Parameters
    ----------
    name : str
        ``701_M1_1``.
    recipe : str
    rule : dict
        ``dataset`` of the preset, without what is trained of it.
    folder : Path
        Holds its case table and key.
    raw : Path
        nnU-Net's folder of raw datasets.
    """

    name: str
    recipe: str
    rule: dict
    folder: Path
    raw: Path

    @property
    def table(self):
        """Path: its case table, a copy of the user's."""
        return self.folder / TABLE

    @property
    def key(self):
        """Path: which name is which case."""
        return self.folder / f"cases.{self.name}.key.csv"


@dataclass(frozen=True)
class Made:
    """A dataset that was made.

    Parameters
    ----------
    raw : Path
        Of the dataset.
    plan : DatasetPlan
    samples : int
        For training and testing.
    notes : tuple of str
    """

    raw: Path
    plan: DatasetPlan
    samples: int
    notes: tuple = ()


def dataset_plans(experiment, options):
    """Return the `DatasetPlan` of each row by its number: the same for rows that need the same one."""
    folder, plans, found = options.folder(experiment.name), {}, {}
    for row in experiment.rows:
        preset = options.for_preset(row.preset)
        rule = {key: value for key, value in preset.dataset.items() if key != "train_folds"}
        meaning = json.dumps([preset.recipe, rule], sort_keys=True)
        if meaning not in found:
            number, place = experiment.dataset_number + len(found), len(found) + 1
            name = f"{number:03d}_{experiment.name.upper()}_{place}"
            found[meaning] = DatasetPlan(name, preset.recipe, rule, folder / "datasets" / name, folder / RAW)
        plans[row.number] = found[meaning]
    return plans


def make_dataset(plan, options, report=None):
    """Make the raw dataset of a plan, or find what is there of it.

    Parameters
    ----------
    plan : DatasetPlan
    options : ExperimentOptions
    report : callable, optional

    Returns
    -------
    Made

    Raises
    ------
    BadInput
        If no case is left, or the cases cannot be divided as the plan says.
    """
    _copy_table(plan, Path(options.table))
    notes = _select(plan)
    workers = max(1, options.workers)
    check(
        plan.table,
        workers=workers,
        report=report,
        recipe=plan.recipe,
        names=stale(plan.table, plan.recipe),
        thumbnails=False,
    )
    table = CaseTable.read(plan.table)
    chosen = selectable(table)
    refused = [case for case in table if case.selected and case.get("status") != "ok"]
    notes += (
        [f"{len(refused)} cases were refused by the check, such as {refused[0].name}: {refused[0].get('findings')}"]
        if refused
        else []
    )
    if not len(chosen):
        why = notes[-1] if notes else "the table is empty"
        raise BadInput("No case is left for this row", plan.rule["selection"] or plan.name, why)
    rule, failed = plan.rule, []
    result = export(
        chosen,
        ExportOptions(
            recipe=plan.recipe,
            output=plan.raw,
            dataset=plan.name,
            key=plan.key,
            split=SplitOptions(rule["test"], rule["folds"], tuple(rule["stratify"]), options.seed),
            workers=workers,
            remove=True,
        ),
        report,
        failed,
    )
    notes += [f"{len(failed)} cases could not be exported, such as {failed[0][0]}: {failed[0][1]}"] if failed else []
    return Made(Path(result.folder), plan, result.training + result.test, (*notes, *result.notes))


def _copy_table(plan, source):
    """Copy the user's table, again when it has changed; what stands in the column label stays."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else ""
    state = plan.folder / SOURCE
    if plan.table.is_file() and state.is_file() and read_json(state).get("sha256") == digest:
        return
    table = CaseTable.read(source)
    label = plan.rule["label"]
    cases = [case.changed(label=label) if label and not case.get("label") else case for case in table]
    table.replace(cases).write(plan.table, overwrite=True)
    write_json(state, {"sha256": digest}, overwrite=True)


def _select(plan):
    """Apply the selection of the plan, and return what it left out."""
    name = plan.rule["selection"]
    if name is None:
        return []
    table = CaseTable.read(plan.table)
    selection = Selection.read(SELECTIONS / f"{name}.json")
    applied = apply_rules(table, selection)
    if applied.changes:
        update_file(plan.table, applied.changes)
    left_out = [f"{count} cases: {reason}" for reason, count in applied.by_reason.items()]
    kept = len(applied.selected)
    if selection.at_most and kept < selection.at_most:
        left_out.append(f"{kept} cases where the source has {selection.at_most}")
    return left_out
