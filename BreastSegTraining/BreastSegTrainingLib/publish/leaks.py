"""Looks through a model that is to be published for what must not leave the house: folders and names of cases."""

import json
import pickletools
import re
import zipfile
from pathlib import Path

# A path from the root of a disk, or of a network share; a single slash in a sentence is none.
_PATH = re.compile(r"(?:^|[\s\"'(=:,\[])(?:/[\w.~-]+){2,}|(?:^|[\s\"'(=,\[])[A-Za-z]:[\\/]\w|\\\\[\w.-]+\\\w|file://")
_LINK = re.compile(r"\b(?!file:)\w+://\S+")
_TEXTS = (".json", ".txt", ".md")
SHORTEST = 4  # letters of a name that is looked for: shorter ones are in every text


def leaks_in(folder, names=()):
    """Return what should not be in the files of a model folder.

    Parameters
    ----------
    folder : Path
        JSON files are looked through, and all texts in the checkpoints' pickles; programs (the trainers) are not, as
        they come with the extension.
    names : sequence of str
        Such as of cases and folders; whole words are looked for.

    Returns
    -------
    list of str
        A sentence for each: which file, and what.
    """
    folder, found = Path(folder), []
    wanted = _pattern(names)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        texts = _texts_in(path)
        for text in texts:
            plain = _LINK.sub(" ", text)
            match = _PATH.search(plain) or (wanted.search(plain) if wanted else None)
            if match:
                found.append(f"{name} holds {match.group().strip()!r}")
                break
    return found


def texts_of_checkpoint(path):
    """Return every text in the pickles of a checkpoint, keys and names of classes included; nothing is opened."""
    texts = []
    with zipfile.ZipFile(path) as archive:
        texts += archive.namelist()
        for entry in archive.namelist():
            if entry.endswith((".pkl", ".pickle")):
                with archive.open(entry) as stream:
                    texts += [str(argument) for _code, argument, _place in pickletools.genops(stream) if argument]
    return texts


def _texts_in(path):
    if path.suffix == ".pth":
        return texts_of_checkpoint(path)
    if path.suffix == ".json":
        return _strings(json.loads(path.read_text(encoding="utf-8")))
    return [path.read_text(encoding="utf-8")] if path.suffix in _TEXTS and path.is_file() else []


def _strings(value):
    """Return all texts in a JSON value, keys included."""
    if isinstance(value, dict):
        return [text for key, part in value.items() for text in (key, *_strings(part))]
    if isinstance(value, list):
        return [text for part in value for text in _strings(part)]
    return [value] if isinstance(value, str) else []


def _pattern(names):
    names = [re.escape(name) for name in sorted(names, key=len, reverse=True) if len(name) >= SHORTEST]
    return re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(names)})(?![A-Za-z0-9_])") if names else None
