"""The record of what real Slicer exposes, in one form, whichever of its files is there."""

import functools
import json

from . import MODULES, ROOT

FULL = ROOT.parent / "shared" / "slicer-5.12" / "api.json"
EXTRACTS = ROOT / "Testing" / "Host" / "record.json", ROOT / "Testing" / "Host" / "data" / "slicer-record.json"
EVERY_OBJECT = {"className", "delete", "help", "inherits"}


class Record:
    """What exists in Slicer.

    Parameters
    ----------
    classes : dict
        'qt.QLabel' → (bases, members, properties).
    names : dict
        'qt', 'ctk', 'slicer' → set of top-level names.
    python : dict
        'slicer.util' and other Python modules → set of names.
    app, modules : set of str
        Attributes of slicer.app and slicer.modules.
    """

    def __init__(self, classes, names, python, app, modules):
        self.classes, self.names, self.python, self.app, self.modules = classes, names, python, app, modules

    def find_class(self, name):
        """Return the key of a class such as 'qt.QLabel' by its bare name, or None."""
        return next((f"{m}.{name}" for m in ("qt", "ctk", "slicer") if f"{m}.{name}" in self.classes), None)

    def members(self, key):
        """Return all members of a class, its bases included."""
        return EVERY_OBJECT | self._union(key, 1)

    def properties(self, key):
        """Return all properties of a class, its bases included."""
        return self._union(key, 2)

    def _union(self, key, part):
        bases = (self.find_class(base) for base in self.classes[key][0])
        return set(self.classes[key][part]).union(*(self.classes[base][part] for base in bases if base))


@functools.cache
def load(full=FULL, extracts=EXTRACTS):
    """Return the `Record` of the full file, or of the extracts in the project when it is not there."""
    if full.is_file():
        return _from_full(json.loads(full.read_text(encoding="utf-8")))
    return _from_extracts(*(json.loads(path.read_text(encoding="utf-8")) for path in extracts))


def _from_full(record):
    classes = {}
    for key, entry in record["classes"].items():
        members = {
            m
            for part in (
                "methods",
                "properties",
                "signal_names",
                "enum_values_on_class",
                "enums",
                "method_signatures",
                "python_level_overrides",
            )
            for m in entry[part]
        }
        members |= {slot["signature"].split("(")[0] for slot in entry["public_slots"]}
        for values in entry["enums"].values():
            members |= set(values)
        classes[key] = entry.get("bases", ()), members, set(entry["properties"])
    names = {m: {key.split(".", 1)[1] for key in classes if key.startswith(f"{m}.")} for m in ("qt", "ctk", "slicer")}
    for module in ("qt", "ctk"):
        names[module] |= set(record["modules"][module].get("non_class_names", ()))
    names["slicer"] |= set(record["modules"]["slicer"]["names"])
    python = {
        name: {n for part in ("all", "classes", "data", "functions") for n in entry.get(part) or ()}
        for name, entry in record["modules"].items()
        if name not in ("qt", "ctk", "slicer")
    }
    app = {m for part in ("methods", "properties", "signals") for m in record["slicer.app"][part]}
    return Record(classes, names, python, app, _modules(record["slicer.modules"]))


def _from_extracts(record, more):
    classes = {}
    for key, entry in record["classes"].items():
        members = set(entry.get("methods", ())) | set(entry.get("properties", ()))
        members |= {signal.split("(")[0] for signal in entry.get("signals", ())}
        members |= {slot.split("(")[0] for slot in entry.get("slots", ())}
        for name, values in entry.get("enums", {}).items():
            members |= {name, *values}
        classes[key] = entry.get("bases", ()), members, set(entry.get("properties", ()))
    names = {m: set(record["names"][m]) | set(record["functions"].get(m, ())) for m in ("qt", "ctk", "slicer")}
    names["slicer"] |= set(more["slicer"])
    app = {name for part in more["app"].values() if isinstance(part, (dict, list)) for name in part}
    application = record["classes"].get("slicer.qSlicerApplication")
    if application:
        app |= Record(classes, names, {}, set(), set()).members("slicer.qSlicerApplication")
    python = {name: set(values) for name, values in more["python"].items()}
    return Record(classes, names, python, app, _modules([*more["modules"], *more["otherModuleNames"]]))


def _modules(found):
    return set(found) | {name.lower() for name in MODULES} | {f"{name}Instance" for name in MODULES}
