"""Which breast a point lies in."""

BILATERAL_MARGIN_MM = 20.0


def breast_side(point_lps, geometry):
    """Return ``right``, ``left`` or ``""`` (unknown) for a point of an exam.

    The patient's mid-plane is taken to be x = 0 of the scanner, as breast coils are centred on the table. That holds
    only for exams whose field of view either spans both breasts (at least 20 mm on each side of x = 0) or lies on one
    side of it.

    Parameters
    ----------
    point_lps : sequence of float
        (x, y, z), mm, LPS.
    geometry : Geometry
        Grid of the exam.
    """
    x = geometry.corners()[:, 0]
    lowest, highest = float(x.min()), float(x.max())
    spans_both = lowest < -BILATERAL_MARGIN_MM and highest > BILATERAL_MARGIN_MM
    one_sided = lowest >= 0 or highest <= 0
    if not (spans_both or one_sided):
        return ""
    return "left" if point_lps[0] > 0 else "right"
