"""The verb segment with mammograms, regions and clean-up: real workers, and what is left when writing fails."""

import json
import re

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.commands import run
from BreastSegLib.commands import segment as verb
from BreastSegLib.samples.writing import write_dce_sample, write_mammography_sample
from BreastSegLib.volume import Volume
from tiny_model import make_tiny_model

VIEWS = ("RCC", "LCC", "RMLO", "LMLO")


def call(capsys, *arguments):
    """Run one command in this process; return exit code, standard output and standard error."""
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def array(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    """A small mammography exam of four views: ``exam/IM0001.dcm`` …, ``truth_LCC.nii.gz`` …"""
    return write_mammography_sample(tmp_path_factory.mktemp("exam") / "sample", 3, size=(416, 320))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny 2D models by recipe, made when asked for."""
    made = {}

    def model(recipe):
        if recipe not in made:
            folder = tmp_path_factory.mktemp("models") / recipe
            made[recipe] = make_tiny_model(folder, recipe, configuration="2d", features=(2, 2), patch=(256, 256))
        return made[recipe]

    return model


def test_each_view_gets_a_mask_on_its_own_pixels(capsys, exam, models, tmp_path):
    code, out, err = call(
        capsys, "segment", "--model", models("ffdm-512"), "--exam", exam / "exam", "--device", "cpu",
        "--output", tmp_path / "m.nii.gz", "--probabilities", tmp_path / "p.nrrd",
    )  # fmt: skip
    assert code == 0, err
    names = {f"m-{view}.nii.gz" for view in VIEWS} | {f"p-{view}.nrrd" for view in VIEWS} | {"m.run.json"}
    assert {path.name for path in tmp_path.iterdir()} == names  # the recipe cleans nothing up: no raw masks
    text = (tmp_path / "m.run.json").read_text(encoding="utf-8")
    record = json.loads(text)
    assert [row["view"] for row in record["results"]] == list(VIEWS)
    for row, view in zip(record["results"], VIEWS):
        mask, chance = array(tmp_path / f"m-{view}.nii.gz"), array(tmp_path / f"p-{view}.nrrd")
        assert mask.shape == chance.shape == (1, 416, 320) and np.array_equal(mask > 0, chance > 0.5)
        assert row["files"] == {"mask": f"m-{view}.nii.gz", "probabilities": f"p-{view}.nrrd"}
        assert sum(part["voxels"] for part in row["components"]) == np.count_nonzero(mask)
        found = re.search(rf"Lesion 1 in {view}: (right|left) breast, [0-9.]+ mm²", out)
        assert found if mask.any() else f"No lesion in {view}" in out
    assert "Sample" not in text and str(exam) not in text and "IM0001" not in text


def test_one_image_gets_exactly_the_output(capsys, exam, models, tmp_path):
    common = ("segment", "--model", models("ffdm-512"), "--image", exam / "exam" / "IM0002.dcm", "--device", "cpu")
    output = tmp_path / "new" / "one.seg.nrrd"
    code, _, err = call(capsys, *common, "--output", output)
    assert code == 0, err
    assert {path.name for path in output.parent.iterdir()} == {"one.seg.nrrd", "one.run.json"}
    before = output.read_bytes()
    code, out, err = call(capsys, *common, "--output", output)
    assert code == 2 and len(err.splitlines()) == 1 and "--overwrite" in err and output.read_bytes() == before


def test_regions_are_segmented_and_only_they(capsys, exam, models, tmp_path):
    common = ("segment", "--model", models("mass-region-224-none"), "--exam", exam / "exam", "--device", "cpu")
    given = ("--view", "LCC", "--region-mask", exam / "truth_LCC.nii.gz")
    code, out, err = call(capsys, *common, *given, "--output", tmp_path / "m.nii.gz")
    assert code == 0, err
    mask, truth = array(tmp_path / "m.nii.gz")[0], array(exam / "truth_LCC.nii.gz")[0]
    record = json.loads((tmp_path / "m.run.json").read_text(encoding="utf-8"))
    x0, y0, x1, y1 = record["preparation"]["region"]["box"]
    rows, columns = np.nonzero(truth)
    assert (x0, y0, x1, y1) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    outside = np.ones(mask.shape, bool)
    outside[y0:y1, x0:x1] = False
    assert mask.shape == truth.shape and not mask[outside].any()
    for arguments, words in (
        ((), "none is given"),
        (("--view", "LCC"), "--view says"),
        (("--region-mask", exam / "truth_LCC.nii.gz"), "Say which with --view"),
        (("--view", "LXX", "--region-box", 1, 2, 30, 40), "LXX"),
    ):
        code, _, err = call(capsys, *common, *arguments, "--output", tmp_path / "x.nii.gz")
        line = err.splitlines()[-1]
        assert code == 2 and words in line and line.startswith("Error: ") and not (tmp_path / "x.nii.gz").exists()


def test_a_question_about_a_picture_is_asked_and_answered(capsys, models, tmp_path):
    from BreastSegLib.samples.mammogram import make_mammogram

    image = make_mammogram(3, "L", "CC", size=(416, 320)).display
    inverted = (image.max() - image).astype(np.uint16)
    sitk.WriteImage(sitk.GetImageFromArray(inverted), str(tmp_path / "film.png"))
    common = ("segment", "--model", models("ffdm-512"), "--image", tmp_path / "film.png", "--device", "cpu")
    code, _, err = call(capsys, *common, "--output", tmp_path / "m.nrrd")
    line = err.splitlines()[-1]
    assert code == 2 and "--choose polarity=MONOCHROME2 or --choose polarity=MONOCHROME1" in line
    assert not (tmp_path / "m.nrrd").exists()
    code, out, err = call(
        capsys, *common, "--output", tmp_path / "m.nrrd", "--choose", "polarity=MONOCHROME1", "--choose", "spacing=1,1"
    )
    assert code == 0 and array(tmp_path / "m.nrrd").shape == (1, 416, 320), err


@pytest.fixture
def answer(sample, monkeypatch):
    """A result of a run without a worker: a mask that the clean-up changed."""
    truth, raw = sample.truth, sample.truth.array.copy()
    raw[0, :3, :3] = 1
    removed = {"step": "largest-component", "change": "removed", "voxels": 9, "volume_mm3": 12.3, "side": ""}
    filled = {"step": "fill-holes", "change": "filled", "voxels": 2, "volume_mm3": None, "side": ""}
    voxels = int(truth.array.sum())
    result = {
        "kind": "dce",
        "mask": truth,
        "raw": Volume(raw, truth.geometry),
        "components": [
            {"label": n, "voxels": voxels, "volume_mm3": 520.0, "centroid_lps": [0, 0, 0], "side": "left"}
            for n in range(1, 13)
        ],
        "removed": [removed, removed, filled],
        "notes": ["The clean-up removed 2 regions (0.02 cm³ in total).", "Worth reading."],
        "record": {"device_name": "CPU"},
        "timings": {"Reading": 1.0},
    }
    monkeypatch.setattr(verb, "segment", lambda *_, **__: result)
    return result


@pytest.fixture(scope="module")
def phases(sample, tmp_path_factory):
    return write_dce_sample(sample, tmp_path_factory.mktemp("dce") / "sample", format="nifti") / "exam"


@pytest.mark.parametrize("ending", [".nii.gz", ".seg.nrrd", ".mha"])
def test_the_raw_mask_is_kept_beside(capsys, answer, phases, tiny_model, tmp_path, ending):
    output = tmp_path / f"lesion{ending}"
    common = ("segment", "--model", tiny_model, "--exam", phases, "--output", output)
    code, out, err = call(capsys, *common)
    assert code == 0, err
    raw = tmp_path / f"lesion.raw{ending}"
    assert {path.name for path in tmp_path.iterdir()} == {output.name, raw.name, "lesion.run.json"}
    assert np.array_equal(array(raw), answer["raw"].array) and np.array_equal(array(output), answer["mask"].array)
    record = json.loads((tmp_path / "lesion.run.json").read_text(encoding="utf-8"))
    assert record["files"] == {"mask": output.name, "raw": raw.name} and len(record["removed"]) == 3
    lines = out.splitlines()
    assert lines[:2] == ["Lesion 1: left breast, 0.52 cm³", "Lesion 2: left breast, 0.52 cm³"]
    assert lines[10] == "2 smaller: 1.04 cm³ in all, listed in the run record"
    assert lines[11] == "Clean-up, largest region: 2 regions removed (0.02 cm³)"
    assert lines[12] == "Clean-up, fill holes: 1 hole filled (2 voxels, voxel size unknown)"
    assert lines[13] == "Note: Worth reading."
    output.unlink()
    before = raw.read_bytes()
    code, _, err = call(capsys, *common)  # the raw mask is in the way
    assert code == 2 and raw.name in err and raw.read_bytes() == before and not output.exists()
    code, _, err = call(capsys, *common, "--no-cleanup", "--output", tmp_path / f"other{ending}")
    assert code == 0 and not (tmp_path / f"other.raw{ending}").exists(), err


@pytest.mark.parametrize("written", range(6))
def test_a_full_disk_leaves_what_was_there(capsys, answer, phases, tiny_model, tmp_path, monkeypatch, written):
    from BreastSegLib import files

    output = tmp_path / "new" / "lesion.nrrd"
    common = ("segment", "--model", tiny_model, "--exam", phases, "--output", output)
    move, count = files.os.replace, []

    def failing(*paths):
        count.append(paths)
        if len(count) > written:
            raise OSError(28, "No space left on device")
        return move(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", failing)
        code, out, err = call(capsys, *common)
    assert code == 2 and not out and "disk is full" in err and len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_two_outputs_of_one_name_are_refused(capsys, answer, phases, tiny_model, tmp_path):
    output = tmp_path / "lesion.nrrd"
    code, _, err = call(
        capsys, "segment", "--model", tiny_model, "--exam", phases, "--output", output, "--probabilities", output
    )
    assert code == 2 and "same name" in err and not list(tmp_path.iterdir())
