"""DICOM segmentations as masks: placed voxel by voxel, of this exam only, and whatever the file holds, one line."""

import copy
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dicom.segfile import is_segmentation, read_seg
from BreastSegLib.exam.lattice import place
from BreastSegLib.exam.mask_files import read_mask_file, read_reference_mask, source_files
from BreastSegLib.exam.source import read
from BreastSegLib.reports.dicom.segmentation import write_seg
from BreastSegLib.reports.dicom.sources import sources_of
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.cases.masks import read_lesion_mask
from dicom_phantoms import NAME, dynamic, write
from dicom_seg_cases import drawn, exam_of, mammogram_of, segments
from geometry_cases import geometries, named_matrices, signed_permutations
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """An oblique exam, its labels, and the segmentation."""
    folder = tmp_path_factory.mktemp("seg")
    exam = exam_of(folder / "exam", named_matrices()["oblique"])
    labels = drawn(exam.geometry, 3)
    write_seg(folder / "seg.dcm", sources_of(exam), labels, segments(3))
    return exam, labels, folder / "seg.dcm"


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    exam = mammogram_of(folder / "view.dcm", ViewPosition="MLO", PatientOrientation=["F", "P"])
    labels = drawn(exam.images[0].geometry)
    write_seg(folder / "seg.dcm", sources_of(exam), labels, segments())
    return exam, labels, folder / "seg.dcm"


def refusal(path, *arguments):
    with pytest.raises(BadInput) as caught:
        read_seg(path, *arguments)
    assert "\n" not in caught.value.line and NAME not in caught.value.line and "ID1" not in caught.value.line
    return caught.value.line


def other(path, folder, **tags):
    """Return a copy of a segmentation with other tags; a function changes what is there."""
    data = pydicom.dcmread(path)
    for name, value in tags.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value(data) if callable(value) else value)
    data.save_as(folder / "other.dcm", enforce_file_format=True)
    return folder / "other.dcm"


@pytest.mark.parametrize("matrix", named_matrices().values(), ids=named_matrices())
def test_labels_come_back_voxel_by_voxel(tmp_path, matrix):
    exam = exam_of(tmp_path / "exam", matrix, spacing=(0.61, 1.37), step=3.3)
    labels = drawn(exam.geometry)
    write_seg(tmp_path / "seg.dcm", sources_of(exam), labels, segments())
    back, found = read_seg(tmp_path / "seg.dcm", exam.geometry, source_files(exam))
    np.testing.assert_array_equal(back.array, labels.array)
    assert back.geometry is exam.geometry
    assert [(part.number, part.label, part.side[1:2]) for part in found] == [
        (1, "Lesion 1", ("7771000",)),
        (2, "Lesion 2", ("24028007",)),
    ]
    assert (found[0].algorithm, found[0].version, found[0].kind) == ("demo-dce", "1.2", "AUTOMATIC")


def test_its_own_grid_reaches_from_its_first_to_its_last_slice(case):
    exam, labels, path = case
    own, _ = read_seg(path)
    assert own.array.shape == (2, 8, 10) and own.array.dtype == np.uint8  # the slices at the ends are empty
    np.testing.assert_array_equal(own.array, labels.array[1:-1])
    np.testing.assert_allclose(own.geometry.origin, exam.geometry.ijk_to_lps[:3] @ (0, 0, 1, 1), atol=1e-6)
    np.testing.assert_allclose(own.geometry.spacing, exam.geometry.spacing, rtol=1e-6)


