"""CBIS-DDSM, in exactly the layouts in which the archive has delivered it, with its known exchanges."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.cases.layouts import read_layout
from layouts_cases import disc, film, lesion_of, not_read, write_csv, write_dicom

SHAPE = (160, 120)
MASS = [
    "patient_id", "breast_density", "left or right breast", "image view", "abnormality id", "abnormality type",
    "mass shape", "mass margins", "assessment", "pathology", "subtlety", "image file path", "cropped image file path",
    "ROI mask file path",
]  # fmt: skip
CALC = [
    "patient_id", "breast density", "left or right breast", "image view", "abnormality id", "abnormality type",
    "calc type", "calc distribution", "assessment", "pathology", "subtlety", "image file path",
    "cropped image file path", "ROI mask file path",
]  # fmt: skip


class Dataset:
    """Writes images and lesions, and keeps the rows of the four tables."""

    def __init__(self, root):
        self.root, self.rows, self.truth = root, {}, {}

    def image(self, subject, seed=0):
        side = "R" if "RIGHT" in subject else "L"
        folder = (
            self.root / "CBIS-DDSM" / subject / "07-20-2016-DDSM-NA-74994" / "1.000000-full mammogram images-24515"
        )
        self._write(folder / "1-1.dcm", film(SHAPE, side, seed), subject)

    def lesion(self, subject, number, centre, radius, how="both", size=SHAPE, white=255, row=True, **changes):
        name = f"{subject}_{number}"
        mask = disc(size, centre, radius)
        self.truth[name] = mask
        crop = film(SHAPE, "L", 9)[20:75, : 40 + radius]
        folder = self.root / "CBIS-DDSM" / name / "07-21-2016-DDSM-NA-18015"
        both = folder / "1.000000-ROI mask images-47061"
        cropped = folder / "1.000000-cropped images-58924"
        places = {
            "both": (both / "1-2.dcm", both / "1-1.dcm"),
            "exchanged": (both / "1-1.dcm", both / "1-2.dcm"),
            "apart": (both / "1-1.dcm", cropped / "1-1.dcm"),
            "apart-exchanged": (cropped / "1-1.dcm", both / "1-1.dcm"),
        }[how]
        self._write(places[0], (mask * white).astype(np.uint8), name, bits=8)
        self._write(places[1], crop, name)
        if row:
            self.row(subject, number, **changes)

    def row(self, subject, number, **changes):
        kind, part = subject.split("_")[0].split("-")
        _, _, patient, side, view = subject.split("_")
        uid = "1.3.6.1.4.1.9590.100.1.2"
        values = {
            "patient_id": f"P_{patient}",
            "density": "3",
            "left or right breast": side,
            "image view": view,
            "abnormality id": str(number),
            "abnormality type": {"Mass": "mass", "Calc": "calcification"}[kind],
            "first": "IRREGULAR",
            "second": "SPICULATED",
            "assessment": "4",
            "pathology": "MALIGNANT",
            "subtlety": "4",
            "image file path": f"{subject}/{uid}.1/{uid}.2/000000.dcm",
            "cropped image file path": f"{subject}_{number}/{uid}.3/{uid}.4/000001.dcm",
            # The tables have such line breaks inside their cells.
            "ROI mask file path": f"{subject}_{number}/{uid}.3/{uid}.4/000000.dcm\n",
            **changes,
        }
        self.rows.setdefault((kind, part), []).append(list(values.values()))

    def write(self, encoding="utf-8", separator=","):
        for (kind, part), rows in self.rows.items():
            name = f"{kind.lower()}_case_description_{'train' if part == 'Training' else 'test'}_set.csv"
            write_csv(self.root / name, MASS if kind == "Mass" else CALC, rows, separator, encoding)
        return self.root

    def _write(self, path, pixels, subject, bits=16):
        orientation = [subject.split("_")[4]]
        write_dicom(path, pixels, subject, "", "", bits, PatientOrientation=orientation)


@pytest.fixture
def dataset(tmp_path):
    return Dataset(tmp_path / "manifest-ZkhPvrLo5216730872708713142")


def test_an_image_with_two_lesions_merged_and_apart(dataset):
    subject = "Mass-Training_P_00001_LEFT_CC"
    dataset.image(subject)
    dataset.lesion(subject, 1, (60, 40), 12, pathology="BENIGN_WITHOUT_CALLBACK", assessment="2")
    dataset.lesion(subject, 2, (100, 50), 8, first="OVAL")
    merged = read_layout("cbis-ddsm", dataset.write())
    values = dict(merged.table.cases[0].values)
    mask = values.pop("mask").split(";")
    assert len(mask) == 2 and mask[0].startswith(f"CBIS-DDSM/{subject}_1/")
    assert values.pop("image").startswith(f"CBIS-DDSM/{subject}/")
    assert values == {
        "case": subject,
        "patient": "P_00001",
        "fixes": "to-1",
        "centre": "DDSM",
        "side": "left",
        "view": "CC",
        "birads": "4",
        "density": "c",
        "pathology": "malignant",
        "lesion": "1;2",
        "split": "train",
        "kind": "mass",
        "mass_shape": "IRREGULAR;OVAL",
        "mass_margins": "SPICULATED",
        "subtlety": "4",
    }
    _, both = lesion_of(merged.table, subject)
    one, two = dataset.truth[f"{subject}_1"], dataset.truth[f"{subject}_2"]
    np.testing.assert_array_equal(both[0], one | two)
    apart = read_layout("cbis-ddsm", dataset.root, lesions="apart").table
    assert [case.get("pathology") for case in apart] == ["benign", "malignant"]
    assert [case.get("lesion") for case in apart] == ["1", "2"] and apart.patients == 1
    np.testing.assert_array_equal(lesion_of(apart, f"{subject}_1")[1][0], one)
    np.testing.assert_array_equal(lesion_of(apart, f"{subject}_2")[1][0], two)
    assert not merged.not_read and not merged.table.problems()


@pytest.mark.parametrize("how", ["both", "exchanged", "apart", "apart-exchanged"])
def test_mask_and_crop_are_told_apart_by_their_content(dataset, how):
    subject = "Mass-Test_P_00016_RIGHT_MLO"
    dataset.image(subject)
    dataset.lesion(subject, 1, (60, 40), 12, how)
    imported = read_layout("cbis-ddsm", dataset.write())
    exam, mask = lesion_of(imported.table, subject)
    np.testing.assert_array_equal(mask[0], dataset.truth[f"{subject}_1"])
    np.testing.assert_array_equal(exam.images[0].array[0], film(SHAPE, "R"))
    assert imported.table.cases[0].get("split") == "test"
    exchanged = any("exchanged in 1 rows" in note for note in imported.notes)
    assert exchanged == (how == "apart-exchanged")


def test_a_pathology_that_is_not_known_is_not_called_benign(dataset):
    subject = "Mass-Training_P_00001_LEFT_CC"
    dataset.image(subject)
    dataset.lesion(subject, 1, (60, 40), 12, pathology="BENIGN")
    dataset.lesion(subject, 2, (100, 50), 8, pathology="UNPROVEN")
    imported = read_layout("cbis-ddsm", dataset.write(), lesions="apart")
    assert [case.get("pathology") for case in imported.table] == ["benign", ""]
    assert [case.get("pathology") for case in read_layout("cbis-ddsm", dataset.root).table] == [""]


def test_the_paths_of_the_earlier_download_are_followed_and_exchanges_counted(dataset):
    subject = "Mass-Training_P_00002_LEFT_CC"
    uid = "1.3.6.1.4.1.9590.100.1.2"
    root = dataset.root / "CBIS-DDSM"
    write_dicom(root / subject / f"{uid}.1" / f"{uid}.2" / "000000.dcm", film(SHAPE), subject, "", "")
    write_dicom(root / subject / f"{uid}.1" / f"{uid}.9" / "000000.dcm", film(SHAPE, seed=5), subject, "", "")
    mask = disc(SHAPE, (70, 40), 11)
    folder = root / f"{subject}_1" / f"{uid}.3" / f"{uid}.4"
    # The table calls the mask 000000.dcm; that is the crop (black and white, and without any black).
    write_dicom(folder / "000001.dcm", mask * 255, f"{subject}_1", "", "", 8)
    write_dicom(folder / "000000.dcm", 100 + mask[40:100, :60] * 90, f"{subject}_1", "", "", 8)
    dataset.row(subject, 1)
    imported = read_layout("cbis-ddsm", dataset.write())
    exam, found = lesion_of(imported.table, subject)
    np.testing.assert_array_equal(found[0], mask)
    np.testing.assert_array_equal(exam.images[0].array[0], film(SHAPE))
    assert any("exchanged in 1 rows" in note for note in imported.notes)


def test_a_lesion_between_the_lines_that_are_looked_at_is_found(dataset):
    subject = "Calc-Training_P_00005_RIGHT_CC"
    big = (1200, 64)
    dataset.image(subject)
    dataset.lesion(subject, 1, (601, 40), 2, size=big)
    crop = next((dataset.root / "CBIS-DDSM" / f"{subject}_1").rglob("1-1.dcm"))
    crop.write_bytes(crop.read_bytes()[:400])  # nobody needs the crop
    imported = read_layout("cbis-ddsm", dataset.write())
    assert len(imported.table) == 1
    assert imported.table.cases[0].get("kind") == "calcification"


def test_a_mask_of_another_size_is_said_and_left_to_the_user(dataset):
    subject = "Mass-Training_P_00003_LEFT_MLO"
    dataset.image(subject)
    dataset.lesion(subject, 1, (30, 20), 9, size=(80, 60))
    imported = read_layout("cbis-ddsm", dataset.write())
    assert any("another size" in note and "line 2" in note for note in imported.notes)
    with pytest.raises(BadInput, match="resample"):
        lesion_of(imported.table, subject)
    case = imported.table.cases[0]
    table = imported.table.replace([case.changed(fixes="to-1;resample")])
    _, mask = lesion_of(table, subject)
    truth = np.kron(dataset.truth[f"{subject}_1"], np.ones((2, 2), bool))
    np.testing.assert_array_equal(mask[0], truth)


def test_the_mask_that_the_table_names_is_no_exchange(dataset):
    subject, uid = "Mass-Training_P_00002_LEFT_CC", "1.3.6.1.4.1.9590.100.1.2"
    dataset.image(subject)
    folder = dataset.root / "CBIS-DDSM" / f"{subject}_1" / f"{uid}.3" / f"{uid}.4"
    write_dicom(folder / "000001.dcm", disc(SHAPE, (70, 40), 11) * 255, f"{subject}_1", "", "", 8)
    write_dicom(folder / "000000.dcm", film(SHAPE)[40:100, :60], f"{subject}_1", "", "")
    dataset.row(subject, 1, **{"ROI mask file path": f"{subject}_1/{uid}.3/{uid}.4/000001.dcm"})
    imported = read_layout("cbis-ddsm", dataset.write())
    assert len(imported.table) == 1 and not imported.notes


@pytest.mark.parametrize("pixels", [100 + disc(SHAPE, (70, 40), 11) * 90, np.zeros(SHAPE), np.full(SHAPE, 255)])
def test_two_values_without_black_or_one_value_are_no_mask(dataset, pixels):
    subject = "Mass-Training_P_00002_LEFT_CC"
    dataset.image(subject)
    write_dicom(dataset.root / "CBIS-DDSM" / f"{subject}_1" / "a" / "1-1.dcm", pixels, subject, "", "", 8)
    dataset.row(subject, 1)
    with pytest.raises(BadInput, match="none of the 1 files of the lesion is a mask"):
        read_layout("cbis-ddsm", dataset.write())


def test_masks_of_ones_need_no_fix(dataset):
    subject = "Mass-Training_P_00004_LEFT_CC"
    dataset.image(subject)
    dataset.lesion(subject, 1, (60, 40), 12, white=1)
    imported = read_layout("cbis-ddsm", dataset.write())
    assert imported.table.cases[0].get("fixes") == ""
    np.testing.assert_array_equal(lesion_of(imported.table, subject)[1][0], dataset.truth[f"{subject}_1"])


def test_kinds_are_chosen_and_patients_in_both_parts_are_said(dataset):
    for subject in ("Mass-Training_P_00007_LEFT_CC", "Calc-Test_P_00007_LEFT_CC"):
        dataset.image(subject)
        dataset.lesion(subject, 1, (60, 40), 12)
    every = read_layout("cbis-ddsm", dataset.write())
    assert any("1 patients are in the training part" in note and "P_00007" in note for note in every.notes)
    assert len(every.table) == 2 and every.table.patients == 1
    calc = read_layout("cbis-ddsm", dataset.root, kinds="calcification")
    assert [case.name for case in calc.table] == ["Calc-Test_P_00007_LEFT_CC"]
    assert calc.table.cases[0].get("calc_type") == "IRREGULAR" and not calc.notes


@pytest.mark.parametrize("encoding, separator", [("utf-8-sig", ","), ("cp1252", ";"), ("utf-16", "\t")])
def test_tables_that_a_spreadsheet_program_saved_again(dataset, encoding, separator):
    subject = "Mass-Training_P_00001_LEFT_CC"
    dataset.image(subject)
    dataset.lesion(subject, 1, (60, 40), 12, first="ÜBER, SO")
    imported = read_layout("cbis-ddsm", dataset.write(encoding, separator))
    assert imported.table.cases[0].get("mass_shape") == "ÜBER, SO"


def test_whatever_is_wrong_is_reported_and_the_rest_is_read(dataset):
    good = "Mass-Training_P_00001_LEFT_CC"
    dataset.image(good)
    dataset.lesion(good, 1, (60, 40), 12)
    dataset.row("Mass-Training_P_00010_LEFT_CC", 1)
    alone = "Mass-Training_P_00011_LEFT_CC"
    dataset.image(alone)
    dataset.row(alone, 1)
    dataset.row(good, 1)
    dataset.row(good, 2, **{"image file path": "somewhere/else.dcm"})
    dataset.row(good, "")
    dataset.row(good, 3, patient_id="P_00099")
    double = "Mass-Training_P_00012_LEFT_CC"
    dataset.image(double)
    dataset.lesion(double, 1, (60, 40), 12)
    folder = next((dataset.root / "CBIS-DDSM" / f"{double}_1").rglob("1-2.dcm")).parent
    write_dicom(folder / "1-3.dcm", disc(SHAPE, (90, 50), 9) * 255, double, "", "", 8)
    none = "Mass-Training_P_00013_LEFT_CC"
    dataset.image(none)
    dataset.lesion(none, 1, (60, 40), 12)
    next((dataset.root / "CBIS-DDSM" / f"{none}_1").rglob("1-2.dcm")).unlink()
    broken = "Mass-Training_P_00014_LEFT_CC"
    dataset.image(broken)
    dataset.lesion(broken, 1, (60, 40), 12)
    mask = next((dataset.root / "CBIS-DDSM" / f"{broken}_1").rglob("1-2.dcm"))
    mask.write_bytes(mask.read_bytes()[:3000])
    imported = read_layout("cbis-ddsm", dataset.write())
    assert [case.name for case in imported.table] == [good]
    table = "mass_case_description_train_set.csv"
    found = not_read(imported)
    # A cell with a line break takes two lines of the file.
    assert found.pop(f"{table}, line 20")
    assert found == {
        f"{table}, line 4": "there is no folder Mass-Training_P_00010_LEFT_CC with the image",
        f"{table}, line 6": f"there is no folder {alone}_1 with the mask",
        f"{table}, line 8": f"a second row for lesion 1 of {good}",
        f"{table}, line 10": "its image file path does not begin with the image's folder: 'somewhere'",
        f"{table}, line 12": "it has no abnormality id",
        f"{table}, line 14": "its patient id is not that of its image's folder, P_00001",
        f"{table}, line 16": "2 files of the lesion may be the mask: keep one of them",
        f"{table}, line 18": "none of the 1 files of the lesion is a mask (two values, one of them 0)",
    }


def test_folders_without_tables_or_cases_are_refused(dataset):
    dataset.image("Mass-Training_P_00001_LEFT_CC")
    with pytest.raises(BadInput, match="no case description table"):
        read_layout("cbis-ddsm", dataset.root)
    dataset.row("Mass-Training_P_00001_LEFT_CC", 1)
    with pytest.raises(BadInput, match="No case could be read: mass_case_description_train_set.csv, line 2"):
        read_layout("cbis-ddsm", dataset.write())
