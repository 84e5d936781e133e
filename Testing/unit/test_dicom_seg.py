"""Masks as DICOM segmentations: where every pixel lies, what is coded, what is refused."""

import copy
import logging
import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dicom.segfile import read_seg
from BreastSegLib.exam.source import describe, read
from BreastSegLib.exam.store import load_exam, save_exam
from BreastSegLib.reports.dicom.segmentation import Algorithm, Segment, lesion_segments, write_seg
from BreastSegLib.reports.dicom.sources import sources_of
from BreastSegLib.reports.masks import write_mask
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegLib.volume import Geometry, Volume
from dicom_phantoms import NAME, changed, dynamic, write
from dicom_seg_cases import drawn, exam_of, label_points, mammogram_of, marked_points, same_points, segments
from enhanced_phantoms import enhanced, frame
from geometry_cases import named_matrices, rotation, signed_permutations

MORE = {f"turned {k}": rotation(11, k % 3) @ signed_permutations()[k * 5] for k in range(9)}


def written(folder, exam, labels=None, view=None, parts=None):
    """Return the path of a segmentation with two lesions, and the labels."""
    geometry = exam.images[view or 0].geometry if hasattr(exam, "images") else exam.geometry
    labels = drawn(geometry) if labels is None else labels
    path = folder / "result.dcm"
    write_seg(path, sources_of(exam, view), labels, parts or segments(int(labels.array.max())))
    return path, labels


@pytest.mark.parametrize("matrix", [*named_matrices().values(), *MORE.values()], ids=[*named_matrices(), *MORE])
def test_every_pixel_lies_where_its_voxel_lies(tmp_path, matrix):
    exam = exam_of(tmp_path / "exam", matrix)
    path, labels = written(tmp_path, exam)
    found = marked_points(path)
    assert set(found) == {1, 2}
    for number, points in found.items():
        assert same_points(points, label_points(labels, number))


def test_a_mirrored_mask_is_told_apart(tmp_path):
    """The comparison above can fail: the same lesion in the other breast is another set of places."""
    exam = exam_of(tmp_path / "exam")
    path, labels = written(tmp_path, exam)
    mirrored = Volume(labels.array[:, :, ::-1].copy(), labels.geometry)
    assert not same_points(marked_points(path)[1], label_points(mirrored, 1))


@pytest.mark.parametrize("matrix", ["axial", "x and y flipped", "sagittal", "coronal", "head first z down"])
def test_the_left_breast_is_left(tmp_path, matrix):
    """A lesion at a place given in the patient (x > 0 is the patient's left) is found there, by the frames' tags."""
    axes = named_matrices()[matrix]
    origin = -axes @ (np.array([9, 7, 3]) / 2 * (0.8, 1.1, 2.5))
    exam = exam_of(tmp_path / "exam", axes, origin=tuple(origin))
    inside = np.moveaxis(np.indices(exam.geometry.shape), 0, -1)[..., ::-1] @ exam.geometry.ijk_to_lps[:3, :3].T
    x = (inside + exam.geometry.origin)[..., 0]
    labels = Volume((x > 0.4 * x.max()).astype(np.uint8), exam.geometry)
    path, _ = written(tmp_path, exam, labels, parts=[Segment(1, side="left")])
    assert marked_points(path)[1][:, 0].min() > 0
    region = pydicom.dcmread(path).SegmentSequence[0].AnatomicRegionSequence[0]
    assert (region.CodeValue, region.AnatomicRegionModifierSequence[0].CodeValue) == ("76752008", "7771000")


