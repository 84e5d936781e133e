"""Geometric operations, one by one: examples calculated by hand, their way back, and where the voxels lie."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import ops
from BreastSegLib.volume import Geometry, Volume
from geometry_cases import geometries, named_matrices
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_cases import places, record_of

FIVE = np.arange(25).reshape(1, 5, 5)


def crop(low, high, shape=(1, 5, 5)):
    return {"op": "crop", "low": list(low), "high": list(high), "shape": list(shape)}


def flip(axis, shape=(1, 5, 5)):
    return {"op": "flip", "axis": axis, "shape": list(shape)}


def resize(before, after):
    return {"op": "resize", "from": list(before), "to": list(after)}


# --- 5 × 5 by hand ---------------------------------------------------------------------------------------------------


def test_crop_by_hand():
    op = crop((0, 1, 2), (1, 3, 5))
    part = ops.forward(op, FIVE)
    np.testing.assert_array_equal(part, [[[7, 8, 9], [12, 13, 14]]])
    back = ops.undo(op, part)
    expected = np.zeros((5, 5), int)
    expected[1:3, 2:] = [[7, 8, 9], [12, 13, 14]]
    np.testing.assert_array_equal(back[0], expected)


def test_a_crop_beyond_the_image_is_padded_by_hand():
    op = crop((0, -1, 3), (1, 2, 7))
    part = ops.forward(op, FIVE, fill=-5)
    np.testing.assert_array_equal(part[0], [[-5, -5, -5, -5], [3, 4, -5, -5], [8, 9, -5, -5]])
    np.testing.assert_array_equal(ops.labels_forward(op, FIVE)[0], [[0, 0, 0, 0], [3, 4, 0, 0], [8, 9, 0, 0]])
    back = ops.undo(op, np.full((1, 3, 4), 6))
    expected = np.zeros((5, 5), int)
    expected[:2, 3:] = 6
    np.testing.assert_array_equal(back[0], expected)


def test_flip_by_hand():
    np.testing.assert_array_equal(ops.forward(flip(2), FIVE)[0, 0], [4, 3, 2, 1, 0])
    np.testing.assert_array_equal(ops.forward(flip(1), FIVE)[0, :, 0], [20, 15, 10, 5, 0])
    np.testing.assert_array_equal(ops.undo(flip(2), ops.forward(flip(2), FIVE)), FIVE)


def test_blank_slices_by_hand():
    array = np.arange(4)[:, None, None] * np.ones((1, 2, 2), int)
    op = {"op": "slices", "kept": [1, 3], "shape": [4, 2, 2]}
    kept = ops.forward(op, array)
    np.testing.assert_array_equal(kept[:, 0, 0], [1, 3])
    np.testing.assert_array_equal(ops.undo(op, kept)[:, 0, 0], [0, 1, 0, 3])


def test_resize_to_larger_pixels_by_hand():
    """Five pixels to two: each new one is 2.5 wide, so half of the middle one belongs to each."""
    op = resize((1, 1, 5), (1, 1, 2))
    for drawn, expected in (
        ([1, 1, 0, 0, 0], [1, 0]),  # 2 of 2.5
        ([1, 0, 0, 0, 0], [0, 0]),  # 1 of 2.5
        ([1, 0, 1, 0, 0], [1, 0]),  # 1.5 of 2.5, and 0.5 of 2.5
        ([0, 0, 1, 0, 0], [0, 0]),
        ([0, 0, 1, 1, 0], [0, 1]),
    ):
        np.testing.assert_array_equal(ops.labels_forward(op, np.array([[drawn]]))[0, 0], expected)
        shares = ops.labels_forward(op, np.array([[drawn]], np.float32))[0, 0]
        by_hand = [(drawn[0] + drawn[1] + drawn[2] / 2) / 2.5, (drawn[2] / 2 + drawn[3] + drawn[4]) / 2.5]
        np.testing.assert_allclose(shares, by_hand, atol=1e-6)


def test_resize_to_smaller_pixels_by_hand():
    """Two pixels to five: each takes the nearest, and all come back."""
    op = resize((1, 1, 2), (1, 1, 5))
    large = ops.labels_forward(op, np.array([[[4, 9]]]))
    np.testing.assert_array_equal(large[0, 0][[0, 1, 3, 4]], [4, 4, 9, 9])
    np.testing.assert_array_equal(ops.undo(op, large), [[[4, 9]]])


def test_resize_back_by_hand():
    """Half of an edge pixel's value is reached halfway between the pixel centres: labels end there."""
    op = resize((1, 1, 8), (1, 1, 4))
    np.testing.assert_array_equal(ops.undo(op, np.array([[[0, 1, 1, 0]]]))[0, 0], [0, 0, 1, 1, 1, 1, 0, 0])


# --- where the voxels lie --------------------------------------------------------------------------------------------


