"""What ``segment`` found, in plain words."""

from ..recipe.schema import step_kinds

MOST = 10  # lesions of one image that get a line of their own
SUMMARY = "The clean-up removed"  # the note that the lines about the steps make superfluous


def lines_of(result):
    """Return what a run found, one line each.

    Parameters
    ----------
    result : dict
        Of `pipeline.segment`.

    Returns
    -------
    list of str
    """
    images = result.get("views") or [result]
    unit = "pixel" if "views" in result else "voxel"
    lines = []
    for image in images:
        view = f" in {image['view']}" if "views" in result else ""
        for row in image["components"][:MOST]:
            side = f"{row['side']} breast, " if row["side"] else ""
            lines.append(f"Lesion {row['label']}{view}: {side}{size_of([row], unit)}")
        rest = image["components"][MOST:]
        if rest:
            lines.append(f"{len(rest)} smaller{view}: {size_of(rest, unit)} in all, listed in the run record")
        if view and not image["components"]:
            lines.append(f"No lesion{view}")
        lines += cleanup_lines(image["removed"], view, unit)
    lines += [f"Note: {note}" for note in result["notes"] if not note.startswith(SUMMARY)]
    seconds = ", ".join(f"{stage.lower()} {time:.1f} s" for stage, time in result["timings"].items())
    return [*lines, f"Time: {seconds} ({result['record']['device_name']})"]


def cleanup_lines(rows, view="", unit="voxel"):
    """Return one line for each step of the clean-up that changed something."""
    lines = []
    for step, change in dict.fromkeys((row["step"], row["change"]) for row in rows):
        changed = [row for row in rows if (row["step"], row["change"]) == (step, change)]
        what = "region" if change == "removed" else "hole"
        count = f"{len(changed)} {what}{'s' if len(changed) > 1 else ''}"
        title = step_kinds("cleanup")[step].title.lower()
        lines.append(f"Clean-up{view}, {title}: {count} {change} ({size_of(changed, unit)})")
    return lines


def size_of(rows, unit="voxel"):
    """Return the size of regions in total: cm³, mm² of a mammogram, or voxels where the spacing is unknown.

    Parameters
    ----------
    rows : list of dict
        With ``voxels`` and ``volume_mm3`` or ``area_mm2``, None where unknown.
    unit : {'voxel', 'pixel'}
    """
    for name, sign, factor, digits in (("volume_mm3", "cm³", 1000, 2), ("area_mm2", "mm²", 1, 1)):
        sizes = [row.get(name) for row in rows]
        if None not in sizes:
            return f"{sum(sizes) / factor:.{digits}f} {sign}"
    count = sum(row["voxels"] for row in rows)
    return f"{count:,} {unit}{'s' if count != 1 else ''}, {unit} size unknown"
