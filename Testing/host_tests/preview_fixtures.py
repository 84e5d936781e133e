"""What the tests of previews share: answers of a worker, made by hand, and what is in the scene."""

import numpy as np
import pytest
from BreastSegLib.volume import Geometry

HISTOGRAM = {"low": 0.0, "high": 10.0, "counts": [50, 10, 5, 20, 15, 0, 0, 0]}
MIRRORED = (-1, 0, 0, 0, 1, 0, 0, 0, 1)


def channelRow(folder, name, array, after=HISTOGRAM):
    """Write a prepared channel and return its row of the worker's answer."""
    path = folder / f"{name}.npy"
    np.save(path, array.astype(np.float32))
    return {"name": name, "array": str(path), "window": [4.0, 1.0], "histogram": after}


def caseRow(folder, name, geometry, channels, before, view="", breast=None):
    """Return one prepared case of the worker's answer; its arrays are written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    row = {
        "name": name,
        "view": view,
        "geometry": geometry.to_json(),
        "channels": [channelRow(folder, *channel) for channel in channels],
        "before": [{"name": known, "histogram": HISTOGRAM} for known in before],
        "breast": None,
        "record": {},
    }
    if breast is not None:
        row["breast"] = str(folder / "breast.npy")
        np.save(folder / "breast.npy", breast.astype(np.uint8))
    return row


def answerOf(kind, cases, notes=()):
    """Return the worker's answer to ``prepare``."""
    recipe = {"name": "some-recipe", "title": "Some recipe", "hash": "0"}
    return {"kind": kind, "recipe": recipe, "notes": list(notes), "cases": cases}


def mirroredGeometry(shape, spacing):
    """Return the grid of a one-slice image that is counted from the patient's left to the right, centred on 0."""
    across, down = shape[1] * spacing, shape[0] * spacing
    origin = ((across - spacing) / 2, -(down - spacing) / 2, 0.0)
    return Geometry((1, *shape), (spacing, spacing, 1.0), origin, MIRRORED)


def contents(scene):
    """Return what is in the scene, except for what belongs to the application's views."""
    import slicer
    import vtk

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    names = sorted(hierarchy.GetItemName(items.GetId(place)) for place in range(items.GetNumberOfIds()))
    kinds = ("Displayable", "Display", "Storage", "Table", "PlotSeries", "PlotChart", "Segmentation", "ColorTable")
    nodes = {node.GetID() for kind in kinds for node in slicer.util.getNodesByClass(f"vtkMRML{kind}Node")}
    return names, sorted(nodes)


def sliceState(name):
    """Return what a slice view shows and how it lies."""
    import slicer

    widget = slicer.app.layoutManager().sliceWidget(name)
    node, composite = widget.mrmlSliceNode(), widget.sliceLogic().GetSliceCompositeNode()
    matrix = node.GetSliceToRAS()
    plane = [matrix.GetElement(row, column) for row in range(4) for column in range(4)]
    links = composite.GetLinkedControl(), composite.GetHotLinkedControl()
    return [round(value, 6) for value in plane], composite.GetBackgroundVolumeID(), links


@pytest.fixture
def fourViews(scene):
    """The layout with three slice views and a 3D view, again after the test."""
    import slicer

    manager = slicer.app.layoutManager()
    before = manager.layout
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.app.processEvents()
    yield manager
    manager.setLayout(before)
