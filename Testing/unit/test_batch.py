"""The queue of a batch: order, faults, resuming. The worker is a fake that answers as told."""

import csv
import errno
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from batch_cases import FakeClient, cases, error, result_of
from BreastSegLib.errors import BadInput, BreastSegError, DeviceUnavailable
from BreastSegLib.models import find_model
from BreastSegLib.pipeline import batch as module
from BreastSegLib.pipeline.batch import Batch, BatchOptions
from BreastSegLib.pipeline.batch_pace import Pace

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(scope="module")
def model():
    return find_model("demo-dce", verify=False)


@pytest.fixture
def run(model, tmp_path):
    """Run a batch to its end; return its counts and events."""

    def start(exams, client=None, during=None, **options):
        events = []
        with Batch(exams, model, tmp_path / "out", client=client or FakeClient(), **options) as batch:

            def take(event):
                events.append(event)
                if during:
                    during(batch, event)

            try:
                batch.run(take)
            finally:
                start.batch = batch
        return batch.counts, events

    return start


def summary(folder):
    with open(folder / "out" / "summary.csv", encoding="utf-8-sig", newline="") as stream:
        return {row["case"]: row for row in csv.DictReader(stream)}


def names(folder):
    return {path.name for path in (folder / "out").iterdir()}


def files(*stems, raw=True):
    kinds = (".nii.gz", ".raw.nii.gz", ".run.json") if raw else (".nii.gz", ".run.json")
    return {"batch.json", "summary.csv", "measures.csv", *(stem + kind for stem in stems for kind in kinds)}


def times(folder):
    return {
        path.name: path.stat().st_mtime_ns
        for path in (folder / "out").iterdir()
        if path.name not in ("summary.csv", "measures.csv")
    }


