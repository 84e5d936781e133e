"""What people read of measures: the columns of the table, the details of one lesion, warnings, agreement. No Qt."""

import textwrap
from dataclasses import dataclass
from html import escape

from ..measures.quantities import NONE, quantities
from ..scene.texts import _

# So wide is a heading, in letters, before it goes on in the next line.
HEADING_WIDTH = 11
WARNING_COLOUR = "#b9520a"
RESTORE = "restore-removed"
# Told by the group of that name, of the chosen lesion.
KINETICS = {
    "enhancement_peak_pct",
    "ser_mean",
    "persistent_pct",
    "plateau_pct",
    "washout_pct",
    "time_to_peak_s",
    "slope_max_pct_per_s",
    "ftv_mm3",
}
# Sentences of a run that a warning tells better, by the kind of the warning.
TOLD = {"empty": ("No lesion was found", "The clean-up removed"), "removed": ("The clean-up removed",)}


@dataclass(frozen=True)
class Column:
    """A column of the panel's table.

    Parameters
    ----------
    heading : str
        May have several lines.
    tip : str
        What it means.
    values : tuple of str
        One for each lesion.
    isNumber : bool
        Whether the values stand at the right.
    """

    heading: str
    tip: str
    values: tuple
    isNumber: bool = True


def columnsOf(measures):
    """Return the columns that fit into a narrow panel; the rest is told by `detailsOf` and the table node.

    Parameters
    ----------
    measures : dict

    Returns
    -------
    tuple of Column
    """
    rows, known = measures["lesions"], {each.key: each for each in quantities(measures["kind"])}
    sure = [row for row in rows if row.get("confidence") is not None]
    confidence = (_column(known["confidence"], rows),) if sure else ()
    if measures["kind"] == "mammograms":
        numbers = Column(_("Lesion"), _("The largest of its view is the first"), _labels(rows), False)
        view = Column(_("View"), known["view"].meaning, tuple(row.get("view") or NONE for row in rows), False)
        if not measures["spacing_known"]:
            return numbers, view, _column(known["pixels"], rows), _column(known["longest_px"], rows), *confidence
        tip = _("Longest diameter × largest extent at a right angle to it")
        across = _diameters(known["longest_mm"], known["perpendicular_mm"], rows, _("Diameters\n(mm × mm)"), tip)
        return numbers, view, _column(known["area_mm2"], rows), across, *confidence
    numbers = Column(_("Lesion"), _("The largest is the first"), _labels(rows), False)
    breast = Column(_("Breast"), _whereTip(known), tuple(map(whereOf, rows)), False)
    if not measures["spacing_known"]:
        voxels = Column(_("Voxels"), _("The voxel size is unknown"), tuple(str(row["voxels"]) for row in rows))
        return numbers, breast, voxels, *confidence
    tip = _("In one acquired slice: longest diameter (RECIST) × largest extent at a right angle to it")
    across = _diameters(known["inplane_mm"], known["perpendicular_mm"], rows, _("In a slice\n(mm × mm)"), tip)
    longest = _column(known["longest_mm"], rows, _("Longest\n(3D, mm)"))
    return numbers, breast, _column(known["volume_mm3"], rows), longest, across


def usedKeys(measures):
    """Return the keys of the quantities that the table tells already."""
    if measures["kind"] == "mammograms":
        # Where sizes are told in mm, nobody misses them in pixels.
        sizes = {"area_mm2", "longest_mm", "perpendicular_mm"} if measures["spacing_known"] else set()
        return {"view", "side", "confidence", "same_as", "pixels", "longest_px", *sizes}
    if not measures["spacing_known"]:
        return {"side", "clock", "confidence"}
    return {"side", "clock", "volume_mm3", "longest_mm", "inplane_mm", "perpendicular_mm"}


