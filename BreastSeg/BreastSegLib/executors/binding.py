"""The command must not outlive its keeper: the system ends it, however the keeper ends.

Linux: the parent-death signal. Windows: a job object that ends its processes when its last handle is closed. macOS has
neither; there `leftovers` ends what is left when the job is next looked at.
"""

import os
import sys

from ..inference.processtree import SIGKILL

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux
_LIMITS, _END_ON_CLOSE = 9, 0x2000  # of the Windows API


def bound_options(platform=sys.platform):
    """Return arguments of `subprocess.Popen` with which a child ends together with this process."""
    if not platform.startswith("linux"):
        return {}
    import ctypes

    keeper, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def bind():
        prctl(_DEATH_SIGNAL, int(SIGKILL), 0, 0, 0)
        if os.getppid() != keeper:  # it ended in between
            os._exit(1)

    return {"preexec_fn": bind}


def bind_children():
    """Let all that this process starts end together with it, where that is done once for all (Windows)."""
    if sys.platform != "win32":
        return
    import ctypes
    from ctypes import wintypes

    class Limits(ctypes.Structure):
        _fields_ = [
            ("times", ctypes.c_int64 * 2),
            ("flags", wintypes.DWORD),
            ("sizes", ctypes.c_size_t * 2),
            ("active", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("classes", wintypes.DWORD * 2),
            ("counters", ctypes.c_uint64 * 6),
            ("memory", ctypes.c_size_t * 4),
        ]

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = wintypes.HANDLE
    job = wintypes.HANDLE(kernel.CreateJobObjectW(None, None))  # open as long as this process lives
    limits = Limits(flags=_END_ON_CLOSE)
    kernel.SetInformationJobObject(job, _LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(job, wintypes.HANDLE(kernel.GetCurrentProcess()))
