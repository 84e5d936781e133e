"""BIDS-like datasets: ``sub-XX[/ses-YY]/perf/sub-XX…_dce.nii.gz``, participants.tsv, masks below ``derivatives``.

BIDS (bids-specification.readthedocs.io) has no name for breast DCE-MRI yet, so what groups use is understood: one 4D
file, or a file for each phase told apart by ``run-``, ``acq-``, ``ce-``, ``echo-`` or ``phase-``.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.exam.images.naming import NAMED
from BreastSegLib.files import read_json

from ..columns import known_name
from ..spreadsheet import read_sheet
from .gathering import Gathering, may_be_told, silent, subfolder, value, visible

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
SUFFIXES = ("dce", "perf", "t1w", "t1")  # the first that a session has holds its phases
MASKS = ("dseg", "mask", "seg", "roi")
LESIONS = ("lesion", "tumor", "tumour", "mass", "cancer")
APART = ("phase", "run", "acq", "ce", "echo", "desc", "rec")  # entities that tell phases apart


@dataclass(frozen=True)
class _File:
    path: Path
    entities: dict = field(repr=False)
    suffix: str


def read(source, report=None, pipeline="", mask_label=""):
    """Return the cases of a BIDS-like dataset, one for each session.

    Parameters
    ----------
    source : str or Path
        The folder that holds ``sub-…``.
    report : callable, optional
    pipeline : str
        Folder below ``derivatives`` that holds the masks; needed where several do.
    mask_label : str
        ``label-…`` of the mask files; lesion, tumor … are found without.

    Returns
    -------
    Imported
    """
    report, gathering = report or silent, Gathering(source)
    subjects = [entry for entry in visible(gathering.folder) if entry.is_dir() and entry.name.startswith("sub-")]
    if not subjects:
        raise BadInput("There is no folder sub-…", source, "Give the folder of the BIDS dataset")
    derived = _derived(gathering, pipeline)
    people = _people(gathering, {entry.name for entry in subjects})
    for done, subject in enumerate(subjects):
        report("Reading sessions", done, len(subjects))
        visits = [entry for entry in visible(subject) if entry.is_dir() and entry.name.startswith("ses-")]
        for folder in visits or [subject]:
            where = folder.relative_to(gathering.folder).as_posix()
            session = folder.name if visits else ""
            with gathering.reading(where):
                values = _exam(folder, gathering)
                masks = [mask for place in derived for mask in _masks(place / subject.name / session, mask_label)]
                if len(masks) != 1:
                    names = ", ".join(mask.name for mask in masks[:4])
                    why = f"there are several masks: {names}; choose --pipeline or --mask-label" if masks else ""
                    raise BadInput(why or "there is no mask below derivatives")
                told = {**people.get(subject.name, {}), **{key: text for key, text in values.items() if text}}
                name = f"{subject.name}_{session}" if session else subject.name
                told |= {"patient": subject.name, "session": session, "mask": gathering.relative(masks[0])}
                gathering.add(where, name, told)
    report("Reading sessions", len(subjects), len(subjects))
    return gathering.result()


def _file(path):
    """Return the parts of a BIDS file name, None for another file."""
    ending = next((e for e in ENDINGS if path.name.lower().endswith(e)), "")
    parts = path.name[: len(path.name) - len(ending)].split("_") if ending and path.is_file() else []
    if len(parts) < 2 or not parts[0].startswith("sub-") or "-" in parts[-1]:
        return None
    entities = dict(part.split("-", 1) for part in parts[:-1] if "-" in part)
    return _File(path, entities, parts[-1].casefold())


def _exam(folder, gathering):
    """Return the columns of a session's exam."""
    files = []
    for place in visible(folder):
        if place.is_dir() and not place.name.startswith(("ses-", "sub-")):
            files += [file for file in map(_file, visible(place)) if file is not None]
    kinds = {file.suffix for file in files}
    suffix = next((suffix for suffix in SUFFIXES if suffix in kinds), None)
    if suffix is None:
        raise BadInput(f"it has no image called …_{', …_'.join(SUFFIXES[:3])}")
    phases = _in_order([file for file in files if file.suffix == suffix])
    sidecars = [_sidecar(file) for file in phases]
    first = sidecars[0]
    scanner = [str(first.get(key) or "") for key in ("Manufacturer", "ManufacturersModelName")]
    return {
        "phases": gathering.relative(*(file.path for file in phases)),
        "times": _times(sidecars),
        "phase_count": len(phases) if len(phases) > 1 else "",
        "scanner": " ".join(filter(None, scanner)),
        "field_strength": first.get("MagneticFieldStrength") or "",
        "centre": first.get("InstitutionName") or "",
    }


