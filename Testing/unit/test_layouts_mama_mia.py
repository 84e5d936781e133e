"""MAMA-MIA, in exactly the layout of its release."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases.layouts import read_layout
from layouts_cases import (
    box,
    lesion_of,
    not_read,
    phase,
    write_csv,
    write_json,
    write_volume,
    write_xls,
    write_xlsx,
)

HEADER = [
    "patient_id", "dataset", "site", "age", "menopause", "ethnicity", "breast_density", "tumor_subtype", "pcr",
    "manufacturer", "manufacturer_model", "field_strength", "acquisition_times", "num_phases", "bilateral_mri",
]  # fmt: skip
ROWS = {
    "DUKE_001": [
        "DUKE", "DUKE", 41.0, "pre", "white", None, "luminal_a", 0.0, "GE", "Signa", 1.5, "[0, 120.5, 241]", 3,
    ],
    "ISPY2_100899": [
        "ISPY2", "UCSF", "63", "post (prior bilateral ovariectomy or >12 mo since LMP)", "asian", "c", "her2_pure",
        1.0, "SIEMENS", None, 3.0, "[0, 80]", 2,
    ],
    "NACT_07": ["NACT", "UCSF", None, None, None, "nan", None, None, "GE", "Signa", 1.5, None, 2],
}  # fmt: skip
EXPERT, AUTOMATIC = box(), box(low=(2, 6, 7), high=(4, 11, 12))


def rows():
    return [[name, *values, 1] for name, values in ROWS.items()]


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "MAMA-MIA"
    for name, count in (("DUKE_001", 3), ("ISPY2_100899", 2), ("NACT_07", 2)):
        for number in range(count):
            # Folders in upper, files in lower case, as in the release.
            path = root / "images" / name / f"{name.lower()}_{number:04d}.nii.gz"
            write_volume(path, phase(gain=1 + 0.4 * number, seed=number))
        write_volume(root / "segmentations" / "expert" / f"{name.lower()}.nii.gz", EXPERT)
        write_volume(root / "segmentations" / "automatic" / f"{name.lower()}.nii.gz", AUTOMATIC)
        record = {
            "patient_id": name,
            "primary_lesion": {"pcr": 1, "breast_coordinates": {"x_min": 1, "x_max": 9}},
            "imaging_data": {"dataset": name.split("_")[0], "field_strength": 1.49, "acquisition_times": [0, 75.0]},
            "clinical_data": {"age": 50, "menopause": "peri (irregular)", "breast_density": "b"},
        }
        write_json(root / "patient_info_files" / f"{name.lower()}.json", record)
    write_xlsx(root / "clinical_and_imaging_info.xlsx", HEADER, rows(), before=("read me",))
    write_csv(
        root / "train_test_splits.csv", ["train_split", "test_split"], [["DUKE_001", "NACT_07"], ["ISPY2_100899", ""]]
    )
    return root


def test_cases_with_phases_times_and_what_is_known(dataset):
    imported = read_layout("mama-mia", dataset)
    first, second, third = imported.table.cases
    assert first.values == {
        "case": "DUKE_001",
        "patient": "DUKE_001",
        "phases": ";".join(f"images/DUKE_001/duke_001_{number:04d}.nii.gz" for number in range(3)),
        "times": "0;120.5;241",
        "mask": "segmentations/expert/duke_001.nii.gz",
        "phase_count": "3",
        "split": "train",
        "centre": "DUKE",
        "scanner": "GE Signa",
        "field_strength": "1.5",
        "density": "b",
        "pathology": "luminal_a",
        "age": "41",
        "menopause": "pre",
        "site": "DUKE",
        "pcr": "0",
    }
    assert (second.get("menopause"), second.get("age"), second.get("density")) == ("post", "63", "c")
    # What the table does not tell comes from the patient's own file.
    assert (third.get("menopause"), third.get("age"), third.get("times")) == ("pre", "50", "0;75")
    assert third.get("split") == "test"
    assert not imported.not_read and not imported.notes and not imported.table.problems()


def test_exam_and_mask_are_read(dataset):
    table = read_layout("mama-mia", dataset).table
    exam, mask = lesion_of(table, "DUKE_001")
    np.testing.assert_array_equal(mask, EXPERT != 0)
    assert [(one.name, one.time_s) for one in exam.phases] == [("pre", -120.5), ("post1", 0.0), ("post2", 120.5)]
    np.testing.assert_allclose(exam.volume("post2").array, phase(gain=1.8, seed=2), rtol=1e-5)


def test_whose_segmentation_it_is_can_be_chosen(dataset):
    (dataset / "segmentations" / "expert" / "nact_07.nii.gz").unlink()
    expert = read_layout("mama-mia", dataset)
    assert not_read(expert) == {"images/NACT_07": "there is no expert segmentation"}
    automatic = read_layout("mama-mia", dataset, annotation="automatic").table
    np.testing.assert_array_equal(lesion_of(automatic, "DUKE_001")[1], AUTOMATIC != 0)
    every = read_layout("mama-mia", dataset, annotation="any").table
    kinds = [case.get("mask").split("/")[1] for case in every]
    assert kinds == ["expert", "expert", "automatic"]


def test_without_the_table_the_patients_own_files_tell(dataset):
    (dataset / "clinical_and_imaging_info.xlsx").unlink()
    (dataset / "patient_info_files" / "nact_07.json").write_text("{", encoding="utf-8")
    imported = read_layout("mama-mia", dataset)
    assert [case.get("centre") for case in imported.table] == ["DUKE", "ISPY2", "NACT"]
    assert imported.table.cases[0].get("field_strength") == "1.49"
    assert any("xlsx is missing" in note for note in imported.notes)
    assert any("nact_07.json is damaged" in note for note in imported.notes)
    assert any("times of 2 cases" in note and "DUKE_001, NACT_07" in note for note in imported.notes)


@pytest.mark.parametrize("kind", ["xls", "csv"])
def test_tables_saved_in_another_form(dataset, kind):
    (dataset / "clinical_and_imaging_info.xlsx").unlink()
    if kind == "xls":
        write_xls(dataset / "clinical_and_imaging_info.xls", HEADER, rows())
    else:
        # As Excel saves it where commas are decimal signs.
        texts = [[str(value).replace("1.5", "1,5") if value == 1.5 else value for value in row] for row in rows()]
        write_csv(dataset / "clinical_and_imaging_info.csv", HEADER, texts, ";", "cp1252")
    first = read_layout("mama-mia", dataset).table.cases[0]
    assert (first.get("field_strength"), first.get("times"), first.get("scanner")) == (
        "1.5",
        "0;120.5;241",
        "GE Signa",
    )


@pytest.mark.parametrize("times", ["[0, 90]", "[0, 90, 80]", "[0, x, 90]", "nan", "[0, inf, 90]"])
def test_times_that_do_not_fit_are_left_empty_and_said(dataset, times):
    changed = rows()
    changed[0][12] = times
    write_xlsx(dataset / "clinical_and_imaging_info.xlsx", HEADER, changed)
    imported = read_layout("mama-mia", dataset)
    assert imported.table.cases[0].get("times") == ""
    assert any("times of 1 cases" in note for note in imported.notes)


def test_whatever_is_wrong_is_reported_and_the_rest_is_read(dataset):
    (dataset / "images" / "DUKE_001" / "duke_001_0000.nii.gz").unlink()
    (dataset / "images" / "NACT_07" / "nact_08_0000.nii.gz").write_bytes(b"x")
    write_volume(dataset / "segmentations" / "expert" / "duke_999.nii.gz", EXPERT)
    (dataset / "images" / "DUKE_500").mkdir()
    write_volume(dataset / "segmentations" / "expert" / "duke_500.nii.gz", EXPERT)
    more = [["DUKE_777", *[None] * 14], ["DUKE_001", *[None] * 14], [None, "DUKE", *[None] * 13]]
    write_xlsx(dataset / "clinical_and_imaging_info.xlsx", HEADER, [*rows(), *more])
    imported = read_layout("mama-mia", dataset)
    assert [case.name for case in imported.table] == ["ISPY2_100899"]
    assert not_read(imported) == {
        "images/DUKE_001": "the file of phase 0000 is missing",
        "images/DUKE_500": "its files are not called CASE_0000, CASE_0001 …",
        "images/NACT_07": "it holds several cases",
        "segmentations/expert/duke_999.nii.gz": "its images are missing",
        "clinical_and_imaging_info.xlsx, line 5": "there is no folder images/DUKE_777",
        "clinical_and_imaging_info.xlsx, line 6": "a second row for DUKE_001",
        "clinical_and_imaging_info.xlsx, line 7": "the row has no patient_id",
    }


def test_bad_folders_are_refused(dataset):
    with pytest.raises(BadInput, match="no folder images"):
        read_layout("mama-mia", dataset / "images")
    (dataset / "segmentations" / "expert").rename(dataset / "segmentations" / "other")
    with pytest.raises(BadInput, match="no folder segmentations/expert"):
        read_layout("mama-mia", dataset)
    (dataset / "segmentations").rename(dataset / "masks")
    with pytest.raises(BadInput, match="no folder segmentations"):
        read_layout("mama-mia", dataset, annotation="any")
