"""The views of one mammography exam, in the order in which they are hung."""

from collections import Counter
from dataclasses import dataclass, replace

from ...errors import BadInput
from .view import STANDARD

INTENTS = ("presentation", "", "processing")


@dataclass(frozen=True)
class MammographyScan:
    """What is there before any pixel is read.

    Parameters
    ----------
    views : tuple of View
    left_out : tuple of (str, str)
        Image (without identity) and why it is no view.
    notes : tuple of str
    """

    views: tuple
    left_out: tuple = ()
    notes: tuple = ()

    def to_json(self):
        """dict: the scan without file names."""
        return {
            "views": [view.to_json() for view in self.views],
            "left_out": [list(row) for row in self.left_out],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class MammographyExam:
    """Mammograms with their pixels.

    Parameters
    ----------
    views : tuple of View
    images : tuple of Volume
        One for each view: float32, shape (1, y, x), the file's modality values with tissue bright.
    notes : tuple of str

    Raises
    ------
    BadInput
        If there is no view, or views and images differ in number or shape.
    """

    views: tuple
    images: tuple
    notes: tuple = ()

    def __post_init__(self):
        for name in ("views", "images", "notes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.views or len(self.views) != len(self.images):
            raise BadInput("Each view of an exam needs one image", f"{len(self.views)} and {len(self.images)}")
        if any(image.geometry.shape[0] != 1 for image in self.images):
            raise BadInput("A mammogram has one slice", str([image.geometry.shape for image in self.images]))


def arrange(views):
    """Return views in hanging order (RCC, LCC, RMLO, LMLO, others, unknown), numbered, and notes about the set.

    Parameters
    ----------
    views : sequence of View

    Returns
    -------
    views : tuple of View
    notes : list of str
        About doubles and missing views.
    """
    ordered = sorted(views, key=_place)
    seen, numbered = Counter(), []
    for number, view in enumerate(ordered, 1):
        seen[view.key] += 1
        numbered.append(replace(view, number=number, repeat=seen[view.key] if view.known else 1))
    return tuple(numbered), _set_notes(numbered, seen)


def _place(view):
    standard = STANDARD.index(view.key) if view.key in STANDARD else len(STANDARD)
    plain = not view.modifiers
    rest = (view.position, "RL".find(view.laterality)) if view.known else ("~", 0)
    return (standard, rest, not plain, INTENTS.index(view.intent))


def _set_notes(views, seen):
    notes = []
    for key, count in seen.items():
        if key and count > 1:
            same = [view for view in views if view.key == key]
            differ = {view.intent for view in same} == {"presentation", "processing"} and count == 2
            why = " (one for presentation, one for processing)" if differ else ""
            notes.append(f"{key} is there {count} times{why}: {', '.join(view.name for view in same)}.")
    unknown = [view.name for view in views if not view.known]
    if unknown:
        verb = "has" if len(unknown) == 1 else "have"
        notes.append(f"{', '.join(unknown)} {verb} no known side or view: say what it shows before it is measured.")
    missing = [key for key in STANDARD if key not in seen]
    if 0 < len(missing) < len(STANDARD) and len(views) > 1:
        notes.append(
            f"Of the four standard views {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
        )
    return notes
