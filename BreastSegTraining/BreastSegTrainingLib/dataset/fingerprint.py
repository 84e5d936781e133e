"""What an exported case was made from, as one hash: a case whose hash is the same need not be written again."""

import hashlib
import json
import os
from pathlib import Path

from .layout import FORMAT


def fingerprint(job, recipe_hash):
    """Return the hash of everything that decides what is exported of a case.

    Files count by path, size and time of change: reading them all would take as long as exporting. The part (training
    or test) does not count, because files can be moved. The hash stands in the key file only, as it depends on names.

    Parameters
    ----------
    job : CaseJob
    recipe_hash : str
    """
    source = job.source
    files = [path for key in ("files", "views", "channels", "dicom") for path in source.get(key, ())]
    for key in ("folder", "store"):
        if key in source:
            files += _below(source[key])
    meaning = {
        "format": FORMAT,
        "recipe": recipe_hash,
        "name": job.name,
        "times": source.get("times"),
        "decisions": source.get("decisions"),
        "view": job.view,
        "wanted": sorted(job.wanted),
        "fixes": sorted(job.fixes),
        "files": [_state(path) for path in files],
        "masks": [_state(path) for path in job.masks],
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def _below(folder):
    found = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        found += [os.path.join(root, name) for name in sorted(names)]
    return found


def _state(path):
    try:
        state = Path(path).stat()
    except OSError:
        return [str(path), None, None]
    if Path(path).is_dir():
        return [str(path), [_state(one) for one in _below(path)], None]
    return [str(path), state.st_size, state.st_mtime_ns]
