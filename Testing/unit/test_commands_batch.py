"""The verb ``batch`` as a user calls it; the worker is a fake that answers as told."""

import csv
import json
import os
import signal

import pytest
from batch_cases import FakeClient, error
from BreastSegLib.models import find_model
from BreastSegLib.pipeline import batch as module
from command_cases import call, refused


@pytest.fixture
def worker(monkeypatch):
    """What the fake worker is told; ``worker["clients"]`` are those that were made."""
    told = {"clients": []}

    def make():
        told["clients"].append(FakeClient(told.get("outcomes"), told.get("load"), told.get("log")))
        return told["clients"][-1]

    monkeypatch.setattr(module, "WorkerClient", make)
    yield told
    assert all(client.folder is None for client in told["clients"]), "a worker was not closed"


@pytest.fixture
def exams(tmp_path):
    folder = tmp_path / "exams"
    for name in ("Smith Anna", "Smith Beth", "Smith Cleo"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def table(tmp_path, exams):
    path = tmp_path / "table.csv"
    path.write_text("case,exam\none,exams/Smith Anna\ntwo,exams/Smith Beth\n", encoding="utf-8")
    return path


def batch(capsys, *arguments, model="demo-dce", output="out", folder=None):
    return call(capsys, "batch", "--model", model, "--output", folder / output, "--device", "cpu", *arguments)


def summary(folder, output="out"):
    with open(folder / output / "summary.csv", encoding="utf-8-sig", newline="") as stream:
        return {row["case"]: row["state"] for row in csv.DictReader(stream)}


def test_a_table_is_done(capsys, worker, table, tmp_path):
    code, out, err = batch(capsys, "--cases", table, folder=tmp_path)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "2 cases",
        "one: 1 lesion, largest 1.500 cm³, 3.5 s",
        "two: 1 lesion, largest 1.500 cm³, 3.5 s",
        "2 done, 0 failed (see summary.csv)",
    ]
    code, out, _ = batch(capsys, "--cases", table, folder=tmp_path)
    assert code == 0 and out.splitlines()[0] == "2 cases, 2 of them finished already"
    assert not worker["clients"][1].log, "a worker that is not needed is not asked"


def test_some_failed_is_another_exit_code(capsys, worker, table, tmp_path):
    worker["outcomes"] = {"Smith Beth": [error(message="The exam is wrong", hint="")]}
    code, out, _ = batch(capsys, "--cases", table, folder=tmp_path)
    assert code == 1 and out.splitlines()[-1] == "1 done, 1 failed (see summary.csv)"
    assert "two: failed: The exam is wrong." in out and summary(tmp_path) == {"one": "done", "two": "failed"}


def test_events_are_json_lines(capsys, worker, table, tmp_path):
    code, out, err = batch(capsys, "--cases", table, "--events", folder=tmp_path)
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and not err
    kinds = [event["event"] for event in events]
    assert kinds == ["start", "running", "progress", "running", "case", "progress", "case", "done"]
    assert events[2] == {
        "event": "progress", "case": "one", "number": 1, "of": 2, "left_s": None,
        "stage": "Segmenting", "done": 1, "total": 2, "eta_s": 1.0,
    }  # fmt: skip
    assert events[4]["done"] == 1 and isinstance(events[4]["left_s"], float)
    code, out, _ = batch(capsys, "--cases", table, "--events", "--tta", folder=tmp_path)
    (event,) = [json.loads(line) for line in out.splitlines()]
    assert code == 2 and event["event"] == "error" and "other settings" in event["message"]


def test_options_reach_the_worker_and_the_files(capsys, worker, table, tmp_path):
    sent = []
    worker["log"] = sent
    options = (
        "--folds",
        "all",
        "--tta",
        "--exact",
        "--no-cleanup",
        "--format",
        "nrrd",
        "--maps",
        "probabilities",
        "--motion",
        "rigid",
    )
    code, _, err = batch(capsys, "--cases", table, *options, folder=tmp_path)
    assert code == 0, err
    fields = next(entry[2] for entry in sent if entry[0] == "ahead")
    assert fields["source"] == {"folder": str(tmp_path / "exams" / "Smith Anna"), "motion": "rigid"}
    assert {name: value for name, value in fields.items() if name not in ("source", "output", "model", "regions")} == {
        "device": "cpu", "folds": ["all"], "tta": True, "cleanup": False, "shortcuts": False,
        "probabilities": True, "disagreement": False, "entropy": False,
    }  # fmt: skip
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"batch.json", "summary.csv", "measures.csv"} | {
        f"{case}{kind}" for case in ("one", "two") for kind in (".nrrd", ".probabilities.nrrd", ".run.json")
    }


