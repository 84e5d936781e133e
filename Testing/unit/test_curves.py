"""Curves of fold runs, from the trainer's record, a checkpoint or the text log; what is damaged is passed over."""

import json
import math
from datetime import datetime

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.curves import Curves, LiveCurves, fold_folders, mean_of, read_curves
from BreastSegTrainingLib.curves.checkpointlog import NotReadable, log_in
from BreastSegTrainingLib.curves.curves import moving_average
from BreastSegTrainingLib.curves.source import curves_of_training
from BreastSegTrainingLib.launch import FoldState, Training
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

START = 1_700_000_000.0


def logging(epochs, seconds=10.0, pause_after=None, seed=0):
    """What nnU-Net's logger holds after some epochs; a pause of a day lies after one of them."""
    generator = np.random.default_rng(seed)
    log = {name: [] for name in ("train_losses", "val_losses", "mean_fg_dice", "ema_fg_dice", "lrs")}
    log |= {"dice_per_class_or_region": [], "epoch_start_timestamps": [], "epoch_end_timestamps": []}
    now = START
    for epoch in range(epochs):
        dice = float(generator.uniform(0, 1))
        log["train_losses"].append(-dice / 2)
        log["val_losses"].append(np.float64(-dice / 3))
        log["mean_fg_dice"].append(dice)
        log["ema_fg_dice"].append(log["ema_fg_dice"][-1] * 0.9 + 0.1 * dice if epoch else dice)
        log["dice_per_class_or_region"].append([np.float32(dice)])
        log["lrs"].append(0.01 * (1 - epoch / 100) ** 0.9)
        log["epoch_start_timestamps"].append(now)
        log["epoch_end_timestamps"].append(now + seconds + epoch % 3)
        now += seconds + epoch % 3 + (86400 if epoch == pause_after else 0)
    return log


def record(log, planned=100, **more):
    """curves.json as the trainer writes it."""
    best = int(np.argmax(log["ema_fg_dice"])) if log["ema_fg_dice"] else None
    names = {"epoch_start": "epoch_start_timestamps", "epoch_end": "epoch_end_timestamps"}
    keys = ("train_losses", "val_losses", "mean_fg_dice", "ema_fg_dice", "lrs", "epoch_start", "epoch_end")
    lists = {key: [float(value) for value in log[names.get(key, key)]] for key in keys}
    end = {"best_epoch": best, "best": log["ema_fg_dice"][best] if best is not None else None}
    head = {"format": "breastseg-curves-1", "epochs_planned": planned, "best_by": "ema_fg_dice"}
    return {**head, **lists, **end, **more}


def write(folder, log, **more):
    """Write curves.json of a log."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "curves.json").write_text(json.dumps(record(log, **more)))
    return folder


def checkpoint(path, log, plans=None):
    """Write a checkpoint with nnU-Net's fields by torch itself."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    weights = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).state_dict()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(3))], 0.01, momentum=0.9)
    content = {
        "network_weights": weights,
        "optimizer_state": optimizer.state_dict(),
        "grad_scaler_state": None,
        "logging": log,
        "_best_ema": np.float64(0.5),
        "current_epoch": len(log["train_losses"]),
        "init_args": {"plans": plans or {}, "device": torch.device("cpu")},
        "trainer_name": "nnUNetTrainer",
        "inference_allowed_mirroring_axes": (0, 1),
    }
    torch.save(content, path)
    return path


