"""BreastDM, in exactly the layouts of its release: arrays and folders of pictures."""

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, BreastSegError
from BreastSegLib.exam.images.picturestack import read_picture, read_stack
from BreastSegLib.exam.source import describe
from BreastSegLib.exam.source import read as read_exam
from BreastSegTrainingLib.cases.layouts import read_layout
from layouts_cases import box, lesion_of, not_read, phase, write_pictures
from PIL import Image

SHAPE = (6, 24, 24)
MASK = box(SHAPE, (1, 5, 6), (4, 12, 15))
SEQUENCES = ("VIBRANT", "VIBRANT+C1", "VIBRANT+C2")


def grey(seed, gain=1.0):
    return np.clip(phase(SHAPE, gain, seed) / 3, 0, 255).astype(np.uint8)


def write_arrays(root, part, patient, mask=MASK, label=True):
    images, labels = (root / part / what / patient for what in ("images", "labels"))
    images.mkdir(parents=True)
    # The release has the slices along the last axis.
    for seed, (name, gain) in enumerate({"VIBRANT": 1, "VIBRANT+C2": 1.8, "SUB2": 0.8}.items()):
        np.save(images / f"{name}.npy", np.moveaxis(phase(SHAPE, gain, seed), 0, -1))
    if label:
        labels.mkdir(parents=True)
        for name in ("VIBRANT", "VIBRANT+C2", "SUB2"):
            np.save(labels / f"{name}.npy", np.moveaxis(mask * 255, 0, -1).astype(np.uint8))


def write_slices(root, part, patient, ending=".png", mask=MASK):
    images, labels = (root / part / what / patient for what in ("images", "labels"))
    for seed, name in enumerate((*SEQUENCES, "SUB1", "SUB2")):
        write_pictures(images / name, grey(seed, 1 + 0.2 * seed), ending)
        write_pictures(labels / name, mask * 255)


def test_arrays_are_cases_with_the_label_of_sub2(tmp_path):
    root = tmp_path / "BreaDM" / "seg3D"
    for part, patient in (("train", "BreaDM-Ma-1802"), ("val", "BreaDM-Be-1805"), ("test", "BreaDM-Be-2019")):
        write_arrays(root, part, patient)
    imported = read_layout("breastdm", tmp_path / "BreaDM")
    assert imported.table.cases[0].values == {
        "case": "BreaDM-Ma-1802",
        "patient": "BreaDM-Ma-1802",
        "exam": "seg3D/train/images/BreaDM-Ma-1802",
        "mask": "seg3D/train/labels/BreaDM-Ma-1802/SUB2.npy",
        "fixes": "to-1",
        "centre": "BreastDM",
        "phase_count": "2",
        "pathology": "malignant",
        "split": "train",
    }
    assert [(case.get("pathology"), case.get("split")) for case in imported.table] == [
        ("malignant", "train"), ("benign", "train"), ("benign", "test"),
    ]  # fmt: skip
    exam, mask = lesion_of(imported.table, "BreaDM-Ma-1802")
    np.testing.assert_array_equal(mask, MASK != 0)
    np.testing.assert_array_equal(exam.volume("post1").array, phase(SHAPE, 1.8, 1))
    assert not imported.not_read and not imported.table.problems()


@pytest.mark.parametrize("ending", [".png", ".jpg"])
def test_folders_of_pictures_are_cases_with_all_their_phases(tmp_path, ending):
    write_slices(tmp_path / "seg", "train", "BreaDM-Be-1801", ending)
    imported = read_layout("breastdm", tmp_path)
    case = imported.table.cases[0]
    assert case.get("mask") == "seg/train/labels/BreaDM-Be-1801/SUB2" and case.get("phase_count") == "3"
    exam, mask = lesion_of(imported.table, case.name)
    np.testing.assert_array_equal(mask, MASK != 0)
    assert [one.name for one in exam.phases] == ["pre", "post1", "post2"]
    assert not exam.spacing_known
    for seed, volume in enumerate(exam.volumes):
        error = np.abs(volume.array - grey(seed, 1 + 0.2 * seed)).mean()
        assert error == 0 if ending == ".png" else error < 8
    assert any("JPEG" in note for note in exam.notes) == (ending == ".jpg")


