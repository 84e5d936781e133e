"""The whole way from pairs of masks to the folder of an evaluation, for the command line and the panel."""

from dataclasses import dataclass, field, replace

from BreastSegLib.errors import BadInput

from .caserecord import counted
from .cleanup import cleanup_steps
from .groups import SIZE, attach, check_columns, groups_of, usual_columns
from .measures import all_measures, describe_measures
from .run import EvaluationOptions, evaluate
from .summary import Judging, assemble
from .wholefolder import check_folder
from .worst import channel_names, picture_files
from .write import FILE, write_evaluation

ALWAYS = ("overlap", "volume", "counts")  # families of measures that cost nothing and say why others are missing


@dataclass(frozen=True)
class EvaluationWish:
    """What an evaluation shall measure and tell.

    Parameters
    ----------
    options : EvaluationOptions
        What is measured; see `measured`.
    judging : Judging
        What is told; its columns are those that were asked for, or None for the usual ones that the table has.
    worst : int
        Cases that are shown.
    workers : int or None
    notes : tuple of str
        About how these wishes came about.
    """

    options: EvaluationOptions = field(default_factory=EvaluationOptions)
    judging: Judging = field(default_factory=lambda: Judging(columns=None))
    worst: int = 6
    workers: int | None = None
    notes: tuple = ()


def measured(wanted, challenge=False):
    """Return the names of all measures that have to be measured for those that are wanted.

    Parameters
    ----------
    wanted : sequence of str
        Empty: all.
    challenge : bool
        With what the challenge's score is made of.
    """
    if not wanted:
        return ()
    needed = {"norm_hd"} if challenge else set()
    known = all_measures()
    return tuple(
        name for name, measure in known.items() if name in wanted or name in needed or measure.family in ALWAYS
    )


def run_evaluation(folder, source, wish=EvaluationWish(), table=None, key=(), overwrite=False, report=None):
    """Measure, judge and write an evaluation.

    Parameters
    ----------
    folder : str or Path
        Where it is written to, whole or not at all.
    source : Source
    wish : EvaluationWish
    table : CaseTable, optional
        For groups.
    key : sequence of KeyRow
    overwrite : bool
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`: nothing is written then.

    Returns
    -------
    evaluation : dict
    failed : list of dict
        ``case`` and ``error`` (with paths) of those that could not be measured.

    Raises
    ------
    BadInput
        If the folder may not be written, or no case could be measured.
    """
    check_folder(folder, FILE, overwrite)
    columns = usual_columns(table) if wish.judging.columns is None else wish.judging.columns
    check_columns(columns, table)
    groups = groups_of(table, key, columns) if table is not None else {}
    options = wish.options
    _, cleanup = cleanup_steps(options.cleanup, source.dataset)
    records = list(evaluate(source, options, report, wish.workers))
    failed = [record for record in records if record.get("error")]
    good = [record for record in records if not record.get("error")]
    if not good:
        raise BadInput(
            f"Nothing could be measured of {counted(len(records), 'case')}" if records else "There are no cases",
            failed[0]["error"] if failed else source.prediction,
        )
    notes = [*wish.notes, *source.notes]
    if groups:
        lost = attach(good, groups)
        notes += (
            [f"Not in the key or the case table, and so of unknown groups: {counted(lost, 'case')}."] if lost else []
        )
    about = {
        "name": source.name,
        "dataset": source.dataset.name if source.dataset else "",
        "truth": source.truth,
        "prediction": source.prediction,
        "grid": source.grid,
        "options": {**options.to_json(), "cleanup": cleanup, "worst": wish.worst},
        "measures": describe_measures(options.measure.wanted),
    }
    ordered = sorted(columns, key=lambda column: column == SIZE)  # the sizes come last
    evaluation = assemble(records, about, replace(wish.judging, columns=tuple(ordered)), notes)
    files = picture_files(source, options)
    names = channel_names(source.dataset)
    write_evaluation(folder, evaluation, files, wish.worst, names, overwrite, report)
    return evaluation, failed
