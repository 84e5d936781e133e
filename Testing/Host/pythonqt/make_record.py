"""Distil the recorded API of the real application into ``Testing/Host/record.json``.

Run as ``python -m Host.pythonqt.make_record [API_JSON]``. The compact record holds the members of the classes that
the host supports and the bare names of all others, so that the host can tell "does not exist in Slicer" from
"exists in Slicer, not provided by the host".

Layout of the record
--------------------
``classes``  name ("qt.QLabel") to a dict with ``bases`` (all, nearest first), ``package`` (Python module of the
class), ``properties`` (name to type; a leading "-" marks a read-only one, a leading "!" an enum), ``methods`` (name to
signature text), ``signals`` (signatures), ``enums`` (name to values; a string "=Enum" or "=module.Class.Enum" repeats
another enum) and ``pythonLevel`` (names that PythonQt's own Python code overrides).
``names``    module to all class names, ``functions`` module to its names that are not classes.
"""

import json
import sys
from pathlib import Path

from Host.pythonqt.record import LIVE_API, RECORD_FILE, SUPPORTED_FILE

APPLICATION = "slicer.qSlicerApplication"
BUILT_IN_METHODS = {"className", "delete", "help", "inherits"}


def distil(api, supported):
    """Return the compact record of the classes in ``supported`` (and of their bases).

    Parameters
    ----------
    api : dict
        The parsed api.json.
    supported : iterable of str
        Class names with module, e.g. ``"qt.QLabel"``.

    Returns
    -------
    dict
    """
    full = dict(api["classes"])
    moduleOf = {name.split(".", 1)[1]: name for name in full}
    chosen = []
    for name in supported:
        if name == APPLICATION:
            continue
        if name not in full:
            raise ValueError(f"{SUPPORTED_FILE.name}: {name} is not in the recorded API; remove the line")
        for each in [name] + [moduleOf[base] for base in full[name]["bases"] if base in moduleOf]:
            if each not in chosen:
                chosen.append(each)
    record = {"classes": {name: _compactClass(full[name]) for name in sorted(chosen)}, "names": {}, "functions": {}}
    _shareEnums(record["classes"])
    if APPLICATION in supported:
        record["classes"][APPLICATION] = _application(api["slicer.app"])
    for module in ("qt", "ctk", "slicer"):
        record["names"][module] = sorted(n.split(".", 1)[1] for n in full if n.startswith(module + "."))
        record["functions"][module] = sorted(api["modules"].get(module, {}).get("non_class_names", []))
    record["packages"] = sorted({entry["python_type_module"] for entry in full.values()})
    return record


def _compactClass(entry):
    out = {"package": entry["python_type_module"]}
    if entry["bases"]:
        out["bases"] = entry["bases"]
    properties = {}
    for name, info in entry["properties"].items():
        if name.startswith("__"):
            continue
        properties[name] = _propertyText(info)
    methods = {}
    slots = {s["signature"].split("(")[0] for s in entry["public_slots"]}
    for name in sorted(set(entry["methods"]) | set(entry["method_signatures"]) | slots):
        if name in BUILT_IN_METHODS:
            continue
        text = entry["method_signatures"].get(name, [""])[0]
        methods[name] = text[2 + len(name) :].replace("PythonQt.", "").replace("arg__", "_") if text else ""
    for key, value in (
        ("properties", properties),
        ("methods", methods),
        ("signals", _signals(entry)),
        ("enums", _enums(entry["enums"])),
        ("pythonLevel", entry["python_level_overrides"]),
    ):
        if value:
            out[key] = value
    loose = {
        k: v
        for k, v in entry["enum_values_on_class"].items()
        if not any(k in values for values in entry["enums"].values())
    }
    if loose:
        out["values"] = loose
    return out


def _propertyText(info):
    mark = ("" if info.get("writable") else "-") + ("!" if info.get("enum") else "")
    return mark + (info.get("type") or "")


def _shareEnums(classes):
    """Replace enums that a class repeats from another one (all events repeat QEvent's) by "=Class.Enum"."""
    first = {}
    for preferred in ("qt.QEvent", "qt.QStyleOption", "qt.QTextFormat"):
        for name, values in classes.get(preferred, {}).get("enums", {}).items():
            first.setdefault(json.dumps(values, sort_keys=True), f"{preferred}.{name}")
    for owner, entry in classes.items():
        for name, values in entry.get("enums", {}).items():
            if isinstance(values, str) or len(values) < 3:
                continue
            source = first.setdefault(json.dumps(values, sort_keys=True), f"{owner}.{name}")
            if source != f"{owner}.{name}":
                entry["enums"][name] = "=" + source


def _signals(entry):
    known = {signature.split("(")[0] for signature in entry["signals"]}
    return sorted(entry["signals"]) + sorted(name + "(?)" for name in entry["signal_names"] if name not in known)


def _enums(enums):
    out = {}
    for name, values in enums.items():
        same = next((other for other in out if out[other] == values and values), None)
        out[name] = "=" + same if same else values
    return out


def _application(app):
    """The application object was recorded live, with all its members in one list."""
    properties, values = {}, {}
    for name, info in app["properties"].items():
        if "writable" in info:
            properties[name] = _propertyText(info)
        elif info["python_type"] != "type" and (info["value"] or "").isdigit():
            values[name] = int(info["value"])
    methods = {
        name: texts[0][2 + len(name) :].replace("PythonQt.", "").replace("arg__", "_")
        for name, texts in app["methods"].items()
        if name not in BUILT_IN_METHODS
    }
    return {
        "package": "PythonQt.qSlicerBaseQTGUI",
        "bases": ["QApplication", "QGuiApplication", "QCoreApplication", "QObject"],
        "properties": properties,
        "methods": methods,
        "values": values,
        "signals": sorted(app["signal_signatures"]),
    }


def writeRecord(apiFile, supportedFile=SUPPORTED_FILE, recordFile=RECORD_FILE):
    """Write the record file from ``apiFile`` and return its text."""
    api = json.loads(Path(apiFile).read_text(encoding="utf-8"))
    text = render(distil(api, readSupported(supportedFile)))
    Path(recordFile).write_text(text, encoding="utf-8", newline="\n")
    return text


def readSupported(path=SUPPORTED_FILE):
    """Class names of the supported list, without comments and blank lines."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def render(record):
    """Text of the record: one class per line, so that differences can be read."""

    def dump(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    rows = ",\n".join(f"{json.dumps(name)}:{dump(entry)}" for name, entry in record["classes"].items())
    rest = ",\n".join(f"{json.dumps(key)}:{dump(record[key])}" for key in ("names", "functions", "packages"))
    return f'{{"classes":{{\n{rows}\n}},\n{rest}}}\n'


if __name__ == "__main__":
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else LIVE_API
    if not source.exists():
        sys.exit(f"{source}: not found; give the path of the recorded api.json")
    written = writeRecord(source)
    sys.stdout.write(f"{RECORD_FILE}: {len(written.encode()) / 1000:.0f} kB\n")
