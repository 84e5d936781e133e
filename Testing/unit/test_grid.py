"""Target grids and resampling, checked against SimpleITK and against what can be calculated."""

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import labels
from BreastSegLib.recipe.grid import resample, target_geometry
from BreastSegLib.volume import Geometry, Volume, geometry_of
from geometry_cases import centred, geometries, named_matrices, rotation, signed_permutations
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from recipe_cases import places

KINDS = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline, "nearest": sitk.sitkNearestNeighbor}


def noise_on(geometry, dtype=np.float32, seed=0):
    return Volume((np.random.default_rng(seed).random(geometry.shape) * 100).astype(dtype), geometry)


def corner(geometry, bits):
    """Return an outer corner of the box that the grid fills, LPS."""
    image = sitk.Image(geometry.shape[::-1], sitk.sitkUInt8)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    return np.array(
        image.TransformContinuousIndexToPhysicalPoint(
            [n - 0.5 if bit else -0.5 for bit, n in zip(bits, image.GetSize())]
        )
    )


@settings(max_examples=60, deadline=None)
@given(geometries(oblique=False))
def test_axial_is_simpleitks_lps_order(geometry):
    expected = geometry_of(sitk.DICOMOrient(noise_on(geometry).to_sitk(), "LPS"))
    turned = target_geometry(geometry, orientation="axial")
    assert turned.shape == expected.shape
    assert turned.spacing == expected.spacing
    assert turned.same_grid(expected, 1e-6)


@settings(max_examples=40, deadline=None)
@given(geometries())
def test_axial_lies_closest_to_the_patient(geometry):
    turned = target_geometry(geometry, orientation="axial")
    assert np.all(np.diag(turned.matrix) > 0.5)
    assert np.linalg.det(turned.matrix) == pytest.approx(1)
    assert {tuple(np.round(c, 4) + 0.0) for c in turned.corners()} == {
        tuple(np.round(c, 4) + 0.0) for c in geometry.corners()
    }


@settings(max_examples=60, deadline=None)
@given(
    geometries(), st.tuples(*[st.sampled_from((0.6, 1.0, 1.7, 4.0))] * 3), st.sampled_from(("axial", "as-acquired"))
)
def test_target_fills_the_same_box(geometry, spacing, orientation):
    turned = target_geometry(geometry, orientation=orientation)
    target = target_geometry(geometry, spacing, orientation)
    assert target.spacing == spacing
    assert target.direction == turned.direction
    np.testing.assert_allclose(corner(target, (0, 0, 0)), corner(turned, (0, 0, 0)), atol=1e-6)
    excess = np.array(target.extent) - turned.extent
    assert np.all(excess > -0.01)
    assert np.all(excess < np.array(spacing))


def test_spacing_kept_means_grid_kept():
    geometry = Geometry((7, 8, 9), (0.683594, 0.683594, 2.2), (1, 2, 3))
    assert target_geometry(geometry) == geometry
    assert target_geometry(geometry, geometry.spacing).same_grid(geometry, 1e-9)


