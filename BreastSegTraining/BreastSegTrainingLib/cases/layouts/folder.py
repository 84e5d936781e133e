"""A plain folder: images and masks with the same names, and perhaps a table with what is known of them."""

from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.exam.cells import SOURCES
from BreastSegLib.exam.images.naming import NUMBERED

from ..columns import known_name
from ..spreadsheet import read_sheet
from .gathering import Gathering, listed, may_be_told, name_key, silent, subfolder, visible

VOLUMES = (".nii.gz", ".seg.nrrd", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".npy")
MAMMOGRAMS = (".dcm", ".png", ".tif", ".tiff", ".pgm")
TABLES = (".csv", ".tsv", ".xlsx", ".xls")
PLACES = {"images": ("images", "imagesTr"), "masks": ("masks", "labels", "labelsTr", "segmentations")}
MASK_WORDS = ("_mask", "_seg", "_label", "-mask", "-seg", "-label")
NAMES = ("case", "image", "exam", "file", "filename", "name", "patient")  # headings that may hold the file's name


@dataclass(frozen=True)
class _Entry:
    name: str
    paths: tuple
    numbers: tuple = ()


def read(source, report=None, numbers="phases"):
    """Return the cases of a folder with ``images`` and ``masks``.

    ``images/NAME`` is a folder with the exam, a file with any image ending, or files ``NAME_0000`` …; ``masks/NAME`` a
    file, or a folder with several that are joined. A mask may be called ``NAME_mask``, ``NAME_seg`` or ``NAME_label``.

    Parameters
    ----------
    source : str or Path
    report : callable, optional
    numbers : {'phases', 'channels'}
        What the numbers of ``NAME_0000``, ``NAME_0001`` … count.

    Returns
    -------
    Imported
    """
    report, gathering = report or silent, Gathering(source)
    places = {}
    for what, names in PLACES.items():
        places[what] = subfolder(gathering.folder, *names)
        if places[what] is None:
            raise BadInput(f"There is no folder {what}", source, "SOURCE holds two folders, images and masks")
    masks = _entries(places["masks"], gathering, numbered=False)
    images = _entries(places["images"], gathering, numbered=True)
    told, known = _table(gathering, images), False
    for done, (key, entry) in enumerate(images.items()):
        report("Pairing", done, len(images))
        where = f"{places['images'].name}/{entry.paths[0].name}"
        mask = masks.pop(key, None) or next((masks.pop(key + w) for w in MASK_WORDS if key + w in masks), None)
        if mask is None:
            gathering.refuse(where, "there is no mask of this name")
            continue
        with gathering.reading(where):
            values = {"patient": entry.name, **told.get(key, {})}
            known |= "patient" in told.get(key, {})
            values |= {column: text for column, text in _exam(entry, numbers, gathering).items() if text}
            gathering.add(where, entry.name, {**values, "mask": _mask(mask, gathering)})
    report("Pairing", len(images), len(images))
    for entry in masks.values():
        gathering.refuse(f"{places['masks'].name}/{entry.paths[0].name}", "there is no image of this name")
    if not known:
        gathering.note("Patient ids are the case names: correct that column where a patient has several cases.")
    return gathering.result()


def _entries(folder, gathering, numbered):
    """Return {name: _Entry} of a folder."""
    found, series = {}, {}
    for path in visible(folder):
        where = f"{folder.name}/{path.name}"
        ending = next((e for e in (*VOLUMES, *MAMMOGRAMS, ".xml") if path.name.lower().endswith(e)), "")
        if not path.is_dir() and not ending:
            gathering.refuse(where, "it is no image of a known kind")
            continue
        name = path.name if path.is_dir() else path.name[: len(path.name) - len(ending)]
        match = NUMBERED.fullmatch(name) if numbered and path.is_file() and ending in VOLUMES else None
        if match:
            files = series.setdefault(match["case"], {})
            if int(match["number"]) in files:
                gathering.refuse(where, f"a second file with the number {match['number']}")
            files.setdefault(int(match["number"]), path)
        elif name_key(name) in found:
            gathering.refuse(where, f"a second entry {name}; the first is {found[name_key(name)].paths[0].name}")
        else:
            found[name_key(name)] = _Entry(name, (path,))
    for name, files in series.items():
        if name_key(name) in found:
            gathering.refuse(f"{folder.name}/{name}_…", f"a second entry {name}")
            continue
        order = tuple(sorted(files))
        found[name_key(name)] = _Entry(name, tuple(files[number] for number in order), order)
    return found


def _exam(entry, numbers, gathering):
    """Return the columns that say where an exam lies."""
    paths = gathering.relative(*entry.paths)
    if entry.numbers:
        first, last = entry.numbers[0], entry.numbers[-1]
        missing = sorted(set(range(first, last + 1)) - set(entry.numbers))
        if missing:
            raise BadInput(f"the file with the number {missing[0]:04d} is missing")
        if numbers == "channels":
            return {"channels": paths}
        if first > 1:
            raise BadInput(f"its files begin with {first:04d}: the phases before are missing")
        # Without 0000 no phase is before contrast.
        return {"phases": paths, "choose": "pre=0" if first else "", "phase_count": len(entry.paths)}
    path = entry.paths[0]
    if path.is_dir():
        return {"exam": paths}
    return {"image": paths} if path.name.lower().endswith(MAMMOGRAMS) else {"phases": paths}


def _mask(entry, gathering):
    path = entry.paths[0]
    if path.is_dir():
        files = [one for one in visible(path) if one.name.lower().endswith((*VOLUMES, ".xml"))]
        return gathering.relative(*(files or [path]))  # a folder of pictures is one mask, slice by slice
    return gathering.relative(path)


def _table(gathering, images):
    """Return {name: columns} of the table that lies beside the folders."""
    paths = [path for path in visible(gathering.folder) if path.is_file() and path.suffix.lower() in TABLES]
    earlier = [path for path in paths if _is_case_table(path)] if len(paths) > 1 else []
    if len(paths) - len(earlier) == 1:
        paths = [path for path in paths if path not in earlier]
        gathering.note(f"{listed(path.name for path in earlier)}: a case table, and not what it is made from.")
    if not paths:
        return {}
    if len(paths) > 1:
        for path in paths:
            gathering.refuse(path.name, "there are several tables: keep the one that belongs to the images")
        return {}
    path, told = paths[0], {}
    cells = read_sheet(path)
    names = [known_name(text) or text for text in cells.header]
    for line, texts in cells.rows:
        row = {name: text for name, text in zip(names, texts) if name and text}
        where = f"{path.name}, line {line}"
        key = _key(row, images)
        if key is None:
            gathering.refuse(where, "no image has the name in this row")
        elif key in told:
            gathering.refuse(where, f"a second row for {images[key].name}")
        else:
            told[key] = {name: text for name, text in row.items() if may_be_told(name)}
    return told


def _is_case_table(path):
    """bool: whether a table was written by an earlier import."""
    try:
        header = set(read_sheet(path).header)
    except BadInput:
        return False
    return {"case", "patient", "mask"} <= header and bool(header & set(SOURCES))


def _key(row, images):
    """Return which image a row belongs to: the first of its likely columns that names one."""
    low = {name_key(name): text for name, text in row.items()}
    for name in NAMES:
        text = name_key(Path(low.get(name, "").replace("\\", "/")).name)
        ending = next((e for e in (*VOLUMES, *MAMMOGRAMS) if text.endswith(e)), "")
        text = text[: len(text) - len(ending)] if ending else text
        match = NUMBERED.fullmatch(text)
        for key in (text, match["case"] if match else ""):
            if key and key in images:
                return key
    return None
