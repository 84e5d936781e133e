"""The verbs prepare and restore: what they refuse, and that nothing is left behind."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib import files
from BreastSegLib.files import read_json
from BreastSegLib.pipeline import together
from command_cases import array, call, refused, smaller, write_dce, write_mammograms


@pytest.fixture(scope="module")
def little(sample):
    """A small DCE sample with its truth."""
    return smaller(sample)


@pytest.fixture(scope="module")
def dce(sample, tmp_path_factory):
    """The small DCE sample as image files."""
    return write_dce(smaller(sample), tmp_path_factory.mktemp("dce"))


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """Two small mammograms as DICOM files."""
    return write_mammograms(tmp_path_factory.mktemp("mammograms"))


# --- what is refused


def test_existing_cases_are_replaced_only_when_asked(capsys, dce, tmp_path):
    arguments = ("--exam", dce / "exam", "--output", tmp_path)
    call(capsys, "prepare", "--recipe", "single-phase-0002", *arguments)
    before = (tmp_path / "case_0000.nii.gz").read_bytes()
    assert "--overwrite" in refused(capsys, tmp_path, "prepare", "--recipe", "single-phase-0002", *arguments)
    code, _, err = call(capsys, "prepare", "--recipe", "phase-aware-0000-0002", *arguments, "--overwrite")
    assert code == 0 and (tmp_path / "case_0000.nii.gz").read_bytes() != before, err
    # One channel would be left over and be read as part of the case.
    line = refused(capsys, tmp_path, "prepare", "--recipe", "single-phase-0002", *arguments, "--overwrite")
    assert "case_0001.nii.gz" in line and "--name" in line
    (tmp_path / "case.record.json").unlink()
    line = refused(capsys, tmp_path, "prepare", "--recipe", "phase-aware-0000-0002", *arguments)
    assert "case_0000.nii.gz" in line and "exists" in line


FULL, ITK, STOP = OSError(28, "No space left on device"), RuntimeError("ITK"), KeyboardInterrupt()


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(
    ("error", "written", "words"),
    [
        (FULL, 0, "disk is full"),
        (FULL, 3, "disk is full"),
        (FULL, 5, "disk is full"),  # all five are written; the first gets its name
        (FULL, 7, "disk is full"),
        (ITK, 2, "could not be written"),
        (STOP, 4, "Cancelled"),
        (STOP, 6, "Cancelled"),
    ],
)
def test_a_failure_in_the_middle_leaves_what_was_there(
    capsys, dce, tmp_path, monkeypatch, existing, error, written, words
):
    output = tmp_path / "a" / "b"
    arguments = ("prepare", "--recipe", "phase-aware-0000-0002", "--exam", dce / "exam", "--output", output)
    if existing:
        assert call(capsys, *arguments)[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    count, move = [], files.os.replace

    def failing(*paths):
        count.append(paths)
        if len(count) == written + 1:
            raise error
        return move(*paths)

    monkeypatch.setattr(files.os, "replace", failing)
    code, out, err = call(capsys, *arguments, "--overwrite")
    line = err.splitlines()[-1]
    assert code == (130 if error is STOP else 2) and not out, err
    assert words in line and ".part-" not in line
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert existing or not list(tmp_path.iterdir())


@pytest.mark.parametrize("existing", [False, True])
def test_files_come_back_when_a_move_fails(tmp_path, monkeypatch, existing):
    paths = [tmp_path / "new" / name for name in ("a.txt", "b.txt", "c.txt")]
    if existing:
        paths[0].parent.mkdir()
        for path in paths[:2]:
            path.write_text("old")
    move, count = together.os.replace, []

    def failing(source, target):
        count.append(target)
        if len([one for one in count if one in paths]) == 3 and target == paths[2]:
            raise PermissionError(13, "Permission denied")
        return move(source, target)

    monkeypatch.setattr(together.os, "replace", failing)
    with (
        pytest.raises(together.BadInput, match="could not be written"),
        together.whole_files(paths, overwrite=True) as temporary,
    ):
        for part in temporary.values():
            part.write_text("new")
    left = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == ({"a.txt": "old", "b.txt": "old"} if existing else {})
    assert existing or not paths[0].parent.exists()


def test_a_mask_on_another_grid_is_refused(capsys, dce, little, tmp_path):
    image = little.truth.to_sitk()
    moved = sitk.Image(image)
    moved.SetOrigin([value + 1 for value in image.GetOrigin()])
    for name, wrong in {
        "moved": moved,
        "smaller": image[1:],
        "between": sitk.Cast(image, sitk.sitkFloat32) * 0.5,
    }.items():
        sitk.WriteImage(wrong, str(tmp_path / f"{name}.nii.gz"))
    common = ("prepare", "--recipe", "single-phase-0002", "--exam", dce / "exam", "--output", tmp_path / "out")
    for name, words in {"moved": "exam's grid", "smaller": "exam's grid", "between": "not labels"}.items():
        line = refused(capsys, tmp_path, *common, "--mask", tmp_path / f"{name}.nii.gz")
        assert words in line and f"{name}.nii.gz" in line
    shutil.copy(dce / "truth.nii.gz", tmp_path / "cut.nii.gz")
    (tmp_path / "cut.nii.gz").write_bytes((tmp_path / "cut.nii.gz").read_bytes()[:-200])
    for name in ("cut.nii.gz", "missing.nii.gz", "exam.jpg"):
        if name.endswith("jpg"):
            (tmp_path / name).write_bytes(b"no image")
        assert name in refused(capsys, tmp_path, *common, "--mask", tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "nothing"), "There is no recipe 'nothing'"),
        (("--name", "é"), "plain name"),
        (("--name", "../x"), "plain name"),
        (("--name", "case.breast"), "plain name"),
        (("--output", "{folder}/truth.nii.gz/sub"), "is a file"),
        (("--name", "case_0001"), "channel"),
        (("--region-box", "1", "2", "3", "4"), "Regions are for mammograms"),
        (("--region-box", "a", "2", "3", "4"), "takes numbers"),
        (("--region-size", "3"), "--region-point"),
        (("--view", "LCC"), "no views"),
        (("--recipe", "ffdm-512"), "is for mammograms"),
        (("--motion", "rigid", "--image", "x"), ""),
    ],
)
def test_wrong_arguments_for_a_dce_exam_are_refused(capsys, dce, tmp_path, arguments, words):
    if "--image" in arguments:
        common = ("--recipe", "ffdm-512", "--output", tmp_path / "out")
        assert "Motion correction is for DCE-MRI" in refused(capsys, tmp_path, "prepare", *common, *arguments)
        return
    common = ("--recipe", "single-phase-0002", "--exam", dce / "exam", "--output", tmp_path / "out")
    arguments = [text.format(folder=dce) for text in arguments]
    assert words in refused(capsys, tmp_path, "prepare", *common, *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "mass-region-224"), "none is given"),
        (("--recipe", "mass-region-224", "--region-box", "1", "2", "30", "40"), "RCC, LCC"),
        (("--recipe", "mass-region-224", "--view", "LCC", "--region-box", "900", "2", "930", "40"), "outside"),
        (("--recipe", "mass-region-224", "--view", "LCC", "--region-box", "9", "2", "9", "40"), "empty"),
        (("--recipe", "mass-region-224", "--view", "LMLO", "--region-box", "9", "2", "19", "40"), "no view LMLO"),
        (("--recipe", "ffdm-512", "--view", "LCC", "--region-box", "9", "2", "19", "40"), "whole mammograms"),
        (("--recipe", "ffdm-512", "--mask", "{folder}/LCC.png"), "--view"),
        (("--recipe", "ffdm-512", "--view", "LCC", "--mask", "{folder}/exam/1.dcm"), "not a segmentation"),
        (("--recipe", "single-phase-0002"), "DCE-MRI"),
        (("--recipe", "ffdm-512", "--motion", "rigid"), "motion correction"),
    ],
)
def test_wrong_arguments_for_mammograms_are_refused(capsys, mammograms, tmp_path, arguments, words):
    common = ("--exam", mammograms / "exam", "--output", tmp_path / "out")
    arguments = [text.format(folder=mammograms) for text in arguments]
    assert words in refused(capsys, tmp_path, "prepare", *common, *arguments)


def test_a_mask_is_not_restored_with_another_cases_record(capsys, mammograms, tmp_path):
    common = ("prepare", "--recipe", "mass-region-224-none", "--image", mammograms / "exam" / "1.dcm")
    for name, x in (("one", 40), ("two", 60)):
        call(
            capsys, *common, "--region-box", x, 50, x + 60, 90, "--mask", mammograms / "LCC.png",
            "--output", tmp_path, "--name", name,
        )  # fmt: skip
    record, output = tmp_path / "one.record.json", tmp_path / "back.nrrd"
    line = refused(
        capsys, tmp_path, "restore", "--record", record, "--mask", tmp_path / "two.nii.gz", "--output", output
    )
    assert "prepared grid" in line and "two.nii.gz" in line
    np.save(tmp_path / "small.npy", np.zeros((1, 10, 10), np.uint8))
    line = refused(
        capsys, tmp_path, "restore", "--record", record, "--mask", tmp_path / "small.npy", "--output", output
    )
    assert "10 × 10 pixels, not 224 × 224" in line
    np.save(tmp_path / "flat.npy", np.ones((224, 224), bool))  # as a 2D network's tools write it
    code, _, err = call(capsys, "restore", "--record", record, "--mask", tmp_path / "flat.npy", "--output", output)
    assert code == 0, err
    x0, y0, x1, y1 = next(
        step["square"] for step in read_json(record)["steps"] if step["step"] == "region"
    )  # the whole square is one
    back = array(output)[0]
    assert back[y0:y1, x0:x1].all() and back.sum() == (y1 - y0) * (x1 - x0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: [], "not the record"),
        (lambda record: {**record, "format": "x"}, "not the record"),
        (lambda record: {**record, "prepared_geometry": {"shape": [1]}}, "damaged"),
        (lambda record: {**record, "undo": []}, "damaged"),
        (lambda record: {**record, "undo": [{"op": "fold"}]}, "unknown operation"),
    ],
)
def test_a_record_that_is_none_is_refused(capsys, mammograms, tmp_path, change, words):
    call(
        capsys, "prepare", "--recipe", "ffdm-512", "--image", mammograms / "exam" / "1.dcm",
        "--mask", mammograms / "LCC.png", "--output", tmp_path,
    )  # fmt: skip
    path = tmp_path / "case.record.json"
    path.write_text(json.dumps(change(read_json(path))))
    line = refused(
        capsys, tmp_path, "restore", "--record", path, "--mask", tmp_path / "case.nii.gz",
        "--output", tmp_path / "back.nrrd",
    )  # fmt: skip
    assert words in line and "case.record.json" in line
