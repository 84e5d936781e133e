"""The plain folder: images and masks with the same names, and a table beside them."""

import unicodedata

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.samples.dicom_mr import write_dce_dicom
from BreastSegTrainingLib.cases import CaseTable
from BreastSegTrainingLib.cases.layouts import read_layout
from layouts_cases import (
    box,
    circle,
    disc,
    film,
    lesion_of,
    not_read,
    phase,
    roi,
    write_csv,
    write_dicom,
    write_outlines,
    write_pictures,
    write_volume,
    write_xlsx,
)
from PIL import Image

MASK = box()


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "Fälle 1"
    for number in range(3):
        write_volume(root / "images" / f"a_{number:04d}.nii.gz", phase(gain=1 + number))
        write_volume(root / "images" / f"late_{number + 1:04d}.nii.gz", phase(gain=1 + number))
    write_volume(root / "images" / "one.nrrd", phase())
    for name in ("a", "late_seg", "one_mask"):
        write_volume(root / "masks" / f"{name}.nii.gz", MASK)
    return root


def test_numbered_files_are_phases(dataset):
    imported = read_layout("folder", dataset)
    assert [case.values for case in imported.table] == [
        {
            "case": "one",
            "patient": "one",
            "phases": "images/one.nrrd",
            "mask": "masks/one_mask.nii.gz",
        },
        {
            "case": "a",
            "patient": "a",
            "phases": "images/a_0000.nii.gz;images/a_0001.nii.gz;images/a_0002.nii.gz",
            "phase_count": "3",
            "mask": "masks/a.nii.gz",
        },
        {
            "case": "late",
            "patient": "late",
            "phases": "images/late_0001.nii.gz;images/late_0002.nii.gz;images/late_0003.nii.gz",
            "choose": "pre=0",
            "phase_count": "3",
            "mask": "masks/late_seg.nii.gz",
        },
    ]
    exam, mask = lesion_of(imported.table, "a")
    assert [one.name for one in exam.phases] == ["pre", "post1", "post2"]
    np.testing.assert_array_equal(mask, MASK != 0)
    late, _ = lesion_of(imported.table, "late")
    assert [one.name for one in late.phases] == ["post1", "post2", "post3"]
    assert any("Patient ids are the case names" in note for note in imported.notes)


def test_numbered_files_are_channels_where_the_user_says_so(dataset):
    imported = read_layout("folder", dataset, numbers="channels")
    exam, _ = lesion_of(imported.table, "a")
    assert [one.role for one in exam.phases] == ["channel"] * 3


def test_dicom_folders_mammograms_and_masks_of_every_kind(tmp_path):
    sample = make_dce_exam(3, shape=(16, 44, 64), spacing=(3.0, 2.8, 5.2), posts=2)
    write_dce_dicom(sample.exam, tmp_path / "images" / "dce")
    truth = (sample.truth.array != 0).astype(np.uint8)
    np.save(tmp_path / "masks_dce.npy", truth)
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks_dce.npy").rename(tmp_path / "masks" / "dce.npy")
    shape = (150, 110)
    write_dicom(tmp_path / "images" / "mg.dcm", film(shape))
    write_outlines(tmp_path / "masks" / "mg.xml", [roi("Mass", circle((70, 40), 15))])
    Image.fromarray(film(shape)).save(tmp_path / "images" / "film.png")
    Image.fromarray(disc(shape, (60, 40), 9).astype(np.uint8)).save(tmp_path / "masks" / "film.png")
    write_volume(tmp_path / "images" / "parts.nii.gz", phase())
    write_volume(tmp_path / "masks" / "parts" / "left.nii.gz", MASK)
    write_volume(tmp_path / "masks" / "parts" / "right.nii.gz", box(low=(0, 0, 0), high=(2, 2, 2)))
    write_volume(tmp_path / "images" / "slices.nii.gz", phase())
    write_pictures(tmp_path / "masks" / "slices", MASK)
    imported = read_layout("folder", tmp_path)
    table = imported.table
    assert not imported.not_read and len(table) == 5
    np.testing.assert_array_equal(lesion_of(table, "dce")[1], truth != 0)
    assert len(lesion_of(table, "dce")[0].phases) == len(sample.exam.phases)
    ideal = disc(shape, (70, 40), 15)
    assert np.sum(lesion_of(table, "mg")[1][0] ^ ideal) < 0.05 * ideal.sum()
    np.testing.assert_array_equal(lesion_of(table, "film")[1][0], disc(shape, (60, 40), 9))
    both = MASK | box(low=(0, 0, 0), high=(2, 2, 2))
    np.testing.assert_array_equal(lesion_of(table, "parts")[1], both != 0)
    np.testing.assert_array_equal(lesion_of(table, "slices")[1], MASK != 0)


