"""Trainings before they begin: what is refused, what is estimated, what the files say."""

import json
import os
import shutil

import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib import launch
from BreastSegTrainingLib.launch import FoldState, Training, Wish, estimate
from BreastSegTrainingLib.launch.gpus import visible
from BreastSegTrainingLib.launch.rawdata import check_unchanged
from BreastSegTrainingLib.launch.runner import slots_of
from hypothesis import given
from hypothesis import strategies as st
from launch_cases import make_raw


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    return make_raw(tmp_path_factory.mktemp("raw"), shape=(4, 8, 8))


@pytest.fixture
def raw(shipped, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(shipped, tmp_path / "raw" / shipped.name)


def wish(raw, work, **values):
    return Wish(str(raw), str(work), **{"configuration": "3d_fullres", **values})


def test_a_training_is_what_was_asked_for(raw, tmp_path):
    values = {"device": "cpu", "workers": 2}
    training, found, notes = launch.make(
        wish(raw, tmp_path / "w", plan={"batch_size": 3}, settings={"epochs": 5}, values=values)
    )
    assert (training.trainer, training.folds, training.plan) == (
        "nnUNetTrainerBreastSeg",
        ("0", "1", "2"),
        {"batch_size": 3},
    )
    assert (training.recipe, training.digest, training.workers) == ("first-post", launch.digest_of(raw), 2)
    assert (training.settings, notes, len(found.cases)) == ({"epochs": 5}, [], 6)
    assert not (tmp_path / "w").exists()
    training.write()
    assert Training.read(training.folder) == training
    again, *_ = launch.make(wish(raw, tmp_path / "w"))
    assert again.name == f"{training.name}-2"
    with pytest.raises(BadInput, match="already"):
        launch.make(wish(raw, tmp_path / "w", name=training.name))


def test_a_preset_gives_trainer_plan_and_folds_and_the_user_changes_them(raw, tmp_path):
    training, _, notes = launch.make(Wish(str(raw), str(tmp_path), preset="nnunet-default", settings={"epochs": 2}))
    assert (training.preset, training.name, training.settings["epochs"]) == ("nnunet-default", "nnunet-default", 2)
    assert training.folds == ("0", "1", "2") and any("3 folds" in note for note in notes)
    assert any("recipe" in note for note in notes)


@pytest.mark.parametrize(("values", "words"), [
    ({"configuration": ""}, "Nothing says what to train"),
    ({"configuration": "4d"}, "no configuration 4d"),
    ({"trainer": "Nobody"}, "no trainer Nobody"),
    ({"settings": {"epochs": 0}}, "epochs"),
    ({"settings": {"epoch": 3}}, "epoch"),
    ({"folds": ("7",)}, "no fold 7.*0, 1, 2"),
    *(({"folds": (fold,)}, "There is no fold") for fold in ("x", "1.5", "00", "²", "-1")),
    ({"folds": ("0", "0")}, "Name each once"),
    ({"name": "a/b"}, "cannot be named"),
    ({"preset": "nobody"}, "no preset 'nobody'"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(shipped, tmp_path, values, words):
    with pytest.raises(BadInput, match=words) as caught:
        launch.make(wish(shipped, tmp_path, **values))
    assert "\n" not in caught.value.line


def _no_splits(raw):
    (raw / "splits_final.json").unlink()


def _no_cases_in_a_fold(raw):
    splits = json.loads((raw / "splits_final.json").read_text())
    splits[1]["val"] = []
    (raw / "splits_final.json").write_text(json.dumps(splits))


def _strange_case(raw):
    splits = json.loads((raw / "splits_final.json").read_text())
    splits[2]["train"].append("P999_1")
    (raw / "splits_final.json").write_text(json.dumps(splits))


@pytest.mark.parametrize(("damage", "words"), [
    (_no_splits, "has no folds.*--folds 5"),
    (_no_cases_in_a_fold, "Fold 1 has no case to validate on"),
    (_strange_case, "Fold 2 names 1 cases.*P999_1"),
    (lambda raw: (raw / "dataset.json").unlink(), "no whole dataset.*export"),
    (lambda raw: (raw / "dataset.json").write_text("{}"), "channel_names"),
    (lambda raw: (raw / "splits_final.json").write_text("[1]"), "train and val"),
    (lambda raw: shutil.rmtree(raw / "labelsTr"), "no labelled case"),
    (lambda raw: (raw / "imagesTr" / "P000_1_0000.nii.gz").unlink(), "1 images of the dataset are missing"),
])  # fmt: skip
def test_datasets_that_cannot_be_trained_on(raw, tmp_path, damage, words):
    damage(raw)
    with pytest.raises(BadInput, match=words):
        launch.make(wish(raw, tmp_path))


def test_the_fold_all_needs_no_splits(raw, tmp_path):
    _no_splits(raw)
    assert launch.make(wish(raw, tmp_path, folds=("all",)))[0].folds == ("all",)


@pytest.mark.parametrize("change", [
    lambda raw: os.utime(raw / "imagesTr" / "P000_1_0000.nii.gz", ns=(5, 5)),
    lambda raw: (raw / "labelsTr" / "P001_1.nii.gz").write_bytes(b"less"),
    lambda raw: shutil.copy(raw / "labelsTr" / "P001_1.nii.gz", raw / "labelsTr" / "P009_1.nii.gz"),
    lambda raw: (raw / "splits_final.json").write_text("[]"),
])  # fmt: skip
def test_a_changed_dataset_is_seen_and_what_does_not_matter_is_not(raw, tmp_path, change):
    training, *_ = launch.make(wish(raw, tmp_path / "w"))
    training.write()
    text = (raw / "dataset.json").read_text()
    (raw / "dataset.json").write_text(text)  # the same export again
    (raw / "labelsTr" / ".part-x").write_text("")
    (raw / "imagesTs" / "P999_1_0000.nii.gz").write_text("")
    check_unchanged(training)
    change(raw)
    with pytest.raises(BadInput, match="has changed since"):
        check_unchanged(training)
    with pytest.raises(BadInput, match="has changed|Fold|no folds|images of the dataset"):
        launch.make(wish(raw, tmp_path / "w", name="next"))


def test_a_work_folder_holds_one_place_of_a_dataset_and_not_its_own(raw, tmp_path):
    launch.make(wish(raw, tmp_path / "w"))[0].write()
    other = shutil.copytree(raw, tmp_path / "other" / raw.name)
    with pytest.raises(BadInput, match="another dataset with the same name"):
        launch.make(wish(other, tmp_path / "w"))
    with pytest.raises(BadInput, match="lies in the dataset"):
        launch.make(wish(raw, raw / "work"))


def test_a_disk_that_surely_does_not_suffice_is_refused(raw, tmp_path, monkeypatch):
    training, found, _ = launch.make(wish(raw, tmp_path / "new" / "w"))
    need = launch.expected_disk(training, found)
    assert 0 < need.least < need.most and "6 cases" in need.basis
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=need.least - 1))
    with pytest.raises(BadInput, match="The disk has .* needs at least"):
        launch.check_disk(training, need)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=need.least))
    assert launch.check_disk(training, need) == need.least


