"""Labelled cases: the case table, the masks of its cases, and the dataset layouts that fill it."""

from .case import Case
from .columns import Column, all_columns, columns_of, known_name, read_number
from .table import CaseTable, Problem, unused_name, update_file

__all__ = [
    "Case",
    "CaseTable",
    "Column",
    "Problem",
    "all_columns",
    "columns_of",
    "known_name",
    "read_number",
    "unused_name",
    "update_file",
]
