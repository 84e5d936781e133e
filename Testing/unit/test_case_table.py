"""The case table: what a person typed is kept, what is wrong is named by line, and its file is never half written."""

import csv
import errno
import os
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases import (
    Case,
    CaseTable,
    Column,
    all_columns,
    columns_of,
    known_name,
    read_number,
    unused_name,
    update_file,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HEADER = "case,patient,exam,mask,side,notes"


def write(folder, text, encoding="utf-8"):
    path = folder / "cases.csv"
    path.write_bytes(text.encode(encoding))
    return path


def case(name="a", **values):
    return Case({"case": name, "patient": "P", "exam": "e", **values})


# columns


def test_columns_are_complete_and_their_names_do_not_clash():
    names, words = set(), {}
    for column in all_columns().values():
        assert column.title and column.help.endswith((".", "…")) and column.name not in names
        names.add(column.name)
        assert column.kind in ("text", "number", "integer", "choice", "path", "paths")
        for word in (column.name, *column.aliases):
            key = word.replace("_", "").replace(" ", "").casefold()
            assert words.setdefault(key, column.name) == column.name, f"{word} means two columns"
        assert bool(column.choices) == (column.kind == "choice")
    for group in ("identity", "exam", "acquisition", "person", "check", "quality", "selection"):
        assert columns_of(group)


@pytest.mark.parametrize(
    "heading, name",
    [
        ("patient_id", "patient"), ("Patient ID", "patient"), ("PATIENTID", "patient"), ("Mask-Path", "mask"),
        ("Bi-Rads", "birads"), ("ACR", "density"), ("participant_id", "patient"), ("Magnetic field strength", None),
        ("magnetic_field_strength", "field_strength"), ("", None), ("mask 2", None), ("left or right breast", "side"),
    ],
)  # fmt: skip
def test_headings_that_other_people_use(heading, name):
    known = "field_strength" if heading == "Magnetic field strength" else name
    assert known_name(heading) == known


@pytest.mark.parametrize(
    "text, value",
    [
        ("0,7", 0.7), ("-3.5", -3.5), (" 1e3 ", 1000.0), ("+4", 4.0), (".5", 0.5), ("5.", 5.0), ("1.000,5", None),
        ("nan", None), ("inf", None), ("1e999", None), ("", None), ("4a", None), ("1_000", None), ("٣", 3.0),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(text, value):
    assert read_number(text) == value


@pytest.mark.parametrize(
    "column, text, plain, problem",
    [
        ("side", "L", "left", ""), ("side", " Rechts", "right", ""), ("side", "up", "up", "none of left"),
        ("density", "3", "c", ""), ("density", "IV", "d", ""), ("density", "e", "e", "none of a, b, c, d"),
        ("age", "51,5", "51.5", ""), ("age", "5", "5", "out of range"), ("age", "old", "old", "not a number"),
        ("phase_count", "3", "3", ""), ("phase_count", "3.5", "3.5", "not a whole number"),
        ("phase_count", "1e999", "1e999", "not a whole number"), ("field_strength", "150", "150", "out of range"),
        ("menopause", "Perimenopausal", "pre", ""), ("selected", "FALSE", "no", ""), ("birads", "4a", "4a", ""),
        ("age", "", "", ""),
    ],
)  # fmt: skip
def test_values_and_their_problems(column, text, plain, problem):
    known = all_columns()[column]
    assert known.plain(text) == plain
    assert problem in known.problem(text) and bool(known.problem(text)) == bool(problem)


def test_a_range_includes_its_ends():
    column = Column("x", "X", "number", "check", "x.", least=0, most=1)
    assert [column.problem(text) != "" for text in ("-0.01", "0", "1", "1.01")] == [True, False, False, True]


# cases


def test_a_case_tells_its_values():
    one = case(side="R", age="51,5", times="0; 90;;180 ", selected="0", Ki67="20")
    assert (one.name, one.patient, one.plain("side"), one.number("age")) == ("a", "P", "right", 51.5)
    assert one.parts("times") == ["0", "90", "180"] and not one.selected and one.get("Ki67") == "20"
    assert one.get("none") == "" and one.number("side") is None and one.plain("Ki67") == "20"
    assert case().selected and case(selected="yes").selected


def test_changed_cases_keep_the_rest():
    one = Case({"case": "a", "notes": "x", "age": "51"}, 7, ("more",))
    two = one.changed(age=None, volume_mm3=1234567.891, snr=12.5, side=" left ")
    assert two.values == {"case": "a", "notes": "x", "volume_mm3": "1.23457e+06", "snr": "12.5", "side": "left"}
    assert (two.line, two.surplus) == (7, ("more",)) and one.values["age"] == "51"


@pytest.mark.parametrize(
    "values, what",
    [
        ({"case": ""}, "case is empty"),
        ({"patient": ""}, "patient is empty"),
        ({"case": "a b"}, "other characters"),
        ({"case": "ä"}, "other characters"),
        ({"case": "../a"}, "other characters"),
        ({"case": "x" * 99 + "\n"}, "other characters"),
        ({"case": "x" * 300}, "more than 120 characters"),
        ({"exam": ""}, "none of them is filled in"),
        ({"phases": "a;b"}, "exam and phases are both filled in"),
        ({"age": "x"}, "age 'x' is not a number"),
        ({"side": "up"}, "side 'up'"),
    ],
)
def test_what_is_wrong_with_a_row_by_itself(values, what):
    assert any(what in text for text in case(**values).problems())
    assert case().problems() == []


# tables


def test_written_and_read_back(tmp_path):
    rows = [
        case(
            "a_1", exam="exams/a", mask="masks/a.nii.gz;masks/b.nii.gz", centre="Nord, Süd", notes='says "yes"\nand no'
        ),
        case("b-2", exam="", phases="/abs/b.nrrd", Ki67="20", density="c"),
    ]
    table = CaseTable(rows, tmp_path).write(tmp_path / "t.csv")
    read = CaseTable.read(tmp_path / "t.csv")
    assert read.columns == table.columns == (
        "case", "patient", "exam", "phases", "mask", "centre", "density", "notes", "Ki67",
    )  # fmt: skip
    assert [one.values for one in read] == [{k: v for k, v in one.values.items() if v} for one in rows]
    assert read.mask_paths(read.cases[0]) == [tmp_path / "masks" / "a.nii.gz", tmp_path / "masks" / "b.nii.gz"]
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # Excel knows UTF-8 by this
    assert [one.line for one in read] == [2, 4]


def test_pandas_reads_what_is_written(tmp_path):
    import pandas

    rows = [case("a", notes='1,5; "x"\ny', centre="Süd"), case("b")]
    CaseTable(rows, tmp_path).write(tmp_path / "t.csv")
    frame = pandas.read_csv(tmp_path / "t.csv", dtype=str, keep_default_na=False)
    assert frame.to_dict("records")[0] == {
        "case": "a", "patient": "P", "exam": "e", "centre": "Süd", "notes": '1,5; "x"\ny',
    }  # fmt: skip


ROW = {"case": "a", "patient": "A", "exam": "e", "mask": "m", "side": "l", "notes": "Süd, 1"}


@pytest.mark.parametrize(
    "text, encoding",
    [
        (f'{HEADER}\na,A,e,m,l,"Süd, 1"\n', "utf-8"),
        (f'\ufeff{HEADER}\r\na,A,e,m,l,"Süd, 1"\r\n\r\n,,,,,\r\n', "utf-8"),
        (f"{HEADER.replace(',', ';')}\na;A;e;m;l;Süd, 1\n", "cp1252"),
        (f"{HEADER.replace(',', ';')};;;\na;A;e;m;l;Süd, 1;;;\n", "cp1252"),
        ("\t".join(HEADER.split(",")) + "\na\tA\te\tm\tl\tSüd, 1\n", "utf-16"),
        (f'sep=,\r\n{HEADER}\r\na,A,e,m,l,"Süd, 1"\r\n', "utf-8"),
        ('Comments;mask_path;Case ID;patient_id;exam path;LATERALITY\n"Süd, 1";m;a;A;e;l\n', "utf-8"),
        (f'\n\n{HEADER}\n\n\na, A ,e,m,l,"Süd, 1"', "utf-8"),
        (f'{HEADER}\ra,A,e,m,l,"Süd, 1"\r', "utf-8"),
    ],
)
def test_spreadsheet_dialects(tmp_path, text, encoding):
    (read,) = CaseTable.read(write(tmp_path, text, encoding))
    assert read.values == ROW and not read.surplus


def test_understood_headings_are_said(tmp_path):
    table = CaseTable.read(write(tmp_path, "Case ID,patient,image_path,Ki 67\na,A,i,9\n"))
    assert table.notes == ("Columns that were understood: Case ID is case, image_path is image.",)
    assert table.columns == ("case", "patient", "image", "Ki 67")


def test_problems_are_named_by_line(tmp_path):
    text = f"{HEADER}\na,A,e,m,,\n\nA,B,e,m,,\n,C,e,m,,\nd d,D,,m,x,\ne,E,e,m,,n,too,many\n"
    problems = CaseTable.read(write(tmp_path, text)).problems()
    assert [problem.line for problem in problems] == [
        "line 2 (a): the case name a is used 2 times",
        "line 4 (A): the case name A is used 2 times",
        "line 5 (no name): case is empty",
        "line 6 (d d): the case name d d has other characters than a-z, digits, . _ and -",
        "line 6 (d d): a row has one of exam, phases, image, channels; none of them is filled in",
        "line 6 (d d): side 'x' is none of left, right, both",
        "line 7 (e): there are more values than columns: put those that hold the separator in double quotes",
    ]
    assert [problem.index for problem in problems] == [0, 1, 2, 3, 3, 3, 4]
    assert CaseTable([case(patient="")]).problems()[0].line == "row 1 (a): patient is empty"


@pytest.mark.parametrize(
    "content, what",
    [
        (None, "does not exist"),
        (b"", "empty"),
        (b"\n , ,\n", "empty"),
        (b"name,exam\na,b\n", "no column case, patient"),
        (b"case,patient,mask\na,b,c\n", "says where the exams are"),
        (b"case,patient,patient_id,exam\na,b,c,d\n", "Two columns of the case table are called patient"),
        (b"case,patient,exam,x,x\na,b,c,d,e\n", "Two columns of the case table are called x"),
        (b"PK\x03\x04rest", "spreadsheet file"),
        (b"case,patient,exam\na,b,\x00\n", "not a table"),
        (b'case,patient,exam\na,b,"never closed\n', "line 2"),
        (b"\xff\xfec\x00a", "cannot be read|no column"),
    ],
)
def test_bad_files_are_one_line(tmp_path, content, what):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=what) as raised:
        CaseTable.read(path)
    assert "\n" not in raised.value.line


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([b"case,patient,exam\n", b"case;patient;image;", b"\xff\xfe", b""]))
def test_hostile_bytes_never_raise_anything_else(tmp_path, content, start):
    path = tmp_path / "t.csv"
    path.write_bytes(start + content)
    try:
        table = CaseTable.read(path)
    except BadInput as error:
        assert "\n" not in error.line
    else:
        assert all("\n" not in problem.line for problem in table.problems())
        table.missing_files()


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(str.strip)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"notes": TEXTS, "centre": TEXTS, "Ki 67": TEXTS}), min_size=1, max_size=5))
def test_whatever_was_typed_comes_back(tmp_path, rows):
    table = CaseTable([case(f"c{k}", **row) for k, row in enumerate(rows)], tmp_path)
    table.write(tmp_path / "t.csv", overwrite=True)
    read = CaseTable.read(tmp_path / "t.csv")
    assert [[one.get(name) for name in ("notes", "centre", "Ki 67")] for one in read] == [
        [row[name] for name in ("notes", "centre", "Ki 67")] for row in rows
    ]


