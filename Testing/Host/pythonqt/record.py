"""The compact record of the real application's API: which class has which members, and how they behave."""

import functools
import json
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent
RECORD_FILE = HERE.parent / "record.json"
SUPPORTED_FILE = HERE / "supported.txt"
LIVE_API = HERE.parents[3] / "shared" / "slicer-5.12" / "api.json"

EVERY_OBJECT = ("className", "delete", "help", "inherits")


@functools.cache
def load():
    """The parsed record (see make_record for its layout)."""
    return json.loads(RECORD_FILE.read_text(encoding="utf-8"))


@functools.cache
def moduleOfClass(name):
    """Module ("qt", "ctk" or "slicer") of a supported class name, or None."""
    for module in ("qt", "ctk", "slicer"):
        if f"{module}.{name}" in load()["classes"]:
            return module
    return None


def isRecorded(module, name):
    """Whether the real application has the class ``module.name``."""
    return name in load()["names"][module]


@functools.cache
def members(name):
    """All members of a supported class, its bases included.

    Parameters
    ----------
    name : str
        Class name without module, e.g. "QLabel".

    Returns
    -------
    SimpleNamespace
        ``name``, ``package``, ``bases`` (tuple), ``properties`` (name to (type, writable, isEnum)), ``methods``
        (name to (signature text, class that declares it)), ``signals`` (name to list of signatures), ``enums`` (name
        to values) and ``values`` (enum value name to (enum name or None, int)).
    """
    own = load()["classes"][f"{moduleOfClass(name)}.{name}"]
    out = SimpleNamespace(
        name=name,
        package=own["package"],
        bases=tuple(own.get("bases", ())),
        properties={},
        methods={},
        signals={},
        enums={},
        values={},
        pythonLevel=set(),
    )
    for each in reversed((name,) + out.bases):
        module = moduleOfClass(each)
        if module is not None:
            _addOwn(out, each, load()["classes"][f"{module}.{each}"])
    return out


def _addOwn(out, owner, entry):
    for name, text in entry.get("properties", {}).items():
        out.properties[name] = (text.lstrip("-!"), not text.startswith("-"), "!" in text[:2])
    for name, signature in entry.get("methods", {}).items():
        # the application object was recorded with all members in one list: the base keeps what is its own
        out.methods[name] = (signature, out.methods[name][1] if name in out.methods else owner)
    for signature in entry.get("signals", ()):
        known = out.signals.setdefault(signature.split("(")[0], [])
        if signature not in known:
            known.append(signature)
    enums = dict(entry.get("enums", {}))
    for name, values in enums.items():
        if isinstance(values, str):
            enums[name] = values = _enumValues(owner, values[1:])
        out.enums[name] = values
    for value, number in entry.get("values", {}).items():
        out.values[value] = (None, number)
    # A value that an enum and its flags share belongs to the one that comes last by name, in Qt itself to the enum.
    for name in sorted(enums):
        for value, number in enums[name].items():
            out.values[value] = (name, number)
    if owner == "Qt":
        _preferEnumOverFlags(out, enums)
    out.pythonLevel.update(entry.get("pythonLevel", ()))


def _enumValues(owner, reference):
    ownerName, _, enum = reference.rpartition(".")
    found = load()["classes"][ownerName or f"{moduleOfClass(owner)}.{owner}"]["enums"][enum]
    return _enumValues(owner, found[1:]) if isinstance(found, str) else found


def _preferEnumOverFlags(out, enums):
    for name, values in enums.items():
        if name + "s" in enums and enums[name + "s"] == values:
            for value, number in values.items():
                out.values[value] = (name, number)
