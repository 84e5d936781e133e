"""Measures at the end of a real run of the demo model, after editing, and on their way out of the program."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.commands import run as command
from BreastSegLib.errors import BadInput
from BreastSegLib.inference.client import WorkerClient
from BreastSegLib.measures import quantities
from BreastSegLib.pipeline import measure, segment
from BreastSegLib.samples.writing import write_dce_sample
from scipy import ndimage


@pytest.fixture(scope="module")
def client():
    with WorkerClient() as one:
        yield one


@pytest.fixture(scope="module")
def exam(sample, tmp_path_factory):
    """The sample as DICOM: ``exam/`` and ``truth.nii.gz``."""
    return write_dce_sample(sample, tmp_path_factory.mktemp("dce") / "sample")


@pytest.fixture(scope="module")
def result(client, exam):
    """A run of the demo model on the sample."""
    return segment({"folder": exam / "exam"}, "demo-dce", "cpu", client=client, probabilities=True)


def test_a_run_ends_with_measures_that_agree_with_plain_numpy(result, sample):
    found = result["measures"]
    (row,) = found["lesions"]
    inside, spacing = result["mask"].array > 0, np.array(result["mask"].geometry.spacing)
    assert row["volume_mm3"] == pytest.approx(inside.sum() * np.prod(spacing), rel=1e-9)
    assert row["confidence"] == pytest.approx(result["probabilities"].array[inside].mean(), rel=1e-5)
    points = np.argwhere(inside)[:, ::-1] * spacing
    longest = max(np.linalg.norm(points - one, axis=1).max() for one in points)
    assert row["longest_mm"] == pytest.approx(longest, rel=1e-6)
    signal = [volume.array[inside].mean(dtype=float) for volume in sample.exam.volumes]
    assert row["curve_signal"] == pytest.approx(signal, rel=1e-3)  # DICOM rounds
    assert row["side"] == sample.masses[0].side and row["volume_mm3"] == result["components"][0]["volume_mm3"]
    assert "Measuring" in result["timings"] and result["record"]["phases"]
    assert not [row for row in found["warnings"] if row["kind"] in ("measuring-failed", "empty", "outside-breast")]


def test_editing_is_measured_again_in_the_worker(client, exam, result, tmp_path):
    edited = ndimage.binary_erosion(result["mask"].array > 0).astype(np.uint8)
    edited[result["raw"].array > 0] |= 0
    np.save(tmp_path / "edited.npy", edited)
    client.start()
    common = {"source": {"folder": str(exam / "exam")}, "mask": str(tmp_path / "edited.npy"), "connected": False}
    common |= {"names": {"1": "Edited"}, "maps": ["pe"], "output": str(client.folder / "again")}
    answer = client.wait(client.send("measure", **common, former=result["measures"], model="demo-dce"))
    (row,) = answer["measures"]["lesions"]
    assert row["voxels"] == edited.sum() < result["measures"]["lesions"][0]["voxels"] and row["name"] == "Edited"
    assert np.load(answer["pe"]).shape == edited.shape
    same = measure({"folder": exam / "exam"}, tmp_path / "edited.npy", connected=False, names={1: "Edited"})
    assert same["measures"]["lesions"] == answer["measures"]["lesions"], "in this process, too"


def test_everything_goes_out_or_nothing(client, exam, result, tmp_path):
    np.save(tmp_path / "mask.npy", result["mask"].array)
    client.start()
    names = ("seg.dcm", "sr.dcm", "r.html", "r.pdf", "pdf.dcm", "m.csv", "m.json")
    kinds = ("seg", "sr", "html", "pdf", "pdf_dicom", "csv", "json")
    out = tmp_path / "out"
    fields = {
        "source": {"folder": str(exam / "exam")},
        "mask": str(tmp_path / "mask.npy"),
        "measures": result["measures"],
        "record": result["record"],
        "model": "demo-dce",
        "outputs": {kind: str(out / name) for kind, name in zip(kinds, names)},
    }
    (out).mkdir()
    (out / "m.csv").write_text("mine")
    with pytest.raises(BadInput, match="exists"):
        client.wait(client.send("export", **fields))
    assert [path.name for path in out.iterdir()] == ["m.csv"] and (out / "m.csv").read_text() == "mine"
    with pytest.raises(BadInput, match="picture"):
        client.wait(client.send("export", **fields, overwrite=True, pictures=[["3D", str(tmp_path / "none.png")]]))
    assert [path.name for path in out.iterdir()] == ["m.csv"] and (out / "m.csv").read_text() == "mine"
    written = client.wait(client.send("export", **fields, overwrite=True))["written"]
    assert {path.name for path in out.iterdir()} == set(names) and len(written) == len(names)
    seg, report, pdf = (pydicom.dcmread(out / name) for name in ("seg.dcm", "sr.dcm", "pdf.dcm"))
    assert (seg.Modality, report.Modality) == ("SEG", "SR") and pdf.EncapsulatedDocument[:5] == b"%PDF-"
    assert str(seg.SOPInstanceUID) in str(report), "the report is about this segmentation"
    assert seg.SegmentSequence[0].SegmentAlgorithmName == "demo-dce"
    assert (out / "r.pdf").read_bytes()[:5] == b"%PDF-"
    patient = str(pydicom.dcmread(next((exam / "exam").rglob("*.dcm"))).PatientID)
    page = (out / "r.html").read_text(encoding="utf-8")
    assert patient and patient not in page and patient not in (out / "m.json").read_text(encoding="utf-8")
    assert json.loads((out / "m.json").read_text(encoding="utf-8")) == result["measures"]


@pytest.mark.parametrize(
    "outputs, words",
    [({}, "Nothing was chosen"), ({"film": "/x.dcm"}, "no output 'film'"), ({"pdf": "/tmp/x.html"}, "Use .pdf")],
)
def test_what_cannot_be_written_is_refused(client, outputs, words):
    fields = {"source": {"folder": "/none"}, "mask": "/none.npy", "measures": {"kind": "dce", "lesions": []}}
    with pytest.raises(BadInput, match=words):
        client.wait(client.send("export", **fields, outputs=outputs))


def test_segment_writes_dicom_and_measures(exam, tmp_path, capsys):
    common = ["segment", "--model", "demo-dce", "--device", "cpu", "--exam", str(exam / "exam")]
    code = command([*common, "--output", str(tmp_path / "a.dcm"), "--measures", str(tmp_path / "a-sr.dcm")])
    out, err = capsys.readouterr()
    assert code == 0, err
    seg, report = (pydicom.dcmread(tmp_path / name) for name in ("a.dcm", "a-sr.dcm"))
    assert str(seg.SOPInstanceUID) in str(report) and "mm long" in out and "a-sr.dcm" in out
    record = json.loads((tmp_path / "a.run.json").read_text(encoding="utf-8"))
    assert record["measures"]["settings"]["early_s"] == 150 and "Sample" not in json.dumps(record)
    code = command(["convert", "--exam", str(exam / "exam"), "--mask", str(tmp_path / "a.dcm"), "--output",
                    str(tmp_path / "b.nii.gz")])  # fmt: skip
    assert code == 0, capsys.readouterr().err
    voxels = int((sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "b.nii.gz"))) > 0).sum())
    assert voxels == record["measures"]["lesions"][0]["voxels"]
    # A report without its segmentation, and files that DICOM objects cannot refer to.
    code = command([*common, "--output", str(tmp_path / "c.nii.gz"), "--measures", str(tmp_path / "c.dcm")])
    assert code == 2 and "ends in .dcm, too" in capsys.readouterr().err
    phases = [str(tmp_path / f"phase{n}.nii.gz") for n in range(3)]
    for path in phases:
        (tmp_path / path).write_bytes((tmp_path / "b.nii.gz").read_bytes())
    plain = ["segment", "--model", "demo-dce", "--device", "cpu", "--phases", *phases]
    code = command([*plain, "--output", str(tmp_path / "d.dcm")])
    err = capsys.readouterr().err
    assert code == 2 and "nothing to refer to" in err and not (tmp_path / "d.dcm").exists()


def test_every_quantity_is_known_of_the_sample(result):
    """Nothing that the sample shows is left empty."""
    row = result["measures"]["lesions"][0]
    assert [one.key for one in quantities("dce") if row[one.key] in (None, "")] == []
