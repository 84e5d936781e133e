"""Phases are found in DICOM headers as the vendors write them; what is unclear is said, never guessed."""

import json
from pathlib import Path

import dicom_phantoms as phantom
import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.dynamic.scan import scan
from BreastSegLib.exam.source import read_exam
from pydicom.uid import generate_uid

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "dicom-mr-series"
VENDORS = list(phantom.MANUFACTURERS)


def refused(folder):
    """Return the one line with which a folder is refused."""
    with pytest.raises(BadInput) as error:
        scan(folder)
    line = error.value.line
    assert "\n" not in line and "Secret" not in line and "ID1" not in line
    return line


def in_order(folder, arrays):
    """Check that the phases hold exactly these stored values in this order, and return the scan."""
    exam = read_exam({"folder": folder})
    assert len(exam.volumes) == len(arrays)
    for volume, array in zip(exam.volumes, arrays):
        np.testing.assert_array_equal(volume.array, array)
    return scan(folder)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("one_series", [True, False], ids=["one series", "series per phase"])
def test_vendors(tmp_path, vendor, one_series):
    images, arrays = phantom.dynamic(vendor, one_series=one_series)
    found = in_order(phantom.write(tmp_path, images), arrays)
    assert [p.name for p in found.phases] == ["pre", "post1", "post2", "post3"]
    assert [p.time_s for p in found.phases] == [-70, 0, 70, 140]
    assert found.manufacturer == phantom.MANUFACTURERS[vendor]
    assert all("first in time" in p.evidence and "time;" in p.evidence for p in found.phases)
    assert "Secret" not in repr(found) + json.dumps(found.to_json())


def test_phase_10_comes_after_phase_2_whatever_the_text_order(tmp_path):
    images, arrays = phantom.dynamic(
        "", phases=12, TemporalPositionIdentifier=lambda p, z: p + 1, AcquisitionTime=None, ContentTime=None
    )
    names = [f"phase{p + 1}_{z}.dcm" for p in range(12) for z in range(phantom.SLICES)]
    found = in_order(phantom.write(tmp_path, images, names=names), arrays)
    assert [p.time_s for p in found.phases] == [None] * 12
    assert any("temporal position" in note for note in found.notes)


def test_series_10_comes_after_series_9_without_any_clock_and_that_is_said(tmp_path):
    images, arrays = phantom.dynamic(
        "siemens", 3, False, series=lambda p, z: p + 9, AcquisitionTime=None, ContentTime=None, SeriesTime=None
    )
    found = in_order(phantom.write(tmp_path, images), arrays)
    assert any("series number" in note for note in found.notes)


def test_temporal_resolution_gives_the_times(tmp_path):
    images, arrays = phantom.dynamic(
        "",
        TemporalPositionIdentifier=lambda p, z: p + 1,
        AcquisitionTime=None,
        ContentTime=None,
        TemporalResolution=65000,
    )
    assert [p.time_s for p in in_order(phantom.write(tmp_path, images), arrays).phases] == [-65, 0, 65, 130]


@pytest.mark.parametrize("dated", [True, False], ids=["dates", "no dates"])
def test_exam_past_midnight(tmp_path, dated):
    def date(p, z):
        return ("20240105" if 86300 + 70 * p < 86400 else "20240106") if dated else None

    images, arrays = phantom.dynamic("", start=86300.0, ContentTime=None, AcquisitionDate=date, SeriesDate=date)
    found = in_order(phantom.write(tmp_path, images), arrays)
    assert [p.time_s for p in found.phases] == [-70, 0, 70, 140]


def test_pre_in_its_own_series_and_the_rest_in_another(tmp_path):
    for vendor in VENDORS:
        images, arrays = phantom.dynamic(vendor, SeriesDescription="dyn post")
        pre, first = phantom.dynamic(vendor, 1, start=35800.0, seed=9, series=30, SeriesDescription="dyn pre")
        found = in_order(phantom.write(tmp_path / (vendor or "other"), images + pre), first + arrays)
        assert [p.name for p in found.phases] == ["pre", "post1", "post2", "post3", "post4"]
        assert [p.time_s for p in found.phases] == [-200, 0, 70, 140, 210]
        assert "series description" in found.phases[0].evidence
        assert any("series numbers do not rise" in note for note in found.notes)


