"""Functional tumour volume: each condition of M6 by itself, and against a loop over voxels."""

import numpy as np
import pytest
from BreastSegLib.measures.ftv import functional_voxels
from BreastSegLib.measures.kinetics import measure_kinetics
from BreastSegLib.measures.neighbourhood import sum27
from BreastSegLib.measures.settings import Settings
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kinetics_cases import exam_of, functional_by_loops
from scipy import ndimage

TIMES = [-60.0, 0.0, 150.0, 450.0]


def block(shape=(5, 6, 7), pre=100.0, early=200.0, late=180.0):
    """Return three constant arrays."""
    return [np.full(shape, value, np.float32) for value in (pre, early, late)]


def counted(pre, early, late, region=None, **changes):
    region = np.ones(pre.shape, bool) if region is None else region
    return functional_voxels(pre, early, late, region, Settings(**changes))


def test_a_solid_block_counts_whole():
    assert counted(*block()).all()


@pytest.mark.parametrize("early, inside", [(170, True), (169.9, False)])
def test_enhancement_threshold(early, inside):
    assert counted(*block(early=early)).any() == inside
    assert counted(*block(early=early), pe_threshold_pct=69).all()


def test_background_threshold():
    pre, early, late = block()
    pre[2:, :, :], early[2:], late[2:] = 59.0, 150.0, 140.0  # below 0.6 × 100
    # Two of five slices are bright, so the 95th percentile is theirs.
    found = counted(pre, early, late)
    assert found[:2].all() and not found[2:].any()
    pre[2:] = 60.0
    assert counted(pre, early, late).all()
    pre[2:] = 59.0
    assert counted(pre, early, late, background_fraction=0.5).all()
    assert counted(pre, early, late, background_percentile=50).all()


def test_lonely_voxels_do_not_count():
    pre, early, late = block(early=100)
    early[2, 2:4, 2:4] = 200  # a square of four: each has three neighbours
    assert not counted(pre, early, late).any()
    assert counted(pre, early, late, min_neighbours=3).sum() == 4
    early[3, 2, 2] = 200
    # The fifth has four neighbours below it, and each of them gets a fourth.
    assert counted(pre, early, late).sum() == 5


def test_neighbours_outside_the_region_do_not_count():
    region = np.zeros((5, 6, 7), bool)
    region[0, :2, :2] = True
    assert not counted(*block(), region).any()
    region[1, 0, 0] = True
    np.testing.assert_array_equal(counted(*block(), region), region)


def test_neighbours_need_no_ratio():
    pre, early, late = block(early=100)
    early[2, 2:4, 2:4] = early[3, 2, 2] = 200
    late[2, 2, 2] = 90.0
    # The voxel without a ratio is a neighbour all the same, but does not count itself.
    assert counted(pre, early, late).sum() == 4


@pytest.mark.parametrize("late, ratio", [(100, None), (99, None), (150, 2.0), (200, 1.0), (300, 0.5)])
def test_ratio_threshold(late, ratio):
    for least in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
        found = counted(*block(late=late), ser_min=least)
        assert found.all() == found.any() == (ratio is not None and ratio >= least)


@pytest.mark.parametrize("value", [0.0, -10.0, np.nan, np.inf, -np.inf])
def test_odd_values_never_count(value):
    for index in range(3):
        arrays = block()
        arrays[index][2, 3, 3] = value
        found = counted(*arrays)
        assert not found[2, 3, 3] and found.sum() == found.size - 1
        arrays[index][:] = value
        assert not counted(*arrays).any()


def test_empty_region():
    assert not counted(*block(), np.zeros((5, 6, 7), bool)).any()


def test_sums_of_neighbourhoods_are_those_of_a_filter():
    rng = np.random.default_rng(0)
    for shape in ((5, 6, 7), (1, 4, 4), (2, 1, 3), (1, 1, 1)):
        mask = rng.random(shape) < 0.6
        expected = ndimage.convolve(mask.astype(int), np.ones((3, 3, 3), int), mode="constant")
        np.testing.assert_array_equal(sum27(mask.view(np.uint8)), expected)


SIGNAL = st.sampled_from([0, 40, 60, 100, 120, 170, 200, 240, 400])