def test_both_forms_in_one_folder_have_to_be_chosen(tmp_path):
    write_slices(tmp_path / "seg", "train", "BreaDM-Be-1801")
    write_arrays(tmp_path / "seg3D", "train", "BreaDM-Be-1801")
    with pytest.raises(BadInput, match="the same patients twice"):
        read_layout("breastdm", tmp_path)
    for form, place in (("arrays", "seg3D"), ("pictures", "seg")):
        table = read_layout("breastdm", tmp_path, form=form).table
        assert [case.get("exam").split("/")[0] for case in table] == [place]


def test_a_patient_that_the_release_copied_into_the_test_part_stays_in_training(tmp_path):
    write_arrays(tmp_path, "test", "BreaDM-Be-1801")
    write_arrays(tmp_path, "train", "BreaDM-Be-1801")
    imported = read_layout("breastdm", tmp_path)
    assert [case.get("split") for case in imported.table] == ["train"]
    assert "is in train too" in not_read(imported)["test/images/BreaDM-Be-1801"]


def test_whatever_is_wrong_is_reported_and_the_rest_is_read(tmp_path):
    write_arrays(tmp_path, "train", "BreaDM-Ma-1")
    write_arrays(tmp_path, "train", "BreaDM-Ma-2", label=False)
    write_arrays(tmp_path, "train", "BreaDM-Ma-3", mask=box((5, 24, 24)))
    write_arrays(tmp_path, "train", "BreaDM-Ma-4")
    (tmp_path / "train" / "images" / "BreaDM-Ma-4" / "VIBRANT.npy").write_bytes(b"\x93NUMPY")
    write_arrays(tmp_path, "train", "BreaDM-Ma-5")
    (tmp_path / "train" / "labels" / "BreaDM-Ma-5" / "SUB2.npy").unlink()
    write_arrays(tmp_path, "train", "BreaDM-Ma-6")
    (tmp_path / "train" / "images" / "BreaDM-Ma-6" / "VIBRANT+C2.npy").unlink()
    (tmp_path / "train" / "labels" / "BreaDM-Ma-7").mkdir()
    (tmp_path / "train" / "images" / "list.txt").write_text("x")
    imported = read_layout("breastdm", tmp_path)
    assert [case.name for case in imported.table] == ["BreaDM-Ma-1"]
    assert not_read(imported) == {
        "train/images/list.txt": "a patient is a folder",
        "train/images/BreaDM-Ma-2": "there is no folder BreaDM-Ma-2 among the labels",
        "train/labels/BreaDM-Ma-7": "its images are missing",
        "train/images/BreaDM-Ma-3": "the label has 24 × 24 × 5 voxels, the images 24 × 24 × 6",
        "train/images/BreaDM-Ma-4": "The array cannot be read: damaged or not a plain array",
        "train/images/BreaDM-Ma-5": "there is no label SUB2; there is vibrant, vibrant+c2",
        "train/images/BreaDM-Ma-6": "The BreastDM case lacks VIBRANT+C2.npy",
    }
    other = read_layout("breastdm", tmp_path, label_of="VIBRANT")
    assert [case.name for case in other.table] == ["BreaDM-Ma-1", "BreaDM-Ma-5"]


def test_a_folder_without_images_and_labels_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(BadInput, match="no folders images and labels"):
        read_layout("breastdm", tmp_path)


@pytest.fixture
def exam(tmp_path):
    folder = tmp_path / "exam"
    for seed, name in enumerate(SEQUENCES):
        write_pictures(folder / name, grey(seed))
    return folder


