"""Which process it is: its number alone does not tell, because the system gives numbers to other processes later.

A process is known by its number and the moment it was created: on Linux from ``/proc`` (with the number of the boot,
since that moment counts from it), on Windows from the kernel, elsewhere from ``ps``.
"""

import socket
import subprocess
import sys
from pathlib import Path

PS_PATIENCE_S = 5.0
_QUERY, _STILL_ACTIVE = 0x1000, 259  # of the Windows API


def identity_of(pid):
    """Return who a process is, as a dict of texts and its number for JSON files; None when it does not run.

    A process that has ended but was not waited for (a zombie) does not run.
    """
    created = _created(pid)
    return {"pid": pid, "created": created, "boot": _boot(), "host": _host()} if created else None


def is_identity(record):
    """Return whether a value from a file has the form of an identity."""
    if not isinstance(record, dict) or set(record) != {"pid", "created", "boot", "host"}:
        return False
    pid = record["pid"]
    texts = all(isinstance(record[name], str) for name in ("created", "boot", "host"))
    return texts and isinstance(pid, int) and not isinstance(pid, bool) and 0 < pid < 1 << 32


def runs(identity):
    """Return whether exactly this process runs on this computer."""
    there = identity_of(identity["pid"])
    return there is not None and all(there[name] == identity[name] for name in ("created", "boot"))


def is_here(identity):
    """Return whether it is a process of this computer."""
    return identity["host"] == _host() or (identity["boot"] != "" and identity["boot"] == _boot())


def _created(pid):
    """Return the moment of a process's creation, in the words of the system; '' when it does not run."""
    if sys.platform.startswith("linux"):
        return _created_linux(pid)
    return _created_windows(pid) if sys.platform == "win32" else _created_ps(pid)


def _created_linux(pid):
    try:
        # The name of the program stands in brackets and may hold anything.
        values = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if len(values) < 20 or values[0] in (b"Z", b"X") else values[19].decode()


def _created_ps(pid):
    try:
        answer = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PS_PATIENCE_S,
            env={"PATH": "/bin:/usr/bin", "LC_ALL": "C", "TZ": "UTC"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    state, _, created = " ".join(answer.stdout.split()).partition(" ")
    return "" if state.startswith("Z") else created


def _created_windows(pid):
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    handle = kernel.OpenProcess(_QUERY, False, pid)
    if not handle:
        return ""
    handle = wintypes.HANDLE(handle)
    try:
        code, times = wintypes.DWORD(), [wintypes.FILETIME() for _ in range(4)]
        # The number stays taken as long as somebody holds the ended process.
        if not kernel.GetExitCodeProcess(handle, ctypes.byref(code)) or code.value != _STILL_ACTIVE:
            return ""
        if not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):
            return ""
        return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)
    finally:
        kernel.CloseHandle(handle)


def _host():
    # A Mac takes the name that a network gives it: that tells nothing.
    return "" if sys.platform == "darwin" else socket.gethostname()


def _boot():
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux: the moment of creation is a date there
        return ""
