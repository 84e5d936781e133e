"""The worker's log: what libraries print, and tracebacks. It must not fill the disk in a session of weeks."""

import os
import stat

NAME = "worker.log"
LINES = 25
LIMIT = 4 * 1024 * 1024  # bytes at which the older part is dropped
KEPT = 256 * 1024


def tail(path, lines=LINES):
    """Return the last lines of a log; '' when there is none."""
    try:
        with open(path, "rb") as stream:
            return "\n".join(_end_of(stream, 65536).decode("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return ""


def trim(path, descriptor=2):
    """Drop the older part of a log that has grown too long, from the process that writes it.

    Parameters
    ----------
    path : str or Path
    descriptor : int
        Where this process writes the log; nothing is done when that is not the file `path`.
    """
    try:
        written = os.fstat(descriptor)
        if not stat.S_ISREG(written.st_mode) or written.st_size <= LIMIT:
            return
        with open(path, "rb") as stream:
            if not os.path.samestat(os.fstat(stream.fileno()), written):
                return
            kept = _end_of(stream, KEPT)
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)  # where the file is not opened for appending
        os.write(descriptor, b"(older lines were dropped)\n" + kept)
    except OSError:  # a log that cannot be trimmed is no reason to fail
        return


def _end_of(stream, size):
    stream.seek(0, os.SEEK_END)
    stream.seek(max(0, stream.tell() - size))
    return stream.read()