def _in_order(files):
    """Return the files of the phases in time order."""
    if len(files) == 1:
        return files
    differ = [key for key in APART if len({file.entities.get(key, "") for file in files}) == len(files)]
    if not differ:
        raise BadInput(f"its {len(files)} images of one kind are not told apart by {', '.join(APART[:4])}")
    keys = [_order([file.entities.get(key, "") for file in files]) for key in differ]
    order = next((key for key in keys if key is not None), None)
    if order is None:
        raise BadInput(f"{differ[0]}-… does not tell the order of its images: number them, or call them pre, post1 …")
    return [file for _, file in sorted(zip(order, files), key=lambda pair: pair[0])]


def _order(texts):
    """Return a number for each text by which they are sorted: phase names or whole numbers; None for other texts."""
    named = [NAMED.fullmatch(text) for text in texts]
    if all(named):
        numbers = [0 if match["pre"] else int(match["post"]) for match in named]
    elif all(re.fullmatch(r"\D*\d+", text) for text in texts) and len({re.sub(r"\d", "", t) for t in texts}) == 1:
        numbers = [int(re.search(r"\d+", text)[0]) for text in texts]
    else:
        return None
    return numbers if len(set(numbers)) == len(numbers) else None


def _sidecar(file):
    name = next(file.path.name[: -len(e)] for e in ENDINGS if file.path.name.lower().endswith(e))
    path = file.path.with_name(name + ".json")
    record = read_json(path) if path.is_file() else {}
    return record if isinstance(record, dict) else {}


def _times(sidecars):
    """Return the times of the phases in seconds, '' where the sidecar files do not tell them."""
    if len(sidecars) == 1:
        seconds = sidecars[0].get("FrameTimesStart") or sidecars[0].get("VolumeTiming")
        seconds = seconds if isinstance(seconds, list) else []
    else:
        seconds = [_clock(record.get("AcquisitionTime")) for record in sidecars]
    plain = all(isinstance(second, (int, float)) and not isinstance(second, bool) for second in seconds)
    rising = plain and all(later > earlier for earlier, later in zip(seconds, seconds[1:]))
    return ";".join(f"{second - seconds[0]:g}" for second in seconds) if rising and len(seconds) > 1 else ""


def _clock(text):
    match = re.fullmatch(r"(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)", str(text or ""))
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def _derived(gathering, pipeline):
    """Return the folders below ``derivatives`` that may hold masks."""
    root = subfolder(gathering.folder, "derivatives")
    if root is None:
        raise BadInput("There is no folder derivatives with the masks", gathering.folder)
    if pipeline:
        folder = subfolder(root, pipeline)
        if folder is None:
            raise BadInput(f"There is no folder derivatives/{pipeline}", gathering.folder)
        return [folder]
    return [root, *(entry for entry in visible(root) if entry.is_dir() and not entry.name.startswith("sub-"))]


def _masks(folder, label):
    """Return the mask files of a session."""
    if not folder.is_dir():
        return []
    inner = [entry for entry in visible(folder) if entry.is_dir() and not entry.name.startswith("ses-")]
    files = [_file(path) for place in (folder, *inner) for path in visible(place)]
    files = [file for file in files if file is not None]
    wanted = [label.casefold()] if label else LESIONS
    labelled = [file for file in files if file.entities.get("label", "").casefold() in wanted]
    if labelled or label:
        return [file.path for file in labelled]
    return [file.path for file in files if file.suffix in MASKS and "label" not in file.entities]


def _people(gathering, subjects):
    """Return {subject: columns} of participants.tsv."""
    path, told = gathering.folder / "participants.tsv", {}
    if not path.is_file():
        gathering.note("participants.tsv is missing: nothing is known of the patients.")
        return told
    with gathering.reading(path.name):
        cells = read_sheet(path, ("participant_id",))
        names = [known_name(text) or text for text in cells.header]
        for line, texts in cells.rows:
            row = {name: value(text) for name, text in zip(names, texts) if name}
            subject, where = row.pop("patient", ""), f"{path.name}, line {line}"
            subject = subject if subject.startswith("sub-") else f"sub-{subject}"
            if subject in told:
                gathering.refuse(where, f"a second row for {subject}")
            elif subject not in subjects:
                gathering.refuse(where, f"there is no folder {subject}")
            else:
                told[subject] = {name: text for name, text in row.items() if may_be_told(name)}
    return told
