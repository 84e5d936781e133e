"""Synthetic DCE exams: repeatable, and true to what they claim, measured in the images."""

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.measures.side import breast_side
from BreastSegLib.samples import anatomy
from BreastSegLib.samples.dce import CURVES, make_dce_exam
from scipy import ndimage, stats

CLEAN = {"noise": 0.0, "motion_mm": 0.0, "bias": 0.0}
SMALL = {"shape": (27, 64, 104), "spacing": (1.85, 1.8, 3.0)}  # the same chest in fewer voxels
BREAST = (anatomy.FAT, anatomy.GLAND, anatomy.SKIN, anatomy.VESSEL, anatomy.NIPPLE)


def centroid(volume):
    """Return the centroid of a mask, LPS, calculated by SimpleITK."""
    image = volume.to_sitk()
    return np.mean(
        [image.TransformIndexToPhysicalPoint([int(v) for v in zyx[::-1]]) for zyx in np.argwhere(volume.array)], axis=0
    )


def test_the_seed_decides():
    first, again, other = (make_dce_exam(seed, posts=1, **SMALL) for seed in (11, 11, 12))
    for a, b, c in zip(first.exam.volumes, again.exam.volumes, other.exam.volumes):
        np.testing.assert_array_equal(a.array, b.array)
        assert not np.array_equal(a.array, c.array)
    np.testing.assert_array_equal(first.truth.array, again.truth.array)
    assert first.masses == again.masses
    assert first.masses != other.masses


def test_the_global_random_state_plays_no_part():
    first, second = [], []
    for state, images in ((1, first), (2, second)):
        np.random.seed(state)
        images += [volume.array for volume in make_dce_exam(11, posts=1, **SMALL).exam.volumes]
    np.testing.assert_array_equal(first, second)


def test_phases():
    sample = make_dce_exam(21, posts=3, **SMALL)
    assert [phase.name for phase in sample.exam.phases] == ["pre", "post1", "post2", "post3"]
    assert [phase.time_s for phase in sample.exam.phases][1:] == [0.0, 90.0, 180.0]
    assert sample.exam.phases[0].time_s < 0
    assert all(volume.array.dtype == np.float32 and np.isfinite(volume.array).all() for volume in sample.exam.volumes)
    assert sample.truth.geometry == sample.tissue.geometry == sample.exam.geometry


@pytest.mark.parametrize("seed", range(30, 38))
def test_the_truth_lies_in_the_breast_that_is_named(seed):
    side = ("right", "left")[seed % 2]
    sample = make_dce_exam(seed, posts=1, side=side, **SMALL, **CLEAN)
    inside = sample.tissue.array[sample.truth.array > 0]
    assert inside.size
    assert (inside != anatomy.AIR).all()
    assert np.isin(inside, BREAST).mean() > 0.95
    place = centroid(sample.truth)
    assert (place[0] > 0) == (side == "left")  # LPS: x grows to the patient's left
    assert breast_side(place, sample.truth.geometry) == side == sample.masses[0].side
    np.testing.assert_allclose(place, sample.masses[0].centre, atol=0.6 * max(sample.masses[0].radii))


@pytest.mark.parametrize("seed", [41, 42])
def test_volumes_add_up(seed):
    sample = make_dce_exam(seed, posts=1, masses=2, radius_mm=(4, 6), **CLEAN)
    assert len(sample.masses) == 2
    assert sum(mass.volume_mm3 for mass in sample.masses) == pytest.approx(
        np.count_nonzero(sample.truth.array) * 1.2 * 1.2 * 2.0
    )
    assert ndimage.label(sample.truth.array, np.ones((3, 3, 3)))[1] == 2
    for mass in sample.masses:
        assert 0.5 < mass.volume_mm3 / (4 / 3 * np.pi * np.prod(mass.radii)) < 1.6


def test_no_mass():
    sample = make_dce_exam(51, posts=1, masses=0, **SMALL)
    assert sample.masses == ()
    assert not sample.truth.array.any()


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("seed", [61, 62])
def test_curves_measured(curve, seed):
    """After the first post-contrast phase the signal rises, stays or falls: 10 % is the usual limit."""
    sample = make_dce_exam(seed, curve=curve, rim=False, radius_mm=(7, 11), **CLEAN)
    core = ndimage.binary_erosion(sample.truth.array)
    signal = [float(volume.array[core].mean()) for volume in sample.exam.volumes]
    assert signal[1] > 1.5 * signal[0]
    change = signal[-1] / signal[1] - 1
    steps = np.diff(signal[1:])
    if curve == "persistent":
        assert change > 0.10
        assert (steps > 0).all()
    elif curve == "plateau":
        assert abs(change) < 0.10
    else:
        assert change < -0.05
        assert (steps[1:] < 0).all()


def test_curves_survive_noise_motion_and_bias():
    changes = {}
    for curve in CURVES:
        sample = make_dce_exam(63, curve=curve, rim=False, radius_mm=(9, 11))
        core = ndimage.binary_erosion(sample.truth.array, iterations=2)
        signal = [float(volume.array[core].mean()) for volume in sample.exam.volumes]
        changes[curve] = signal[-1] / signal[1] - 1
    assert changes["persistent"] > 0.10 > changes["plateau"] > changes["washout"] + 0.05