def test_each_frame_refers_to_its_slice_of_the_reference_phase(tmp_path):
    exam = exam_of(tmp_path / "exam", named_matrices()["oblique"])
    path, _ = written(tmp_path, exam)
    by_uid = {}
    for index, phase in enumerate(exam.phases):
        for file in phase.files:
            data = pydicom.dcmread(file)
            by_uid[data.SOPInstanceUID] = (index, data)
    seg = pydicom.dcmread(path)
    for group in seg.PerFrameFunctionalGroupsSequence:
        (source,) = group.DerivationImageSequence[0].SourceImageSequence
        index, image = by_uid[source.ReferencedSOPInstanceUID]
        assert index == exam.reference and source.ReferencedSOPClassUID == image.SOPClassUID
        wanted = np.array(image.ImagePositionPatient, float)
        assert np.allclose(np.array(group.PlanePositionSequence[0].ImagePositionPatient, float), wanted, atol=1e-4)
    (series,) = seg.ReferencedSeriesSequence
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in exam.phases[exam.reference].files]
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == uids
    assert [item.ReferencedSOPInstanceUID for item in seg.SourceImageSequence] == uids


@pytest.mark.parametrize("one_file", [True, False])
def test_enhanced_files_are_referred_to_by_frame(tmp_path, one_file):
    """All phases in one file, or one file for each phase: the frames named are those of the reference phase."""
    frames = [frame(p, z, index=p + 1, offset=60.0 * p, agent=p > 0) for p in range(3) for z in range(4)]
    pixels = [np.random.default_rng(k).integers(10, 900, (8, 10)) for k in range(12)]
    if one_file:
        files = [enhanced(frames, pixels)]
    else:
        files = [
            enhanced(frames[4 * p : 4 * p + 4], pixels[4 * p : 4 * p + 4], file=p, ContentTime=f"10{p:02d}00")
            for p in range(3)
        ]
    for k, file in enumerate(files):
        file.save_as(tmp_path / f"{k}.dcm", enforce_file_format=True)
    exam = read({"dicom": [str(tmp_path / f"{k}.dcm") for k in range(len(files))]})
    (tmp_path / "out").mkdir()
    path, labels = written(tmp_path / "out", exam)
    own = files[0 if one_file else exam.reference]
    seen = set()
    for group in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == own.SOPInstanceUID
        groups = own.PerFrameFunctionalGroupsSequence[int(source.ReferencedFrameNumber) - 1]
        place = groups.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(np.array(place, float), group.PlanePositionSequence[0].ImagePositionPatient)
        assert groups.FrameContentSequence[0].TemporalPositionIndex == exam.reference + 1
        seen.add(int(source.ReferencedFrameNumber))
    assert len(seen) == 2  # the slices that are not empty
    assert same_points(marked_points(path)[1], label_points(labels, 1))


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="no dciodvfy (Debian package dicom3tools)")
@pytest.mark.parametrize("kind", ["enhanced", "film", "anonymised"])
def test_segmentations_of_unusual_images_are_valid(tmp_path, kind):
    if kind == "enhanced":
        frames = [frame(p, z, index=p + 1, offset=60.0 * p) for p in range(2) for z in range(4)]
        pixels = [np.random.default_rng(k).integers(10, 900, (8, 10)) for k in range(8)]
        enhanced(frames, pixels).save_as(tmp_path / "e.dcm", enforce_file_format=True)
        exam = read({"dicom": [str(tmp_path / "e.dcm")]})
    elif kind == "film":
        tags = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "Modality": "CR", "ImagerPixelSpacing": None}
        exam = mammogram_of(tmp_path / "film.dcm", **tags)
    else:
        images, _ = dynamic(phases=2, PatientID=None, PatientName=None, StudyDate=None)
        exam = read({"folder": str(write(tmp_path / "exam", images))})
    path, _ = written(tmp_path, exam)
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, timeout=60)
    assert "Segmentation" in done.stderr
    assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_codes_algorithm_and_identity(tmp_path):
    exam = exam_of(tmp_path / "exam")
    parts = [
        Segment(1, "First", "mass", "left", Algorithm("m" * 80, "")),
        Segment(2, "", "neoplasm", "", Algorithm("demo", "2"), edited=True),
        Segment(3, "By hand", tracking_uid="2.25.99"),
    ]
    path, _ = written(tmp_path, exam, drawn(exam.geometry, 3), parts=parts)
    seg, source = pydicom.dcmread(path), pydicom.dcmread(exam.phases[1].files[0])
    one, two, three = seg.SegmentSequence
    kinds = [item.SegmentAlgorithmType for item in (one, two, three)]
    assert kinds == ["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
    assert one.SegmentedPropertyTypeCodeSequence[0].CodeValue == "4147007"
    assert two.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006" and two.SegmentLabel == "Neoplasm"
    used = two.SegmentationAlgorithmIdentificationSequence[0]
    assert (used.AlgorithmName, used.AlgorithmVersion) == ("demo", "2")
    assert used.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"
    assert "SegmentationAlgorithmIdentificationSequence" not in three
    assert three.TrackingUID == "2.25.99" and len({one.TrackingUID, two.TrackingUID}) == 2
    for name in ("StudyInstanceUID", "PatientName", "PatientID", "FrameOfReferenceUID", "StudyDate"):
        assert seg[name].value == source[name].value, name
    assert seg.SeriesInstanceUID != source.SeriesInstanceUID
    assert (seg.Modality, seg.SegmentationType, seg.ContentLabel) == ("SEG", "BINARY", "BREAST_LESIONS")
    assert seg.BitsAllocated == 1 and seg.Manufacturer == "SlicerBreastSeg"


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 100", "Müller^Änne"), ("ISO_IR 192", "山田^太郎"), ("ISO_IR 144", "Иванова^Анна"), (None, "Plain^Name")],
)
def test_names_in_any_letters_stay_the_same(tmp_path, charset, name):
    images, _ = dynamic(phases=2, SpecificCharacterSet=charset, PatientName=name)
    exam = read({"folder": str(write(tmp_path / "exam", images))})
    path, _ = written(tmp_path, exam)
    data = pydicom.dcmread(path)
    assert str(data.PatientName) == name and data.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_what_anonymisers_took_away_or_spoiled_is_empty(tmp_path):
    images, _ = dynamic(
        phases=2, PatientID=None, PatientName=None, StudyDate=None, PatientSex="X", StudyTime="removed", StudyID=None
    )
    exam = read({"folder": str(write(tmp_path / "exam", images))})
    path, _ = written(tmp_path, exam)
    data = pydicom.dcmread(path)
    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        assert name in data and not data[name].value, name


