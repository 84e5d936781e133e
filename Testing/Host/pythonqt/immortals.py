"""Python 3.11 and PySide6: make None, True, False and NotImplemented immortal, as Python 3.12 does.

The PySide6 wheels are built for Pythons in which these objects are not counted: every function that returns None takes
one reference too many, and a longer session on Python 3.11 would end with "deallocating None". Measured with PySide6
6.12: one reference is lost per call of a void function.
"""

import ctypes
import functools
import sys


@functools.cache
def protect():
    """Raise the reference counts once, on Pythons that count."""
    if sys.version_info >= (3, 12) or sys.implementation.name != "cpython":
        return
    for each in (None, True, False, NotImplemented):
        ctypes.c_ssize_t.from_address(id(each)).value += 1 << 60