def test_picture_exams_number_slices_not_sort_them_as_text(tmp_path):
    array = grey(0)
    for name, gain in (("pre", 1), ("post1", 1), ("post10", 1), ("post2", 1)):
        write_pictures(tmp_path / name, array * gain, name="{}", ending=".png")
    for path in tmp_path.rglob("*.png"):
        path.rename(path.with_name(f"s{int(path.stem) - 28}.png"))  # s8, s9, s10 …
    scan = describe({"folder": str(tmp_path)})
    assert [one.files[0].split("/")[-2].split("\\")[-1] for one in scan.phases] == ["pre", "post1", "post2", "post10"]
    np.testing.assert_array_equal(read_exam({"folder": str(tmp_path)}).volumes[0].array, array)
    assert any("post3" in note for note in scan.notes)


def test_the_voxel_size_can_be_given(exam):
    source = {"folder": str(exam), "decisions": {"spacing": "0.8,0.8,2"}}
    assert read_exam(source).geometry.spacing == (0.8, 0.8, 2.0)


@pytest.mark.parametrize(
    "spoil, what",
    [
        (lambda folder: (folder / "VIBRANT+C1" / "p-038.png").unlink(), "different slices: 6 and 5"),
        (
            lambda folder: (folder / "VIBRANT+C1" / "p-038.png").rename(folder / "VIBRANT+C1" / "p-099.png"),
            "different names",
        ),
        (lambda folder: (folder / "VIBRANT").rename(folder / "VIBRANT+C3"), "before contrast is missing"),
        (lambda folder: (folder / "VIBRANT+C1").rename(folder / "vibrant+c02"), "one phase"),
        (lambda folder: (folder / "VIBRANT" / "p-038.png").write_bytes(b"no picture"), "damaged"),
        (
            lambda folder: Image.fromarray(np.zeros((24, 24, 3), np.uint8) + np.arange(3, dtype=np.uint8)).save(
                folder / "VIBRANT" / "p-038.png"
            ),
            "in colour",
        ),
        (
            lambda folder: Image.fromarray(np.zeros((24, 20), np.uint8)).save(folder / "VIBRANT" / "p-038.png"),
            "different sizes",
        ),
        (lambda folder: Image.fromarray(grey(0)[0]).save(folder / "VIBRANT" / "q-038.png"), "slice 38"),
        (lambda folder: Image.fromarray(grey(0)[0]).save(folder / "VIBRANT" / "q.png"), "which slice"),
    ],
)
def test_bad_picture_exams_are_refused_in_one_line(exam, spoil, what):
    spoil(exam)
    with pytest.raises(BreastSegError, match=what) as raised:
        read_exam({"folder": str(exam)})
    assert "\n" not in raised.value.line


def test_pictures_of_all_depths_are_read(tmp_path):
    deep = np.arange(12, dtype=np.uint16).reshape(3, 4) * 4000
    Image.fromarray(deep).save(tmp_path / "a1.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a1.png"), deep)
    two = np.eye(4, dtype=bool)
    Image.fromarray(two).save(tmp_path / "b1.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "b1.png"), two * 255)
    Image.fromarray(np.dstack([two * np.uint8(9)] * 3)).save(tmp_path / "c1.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "c1.png"), two * 9)
    with pytest.raises(BadInput, match="different sizes"):
        (tmp_path / "b1.png").rename(tmp_path / "a2.png")
        (tmp_path / "c1.png").unlink()
        read_stack(tmp_path)
    with pytest.raises(BadInput, match="no pictures"):
        (tmp_path / "empty").mkdir()
        read_stack(tmp_path / "empty")


def test_one_folder_called_as_a_phase_makes_no_exam_of_slices(tmp_path):
    from layouts_cases import film

    (tmp_path / "pre").mkdir()
    for number, side in enumerate("LR"):
        Image.fromarray(film((150, 110), side)).save(tmp_path / "pre" / f"{side}_CC_{number}.png")
    assert len(describe({"folder": str(tmp_path)}).views) == 2


def test_mammograms_in_folders_stay_mammograms(tmp_path):
    from layouts_cases import film

    for name, side in (("patient", "L"), ("other", "R")):
        (tmp_path / name).mkdir()
        Image.fromarray(film((150, 110), side)).save(tmp_path / name / f"{side}_CC.png")
    assert len(describe({"folder": str(tmp_path)}).views) == 2
