"""One batch at a time in a folder: a lock that the system lets go of when the process dies."""

import errno
import json
import os
import socket
import sys
from pathlib import Path

from ..errors import BadInput
from ..files import write_error

NAME = ".batch.lock"
HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # what the system says of a file that another one has locked
FAR = 1 << 30  # the byte that Windows locks: it cannot be read meanwhile, so none of the text


class BatchLock:
    """The lock of an output folder, held from the beginning until `release`.

    Parameters
    ----------
    folder : str or Path
        Exists.
    what : str
        What works in it, for messages.

    Attributes
    ----------
    left_by : int or None
        Process id of a batch that died in this folder and whose lock was taken over.

    Raises
    ------
    BadInput
        If another batch works in the folder, or one of another computer may.
    """

    def __init__(self, folder, what="batch"):
        self._path, self._by_system, self._what = Path(folder) / NAME, True, what
        try:
            self._handle = self._locked()
        except OSError as error:
            raise write_error(error, folder) from error
        try:
            self.left_by = self._former()
            self._write()
        except OSError as error:
            os.close(self._handle)
            raise write_error(error, folder) from error
        except BaseException:
            os.close(self._handle)
            raise

    def release(self):
        """Let go of the folder."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        if sys.platform != "win32":
            self._path.unlink(missing_ok=True)  # while it is held, so that it is ours
            os.close(handle)
            return
        os.close(handle)  # Windows does not delete an open file
        try:
            self._path.unlink(missing_ok=True)
        except OSError:  # the next batch has opened it already
            return

    def _locked(self):
        """Return a handle of the lock file that this process holds."""
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            try:
                _lock(handle)
            except OSError as error:
                if error.errno in HELD:
                    os.close(handle)
                    raise self._in_use(_read(self._path)) from error
                self._by_system = False  # a network drive without locks: only the text of the file tells
            if _is_at(handle, self._path):
                return handle
            os.close(handle)  # its owner removed it between opening and locking

    def _former(self):
        """Return the process id that a dead batch left in the file."""
        owner = _read(self._path)
        if not owner:
            return None
        if owner["host"] != socket.gethostname():
            # Not every network drive passes locks on from one computer to the other.
            article = "An" if self._what[0] in "aeiou" else "A"
            raise BadInput(
                f"{article} {self._what} of the computer {owner['host']} may be working in the output folder",
                self._path.parent,
                f"If none is running there any more, delete the file {NAME}",
            )
        if not self._by_system and _lives(owner["pid"]):
            raise self._in_use(owner)
        return owner["pid"]

    def _in_use(self, owner):
        who = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
        return BadInput(
            f"Another {self._what} is working in the output folder", f"{self._path.parent}, {who}", "Wait for its end"
        )

    def _write(self):
        data = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.write(self._handle, data)


def _lock(handle):
    """Lock a file for this process without waiting.

    Raises
    ------
    OSError
        If another one holds it.
    """
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lives(pid):
    """bool: whether a process of this computer is running; where that cannot be asked (Windows), it is thought to."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def _is_at(handle, path):
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _read(path):
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return {"pid": int(owner["pid"]), "host": str(owner["host"])}
    except (OSError, ValueError, TypeError, KeyError):  # gone, or half written by a process that died then
        return None