def text_log(path, epochs, first=0, at=START, form="np.float32({:.4f})", cut=None):
    """Write a log as nnU-Net's trainer does; `cut` leaves off that many characters at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines, now = ["\n#####\nPlease cite …\n#####\n"], at
    log = logging(first + epochs)

    def say(*words):
        lines.append(f"{datetime.fromtimestamp(now)}: {' '.join(str(word) for word in words)} ")

    say("This is the configuration used by this training:\nConfiguration name: 3d_fullres\n {'a': 'Epoch 7'} \n")
    for epoch in range(first, first + epochs):
        lines.append(" ")
        say("Epoch", epoch)
        say("Current learning rate:", np.round(log["lrs"][epoch], decimals=5))
        now += 10.0 + epoch % 3
        say("train_loss", np.round(log["train_losses"][epoch], decimals=4))
        say("val_loss", np.round(log["val_losses"][epoch], decimals=4))
        say("Pseudo dice", "[" + form.format(log["mean_fg_dice"][epoch]) + "]")
        say(f"Epoch time: {10.0 + epoch % 3} s")
        say("Yayy! New best EMA pseudo Dice: 0.5")
    text = "\n".join(lines) + "\n"
    path.write_text(text[: len(text) - cut] if cut else text)
    return log


def test_the_trainers_record_comes_first(tmp_path):
    log = logging(20)
    write(tmp_path / "fold_0", log)
    checkpoint(tmp_path / "fold_0" / "checkpoint_latest.pth", logging(30))
    curves = read_curves(tmp_path / "fold_0")
    assert (curves.source, curves.epochs, curves.name, curves.notes) == ("curves.json", 20, "fold 0", ())
    assert curves.train_losses.tolist() == log["train_losses"]
    assert curves.best_epoch == int(np.argmax(log["ema_fg_dice"])) and curves.best == max(log["ema_fg_dice"])


def test_a_checkpoints_log_is_read_without_torch_and_equals_what_torch_reads(tmp_path):
    import torch

    log = logging(25, seed=3)
    path = checkpoint(tmp_path / "checkpoint_latest.pth", log, {"breastseg": {"epochs": 77}})
    checkpoint(tmp_path / "checkpoint_best.pth", logging(5, seed=3))
    curves = read_curves(tmp_path)
    assert (curves.source, curves.epochs, curves.epochs_planned) == ("checkpoint_latest.pth", 25, 77)
    ours, theirs = log_in(path)[0], torch.load(path, weights_only=False)["logging"]
    for name, values in ours.items():
        assert values == [float(value) for value in theirs[name]], name
    assert "dice_per_class_or_region" not in ours


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int32", "uint8"])
def test_every_numpy_number_of_a_log_is_read(tmp_path, kind):
    log = logging(2)
    log["train_losses"] = [np.dtype(kind).type(3), np.dtype(kind).newbyteorder("<").type(5)]
    assert log_in(checkpoint(tmp_path / "c.pth", log))[0]["train_losses"] == [3, 5]


def test_a_checkpoint_that_would_run_code_runs_none(tmp_path):
    import torch

    class Evil:
        def __reduce__(self):
            import os

            return os.mkdir, (str(tmp_path / "was-here"),)

    path = tmp_path / "checkpoint_final.pth"
    torch.save({"logging": {**logging(3), "evil": [Evil()]}, "other": Evil()}, path)
    assert read_curves(tmp_path).epochs == 3 and not (tmp_path / "was-here").exists()


def test_the_text_log_is_the_last_resort_and_says_so(tmp_path):
    log = text_log(tmp_path / "training_log_2024_1_2_03_04_05.txt", 12)
    curves = read_curves(tmp_path)
    assert curves.source == "text log" and curves.epochs == 12 and "four digits" in curves.notes[0]
    assert np.allclose(curves.train_losses, log["train_losses"], atol=6e-5)
    assert np.allclose(curves.ema_fg_dice, log["ema_fg_dice"], atol=1e-4)
    assert np.allclose(curves.epoch_times, [10 + epoch % 3 for epoch in range(12)])
    assert curves.epoch_end[0] == pytest.approx(START + 10)
    assert curves.best_epoch == int(np.argmax(log["ema_fg_dice"])) and curves.time_left is None


@pytest.mark.parametrize("form", ["{:.4f}", "np.float64({:.4f})"])
def test_text_logs_after_resumes_go_on_from_their_checkpoints(tmp_path, form):
    """The second log begins at epoch 6: of the first, epochs 6 to 9 were lost. The third one is cut off."""
    text_log(tmp_path / "training_log_2024_9_30_03_04_05.txt", 10, form=form)
    text_log(tmp_path / "training_log_2024_10_1_03_04_05.txt", 3, 6, START + 86400, form)
    text_log(tmp_path / "training_log_2024_10_2_03_04_05.txt", 4, 9, START + 2 * 86400, form, cut=150)
    curves = read_curves(tmp_path)
    assert curves.epochs == 12, "the last epoch of the third log has no end"
    log = logging(12)
    assert np.allclose(curves.mean_fg_dice, log["mean_fg_dice"], atol=6e-5)
    assert np.allclose(curves.epoch_times, [10 + epoch % 3 for epoch in range(12)]), "pauses count nowhere"
    assert curves.epoch_end[7] > START + 86400 > curves.epoch_end[5]


def test_what_is_damaged_is_passed_over_and_told(tmp_path):
    write(tmp_path, logging(9))
    text = (tmp_path / "curves.json").read_text()
    (tmp_path / "curves.json").write_text(text[: len(text) // 2])
    checkpoint(tmp_path / "checkpoint_previous.pth", logging(7))
    whole = checkpoint(tmp_path / "checkpoint_latest.pth", logging(8)).read_bytes()
    (tmp_path / "checkpoint_latest.pth").write_bytes(whole[: len(whole) // 2])
    curves = read_curves(tmp_path)
    assert (curves.source, curves.epochs) == ("checkpoint_previous.pth", 7)
    assert any("curves.json is damaged" in note for note in curves.notes)
    assert any("checkpoint_latest.pth cannot be read" in note for note in curves.notes)


def test_half_an_epoch_and_odd_values_do_no_harm(tmp_path):
    more = {"val_losses": [1.0, None, "x", True, 1e400], "epoch_start": [START + 10 * n for n in range(6)]}
    write(tmp_path, logging(5), **more, val_accuracy=[0.5, 0.6, 0.7], best_epoch=99)
    curves = read_curves(tmp_path)
    assert curves.epochs == 5 and len(curves.epoch_start) == 5
    assert curves.val_losses[0] == 1.0 and np.isnan(curves.val_losses[1:]).all()
    assert np.isnan(curves.extras["val_accuracy"][3:]).all()
    assert curves.best_epoch == int(np.argmax(logging(5)["ema_fg_dice"])), "an impossible one is told anew"
    json.dumps(curves.to_json(), allow_nan=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=200), st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["train_losses", "val_losses", "epoch_end", "best_epoch", "best_by", "epochs_planned", "a"]),
        inner, max_size=5), max_leaves=15)))  # fmt: skip
def test_no_content_of_the_record_breaks_the_reader(tmp_path, content):
    if isinstance(content, bytes):
        (tmp_path / "curves.json").write_bytes(content)
    else:
        content = {"format": "breastseg-curves-1", **content} if isinstance(content, dict) else content
        (tmp_path / "curves.json").write_text(json.dumps(content))
    try:
        curves = read_curves(tmp_path)
    except BadInput as error:
        assert "No epoch is finished yet" in error.line
    else:
        assert curves.epochs > 0
        json.dumps(curves.to_json(), allow_nan=False)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_checkpoint_breaks_the_reader(tmp_path, data):
    path = tmp_path / "whole.pth"
    content = path.read_bytes() if path.exists() else checkpoint(path, logging(3)).read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    changed = data.draw(st.binary(min_size=1, max_size=6))
    broken = tmp_path / "broken.pth"
    broken.write_bytes(content[:place] + changed + content[place + len(changed) * data.draw(st.integers(0, 1)) :])
    try:
        log, _planned = log_in(broken)
    except NotReadable:
        return
    assert all(isinstance(values, list) for values in log.values())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(1, 100), min_size=1, max_size=30),
    st.lists(st.floats(0, 1e6), min_size=30, max_size=30),
    st.integers(0, 60),
)
def test_the_time_left_knows_no_pauses(seconds, pauses, more):
    starts, now = [], START
    for took, pause in zip(seconds, pauses):
        starts.append(now)
        now += took + pause
    ends = [start + took for start, took in zip(starts, seconds)]
    curves = Curves(
        train_losses=[0.0] * len(seconds),
        epoch_start=starts,
        epoch_end=ends,
        epochs_planned=len(seconds) + more,
    )
    assert curves.time_left == pytest.approx(more * np.median(seconds[-10:]), abs=1e-3)


def test_the_moving_average_is_nnunets():
    from nnunetv2.training.logging.nnunet_logger import MetaLogger

    values = np.random.default_rng(1).uniform(0, 1, 30)
    logger = MetaLogger(None, False)
    for epoch, value in enumerate(values):
        logger.log("mean_fg_dice", value, epoch)
    assert moving_average(values).tolist() == logger.get_value("ema_fg_dice", None)


def test_the_mean_of_folds_covers_what_all_have_finished():
    logs = [logging(10, seed=1), logging(7, seed=2)]
    both = [Curves(f"fold {n}", **_series(log)) for n, log in enumerate(logs)]
    mean = mean_of(both)
    assert mean.epochs == 7
    expected = np.mean([log["ema_fg_dice"][:7] for log in logs], axis=0)
    assert mean.ema_fg_dice == pytest.approx(expected) and mean.best_epoch == int(expected.argmax())
    assert mean.epoch_times == pytest.approx([10 + epoch % 3 for epoch in range(7)])
    gap = both[1].changed(val_losses=np.full(7, np.nan))
    assert mean_of([both[0], gap]).val_losses == pytest.approx(logs[0]["val_losses"][:7])


def _series(log):
    return {key: values for key, values in record(log).items() if isinstance(values, list)}


@pytest.fixture
def training(tmp_path):
    """A training of three folds: one with curves, one running without a plan in its record, one not begun."""
    training = Training(tmp_path / "work", "m1", str(tmp_path / "Dataset101_X"), "3d_fullres", "T", folds="012")
    training.write()
    write(training.output("0"), logging(20))
    write(training.output("1"), logging(12, seed=1), epochs_planned=None)
    FoldState(state="running", epoch=12, epochs=40).write(training.fold_folder("1"))
    FoldState().write(training.fold_folder("2"))
    return training


def test_the_folds_of_a_training_are_found(training):
    curves, notes = curves_of_training(training)
    assert [(one.name, one.epochs, one.epochs_planned) for one in curves] == [("fold 0", 20, 100), ("fold 1", 12, 40)]
    assert len(notes) == 1 and notes[0].startswith("fold 2: No epoch is finished yet")
    expected = {"fold 0", "fold 1", "fold 2"}
    assert set(fold_folders(training.folder)) == expected
    assert set(fold_folders(training.model)) == {"fold 0", "fold 1"}
    assert fold_folders(training.fold_folder("1")) == {"fold 1": training.output("1")}
    assert fold_folders(training.output("0")) == {"fold 0": training.output("0")}
    with pytest.raises(BadInput, match="holds no fold run"):
        fold_folders(training.work)


def test_nnunets_own_note_tells_the_planned_epochs(tmp_path):
    text_log(tmp_path / "training_log_2024_1_2_03_04_05.txt", 3)
    (tmp_path / "debug.json").write_text(json.dumps({"num_epochs": "1000"}))
    assert read_curves(tmp_path).time_left == pytest.approx(997 * 11)


def test_live_curves_survive_a_damaged_record_and_read_only_what_changed(training, monkeypatch):
    from BreastSegTrainingLib.curves import live

    calls = []
    monkeypatch.setattr(live, "read_curves", lambda *a: calls.append(a[1]) or read_curves(*a))
    watch = LiveCurves(fold_folders(training.folder))
    assert [one.epochs for one in watch.read()] == [20, 12]
    calls.clear()
    assert [one.epochs for one in watch.read()] == [20, 12] and calls == []
    write(training.output("0"), logging(21))
    assert [one.epochs for one in watch.read()] == [21, 12] and calls == ["fold 0"]
    (training.output("1") / "curves.json").write_text("{")
    former = watch.read()
    assert [one.epochs for one in former] == [21, 12] and former[1].notes
    write(training.output("2"), logging(1))
    assert [one.epochs for one in watch.read()] == [21, 12, 1]


def test_infinite_times_are_unknown():
    curves = Curves(train_losses=[1, 2], epoch_start=[5.0, math.nan], epoch_end=[3.0, 9.0], epochs_planned=9)
    assert curves.epoch_time is None and curves.time_left is None
    assert Curves(train_losses=[1, 2], epochs_planned=2).time_left == 0.0


def many(folds, epochs=60, accuracy=False):
    """Curves that look like those of a training."""
    result = []
    for fold in range(folds):
        generator, places = np.random.default_rng(fold), np.arange(float(epochs + 5 * fold))
        average = 0.85 - 0.1 * generator.uniform() - 0.75 * np.exp(-places / 15)
        average -= 0.002 * np.maximum(places - 40, 0)
        extras = {"train_accuracy": average + 0.05, "val_accuracy": average} if accuracy else {}
        result.append(
            Curves(
                f"fold {fold}",
                "curves.json",
                train_losses=-average + 0.02 * generator.normal(size=len(places)),
                val_losses=-average + 0.1 + 0.04 * generator.normal(size=len(places)),
                mean_fg_dice=average + 0.05 * generator.normal(size=len(places)),
                ema_fg_dice=average,
                lrs=0.01 * (1 - places / 100) ** 0.9,
                epoch_start=31 * places,
                epoch_end=31 * places + 30 + generator.normal(size=len(places)),
                best_epoch=int(average.argmax()),
                best=float(average.max()),
                epochs_planned=100,
                extras=extras,
            )
        )
    return result


@pytest.mark.parametrize("style, folds", [("full", 1), ("full", 5), ("loss-accuracy", 1), ("loss-accuracy", 3)])
def test_figures_are_drawn_without_a_window(tmp_path, artefacts, style, folds):
    from BreastSegTrainingLib.curves.figure import make_figure, write_figure
    from PIL import Image

    curves = many(folds, accuracy=folds > 1)
    path = write_figure(tmp_path / "curves.png", curves, "m1", style)
    with Image.open(path) as image:
        assert image.width > 1200 and len(set(image.convert("L").resize((60, 40)).tobytes())) > 10
        image.convert("L").save(artefacts / f"training-curves-{style}-{folds}-grey.png")
    axes = make_figure(curves, "m1", style).axes
    assert len(axes) == (4 if style == "full" else 2)
    drawn = [line for line in axes[0].lines if line.get_label() and line.get_label()[0] != "_"]
    assert len(drawn) == 2 * folds + (2 if folds > 1 else 0), "training and validation of each fold, and the means"
    assert np.array_equal(drawn[0].get_ydata(), curves[0].train_losses)
    if style == "full":
        stars = [line for line in axes[1].lines if line.get_marker() == "*" and len(line.get_xdata())]
        assert [int(line.get_xdata()[0]) for line in stars] == [one.best_epoch for one in curves]


def test_the_shades_of_a_figure_differ_in_grey():
    from BreastSegTrainingLib.curves.figure import MARKS, SHADES

    grey = [0.299 * int(s[1:3], 16) + 0.587 * int(s[3:5], 16) + 0.114 * int(s[5:], 16) for s in SHADES[:5]]
    assert min(b - a for a, b in zip(sorted(grey), sorted(grey)[1:])) > 12 and len(set(MARKS)) == len(MARKS)


def test_svg_is_the_same_for_the_same_curves_and_global_settings_stay(tmp_path):
    import matplotlib as mpl
    from BreastSegTrainingLib.curves.figure import write_figure

    before = dict(mpl.rcParams)
    texts = [write_figure(tmp_path / f"{name}.svg", many(2)).read_text() for name in "ab"]
    assert "<svg" in texts[0] and len(texts[0]) == len(texts[1]) and dict(mpl.rcParams) == before
    with pytest.raises(BadInput, match="exists"):
        write_figure(tmp_path / "a.svg", many(1))


def run(*words):
    """Run the verb in this process; return its exit code."""
    from BreastSegTrainingLib.__main__ import main

    return main(["curves", *map(str, words)])


def test_the_verb_writes_every_format_and_tells_what_it_read(training, tmp_path, capsys):
    import csv

    for ending in ("png", "svg", "csv", "json"):
        assert run("--training", training.folder, "--output", tmp_path / f"out.{ending}") == 0
    told = capsys.readouterr().out
    assert "fold 0: 20 of 100 epochs" in told and "(curves.json)" in told and "Note: fold 2: No epoch" in told
    with open(tmp_path / "out.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 20 + 12 + 12 and {row["fold"] for row in rows} == {"fold 0", "fold 1", "mean"}
    assert float(rows[4]["train_loss"]) == pytest.approx(logging(20)["train_losses"][4])
    assert [row["epoch"] for row in rows[:20] if row["best"]] == [str(int(np.argmax(logging(20)["ema_fg_dice"])))]
    content = json.loads((tmp_path / "out.json").read_text())
    assert [one["epochs"] for one in content["folds"]] == [20, 12, 12] and len(content["notes"]) == 1


def test_the_verb_chooses_folds_and_takes_folders(training, tmp_path, capsys):
    assert run("--training", training.folder, "--folds", "1", "--output", tmp_path / "a.json") == 0
    assert run(training.output("0"), training.output("1"), "--output", tmp_path / "b.json") == 0
    names = [[one["name"] for one in json.loads((tmp_path / f"{f}.json").read_text())["folds"]] for f in "ab"]
    assert names == [["fold 1"], ["fold 0", "fold 1", "mean"]]


@pytest.mark.parametrize(
    "words, told",
    [
        (["--output", "x.png"], "Give either"),
        (["NOWHERE", "--output", "x.png"], "holds no fold run"),
        (["--training", "WORK", "--output", "x.bmp"], "format is unknown"),
        (["--training", "WORK", "--folds", "9", "--output", "x.png"], "has no fold 9"),
    ],
)
def test_wrong_words_get_one_line(training, tmp_path, capsys, words, told):
    words = [str(training.folder) if word == "WORK" else word for word in words]
    words[-1] = str(tmp_path / words[-1])
    assert run(*words) == 2
    line = capsys.readouterr().err
    assert told in line and line.count("\n") == 1 and list(tmp_path.glob("x.*")) == []
