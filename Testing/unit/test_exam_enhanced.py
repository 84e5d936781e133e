"""Enhanced multi-frame MR as the vendors write it: every phase and slice holds the values that were written."""

import gzip

import numpy as np
import pydicom
import pytest
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.exam.dicom import pixels
from BreastSegLib.exam.dynamic.scan import scan
from BreastSegLib.exam.source import describe, read_exam
from dicom_phantoms import NAME, ORIGIN, SLICES, SPACING, STEP, dynamic, write
from enhanced_phantoms import CLOCKS, enhanced, frame, item, one_file, siemens_xa, voxels
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

MAKERS = {"philips": "Philips Medical Systems", "ge": "GE MEDICAL SYSTEMS"}


def save(folder, *files):
    """Write enhanced files and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, d in enumerate(files):
        d.save_as(folder / f"IM{len(files) - k:02d}", enforce_file_format=True)
    return folder


def holds(source, arrays, times=None):
    """Check that the phases hold exactly these values in this order; return the exam."""
    exam = read_exam(source if isinstance(source, dict) else {"folder": source})
    assert len(exam.volumes) == len(arrays)
    for volume, array in zip(exam.volumes, arrays):
        np.testing.assert_array_equal(volume.array, np.asarray(array, np.float32))
    if times is not None:
        assert [p.time_s for p in exam.phases] == times
    return exam


def refused(folder):
    """Return the one line with which a folder is refused."""
    with pytest.raises(BadInput) as error:
        read_exam({"folder": folder})
    assert "\n" not in error.value.line and NAME not in error.value.line
    return error.value.line


# --- the vendors


def test_siemens_writes_one_file_for_each_time_point(tmp_path):
    files, arrays = siemens_xa()
    exam = holds(save(tmp_path, *files), arrays, [-70, 0, 70, 140])
    assert [p.name for p in exam.phases] == ["pre", "post1", "post2", "post3"]
    assert exam.geometry.spacing == (*SPACING, STEP) and exam.geometry.origin == ORIGIN
    assert "content time" in exam.phases[0].evidence
    assert [len(p.files) for p in exam.phases] == [1] * 4
    assert all(p.resolution_s == 60 for p in exam.phases)


def test_injection_stands_in_the_agent_of_an_enhanced_file(tmp_path):
    files, _ = siemens_xa()
    for d in files:
        profile = item(ContrastBolusStartTime="100040")
        agent = item(CodeMeaning="Gadobutrol", ContrastAdministrationProfileSequence=[profile])
        d.ContrastBolusAgentSequence = [agent]
    found = describe({"folder": save(tmp_path, *files)}).phases
    # The content time is when the images were made, 65 s later.
    assert [p.since_injection_s for p in found] == [-40, 30, 100, 170]
    assert "contrast bolus start time" in found[0].evidence


def test_siemens_files_each_in_a_series_of_its_own(tmp_path):
    files, arrays = siemens_xa()
    for k, d in enumerate(files):
        d.SeriesNumber, d.SeriesInstanceUID, d.SeriesTime = 9 + k, f"1.2.3.{k}", d.ContentTime
    holds(save(tmp_path, *files), arrays, [-70, 0, 70, 140])


def test_files_without_identifier_are_no_copies_of_one_another(tmp_path):
    files, arrays = siemens_xa(SOPInstanceUID=None)
    holds(save(tmp_path, *files), arrays)


def test_siemens_files_past_midnight(tmp_path):
    files, arrays = siemens_xa(start=86250.0)
    holds(save(tmp_path, *files), arrays, [-70, 0, 70, 140])


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("way", CLOCKS)
def test_all_phases_in_one_file_with_frames_in_any_order(tmp_path, way, seed):
    maker = MAKERS.get(way.split()[0], "Unknown Scanners Inc")
    d, arrays = one_file(CLOCKS[way], seed=seed, maker=maker)
    exam = holds(save(tmp_path, d), arrays, [-70, 0, 70, 140])
    assert exam.geometry.spacing == (*SPACING, STEP)


def test_index_alone_orders_the_phases_and_the_times_are_said_to_be_unknown(tmp_path):
    d, arrays = one_file(lambda p, z: {"index": p + 1}, seed=3)
    exam = holds(save(tmp_path, d), arrays, [None] * 4)
    assert any("temporal position" in note and "unknown" in note for note in exam.notes)


def test_frames_are_rescaled_each_with_its_own_slope(tmp_path):
    d, arrays = one_file(CLOCKS["philips"], slopes=(1.25, 0.5, 2.0), seed=4)
    holds(save(tmp_path, d), arrays)


@pytest.mark.parametrize("kind", ["phase", "field map", "subtraction"])
def test_frames_of_other_kinds_are_left_out_with_the_reason(tmp_path, kind):
    d, arrays = one_file(CLOCKS["philips"], extra=[kind], seed=5)
    holds(save(tmp_path, d), arrays)
    found = scan(tmp_path)
    reason = {"phase": "no magnitude image", "subtraction": "subtraction"}.get(kind, "")
    assert len(found.left_out) == 1 and reason in found.left_out[0][1]
    assert found.left_out[0][0] == f"series 5, {4 * SLICES} images"


@pytest.mark.parametrize("before", [1, 2])
def test_contrast_usage_of_the_frames_decides_pre(tmp_path, before):
    def clocks(p, z):
        return CLOCKS["philips"](p, z) | {"agent": p >= before}

    d, arrays = one_file(clocks, seed=6)
    exam = holds(save(tmp_path, d), arrays[before - 1 :])
    assert "contrast agent tag" in exam.phases[0].evidence and exam.phases[0].role == "pre"
    files, arrays = siemens_xa(agent=before)
    exam = holds(save(tmp_path / "xa", *files), arrays[before - 1 :])
    assert "contrast agent tag" in exam.phases[0].evidence


def test_enhanced_dynamic_beside_classic_series(tmp_path):
    files, arrays = siemens_xa()
    survey, _ = dynamic("siemens", 1, series=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    t2, _ = dynamic("siemens", 1, series=2, EchoTime=90.0)
    save(tmp_path, *files)
    write(tmp_path, survey + t2)
    holds(tmp_path, arrays, [-70, 0, 70, 140])
    assert len(scan(tmp_path).left_out) == 2


def test_enhanced_survey_beside_a_classic_dynamic(tmp_path):
    survey, _ = siemens_xa(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"], SeriesDescription="survey")
    survey[0].SeriesNumber, survey[0].SeriesInstanceUID = 1, "1.2.9"
    images, arrays = dynamic("siemens")
    save(tmp_path, *survey)
    write(tmp_path, images)
    holds(tmp_path, arrays)


def test_same_dynamic_as_enhanced_and_as_classic_copy_is_asked_about(tmp_path):
    files, arrays = siemens_xa()
    images, classic = dynamic("siemens", series=8)
    save(tmp_path, *files)
    write(tmp_path, images)
    with pytest.raises(Undecided) as error:
        read_exam({"folder": tmp_path})
    assert error.value.name == "series" and {value for value, _ in error.value.choices} == {"5", "8"}
    holds({"folder": tmp_path, "decisions": {"series": "5"}}, arrays)
    holds({"folder": tmp_path, "decisions": {"series": "8"}}, classic)


# --- ways of storing


def test_compressed_frames_are_decoded(tmp_path):
    d, arrays = one_file(CLOCKS["philips"], seed=7, slopes=(1.5, 1.0))
    d.compress(RLELossless, generate_instance_uid=False)
    holds(save(tmp_path, d), arrays)
    files, arrays = siemens_xa()
    for one in files:
        one.compress(RLELossless, generate_instance_uid=False)
    holds(save(tmp_path / "xa", *files), arrays)


def test_packed_files_are_read(tmp_path):
    files, arrays = siemens_xa()
    save(tmp_path, *files)
    for path in list(tmp_path.iterdir()):
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    holds(tmp_path, arrays, [-70, 0, 70, 140])


def test_packed_file_with_many_frames_is_unpacked_once(tmp_path, monkeypatch):
    d, arrays = one_file(CLOCKS["philips"], seed=7)
    save(tmp_path, d)
    path = next(tmp_path.iterdir())
    path.write_bytes(gzip.compress(path.read_bytes()))
    found = read_exam({"folder": tmp_path})
    opened = []
    unpack = pixels.open_unpacked
    monkeypatch.setattr(pixels, "open_unpacked", lambda path: opened.append(path) or unpack(path))
    holds(tmp_path, arrays)
    assert len(opened) == 1 and len(found.phases) == 4
    # The next exam may lie at the same path.
    other, arrays = one_file(CLOCKS["philips"], phases=3, slopes=(2.0,))
    path.unlink()
    save(tmp_path, other)
    path.write_bytes(gzip.compress(path.read_bytes()))
    holds(tmp_path, arrays)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_transfer_syntaxes(tmp_path, syntax):
    d, arrays = one_file(CLOCKS["ge"], seed=8)
    plain = pydicom.Dataset()
    plain.update(d)
    plain.file_meta = d.file_meta
    plain.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        plain.PixelData = np.frombuffer(d.PixelData, "<u2").astype(">u2").tobytes()
    implicit = syntax == ImplicitVRLittleEndian
    plain.save_as(tmp_path / "a", implicit_vr=implicit, little_endian=implicit, enforce_file_format=True)
    holds(tmp_path, arrays)
    assert all(ref.layout is not None for phase in scan(tmp_path).images for ref in phase)


def test_each_frame_is_read_where_it_lies(tmp_path):
    d, _ = one_file(CLOCKS["philips"], seed=9)
    found = scan(save(tmp_path, d))
    offsets = [ref.layout.offset for phase in found.images for ref in phase]
    assert len(set(offsets)) == 4 * SLICES
    assert {len(phase.files) for phase in found.phases} == {1}


# --- what is wrong


def test_truncated_file_is_refused(tmp_path):
    d, _ = one_file(CLOCKS["philips"])
    save(tmp_path, d)
    path = next(tmp_path.iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[:-200])
    assert "damaged or incomplete" in refused(tmp_path)
    path.write_bytes(whole[: len(whole) // 3])
    assert "damaged" in refused(tmp_path)


def test_number_of_frames_that_is_not_true_is_damage(tmp_path):
    d, _ = one_file(CLOCKS["philips"], NumberOfFrames=7)
    assert "1 DICOM file is damaged and skipped" in refused(save(tmp_path, d))


def test_file_of_the_dynamic_without_orientation_is_not_left_out_in_silence(tmp_path):
    files, _ = siemens_xa()
    del files[2].SharedFunctionalGroupsSequence
    assert "do not say where they lie" in refused(save(tmp_path, *files))


def test_damaged_file_of_a_phase_is_worth_a_note_of_its_own(tmp_path):
    files, arrays = siemens_xa()
    files[2].NumberOfFrames = 9
    save(tmp_path, *files)
    exam = holds(tmp_path, [arrays[0], arrays[1], arrays[3]], [-70, 0, 140])
    assert any("check that no phase is missing" in note for note in exam.notes)


def test_frame_that_is_missing_or_double_is_named(tmp_path):
    frames = [frame(p, z, **CLOCKS["philips"](p, z)) for p in range(3) for z in range(SLICES)]
    pixels = [voxels(p)[z] for p in range(3) for z in range(SLICES)]
    d = enhanced(frames[:-1], pixels[:-1], Manufacturer="Philips")
    assert "phase 3 has no image at 1 place" in refused(save(tmp_path, d))
    d = enhanced([*frames, frames[5]], [*pixels, pixels[5]], Manufacturer="Philips")
    assert "phase 2 has several images at 1 place" in refused(save(tmp_path / "two", d))


def test_frames_without_any_clock_are_asked_about_or_refused(tmp_path):
    d, _ = one_file(lambda p, z: {})
    assert "4 images at each of 4 slice places" in refused(save(tmp_path, d))


def test_frames_whose_clocks_contradict_one_another_are_asked_about(tmp_path):
    d, arrays = one_file(lambda p, z: {"offset": 70.0 * p, "acquired": 36000 - 70.0 * p}, maker="")
    save(tmp_path, d)
    with pytest.raises(Undecided) as error:
        describe({"folder": tmp_path})
    assert error.value.name == "clock" and {value for value, _ in error.value.choices} == {"acquisition", "offset"}
    holds({"folder": tmp_path, "decisions": {"clock": "offset"}}, arrays)
    holds({"folder": tmp_path, "decisions": {"clock": "acquisition"}}, arrays[::-1])


# --- a real file


def test_real_philips_file_is_one_phase_and_the_field_map_is_left_out(real_data):
    folder = real_data / "dicom-mr-series" / "philips-enhanced"
    exam = read_exam({"folder": folder})
    found = scan(folder)
    assert [p.name for p in exam.phases] == ["pre"] and exam.geometry.shape == (32, 64, 64)
    assert len(found.left_out) == 1 and "32 images" in found.left_out[0][0]
    d = pydicom.dcmread(folder / "IM_0027_fMAP.dcm")
    wanted = []
    for k, group in enumerate(d.PerFrameFunctionalGroupsSequence):
        if group.MRImageFrameTypeSequence[0].ComplexImageComponent != "MAGNITUDE":
            continue
        transform = group.PixelValueTransformationSequence[0]
        place = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
        values = d.pixel_array[k] * float(transform.RescaleSlope) + float(transform.RescaleIntercept)
        wanted.append((place, values))
    wanted = np.array([values for _, values in sorted(wanted, key=lambda row: row[0])])
    np.testing.assert_allclose(exam.volumes[0].array, wanted, rtol=1e-6)
    assert exam.geometry.spacing == pytest.approx((4, 4, 4))