def titleOf(row):
    """Return what a lesion is called in sentences, such as ``Lesion 2 – Mass 2, left breast``."""
    title = _("Lesion {number}").format(number=row.get("label", ""))
    if row.get("view"):
        title = _("{lesion} of {view}").format(lesion=title, view=row["view"])
    return f"{title} – {row['name']}" if row.get("name") else title


def whereOf(row):
    """Return breast and clock position for people, such as ``Right 10:30``."""
    side = {"right": _("Right"), "left": _("Left")}.get(row.get("side"), "")
    return " ".join(filter(None, (side, row.get("clock")))) or NONE


def detailsOf(measures, row):
    """Return what else is known of a lesion, as HTML; the group Kinetics tells how it enhances.

    Parameters
    ----------
    measures : dict
    row : dict
        One of its lesions.
    """
    items, used = [], usedKeys(measures) | KINETICS
    for quantity in quantities(measures["kind"]):
        text = quantity.text(row.get(quantity.key))
        if quantity.key in used or text == NONE:
            continue
        value = f"{text} {quantity.shown_unit}".strip()
        value = {"right": _("right"), "left": _("left")}.get(value, value)
        # A line ends between two items, not within one.
        title, value = (escape(text).replace(" ", "&nbsp;") for text in (quantity.title, value))
        items.append(f"{title}:&nbsp;<b>{value}</b>")
    told = f"<div>{' &nbsp; '.join(items)}</div>" if items else ""
    hints = "".join(f"<div>{hint}</div>" for hint in _hintsOf(measures, row))
    return f"<b>{escape(titleOf(row))}</b>{told}{hints}"


def _hintsOf(measures, row):
    """Return a sentence with a link for each lesion of another view that may be the same one."""
    for view, label in row.get("same_as") or ():
        found = _find(measures, view, label)
        if found is None:
            continue
        what = _("May be the same as lesion {number} of {view}: at a like distance to the nipple. A hint, no truth.")
        link = f"<a href='{row['view_index']},{found['view_index']}'>{escape(_('Show both'))}</a>"
        yield f"{escape(what.format(number=label, view=view))} {link}"


def _find(measures, view, label):
    for row in measures["lesions"]:
        if row.get("view") == view and row.get("label") == label:
            return row
    return None


def warningsOf(measures, notes=(), restored=False):
    """Return warnings, and the other sentences that a run told, as HTML; '' without any.

    Parameters
    ----------
    measures : dict or None
    notes : sequence of str
    restored : bool
        Whether what the clean-up had removed was brought back: it is not told any more then.
    """
    lines = []
    for warning in (measures or {}).get("warnings", ()):
        head = f"<span style='color: {WARNING_COLOUR}; font-weight: bold;'>⚠ {escape(headOf(warning['kind']))}:</span>"
        lines.append(f"<p style='margin: 3px 0;'>{head} {escape(warning['text'])}</p>")
    kinds = {warning["kind"] for warning in (measures or {}).get("warnings", ())}
    if restored:
        kinds.add("removed")
    told = tuple(start for kind in kinds for start in TOLD.get(kind, ()))
    lines += [
        f"<p style='margin: 3px 0;'>• {escape(note)}</p>" for note in notes if not (told and note.startswith(told))
    ]
    return "".join(lines)


def headOf(kind):
    """Return the first words of a warning."""
    heads = {
        "empty": _("No lesion"),
        "outside-breast": _("Outside the breast"),
        "removed": _("Left out"),
        "low-probability": _("Unsure"),
        "moved": _("Motion"),
        "no-phases": _("No enhancement"),
        "kinetics": _("Kinetics"),
        "times-unknown": _("Times unknown"),
        "spacing-unknown": _("Size unknown"),
        "measuring-failed": _("Not measured"),
        "overlap": _("Overlapping segments"),
    }
    return heads.get(kind, _("Unlike the training exams") if kind.startswith("unlike-training") else _("Note"))


