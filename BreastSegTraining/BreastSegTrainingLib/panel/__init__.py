"""What the user sees of BreastSegTraining."""

from .caseTableView import CaseTableView

__all__ = ["CaseTableView"]
