"""Trainings: planned, queued, run by an executor, watched, stopped and resumed; all of it told by files."""

from importlib import import_module

# Loaded when asked for: each fold run has a process that sees to it, and needs little of this.
_HOMES = {
    "create": ("Wish", "check_disk", "expected_disk", "expected_time", "make"),
    "foldstate": ("FoldState",),
    "measure": ("measure", "measure_once"),
    "predicting": ("predict",),
    "queue": ("add_folds", "chosen", "enqueue", "find", "resume", "rows", "start", "stop"),
    "rawdata": ("RawDataset", "digest_of", "read_raw"),
    "training": ("Training", "trainings_in"),
    "truth": ("state_of",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)  # noqa: PLE0605


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
