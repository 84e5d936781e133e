"""Which way up an image is, and whether its side agrees with what the tags say."""

import numpy as np

from ...volume import Geometry
from ..dicom.values import parts

# Views that are taken across the body: rows run down it. In CC views they run across the breast.
ACROSS = ("MLO", "ML", "LM", "LMO", "SIO", "ISO", "AT", "")
TURNS = {0: (1, 0, 0, 1), 90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}


def orientation_of(data):
    """Return Patient Orientation as two texts (where rows and columns run), empty where it is not such letters."""
    pair = [part.upper() for part in parts(data, "PatientOrientation")]
    if len(pair) != 2 or not all(part and set(part) <= set("ALPRHF") for part in pair):
        return "", ""
    return tuple(pair)


def turn_of(orientation, position):
    """Return the degrees, clockwise, by which an image must be turned so that the head is up.

    Parameters
    ----------
    orientation : tuple of str
    position : str
    """
    if position not in ACROSS:
        return 0
    rows, columns = orientation
    if columns[:1] == "H":
        return 180
    return {"F": 90, "H": 270}.get(rows[:1], 0)


def contradictions_of(orientation, laterality, position, wall=""):
    """Return what Patient Orientation and the image's chest wall say against the tags of side and view.

    Parameters
    ----------
    orientation : tuple of str
    laterality, position : str
    wall : {'left', 'right', ''}
        The edge of the stored image that the chest wall lies on, as seen in it.
    """
    rows, columns = orientation
    found = []
    if laterality and position in ("MLO", "ML"):
        side = _side_of(columns if columns[:1] in ("F", "H") else "")
        if side and side != laterality:
            found.append(f"side: the view says {laterality}, Patient Orientation fits {side}")
    if position in ("CC", "XCCL", "XCCM", "XCC") and "F" in columns[:1] + rows[:1]:
        found.append(f"view: {position} is said, Patient Orientation runs down the body")
    told = {"A": "left", "P": "right"}.get(rows[:1], "")
    if told and wall and told != wall:
        found.append(f"Patient Orientation puts the chest wall at the {told} edge, the image shows it at the {wall}")
    usual = {"L": "left", "R": "right"}.get(laterality, "")
    if not told and not columns and wall and usual and wall != usual:
        found.append(
            f"side: {laterality} is said, the chest wall is at the {wall} edge as usual for the other side "
            "(or the image is mirrored)"
        )
    return found


def geometry_of(shape, spacing, turn):
    """Return the geometry of a one-slice image in its own plane, centred on 0, upright in an axial view.

    Parameters
    ----------
    shape : tuple of int
        Rows, columns.
    spacing : tuple of float
        Along (x, y), mm.
    turn : {0, 90, 180, 270}

    Returns
    -------
    Geometry
    """
    xx, xy, yx, yy = TURNS[turn]
    direction = np.array([[xx, xy, 0], [yx, yy, 0], [0, 0, 1]], float)
    middle = np.array([(shape[1] - 1) * spacing[0] / 2, (shape[0] - 1) * spacing[1] / 2, 0.0])
    return Geometry((1, *shape), (*spacing, 1.0), tuple(-(direction @ middle)), tuple(direction.ravel()))


def _side_of(columns):
    """Return the side whose MLO view runs this way: down the detector is towards the middle of the body."""
    down = columns[:1] == "F"
    if "R" in columns[1:]:
        return "L" if down else "R"
    if "L" in columns[1:]:
        return "R" if down else "L"
    return ""
