"""Whatever folder or file a user points at: packed files, discs, numbered image files, arrays, sequences."""

import gzip
import os

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.exam.source import describe, read_exam
from dicom_phantoms import NAME, SLICES, changed, dynamic, image, said, voxels, write
from pydicom.fileset import FileSet
from pydicom.uid import RLELossless


def holds(source, arrays):
    """Check that the phases hold exactly these values in this order; return the exam."""
    exam = read_exam(source if isinstance(source, dict) else {"folder": source})
    assert len(exam.volumes) == len(arrays)
    for volume, array in zip(exam.volumes, arrays):
        np.testing.assert_array_equal(volume.array, np.asarray(array, np.float32))
    return exam


def refused(source):
    """Return the one line with which a source is refused."""
    with pytest.raises(BadInput) as error:
        read_exam(source if isinstance(source, dict) else {"folder": source})
    assert "\n" not in error.value.line and NAME not in error.value.line
    return error.value.line


def pack(folder):
    """Replace all files by ones packed with gzip, without endings that tell."""
    for k, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        path.with_name(f"p{k}").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


# --- packed DICOM


@pytest.mark.parametrize("some", [False, True], ids=["all", "some"])
def test_packed_dicom_files_without_ending(tmp_path, some):
    images, arrays = dynamic("philips")
    write(tmp_path, images[: len(images) // 2 + 1])
    pack(tmp_path)
    write(tmp_path / "rest", images[len(images) // 2 + 1 :], 1)
    if not some:
        pack(tmp_path / "rest")
    assert [p.time_s for p in holds(tmp_path, arrays).phases] == [-70, 0, 70, 140]


def test_packed_compressed_images(tmp_path):
    images, arrays = dynamic("siemens", 2, RescaleSlope=2.0, RescaleIntercept=-5)
    for d in images:
        d.compress(RLELossless, generate_instance_uid=False)
    write(tmp_path, images)
    pack(tmp_path)
    holds(tmp_path, [a * 2.0 - 5 for a in arrays])


def test_packed_and_plain_files_of_one_woman_with_a_name_in_other_letters_are_one_study(tmp_path):
    images, arrays = dynamic("siemens", 2, SpecificCharacterSet="ISO_IR 192", PatientName="Müller-Ōta^Ända")
    write(tmp_path, images[:5])
    pack(tmp_path)
    write(tmp_path, images[5:], 1)
    holds(tmp_path, arrays)


def test_truncated_packed_file_is_counted_as_damaged(tmp_path):
    images, _ = dynamic("siemens", 2)
    write(tmp_path, images)
    pack(tmp_path)
    path = tmp_path / "p0"
    path.write_bytes(path.read_bytes()[:-40])
    assert "missing" in refused(tmp_path)


# --- discs


def disc(folder, images):
    """Write a DICOMDIR with its images, and return its path."""
    files = FileSet()
    for d in images:
        d.StudyTime, d.StudyID, d.AccessionNumber = "100000", "1", ""
        files.add(d)
    files.write(folder)
    return folder / "DICOMDIR"


def test_dicomdir_and_its_folder_are_the_same_exam(tmp_path):
    images, arrays = dynamic("ge")
    path = disc(tmp_path / "disc", images)
    exam = holds(path, arrays)
    assert [p.to_json() for p in holds(path.parent, arrays).phases] == [p.to_json() for p in exam.phases]


def test_dicomdir_reads_nothing_that_it_does_not_list(tmp_path):
    images, arrays = dynamic("ge")
    path = disc(tmp_path, images)
    other, _ = dynamic("ge", 2, PatientID="ID1-c")
    write(tmp_path / "other", other)
    holds(path, arrays)
    with pytest.raises(Undecided):
        read_exam({"folder": tmp_path})


def test_dicomdir_whose_files_are_missing_is_refused_with_their_number(tmp_path):
    images, _ = dynamic("ge", 2)
    path = disc(tmp_path, images)
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p != path]
    files[0].unlink()
    assert "1 of the 8 files that the DICOMDIR lists" in refused(path)
    for file in files[1:]:
        file.unlink()
    assert "None of the files that the DICOMDIR lists is there" in refused(path)


def test_dicomdir_of_two_patients_is_asked_about(tmp_path):
    one, first = dynamic("ge", 2)
    two, second = dynamic("ge", 2, seed=3, PatientID="ID1-b", StudyInstanceUID="1.2.3", StudyDate="20250607")
    for d in two:
        d.SeriesInstanceUID += ".1"
    path = disc(tmp_path, one + two)
    with pytest.raises(Undecided) as error:
        read_exam({"folder": path})
    assert error.value.name == "study"
    holds({"folder": path, "decisions": {"study": "2"}}, second)


def test_single_image_and_damaged_directory_are_no_folder(tmp_path):
    image(voxels(0)[0], 0).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert "not a folder" in refused(tmp_path / "a.dcm")
    path = disc(tmp_path / "disc", dynamic("ge", 2)[0])
    path.write_bytes(path.read_bytes()[:300])
    assert "not a folder" in refused(path)


def test_bundled_discs_are_read_or_refused_in_one_line():
    from pathlib import Path

    import pydicom

    folder = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"
    names = [p for p in folder.glob("DICOMDIR*") if p.is_file()]
    if not names:
        pytest.skip("pydicom came without its test files")
    for path in [*names, folder, folder / "98892003", folder / "TINY_ALPHA"]:
        for study in (None, "1", "2", "3"):
            try:
                read_exam({"folder": path, "decisions": {"study": study} if study else {}})
            except BadInput as error:
                assert error.line and "\n" not in error.line and "Doe" not in error.line
                assert "Peter" not in error.line


def test_list_of_dicom_files(tmp_path):
    images, arrays = dynamic("ge")
    write(tmp_path, images)
    paths = sorted(p for p in tmp_path.rglob("*") if p.is_file())
    holds({"dicom": paths}, arrays)
    assert refused({"dicom": [tmp_path / "gone"]})


def test_pictures_and_texts_beside_dicom_files_change_nothing(tmp_path):
    images, arrays = dynamic("ge")
    write(tmp_path, images)
    (tmp_path / "screenshot.png").write_bytes(b"\x89PNG" + bytes(300))
    (tmp_path / "mask.nii.gz").write_bytes(gzip.compress(bytes(600)))
    (tmp_path / "readme.txt").write_text("hello " * 90)
    exam = holds(tmp_path, arrays)
    assert "3 files in the folder are not DICOM and skipped." in exam.notes


# --- numbered image files


def nifti(folder, case, numbers, ending=".nii.gz"):
    """Write image files of one case, and return their values."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in numbers:
        sitk.WriteImage(sitk.GetImageFromArray(voxels(n).astype(np.float32)), str(folder / f"{case}_{n:04d}{ending}"))
    return [voxels(n) for n in numbers]


PHASES = {"meaning": "phases"}


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_numbered_files_are_read_in_the_order_of_their_numbers(tmp_path, ending):
    arrays = nifti(tmp_path, "case 1", range(12), ending)
    exam = holds({"folder": tmp_path, "decisions": PHASES}, arrays)
    assert [p.name for p in exam.phases] == ["pre", *(f"post{k}" for k in range(1, 12))]


def test_numbers_that_begin_with_1_hold_no_phase_before_contrast(tmp_path):
    arrays = nifti(tmp_path, "a", [1, 2, 3])
    exam = holds({"folder": tmp_path, "decisions": PHASES}, arrays)
    assert [p.name for p in exam.phases] == ["post1", "post2", "post3"]
    assert any("no phase before contrast" in note for note in exam.notes)
    exam = holds({"folder": tmp_path, "decisions": {"meaning": "channels"}}, arrays)
    assert [p.role for p in exam.phases] == ["channel"] * 3


def test_missing_and_double_numbers_are_refused(tmp_path):
    nifti(tmp_path, "a", [0, 1, 3])
    assert "number 0002 is missing" in refused({"folder": tmp_path, "decisions": PHASES})
    nifti(tmp_path, "a", [2])
    nifti(tmp_path, "a", [2], ".nrrd")
    assert "Two files have the number 0002" in refused({"folder": tmp_path, "decisions": PHASES})


def test_names_that_say_nothing_are_refused(tmp_path):
    nifti(tmp_path, "a", [0, 1])
    for k, path in enumerate(sorted(tmp_path.iterdir())):
        path.rename(tmp_path / f"{'ab'[k]}.nii.gz")
    assert "do not tell which phase each is" in refused(tmp_path)


def test_channels_by_source_are_channels_without_a_question(tmp_path):
    arrays = nifti(tmp_path, "a", [0, 1])
    paths = sorted(tmp_path.iterdir())
    exam = holds({"channels": paths}, arrays)
    assert [(p.role, p.number) for p in exam.phases] == [("channel", 0), ("channel", 1)]


# --- BreastDM


@pytest.mark.parametrize("axis", [0, 2])
def test_breastdm_arrays_are_turned_so_that_slices_come_first(tmp_path, axis):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 900, (2, 8, 369, 369)).astype(np.int16)
    for name, array in (("VIBRANT", values[0]), ("VIBRANT+C2", values[1]), ("SUB2", values[1] - values[0])):
        np.save(tmp_path / f"{name}.npy", np.moveaxis(array, 0, axis))
    exam = holds(tmp_path, values)
    assert [p.name for p in exam.phases] == ["pre", "post1"] and exam.geometry.shape == (8, 369, 369)
    assert not exam.spacing_known
    assert any("voxel size is unknown" in note for note in exam.notes)
    assert describe({"folder": tmp_path}).left_out[0][0] == "SUB2.npy"


def test_breastdm_cases_that_are_wrong_are_refused(tmp_path):
    array = np.random.default_rng(1).random((4, 30, 30))
    np.save(tmp_path / "VIBRANT.npy", array)
    assert "lacks VIBRANT+C2.npy" in refused(tmp_path)
    np.save(tmp_path / "VIBRANT+C2.npy", array[:3])
    assert "different sizes: 3 × 30 × 30 and 4 × 30 × 30" in refused(tmp_path)
    np.save(tmp_path / "VIBRANT+C2.npy", array[0])
    assert "no stack of grey slices" in refused(tmp_path)
    (tmp_path / "VIBRANT+C2.npy").write_bytes(b"\x93NUMPY\x01\x00")
    assert "damaged" in refused(tmp_path)
    np.save(tmp_path / "VIBRANT+C2.npy", np.array([{"a": 1}], object), allow_pickle=True)
    assert "not a plain array" in refused(tmp_path)
    np.save(tmp_path / "VIBRANT+C2.npy", array + 1)
    (tmp_path / "two").mkdir()
    np.save(tmp_path / "two" / "VIBRANT.npy", array)
    assert "several BreastDM cases" in refused(tmp_path)
    for name in ("VIBRANT", "VIBRANT+C2"):
        (tmp_path / "two" / f"{name}.npy").unlink(missing_ok=True)
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(1).random((9, 9, 9)))
    assert "does not tell which axis" in refused(tmp_path)


# --- files with all phases


def sequence(path, times=(0, 65.5, 131), unit="s", axis=0, extra=""):
    """Write a sequence as Slicer does: the time points are a list axis, mostly the first one; return the values."""
    count = len(times)
    arrays = np.stack([voxels(k) for k in range(count)]).astype("<i2")
    z, y, x = arrays.shape[1:]
    directions = ["(2,0,0)", "(0,2,0)", "(0,0,3)"]
    kinds, sizes = ["domain"] * 3, [x, y, z]
    for row, value in ((directions, "none"), (kinds, "list"), (sizes, count)):
        row.insert(axis, value)
    header = [
        "NRRD0004",
        "type: short",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, sizes))}",
        f"space directions: {' '.join(directions)}",
        f"kinds: {' '.join(kinds)}",
        "endian: little",
        "encoding: raw",
        "space origin: (-5,6,7)",
    ]
    if unit is not None:
        header += [
            f"axis {axis} index type:=numeric",
            f"axis {axis} index values:={' '.join(map(str, times))}",
            f"axis {axis} item 0:=Phase of {NAME}",
        ]
        header += [f"axis {axis} index unit:={unit}"] if unit else []
    body = np.moveaxis(arrays, 0, -1) if axis == 0 else arrays
    path.write_bytes(("\n".join([*header, *([extra] if extra else [])]) + "\n\n").encode() + body.tobytes())
    return arrays


@pytest.mark.parametrize("axis", [0, 3])
@pytest.mark.parametrize(("unit", "times"), [("s", (0, 65.5, 131)), ("ms", (0, 65500, 131000)), ("", (0, 65.5, 131))])
def test_slicer_sequence_with_its_times(tmp_path, axis, unit, times):
    path = tmp_path / "dyn.seq.nrrd"
    arrays = sequence(path, times, unit, axis)
    exam = holds({"files": [path]}, arrays)
    assert [p.name for p in exam.phases] == ["pre", "post1", "post2"]
    assert [p.time_s for p in exam.phases] == [-65.5, 0, 65.5]
    assert "time: header of the file" in exam.phases[0].evidence
    assert exam.geometry.spacing == (2, 2, 3) and exam.geometry.origin == (-5, 6, 7)
    assert "Secret" not in repr(exam.phases) + " ".join(exam.notes)
    holds(tmp_path, arrays)


@pytest.mark.parametrize(
    ("unit", "times"), [(None, (0, 1, 2)), ("s", (5, 1, 9)), ("mT", (0, 1, 2)), ("s", ("a", 1, 2))]
)
def test_sequence_without_usable_times(tmp_path, unit, times):
    path = tmp_path / "dyn.seq.nrrd"
    arrays = sequence(path, times, unit)
    exam = holds({"files": [path]}, arrays)
    assert [p.time_s for p in exam.phases] == [None] * 3


def test_colours_are_no_phases(tmp_path):
    picture = sitk.GetImageFromArray(np.ones((4, 5, 6, 3), np.uint8), isVector=True)
    sitk.WriteImage(picture, str(tmp_path / "colour.nrrd"))
    assert "3 values in each voxel" in refused({"files": [tmp_path / "colour.nrrd"]})


@pytest.mark.parametrize(("step", "times"), [(70.0, [-70, 0, 70]), (1.0, [None] * 3)])
def test_4d_nifti_has_times_only_where_its_step_is_as_long_as_a_phase(tmp_path, step, times):
    joined = sitk.JoinSeries([sitk.GetImageFromArray(voxels(k).astype(np.float32)) for k in range(3)], 0.0, step)
    path = tmp_path / "all.nii.gz"
    sitk.WriteImage(joined, str(path))
    exam = holds({"files": [path]}, [voxels(k) for k in range(3)])
    assert [p.time_s for p in exam.phases] == times
    holds(tmp_path, [voxels(k) for k in range(3)])


def test_times_of_the_user_replace_those_of_the_file(tmp_path):
    path = tmp_path / "dyn.seq.nrrd"
    sequence(path)
    exam = read_exam({"files": [path], "times": [0, 90, 180]})
    assert [p.time_s for p in exam.phases] == [-90, 0, 90]
    assert all("time: given by the user" in p.evidence for p in exam.phases)
    assert not any("header of the file" in p.evidence for p in exam.phases)


def test_times_of_the_user_keep_what_else_is_known(tmp_path):
    images, _ = dynamic("siemens", 3, TemporalResolution=65000, ContrastBolusStartTime="100030")
    write(tmp_path, images)
    exam = read_exam({"folder": tmp_path, "times": [0, 90, 180]})
    assert [(p.time_s, p.resolution_s, p.since_injection_s) for p in exam.phases] == [
        (-90, 65, None),
        (0, 65, None),
        (90, 65, None),
    ]
    nifti(tmp_path / "c", "a", [0, 1])
    paths = sorted((tmp_path / "c").iterdir())
    exam = read_exam({"channels": paths, "times": [0, 1]})
    assert [(p.name, p.time_s) for p in exam.phases] == [("channel0", None), ("channel1", None)]


def test_mammograms_are_refused_as_a_dynamic(tmp_path):
    for k in range(2):
        d = changed([image(voxels(k)[0], 0, Modality="MG", series=9)], ImagePositionPatient=None)[0]
        d.save_as(tmp_path / f"{k}", enforce_file_format=True)
    assert "mammograms, not a DCE exam" in refused(tmp_path)


def test_notes_of_a_clean_exam_are_empty(tmp_path):
    images, arrays = dynamic("siemens", 3)
    assert len(images) == 3 * SLICES
    assert said(holds(write(tmp_path, images), arrays)) == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_the_folder_does_not_hang_the_scan(tmp_path):
    images, _ = dynamic()
    folder = write(tmp_path / "exam", images)
    os.mkfifo(folder / "pipe")
    assert len(describe({"folder": folder}).phases) == 4
