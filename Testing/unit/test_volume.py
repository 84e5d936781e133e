"""Geometry and Volume, checked against SimpleITK and against Slicer's own reader."""

import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.volume import Geometry, Volume, geometry_of
from geometry_cases import centred, geometries, named_matrices, rotation
from hypothesis import given, settings
from hypothesis import strategies as st


def image_of(geometry):
    image = sitk.Image(geometry.shape[::-1], sitk.sitkUInt8)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return image


@settings(max_examples=60, deadline=None)
@given(geometries(), st.data())
def test_ijk_to_lps_is_simpleitks(geometry, data):
    index = [data.draw(st.integers(0, n - 1)) for n in geometry.shape[::-1]]
    expected = np.array(image_of(geometry).TransformIndexToPhysicalPoint(index))
    np.testing.assert_allclose((geometry.ijk_to_lps @ [*index, 1])[:3], expected, atol=1e-9)
    np.testing.assert_allclose((geometry.ijk_to_ras @ [*index, 1])[:3], expected * [-1, -1, 1], atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(geometries())
def test_corners_and_ways_back(geometry):
    image = image_of(geometry)
    last = [n - 1 for n in image.GetSize()]
    expected = {
        tuple(np.round(image.TransformIndexToPhysicalPoint([v * n for v, n in zip(bits, last)]), 6) + 0.0)
        for bits in np.ndindex(2, 2, 2)
    }
    assert {tuple(np.round(corner, 6) + 0.0) for corner in geometry.corners()} == expected
    assert Geometry.from_json(json.loads(json.dumps(geometry.to_json()))) == geometry
    assert Geometry.from_ijk_to_ras(geometry.ijk_to_ras, geometry.shape).same_grid(geometry, 1e-6)
    assert geometry_of(image) == geometry


@pytest.mark.parametrize("name", sorted(named_matrices()))
def test_ijk_to_ras_is_slicers(name, tmp_path):
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    geometry = centred((4, 5, 6), (0.7, 1.1, 2.5), named_matrices()[name])
    array = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    path = str(tmp_path / "volume.nrrd")
    sitk.WriteImage(Volume(array, geometry).to_sitk(), path)
    import vtk

    node, storage = slicer.vtkMRMLScalarVolumeNode(), slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(path)
    storage.SetCenterImage(False)
    assert storage.ReadData(node) == 1
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    seen = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    # Slicer may turn the voxels while reading; the value at a place in the patient must be the same.
    for k, j, i in ((0, 0, 0), (3, 4, 5), (1, 2, 3)):
        ijk = np.linalg.inv(seen) @ geometry.ijk_to_ras @ [i, j, k, 1]
        index = np.rint(ijk[:3]).astype(int)
        np.testing.assert_allclose(ijk[:3], index, atol=1e-4)
        assert node.GetImageData().GetScalarComponentAsDouble(*map(int, index), 0) == array[k, j, i]


def test_measures():
    geometry = Geometry((10, 20, 30), (0.5, 2.0, 3.0))
    assert geometry.voxel_volume == 3.0
    assert geometry.extent == (15.0, 40.0, 30.0)
    assert geometry.shape == (10, 20, 30)
    assert all(isinstance(n, int) for n in Geometry(np.array([1, 2, 3])).shape)


def test_difference_is_the_largest_corner_distance():
    geometry = Geometry((11, 11, 11))
    assert geometry.difference(dataclasses.replace(geometry, origin=(0, 0.02, 0))) == pytest.approx(0.02)
    assert not geometry.same_grid(dataclasses.replace(geometry, origin=(0, 0.02, 0)))
    assert geometry.same_grid(dataclasses.replace(geometry, origin=(0, 0.005, 0)))
    assert geometry.difference(dataclasses.replace(geometry, spacing=(1.1, 1, 1))) == pytest.approx(1.0)
    assert geometry.difference(Geometry((11, 11, 12))) == float("inf")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"shape": (0, 2, 2)}, "no voxels"),
        ({"shape": (2, 2)}, "shape"),
        ({"spacing": (1, 1, 0)}, "not positive"),
        ({"spacing": (1, -1, 1)}, "not positive"),
        ({"spacing": (1, float("nan"), 1)}, "spacing"),
        ({"origin": (float("inf"), 0, 0)}, "origin"),
        ({"direction": (1, 0, 0)}, "direction"),
        ({"direction": (1, 0, 0, 1, 0, 0, 0, 0, 1)}, "orthogonal"),
        ({"direction": (2, 0, 0, 0, 1, 0, 0, 0, 1)}, "orthogonal"),
    ],
)
def test_impossible_grids_are_refused(change, word):
    with pytest.raises(BadInput, match=word):
        Geometry(**{"shape": (2, 2, 2), **change})


def test_cosines_next_to_nothing_do_not_empty_a_resampled_image():
    """ITK's matrix inversion fails on them, and the image comes out as zeros without an error."""
    from BreastSegLib.recipe.grid import resample, target_geometry

    tiny = 4.8e-299
    geometry = Geometry((6, 7, 8), (1.3, 1.1, 1.2), (0, 0, 0), (1, 0, -tiny, 0, 1, 0, tiny, 0, 1))
    assert geometry.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    volume = Volume(np.full(geometry.shape, 5, np.float32), geometry)
    inner = resample(volume, target_geometry(geometry, (1.0, 1.0, 1.0)), "bspline").array[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(inner, 5, rtol=1e-5)


def test_sheared_axes_are_refused():
    """A lean of 4° hardly changes the determinant, yet displaces a lesion by centimetres."""
    lean = np.array([[1, np.sin(np.deg2rad(4)), 0], [0, np.cos(np.deg2rad(4)), 0], [0, 0, 1]])
    assert abs(np.linalg.det(lean) - 1) < 0.01
    with pytest.raises(BadInput, match="orthogonal"):
        Geometry((2, 2, 2), direction=tuple(lean.ravel()))


def test_matrix_with_an_empty_column_is_refused():
    with pytest.raises(BadInput, match="not positive"):
        Geometry.from_ijk_to_ras(np.diag([1.0, 0.0, 1.0, 1.0]), (2, 2, 2))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_sitk_round_trip(dtype):
    geometry = centred((3, 4, 5), (0.7, 0.8, 2.0), rotation(20, 1))
    array = (np.random.default_rng(1).random((5, 4, 3)) * 2).astype(dtype).transpose()  # not contiguous
    image = Volume(array, geometry).to_sitk()
    assert image[4, 2, 1] == array[1, 2, 4]
    back = Volume.from_sitk(image)
    np.testing.assert_array_equal(back.array, array)
    assert back.geometry == geometry
    assert back.array.dtype == (np.uint8 if dtype is bool else dtype)


def test_to_sitk_is_a_copy():
    volume = Volume(np.zeros((2, 2, 2), np.float32), Geometry((2, 2, 2)))
    image = volume.to_sitk()
    volume.array[:] = 5
    assert image[0, 0, 0] == 0


def test_other_dimensions_are_refused():
    with pytest.raises(BadInput, match="differ in shape"):
        Volume(np.zeros((2, 2)), Geometry((2, 2, 2)))
    with pytest.raises(BadInput, match="differ in shape"):
        Volume(np.zeros((2, 2, 3)), Geometry((2, 2, 2)))
    with pytest.raises(BadInput, match="not three-dimensional"):
        geometry_of(sitk.Image([2, 2], sitk.sitkUInt8))
