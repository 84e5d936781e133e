"""Extract what the host needs from the record of the real application into ``data/slicer-record.json``.

Run by hand when a new record arrives: ``python makerecord.py RECORD/api.json``. The host itself reads only the
extract, so that it works on a machine without the (large) record.
"""

import json
import pathlib
import sys

OUTPUT = pathlib.Path(__file__).parent / "data" / "slicer-record.json"


def extract(record: dict) -> dict:
    """Return the names of `slicer`, of `slicer.app`, of the modules, and of the functions of the Python submodules."""
    application = record["slicer.app"]
    properties = {
        name: {"writable": bool(entry.get("writable")), "type": entry["python_type"]}
        for name, entry in application["properties"].items()
        if "writable" in entry
    }
    modules = {name: entry for name, entry in record["slicer.modules"].items() if "type" in entry}
    python = {}
    for name, entry in record["modules"].items():
        if (name.startswith("slicer.") and name != "slicer.cli") or name.split(".")[0] == "DICOMLib":
            python[name] = sorted({*entry.get("functions", {}), *entry.get("classes", {}), *entry.get("data", {})})
    return {
        "slicer": record["modules"]["slicer"]["names"],
        "app": {
            "properties": properties,
            "methods": sorted(application["methods"]),
            "signals": sorted(application["signals"]),
            "signalSignatures": application["signal_signatures"],
            "enums": {
                name: int(entry["value"])
                for name, entry in application["properties"].items()
                if str(entry.get("value") or "x").lstrip("-").isdigit() and "writable" not in entry
            },
        },
        "modules": modules,
        "otherModuleNames": sorted(set(record["slicer.modules"]) - set(modules)),
        "python": python,
        "version": record["_meta"]["slicer"],
        "revision": record["_meta"]["revision"],
    }


if __name__ == "__main__":
    extracted = extract(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    OUTPUT.write_text(json.dumps(extracted, indent=0, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
