"""Trainings: planned, queued, run by an executor, watched, stopped and resumed; all of it told by files."""

from .foldstate import FoldState
from .training import Training, trainings_in

__all__ = ["FoldState", "Training", "trainings_in"]
