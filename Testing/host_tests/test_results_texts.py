"""The sentences of step 4: columns, details, warnings, what may come back, agreement."""

import pytest
from breastseg_fixtures import breastseg  # noqa: F401
from BreastSegLib.measures.agreement import agreement
from results_fixtures import BOX, OTHER, maskOf, measuresOf, rowOf
from run_fixtures import OBLIQUE


@pytest.fixture
def texts(breastseg):  # noqa: F811
    from BreastSegLib.panel import lesiontexts

    return lesiontexts


def table(texts, measures):
    return {column.heading.replace("\n", " "): column.values for column in texts.columnsOf(measures)}


def test_columns_of_a_dce_exam(texts):
    rows = [rowOf(BOX, clock="10:30"), rowOf(OTHER, 2, side="", perpendicular_mm=None, volume_mm3=None)]
    found = table(texts, measuresOf(*rows))
    assert list(found) == ["Lesion", "Breast", "Volume (cm³)", "Longest (3D, mm)", "In a slice (mm × mm)"]
    assert found["Breast"] == ("Right 10:30", "–") and found["Volume (cm³)"] == ("0.24", "–")
    longest, across = rows[0]["inplane_mm"], rows[0]["perpendicular_mm"]
    assert found["In a slice (mm × mm)"] == (f"{longest:.1f} × {across:.1f}", f"{rows[1]['inplane_mm']:.1f}")
    assert all(column.tip for column in texts.columnsOf(measuresOf(*rows)))


def test_columns_without_a_known_voxel_size(texts):
    measures = {**measuresOf(rowOf(BOX, confidence=0.934)), "spacing_known": False}
    assert table(texts, measures) == {
        "Lesion": ("1",),
        "Breast": ("Right",),
        "Voxels": ("80",),
        "Confidence (%)": ("93",),
    }
    mammogram = {"label": 1, "view": "LCC", "pixels": 1800, "longest_px": 71.4}
    measures = {**measuresOf(mammogram, kind="mammograms"), "spacing_known": False}
    found = table(texts, measures)
    assert found["View"] == ("LCC",) and found["Pixels"] == ("1800",) and "Confidence (%)" not in found


def test_details_tell_what_the_table_does_not(texts):
    row = rowOf(BOX, name="Mass <1>", confidence=0.934, skin_mm=28.0, curve_type="wash-out", ser_mean=1.2)
    html = texts.detailsOf(measuresOf(row), row).replace("&nbsp;", " ")
    assert "Lesion 1 – Mass &lt;1&gt;" in html and "Confidence: <b>93 %</b>" in html
    assert "Distance to the skin: <b>28 mm</b>" in html and "<b>wash-out</b>" in html
    assert "Volume" not in html and "Signal enhancement ratio" not in html and "–</b>" not in html


def test_a_hint_to_a_lesion_that_is_gone_has_no_link(texts):
    row = {"label": 1, "view": "LCC", "view_index": 0, "same_as": [["LMLO", 3]]}
    assert "href" not in texts.detailsOf(measuresOf(row, kind="mammograms"), row)


def test_warnings_come_first_and_are_escaped(texts):
    warning = {"kind": "low-probability", "text": "The model is unsure of <it>.", "lesions": [1], "action": None}
    html = texts.warningsOf(measuresOf(warnings=[warning]), ["A note & more."])
    assert html.index("Unsure:") < html.index("A note &amp; more.") and "&lt;it&gt;" in html and "⚠" in html
    assert texts.warningsOf(None) == "" and texts.headOf("of another version") == "Note"
    assert texts.headOf("unlike-training-spacing") == "Unlike the training exams"


def test_what_a_warning_tells_is_not_told_twice(texts):
    notes = ["No lesion was found.", "The clean-up removed 3 regions (2.95 cm³ in total).", "Another note."]
    empty = measuresOf(warnings=[{"kind": "empty", "text": "No lesion was found.", "lesions": [], "action": None}])
    assert texts.warningsOf(empty, notes).count("No lesion was found.") == 1
    assert "removed 3 regions" not in texts.warningsOf(empty, notes) and "Another" in texts.warningsOf(empty, notes)
    assert "removed 3 regions" in texts.warningsOf(measuresOf(), notes)
    assert "removed 3 regions" not in texts.warningsOf(measuresOf(), notes, restored=True)


@pytest.mark.parametrize(
    "sizes, wanted",
    [
        ([{"volume_mm3": 1661.8}], "Bring back the removed region (1.7 cm³)"),
        ([{"volume_mm3": 1661.8}, {"volume_mm3": 200.0}], "Bring back 2 removed regions (1.9 cm³)"),
        ([{"volume_mm3": 50.0}], "Bring back the removed region (0.05 cm³)"),
        ([{"area_mm2": 120.4}], "Bring back the removed region (120 mm²)"),
        ([{"volume_mm3": None, "voxels": 70}], "Bring back the removed region (70 voxels)"),
    ],
)
def test_the_button_says_how_much_comes_back(texts, sizes, wanted):
    warning = {"kind": "removed", "text": "", "lesions": [], "action": "restore-removed", "data": {"regions": sizes}}
    assert texts.bringBackText(texts.removedRegions(measuresOf(warnings=[warning]))) == wanted


def test_without_such_a_warning_nothing_is_offered(texts):
    assert texts.removedRegions(None) == [] and texts.removedRegions(measuresOf()) == []


def test_agreement_in_words(texts):
    one, other = maskOf(BOX), maskOf((slice(5, 9), slice(10, 14), slice(4, 7)), OTHER, values=[1, 1])
    html = texts.agreementOf([agreement(one, other, OBLIQUE)], "Segmentation <2>")
    assert "This one against Segmentation &lt;2&gt;" in html
    dice = 2 * 48 / (80 + 48 + 240)
    assert f"<td>{dice:.2f}</td>" in html and "0.62 cm³ larger (+260 %)" in html
    assert "1; 0 only here, 1 only there" in html
    same = texts.agreementOf([agreement(one, one, OBLIQUE)], "it")
    assert "<td>1.00</td>" in same and "the same" in same and "0.0 mm" in same
    assert "no image in common" in texts.agreementOf([], "it")
