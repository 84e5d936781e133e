"""The files by which a keeper and those who ask for its job know of each other. Each appears whole or not at all.

``job.json``: token, name and command. ``start.json``: who keeps it and who the command is. ``cancel.json``: the
request to end it. ``exit.json``: how it ended. The token tells one start from the next in the same folder.
"""

import re

from ..errors import BadInput
from ..files import read_json, write_json

FORMAT = "breastseg-job-1"
JOB, START, CANCEL, EXIT = "job.json", "start.json", "cancel.json", "exit.json"
_TOKEN = re.compile(r"[0-9a-f]{32}")


def is_token(text):
    """Return whether a value has the form of a token."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def write_record(folder, file, token, **values):
    """Write one of the files, in place of a former one."""
    write_json(folder / file, {"format": FORMAT, "token": token, **values}, overwrite=True)


def read_record(folder, file, token=None):
    """Return the record in one of the files; None when there is none, none of this token, or a damaged one."""
    try:
        record = read_json(folder / file)
    except BadInput:
        return None
    if not isinstance(record, dict) or record.get("format") != FORMAT or not is_token(record.get("token")):
        return None
    return record if token in (None, record["token"]) else None
