"""Experiments for real: sample cases, nnU-Net, one epoch; killed in the middle, and with a row that fails."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from BreastSegLib.inference.processtree import end_tree, start_options
from BreastSegTrainingLib.launch import stop

ROOT = Path(__file__).resolve().parents[2]
FEW = ("--epochs", "1", "--iterations", "2", "--device", "cpu", "--workers", "0")
PLAN = {"patch_size": [16, 32, 32], "batch_size": 2, "architecture": {"arch_kwargs": {"features_per_stage": [4, 8]}}}
REGION = {"preset": "m4-unet", "part": "test", "plan": {"batch_size": 2}}
DIVISION = {"test": 0.3, "folds": 2, "train_folds": ["0"]}
OWN = {
    "format": "breastseg-experiment-1",
    "name": "own",
    "title": "Two rows of one's own",
    "source": "a test",
    "kind": "mammograms",
    "dataset_number": 901,
    "headers": ["Cases of"],
    "values": [{"name": "dice", "title": "Dice", "at": ["summary", "raw", "dice"], "digits": 3}],
    "rows": [
        {
            "name": "1",
            "title": "DUKE",
            "cells": ["DUKE"],
            **REGION,
            "dataset": {**DIVISION, "selection": "m1-5-duke-nact"},
        },
        {"name": "2", "title": "all", "cells": ["all"], **REGION, "dataset": DIVISION, "published": {"dice": 0.9}},
    ],
    "notes": [],
}


def begun(*arguments):
    """Start one verb as a process of its own."""
    paths = os.pathsep.join(str(ROOT / name) for name in ("BreastSeg", "BreastSegTraining"))
    command = [sys.executable, "-m", "BreastSegTrainingLib", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **start_options()
    )


def call(*arguments, expected=0):
    """Run one verb to its end; return its result event."""
    process = begun(*arguments, "--events")
    out, err = process.communicate()
    assert process.returncode == expected, err + out[-800:]
    return json.loads(out.splitlines()[-1])


def results(work, name):
    """Return the rows of the table as a spreadsheet program reads it."""
    with open(work / "experiments" / name / "results.csv", encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    yield folder
    if (folder / "trainings").is_dir():
        stop(folder, immediately=True)  # when the test has failed, nothing stays behind


def test_killed_in_the_middle_it_goes_on(tmp_path, work):
    """The fourth experiment of M1, one fold: the training outlives the command, and is found again."""
    call("sample", "dce", "--count", "4", "--size", "tiny", "--workers", "1", "--output", tmp_path / "cases")
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    table = tmp_path / "cases" / "cases.csv"
    before = table.read_bytes()
    command = ("experiment", "m1", "--cases", table, "--work", work, "--only", "4", "--folds", "2", *FEW)
    command = (*command, "--plan", tmp_path / "plan.json")
    process, state = begun(*command), work / "trainings" / "m1-4" / "fold_0" / "state.json"
    try:
        until = time.monotonic() + 120
        while not (state.is_file() and json.loads(state.read_text())["state"] == "running"):
            assert process.poll() is None and time.monotonic() < until, process.stderr.read()
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.wait()
    finally:
        end_tree(process)
    found = call(*command)
    assert [row["state"] for row in found["rows"]] == ["done"] and found["rows"][0]["cases"] == 2
    assert json.loads(state.read_text())["state"] == "done"
    row = results(work, "m1")[3]
    assert row["Validation Dice, published"] == "0.45" and float(row["Validation Dice"].split()[0]) >= 0
    assert (work / "experiments" / "m1" / "row_4" / "evaluation" / "evaluation.html").is_file()
    assert table.read_bytes() == before  # the user's table is copied, not written into

    again = call(*command)
    assert again["rows"] == found["rows"]
    refused = begun(*command, "--seed", "1")
    assert "begun with other --seed" in refused.communicate()[1] and refused.returncode == 2


def test_a_row_fails_and_the_test_part_of_the_other_is_segmented(tmp_path, work):
    call("sample", "mammogram", "--count", "12", "--size", "tiny", "--workers", "1", "--output", tmp_path / "cases")
    (tmp_path / "own.json").write_text(json.dumps(OWN))
    table = tmp_path / "cases" / "cases.csv"
    found = call("experiment", tmp_path / "own.json", "--cases", table, "--work", work, *FEW, expected=1)
    assert [row["state"] for row in found["rows"]] == ["failed", "done"]
    assert "No case is left for this row" in found["rows"][0]["message"]
    rows = results(work, "own")
    assert rows[0]["Dice"] == "failed" and rows[1]["Dice, published"] == "0.900"
    evaluation = json.loads((work / "experiments/own/row_2/evaluation/evaluation.json").read_text(encoding="utf-8"))
    dataset = next((work / "experiments/own/nnUNet_raw").glob("Dataset902_*"))
    test_part = {path.name.removesuffix(".nii.gz") for path in (dataset / "labelsTs").glob("*.nii.gz")}
    assert {row["case"] for row in evaluation["cases"]} == test_part and len(test_part) == int(rows[1]["Cases"])
    mean = sum(row["raw"]["dice"] for row in evaluation["cases"]) / len(test_part)
    assert found["rows"][1]["values"]["dice"]["mean"] == pytest.approx(mean)
