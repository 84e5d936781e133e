"""Volume, diameters and surface: against known shapes, SimpleITK, what Segment Statistics calls, and brute force."""

import math

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.measures import diameters
from BreastSegLib.measures.shape import shape_of, surface_of
from geometry_cases import centred, rotation
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

small = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 8)), elements=st.booleans())
spacings = st.tuples(*[st.sampled_from([0.4, 0.7, 1.0, 1.3, 2.5])] * 3)  # z, y, x


def points_of(geometry):
    """Return the places of all voxels, (z, y, x, 3), mm, LPS."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij")
    return np.stack([x, y, z], axis=-1) @ geometry.ijk_to_lps[:3, :3].T + geometry.origin


def ellipsoid(radii, spacing, turns, shift=(0, 0, 0), axes=None):
    """Return an ellipsoid with half axes `radii` (x, y, z) on a grid turned by three angles, and the grid.

    Its axes lie along the patient's, or with ``axes="grid"`` along the grid's.
    """
    matrix = rotation(turns[0], 0) @ rotation(turns[1], 1) @ rotation(turns[2], 2)
    reach = np.max(radii) + 2 * np.max(spacing)
    shape = tuple(int(2 * reach / s) + 3 for s in spacing[::-1])
    geometry = centred(shape, spacing, matrix)
    places = points_of(geometry)
    if axes == "grid":
        places = places @ matrix
    return (((places - np.asarray(shift)) / np.asarray(radii)) ** 2).sum(axis=-1) <= 1, geometry


def measured(mask, geometry):
    assert not any(mask.take(end, axis).any() for axis in range(3) for end in (0, -1))  # the phantom is whole
    return shape_of(mask, (0, 0, 0), geometry)


# The centre of some voxel lies within half a voxel's diagonal d of any point, and is inside the shape where the point
# lies d deep in it. So each end of a diameter is met to 2 d where the edge is no more curved than a ball of radius d.
# No measured diameter is longer than the true one, as all centres lie inside the shape: true - 4 d … true.


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(6, 14)] * 3),
    st.tuples(st.sampled_from([0.6, 0.8, 1.0]), st.sampled_from([0.6, 0.9]), st.sampled_from([0.7, 1.5, 2.0])),
    st.tuples(*[st.floats(-30, 30)] * 3),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),
)
def test_ellipsoids_on_oblique_grids(radii, spacing, turns, shift):
    mask, geometry = ellipsoid(radii, spacing, turns, shift)
    found = measured(mask, geometry)
    true, d = 4 / 3 * np.pi * np.prod(radii), np.linalg.norm(spacing) / 2
    smallest, _, largest = sorted(radii)
    assume(smallest**2 / largest > d)
    # A row of voxels is right to one voxel, π r² s / (4/3 π r³) = 3/4 s / r in all. The sum of the rows in a slice is
    # right to the longest of them, as they grow, then shrink: below s / r. The sum of slices is right to (s / r)² / 4.
    row, column, slab = np.sort(spacing) / smallest
    bound = 3 / 4 * row + column + slab**2 / 4
    assert found["volume_mm3"] == pytest.approx(true, rel=bound)
    assert found["volume_mm3"] == pytest.approx(np.count_nonzero(mask) * np.prod(spacing))
    assert 2 * largest - 4 * d <= found["longest_mm"] <= 2 * largest + 1e-9
    assert found["perpendicular_mm"] <= found["inplane_mm"] <= found["longest_mm"]
    along = np.subtract(*found["longest_ends_lps"])
    assert np.linalg.norm(along) == pytest.approx(found["longest_mm"])


@pytest.mark.parametrize("spacing", [(0.4, 0.4, 0.4), (0.4, 0.4, 0.8)])
@pytest.mark.parametrize("turns", [(0, 0, 0), (17, -9, 25)])
def test_fine_grids_come_within_a_hundredth(spacing, turns):
    radius = 25.0
    found = measured(*ellipsoid((radius,) * 3, spacing, turns, (0.2, -0.1, 0.3)))
    volume, surface = 4 / 3 * np.pi * radius**3, 4 * np.pi * radius**2
    assert found["volume_mm3"] == pytest.approx(volume, rel=0.01)
    assert found["surface_mm2"] == pytest.approx(surface, rel=0.01)
    assert found["sphericity"] == pytest.approx(1, rel=0.01)
    for key in ("longest_mm", "inplane_mm", "perpendicular_mm"):
        assert found[key] == pytest.approx(2 * radius, rel=0.01), key


@settings(max_examples=25, deadline=None)
@given(
    st.floats(9, 16),
    st.floats(0.5, 0.85),
    st.sampled_from([0.5, 0.7, 0.9]),
    st.floats(-90, 90),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),
)
def test_both_diameters_of_a_slice(long, ratio, spacing, angle, shift):
    """An ellipse at any angle in the slices: RECIST's two diameters are its axes, within the grid's bound."""
    short = long * ratio
    radii, thick = (long, short, short), 1.0
    # The middle slice cuts the ellipsoid within half a slice of its centre.
    cut = math.sqrt(1 - ((0.5 * thick + 0.5) / short) ** 2)
    mask, geometry = ellipsoid(radii, (spacing, spacing, thick), (0, 0, angle), shift)
    found, d = measured(mask, geometry), spacing / math.sqrt(2)
    assert 2 * long * cut - 4 * d <= found["inplane_mm"] <= 2 * long + 1e-9
    # The line found may be turned: no chord of the ellipse at an angle t is longer than 2 / √(cos²t/a² + sin²t/b²).
    least = (2 * long * cut - 4 * d) / 2
    turned = math.asin(min(1, math.sqrt((1 / least**2 - 1 / long**2) / (1 / short**2 - 1 / long**2))))
    # A pair may differ along the line by half a pixel's extent.
    turned = min(math.pi / 2, turned + math.asin(d / (2 * short)))
    most = 2 / math.sqrt(math.sin(turned) ** 2 / long**2 + math.cos(turned) ** 2 / short**2)
    assert 2 * short * cut - 4 * d - 0.1 <= found["perpendicular_mm"] <= most + 1e-9
    along, across = (np.subtract(*found[f"{key}_ends_lps"]) for key in ("inplane", "perpendicular"))
    assert abs(along @ across) <= 1e-9 * np.linalg.norm(along) * np.linalg.norm(across)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 9)] * 3), spacings, st.tuples(*[st.floats(-40, 40)] * 3))
def test_boxes_on_oblique_grids_are_exact(count, spacing, turns):
    matrix = rotation(turns[0], 0) @ rotation(turns[1], 1) @ rotation(turns[2], 2)
    geometry = centred(tuple(n + 4 for n in count), spacing[::-1], matrix)
    mask = np.zeros(geometry.shape, bool)
    mask[2:-2, 2:-2, 2:-2] = True
    found = measured(mask, geometry)
    edges = (np.array(count) - 1) * spacing
    assert found["volume_mm3"] == pytest.approx(np.prod(count) * np.prod(spacing))
    assert found["longest_mm"] == pytest.approx(np.linalg.norm(edges))
    assert found["inplane_mm"] == pytest.approx(np.hypot(*edges[1:]))
    assert found["inplane_slice"] == 2
    for ends, length in (("longest", np.linalg.norm(edges)), ("inplane", np.hypot(*edges[1:]))):
        assert np.linalg.norm(np.subtract(*found[f"{ends}_ends_lps"])) == pytest.approx(length)


def feret(mask, spacing):
    """Return SimpleITK's Feret diameter, perimeter and roundness; spacing along (z, y, x)."""
    image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    found = sitk.LabelShapeStatisticsImageFilter()
    found.ComputeFeretDiameterOn()
    found.Execute(image)
    return found.GetFeretDiameter(1), found.GetPerimeter(1), found.GetRoundness(1)


