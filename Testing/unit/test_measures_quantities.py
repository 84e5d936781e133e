"""The table of measures, and how its numbers are shown."""

import json
import math

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.measures.quantities import TABLE, empty_row, quantities
from hypothesis import given
from hypothesis import strategies as st

BY_KEY = {kind: {quantity.key: quantity for quantity in quantities(kind)} for kind in ("dce", "mammograms")}


@pytest.mark.parametrize("kind", ["dce", "mammograms"])
def test_the_table_is_whole(kind):
    rows, found = json.loads(TABLE.read_text(encoding="utf-8"))[kind], quantities(kind)
    assert [quantity.key for quantity in found] == [row["key"] for row in rows]
    for names in ("key", "heading", "column"):
        texts = [getattr(quantity, names) for quantity in found]
        assert len(set(texts)) == len(texts), names
    for quantity in found:
        assert quantity.title and quantity.meaning and quantity.factor > 0
        # The unit of the number and of what is shown are of one kind: only known pairs have a factor.
        if quantity.factor != 1:
            known = {("mm³", "cm³"): 0.001, ("mm²", "cm²"): 0.01, ("1", "%"): 100}
            assert known[quantity.unit, quantity.shown_unit] == quantity.factor
        else:
            assert quantity.shown_unit == ("" if quantity.unit == "1" else quantity.unit)


def test_how_numbers_are_shown():
    dce, views = BY_KEY["dce"], BY_KEY["mammograms"]
    assert dce["volume_mm3"].text(2440.0) == "2.44"
    assert dce["volume_mm3"].heading == "Volume (cm³)"
    assert dce["volume_mm3"].column == "volume (mm³)"
    assert dce["confidence"].text(0.876) == "88"
    assert dce["confidence"].heading == "Confidence (%)" and dce["confidence"].column == "confidence"
    assert dce["enhancement_mean_pct"].text(-0.2) == "0"  # not -0
    assert dce["enhancement_mean_pct"].text(-12.6) == "-13"
    assert dce["longest_mm"].text(0.0) == "0.0"
    assert dce["volume_mm3"].text(3.0) == "< 0.01"  # a voxel is not nothing
    assert dce["clock"].text("10:30") == "10:30"
    assert views["same_as"].text([["LMLO", 1], ["LMLO 2", 3]]) == "LMLO 1, LMLO 2 3"


@pytest.mark.parametrize("kind", ["dce", "mammograms"])
def test_the_unknown_is_a_dash(kind):
    for quantity in quantities(kind):
        assert quantity.text(None) == quantity.text("") == quantity.text([]) == "–"
        if quantity.is_number:
            assert quantity.text(math.nan) == quantity.text(math.inf) == "–"
    assert all(quantity.text(empty_row(kind)[quantity.key]) == "–" for quantity in quantities(kind))


@given(st.floats(0, 1e7))
def test_what_is_shown_is_the_number_rounded(value):
    for quantity in quantities("dce"):
        if quantity.is_number:
            text = quantity.text(value)
            half = 0.5 * 10.0**-quantity.digits
            if text.startswith("<"):
                assert 0 < value * quantity.factor <= half
            else:
                assert abs(float(text) - value * quantity.factor) <= half + 1e-9 * value


def test_no_other_kind():
    with pytest.raises(BadInput, match="dce or mammograms"):
        quantities("ct")
