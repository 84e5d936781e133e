"""A really trained tiny model: published, installed elsewhere, run in BreastSeg and in nnU-Net; nothing leaks."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.files import read_json, write_image, write_json
from BreastSegLib.models import open_model
from BreastSegLib.models.archive import FINGERPRINT
from BreastSegLib.pipeline.measuring import training_of_model
from BreastSegTrainingLib.launch import FoldState, Training
from BreastSegTrainingLib.publish import PublishOptions, publish
from BreastSegTrainingLib.publish.leaks import leaks_in
from trained import CASES, SECRET, blob, environment, make_raw, make_training, run_folds, shared_training

BC = ("BC_001", "BC_002", "BC_003", "BC_004")


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A training of two folds, done."""
    return shared_training(tmp_path_factory)


@pytest.fixture(scope="module")
def published(training, tmp_path_factory):
    """The training in a library of its own and in a zip."""
    place = tmp_path_factory.mktemp("out")
    options = PublishOptions("blobs", "CC-BY-4.0", citation="Nobody 2026", zip=place / "blobs.zip")
    return publish(training, options, library=place / "library")


@pytest.fixture
def copy(training, tmp_path):
    """A copy of the training, which a test may damage."""
    shutil.copytree(training.work, tmp_path / "work", dirs_exist_ok=True)
    return Training.read(tmp_path / "work" / "trainings" / training.name)


def torch_load(path):
    """Return a checkpoint, opened by torch's loader that runs nothing and knows no class but tensors."""
    import torch

    return torch.load(path, weights_only=True)


def run(library, *words):
    """Run a command of BreastSeg in a child process; return what it says."""
    command = [sys.executable, "-m", "BreastSegLib", *map(str, words)]
    variables = environment(BREASTSEG_MODELS=str(library))
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_checkpoints_hold_the_trained_weights_and_nothing_else(training, published):
    import torch

    for fold in training.folds:
        slim = torch_load(published.folder / f"fold_{fold}" / "checkpoint_final.pth")
        own = torch.load(training.output(fold) / "checkpoint_final.pth", weights_only=False)
        assert set(slim) == {
            *("network_weights", "trainer_name", "current_epoch", "init_args", "inference_allowed_mirroring_axes")
        }
        assert slim["network_weights"].keys() == own["network_weights"].keys()
        assert all(torch.equal(slim["network_weights"][key], value) for key, value in own["network_weights"].items())
        assert slim["trainer_name"] == "nnUNetTrainer" and own["trainer_name"] == "nnUNetTrainerBreastSeg"
        assert slim["init_args"] == {"configuration": "3d_fullres", "fold": int(fold)}
        assert slim["inference_allowed_mirroring_axes"] == own["inference_allowed_mirroring_axes"]
        smaller = (published.folder / f"fold_{fold}" / "checkpoint_final.pth").stat().st_size
        assert smaller < 0.7 * (training.output(fold) / "checkpoint_final.pth").stat().st_size


def test_the_card_says_what_a_user_has_to_know(training, published):
    card = open_model(published.folder).card
    assert (card["name"], card["licence"], card["citation"]) == ("blobs", "CC-BY-4.0", "Nobody 2026")
    assert card["recipe"] == "single-phase-0002" and card["labels"] == {"lesion": {"value": 1, "terminology": "mass"}}
    told = card["training"]
    data = told["data_summary"]
    assert (data["cases"], data["patients"], data["folds"], data["without_lesion"]) == (6, 5, 2, 0)
    assert told["data"].startswith("6 cases of 5 patients")
    voxels = [read_json(path)["samples"][0]["lesion_voxels"] for path in Path(training.raw, "records").glob("*.json")]
    assert data["lesion_volume_mm3"]["median"] == pytest.approx(1.5 * np.median(voxels), rel=1e-5)
    assert told["epochs"] == {"0": 2, "1": 2} and told["seed"] == 7
    assert set(told["versions"]) >= {"nnunetv2", "torch", "python", "extension"}
    rows = [
        row["metrics"]["1"]["Dice"]
        for fold in training.folds
        for row in read_json(training.output(fold) / "validation" / "summary.json")["metric_per_case"]
    ]
    assert told["cross_validation"]["raw"]["dice"]["mean"] == pytest.approx(np.mean(rows))
    assert told["cross_validation"]["cases"] == len(CASES)


