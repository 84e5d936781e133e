"""Warnings: each is told when it is due, with its figures, and not otherwise."""

import json

import numpy as np
import pytest
from BreastSegLib.measures import Training, differences, inputs_of, lesion_voxels, training_of, warnings_of
from BreastSegLib.measures.warnings import failed
from BreastSegLib.volume import Geometry, Volume
from hypothesis import given, settings
from hypothesis import strategies as st

LESION = {"label": 1, "voxels": 5000, "volume_mm3": 4000.0, "confidence": 0.93, "side": "left"}
TIMED = [{"name": n, "role": r, "time_s": t} for n, r, t in (("pre", "pre", -60.0), ("post1", "post", 0.0))]


def told(kind, rows=(LESION,), **facts):
    """Return the texts of the warnings by kind; every warning has all its parts and is JSON."""
    found = warnings_of(kind, list(rows), **facts)
    for row in found:
        assert set(row) == {"kind", "text", "lesions", "action", "data"}
        assert row["text"].endswith(".") and row["text"][:1].isupper() | row["text"][:1].isdigit()
    json.dumps(found, allow_nan=False)
    return {row["kind"]: row for row in found}


def gone(volume=None, voxels=9, change="removed", **more):
    row = {"step": "largest-component", "change": change, "voxels": voxels, "centroid_lps": [1.0, 2.0, 3.0]}
    return {**row, "volume_mm3": volume, "side": "", **more}


def test_a_plain_result_has_no_warning():
    assert told("dce", phases=TIMED, outside=[0.02], motion=[{"phase": "pre", "mm": 0.4}]) == {}
    assert told("mammograms", [{**LESION, "view": "LCC", "view_index": 1}], outside=[None]) == {}


def test_empty():
    assert told("dce", [])["empty"]["text"] == "No lesion was found."
    assert told("mammograms", [])["empty"]["text"] == "No lesion was found in any view."
    one = told("dce", [], removed=[gone(1500.0), gone(20.0), gone(4.0, change="filled")])["empty"]
    assert "removed 2 regions" in one["text"] and "1.50 cm³ and 0.02 cm³" in one["text"]
    assert one["action"] == "restore-removed" and len(one["data"]["regions"]) == 2
    assert told("dce", [])["empty"]["action"] is None
    assert set(told("dce", [], removed=[gone(1500.0)])) == {"empty"}, "said once"


@pytest.mark.parametrize(
    "share, words",
    [
        (0.09, None),
        (0.34, "34 % of lesion 1 lies outside"),
        (0.95, "Lesion 1 lies outside the breast (95 %"),
        (None, None),
    ],
)
def test_outside_the_breast(share, words):
    found = told("dce", outside=[share])
    assert ("outside-breast" in found) == (words is not None)
    if words:
        assert words in found["outside-breast"]["text"] and found["outside-breast"]["lesions"] == [1]
        assert found["outside-breast"]["data"]["share"] == share


def test_outside_in_a_mammogram_says_in_which_view():
    row = {"label": 2, "voxels": 30, "area_mm2": 30.0, "view": "LCC", "view_index": 1, "confidence": None}
    one = told("mammograms", [row], outside=[1.0])["outside-breast"]
    assert one["text"].startswith("Lesion 2 of LCC lies outside") and one["data"]["views"] == [1]


def test_many_lesions_outside_are_one_warning():
    rows = [{**LESION, "label": n} for n in range(1, 8)]
    found = warnings_of("dce", rows, outside=[1.0] * 6 + [0.0])
    assert [row["kind"] for row in found] == ["outside-breast"] and found[0]["lesions"] == [1, 2, 3, 4, 5, 6]
    assert "6 lesions lie outside" in found[0]["text"] and "and 1 more" in found[0]["text"]
    assert len(warnings_of("dce", rows, outside=[1.0] * 5 + [0.0] * 2)) == 5


