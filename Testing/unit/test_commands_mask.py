"""The command ``mask``: a reference mask on the exam's grid, as the panel shows it and the dataset has it."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.exam.mammograms import save_views
from BreastSegLib.exam.mammograms.exam import MammographyExam
from BreastSegLib.exam.mammograms.view import View, Window
from BreastSegLib.exam.store import save_exam
from BreastSegLib.reports.masks import write_mask
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.commands import run


@pytest.fixture(scope="module")
def made(tmp_path_factory, sample):
    """An exam's store and its mask with the labels 1 and 2."""
    folder = tmp_path_factory.mktemp("mask")
    save_exam(sample.exam, folder / "exam")
    labels = np.zeros(sample.exam.geometry.shape, np.uint8)
    labels[3:6, 10:20, 10:20] = 1
    labels[8:9, 10:20, 10:20] = 2
    write_mask(folder / "labels.nrrd", Volume(labels, sample.exam.geometry))
    return folder, labels


def test_labels_are_chosen(made, tmp_path, capsys):
    folder, labels = made
    arguments = ["mask", str(folder / "labels.nrrd"), "--store", str(folder / "exam")]
    assert run([*arguments, "--label", "2", "--output", str(tmp_path / "two.npy"), "--events"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["event"] == "result" and result["complaints"] == [] and result["voxels"] == 100
    assert np.array_equal(np.load(tmp_path / "two.npy"), labels == 2)
    assert run([*arguments, "--output", str(tmp_path / "all.nii.gz")]) == 0
    assert "several labels" in capsys.readouterr().out
    image = sitk.ReadImage(str(tmp_path / "all.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(image), labels > 0)
    assert run([*arguments, "--fix", "merge", "--output", str(tmp_path / "m.npy"), "--events"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["fixed"] for row in result["complaints"]] == [True]


def test_a_mask_that_cannot_be_placed_is_told(made, tmp_path, capsys):
    folder, _ = made
    write_mask(tmp_path / "far.nrrd", Volume(np.ones((3, 3, 3), np.uint8), Geometry((3, 3, 3), origin=(9e3, 0, 0))))
    arguments = ["mask", str(tmp_path / "far.nrrd"), "--store", str(folder / "exam"), "--output"]
    assert run([*arguments, str(tmp_path / "out.npy"), "--events"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["mask"] == "" and result["complaints"][0]["code"] == "mask-elsewhere"
    assert not (tmp_path / "out.npy").exists()


def test_arrays_have_any_letters_in_their_ending(made, tmp_path):
    folder, labels = made
    arguments = ["mask", str(folder / "labels.nrrd"), "--store", str(folder / "exam"), "--fix", "merge"]
    assert run([*arguments, "--output", str(tmp_path / "M.NPY")]) == 0
    assert np.array_equal(np.load(tmp_path / "M.NPY"), labels > 0)
    assert [path.name for path in tmp_path.iterdir()] == ["M.NPY"]


def test_bad_input_is_one_line(made, tmp_path, capsys):
    folder, _ = made
    (tmp_path / "there.npy").write_bytes(b"precious")
    reference = (folder / "labels.nrrd").read_bytes()
    good, store = str(folder / "labels.nrrd"), str(folder / "exam")
    for arguments in (
        ["mask", good, "--store", store, "--output", str(tmp_path / "there.npy")],
        ["mask", good, "--store", str(tmp_path), "--output", str(tmp_path / "a.npy")],
        ["mask", str(tmp_path / "nothing.nrrd"), "--store", store, "--output", str(tmp_path / "a.npy")],
        ["mask", good, "--store", store, "--output", str(tmp_path / "a.txt")],
        ["mask", good, "--store", store, "--fix", "marge", "--output", str(tmp_path / "a.npy")],
        ["mask", good, "--store", store, "--overwrite", "--output", good],
    ):
        assert run(arguments) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Reading")]
        assert len(said) == 1 and said[0].startswith("Error: ")
    assert (tmp_path / "there.npy").read_bytes() == b"precious" and not (tmp_path / "a.npy").exists()
    assert (folder / "labels.nrrd").read_bytes() == reference


def test_a_mammogram_takes_a_picture(tmp_path, capsys):
    geometry = Geometry((1, 400, 300), (0.1, 0.1, 1.0))
    image = Volume(np.random.default_rng(1).random((1, 400, 300), np.float32), geometry)
    view = View(laterality="L", position="CC", windows=(Window("w", "LINEAR", 0.5, 1.0),))
    save_views(MammographyExam((view,), (image,)), tmp_path / "one")
    save_views(MammographyExam((view, view), (image, image)), tmp_path / "two")
    mask = np.zeros((400, 300), np.uint8)
    mask[50:90, 50:90] = 255
    sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / "mask.png"))
    arguments = ["mask", str(tmp_path / "mask.png"), "--fix", "to-1", "--output", str(tmp_path / "m.npy")]
    assert run([*arguments, "--store", str(tmp_path / "two")]) == 2
    assert "one view" in capsys.readouterr().err
    assert run([*arguments, "--store", str(tmp_path / "one")]) == 0
    assert np.array_equal(np.load(tmp_path / "m.npy")[0], mask > 0)