def test_values_that_are_none_are_left_out_and_not_logged(tmp_path, caplog, capfd):
    """A word where a number belongs must not stop the writing, and nobody quotes it."""
    images, _ = dynamic(phases=2, PatientSize="1.65", PatientAge="045Y", StudyTime="101500", StudyDescription="Breast")
    write(tmp_path / "exam", images)
    for file in (tmp_path / "exam").rglob("*"):
        if file.is_file():
            spoiled = (
                file.read_bytes().replace(b"1.65", b"tall").replace(b"045Y", b"45  ").replace(b"101500", b"before")
            )
            file.write_bytes(spoiled)
    exam = read({"folder": str(tmp_path / "exam")})
    with caplog.at_level(logging.DEBUG):
        path, labels = written(tmp_path, exam)
        read_seg(path, exam.geometry, exam.phases[1].files)
    said = caplog.text + "".join(capfd.readouterr())
    assert not [word for word in ("tall", "before", NAME.split("^")[0], "ID1") if word in said]
    data = pydicom.dcmread(path)
    assert "PatientSize" not in data and "PatientAge" not in data and not data.StudyTime
    assert data.StudyDescription == "Breast" and str(data.PatientName) == NAME


def test_the_same_input_gives_the_same_file_but_for_identifiers_and_times(tmp_path):
    exam = exam_of(tmp_path / "exam")
    texts = []
    for _ in range(2):
        path, _ = written(tmp_path, exam)
        data = pydicom.dcmread(path)
        path.unlink()
        keep = []
        for element in data.iterall():
            if element.VR not in ("UI", "SQ", "DA", "TM", "DT"):
                keep.append((element.tag, element.value))
        texts.append(keep)
    assert texts[0] == texts[1]


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("tags", "turn"),
    [
        ({}, 0),
        ({"ViewPosition": "MLO", "PatientOrientation": ["A", "F"]}, 0),
        ({"ViewPosition": "MLO", "PatientOrientation": ["P", "H"]}, 180),
        ({"ViewPosition": "MLO", "PatientOrientation": ["F", "P"]}, 90),
    ],
)
def test_a_mammograms_pixels_are_those_of_its_file(tmp_path, polarity, tags, turn):
    """A view that is shown turned, and one that is inverted, keep the matrix of the file."""
    exam = mammogram_of(tmp_path / "view.dcm", photometric=polarity, PhotometricInterpretation=polarity, **tags)
    assert exam.views[0].turn == turn
    labels = drawn(exam.images[0].geometry)
    path, _ = written(tmp_path, exam, labels)
    seg, source = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "view.dcm")
    assert (seg.Rows, seg.Columns) == (source.Rows, source.Columns)
    for number, pixels in enumerate(seg.pixel_array, 1):
        np.testing.assert_array_equal(pixels, labels.array[0] == number)
    assert "FrameOfReferenceUID" not in seg
    for group in seg.PerFrameFunctionalGroupsSequence:
        item = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert item.ReferencedSOPInstanceUID == source.SOPInstanceUID and item.SpatialLocationsPreserved == "YES"