def test_moving_the_table_keeps_its_files(tmp_path):
    table = CaseTable([case(exam="e", mask="m/a.nii;/abs/b.nii", notes="e")], tmp_path / "data")
    moved = table.write(tmp_path / "tables" / "t.csv")
    inside = table.write(tmp_path / "data" / "t.csv")
    above = table.write(tmp_path / "t.csv")
    read = CaseTable.read(tmp_path / "tables" / "t.csv")
    assert read.path(read.cases[0].get("exam")) == tmp_path / "data" / "e"
    assert inside.cases[0].values == table.cases[0].values
    assert above.cases[0].get("exam") == "data/e" and moved.cases[0].get("notes") == "e"
    assert read.mask_paths(read.cases[0]) == [tmp_path / "data" / "m" / "a.nii", Path("/abs/b.nii").absolute()]


def test_missing_files_are_named_with_their_row(tmp_path):
    (tmp_path / "e").mkdir()
    (tmp_path / "m.nii").touch()
    text = f"{HEADER}\na,A,e,m.nii,,\nb,B,f,m.nii;n.nii,,\n"
    missing = CaseTable.read(write(tmp_path, text)).missing_files()
    assert [problem.text for problem in missing] == [
        f"the exam does not exist: {tmp_path / 'f'}",
        f"the mask does not exist: {tmp_path / 'n.nii'}",
    ]
    assert {problem.line.split(" (")[0] for problem in missing} == {"line 3"}