def test_the_disk_estimate_follows_the_data():
    voxels = estimate.resampled_voxels([(10, 20, 30), (1, 5, 5)], [(2.0, 1.0, 1.0), (2.0, 1.0, 1.0)], (1.0, 0.5, 0.5))
    assert voxels == 20 * 40 * 60 + 2 * 10 * 10
    assert estimate.resampled_voxels([(10, 20, 30)], [(2.0, 1.0, 1.0)], (0.5, 0.5)) == 10 * 40 * 60
    assert estimate.resampled_voxels([(10, 20, 30)], [(2.0, 1.0, 1.0)]) == 6000
    base = {"voxels": 10**9, "channels": 3, "cases": 100, "folds": 5, "dimension": 3}
    told = estimate.disk(**base)
    bare = 10**9 * (3 * 4 + 2)
    assert 0.1 * bare < told.least < bare < told.most + bare
    assert estimate.disk(**{**base, "prepared": True}).most == pytest.approx(5 * 3 * 31e6 * 8, rel=0.01)
    assert estimate.disk(**base, optimizer="adam").most > told.most


@given(st.integers(1, 6), st.integers(1, 100), st.integers(1, 4), st.floats(0.1, 1e4))
def test_the_time_estimate_is_never_less_than_the_longest_chain(folds, epochs, parallel, epoch_s):
    told = estimate.time(folds, epochs, parallel, epoch_s=epoch_s)
    assert epochs * epoch_s <= told.seconds * (1 + 1e-9)
    assert told.seconds * parallel >= folds * epochs * epoch_s * (1 - 1e-9)


