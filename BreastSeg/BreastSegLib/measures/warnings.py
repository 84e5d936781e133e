"""Warnings worth reading: what about a result, or about the exam under it, a reader has to know before the numbers."""

# From here on part of a lesion, or all of it, is said to lie outside the breast: the breast mask is generous.
PARTLY, WHOLLY = 0.1, 0.9
LOW_PROBABILITY = 0.7
MOVED_MM = 2.0
# Of regions that the clean-up removed: large is what has a tenth of the largest lesion's size and at least the first
# size (a ball of about 5 mm), or the second in any case.
PART_OF_LARGEST = 0.1
LARGE = {"volume_mm3": (50.0, 500.0), "area_mm2": (10.0, 100.0), "voxels": (27, 1000)}
MOST, MOST_NOTES = 5, 10  # things of one kind that are named one by one; remarks on the kinetics
RESTORE = "restore-removed"


def warning(kind, text, lesions=(), action=None, **data):
    """Return one warning.

    Parameters
    ----------
    kind : str
        Tells warnings apart for programs.
    text : str
        A sentence with figures.
    lesions : sequence of int
        Labels of the lesions that it is about; of mammograms ``data["views"]`` says where each lies.
    action : str or None
        What a user can do about it with one click.
    **data
        The figures, JSON-ready.
    """
    return {"kind": kind, "text": text, "lesions": list(lesions), "action": action, "data": data}


def warnings_of(
    kind,
    rows,
    removed=(),
    outside=(),
    phases=(),
    unknown_spacing=(),
    motion=(),
    corrected=False,
    differences=(),
    notes=(),
    left_out=(),
):
    """Return what is worth reading about a result, the gravest first.

    Parameters
    ----------
    kind : {'dce', 'mammograms'}
    rows : sequence of dict
        The lesions as they are measured.
    removed : sequence of dict
        Rows of the clean-up (``recipe.cleanup.clean``).
    outside : sequence of float or None
        For each row, which share of the lesion lies outside the breast; None where no breast is seen.
    phases : sequence of dict
        ``name``, ``role`` and ``time_s`` of each phase; of mammograms none.
    unknown_spacing : sequence of str
        Names of the images whose voxel size is unknown; of a DCE exam one name, whatever it is.
    motion : sequence of dict
        ``phase`` and ``mm``: its displacement against the reference phase (None: not to be told).
    corrected : bool
        Whether that is what motion correction left over.
    differences : sequence of dict
        See `fingerprint.differences`.
    notes : sequence of str
        Sentences of the kinetics.
    left_out : sequence of dict
        Of images with too many lesions: how many were ``measured``, how many ``others`` there are and their
        ``voxels``, and the ``view``.

    Returns
    -------
    list of dict
        See `warning`.
    """
    found = [
        *_no_lesion(kind, rows, removed),
        *_left_out(left_out),
        *_outside_breast(rows, outside),
        *_removed(rows, removed),
        *_low_probability(rows),
        *_moved(motion, corrected),
        *_kinetics(phases, notes),
        *_no_spacing(kind, unknown_spacing),
    ]
    return found + [warning(f"unlike-training-{row['what']}", row["text"], **row["data"]) for row in differences]


def failed(reason):
    """Return the warning that measuring has failed; `reason` is a sentence without its dot."""
    text = f"The lesions could not be measured: {reason}. The segmentation is complete; measure it again."
    return warning("measuring-failed", text, reason=reason)


def _no_lesion(kind, rows, removed):
    if rows:
        return
    regions = [row for row in removed if row.get("change") == "removed"]
    if regions:
        many = f"{len(regions)} regions" if len(regions) > 1 else "the one region"
        text = f"No lesion is left: the clean-up removed {many} that the model found ({_sizes(regions)})."
        yield warning("empty", text, action=RESTORE, regions=_places(regions))
    else:
        where = " in any view" if kind == "mammograms" else ""
        yield warning("empty", f"No lesion was found{where}.")


def _outside_breast(rows, outside):
    far = [(row, share) for row, share in zip(rows, outside) if share is not None and share >= PARTLY]
    if len(far) > MOST:
        names = _listed([_name(row) for row, _ in far])
        text = f"{len(far)} lesions lie outside the breast, or partly so: {names}. Check whether they are lesions."
        found = [row for row, _ in far]
        labels, shares = [row["label"] for row in found], [share for _, share in far]
        yield warning("outside-breast", text, labels, shares=shares, views=_views(found))
        return
    for row, share in far:
        name, percent = _name(row), round(100 * share)
        if share >= WHOLLY:
            text = f"{_capital(name)} lies outside the breast ({percent} % of it): check whether it is a lesion."
        else:
            text = f"{percent} % of {name} lies outside the breast: check its edge."
        yield warning("outside-breast", text, [row["label"]], share=share, views=_views([row]))


