"""Erosion and dilation of masks in a few passes, against scipy's iterated operations."""

from functools import partial

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe.mammography import morphology
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

STRUCTURES = {"cross": ndimage.generate_binary_structure(2, 1), "square": np.ones((3, 3), bool)}
PAIRS = {
    "erode": (morphology.erode, ndimage.binary_erosion),
    "erode, tissue outside": (
        partial(morphology.erode, outside=True),
        partial(ndimage.binary_erosion, border_value=1),
    ),
    "dilate": (morphology.dilate, ndimage.binary_dilation),
}

shapes = st.tuples(st.integers(1, 32), st.integers(1, 32))


@st.composite
def masks(draw):
    """Return a mask: anything, nearly full, nearly empty, or with all its edges set."""
    shape = draw(shapes)
    kind = draw(st.sampled_from(["any", "nearly full", "nearly empty", "framed"]))
    if kind in ("any", "framed"):
        mask = draw(hnp.arrays(bool, shape))
        if kind == "framed":
            mask[[0, -1]] = True
            mask[:, [0, -1]] = True
        return mask
    mask = np.full(shape, kind == "nearly full")
    for _ in range(draw(st.integers(0, 4))):
        mask[draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))] ^= True
    return mask


@pytest.mark.parametrize("element", sorted(STRUCTURES))
@pytest.mark.parametrize("name", sorted(PAIRS))
@settings(max_examples=150, deadline=None)
@given(mask=masks(), iterations=st.integers(1, 20))
def test_the_result_equals_scipys_iterated_operation(name, element, mask, iterations):
    ours, scipys = PAIRS[name]
    before = mask.copy()
    result = ours(mask, iterations, element)
    assert result.dtype == bool
    np.testing.assert_array_equal(result, scipys(mask, STRUCTURES[element], iterations=iterations))
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize("element", sorted(STRUCTURES))
@pytest.mark.parametrize("name", sorted(PAIRS))
def test_a_hundred_iterations_equal_scipys_on_a_frame_with_a_breast_at_three_edges(name, element):
    rows, columns = np.ogrid[:420, :500]
    mask = ((rows - 200) / 230) ** 2 + (columns / 430) ** 2 < 1
    mask[150:153, 200] = False
    ours, scipys = PAIRS[name]
    expected = scipys(mask, STRUCTURES[element], iterations=100)
    assert expected.any() and not np.array_equal(expected, mask)
    np.testing.assert_array_equal(ours(mask, 100, element), expected)


@given(mask=masks(), iterations=st.integers(1, 12), fewer=st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_a_closing_between_an_erosion_and_as_many_dilations_changes_nothing(mask, iterations, fewer):
    """`find_breast` leaves it out; scipy says that it may."""
    cross = STRUCTURES["cross"]
    core = ndimage.binary_erosion(mask, cross, iterations=iterations)
    closed = ndimage.binary_closing(core, cross, iterations=min(fewer, iterations))
    np.testing.assert_array_equal(
        ndimage.binary_dilation(closed, cross, iterations=iterations),
        ndimage.binary_dilation(core, cross, iterations=iterations),
    )


def test_one_pixel_becomes_the_diamond_or_the_square_drawn_by_hand():
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True
    diamond = ["..#..", ".###.", "#####", ".###.", "..#.."]
    expected = np.array([[dot == "#" for dot in row] for row in diamond])
    np.testing.assert_array_equal(morphology.dilate(mask, 2, "cross"), expected)
    assert morphology.dilate(mask, 2, "square").all()
    assert morphology.erode(np.ones((5, 5), bool), 2, "cross").sum() == 1


def test_no_iterations_and_an_empty_mask_leave_all_as_it_is():
    mask = np.eye(4, dtype=bool)
    for function in (morphology.erode, morphology.dilate):
        result = function(mask, 0)
        np.testing.assert_array_equal(result, mask)
        assert not np.shares_memory(result, mask)
        assert not function(np.zeros((3, 7), bool), 5, "square").any()


@pytest.mark.parametrize(
    ("mask", "iterations", "element", "words"),
    [
        (np.zeros((2, 2, 2), bool), 1, "cross", "two axes"),
        (np.zeros((2, 2), bool), -1, "cross", "0 or more"),
        (np.zeros((2, 2), bool), 1.5, "cross", "whole number"),
        (np.zeros((2, 2), bool), 1, "disk", "cross, square"),
    ],
)
def test_wrong_arguments_are_named(mask, iterations, element, words):
    with pytest.raises(BadInput, match=words):
        morphology.erode(mask, iterations, element)
