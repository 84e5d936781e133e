"""The command ``convert``: the same voxels, names and codes in every format, or one line and no file."""

import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.exam.mask_names import segments_in
from BreastSegLib.exam.source import read
from BreastSegLib.reports.masks import write_mask
from BreastSegLib.reports.terminology import segment_color, segment_name, terminology_entry
from BreastSegLib.volume import Volume
from command_cases import array, call, refused, same_place
from dicom_phantoms import NAME
from dicom_seg_cases import drawn, exam_of, mammogram_of
from geometry_cases import named_matrices

ENDINGS = (".dcm", ".nii.gz", ".nrrd", ".seg.nrrd", ".mha")
NAMED = {
    1: (segment_name("mass", "left"), terminology_entry("mass", "left"), segment_color("mass")),
    2: ("Länge", terminology_entry("neoplasm"), segment_color("neoplasm")),
}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """An oblique exam on uneven voxels, and a mask of two named segments."""
    folder = tmp_path_factory.mktemp("convert")
    exam = exam_of(folder / "exam", named_matrices()["oblique"], spacing=(0.7, 1.3), step=3.1)
    labels = drawn(exam.geometry)
    write_mask(folder / "mask.seg.nrrd", labels, names=NAMED)
    return folder, exam, labels


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    (folder / "exam").mkdir()
    for number, side in enumerate("RL", 1):
        tags = {"ImageLaterality": side, "number": number, "mirror": side == "R"}
        mammogram_of(folder / "exam" / f"{side}.dcm", ViewPosition="MLO", PatientOrientation=["F", "P"], **tags)
    exam = read({"folder": str(folder / "exam")})
    labels = drawn(exam.images[0].geometry)
    write_mask(folder / "mask.nrrd", labels)
    return folder, exam, labels


def converted(capsys, exam, mask, output, *options):
    code, out, err = call(capsys, "convert", "--exam", exam, "--mask", mask, "--output", output, *options)
    assert code == 0, err
    assert NAME not in out + err and "ID1" not in out + err
    return out


@pytest.mark.parametrize("through", ENDINGS)
def test_a_round_trip_keeps_every_voxel(case, tmp_path, capsys, through):
    folder, exam, labels = case
    converted(capsys, folder / "exam", folder / "mask.seg.nrrd", tmp_path / f"a{through}")
    for ending in (".nii.gz", ".mha", ".dcm"):
        converted(capsys, folder / "exam", tmp_path / f"a{through}", tmp_path / f"b{ending}")
    converted(capsys, folder / "exam", tmp_path / "b.dcm", tmp_path / "c.nrrd")
    for name in ("b.nii.gz", "b.mha", "c.nrrd"):
        np.testing.assert_array_equal(array(tmp_path / name), labels.array)
        assert same_place(sitk.ReadImage(str(tmp_path / name)), exam.geometry), name


def test_names_and_codes_go_along(case, tmp_path, capsys):
    folder, *_ = case
    converted(capsys, folder / "exam", folder / "mask.seg.nrrd", tmp_path / "a.dcm")
    one, two = pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence
    assert (one.SegmentLabel, two.SegmentLabel) == ("Mass, left breast", "Länge")
    assert one.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0].CodeValue == "7771000"
    assert two.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"
    converted(capsys, folder / "exam", tmp_path / "a.dcm", tmp_path / "b.seg.nrrd")
    found, wanted = segments_in(tmp_path / "b.seg.nrrd"), segments_in(folder / "mask.seg.nrrd")
    # The field of view lies in one half of the patient, which tells the side that nobody had coded.
    assert found[1] == wanted[1] and found[2] == replace(wanted[2], side=("SCT", "24028007", "Right"))
    kept = sitk.ReadImage(str(tmp_path / "b.seg.nrrd"))
    assert kept.GetMetaData("Segment0_Tags") == f"TerminologyEntry:{NAMED[1][1]}|"
    assert kept.GetMetaData("Segment1_Name") == "Länge"


def test_what_another_program_coded_stays_so(case, tmp_path, capsys):
    folder, _, labels = case
    entry = terminology_entry("mass").replace("4147007^Mass", "67734004^Hemorrhage")
    write_mask(tmp_path / "a.seg.nrrd", labels, names={1: ("Blood", entry), 2: ("Bare", "")})
    converted(capsys, folder / "exam", tmp_path / "a.seg.nrrd", tmp_path / "a.dcm", "--term", "neoplasm")
    one, two = pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence
    assert one.SegmentedPropertyTypeCodeSequence[0].CodeValue == "67734004"
    assert two.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"
    converted(capsys, folder / "exam", tmp_path / "a.dcm", tmp_path / "b.seg.nrrd")
    assert segments_in(tmp_path / "b.seg.nrrd")[1].type == ("SCT", "67734004", "Hemorrhage")