def test_all_cases_are_done_and_nothing_says_who_the_patients_are(run, tmp_path):
    client = FakeClient()
    counts, events = run(cases(), client)
    assert counts == {"done": 3, "failed": 0, "skipped": 0} and names(tmp_path) == files("a0", "a1", "a2")
    row = summary(tmp_path)["a1"]
    assert row == {
        "case": "a1", "state": "done", "reason": "", "lesions": "1", "largest_cm3": "1.500", "largest_mm2": "",
        "seconds": "3.5", "notes": "Worth reading.",
    }  # fmt: skip
    assert events[0]["event"] == "start" and events[-1]["line"] == "3 done, 0 failed (see summary.csv)"
    assert [event["case"] for event in events if event["event"] == "case"] == ["a0", "a1", "a2"]
    for name in ("batch.json", "summary.csv", "a1.run.json"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8-sig")
        assert "Smith" not in text and str(tmp_path) not in text and "/data" not in text
    assert not list(client.folder.glob("batch-*")), "arrays stay behind"
    client.close()


def test_writing_and_preparing_overlap_the_network(run, monkeypatch):
    client = FakeClient()
    write = module.write_result

    def logged(outputs, *rest):
        client.log.append(("write", outputs.mask.name[:2]))
        return write(outputs, *rest)

    monkeypatch.setattr(module, "write_result", logged)
    run(cases(), client)
    assert [entry[:2] for entry in client.log] == [
        ("load", ""), ("ahead", "Smith_0"),
        ("predict", "Smith_0"), ("ahead", "Smith_1"), ("answer", "Smith_0"),
        ("predict", "Smith_1"), ("ahead", "Smith_2"), ("write", "a0"), ("answer", "Smith_1"),
        ("predict", "Smith_2"), ("write", "a1"), ("answer", "Smith_2"),
        ("write", "a2"),
    ]  # fmt: skip


def test_the_request_ahead_is_the_request_that_follows(run):
    client, sent = FakeClient(), {}
    send = client.send
    client.send = lambda request, **fields: sent.setdefault(client_name(fields), fields) and send(request, **fields)

    def client_name(fields):
        return fields.get("source", {}).get("folder", "").rpartition("/")[2]

    run(cases(), client)
    ahead = {entry[1]: entry[2] for entry in client.log if entry[0] == "ahead"}
    assert set(ahead) == {"Smith_0", "Smith_1", "Smith_2"} and all(sent[name] == ahead[name] for name in ahead)


def test_a_failed_case_does_not_stop_the_rest_and_is_tried_in_the_next_run(run, tmp_path):
    counts, events = run(cases(), FakeClient({"Smith_1": [error()]}))
    assert counts == {"done": 2, "failed": 1, "skipped": 0} and names(tmp_path) == files("a0", "a2")
    assert summary(tmp_path)["a1"]["reason"] == "The exam is wrong (the exam). Mend it."
    assert events[-1]["line"] == "2 done, 1 failed (see summary.csv)"
    before = times(tmp_path)
    client = FakeClient()
    counts, events = run(cases(), client)
    assert counts["done"] == 3 and summary(tmp_path)["a1"]["state"] == "done" and events[0]["finished"] == 2
    assert [entry[1] for entry in client.log if entry[0] == "predict"] == ["Smith_1"]
    after = times(tmp_path)
    assert {name: after[name] for name in before if name != "batch.json"} == {
        name: before[name] for name in before if name != "batch.json"
    }


def test_a_question_fails_with_its_answer(run, tmp_path):
    question = {"name": "clock", "choices": [["trigger", "order by trigger time"], ["content", "by content time"]]}
    asked = error("undecided", "Two clocks disagree (series Smith_0)", "Choose: …", question=question)
    counts, _ = run(cases(1), FakeClient({"Smith_0": [asked]}))
    reason = summary(tmp_path)["a0"]["reason"]
    assert counts["failed"] == 1 and "Smith" not in reason
    assert reason.endswith("Write in the column choose: clock=trigger or clock=content.")


@pytest.mark.parametrize("victim", range(3))
def test_a_case_whose_worker_died_is_tried_once_more_alone(run, tmp_path, victim):
    client = FakeClient({f"Smith_{victim}": [error("worker-died", "The worker process was killed by signal 9")]})
    counts, events = run(cases(), client)
    assert counts == {"done": 3, "failed": 0, "skipped": 0}
    tries = [index for index, entry in enumerate(client.log) if entry == ("predict", f"Smith_{victim}")]
    assert len(tries) == 2
    assert client.log[tries[1] + 1][0] == "answer", "the second time nothing else is prepared beside it"
    assert any("once more" in event.get("message", "") for event in events)


def test_a_case_that_kills_the_worker_twice_fails(run, tmp_path):
    died = error("worker-died", "The worker process was killed by signal 9", "The computer may have run out of memory")
    client = FakeClient({"Smith_1": [died, died]})
    counts, _ = run(cases(), client)
    assert counts == {"done": 2, "failed": 1, "skipped": 0}
    assert summary(tmp_path)["a1"]["reason"] == (
        "Tried twice. The worker process was killed by signal 9. The computer may have run out of memory."
    )


@pytest.mark.parametrize(
    "load, kind",
    [
        (error("device", "There is no usable GPU", "Use --device cpu"), DeviceUnavailable),
        (error("internal", "ImportError: no torch"), BreastSegError),
        (error("worker-died", "The worker process ended with exit code 1"), BreastSegError),
    ],
)
def test_what_is_wrong_with_the_model_is_said_once(run, tmp_path, load, kind):
    client = FakeClient(load=load)
    with pytest.raises(kind, match=load["message"]):
        run(cases(), client)
    assert not [entry for entry in client.log if entry[0] == "predict"]
    assert {row["state"] for row in summary(tmp_path).values()} == {"skipped"}
    assert run(cases())[0]["done"] == 3


def test_a_gpu_that_is_lost_stops_the_batch(run, tmp_path):
    with pytest.raises(DeviceUnavailable, match="fell out"):
        run(cases(), FakeClient({"Smith_1": [error("device", "The GPU fell out")]}))
    states = [row["state"] for row in summary(tmp_path).values()]
    assert states == ["done", "skipped", "skipped"] and "fell out" in summary(tmp_path)["a2"]["reason"]
    assert run(cases())[0]["done"] == 3


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_stops_the_batch_with_one_sentence(run, tmp_path, monkeypatch):
    from BreastSegLib.pipeline import together

    with monkeypatch.context() as patch:
        move, count = together.os.replace, []

        def second_case(source, target):
            count.append(target)
            return (
                full()
                if "a1" in Path(target).name and Path(target).name.endswith(".raw.nii.gz")
                else move(source, target)
            )

        patch.setattr(together.os, "replace", second_case)
        with pytest.raises(BadInput, match="^The disk is full") as caught:
            run(cases())
    assert len(caught.value.line.splitlines()) == 1
    assert names(tmp_path) == files("a0") and summary(tmp_path)["a1"]["state"] == "skipped"
    before = times(tmp_path)
    assert run(cases())[0]["done"] == 3 and names(tmp_path) == files("a0", "a1", "a2")
    assert times(tmp_path)["a0.nii.gz"] == before["a0.nii.gz"]


def test_a_full_disk_in_the_worker_stops_the_batch(run):
    with pytest.raises(BreastSegError, match="disk is full"):
        run(cases(), FakeClient({"Smith_1": [error(message="The disk is full (/tmp/x)")]}))
    assert run.batch.counts == {"done": 1, "failed": 0, "skipped": 2}


@pytest.mark.parametrize("when", ["start", "running", "progress", "case"])
def test_stopping_keeps_what_is_finished(run, tmp_path, when):
    def stop(batch, event):
        if event["event"] == when and event.get("case", "a1") == "a1":
            batch.please_stop = True

    counts, events = run(cases(4), during=stop)
    assert events[-1]["event"] == "done" and events[-1]["stopped"] == "stopped by the user" and counts["failed"] == 0
    done = {"start": 0, "running": 1, "progress": 1, "case": 2}[when]
    # The result of a request that was answered before it could be cancelled is kept as well.
    assert done <= counts["done"] <= done + 1 and counts["done"] + counts["skipped"] == 4
    assert summary(tmp_path)["a3"]["reason"] == "not run yet: stopped by the user"
    assert run(cases(4))[0] == {"done": 4, "failed": 0, "skipped": 0}


def test_it_ends_after_as_many_cases_as_asked(run, tmp_path):
    client = FakeClient()
    counts, events = run(cases(5), client, stop_after=2)
    assert counts == {"done": 2, "failed": 0, "skipped": 3} and "as asked" in events[-1]["stopped"]
    assert {entry[1] for entry in client.log if entry[0] == "ahead"} == {"Smith_0", "Smith_1"}
    assert run(cases(5), stop_after=2)[0]["done"] == 4
    assert run(cases(5), stop_after=2)[0]["done"] == 5


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage"])
def test_arrays_that_cannot_be_read_fail_their_case_only(run, tmp_path, damage):
    def spoiled(fields):
        event = result_of(fields)
        path = Path(event["mask"])
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes(b"" if damage == "empty" else path.read_bytes()[:-7])
        return event

    counts, _ = run(cases(), FakeClient({"Smith_1": [spoiled]}))
    assert counts == {"done": 2, "failed": 1, "skipped": 0} and "cannot be read" in summary(tmp_path)["a1"]["reason"]


def test_views_of_a_mammography_exam_get_a_file_each(tmp_path):
    def views(fields):
        event = result_of(fields)
        row = {key: event.pop(key) for key in ("mask", "raw", "geometry", "components", "removed")}
        small, large = ({"area_mm2": area, "voxels": 6, "side": "left"} for area in (12.0, 34.56))
        found = [{**row, "view": "LCC", "components": [large, small]}, {**row, "view": "LMLO 2", "components": []}]
        return {**event, "kind": "mammograms", "views": found}

    exams = [replace(case, regions=({"box": [0, 0, 2, 2], "view": "LCC"},)) for case in cases(1)]
    client = FakeClient({"Smith_0": [views]})
    mass = find_model("demo-mass-region", verify=False)
    with Batch(exams, mass, tmp_path / "out", BatchOptions(cleanup=False), client=client) as batch:
        assert batch.run()["done"] == 1
    assert names(tmp_path) == {
        "batch.json",
        "summary.csv",
        "measures.csv",
        "a0.run.json",
        "a0-LCC.nii.gz",
        "a0-LMLO_2.nii.gz",
    }
    row = summary(tmp_path)["a0"]
    assert (row["lesions"], row["largest_mm2"], row["largest_cm3"]) == ("2", "34.6", "")
    assert client.log[1][2]["regions"] == [{"box": [0, 0, 2, 2], "view": "LCC"}]
    with Batch(exams, mass, tmp_path / "out", BatchOptions(cleanup=False), client=FakeClient()) as batch:
        assert batch.counts["done"] == 1 and summary(tmp_path)["a0"] == row
    (tmp_path / "out" / "a0-LMLO_2.nii.gz").unlink()
    with Batch(exams, mass, tmp_path / "out", BatchOptions(cleanup=False), client=FakeClient()) as batch:
        assert batch.counts["done"] == 0


@POSIX
@pytest.mark.parametrize("moves", range(30))
def test_a_kill_between_any_two_files_loses_no_case_and_leaves_no_mess(run, model, tmp_path, moves):
    """Every file takes its name by `os.replace`: the process is killed right before each of these in turn."""
    child = os.fork()
    if child == 0:
        move, count = os.replace, []

        def dying(*paths):
            count.append(paths)
            if len(count) > moves:
                os.kill(os.getpid(), signal.SIGKILL)
            return move(*paths)

        os.replace = dying
        with Batch(cases(), model, tmp_path / "out", client=FakeClient()) as batch:
            batch.run()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status)
    assert killed == (moves < 29), "each of them was reached"
    finished = {name[:2] for name in names(tmp_path) if name.endswith(".run.json")} if killed else {"a0", "a1", "a2"}
    before = times(tmp_path)
    counts, events = run(cases())
    assert counts["done"] == 3 and names(tmp_path) == files("a0", "a1", "a2")
    assert events[0]["finished"] == len(finished)
    assert bool(events[0]["notes"]) == killed, "a lock that was left behind is spoken of"
    after = times(tmp_path)
    assert all(after[name] == before[name] for name in before if name[:2] in finished and "part" not in name)


