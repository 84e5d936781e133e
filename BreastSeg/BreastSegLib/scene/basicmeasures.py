"""The measures that a run's own list of components gives, where nothing more was measured."""

from ..measures.quantities import empty_row

FORMAT = "breastseg-measures-1"


def basicMeasures(lesions, kind, removed=(), spacingKnown=True):
    """Return measures in which only side and size are known.

    Parameters
    ----------
    lesions : sequence of dict
        As `SceneResult.lesions` has them.
    kind : {'dce', 'mammograms'}
    removed : sequence of dict
        What the clean-up took away, as the run reports it.
    spacingKnown : bool

    Returns
    -------
    dict
        See docs/measures.md.
    """
    rows = [_rowOf(lesion, number, kind) for number, lesion in enumerate(lesions, 1)]
    volumes = [row.get("volume_mm3") for row in rows]
    total = None if any(volume is None for volume in volumes) else sum(volumes)
    return {
        "format": FORMAT,
        "kind": kind,
        "spacing_known": bool(spacingKnown),
        "settings": {},
        "phases": [],
        "lesions": rows,
        "tissue": None,
        "total": {"volume_mm3": total, "ftv_mm3": None, "lesions": len(rows)},
        "warnings": [],
        "removed": list(removed),
    }


def _rowOf(lesion, number, kind):
    row = {
        **empty_row(kind),
        "label": number,
        "value": number,
        "name": "",
        "voxels": int(lesion["voxels"]),
        "side": lesion.get("side") or "",
        "centroid_lps": list(lesion["centroid_lps"]),
    }
    if kind == "dce":
        return {**row, "volume_mm3": lesion.get("volume_mm3")}
    return {
        **row,
        "view": lesion["title"],
        "view_index": int(lesion["place"]),
        "area_mm2": lesion.get("area_mm2"),
        "pixels": int(lesion["voxels"]),
    }