@pytest.mark.parametrize("k", range(0, 48, 5))
def test_a_foreign_segmentation_on_other_axes_is_placed(tmp_path, case, k):
    """Another program may write the slices along any axis and in any direction; each voxel has its place."""
    exam, labels, _ = case
    axes = signed_permutations()[k]
    turned = np.transpose(labels.array, [2 - int(np.abs(axes[:, 2 - a]).argmax()) for a in range(3)])
    flips = [axes[:, 2 - a].sum() < 0 for a in range(3)]
    turned = turned[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    # The index in the turned array to that in the labels: i = axes @ i' (+ the size where an axis is flipped).
    shift = np.array([n - 1 if axes[a].sum() < 0 else 0 for a, n in enumerate(labels.array.shape[::-1])])
    step = np.eye(4)
    step[:3, :3], step[:3, 3] = axes, shift
    affine = exam.geometry.ijk_to_lps @ step
    zyx = np.eye(4)[[2, 1, 0, 3]]
    volume = hd.Volume(
        np.ascontiguousarray(turned),
        affine @ zyx,
        "PATIENT",
        frame_of_reference_uid=pydicom.dcmread(exam.phases[1].files[0]).FrameOfReferenceUID,
    )
    write_foreign(tmp_path / "foreign.dcm", exam, volume)
    back, _ = read_seg(tmp_path / "foreign.dcm", exam.geometry, source_files(exam))
    np.testing.assert_array_equal(back.array, labels.array)


def write_foreign(path, exam, array, kind="BINARY", **options):
    """Write a segmentation with highdicom alone."""
    images = [pydicom.dcmread(file) for file in exam.phases[exam.reference].files]
    for image in images:
        for name in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyTime"):
            setattr(image, name, "" if name != "StudyTime" else "101500")
    category, type_ = hd.sr.CodedConcept("49755003", "SCT", "x"), hd.sr.CodedConcept("4147007", "SCT", "Mass")
    parts = [
        hd.seg.SegmentDescription(n, f"S{n}", category, type_, "MANUAL", tracking_uid=hd.UID(), tracking_id=f"S{n}")
        for n in range(1, 4)
    ]
    seg = hd.seg.Segmentation(
        images, array, kind, parts, hd.UID(), 1, hd.UID(), 1, "Other", "Program", "1", "0", **options
    )
    seg.save_as(path)


def test_label_maps_are_read(tmp_path, case):
    exam, labels, _ = case
    write_foreign(tmp_path / "map.dcm", exam, labels.array, "LABELMAP")
    back, found = read_seg(tmp_path / "map.dcm", exam.geometry)
    np.testing.assert_array_equal(back.array, labels.array)
    assert [part.label for part in found if part.number] == ["S1", "S2", "S3"]


def test_segments_that_overlap_are_refused(tmp_path, case):
    exam, labels, _ = case
    layers = np.stack([labels.array == n for n in (1, 2, 3)], axis=-1).astype(np.uint8)
    layers[1, 4, 4] = 1
    write_foreign(tmp_path / "layers.dcm", exam, layers)
    assert "overlap" in refusal(tmp_path / "layers.dcm")


def test_fractions_are_refused(tmp_path, case):
    exam, labels, _ = case
    write_foreign(tmp_path / "f.dcm", exam, labels.array, "FRACTIONAL")
    assert "fractions" in refusal(tmp_path / "f.dcm")


def test_the_segmentation_of_another_exam_is_refused(tmp_path, case):
    exam, _, path = case
    files = source_files(exam)
    assert "another study" in refusal(other(path, tmp_path, StudyInstanceUID="2.25.1"), exam.geometry, files)
    place_ = other(path, tmp_path, FrameOfReferenceUID="2.25.2")
    assert "another frame of reference" in refusal(place_, exam.geometry, files)
    with pytest.raises(BadInput, match="another frame of reference"):
        read_reference_mask(place_, exam.geometry, False, files)
    read_seg(place_, exam.geometry)  # nobody says which exam it has to be of
    read_seg(path, exam.geometry, [str(path.parent / "exam" / "none.dcm")])


def test_another_grid_is_refused(case):
    exam, labels, path = case
    geometry = exam.geometry
    half = geometry.ijk_to_lps[:3] @ (0.5, 0, 0, 1)
    finer = tuple(v / 2 for v in geometry.spacing)
    for grid, words in (
        (Geometry(geometry.shape, geometry.spacing, tuple(half), geometry.direction), "does not lie on the voxels"),
        (Geometry(geometry.shape, finer, geometry.origin, geometry.direction), "does not lie on the voxels"),
        (Geometry((2, 8, 10), geometry.spacing, geometry.origin, geometry.direction), "reaches outside"),
        (Geometry(geometry.shape, geometry.spacing, geometry.origin), "does not lie on the voxels"),
    ):
        assert words in refusal(path, grid)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_cropped_flipped_and_turned_labels_find_their_place(data):
    """Against SimpleITK's nearest neighbour, for any order and direction of axes and any crop."""
    import SimpleITK as sitk

    whole = data.draw(geometries(sizes=(3, 7)))
    labels = Volume(np.random.default_rng(0).integers(0, 3, whole.shape).astype(np.uint8), whole)
    axes = data.draw(st.sampled_from(signed_permutations()))
    image = sitk.PermuteAxes(labels.to_sitk(), [int(np.abs(column).argmax()) for column in axes.T])
    image = sitk.Flip(image, [bool(column.sum() < 0) for column in axes.T], False)
    part = data.draw(st.integers(0, 2))
    image = image[part:, :, : image.GetSize()[2] - part]
    placed = place(Volume.from_sitk(image), whole, "mask", "")
    wanted = sitk.Resample(image, labels.to_sitk(), sitk.Transform(), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(placed.array, sitk.GetArrayFromImage(wanted))


def test_mammograms(view, tmp_path):
    exam, labels, path = view
    back, _ = read_seg(path, exam.images[0].geometry, source_files(exam))
    np.testing.assert_array_equal(back.array, labels.array)
    mask = read_reference_mask(path, exam.images[0].geometry, True, source_files(exam, 0))
    np.testing.assert_array_equal(mask.array, labels.array)
    other_view = mammogram_of(tmp_path / "other.dcm", number=2)
    assert "another image" in refusal(path, exam.images[0].geometry, source_files(other_view))
    assert "pixels" in refusal(path, Geometry((1, 20, 20)))


def test_mask_files_may_be_segmentations(case, tmp_path):
    exam, labels, path = case
    mask = read_reference_mask(path, exam.geometry, False, source_files(exam))
    np.testing.assert_array_equal(mask.array, labels.array)
    bare = tmp_path / "IM0001"
    bare.write_bytes(path.read_bytes())
    np.testing.assert_array_equal(read_reference_mask(bare, exam.geometry, False).array, labels.array)
    assert is_segmentation(bare) and not is_segmentation(exam.phases[0].files[0])
    array, geometry = read_mask_file(path)
    assert array.shape == geometry.shape == (2, 8, 10)
    with pytest.raises(BadInput, match="not a segmentation"):
        image = tmp_path / "image.dcm"
        image.write_bytes(Path(exam.phases[0].files[0]).read_bytes())
        read_reference_mask(image, exam.geometry, False)


def test_labelled_cases_may_have_segmentations(case, view):
    """The cases that models are trained on; labels are named by their segments."""
    exam, labels, path = case
    lesion = read_lesion_mask([path], exam.geometry, False, ["Lesion 2"])
    np.testing.assert_array_equal(lesion.volume.array, labels.array == 2)
    assert set(lesion.labels) == {"Lesion 1", "Lesion 2", "Lesion 3"} and lesion.refusal is None
    every = read_lesion_mask([path], exam.geometry, False, ["SCT:4147007"])
    np.testing.assert_array_equal(every.volume.array, labels.array > 0)
    exam, labels, path = view
    flat = read_lesion_mask([path], exam.images[0].geometry, True, ["Lesion 1"])
    np.testing.assert_array_equal(flat.volume.array, labels.array == 1)


@pytest.mark.parametrize(
    "tags",
    [
        {"SegmentSequence": None},
        {"PerFrameFunctionalGroupsSequence": None},
        {"PerFrameFunctionalGroupsSequence": lambda data: data.PerFrameFunctionalGroupsSequence[:-1]},
        {"PixelData": None},
        {"PixelData": b"\1\2"},
        {"Rows": 65535},
        {"NumberOfFrames": 2**31 - 1},
        {"NumberOfFrames": 0},
        {"BitsAllocated": 8},
        {"SharedFunctionalGroupsSequence": None},
    ],
    ids=lambda tags: ", ".join(f"{name} {'fewer' if callable(value) else value}" for name, value in tags.items()),
)
def test_contradictory_files_give_one_line(case, tmp_path, tags):
    exam, _, path = case
    refusal(other(path, tmp_path, **tags), exam.geometry)


def test_slices_moved_apart_are_refused(case, tmp_path):
    exam, _, path = case

    def moved(data, far):
        groups = copy.deepcopy(data.PerFrameFunctionalGroupsSequence)
        position = groups[-1].PlanePositionSequence[0].ImagePositionPatient
        groups[-1].PlanePositionSequence[0].ImagePositionPatient = [float(v) + far for v in position]
        return groups

    for far in (0.7, 1e6, 1e30):
        refusal(
            other(path, tmp_path, PerFrameFunctionalGroupsSequence=lambda d, far=far: moved(d, far)), exam.geometry
        )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_files_give_one_line_or_labels(case, data):
    exam, labels, path = case
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 6))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    broken = path.parent / "broken.dcm"
    broken.write_bytes(bytes(content))
    try:
        back, _ = read_seg(broken, exam.geometry, source_files(exam))
        assert back.array.shape == exam.geometry.shape
    except BadInput as error:
        assert "\n" not in error.line and NAME not in error.line


def test_files_that_are_no_segmentation_give_one_line(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"")
    (tmp_path / "b.dcm").write_text("this is no DICOM file" * 100)
    for name in "ab":
        assert "not a DICOM file" in refusal(tmp_path / f"{name}.dcm")
    assert "not a DICOM file" in refusal(tmp_path / "missing.dcm")
    images, _ = dynamic(phases=2)
    exam = read({"folder": str(write(tmp_path / "exam", images))})
    assert "not a segmentation" in refusal(exam.phases[0].files[0])
