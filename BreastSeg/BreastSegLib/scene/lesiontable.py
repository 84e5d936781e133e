"""All numbers of a result as a table node, one row per lesion, units in the headings: to copy, plot and export."""

import slicer
import vtk

from ..measures.quantities import quantities
from . import examnodes
from .companions import isThere
from .texts import _

ROLE = "BreastSegTable"
TABLE = "BreastSeg.Lesions"


def write(result):
    """Write the measures of a result into its table node, which is made when there is none yet.

    Numbers have the units of files, as the headings say, and all digits; texts and what is unknown are as in files.

    Parameters
    ----------
    result : SceneResult
        With measures.

    Returns
    -------
    vtkMRMLTableNode or None
        None when the result's node is no longer in the scene.
    """
    if not isThere(result.node):
        return None
    table, name = tableOf(result), _("{result} lesions").format(result=result.node.GetName())
    if table is None:
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
        table.SetAttribute(TABLE, "1")
        result.node.SetNodeReferenceID(ROLE, table.GetID())
        examnodes.putBeside(table, result.node)
    table.SetName(name)
    # A table that people change says something else than the measures.
    table.SetLocked(True)
    contents = vtk.vtkTable()
    for heading, values in columnsOf(result.measures):
        column = vtk.vtkStringArray()
        column.SetName(heading)
        for value in values:
            column.InsertNextValue(value)
        contents.AddColumn(column)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.SetAndObserveTable(contents)
    return table


def columnsOf(measures):
    """Return the headings and the values of a table of all numbers, as texts.

    Parameters
    ----------
    measures : dict

    Returns
    -------
    list of (str, list of str)
    """
    rows = measures["lesions"]
    columns = [
        (_("Lesion"), [str(row.get("label", "")) for row in rows]),
        (_("Name"), [str(row.get("name") or "") for row in rows]),
    ]
    for quantity in quantities(measures["kind"]):
        columns.append((quantity.column, [_text(row.get(quantity.key)) for row in rows]))
    return columns


def tableOf(result):
    """Return the table node of a result; None when there is none."""
    table = result.node.GetNodeReference(ROLE) if isThere(result.node) else None
    return table if isThere(table) else None


def removeLost():
    """Remove the tables whose segmentation is gone."""
    held = {
        node.GetNodeReferenceID(ROLE)
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        if node.GetNodeReferenceID(ROLE)
    }
    for table in slicer.util.getNodesByClass("vtkMRMLTableNode"):
        if table.GetAttribute(TABLE) and table.GetID() not in held:
            slicer.mrmlScene.RemoveNode(table)


def _text(value):
    if value is None or value == "":
        return ""
    if isinstance(value, (list, tuple)):
        return "; ".join(f"{view} {label}" for view, label in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