def test_the_time_is_that_of_an_earlier_training_or_unknown(raw, tmp_path):
    first, *_ = launch.make(wish(raw, tmp_path, settings={"epochs": 10}))
    assert launch.expected_time(first).seconds is None and "--estimate" in launch.expected_time(first).basis
    first.write()
    first.output("0").mkdir(parents=True)
    record = {"epoch_start": [0.0, 10.0, 20.0], "epoch_end": [9.0, 14.0, 24.0]}
    (first.output("0") / "curves.json").write_text(json.dumps(record))
    second, *_ = launch.make(wish(raw, tmp_path, settings={"epochs": 20}))
    told = launch.expected_time(second)
    assert told.seconds == pytest.approx(3 * 20 * 4.0) and first.name in told.basis
    other, *_ = launch.make(wish(raw, tmp_path, settings={"epochs": 20, "iterations": 7}))
    assert launch.expected_time(other).seconds is None
    measured = {"iteration_s": 0.5, "iterations": 10, "epochs": 4, "measured": 5, "device": "cpu"}
    told = launch.expected_time(second.changed(devices=(0, 1)), measured)
    assert told.seconds == pytest.approx(2 * 4 * 0.5 * 10 * estimate.OVERHEAD)


@pytest.mark.parametrize(("seconds", "text"), [
    (None, "unknown"),
    (20, "less than a minute"),
    (600, "10 min"),
    (3600 * 3 + 1200, "3 h 20 min"),
    (3600 * 73, "3 days 1 h"),
])  # fmt: skip
def test_durations_for_people(seconds, text):
    assert estimate.in_words(seconds) == text


def test_gpus_are_counted_among_those_that_are_visible(tmp_path):
    assert visible(1, {}) == "1"
    assert visible(1, {"CUDA_VISIBLE_DEVICES": "4, 7"}) == "7"
    assert visible(0, {"CUDA_VISIBLE_DEVICES": "GPU-1f"}) == "GPU-1f"
    training = Training(tmp_path, "a", "/raw/Dataset101_X", "2d", "T", device="auto")
    assert slots_of(training) == ("cuda:0",)
    assert slots_of(training.changed(devices=(2, 3))) == ("cuda:2", "cuda:3")
    assert slots_of(training.changed(device="cpu", devices=(2,))) == ("cpu",)


def test_a_state_survives_its_file_and_unknown_fields(tmp_path):
    state = FoldState(state="running", stage="training", epoch=3, notes=("a", "b"), job={"slot": "cpu"}, best=0.5)
    state.write(tmp_path)
    assert FoldState.read(tmp_path) == state
    record = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({**record, "of_tomorrow": 1}))
    assert FoldState.read(tmp_path) == state
    (tmp_path / "state.json").write_text(json.dumps({**record, "state": "asleep"}))
    with pytest.raises(BadInput, match="no breastseg-foldrun-1"):
        FoldState.read(tmp_path)
