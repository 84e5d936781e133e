"""Datasets of mammograms: M3's labels, regions around lesions (M4), views, and the way back to the whole image."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.source import read
from BreastSegLib.recipe import load_recipe, prepare_cases, regions_of_mask, restore
from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegTrainingLib.cases import Case, CaseTable
from BreastSegTrainingLib.dataset import SplitOptions, export
from BreastSegTrainingLib.dataset.layout import Layout
from BreastSegTrainingLib.dataset.verify import verify_with_nnunet
from dataset_cases import check_dataset, options
from scipy import ndimage

NAME = "Dataset101_Sample"


@pytest.fixture(scope="module")
def mammograms(tmp_path_factory):
    """Six views of three women with integer labels: 2 (malignant) the mass, 3 (calcification) a spot beside it."""
    folder, cases, truths = tmp_path_factory.mktemp("mammograms"), [], {}
    for seed in range(6):
        side = "LR"[seed % 2]
        sample = make_mammogram(seed, side, "CC", size=(832, 640), diameter_mm=18, markers=False)
        write_mammogram_dicom(sample, folder / f"{seed}.dcm")
        labels = sample.truth.astype(np.uint8) * 2
        rows, columns = np.nonzero(sample.breast & ~ndimage.binary_dilation(sample.truth, iterations=30))
        middle = len(rows) // 2
        labels[rows[middle] - 2 : rows[middle] + 3, columns[middle] - 2 : columns[middle] + 3] = 3
        sitk.WriteImage(sitk.GetImageFromArray(labels), str(folder / f"{seed}.png"))
        values = {"case": f"c{seed}", "patient": f"p{seed // 2}", "image": f"{seed}.dcm", "mask": f"{seed}.png"}
        cases.append(Case(values | {"label": "m3", "status": "ok"}))
        truths[f"c{seed}"] = sample.truth != 0
    return CaseTable(cases, folder), truths


def test_labels_are_merged_as_published(mammograms, tmp_path):
    """M3: 1, 2 and 6 are the lesion, the rest is background; the mask comes back to the whole image."""
    table, truths = mammograms
    result = export(table, options(tmp_path, recipe="inbreast-ffdm"))
    assert (result.written, result.failed) == (6, [])
    check_dataset(tmp_path / "raw" / NAME, tmp_path / "key.csv")
    layout = Layout(tmp_path / "raw" / NAME)
    for number, (case, truth) in enumerate(truths.items()):
        name = f"P{number // 2 + 1:03d}_{number % 2 + 1}"
        record = layout.read_record(name)["samples"][0]["record"]
        label = sitk.GetArrayFromImage(sitk.ReadImage(str(layout.label("train", name))))
        assert set(np.unique(label)) == {0, 1}
        back = restore(record, label).array[0] != 0
        np.testing.assert_array_equal(back, truth, err_msg=case)


def test_every_lesion_is_a_sample_of_its_patient(mammograms, tmp_path):
    """M4: all labels are lesions here, so that each image has two: two samples in one fold."""
    table, _ = mammograms
    cases = [case.changed(label="2;3") for case in table]
    result = export(table.replace(cases), options(tmp_path, recipe="mass-region-224", split=SplitOptions(0, 3)))
    assert (result.written, result.training, result.failed) == (6, 12, [])
    splits = json.loads((tmp_path / "raw" / NAME / "splits_final.json").read_text())
    for fold in splits:
        for one, other in (("train", "val"), ("val", "train")):
            patients = {name.split("_")[0] for name in fold[one]}
            assert not patients & {name.split("_")[0] for name in fold[other]}
            assert all(name[:-1] + ("2" if name[-1] == "1" else "1") in fold[one] for name in fold[one])
    layout = Layout(tmp_path / "raw" / NAME)
    case = table.cases[0]
    recipe, exam = load_recipe("mass-region-224"), read(table.source(case))
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(table.mask_paths(case)[0])))
    for number, prepared in enumerate(prepare_cases(recipe, exam, regions_of_mask(mask, "LCC")), 1):
        image = sitk.GetArrayFromImage(sitk.ReadImage(str(layout.image("train", f"P001_1_r{number}", 0))))
        assert image.tobytes() == prepared.channels[0].tobytes() and image.shape == (1, 224, 224)
    verify_with_nnunet(tmp_path / "raw" / NAME, workers=1)


def test_the_table_says_which_view_the_mask_belongs_to(tmp_path):
    for number, side in enumerate("LR", 1):
        sample = make_mammogram(20, side, "CC", size=(832, 640), diameter_mm=18)
        write_mammogram_dicom(sample, tmp_path / f"{side}.dcm", number)
    sitk.WriteImage(sitk.GetImageFromArray(sample.truth), str(tmp_path / "R.png"))
    case = Case({"case": "c", "patient": "p", "image": "L.dcm;R.dcm", "mask": "R.png", "status": "ok"})
    wanted = options(tmp_path, recipe="inbreast-ffdm", split=SplitOptions(0, 0))
    with pytest.raises(BadInput, match="has 2 views .RCC, LCC. and the mask belongs to one"):
        export(CaseTable([case], tmp_path), wanted)
    assert export(CaseTable([case.changed(side="right", view="cc")], tmp_path), wanted).written == 1
    layout = Layout(tmp_path / "raw" / NAME)
    record = layout.read_record("P001_1")["samples"][0]["record"]
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(layout.label("train", "P001_1"))))
    np.testing.assert_array_equal(restore(record, label).array[0] != 0, sample.truth != 0)


def test_a_case_without_a_lesion_needs_to_be_said(mammograms, tmp_path):
    table, _ = mammograms
    wanted = options(tmp_path, recipe="inbreast-ffdm", split=SplitOptions(0, 0))
    none = table.cases[0].changed(label="6")
    with pytest.raises(BadInput, match="No label of the mask is 6: it has 2, 3"):
        export(table.replace([none]), wanted)
    assert export(table.replace([none.changed(fixes="negative")]), wanted).written == 1
    label = sitk.ReadImage(str(Layout(tmp_path / "raw" / NAME).label("train", "P001_1")))
    assert not sitk.GetArrayFromImage(label).any()
