"""Left and right of the patient."""

import pytest
from BreastSegLib.measures.side import breast_side
from BreastSegLib.volume import Geometry
from geometry_cases import centred, geometries, signed_permutations
from hypothesis import given, settings


@pytest.mark.parametrize("matrix", signed_permutations(), ids=str)
def test_both_breasts_in_any_order_of_axes(matrix):
    geometry = centred((60, 60, 60), (4.0, 4.0, 4.0), matrix)
    assert breast_side((70, 0, 0), geometry) == "left"
    assert breast_side((-70, 0, 0), geometry) == "right"


def test_one_breast_in_view():
    assert breast_side((80, 0, 0), Geometry((9, 9, 100), origin=(10, 0, 0))) == "left"
    assert breast_side((-80, 0, 0), Geometry((9, 9, 100), origin=(-120, 0, 0))) == "right"


def test_unknown_when_the_midplane_is_a_guess():
    """One breast imaged with x = 0 just inside the field of view: the coil was off centre, so x = 0 says nothing."""
    geometry = Geometry((9, 9, 100), origin=(-10, 0, 0))
    assert breast_side((-5, 0, 0), geometry) == ""
    assert breast_side((60, 0, 0), geometry) == ""


@settings(max_examples=40, deadline=None)
@given(geometries())
def test_never_another_answer(geometry):
    for corner in geometry.corners():
        assert breast_side(corner, geometry) in ("left", "right", "")
