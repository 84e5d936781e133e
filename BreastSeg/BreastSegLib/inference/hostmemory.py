"""How much main memory there is, asked of the system. Works in any Python 3 and needs no packages."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

CGROUPS = (  # limit and use of a container: version 2, version 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)


class _WindowsMemory(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
        (name, ctypes.c_ulonglong)
        for name in ("total", "free", "total_page", "free_page", "total_virtual", "free_virtual", "extended")
    ]


def main_memory():
    """Return (total, free) bytes of main memory; free is what programs can still get. (None, None): unknown.

    The limit of a container counts where it is lower than the computer's memory.
    """
    try:
        if sys.platform == "win32":
            total, free = _windows()
        elif sys.platform == "darwin":
            total, free = _macos()
        else:
            total, free = _linux()
    except (OSError, ValueError, KeyError, AttributeError, subprocess.SubprocessError):
        return None, None
    limit, left = _container()
    return (total, free) if limit is None or limit >= total else (limit, min(free, left))


def _linux():
    rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line)
    return tuple(int(rows[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))


def _container():
    for limit, used, statistics in CGROUPS:
        try:
            allowed, taken = int(Path(limit).read_text()), int(Path(used).read_text())
            # The system gives back the cache of files when memory is asked for.
            cache = re.search(r"^(?:total_)?inactive_file (\d+)$", Path(statistics).read_text(), re.MULTILINE)
        except (OSError, ValueError):  # no such limit here, or "max"
            continue
        return allowed, max(0, allowed - taken + (int(cache.group(1)) if cache else 0))
    return None, None


def _windows():
    status = _WindowsMemory()
    status.length = ctypes.sizeof(status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        raise OSError("GlobalMemoryStatusEx failed")
    return status.total, status.free


def _macos():
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = subprocess.run(["vm_stat"], stdout=subprocess.PIPE, timeout=5, check=True).stdout.decode("ascii", "replace")
    page = int(re.search(r"page size of (\d+)", text).group(1))
    pages = [int(re.search(name + r":\s+(\d+)", text).group(1)) for name in ("Pages free", "Pages inactive")]
    return total, page * sum(pages)