@pytest.mark.parametrize("rim", [True, False])
def test_rim_enhancement_measured(rim):
    sample = make_dce_exam(71, curve="plateau", rim=rim, radius_mm=(10, 12), side="left", **CLEAN)
    depth = ndimage.distance_transform_edt(sample.truth.array, sampling=(2.0, 1.2, 1.2))
    pre, post = (volume.array for volume in sample.exam.volumes[:2])
    enhancement = (post - pre) / pre
    edge, middle = (
        enhancement[(depth > 1.5) & (depth < 0.35 * depth.max())].mean(),
        enhancement[depth > 0.8 * depth.max()].mean(),
    )
    assert sample.masses[0].rim is rim
    assert (middle < 0.6 * edge) if rim else (middle > 0.9 * edge)


def test_a_mass_enhances_more_than_its_surroundings():
    sample = make_dce_exam(72, rim=False, **CLEAN)
    pre, post = (volume.array for volume in sample.exam.volumes[:2])
    enhancement = (post - pre) / np.maximum(pre, 1)
    near = ndimage.binary_dilation(sample.truth.array, iterations=6) & ~ndimage.binary_dilation(
        sample.truth.array, iterations=2
    )
    near &= np.isin(sample.tissue.array, (anatomy.FAT, anatomy.GLAND))
    assert enhancement[ndimage.binary_erosion(sample.truth.array)].mean() > 3 * enhancement[near].mean()


def test_noise_is_rician():
    """In air the magnitude follows the Rice distribution of the air signal and the noise of both channels."""
    clean, noisy = (make_dce_exam(81, posts=1, noise=noise, motion_mm=0, bias=0) for noise in (0.0, 9.0))
    air = ndimage.binary_erosion(noisy.tissue.array == anatomy.AIR, iterations=3)
    level = float(clean.exam.volumes[0].array[air].mean())
    values = noisy.exam.volumes[0].array[air]
    assert noisy.exam.volumes[0].array.min() >= 0
    assert values.mean() == pytest.approx(stats.rice.mean(level / 9.0, scale=9.0), rel=0.02)
    assert values.std() == pytest.approx(stats.rice.std(level / 9.0, scale=9.0), rel=0.03)
    muscle = ndimage.binary_erosion(noisy.tissue.array == anatomy.MUSCLE, iterations=2)
    assert (noisy.exam.volumes[0].array - clean.exam.volumes[0].array)[muscle].std() == pytest.approx(9.0, rel=0.05)


def test_motion_moves_every_phase_but_the_reference():
    still, moved = (
        make_dce_exam(82, **SMALL, posts=2, noise=0.0, bias=0.0, motion_mm=motion) for motion in (0.0, 1.5)
    )
    same = [np.array_equal(a.array, b.array) for a, b in zip(still.exam.volumes, moved.exam.volumes)]
    assert same == [False, True, False]


def test_bias_is_smooth_and_of_the_size_asked_for():
    plain, biased = (make_dce_exam(83, **SMALL, posts=1, noise=0.0, motion_mm=0.0, bias=bias) for bias in (0.0, 0.15))
    field = np.log(biased.exam.volumes[0].array / plain.exam.volumes[0].array)
    assert field.std() == pytest.approx(0.15, rel=0.02)
    assert np.abs(np.diff(field, axis=2)).max() < 0.02


@pytest.mark.parametrize("degrees", [20.0, -15.0])
def test_oblique_exams(degrees):
    """The same chest on a turned grid: same voxels, other places in the patient; words on the mass turn with it."""
    straight, turned = (
        make_dce_exam(91, **SMALL, posts=1, oblique_degrees=angle, side="left") for angle in (0.0, degrees)
    )
    np.testing.assert_array_equal(straight.exam.volumes[1].array, turned.exam.volumes[1].array)
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(0, 0, float(np.deg2rad(degrees)))
    np.testing.assert_allclose(centroid(turned.truth), rotation.TransformPoint(centroid(straight.truth)), atol=1e-3)
    np.testing.assert_allclose(turned.masses[0].centre, rotation.TransformPoint(straight.masses[0].centre), atol=1e-3)
    assert np.linalg.det(turned.exam.geometry.matrix) == pytest.approx(1)


def test_other_grids():
    sample = make_dce_exam(92, posts=1, **SMALL)
    assert sample.exam.geometry.shape == SMALL["shape"]
    assert sample.exam.geometry.spacing == SMALL["spacing"]
    assert sample.truth.array.any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"posts": 0}, "1 to 20"),
        ({"posts": 21}, "1 to 20"),
        ({"masses": 5}, "0 to 4"),
        ({"masses": -1}, "0 to 4"),
        ({"side": "both"}, "right or left"),
        ({"curve": "flat"}, "persistent, plateau, washout"),
        ({"radius_mm": (45, 50)}, "does not fit"),
        ({"radius_mm": (9, 4)}, "smallest and a largest"),
        ({"radius_mm": (0, 4)}, "smallest and a largest"),
        ({"noise": -1}, "noise"),
        ({"noise": float("nan")}, "noise"),
        ({"motion_mm": -1}, "motion"),
        ({"seed": -1}, "seed"),
        ({"shape": (0, 3, 3)}, "no voxels"),
        ({"spacing": (1, 0, 1)}, "not positive"),
    ],
)
def test_arguments_out_of_range(arguments, words):
    with pytest.raises(BadInput, match=words) as caught:
        make_dce_exam(**{"seed": 1, **arguments})
    assert "\n" not in caught.value.line