def test_the_view_says_which_breast_and_which_image(tmp_path):
    for number, side in enumerate("RL"):
        mammogram_of(tmp_path / f"{side}.dcm", mirror=side == "R", ImageLaterality=side, number=number + 1)
    exam = read({"views": [str(tmp_path / "L.dcm"), str(tmp_path / "R.dcm")]})
    with pytest.raises(BadInput, match="2 views"):
        sources_of(exam)
    for index, view in enumerate(exam.views):
        sources = sources_of(exam, index)
        assert sources.side == {"L": "left", "R": "right"}[view.laterality] and sources.view == index
        assert sources.headers[0].SOPInstanceUID == pydicom.dcmread(view.file).SOPInstanceUID


@pytest.mark.parametrize("kind", ["1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.7"])
def test_digitised_films_have_segmentations_too(tmp_path, kind):
    exam = mammogram_of(tmp_path / "film.dcm", SOPClassUID=kind, Modality="CR", ImagerPixelSpacing=None)
    path, labels = written(tmp_path, exam)
    seg = pydicom.dcmread(path)
    np.testing.assert_array_equal(seg.pixel_array[0], labels.array[0] == 1)
    assert seg.SourceImageSequence[0].ReferencedSOPClassUID == kind


def test_segments_of_a_measures_record():
    lesions = [
        {"label": 1, "side": "left", "name": "", "view_index": 0},
        {"label": 2, "side": "", "name": "Mine", "view_index": 0},
        {"label": 1, "side": "right", "name": "", "view_index": 2},
    ]
    one, two = lesion_segments({"lesions": lesions}, "neoplasm", Algorithm("m"), True, view=0)
    assert (one.number, one.label, one.side, one.kind) == (
        1,
        "Lesion 1: Neoplasm, left breast",
        "left",
        "SEMIAUTOMATIC",
    )
    assert (two.label, two.side) == ("Mine", "")
    assert [part.side for part in lesion_segments({"lesions": lesions}, view=2)] == ["right"]


def test_headers_alone_are_enough(tmp_path):
    """A scan, which reads no pixel, gives the same sources as the exam."""
    exam = exam_of(tmp_path / "exam", named_matrices()["oblique sagittal"])
    scanned = sources_of(describe({"folder": str(tmp_path / "exam")}))
    assert scanned.references() == sources_of(exam).references()
    assert scanned.geometry.same_grid(exam.geometry)


def refusal(path, sources, labels, parts=None):
    """Return the line of the error, which names no patient; nothing must be left behind."""
    with pytest.raises(BadInput) as caught:
        write_seg(path, sources, labels, segments() if parts is None else parts)
    assert not list(path.parent.glob("*")) and "\n" not in caught.value.line
    assert NAME not in caught.value.line and "ID1" not in caught.value.line
    return caught.value.line


