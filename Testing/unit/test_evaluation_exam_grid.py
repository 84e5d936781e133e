"""Predictions on the exam's own grid, against the masks as they were drawn: a real export there and back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import restore
from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegTrainingLib.cases import Case, CaseTable
from BreastSegTrainingLib.dataset import export
from BreastSegTrainingLib.dataset.names import read_key
from BreastSegTrainingLib.evaluation.exam_grid import on_exam_grid, preparation_of
from BreastSegTrainingLib.evaluation.run import EvaluationOptions, evaluate, measure_case, open_pair
from BreastSegTrainingLib.evaluation.sources import folders
from dataset_cases import SHAPE, make_cases, options


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two exported cases whose predictions are the prepared reference masks: (source, table, key)."""
    folder = tmp_path_factory.mktemp("dataset")
    table = make_cases(folder, 2)
    assert export(table, options(folder, split=replace(options(folder).split, folds=0))).written == 2
    dataset = folder / "raw" / "Dataset101_Sample"
    return folders(dataset / "labelsTr", dataset / "labelsTr", dataset=dataset), table, read_key(folder / "key.csv")


def test_a_perfect_prediction_comes_back_to_where_the_mask_was_drawn(made):
    source = on_exam_grid(*made)
    assert source.grid == "exam" and source.truth == "case table"
    records = list(evaluate(source, EvaluationOptions(cleanup="recipe"), workers=1))
    assert len(records) == 2
    names = {row.name: row.case for row in made[2]}
    for record in records:
        case = next(case for case in made[1] if case.name == names[record["case"]])
        drawn = sitk.ReadImage(str(made[1].mask_paths(case)[0]))
        assert record["shape"] == SHAPE == drawn.GetSize()[::-1]
        assert record["raw"]["tp"] + record["raw"]["fn"] == np.count_nonzero(sitk.GetArrayFromImage(drawn))
        assert record["raw"]["dice"] > 0.9 and record["cleaned"]["dice"] > 0.9
        assert record["spacing"] == pytest.approx(drawn.GetSpacing()[::-1])


def test_the_prepared_grid_is_another_one(made):
    record = measure_case(made[0].pairs[0])
    assert record["raw"]["dice"] == 1 and record["spacing"] == pytest.approx((1, 1, 1)) and record["shape"] != SHAPE


def test_chances_come_back_before_they_become_a_mask(made, tmp_path):
    pair = on_exam_grid(*made).pairs[0]
    mask = sitk.GetArrayFromImage(sitk.ReadImage(pair.prediction)) > 0
    chance = np.where(mask, 0.9, 0.05).astype(np.float32)
    np.savez_compressed(tmp_path / "a.npz", probabilities=np.stack([1 - chance, chance]))
    opened = open_pair(replace(pair, chances=str(tmp_path / "a.npz")), grid="exam")
    back = restore(preparation_of(pair), chance).array
    assert np.array_equal(opened.prediction, back > 0.5) and np.array_equal(opened.chances, back)
    assert opened.truth.shape == opened.prediction.shape == SHAPE


def test_what_cannot_be_brought_back_is_refused(made):
    source, table, key = made
    pair = source.pairs[0]
    for wrong, words in (
        (replace(source, pairs=(replace(pair, case=pair.case + "_r1"),)), "Regions"),
        (replace(source, pairs=(replace(pair, record=""),)), "record"),
        (replace(source, dataset=None), "needs the dataset"),
    ):
        with pytest.raises(BadInput, match=words) as caught:
            on_exam_grid(wrong, table, key)
        assert "\n" not in caught.value.line
    with pytest.raises(BadInput, match="which case"):
        on_exam_grid(source, table, key[1:])
    gone = on_exam_grid(source, table, key).pairs[0]
    with pytest.raises(BadInput, match="no such mask|cannot be read|There is no"):
        measure_case(replace(gone, reference={**gone.reference, "masks": (str(Path("gone.nrrd")),)}), grid="exam")


def test_mammograms_come_back_to_the_whole_image(tmp_path):
    sample = make_mammogram(3, "L", "CC", size=(832, 640), diameter_mm=18, markers=False)
    write_mammogram_dicom(sample, tmp_path / "m.dcm")
    sitk.WriteImage(sitk.GetImageFromArray(255 * sample.truth.astype(np.uint8)), str(tmp_path / "m.png"))
    values = {"case": "c", "patient": "p", "image": "m.dcm", "mask": "m.png", "status": "ok", "fixes": "to-1"}
    table = CaseTable([Case(values)], tmp_path)
    split = replace(options(tmp_path).split, folds=0)
    assert export(table, options(tmp_path, recipe="inbreast-ffdm", split=split)).written == 1
    dataset = tmp_path / "raw" / "Dataset101_Sample"
    labels = dataset / "labelsTr"
    source = on_exam_grid(folders(labels, labels, dataset=dataset), table, read_key(tmp_path / "key.csv"))
    (record,) = evaluate(source, EvaluationOptions(cleanup="largest"), workers=1)
    assert record["shape"] == (1, *sample.truth.shape) and record["raw"]["dice"] > 0.95
    assert record["raw"]["tp"] + record["raw"]["fn"] == np.count_nonzero(sample.truth)
    assert record["size_unit"] == "mm²" and record["truth_size"] > 100
