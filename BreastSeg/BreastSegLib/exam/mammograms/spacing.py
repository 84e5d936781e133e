"""The size of a pixel in the breast, from the tag that means it, or clearly unknown."""

from ...errors import BadInput
from ..dicom.values import integer, number, numbers, text

LONGEST_MM, SHORTEST_MM = 600.0, 20.0  # of the longer side of a mammogram
FINEST_MM = 0.005
SAME = 0.01


def spacing_of(data):
    """Return the pixel size of a DICOM mammogram.

    Parameters
    ----------
    data : pydicom.Dataset

    Returns
    -------
    spacing : tuple of float or None
        Along (x, y), mm.
    evidence : str
    contradictions : list of str
    notes : list of str
    """
    notes = []
    found = {}
    for keyword, name in (
        ("PixelSpacing", "Pixel Spacing"),
        ("ImagerPixelSpacing", "Imager Pixel Spacing"),
        ("NominalScannedPixelSpacing", "Nominal Scanned Pixel Spacing"),
    ):
        pair = numbers(data, keyword)
        if not pair:
            continue
        if plausible(pair, data):
            found[keyword] = pair[1::-1]  # written rows first: the distance along y comes before that along x
        else:
            notes.append(f"{name} is not believable for a mammogram and not used.")
    factor = number(data, "EstimatedRadiographicMagnificationFactor")
    if factor is not None and not 1 <= factor <= 5:
        notes.append("The magnification factor is not believable and not used.")
        factor = None
    return *_choose(data, found, factor), notes


def _choose(data, found, factor):
    pixel, imager = found.get("PixelSpacing"), found.get("ImagerPixelSpacing")
    kind = text(data, "PixelSpacingCalibrationType").upper()
    contradictions = []
    if pixel and kind:
        name = kind.lower() if kind in ("GEOMETRY", "FIDUCIAL") else "of an unknown kind"
        if imager and max(pixel) > max(imager) * (1 + SAME):
            contradictions.append("the calibrated Pixel Spacing is larger than the detector's own")
        return pixel, f"Pixel Spacing, calibrated ({name})", contradictions
    if imager:
        detector = tuple(v / factor for v in imager) if factor else imager
        evidence = "Imager Pixel Spacing, in the plane of the detector"
        if factor and factor > 1:
            evidence = f"Imager Pixel Spacing divided by the magnification factor {factor:g}"
        if pixel and not (_close(pixel, imager) or _close(pixel, detector)):
            contradictions.append(f"Pixel Spacing says {_said(pixel)}, Imager Pixel Spacing {_said(imager)}")
            return pixel, "Pixel Spacing (calibration not stated)", contradictions
        return detector, evidence, contradictions
    if pixel:
        return pixel, "Pixel Spacing (calibration not stated)", contradictions
    if "NominalScannedPixelSpacing" in found:
        return found["NominalScannedPixelSpacing"], "Nominal Scanned Pixel Spacing, of the film", contradictions
    return None, "unknown", contradictions


def aspect_of(data):
    """Return how much higher than wide a pixel is (Pixel Aspect Ratio), 1 when not told."""
    pair = numbers(data, "PixelAspectRatio")
    ratio = pair[0] / pair[1] if len(pair) == 2 and min(pair) > 0 else 1.0
    return ratio if 0.2 <= ratio <= 5 else 1.0


def plausible(pair, data=None, shape=None):
    """Return whether two distances (y, x, in mm) can be the pixel size of a mammogram of this many pixels."""
    if len(pair) != 2 or min(pair) < FINEST_MM:
        return False
    shape = shape or (integer(data, "Rows", 0), integer(data, "Columns", 0))
    return SHORTEST_MM <= max(n * v for n, v in zip(shape, pair)) <= LONGEST_MM


def given_spacing(answer):
    """Return the pixel size (x, y) that a user gave: one number, or two with a comma or × between them; mm.

    Raises
    ------
    BadInput
        If it is no such size.
    """
    try:
        values = [float(part) for part in str(answer).replace("×", ",").replace("x", ",").split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not all(FINEST_MM <= v <= 2 for v in values):
        raise BadInput("The pixel size is one number, or x and y, between 0.005 and 2 mm", str(answer)[:40])
    return values[0], values[-1]


def _close(one, other):
    return all(abs(a - b) <= SAME * b for a, b in zip(one, other))


def _said(pair):
    return " × ".join(f"{v:.4g}" for v in pair) + " mm"
