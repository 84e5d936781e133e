"""Lesions of mammograms: known shapes, the nipple, pixels without a size, and the hint that joins two views."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mammograms.upright import geometry_of
from BreastSegLib.exam.mammograms.view import View
from BreastSegLib.measures.matching import TOLERANCE_MM, match_views
from BreastSegLib.measures.quantities import quantities
from BreastSegLib.measures.views import measure_view, view_nipple
from BreastSegLib.recipe.mammography.breast import find_breast
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegLib.volume import Geometry, Volume

SIZE, SPACING = (420, 300), (0.3, 0.25)  # rows, columns; along x, y
NIPPLE = (221.0, 180.0)  # j, i: where the half ellipse below ends


def half_ellipse(size=SIZE):
    """Return a breast on the left edge: an ellipse about row 221 that reaches column 180."""
    j, i = np.ogrid[: size[0], : size[1]]
    return ((j - NIPPLE[0]) / 170) ** 2 + (i / (NIPPLE[1] + 0.49)) ** 2 <= 1


def two_lesions():
    mask = np.zeros((1, *SIZE), np.uint8)
    mask[0, 200:241, 60:101] = 2
    mask[0, 300:311, 40] = 1
    return mask


def test_rows_hold_what_the_contract_says():
    mask, view = two_lesions(), View("L", "CC", spacing=SPACING)
    geometry = geometry_of(SIZE, SPACING, 0)
    chance = np.random.default_rng(1).random(mask.shape, np.float32)
    rows = measure_view(
        Volume(mask, geometry), geometry, view, 3, breast=half_ellipse(), chance=chance, names={2: "A"}
    )
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert all(set(row) >= {quantity.key for quantity in quantities("mammograms")} for row in rows)
    large, small = rows
    assert [(row["label"], row["value"], row["name"]) for row in rows] == [(1, 2, "A"), (2, 1, "")]
    assert (large["view"], large["side"], large["view_index"], large["same_as"]) == ("LCC", "left", 3, [])
    assert large["area_mm2"] == pytest.approx(41 * 41 * 0.3 * 0.25) and large["pixels"] == 41 * 41
    assert large["longest_mm"] == pytest.approx(np.hypot(40 * 0.3, 40 * 0.25))
    assert large["longest_px"] == pytest.approx(np.hypot(40, 40))
    assert small["longest_mm"] == pytest.approx(10 * 0.25) and small["perpendicular_mm"] == 0
    assert large["centroid_px"] == [80, 220] and large["confidence"] == pytest.approx(chance[mask == 2].mean())
    assert large["nipple_mm"] == pytest.approx(np.hypot((180 - 80) * 0.3, 0.25), abs=0.01)
    image = Volume(mask, geometry).to_sitk()
    np.testing.assert_allclose(large["centroid_lps"], image.TransformIndexToPhysicalPoint((80, 220, 0)))
    for row in rows:
        for key in ("longest", "perpendicular"):
            length = np.linalg.norm(np.subtract(*row[f"{key}_ends_lps"]))
            assert length == pytest.approx(row[f"{key}_mm"])
        for end in row["longest_ends_lps"]:
            assert image[image.TransformPhysicalPointToIndex(end)] == row["value"]


def test_a_disc_is_as_wide_as_it_is():
    radius, spacing = 9.0, (0.1, 0.1)
    size = (260, 240)
    j, i = np.ogrid[: size[0], : size[1]]
    mask = (((j - 131.3) ** 2 + (i - 118.6) ** 2) * 0.01 <= radius**2)[None]
    row = measure_view(mask, geometry_of(size, spacing, 0), View("R", "MLO", spacing=spacing), 0)[0]
    assert row["area_mm2"] == pytest.approx(np.pi * radius**2, rel=0.01)
    assert row["longest_mm"] == pytest.approx(2 * radius, rel=0.01)
    assert row["perpendicular_mm"] == pytest.approx(2 * radius, rel=0.01) and row["side"] == "right"
    told = sitk.LabelShapeStatisticsImageFilter()
    told.ComputeFeretDiameterOn()
    image = sitk.GetImageFromArray(mask[0].astype(np.uint8))
    image.SetSpacing(spacing)
    told.Execute(image)
    assert row["longest_mm"] == pytest.approx(told.GetFeretDiameter(1))


def test_without_a_pixel_size_there_is_nothing_in_mm():
    view = View("L", "CC")
    rows = measure_view(two_lesions(), geometry_of(SIZE, (1, 1), 0), view, 0, breast=half_ellipse())
    for row in rows:
        assert [row[key] for key in ("area_mm2", "longest_mm", "perpendicular_mm", "nipple_mm")] == [None] * 4
    assert rows[0]["longest_px"] == pytest.approx(40 * np.sqrt(2)) and rows[0]["pixels"] == 41 * 41
    # What a made-up pixel size says plays no part.
    other = measure_view(two_lesions(), geometry_of(SIZE, (3, 1), 0), view, 0)
    assert other[0]["longest_px"] == rows[0]["longest_px"]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_nipple_however_the_image_is_stored(turn, mirrored):
    breast, point = half_ellipse(), np.zeros(SIZE, bool)
    point[int(NIPPLE[0]), int(NIPPLE[1])] = True
    if mirrored:
        breast, point = breast[:, ::-1], point[:, ::-1]
    # `turn` is what brings the stored image upright, clockwise; it was stored turned the other way.
    stored, point = (np.rot90(array, turn // 90) for array in (breast, point))
    spacing = (0.25, 0.3) if turn % 180 == 0 else (0.3, 0.25)
    np.testing.assert_allclose(view_nipple(stored, spacing, turn), np.argwhere(point)[0], atol=0.51)


def no_wall():
    return np.ones(SIZE, bool)


def floating():
    breast = half_ellipse()
    return np.concatenate([breast[:, 150::-1], breast[:, :150]], axis=1)


def cut_at_the_side():
    return half_ellipse()[:, :170]


def cut_at_the_top():
    return half_ellipse()[222:]


@pytest.mark.parametrize("make", [no_wall, floating, cut_at_the_side, cut_at_the_top])
def test_no_nipple_where_it_is_not_clear(make):
    assert view_nipple(make(), (0.25, 0.3)) is None
    assert view_nipple(None, (1, 1)) is None and view_nipple(np.zeros((5, 5), bool), (1, 1)) is None


@pytest.mark.parametrize(("laterality", "position"), [("L", "CC"), ("R", "CC"), ("L", "MLO"), ("R", "MLO")])
def test_synthetic_mammograms(laterality, position):
    made = make_mammogram(5, laterality, position, size=(832, 640))
    spacing = (made.spacing_mm,) * 2
    true = view_nipple(made.breast, spacing)
    found = find_breast(made.display.astype(np.float32))
    assert np.linalg.norm(view_nipple(found.mask, spacing) - true) * made.spacing_mm < 3
    view = View(laterality, position, spacing=spacing)
    rows = measure_view(made.truth[None], geometry_of(made.truth.shape, spacing, 0), view, 0, breast=found.mask)
    assert len(rows) == 1
    centre = np.argwhere(made.truth).mean(axis=0)
    assert rows[0]["nipple_mm"] == pytest.approx(np.linalg.norm(centre - true) * made.spacing_mm, abs=3)


def test_what_does_not_fit_is_refused():
    geometry, view = geometry_of(SIZE, SPACING, 0), View("L", "CC", spacing=SPACING)
    with pytest.raises(BadInput, match="differ in shape"):
        measure_view(np.zeros((1, 4, 4), np.uint8), geometry, view, 0)
    with pytest.raises(BadInput, match="one slice"):
        measure_view(np.zeros((2, 4, 4), np.uint8), Geometry((2, 4, 4)), view, 0)


# --- the hint

VIEWS = [
    View("R", "CC"),
    View("L", "CC"),
    View("R", "MLO"),
    View("L", "MLO"),
    View("L", "CC", repeat=2),
    View("", "CC"),
]


def row(view_index, label, nipple_mm):
    return {"view_index": view_index, "label": label, "nipple_mm": nipple_mm, "same_as": []}


def test_lesions_at_a_like_distance_may_be_the_same():
    rows = [row(1, 1, 40.0), row(1, 2, 80.0), row(3, 1, 70.0), row(3, 2, 42.0), row(3, 3, 48.0), row(2, 1, 40.0)]
    before = [dict(r) for r in rows]
    found = [r["same_as"] for r in match_views(rows, VIEWS)]
    assert rows == before
    # The most alike comes first; the other breast never.
    assert found == [[["LMLO", 2], ["LMLO", 3]], [["LMLO", 1]], [["LCC", 2]], [["LCC", 1]], [["LCC", 1]], []]


def test_the_hint_goes_both_ways():
    rng = np.random.default_rng(2)
    rows = [row(index, label, float(rng.uniform(10, 90))) for index in range(5) for label in range(1, 4)]
    found = match_views(rows, VIEWS)
    pairs = {((VIEWS[r["view_index"]].name, r["label"]), tuple(other)) for r in found for other in r["same_as"]}
    assert pairs and pairs == {(two, one) for one, two in pairs}
    assert all(one[0][:1] == two[0][:1] and ("CC" in one[0]) != ("CC" in two[0]) for one, two in pairs)


def test_what_is_not_known_is_not_compared():
    assert [r["same_as"] for r in match_views([row(1, 1, None), row(3, 1, 30.0), row(5, 1, 30.0)], VIEWS)] == [[]] * 3
    edge = [row(1, 1, 30.0), row(3, 1, 30.0 + TOLERANCE_MM), row(3, 2, 30.1 + TOLERANCE_MM)]
    assert match_views(edge, VIEWS)[0]["same_as"] == [["LMLO", 1]]
