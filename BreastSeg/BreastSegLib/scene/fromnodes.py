"""Volume nodes or a Sequence that the user chose, as files that the worker reads like any other phases."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
import vtk

from ..errors import BadInput
from ..volume import Geometry
from .texts import _

ELEMENT_TYPES = {
    "int8": "MET_CHAR",
    "uint8": "MET_UCHAR",
    "int16": "MET_SHORT",
    "uint16": "MET_USHORT",
    "int32": "MET_INT",
    "uint32": "MET_UINT",
    "float32": "MET_FLOAT",
    "float64": "MET_DOUBLE",
}


# Unit of a Sequence's index -> how many seconds one is.
SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "min": 60.0}


@dataclass(frozen=True)
class Frames:
    """What the user chose, one volume for each phase.

    Parameters
    ----------
    nodes : tuple of vtkMRMLScalarVolumeNode
        In phase order; of a Sequence, its items.
    times : tuple of float
        Seconds on the Sequence's clock; empty when unknown.
    sequence : bool
        Whether they are the items of a Sequence.
    """

    nodes: tuple
    times: tuple = ()
    sequence: bool = False


def framesOf(nodes):
    """Return the phases that the chosen nodes are.

    Parameters
    ----------
    nodes : sequence of vtkMRMLNode
        Scalar volumes in phase order, or one Sequence of scalar volumes.

    Returns
    -------
    Frames

    Raises
    ------
    BadInput
        If a Sequence is chosen together with other nodes, or holds anything but scalar volumes.
    """
    sequences = [node for node in nodes if node.IsA("vtkMRMLSequenceNode")]
    if not sequences:
        return Frames(tuple(nodes))
    if len(nodes) > 1:
        raise BadInput(
            _("A Sequence is an exam of its own"),
            sequences[0].GetName(),
            _("Tick either one Sequence or the volumes of one exam"),
        )
    return _framesOfSequence(sequences[0])


def isVolumeSequence(node):
    """Return whether a Sequence node holds scalar volumes only."""
    count = node.GetNumberOfDataNodes()
    return count > 0 and all(
        node.GetNthDataNode(place).GetClassName() == "vtkMRMLScalarVolumeNode" for place in range(count)
    )


def _framesOfSequence(sequence):
    if not isVolumeSequence(sequence):
        raise BadInput(
            _("The Sequence holds no scalar volumes"), sequence.GetName(), _("Tick a Sequence of scalar volumes")
        )
    places = range(sequence.GetNumberOfDataNodes())
    nodes = tuple(sequence.GetNthDataNode(place) for place in places)
    factor = SECONDS.get((sequence.GetIndexUnit() or "").strip().lower())
    if factor is None or sequence.GetIndexType() != sequence.NumericIndex:
        return Frames(nodes, (), True)
    times = tuple(float(sequence.GetNthIndexValue(place)) * factor for place in places)
    # A Sequence in another order than its times is the user's own order: its times would contradict it.
    rising = all(a < b for a, b in zip(times, times[1:]))
    return Frames(nodes, times if rising else (), True)


def writeNodes(nodes, folder):
    """Write each volume node as an uncompressed MetaImage file. A generator: one file a turn.

    Nodes may lie on different grids; the worker brings them onto the first post-contrast phase's grid. Linear parent
    transforms are applied, so the files lie where the user sees the volumes.

    Parameters
    ----------
    nodes : sequence of vtkMRMLScalarVolumeNode
        In phase order: pre-contrast first.
    folder : str or Path

    Yields
    ------
    int
        Number of files written so far.

    Returns
    -------
    list of str
        The paths of the files, in the order of `nodes`.

    Raises
    ------
    BadInput
        If a node has no voxels, more than one value a voxel, a non-linear transform, or skewed axes.
    """
    geometries = [geometryOf(node) for node in nodes]
    paths = []
    for index, (node, geometry) in enumerate(zip(nodes, geometries)):
        path = Path(folder) / f"volume-{index + 1}.mha"
        _writeMetaImage(path, slicer.util.arrayFromVolume(node), geometry)
        paths.append(str(path))
        yield len(paths)
    return paths


def geometryOf(node):
    """Return the `Geometry` of a scalar volume node in the world, its linear parent transforms applied.

    Raises
    ------
    BadInput
        See `writeNodes`.
    """
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise BadInput(_("The volume holds no image"), node.GetName(), _("Choose another volume"))
    if image.GetNumberOfScalarComponents() != 1:
        raise BadInput(
            _("The volume has several values for each voxel"),
            node.GetName(),
            _("Choose scalar volumes, one for each phase, or a Sequence; 4D files are loaded as image files"),
        )
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    transform = node.GetParentTransformNode()
    if transform is not None:
        if not transform.IsTransformToWorldLinear():
            raise BadInput(
                _("The volume lies under a non-linear transform"),
                node.GetName(),
                _("Harden the transform (Transforms module) and choose the volume again"),
            )
        toWorld = vtk.vtkMatrix4x4()
        transform.GetMatrixTransformToWorld(toWorld)
        vtk.vtkMatrix4x4.Multiply4x4(toWorld, matrix, matrix)
    try:
        return Geometry.from_ijk_to_ras(slicer.util.arrayFromVTKMatrix(matrix), image.GetDimensions()[::-1])
    except BadInput as error:
        raise BadInput(error.what, f"{node.GetName()}: {error.where}", error.hint) from error


def _writeMetaImage(path, array, geometry):
    kind = ELEMENT_TYPES.get(array.dtype.name)
    if kind is None:
        array, kind = array.astype(np.float32), "MET_FLOAT"

    def numbers(values):
        return " ".join(f"{float(value):.17g}" for value in values)

    # MetaImage lists the direction axis by axis, which is the transpose of SimpleITK's row order.
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        f"TransformMatrix = {numbers(geometry.matrix.T.ravel())}\nOffset = {numbers(geometry.origin)}\n"
        f"ElementSpacing = {numbers(geometry.spacing)}\nDimSize = {' '.join(map(str, geometry.shape[::-1]))}\n"
        f"ElementType = {kind}\nElementDataFile = LOCAL\n"
    )
    with open(path, "wb") as stream:
        stream.write(header.encode("ascii"))
        np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tofile(stream)