def test_agent_tag_decides_pre_and_earlier_baselines_are_left_out(tmp_path):
    images, arrays = phantom.dynamic("siemens", ContrastBolusAgent=lambda p, z: "" if p < 2 else "Gd")
    found = in_order(phantom.write(tmp_path, images), arrays[1:])
    assert [p.name for p in found.phases] == ["pre", "post1", "post2"]
    assert "contrast agent tag" in found.phases[0].evidence
    assert any("2 phases lie before contrast" in note for note in found.notes)
    assert ("series 5, time point 1", "an earlier phase before contrast") in found.left_out


def test_injection_time_decides_pre(tmp_path):
    # The second phase began at 36070; the content time says 36130, when its images were made.
    tags = {"ContrastBolusStartTime": phantom.clock(36075)}
    images, _ = phantom.dynamic("siemens", **tags)
    found = scan(phantom.write(tmp_path / "start", images))
    assert len(found.phases) == 3 and found.phases[0].since_injection_s == -5
    assert "contrast bolus start time" in found.phases[0].evidence
    # When it took a minute, its middle came after the injection.
    images, _ = phantom.dynamic("siemens", TemporalResolution=60000, **tags)
    found = scan(phantom.write(tmp_path / "middle", images))
    assert len(found.phases) == 4 and [p.since_injection_s for p in found.phases[:2]] == [-75, -5]


def test_contradictory_pre_is_refused(tmp_path):
    images, _ = phantom.dynamic(
        "siemens",
        one_series=False,
        ContrastBolusAgent=lambda p, z: "" if p < 1 else "Gd",
        SeriesDescription=lambda p, z: "pre" if p < 2 else "post",
    )
    line = refused(phantom.write(tmp_path, images))
    assert "contrast agent tag the first 1" in line and "series description the first 2" in line
    images, _ = phantom.dynamic("siemens", ContrastBolusAgent=lambda p, z: "" if p == 2 else "Gd")
    assert "contradict" in refused(phantom.write(tmp_path / "two", images))


def test_all_phases_after_contrast(tmp_path):
    images, _ = phantom.dynamic("ge", 3, one_series=False, SeriesDescription="Ax T1 post")
    found = scan(phantom.write(tmp_path, images))
    assert [p.name for p in found.phases] == ["post1", "post2", "post3"]
    assert any("No phase before contrast" in note for note in found.notes)


@pytest.mark.parametrize(
    "tags",
    [
        {"ContentTime": lambda p, z: phantom.clock(36000 - 70 * p)},
        {"TemporalPositionIdentifier": lambda p, z: 9 - p},
        {"TriggerTime": lambda p, z: 1000.0 * (400 - 70 * p)},
    ],
    ids=lambda tags: next(iter(tags)),
)
def test_clocks_that_contradict_one_another_are_refused(tmp_path, tags):
    images, _ = phantom.dynamic("philips", AcquisitionTime=lambda p, z: phantom.clock(36000 + 70 * p), **tags)
    assert "different orders" in refused(phantom.write(tmp_path, images))


def test_series_that_contradict_one_another_are_refused(tmp_path):
    images, _ = phantom.dynamic("siemens", one_series=False, ContentTime=lambda p, z: phantom.clock(36000 - 70 * p))
    assert "acquisition time and the content time put the series in different orders" in refused(
        phantom.write(tmp_path, images)
    )


def test_two_reconstructions_of_one_acquisition_are_refused(tmp_path):
    images, _ = phantom.dynamic(
        "siemens",
        one_series=False,
        AcquisitionTime=phantom.clock(36000),
        ContentTime=phantom.clock(36100),
        SeriesTime=phantom.clock(36000),
    )
    assert "at the same time" in refused(phantom.write(tmp_path, images))


LEFT_OUT = {
    "subtraction": {"ImageType": ["DERIVED", "PRIMARY", "SUBTRACTION"]},
    "projection (MIP)": {"ImageType": ["DERIVED", "SECONDARY", "MIP"]},
    "computed images (image type DERIVED)": {"ImageType": ["DERIVED", "PRIMARY", "OTHER"]},
    "localiser": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "diffusion": {"DiffusionBValue": 800.0},
    "no magnitude image": {"ImageType": ["ORIGINAL", "PRIMARY", "P_FFE", "P", "FFE"]},
    "modality SEG, not MR": {"Modality": "SEG"},
    "reformatted images": {"SeriesDescription": "t1 cor MPR"},
    "other orientation": {"orientation": (0, 1.0, 0, 0, 0, -1.0)},
    "echo time": {"EchoTime": 90.0},
    "flip angle": {"FlipAngle": 2.0},
    "pixels of": {"spacing": (0.4, 0.4)},
    "another place": {"origin": (300.0, 0, 0)},
}