def secrets(training):
    """Return what must be nowhere in what is published."""
    own = {socket.gethostname(), getpass.getuser(), str(Path.home())}
    return {SECRET, str(training.work), training.raw, *CASES, *own}


def test_nothing_of_the_patients_or_of_this_computer_leaves(training, published, tmp_path):
    with zipfile.ZipFile(published.zip) as archive:
        archive.extractall(tmp_path / "zip")
    for folder in (published.folder, tmp_path / "zip"):
        assert leaks_in(folder, secrets(training)) == []
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                found = [text for text in secrets(training) if len(text) > 4 and text.encode() in content]
                assert not found, f"{path.name}: {found}"
                assert b"numpy" not in content, "of plain values only"


@pytest.mark.parametrize("leak", ["folder", "case"])
def test_a_checkpoint_that_tells_of_the_data_is_found_out(training, tmp_path, leak):
    import torch

    content = torch.load(training.output("0") / "checkpoint_final.pth", weights_only=False)
    content["init_args"]["dataset_json"]["training"] = {"folder": training.raw, "case": [CASES[0]]}[leak]
    torch.save(content, tmp_path / "checkpoint_final.pth")
    found = leaks_in(tmp_path, secrets(training))
    assert len(found) == 1 and found[0].startswith("checkpoint_final.pth holds")
    assert bool(leaks_in(tmp_path)) == (leak == "folder"), "a path is told by its form, a name has to be known"


def test_plain_nnunet_runs_it_and_predicts_what_the_training_did(training, published, tmp_path):
    """nnU-Net's own predictor, on a validation case: the same mask as its validation wrote."""
    import SimpleITK as sitk
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    with zipfile.ZipFile(published.zip) as archive:
        archive.extractall(tmp_path)
    model = next(tmp_path.glob("Dataset101_Blobs/nnUNetTrainer__nnUNetPlans_tiny__3d_fullres"))
    predictor = nnUNetPredictor(
        use_mirroring=True, perform_everything_on_device=False, device=torch.device("cpu"), verbose=False
    )
    predictor.allow_tqdm = False
    predictor.initialize_from_trained_model_folder(str(model), (0,))
    case = read_json(Path(training.raw, "splits_final.json"))[0]["val"][0]
    image, properties = predictor.plans_manager.image_reader_writer_class().read_images(
        [str(Path(training.raw, "imagesTr", f"{case}_0000.nii.gz"))]
    )
    mask = predictor.predict_single_npy_array(image, properties)
    before = sitk.ReadImage(str(training.output("0") / "validation" / f"{case}.nii.gz"))
    assert np.mean(mask != sitk.GetArrayFromImage(before)) < 0.002 and mask.any()


def test_breastseg_installs_the_zip_and_finds_the_lesion_of_an_unseen_exam(training, published, tmp_path):
    import SimpleITK as sitk

    library = tmp_path / "library"
    run(library, "models", "install", published.zip)
    run(library, "models", "check", "blobs")
    known = training_of_model(open_model(library / "blobs"))
    lengths = [list(high - low for low, high in ranges) for ranges in (known.spacing, known.size)]
    seen = read_json(training.model / FINGERPRINT)
    assert lengths == [[0.0] * 3, [0.0] * 3] and len(seen["spacings"]) == 6, "all exams are of one size"
    assert known.size == tuple((n * s,) * 2 for n, s in zip(seen["shapes_after_crop"][0], seen["spacings"][0]))[::-1]
    assert read_json(library / "blobs" / "breastseg.json")["training"]["data"].startswith("6 cases")
    (post,), truth = blob(np.random.default_rng(77), 1)
    paths = [tmp_path / f"{name}.nii.gz" for name in ("pre", "post1", "post2")]
    for path in paths:
        write_image(post.to_sitk(), path)
    target = tmp_path / "mask.nii.gz"
    run(library, "segment", "--model", "blobs", "--phases", *paths, "--output", target, "--device", "cpu")
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(target))) > 0
    dice = 2 * np.sum(found & (truth.array > 0)) / (found.sum() + np.sum(truth.array > 0))
    assert dice > 0.4, "as good as in the cross-validation, more or less"


