"""Measuring many pairs: records stream, one bad case does not end the others, clean-up and voxel sizes are right."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.recipe import load_recipe
from BreastSegLib.volume import Geometry
from BreastSegTrainingLib.evaluation.cleanup import LARGEST_STEPS, cleaned, cleanup_steps
from BreastSegTrainingLib.evaluation.detection import summarise_detection
from BreastSegTrainingLib.evaluation.measures import MeasureOptions
from BreastSegTrainingLib.evaluation.pair import measure_pair
from BreastSegTrainingLib.evaluation.run import EvaluationOptions, evaluate, measure_case
from BreastSegTrainingLib.evaluation.sources import folders
from evaluation_pairs import write

SPACING = (2.0, 0.8, 0.7)


def blobs(seed, spots=2):
    """Return a mask with a few boxes in it."""
    rng, mask = np.random.default_rng(seed), np.zeros((12, 20, 24), bool)
    for _ in range(spots):
        z, y, x = (int(rng.integers(0, n - 5)) for n in mask.shape)
        mask[z : z + 4, y : y + int(rng.integers(1, 6)), x : x + int(rng.integers(1, 6))] = True
    return mask


@pytest.fixture
def two(tmp_path):
    """Six pairs in two folders."""
    for index in range(6):
        write(tmp_path / "truth" / f"c{index}.nii.gz", blobs(index), SPACING)
        write(tmp_path / "predicted" / f"c{index}.nii.gz", blobs(index + 50, 3) | blobs(index), SPACING)
    return tmp_path / "truth", tmp_path / "predicted"


def masks_of(pair):
    """Return the arrays of a pair, read without our code."""
    return [sitk.GetArrayFromImage(sitk.ReadImage(path)) > 0 for path in (pair.truth, pair.prediction)]


def sorted_records(*args, **kwargs):
    """Return the records of an evaluation by case."""
    return sorted(evaluate(*args, **kwargs), key=lambda record: record["case"])


def test_records_are_those_of_the_pairs(two):
    source = folders(*two)
    options = EvaluationOptions(cleanup="largest")
    records = sorted_records(source, options, workers=1)
    assert [record["case"] for record in records] == [f"c{index}" for index in range(6)]
    changed = 0
    for pair, record in zip(source.pairs, records):
        truth, prediction = masks_of(pair)
        spacing = pytest.approx(SPACING, rel=1e-6)
        assert record["spacing"] == spacing and record["shape"] == truth.shape
        assert record["raw"] == pytest.approx(measure_pair(truth, prediction, SPACING), rel=1e-6)
        better = largest(prediction)
        assert record["cleaned"] == pytest.approx(measure_pair(truth, better, SPACING), rel=1e-6)
        changed += not np.array_equal(better, prediction)
        voxel = math.prod(SPACING)
        assert record["truth_size"] == pytest.approx(truth.sum() * voxel, rel=1e-6) and record["size_unit"] == "mm³"
        sizes = {"raw": prediction.sum() * voxel, "cleaned": better.sum() * voxel}
        assert record["predicted_size"] == pytest.approx(sizes, rel=1e-6)
        assert record["cleaned_detection"]["false"] <= record["detection"]["false"]
        assert record["candidates"] is None and record["fold"] is None and record["groups"] == {}
    assert changed >= 3


def largest(mask):
    """Return the largest region by scikit-image; the first of equals."""
    from skimage.measure import label

    regions = label(mask, connectivity=3)
    return regions == np.bincount(regions[regions > 0]).argmax()


def test_processes_give_the_same(two):
    source = folders(*two)
    alone, together = (sorted_records(source, workers=workers) for workers in (1, 2))
    assert alone == together


def test_one_bad_case_does_not_end_the_others(two):
    truth, prediction = two
    write(prediction / "c1.nii.gz", blobs(1)[:-1], SPACING)
    write(prediction / "c2.nii.gz", blobs(1), (2.0, 0.8, 0.75))
    (prediction / "c3.nii.gz").write_bytes((prediction / "c3.nii.gz").read_bytes()[:90])
    records = sorted_records(folders(*two), workers=1)
    errors = {record["case"]: record["error"] for record in records if "error" in record}
    assert set(errors) == {"c1", "c2", "c3"} and len(records) == 6
    assert "24 × 20 × 11 voxels" in errors["c1"] and "case c1" in errors["c1"]
    assert "elsewhere" in errors["c2"] and "damaged" in errors["c3"]
    assert not any("\n" in text for text in errors.values())


def test_missing_predictions_count_as_empty(two):
    (two[1] / "c4.nii.gz").unlink()
    records = sorted_records(
        folders(*two, missing="empty"), EvaluationOptions(MeasureOptions(("dice", "norm_hd"))), workers=1
    )
    assert records[4]["raw"] == {"dice": 0, "norm_hd": 1}
    assert records[4]["state"] == "prediction" and records[4]["image_class"] == "FN"
    assert records[4]["predicted_size"]["raw"] == 0


def test_records_come_as_they_are_made_and_can_be_stopped(two):
    source, seen = folders(*two), []

    def report(stage, done, total):
        seen.append((stage, done, total))
        if done == 3:
            raise Cancelled()

    records = []
    with pytest.raises(Cancelled):
        for record in evaluate(source, report=report, workers=1):
            records.append(record)
    assert len(records) == 3 and seen[0] == ("Measuring", 0, 6)


def test_probabilities_give_the_froc_curve(two):
    source = folders(*two)
    for pair in source.pairs:
        truth, prediction = masks_of(pair)
        chance = np.where(prediction, np.where(truth, 0.9, 0.6), 0.02).astype(np.float32)
        np.savez_compressed(two[1] / f"{pair.case}.npz", probabilities=np.stack([1 - chance, chance]))
    records = sorted_records(folders(*two), workers=1)
    assert all(record["candidates"] for record in records)
    curve = summarise_detection(records)["froc"]
    assert [round(point[2], 3) for point in curve] == [0.9, 0.6]
    assert curve[0][:2] == [0, 1] and curve[1][0] > 0
    ignored = sorted_records(folders(*two), EvaluationOptions(chances=False), workers=1)
    assert all(record["candidates"] is None for record in ignored)


def test_clean_up_of_the_recipe(tmp_path):
    dataset = tmp_path / "Dataset101_X"
    dataset.mkdir()
    recipe = load_recipe("phase-aware-0000-0002")
    record = {"recipe": recipe.name, "recipe_hash": recipe.hash}
    (dataset / "dataset.json").write_text(json.dumps(record))
    assert cleanup_steps("recipe", dataset) == (tuple(recipe.cleanup), "recipe phase-aware-0000-0002")
    assert cleanup_steps("largest")[0] == LARGEST_STEPS and cleanup_steps("none")[0] == ()
    assert cleanup_steps("mass-region-224")[0] == tuple(load_recipe("mass-region-224").cleanup)
    (dataset / "dataset.json").write_text(json.dumps({**record, "recipe_hash": "other"}))
    for wrong in (dataset, tmp_path, None):
        with pytest.raises(BadInput):
            cleanup_steps("recipe", wrong)
    with pytest.raises(BadInput):
        cleanup_steps("no-such-recipe", dataset)


def test_clean_up_knows_sides():
    mask = np.zeros((4, 10, 80), bool)
    mask[1, 2:8, 5:15] = mask[1, 2:4, 60:62] = mask[1, 6, 70] = True
    exam = Geometry(mask.shape, (2.0, 2.0, 2.0), (-80.0, 0.0, 0.0))
    step = {"step": "largest-component", "connectivity": 3, "scope": "breast"}
    found = cleaned(mask, exam, [step])
    assert found.sum() == 64 and found[1, 2, 60] and not found[1, 6, 70]
    assert cleaned(mask, exam, LARGEST_STEPS).sum() == 60
    assert cleaned(found[:, :, :20], Geometry((4, 10, 20)), LARGEST_STEPS).base is found  # nothing to change


def test_pixels_of_unknown_size(tmp_path):
    for folder in ("truth", "predicted"):
        for name, seed in (("a", 1), ("b", 2)):
            flat = blobs(seed + (folder == "predicted")).any(axis=0)
            flat = np.pad(np.kron(flat, np.ones((4, 4), bool)), 8)
            (tmp_path / folder).mkdir(exist_ok=True)
            sitk.WriteImage(
                sitk.GetImageFromArray(255 * flat.astype(np.uint8)), str(tmp_path / folder / f"{name}.png")
            )
    pair = folders(tmp_path / "truth", tmp_path / "predicted").pairs[0]
    record = measure_case(pair, steps=LARGEST_STEPS)
    assert record["spacing"] is None and record["truth_size"] is None and record["size_unit"] == "mm²"
    assert math.isnan(record["raw"]["hd95"]) and record["raw"]["norm_hd"] > 0


def test_voxel_size_that_the_dataset_does_not_know(two):
    pair = folders(*two).pairs[0]
    record = Path(two[0]).parent / "c0.json"
    sample = {"name": "c0", "record": {"view": {"spacing_known": False, "laterality": "L"}}}
    record.write_text(json.dumps({"format": "breastseg-dataset-case-1", "samples": [sample]}))
    found = measure_case(type(pair)(pair.case, pair.truth, pair.prediction, record=str(record)))
    assert found["spacing"] is None and math.isnan(found["raw"]["hausdorff"])
    record.write_text("{}")
    with pytest.raises(BadInput, match="damaged"):
        measure_case(type(pair)(pair.case, pair.truth, pair.prediction, record=str(record)))


def test_voxel_size_that_the_user_does_not_trust(two):
    found = measure_case(folders(*two).pairs[0], EvaluationOptions(spacing_known=False))
    assert found["spacing"] is found["truth_size"] is None and math.isnan(found["raw"]["volume_truth"])


def test_options_are_plain_json():
    text = json.dumps(EvaluationOptions().to_json(), allow_nan=False)
    assert {"empty", "tolerance_mm", "detection", "cleanup"} <= set(json.loads(text))
