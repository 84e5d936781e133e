"""Checkpoints that the user has looked at and trusts, by the SHA-256 of the file."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

from ..errors import BadInput
from ..files import read_json, write_json
from . import pickles

NAME = "trusted.json"
FORMAT = "breastseg-trusted-1"
_HASH = re.compile(r"[0-9a-f]{64}")


def check_checkpoint(path, library=None):
    """Return the names that a checkpoint asks for beyond nnU-Net's own and that the user trusts it with.

    This is what installing and the child call before a checkpoint is opened.

    Parameters
    ----------
    path : str or Path
    library : Path, optional
        The model library; the user's when not given.

    Returns
    -------
    tuple of str
        Empty for an ordinary checkpoint.

    Raises
    ------
    BadInput
        If the file cannot be read, or asks for names that it is not trusted with; the message names them.
    """
    unknown = pickles.unknown_globals(path)
    if not unknown:
        return ()
    row = trusted(library).get(file_hash(path), {"globals": []})
    missing = [name for name in unknown if name not in row["globals"]]
    if missing or any(pickles.runs_code(name) for name in unknown):
        raise pickles.refusal(path, missing or unknown)
    return unknown


def is_trusted(sha256, library=None):
    """Return whether the user trusts the file with this SHA-256."""
    return str(sha256).lower() in trusted(library)


def trusted(library=None):
    """Return ``{sha256: {"file": name, "globals": [names], "date": ISO 8601}}``.

    Raises
    ------
    BadInput
        If the file is damaged: then nothing is trusted.
    """
    path = _file(library)
    if not path.is_file():
        return {}
    content = read_json(path)
    rows = content.get("files") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if not isinstance(rows, dict) or not all(_is_row(key, row) for key, row in rows.items()):
        raise BadInput("The list of trusted checkpoints is damaged", path, "Remove it, and give trust again")
    return rows


def trust(path, globals_, library=None):
    """Remember that the user trusts a checkpoint with the names it asks for.

    Parameters
    ----------
    path : str or Path
    globals_ : sequence of str
        The names that the user was shown: all of `pickles.unknown_globals`.

    Returns
    -------
    dict
        The row of `trusted`.

    Raises
    ------
    BadInput
        If the file needs no trust, asks for other names than were shown, or names something that serves to run code.
    """
    path = Path(path)
    sha256, unknown = file_hash(path), pickles.unknown_globals(path)
    if not unknown:
        raise BadInput("The checkpoint asks for nothing unknown, so it needs no trust", path, "Install the model")
    for name in unknown:
        if pickles.runs_code(name):
            raise BadInput(
                f"The checkpoint asks for {name}, which serves to run code: it cannot be trusted",
                path,
                "Do not use this file",
            )
    if set(unknown) != set(globals_):
        raise BadInput(
            f"The checkpoint asks for other names than were shown: {', '.join(unknown[:5])}", path, "Look at it again"
        )
    row = {"file": path.name, "globals": list(unknown), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    _write({**trusted(library), sha256: row}, library)
    return row


def distrust(sha256, library=None):
    """Forget that a file is trusted.

    Raises
    ------
    BadInput
        If it is not trusted now.
    """
    rows = trusted(library)
    if rows.pop(str(sha256).lower(), None) is None:
        raise BadInput("No trusted checkpoint has this SHA-256", str(sha256))
    _write(rows, library)


def file_hash(path):
    """Return the SHA-256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise BadInput(f"The file cannot be read: {error.strerror or error}", path) from error
    return digest.hexdigest()


def _file(library):
    if library is None:
        from .place import library_folder

        library = library_folder()
    return Path(library) / NAME


def _write(rows, library):
    write_json(_file(library), {"format": FORMAT, "files": rows}, overwrite=True)


def _is_row(key, row):
    return (
        bool(_HASH.fullmatch(key))
        and isinstance(row, dict)
        and isinstance(row.get("file"), str)
        and isinstance(row.get("date"), str)
        and isinstance(row.get("globals"), list)
        and all(isinstance(name, str) for name in row["globals"])
    )