def removedRegions(measures):
    """Return the regions that the clean-up removed and that are worth bringing back; empty when there are none."""
    for warning in (measures or {}).get("warnings", ()):
        if warning.get("action") == RESTORE:
            return list((warning.get("data") or {}).get("regions", ()))
    return []


def bringBackText(regions):
    """Return the text of the button that brings removed regions back."""
    if len(regions) == 1:
        return _("Bring back the removed region ({size})").format(size=_sizeOf(regions))
    return _("Bring back {count} removed regions ({size})").format(count=len(regions), size=_sizeOf(regions))


def agreementOf(found, other):
    """Return how far two segmentations agree, as HTML.

    Parameters
    ----------
    found : sequence of dict
        As `pipeline.comparing.compared` gives it: one, or one for each view.
    other : str
        What the other one is called.
    """
    head = f"<b>{escape(_('This one against {other}').format(other=other))}</b>"
    if not found:
        return f"{head}<div>{escape(_('They have no image in common.'))}</div>"
    return head + "".join(_agreementTable(row) for row in found)


def _agreementTable(row):
    lines = [
        (_("View"), row.get("view")),
        (_("Overlap (Dice)"), _number(row.get("dice"), "", 2)),
        (_("Size of the other"), _difference(row)),
        (_("Edge distance (HD95)"), _number(row.get("hd95_mm"), "mm", 1)),
        (_("Lesions in common"), _common(row)),
    ]
    cells = "".join(
        f"<tr><td>{escape(title)}:&nbsp;&nbsp;</td><td>{escape(value)}</td></tr>" for title, value in lines if value
    )
    return f"<table cellspacing='0' cellpadding='1'>{cells}</table>"


def _labels(rows):
    return tuple(str(row.get("label", number)) for number, row in enumerate(rows, 1))


def _column(quantity, rows, heading=""):
    values = tuple(quantity.text(row.get(quantity.key)) for row in rows)
    return Column(heading or _wrapped(quantity.heading), f"{quantity.heading}: {quantity.meaning}", values)


def _diameters(longest, across, rows, heading, tip):
    """Return the column with both diameters, as radiologists write them."""
    values = []
    for row in rows:
        first, second = longest.text(row.get(longest.key)), across.text(row.get(across.key))
        values.append(f"{first} × {second}" if second != NONE else first)
    return Column(heading, tip, tuple(values))


def _whereTip(known):
    return f"{known['side'].meaning}; {known['clock'].title}: {known['clock'].meaning}"


def _wrapped(heading):
    return "\n".join(textwrap.wrap(heading, HEADING_WIDTH, break_long_words=False))


def _sizeOf(regions):
    for key, factor, unit, digits in (("volume_mm3", 0.001, "cm³", 1), ("area_mm2", 1, "mm²", 0)):
        sizes = [row.get(key) for row in regions]
        if all(size is not None for size in sizes):
            total = sum(sizes) * factor
            return f"{total:.{digits if total >= 0.1 or digits == 0 else 2}f} {unit}"
    return _("{count} voxels").format(count=sum(int(row.get("voxels", 0)) for row in regions))


def _number(value, unit, digits):
    return "" if value is None else f"{value:.{digits}f} {unit}".strip()


def _difference(row):
    for key, factor, unit, digits in (
        ("volume_difference_mm3", 0.001, "cm³", 2),
        ("area_difference_mm2", 1, "mm²", 0),
    ):
        if row.get(key) is not None:
            size, percent = f"{abs(row[key]) * factor:.{digits}f} {unit}", row.get("difference_pct")
            how = _("{size} larger") if row[key] > 0 else _("{size} smaller")
            text = how.format(size=size) if row[key] else _("the same")
            return f"{text} ({percent:+.0f} %)" if percent else text
    return ""


def _common(row):
    how = _("{common}; {one} only here, {other} only there")
    return how.format(common=row["lesions_both"], one=row["lesions_only_a"], other=row["lesions_only_b"])