def test_sources_are_those_of_the_reader(tmp_path):
    (tmp_path / "e").mkdir()
    for name in ("a.nii", "b.nii"):
        (tmp_path / name).touch()
    table = CaseTable(
        [
            case("a", choose="clock=trigger", times="0;90"),
            case("b", exam="", phases="a.nii;'b.nii'"),
            case("c", exam="none"),
            case("d", exam="", image="a.nii;none.dcm"),
        ],
        tmp_path,
    )
    assert table.source(table.cases[0]) == {
        "folder": str(tmp_path / "e"), "times": [0.0, 90.0], "decisions": {"clock": "trigger"},
    }  # fmt: skip
    assert table.source(table.cases[1]) == {"files": [str(tmp_path / "a.nii"), str(tmp_path / "b.nii")]}
    for one, what in ((2, "no folder none"), (3, "no file none.dcm")):
        with pytest.raises(BadInput, match=what):
            table.source(table.cases[one])


def test_cases_are_found_by_name():
    table = CaseTable([case("a"), case("b", patient="Q")])
    assert table.index_of("b") == 1 and len(table) == 2 and table.patients == 2
    with pytest.raises(BadInput, match="no case 'c'"):
        table.index_of("c")


# relocating


@pytest.mark.parametrize(
    "old, new, exam, mask, count",
    [
        ("/data/old", "/new", "/new/a", "/new/m.nii;/data/older/n.nii", 2),
        ("/data/old/", "/new/", "/new/a", "/new/m.nii;/data/older/n.nii", 2),
        ("/data", "D:\\x y", "D:/x y/old/a", "D:/x y/old/m.nii;D:/x y/older/n.nii", 2),
        ("/data/old/a", ".", ".", "/data/old/m.nii;/data/older/n.nii", 1),
        ("/data/old/a", "/", "/", "/data/old/m.nii;/data/older/n.nii", 1),
        ("/dat", "/new", "/data/old/a", "/data/old/m.nii;/data/older/n.nii", 0),
    ],
)
def test_relocated_paths(old, new, exam, mask, count):
    table = CaseTable([case(exam="/data/old/a", mask="/data/old/m.nii; /data/older/n.nii", notes="/data/old")])
    moved, changed = table.relocated(old, new)
    parts = moved.cases[0].parts("mask")
    assert (moved.cases[0].get("exam"), ";".join(parts), changed) == (exam, mask, count)
    assert moved.cases[0].get("notes") == "/data/old" and table.cases[0].get("exam") == "/data/old/a"


