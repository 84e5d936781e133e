"""From a dataset's folders to a case table."""

from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput

from .table import Case, CaseTable

IMAGE_ENDINGS = (".nii.gz", ".seg.nrrd", ".nii", ".nrrd", ".mha", ".mhd", ".dcm", ".png", ".tif", ".tiff")


@dataclass(frozen=True)
class Pairing:
    """A table and what did not fit into it.

    Parameters
    ----------
    table : CaseTable
        The cases.
    notes : tuple of str
        What the user should know, one sentence each.
    """

    table: CaseTable
    notes: tuple = ()


def from_folder(source):
    """Return the cases of a folder that holds ``images`` and ``masks``, paired by name.

    ``images/NAME`` (a folder with the exam) or ``images/NAME.nii.gz`` (any image ending) belongs to
    ``masks/NAME.nii.gz``.

    Parameters
    ----------
    source : str or Path
        The folder.

    Returns
    -------
    Pairing
        Sorted by name. The patient id is the case id: the folder does not tell it.

    Raises
    ------
    BadInput
        If a folder is missing, nothing pairs, or two files have one name.
    """
    source = Path(source)
    for folder in (source, source / "images", source / "masks"):
        if not folder.is_dir():
            raise BadInput("The folder does not exist", folder, "SOURCE holds two folders, images and masks")
    images, masks = _by_name(source / "images", folders=True), _by_name(source / "masks", folders=False)
    paired = sorted(images.keys() & masks.keys())
    if not paired:
        raise BadInput(
            "No image and mask have the same name", source, "images/NAME.nii.gz belongs to masks/NAME.nii.gz"
        )
    folder = source.resolve()
    table = CaseTable(
        (Case(name, name, f"images/{images[name].name}", f"masks/{masks[name].name}") for name in paired), folder
    )
    notes = ["Patient ids are the case ids; correct that column when a patient has several cases."]
    for what, names, partner in (("image", images, masks), ("mask", masks, images)):
        alone = sorted(names.keys() - partner.keys())
        if alone:
            more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
            notes.append(f"Left out, {what} without a partner: {', '.join(alone[:5])}{more}.")
    return Pairing(table, tuple(notes))


LAYOUTS = {"folder": from_folder}


def _by_name(folder, folders):
    found = {}
    for path in sorted(folder.iterdir()):
        ending = next((e for e in IMAGE_ENDINGS if path.name.lower().endswith(e)), None)
        if path.name.startswith(".") or not (path.is_file() and ending or path.is_dir() and folders):
            continue
        name = path.name if path.is_dir() else path.name[: -len(ending)]
        if name in found:
            raise BadInput(f"Two entries are named {name}", f"{found[name]} and {path}", "Keep one of them")
        found[name] = path
    return found