@settings(max_examples=150, deadline=None)
@given(
    st.data(),
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=4),
    st.sampled_from([1, 70, 100]),
    st.sampled_from([0.0, 0.6, 1.0]),
    st.integers(0, 8),
    st.sampled_from([0.0, 0.5, 1.0]),
)
@example(None, (3, 3, 3), 70, 0.6, 4, 0.0)
def test_agrees_with_a_loop_over_voxels(data, shape, enhancement, background, neighbours, ratio):
    if data is None:
        arrays, region = [np.full(shape, value, np.float32) for value in (100, 170, 100)], np.ones(shape, bool)
    else:
        arrays = [data.draw(hnp.arrays(np.float32, shape, elements=SIGNAL)) for _ in range(3)]
        region = data.draw(hnp.arrays(bool, shape))
    changed = Settings(
        pe_threshold_pct=enhancement, background_fraction=background, min_neighbours=neighbours, ser_min=ratio
    )
    expected = functional_by_loops(*arrays, region, changed) if region.any() else region
    np.testing.assert_array_equal(functional_voxels(*arrays, region, changed), expected)


def two_lesions(gap):
    """Return an exam with two enhancing blocks of 4 × 4 × 4 voxels of 2 × 1 × 1 mm, `gap` voxels apart, and labels."""
    labels = np.zeros((12, 14, 30), np.int32)
    labels[4:8, 5:9, 5:9] = 1
    labels[4:8, 5:9, 9 + gap : 13 + gap] = 2
    post = np.where(labels > 0, 250, 105)
    return exam_of([np.full(labels.shape, 100), post, post, post], TIMES, spacing=(1, 1, 2)), labels


def volumes(exam, labels, region=None, **changes):
    rows, _, notes = measure_kinetics(exam, labels, Settings(**changes), region=region)
    return [row["ftv_mm3"] for row in rows], notes


@pytest.mark.parametrize("gap", [2, 12])
def test_volume_of_each_lesion_in_mm3(gap):
    # The boxes overlap or not: each lesion's voxels count for it.
    assert volumes(*two_lesions(gap))[0] == [128.0, 128.0]


def test_region_reaches_beyond_the_lesion_by_the_margin():
    exam, labels = two_lesions(12)
    tip = labels.copy()
    tip[:, :, 7:] = 0  # half of the first block is marked
    assert volumes(exam, tip, region_margin_mm=0)[0] == [64.0]
    assert volumes(exam, tip, region_margin_mm=1)[0] == [96.0]  # one voxel more along x, none (0.5) along z
    assert volumes(exam, tip)[0] == [128.0]
    assert volumes(exam, tip, region=labels == 1)[0] == [128.0]
    assert volumes(exam, tip, region=tip == 1)[0] == [64.0]
    tail = labels.copy()
    tail[:, :, :7] = tail[:, :, 9:] = 0
    assert volumes(exam, tail, region_margin_mm=1)[0] == [96.0]


def test_region_ends_at_the_edge_of_the_image():
    labels = np.zeros((5, 6, 7), np.int32)
    labels[:2, :2, :2] = 1
    images = [np.full(labels.shape, value) for value in (100, 250, 250, 250)]
    assert volumes(exam_of(images, TIMES), labels, region_margin_mm=2)[0] == [4.0 * 4 * 4]
    assert volumes(exam_of(images, TIMES), labels, region_margin_mm=100)[0] == [5.0 * 6 * 7]


def test_a_voxel_counts_once():
    exam, labels = two_lesions(4)
    bridged = [volume.array.copy() for volume in exam.volumes]
    for array in bridged[1:]:
        array[4:8, 5:9, 9:13] = 250  # between both, in both boxes
    exam = exam_of(bridged, TIMES, spacing=(1, 1, 2))
    found = volumes(exam, labels)[0]
    assert found == [256.0, 128.0] and sum(found) == (bridged[1] == 250).sum() * 2


def test_unknown_voxel_size_gives_no_volume():
    exam, labels = two_lesions(4)
    unknown = exam_of([v.array for v in exam.volumes], TIMES, spacing_known=False)
    assert volumes(unknown, labels)[0] == [None, None]


def test_dark_lesions_in_bright_fat_are_said():
    exam, labels = two_lesions(12)
    arrays = [volume.array.copy() for volume in exam.volumes]
    for array in arrays:
        array[labels != 1] += 150
    exam = exam_of(arrays, TIMES, spacing=(1, 1, 2))
    found, notes = volumes(exam, (labels == 1).astype(np.int32))
    assert found == [0.0] and any(note.startswith("100 % of the voxels of lesion 1 that enhance") for note in notes)
    found, notes = volumes(exam, (labels == 1).astype(np.int32), background_fraction=0.3)
    assert found == [128.0] and not any("that enhance" in note for note in notes)
