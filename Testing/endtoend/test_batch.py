"""A batch with the real worker: killed in the middle, resumed, and the same results as exams one by one."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import SimpleITK as sitk
from BreastSegLib.pipeline import segment
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.samples.writing import write_dce_sample
from BreastSegLib.volume import Volume

LIBRARY = Path(__file__).resolve().parents[2] / "BreastSeg"
PATIENTS = ("Smith Anna", "Smith Beth", "Smith Cleo")


def coarse(sample):
    """Return a sample with every second voxel along each axis: quick to segment."""
    geometry = replace(sample.exam.geometry, shape=sample.truth.array[::2, ::2, ::2].shape)
    volumes = [Volume(v.array[::2, ::2, ::2].copy(), geometry) for v in (*sample.exam.volumes, sample.truth)]
    return replace(sample, exam=replace(sample.exam, volumes=tuple(volumes[:-1])), truth=volumes[-1])


@pytest.fixture(scope="module")
def exams(tmp_path_factory):
    """Three exams as image files, and a folder that holds none: Smith Dora."""
    folder = tmp_path_factory.mktemp("batch") / "exams"
    for seed, name in enumerate(PATIENTS, 1):
        made = write_dce_sample(coarse(make_dce_exam(seed, posts=2)), folder.parent / str(seed), format="nifti")
        folder.mkdir(exist_ok=True)
        (made / "exam").rename(folder / name)
    (folder / "Smith Dora").mkdir()
    return folder


def start(exams, output):
    command = [sys.executable, "-m", "BreastSegLib", "batch", "--model", "demo-dce", "--exams", str(exams)]
    command += ["--output", str(output), "--device", "cpu", "--anonymous-names", "--events"]
    paths = os.pathsep.join(filter(None, [str(LIBRARY), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment, text=True)


def events_of(process, until=lambda event: False):
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if until(events[-1]):
            break
    return events


def rows(output):
    with open(output / "summary.csv", encoding="utf-8-sig", newline="") as stream:
        return {row["case"]: row for row in csv.DictReader(stream)}


def times(output, case):
    return {path.name: path.stat().st_mtime_ns for path in output.glob(f"{case}.*")}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_batch_goes_on_and_gives_what_single_runs_give(exams, tmp_path):
    output = tmp_path / "out"
    process = start(exams, output)
    events = events_of(process, lambda event: event["event"] == "case")
    # The network was given the second case before the files of the first were written.
    order = [(event["event"], event["case"]) for event in events if event["event"] in ("running", "case")]
    assert order == [("running", "case_0001"), ("running", "case_0002"), ("case", "case_0001")]
    below = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(below, 10)
    assert below and not alive, "the worker outlived the batch"
    first = times(output, "case_0001")
    assert set(first) == {"case_0001.nii.gz", "case_0001.raw.nii.gz", "case_0001.run.json"}
    assert [row["state"] for row in rows(output).values()] == ["done", "skipped", "skipped", "skipped"]
    time.sleep(0.05)

    process = start(exams, output)
    events = events_of(process)
    assert process.wait() == 1  # one folder holds no exam
    assert events[-1]["line"] == "3 done, 1 failed (see summary.csv)" and events[0]["event"] == "start"
    assert events[0]["finished"] == 1 and "did not end by itself" in events[0]["notes"][0]
    assert "case_0001" not in {event.get("case") for event in events[1:]}
    assert times(output, "case_0001") == first
    expected = {"batch.json", "summary.csv", "measures.csv"}
    expected |= {f"case_000{n}{kind}" for n in (1, 2, 3) for kind in (".nii.gz", ".raw.nii.gz", ".run.json")}
    assert {path.name for path in output.iterdir()} == expected
    for path in output.iterdir():
        assert b"Smith" not in path.read_bytes(), path.name
    table = rows(output)
    assert [row["state"] for row in table.values()] == ["done", "done", "done", "failed"]
    assert table["case_0004"]["reason"] and "Smith" not in table["case_0004"]["reason"]

    single = segment({"folder": str(exams / PATIENTS[1])}, "demo-dce", device="cpu")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(output / "case_0002.nii.gz")))
    assert mask.any() and np.array_equal(mask, single["mask"].array)
    assert int(table["case_0002"]["lesions"]) == len(single["components"])
    largest = max(row["volume_mm3"] for row in single["components"]) / 1000
    assert abs(float(table["case_0002"]["largest_cm3"]) - largest) < 1e-3
