"""What an exported case was made from, as one hash: a case whose hash is the same need not be written again."""

import hashlib
import json

from ..cases.filestate import file_states
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
    meaning = {
        "format": FORMAT,
        "recipe": recipe_hash,
        "name": job.name,
        "times": source.get("times"),
        "decisions": source.get("decisions"),
        "view": job.view,
        "wanted": sorted(job.wanted),
        "fixes": sorted(job.fixes),
        "files": file_states(source, job.masks),
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
