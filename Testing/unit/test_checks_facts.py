"""What is read of a case: figures against independent computations, and nothing that tells who the patient is."""

import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.exam.dce import DceExam
from BreastSegLib.files import write_image
from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegLib.samples.writing import write_dce_sample
from BreastSegLib.volume import Volume
from BreastSegTrainingLib.cases import Case
from BreastSegTrainingLib.checks import gather
from BreastSegTrainingLib.checks.facts import Item, digest, identities
from BreastSegTrainingLib.checks.headers import read_headers
from check_cases import SPACING, sample, write_case
from PIL import Image
from scipy import ndimage


def read(folder, case, salt=b"", thumbnail=""):
    return gather(Item(str(folder), dict(case.values), salt, str(thumbnail)))


def mask_at(*boxes):
    mask = np.zeros(sample().truth.array.shape, np.uint8)
    for z, y, x in boxes:
        mask[z : z + 2, y : y + 4, x : x + 4] = 1
    return mask


@pytest.fixture(scope="module")
def dicom(tmp_path_factory):
    """Return the folder of a DCE exam as DICOM files with its truth."""
    folder = tmp_path_factory.mktemp("é dicom") / "dce"
    write_dce_sample(sample(1, "right"), folder)
    return folder


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Return a mammogram and its file."""
    folder = tmp_path_factory.mktemp("film")
    made = make_mammogram(3, "L", "MLO", size=(416, 320))
    write_mammogram_dicom(made, folder / "m.dcm")
    return made, folder


def mammogram(film, folder, mask=None, **values):
    made, where = film
    array = made.truth.astype(np.uint8) if mask is None else mask.astype(np.uint8)
    Image.fromarray(array).save(folder / "mask.png")
    path = (where / "m.dcm").as_posix()
    return Case({"case": "m", "patient": "P", "image": path, "mask": "mask.png", **values})


# dynamics


def test_figures_of_a_dynamic(tmp_path):
    made = sample()
    found = read(tmp_path, write_case(tmp_path, "a"))
    truth = made.truth.array
    assert (found.kind, found.problem, found.mask_problem, found.complaints) == ("dce", "", "", [])
    assert found.shape == list(truth.shape) and found.spacing == list(SPACING) and found.spacing_known
    assert [(p["role"], p["number"]) for p in found.phases] == [("pre", 0), ("post", 1), ("post", 2)]
    assert found.voxels == truth.sum() and found.volume_mm3 == pytest.approx(truth.sum() * np.prod(SPACING))
    assert found.components == ndimage.label(truth, np.ones((3, 3, 3)))[1] == 1
    assert found.outside == 0 and found.blank == found.lesion_on_blank == 0 and found.labels == {"1": truth.sum()}
    assert found.area_mm2 is None and found.view == "" and found.laterality == ""


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("turned", [False, True])
def test_side_of_the_mask_against_simpleitk(tmp_path, side, turned):
    made = sample(2, side)
    volumes, truth = list(made.exam.volumes), made.truth
    if turned:  # stored from the other side: the columns run to the patient's right
        flipped = sitk.DICOMOrient(truth.to_sitk(), "RAS")
        truth = Volume.from_sitk(flipped)
        volumes = [Volume.from_sitk(sitk.DICOMOrient(volume.to_sitk(), "RAS")) for volume in volumes]
    (tmp_path / "exam").mkdir()
    for number, volume in enumerate(volumes):
        write_image(volume.to_sitk(), tmp_path / "exam" / f"0{number}_{('pre', 'post1', 'post2')[number]}.nii.gz")
    write_image(truth.to_sitk(), tmp_path / "mask.nii.gz")
    image = sitk.ReadImage(str(tmp_path / "mask.nii.gz"))
    stats = sitk.LabelShapeStatisticsImageFilter()
    stats.Execute(sitk.Cast(image, sitk.sitkUInt8))
    expected = "left" if stats.GetCentroid(1)[0] > 0 else "right"
    found = read(tmp_path, Case({"case": "a", "patient": "P", "exam": "exam", "mask": "mask.nii.gz"}))
    assert (found.problem, found.side, expected) == ("", side, side)
    assert found.volume_mm3 == pytest.approx(stats.GetPhysicalSize(1), rel=1e-4)
    assert found.file_numbers == [0, 1, 2]


def test_a_mask_in_both_breasts_and_outside_them(tmp_path):
    middle, quarter = sample().truth.array.shape[2] // 2, sample().truth.array.shape[2] // 4
    both = read(tmp_path, write_case(tmp_path, "a", mask=mask_at((10, 20, quarter), (10, 20, 3 * quarter))))
    assert both.side == "both" and both.components == 2 and both.outside == 0
    air = read(tmp_path, write_case(tmp_path, "b", mask=mask_at((10, 0, middle))))
    assert air.outside == 1.0
    half = read(tmp_path, write_case(tmp_path, "c", mask=mask_at((10, 0, middle), (10, 20, quarter))))
    assert half.outside == pytest.approx(0.5)


def test_blank_slices_and_a_mask_on_them(tmp_path):
    made = sample()
    volumes = []
    for number, volume in enumerate(made.exam.volumes):
        array = volume.array.copy()
        array[:2] = 0
        array[-1] = 5.0 * number  # constant, though not alike
        array[2] = 0 if number else array[2]  # only some of the phases
        volumes.append(Volume(array, volume.geometry))
    exam = DceExam(made.exam.phases, tuple(volumes))
    found = read(tmp_path, write_case(tmp_path, "a", exam=exam))
    assert found.blank == 3 and found.lesion_on_blank == 0
    found = read(tmp_path, write_case(tmp_path, "b", exam=exam, mask=mask_at((1, 20, 20))))
    assert found.lesion_on_blank == 16  # one of its two slices


def test_the_same_pixels_are_known_in_every_kind_of_file(tmp_path):
    made = sample()
    rounded = tuple(Volume(np.rint(v.array), v.geometry) for v in made.exam.volumes)
    stored = read(tmp_path, write_case(tmp_path, "a", exam=replace(made.exam, volumes=rounded)))
    names = []
    for number, volume in enumerate(rounded):
        image = sitk.Cast(volume.to_sitk(), (sitk.sitkInt16, sitk.sitkFloat32, sitk.sitkInt32)[number])
        names.append(f"x{number}{('.nii.gz', '.nrrd', '.mha')[number]}")
        sitk.WriteImage(image, str(tmp_path / names[-1]))
    files = read(tmp_path, Case({"case": "b", "patient": "P", "phases": ";".join(names), "mask": "a.nrrd"}))
    assert files.pixels == stored.pixels and files.mask_hash == stored.mask_hash
    assert digest(np.zeros((2, 3, 4))) != digest(np.zeros((2, 4, 3)))
    assert digest(np.float32([[[0.0, 1.0]]])) == digest(np.float32([[[-0.0, 1.0]]]))


def test_complaints_are_told_whatever_fixes_are_chosen(tmp_path):
    mask = sample().truth.array * 255
    for fixes in ("", "to-1"):
        found = read(tmp_path, write_case(tmp_path, "a", mask=mask, fixes=fixes))
        assert [(code, fix) for code, _, fix in found.complaints] == [("label-255", "to-1")] and found.voxels
    nothing = write_case(tmp_path, "b").changed(mask="")
    assert [code for code, *_ in read(tmp_path, nothing).complaints] == ["mask-missing"]


def test_what_cannot_be_read_is_told(tmp_path):
    case = write_case(tmp_path, "a")
    assert read(tmp_path, case.changed(exam="gone")).problem.startswith("Exam: there is no folder gone")
    (tmp_path / "a.nrrd").write_bytes(b"no mask")
    found = read(tmp_path, case)
    assert found.mask_problem and found.kind == "dce" and found.unread and found.voxels == 0
    (tmp_path / "a" / "phase_0001.npy").write_bytes(b"\x93NUMPY")
    assert read(tmp_path, case).problem and read(tmp_path, case).kind == ""


def test_a_question_is_told_with_its_answers(tmp_path):
    (tmp_path / "exam").mkdir()
    for number, volume in enumerate(sample().exam.volumes):
        write_image(volume.to_sitk(), tmp_path / "exam" / f"c_{number:04d}.nii.gz")
    case = write_case(tmp_path, "a").changed(exam="exam")
    found = read(tmp_path, case).problem
    answer = found.split("column choose: ")[1].split(" ")[0]
    assert read(tmp_path, case.changed(choose=answer)).problem == ""


# DICOM headers


def test_scanner_and_person_of_dicom_files(dicom):
    case = Case({"case": "a", "patient": "P", "exam": "exam", "mask": "truth.nii.gz"})
    found = read(dicom, case, b"salt")
    assert found.scanner == "GE MEDICAL SYSTEMS Synthetic sample" and found.field_strength == 1.5
    assert found.side == "right" and found.identity and not found.complaints
    again, other = read(dicom, case, b"salt"), read(dicom, case, b"pepper")
    assert again.identity == found.identity != other.identity and other.pixels == found.pixels
    item = Item(str(dicom), dict(case.values), b"salt")
    assert identities([item, replace(item, values={"case": "x"})]) == [found.identity, ""]
    data = pydicom.dcmread(next((dicom / "exam").rglob("*.dcm")))
    kept = json.dumps(found.to_json())
    for secret in (data.PatientID, str(data.PatientName), data.PatientBirthDate, data.StudyDate, found.identity):
        assert secret and str(secret) not in kept


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"Laterality": "L"}, ("", "left")),
        ({"Laterality": "B"}, ("", "")),
        ({"MagneticFieldStrength": "15000"}, (1.5, "")),
        ({"MagneticFieldStrength": "3"}, (3.0, "")),
        ({"MagneticFieldStrength": "1e9"}, ("", "")),
    ],
)
def test_headers_as_files_have_them(dicom, tmp_path, tags, expected):
    data = pydicom.dcmread(next((dicom / "exam").rglob("*.dcm")))
    del data.MagneticFieldStrength
    for name, value in tags.items():
        setattr(data, name, value)
    (tmp_path / "notes.txt").write_text("x")
    data.save_as(tmp_path / "z.dcm")
    found = read_headers({"folder": str(tmp_path)}, b"")
    assert (found.field_strength or "", found.laterality) == expected


def test_a_woman_without_id_and_birth_date_is_nobody(dicom, tmp_path):
    data = pydicom.dcmread(next((dicom / "exam").rglob("*.dcm")))
    data.PatientID, data.PatientBirthDate = "", ""
    data.save_as(tmp_path / "z.dcm")
    assert read_headers({"folder": str(tmp_path)}, b"").identity == ""
    (tmp_path / "z.dcm").write_bytes((tmp_path / "z.dcm").read_bytes()[:140])
    assert read_headers({"folder": str(tmp_path)}, b"").identity == ""


# mammograms


def test_figures_of_a_mammogram(film, tmp_path):
    made, _ = film
    found = read(tmp_path, mammogram(film, tmp_path))
    assert (found.kind, found.side, found.laterality, found.view) == ("mammogram", "left", "left", "MLO")
    assert found.complaints == [] and found.phases == [] and found.volume_mm3 is None
    assert found.area_mm2 == pytest.approx(made.truth.sum() * made.spacing_mm**2, rel=1e-4)
    assert found.outside == 0 and found.contradictions == []


def test_a_mask_beside_the_breast(film, tmp_path):
    made, _ = film
    mask = np.zeros(made.truth.shape, bool)
    mask[-30:-20, -30:-20] = True  # the breast lies on the left edge of the image
    assert read(tmp_path, mammogram(film, tmp_path, mask)).outside == 1.0


def test_of_several_views_the_row_says_which(film, tmp_path):
    made, where = film
    other = make_mammogram(made.seed, "R", "CC", size=(416, 320))
    write_mammogram_dicom(other, tmp_path / "n.dcm", 2)
    case = mammogram(film, tmp_path)
    case = case.changed(image=f"{case.get('image')};n.dcm")
    assert "2 views" in read(tmp_path, case).problem
    found = read(tmp_path, case.changed(side="L", view="mlo"))
    assert (found.side, found.view, found.problem) == ("left", "MLO", "")


# pictures


def test_thumbnails_are_small_and_show_the_outline(film, tmp_path):
    target = tmp_path / "t ü" / "a.png"
    read(tmp_path, write_case(tmp_path, "a"), thumbnail=target)
    read(tmp_path, mammogram(film, tmp_path), thumbnail=target.with_name("m.png"))
    read(tmp_path, write_case(tmp_path, "e", mask=mask_at()), thumbnail=target.with_name("e.png"))
    for name, outlined in (("a", True), ("m", True), ("e", False)):
        picture = np.asarray(Image.open(target.with_name(f"{name}.png")))
        assert max(picture.shape) in range(120, 137) and picture.std() > 10
        red = (picture == (255, 96, 64)).all(axis=2)
        assert red.any() == outlined
    # The lesion of seed 0 lies in the left breast: on the right of the picture.
    red = (np.asarray(Image.open(target)) == (255, 96, 64)).all(axis=2)
    assert np.nonzero(red)[1].mean() > red.shape[1] / 2
