"""How far two segmentations of one exam agree."""

from ..measures.agreement import agreement


def compared(exam, masks, others):
    """Return the agreement of two segmentations of an exam.

    Parameters
    ----------
    exam : DceExam or MammographyExam
    masks, others : sequence of (Volume or None)
        One, or one for each view, on the exam's own grid.

    Returns
    -------
    list of dict
        What `measures.agreement` tells; for mammograms one for each view that both have, with its ``view`` and
        ``view_index``.
    """
    found = []
    for index, (mask, other) in enumerate(zip(masks, others)):
        if mask is None or other is None:
            continue
        view = exam.views[index] if hasattr(exam, "views") else None
        known = exam.spacing_known if view is None else view.spacing is not None
        named = {} if view is None else {"view": view.name, "view_index": index}
        found.append({**named, **agreement(mask, other, mask.geometry, known)})
    return found
