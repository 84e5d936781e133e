"""Outlines of INbreast: rasterised as independent code does, overlaps kept whole, damage named in one line."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.volume import Geometry
from BreastSegTrainingLib.cases.masks import read_lesion_mask
from BreastSegTrainingLib.cases.outlines import read_findings, read_outlines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts_cases import circle, disc, roi, write_outlines

SHAPE = (1, 150, 110)


def mask_of(raw, name):
    labels = [label for label, names in raw.names.items() if name in names]
    return np.isin(raw.array, labels)[0]


def even_odd(points, shape):
    """Return which pixel centres lie in a polygon: rays to the right cross it an odd number of times."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0)):
        with np.errstate(divide="ignore", invalid="ignore"):
            crosses = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        inside ^= crosses
    return inside


@pytest.mark.parametrize("seed", range(6))
def test_polygons_are_those_of_an_independent_rasteriser(tmp_path, seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
    radii = rng.uniform(8, 40, 12)
    # Points off the pixel centres, so that no centre lies exactly on an edge.
    points = np.stack([50 + radii * np.cos(angles), 70 + radii * np.sin(angles)], axis=1) + 0.013
    raw = read_outlines(write_outlines(tmp_path / "a.xml", [roi("Mass", points)]), SHAPE)
    written = np.round(points, 6)
    np.testing.assert_array_equal(mask_of(raw, "Mass"), even_odd(written, SHAPE[1:]))
    assert raw.array.shape == SHAPE and raw.geometry is None


def test_polygon_agrees_with_matplotlib(tmp_path):
    from matplotlib.path import Path as Outline

    points = np.array(circle((70.2, 50.3), 22.4, 33))
    raw = read_outlines(write_outlines(tmp_path / "a.xml", [roi("Mass", points)]), SHAPE)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    inside = Outline(points).contains_points(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(SHAPE[1:])
    assert np.count_nonzero(mask_of(raw, "Mass") ^ inside) <= 2
    ideal = disc(SHAPE[1:], (70.2, 50.3), 22.4)
    assert 2 * np.sum(ideal & inside) / (ideal.sum() + inside.sum()) > 0.98


def test_points_become_pixels_x_first(tmp_path):
    rois = [roi("Calcification", [(30.4, 90.6)]), roi("Calcification", [(10, 11), (12, 13)])]
    raw = read_outlines(write_outlines(tmp_path / "a.xml", rois), SHAPE)
    assert {tuple(p) for p in np.argwhere(mask_of(raw, "Calcification"))} == {(91, 30), (11, 10), (13, 12)}


def test_a_polygon_between_pixel_centres_still_marks_something(tmp_path):
    tiny = [(20.2, 30.2), (20.4, 30.2), (20.3, 30.4)]
    raw = read_outlines(write_outlines(tmp_path / "a.xml", [roi("Calcification", tiny)]), SHAPE)
    assert [tuple(p) for p in np.argwhere(raw.array[0])] == [(30, 20)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_overlapping_findings_take_nothing_from_each_other(tmp_path, order):
    mass, other = circle((70, 50), 20), circle((75, 60), 15)
    rois = [roi("Mass", mass), roi("Spiculated Region", other), roi("Calcification", [(50, 70)])]
    path = write_outlines(tmp_path / "a.xml", [rois[k] for k in order])
    raw = read_outlines(path, SHAPE)
    alone = {
        one["Name"]: mask_of(read_outlines(write_outlines(tmp_path / "b.xml", [one]), SHAPE), one["Name"])
        for one in rois
    }
    for name, truth in alone.items():
        np.testing.assert_array_equal(mask_of(raw, name), truth)
    geometry = Geometry(SHAPE)
    lesion = read_lesion_mask([path], geometry, True, ["mass"])
    np.testing.assert_array_equal(lesion.volume.array[0] != 0, alone["Mass"])
    assert lesion.refusal is None
    assert lesion.labels == {name: int(truth.sum()) for name, truth in alone.items()}
    several = read_lesion_mask([path], geometry, True)
    assert several.refusal.code == "several-labels" and several.refusal.text.count(",") == 2
    merged = read_lesion_mask([path], geometry, True, fixes=["merge"])
    np.testing.assert_array_equal(merged.volume.array[0] != 0, np.any(list(alone.values()), axis=0))


def test_values_of_outlines_are_no_labels(tmp_path):
    path = write_outlines(tmp_path / "a.xml", [roi("Mass", circle((70, 50), 20))])
    lesion = read_lesion_mask([path], Geometry(SHAPE), True, ["m3"])
    assert lesion.refusal.code == "label-absent"


def test_what_reaches_beyond_the_image_is_cut_and_said(tmp_path):
    path = write_outlines(tmp_path / "a.xml", [roi("Mass", circle((70, 3), 20)), roi("Mass", circle((70, 50), 4))])
    lesion = read_lesion_mask([path], Geometry(SHAPE), True, ["Mass"])
    assert lesion.notes == ("1 outline reaches beyond the image and is cut",)
    assert lesion.volume.array[0, 70, 0] == 1
    with pytest.raises(BadInput, match=r"Outline 1 \(Mass\) lies outside the image of 110 × 150 pixels"):
        read_outlines(write_outlines(tmp_path / "b.xml", [roi("Mass", circle((900, 50), 9))]), SHAPE)


def test_no_outlines_are_an_empty_mask(tmp_path):
    raw = read_outlines(write_outlines(tmp_path / "a.xml", []), SHAPE)
    assert not raw.array.any() and raw.names == {}


def test_names_are_kept_without_line_breaks(tmp_path):
    path = write_outlines(tmp_path / "a.xml", [roi(" Spiculated\n Region ", [(1, 1)]), roi("", [(2, 2)])])
    assert [finding.name for finding in read_findings(path)] == ["Spiculated Region", "unnamed"]


GOOD = b'<?xml version="1.0"?><plist version="1.0"><dict><key>Images</key><array/></dict></plist>'


@pytest.mark.parametrize(
    "content, what",
    [
        (b"", "damaged"),
        (b"no xml at all", "damaged"),
        (GOOD[:-20], "damaged"),
        (GOOD.replace(b"Images", b"Pictures"), "no outlines"),
        (b'<?xml version="1.0"?><plist version="1.0"><array/></plist>', "no outlines"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb">]><plist><string>&b;</string></plist>', "damaged"),
        (b"bplist00" + bytes(60), "damaged"),
    ],
)
def test_broken_files_are_named(tmp_path, content, what):
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=what) as raised:
        read_outlines(path, SHAPE)
    assert "\n" not in raised.value.line


@pytest.mark.parametrize(
    "change, what",
    [
        ({"Point_px": ["(1, 2)", "(nan, 3)"], "NumberOfPoints": 2}, "not two numbers"),
        ({"Point_px": ["(1e999, 2)"], "NumberOfPoints": 1}, "not finite"),
        ({"Point_px": ["(1,5, 2,5)"], "NumberOfPoints": 1}, "not two numbers"),
        ({"NumberOfPoints": 7}, "1 of its 7 points"),
        ({"Point_px": []}, "no points"),
        ({"Point_px": "(1, 2)"}, "no points"),
        ({"Point_px": [3]}, "no points"),
    ],
)
def test_broken_outlines_are_named_by_number(tmp_path, change, what):
    path = write_outlines(tmp_path / "a.xml", [roi("Mass", [(5, 5)]), roi("Mass", [(1, 2)], **change)])
    with pytest.raises(BadInput, match=what) as raised:
        read_outlines(path, SHAPE)
    assert "outline 2" in raised.value.where


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_outlines(tmp_path / "none.xml", SHAPE)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_hostile_bytes_never_raise_anything_else(tmp_path, data):
    good = write_outlines(
        tmp_path / "g.xml", [roi("Mass", circle((70, 50), 9, 5)), roi("Point 1", [(3, 4)])]
    ).read_bytes()
    kind = data.draw(st.sampled_from(["cut", "flip", "insert", "number"]))
    place = data.draw(st.integers(0, len(good) - 1))
    if kind == "cut":
        bad = good[:place]
    elif kind == "flip":
        bad = good[:place] + bytes([data.draw(st.integers(0, 255))]) + good[place + 1 :]
    elif kind == "insert":
        bad = good[:place] + data.draw(st.binary(max_size=12)) + good[place:]
    else:
        text = data.draw(st.sampled_from(["-9e99", "1e308", "0x10", "99999999999999999999", "", "nan", "inf", "-0"]))
        bad = good.replace(b"59.000000", text.encode())
    path = tmp_path / "h.xml"
    path.write_bytes(bad)
    try:
        raw = read_outlines(path, SHAPE)
    except BadInput as error:
        assert "\n" not in error.line
    else:
        assert raw.array.shape == SHAPE
