"""Copies files of models with progress; what cannot be read is told from what cannot be written."""

import os
import shutil
from contextlib import contextmanager

from ..errors import BadInput

PIECE = 1 << 22


def copy_files(folder, target, names, report=None, move=False):
    """Copy files to a new folder, or move them where they are ours; missing folders are made.

    Parameters
    ----------
    folder, target : Path
    names : sequence of str
        Relative, with forward slashes.
    report : callable, optional
        ``report(stage, done, total)`` in MiB; may raise `Cancelled`.
    move : bool
        The source is on the same disk and of no use afterwards.

    Raises
    ------
    BadInput
        If a file cannot be read, or the disk is too small.
    OSError
        If a file cannot be written.
    """
    total = sum(_size(folder / name) for name in names)
    target.mkdir(parents=True, exist_ok=True)
    free, done = shutil.disk_usage(target).free, 0
    if not move and total > free:
        what = f"The disk is full: the model takes {total >> 20} MiB and {free >> 20} MiB are free"
        raise BadInput(what, target, "Free some space or choose another folder for models")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if move:
            os.replace(folder / name, target / name)
            continue
        start = done

        def share(count, start=start):
            if report is not None:
                report("Copying", (start + count) >> 20, total >> 20)

        done += copy_file(folder / name, target / name, share)


def _size(path):
    with _reading(path):
        return path.stat().st_size


def copy_file(path, target, share=None):
    """Copy the bytes of a file to a new one, down to the disk, and return their number (see `copy_files`)."""
    done = 0
    with _reading(path):
        source = open(path, "rb")  # noqa: SIM115
    with source, open(target, "xb") as stream:
        while True:
            with _reading(path):
                piece = source.read(PIECE)
            if not piece:
                break
            stream.write(piece)
            done += len(piece)
            if share is not None:
                share(done)
        stream.flush()
        os.fsync(stream.fileno())
    return done


@contextmanager
def _reading(path):
    try:
        yield
    except OSError as error:
        raise BadInput(f"The file cannot be read: {error.strerror or error}", path) from error
