"""How a slice view lies in the patient."""

import numpy as np
import vtk

# Axial as Slicer shows it: the patient's right on the left of the screen, anterior on top.
AXIAL = np.diag([-1.0, 1.0, 1.0])


def setPlane(sliceNode, node):
    """Lay a slice view into the plane of a one-slice volume, as Slicer's axial view sees it, the patient's right left.

    The mammograms' geometry is made so that they stand upright then.

    Parameters
    ----------
    sliceNode : vtkMRMLSliceNode
    node : vtkMRMLScalarVolumeNode
    """
    # Set outright, not by the name "Axial": the user may have chosen the orientations that mirror left and right.
    _lay(sliceNode, AXIAL, node)


def setOwnPlane(sliceNode, node):
    """Lay a slice view along the volume's own axes: its first column on the left, its first row on top.

    So a reader sees the array as a network does.

    Parameters
    ----------
    sliceNode : vtkMRMLSliceNode
    node : vtkMRMLScalarVolumeNode
    """
    columns, rows = axesOf(node)
    # As in Slicer's own presets, the three axes are left-handed.
    _lay(sliceNode, np.column_stack([columns, -rows, np.cross(columns, rows)]), node)


def axesOf(node):
    """Return the directions in which the columns and the rows of a volume are counted (RAS unit vectors)."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(matrix)
    return tuple(np.array([matrix.GetElement(row, axis) for row in range(3)]) for axis in range(2))


def isMirrored(node, other):
    """Return whether the columns of one volume are counted against those of another."""
    return bool(np.dot(axesOf(node)[0], axesOf(other)[0]) < 0)


def _lay(sliceNode, axes, node):
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    matrix = sliceNode.GetSliceToRAS()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, float(axes[row, column]))
        matrix.SetElement(row, 3, (bounds[2 * row] + bounds[2 * row + 1]) / 2)
    sliceNode.UpdateMatrices()
