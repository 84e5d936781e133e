"""The state of the files that a case is read from: enough to see that something has changed, without reading them."""

import os
from pathlib import Path


def file_states(source, masks):
    """Return path, size and time of change of every file of an exam and its masks, JSON-ready.

    Parameters
    ----------
    source : dict
        See `BreastSegLib.exam.source.read`; folders are looked through.
    masks : sequence of str or Path
        Files, or folders of slices.
    """
    paths = [path for key in ("files", "views", "channels", "dicom") for path in source.get(key, ())]
    paths += [source[key] for key in ("folder", "store") if key in source]
    return [_state(path) for path in [*paths, *masks]]


def _state(path):
    try:
        state = Path(path).stat()
    except OSError:
        return [str(path), None, None]
    if Path(path).is_dir():
        return [str(path), [_state(one) for one in _below(path)], None]
    return [str(path), state.st_size, state.st_mtime_ns]


def _below(folder):
    found = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.join(root, name) for name in sorted(names)]
    return found
