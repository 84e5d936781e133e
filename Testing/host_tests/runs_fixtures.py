"""Work folders, fold runs and evaluations written by hand, for the tests of steps 4 and 5."""

import json
import math
import random
from pathlib import Path

NAME = "m1-phase-aware-d101"
MEASURES = {
    "dice": {"title": "Dice", "unit": "", "better": "higher", "definition": "2 TP / (2 TP + FP + FN), over voxels"},
    "jaccard": {"title": "Jaccard (IoU)", "unit": "", "better": "higher"},
    "hd95": {"title": "HD95", "unit": "mm", "better": "lower"},
    "volume_truth": {"title": "Reference volume", "unit": "ml", "better": ""},
}


def writeDataset(folder, cases=40, folds=5, recipe="phase-aware-0000-0002", test=0):
    """Write the small files of a raw dataset; returns its folder."""
    folder = Path(folder) / "Dataset101_BreastDCE"
    for sub in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    names = [f"P{k:03d}_1" for k in range(1, cases + 1)]
    record = {
        "channel_names": {"0": "pre", "1": "post1", "2": "post2"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": cases,
        "file_ending": ".nii.gz",
        "recipe": recipe,
    }
    (folder / "dataset.json").write_text(json.dumps(record))
    if folds:
        parts = [names[k::folds] for k in range(folds)]
        splits = [{"train": [n for n in names if n not in part], "val": part} for part in parts]
        (folder / "splits_final.json").write_text(json.dumps(splits))
    for k in range(test):
        (folder / "labelsTs" / f"P{900 + k}_1.nii.gz").write_bytes(b"mask")
    return folder


def writeTraining(work, raw, name=NAME, folds=("0", "1", "2", "3", "4"), **values):
    """Write a training; returns it."""
    from BreastSegTrainingLib.launch import Training

    usual = {"configuration": "3d_fullres", "trainer": "nnUNetTrainerBreastSegM1", "preset": "m1-phase-aware"}
    usual["created"] = "2026-11-01T10:00:00+00:00"
    training = Training(work=Path(work), name=name, raw=str(raw), folds=folds, **{**usual, **values})
    training.write(overwrite=True)
    return training


def writeState(training, fold, **values):
    """Write how a fold run stands."""
    from BreastSegTrainingLib.launch import FoldState

    folder = training.fold_folder(fold)
    folder.mkdir(parents=True, exist_ok=True)
    FoldState().changed(**values).write(folder)


def writeCurves(training, fold, epochs, planned=1000, seed=0):
    """Write the curves of a fold run as a trainer does."""
    noise = random.Random(seed)
    train, val, dice, ema, lrs, start, end = [], [], [], [], [], [], []
    for epoch in range(epochs):
        rise = 1 - math.exp(-epoch / 30)
        train.append(0.2 - 0.95 * rise + noise.gauss(0, 0.02))
        val.append(0.2 - 0.82 * rise + noise.gauss(0, 0.04))
        dice.append(max(0.0, 0.8 * rise + noise.gauss(0, 0.03)))
        ema.append(0.9 * ema[-1] + 0.1 * dice[-1] if ema else dice[0])
        lrs.append(0.01 * (1 - epoch / planned) ** 0.9)
        start.append(1.79e9 + 95.0 * epoch)
        end.append(start[-1] + 90 + noise.random() * 5)
    best = max(range(epochs), key=lambda k: ema[k]) if epochs else None
    record = {"format": "breastseg-curves-1", "epochs_planned": planned, "best_by": "ema_fg_dice"}
    record |= {"train_losses": train, "val_losses": val, "mean_fg_dice": dice, "ema_fg_dice": ema, "lrs": lrs}
    record |= {"epoch_start": start, "epoch_end": end, "best_epoch": best, "best": ema[best] if epochs else None}
    folder = training.output(fold)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "curves.json").write_text(json.dumps(record))


def writeWork(work, raw):
    """Write a training with a fold run in every state; returns it."""
    training = writeTraining(work, raw)
    usual = {"epochs": 1000, "device": "cuda:0 NVIDIA RTX A6000"}
    writeState(training, "0", state="done", stage="", epoch=1000, best_epoch=871, best=0.8123, dice=0.7342, **usual)
    writeState(
        training, "1", state="running", stage="training", epoch=212, eta_s=75000, best_epoch=207, best=0.7789, **usual
    )
    writeState(training, "2", state="queued", stage="waiting", epochs=1000)
    writeState(
        training,
        "3",
        state="stopped",
        stage="",
        epoch=140,
        best_epoch=133,
        best=0.7512,
        message="Stopped after epoch 139, as asked",
        **usual,
    )
    writeState(
        training,
        "4",
        state="failed",
        stage="",
        epoch=3,
        message="The graphics card has too little memory, also with batch size 1",
        hint="Choose a smaller patch",
        **usual,
    )
    for fold, epochs in (("0", 1000), ("1", 212), ("3", 140)):
        writeCurves(training, fold, epochs, seed=int(fold))
    return training


