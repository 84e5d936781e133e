"""Downloads a file: goes on where the last try stopped, checks what came, and lets it appear whole or not at all."""

import hashlib
import json
import os
import re
import shutil
import time

from ..errors import BadInput
from ..files import check_output, write_error
from .card import sha256_of
from .fetching import FILE_HINT, Broken, check_url, fetch, shown

STAGE, CHECKING = "Downloading", "Checking"
MAX_SIZE = 20 << 30
# Room that has to stay on the disk.
SPARE = 64 << 20
# Seconds before each further try; a try that brought something starts the count anew.
WAITS_S = (1, 2, 5)
MAX_TRIES = 100
REPORT_EVERY_S = 0.1
AGAIN = "Try again: it goes on where it stopped. Where the network needs a proxy, set HTTPS_PROXY"


def download(url, target, sha256="", size=0, report=None, proxy=None):
    """Download a file.

    What has come lies in ``TARGET.part`` until it is whole and checked. A later call goes on from there, when the
    server says that its file is still the same, or a checksum will tell.

    Parameters
    ----------
    url : str
        https, http of this computer, or file.
    target : str or Path
        The file to write; it must not exist. Missing folders are made.
    sha256 : str
        Of the file, hexadecimal; '' when it is not known.
    size : int
        Bytes; 0 when it is not known.
    report : callable, optional
        Called as ``report(stage, done, total)`` several times a second, in bytes (total 0: not known); may raise
        `Cancelled`.
    proxy : str, optional
        ``http://[USER:PASSWORD@]HOST:PORT``; the environment's when not given.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    BadInput
        If the file cannot be had, or is not the one that was asked for; then nothing of it is kept. After a broken
        connection what has come is kept.
    """
    target = check_output(target)
    check_url(url)
    report = _seldom(report or (lambda stage, done, total: None))
    with _Part(target, url, resumable=bool(sha256)) as part:
        _receive(url, part, size, report, proxy)
        right = _is_right(part, sha256, report)
        if not right and part.went_on:
            # The beginning may be that of an older file: once more, all of it.
            part.clear()
            _receive(url, part, size, report, proxy)
            right = _is_right(part, sha256, report)
        if not right:
            part.discard()
            raise BadInput(
                "The file is not the one that was asked for: its SHA-256 differs",
                shown(url),
                "Nothing was kept. Try again; when it stays so, tell who keeps the catalogue",
            )
        return part.finish(target)


def _receive(url, part, size, report, proxy):
    """Download into `part` until it is whole, with further tries after a broken connection."""
    waits = list(WAITS_S)
    for _ in range(MAX_TRIES):
        before = part.size
        try:
            return _try(url, part, size, report, proxy)
        except Broken as error:
            waits = list(WAITS_S) if part.size > before else waits
            if not waits:
                raise BadInput(str(error), shown(url), AGAIN) from error
            _wait(waits.pop(0), lambda: report(STAGE, part.size, part.total or size))
    raise BadInput("The connection broke too often", shown(url), AGAIN)


def _try(url, part, size, report, proxy):
    """Ask for what is still missing of `part`, and add what comes."""
    if part.total and part.size == part.total:
        return
    stream = fetch(url, part.headers(), proxy, lambda: report(STAGE, part.size, part.total or size))
    try:
        part.begin(next(stream), shown(url))
        _check_size(url, part, size)
        limit = part.total or size or MAX_SIZE
        for piece in stream:
            if part.size + len(piece) > limit:
                part.discard()
                raise BadInput(f"More comes than the {limit} bytes that were said", shown(url), FILE_HINT)
            part.write(piece)
    finally:
        stream.close()
    if part.size < (part.total or size):
        raise Broken("The server ended the connection early")
    report(STAGE, part.size, part.size)


def _check_size(url, part, size):
    """Refuse a file of the wrong size, or one that the disk has no room for, before it comes."""
    total = part.total or size
    if (size and part.total and part.total != size) or total > (size or MAX_SIZE):
        offered = part.total
        part.discard()
        raise BadInput(
            f"The server's file has {offered} bytes" + (f", not {size}" if size else ", which is too much"),
            shown(url),
            "It is not the one that was asked for; look for a newer catalogue",
        )
    needed, free = total - part.size + SPARE, shutil.disk_usage(part.path.parent).free
    if needed > free:
        raise BadInput(
            f"The disk has too little room: {needed / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free",
            part.path.parent,
            "Free some space or choose another folder",
        )


def _is_right(part, sha256, report):
    if not sha256:
        return True
    return sha256_of(part.path, lambda done: report(CHECKING, done, part.size)) == sha256


def _wait(seconds, tick):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        tick()
        time.sleep(min(left, 0.2))


