"""From checked cases to an nnU-Net raw dataset: names, split, files, and the summary that a paper needs."""

from .export import ExportOptions, ExportResult, export, selectable
from .split import SplitOptions, divide, leakage

__all__ = ["ExportOptions", "ExportResult", "SplitOptions", "divide", "export", "leakage", "selectable"]