@st.composite
def operations(draw, shape, kinds=("crop", "flip", "slices", "resize")):
    """Draw an operation on an array of a shape."""
    kind = draw(st.sampled_from(kinds))
    if kind == "flip":
        return flip(draw(st.integers(0, 2)), shape)
    if kind == "slices":
        kept = draw(st.integers(1, shape[0]))
        first = draw(st.integers(0, shape[0] - kept))
        return {"op": "slices", "kept": list(range(first, first + kept)), "shape": list(shape)}
    if kind == "resize":
        return resize(shape, (shape[0], draw(st.integers(1, 12)), draw(st.integers(1, 12))))
    low = [draw(st.integers(-3, n - 1)) for n in shape]
    high = [draw(st.integers(max(first, 0) + 1, n + 3)) for first, n in zip(low, shape)]
    return crop(low, high, shape)


@settings(max_examples=150, deadline=None)
@given(st.data(), geometries((2, 8)))
def test_no_voxel_moves_in_the_patient(data, geometry):
    """Coordinates written into an image arrive at the voxels that the new grid has there."""
    op = data.draw(operations(geometry.shape, ("crop", "flip", "slices")))
    after = ops.geometry_after(op, geometry)
    for axis in range(3):
        moved = ops.forward(op, places(geometry)[..., axis], fill=np.nan)
        assert moved.shape == after.shape
        inside = np.isfinite(moved)
        np.testing.assert_allclose(moved[inside], places(after)[..., axis][inside], atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.data(), geometries((1, 9)))
def test_a_resize_fills_the_same_box(data, geometry):
    op = data.draw(operations(geometry.shape, ("resize",)))
    after = ops.geometry_after(op, geometry)
    np.testing.assert_allclose(after.extent, geometry.extent)
    corners = []
    for grid in (geometry, after):
        image = sitk.Image(grid.shape[::-1], sitk.sitkUInt8)
        image.SetSpacing(grid.spacing)
        image.SetOrigin(grid.origin)
        image.SetDirection(grid.direction)
        corners.append([image.TransformContinuousIndexToPhysicalPoint([-0.5] * 3)])
        corners[-1].append(image.TransformContinuousIndexToPhysicalPoint([n - 0.5 for n in image.GetSize()]))
    np.testing.assert_allclose(corners[0], corners[1], atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.tuples(*[st.integers(1, 8)] * 3), st.sampled_from([np.uint8, np.int16, bool, np.float32]))
def test_what_was_kept_comes_back(data, shape, dtype):
    op = data.draw(operations(shape, ("crop", "flip", "slices")))
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    back = ops.undo(op, ops.labels_forward(op, array))
    kept = ops.undo(op, np.ones(ops.shapes_of(op)[1], np.uint8)) > 0
    assert back.dtype == dtype
    np.testing.assert_array_equal(back[kept], array[kept])
    assert not back[~kept].any()


@settings(max_examples=60, deadline=None)
@given(st.data(), st.tuples(*[st.integers(1, 9)] * 3))
def test_a_resize_to_more_pixels_loses_nothing(data, shape):
    op = resize(shape, (shape[0], *(n + data.draw(st.integers(0, 9)) for n in shape[1:])))
    labels = np.random.default_rng(1).integers(0, 4, shape)
    np.testing.assert_array_equal(ops.undo(op, ops.labels_forward(op, labels)), labels)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(4, 12), st.integers(4, 12))
def test_boxes_follow_their_pixels(data, rows, columns):
    image = np.zeros((1, rows, columns), int)
    x0, y0 = data.draw(st.integers(0, columns - 1)), data.draw(st.integers(0, rows - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, columns)), data.draw(st.integers(y0 + 1, rows))
    image[0, y0:y1, x0:x1] = 1
    box, shape = (x0, y0, x1, y1), image.shape
    for _ in range(3):
        wide = crop((0, -2, -1), (1, shape[1] + 1, shape[2] + 3), shape)
        op = data.draw(st.sampled_from([wide, flip(1, shape), flip(2, shape)]))
        image, box, shape = ops.forward(op, image, 0), ops.box_after(op, box), ops.shapes_of(op)[1]
    filled = np.argwhere(image[0])
    assert box == (*filled.min(0)[::-1], *(filled.max(0)[::-1] + 1))


def test_a_box_does_not_follow_a_resize():
    with pytest.raises(BadInput, match="before the image is resized"):
        ops.box_after(resize((1, 5, 5), (1, 3, 3)), (0, 0, 2, 2))


@pytest.mark.parametrize("name", sorted(named_matrices()))
def test_simpleitk_agrees_on_crop_and_flip(name):
    geometry = Geometry((4, 5, 6), (0.7, 1.3, 2.1), (3, -8, 12), tuple(named_matrices()[name].ravel()))
    image = Volume(np.arange(120.0).reshape(4, 5, 6), geometry).to_sitk()
    part = sitk.RegionOfInterest(image, [3, 2, 2], [2, 1, 1])
    op = crop((1, 1, 2), (3, 3, 5), (4, 5, 6))
    np.testing.assert_array_equal(ops.forward(op, sitk.GetArrayFromImage(image)), sitk.GetArrayFromImage(part))
    after = ops.geometry_after(op, geometry)
    np.testing.assert_allclose(after.origin, part.GetOrigin(), atol=1e-9)
    turned = sitk.Flip(image, [True, False, False])
    op = flip(2, (4, 5, 6))
    np.testing.assert_array_equal(ops.forward(op, sitk.GetArrayFromImage(image)), sitk.GetArrayFromImage(turned))
    after = ops.geometry_after(op, geometry)
    np.testing.assert_allclose(after.origin, turned.GetOrigin(), atol=1e-9)
    np.testing.assert_allclose(after.direction, turned.GetDirection(), atol=1e-9)