@pytest.mark.parametrize("kind", ["csv", "semicolon", "xlsx"])
def test_a_table_tells_what_is_known(dataset, kind):
    header = ["Filename", "Patient ID", "Center", "Age", "Menopausal Status", "ACR", "exam path", "Ki67"]
    rows = [
        ["a_0000.nii.gz", "P1", "Süd", "51,5", "Premenopausal", "3", "/elsewhere", "20"],
        ["images/late", "P1", "Süd", "47", "unknown", "b", "", ""],
        ["one.nrrd", "P2", "Nord", "470", "later", "5", "", ""],
        ["nobody", "P3", "", "", "", "", "", ""],
        ["A", "P4", "", "", "", "", "", ""],
    ]
    if kind == "xlsx":
        write_xlsx(dataset / "info.xlsx", header, rows)
    elif kind == "csv":
        write_csv(dataset / "info.csv", header, rows)
    else:
        write_csv(dataset / "info.csv", header, rows, ";", "cp1252")
    imported = read_layout("folder", dataset)
    first = imported.table.cases[imported.table.index_of("a")]
    assert {name: first.get(name) for name in ("patient", "centre", "age", "menopause", "density", "Ki67")} == {
        "patient": "P1", "centre": "Süd", "age": "51.5", "menopause": "pre", "density": "c", "Ki67": "20",
    }  # fmt: skip
    assert imported.table.patients == 2 and first.get("phases")  # a path in the table does not count
    one = imported.table.cases[imported.table.index_of("one")]
    assert one.get("age") == one.get("menopause") == one.get("density") == ""
    assert sum("is left out" in note for note in imported.notes) == 3
    name = "info.xlsx" if kind == "xlsx" else "info.csv"
    assert not_read(imported) == {
        f"{name}, line 5": "no image has the name in this row",
        f"{name}, line 6": "a second row for a",
    }
    assert not imported.table.problems()


def test_a_table_that_is_open_in_a_spreadsheet_program_counts_once(dataset):
    write_xlsx(dataset / "info.xlsx", ["Case", "Patient"], [["a", "P1"]])
    (dataset / "~$info.xlsx").write_bytes(b"\x05owner")  # as Excel marks a file that is open
    imported = read_layout("folder", dataset)
    assert imported.table.cases[imported.table.index_of("a")].patient == "P1"
    assert not any("info.xlsx" in where for where in not_read(imported))


def test_a_case_table_of_an_earlier_import_does_not_hide_what_is_known(dataset):
    write_csv(dataset / "info.csv", ["Case", "Patient"], [["a", "P1"]])
    first = read_layout("folder", dataset)
    first.table.write(dataset / "cases.csv")
    again = read_layout("folder", dataset)
    assert again.table.cases == first.table.cases and again.not_read == first.not_read
    assert any("cases.csv" in note for note in again.notes)
    (dataset / "info.csv").unlink()  # what a person wrote into the case table itself counts then
    assert read_layout("folder", dataset).table.cases[0].patient == first.table.cases[0].patient


def test_whatever_is_wrong_is_reported_and_the_rest_is_read(dataset):
    images, masks = dataset / "images", dataset / "masks"
    write_volume(images / "alone.nii.gz", phase())
    write_volume(masks / "nobody.nii.gz", MASK)
    write_volume(masks / "one.mha", MASK)
    write_volume(images / "gap_0000.nii.gz", phase())
    write_volume(images / "gap_0002.nii.gz", phase())
    write_volume(masks / "gap.nii.gz", MASK)
    write_volume(images / "third_0002.nii.gz", phase())
    write_volume(masks / "third.nii.gz", MASK)
    write_volume(images / "a_0001.nrrd", phase())
    write_volume(images / "one.mha", phase())
    (images / "list.docx").write_text("x")
    (images / ".DS_Store").write_text("x")
    write_csv(dataset / "one.csv", ["case"], [])
    write_csv(dataset / "two.csv", ["case"], [])
    imported = read_layout("folder", dataset)
    assert [case.name for case in imported.table] == ["one", "a", "late"]
    # The mask with the very name counts, not the one with a word behind it.
    assert imported.table.cases[0].get("mask") == "masks/one.mha"
    assert imported.table.cases[0].get("phases") == "images/one.mha"
    found = not_read(imported)
    assert found == {
        "images/alone.nii.gz": "there is no mask of this name",
        "masks/nobody.nii.gz": "there is no image of this name",
        "masks/one_mask.nii.gz": "there is no image of this name",
        "images/gap_0000.nii.gz": "the file with the number 0001 is missing",
        "images/third_0002.nii.gz": "its files begin with 0002: the phases before are missing",
        "images/a_0001.nrrd": "a second file with the number 0001",
        "images/one.nrrd": "a second entry one; the first is one.mha",
        "images/list.docx": "it is no image of a known kind",
        "one.csv": "there are several tables: keep the one that belongs to the images",
        "two.csv": "there are several tables: keep the one that belongs to the images",
    }


