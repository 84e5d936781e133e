"""What the C library does with memory that is freed (worker side).

glibc returns every large block to the system at once and asks for it again for the next layer of the network:
hundreds of thousands of page faults for each tile. In the worker freed memory is kept while requests come, and given
back when it rests; it costs up to half as much memory again, so only where there is plenty (figures in
``Testing/Benchmarks/RESULTS.md``). Other C libraries are left alone.
"""

import ctypes
import sys

from .hostmemory import main_memory

PLENTY = 8 << 30  # bytes that are free

M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1  # malloc.h
MOST = 2**31 - 1


def keep_freed_memory():
    """Keep freed memory for the next allocation, if there is plenty. To be called before large arrays are made.

    Returns
    -------
    bool
        Whether it is kept.
    """
    library, free = _glibc(), main_memory()[1]
    kept = library is not None and free is not None and free >= PLENTY
    if kept:
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, MOST)
    return kept


def give_back_freed_memory():
    """Give freed memory back to the system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc():
    """Return the C library if it is glibc, else None."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "malloc_trim") else None
    except OSError:
        return None