def test_what_was_left_out_and_many_remarks():
    one = told("mammograms", left_out=[{"measured": 100, "others": 1234, "voxels": 9, "view": "LCC"}])["many-lesions"]
    assert "1,334 pieces in LCC" in one["text"] and "other 1,234" in one["text"]
    found = warnings_of("dce", [LESION], phases=TIMED, notes=[f"Note {n}." for n in range(13)])
    assert len(found) == 11 and "3 more remarks" in found[-1]["text"]


@pytest.mark.parametrize(
    "removed, words",
    [
        ([gone(399.0)], None),  # below a tenth of the lesion
        ([gone(410.0)], "a large region: 0.41 cm³"),
        ([gone(410.0, side="right"), gone(1200.0), gone(3.0)], "2 large regions: 1.20 cm³ and 0.41 cm³ in the right"),
        ([gone(900.0, change="filled")], None),
        ([gone(None, voxels=800)], "800 voxels"),
        ([gone(None, voxels=26)], None),
    ],
)
def test_removed_regions(removed, words):
    found = told("dce", removed=removed)
    assert ("removed" in found) == (words is not None)
    if words:
        one = found["removed"]
        assert words in one["text"] and one["action"] == "restore-removed"
        assert one["data"]["regions"][0]["centroid_lps"] == [1.0, 2.0, 3.0]


def test_a_small_lesion_does_not_make_specks_large():
    tiny = {**LESION, "volume_mm3": 30.0}
    assert "removed" not in told("dce", [tiny], removed=[gone(49.0)])
    assert "removed" in told("dce", [tiny], removed=[gone(50.0)])


def test_many_removed_regions_are_counted():
    text = told("dce", removed=[gone(1000.0 + n) for n in range(9)])["removed"]["text"]
    assert "9 large regions" in text and "and 4 more" in text


def test_low_probability():
    assert "low-probability" not in told("dce", [{**LESION, "confidence": 0.7}])
    assert "low-probability" not in told("dce", [{**LESION, "confidence": None}])
    one = told("dce", [{**LESION, "confidence": 0.58}])["low-probability"]
    assert "unsure of lesion 1" in one["text"] and "58 %" in one["text"] and one["data"]["values"] == [0.58]
    rows = [{**LESION, "label": n, "confidence": c} for n, c in ((1, 0.9), (2, 0.6), (3, 0.61))]
    one = told("dce", rows)["low-probability"]
    assert one["lesions"] == [2, 3] and "lesion 2 and lesion 3" in one["text"] and "60 % and 61 %" in one["text"]


def test_moved_phases():
    still = [{"phase": "pre", "mm": 1.99}, {"phase": "post2", "mm": None}]
    assert "moved" not in told("dce", motion=still)
    one = told("dce", motion=[*still, {"phase": "post3", "mm": 3.24}])["moved"]
    assert (
        "post3 by 3.2 mm" in one["text"] and "pre" not in one["text"] and "Motion correction may help" in one["text"]
    )
    text = told("dce", motion=[{"phase": "pre", "mm": 2.5}], corrected=True)["moved"]["text"]
    assert "still moved after motion correction" in text and "may help" not in text


def test_times_and_phases():
    untimed = [{**phase, "time_s": None} for phase in TIMED]
    assert "times-unknown" not in told("dce", phases=TIMED)
    assert "The times of the phases are unknown" in told("dce", phases=untimed)["times-unknown"]["text"]
    half = [TIMED[0], untimed[1]]
    assert "The times of post1 are unknown" in told("dce", phases=half)["times-unknown"]["text"]
    channels = [{"name": "channel0", "role": "channel", "time_s": None}]
    found = told("dce", phases=channels, notes=["The files are channels."])
    assert set(found) == {"no-phases"}, "said once"
    assert (
        told("dce", phases=TIMED, notes=["The late phase is early."])["kinetics"]["text"] == "The late phase is early."
    )


