"""The outline of the breast as a segmentation node: no fill, so that the tissue can be judged."""

import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..reports.terminology import structure_color, structure_entry, structure_title
from . import examnodes
from .segmentationnode import BINARY_LABELMAP, boundingBox

WIDTH = 2


def addOutline(name, reference, folder):
    """Add an empty segmentation node that draws outlines in slice views, and nothing in 3D.

    Parameters
    ----------
    name : str
    reference : vtkMRMLScalarVolumeNode
        Gives the reference geometry.
    folder : int
        Subject hierarchy item to put it in.

    Returns
    -------
    vtkMRMLSegmentationNode
    """
    node = examnodes.addCompanion("vtkMRMLSegmentationNode", name, folder)
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetVisibility3D(False)
    display.SetSliceIntersectionThickness(WIDTH)
    node.GetSegmentation().SetSourceRepresentationName(BINARY_LABELMAP)
    return node


def fillOutline(node, mask, geometry):
    """Give the outline a breast.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
        What `addOutline` returned.
    mask : numpy.ndarray
        uint8, (z, y, x), 1 inside; may be memory-mapped. Nothing is drawn when it is empty.
    geometry : Geometry
        The grid of `mask`, in the world.
    """
    if not mask.any():
        return
    box = boundingBox(mask)
    image = slicer.vtkOrientedImageData()
    extent = [edge for part in reversed(box) for edge in (part.start, part.stop - 1)]
    image.SetExtent(*extent)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    piece = mask[box]
    vtk_to_numpy(image.GetPointData().GetScalars()).reshape(piece.shape)[:] = piece
    image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(geometry.ijk_to_ras))
    segment = slicer.vtkSegment()
    segment.SetName(structure_title("breast"))
    segment.SetColor(*structure_color("breast"))
    segment.SetTerminology(structure_entry("breast"))
    segment.AddRepresentation(BINARY_LABELMAP, image)
    node.GetSegmentation().AddSegment(segment)
