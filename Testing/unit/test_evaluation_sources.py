"""Where pairs come from: folders, folds of a training, test parts; every image type; files that do not belong."""

import gzip
import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.evaluation.reading import read_chances, read_mask, stem
from BreastSegTrainingLib.evaluation.sources import folders, of_test_part, of_training
from BreastSegTrainingLib.launch.training import Training
from evaluation_pairs import write

BALL = np.zeros((6, 7, 8), bool)
BALL[2:4, 2:5, 3:6] = True


@pytest.fixture
def two(tmp_path):
    """Folders truth and prediction with the cases a and b."""
    for folder in ("truth", "prediction"):
        for name in ("a", "b"):
            write(tmp_path / folder / f"{name}.nii.gz", BALL)
    return tmp_path / "truth", tmp_path / "prediction"


def refusal(function, *args, **kwargs):
    """Return the line of the refusal of a call."""
    with pytest.raises(BadInput) as caught:
        function(*args, **kwargs)
    assert "\n" not in caught.value.line
    return caught.value.line


def test_pairs_by_name_whatever_their_endings(two):
    truth, prediction = two
    write(prediction / "c.nrrd", BALL)
    write(truth / "c.mha", BALL)
    (prediction / "summary.json").write_text("{}")
    (prediction / ".part-c.nii.gz").write_text("")
    source = folders(*two)
    assert [pair.case for pair in source.pairs] == ["a", "b", "c"]
    assert source.pairs[2].truth.endswith("c.mha") and source.pairs[2].prediction.endswith("c.nrrd")
    assert (source.truth, source.prediction, source.name, source.notes) == ("truth", "prediction", "prediction", ())


def test_missing_predictions_are_refused_told_or_left_out(two):
    truth, prediction = two
    for name in "cdefgh":
        write(truth / f"{name}.nii.gz", BALL)
    line = refusal(folders, *two)
    assert "c, d, e, f, g and 1 more" in line and "--missing" in line
    empty = folders(*two, missing="empty")
    assert [pair.prediction for pair in empty.pairs][2:] == [""] * 6 and "count as empty: c" in empty.notes[0]
    less = folders(*two, missing="leave-out")
    assert [pair.case for pair in less.pairs] == ["a", "b"] and "left out: c" in less.notes[0]
    refusal(folders, *two, missing="perhaps")


def test_predictions_of_nothing_are_told(two):
    write(two[1] / "z.nii.gz", BALL)
    assert folders(*two).notes == ("z have no reference mask and were left out.",)


