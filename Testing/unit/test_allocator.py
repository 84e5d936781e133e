"""Freed memory is kept only where there is plenty of it, and only with a C library that is known."""

import subprocess
import sys

import pytest
from BreastSegLib.inference import allocator

FAULTS = """
import sys
sys.path[:0] = {path!r}
import resource
import numpy as np
from BreastSegLib.inference import allocator
if {keep}:
    allocator.main_memory = lambda: (1 << 40, 1 << 39)
    assert allocator.keep_freed_memory()
np.ones(8 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    np.ones(8 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
allocator.give_back_freed_memory()
"""


def faults(keep):
    """Return the page faults of a process that makes and drops an array of 64 MB five times."""
    script = FAULTS.format(path=sys.path, keep=keep)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(allocator._glibc() is None, reason="another C library than glibc")
def test_memory_that_is_kept_is_not_asked_for_again():
    assert faults(keep=True) < 0.1 * faults(keep=False)


@pytest.mark.parametrize("free", [None, 0, allocator.PLENTY - 1])
def test_nothing_is_kept_where_memory_is_short_or_unknown(free, monkeypatch):
    monkeypatch.setattr(allocator, "main_memory", lambda: (None, free))
    monkeypatch.setattr(allocator, "_glibc", Strict)
    assert allocator.keep_freed_memory() is False


class Strict:
    """A C library that must not be touched."""


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_are_left_alone(platform, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(allocator, "main_memory", lambda: (1 << 40, 1 << 39))
    assert allocator.keep_freed_memory() is False
    allocator.give_back_freed_memory()
