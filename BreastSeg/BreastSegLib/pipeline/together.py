"""Files of one run that appear together: all of them, or none."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ..errors import BadInput
from ..files import check_output, write_error


def check_outputs(paths, overwrite=False):
    """Return paths after checking that each may be written (see `files.check_output`) and none is named twice.

    Parameters
    ----------
    paths : iterable of str or Path
    overwrite : bool

    Raises
    ------
    BadInput
    """
    checked = [check_output(path, overwrite) for path in paths]
    places = [os.path.abspath(path) for path in checked]
    double = next((path for path, place in zip(checked, places) if places.count(place) > 1), None)
    if double is not None:
        raise BadInput("Two outputs have the same name", double, "Give them different names")
    return checked


@contextmanager
def whole_files(paths, overwrite=False):
    """Give a temporary name for each path; all files take their own names only when the block ends well.

    Files that were there before come back when the block or a later move fails.

    Parameters
    ----------
    paths : sequence of str or Path
        Missing folders are made, and removed again on failure.
    overwrite : bool
        Replace existing files.

    Yields
    ------
    dict of Path to Path
        ``temporary[path]``, with the same ending, in a folder beside it.

    Raises
    ------
    BadInput
        If a file exists and may not be replaced, or the disk is full or not writable.
    """
    paths = check_outputs([Path(path) for path in paths], overwrite)
    made, rooms, temporary = [], {}, {}
    try:
        for path in paths:
            if path.parent not in rooms:
                _make_folder(path.parent, made)
                rooms[path.parent] = Path(tempfile.mkdtemp(prefix=".part-", dir=path.parent))
        temporary = {path: rooms[path.parent] / path.name for path in paths}
        yield temporary
        _move(temporary)
        made.clear()
    except OSError as error:
        raise write_error(error, next(iter(paths)).parent) from error
    except BadInput as error:
        raise _with_own_name(error, temporary) from error
    finally:
        for room in rooms.values():
            shutil.rmtree(room, ignore_errors=True)
        for folder in reversed(made):
            _remove_empty(folder)


def _make_folder(folder, made):
    """Make a folder and its missing parents, and note which."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        made.append(one)


def _move(temporary):
    """Give the files their own names; what stood there is kept aside until all have moved."""
    for part in temporary.values():
        with open(part, "rb+") as stream:
            os.fsync(stream.fileno())
    aside = {path: part.with_name(part.name + ".before") for path, part in temporary.items() if path.exists()}
    try:
        for path, part in temporary.items():
            if path in aside:
                os.replace(path, aside[path])
            os.replace(part, path)
    except BaseException:
        # Told by what lies where, so that an interruption between two moves loses nothing.
        for path, part in temporary.items():
            if not part.exists():
                path.unlink(missing_ok=True)
        for path, before in aside.items():
            if before.exists():
                os.replace(before, path)
        raise


def _with_own_name(error, temporary):
    """Return an error about a temporary file as one about the file that the user knows."""
    for path, part in temporary.items():
        if error.where == str(part):
            return BadInput(error.what, path, error.hint)
    return error


def _remove_empty(folder):
    try:
        folder.rmdir()
    except OSError:  # something else was put into it meanwhile
        return
