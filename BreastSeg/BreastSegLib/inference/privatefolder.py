"""A client's private temporary folder, and what remains of those whose owners died.

Usually a worker removes the folder when its parent dies. When there was no worker at that moment (it had ended because
it was idle, or died too), the next worker on this computer does.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

PREFIX = "breastseg-"
LOCK = "owner.lock"
SETTLED_S = 60.0  # a folder younger than this may not be locked yet


class PrivateFolder:
    """A new folder that only this user can read, locked for as long as this process lives.

    Attributes
    ----------
    path : Path
    """

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = open(self.path / LOCK, "wb")  # noqa: SIM115 (held open until `remove`)
        try:
            _lock(self._lock)
        except OSError:  # no locks there: nobody may take the folder for one whose owner has died
            self._lock.close()
            (self.path / LOCK).unlink(missing_ok=True)

    @property
    def there(self):
        """bool: whether the folder still exists; systems clean up their temporary folders after some days."""
        return self.path.is_dir()

    def remove(self):
        """Remove the folder with all that it holds."""
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def sweep(parent=None):
    """Remove the private folders of this user's processes that have died.

    Parameters
    ----------
    parent : str or Path, optional
        Folder to look in; that of temporary files when not given.

    Returns
    -------
    list of Path
        What was removed.
    """
    return [folder for folder in _own_folders(Path(parent or tempfile.gettempdir())) if _abandoned(folder)]


def _own_folders(parent):
    try:
        found = [path for path in parent.iterdir() if path.name.startswith(PREFIX)]
    except OSError:
        return []
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _abandoned(folder):
    """Remove a folder whose lock nobody holds; return whether that was done."""
    lock = folder / LOCK
    try:
        status = os.lstat(lock)
        if time.time() - status.st_mtime < SETTLED_S:
            return False
        if hasattr(os, "getuid") and (status.st_uid, os.lstat(folder).st_uid) != (os.getuid(),) * 2:
            return False
        with open(lock, "rb+") as stream:
            _lock(stream)
    except OSError:  # held by a living process, gone, or not ours
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _lock(stream):
    """Lock an open file for this process; the system lets go of it when the process ends, however it ends.

    Raises
    ------
    OSError
        If another process holds the lock, or files cannot be locked there.
    """
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