def test_masks_that_do_not_fit_are_refused(tmp_path):
    exam = exam_of(tmp_path / "exam")
    sources, labels = sources_of(exam), drawn(exam.geometry)
    out = tmp_path / "out"
    out.mkdir()
    path, geometry = out / "s.dcm", exam.geometry
    empty = Volume(np.zeros(geometry.shape, np.uint8), geometry)
    assert "empty" in refusal(path, sources, empty)
    assert "(1, 2) are not those of the segments (1)" in refusal(path, sources, labels, segments(1))
    assert "not those" in refusal(path, sources, labels, segments(3))
    assert "not those" in refusal(path, sources, Volume(labels.array * 2, geometry))
    assert "labels" in refusal(path, sources, Volume(labels.array.astype(np.float32), geometry))
    assert "voxels" in refusal(path, sources, drawn(Geometry((3, 8, 10))))
    shifted = Geometry(geometry.shape, geometry.spacing, tuple(v + 1 for v in geometry.origin), geometry.direction)
    assert "1 mm apart" in refusal(path, sources, Volume(labels.array, shifted))


def test_nothing_is_overwritten_unasked(tmp_path):
    exam = exam_of(tmp_path / "exam")
    path, labels = written(tmp_path, exam)
    before = path.read_bytes()
    with pytest.raises(BadInput, match="exists"):
        write_seg(path, sources_of(exam), labels, segments())
    assert path.read_bytes() == before
    write_seg(path, sources_of(exam), labels, segments(), overwrite=True)
    assert path.read_bytes() != before and sorted(p.name for p in tmp_path.iterdir()) == ["exam", "result.dcm"]


def test_exams_without_dicom_files_are_refused(tmp_path):
    exam = exam_of(tmp_path / "exam")
    store = load_exam(save_exam(exam, tmp_path / "store"))
    with pytest.raises(BadInput, match="does not come from DICOM"):
        sources_of(store)
    for k, volume in enumerate(exam.volumes):
        for ending in (".nii.gz", ".nrrd"):
            sitk.WriteImage(volume.to_sitk(), str(tmp_path / f"{k}{ending}"))
    for ending in (".nii.gz", ".nrrd"):
        files = read({"files": [str(tmp_path / f"{k}{ending}") for k in range(3)]})
        with pytest.raises(BadInput, match="does not come from DICOM"):
            sources_of(files)
    picture = make_mammogram(3, "L", "CC", size=(416, 320)).image
    sitk.WriteImage(sitk.GetImageFromArray(picture.astype(np.uint16)), str(tmp_path / "view.png"))
    with pytest.raises(BadInput, match="does not come from DICOM"):
        sources_of(read({"views": [str(tmp_path / "view.png")]}))
    with pytest.raises(BadInput, match="nothing|none"):
        write_mask(tmp_path / "m.dcm", drawn(exam.geometry))


def test_images_that_cannot_be_referred_to_are_refused(tmp_path):
    images, _ = dynamic(phases=2)
    exam = read({"folder": str(write(tmp_path / "gone", images))})
    for file in exam.phases[1].files:
        (tmp_path / "gone" / file).unlink()
    with pytest.raises(BadInput, match="gone"):
        sources_of(exam)
    for name, words in (("FrameOfReferenceUID", "Frame of Reference"), ("StudyInstanceUID", "StudyInstanceUID")):
        lacking = changed(copy.deepcopy(images), **{name: None})
        exam = read({"folder": str(write(tmp_path / name, lacking))})
        with pytest.raises(BadInput, match=words):
            sources_of(exam)


def test_an_exam_on_another_grid_than_its_files_is_refused(tmp_path):
    exam = exam_of(tmp_path / "exam")
    moved = exam_of(tmp_path / "moved", origin=(-10.0, -20.0, 37.0))
    mixed = type(exam)(tuple(exam.phases), tuple(moved.volumes))
    with pytest.raises(BadInput, match="grid is not that"):
        sources_of(mixed)
