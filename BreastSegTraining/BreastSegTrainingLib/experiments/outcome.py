"""How a row of an experiment stands, and its record: a finished row is found again."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_json

from ..evaluation.write import FILE as EVALUATION
from ..evaluation.write import read_evaluation

FORMAT = "breastseg-experiment-row-1"
FILE = "row.json"
JUDGED = "evaluation"  # folder of a row's evaluation
WAITING, DONE, FAILED = STATES = ("waiting", "done", "failed")
OF_SUMMARY = ("mean", "sd", "median", "min", "max", "ci_low", "ci_high", "n")


@dataclass(frozen=True)
class Outcome:
    """What came of a row.

    Parameters
    ----------
    number : int
    state : {'waiting', 'done', 'failed'}
    message : str
        Why it failed, in one line.
    samples : int or None
        Of its dataset.
    cases : int or None
        That were evaluated.
    values : dict
        By column: a dict with ``mean``, ``sd``, ``n`` … (of a figure of all images only ``mean``); None where the
        evaluation has none.
    notes : tuple of str
    fingerprint : str
        Of what decides the figures.
    """

    number: int
    state: str = WAITING
    message: str = ""
    samples: int | None = None
    cases: int | None = None
    values: dict = field(default_factory=dict)
    notes: tuple = ()
    fingerprint: str = ""

    def write(self, folder):
        """Write it into the folder of the row."""
        record = {"format": FORMAT, **asdict(self), "notes": list(self.notes)}
        write_json(folder / FILE, record, overwrite=True)


def row_folder(folder, row):
    """Return the folder of a row in that of its experiment."""
    return folder / f"row_{row.number}"


def fingerprint(row, preset, options):
    """Return a hash of what decides a row's figures: its method, the options and the case table."""
    table = Path(options.table)
    content = hashlib.sha256(table.read_bytes()).hexdigest() if table.is_file() else ""
    meaning = [preset.to_json(), row.part, options.deciding(), content]
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def earlier(folder, row, mark=None):
    """Return what is known of a row from an earlier call; a finished one only if nothing has changed that decides it.

    Parameters
    ----------
    folder : Path
        Of the row.
    row : Row
    mark : str, optional
        Its fingerprint now; without it everything that was written counts.
    """
    waiting = Outcome(row.number)
    try:
        record = read_json(folder / FILE)
        if record["format"] != FORMAT or record["state"] not in STATES:
            return waiting
        values = {key: value for key, value in record.items() if key != "format"}
        found = Outcome(**{**values, "notes": tuple(record["notes"])})
    except (BadInput, KeyError, TypeError):
        return waiting
    if mark is None:
        return found
    whole = found.state == DONE and (folder / JUDGED / EVALUATION).is_file()
    return found if whole and found.fingerprint == mark else waiting


def figures(folder, values):
    """Return ({column: figures}, cases) of a row's evaluation.

    Parameters
    ----------
    folder : Path
        Of the row.
    values : sequence of Value
    """
    evaluation = read_evaluation(folder / JUDGED)
    return {value.name: _figure(evaluation, value.at) for value in values}, len(evaluation["cases"])


def _figure(evaluation, at):
    found = evaluation
    for name in at:
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, dict):
        return {name: found.get(name) for name in OF_SUMMARY}
    return None if found is None else {"mean": found}
