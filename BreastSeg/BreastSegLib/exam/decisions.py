"""What the files do not tell and the user decided; and what was noticed on the way."""

from dataclasses import dataclass, field

from ..errors import BadInput, Undecided

# name -> what it decides, for the command line's help
NAMES = {
    "study": "which study of several (its number in the list)",
    "kind": "dce or mammograms, where a folder holds both",
    "series": "the series of the dynamic, such as 5,6,7",
    "clock": "what orders the phases of one series: trigger, content, acquisition, temporal, instance …",
    "order": "what orders several series: acquisition, content, series, number or temporal",
    "images": "which of several images at one place and time (1, 2 …)",
    "incomplete": "leave-out: go on without incomplete phases",
    "pre": "how many phases lie before contrast (0, 1, 2 …)",
    "meaning": "files called _0000, _0001 …: phases or channels",
    "case": "which case of several in a folder of image files",
    "spacing": "voxel size x,y,z in mm where the files do not tell",
    "polarity": "of a picture that looks inverted: MONOCHROME2 shows it as it is, MONOCHROME1 inverts it",
}
BY_USER = "chosen by the user"


@dataclass
class Findings:
    """Collected while an exam is looked at.

    Parameters
    ----------
    decisions : dict of str to str
        What the user decided, by name (see `NAMES`).
    notes : list of str
        Sentences worth reading.
    doubts : list of str
        Tags that said otherwise than those that decided.
    left_out : list of (str, str)
        What was left out, and why.
    after_lost : set of (str, int or None)
        Path and frame of the images that follow a first time point which was left out.

    Raises
    ------
    BadInput
        If a decision has an unknown name.
    """

    decisions: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    doubts: list = field(default_factory=list)
    left_out: list = field(default_factory=list)
    after_lost: set = field(default_factory=set)

    def __post_init__(self):
        self.decisions = check_decisions(self.decisions)

    def decided(self, name, choices=None):
        """Return what the user decided about `name`, or None.

        Parameters
        ----------
        name : str
        choices : sequence of str, optional
            The possible answers.

        Raises
        ------
        BadInput
            If the answer is none of `choices`.
        """
        value = self.decisions.get(name)
        if value is not None and choices is not None and value not in choices:
            raise BadInput(f"There is no {name} {value!r} to choose", hint="Possible: " + ", ".join(choices))
        return value

    def first_lost(self, headers):
        """bool: whether the time point before that of these images was the first one and is left out."""
        return any((header.path, header.frame) in self.after_lost for header in headers)


def check_decisions(decisions):
    """Return decisions as texts by name.

    Raises
    ------
    BadInput
        If one has an unknown name.
    """
    unknown = sorted(set(decisions or {}) - set(NAMES))
    if unknown:
        raise BadInput(f"Nothing is called {unknown[0]!r} that could be chosen", hint="Possible: " + ", ".join(NAMES))
    return {name: str(value).strip() for name, value in (decisions or {}).items()}


def ask(name, what, where, choices, hint=""):
    """Return the question `name` as an error.

    Parameters
    ----------
    name : str
    what, where : str
        The reason, in plain English.
    choices : sequence of (str, str)
        Possible answers and their texts.
    hint : str, optional
        Lists the choices when not given.
    """
    hint = hint or "Choose: " + "; ".join(text for _, text in choices)
    return Undecided(what, where, hint, name, choices)
