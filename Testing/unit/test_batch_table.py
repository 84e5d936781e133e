"""The table of a batch: what spreadsheet programs write, and every wrong row said at once."""

import csv
import io
import json
import os
import string

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.pipeline.batch_names import LONGEST, clashes, name_problem, same
from BreastSegLib.pipeline.batch_table import cases_of_folder, read_table
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def folder(tmp_path):
    """Exams e1, e2, Müller Anna as folders, and files pre, post1, post2, LCC."""
    for name in ("e1", "e2", "Müller Anna"):
        (tmp_path / "exams" / name).mkdir(parents=True)
    for name in ("pre.nii.gz", "post1.nii.gz", "post2.nii.gz", "LCC.dcm"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def table(folder, text, encoding="utf-8"):
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


PLAIN = "case,exam\na,exams/e1\nb,exams/e2\n"


@pytest.mark.parametrize(
    "text, encoding",
    [
        (PLAIN, "utf-8"),
        (PLAIN, "utf-8-sig"),
        (PLAIN.replace("\n", "\r\n"), "utf-8-sig"),
        (PLAIN.replace("\n", "\r"), "utf-8"),
        (PLAIN.replace(",", ";"), "utf-8"),
        (PLAIN.replace(",", "\t"), "utf-16"),
        ("sep=;\n" + PLAIN.replace(",", ";"), "utf-8-sig"),
        ("\n\n" + PLAIN + ",\n,,,\n\n", "utf-8"),
        ("CASE, Exam ,,\n a , exams/e1 ,,\nb,exams/e2,,,,,\n", "utf-8"),
        ('exam,case\n"exams/e1","a"\n"exams/e2","b"', "utf-8"),
        ('case,exam\na,"""exams/e1"""\nb,\'exams/e2\'\n', "utf-8"),
        ("case,exam\na,exams\\e1\nb,exams\\e2\n", "utf-8"),
        ("case;exam;times\na;exams/e1;\nb;exams/e2;\n", "cp1252"),
    ],
)
def test_what_spreadsheet_programs_write_is_read(folder, text, encoding):
    cases, notes = read_table(table(folder, text, encoding))
    assert [(case.name, case.source) for case in cases] == [
        ("a", {"folder": str(folder / "exams" / "e1")}),
        ("b", {"folder": str(folder / "exams" / "e2")}),
    ]
    assert not notes


def test_old_letters_of_windows_are_read(folder):
    cases, _ = read_table(table(folder, "case;exam\nä;exams/Müller Anna\n", "cp1252"))
    assert cases[0].name == "ä" and cases[0].source == {"folder": str(folder / "exams" / "Müller Anna")}


def test_every_column_is_understood(folder):
    (folder / "boxes.json").write_text('[{"box": [1, 2, 30, 40], "view": "LCC"}]', encoding="utf-8")
    text = (
        "case,phases,images,channels,exam,Times,regions,choose,centre\n"
        "p,pre.nii.gz; post1.nii.gz ;post2.nii.gz;,,,,0;90;180.5,,,Nord\n"
        "q,,,pre.nii.gz;post1.nii.gz,,,,,\n"
        "m,,LCC.dcm,,,,boxes.json,polarity=MONOCHROME1; spacing=1,\n"
        'n,,LCC.dcm,,,,,"polarity=MONOCHROME1; spacing=0.1,0.1",\n'
        f"e,,,,{folder / 'exams' / 'e1'},,,clock = trigger,\n"
    )
    (p, q, m, n, e), notes = read_table(table(folder, text))
    files = [str(folder / f"{name}.nii.gz") for name in ("pre", "post1", "post2")]
    assert p.source == {"files": files, "times": [0, 90, 180.5]} and q.source == {"channels": files[:2]}
    assert m.source["views"] == [str(folder / "LCC.dcm")] and m.regions == ({"box": [1, 2, 30, 40], "view": "LCC"},)
    assert n.source["decisions"] == {"polarity": "MONOCHROME1", "spacing": "0.1,0.1"}
    assert e.source == {"folder": str(folder / "exams" / "e1"), "decisions": {"clock": "trigger"}}
    assert notes == ["Columns of the table that are not used: centre."]
    assert [case.line for case in (p, q, m, n, e)] == [2, 3, 4, 5, 6]


def test_decimal_commas_of_times_are_read(folder):
    cases, _ = read_table(table(folder, 'case;exam;times\na;exams/e1;"0;90,5;181"\n'))
    assert cases[0].source["times"] == [0, 90.5, 181]


def test_all_wrong_rows_are_said_at_once_with_their_lines(folder):
    text = (
        "case,exam,phases,times,choose,regions\n"
        "a,exams/e1,,,,\n"
        "A,exams/e2,,,,\n"
        "\n"
        ",exams/e1,,,,\n"
        "CON,exams/e1,,,,\n"
        "c,exams/none,,,,\n"
        '"d",,"pre.nii.gz;\nmissing.nii.gz",,,\n'
        "e,exams/e1,pre.nii.gz,,,\n"
        "f,,,,,\n"
        "g,exams/e1,,x,y,\n"
        "h,exams/e1,,,colour=blue,nothing.json\n"
        "i,pre.nii.gz;post1.nii.gz,1,2,3,4,5,6\n"
    )
    with pytest.raises(BadInput) as caught:
        read_table(table(folder, text))
    line = caught.value.line
    for said in (
        "line 3: the case name A was used before",
        "line 5: the case has no name",
        "line 6: CON cannot be a case name: Windows keeps this name for a device",
        "line 7: exam: there is no folder exams/none",
        "line 8: phases: there is no file missing.nii.gz",
        "line 10: a row has one of exam, phases, image, channels; exam and phases are both filled in",
        "line 11: a row has one of exam, phases, image, channels; none of them is filled in",
        "line 12: times: Times are seconds",
        "line 12: choose: A choice is written NAME=VALUE",
        "line 13: choose: Nothing is called 'colour'",
        "line 13: regions: The file cannot be read",
        "line 14: 8 values for 6 columns; put quotes around a list of files",
    ):
        assert said in line, said
    assert "line 2:" not in line and len(line.splitlines()) == 1


def test_of_very_many_wrong_rows_some_are_shown(folder):
    text = "case,exam\n" + "".join(f"a{n},none\n" for n in range(500))
    with pytest.raises(BadInput, match="line 21: .*and 480 more"):
        read_table(table(folder, text))


@pytest.mark.parametrize(
    "text, said",
    [
        (b"", "empty"),
        (b"\n,,\n", "empty"),
        (b"case,exam\n", "no cases"),
        (b"case,where\na,b\n", "no column called case, or none that says"),
        (b"name,exam\na,b\n", "no column called case"),
        (b"case,exam,Case\na,b,c\n", "Two columns of the table are called case"),
        (b"case,image,images\na,b,c\n", "Two columns of the table are called image"),
        (b"PK\x03\x04rest", "spreadsheet file"),
        (b"\xd0\xcf\x11\xe0rest", "spreadsheet file"),
        (b"case,exam\x00\na,b\n", "not a table"),
        (b'case,exam\na,"exams/e1\n', "line 2"),
        (b"\xff\xfec", "letters"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(folder, text, said):
    with pytest.raises(BadInput) as caught:
        read_table(table(folder, text))
    assert said in caught.value.line and len(caught.value.line.splitlines()) == 1


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(BadInput, match="cannot be read"):
        read_table(tmp_path)


def test_an_exam_that_is_named_twice_is_spoken_of(folder):
    _, notes = read_table(table(folder, "case,exam\na,exams/e1\nb,exams/e1\n"))
    assert notes == ["These cases are the same exam: a and b."]


@pytest.mark.parametrize(
    "content", ["[]", "{}", "3", "[1]", '[{"box": [1, 2]}]', '[{"box": [5, 5, 1, 1]}]', '{"regions": []}', "x"]
)
def test_regions_are_checked_before_anything_runs(folder, content):
    (folder / "boxes.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match="line 2: regions: "):
        read_table(table(folder, "case,image,regions\na,LCC.dcm,boxes.json\n"))


def test_what_is_said_about_an_exam_changes_with_the_row_and_with_its_regions(folder):
    (folder / "boxes.json").write_text('{"regions": [{"point": [10, 20]}]}', encoding="utf-8")
    rows = "case,image,regions\na,LCC.dcm,boxes.json\n"
    first = read_table(table(folder, rows))[0][0].given
    assert json.loads(json.dumps(first)) == {"image": "LCC.dcm", "regions": [{"point": [10, 20]}]}
    (folder / "boxes.json").write_text('{"regions": [{"point": [10, 21]}]}', encoding="utf-8")
    assert read_table(table(folder, rows))[0][0].given != first
    (folder / "boxes.json").write_text('{"regions": [{"point": [10, 20]}]}', encoding="utf-8")
    assert read_table(table(folder, rows.replace("a,", "b,")))[0][0].given == first, "the name is no part of it"


BAD_NAMES = [
    "",
    ".",
    "..",
    ".hidden",
    "a.",
    "a/b",
    "a\\b",
    "a:b",
    "a*",
    "a|b",
    "a\tb",
    "a\x00b",
    "=1+1",
    "-a",
    "\ud800",
]
BAD_NAMES += ["con", "Com1", "nul.txt", "LPT³", "a.raw", "a.seg", "a.run", "a.Probabilities"]
BAD_NAMES += ["x" * (LONGEST + 1), "ä" * LONGEST]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_some_system_refuses_are_no_case_names(name):
    assert name_problem(name)


@pytest.mark.parametrize(
    "name", ["a", "1", "_x", "Case 3", "a-b", "a.b", "é", "乳", "conrad", "com10", "a.rawly", "x" * LONGEST]
)
def test_ordinary_names_are_case_names(name):
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    "names, expected",
    [
        (("a", "b"), []),
        (("a", "A"), [1]),
        (("é", "e\u0301"), [1]),
        (("straße", "STRASSE"), [1]),
        (("a", "a-LCC"), [1]),
        (("a-rmlo_2", "a"), [0]),
        (("a-view_3", "a"), [0]),
        (("a", "a-2", "a-pre2"), []),
        (("a-LCC", "b"), []),
    ],
)
def test_names_whose_files_would_be_the_same_clash(names, expected):
    assert [index for index, _ in clashes(names)] == expected


def test_folders_of_exams_are_cases_in_natural_order(tmp_path):
    for name in ("e10", "e2", "E1", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "readme.txt").write_text("", encoding="utf-8")
    cases, notes = cases_of_folder(tmp_path)
    assert [case.name for case in cases] == ["E1", "e2", "e10"] and cases[1].source == {"folder": str(tmp_path / "e2")}
    assert "--anonymous-names" in notes[0] and notes[1] == "1 file lies beside the folders, not used."
    cases, notes = cases_of_folder(tmp_path, lambda folders: [f"case_{n:04d}" for n in range(len(folders))])
    assert [case.name for case in cases] == ["case_0000", "case_0001", "case_0002"] and len(notes) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let such folders be made")
def test_folders_that_cannot_be_file_names_are_all_named(tmp_path):
    for name in ("fine", "a:b", "aux", " blank"):
        (tmp_path / name).mkdir()
    with pytest.raises(BadInput) as caught:
        cases_of_folder(tmp_path)
    assert all(f"folder {name}" in caught.value.line for name in ("a:b", "aux", " blank".strip()))
    assert "--anonymous-names" in caught.value.hint


def test_a_folder_without_folders_is_refused(tmp_path):
    with pytest.raises(BadInput, match="holds no folders"):
        cases_of_folder(tmp_path)
    with pytest.raises(BadInput, match="cannot be read"):
        cases_of_folder(tmp_path / "none")


GOOD_NAMES = st.text(st.sampled_from(string.ascii_letters + string.digits + " _.äé乳"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(GOOD_NAMES.filter(lambda name: not name_problem(name.strip())), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t"),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16")),
    quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
    newline=st.sampled_from(("\n", "\r\n", "\r")),
    spare=st.integers(0, 3),
)
def test_any_dialect_gives_the_same_cases(tmp_path_factory, names, separator, encoding, quoting, newline, spare):
    names = list({same(name.strip()): name.strip() for name in names}.values())
    folder = tmp_path_factory.mktemp("t")
    (folder / "e, x; y").mkdir()
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=newline)
    writer.writerow(["note", "exam", "case"] + [""] * spare)
    writer.writerows([["x;y,z\tw", "e, x; y", name] + [""] * spare for name in names])
    cases, _ = read_table(table(folder, text.getvalue(), encoding))
    assert [case.name for case in cases] == names
    assert all(case.source == {"folder": str(folder / "e, x; y")} for case in cases)


@settings(max_examples=150, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: ("case,exam\n" + text).encode("utf-8", "replace")),
    )
)
def test_anything_else_is_refused_in_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("t")
    try:
        cases, _ = read_table(table(folder, data))
    except BadInput as error:
        assert len(error.line.splitlines()) == 1
    else:
        assert all(not name_problem(case.name) for case in cases)
