"""Tables of datasets: CSV, .xlsx and .xls give the same cells."""

import builtins
import datetime

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases.spreadsheet import heading_key, read_sheet, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts_cases import write_csv, write_xlsx

HEADER = ["File Name", "Bi-Rads", "ACR ", "when", "share"]
ROWS = [[20586908, "4a", 2.0, datetime.date(2010, 1, 31), 0.7], [22427751, 6, None, None, -1.25]]
TEXTS = [["20586908", "4a", "2", "2010-01-31", "0.7"], ["22427751", "6", "", "", "-1.25"]]


def write(path, kind, rows=ROWS):
    if kind == "xlsx":
        return write_xlsx(path.with_suffix(".xlsx"), HEADER, rows)
    if kind == "xls":
        import xlwt

        style = xlwt.easyxf(num_format_str="YYYY-MM-DD")
        book = xlwt.Workbook()
        sheet = book.add_sheet("a")
        for i, row in enumerate((HEADER, *rows)):
            for j, value in enumerate(row):
                if isinstance(value, datetime.date):
                    sheet.write(i, j, value, style)
                elif value is not None:
                    sheet.write(i, j, value)
        book.save(str(path.with_suffix(".xls")))
        return path.with_suffix(".xls")
    texts = [["" if value is None else value for value in row] for row in rows]
    return write_csv(path.with_suffix(".csv"), HEADER, texts, ";")


@pytest.mark.parametrize("kind", ["xlsx", "xls", "csv"])
def test_all_kinds_give_the_same_cells(tmp_path, kind):
    path = write(tmp_path / "tablé", kind)
    odd = path.rename(path.with_suffix(".data"))  # the content tells, not the ending
    cells = read_sheet(odd, ("file_name", "BIRADS"))
    assert cells.header == ("File Name", "Bi-Rads", "ACR", "when", "share")
    texts = [[*values, *[""] * (5 - len(values))] for _, values in cells.rows]
    if kind == "csv":
        texts[0][2] = "2"  # a CSV file says 2.0
    assert texts == TEXTS
    assert [line for line, _ in cells.rows] == [2, 3]
    assert rows_of(cells)[1] == (3, {"filename": "22427751", "birads": "6", "share": "-1.25"})


@pytest.mark.parametrize("kind", ["xlsx", "xls"])
def test_pandas_reads_the_same(tmp_path, kind):
    import pandas

    path = write(tmp_path / "a", kind)
    frame = pandas.read_excel(path, dtype=object)
    rows = rows_of(read_sheet(path))
    assert [int(row["filename"]) for _, row in rows] == frame["File Name"].tolist()
    assert [float(row["share"]) for _, row in rows] == frame["share"].tolist()


def test_empty_rows_errors_and_truth_values(tmp_path):
    rows = [[None] * 5, ["#N/A", True, "#DIV/0!", float("1e300"), "# 3"], [" x ", False, None, None, None, "more"]]
    cells = read_sheet(write_xlsx(tmp_path / "a.xlsx", HEADER, rows))
    assert cells.rows == [(3, ["", "true", "", "1e+300", "# 3"]), (4, ["x", "false", "", "", "", "more"])]


def test_the_sheet_with_the_headings_is_taken(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", HEADER, ROWS, before=("about",))
    assert read_sheet(path, ("File Name",)).header[0] == "File Name"
    assert read_sheet(path).header == ("about",)
    with pytest.raises(BadInput, match="no columns patient_id"):
        read_sheet(path, ("patient_id",))


def test_headings_are_compared_without_what_people_write_differently():
    assert len({heading_key(text) for text in ("Bi-Rads", "BI RADS", "bi_rads", "BIRADS ")}) == 1


def test_doubled_headings_keep_the_first_value(tmp_path):
    path = write_csv(tmp_path / "a.csv", ["age", "Age", ""], [["1", "2", "3"], ["", "5", ""]])
    assert rows_of(read_sheet(path)) == [(2, {"age": "1"}), (3, {"age": "5"})]


@pytest.mark.parametrize("package, kind", [("openpyxl", "xlsx"), ("xlrd", "xls")])
def test_a_missing_package_is_named_with_a_way_out(tmp_path, monkeypatch, package, kind):
    path = write(tmp_path / "a", kind)
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BadInput, match=f"needs the package {package}") as raised:
        read_sheet(path)
    assert "Save it as CSV" in raised.value.line and "\n" not in raised.value.line


@pytest.mark.parametrize(
    "content", [b"", b"   \n\n", b"PK\x03\x04 broken", b"\xd0\xcf\x11\xe0" + bytes(600), b"a\x00b\x00"]
)
def test_bad_files_are_one_line(tmp_path, content):
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(BadInput) as raised:
        read_sheet(path)
    assert "\n" not in raised.value.line


def test_missing_files_and_folders_are_one_line(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            read_sheet(path)


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """Bytes of an intact file of each kind: written once, because they hold the time at which they were written."""
    return {kind: write(tmp_path_factory.mktemp("a") / "a", kind).read_bytes() for kind in ("xlsx", "xls")}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["xlsx", "xls"]), st.data())
def test_damaged_spreadsheets_never_raise_anything_else(tmp_path, intact, kind, data):
    good = intact[kind]
    place = data.draw(st.integers(4, len(good) - 1))
    length = data.draw(st.integers(0, 40))
    bad = good[:place] + data.draw(st.binary(min_size=length, max_size=length)) + good[place + length :]
    path = tmp_path / "b"
    path.write_bytes(bad[:place] if data.draw(st.booleans()) else bad)
    try:
        read_sheet(path)
    except BadInput as error:
        assert "\n" not in error.line