def test_spacing_unknown():
    assert "in voxels, not in mm" in told("dce", unknown_spacing=["exam"])["spacing-unknown"]["text"]
    text = told("mammograms", unknown_spacing=["LCC", "RMLO"])["spacing-unknown"]["text"]
    assert "pixel size of LCC and RMLO is unknown" in text
    assert "spacing-unknown" not in told("dce")


def test_failed():
    one = failed("the computer has too little memory")
    assert one["kind"] == "measuring-failed" and "too little memory" in one["text"] and one["action"] is None


PLANS = {
    "original_median_spacing_after_transp": [2.0, 1.0, 0.5],  # along the network's own axes
    "original_median_shape_after_transp": [50, 100, 320],
    "transpose_backward": [1, 0, 2],
    "foreground_intensity_properties_per_channel": {
        "0": {"percentile_00_5": 1.0, "percentile_99_5": 5.0},
        "1": {"percentile_00_5": 1.0, "percentile_99_5": 1.0},
    },
}


def test_what_the_plans_tell():
    found = training_of(PLANS, kinds=("dce",))
    assert found.spacing == ((0.5, 0.5), (2.0, 2.0), (1.0, 1.0)), "x, y, z after nnU-Net's transpose is undone"
    assert found.size == ((160.0, 160.0), (100.0, 100.0), (100.0, 100.0))
    assert found.intensities == ((1.0, 5.0), None), "a range without width tells nothing"


def test_what_the_fingerprint_tells_comes_first():
    print_ = {"spacings": [[3.0, 1.0, 1.0], [2.0, 0.8, 0.8]], "shapes_after_crop": [[40, 200, 300], [60, 100, 300]]}
    found = training_of(PLANS, print_)
    assert found.spacing == ((0.8, 1.0), (0.8, 1.0), (2.0, 3.0))
    assert found.size == ((240.0, 300.0), (80.0, 200.0), (120.0, 120.0))
    assert training_of(PLANS, {"spacings": [[1.0]], "shapes_after_crop": "none"}).spacing[0] == (0.5, 0.5)


TRAINED = Training(((1.0, 1.0),) * 3, ((200.0, 200.0),) * 3, ((1.0, 5.0),), ("dce",))


def case(spacing=(1.0, 1.0, 1.0), size=(200.0, 200.0, 200.0), lesion=3.0, high=4.0):
    row = {"name": "post1", "high": high, "lesion": lesion}
    return {"name": "exam", "spacing": spacing and list(spacing), "size_mm": list(size), "channels": [row]}


@pytest.mark.parametrize(
    "own, what, words",
    [
        (case(), None, ""),
        (case(spacing=(1.4, 1.0, 1.0)), None, ""),
        (case(spacing=(1.6, 1.0, 1.0)), "spacing", "1.60 × 1.00 × 1.00 mm"),
        (case(size=(390.0, 110.0, 200.0)), None, ""),
        (case(size=(200.0, 90.0, 200.0)), "size", "200 × 90 × 200 mm; the model was trained on 200 × 200 × 200 mm"),
        (case(spacing=None), None, ""),
        (case(lesion=5.5), "intensity", "channel post1 is 5.5"),
        (case(lesion=0.9), "intensity", "had 1 to 5"),
        (case(lesion=None, high=0.8), "intensity", "Nearly nothing"),
        (case(lesion=None, high=1.2), None, ""),
        (case(lesion=None, high=None), None, ""),
    ],
)
def test_what_differs_from_the_training(own, what, words):
    found = differences(TRAINED, "dce", [own])
    assert [row["what"] for row in found] == ([what] if what else [])
    assert all(words in row["text"] for row in found)
    assert all(name == f"unlike-training-{what}" for name in told("dce", differences=found))


