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
    measures = result.get("measures")
    lines = []
    for image in images:
        view = f" in {image['view']}" if "views" in result else ""
        rows = image["components"]
        if measures:
            index = image.get("index", 0)
            rows = [row for row in measures["lesions"] if row.get("view_index", 0) == index]
        lines += lesion_lines(rows, view, unit)
        lines += cleanup_lines(image["removed"], view, unit)
    warnings = measures["warnings"] if measures else []
    told = {warning["text"] for warning in warnings}
    lines += [f"Warning: {text}" for text in told_in_order(warnings)]
    lines += [f"Note: {note}" for note in result["notes"] if not note.startswith(SUMMARY) and note not in told]
    seconds = ", ".join(f"{stage.lower()} {time:.1f} s" for stage, time in result["timings"].items())
    return [*lines, f"Time: {seconds} ({result['record']['device_name']})"]


def measure_lines(measures):
    """Return what the lesions of a mask measure, one line each, and the warnings.

    Parameters
    ----------
    measures : dict
        Of `pipeline.measure`.

    Returns
    -------
    list of str
    """
    lines = []
    for place, view in enumerate(measures.get("views") or [{}]):
        name = f" in {view['name']}" if view else ""
        rows = [row for row in measures["lesions"] if row.get("view_index", 0) == place]
        if rows or name:
            lines += lesion_lines(rows, name, "pixel" if view else "voxel")
    return [*lines, *(f"Warning: {text}" for text in told_in_order(measures["warnings"]))]


def told_in_order(warnings):
    """Return the texts of warnings, each once."""
    return list(dict.fromkeys(warning["text"] for warning in warnings))


def lesion_lines(rows, view="", unit="voxel"):
    """Return one line for each lesion of an image; of many, the smallest ones together."""
    lines = []
    for row in rows[:MOST]:
        side = f"{row['side']} breast, " if row.get("side") else ""
        more = "".join(f", {text}" for text in details_of(row))
        lines.append(f"Lesion {row['label']}{view}: {side}{size_of([row], unit)}{more}")
    rest = rows[MOST:]
    if rest:
        lines.append(f"{len(rest)} smaller{view}: {size_of(rest, unit)} in all, listed in the run record")
    if view and not rows:
        lines.append(f"No lesion{view}")
    return lines


def details_of(row):
    """Return what else is known of a lesion, for people: diameters, place, enhancement."""
    texts = []
    if row.get("longest_mm") is not None:
        texts.append(f"{row['longest_mm']:.1f} mm long")
    if row.get("inplane_mm") is not None:
        texts.append(f"{row['inplane_mm']:.1f} × {row['perpendicular_mm']:.1f} mm in a slice")
    elif row.get("perpendicular_mm") is not None:
        texts.append(f"{row['perpendicular_mm']:.1f} mm across")
    if row.get("clock"):
        texts.append(f"at {row['clock']} o'clock")
    if row.get("enhancement_mean_pct") is not None:
        texts.append(f"enhances by {row['enhancement_mean_pct']:.0f} %")
    if row.get("curve_type"):
        texts.append(row["curve_type"])
    if row.get("confidence") is not None:
        texts.append(f"probability {100 * row['confidence']:.0f} %")
    return texts


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
