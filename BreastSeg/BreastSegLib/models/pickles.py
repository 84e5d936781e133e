"""Which classes and functions a checkpoint names, found without opening it as a pickle.

A first look, so that people read which name is wrong. The barrier is torch's weights-only loader in the child, which
knows the same list.
"""

import io
import json
import tarfile
from collections import Counter
from functools import cache
from pathlib import Path

from ..errors import BadInput
from .pickle_machine import Damaged, Machine
from .zipped import damage_told, open_zip, readable

TABLE = Path(__file__).resolve().parents[2] / "Resources" / "checkpoint_globals.json"
MOST_PICKLE = 64 << 20
MOST_GROWTH = 4
_ZIP = b"PK\x03\x04"
# A file of torch before 1.6: magic number, version, system, the object, the keys of its storages; then raw numbers.
_LEGACY_PICKLES = 5
_LEGACY_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
_WHAT = "The checkpoint"
_AGAIN = "Get the file again"


def globals_of(path):
    """Return the names of all classes and functions that a checkpoint's pickles ask for, as ``module.name``, sorted.

    Parameters
    ----------
    path : str or Path
        A file of ``torch.save``: the zip format, or the one before torch 1.6.

    Raises
    ------
    BadInput
        If it cannot be read, is damaged or is no checkpoint of weights (TorchScript, torch's old tar format, a zip
        within a zip). What could not be told stands in the answer as a text in brackets.
    """
    return tuple(sorted(_look(path).names))


def hints_of(path):
    """Return what a checkpoint says of its making: ``configuration`` and ``trainer_name``, as far as it does.

    For proposals only: it is what the file claims, read without opening it.
    """
    return dict(_look(path).hints)


def unknown_globals(path):
    """Return those names of `globals_of` that no checkpoint of nnU-Net holds; raises as it does."""
    known = set(allowed())
    return tuple(name for name in globals_of(path) if name not in known)


def allowed():
    """Return the names that checkpoints may hold: torch's own list for weights and what nnU-Net adds, sorted."""
    return tuple(sorted({*_table()["torch"]["names"], *_table()["nnunet"]["names"]}))


def added():
    """Return what nnU-Net's checkpoints hold beyond torch's own list.

    Returns
    -------
    dict
        ``{name in a file: tuple of names under which numpy 1 or 2 has it, the newer first}``. Some of them are not
        there in every numpy.
    """
    return {name: tuple(places) for name, places in _table()["nnunet"]["names"].items()}


def runs_code(name):
    """Return whether a name serves to run code, start programs or touch files, so that no file may be trusted with it.

    A help for messages and for giving trust; a name that is not listed is not safe for that.
    """
    never, parts = _table()["never"], name.split(".")
    return (
        name.startswith("(")
        or name in never["names"]
        or parts[0] in never["modules"]
        or parts[-1] in never["ends"]
        or not {*parts[1:-1]}.isdisjoint(never["anywhere"])
    )


def refusal(path, unknown):
    """Return the `BadInput` for a checkpoint that names unknown classes or functions."""
    names = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
    hint = "If you know where it comes from: models trust FILE --yes"
    if any(runs_code(name) for name in unknown):
        hint = "It is built to run code on this computer; do not use it"
    return BadInput(f"The checkpoint asks for something that no nnU-Net checkpoint needs: {names}", path, hint)


@cache
def _table():
    return json.loads(TABLE.read_text(encoding="utf-8"))


def _look(path):
    """Return the `Machine` that has walked through every pickle of a checkpoint."""
    path = Path(path)
    machine = Machine()
    with damage_told(path, _WHAT), open(path, "rb") as stream:
        start = stream.read(512)
        head = b"" if start.startswith(_ZIP) else start + stream.read(MOST_PICKLE + 1 - len(start))
    try:
        if start.startswith(_ZIP):
            _walk_zip(path, machine)
        elif _is_tar(start):
            raise BadInput(
                "The checkpoint has torch's old tar form, which cannot be opened safely", path, "Save it with torch 2"
            )
        else:
            _walk_legacy(head, path, machine)
    except Damaged as error:
        unknown = sorted(machine.names.difference(allowed()))
        if unknown:
            raise refusal(path, unknown) from error
        raise BadInput(f"The checkpoint is damaged or cut off: {error}", path, _AGAIN) from error
    return machine


def _is_tar(start):
    """Return whether a file begins as a tar does; torch asks in this order, too."""
    try:
        tarfile.TarInfo.frombuf(start[:512], "utf-8", "replace")
    except tarfile.EmptyHeaderError:
        return False
    except tarfile.EOFHeaderError:
        return True
    except tarfile.HeaderError:
        return False
    return True


def _walk_legacy(head, path, machine):
    """Walk the pickles at the start of a file that is no zip."""
    stream = io.BytesIO(head)
    for number in range(_LEGACY_PICKLES):
        if number and stream.tell() == len(head):
            break  # what a bare pickle names is told, too
        try:
            machine.walk(stream)
        except Damaged as error:
            if len(head) > MOST_PICKLE:
                raise Damaged(f"its pickle takes more than {MOST_PICKLE >> 20} MiB") from error
            if not number and not machine.names and not head.startswith(b"\x80"):
                raise BadInput(
                    "The file is no checkpoint of torch; perhaps a web page was saved in its place", path, _AGAIN
                ) from error
            raise
    if _LEGACY_MAGIC not in head[:32] and not machine.names.difference(allowed()):
        raise BadInput("The file is a pickle, but no checkpoint of torch", path, _AGAIN)


def _walk_zip(path, machine):
    """Walk every pickle of a torch zip. Torch takes ``data.pkl`` of the first folder; none is left unseen."""
    with open_zip(path, _WHAT) as archive:
        entries = archive.infolist()
        pickles = _pickles_of(entries, path)
        for entry in pickles:
            if entry.file_size > MOST_PICKLE:
                raise BadInput(
                    f"The checkpoint's {readable(entry.orig_filename)} takes {entry.file_size >> 20} MiB; weights lie "
                    "outside it",
                    path,
                    "Do not use this file",
                )
            with damage_told(path, _WHAT, entry.orig_filename):
                content = archive.read(entry)
            machine.walk(io.BytesIO(content))


def _pickles_of(entries, path):
    names = [entry.orig_filename.replace("\\", "/") for entry in entries]
    lower = [name.lower() for name in names]
    ends = [name.rsplit("/", 1)[-1] for name in lower]
    if "constants.pkl" in ends or any("/code/" in f"/{name}" for name in lower):
        raise BadInput(
            "The checkpoint is a TorchScript program, not weights", path, "Choose the checkpoint that nnU-Net wrote"
        )
    twice = [name for name, count in Counter(lower).items() if count > 1]
    if twice:
        raise BadInput(f"The checkpoint has two entries of one name: {readable(min(twice))}", path, _AGAIN)
    pickles = [entry for entry, end in zip(entries, ends) if end.endswith((".pkl", ".pickle"))]
    if not any(end == "data.pkl" for end in ends):
        inner = [name for name, end in zip(names, ends) if end.endswith((".zip", ".pth", ".pt"))]
        raise BadInput(
            "The file is a zip, but no checkpoint of torch: it has no data.pkl"
            + (f" but {readable(inner[0])}" if inner else ""),
            path,
            "A zip of a model is installed as a whole" if inner else _AGAIN,
        )
    if sum(entry.file_size for entry in entries) > MOST_GROWTH * path.stat().st_size:
        raise BadInput("The checkpoint is built to fill the memory: it unpacks to many times its size", path)
    return pickles
