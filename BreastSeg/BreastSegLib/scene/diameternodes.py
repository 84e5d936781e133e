"""The diameters of one lesion as markups lines: one pair at a time, locked, not saved."""

import slicer
import vtk

from . import examnodes
from .companions import isThere
from .texts import _

LINE = "BreastSeg.Diameter"
# Seen on black, on enhanced tissue and on the red of a lesion.
COLOURS = {"longest": (1.0, 0.85, 0.2), "perpendicular": (0.35, 0.85, 1.0)}
THICKNESS_MM, TEXT_SCALE, GLYPH_SCALE = 0.4, 2.2, 1.0


def show(result, row, exam):
    """Show the longest diameter of a lesion in a slice and the one at a right angle to it; others are taken away.

    Parameters
    ----------
    result : SceneResult
        What the lesion belongs to.
    row : dict
        A row of its measures.
    exam : SceneExam or SceneMammograms

    Returns
    -------
    list of vtkMRMLMarkupsLineNode
        Two, one or none, as far as the diameters are known.
    """
    clear()
    made, folder = [], examnodes.folderOf(exam)
    for kind, ends, length in endsOf(row):
        name = nameOf(row, kind, length)
        node = examnodes.addCompanion("vtkMRMLMarkupsLineNode", name, folder)
        node.SetAttribute(LINE, result.node.GetID() if isThere(result.node) else "1")
        node.SetLocked(True)
        node.SetUndoEnabled(False)
        # The text begins at a point and goes to the right: at the end towards the patient's left it leaves the lesion.
        for place, (x, y, z) in enumerate(sorted(ends)):
            node.AddControlPoint(vtk.vtkVector3d(-x, -y, z))
            node.SetNthControlPointLabel(place, _millimetres(length) if place else "")
        _draw(node, kind, length)
        made.append(node)
    return made


def endsOf(row):
    """Return the kind, the ends (LPS) and the length in mm of each diameter that is drawn.

    The length is None where the pixel size is unknown.
    """
    # A mammogram is one slice: its longest diameter lies in it.
    ends, key = ("inplane_ends_lps", "inplane_mm") if "inplane_mm" in row else ("longest_ends_lps", "longest_mm")
    pairs = (("longest", ends, key), ("perpendicular", "perpendicular_ends_lps", "perpendicular_mm"))
    return [(kind, row[where], row.get(size)) for kind, where, size in pairs if row.get(where)]


def nameOf(row, kind, length):
    """Return the name of a line, such as ``Lesion 1 longest diameter 11.8 mm``."""
    title = _("Lesion {number} longest diameter") if kind == "longest" else _("Lesion {number} perpendicular diameter")
    return " ".join(filter(None, (title.format(number=row.get("label", "")), _millimetres(length))))


def shown():
    """Return the lines in the scene."""
    return [node for node in slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode") if node.GetAttribute(LINE)]


def clear():
    """Take the lines away."""
    for node in shown():
        display = node.GetDisplayNode()
        slicer.mrmlScene.RemoveNode(node)
        if isThere(display):
            slicer.mrmlScene.RemoveNode(display)


def _draw(node, kind, length):
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetSelectedColor(*COLOURS[kind])
    display.SetColor(*COLOURS[kind])
    # Within a lesion's surface a line cannot be seen.
    display.SetVisibility3D(False)
    display.SetPointLabelsVisibility(True)
    # Its label would lie over the lesion; the number stands at the end instead.
    display.SetPropertiesLabelVisibility(False)
    display.SetCurveLineSizeMode(display.UseLineDiameter)
    display.SetLineDiameter(THICKNESS_MM)
    display.SetGlyphTypeFromString("CrossDot2D")
    display.SetGlyphScale(GLYPH_SCALE)
    display.SetTextScale(TEXT_SCALE)
    # Hidden in the other slices: a diameter belongs to one.
    display.SetSliceProjection(False)


def _millimetres(length):
    return "" if length is None else _("{length} mm").format(length=f"{length:.1f}")
