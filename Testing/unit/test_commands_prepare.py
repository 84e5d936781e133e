"""The verbs prepare and restore: what they write, and that masks come back."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.files import read_json
from BreastSegLib.recipe import prepare_mask, restore
from BreastSegLib.volume import Geometry, Volume
from command_cases import array, call, dice, read, refused, same_place, smaller, write_dce, write_mammograms


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


# --- prepare: DCE


def test_a_dce_exam_becomes_files_that_nnunet_knows(capsys, dce, little, tmp_path):
    arguments = ("--exam", dce / "exam", "--mask", dce / "truth.nii.gz", "--name", "BC_001")
    code, out, err = call(
        capsys, "prepare", "--recipe", "phase-aware-0000-0002", *arguments, "--output", tmp_path / "new" / "cases"
    )
    assert code == 0, err
    folder = tmp_path / "new" / "cases"
    names = ["BC_001.breast.nii.gz", "BC_001.nii.gz", "BC_001.record.json"]
    names += [f"BC_001_000{channel}.nii.gz" for channel in range(3)]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    record = read_json(folder / "BC_001.record.json")
    prepared = Geometry.from_json(record["prepared_geometry"])
    for name in names:
        assert name.endswith(".json") or same_place(read(folder / name), prepared), name
    for channel in range(3):
        values = array(folder / f"BC_001_000{channel}.nii.gz")
        assert values.dtype == np.float32 and abs(values.mean()) < 1e-3 and abs(values.std() - 1) < 1e-3
    x, y, z = prepared.shape[::-1]
    assert f"BC_001: {x} × {y} × {z} voxels, 1 × 1 × 1 mm, 3 channels (pre, post1, post2)" in out
    wanted = prepare_mask(record, little.truth).array
    assert np.array_equal(array(folder / "BC_001.nii.gz"), wanted) and wanted.any()


def test_a_mask_comes_back_to_the_exams_own_grid(capsys, dce, little, tmp_path):
    call(
        capsys, "prepare", "--recipe", "phase-aware-0000-0002", "--exam", dce / "exam",
        "--mask", dce / "truth.nii.gz", "--output", tmp_path,
    )  # fmt: skip
    record = tmp_path / "case.record.json"
    for ending in (".nii.gz", ".nrrd", ".mha", ".seg.nrrd"):
        output = tmp_path / f"back{ending}"
        code, _, err = call(
            capsys, "restore", "--record", record, "--mask", tmp_path / "case.nii.gz", "--output", output
        )
        assert code == 0, err
        image, original = read(output), read(dce / "exam" / "01_post1.nii.gz")
        assert image.GetSize() == original.GetSize() and image.GetSpacing() == original.GetSpacing()
        assert image.GetOrigin() == original.GetOrigin() and image.GetDirection() == original.GetDirection()
        assert dice(sitk.GetArrayFromImage(image) > 0, little.truth.array > 0) >= 0.98
    expected = restore(read_json(record), array(tmp_path / "case.nii.gz")).array
    assert np.array_equal(array(tmp_path / "back.nii.gz"), expected)


def test_probabilities_come_back_as_numbers_between(capsys, dce, tmp_path):
    call(
        capsys, "prepare", "--recipe", "single-phase-0002", "--exam", dce / "exam",
        "--mask", dce / "truth.nii.gz", "--output", tmp_path,
    )  # fmt: skip
    record = read_json(tmp_path / "case.record.json")
    chance = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(read(tmp_path / "case.nii.gz"), 2.0))
    np.save(tmp_path / "chance.npy", chance.astype(np.float64))
    common = ("restore", "--record", tmp_path / "case.record.json", "--mask", tmp_path / "chance.npy")
    code, out, err = call(capsys, *common, "--output", tmp_path / "chance.mha")
    assert code == 0 and out.startswith("Probabilities"), err
    expected = restore(record, chance.astype(np.float32)).array
    back = array(tmp_path / "chance.mha")
    assert back.dtype == np.float32 and np.array_equal(back, expected) and 0 < back.max() < 1
    line = refused(capsys, tmp_path, *common, "--output", tmp_path / "chance.seg.nrrd")
    assert "not probabilities" in line
    channel = ("--mask", tmp_path / "case_0000.nii.gz", "--output", tmp_path / "x.mha")
    assert "neither labels nor probabilities" in refused(capsys, tmp_path, *common[:3], *channel)


def test_phases_and_channels_are_prepared_like_a_folder(capsys, dce, tmp_path):
    paths = sorted((dce / "exam").iterdir())
    for kind, recipe in (("--phases", "single-phase-0002"), ("--channels", "as-acquired")):
        code, out, err = call(
            capsys, "prepare", "--recipe", recipe, kind, *paths, "--output", tmp_path, "--name", kind[2:]
        )
        assert code == 0, err
    assert np.array_equal(array(tmp_path / "channels_0002.nii.gz"), array(paths[2]))
    assert not (tmp_path / "phases_0001.nii.gz").exists()
    assert "(channel0, channel1, channel2)" in out


def test_255_becomes_1_and_blank_slices_go_from_mask_and_channels_alike(capsys, little, tmp_path):
    blank = (0, 1, -1)
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    truth = np.where(little.truth.array > 0, 255, 0).astype(np.uint8)
    for place in blank:
        truth[place] = 0
    for name, values in (("pre", 0), ("post1", 1), ("mask", None)):
        volume = truth if values is None else little.exam.volumes[values].array.copy()
        if values is not None:
            for place in blank:
                volume[place] = 7
        sitk.WriteImage(Volume(volume, little.exam.geometry).to_sitk(), str(inputs / f"{name}.nii.gz"))
    code, out, err = call(
        capsys, "prepare", "--recipe", "breastdm-pre-post-sub", "--phases", inputs / "pre.nii.gz",
        inputs / "post1.nii.gz", "--mask", inputs / "mask.nii.gz", "--output", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, err
    labels = array(tmp_path / "out" / "case.nii.gz")
    assert set(np.unique(labels)) == {0, 1} and len(labels) == len(truth) - len(blank)
    assert np.array_equal(labels > 0, truth[2:-1] > 0)
    pre, post, difference = (array(tmp_path / "out" / f"case_000{k}.nii.gz") for k in range(3))
    assert np.allclose(difference, post - pre) and f"3 of {len(truth)} slices are blank" in out
    call(
        capsys, "restore", "--record", tmp_path / "out" / "case.record.json", "--mask",
        tmp_path / "out" / "case.nii.gz", "--output", tmp_path / "back.nrrd",
    )  # fmt: skip
    assert np.array_equal(array(tmp_path / "back.nrrd") > 0, truth > 0)


def test_nothing_in_names_and_records_tells_the_patient(capsys, dicom_sample, tmp_path):
    code, out, _ = call(
        capsys, "prepare", "--recipe", "phase-aware-0000-0002", "--exam", dicom_sample / "exam", "--output", tmp_path
    )
    record = (tmp_path / "case.record.json").read_text(encoding="utf-8")
    assert code == 0 and json.loads(record)["exam_phases"][1]["role"] == "post"
    for text in ("Sample", str(dicom_sample), ".dcm"):
        assert text not in record and text not in out


# --- prepare: mammograms


def test_each_view_becomes_a_case_of_its_own(capsys, mammograms, tmp_path):
    code, out, err = call(
        capsys, "prepare", "--recipe", "inbreast-ffdm", "--exam", mammograms / "exam", "--output", tmp_path
    )
    assert code == 0, err
    kinds = ("_0000.nii.gz", ".breast.nii.gz", ".record.json")
    assert {path.name for path in tmp_path.iterdir()} == {f"case_{v}{kind}" for v in ("RCC", "LCC") for kind in kinds}
    for view in ("RCC", "LCC"):
        geometry = Geometry.from_json(read_json(tmp_path / f"case_{view}.record.json")["prepared_geometry"])
        assert same_place(read(tmp_path / f"case_{view}_0000.nii.gz"), geometry)
        assert f"case_{view}: {geometry.shape[2]} × {geometry.shape[1]} pixels, 0.5 × 0.5 mm, 1 channel" in out


@pytest.mark.parametrize("recipe", ["inbreast-ffdm", "ffdm-512", "as-acquired"])
def test_a_mammograms_mask_goes_there_and_back(capsys, mammograms, tmp_path, recipe):
    code, _, err = call(
        capsys, "prepare", "--recipe", recipe, "--exam", mammograms / "exam", "--view", "RCC",
        "--mask", mammograms / "RCC.png", "--output", tmp_path, "--name", "one",
    )  # fmt: skip
    assert code == 0, err
    assert {"one.nii.gz", "one.record.json", "one_0000.nii.gz"} <= {path.name for path in tmp_path.iterdir()}
    code, _, err = call(
        capsys, "restore", "--record", tmp_path / "one.record.json", "--mask", tmp_path / "one.nii.gz",
        "--output", tmp_path / "back.nrrd",
    )  # fmt: skip
    truth = array(mammograms / "RCC.png") > 0
    back = read(tmp_path / "back.nrrd")
    own = Geometry.from_json(read_json(tmp_path / "one.record.json")["exam_geometry"])
    assert code == 0 and same_place(back, own, 1e-12), err
    score = dice(sitk.GetArrayFromImage(back)[0] > 0, truth)
    assert score >= 0.98 if recipe == "ffdm-512" else score == 1


def test_each_lesion_of_a_mask_is_one_sample(capsys, mammograms, tmp_path):
    truth = array(mammograms / "LCC.png")
    rows, columns = np.nonzero(truth)
    second = np.zeros_like(truth)
    second[5:25, 5:25] = 255
    assert not (second & truth)[rows.min() - 3 :].any()
    sitk.WriteImage(sitk.GetImageFromArray(truth | second), str(tmp_path / "two.tif"))
    arguments = ("--recipe", "mass-region-224", "--image", mammograms / "exam" / "1.dcm")
    code, out, err = call(
        capsys, "prepare", *arguments, "--mask", tmp_path / "two.tif", "--output", tmp_path / "out", "--name", "m"
    )
    assert code == 0, err
    assert len(out.splitlines()) >= 3 and "m_LCC_region_1: 224 × 224 pixels" in out
    boxes = []
    for number in (1, 2):
        record = read_json(tmp_path / "out" / f"m_LCC_region_{number}.record.json")
        assert array(tmp_path / "out" / f"m_LCC_region_{number}.nii.gz").any()
        boxes.append(tuple(record["region"]["box"]))
    assert boxes == [(5, 5, 25, 25), (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]


def test_regions_as_box_point_and_mask(capsys, mammograms, tmp_path):
    common = ("prepare", "--recipe", "mass-region-224-none", "--image", mammograms / "exam" / "1.dcm")
    for name, arguments in {
        "box": ("--region-box", 40, 50, 100, 90),
        "point": ("--region-point", 80, 120, "--region-size", 30),
        "mask": ("--region-mask", mammograms / "LCC.png"),
    }.items():
        code, _, err = call(capsys, *common, *arguments, "--output", tmp_path, "--name", name)
        assert code == 0, err
        assert array(tmp_path / f"{name}_0000.nii.gz").shape == (1, 224, 224)
        assert not (tmp_path / f"{name}.nii.gz").exists()  # a region's mask is no reference mask
    assert read_json(tmp_path / "box.record.json")["region"]["box"] == [40, 50, 100, 90]
    x0, y0, x1, y1 = read_json(tmp_path / "point.record.json")["region"]["box"]
    assert (x1 - x0, y1 - y0) == (60, 60)  # 30 mm of 0.5 mm


def test_a_mask_that_the_recipe_cuts_off_is_told(capsys, mammograms, tmp_path):
    truth = array(mammograms / "LCC.png")
    rows, columns = np.nonzero(truth)
    corner = np.zeros_like(truth)
    corner[-len(rows) // 12 :, -12:] = 255  # in the air
    for name, mask in {"half": truth | corner, "empty": np.zeros_like(truth), "whole": truth}.items():
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / f"{name}.png"))
        code, out, err = call(
            capsys, "prepare", "--recipe", "inbreast-ffdm", "--image", mammograms / "exam" / "1.dcm",
            "--mask", tmp_path / f"{name}.png", "--output", tmp_path / "out", "--name", name,
        )  # fmt: skip
        assert code == 0, err
        told = [line for line in out.splitlines() if line.startswith("Note:") and "mask" in line]
        lost = np.count_nonzero(corner) / np.count_nonzero(truth | corner)
        assert (
            told
            == {
                "half": [f"Note: half: {lost:.0%} of the mask lies outside what the recipe keeps."],
                "empty": ["Note: The mask is empty: the case counts as one without a lesion."],
                "whole": [],
            }[name]
        )
    assert not array(tmp_path / "out" / "empty.nii.gz").any()
