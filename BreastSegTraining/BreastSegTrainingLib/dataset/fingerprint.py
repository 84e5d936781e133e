"""What an exported case was made from, as one hash: a case whose hash is the same need not be written again."""

import hashlib
import json

from ..cases.filestate import file_states, source_paths
from .layout import FORMAT


def bound(print_, digest):
    """Return what the key keeps of a case: the hash of what it was made from, tied to its record as it lies there.

    So that a record of another export with the same key, or one that was changed by hand, does not pass for this one.

    Parameters
    ----------
    print_ : str
        See `fingerprint`.
    digest : str
        See `Layout.digest`.
    """
    return hashlib.sha256(f"{print_} {digest}".encode()).hexdigest()


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
    meaning = {
        "format": FORMAT,
        "recipe": recipe_hash,
        "name": job.name,
        "kind": sorted(source),  # the same files can be phases or channels
        "times": source.get("times"),
        "decisions": source.get("decisions"),
        "motion": source.get("motion"),
        "view": job.view,
        "wanted": sorted(job.wanted),
        "fixes": sorted(job.fixes),
        "files": file_states([*source_paths(source), *job.masks]),
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
