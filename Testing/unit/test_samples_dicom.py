"""Sample exams as DICOM: geometry and values come back, the clocks are the vendors', samples appear whole or not."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import DceExam, number_phases
from BreastSegLib.samples import writing
from BreastSegLib.samples.dce import Mass, SampleExam
from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
from BreastSegLib.samples.dicom_mr import LAYOUTS, VENDORS, encode, write_dce_dicom
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegLib.volume import Geometry, Volume, geometry_of

SHAPE, STARTS = (4, 7, 9), (-60.0, 75.0, 165.0)
VERIFIER = shutil.which("dciodvfy")


def oblique_geometry():
    """Three rotations, unequal spacing, an odd origin; right-handed as DICOM slices are."""
    a, b, c = np.deg2rad((12, -8, 25))
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return Geometry(SHAPE, (0.8, 1.3, 2.5), (-71.3, 22.7, -9.1), tuple((x @ y @ z).ravel()))


def small_exam(geometry=None, scale=900.0, offset=0.0):
    rng = np.random.default_rng(4)
    geometry = geometry or Geometry(SHAPE, (0.7, 0.9, 2.0), (-5.0, -60.0, 12.0))
    volumes = tuple(Volume((rng.random(SHAPE) * scale + offset).astype(np.float32), geometry) for _ in STARTS)
    roles = ("pre", "post", "post")
    return DceExam(number_phases([(role, time, "made so", ()) for role, time in zip(roles, STARTS)]), volumes)


def small_sample():
    exam = small_exam()
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3, 2:4, 2:5] = 1
    mass = Mass(
        "left", (1.0, 2.0, 3.0), (4.0, 4.0, 4.0), "washout", True, float(mask.sum() * exam.geometry.voxel_volume)
    )
    return SampleExam(exam, Volume(mask, exam.geometry), Volume(mask * 0, exam.geometry), (mass,), 7)


def by_phase(files):
    n = SHAPE[0]
    return [files[k : k + n] for k in range(0, len(files), n)]


def read_series(files):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in files])
    return reader.Execute()


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()
    }


def errors_of(path):
    """Error lines of the independent DICOM checker."""
    result = subprocess.run([VERIFIER, str(path)], capture_output=True, text=True, check=False)
    return [line for line in (result.stdout + result.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("oblique", [False, True], ids=["straight", "oblique"])
def test_geometry_and_values_come_back(tmp_path, vendor, layout, oblique):
    exam = small_exam(oblique_geometry() if oblique else None)
    files = write_dce_dicom(exam, tmp_path, layout, vendor, 3)
    assert len(files) == len(STARTS) * SHAPE[0] and len({path.parent for path in files}) == (
        3 if layout == "series-per-phase" else 1
    )
    for volume, part in zip(exam.volumes, by_phase(files)):
        image = read_series(part)
        assert geometry_of(image).same_grid(exam.geometry, 1e-4)
        step = encode(exam, vendor).slope
        assert np.abs(sitk.GetArrayFromImage(image) - volume.array).max() <= step / 2 + 1e-4
        assert step <= 1


def test_slices_in_any_order_sort_back_by_position(tmp_path):
    exam = small_exam(oblique_geometry())
    folder = write_dce_dicom(exam, tmp_path, "series-per-phase", "GE", 3)[0].parent
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{(number * 3) % 4}.dcm")
    image = read_series(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    assert geometry_of(image).same_grid(exam.geometry, 1e-4)
    assert np.abs(sitk.GetArrayFromImage(image) - exam.volumes[0].array).max() <= 0.51


@pytest.mark.parametrize(
    "scale, offset, allowed",
    [(0.8, 0.0, 1.1e-4), (2.0e5, 0.0, 25.0), (500.0, -300.0, 0.5)],
    ids=["tiny", "huge", "negative"],
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_unusual_ranges_keep_their_contrast(tmp_path, vendor, scale, offset, allowed):
    exam = small_exam(scale=scale, offset=offset)
    files = write_dce_dicom(exam, tmp_path, "one-series", vendor)
    array = sitk.GetArrayFromImage(read_series(by_phase(files)[1]))
    assert np.abs(array - exam.volumes[1].array).max() <= 1.01 * allowed


def seconds(text):
    text = str(text)
    return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:])


def column(files, name):
    return [
        [getattr(pydicom.dcmread(path, stop_before_pixels=True), name, None) for path in part]
        for part in by_phase(files)
    ]


def test_ge_one_series_tells_by_content_time_and_uneven_trigger_time(tmp_path):
    files = write_dce_dicom(small_exam(), tmp_path, "one-series", "GE")
    content = [{seconds(v) for v in row} for row in column(files, "ContentTime")]
    assert [len(values) for values in content] == [1, 1, 1]
    starts = [values.pop() for values in content]
    assert np.diff(starts) == pytest.approx(np.diff(STARTS))
    assert len({v for row in column(files, "AcquisitionTime") for v in row}) == 1
    trigger = [[float(v) for v in row] for row in column(files, "TriggerTime")]
    assert all(len(set(row)) == SHAPE[0] and max(row) - min(row) < 2000 for row in trigger)
    assert np.diff([row[0] for row in trigger]) / 1000 == pytest.approx(np.diff(STARTS))
    assert pydicom.dcmread(files[0])[0x0019, 0x105A].value == pytest.approx(112.5e6)  # µs
    assert column(files, "TemporalPositionIdentifier") == [[n] * SHAPE[0] for n in (1, 2, 3)]


def test_siemens_tells_by_acquisition_time_and_number_only(tmp_path):
    files = write_dce_dicom(small_exam(), tmp_path, "one-series", "SIEMENS")
    assert np.diff([seconds(row[0]) for row in column(files, "AcquisitionTime")]) == pytest.approx(np.diff(STARTS))
    assert column(files, "AcquisitionNumber") == [[n] * SHAPE[0] for n in (1, 2, 3)]
    for absent in ("TriggerTime", "TemporalPositionIdentifier", "NumberOfTemporalPositions"):
        assert column(files, absent) == [[None] * SHAPE[0]] * 3
    spread = [[seconds(v) for v in row] for row in column(files, "ContentTime")]
    assert all(0 < max(row) - min(row) < 2 for row in spread)


def test_philips_tells_by_trigger_time_while_the_clocks_stand_still(tmp_path):
    files = write_dce_dicom(small_exam(), tmp_path, "one-series", "PHILIPS")
    assert np.diff([float(row[0]) for row in column(files, "TriggerTime")]) / 1000 == pytest.approx(np.diff(STARTS))
    for still in ("AcquisitionTime", "ContentTime"):
        assert len({v for row in column(files, still) for v in row}) == 1
    assert {v for row in column(files, "NumberOfTemporalPositions") for v in row} == {3}


@pytest.mark.parametrize("vendor", VENDORS)
def test_separate_series_have_their_own_identity_and_start(tmp_path, vendor):
    files = write_dce_dicom(small_exam(), tmp_path, "series-per-phase", vendor)
    series = [set(row) for row in column(files, "SeriesInstanceUID")]
    assert [len(s) for s in series] == [1, 1, 1] and len(set.union(*series)) == 3
    assert [path.name for path in by_phase(files)[2]] == ["IM0001.dcm", "IM0002.dcm", "IM0003.dcm", "IM0004.dcm"]
    assert np.diff([seconds(row[0]) for row in column(files, "SeriesTime")]) == pytest.approx(np.diff(STARTS))
    for shared in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert len({v for row in column(files, shared) for v in row}) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_are_obviously_synthetic_and_contrast_is_in_post_phases_only(tmp_path, layout):
    files = write_dce_dicom(small_exam(), tmp_path, layout, "GE", 11)
    heads = [pydicom.dcmread(path) for path in files]
    assert len({head.SOPInstanceUID for head in heads}) == len(files) and all(
        head.SOPInstanceUID.startswith("2.25.") for head in heads
    )
    for head, path in zip(heads, files):
        assert (str(head.PatientName), head.PatientID) == ("Sample^Synthetic", "SYNTHETIC-DCE-11")
        assert (
            head.SOPClassUID == "1.2.840.10008.5.1.4.1.1.4"
            and head.Modality == "MR"
            and head.BodyPartExamined == "BREAST"
        )
        assert not head.Laterality and head.pixel_array.dtype == np.uint16
        assert ("ContrastBolusAgent" in head) == (path not in by_phase(files)[0])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_seed_same_bytes_and_another_seed_another_patient(tmp_path, layout):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_dce_dicom(small_exam(), tmp_path / name, layout, "SIEMENS", seed)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    uids = [{pydicom.dcmread(path).SOPInstanceUID for path in (tmp_path / name).rglob("*.dcm")} for name in "ac"]
    assert not uids[0] & uids[1]


def test_bad_layout_vendor_and_missing_times_are_refused(tmp_path):
    exam = small_exam()
    untimed = DceExam(
        number_phases([("pre", None, "", ()), ("post", None, "", ()), ("post", None, "", ())]), exam.volumes
    )
    holes = DceExam(exam.phases, (Volume(np.full(SHAPE, np.nan, np.float32), exam.geometry), *exam.volumes[1:]))
    for arguments, word in (
        ((exam, tmp_path, "both"), "layout"),
        ((exam, tmp_path, "one-series", "ACME"), "vendor"),
        ((untimed, tmp_path), "time"),
        ((holes, tmp_path), "finite"),
    ):
        with pytest.raises(BadInput, match=word):
            write_dce_dicom(*arguments)
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(VERIFIER is None, reason="the DICOM checker dciodvfy (package dicom3tools) is not installed")
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_mr_files_pass_the_independent_checker(tmp_path, vendor, layout):
    files = write_dce_dicom(small_exam(oblique_geometry()), tmp_path, layout, vendor)
    for path in (files[0], files[-1]):
        # GE and Philips write the trigger time without heart gating, which the standard does not foresee.
        assert [line for line in errors_of(path) if "TriggerTime" not in line] == []


@cache
def mammogram(laterality="L", view="CC", polarity="MONOCHROME2", intent="presentation"):
    return make_mammogram(3, laterality, view, size=(416, 320), polarity=polarity, intent=intent, padding="air")


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
def test_mammogram_polarity_is_as_readers_expect(tmp_path, polarity):
    sample = mammogram(polarity=polarity)
    path = write_mammogram_dicom(sample, tmp_path / "m.dcm")
    raw = pydicom.dcmread(path).pixel_array
    image = sitk.ReadImage(str(path))
    read = sitk.GetArrayFromImage(image)[0]
    np.testing.assert_array_equal(raw, sample.image)
    # pydicom gives what is stored; SimpleITK turns MONOCHROME1 round by itself.
    np.testing.assert_array_equal(read, sample.largest - raw if polarity == "MONOCHROME1" else raw)
    np.testing.assert_array_equal(read, sample.display)
    assert image.GetSpacing()[:2] == pytest.approx((sample.spacing_mm, sample.spacing_mm))


@pytest.mark.parametrize(
    "laterality, view, orientation",
    [("L", "CC", ["A", "R"]), ("R", "CC", ["P", "L"]), ("L", "MLO", ["A", "FR"]), ("R", "MLO", ["P", "FL"])],
)
def test_mammogram_tags_say_side_view_and_tones(tmp_path, laterality, view, orientation):
    sample = mammogram(laterality, view)
    head = pydicom.dcmread(write_mammogram_dicom(sample, tmp_path / "m.dcm"))
    assert (head.ImageLaterality, head.ViewPosition, list(head.PatientOrientation)) == (laterality, view, orientation)
    assert head.ViewCodeSequence[0].CodeValue == {"CC": "399162004", "MLO": "399368009"}[view]
    assert head.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.2" and head.PresentationIntentType == "FOR PRESENTATION"
    assert (head.BitsStored, head.PixelPaddingValue, head.PresentationLUTShape) == (12, 0, "IDENTITY")
    assert len(head.WindowCenter) == len(head.WindowWidth) == len(head.WindowCenterWidthExplanation) == 3
    low, high = head.WindowCenter[0] - head.WindowWidth[0] / 2, head.WindowCenter[0] + head.WindowWidth[0] / 2
    inside = sample.image[sample.breast > 0]
    assert ((inside >= low) & (inside <= high)).mean() > 0.98
    assert float(head.ImagerPixelSpacing[0]) == pytest.approx(sample.spacing_mm) and "PixelSpacing" not in head
    # The tags agree with the pixels: the breast lies where the rows begin when they run to anterior.
    columns = np.nonzero(sample.display > 0.2 * sample.largest)[1]
    assert (np.median(columns) < 160) == (orientation[0] == "A")


def test_padding_equals_the_maximum_of_a_monochrome1_mammogram_for_processing(tmp_path):
    sample = mammogram(polarity="MONOCHROME1", intent="processing")
    head = pydicom.dcmread(write_mammogram_dicom(sample, tmp_path / "m.dcm"))
    assert head.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.2.1" and head.PresentationIntentType == "FOR PROCESSING"
    assert head.BitsStored == 14 and head.PixelPaddingValue == head.pixel_array.max() == 2**14 - 1
    assert (head.pixel_array == head.PixelPaddingValue).mean() > 0.4 and "WindowCenter" not in head


@pytest.mark.skipif(VERIFIER is None, reason="the DICOM checker dciodvfy (package dicom3tools) is not installed")
@pytest.mark.parametrize(
    "options", [("L", "CC"), ("R", "MLO"), ("L", "CC", "MONOCHROME1"), ("L", "CC", "MONOCHROME1", "processing")]
)
def test_mammograms_pass_the_independent_checker(tmp_path, options):
    assert errors_of(write_mammogram_dicom(mammogram(*options), tmp_path / "m.dcm")) == []


@pytest.mark.parametrize(
    "format, names",
    [
        ("dicom", ["S0301", "S0302", "S0303"]),
        ("dicom-one-series", [f"IM{n:04d}.dcm" for n in range(1, 13)]),
        ("nifti", ["00_pre.nii.gz", "01_post1.nii.gz", "02_post2.nii.gz"]),
    ],
)
def test_dce_sample_folder_holds_exam_truth_and_description(tmp_path, format, names):
    sample, folder = small_sample(), tmp_path / "new" / "größe 1"
    writing.write_dce_sample(sample, folder, format, "PHILIPS")
    assert sorted(p.name for p in folder.iterdir()) == ["exam", "sample.json", "truth.nii.gz"]
    assert sorted(p.name for p in (folder / "exam").iterdir()) == names
    truth = sitk.ReadImage(str(folder / "truth.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(truth), sample.truth.array)
    assert geometry_of(truth).same_grid(sample.exam.geometry)
    record = json.loads((folder / "sample.json").read_text(encoding="utf-8"))
    assert record["seed"] == 7 and [p["role"] for p in record["phases"]] == ["pre", "post", "post"]
    assert record["lesions"][0]["curve"] == "washout" and record["lesions"][0]["volume_mm3"] > 0
    if format == "nifti":
        np.testing.assert_allclose(
            sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "exam" / names[1]))), sample.exam.volumes[1].array
        )
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]  # no temporary folder is left


def test_mammogram_sample_truth_lies_on_the_grid_that_simpleitk_reads(tmp_path):
    for name in ("one", "two"):
        writing.write_mammogram_sample(tmp_path / name, 5, "R", "MLO", size=(416, 320), polarity="MONOCHROME1")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert sorted(tree(tmp_path / "one")) == ["exam/IM0001.dcm", "sample.json", "truth.nii.gz", "truth.png"]
    image, truth = (sitk.ReadImage(str(tmp_path / "one" / name)) for name in ("exam/IM0001.dcm", "truth.nii.gz"))
    assert geometry_of(image).same_grid(geometry_of(truth), 1e-3)
    mask = sitk.GetArrayFromImage(truth)
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "one" / "truth.png"))), 255 * mask[0]
    )
    record = json.loads((tmp_path / "one" / "sample.json").read_text(encoding="utf-8"))
    assert mask.sum() * record["spacing_mm"] ** 2 == pytest.approx(
        np.pi / 4 * record["lesions"][0]["diameter_mm"] ** 2, rel=0.1
    )


def test_a_folder_in_use_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    for write in (
        lambda: writing.write_dce_sample(small_sample(), tmp_path),
        lambda: writing.write_mammogram_sample(tmp_path, 1),
        lambda: writing.write_dce_sample(small_sample(), tmp_path / "mine.txt"),
    ):
        with pytest.raises(BadInput) as error:
            write()
        assert str(tmp_path) in error.value.line and "new folder" in error.value.line and "\n" not in error.value.line
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert writing.write_dce_sample(small_sample(), tmp_path / "empty", "nifti").joinpath("sample.json").exists()


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), RuntimeError("sitk::ERROR: write failed"), KeyboardInterrupt()]
)
def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch, failure):
    def fail(*_):
        raise failure

    monkeypatch.setattr(writing, "write_json", fail)
    with pytest.raises(KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else BadInput):
        writing.write_dce_sample(small_sample(), tmp_path / "sample")
    assert not any(tmp_path.iterdir())


def test_unknown_format_is_refused(tmp_path):
    with pytest.raises(BadInput, match="format"):
        writing.write_dce_sample(small_sample(), tmp_path / "x", "jpeg")
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="file-size limits stand in for a full disk")
def test_a_full_disk_is_noticed_while_nifti_is_written(tmp_path):
    """SimpleITK's NIfTI writer says nothing of a full disk; half a phase must not pass for a sample exam."""
    script = (
        "import resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "from BreastSegLib.commands import run\nsys.exit(run(sys.argv[1:]))\n"
    )
    arguments = ["sample", "dce", "--format", "nifti", "--output", str(tmp_path / "sample")]
    package = Path(__file__).resolve().parents[2] / "BreastSeg"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(package)},
    )
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()  # the NIfTI library says a word of its own before ours
    assert lines[-1].startswith("Error: The file could not be written whole (00_pre.nii.gz)")
    assert sum(line.startswith("Error: ") for line in lines) == 1 and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