def _seldom(report):
    """Return `report` so that it is called at most ten times a second; the end of a stage is never left out."""
    last = [0.0, None]

    def reporting(stage, done, total):
        now = time.monotonic()
        if now - last[0] >= REPORT_EVERY_S or stage != last[1] or (total and done == total):
            last[:] = now, stage
            report(stage, done, total)

    return reporting


class _Part:
    """What has come of a file, beside its target, with a note that tells which file it is part of.

    Parameters
    ----------
    target : Path
    url : str
    resumable : bool
        Whether going on without the server's word that its file is still the same does no harm.
    """

    def __init__(self, target, url, resumable):
        self.path = target.with_name(target.name + ".part")
        self._note_path = target.with_name(target.name + ".part.json")
        # Not the address itself, which may hold a key.
        self._source = hashlib.sha256(url.encode()).hexdigest()
        self._resumable, self._stream, self._note = resumable, None, {}
        self.size, self.went_on = 0, False

    @property
    def total(self):
        """int: bytes of the whole file as the server tells, or 0."""
        return self._note.get("total", 0)

    def __enter__(self):
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = open(self.path, "ab", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise write_error(error, self.path) from error
        try:
            _lock(self._stream)
        except OSError as error:
            self._stream.close()
            raise BadInput("This file is being downloaded already", self.path, "Wait for it, or end it") from error
        self._note = self._read_note()
        self.size = os.fstat(self._stream.fileno()).st_size
        known = self._note.get("source") == self._source and (self._resumable or self._note.get("validator"))
        if not known or (self.total and self.size > self.total):
            self.clear()
        return self

    def __exit__(self, *_error):
        self._stream.close()
        if not self.size:
            self._remove()

    def headers(self):
        """Return the headers that ask for what is missing, as long as the server's file is still the same."""
        if not self.size:
            return {}
        headers, validator = {"Range": f"bytes={self.size}-"}, self._note.get("validator")
        return {**headers, "If-Range": validator} if validator else headers

    def begin(self, reply, where):
        """Get ready for what the server (`where`, for messages) sends: the rest, or the whole file anew."""
        if reply.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise BadInput("The server sends the file compressed, so its size cannot be checked", where, FILE_HINT)
        if reply.headers.get("content-type", "").strip().lower().startswith("text/html"):
            raise BadInput("The server sends a web page instead of the file; it may want a login", where, FILE_HINT)
        if reply.status != 200:
            start, total = _range(reply)
            if reply.status != 206 or start != self.size or not self.size or (self.total and total != self.total):
                self.clear()
                raise Broken("The server's file is another than before")
            self.went_on = True
        else:
            self.clear()
            total = reply.length or 0
        self._note = {"source": self._source, "validator": _validator(reply.headers), "total": total}
        self._write_note()

    def write(self, piece):
        """Add bytes at the end."""
        left = memoryview(piece)
        try:
            while left:
                count = self._stream.write(left)
                self.size, left = self.size + count, left[count:]
        except OSError as error:
            raise BadInput(
                write_error(error, "").what, self.path, "Free some space and try again: it goes on where it stopped"
            ) from error

    def clear(self):
        """Forget what has come."""
        self._stream.truncate(0)
        self.size, self.went_on, self._note = 0, False, {}

    def discard(self):
        """Leave nothing behind."""
        self.clear()
        self._note_path.unlink(missing_ok=True)

    def finish(self, target):
        """Give the file its name; return it."""
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
            os.replace(self.path, target)
        except OSError as error:
            raise write_error(error, target) from error
        self._note_path.unlink(missing_ok=True)
        return target

    def _read_note(self):
        try:
            note = json.loads(self._note_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        whole = (
            isinstance(note, dict) and isinstance(note.get("total"), int) and isinstance(note.get("validator"), str)
        )
        return note if whole else {}

    def _write_note(self):
        try:
            self._note_path.write_text(json.dumps(self._note), encoding="utf-8")
        except OSError as error:
            raise write_error(error, self._note_path) from error

    def _remove(self):
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)


def _range(reply):
    """Return where the rest begins and the size of the whole file, as the server tells; (-1, 0) if it does not."""
    match = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", reply.headers.get("content-range", "").strip())
    return (int(match[1]), int(match[2])) if match else (-1, 0)


def _validator(headers):
    """Return what tells that a file is still the same: a strong ETag, or else the date; '' if there is neither."""
    etag = headers.get("etag", "").strip()
    if etag.startswith('"') and etag.isascii() and etag.isprintable():
        return etag
    date = headers.get("last-modified", "").strip()
    return date if date.isascii() and date.isprintable() else ""


def _lock(stream):
    """Take a file for this process alone, until it is closed; OSError if another has it."""
    if os.name == "nt":
        import msvcrt

        # A byte far beyond the end: a locked one could not be read.
        stream.seek(1 << 40)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
