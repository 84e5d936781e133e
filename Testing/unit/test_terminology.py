"""Coded names, checked against Slicer's own reader and lists of terms."""

import json
from pathlib import Path

import pytest
from BreastSegLib.reports.terminology import segment_color, segment_name, terminology_entry, terms

CASES = [(term, side) for term in ("mass", "neoplasm") for side in ("", "right", "left")]
# As DICOM and Slicer name them (SNOMED CT).
BREAST, SIDES = "76752008", {"right": "24028007", "left": "7771000", "": ""}
TYPES = {"mass": ("4147007", "Mass"), "neoplasm": ("108369006", "Neoplasm")}
SHARE = Path(__file__).resolve().parents[1] / "Host" / "share" / "terminologies"


@pytest.fixture(scope="module")
def logic():
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    return slicer, slicer.vtkSlicerTerminologiesModuleLogic()


def code(item):
    return item.GetCodingSchemeDesignator(), item.GetCodeValue(), item.GetCodeMeaning()


@pytest.mark.parametrize(("term", "side"), CASES)
def test_slicer_understands_the_entry(logic, term, side):
    slicer, terminologies = logic
    entry = slicer.vtkSlicerTerminologyEntry()
    text = terminology_entry(term, side)
    assert terminologies.DeserializeTerminologyEntry(text, entry)
    assert code(entry.GetTypeObject()) == ("SCT", *TYPES[term])
    assert entry.GetCategoryObject().GetCodeValue() == "49755003"
    region = entry.GetRegionObject() if hasattr(entry, "GetRegionObject") else entry.GetAnatomicRegionObject()
    modifier = (
        entry.GetRegionModifierObject()
        if hasattr(entry, "GetRegionModifierObject")
        else entry.GetAnatomicRegionModifierObject()
    )
    assert code(region) == ("SCT", BREAST, "Breast")
    assert (modifier.GetCodeValue() or "") == SIDES[side]
    assert (modifier.GetCodeMeaning() or "").lower() == side
    assert terminologies.SerializeTerminologyEntry(entry) == text


@pytest.mark.parametrize("term", sorted(TYPES))
def test_the_type_is_in_slicers_list(term):
    context = json.loads(
        (SHARE / "SegmentationCategoryTypeModifier-SlicerGeneralAnatomy.term.json").read_text(encoding="utf-8")
    )
    assert terminology_entry(term).startswith(context["SegmentationCategoryTypeContextName"] + "~")
    category = next(c for c in context["SegmentationCodes"]["Category"] if c["CodeValue"] == "49755003")
    assert terms()["terms"][term]["category"] == [
        category[k] for k in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
    ]
    assert TYPES[term] in {(row["CodeValue"], row["CodeMeaning"]) for row in category["Type"]}


def test_names_and_colours():
    assert segment_name("mass") == "Mass"
    assert segment_name("mass", "right") == "Mass, right breast"
    for term in TYPES:
        assert len(segment_color(term)) == 3
        assert all(0 <= v <= 1 for v in segment_color(term))
    assert segment_color("mass") != segment_color("neoplasm")


def test_unknown_terms_are_programming_errors():
    with pytest.raises(KeyError):
        terminology_entry("lump")


def test_table_serves_every_term_of_a_card():
    from BreastSegLib.models.card import TERMS

    assert set(TERMS) == set(terms()["terms"])