def test_what_is_not_done_is_refused_and_named_folds_are_enough(copy, tmp_path):
    state = FoldState.read(copy.fold_folder("1"))
    state.changed(state="running").write(copy.fold_folder("1"))
    library = tmp_path / "library"
    with pytest.raises(BadInput, match="Fold 1 of the training is not done.*--folds 0"):
        publish(copy, PublishOptions("half", "CC0"), library=library)
    done = publish(
        copy, PublishOptions("half", "CC0", folds=("0",), checkpoint="checkpoint_best.pth"), library=library
    )
    model = open_model(done.folder)
    assert model.folds == ("0",) and model.checkpoint == "checkpoint_best.pth" and done.notes == ("Without fold 1.",)
    with pytest.raises(BadInput, match="There is a model named half"):
        publish(copy, PublishOptions("half", "CC0", folds=("0",)), library=library)
    publish(copy, PublishOptions("half", "CC0", folds=("0",), replace=True), library=library)
    assert open_model(done.folder).checkpoint == "checkpoint_final.pth"


def test_a_changed_dataset_is_refused(copy, tmp_path):
    raw = shutil.copytree(copy.raw, tmp_path / "raw" / Path(copy.raw).name)
    moved = copy.changed(raw=str(raw))
    next((raw / "labelsTr").iterdir()).touch()
    with pytest.raises(BadInput, match="The dataset has changed"):
        publish(moved, PublishOptions("blobs", "CC0"), library=tmp_path / "library")


@pytest.mark.parametrize("damage", ["weights", "cut", "cancel", "plans", "leak"])
def test_when_it_fails_nothing_is_left_behind(copy, tmp_path, damage):
    library, target, words = tmp_path / "library", tmp_path / "out" / "model.zip", {}

    def report(stage, _done, _total):
        if damage == "cancel" and stage == "Packing":
            raise Cancelled

    path = copy.output("1") / "checkpoint_final.pth"
    if damage == "weights":
        import torch

        content = torch.load(path, weights_only=False)
        next(iter(content["network_weights"].values())).fill_(float("nan"))
        torch.save(content, path)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "plans":
        plans = read_json(copy.model / "plans.json")
        plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_stage"] = [4, 8, 10]
        write_json(copy.model / "plans.json", plans, overwrite=True)
    elif damage == "leak":
        words = {"title": f"Trained in {copy.work}"}
    with pytest.raises((BadInput, Cancelled)) as caught:
        publish(copy, PublishOptions("blobs", "CC0", zip=target, **words), report, library)
    told = {"weights": "no numbers", "cut": "damaged", "cancel": "", "plans": "do not fit", "leak": "must not leave"}
    assert told[damage] in str(caught.value)
    assert [path.name for path in library.iterdir() if path.name != ".lock"] == [] and not target.exists()
    assert list(target.parent.glob("*") if target.parent.is_dir() else ()) == []


