"""Lesions are numbered as they should be, and their rows hold what the contract says."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.measures.lesions import IN_MM, lesion_labels, measure_shapes
from BreastSegLib.measures.quantities import quantities
from BreastSegLib.volume import Geometry, Volume
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage import measure

masks = arrays(np.uint8, st.tuples(*[st.integers(1, 7)] * 3), elements=st.sampled_from([0, 0, 0, 1, 1, 4]))


@settings(max_examples=80, deadline=None)
@given(masks)
def test_lesions_are_the_components_of_each_value(mask):
    labels, values = lesion_labels(mask)
    assert labels.dtype == np.int32 and labels.shape == mask.shape
    expected, count = measure.label(mask, connectivity=3, return_num=True)  # of equal values, as here
    assert len(values) == count == labels.max()
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == count + (mask == 0).any()  # one to one
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    assert (np.diff(sizes) <= 0).all()
    first = [int(np.flatnonzero(labels == number + 1)[0]) for number in range(count)]
    assert all(a < b for a, b, same in zip(first, first[1:], np.diff(sizes) == 0) if same)
    assert [int(mask[labels == number + 1][0]) for number in range(count)] == values


@settings(max_examples=50, deadline=None)
@given(masks)
def test_segments_stay_whole(mask):
    labels, values = lesion_labels(mask, connected=False)
    assert sorted(values) == sorted(set(np.unique(mask)) - {0})
    for number, value in enumerate(values, start=1):
        np.testing.assert_array_equal(labels == number, mask == value)


def test_one_slice_has_8_neighbours():
    mask = np.zeros((1, 5, 5), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = mask[0, 3, 3] = True
    assert lesion_labels(mask)[1] == [1, 1]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.int64, np.float32])
def test_any_mask_of_whole_numbers_will_do(dtype):
    mask = np.zeros((4, 5, 6), dtype)
    mask[1, 2, 3:5] = 1
    labels, values = lesion_labels(Volume(mask, Geometry(mask.shape)))
    assert labels.sum() == 2 and values == [1]
    assert lesion_labels(np.zeros((4, 5, 6), dtype))[1] == []


@pytest.mark.parametrize("value", [-1, 0.5, np.nan, np.inf, 1e12])
def test_no_other_mask(value):
    with pytest.raises(BadInput):
        lesion_labels(np.full((2, 2, 2), value))
    with pytest.raises(BadInput, match="three axes"):
        lesion_labels(np.ones(3))


# --- rows


def scene():
    """Two lesions in an oblique exam of both breasts, and the chance of each voxel."""
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    shape, spacing = (20, 60, 90), (1.5, 1.2, 2.5)
    middle = turn @ (np.array(shape[::-1]) * spacing / 2)
    geometry = Geometry(shape, spacing, tuple(-middle), tuple(turn.ravel()))
    mask = np.zeros(shape, np.uint8)
    mask[4:9, 20:31, 15:22] = 1
    mask[12:14, 30:34, 70:75] = 1
    rng = np.random.default_rng(0)
    return mask, geometry, rng.random(shape, np.float32)


def test_rows_hold_what_the_contract_says():
    mask, geometry, chance = scene()
    labels, values = lesion_labels(mask)
    rows = measure_shapes(labels, geometry, values, chance=Volume(chance, geometry), names={1: "Mass"})
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    ours = {quantity.key for quantity in quantities("dce")[:12]}
    assert ours == {key for key in rows[0] if key in {quantity.key for quantity in quantities("dce")}}
    assert [row["label"] for row in rows] == [1, 2] and {row["name"] for row in rows} == {"Mass"}
    image = sitk.GetImageFromArray(labels)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    told = sitk.LabelShapeStatisticsImageFilter()
    told.ComputeFeretDiameterOn()
    told.Execute(image)
    for row in rows:
        number = row["label"]
        assert row["voxels"] == told.GetNumberOfPixels(number) and row["value"] == 1
        assert row["volume_mm3"] == pytest.approx(told.GetPhysicalSize(number))
        assert row["longest_mm"] == pytest.approx(told.GetFeretDiameter(number))
        assert row["surface_mm2"] == pytest.approx(told.GetPerimeter(number))
        assert row["sphericity"] == pytest.approx(told.GetRoundness(number))
        np.testing.assert_allclose(row["centroid_lps"], told.GetCentroid(number), atol=1e-9)
        assert row["confidence"] == pytest.approx(chance[labels == number].mean(), abs=1e-6)
        assert row["skin_mm"] is None and row["chest_wall_mm"] is None and row["clock"] == row["quadrant"] == ""
        assert (labels[row["inplane_slice"]] == number).any()
        for ends, length in (("longest", "longest"), ("inplane", "inplane"), ("perpendicular", "perpendicular")):
            one, two = np.array(row[f"{ends}_ends_lps"])
            assert np.linalg.norm(two - one) == pytest.approx(row[f"{length}_mm"])
        for end in row["longest_ends_lps"] + row["inplane_ends_lps"]:
            assert labels[image.TransformPhysicalPointToIndex(end)[::-1]] == number
        along, across = (np.subtract(*row[f"{key}_ends_lps"]) for key in ("inplane", "perpendicular"))
        assert abs(along @ across) < 1e-9 * np.linalg.norm(along) * np.linalg.norm(across) + 1e-9
    assert [row["side"] for row in rows] == ["right", "left"]


def test_without_known_spacing_nothing_is_told_in_mm():
    mask, geometry, chance = scene()
    labels, values = lesion_labels(mask)
    rows = measure_shapes(labels, geometry, values, chance=chance, breast=mask == 0, spacing_known=False)
    for row in rows:
        assert all(row[key] is None for key in (*IN_MM, "sphericity"))
        assert row["side"] == row["clock"] == row["quadrant"] == ""
        assert row["voxels"] and row["confidence"] and row["centroid_lps"]
    assert {quantity.key for quantity in quantities("dce")[:12] if quantity.unit.startswith("mm")} == set(IN_MM)


def test_chances_that_are_no_numbers_give_no_confidence():
    mask, geometry, chance = scene()
    labels, values = lesion_labels(mask)
    chance[12, 30, 70] = np.nan
    one, two = measure_shapes(labels, geometry, values, chance=chance)
    assert one["confidence"] > 0 and two["confidence"] is None


def test_nothing_found_gives_no_rows():
    mask, geometry, chance = scene()
    labels, values = lesion_labels(mask * 0)
    assert measure_shapes(labels, geometry, values, chance=chance, breast=mask == 0) == []


def test_a_lesion_of_one_voxel_and_an_image_of_one_slice():
    mask = np.zeros((1, 9, 9), np.uint8)
    mask[0, 4, 4] = 1
    row = measure_shapes(*lesion_labels(mask)[:1], Geometry(mask.shape, (2, 3, 4)), [1])[0]
    assert row["volume_mm3"] == 24 and row["longest_mm"] == row["inplane_mm"] == row["perpendicular_mm"] == 0
    assert row["surface_mm2"] > 0 and row["longest_ends_lps"] == [[8.0, 12.0, 0.0]] * 2


def test_what_does_not_fit_is_refused():
    mask, geometry, chance = scene()
    labels, values = lesion_labels(mask)
    for wrong in ({"breast": mask[1:] > 0}, {"chance": chance[1:]}):
        with pytest.raises(BadInput, match="differ in shape"):
            measure_shapes(labels, geometry, values, **wrong)
    with pytest.raises(BadInput, match="one label value"):
        measure_shapes(labels, geometry, values[:1])
