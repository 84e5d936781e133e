"""Names of cases: they become file names, on every system."""

import re
import unicodedata

from ..exam.cells import shortened

LONGEST = 120  # bytes; with view, kind and ending a file name stays below what every file system takes
KINDS = ("raw", "probabilities", "disagreement", "entropy", "run", "seg")
FORBIDDEN = '<>:"/\\|?*'
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)
_VIEW = re.compile(r"(?:[lr][a-z]{2,4}|view)(?:_[0-9]+)?", re.IGNORECASE)
_ENDING = re.compile(rf"\.(?:{'|'.join(KINDS)})(?![a-z0-9])", re.IGNORECASE)


def same(name):
    """Return what two names have in common that are one file on some system: case and composition do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def name_problem(name):
    """Return why a name cannot be that of a case, '' if it can.

    Parameters
    ----------
    name : str
        Without blanks at its ends.
    """
    bad = sorted({character for character in name if character in FORBIDDEN or not character.isprintable()})
    checks = (
        (not name, "the case has no name"),
        (bool(bad), f"file names cannot have {' '.join(c if c.isprintable() else f'U+{ord(c):04X}' for c in bad)}"),
        (name[:1] and not (name[:1].isalnum() or name[:1] == "_"), "it begins with neither a letter nor a digit"),
        (name.endswith((".", " ")), "Windows drops a dot or blank at the end"),
        (bool(_DEVICE.fullmatch(name)), "Windows keeps this name for a device"),
        (len(name.encode("utf-8", "replace")) > LONGEST, f"it is longer than {LONGEST} bytes"),
        (bool(_ENDING.search(name)), "it holds a part that tells the files of a case apart, such as .raw"),
    )
    why = next((text for wrong, text in checks if wrong), "")
    return why if not why or not name else f"{shortened(name)} cannot be a case name: {why}"


def is_view(text):
    """bool: whether a text is what a view is called in file names: ``LCC``, ``view_3``."""
    return bool(_VIEW.fullmatch(text))


def clashes(names):
    """Return a sentence for each pair of names whose files could be the same: twice the name, or a view's.

    Parameters
    ----------
    names : sequence of str

    Yields
    ------
    tuple of (int, str)
        Index of the later name, and the sentence.
    """
    first = {}
    for index, name in enumerate(names):
        other = first.setdefault(same(name), index)
        if other != index:
            yield index, f"the case name {shortened(name)} was used before"
    for index, name in enumerate(names):
        stem, dash, rest = same(name).rpartition("-")
        if dash and stem in first and is_view(rest):
            yield (
                index,
                f"{shortened(name)} is what a view of the case {shortened(names[first[stem]])} would be called",
            )
