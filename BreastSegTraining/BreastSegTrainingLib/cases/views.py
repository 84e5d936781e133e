"""Which view of a mammography exam a labelled case is about: its mask belongs to one."""

from dataclasses import replace

from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import DceExam

SIDES = {"left": "L", "right": "R"}


def wanted_view(case):
    """Return the view that the columns ``side`` and ``view`` name, such as ``LCC``; '' where they do not."""
    view = case.get("view").strip().upper()
    return SIDES.get(case.plain("side"), "") + view if view else ""


def one_view(exam, view):
    """Return the exam with the view that the table names, where it has several.

    Parameters
    ----------
    exam : DceExam or MammographyExam
    view : str
        ``LCC`` …

    Raises
    ------
    BadInput
        If it has several views and the table names none of them.
    """
    if isinstance(exam, DceExam) or len(exam.views) == 1:
        return exam
    names = [one.name for one in exam.views]
    if view not in names:
        raise BadInput(
            f"The exam has {len(names)} views ({', '.join(names)}) and the mask belongs to one",
            hint="Name one file in the column image, or say which by the columns side and view",
        )
    index = names.index(view)
    return replace(exam, views=(exam.views[index],), images=(exam.images[index],))
