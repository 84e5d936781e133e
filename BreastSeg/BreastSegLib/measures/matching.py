"""Which lesions of the CC and the MLO view of a breast may be one and the same: a hint, not truth."""

TOLERANCE_MM = 15.0
PAIRS = ("CC", "MLO")


def match_views(rows, views, tolerance_mm=TOLERANCE_MM):
    """Return the rows of mammograms with ``same_as`` filled in.

    A lesion of a CC view and one of an MLO view of the same breast may be the same where their distances to the nipple
    differ by no more than the tolerance. Other views, and lesions without a known distance, are not compared.

    Parameters
    ----------
    rows : sequence of dict
        Of all views, as `views.measure_view` returns them; not changed.
    views : sequence of View
        The exam's; a row's ``view_index`` is a place in it.
    tolerance_mm : float

    Returns
    -------
    list of dict
        Copies in the same order. ``same_as``: ``[view name, label]`` of each lesion that may be the same, those of
        the most alike distance first.
    """
    return [{**row, "same_as": _alike(row, rows, views, tolerance_mm)} for row in rows]


def _alike(row, rows, views, tolerance_mm):
    own = views[row["view_index"]]
    if row["nipple_mm"] is None or own.position not in PAIRS or not own.laterality:
        return []
    found = []
    for other in rows:
        view = views[other["view_index"]]
        if view.laterality != own.laterality or {view.position, own.position} != set(PAIRS):
            continue
        if other["nipple_mm"] is not None:
            difference = abs(other["nipple_mm"] - row["nipple_mm"])
            if difference <= tolerance_mm:
                found.append((difference, other["view_index"], other["label"], view.name))
    return [[name, label] for _, _, label, name in sorted(found)]