@settings(max_examples=200, deadline=None)
@given(small, spacings)
@example(np.ones((1, 1, 1), bool), (1.0, 2.0, 3.0))
@example(np.ones((1, 1, 20), bool), (1.0, 2.0, 3.0))
@example(np.ones((9, 1, 9), bool), (1.0, 2.0, 3.0))
@example(np.eye(12, dtype=bool)[None], (1.0, 1.0, 1.0))
@example(np.eye(12, dtype=bool)[:, :, None] & np.ones((1, 1, 5), bool), (1.3, 1.0, 0.7))
def test_diameters_are_itk_s_and_those_of_brute_force(mask, spacing):
    assume(mask.any())
    found, k = diameters.longest_in_slices(mask, spacing)
    longest = diameters.longest(mask, spacing)
    expected, perimeter, roundness = feret(mask, spacing)
    assert longest.mm == pytest.approx(expected, abs=1e-9)
    in_slices = [pdist(np.argwhere(plane) * spacing[1:]).max(initial=0) if plane.any() else -1 for plane in mask]
    assert found.mm == pytest.approx(max(in_slices), abs=1e-9)
    assert k == next(n for n, value in enumerate(in_slices) if value >= max(in_slices) - 1e-9)
    assert (found.ends[:, 0] == k).all()
    for diameter in (longest, found):
        assert all(mask[tuple(end.astype(int))] for end in diameter.ends)
        assert np.linalg.norm(np.subtract(*diameter.ends) * spacing) == pytest.approx(diameter.mm)
    assert surface_of(mask, spacing[::-1]) == pytest.approx((perimeter, roundness))


