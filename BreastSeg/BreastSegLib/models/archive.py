"""Unpacks the zip of a model: only what a model needs, and nothing outside the folder it goes to."""

import os
import re
import shutil
import unicodedata
from contextlib import closing
from pathlib import Path

from ..errors import BadInput
from ..files import write_error
from .zipped import damage_told, open_zip, readable

# Names by the end of their path: what the library keeps of a model.
FINGERPRINT = "dataset_fingerprint.json"  # what the images of the training were like; not every model has it
KEEP = ("plans.json", "dataset.json", "breastseg.json", "recipe.json", FINGERPRINT)
CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
MOST_TEXT = 64 << 20
MOST_CHECKPOINT = 8 << 30
MOST_TOTAL = 96 << 30
MOST_RATIO = 200
DEEPEST = 8
LONGEST_NAME = 120
LONGEST_PATH = 200
STAGE = "Unpacking"
_FOLD = re.compile(r"fold_(all|\d{1,3})")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
_FORBIDDEN = frozenset('<>"|?*')
_PIECE = 1 << 20


def unpack(path, into, report=None, checkpoint=None):
    """Unpack the model files of a zip into a folder.

    Parameters
    ----------
    path : str or Path
        A zip of nnU-Net's export, of a results folder or of one model folder.
    into : str or Path
        Folder that does not exist yet or is empty.
    report : callable, optional
        Called as ``report(stage, done, total)`` in MiB; may raise `Cancelled`.
    checkpoint : str, optional
        The checkpoint to take of each fold, such as ``checkpoint_best.pth``. When not given: the final one, and the
        best one of folds that have no final one.

    Returns
    -------
    tuple of str
        Names of the entries that were not unpacked, because a model does not need them.

    Raises
    ------
    BadInput
        If the zip cannot be read or is unsafe (the message names the entry and the reason), holds no model, or the
        folder is not empty or cannot be written. Nothing stays behind then.
    """
    path, into = Path(path), Path(into)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise BadInput("The folder to unpack to is not empty", into, "Give a new folder")
    with open_zip(path) as archive:
        files = _checked_files(archive.infolist(), path)
        kept, skipped = _choose(files, path, checkpoint)
        _check_sizes(kept, path)
        made = _first_missing(into)
        try:
            _write_all(archive, kept, into, path, report)
        except BaseException:
            _remove(into, made)
            raise
    return skipped


def _checked_files(entries, path):
    """Return {parts of the name: entry} of the files of a zip, refusing every name that is unsafe or given twice.

    Unsafe names are refused wherever they stand: whoever packs one does not mean well.
    """
    files, seen, folders = {}, {}, set()
    for entry in entries:
        parts = _safe_parts(entry.orig_filename, path)
        if not parts:
            continue
        folded = tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
        folders.update(folded[:count] for count in range(1, len(folded)))
        if entry.orig_filename.endswith(("/", "\\")):
            folders.add(folded)
            continue
        if folded in seen:
            raise BadInput(
                f"The zip has two entries of one name: {readable(seen[folded])} and {readable(entry.orig_filename)}",
                path,
                "Names that differ only by case are one name on Windows and macOS; pack the model anew",
            )
        seen[folded] = entry.orig_filename
        files[parts] = entry
    for folded in folders & seen.keys():
        raise BadInput(f"The zip has a file and a folder of one name: {readable(seen[folded])}", path)
    return files


def _safe_parts(name, path):
    """Return the parts of an entry's name, both slashes dividing; raise if it could leave the folder."""

    def refused(reason):
        return BadInput(f"The zip has an unsafe entry, {reason}: {readable(name)!r}", path, "Do not use this file")

    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise refused("a name with control characters")
    slashed = name.replace("\\", "/")
    if slashed.startswith("/"):
        raise refused("an absolute name")
    parts = tuple(part for part in slashed.split("/") if part not in ("", "."))
    for part in parts:
        if part == "..":
            raise refused("a name that leads out of the folder")
        if ":" in part:
            raise refused("a name with a drive or a stream")
        if _DEVICE.fullmatch(part.split(".")[0].rstrip(" ")):
            raise refused("a device name of Windows")
        if part[-1] in ". ":
            raise refused("a name that ends in a dot or a space")
    return parts


