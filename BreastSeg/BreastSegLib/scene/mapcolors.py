"""The colours of maps of kinetics: tables from ``Resources/map_colors.json`` as nodes, and their legends in views."""

from functools import cache
from pathlib import Path

import numpy as np
import slicer

from ..files import read_json
from .texts import _

FILE = Path(__file__).resolve().parents[2] / "Resources" / "map_colors.json"
# Attribute of a colour node: which kind of map it is for.
COLORS = "BreastSeg.MapColors"
# Of the view: in the corner below on the right, where no view writes anything.
LEGEND_POSITION = (0.98, 0.04)
LEGEND_FONT = 11


@cache
def rules():
    """Return the contents of the file by kind of map."""
    return {kind: rule for kind, rule in read_json(FILE).items() if kind != "comment"}


def colorsOf(kind):
    """Return the colours of a kind of map.

    Parameters
    ----------
    kind : str
        ``pe``, ``ser`` or ``types``.

    Returns
    -------
    numpy.ndarray
        (entries, 3), red, green and blue from 0 to 1, for equal parts of the window from low to high.
    """
    rule = rules()[kind]
    (low, high), entries = rule["window"], rule["entries"]
    middles = low + (np.arange(entries) + 0.5) * (high - low) / entries
    stops = np.array(rule["stops"], float)
    return np.stack([np.interp(middles, stops[:, 0], stops[:, part]) for part in (1, 2, 3)], axis=1)


def typeColor(place):
    """Return the colour of a curve type (1 persistent, 2 plateau, 3 wash-out) as in its map."""
    return tuple(float(part) for part in colorsOf("types")[place - 1])


def typeNames():
    """Return what people read for the values 1, 2 and 3 of a map of curve types."""
    return (_("Persistent"), _("Plateau"), _("Wash-out"))


def colorNode(kind):
    """Return the colour table node of a kind of map, which is added when there is none."""
    found = next((node for node in _tables() if node.GetAttribute(COLORS) == kind), None)
    if found is not None:
        return found
    titles = {"pe": _("Enhancement colours"), "ser": _("SER colours"), "types": _("Curve type colours")}
    colors = colorsOf(kind)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorTableNode", titles[kind])
    node.SetTypeToUser()
    # A legend whose colours someone has deleted logs errors.
    node.SetHideFromEditors(True)
    node.SetNumberOfColors(len(colors))
    (low, high), named = rules()[kind]["window"], typeNames() if kind == "types" else ()
    width = (high - low) / len(colors)
    for place, color in enumerate(colors):
        name = named[place] if named else f"{low + place * width:g} – {low + (place + 1) * width:g}"
        node.SetColor(place, name, *(float(part) for part in color), 1.0)
    node.SetAttribute(COLORS, kind)
    return node


def removeUnused():
    """Remove our colour tables that no display node uses any more."""
    used = {node.GetColorNodeID() for node in slicer.util.getNodesByClass("vtkMRMLDisplayNode")}
    for node in _tables():
        if node.GetID() not in used:
            slicer.mrmlScene.RemoveNode(node)


def addLegend(node, kind):
    """Give a map a legend, which views show wherever they show the map."""
    rule, title = rules()[kind], {"pe": _("PE (%)"), "ser": _("SER"), "types": _("Curve")}[kind]
    legend = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLColorLegendDisplayNode")
    legend.SetAndObserveColorNodeID(node.GetDisplayNode().GetColorNodeID())
    legend.SetTitleText(title)
    legend.SetNumberOfLabels(rule["labels"])
    legend.SetMaxNumberOfColors(rule["entries"])
    legend.SetLabelFormat(rule["format"])
    legend.SetUseColorNamesForLabels(kind == "types")
    legend.SetSize(*rule["legend"])
    legend.SetPosition(*LEGEND_POSITION)
    legend.SetVisibility3D(False)
    for part in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        part.SetFontFamilyToArial()
        part.SetFontSize(LEGEND_FONT)
    node.AddAndObserveDisplayNodeID(legend.GetID())
    legend.SetAndObservePrimaryDisplayNode(node.GetDisplayNode())
    return legend


def _tables():
    return [node for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode") if node.GetAttribute(COLORS)]