@settings(max_examples=200, deadline=None)
@given(arrays(bool, st.tuples(*[st.integers(1, 9)] * 2), elements=st.booleans()), spacings, st.floats(0, 7))
def test_the_perpendicular_is_the_one_that_is_defined(plane, spacing, angle):
    """All pairs compared: the farthest apart across, of those that differ by half a pixel's extent along the line."""
    assume(plane.any())
    spacing, along = np.array(spacing[1:]), np.array([np.sin(angle), np.cos(angle)])
    across = np.array([-along[1], along[0]])
    length, ends = diameters.perpendicular(plane, spacing, 3.7 * along)
    points = np.argwhere(plane) * spacing
    apart = points[:, None] - points[None]
    allowed = np.abs(apart @ along) <= np.abs(along) @ spacing / 2 + 1e-9
    assert length == pytest.approx(np.max(np.abs(apart @ across), where=allowed, initial=0), abs=1e-6)
    line = (ends[1] - ends[0]) * spacing
    assert np.hypot(*line) == pytest.approx(length) and line @ along == pytest.approx(0, abs=1e-9)
    # Each end lies at most a quarter of a pixel's extent, along the line, beside the centre of a pixel of the lesion.
    off = np.abs((ends * spacing)[:, None] - points[None])
    assert (np.linalg.norm(off, axis=-1).min(axis=1) <= np.abs(along) @ spacing / 4 + 1e-9).all()


@settings(max_examples=100, deadline=None)
@given(small, spacings)
def test_no_bidimensional_measure_exceeds_the_longest(mask, spacing):
    assume(mask.any())
    found = shape_of(mask, (0, 0, 0), centred(mask.shape, spacing[::-1], np.eye(3)))
    assert 0 <= found["perpendicular_mm"] <= found["inplane_mm"] <= found["longest_mm"] * (1 + 1e-12)


def test_a_line_has_no_perpendicular_diameter():
    for angle in (0, 90):
        plane = np.zeros((9, 9), bool)
        plane[(4, slice(1, 8)) if angle else (slice(1, 8), 4)] = True
        assert diameters.perpendicular(plane, (1.3, 0.7), (0, 1) if angle else (1, 0))[0] == 0
    assert diameters.perpendicular(np.ones((3, 3), bool), (1, 1), (0, 0))[0] == 0


def test_the_same_lesion_gives_the_same_ends():
    mask, geometry = ellipsoid((9, 9, 9), (0.9, 0.9, 1.2), (0, 0, 0))
    first = shape_of(mask, (3, 4, 5), geometry)
    assert first == shape_of(np.asfortranarray(mask), (3, 4, 5), geometry)


@pytest.mark.parametrize("seed", range(3))
def test_segment_statistics_agrees(seed):
    """Slicer's Segment Statistics asks vtkITKLabelShapeStatistics; so do we, with the same lesion."""
    vtkITK = pytest.importorskip("slicer_core.vtkITK")
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    rng = np.random.default_rng(seed)
    spacing, turns = rng.uniform(0.5, 2.0, 3), rng.uniform(-25, 25, 3)
    mask, geometry = ellipsoid(rng.uniform(4, 9, 3), spacing, turns)
    mask &= rng.random(mask.shape) < 0.9
    image = vtk.vtkImageData()
    image.SetDimensions(mask.shape[::-1])
    image.SetSpacing(geometry.spacing)
    image.GetPointData().SetScalars(numpy_to_vtk(mask.ravel().astype(np.int16), deep=True))
    matrix = vtk.vtkMatrix4x4()
    for place, value in enumerate(geometry.direction):
        matrix.SetElement(*divmod(place, 3), value)
    told = vtkITK.vtkITKLabelShapeStatistics()
    told.SetInputData(image)
    told.SetDirections(matrix)
    for name in ("FeretDiameter", "Perimeter", "Roundness"):
        told.ComputeShapeStatisticOn(name)
    told.Update()
    table, found = told.GetOutput(), measured(mask, geometry)
    row = table.GetNumberOfRows() - 1  # the background comes first
    for name, key in (("FeretDiameter", "longest_mm"), ("Perimeter", "surface_mm2"), ("Roundness", "sphericity")):
        assert table.GetColumnByName(name).GetValue(row) == pytest.approx(found[key], rel=1e-9), name
