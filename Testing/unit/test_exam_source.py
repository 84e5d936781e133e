"""Exams are read with the right voxels in the right place, from DICOM, image files and stores."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.dce import DceExam
from BreastSegLib.exam.dicom.headers import read_header
from BreastSegLib.exam.dicom.pixels import plain_path, read_slice
from BreastSegLib.exam.dynamic.scan import scan
from BreastSegLib.exam.grid import overlap
from BreastSegLib.exam.source import describe, read_exam
from BreastSegLib.exam.store import save_exam
from BreastSegLib.volume import Geometry, Volume, geometry_of
from dicom_phantoms import SLICES, changed, dynamic, image, said, voxels, write

GRID = Geometry((4, 6, 8), (3.0, 3.0, 4.0), (-5.0, 3.0, 10.0))
OBLIQUE = (0.936117, 0.351671, 0.0, -0.330366, 0.879406, 0.342806)


def refused(source):
    """Return the one line with which a source is refused."""
    with pytest.raises(BadInput) as error:
        read_exam(source)
    assert "\n" not in error.value.line
    return error.value.line


def ramp(geometry, factor=1.0):
    """Return a volume whose values are a linear function of the place in the patient."""
    z, y, x = np.indices(geometry.shape)
    points = np.stack([x, y, z, np.ones_like(x)], -1) @ geometry.ijk_to_lps.T
    return Volume((factor * (points[..., 0] + 2 * points[..., 1] + 3 * points[..., 2])).astype(np.float32), geometry)


def save(path, volume):
    """Write a volume through a stream of bytes, so that any path works on any system."""
    sitk.WriteImage(volume.to_sitk(), str(path))
    return path


@pytest.fixture
def three(tmp_path):
    """Return three phase files on one grid."""
    return [save(tmp_path / f"p_{k:04d}.nii.gz", ramp(GRID, k + 1)) for k in range(3)]


# --- DICOM


@pytest.mark.parametrize(
    "orientation",
    [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (0, 1, 0, 0, 0, 1), (-1, 0, 0, 0, 1, 0), OBLIQUE],
    ids=["axial", "sagittal", "sagittal flipped", "axial flipped", "oblique"],
)
def test_voxels_and_place_agree_with_another_reader(tmp_path, orientation):
    images, _ = dynamic(
        "siemens", 3, one_series=False, orientation=orientation, RescaleSlope=1.5, RescaleIntercept=-20
    )
    write(tmp_path, images)
    exam = read_exam({"folder": tmp_path})
    reader = sitk.ImageSeriesReader()
    for k, volume in enumerate(exam.volumes):
        uid = images[k * SLICES].SeriesInstanceUID
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path), uid, recursive=True))
        other = reader.Execute()
        assert volume.geometry.same_grid(geometry_of(other), 1e-3)
        np.testing.assert_allclose(volume.array, sitk.GetArrayFromImage(other), rtol=1e-6)
        assert volume.array.dtype == np.float32
    assert scan(tmp_path).geometry.same_grid(exam.geometry)
    assert said(exam) == ()


def test_slice_order_given_backwards_is_the_same_exam(tmp_path):
    images, arrays = dynamic("ge", 2)
    backwards = changed(images)
    for k, d in enumerate(backwards):
        d.InstanceNumber = len(backwards) - k
    exam = read_exam({"folder": write(tmp_path, backwards)})
    for volume, array in zip(exam.volumes, arrays):
        np.testing.assert_array_equal(volume.array, array)
    assert exam.geometry.spacing == pytest.approx((0.8, 1.1, 2.5))
    assert exam.geometry.origin == pytest.approx((-10, -20, 30))


def test_compressed_slices_are_decoded(tmp_path):
    images, arrays = dynamic("siemens", 2)
    for d in images:
        d.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    exam = read_exam({"folder": write(tmp_path, images)})
    for volume, array in zip(exam.volumes, arrays):
        np.testing.assert_array_equal(volume.array, array)


def test_folder_with_spaces_and_other_letters(tmp_path):
    images, arrays = dynamic("philips", 2)
    exam = read_exam({"folder": write(tmp_path / "Größe 测试 é", images)})
    np.testing.assert_array_equal(exam.volumes[1].array, arrays[1])


def test_truncated_pixels_name_the_phase_and_image(tmp_path):
    images, _ = dynamic("siemens", 2)
    write(tmp_path, images[:-1])
    images[-1].save_as(tmp_path / "Secret.dcm")
    data = (tmp_path / "Secret.dcm").read_bytes()
    (tmp_path / "Secret.dcm").write_bytes(data[:-60])
    line = refused({"folder": tmp_path})
    assert "damaged or incomplete (phase post1, series 5, image 8)" in line and "Secret" not in line


def test_constant_dicom_phase(tmp_path):
    images, _ = dynamic("siemens", 2)
    for d in images[SLICES:]:
        d.PixelData = bytes(len(d.PixelData))
    assert "constant: every voxel is 0 (phase post1)" in refused({"folder": write(tmp_path, images)})


def test_dicom_phases_on_other_grids_are_resampled_and_said(tmp_path):
    images, arrays = dynamic("ge", 3, one_series=False, origin=lambda p, z: (-10, -20, 30 + (1.0 if p == 0 else 0)))
    exam = read_exam({"folder": write(tmp_path, images)})
    assert exam.geometry.origin == pytest.approx((-10, -20, 30))
    np.testing.assert_array_equal(exam.volumes[1].array, arrays[1])
    # One millimetre of 2.5: the first slice lies outside, the others mix 40 % of the one below with 60 % of their own.
    expected = 0.4 * arrays[0][0].astype(float) + 0.6 * arrays[0][1]
    np.testing.assert_allclose(exam.volumes[0].array[1], expected, rtol=1e-5)
    assert len(said(exam)) == 1
    assert "Phase pre was resampled to the grid of phase post1: first voxels 1.00 mm apart" in said(exam)[0]


def test_progress_reaches_its_end_and_cancel_is_heard_at_every_step(tmp_path):
    images, _ = dynamic("siemens", 3)
    write(tmp_path, images)
    calls = []
    read_exam({"folder": tmp_path}, lambda *row: calls.append(row))
    assert ("Reading", 12, 12) in calls and len(calls) > 12

    for stop in range(0, len(calls), 5):
        seen = iter(range(stop))

        def report(stage, done, total, seen=seen):
            if next(seen, None) is None:
                raise Cancelled

        with pytest.raises(Cancelled):
            read_exam({"folder": tmp_path}, report)


# --- image files


def test_files_in_order(three):
    exam = read_exam({"files": three})
    assert isinstance(exam, DceExam)
    assert [p.name for p in exam.phases] == ["pre", "post1", "post2"]
    assert {p.evidence for p in exam.phases} == {"order of the files"}
    assert exam.geometry.same_grid(GRID, 1e-4)
    for k, volume in enumerate(exam.volumes):
        np.testing.assert_allclose(volume.array, ramp(GRID, k + 1).array, rtol=1e-6)
    found = describe({"files": three})
    assert found.phases == exam.phases and found.geometry.same_grid(GRID, 1e-4)


def test_times_given_by_the_user(three):
    exam = read_exam({"files": three, "times": [0, 130, 210.5]})
    assert [p.time_s for p in exam.phases] == [-130, 0, 80.5]
    for times, words in (
        ([0, 1], "2 times are given for 3 phases"),
        ([0, 5, 5], "do not rise"),
        (["a", 1, 2], "not numbers"),
    ):
        assert words in refused({"files": three, "times": times})


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_kinds_of_files_with_spaces_and_other_letters(tmp_path, ending):
    folder = tmp_path / "mit Größe 测试"
    folder.mkdir()
    exam = read_exam({"files": [save(folder / f"phäse {k}{ending}", ramp(GRID, k + 1)) for k in range(2)]})
    np.testing.assert_allclose(exam.volume("post1").array, ramp(GRID, 2).array, rtol=1e-6)


def test_one_file_is_the_pre_phase(three):
    assert [p.name for p in read_exam({"files": three[:1]}).phases] == ["pre"]


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_4d_file_holds_the_phases_in_order(tmp_path, three, ending):
    joined = sitk.JoinSeries([ramp(GRID, k + 1).to_sitk() for k in range(3)])
    sitk.WriteImage(joined, str(tmp_path / f"all{ending}"))
    exam = read_exam({"files": [tmp_path / f"all{ending}"]})
    assert [p.name for p in exam.phases] == ["pre", "post1", "post2"]
    for k, volume in enumerate(exam.volumes):
        np.testing.assert_allclose(volume.array, ramp(GRID, k + 1).array, rtol=1e-6)
    assert "Give a 4D file alone" in refused({"files": [tmp_path / f"all{ending}", three[0]]})


def test_bad_files_are_named(tmp_path, three):
    (tmp_path / "text.nii").write_text("no image")
    (tmp_path / "cut.nii.gz").write_bytes(three[0].read_bytes()[:-40])
    (tmp_path / "phase.png").write_bytes(b"x")
    sitk.WriteImage(sitk.Image(5, 5, sitk.sitkFloat32), str(tmp_path / "flat.mha"))
    sitk.WriteImage(sitk.Image([5, 5, 5], sitk.sitkVectorFloat32, 3), str(tmp_path / "colour.nrrd"))
    for name, words in (
        ("gone.nii", "does not exist"),
        ("text.nii", "damaged, incomplete or not an image"),
        ("cut.nii.gz", "damaged"),
        ("phase.png", "not known"),
        ("flat.mha", "not three-dimensional"),
        ("colour.nrrd", "3 values in each voxel"),
    ):
        line = refused({"files": [three[0], tmp_path / name]})
        assert words in line and name in line
    assert "folder, not an image file" in refused({"files": [tmp_path]})
    assert "given for two phases" in refused({"files": [three[0], three[0]]})


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_cut_and_damaged_files_are_never_read(tmp_path, three, ending):
    path = save(tmp_path / f"cut_9{ending}", ramp(GRID, 9))
    whole = path.read_bytes()
    for cut in (4, 40, len(whole) // 2):
        path.write_bytes(whole[:-cut])
        assert path.name in refused({"files": [*three, path]})
    if ending == ".nii.gz":
        path.write_bytes(whole[:-30] + bytes([whole[-30] ^ 255]) + whole[-29:])
        assert "damaged" in refused({"files": [*three, path]})


def test_exactly_one_kind_of_source(tmp_path, three):
    for source in ({}, {"files": []}, {"files": three, "folder": tmp_path}):
        assert "in no way or in several ways" in refused(source)


def test_file_numbers_against_the_order_are_said(three):
    exam = read_exam({"files": [three[1], three[0], three[2]]})
    assert "(1, 0, 2)" in exam.notes[0]
    np.testing.assert_allclose(exam.volumes[0].array, ramp(GRID, 2).array, rtol=1e-6)


def test_other_grid_is_resampled_in_the_patient(tmp_path, three):
    turned = np.array([[0.995004, -0.099833, 0], [0.099833, 0.995004, 0], [0, 0, 1]])
    wide = Geometry((14, 30, 34), (2.0, 2.0, 2.6), (-21.0, -17.0, 4.0), tuple(turned.ravel()))
    other = save(tmp_path / "q_0003.nrrd", ramp(wide, 4))
    exam = read_exam({"files": [*three, other]})
    # The values are linear in the place, so linear interpolation must give them exactly.
    np.testing.assert_allclose(exam.volume("post3").array, ramp(GRID, 4).array, atol=1e-2)
    assert "post3 was resampled" in exam.notes[0] and "34 × 30 × 14 voxels instead of 8 × 6 × 4" in exam.notes[0]
    assert "turned by 5.73°" in exam.notes[0]


def test_reference_is_the_first_post_phase(tmp_path, three):
    small = Geometry((3, 6, 8), (3.0, 3.0, 4.0), (-5.0, 3.0, 10.0))
    exam = read_exam({"files": [save(tmp_path / "p.nrrd", ramp(small)), three[1]]})
    assert exam.geometry.same_grid(GRID, 1e-4)
    assert "25.0 % of the grid lies outside it and is 0" in exam.notes[0]
    assert not exam.volume("pre").array[3].any()


def test_grids_that_do_not_overlap_are_refused(tmp_path, three):
    far = Geometry(GRID.shape, GRID.spacing, (-5.0, 3.0, 300.0))
    line = refused({"files": [*three, save(tmp_path / "f.nrrd", ramp(far))]})
    assert "Phase post3 covers only 0 % of the box of phase post1" in line
    half = Geometry(GRID.shape, GRID.spacing, (-5.0 + 0.55 * 8 * 3.0, 3.0, 10.0))
    assert overlap(GRID, half) == pytest.approx(0.45, abs=0.03)
    assert "covers only" in refused({"files": [*three, save(tmp_path / "h.nrrd", ramp(half))]})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_counted(tmp_path, three, value):
    volume = ramp(GRID)
    volume.array[1, 2, 3:6] = value
    line = refused({"files": [*three, save(tmp_path / "n.nrrd", volume)]})
    assert "3 of 192 voxels are not finite numbers" in line and "phase post3" in line


def test_constant_image(tmp_path, three):
    flat = Volume(np.full(GRID.shape, 7, np.float32), GRID)
    assert "constant: every voxel is 7 (phase post1)" in refused(
        {"files": [three[0], save(tmp_path / "c.nrrd", flat)]}
    )


def test_absurd_sizes(tmp_path, three):
    header = (
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 3000 3000 3000\nendian: little\nencoding: raw\n"
        "space: left-posterior-superior\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n\n"
    )
    (tmp_path / "huge.nrrd").write_bytes(header.encode())
    assert "too large for a breast MRI phase" in refused({"files": [three[0], tmp_path / "huge.nrrd"]})
    tiny = Geometry(GRID.shape, (0.001, 0.001, 0.002))
    exam = read_exam({"files": [save(tmp_path / "tiny.nrrd", ramp(tiny))]})
    assert any("check the voxel size" in note for note in exam.notes)


def test_plain_path_copies_when_the_reader_cannot_open_the_path(tmp_path):
    source = tmp_path / "phäse.nii.gz"
    source.write_bytes(b"abc")
    with plain_path(source, needed=True) as copy:
        assert str(copy).endswith("image.nii.gz") and copy.name.isascii() and copy.read_bytes() == b"abc"
    assert not copy.exists()
    with plain_path(source, needed=False) as same:
        assert same == source


# --- stores and single slices


def test_store_gives_back_the_exam(tmp_path, three):
    exam = read_exam({"files": three, "times": [0, 90, 180]})
    save_exam(exam, tmp_path / "store")
    again = read_exam({"store": tmp_path / "store"})
    assert [p.to_json() for p in again.phases] == [p.to_json() for p in exam.phases]
    np.testing.assert_array_equal(again.volumes[2].array, exam.volumes[2].array)
    found = describe({"store": tmp_path / "store"})
    assert found.phases == again.phases and found.geometry == again.geometry
    assert "cannot be read" in refused({"store": tmp_path / "none"})


def test_damaged_stores(tmp_path, three):
    exam = read_exam({"files": three})
    bad = exam.volumes[1].array
    bad[0, 0, 0] = np.nan
    save_exam(exam, tmp_path)
    assert "1 of 192 voxels are not finite numbers (NaN or infinite) (phase post1)" in refused({"store": tmp_path})
    text = (tmp_path / "exam.json").read_text(encoding="utf-8")
    (tmp_path / "exam.json").write_text(text.replace('"role"', '"part"'), encoding="utf-8")
    assert "damaged" in refused({"store": tmp_path})


def test_slice_without_preamble_and_transfer_syntax(tmp_path):
    array = voxels(0)[0]
    image(array, 0).save_as(tmp_path / "a.dcm")
    data = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(data[132:])
    out = np.empty(array.shape, np.float32)
    read_slice(read_header(str(tmp_path / "a.dcm")).slice_ref, out)
    np.testing.assert_array_equal(out, array)