def test_a_damaged_file_of_a_finished_case_is_noticed(run, tmp_path):
    run(cases())
    path = tmp_path / "out" / "a1.raw.nii.gz"
    path.write_bytes(path.read_bytes()[:-5])
    (tmp_path / "out" / "a2.run.json").write_text('{"batch": {"id"', encoding="utf-8")
    _, events = run(cases())
    assert events[0]["finished"] == 1 and summary(tmp_path)["a2"]["state"] == "done"


def test_two_batches_do_not_write_into_one_folder(run, model, tmp_path):
    seen = []

    def second(batch, event):
        if event["event"] == "running":
            with pytest.raises(BadInput, match="Another batch is working") as caught:
                Batch(cases(), model, tmp_path / "out", client=FakeClient())
            seen.append(caught.value.line)

    counts, _ = run(cases(), during=second)
    assert counts["done"] == 3 and len(seen) == 3 and f"process {os.getpid()}" in seen[0]
    assert names(tmp_path) == files("a0", "a1", "a2")


def test_a_rerun_with_other_settings_is_refused(run, tmp_path):
    run(cases())
    before = times(tmp_path)
    with pytest.raises(BadInput, match="tta was off and is on") as caught:
        run(cases(), options=BatchOptions(tta=True))
    assert "--overwrite" in caught.value.hint and times(tmp_path) == before
    counts, events = run(cases(), options=BatchOptions(tta=True, cleanup=False), overwrite=True, stop_after=1)
    assert counts == {"done": 1, "failed": 0, "skipped": 2} and events[0]["finished"] == 0
    _, events = run(cases(), options=BatchOptions(tta=True, cleanup=False))
    assert events[0]["finished"] == 1, "begun again, it goes on like any other"
    assert times(tmp_path)["a2.nii.gz"] != before["a2.nii.gz"]


