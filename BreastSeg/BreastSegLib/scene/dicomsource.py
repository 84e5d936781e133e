"""Whether the files that an exam was loaded from are DICOM, so that something can refer to them."""

import os

from ..exam.dicom.elements import file_looks_like_dicom
from ..exam.images.naming import image_files


def dicomSourceOf(source):
    """Return the source of an exam's DICOM files; None where it has none.

    Only the first bytes of a few files are read: this is asked in the application's own thread.

    Parameters
    ----------
    source : dict or None
        What the exam was loaded from, see `examflow.readExam`.
    """
    source = source or {}
    if source.get("dicom"):
        return source
    if source.get("views"):
        return source if all(map(file_looks_like_dicom, source["views"])) else None
    if source.get("folder"):
        # As the reader decides it: image files with names of their own count only where there is no DICOM file.
        return source if any(map(file_looks_like_dicom, _othersIn(str(source["folder"])))) else None
    return None


def _othersIn(folder):
    """Yield the files below a folder whose names do not say that they are images of another kind."""
    if os.path.isfile(folder):
        yield folder  # a DICOMDIR
    for below, folders, names in os.walk(folder):
        folders.sort()
        known = set(image_files(names))
        yield from (os.path.join(below, name) for name in sorted(names) if name not in known)