@settings(max_examples=40, deadline=None)
@given(geometries((4, 10)), st.sampled_from(sorted(KINDS)))
def test_resample_is_simpleitks(geometry, kind):
    assume(kind != "bspline" or min(geometry.shape) >= 4)
    volume = noise_on(geometry)
    target = target_geometry(geometry, (1.1, 0.9, 1.4), "axial")
    reference = sitk.Image(target.shape[::-1], sitk.sitkFloat32)
    reference.SetSpacing(target.spacing)
    reference.SetOrigin(target.origin)
    reference.SetDirection(target.direction)
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(reference)
    resampler.SetInterpolator(KINDS[kind])
    resampler.SetDefaultPixelValue(-7)
    expected = sitk.GetArrayFromImage(resampler.Execute(volume.to_sitk()))
    result = resample(volume, target, kind, outside=-7)
    assert result.geometry == target
    if kind != "linear":
        np.testing.assert_array_equal(result.array, expected)
        return
    # A voxel on the outer border is inside or outside by SimpleITK's rounding.
    index = (places(target) - geometry.origin) @ np.linalg.inv(geometry.ijk_to_lps[:3, :3]).T
    middle = (np.array(geometry.shape[::-1]) - 1) / 2
    border = np.abs(np.abs(index - middle) - middle - 0.5).min(axis=-1) < 1e-4
    np.testing.assert_allclose(result.array[~border], expected[~border], atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(geometries((3, 9)), st.tuples(*[st.floats(-2, 2)] * 4))
def test_a_ramp_is_reproduced(geometry, coefficients):
    """A linear function of the place in the patient is exact under linear interpolation, whatever the grids are."""

    def ramp(grid):
        k, j, i = np.indices(grid.shape)
        lps = np.stack([i, j, k, np.ones_like(i)], -1) @ grid.ijk_to_lps.T
        return lps[..., :3] @ coefficients[:3] + coefficients[3], lps

    values, _ = ramp(geometry)
    target = target_geometry(geometry, (0.8, 1.2, 1.6), "axial")
    expected, lps = ramp(target)
    index = (lps @ np.linalg.inv(geometry.ijk_to_lps).T)[..., :3]
    inside = np.all((index >= 0) & (index <= np.array(geometry.shape[::-1]) - 1), axis=-1)
    result = resample(Volume(values, geometry), target)
    np.testing.assert_allclose(result.array[inside], expected[inside], atol=1e-6 * (1 + np.abs(values).max()))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("matrix", signed_permutations(), ids=str)
def test_turning_never_interpolates(matrix, kind):
    geometry = Geometry((4, 5, 6), (0.7, 1.3, 2.1), (3.3, -8, 12), tuple(matrix.ravel()))
    volume = noise_on(geometry)
    target = target_geometry(geometry, orientation="axial")
    result = resample(volume, target, kind)
    np.testing.assert_array_equal(result.array, sitk.GetArrayFromImage(sitk.DICOMOrient(volume.to_sitk(), "LPS")))
    np.testing.assert_array_equal(resample(result, geometry, kind).array, volume.array)


@pytest.mark.parametrize("name", sorted(named_matrices()))
def test_oblique_turning_keeps_every_value_at_its_place(name):
    geometry = centred((4, 5, 6), (0.7, 1.3, 2.1), named_matrices()[name])
    volume = noise_on(geometry)
    target = target_geometry(geometry, orientation="axial")
    result = resample(volume, target, "bspline")
    np.testing.assert_array_equal(np.sort(result.array, axis=None), np.sort(volume.array, axis=None))
    nearest = sitk.Resample(
        volume.to_sitk(),
        target.shape[::-1],
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        target.origin,
        target.spacing,
        target.direction,
        -1.0,
    )
    np.testing.assert_array_equal(result.array, sitk.GetArrayFromImage(nearest))


def test_equal_voxels_elsewhere_are_not_taken_for_a_turn():
    """Same shape and spacing, half a voxel or a whole voxel away: that is a shift, not a turn."""
    geometry = Geometry((5, 5, 5))
    volume = noise_on(geometry)
    half = resample(volume, Geometry((5, 5, 5), origin=(0.5, 0, 0)))
    np.testing.assert_allclose(half.array[:, :, :4], (volume.array[:, :, :4] + volume.array[:, :, 1:]) / 2, rtol=1e-6)
    whole = resample(volume, Geometry((5, 5, 5), origin=(2.0, 0, 0)), outside=-1)
    np.testing.assert_array_equal(whole.array[:, :, :3], volume.array[:, :, 2:])
    np.testing.assert_array_equal(whole.array[:, :, 3:], -1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_dtype_stays(dtype):
    volume = noise_on(Geometry((4, 4, 4)), dtype)
    assert resample(volume, Geometry((6, 6, 6), (0.7, 0.7, 0.7))).array.dtype == dtype


def test_written_into_an_array_that_is_there():
    volume = noise_on(Geometry((5, 6, 7), (1.2, 0.8, 2)))
    for target in (target_geometry(volume.geometry, (1, 1, 1)), volume.geometry):
        out = np.empty((2, *target.shape), np.float32)
        result = resample(volume, target, out=out[1])
        assert np.shares_memory(result.array, out)
        np.testing.assert_array_equal(out[1], resample(volume, target).array)


# --- labels and probabilities between grids --------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(geometries((3, 8)))
def test_shares_on_a_finer_grid_are_simpleitks_linear(geometry):
    target = target_geometry(geometry, tuple(0.9 * s for s in sorted(geometry.spacing)[:1] * 3), "axial")
    volume = noise_on(geometry)
    expected = resample(volume, target).array
    np.testing.assert_allclose(labels.shares_forward(volume.array, geometry, target), expected, atol=2e-3)


@settings(max_examples=40, deadline=None)
@given(geometries((3, 8)))
def test_without_the_correction_probabilities_are_simpleitks_linear(geometry):
    prepared = target_geometry(geometry, (1, 1, 1), "axial")
    volume = noise_on(prepared)
    expected = resample(volume, geometry).array
    usual, labels.CORRECTIONS = labels.CORRECTIONS, 0
    try:
        back = labels.probabilities_back(volume.array, prepared, geometry)
    finally:
        labels.CORRECTIONS = usual
    inner = tuple(slice(1, -1) for _ in range(3))  # at the border SimpleITK goes on with the last value
    np.testing.assert_allclose(back[inner], expected[inner], atol=2e-3)


@settings(max_examples=40, deadline=None)
@given(geometries((2, 7), oblique=False), st.integers(2, 4))
def test_shares_of_whole_blocks_are_their_means(geometry, count):
    """Voxels joined count by count along each axis, once more with numpy's mean."""
    shape = tuple(n * count for n in geometry.shape)
    fine = Geometry(shape, (0.5, 0.5, 0.5), geometry.origin, geometry.direction)
    coarse = target_geometry(fine, (0.5 * count,) * 3)
    drawn = np.random.default_rng(count).random(shape).astype(np.float32)
    blocks = drawn.reshape([k for n in geometry.shape for k in (n, count)]).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(labels.shares_forward(drawn, fine, coarse), blocks, atol=1e-5)
    binary = (drawn > 0.5).astype(np.uint8)
    share = binary.reshape([k for n in geometry.shape for k in (n, count)]).mean(axis=(1, 3, 5))
    np.testing.assert_array_equal(labels.labels_forward(binary, fine, coarse), share >= 0.5)


@settings(max_examples=40, deadline=None)
@given(geometries((3, 8)), st.tuples(*[st.sampled_from((0.7, 1.0, 1.6))] * 3), st.integers(0, 99))
def test_shares_keep_the_volume(geometry, spacing, seed):
    """What lies away from the border has the same volume on both grids, where the exam is finer."""
    spacing = tuple(max(s, *geometry.spacing) for s in spacing)
    target = target_geometry(geometry, spacing)
    drawn = np.random.default_rng(seed).random(geometry.shape).astype(np.float32)
    shares = labels.shares_forward(drawn, geometry, target)
    covered = np.ones(target.shape)
    for axis in range(3):
        size, step = target.shape[axis], target.spacing[2 - axis]
        ends = np.clip(geometry.extent[2 - axis] - step * np.arange(size), 0, step) / step
        covered *= ends.reshape([-1 if other == axis else 1 for other in range(3)])
    assert (shares * covered).sum() * target.voxel_volume == pytest.approx(
        drawn.sum(dtype=np.float64) * geometry.voxel_volume, rel=1e-4
    )


@settings(max_examples=60, deadline=None)
@given(
    geometries((2, 8)), st.sampled_from(("axial", "as-acquired")), st.tuples(*[st.sampled_from((0.6, 1.0, 1.7))] * 3)
)
def test_axes_find_their_partners(geometry, orientation, spacing):
    """Each voxel of the target lies where the axis pairs say, in voxels of the source."""
    target = target_geometry(geometry, spacing, orientation)
    pairs = labels.axes_between(geometry, target)
    for index in ([0, 0, 0], [n - 1 for n in target.shape]):
        place = target.ijk_to_lps @ np.append(index[::-1], 1)
        in_source = (np.linalg.inv(geometry.ijk_to_lps) @ place)[:3][::-1]
        for pair, number in zip(pairs, index):
            assert in_source[pair.source] == pytest.approx(pair.places[number], abs=1e-6)


def test_axes_that_are_not_parallel():
    geometry = Geometry((5, 5, 5))
    for turn in (1, 20, 45):
        with pytest.raises(BadInput, match="turned against each other"):
            labels.axes_between(geometry, Geometry((5, 5, 5), direction=tuple(rotation(turn, 2).ravel())))
