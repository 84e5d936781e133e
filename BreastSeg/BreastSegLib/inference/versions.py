"""Versions of the packages that decide a result."""

import importlib.metadata
import sys

PACKAGES = ("torch", "nnunetv2", "SimpleITK", "numpy", "scikit-image", "pydicom")


def versions():
    """Return the versions of Python and `PACKAGES` without importing them (None: not installed)."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