def test_windows_and_quoted_paths_are_relocated():
    table = CaseTable([case(exam="C:\\Daten\\Fall 1", mask="\"C:\\Daten\\m.nii\";'C:\\Daten\\n.nii'")])
    for old in ("C:\\Daten", "C:/Daten", "C:\\Daten\\"):
        moved, count = table.relocated(old, "/srv/daten")
        assert count == 2
        assert moved.cases[0].get("exam") == "/srv/daten/Fall 1"
        assert moved.cases[0].get("mask") == "/srv/daten/m.nii;/srv/daten/n.nii"
    with pytest.raises(BadInput, match="is empty"):
        table.relocated("/", "/x")
    for new in ("", "  "):  # else every path would begin at the root of the disk
        with pytest.raises(BadInput, match="new folder is empty"):
            table.relocated("C:/Daten", new)
    assert table.relocated("C:/Daten", "/")[0].cases[0].get("exam") == "/Fall 1"


# the file


def test_updating_keeps_what_a_person_typed_meanwhile(tmp_path):
    text = "Case ID;patient;exam;;my column\na;A;e;in a column without a name;x\nb;B;f;;y;surplus\n"
    path = write(tmp_path, text, "cp1252")
    CaseTable.read(path)
    write(tmp_path, text.replace("A;e", "Ä;e").replace(";y;", ";edited;"), "cp1252")
    update_file(path, {"a": {"status": "ok", "snr": 12.5}, "gone": {"status": "ok"}})
    update_file(path, {"b": {"status": "refused", "findings": "x; y"}, "a": {"snr": None}})
    read = CaseTable.read(path)
    # Those that a person has come first and in her order; each update adds its own behind them.
    assert read.columns == ("case", "patient", "exam", "column 4", "my column", "status", "snr", "findings")
    assert read.cases[0].values == {
        "case": "a", "patient": "Ä", "exam": "e", "column 4": "in a column without a name", "my column": "x",
        "status": "ok",
    }  # fmt: skip
    assert read.cases[1].values["my column"] == "edited" and read.cases[1].get("findings") == "x; y"
    assert read.cases[1].surplus == ("surplus",)
    with open(path, encoding="utf-8-sig", newline="") as stream:
        assert len(list(csv.reader(stream))) == 3


