"""Side and view in words: series descriptions, file names."""

import re
from pathlib import Path

from . import codes

PHRASES = (
    (r"MEDIO[\s_-]*LATERAL[\s_-]*OBLIQUE", " MLO "),
    (r"CRANIO[\s_-]*CAUDAL", " CC "),
)
INBREAST = re.compile(r"_MG_[LR]_ML_ANON", re.IGNORECASE)
FOLDERS = 4  # CBIS-DDSM names side and view in the folder of the study, three folders above the file


def side_and_view(text):
    """Return the laterality and position that a text names, each empty when it names none or several.

    A lone letter L or R counts only beside a view, because it means many things elsewhere.

    Parameters
    ----------
    text : str

    Returns
    -------
    laterality, position : str
    """
    text = text.upper()
    for pattern, word in PHRASES:
        text = re.sub(pattern, word, text)
    sides, views = codes.by_word("sides"), codes.by_word("views")
    both = re.compile(f"({'|'.join(sides)})({'|'.join(views)})")
    found_sides, found_views, letters = set(), set(), set()
    for token in re.split(r"[^A-Z0-9]+", text):
        match = both.fullmatch(token)
        if match:
            found_sides.add(sides[match[1]])
            found_views.add(views[match[2]])
        elif token in views:
            found_views.add(views[token])
        elif token in sides:
            (letters if len(token) == 1 else found_sides).add(sides[token])
    if found_views:
        found_sides |= letters
    return tuple(next(iter(found)) if len(found) == 1 else "" for found in (found_sides, found_views))


def in_file_name(path):
    """Return laterality, position and what said so, from a file's name or else from a folder that names both.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    laterality, position, source : str
    """
    path = Path(path)
    stem = re.sub(r"(\.(dcm|dicom|png|tiff?|pgm|gz|ljpeg))+$", "", path.name, flags=re.IGNORECASE)
    if INBREAST.search(stem):
        return side_and_view(stem)[0], "MLO", "the file name (INbreast writes ML for MLO)"
    laterality, position = side_and_view(stem)
    if laterality or position:
        return laterality, position, "the file name"
    for folder in list(path.parents)[:FOLDERS]:
        laterality, position = side_and_view(folder.name)
        if laterality and position:
            return laterality, position, "the name of the folder"
    return "", "", ""