def test_ranges_are_stricter_than_medians():
    ranges = Training(((0.8, 1.2),) * 3, ((100.0, 300.0),) * 3)
    assert differences(ranges, "dce", [case(spacing=(1.3, 1.0, 1.0))]) == []
    text = differences(ranges, "dce", [case(spacing=(1.4, 1.0, 1.0))])[0]["text"]
    assert "0.80-1.20" in text
    assert differences(ranges, "dce", [case(size=(380.0, 200.0, 200.0))])[0]["what"] == "size"


def test_coarse_exams_and_other_kinds():
    assert differences(TRAINED, "dce", [case()], (0.7, 0.7, 4.0)) == []
    found = differences(TRAINED, "dce", [case()], (0.7, 0.7, 4.5))
    assert [row["what"] for row in found] == ["resolution"] and "4.5 mm" in found[0]["text"]
    found = differences(TRAINED, "mammograms", [case()])
    assert [row["what"] for row in found] == ["modality"] and "trained on DCE-MRI" in found[0]["text"]
    sized = Training(TRAINED.spacing, TRAINED.size, sized=False)
    assert differences(sized, "dce", [case(spacing=(3.0, 3.0, 3.0))], (3.0, 3.0, 30.0)) == []


def test_several_views_that_differ_alike_are_told_once():
    assert len(differences(TRAINED, "dce", [case(lesion=9.0), case(lesion=8.0)])) == 1


def test_a_mammogram_has_no_third_axis():
    flat = Training(((0.1, 0.1), (0.1, 0.1), (999.0, 999.0)), ((200.0, 200.0), (250.0, 250.0), (999.0, 999.0)))
    view = case(spacing=(0.1, 0.1, 1.0), size=(210.0, 240.0, 1.0))
    assert differences(flat, "mammograms", [view]) == []
    view = case(spacing=(0.3, 0.3, 1.0), size=(210.0, 240.0, 1.0))
    assert [row["what"] for row in differences(flat, "mammograms", [view])] == ["spacing"]


def test_inputs_are_taken_where_the_lesion_lies():
    """The lesion of the exam's oblique grid is looked up in channels on another grid of the same patient."""
    turn = np.radians(20)
    direction = (np.cos(turn), -np.sin(turn), 0, np.sin(turn), np.cos(turn), 0, 0, 0, 1)
    own = Geometry((20, 30, 40), (1.5, 1.5, 2.0), (-30, -20, 5), direction)
    channels = Geometry((45, 70, 90), (1.0, 1.0, 1.0), (-60, -35, 2))
    mask = np.zeros(own.shape, np.uint8)
    mask[8:12, 10:16, 12:20] = 1
    k, j, i = lesion_voxels(Volume(mask, own), channels)
    centre = (own.ijk_to_lps @ [15.5, 12.5, 9.5, 1])[:3]
    found = (channels.ijk_to_lps @ np.stack([i, j, k, np.ones(len(i))])).T[:, :3]
    assert np.abs(found.mean(axis=0) - centre).max() < 0.2 and len(i) == mask.sum()
    array = np.zeros((1, *channels.shape), np.float32)
    array[0, k, j, i] = 7.0
    row = inputs_of("exam", array, ["post1"], channels, (k, j, i))
    assert row["channels"][0]["lesion"] == 7.0 and row["size_mm"] == [90.0, 70.0, 45.0]
    assert inputs_of("exam", array, ["post1"], channels)["channels"][0]["lesion"] is None
    far = Geometry(own.shape, own.spacing, (900, 900, 900))
    assert len(lesion_voxels(Volume(mask, far), channels)[0]) == 0


odd = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=True) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(odd, odd, odd, odd, odd)
def test_no_plans_file_breaks_a_run(spacing, shape, back, table, spacings):
    """Whatever a model folder holds under these names, it is read or taken as not told."""
    plans = {
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": shape,
        "transpose_backward": back,
        "foreground_intensity_properties_per_channel": table,
    }
    found = training_of(plans, {"spacings": spacings, "shapes_after_crop": spacings})
    json.dumps(warnings_of("dce", [], differences=differences(found, "dce", [case()], (1, 1, 1))), allow_nan=False)
