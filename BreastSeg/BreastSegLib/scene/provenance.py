"""What of a run record goes onto a node."""

import json
import os


def provenanceOf(record):
    """Return the parts of a run record that go onto a node: short texts only, no paths, no patient data."""
    flat = {}
    for key in ("run_id", "id", "started", "device", "device_name"):
        if isinstance(record.get(key), (str, int)):
            flat[key] = str(record[key])
    for group in ("model", "recipe", "versions"):
        value = record.get(group)
        if isinstance(value, dict):
            flat.update(
                {
                    f"{group}.{key}": str(item)
                    for key, item in value.items()
                    if isinstance(item, (str, int)) and not os.path.isabs(str(item))
                }
            )
        elif isinstance(value, str) and not os.path.isabs(value):
            flat[group] = value
    if record.get("phases"):
        flat["phases"] = json.dumps(record["phases"], ensure_ascii=False)
    return flat
