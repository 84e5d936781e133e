"""Changes to the model library that happen whole or not at all, also when the program is killed in the middle.

What is being made lies in a folder of the library whose name begins with a dot, so it is on the same disk and takes
its place by one rename. A lock that ends with its process tells rooms in use from those that a crash left behind.
"""

import os
import shutil
import stat
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import BadInput
from ..files import write_error
from .place import check_writable, library_folder

PREFIX = ".making-"
OWNER = "owner"
LOCK = ".lock"
PATIENCE_S = 60
FORGOTTEN_S = 24 * 3600  # where the disk knows no locks, a room this old is nobody's


@contextmanager
def workroom(library=None):
    """Give a new private folder inside the library; it is gone afterwards. What a crash left behind is cleaned first.

    Parameters
    ----------
    library : Path, optional
        The model library when not given; made when missing.

    Raises
    ------
    BadInput
        If the library cannot be written to, or the disk is full.
    """
    library = library_folder() if library is None else Path(library)
    check_writable(library)
    clean_leftovers(library)
    room = None
    try:
        room = Path(tempfile.mkdtemp(prefix=PREFIX, dir=library))
        with open(room / OWNER, "wb") as owner:
            _lock(owner)
            yield room
    except OSError as error:
        raise write_error(error, library) from error
    finally:
        if room is not None:
            _give_back(room, library)
            delete(room)


def clean_leftovers(library):
    """Delete the rooms in a library folder whose process is gone; a model that was set aside comes back first."""
    for room in library.glob(PREFIX + "*"):
        if _abandoned(room):
            _give_back(room, library)
            delete(room)


@contextmanager
def library_lock(library):
    """Let one process at a time rename in a library folder; on disks that know no locks nobody waits.

    Raises
    ------
    BadInput
        If another process keeps the library for longer than a minute.
    """
    end = time.monotonic() + PATIENCE_S
    try:
        stream = open(Path(library) / LOCK, "ab")  # noqa: SIM115
    except OSError as error:
        raise write_error(error, library) from error
    with stream:
        while not _lock(stream):
            if time.monotonic() > end:
                raise BadInput("Another program is changing the model library", library, "Try again when it is done")
            time.sleep(0.05)
        yield


def put_in_place(room, folder, library, overwrite=False):
    """Give a finished model folder its place in the library; call it inside `library_lock`.

    Parameters
    ----------
    room : Path
        The `workroom`; a model that is replaced is set aside there until the new one is in place.
    folder : Path
        The finished folder, in `room`, with the model's name.
    library : Path
    overwrite : bool
        Replace a model of the same name.

    Returns
    -------
    Path

    Raises
    ------
    BadInput
        If the name is taken, also by one that differs in capital letters only, or the model is in use (Windows).
    """
    target, aside = library / folder.name, room / "before" / folder.name
    same = taken(folder.name, library)
    if same is not None and not (overwrite and same == target.name):
        hint = "Give another name with --name" + (", or --overwrite" if same == target.name else "")
        raise BadInput(f"There is a model named {same}", library, hint)
    try:
        if same is not None:
            aside.parent.mkdir()
            os.rename(target, aside)
        os.rename(folder, target)
    except OSError as error:
        raise write_error(error, target) from error
    finally:
        _give_back(room, library)
    return target


def set_aside(room, folder):
    """Take a model out of the library by one rename, so that it is deleted with the room; see `put_in_place`.

    Raises
    ------
    BadInput
        If a program keeps one of its files open (Windows), or the library cannot be written to.
    """
    try:
        os.rename(folder, room / folder.name)
    except OSError as error:
        raise BadInput(
            f"The model cannot be moved: {error.strerror or error}", folder, "Close the programs that use it"
        ) from error


def taken(name, library):
    """Return the name in the library folder that equals `name` but for capital letters, or None."""
    names = [path.name for path in library.iterdir()] if library.is_dir() else []
    return next((other for other in sorted(names) if other.casefold() == name.casefold()), None)


def delete(folder):
    """Delete a folder with all that is in it, also what is marked as read-only; what cannot be deleted stays."""

    def insist(function, path, _error):
        try:
            os.chmod(os.path.dirname(path), stat.S_IRWXU)
            os.chmod(path, stat.S_IRWXU)
            function(path)
        except OSError:  # The next install tries again.
            return

    handler = {"onexc": insist} if sys.version_info >= (3, 12) else {"onerror": insist}
    shutil.rmtree(folder, **handler)


def _give_back(room, library):
    """Return a model that was set aside for another to its place, if that is empty."""
    for model in (room / "before").glob("*"):
        if not (library / model.name).exists():
            with suppress(FileNotFoundError):  # another process cleans, too, and was quicker
                os.rename(model, library / model.name)


def _abandoned(room):
    """bool: whether the process that made a room is gone."""
    try:
        with open(room / OWNER, "r+b") as owner:
            locked = _lock(owner, unsupported=False)
            return locked or time.time() - (room / OWNER).stat().st_mtime > FORGOTTEN_S
    except FileNotFoundError:  # killed before it was written, or being written just now
        try:
            return time.time() - room.stat().st_mtime > PATIENCE_S
        except OSError:
            return False
    except OSError:
        return False


def _lock(stream, unsupported=True):
    """Lock an open file until it is closed; False when another process has it.

    `unsupported` is the answer where the disk knows no locks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return unsupported