def _choose(files, path, checkpoint):
    """Return {parts: entry} of what a model needs, and the names of the rest."""
    wanted = (checkpoint,) if checkpoint else CHECKPOINTS
    kept = {}
    for parts, entry in files.items():
        in_fold = len(parts) > 1 and _FOLD.fullmatch(parts[-2])
        best = parts[-1] == CHECKPOINTS[1] and not checkpoint and (*parts[:-1], CHECKPOINTS[0]) in files
        if (parts[-1] in KEEP and not in_fold) or (in_fold and parts[-1] in wanted and not best):
            _check_keepable(parts, path)
            kept[parts] = entry
    if not any(parts[-1] in ("plans.json", "breastseg.json") for parts in kept):
        inner = [parts for parts in files if parts[-1].lower().endswith((".zip", ".tar", ".gz", ".7z"))]
        if inner:
            raise BadInput(
                f"The zip holds no model but another archive: {readable('/'.join(inner[0]))}",
                path,
                "Unpack it once, then install what was in it",
            )
        raise BadInput("The zip holds no nnU-Net model: no plans.json", path, "Give a zip of the trained model")
    return kept, tuple("/".join(parts) for parts in files if parts not in kept)


def _check_keepable(parts, path):
    """Refuse names that cannot be written on every system."""
    name = "/".join(parts)
    if len(parts) > DEEPEST:
        raise BadInput(
            f"The zip has an entry in too many folders: {readable(name)}", path, "Pack the model folder itself"
        )
    if len(name) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise BadInput(
            f"The zip has an entry with too long a name: {readable(name)}", path, "Shorten the folder names"
        )
    if _FORBIDDEN & set(name):
        raise BadInput(f"The zip has a name that Windows cannot write: {readable(name)}", path, "Rename the folder")


def _check_sizes(kept, path):
    """Refuse what is declared too large; what is declared too small is met while unpacking."""
    total = 0
    for parts, entry in kept.items():
        name, total = readable("/".join(parts)), total + entry.file_size
        most = MOST_CHECKPOINT if parts[-1].endswith(".pth") else MOST_TEXT
        if entry.file_size > most or total > MOST_TOTAL:
            raise BadInput(
                f"The zip has an entry that is too large: {name} would take {entry.file_size >> 20} MiB",
                path,
                "A model has no such file",
            )
        if entry.file_size > _PIECE and entry.file_size > MOST_RATIO * max(1, entry.compress_size):
            raise BadInput(
                f"The zip has an entry that is built to fill the disk: {name} unpacks to more than {MOST_RATIO} times "
                "its size",
                path,
                "Do not use this file",
            )


def _write_all(archive, kept, into, path, report):
    total, done = sum(entry.file_size for entry in kept.values()), 0
    _make_folder(into)
    free = shutil.disk_usage(into).free
    if total > free:
        raise BadInput(
            f"The disk is full: the model takes {total >> 20} MiB and {free >> 20} MiB are free",
            into,
            "Free some space or choose another folder; nothing was written",
        )
    for parts, entry in kept.items():
        target = into.joinpath(*parts)
        if os.name == "nt" and len(str(target)) > 259:
            raise BadInput("The path is too long for Windows", target, "Choose a folder with a shorter path")
        _make_folder(target.parent)
        with closing(_write_one(archive, entry, target, path)) as pieces:  # so that no file stays open when it fails
            for size in pieces:
                done += size
                if report:
                    report(STAGE, done >> 20, total >> 20)


def _write_one(archive, entry, target, path):
    """Write one entry, yielding the size of each piece; the checksum is compared at the end by `zipfile`."""
    left = entry.file_size
    with damage_told(path, entry=entry.orig_filename):
        source = archive.open(entry)
    with source, _Target(target) as stream:
        while True:
            with damage_told(path, entry=entry.orig_filename):
                piece = source.read(_PIECE)
            if not piece:
                break
            left -= len(piece)
            stream.write(piece)
            yield len(piece)
    if left:
        raise BadInput(
            f"The zip is damaged: {readable(entry.orig_filename)} has another size than declared",
            path,
            "Get the file again",
        )


class _Target:
    """A new file; what goes wrong while writing is told as `BadInput`."""

    def __init__(self, target):
        self.target = target

    def __enter__(self):
        try:
            self.stream = _open_new(self.target)
        except OSError as error:
            raise write_error(error, self.target) from error
        return self

    def write(self, piece):
        try:
            self.stream.write(piece)
        except OSError as error:
            raise write_error(error, self.target) from error

    def __exit__(self, kind, *rest):
        try:
            self.stream.close()
        except OSError as error:
            if kind is None:
                raise write_error(error, self.target) from error


def _open_new(target):
    return open(target, "xb")


def _make_folder(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder) from error


def _first_missing(folder):
    """Return the topmost folder of a path that does not exist yet, or None."""
    missing = None
    for place in (folder, *folder.parents):
        if place.exists():
            break
        missing = place
    return missing


def _remove(into, made):
    """Take away what was unpacked: the folders that were made, or the content of the one that was there."""
    if made is not None:
        shutil.rmtree(made, ignore_errors=True)
        return
    for child in into.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        else:
            child.unlink(missing_ok=True)