@pytest.mark.parametrize("reason", LEFT_OUT)
def test_series_that_are_no_phase_are_left_out_with_the_reason(tmp_path, reason):
    images, arrays = phantom.dynamic("siemens")
    other, _ = phantom.dynamic("siemens", 1, start=35000.0, seed=7, **({"series": 77} | LEFT_OUT[reason]))
    found = in_order(phantom.write(tmp_path, images + other), arrays)
    assert len(found.left_out) == 1
    assert found.left_out[0][0].startswith("series 77") and reason in found.left_out[0][1]


def test_other_matrix_is_left_out(tmp_path):
    images, arrays = phantom.dynamic("siemens")
    small = [phantom.image(np.ones((6, 6), np.uint16), z, series=3) for z in range(3)]
    found = in_order(phantom.write(tmp_path, images + small), arrays)
    assert found.left_out == (("series 3", "not like the dynamic: matrix 6 × 6 instead of 10 × 8"),)


@pytest.mark.parametrize(
    ("tags", "noted"), [({"FlipAngle": 2.0}, True), ({"EchoTime": 2.9}, True), ({"EchoTime": 110.0}, False)]
)
def test_series_much_like_the_dynamic_is_worth_a_note(tmp_path, tags, noted):
    images, _ = phantom.dynamic("siemens")
    other, _ = phantom.dynamic("siemens", 1, start=35000.0, series=4, **tags)
    notes = scan(phantom.write(tmp_path, images + other)).notes
    assert any("before contrast: series 4 was left out" in note for note in notes) == noted


def test_water_images_of_a_dixon_dynamic_are_used(tmp_path):
    water, arrays = phantom.dynamic("siemens", ImageType=["ORIGINAL", "PRIMARY", "DIXON", "WATER"])
    fat, _ = phantom.dynamic("siemens", seed=5, ImageType=["ORIGINAL", "PRIMARY", "DIXON", "FAT"])
    found = in_order(phantom.write(tmp_path, water + fat), arrays)
    assert "Dixon fat" in found.left_out[0][1]


def test_two_possible_dynamics_are_refused(tmp_path):
    one, _ = phantom.dynamic("siemens")
    two, _ = phantom.dynamic("siemens", series=8, orientation=(0, 1.0, 0, 0, 0, -1.0))
    line = refused(phantom.write(tmp_path, one + two))
    assert "series 5 or series 8" in line


def test_same_file_twice_is_read_once(tmp_path):
    images, arrays = phantom.dynamic("ge")
    found = in_order(phantom.write(tmp_path, images + images[:3]), arrays)
    assert "3 files are copies of another image and skipped." in found.notes


def test_images_that_share_one_identifier_are_no_copies(tmp_path):
    images, arrays = phantom.dynamic("siemens", SOPInstanceUID="1.2.3.4")
    assert not any("cop" in note for note in in_order(phantom.write(tmp_path, images), arrays).notes)


@pytest.mark.parametrize("lost", [(0, 2), (1, 3), (1, 2, 3)])
def test_phase_that_lost_every_second_slice_is_incomplete(tmp_path, lost):
    images, _ = phantom.dynamic("ge", one_series=False)
    kept = [d for k, d in enumerate(images) if k not in [phantom.SLICES + z for z in lost]]
    assert f"{len(lost)} of 4 slices missing in phase post1" in refused(phantom.write(tmp_path, kept))


def test_two_images_at_one_place_and_time_are_refused(tmp_path):
    images, _ = phantom.dynamic("siemens")
    double = phantom.changed(images, SOPInstanceUID=None)
    for d in double:
        d.SOPInstanceUID = generate_uid()
    line = refused(phantom.write(tmp_path, images + double))
    assert "8 images at each of 4 slice places, but 4 time points" in line and "no tag tells apart" in line
    line = refused(phantom.write(tmp_path / "one", images + double[5:6]))
    assert "phase 2 has several images at 1 place" in line


