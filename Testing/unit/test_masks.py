"""Mask files, read back by SimpleITK and by Slicer's own reader."""

import os
import subprocess
import sys
from pathlib import Path

import BreastSegLib
import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.reports.masks import FORMATS, check_mask_output, mask_format, write_mask
from BreastSegLib.reports.terminology import segment_color, segment_name, terminology_entry
from BreastSegLib.volume import Volume
from geometry_cases import centred, named_matrices

NAMES = {
    1: (segment_name("mass", "left"), terminology_entry("mass", "left"), segment_color("mass")),
    2: (segment_name("neoplasm"), terminology_entry("neoplasm"), segment_color("neoplasm")),
}


def make_mask(matrix="oblique", dtype=np.uint8):
    geometry = centred((6, 8, 10), (0.7, 1.1, 2.5), named_matrices()[matrix])
    array = np.zeros(geometry.shape, dtype)
    array[1:3, 2:4, 3:7] = 1
    array[4, 5, 6] = 2
    return Volume(array, geometry)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("matrix", sorted(named_matrices()))
def test_read_back(tmp_path, ending, matrix):
    mask = make_mask(matrix)
    path = tmp_path / f"lésion 1{ending}"
    write_mask(path, mask, names=NAMES)
    back = Volume.from_sitk(sitk.ReadImage(str(path)))
    np.testing.assert_array_equal(back.array, mask.array)
    assert back.array.dtype == np.uint8
    assert back.geometry.same_grid(mask.geometry, 1e-3)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", [ending for ending in FORMATS if ending != ".seg.nrrd"])
def test_probabilities(tmp_path, ending):
    mask = make_mask()
    chances = Volume(np.random.default_rng(0).random(mask.geometry.shape, dtype=np.float32), mask.geometry)
    write_mask(tmp_path / f"p{ending}", chances)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"p{ending}"))), chances.array)


def test_probabilities_are_no_segmentation(tmp_path):
    chances = make_mask(dtype=np.float32)
    with pytest.raises(BadInput, match="labels, not probabilities.*nrrd"):
        write_mask(tmp_path / "p.seg.nrrd", chances)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "ending"),
    [("a.NII.GZ", ".nii.gz"), ("a.b.seg.nrrd", ".seg.nrrd"), ("a.nrrd", ".nrrd"), ("x.mha", ".mha")],
)
def test_format_by_ending(name, ending):
    assert mask_format(name) == ending


@pytest.mark.parametrize("name", ["a", "a.gz", "a.nii.gz.txt", "nrrd", "a.png", ""])
def test_unknown_endings(tmp_path, name):
    with pytest.raises(BadInput, match=r"not known.*\.seg\.nrrd"):
        check_mask_output(tmp_path / name if name else "")


def test_existing_files_are_kept(tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_text("old")
    with pytest.raises(BadInput, match="exists"):
        write_mask(path, make_mask())
    assert path.read_text() == "old"
    write_mask(path, make_mask(), overwrite=True)
    assert sitk.ReadImage(str(path)).GetSize() == (10, 8, 6)


# --- a segmentation in Slicer ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def read_segmentation():
    """Return a function that reads a file as Slicer 5.12 does: segments by name, and the segmentation."""
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)

    def read(path):
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(path))
        assert storage.ReadData(node) == 1
        segmentation = node.GetSegmentation()
        return node, {
            segmentation.GetNthSegment(n).GetName(): (segmentation.GetNthSegmentID(n), segmentation.GetNthSegment(n))
            for n in range(segmentation.GetNumberOfSegments())
        }

    yield read
    scene.Clear(True)


@pytest.mark.parametrize("matrix", sorted(named_matrices()))
def test_slicer_sees_the_same_voxels(tmp_path, read_segmentation, matrix):
    import slicer
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    mask = make_mask(matrix)
    write_mask(tmp_path / "a.seg.nrrd", mask, names=NAMES)
    node, segments = read_segmentation(tmp_path / "a.seg.nrrd")
    assert list(segments) == ["Mass, left breast", "Neoplasm"]
    for label, (identifier, segment) in zip((1, 2), segments.values()):
        assert segment.GetLabelValue() == label
        labelmap = slicer.vtkOrientedImageData()
        assert node.GetBinaryLabelmapRepresentation(identifier, labelmap)
        matrix4 = vtk.vtkMatrix4x4()
        labelmap.GetImageToWorldMatrix(matrix4)
        extent, size = labelmap.GetExtent(), labelmap.GetDimensions()
        values = vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(size[::-1])
        seen = {
            tuple(np.round(matrix4.MultiplyPoint([i + extent[0], j + extent[2], k + extent[4], 1])[:3], 3) + 0.0)
            for k, j, i in np.argwhere(values != 0)
        }
        expected = {
            tuple(np.round((mask.geometry.ijk_to_ras @ [i, j, k, 1])[:3], 3) + 0.0)
            for k, j, i in np.argwhere(mask.array == label)
        }
        assert seen == expected
        assert labelmap.GetExtent() == (0, 9, 0, 7, 0, 5)


def test_slicer_sees_names_codes_and_colours(tmp_path, read_segmentation):
    import vtk

    write_mask(tmp_path / "a.seg.nrrd", make_mask(), names=NAMES)
    _, segments = read_segmentation(tmp_path / "a.seg.nrrd")
    for label, (name, entry, colour) in NAMES.items():
        identifier, segment = segments[name]
        tag = vtk.mutable("")
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
        assert str(tag) == entry
        assert identifier == f"Segment_{label}"
        assert segment.GetColor() == pytest.approx(colour)
        assert not segment.GetNameAutoGenerated()
        assert not segment.GetColorAutoGenerated()


def test_labels_without_names_and_names_without_voxels(tmp_path, read_segmentation):
    mask = make_mask()
    mask.array[mask.array == 1] = 0
    write_mask(tmp_path / "a.seg.nrrd", mask, names={1: NAMES[1][:2]})
    _, segments = read_segmentation(tmp_path / "a.seg.nrrd")
    assert sorted((name, segment.GetLabelValue()) for name, (_, segment) in segments.items()) == [
        ("Label 2", 2),
        ("Mass, left breast", 1),
    ]


def test_names_in_any_language(tmp_path, read_segmentation):
    write_mask(tmp_path / "a.seg.nrrd", make_mask(), names={1: ("Masse, linke Brüst 乳", "")})
    _, segments = read_segmentation(tmp_path / "a.seg.nrrd")
    assert "Masse, linke Brüst 乳" in segments


# --- a full disk -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
@pytest.mark.parametrize("ending", FORMATS)
def test_no_truncated_file_is_ever_kept(tmp_path, ending):
    """Image writers do not all notice a write that fails half way; the file must not appear then."""
    script = (
        "import resource, sys, numpy as np\n"
        "from BreastSegLib.errors import BadInput\n"
        "from BreastSegLib.reports.masks import write_mask\n"
        "from BreastSegLib.volume import Geometry, Volume\n"
        "array = np.random.default_rng(0).integers(0, 2, (20, 64, 64)).astype(np.uint8)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    write_mask(sys.argv[1], Volume(array, Geometry(array.shape)))\n"
        "except BadInput as error:\n"
        "    sys.stdout.write(error.line)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / f"a{ending}")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(BreastSegLib.__file__).parents[1])},
    )
    assert os.listdir(tmp_path) == []
    assert "could not be written" in result.stdout
    assert len(result.stdout.splitlines()) == 1