def test_names_that_no_system_takes_are_made_fit(tmp_path):
    for name in ("Fall 1 (Ä)", "事例", "fall-1-a"):
        write_volume(tmp_path / "images" / f"{name}.nii.gz", phase())
        write_volume(tmp_path / "masks" / f"{name}.nii.gz", MASK)
    imported = read_layout("folder", tmp_path)
    assert sorted(case.name for case in imported.table) == ["Fall-1-A", "case_002"]
    assert next(iter(not_read(imported).values())).startswith("a second case fall-1-a")
    assert not imported.table.problems()
    shown = {unicodedata.normalize("NFC", case.patient) for case in imported.table}
    assert shown == {"Fall 1 (Ä)", "事例"}


def test_long_names_are_cut(tmp_path):
    write_volume(tmp_path / "images" / f"{'x' * 200}.nii.gz", phase())
    write_volume(tmp_path / "masks" / f"{'x' * 200}.nii.gz", MASK)
    table = read_layout("folder", tmp_path).table
    assert not table.problems() and table.cases[0].name == "x" * 120 and table.cases[0].patient == "x" * 200


def test_names_are_paired_however_a_system_writes_their_accents(tmp_path):
    write_volume(tmp_path / "images" / f"{unicodedata.normalize('NFC', 'Ä1')}.nii.gz", phase())
    write_volume(tmp_path / "masks" / f"{unicodedata.normalize('NFD', 'ä1')}.nii.gz", MASK)
    write_csv(tmp_path / "t.csv", ["name", "age"], [[unicodedata.normalize("NFD", "ä1"), "51"]])
    imported = read_layout("folder", tmp_path)
    assert not imported.not_read and imported.table.cases[0].get("age") == "51"
    np.testing.assert_array_equal(lesion_of(imported.table, "A1")[1], MASK != 0)


def test_a_cancel_is_not_taken_for_a_bad_row(tmp_path):
    def cancel(stage, done, total):
        raise Cancelled

    write_volume(tmp_path / "images" / "a.nii.gz", phase())
    write_volume(tmp_path / "masks" / "a.nii.gz", MASK)
    with pytest.raises(Cancelled):
        read_layout("folder", tmp_path, cancel)


def test_a_semicolon_in_a_path_is_reported(tmp_path):
    try:
        write_volume(tmp_path / "images" / "a;b.nii.gz", phase())
        write_volume(tmp_path / "masks" / "a;b.nii.gz", MASK)
        write_volume(tmp_path / "images" / "c.nii.gz", phase())
        write_volume(tmp_path / "masks" / "c.nii.gz", MASK)
    except (OSError, RuntimeError):
        pytest.skip("this system has no such names")
    imported = read_layout("folder", tmp_path)
    assert "semicolon" in not_read(imported)["images/a;b.nii.gz"] and len(imported.table) == 1


def test_the_written_table_is_read_from_its_own_place(dataset, tmp_path):
    target = tmp_path / "elsewhere" / "cases.csv"
    read_layout("folder", dataset).table.write(target)
    table = CaseTable.read(target)
    assert not table.missing_files() and not table.problems()
    np.testing.assert_array_equal(lesion_of(table, "a")[1], MASK != 0)


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(BadInput, match="no folder images"):
        read_layout("folder", tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(BadInput, match="no folder masks"):
        read_layout("folder", tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(BadInput, match="No case could be read"):
        read_layout("folder", tmp_path)