@pytest.mark.parametrize("one_series", [True, False])
@pytest.mark.parametrize("lost", [0, 1, 3])
def test_missing_slice_names_the_phase(tmp_path, one_series, lost):
    images, _ = phantom.dynamic("ge", one_series=one_series)
    del images[2 * phantom.SLICES + lost]
    line = refused(phantom.write(tmp_path, images))
    assert "missing" in line and ("phase 3 has no image at 1 place" in line if one_series else "post2" in line)


def test_uneven_slices_are_refused_with_the_place(tmp_path):
    images, _ = phantom.dynamic("", origin=lambda p, z: (-10, -20, 30 + (0.9 if z == 2 else 0)))
    line = refused(phantom.write(tmp_path, images))
    assert "unevenly spaced: 3.40 mm between slices 2 and 3 of 4" in line


@pytest.mark.parametrize(
    ("tag", "value", "word"),
    [
        ("Rows", 6, "matrix (10 × "),
        ("PixelSpacing", [1.0, 1.0], "pixel size"),
        ("ImageOrientationPatient", [0.8, 0.6, 0, -0.6, 0.8, 0], "orientation"),
    ],
)
def test_images_of_one_phase_that_differ_are_refused(tmp_path, tag, value, word):
    images, _ = phantom.dynamic("ge")
    line = refused(phantom.write(tmp_path, [*images[:-1], phantom.changed(images[-1:], **{tag: value})[0]]))
    assert f"differ in {word}" in line


def test_several_studies_and_patients_are_listed_without_names(tmp_path):
    images, _ = phantom.dynamic("ge", 2)
    other, _ = phantom.dynamic("ge", 2, StudyInstanceUID="1.2.3", StudyDate="20250607")
    line = refused(phantom.write(tmp_path, images + other))
    assert "2 studies of one patient (study dates 2024-01-05, 2025-06-07)" in line
    woman, _ = phantom.dynamic("ge", 2, PatientID="ID1-b")
    assert "of 2 patients" in refused(phantom.write(tmp_path / "p", images + woman))


def test_other_files_and_damaged_files_are_counted(tmp_path):
    images, arrays = phantom.dynamic("siemens")
    phantom.write(tmp_path, images)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "empty").touch()
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    found = in_order(tmp_path, arrays)
    assert "2 files in the folder are not DICOM and skipped." in found.notes
    assert "1 DICOM file is damaged and skipped." in found.notes


def test_dicomdir_is_skipped(tmp_path):
    images, arrays = phantom.dynamic("siemens")
    phantom.write(tmp_path, images)
    directory = phantom.changed(images[:1], SOPClassUID="1.2.840.10008.1.3.10")[0]
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.save_as(tmp_path / "DICOMDIR")
    assert in_order(tmp_path, arrays).notes == ()


def test_folders_without_an_exam(tmp_path):
    assert "does not exist" in refused(tmp_path / "gone")
    assert "empty" in refused(tmp_path)
    (tmp_path / "a.nii").write_bytes(b"x" * 400)
    assert "no readable DICOM" in refused(tmp_path)
    assert "not a folder" in refused(tmp_path / "a.nii")


def test_single_phase_is_read_and_said(tmp_path):
    images, _ = phantom.dynamic("siemens", 1)
    found = scan(phantom.write(tmp_path, images))
    assert [p.name for p in found.phases] == ["pre"] and "Only one phase" in found.notes[-1]
    with_agent = scan(
        phantom.write(tmp_path / "b", phantom.changed(images, ContrastBolusAgent="Gd", SOPInstanceUID=None))
    )
    assert [p.name for p in with_agent.phases] == ["post1"]


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_images_without_place_are_refused(tmp_path, tag):
    images, _ = phantom.dynamic("ge")
    assert "missing" in refused(phantom.write(tmp_path, phantom.changed(images, **{tag: None})))


def test_scan_can_be_cancelled(tmp_path):
    images, _ = phantom.dynamic("ge")

    def report(stage, done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        scan(phantom.write(tmp_path, images), report)


@pytest.mark.skipif(not REAL.exists(), reason="the real series are not beside the project")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ge-no-temporal-index", "3 images at each of 15 slice places (the tags claim 10 time points)"),
        ("philips-two-images-per-phase", "8 time points by trigger time: 2 images at each place and time"),
    ],
)
def test_awkward_real_series_are_refused_with_the_reason(name, words):
    assert words in refused(REAL / name)