def _left_out(images):
    for one in images:
        where = f" in {one['view']}" if one.get("view") else ""
        text = f"The mask falls into {one['measured'] + one['others']:,} pieces{where}, which looks like noise: the "
        text += f"{one['measured']} largest are measured, the other {one['others']:,} are not."
        yield warning("many-lesions", text, **one)


def _removed(rows, removed):
    """Warn of what the clean-up removed although it is as large as a lesion."""
    regions = [row for row in removed if row.get("change") == "removed"]
    if not rows:
        return  # told above
    sizes = [(_size_of(row), row) for row in regions]
    large = []
    for (measure, size), row in sizes:
        kept = max((lesion[measure] for lesion in rows if lesion.get(measure) is not None), default=0)
        least, always = LARGE[measure]
        if size >= always or (size >= least and size >= PART_OF_LARGEST * kept):
            large.append((size, row))
    large = [row for _, row in sorted(large, key=lambda pair: -pair[0])]
    if large:
        what, they = ("a large region", "It") if len(large) == 1 else (f"{len(large)} large regions", "They")
        text = f"The clean-up removed {what}: {_sizes(large)}. {they} may belong to the result."
        yield warning("removed", text, action=RESTORE, regions=_places(large))


def _low_probability(rows):
    unsure = [row for row in rows if row.get("confidence") is not None and row["confidence"] < LOW_PROBABILITY]
    if unsure:
        shares = _listed([f"{round(100 * row['confidence'])} %" for row in unsure])
        many = "probabilities are" if len(unsure) > 1 else "probability is"
        names = _listed([_name(row) for row in unsure])
        text = f"The model is unsure of {names}: the mean {many} {shares}."
        values = [row["confidence"] for row in unsure]
        yield warning("low-probability", text, [row["label"] for row in unsure], values=values, views=_views(unsure))


def _moved(motion, corrected):
    far = [row for row in motion if row["mm"] is not None and row["mm"] >= MOVED_MM]
    if far:
        phases = _listed([f"{row['phase']} by {row['mm']:.1f} mm" for row in far])
        what = "are still moved after motion correction" if corrected else "are moved against the reference phase"
        todo = "" if corrected else " Motion correction may help."
        text = f"Phases {what}: {phases}. Enhancement at edges is not to be trusted.{todo}"
        yield warning("moved", text, phases=[dict(row) for row in far], corrected=corrected)


def _kinetics(phases, notes):
    """Warn of what the kinetics lack: phases, their times, and whatever else they say themselves."""
    if any(phase["role"] == "channel" for phase in phases):
        text = "The exam was given as a model's channels, not as phases: enhancement is not measured."
        yield warning("no-phases", text)
        return
    unknown = [phase["name"] for phase in phases if phase["time_s"] is None]
    if unknown and len(phases) > 1:
        which = "the phases" if len(unknown) == len(phases) else _listed(unknown)
        text = f"The times of {which} are unknown: whatever needs them, such as the time to peak, is left empty."
        yield warning("times-unknown", text, phases=unknown)
    for note in notes[:MOST_NOTES]:
        yield warning("kinetics", note)
    if len(notes) > MOST_NOTES:
        yield warning("kinetics", f"There are {len(notes) - MOST_NOTES} more remarks like these on the kinetics.")


def _no_spacing(kind, names):
    if not names:
        return
    if kind == "mammograms":
        text = f"The pixel size of {_listed(names)} is unknown: sizes are told in pixels, not in mm."
    else:
        text = "The voxel size is unknown: sizes are told in voxels, not in mm."
    yield warning("spacing-unknown", text, images=list(names))


def _name(row):
    return f"lesion {row['label']}" + (f" of {row['view']}" if row.get("view") else "")


def _views(rows):
    return [row["view_index"] for row in rows if "view_index" in row]


def _size_of(row):
    """Return by what the size of a removed region is told, and the size."""
    measure = next((name for name in ("volume_mm3", "area_mm2") if row.get(name) is not None), "voxels")
    return measure, row[measure]


def _sizes(regions):
    """Return the sizes of regions with their sides, for people."""
    texts = []
    for row in regions:
        measure, size = _size_of(row)
        text = {"volume_mm3": f"{size / 1000:.2f} cm³", "area_mm2": f"{size:.0f} mm²", "voxels": f"{size:,} voxels"}
        side = f" in the {row['side']} breast" if row.get("side") else ""
        texts.append(text[measure] + side)
    return _listed(texts)


def _places(regions):
    names = ("voxels", "volume_mm3", "area_mm2", "centroid_lps", "side", "view")
    return [{name: row[name] for name in names if name in row} for row in regions]


def _listed(texts):
    """Return texts joined for people: ``a``, ``a and b``, ``a, b and c``; of many only the first."""
    texts = list(texts)
    if len(texts) > MOST:
        texts = [*texts[:MOST], f"{len(texts) - MOST} more"]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _capital(text):
    return text[:1].upper() + text[1:]
