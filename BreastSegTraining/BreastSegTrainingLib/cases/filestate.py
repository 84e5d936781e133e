"""The state of the files that a case is read from: enough to see that something has changed, without reading them."""

import os

# What checks and exports write themselves: a table may lie in the folder of its exam.
WRITTEN_FILES = (".csv", ".checked.json", ".thumbnails")
DEEPEST = 16  # folders in folders: a link can lead back to where it is


def file_states(paths):
    """Return [path, size, time of change] of files, and of all files below folders; JSON-ready.

    Parameters
    ----------
    paths : iterable of str or Path
        One that is missing, unreadable, or has a name that no system takes gives [path, None, None].
    """
    found = []
    for path in paths:
        found += _states(str(path))
    return found


def source_paths(source):
    """Return the files and folders of an exam's source (`BreastSegLib.exam.source.read`)."""
    paths = [path for key in ("files", "views", "channels", "dicom") for path in source.get(key, ())]
    return paths + [source[key] for key in ("folder", "store") if key in source]


def _states(path, depth=0):
    try:
        state = os.stat(path)
        if not os.path.isdir(path):
            return [[path, state.st_size, state.st_mtime_ns]]
        found = []
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                if entry.name.endswith(WRITTEN_FILES):
                    continue
                if entry.is_dir():
                    found += _states(entry.path, depth + 1) if depth < DEEPEST else []
                else:
                    own = entry.stat()
                    found.append([entry.path, own.st_size, own.st_mtime_ns])
        return found
    except (OSError, ValueError):
        return [[path, None, None]]