def test_who_found_it(case, tmp_path, capsys):
    folder, *_ = case
    record = tmp_path / "mask.run.json"
    record.write_text(json.dumps({"model": {"name": "demo-dce", "hash": "0123456789abcdef"}}))
    kinds = {}
    for name, options in (("hand", ()), ("model", ("--record", record)), ("edited", ("--record", record, "--edited"))):
        out = converted(capsys, folder / "exam", folder / "mask.seg.nrrd", tmp_path / f"{name}.dcm", *options)
        assert ("by hand" in out) == (name == "hand")
        kinds[name] = pydicom.dcmread(tmp_path / f"{name}.dcm").SegmentSequence[0]
    assert [item.SegmentAlgorithmType for item in kinds.values()] == ["MANUAL", "AUTOMATIC", "SEMIAUTOMATIC"]
    used = kinds["model"].SegmentationAlgorithmIdentificationSequence[0]
    assert (used.AlgorithmName, used.AlgorithmVersion) == ("demo-dce", "0123456789ab")
    # A segmentation that is converted again keeps who found it, and its identity.
    out = converted(capsys, folder / "exam", tmp_path / "model.dcm", tmp_path / "again.dcm")
    again = pydicom.dcmread(tmp_path / "again.dcm").SegmentSequence[0]
    assert again.SegmentAlgorithmName == "demo-dce" and again.TrackingUID == kinds["model"].TrackingUID
    assert "by hand" not in out


def test_labels_with_gaps_are_counted_anew_and_said(case, tmp_path, capsys):
    folder, exam, labels = case
    gaps = np.array([0, 7, 200], np.uint8)[labels.array]
    write_mask(tmp_path / "a.nrrd", Volume(gaps, exam.geometry))
    out = converted(capsys, folder / "exam", tmp_path / "a.nrrd", tmp_path / "a.dcm")
    assert "Label 7 became segment 1" in out and "Label 200 became segment 2" in out
    converted(capsys, folder / "exam", tmp_path / "a.dcm", tmp_path / "b.nrrd")
    np.testing.assert_array_equal(array(tmp_path / "b.nrrd"), labels.array)


def test_segmentations_that_slicer_has_cut_are_placed(case, tmp_path, capsys):
    """Slicer saves a segmentation only as large as its segments."""
    folder, exam, labels = case
    image = sitk.ReadImage(str(folder / "mask.seg.nrrd"))
    cut = image[1:, :, 1:3]
    for key in image.GetMetaDataKeys():
        cut.SetMetaData(key, image.GetMetaData(key))
    sitk.WriteImage(cut, str(tmp_path / "cut.seg.nrrd"))
    converted(capsys, folder / "exam", tmp_path / "cut.seg.nrrd", tmp_path / "whole.nrrd")
    wanted = labels.array.copy()
    wanted[:, :, 0] = 0
    np.testing.assert_array_equal(array(tmp_path / "whole.nrrd"), wanted)


@pytest.mark.parametrize("ending", ENDINGS)
def test_mammograms(views, tmp_path, capsys, ending):
    folder, exam, labels = views
    view = exam.views[0].name
    converted(capsys, folder / "exam", folder / "mask.nrrd", tmp_path / f"a{ending}", "--view", view)
    converted(capsys, folder / "exam", tmp_path / f"a{ending}", tmp_path / "b.mha", "--view", view)
    np.testing.assert_array_equal(array(tmp_path / "b.mha"), labels.array)
    if ending == ".dcm":
        region = pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence[0].AnatomicRegionSequence[0]
        assert region.AnatomicRegionModifierSequence[0].CodeMeaning == "Right"
        common = ("--exam", folder / "exam", "--mask", tmp_path / "a.dcm", "--output", tmp_path / "c.nrrd")
        assert "another image" in refused(capsys, tmp_path, "convert", *common, "--view", exam.views[1].name)
        assert "--view" in refused(capsys, tmp_path, "convert", *common)


def test_refusals(case, tmp_path, capsys):
    folder, exam, labels = case
    mask = folder / "mask.seg.nrrd"
    start = ("convert", "--exam", folder / "exam")
    write_mask(tmp_path / "empty.nrrd", Volume(np.zeros_like(labels.array), exam.geometry))
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"?" * 50)
    for arguments, words in (
        (("--mask", mask, "--output", tmp_path / "a.txt"), "format"),
        (("--mask", tmp_path / "empty.nrrd", "--output", tmp_path / "a.dcm"), "empty"),
        (("--mask", tmp_path / "broken.dcm", "--output", tmp_path / "a.nrrd"), "segmentation"),
        (("--mask", mask, "--output", tmp_path / "a.dcm", "--edited"), "--record"),
        (("--mask", mask, "--output", tmp_path / "a.dcm", "--record", tmp_path / "notes.json"), "record of a run"),
        (("--mask", mask, "--output", tmp_path / "a.dcm", "--view", "LCC"), "no views"),
        (("--mask", mask, "--output", tmp_path / "empty.nrrd"), "exists"),
    ):
        assert words in refused(capsys, tmp_path, *start, *arguments)
    for index, volume in enumerate(exam.volumes):
        sitk.WriteImage(volume.to_sitk(), str(tmp_path / f"{index}.nii.gz"))
    files = [tmp_path / f"{index}.nii.gz" for index in range(3)]
    arguments = ("convert", "--phases", *files, "--mask", mask, "--output", tmp_path / "a.dcm")
    assert "DICOM" in refused(capsys, tmp_path, *arguments)
