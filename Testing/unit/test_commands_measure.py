"""The verb measure, the measures of segment and of batch: files, lines for people, and refusals."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from batch_cases import FakeClient, cases, error, result_of
from BreastSegLib.commands import segment_report
from BreastSegLib.executors import ENDED, JobState, Resources
from BreastSegLib.measures import empty_row
from BreastSegLib.models import find_model
from BreastSegLib.pipeline import batch as module
from BreastSegLib.pipeline.batch import Batch, BatchOptions
from BreastSegLib.pipeline.batch_cluster import ClusterBatch
from BreastSegLib.pipeline.batch_table import read_table
from BreastSegLib.samples.writing import write_dce_sample, write_mammography_sample
from command_cases import call, refused


@pytest.fixture(scope="module")
def exam(sample, tmp_path_factory):
    """The sample as DICOM: ``exam/`` and ``truth.nii.gz``."""
    return write_dce_sample(sample, tmp_path_factory.mktemp("dce") / "sample")


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """Four views: ``exam/`` and ``truth_LCC.nii.gz`` …"""
    return write_mammography_sample(tmp_path_factory.mktemp("mg") / "sample", 3, size=(416, 320))


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def test_json_csv_and_maps(capsys, exam, sample, tmp_path):
    common = ("measure", "--exam", exam / "exam", "--mask", exam / "truth.nii.gz")
    chance = sample.truth.to_sitk()
    sitk.WriteImage(sitk.Cast(chance, sitk.sitkFloat32) * 0.75, str(tmp_path / "p.nrrd"))
    code, out, err = call(
        capsys, *common, "--output", tmp_path / "m.json", "--maps", tmp_path / "maps", "--model", "demo-dce",
        "--probabilities", tmp_path / "p.nrrd", "--setting", "pe_threshold_pct=80", "--setting", "flat_pct=5",
    )  # fmt: skip
    assert code == 0, err
    found = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    (row,) = found["lesions"]
    assert found["settings"]["pe_threshold_pct"] == 80 and found["settings"]["flat_pct"] == 5
    assert row["confidence"] == pytest.approx(0.75) and found["inputs"]
    side, size = sample.masses[0].side, row["volume_mm3"] / 1000
    assert out.startswith(f"Lesion 1: {side} breast, {size:.2f} cm³, {row['longest_mm']:.1f} mm long, ")
    assert "probability 75 %" in out and f"Written: {tmp_path / 'm.json'}" in out and "research use only" in out
    for name in ("pe", "ser", "types"):
        image = sitk.ReadImage(str(tmp_path / "maps" / f"{name}.nii.gz"))
        assert image.GetSize() == chance.GetSize()
    assert "Sample" not in json.dumps(found), "the patient's name in the files"
    code, out, err = call(capsys, *common, "--output", tmp_path / "m.csv")
    assert code == 0, err
    (line,) = rows_of(tmp_path / "m.csv")
    assert float(line["volume (mm³)"]) == row["volume_mm3"] and float(line["mean enhancement (%)"]) > 50
    assert refused(capsys, tmp_path, *common, "--output", tmp_path / "m.csv").endswith("--overwrite.")
    code, _, err = call(capsys, *common, "--output", tmp_path / "m.csv", "--overwrite")
    assert code == 0, err


def test_a_structured_report_comes_with_its_segmentation(capsys, exam, tmp_path):
    common = ("measure", "--exam", exam / "exam")
    code, out, err = call(capsys, *common, "--mask", exam / "truth.nii.gz", "--output", tmp_path / "a.dcm")
    assert code == 0, err
    assert {path.name for path in tmp_path.iterdir()} == {"a.dcm", "a-seg.dcm"} and "a-seg.dcm" in out
    report, seg = (pydicom.dcmread(tmp_path / name) for name in ("a.dcm", "a-seg.dcm"))
    assert report.Modality == "SR" and seg.Modality == "SEG" and str(seg.SOPInstanceUID) in str(report)
    # A mask that is a DICOM segmentation is what its report is about.
    code, _, err = call(capsys, *common, "--mask", tmp_path / "a-seg.dcm", "--output", tmp_path / "b.dcm")
    assert code == 0, err
    assert {path.name for path in tmp_path.iterdir()} == {"a.dcm", "a-seg.dcm", "b.dcm"}
    assert str(seg.SOPInstanceUID) in str(pydicom.dcmread(tmp_path / "b.dcm"))


def test_a_segmentation_with_other_numbers_is_not_what_the_report_is_about(capsys, exam, sample, tmp_path):
    """Its one segment falls apart into two lesions, so the second has no segment there: a new one is written."""
    two = sample.truth.array.copy()
    two[0, 0, :3] = 1
    mask = sitk.GetImageFromArray(two)
    mask.CopyInformation(sample.truth.to_sitk())
    sitk.WriteImage(mask, str(tmp_path / "two.nrrd"))
    common = ("measure", "--exam", exam / "exam")
    code, _, err = call(
        capsys, *common, "--mask", tmp_path / "two.nrrd", "--by-label", "--output", tmp_path / "one.dcm"
    )
    assert code == 0, err
    segments = pydicom.dcmread(tmp_path / "one-seg.dcm").SegmentSequence
    code, _, err = call(capsys, *common, "--mask", tmp_path / "one-seg.dcm", "--output", tmp_path / "apart.dcm")
    assert code == 0, err
    assert len(segments) == 1 and len(pydicom.dcmread(tmp_path / "apart-seg.dcm").SegmentSequence) == 2


def test_mammograms_are_measured_view_by_view(capsys, mammograms, tmp_path):
    masks = ("none", mammograms / "truth_LCC.nii.gz", "none", mammograms / "truth_LMLO.nii.gz")
    common = ("measure", "--exam", mammograms / "exam")
    code, out, err = call(capsys, *common, "--mask", *masks, "--output", tmp_path / "m.csv")
    assert code == 0, err
    assert [row["view"] for row in rows_of(tmp_path / "m.csv")] == ["LCC", "LMLO"]
    assert "No lesion in RCC" in out and "Lesion 1 in LCC: left breast, " in out and " mm across" in out
    # As 'segment' names them.
    for view in ("LCC", "LMLO"):
        (tmp_path / f"x-{view}.nii.gz").write_bytes((mammograms / f"truth_{view}.nii.gz").read_bytes())
    code, _, err = call(capsys, *common, "--mask", tmp_path / "x.nii.gz", "--output", tmp_path / "n.csv")
    assert code == 0 and (tmp_path / "n.csv").read_bytes() == (tmp_path / "m.csv").read_bytes(), err
    line = refused(capsys, tmp_path, *common, "--mask", tmp_path / "y.nii.gz", "--output", tmp_path / "z.csv")
    assert "no mask of any: y-RCC.nii.gz" in line
    line = refused(capsys, tmp_path, *common, "--mask", *masks[:2], "--output", tmp_path / "z.csv")
    assert "Each mammogram needs one mask" in line and "RCC, LCC, RMLO, LMLO" in line
    code, _, err = call(capsys, *common, "--mask", *masks, "--output", tmp_path / "sr.dcm")
    assert code == 0, err
    assert {path.name for path in tmp_path.glob("sr*")} == {"sr.dcm", "sr-seg-LCC.dcm", "sr-seg-LMLO.dcm"}


@pytest.mark.parametrize(
    "more, words",
    [
        (("--output", "m.txt"), "Use .json, .csv or .dcm"),
        (("--output", "m.json", "--setting", "early"), "NAME=VALUE"),
        (("--output", "m.json", "--setting", "speed=1"), "no such setting"),
        (("--output", "m.json", "--setting", "early_s=never"), "early_s is a number"),
        (("--output", "m.json", "--model", "none-such"), "no such model"),
        (("--output", "m.json", "--probabilities", "mask.nrrd"), "does not lie on the exam's grid"),
    ],
)
def test_what_is_refused(capsys, exam, tmp_path, monkeypatch, more, words):
    monkeypatch.chdir(tmp_path)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4), np.float32)), "mask.nrrd")
    line = refused(capsys, tmp_path, "measure", "--exam", exam / "exam", "--mask", exam / "truth.nii.gz", *more)
    assert words in line


def test_a_mask_of_another_exam_is_refused(capsys, exam, tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4), np.uint8)), str(tmp_path / "mask.nrrd"))
    common = ("measure", "--exam", exam / "exam", "--mask", tmp_path / "mask.nrrd", "--output", tmp_path / "m.json")
    assert "does not lie on the exam's grid" in refused(capsys, tmp_path, *common)


def test_an_empty_mask_is_a_result(capsys, exam, sample, tmp_path):
    empty = sitk.GetImageFromArray(np.zeros(sample.truth.array.shape, np.uint8))
    empty.CopyInformation(sample.truth.to_sitk())
    sitk.WriteImage(empty, str(tmp_path / "empty.nrrd"))
    common = ("measure", "--exam", exam / "exam", "--mask", tmp_path / "empty.nrrd")
    code, out, err = call(capsys, *common, "--output", tmp_path / "m.csv")
    assert code == 0 and "Warning: No lesion was found." in out and rows_of(tmp_path / "m.csv") == [], err
    assert "nothing to write" in refused(capsys, tmp_path, *common, "--output", tmp_path / "m.dcm")


LESION = {"label": 1, "voxels": 7, "volume_mm3": 2440.0, "side": "left", "longest_mm": 17.71, "inplane_mm": 16.7}
LESION |= {"perpendicular_mm": 14.0, "clock": "6:30", "enhancement_mean_pct": 101.4, "curve_type": "plateau"}


def result(**more):
    base = {"kind": "dce", "components": [LESION], "removed": [], "notes": [], "timings": {}, "measures": None}
    return {**base, "record": {"device_name": "CPU"}, **more}


def test_the_lines_of_a_run():
    warning = {"kind": "empty", "text": "No lesion was found.", "lesions": []}
    measures = {"lesions": [{**LESION, "confidence": 0.914}], "warnings": [warning, warning]}
    lines = segment_report.lines_of(result(measures=measures, notes=["No lesion was found.", "Other."]))
    assert lines[0] == (
        "Lesion 1: left breast, 2.44 cm³, 17.7 mm long, 16.7 × 14.0 mm in a slice, at 6:30 o'clock, enhances by 101 "
        "%, plateau, probability 91 %"
    )
    assert lines[1:3] == ["Warning: No lesion was found.", "Note: Other."], "each is said once"
    assert segment_report.lines_of(result())[0].startswith("Lesion 1: left breast, 2.44 cm³"), "without measures, too"


def test_views_have_their_own_lesions():
    rows = [{"label": 1, "view_index": 1, "side": "left", "area_mm2": 90.0, "voxels": 5, "perpendicular_mm": 4.0}]
    views = [{"view": name, "index": n, "components": [], "removed": []} for n, name in enumerate(("RCC", "LCC"))]
    lines = segment_report.lines_of(result(views=views, measures={"lesions": rows, "warnings": []}))
    assert lines[:2] == ["No lesion in RCC", "Lesion 1 in LCC: left breast, 90.0 mm², 4.0 mm across"]


def measured(count):
    """Return what a fake worker answers: a result with so many lesions measured."""
    rows = [{**empty_row("dce"), **LESION, "label": n + 1, "value": 1, "name": ""} for n in range(count)]
    found = {"kind": "dce", "spacing_known": True, "phases": [], "lesions": rows, "warnings": []}
    return lambda fields: {**result_of(fields), "measures": found}


def test_a_batch_has_one_table_of_all_lesions(capsys, monkeypatch, tmp_path):
    names = ("Smith Anna", "Smith Beth", "Smith Cleo")
    for name in names:
        (tmp_path / "exams" / name).mkdir(parents=True)
    broken = [error(message="The exam is wrong")]
    told = {"Smith Anna": [measured(2)], "Smith Beth": broken, "Smith Cleo": [measured(0)]}
    monkeypatch.setattr(module, "WorkerClient", lambda: FakeClient(told))
    common = ("batch", "--model", "demo-dce", "--exams", tmp_path / "exams", "--output", tmp_path / "out")
    code, _, err = call(capsys, *common, "--anonymous-names")
    assert code == 1, err
    table = tmp_path / "out" / "measures.csv"
    rows = rows_of(table)
    assert [(row["case"], row["lesion"]) for row in rows] == [("case_0001", "1"), ("case_0001", "2")]
    assert rows[0]["volume (mm³)"] == "2440.0" and "Smith" not in table.read_text(encoding="utf-8")
    # The rerun does what is missing; the lesions of the finished ones come from their run records.
    table.unlink()
    told.update({"Smith Anna": [pytest.fail], "Smith Beth": [measured(1)]})
    code, _, err = call(capsys, *common, "--anonymous-names")
    assert code == 0, err
    assert [row["case"] for row in rows_of(table)] == ["case_0001", "case_0001", "case_0002"]
    record = json.loads((tmp_path / "out" / "case_0002.run.json").read_text(encoding="utf-8"))
    assert len(record["measures"]["lesions"]) == 1


class Cluster:
    """Stands for a cluster: a job has ended when it is asked for, and its batch was done by a fake worker."""

    def __init__(self, model, told):
        self._model, self._told, self._next = model, told, 0

    def submit(self, job):
        done, notes = read_table(job.folder / "cases.csv")
        assert not notes
        with Batch(done, self._model, job.folder / "results", client=FakeClient(self._told)) as batch:
            batch.run()
        return {"job": str(job.folder)}

    def state(self, _handle):
        return JobState(ENDED, 0)


def test_a_batch_on_a_cluster_has_the_table_too(tmp_path):
    model, told = find_model("demo-dce", verify=False), {"Smith_0": [measured(1)], "Smith_1": [measured(2)]}
    exams = [replace(case, source={"folder": str(tmp_path / f"Smith_{n}")}) for n, case in enumerate(cases(2))]
    for case in exams:
        (tmp_path / case.source["folder"]).mkdir()
    options = {"executor": Cluster(model, told), "arguments": (), "resources": Resources(), "jobs": 2}
    with ClusterBatch(exams, model, tmp_path / "out", BatchOptions(), False, **options) as batch:
        assert batch.run()["done"] == 2
    assert [(row["case"], row["lesion"]) for row in rows_of(tmp_path / "out" / "measures.csv")] == [
        ("a0", "1"), ("a1", "1"), ("a1", "2"),
    ]  # fmt: skip