def test_folders_that_cannot_be_compared(two, tmp_path):
    truth, prediction = two
    assert "no such folder" in refusal(folders, truth, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no masks" in refusal(folders, truth, tmp_path / "empty")
    assert "no masks" in refusal(folders, tmp_path / "empty", prediction)
    write(prediction / "a.nrrd", BALL)
    assert "Two files are called a" in refusal(folders, *two)


def test_probabilities_beside_a_prediction(two):
    (two[1] / "a.npz").write_bytes(b"")
    pairs = folders(*two).pairs
    assert pairs[0].chances.endswith("a.npz") and pairs[1].chances == ""


def test_test_part_of_a_dataset(tmp_path):
    dataset = tmp_path / "Dataset101_X"
    write(dataset / "labelsTs" / "P001_1.nii.gz", BALL)
    write(tmp_path / "predicted" / "P001_1.nii.gz", BALL)
    (dataset / "records").mkdir()
    (dataset / "records" / "P001_1.json").write_text("{}")
    source = of_test_part(dataset, tmp_path / "predicted")
    assert source.dataset == dataset and source.pairs[0].record.endswith("P001_1.json")
    assert "no test part" in refusal(of_test_part, tmp_path, tmp_path / "predicted")


@pytest.fixture
def training(tmp_path):
    """A training of two folds with two cases each, validated; the third fold is not."""
    made = Training(tmp_path / "work", "one", str(tmp_path / "Dataset101_X"), "3d_fullres", "T", ("0", "1", "2"))
    splits = [{"train": [], "val": ["a", "b"]}, {"train": [], "val": ["c", "d"]}, {"train": [], "val": ["e"]}]
    for name in "abcde":
        write(made.preprocessed / "gt_segmentations" / f"{name}.nii.gz", BALL)
    (made.preprocessed / "splits_final.json").write_text(json.dumps(splits))
    for fold in (0, 1):
        for name in splits[fold]["val"]:
            write(made.output(fold) / "validation" / f"{name}.nii.gz", BALL)
        (made.output(fold) / "validation" / "summary.json").write_text("{}")
    return made


def test_folds_of_a_training_are_kept(training):
    source = of_training(training)
    assert [(pair.case, pair.fold) for pair in source.pairs] == [("a", 0), ("b", 0), ("c", 1), ("d", 1)]
    assert source.name == "one" and source.notes == ("Folds without a validation were left out: 2.",)
    assert [pair.case for pair in of_training(training, ["1"]).pairs] == ["c", "d"]


def test_folds_that_are_not_whole(training):
    assert "Fold 2 has no validation" in refusal(of_training, training, ["0", "2"])
    (training.output(1) / "validation" / "d.nii.gz").unlink()
    assert "missing: d" in refusal(of_training, training)
    source = of_training(training, missing="empty")
    assert source.pairs[3].prediction == "" and source.pairs[3].fold == 1
    assert "Fold 1: Predictions are missing and count as empty: d." in source.notes
    (training.preprocessed / "gt_segmentations" / "c.nii.gz").unlink()
    assert "reference mask of c is missing" in refusal(of_training, training, missing="empty")
    (training.preprocessed / "splits_final.json").write_text('[{"val": 3}]')
    assert "folds is damaged" in refusal(of_training, training)


def test_a_case_in_two_folds_is_refused(training):
    splits = [{"train": [], "val": ["a", "b"]}, {"train": [], "val": ["a", "d"]}]
    (training.preprocessed / "splits_final.json").write_text(json.dumps(splits))
    write(training.output(1) / "validation" / "a.nii.gz", BALL)
    assert "a is in the validation of two folds" in refusal(of_training, training)


def test_fold_all_is_told(training):
    training = training.changed(folds=("all",))
    write(training.output("all") / "validation" / "a.nii.gz", BALL)
    source = of_training(training)
    assert source.pairs[0].fold is None and "trained on" in source.notes[0]
    assert "No fold" in refusal(of_training, training.changed(trainer="Other"))


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha", ".mhd"])
def test_images_are_read_with_their_place(tmp_path, ending):
    image = sitk.GetImageFromArray(3 * BALL.astype(np.uint8))
    image.SetSpacing((0.5, 0.6, 2.0))
    image.SetOrigin((-10, 5, 7))
    path = tmp_path / f"x{ending}"
    sitk.WriteImage(image, str(path))
    mask = read_mask(path)
    assert np.array_equal(mask.array, BALL) and mask.array.dtype == bool and mask.spacing_known
    assert mask.geometry.spacing == pytest.approx((0.5, 0.6, 2.0))
    assert mask.geometry.origin == pytest.approx((-10, 5, 7))
    assert stem(path) == "x"
    assert read_mask(path, label=3).array.any() and not read_mask(path, label=1).array.any()


def test_flat_images(tmp_path):
    write(tmp_path / "flat.mha", BALL[2], (0.6, 0.5))
    flat = read_mask(tmp_path / "flat.mha")
    assert flat.array.shape == (1, 7, 8) and flat.geometry.spacing == (0.5, 0.6, 1.0)
    sitk.WriteImage(sitk.GetImageFromArray(255 * BALL[2].astype(np.uint8)), str(tmp_path / "flat.png"))
    picture = read_mask(tmp_path / "flat.png")
    assert np.array_equal(picture.array, flat.array) and not picture.spacing_known
    (tmp_path / "half.png").write_bytes((tmp_path / "flat.png").read_bytes()[:60])
    assert "damaged" in refusal(read_mask, tmp_path / "half.png")


def test_files_that_are_no_masks(tmp_path):
    assert "no such" in refusal(read_mask, tmp_path / "no.nii.gz")
    (tmp_path / "text.nrrd").write_text("not an image")
    assert "damaged" in refusal(read_mask, tmp_path / "text.nrrd")
    whole = write(tmp_path / "whole.nii.gz", np.random.default_rng(0).random((20, 20, 20)) > 0.5)
    (tmp_path / "half.nii.gz").write_bytes(whole.read_bytes()[:900])
    assert "damaged or incomplete" in refusal(read_mask, tmp_path / "half.nii.gz")
    (tmp_path / "short.nii").write_bytes(gzip.decompress(whole.read_bytes())[:-100])
    assert "incomplete" in refusal(read_mask, tmp_path / "short.nii")
    sitk.WriteImage(sitk.GetImageFromArray(np.full((3, 3, 3), 0.3, np.float32)), str(tmp_path / "chance.nrrd"))
    assert "no labels" in refusal(read_mask, tmp_path / "chance.nrrd")
    sitk.WriteImage(sitk.Image([3, 3, 3], sitk.sitkVectorUInt8, 3), str(tmp_path / "vector.nrrd"))
    assert "several values" in refusal(read_mask, tmp_path / "vector.nrrd")


def test_probabilities_of_nnunet(tmp_path):
    chance = np.where(BALL, 0.8, 0.1).astype(np.float32)

    def saved(array):
        np.savez_compressed(tmp_path / "a.npz", probabilities=array)
        return tmp_path / "a.npz"

    np.testing.assert_allclose(read_chances(saved(np.stack([1 - chance, chance])), BALL), chance)
    three = np.stack([1 - chance, chance / 2, chance / 2]).astype(np.float16)
    np.testing.assert_allclose(read_chances(saved(three), BALL), chance, atol=1e-3)
    assert "shape" in refusal(read_chances, saved(np.stack([chance, chance])[:, 1:]), BALL)
    assert "another mask" in refusal(read_chances, saved(np.stack([chance, chance])), ~BALL)
    assert "0 to 1" in refusal(read_chances, saved(np.stack([chance, 7 * chance])), BALL)
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 something")
    assert "damaged" in refusal(read_chances, tmp_path / "bad.npz", BALL)
    np.savez(tmp_path / "other.npz", softmax=np.zeros(3))
    assert "damaged" in refusal(read_chances, tmp_path / "other.npz", BALL)
