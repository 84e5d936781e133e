"""Labelled cases: the case table and the dataset layouts that fill it."""

from .layouts import LAYOUTS, Pairing, from_folder
from .table import COLUMNS, Case, CaseTable, unused_id

__all__ = ["COLUMNS", "LAYOUTS", "Case", "CaseTable", "Pairing", "from_folder", "unused_id"]
