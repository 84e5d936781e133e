"""The case table, the folder layout and the verb ``cases``."""

import errno
import os

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.__main__ import main
from BreastSegTrainingLib.cases import COLUMNS, Case, CaseTable, from_folder, unused_id

HEADER = ",".join(COLUMNS)


def write(folder, text, encoding="utf-8"):
    path = folder / "cases.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_written_and_read_back(tmp_path):
    rows = [
        Case("a_1", "A", "exams/a", "masks/a.nii.gz", "Nord, Süd", 'says "yes"', {"density": "c", "age": "51"}),
        Case("b-2", "B", "/abs/b.nrrd", "masks/b.nrrd", more={"birads": "4"}),
    ]
    table = CaseTable(rows, tmp_path)
    table.write(tmp_path / "t.csv")
    read = CaseTable.read(tmp_path / "t.csv")
    assert read.columns == (*COLUMNS, "density", "age", "birads")
    assert [[case.value(name) for name in read.columns] for case in read] == [
        [case.value(name) for name in read.columns] for case in rows
    ]
    assert read.resolve(read.cases[0].exam_path) == tmp_path / "exams" / "a"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}\na,A,e,m,c,n\n",
        f"\ufeff{HEADER}\r\na,A,e,m,c,n\r\n\r\n,,,,,\r\n",
        "mask_path;case_id;patient_id;exam_path;notes;centre\nm;a;A;e;n;c\n",
        " case_id , patient_id,exam_path,mask_path,centre,notes\n a , A,e ,m,c,n\n",
    ],
)
def test_spreadsheet_dialects(tmp_path, text):
    (case,) = CaseTable.read(write(tmp_path, text))
    assert [case.value(name) for name in COLUMNS] == ["a", "A", "e", "m", "c", "n"]


@pytest.mark.parametrize(
    "text, what, row",
    [
        ("", "no column case_id", 1),
        ("case_id,exam_path\nx,y\n", "no column patient_id, mask_path", 1),
        (f"{HEADER},notes\n", "column name occurs twice", 1),
        (f"{HEADER}\na,A,e,m\na,B,e,m\n", "case id a occurs twice", 3),
        (f"{HEADER}\na,A,e,m\nA,B,e,m\n", "case id A occurs twice", 3),
        (f"{HEADER}\na,A,e,m\n\nb,,e,m\n", "column patient_id is empty", 4),
        (f"{HEADER}\ncase ä,A,e,m\n", "characters that file names cannot have", 2),
        (f"{HEADER}\n../a,A,e,m\n", "characters that file names cannot have", 2),
        (f"{HEADER}\na,A,e,m,c,first,second\n", "7 values for 6 columns", 2),
    ],
)
def test_bad_rows_are_named(tmp_path, text, what, row):
    path = write(tmp_path, text)
    with pytest.raises(BadInput) as error:
        CaseTable.read(path)
    assert what in error.value.line and f"{path}, row {row}" in error.value.line and "\n" not in error.value.line


@pytest.mark.parametrize(
    "prepare, what",
    [
        (lambda folder: folder / "none.csv", "does not exist"),
        (lambda folder: folder, "cannot be read"),
        (lambda folder: write(folder, f"{HEADER}\na,Ä,e,m\n", "latin-1"), "not UTF-8"),
        (lambda folder: write(folder, f'{HEADER}\n"a,A,e,m\n'), "not valid CSV"),
    ],
)
def test_bad_files(tmp_path, prepare, what):
    with pytest.raises(BadInput, match=what):
        CaseTable.read(prepare(tmp_path))


def test_moving_the_table_keeps_its_files(tmp_path):
    (tmp_path / "old" / "exams").mkdir(parents=True)
    table = CaseTable([Case("a", "A", "exams", "sub/m.nrrd")], tmp_path / "old")
    table.write(tmp_path / "t.csv")
    (case,) = CaseTable.read(tmp_path / "t.csv")
    assert (case.exam_path, case.mask_path) == ("old/exams", "old/sub/m.nrrd")
    table.write(tmp_path / "new" / "t.csv")
    (case,) = CaseTable.read(tmp_path / "new" / "t.csv")
    assert case.exam_path == (tmp_path / "old" / "exams").resolve().as_posix()


def test_missing_files_are_named_with_their_row(tmp_path):
    (tmp_path / "e").mkdir()
    table = CaseTable([Case("a", "A", "e", "m.nrrd")], tmp_path)
    assert table.missing_files() == [f"Row 2: the mask of a does not exist: {tmp_path / 'm.nrrd'}"]


def test_nothing_is_overwritten_or_left_half(tmp_path, monkeypatch):
    path = write(tmp_path, "mine")
    table = CaseTable([Case("a", "A", "e", "m")], tmp_path)
    with pytest.raises(BadInput, match="--overwrite"):
        table.write(path)

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="disk is full"):
        table.write(path, overwrite=True)
    assert path.read_text() == "mine" and [p.name for p in tmp_path.iterdir()] == ["cases.csv"]


def test_unused_ids():
    assert unused_id(set()) == "case_001"
    assert unused_id({"case_001", "x", "case_003"}) == "case_002"


@pytest.fixture
def dataset(tmp_path):
    for name in (
        "images/p2.nii.gz",
        "images/p1/IM1.dcm",
        "images/alone.nrrd",
        "images/.DS_Store",
        "images/readme.txt",
        "masks/p1.seg.nrrd",
        "masks/p2.nii.gz",
        "masks/lost.nrrd",
    ):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "set"


def test_folder_layout_pairs_by_name(dataset):
    pairing = from_folder(dataset)
    assert [(c.case_id, c.exam_path, c.mask_path) for c in pairing.table] == [
        ("p1", "images/p1", "masks/p1.seg.nrrd"),
        ("p2", "images/p2.nii.gz", "masks/p2.nii.gz"),
    ]
    assert pairing.table.missing_files() == []
    assert any("image without a partner: alone" in note for note in pairing.notes)
    assert any("mask without a partner: lost" in note for note in pairing.notes)


def test_two_files_of_one_name_are_refused(dataset):
    (dataset / "masks" / "p1.nrrd").write_bytes(b"")
    with pytest.raises(BadInput, match="named p1"):
        from_folder(dataset)


def test_command_line(dataset, tmp_path, capsys):
    output = tmp_path / "out" / "t.csv"
    command = ["cases", "--layout", "folder", str(dataset), "--output", str(output)]
    assert main(command) == 0
    assert "2 cases written" in capsys.readouterr().out
    table = CaseTable.read(output)
    assert len(table) == 2 and table.missing_files() == []
    before = output.read_bytes()
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(output) in error and "--overwrite" in error
    assert output.read_bytes() == before
    assert main([*command, "--overwrite"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["cases", "--layout", "folder", "no-such-folder", "--output", "t.csv"],
        ["cases", "--layout", "nothing", ".", "--output", "t.csv"],
        ["fly"],
        [],
    ],
)
def test_bad_commands_are_one_line(arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    error = capsys.readouterr().err
    assert status == 2 and error.count("\n") == 1 and error.strip()
    assert list(tmp_path.iterdir()) == []
