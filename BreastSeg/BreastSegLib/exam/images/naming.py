"""Image files by their names: the cases of a folder, and what the number at the end of a name means."""

import re
from pathlib import Path

from ...errors import BadInput
from ..decisions import ask

VOLUMES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
PICTURES = (".png", ".tif", ".tiff", ".pgm", ".pnm")
NUMBERED = re.compile(r"(?P<case>.*)_(?P<number>\d{4})$")
NAMED = re.compile(r"(?<![a-z])(?:(?P<pre>pre)(?![a-z])|post[ _-]?(?P<post>\d{1,2})(?!\d))", re.IGNORECASE)
MEANINGS = (("phases", "phases in time order, pre first"), ("channels", "channels of the model, in its order"))


def image_files(paths):
    """Return the files that are images of another kind than DICOM, by their endings."""
    return [path for path in paths if path.lower().endswith((*VOLUMES, *PICTURES, ".npy"))]


def volume_files(paths):
    """Return the files that hold volumes, by their endings."""
    return [path for path in paths if ending_of(path, VOLUMES)]


def picture_files(paths):
    """Return the files that hold pictures, by their endings."""
    return [path for path in paths if ending_of(path, PICTURES)]


def ending_of(path, endings):
    """Return which of `endings` a file name has, or ""; the longest counts."""
    name = Path(path).name.lower()
    return max((ending for ending in endings if name.endswith(ending)), key=len, default="")


def stem_of(path):
    """Return the file name without its ending."""
    name = Path(path).name
    return name[: len(name) - len(ending_of(path, VOLUMES))]


def numbered(paths):
    """Return {case: {number: path}} of files called ``CASE_0000``, ``CASE_0001`` …

    Raises
    ------
    BadInput
        If two files have the same case and number (``.nii`` and ``.nii.gz``).
    """
    cases = {}
    for path in paths:
        match = NUMBERED.match(stem_of(path))
        if match is None:
            continue
        numbers = cases.setdefault(match["case"], {})
        if int(match["number"]) in numbers:
            what = f"Two files have the number {match['number']} of one case"
            raise BadInput(what, Path(path).parent, "Keep one of them, or give the files in order")
        numbers[int(match["number"])] = path
    return cases


def begins_after_contrast(paths):
    """bool: whether the first of files named by number or phase is not the one before contrast."""
    if NAMED.search(stem_of(paths[0])):
        return not NAMED.search(stem_of(paths[0]))["pre"]
    match = NUMBERED.match(stem_of(paths[0]))
    return match is not None and int(match["number"]) > 0


def named_phases(paths):
    """Return files whose names say ``pre``, ``post1``, ``post2`` … in that order; none when fewer than two do.

    Raises
    ------
    BadInput
        If one phase has two files, or one between the others is missing.
    """
    found = {}
    for path in paths:
        match = NAMED.search(stem_of(path))
        if NUMBERED.match(stem_of(path)):
            return []
        if match is None:
            continue
        number = 0 if match["pre"] else int(match["post"])
        if number in found:
            what = f"Two files say that they are {'pre' if number == 0 else f'post{number}'}"
            raise BadInput(what, Path(path).parent, "Give the files of one exam, in order")
        found[number] = path
    if len(found) < min(2, len(paths)):
        return []
    order = sorted(found)
    missing = sorted(set(range(order[0], order[-1] + 1)) - set(order))
    if missing:
        name = f"post{missing[0]}"
        raise BadInput(f"The file of {name} is missing", Path(paths[0]).parent, "Give the files in order")
    return [found[number] for number in order]


def choose_files(folder, paths, findings):
    """Return the files of one case in the order of their numbers, and what the numbers mean.

    Parameters
    ----------
    folder : str or Path
        For messages.
    paths : sequence of str
        Files that hold volumes.
    findings : Findings
        ``case`` and ``meaning`` are what the user may have decided.

    Returns
    -------
    files : list of str
    meaning : {'phases', 'channels'}
        Phases that begin with another number than 0 have no phase before contrast.

    Raises
    ------
    Undecided
        If there are several cases, or the user has not said what ``_0000`` means: in nnU-Net it is a channel, in
        MAMA-MIA a phase, and the two must not be mixed.
    BadInput
        If a number is missing, or the names say nothing.
    """
    if len(paths) == 1 and not NUMBERED.match(stem_of(paths[0])):
        return list(paths), "phases"
    named = named_phases(paths)
    if named:
        _note_others(len(paths) - len(named), findings)
        return named, "phases"
    cases = numbered(paths)
    if not cases:
        hint = "Give them one by one in order, pre first, or call them CASE_0000, CASE_0001 … or pre, post1, post2 …"
        raise BadInput("The names of the image files do not tell which phase each is", folder, hint)
    names = sorted(cases)
    if len(names) > 1:
        chosen = findings.decided("case", [str(k + 1) for k in range(len(names))])
        if chosen is None:
            what = f"The folder holds the image files of {len(names)} cases"
            choices = [(k + 1, f"case {k + 1}, {len(cases[name])} files") for k, name in enumerate(names[:50])]
            hint = "Give the files of one case, or choose one (in the order of their names)"
            raise ask("case", what, folder, choices, hint)
        names = [names[int(chosen) - 1]]
    files = cases[names[0]]
    order = sorted(files)
    missing = sorted(set(range(order[0], order[-1] + 1)) - set(order))
    if missing:
        raise BadInput(f"The file with the number {missing[0]:04d} is missing", folder, "Give the files in order")
    meaning = findings.decided("meaning", [value for value, _ in MEANINGS])
    if meaning is None:
        what = f"Files called {'_0000' if order[0] == 0 else f'_{order[0]:04d}'} … can be phases or a model's channels"
        raise ask("meaning", what, folder, MEANINGS)
    if order[0] > 0 and meaning == "phases":
        findings.notes.append(f"The file names begin with {order[0]:04d}: no phase before contrast is among them.")
    _note_others(len(paths) - sum(map(len, cases.values())), findings)
    return [files[number] for number in order], meaning


def _note_others(count, findings):
    """Note files between the phases that are none: masks, for instance."""
    if count:
        said = "file whose name says no phase is" if count == 1 else "files whose names say no phase are"
        findings.notes.append(f"{count} image {said} left out.")
