"""Measures as files: JSON and CSV say the same, to the last digit, and hurt no spreadsheet program."""

import csv
import io
import json

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.measures import quantities
from BreastSegLib.measures.quantities import empty_row
from BreastSegLib.reports.tables import measures_text, table_text, write_measures, write_table
from hypothesis import given, settings
from hypothesis import strategies as st


def lesion(label=1, kind="dce", **more):
    row = {**empty_row(kind), "label": label, "value": 1, "name": "", "voxels": 7}
    return {**row, "centroid_lps": [-1.5, 2.25, 1e-3], "centroid_px": [3.5, 4.0], **more}


def measures(lesions, kind="dce", phases=("pre", "post1"), known=True):
    rows = [{"name": name, "role": "pre" if name == "pre" else "post", "time_s": None} for name in phases]
    return {"kind": kind, "spacing_known": known, "phases": rows if kind == "dce" else [], "lesions": lesions}


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_for_each_lesion_with_units_in_the_header():
    first = lesion(1, volume_mm3=2404.7999999999997, side="left", curve_pct=[0.0, 103.07940704591965], ftv_mm3=0.1)
    rows = rows_of(measures_text(measures([first, lesion(2)])))
    assert [row["lesion"] for row in rows] == ["1", "2"]
    assert float(rows[0]["volume (mm³)"]) == 2404.7999999999997 and rows[0]["breast"] == "left"
    assert (
        float(rows[0]["enhancement at post1 (%)"]) == 103.07940704591965 and rows[1]["enhancement at post1 (%)"] == ""
    )
    assert float(rows[0]["centre x (mm, LPS)"]) == -1.5 and rows[1]["volume (mm³)"] == ""
    for quantity in quantities("dce"):
        assert quantity.column in rows[0]
        assert quantity.unit in ("", "1") or quantity.column.endswith(f"({quantity.unit})")


def test_without_a_voxel_size_nothing_is_in_mm():
    (row,) = rows_of(measures_text(measures([lesion()], known=False)))
    assert {value for name, value in row.items() if "mm" in name} == {""} and row["voxels"] == "7"


def test_mammograms():
    one = lesion(kind="mammograms", view="LCC", pixels=30, same_as=[["LMLO", 2], ["LMLO 2", 1]])
    (row,) = rows_of(measures_text(measures([one], "mammograms")))
    assert row["view"] == "LCC" and row["may be the same as"] == "LMLO 2; LMLO 2 1" and row["centre x (px)"] == "3.5"


def test_the_table_of_several_exams_has_all_phases():
    both = {
        "a": measures([lesion(curve_pct=[0.0, 50.0])]),
        "empty": measures([]),
        "b": measures([lesion(1, curve_pct=[0.0, 1.0, 2.0]), lesion(2)], phases=("pre", "post1", "post2")),
    }
    rows = rows_of(table_text(both))
    assert [(row["case"], row["lesion"]) for row in rows] == [("a", "1"), ("b", "1"), ("b", "2")]
    assert rows[0]["enhancement at post2 (%)"] == "" and rows[1]["enhancement at post2 (%)"] == "2.0"
    assert table_text({}) == "case,lesion\n"


@pytest.mark.parametrize("name", ["=1+1", "+A1", "-2", "@SUM(A1)", 'a,b\n"c"', "  =x"])
def test_names_are_no_formulas(name):
    (row,) = rows_of(measures_text(measures([lesion(name=name)])))
    assert row["segment"][:1] not in "=+-@" and "\n" not in row["segment"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), st.text(max_size=20))
def test_numbers_come_back_to_the_last_digit(numbers, name):
    row = lesion(volume_mm3=numbers[0], curve_pct=numbers[:2], centroid_lps=numbers, name=name)
    (read,) = rows_of(measures_text(measures([row])))
    assert float(read["volume (mm³)"]) == numbers[0] and float(read["centre z (mm, LPS)"]) == numbers[2]
    assert float(read["enhancement at pre (%)"]) == numbers[0]


def test_files_are_whole_and_never_replaced_unasked(tmp_path):
    found = measures([lesion(name="Läsion")])
    for name in ("m.json", "m.csv"):
        path = tmp_path / "new" / name
        write_measures(path, found)
        with pytest.raises(BadInput, match="exists"):
            write_measures(path, found)
        write_measures(path, found, overwrite=True)
    assert json.loads((tmp_path / "new" / "m.json").read_text(encoding="utf-8")) == found
    data = (tmp_path / "new" / "m.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and "Läsion".encode() in data, "UTF-8 that spreadsheet programs know"
    with pytest.raises(BadInput, match="ending.*json or .csv"):
        write_measures(tmp_path / "m.txt", found)
    write_table(tmp_path / "t.csv", {"a": found})
    assert {path.name for path in tmp_path.iterdir()} == {"new", "t.csv"}