def test_another_device_is_no_other_batch(run):
    run(cases(), stop_after=1)
    assert run(cases(), options=BatchOptions(device="cpu"))[1][0]["finished"] == 1


def test_finished_cases_that_were_changed_are_named(run):
    run(cases())
    changed = cases()
    changed[1].given["choose"] = "clock=trigger"
    with pytest.raises(BadInput, match="finished has changed: a1") as caught:
        run(changed)
    assert "run.json" in caught.value.hint


def test_cases_may_be_added(run, tmp_path):
    run(cases(2))
    client = FakeClient()
    assert run(cases(4), client)[0]["done"] == 4
    assert [entry[1] for entry in client.log if entry[0] == "predict"] == ["Smith_2", "Smith_3"]


@pytest.mark.parametrize("name", ["A1.nrrd", "a1.raw.nii.gz", "a1-LCC.nii.gz", "a1.run.json", "a1.entropy.nrrd"])
def test_files_of_somebody_else_are_not_replaced(run, tmp_path, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine", encoding="utf-8")
    (out / "a1-notes.nii.gz").write_text("no file of a case", encoding="utf-8")
    with pytest.raises(BadInput, match="holds files of these names already: a1"):
        run(cases())
    assert names(tmp_path) == {name, "a1-notes.nii.gz"}
    assert run(cases(), overwrite=True)[0]["done"] == 3


def test_a_folder_made_for_nothing_is_removed(run, tmp_path):
    def broken(_folder):
        raise BadInput("no")

    with pytest.raises(BadInput, match="no"):
        run(broken)
    assert not (tmp_path / "out").exists()


def test_maps_lie_beside_the_masks(run, tmp_path):
    run(cases(1), options=BatchOptions(maps=("probabilities",), format="seg.nrrd"))
    record = json.loads((tmp_path / "out" / "a0.run.json").read_text(encoding="utf-8"))
    expected = {"mask": "a0.seg.nrrd", "raw": "a0.raw.seg.nrrd", "probabilities": "a0.probabilities.nrrd"}
    assert record["files"] == expected and set(record["sizes"]) == set(expected.values()) <= names(tmp_path)


def test_a_summary_that_is_open_elsewhere_does_not_stop_the_batch(run, tmp_path, monkeypatch):
    run(cases(1))
    write, refused = module.write_tables, []

    def locked(folder, rows, measures):
        if len(refused) < 2:
            refused.append(1)
            try:
                raise PermissionError(errno.EACCES, "in use")
            except PermissionError as cause:
                raise BadInput("The file could not be written") from cause
        write(folder, rows, measures)

    monkeypatch.setattr(module, "write_tables", locked)
    counts, events = run(cases(3))
    notes = [event for event in events if event["event"] == "note"]
    assert counts["done"] == 3 and len(notes) == 1 and summary(tmp_path)["a2"]["state"] == "done"


def test_the_time_left_is_the_mean_of_the_finished_cases():
    now = [0.0]
    pace = Pace(4, lambda: now[0])
    pace.begin()
    assert pace.left_s is None
    now[0] = 10.0
    pace.end()
    pace.begin()
    assert pace.left_s == 30
    now[0] = 14.0
    assert pace.left_s == 26
    pace.begin()  # tried again: it goes on
    now[0] = 40.0
    assert pace.left_s == 20  # longer than the mean: nothing is left of it, two are to come
    pace.end(counts=False)  # a failed case says nothing about the others
    assert pace.left_s == 20
    pace.begin()
    now[0] = 60.0
    pace.end()
    assert pace.left_s == 15