def evaluationRecord(cases=40, seed=3, name=NAME, cleaned=True):
    """Return what an evaluation of invented numbers keeps in its file."""
    noise, rows = random.Random(seed), []
    for k in range(1, cases + 1):
        dice = min(0.96, max(0.0, noise.gauss(0.78, 0.16)))
        dice = 0.0 if k == 7 else dice
        better = min(0.97, dice + 0.02)
        lesions = 1 + (k % 5 == 0)
        rows.append(
            {
                "case": f"P{k:03d}_1",
                "fold": k % 5,
                "groups": {"centre": "DUKE" if k % 2 else "NACT"},
                "raw": _values(dice, k == 7),
                "cleaned": _values(better if dice else 0.0, k == 7) if cleaned else None,
                "detection": {"truth": lesions, "found": lesions - (k == 7), "false": k % 3},
                "image_class": "TP" if dice > 0.4 else "FN",
            }
        )
    stages = ("raw", "cleaned") if cleaned else ("raw",)
    found = sum(row["detection"]["found"] for row in rows)
    truth = sum(row["detection"]["truth"] for row in rows)
    false = sum(row["detection"]["false"] for row in rows) / len(rows)
    return {
        "format": "breastseg-evaluation-1",
        "name": name,
        "created": "2026-11-20T12:00:00+00:00",
        "truth": "labelsTr",
        "prediction": "validation",
        "grid": "prepared",
        "options": {},
        "measures": MEASURES,
        "shown": ["dice", "jaccard", "hd95"],
        "stage": stages[-1],
        "cases": rows,
        "summary": {stage: {m: _described([row[stage][m] for row in rows]) for m in MEASURES} for stage in stages},
        "detection": {"truth": truth, "found": found, "sensitivity": found / truth, "false_per_image": false},
        "notes": ["HD95 has no value in 1 case: its prediction is empty."],
    }


def writeEvaluation(folder, **values):
    """Write an evaluation; returns its file."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(evaluationRecord(**values)))
    return folder / "evaluation.json"


def _values(dice, isEmpty):
    hd95 = None if isEmpty else 2.0 + 40 * (1 - dice)
    return {"dice": dice, "jaccard": dice / (2 - dice), "hd95": hd95, "volume_truth": 4.2}


def _described(values):
    known = sorted(value for value in values if value is not None)
    mean = sum(known) / len(known)
    sd = math.sqrt(sum((value - mean) ** 2 for value in known) / max(1, len(known) - 1))
    middle = known[len(known) // 2]
    low, high = mean - 1.96 * sd / math.sqrt(len(known)), mean + 1.96 * sd / math.sqrt(len(known))
    found = {"mean": mean, "sd": sd, "median": middle, "min": known[0], "max": known[-1]}
    return {**found, "ci_low": low, "ci_high": high, "n": len(known), "missing": len(values) - len(known)}


def cleanSteps(panel):
    """Bring steps 4 and 5 back to what they are when the module is opened."""
    ui = panel.ui
    panel.training.queue.commands.close()
    panel.training.queue._waiting = []
    panel.training.queue._own = set()
    for edit in (
        *(ui.trainDatasetEdit, ui.workEdit, ui.encoderEdit),
        *(ui.truthEdit, ui.predictionEdit, ui.evaluationOutputEdit),
    ):
        edit.setCurrentPath("")
    for edit in (ui.trainNameEdit, ui.patchEdit, ui.partitionEdit):
        edit.text = ""
    for box in (ui.epochsBox, ui.iterationsBox, ui.batchBox, ui.checkpointBox):
        box.value = 0
    for box in (ui.trainSeedBox, ui.trainWorkersBox):
        box.value = -1
    for choice in (
        *(panel.training.preset, panel.training.trainer, panel.training.fineTune, panel.training.configuration),
        *(panel.training.device, panel.training.executor, panel.training.closing),
        *(panel.evaluation.what, panel.evaluation.grid, panel.evaluation.cleanup),
    ):
        choice.choose(choice.values[0])
    panel.training.queue.curves.chooseKind("")
    panel.training.chooseFolds(("0", "1", "2", "3", "4"))
    panel.evaluation.groups.tick(())
    panel.evaluation.result.show(None)
    panel.evaluation.result.measure = ""
    panel.evaluation.compareBox.show(None)
    panel.evaluation.publishBox.dialog.hide()
    panel.evaluation.shown = None
    panel.refresh()