def test_bad_input_is_one_line_before_anything_is_written(capsys, worker, table, exams, tmp_path):
    common = ("batch", "--model", "demo-dce", "--output", tmp_path / "out")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("case,exam\na,none\nCON,exams/Smith Anna\n", encoding="utf-8")
    line = refused(capsys, tmp_path, *common, "--cases", wrong)
    assert "line 2: exam: there is no folder none" in line and "line 3: CON" in line
    assert "no fold 7" in refused(capsys, tmp_path, *common, "--cases", table, "--folds", "7")
    assert "no such model" in refused(capsys, tmp_path, *common, "--cases", table, "--model", "none")
    assert "for --exams" in refused(capsys, tmp_path, *common, "--cases", table, "--anonymous-names")
    assert "for --anonymous-names" in refused(capsys, tmp_path, *common, "--exams", exams, "--key", tmp_path / "k.csv")
    inside = ("--exams", exams, "--anonymous-names", "--key", tmp_path / "out" / "k.csv")
    assert "kept apart" in refused(capsys, tmp_path, *common, *inside)
    mass = ("batch", "--model", "demo-mass-region", "--output", tmp_path / "out")
    assert "--cases" in refused(capsys, tmp_path, *mass, "--exams", exams)
    assert "for DCE-MRI" in refused(capsys, tmp_path, *mass, "--cases", table, "--motion", "rigid")
    with pytest.raises(SystemExit):
        call(capsys, *common, "--cases", table, "--stop-after", "0")


def test_rows_that_the_model_is_not_for_are_said_at_once(capsys, worker, tmp_path):
    for name in ("pre.nii.gz", "LCC.dcm"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "r.json").write_text('[{"box": [1, 2, 30, 40]}]', encoding="utf-8")
    table = tmp_path / "t.csv"
    table.write_text("case,phases,image,regions\na,pre.nii.gz,,\nb,,LCC.dcm,r.json\nc,,LCC.dcm,\n", encoding="utf-8")
    common = ("batch", "--output", tmp_path / "out", "--cases", table, "--model")
    line = refused(capsys, tmp_path, *common, "demo-dce")
    assert "line 3: image is for" in line and "line 4: image is for" in line and "line 2" not in line
    line = refused(capsys, tmp_path, *common, "demo-mass-region")
    assert "line 2: phases are for" in line and "line 4: the model looks at a region" in line and "line 3" not in line


def test_names_of_folders_can_be_kept_out_of_the_output(capsys, worker, exams, tmp_path):
    key = tmp_path / "key.csv"
    options = ("--exams", exams, "--anonymous-names", "--key", key)
    code, out, err = batch(capsys, *options, folder=tmp_path)
    assert code == 0 and set(summary(tmp_path)) == {"case_0001", "case_0002", "case_0003"}, err
    assert "Smith" not in out + err
    for path in (tmp_path / "out").iterdir():
        assert b"Smith" not in path.read_bytes() and "Smith" not in path.name
    assert key.read_text(encoding="utf-8-sig").splitlines()[1] == f'case_0001,"{exams / "Smith Anna"}"'
    (exams / "Brown").mkdir()  # comes first in order, but the others keep their names
    code, _, err = batch(capsys, *options, folder=tmp_path)
    assert code == 0 and [entry[1] for entry in worker["clients"][1].log if entry[0] == "predict"] == ["Brown"], err
    rows = key.read_text(encoding="utf-8-sig").splitlines()
    assert rows[1:] == [
        f'case_000{n},"{exams / name}"'
        for n, name in ((4, "Brown"), (1, "Smith Anna"), (2, "Smith Beth"), (3, "Smith Cleo"))
    ]
    # The key is a table of cases.
    code, out, err = batch(capsys, "--cases", key, output="again", folder=tmp_path)
    assert code == 0 and out.splitlines()[-1].startswith("4 done"), err
    code, _, _ = batch(capsys, *options, "--overwrite", folder=tmp_path)
    assert code == 0 and set(summary(tmp_path)) == {f"case_000{n}" for n in range(1, 5)}
    key.write_text("something else\n", encoding="utf-8")
    code, _, err = batch(capsys, *options, folder=tmp_path)
    assert code == 2 and "tells something else" in err and key.read_text(encoding="utf-8") == "something else\n"


def test_names_of_folders_are_used_with_a_word_about_it(capsys, worker, exams, tmp_path):
    code, _, err = batch(capsys, "--exams", exams, folder=tmp_path)
    assert code == 0 and set(summary(tmp_path)) == {"Smith Anna", "Smith Beth", "Smith Cleo"}
    assert "--anonymous-names" in err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals to send")
def test_an_interruption_keeps_the_finished_cases(capsys, worker, exams, tmp_path, name):
    def interrupt(_fields):
        os.kill(os.getpid(), getattr(signal, name))

    before = signal.getsignal(getattr(signal, name))
    worker["outcomes"] = {"Smith Beth": [interrupt]}
    code, out, err = batch(capsys, "--exams", exams, folder=tmp_path)
    assert code == 130 and "not run (see summary.csv)" in out.splitlines()[-1], err
    states = summary(tmp_path)
    assert states["Smith Anna"] == "done" and states["Smith Cleo"] == "skipped"
    assert signal.getsignal(getattr(signal, name)) == before
    assert batch(capsys, "--exams", exams, folder=tmp_path)[0] == 0


def test_an_ensemble_or_model_is_found_by_folder(capsys, worker, table, tmp_path):
    folder = find_model("demo-dce", verify=False).folder
    code, _, err = batch(capsys, "--cases", table, model=folder, folder=tmp_path)
    assert code == 0, err
    record = json.loads((tmp_path / "out" / "batch.json").read_text(encoding="utf-8"))
    assert record["settings"]["model"] == "demo-dce"
