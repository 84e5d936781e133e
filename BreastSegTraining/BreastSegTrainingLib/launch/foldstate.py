"""How a fold run stands: written by the process that runs it, read by everybody else."""

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_json

FORMAT = "breastseg-foldrun-1"
FILE, LOG, STOP = "state.json", "log.txt", "stop"
EPOCH, NOW = "epoch", "now"  # what a stop request asks for
QUEUED, RUNNING, STOPPED, FAILED, DONE = STATES = ("queued", "running", "stopped", "failed", "done")
STAGES = ("waiting", "planning", "preprocessing", "training", "validating", "")


@dataclass(frozen=True)
class FoldState:
    """One moment of a fold run, as ``trainings/NAME/fold_K/state.json`` keeps it.

    Parameters
    ----------
    state : {'queued', 'running', 'stopped', 'failed', 'done'}
    stage : {'waiting', 'planning', 'preprocessing', 'training', 'validating', ''}
    epoch, epochs : int
        Finished, and to do.
    eta_s : float or None
        Seconds to the end, as far as it can be told.
    device : str
        Such as ``cuda:1 NVIDIA …`` or ``cpu``; '' before it is known.
    batch_size : int or None
        As it is trained with: smaller than planned after the memory was short.
    message, hint : str
        Why it stopped or failed, or what is worth knowing; what to do.
    notes : tuple of str
        What happened on the way, such as a checkpoint that was damaged.
    attempts : int
        How often it was started.
    job : dict
        Handle of the executor.
    started, updated, ended : str
        ISO times, UTC.
    best_epoch : int or None
    best : float or None
        Moving average of the pseudo-Dice there.
    dice : float or None
        Mean Dice of nnU-Net's validation, when done.
    """

    state: str = QUEUED
    stage: str = "waiting"
    epoch: int = 0
    epochs: int = 0
    eta_s: float | None = None
    device: str = ""
    batch_size: int | None = None
    message: str = ""
    hint: str = ""
    notes: tuple = ()
    attempts: int = 0
    job: dict = field(default_factory=dict)
    started: str = ""
    updated: str = ""
    ended: str = ""
    best_epoch: int | None = None
    best: float | None = None
    dice: float | None = None

    def changed(self, **values):
        """Return the next moment: the same with other values, updated now."""
        return replace(self, **values, updated=now())

    def write(self, folder):
        """Write the state into the folder of a fold run."""
        record = {"format": FORMAT, **asdict(self), "notes": list(self.notes)}
        write_json(folder / FILE, record, overwrite=True)

    @classmethod
    def read(cls, folder):
        """Return the state in the folder of a fold run; None when it was never queued.

        Raises
        ------
        BadInput
            If the file is no such record.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        record = read_json(path)
        if not isinstance(record, dict) or record.get("format") != FORMAT or record.get("state") not in STATES:
            raise BadInput(f"The file is no {FORMAT}", path, "Delete it; the fold run can be resumed then")
        known = {item.name for item in fields(cls)}
        values = {key: value for key, value in record.items() if key in known}
        return cls(**{**values, "notes": tuple(values.get("notes", ()))})


def now():
    """Return the time, UTC, as ISO text with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
