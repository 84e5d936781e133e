"""What a training has learned so far, epoch by epoch: read from its own records, drawn, and written as a table."""

from .curves import Curves, mean_of
from .live import LiveCurves
from .source import fold_folders, read_curves

__all__ = ["Curves", "LiveCurves", "fold_folders", "mean_of", "read_curves"]
