"""The DICOM headers of a folder: which files there are, and all their headers, read in parallel."""

import os
import time
import warnings
from pathlib import Path

from ...errors import BadInput
from .frames import frame_headers, is_multiframe
from .headers import read_header
from .waiting import THREADS, map_reads

DICOM_FOLDER = "Choose the folder with the DICOM files of one exam"
PROGRESS_EVERY, PROGRESS_S = 20, 0.2


def files_of(folder):
    """Return the paths of all files below a folder, sorted; of a DICOMDIR the files that it lists.

    Raises
    ------
    BadInput
        If the folder is missing, is a file other than a DICOMDIR, cannot be read, or is empty.
    """
    root = Path(folder)
    if not root.exists():
        raise BadInput("The folder does not exist", folder, "Check the path")
    if root.is_file():
        return _listed(root)

    found = sorted(_files_below(root, set()))
    if not found:
        raise BadInput("The folder is empty", folder, DICOM_FOLDER)
    return found


def _files_below(folder, seen):
    """Yield the paths of all files; links are followed once, pipes and devices left alone: opening one can hang."""
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise BadInput(f"A folder cannot be read: {error.strerror}", folder, "Check the permissions") from error
    for entry in entries:
        if entry.is_dir():
            yield from _files_below(entry.path, seen)
        elif entry.is_file():
            yield entry.path


def read_headers(paths, report=None, threads=THREADS):
    """Read the headers of DICOM files; no pixel is read.

    Parameters
    ----------
    paths : sequence of str
    report : callable, optional
        Called as ``report(stage, done, total)``; may raise `Cancelled`.
    threads : int
        0 reads one file after the other (inside Slicer, where threads do not run).

    Returns
    -------
    headers : list of Header
        In no particular order; the frames of an enhanced file one by one.
    notes : list of str
        How many files were skipped, and why.
    """
    headers, others, damaged, phases = [], 0, 0, False
    with warnings.catch_warnings():
        # Around all threads: warning filters belong to the whole process.
        warnings.simplefilter("ignore")
        last = None
        for done, (path, header) in enumerate(zip(paths, map_reads(read_header, paths, threads))):
            now = time.monotonic()
            if report is not None and (last is None or done % PROGRESS_EVERY == 0 or now - last > PROGRESS_S):
                report("Reading", done, len(paths))
                last = now
            if header is False:
                others += 1
            elif header is None:
                damaged += 1
            elif is_multiframe(header):
                frames = frame_headers(path, header)
                headers += frames
                damaged += not frames
                phases |= not frames
            elif not header.is_directory:
                headers.append(header)
    notes = []
    if others:
        notes.append(f"{_count(others, 'file')} in the folder {'is' if others == 1 else 'are'} not DICOM and skipped.")
    if damaged:
        notes.append(f"{_count(damaged, 'DICOM file')} {'is' if damaged == 1 else 'are'} damaged and skipped.")
    if phases:
        notes.append("A damaged file is enhanced MR, which can hold a whole phase: check that no phase is missing.")
    return headers, notes


def _listed(path):
    """Return the files that a DICOMDIR lists and that are there."""
    import pydicom

    try:
        with warnings.catch_warnings(), open(path, "rb") as stream:
            warnings.simplefilter("ignore")
            records = pydicom.dcmread(stream, force=True).get("DirectoryRecordSequence") or ()
            names = [record.get("ReferencedFileID") for record in records]
    except Exception as error:  # noqa: BLE001 - any file may be given
        raise _not_a_folder(path) from error
    if not any(names):
        raise _not_a_folder(path)
    listed = [path.parent.joinpath(*([name] if isinstance(name, str) else name)) for name in names if name]
    there = sorted(str(file) for file in listed if file.is_file())
    if not there:
        raise BadInput(
            "None of the files that the DICOMDIR lists is there", path, "Copy the whole disc, then try again"
        )
    if len(there) < len(listed):
        what = f"{len(listed) - len(there)} of the {len(listed)} files that the DICOMDIR lists are missing"
        raise BadInput(what, path, "Copy the whole disc, or choose the folder with the files that are there")
    return there


def _not_a_folder(path):
    hint = "Give its folder, or the phases as files in order"
    return BadInput("This is a file, not a folder of DICOM files", path, hint)


def _count(number, noun):
    return f"{number} {noun}{'s' * (number != 1)}"
