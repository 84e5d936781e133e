"""What a user asks of an experiment, and whether a folder that has begun one was asked the same."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_json

FORMAT = "breastseg-experiment-run-1"
FILE = "experiment.json"
EXPERIMENTS = "experiments"  # in the work folder
# What decides the figures; everything else may change from one call to the next.
DECIDES = ("epochs", "iterations", "folds", "seed", "plan", "settings")


@dataclass(frozen=True)
class ExperimentOptions:
    """How an experiment is run.

    Parameters
    ----------
    table : str or Path
        The case table. It is copied; nothing is written into it.
    work : str or Path
        Folder of the trainings; the experiment's own files lie in ``experiments/NAME``.
    only : tuple of int
        Numbers of the rows; all when empty.
    device : {'auto', 'cuda', 'cpu'}
    devices : tuple of int
        GPUs to share the folds among.
    epochs, iterations : int or None
        Instead of the presets'.
    folds : int or None
        Of the cross-validation, instead of the presets'.
    seed : int
        Of the division into folds.
    executor : {'local', 'slurm'}
    resources : dict
        For a cluster.
    workers : int
        Processes that prepare and augment.
    plan, settings : dict
        Changes for every row, such as a smaller patch for trying out. ``encoder_weights`` may be a table of files by
        encoder: rows with another encoder keep their own.
    """

    table: str
    work: str
    only: tuple = ()
    device: str = "auto"
    devices: tuple = ()
    epochs: int | None = None
    iterations: int | None = None
    folds: int | None = None
    seed: int = 0
    executor: str = "local"
    resources: dict = field(default_factory=dict)
    workers: int = 1
    plan: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        for name in ("epochs", "iterations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"The number of {name} is not 1 or more", f"--{name} {value}")
        if self.workers < 0:
            raise BadInput("The number of processes is not 0 or more", f"--workers {self.workers}")

    def folder(self, name):
        """Return the folder of an experiment."""
        return Path(self.work) / EXPERIMENTS / name

    def for_preset(self, preset):
        """Return a row's preset with these options in it."""
        settings = _of_encoder(self.settings, preset)
        settings |= {"epochs": self.epochs} if self.epochs else {}
        if self.iterations:
            settings |= {"iterations": self.iterations, "validation_iterations": max(1, self.iterations // 5)}
        changes = {"plan": self.plan, "settings": settings}
        fixed = "train_folds" in preset.dataset and preset.dataset["test"]  # a division of its own, such as 80/10/10
        if self.folds is not None and not fixed:
            changes["dataset"] = {"folds": self.folds}
        return preset.changed(**changes)

    def deciding(self):
        """Return what decides the figures, JSON-ready."""
        record = asdict(self)
        return {name: record[name] for name in DECIDES}


def _of_encoder(settings, preset):
    """Return settings with the weights of the preset's encoder, where they are given by encoder."""
    weights = settings.get("encoder_weights")
    if not isinstance(weights, dict):
        return {**settings}
    encoder = preset.plan.get("architecture", {}).get("arch_kwargs", {}).get("encoder")
    chosen = {"encoder_weights": weights[encoder]} if encoder in weights else {}
    return {**{key: value for key, value in settings.items() if key != "encoder_weights"}, **chosen}


def begin(folder, name, options):
    """Write down what an experiment was asked, or refuse to go on with something else.

    Raises
    ------
    BadInput
        If the folder has begun it with other options: figures of two kinds would stand in one table.
    """
    path, wanted = folder / FILE, options.deciding()
    if not path.is_file():
        write_json(path, {"format": FORMAT, "name": name, "options": wanted})
        return
    record = read_json(path)
    begun = record.get("options") if isinstance(record, dict) and record.get("format") == FORMAT else None
    if not isinstance(begun, dict):
        raise BadInput(f"The file is no {FORMAT}", path, "Give another --work folder")
    other = [key for key in DECIDES if begun.get(key) != wanted[key]]
    if other:
        told = "none" if begun.get(other[0]) is None else begun[other[0]]
        raise BadInput(
            f"The experiment was begun with other --{other[0]} ({told})",
            folder,
            "Go on with the same, or give another --work",
        )