def test_a_recipe_of_the_users_own_travels_along(copy, tmp_path):
    from BreastSegLib.recipe import load_recipe

    shipped = load_recipe("single-phase-0002")
    raw = shutil.copytree(copy.raw, tmp_path / "raw" / Path(copy.raw).name)
    own = read_json(shipped_file())
    own |= {"name": "mine", "intensity": [{"step": "z-score", "scope": "exam"}]}
    write_json(raw / "recipe.json", own)
    recipe = load_recipe(raw / "recipe.json")
    assert recipe.hash != shipped.hash
    description = read_json(raw / "dataset.json") | {"recipe": recipe.name, "recipe_hash": recipe.hash}
    write_json(raw / "dataset.json", description, overwrite=True)
    mine = copy.changed(raw=str(raw), recipe_hash=recipe.hash, digest="")
    done = publish(mine, PublishOptions("mine", "CC0"), library=tmp_path / "library")
    model = open_model(done.folder)
    assert load_recipe(model.recipe_source).hash == model.card["recipe_hash"] == recipe.hash
    with pytest.raises(BadInput, match="not the one that the dataset was made with"):
        publish(mine.changed(recipe_hash="0" * 64), PublishOptions("other", "CC0"), library=tmp_path / "library")


def test_a_network_of_our_own_brings_its_trainers_along(tmp_path):
    """The U-Net of M3, trained as M4: nnU-Net loads it with what the zip brings, without this extension."""
    raw = make_raw(tmp_path / "raw", "mass-region-224", BC, 102, (1, 64, 64))
    network = {"network_class_name": "breastseg_networks.BaselineUNet", "arch_kwargs": {"features": [4, 8]}}
    training = make_training(
        tmp_path / "work",
        raw,
        "m3",
        configuration="2d",
        trainer="nnUNetTrainerBreastSegM4",
        folds=("0",),
        plan={"patch_size": [64, 64], "batch_size": 2, "architecture": network},
        settings={"epochs": 1, "iterations": 1, "validation_iterations": 1},
        probabilities=False,
    )
    run_folds(training)
    library = tmp_path / "library"
    done = publish(training, PublishOptions("m3", "CC0", zip=tmp_path / "m3.zip"), library=library)
    assert done.card["training"]["inference_trainer"] == "nnUNetTrainerBreastSegM4"
    assert any("nnUNet_extTrainer" in note for note in done.notes)
    run(library, "models", "check", "m3")
    with zipfile.ZipFile(tmp_path / "m3.zip") as archive:
        archive.extractall(tmp_path / "elsewhere")
    model = next((tmp_path / "elsewhere").glob("*/nnUNetTrainerBreastSegM4__nnUNetPlans_m3__2d"))
    words = (
        "import sys, torch\n"
        "from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor\n"
        "predictor = nnUNetPredictor(device=torch.device('cpu'), perform_everything_on_device=False)\n"
        "predictor.initialize_from_trained_model_folder(sys.argv[1], (0,))\n"
        "assert 'BreastSegLib' not in sys.modules\n"
        "print(predictor.network(torch.zeros(1, 1, 64, 64)).shape)\n"
    )
    alone = {**environment(nnUNet_extTrainer=str(model / "trainers")), "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", words, str(model)], env=alone, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0 and "torch.Size([1, 2, 64, 64])" in done.stdout, done.stderr[-2000:]


def shipped_file():
    """Return the file of the shipped recipe."""
    import BreastSegLib

    return Path(BreastSegLib.__file__).parents[1] / "Resources" / "recipes" / "single-phase-0002.json"


def test_the_verb_publishes_and_tells_where(training, tmp_path, capsys, monkeypatch):
    from BreastSegTrainingLib.__main__ import main

    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "library"))
    words = ["publish", "--training", training.folder, "--name", "told", "--licence", "CC-BY-4.0"]
    assert (
        main([*map(str, words), "--no-library", "--zip", str(tmp_path / "told.zip"), "--label", "lesion=neoplasm"])
        == 0
    )
    told = capsys.readouterr().out
    assert "Model told: folds 0, 1" in told and "Cross-validation: Dice" in told and "library" not in told
    with zipfile.ZipFile(tmp_path / "told.zip") as archive:
        card = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith("breastseg.json"))))
    assert card["labels"]["lesion"]["terminology"] == "neoplasm" and os.listdir(tmp_path) == ["told.zip"]
    assert main([*map(str, words[:-1]), " "]) == 2 and "licence" in capsys.readouterr().err
