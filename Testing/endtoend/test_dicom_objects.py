"""DICOM objects about whole exams before independent judges: dicom3tools, dcmqi, highdicom, SimpleITK."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.exam.dicom.segfile import read_seg
from BreastSegLib.exam.mask_files import source_files
from BreastSegLib.exam.source import read
from BreastSegLib.measures.lesions import lesion_labels
from BreastSegLib.measures.quantities import quantities
from BreastSegLib.reports.dicom.encapsulated import write_pdf_dicom
from BreastSegLib.reports.dicom.reading import read_sr
from BreastSegLib.reports.dicom.segmentation import Algorithm, lesion_segments, write_seg
from BreastSegLib.reports.dicom.sources import sources_of
from BreastSegLib.reports.dicom.structured import write_sr
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.samples.writing import write_dce_sample, write_mammography_sample
from BreastSegLib.volume import Volume

VALIDATOR = shutil.which("dciodvfy")
TOOLS = Path(sys.executable).parent
MODEL = Algorithm("demo-dce", "1")
OWN_SCHEME = "Unrecognized defined term = <99BSEG>"  # dicom3tools knows no private scheme, as none can
needs_validator = pytest.mark.skipif(
    VALIDATOR is None, reason="dciodvfy is not installed (Debian package dicom3tools)"
)
EXAMS = {
    "axial": {"oblique_degrees": 0.0, "side": "left", "vendor": "GE", "format": "dicom"},
    "oblique": {"oblique_degrees": 14.0, "side": "right", "vendor": "SIEMENS", "format": "dicom-one-series"},
}


def tool(name):
    path = shutil.which(name, path=str(TOOLS))
    if path is None:
        pytest.skip(f"{name} is not installed (package dcmqi)")
    return path


def complaints(path):
    """Return errors and warnings of the validator; that a private coding scheme is not known to it is no complaint."""
    done = subprocess.run([VALIDATOR, "-new", str(path)], capture_output=True, text=True, timeout=60)
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if line.startswith(("Error", "Warning")) and OWN_SCHEME not in line]


def measured(kind, lesions, **values):
    """Return a measures record with a number for everything that is measured."""
    rng = np.random.default_rng(5)
    rows = []
    for label, side, view in lesions:
        row = {q.key: round(float(rng.uniform(0.1, 900)), 4) if q.unit else "" for q in quantities(kind)}
        rows.append({**row, "label": label, "side": side, "name": "", "view_index": view, **values})
    return {"kind": kind, "lesions": rows}


@pytest.fixture(scope="module", params=EXAMS)
def dce(request, tmp_path_factory):
    """An exam with masses in one breast, on uneven voxels: labels, measures and its three objects."""
    folder, options = tmp_path_factory.mktemp(request.param), dict(EXAMS[request.param])
    vendor, form = options.pop("vendor"), options.pop("format")
    sample = make_dce_exam(
        4, shape=(28, 70, 116), spacing=(1.7, 1.65, 2.9), masses=2, posts=2, radius_mm=(5.0, 8.0), **options
    )
    write_dce_sample(sample, folder / "sample", form, vendor)
    exam = read({"folder": str(folder / "sample" / "exam")})
    labels, _ = lesion_labels(Volume(sample.truth.array, exam.geometry))
    labels = Volume(labels, exam.geometry)
    count = int(labels.array.max())
    lesions = [(n, options["side"], 0) for n in range(1, count + 1)]
    measures = measured("dce", lesions, curve_type="wash-out", quadrant="upper outer", clock="10:30")
    sources = sources_of(exam)
    write_seg(folder / "seg.dcm", sources, labels, lesion_segments(measures, "mass", MODEL))
    write_sr(folder / "sr.dcm", sources, folder / "seg.dcm", measures)
    write_pdf_dicom(folder / "pdf.dcm", pdf(), sources, "Breast lesions", identified=False)
    return folder, exam, labels, measures, options["side"]


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """The four views of an exam; both views of the left breast have a mass."""
    folder = tmp_path_factory.mktemp("views")
    write_mammography_sample(folder / "sample", 3, side="L", size=(416, 320))
    exam = read({"folder": str(folder / "sample" / "exam")})
    masks = {}
    for index, view in enumerate(exam.views):
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "sample" / f"truth_{view.key}.nii.gz")))
        if truth.any():
            masks[index] = Volume(truth.reshape(exam.images[index].geometry.shape), exam.images[index].geometry)
    measures = measured("mammograms", [(1, "left", index) for index in masks])
    sources = [sources_of(exam, index) for index in masks]
    paths = [folder / f"seg-{exam.views[index].key}.dcm" for index in masks]
    for path, source, (index, mask) in zip(paths, sources, masks.items()):
        write_seg(path, source, mask, lesion_segments(measures, "mass", MODEL, view=index))
    write_sr(folder / "sr.dcm", sources, paths, measures)
    write_pdf_dicom(folder / "pdf.dcm", pdf(), sources[0], "Breast lesions", identified=True)
    return folder, exam, masks, measures, paths


def pdf():
    """Return a small PDF."""
    from io import BytesIO

    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    stream = BytesIO()
    page = canvas.Canvas(stream)
    page.drawString(100, 700, "Report")
    page.save()
    return stream.getvalue()


@needs_validator
@pytest.mark.parametrize("name", ["seg", "sr", "pdf"])
def test_dce_objects_are_valid(dce, name):
    assert complaints(dce[0] / f"{name}.dcm") == []


@needs_validator
def test_mammogram_objects_are_valid(mammograms):
    folder, *_, paths = mammograms
    for path in (*paths, folder / "sr.dcm", folder / "pdf.dcm"):
        assert complaints(path) == [], path.name


@needs_validator
def test_the_validator_would_complain(dce, tmp_path):
    data = pydicom.dcmread(dce[0] / "seg.dcm")
    del data.SegmentSequence[0].SegmentAlgorithmType
    data.save_as(tmp_path / "seg.dcm")
    assert any("SegmentAlgorithmType" in line for line in complaints(tmp_path / "seg.dcm"))


def on_exam(image, geometry):
    """Return an image on the exam's grid by SimpleITK's nearest neighbour, in patient space."""
    reference = sitk.Image([int(n) for n in geometry.shape[::-1]], sitk.sitkUInt8)
    reference.SetSpacing(geometry.spacing)
    reference.SetOrigin(geometry.origin)
    reference.SetDirection(geometry.direction)
    nearest = sitk.Resample(image, reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(nearest)


def test_dcmqi_sees_the_same_voxels_in_the_patient(dce, tmp_path):
    folder, exam, labels, _, side = dce
    program = tool("segimage2itkimage")
    done = subprocess.run(
        [program, "--inputDICOM", str(folder / "seg.dcm"), "--outputDirectory", str(tmp_path), "--outputType", "nrrd"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    images = sorted(tmp_path.glob("*.nrrd"))
    assert len(images) == labels.array.max() >= 2
    for number, path in enumerate(images, 1):
        image = sitk.ReadImage(str(path))
        np.testing.assert_array_equal(on_exam(image, exam.geometry) > 0, labels.array == number)
        # The same without any resampling: each marked voxel's place by SimpleITK, and its side.
        marked = np.argwhere(sitk.GetArrayFromImage(image) > 0)[:, ::-1]
        places = np.array([image.TransformIndexToPhysicalPoint([int(v) for v in index]) for index in marked])
        assert (places[:, 0].min() > 0) if side == "left" else (places[:, 0].max() < 0)
    told = json.loads(next(tmp_path.glob("*.json")).read_text())
    found = [segment for part in told["segmentAttributes"] for segment in part]
    assert {item["SegmentedPropertyTypeCodeSequence"]["CodeValue"] for item in found} == {"4147007"}
    code = {"left": "7771000", "right": "24028007"}[side]
    assert {item["AnatomicRegionModifierSequence"]["CodeValue"] for item in found} == {code}


def test_a_mirrored_mask_would_be_seen(dce, tmp_path):
    """The comparison with dcmqi fails for a mask that is the other way round: the lesions lie in one breast only."""
    folder, exam, labels, measures, _ = dce
    mirrored = Volume(labels.array[:, :, ::-1].copy(), exam.geometry)
    write_seg(tmp_path / "seg.dcm", sources_of(exam), mirrored, lesion_segments(measures, "mass", MODEL))
    program = tool("segimage2itkimage")
    options = ["--inputDICOM", str(tmp_path / "seg.dcm"), "--outputDirectory", str(tmp_path), "--outputType", "nrrd"]
    subprocess.run([program, *options], capture_output=True, check=True, timeout=120)
    image = sitk.ReadImage(str(sorted(tmp_path.glob("*.nrrd"))[0]))
    assert not np.any((on_exam(image, exam.geometry) > 0) & (labels.array == 1))


def test_highdicom_sees_the_same_voxels_in_the_patient(dce):
    folder, exam, labels, *_ = dce
    volume = hd.seg.segread(folder / "seg.dcm").get_volume(combine_segments=True)
    for number in range(1, int(labels.array.max()) + 1):
        indices = np.argwhere(volume.array == number)
        places = volume.map_indices_to_reference(indices)
        ijk = np.linalg.inv(exam.geometry.ijk_to_lps) @ np.c_[places, np.ones(len(places))].T
        found = np.zeros(labels.array.shape, bool)
        found[tuple(np.rint(ijk[2::-1]).astype(int))] = True
        np.testing.assert_array_equal(found, labels.array == number)
        assert np.abs(ijk[:3] - np.rint(ijk[:3])).max() < 0.01


def test_our_own_reader_sees_the_same(dce):
    folder, exam, labels, *_ = dce
    back, _ = read_seg(folder / "seg.dcm", exam.geometry, source_files(exam))
    np.testing.assert_array_equal(back.array, labels.array)


def compared_with_dcmqi(folder, kind, measures, output):
    """Compare what dcmqi reads in a report with the measures."""
    program = tool("tid1500reader")
    options = ["--inputDICOM", str(folder / "sr.dcm"), "--outputMetadata", str(output / "sr.json")]
    subprocess.run([program, *options], capture_output=True, check=True, timeout=120)
    groups = json.loads((output / "sr.json").read_text())["Measurements"]
    assert len(groups) == len(measures["lesions"])
    for group, row in zip(groups, measures["lesions"]):
        found = {item["quantity"]["CodeValue"]: item for item in group["measurementItems"]}
        pairs = [("103339001", "inplane_mm" if kind == "dce" else "longest_mm", "mm")]
        pairs.append(("118565006", "volume_mm3", "mm3") if kind == "dce" else ("42798000", "area_mm2", "mm2"))
        for code, key, unit in pairs:
            assert float(found[code]["value"]) == row[key] and found[code]["units"]["CodeValue"] == unit
        assert group["Finding"]["CodeValue"] == "4147007" and group["FindingSite"]["CodeValue"] == "76752008"
        assert group["Laterality"]["CodeMeaning"].lower() == row["side"]
        assert group["measurementAlgorithmIdentification"]["AlgorithmName"] == "demo-dce"
    for found, row in zip(read_sr(folder / "sr.dcm"), measures["lesions"], strict=True):
        for quantity in quantities(kind):
            if quantity.unit:
                assert found[quantity.key] == row[quantity.key], quantity.key
        assert found["side"] == row["side"] and found["label"] == row["label"]


def test_dcmqi_and_our_reader_see_the_measurements_of_an_mr_exam(dce, tmp_path):
    compared_with_dcmqi(dce[0], "dce", dce[3], tmp_path)


def test_dcmqi_and_our_reader_see_the_measurements_of_mammograms(mammograms, tmp_path):
    compared_with_dcmqi(mammograms[0], "mammograms", mammograms[3], tmp_path)


def test_mammogram_pixels_are_those_of_the_image(mammograms):
    """By highdicom and by the plain pixel data, on the matrix of the source file."""
    _, exam, masks, _, paths = mammograms
    for path, (index, mask) in zip(paths, masks.items()):
        seg = hd.seg.segread(path)
        frames = seg.get_pixels_by_source_instance([pydicom.dcmread(exam.views[index].file).SOPInstanceUID])
        np.testing.assert_array_equal(frames[0, :, :, 0], mask.array[0])
        np.testing.assert_array_equal(np.asarray(pydicom.dcmread(path).pixel_array).squeeze(), mask.array[0])


def test_no_file_name_or_identity_leaks(dce):
    """Nothing about the patient is in the names of the files, and no path of this machine in the objects."""
    folder, exam, *_ = dce
    for name in ("seg", "sr", "pdf"):
        data = pydicom.dcmread(folder / f"{name}.dcm")
        text = str(data)
        assert str(folder) not in text and Path(exam.phases[0].files[0]).name not in text
        assert str(data.PatientName) == str(pydicom.dcmread(exam.phases[0].files[0]).PatientName)