def test_nothing_is_overwritten_or_left_half(tmp_path, monkeypatch):
    path = write(tmp_path, f"{HEADER}\na,A,e,m,,\n")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="exists"):
        CaseTable([case("b")], tmp_path).write(path)
    with pytest.raises(BadInput, match="folder"):
        CaseTable([case("b")], tmp_path).write(tmp_path)

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="disk is full"):
        update_file(path, {"a": {"status": "ok"}})
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["cases.csv"]


def test_a_write_protected_table_is_not_replaced(tmp_path):
    path = write(tmp_path, f"{HEADER}\na,A,e,m,,\n")
    before = path.read_bytes()
    path.chmod(0o444)
    with pytest.raises(BadInput, match="write-protected"):
        update_file(path, {"a": {"status": "ok"}})
    assert path.read_bytes() == before
    path.chmod(0o644)


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_table_behind_a_link_is_changed_itself(tmp_path):
    (tmp_path / "shared").mkdir()
    path = write(tmp_path / "shared", f"{HEADER}\na,A,e,m,,\n")
    link = tmp_path / "mine.csv"
    link.symlink_to(path)
    update_file(link, {"a": {"status": "ok"}})
    assert link.is_symlink() and CaseTable.read(path).cases[0].get("status") == "ok"
    assert CaseTable.read(link).cases[0].get("exam") == "e"


def test_unused_names():
    assert unused_name(set()) == "case_001"
    assert unused_name({"case_001", "case_002", "other"}) == "case_003"
    assert unused_name({"new_001"}, "new") == "new_002"


def test_ten_thousand_cases_are_read_and_written(tmp_path):
    rows = [case(f"c{k}", patient=f"P{k // 2}", exam=f"e/{k}", mask=f"m/{k}.nii.gz", age="51") for k in range(10_000)]
    CaseTable(rows, tmp_path).write(tmp_path / "t.csv")
    read = CaseTable.read(tmp_path / "t.csv")
    assert len(read) == 10_000 and read.patients == 5000 and not read.problems()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_keeps_its_separator(tmp_path, separator):
    """A German Excel shows a table with commas as one column."""
    rows = [["case", "patient", "phases", "notes"], ["a", "A", "p.nii;q.nii", 'x, y; "z"'], ["b", "B", "r.nii", ""]]
    path = tmp_path / "t.csv"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=separator).writerows(rows)
    update_file(path, {"b": {"age": 51.5}})
    with open(path, newline="", encoding="utf-8-sig") as stream:
        found = list(csv.DictReader(stream, delimiter=separator))
    assert [row["phases"] for row in found] == ["p.nii;q.nii", "r.nii"]
    assert (found[0]["notes"], found[1]["age"]) == ('x, y; "z"', "51.5")
    CaseTable.read(path).write(tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_text(encoding="utf-8-sig").startswith(separator.join(rows[0][:2]))