# --- operations that are none ----------------------------------------------------------------------------------------


def good_operations():
    return [
        crop((0, 1, 1), (1, 4, 4)),
        flip(2),
        {"op": "slices", "kept": [0], "shape": [1, 5, 5]},
        resize((1, 5, 5), (1, 3, 3)),
        record_of(Geometry((4, 5, 6), (1.2, 0.8, 2)))["undo"][0],
    ]


@pytest.mark.parametrize("op", good_operations(), ids=lambda op: op["op"])
def test_operations_survive_json(op):
    shapes = ops.shapes_of(json.loads(json.dumps(op)))
    assert shapes == ops.shapes_of(op)
    assert all(len(shape) == 3 for shape in shapes)


@pytest.mark.parametrize("op", [None, 3, "flip", [], {}, {"op": None}, {"op": ["flip"]}, {"op": "turn"}], ids=str)
def test_unknown_operations_are_answered_with_the_known(op):
    with pytest.raises(BadInput, match="unknown operation.*resample, crop, flip, slices, resize"):
        ops.shapes_of(op)


WRONG = [
    crop((0, 3, 0), (1, 3, 5)),
    crop((0, 4, 0), (1, 2, 5)),
    crop((0, 0), (1, 2)),
    crop((0, 0, 0.5), (1, 2, 3)),
    crop((0, 0, 0), (1, 2, 10**9)),
    crop((0, 0, 0), (1, 2, True)),
    crop((0, 0, 0), "125"),
    flip(3),
    flip(-1),
    flip(True),
    flip("2"),
    flip(2, (0, 5, 5)),
    flip(2, (5, 5)),
    flip(2, (10**6, 10**6, 10**6)),
    {"op": "flip", "axis": 2},
    {"op": "slices", "kept": [], "shape": [4, 2, 2]},
    {"op": "slices", "kept": [0, 4], "shape": [4, 2, 2]},
    {"op": "slices", "kept": [-1], "shape": [4, 2, 2]},
    {"op": "slices", "kept": [1, 1], "shape": [4, 2, 2]},
    {"op": "slices", "kept": [2, 1], "shape": [4, 2, 2]},
    {"op": "slices", "kept": [0.0], "shape": [4, 2, 2]},
    {"op": "slices", "kept": {"0": 1}, "shape": [4, 2, 2]},
    resize((1, 5, 5), (2, 3, 3)),
    resize((1, 5, 5), (1, 0, 3)),
    resize((1, 5, 5), (1, 10**5, 10**5)),
    {"op": "resize", "from": [1, 5, 5]},
    {"op": "resample", "from": None, "to": None},
    {"op": "resample", "from": {}, "to": {}},
]


@pytest.mark.parametrize("op", WRONG, ids=str)
def test_damaged_operations_are_refused(op):
    with pytest.raises(BadInput, match="damaged") as caught:
        ops.shapes_of(op)
    assert "\n" not in caught.value.line


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spacing", [0, 1, 1]),
        ("spacing", [-1, 1, 1]),
        ("spacing", [1e-9, 1, 1]),
        ("spacing", [1e9, 1, 1]),
        ("spacing", [float("nan"), 1, 1]),
        ("spacing", [1, 1]),
        ("shape", [0, 1, 1]),
        ("shape", [-1, 1, 1]),
        ("shape", [10**5, 10**5, 10**5]),
        ("shape", [float("inf"), 1, 1]),
        ("shape", "abc"),
        ("origin", [None, 0, 0]),
        ("origin", [float("inf"), 0, 0]),
        ("origin", [10**400, 0, 0]),
        ("direction", [0] * 9),
        ("direction", [1, 0, 0]),
        ("direction", 5),
    ],
    ids=str,
)
def test_grids_that_no_image_has(field, value):
    good = Geometry((3, 4, 5)).to_json()
    assert ops.read_geometry(good) == Geometry((3, 4, 5))
    with pytest.raises(BadInput) as caught:
        ops.read_geometry({**good, field: value})
    assert "\n" not in caught.value.line


def test_a_box_beside_the_image():
    with pytest.raises(BadInput, match="outside the image"):
        ops.forward(crop((0, 7, 0), (1, 9, 3)), FIVE)
    with pytest.raises(BadInput, match="outside the image"):
        ops.undo(crop((0, 0, -4), (1, 3, 0)), np.ones((1, 3, 4)))


@pytest.mark.parametrize("op", good_operations(), ids=lambda op: op["op"])
def test_a_mask_of_another_shape_does_not_come_back(op):
    with pytest.raises(BadInput, match="not lie on the prepared grid"):
        ops.undo(op, np.ones((2, 2, 2), np.uint8))
