"""JSON lines through the pipes of a child process, without ever waiting for it.

`LinePipe` reads a child's standard output, `LineSink` writes to its standard input. Both are polled by a timer in the
application and in a loop on the command line.
"""

import os
import sys

from .messages import decode

LINE_LIMIT = 64 * 1024 * 1024  # bytes; no message of ours comes near it
READ_AT_ONCE = 1024 * 1024  # bytes that one call takes in, so that a child which never stops talking blocks nobody
CHUNK = 65536


class LinePipe:
    """The messages that a child writes, one JSON object a line.

    Parameters
    ----------
    stream : binary file
        Standard output of the child, opened as a pipe; set to non-blocking here.
    limit : int
        Bytes that one line may have.

    Attributes
    ----------
    broken : str
        What was wrong with a line, for people; ``""`` while all is well. Nothing is read after such a line.
    ended : bool
        The child closed its side and everything before that was read.
    drained : bool
        The last `read` met the end of what was there, so that nothing is left of what the child wrote before it.
    """

    def __init__(self, stream, limit=LINE_LIMIT):
        self.broken = ""
        self.ended = False
        self.drained = False
        self._stream, self._limit = stream, limit
        self._rest = bytearray()
        self._available = _set_non_blocking(stream)

    def read(self):
        """Return the messages that arrived since the last call, as dicts; never blocks.

        Messages before a bad line are returned; then `broken` says what was wrong.
        """
        messages, taken = [], 0
        self.drained = False
        while not self.broken and taken < READ_AT_ONCE:
            chunk = self._chunk()
            if not chunk:
                self.drained = True
                break
            taken += len(chunk)
            self._split(chunk, messages)
        return messages

    def close(self):
        """Close the pipe; the rest of an unfinished line is dropped."""
        self.ended = True
        self._rest.clear()
        self._stream.close()

    def _chunk(self):
        """Return some bytes; none at the end and when there is nothing for now."""
        if self.ended:
            return b""
        try:
            if self._available is not None and not self._available():
                return b""
            chunk = os.read(self._stream.fileno(), CHUNK)
        except BlockingIOError:
            return b""
        except (OSError, ValueError):  # on Windows the end can come as an error; ValueError: closed on this side
            chunk = b""
        self.ended = not chunk
        return chunk

    def _split(self, chunk, messages):
        """Add the messages that `chunk` completes; a newline is looked for in the new bytes only."""
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            self._rest += line
            message = self._message()
            if message is None:
                return
            messages.append(message)
            self._rest.clear()
        self._rest += rest
        if len(self._rest) > self._limit:
            self._break(f"it is longer than {self._limit:,} bytes")

    def _message(self):
        """Return the message of the finished line, or None after noting why it is none."""
        if len(self._rest) > self._limit:
            return self._break(f"it is longer than {self._limit:,} bytes")
        try:
            return decode(bytes(self._rest))
        except ValueError:
            start = bytes(self._rest[:40]).decode("utf-8", "replace")
            return self._break(f"it begins with {start!r}")

    def _break(self, why):
        self.broken = f"a line that is not a message: {why}"
        self._rest.clear()


class LineSink:
    """Bytes on their way to a child's standard input; what the pipe cannot take now is kept until the next call.

    Parameters
    ----------
    stream : binary file
        Standard input of the child, opened as a pipe without a buffer of its own.
    """

    def __init__(self, stream):
        self._stream = stream
        self._rest = bytearray()
        self._broken = False
        # Without non-blocking pipes (Windows before Python 3.12) a write may wait until the child reads.
        if hasattr(os, "set_blocking") and not (sys.platform == "win32" and sys.version_info < (3, 12)):
            os.set_blocking(stream.fileno(), False)

    @property
    def waiting(self):
        """int: bytes that the child has not taken yet; 0 once it no longer reads."""
        return len(self._rest)

    def write(self, data):
        """Send bytes; never blocks."""
        self._rest += data
        self.flush()

    def flush(self):
        """Send what is waiting, as far as the pipe takes it. A child that no longer reads is not an error here."""
        while self._rest and not self._broken:
            try:
                sent = os.write(self._stream.fileno(), self._rest[:CHUNK])
            except BlockingIOError:
                return
            except (OSError, ValueError):  # its end is noticed by whoever looks at the process
                self._broken = True
                break
            if not sent:
                return
            del self._rest[:sent]
        if self._broken:
            self._rest.clear()

    def close(self):
        """Close the pipe; the child reads the end of its input."""
        self._broken = True
        self._rest.clear()
        try:
            self._stream.close()
        except OSError:  # of a process that is gone
            return


def _set_non_blocking(stream):
    """Make reading return at once; where that cannot be set, return a function that tells whether bytes are there."""
    if sys.platform == "win32" and sys.version_info < (3, 12):
        return _windows_peek(stream)
    os.set_blocking(stream.fileno(), False)
    return None


def _windows_peek(stream):
    import _winapi
    import msvcrt

    handle = msvcrt.get_osfhandle(stream.fileno())

    def available():
        try:
            return _winapi.PeekNamedPipe(handle, 0)[0] > 0
        except BrokenPipeError:
            return True  # the end: the read that follows returns at once

    return available
