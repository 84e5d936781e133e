"""The verbs pacs and watch: what people and programs read, and how they are ended."""

import builtins
import json
import os
import signal
import time

import pytest
from BreastSegLib.commands import run
from BreastSegLib.inference.childcommand import ChildCommand
from pacs_cases import SECRET, FakeArchive, image, write_images

STUDY = "1.2.3"


def call(capsys, *arguments):
    """Run one command in this process; return exit code, standard output and standard error."""
    code = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def images(count=3):
    return [image(STUDY, f"{STUDY}.1", number) for number in range(1, count + 1)]


def events_of(out):
    return [json.loads(line) for line in out.splitlines()]


def test_echo(capsys):
    with FakeArchive() as fake:
        code, out, err = call(capsys, "pacs", "echo", "--peer", fake.peer)
        assert code == 0 and "answers" in out
        fake.close()
        code, out, err = call(capsys, "pacs", "echo", "--peer", fake.peer)
    lines = [line for line in err.splitlines() if line.startswith("Error")]
    assert code == 2 and len(lines) == 1 and "cannot be reached" in lines[0] and out == ""


def test_find_for_people_and_for_programs(capsys):
    with FakeArchive(images()) as fake:
        code, out, _ = call(capsys, "pacs", "find", "--peer", fake.peer, "--patient-name", "Doe*", "--series")
        assert code == 0 and "2024-01-31  10:15  MR    1       3       ID-77" in out and f"{STUDY}.1" in out
        code, out, _ = call(capsys, "pacs", "find", "--peer", fake.peer, "--json")
        rows = json.loads(out)
        assert code == 0 and rows[0]["study_uid"] == STUDY and rows[0]["instances"] == 3
        code, out, err = call(capsys, "pacs", "find", "--peer", fake.peer, "--events", "--modality", "MR")
        events = events_of(out)
        assert code == 0 and err == "" and events[-1]["event"] == "result" and events[-1]["studies"] == rows
        assert events[0]["event"] == "progress" and events[-1]["more"] is False
        code, out, _ = call(capsys, "pacs", "find", "--peer", fake.peer, "--patient-id", "none")
        assert code == 0 and "No study" in out


def test_who_is_looked_for_need_not_stand_among_the_arguments(capsys, monkeypatch):
    with FakeArchive(images()) as fake:
        command = ("pacs", "find", "--peer", fake.peer, "--patient-from-environment")
        code, _, err = call(capsys, *command)
        assert code == 2 and "names no patient" in err and not fake.finds
        monkeypatch.setenv("BREASTSEG_PACS_PATIENT_NAME", "Doe*")
        code, out, _ = call(capsys, *command, "--json")
        assert code == 0 and len(json.loads(out)) == 1 and fake.finds[-1].PatientName == "Doe*"
        monkeypatch.setenv("BREASTSEG_PACS_PATIENT_ID", "none")
        code, out, _ = call(capsys, *command)
        assert code == 0 and "No study" in out and fake.finds[-1].PatientID == "none"
        code, _, err = call(capsys, *command, "--accession", "A1")
        assert code == 2 and "named twice" in err


def test_get_and_send(capsys, tmp_path):
    with FakeArchive(images()) as fake:
        common = ("--peer", fake.peer)
        code, out, _ = call(capsys, "pacs", "get", *common, "--study", STUDY, "--output", tmp_path / "x")
        assert code == 0 and "series_0001: 3 images, MR breast" in out
        code, out, _ = call(capsys, "pacs", "get", *common, "--study", STUDY, "--output", tmp_path / "x", "--events")
        assert events_of(out)[-1] | {"series": 0} == {
            "event": "result", "folder": str(tmp_path / "x"), "images": 3, "received": 0, "series": 0,
        }  # fmt: skip
        fake.held.clear()
        (tmp_path / "x" / "note.txt").write_text("no image")
        code, out, err = call(capsys, "pacs", "send", *common, tmp_path / "x")
        assert code == 0 and "3 files sent" in out and "1 other files left out" in out and len(fake.held) == 3
        fake.store_faults = [0xC000]
        code, out, err = call(capsys, "pacs", "send", *common, tmp_path / "x", "--events")
        assert code == 1 and len(events_of(out)[-1]["refused"]) == 1
        code, out, err = call(capsys, "pacs", "send", *common, tmp_path / "nowhere", "--events")
        assert code == 2 and events_of(out)[-1]["event"] == "error"


@pytest.mark.parametrize("kind, package", [("A@127.0.0.1:1", "pynetdicom"), ("http://127.0.0.1:1/x", "dicomweb")])
def test_a_missing_package_is_one_line_with_what_to_do(capsys, monkeypatch, kind, package):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith(package):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = call(capsys, "pacs", "echo", "--peer", kind)
    line = err.splitlines()[-1]
    assert code == 2 and "pip install" in line and package in line


def test_no_password_appears_in_what_is_printed(capsys, monkeypatch):
    monkeypatch.setenv("BREASTSEG_PACS_USER", "mary")
    monkeypatch.setenv("BREASTSEG_PACS_PASSWORD", SECRET)
    monkeypatch.setenv("BREASTSEG_PACS_TOKEN", SECRET + "t")
    for peer in ("http://127.0.0.1:1/dicom-web", "http://far.example:1/x", "A@127.0.0.1:1"):
        for more in ((), ("--events",), ("--debug",)):
            code, out, err = call(capsys, "pacs", "echo", "--peer", peer, *more)
            assert code == 2 and SECRET not in out + err and "mary" not in out + err


@pytest.mark.skipif(os.name != "posix", reason="signals and pipes as on POSIX")
@pytest.mark.parametrize("how", ["stop line", signal.SIGINT, signal.SIGTERM])
def test_a_transfer_is_cancelled(tmp_path, capsys, how):
    class Slow(FakeArchive):
        def _store(self, event):
            if len(self.stores) == 2:
                stop()
            time.sleep(0.05)
            return super()._store(event)

    def stop():
        if how == "stop line":
            os.write(ending, b"stop\n")
        else:
            os.kill(os.getpid(), how)

    beginning, ending = os.pipe()
    before = os.dup(0)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    os.dup2(beginning, 0)
    write_images(tmp_path / "x", images(60))
    try:
        with Slow() as fake:
            code, out, err = call(capsys, "pacs", "send", "--peer", fake.peer, tmp_path / "x", "--events")
    finally:
        os.write(ending, b"\nstop it all\n")  # no longer heard
        os.dup2(before, 0)
        for handle in (beginning, ending, before):
            os.close(handle)
        signal.signal(signal.SIGINT, handlers[0])
    assert code == 130 and len(fake.stores) < 20
    assert events_of(out)[-1] == {"event": "error", "code": "cancelled", "message": "Cancelled.", "hint": ""}
    assert "what had been transferred is kept" in err and "Traceback" not in err
    assert signal.getsignal(signal.SIGTERM) == handlers[1]


def test_the_window_hears_of_it(tmp_path):
    with FakeArchive(images()) as fake:
        command = ChildCommand(
            ["pacs", "get", "--peer", fake.peer, "--study", STUDY, "--output", tmp_path, "--events"]
        )
        command.start()
        events = []
        until = time.monotonic() + 60
        while command.running and time.monotonic() < until:
            events += command.poll()
            time.sleep(0.02)
        command.close()
    assert events[-1]["event"] == "result" and events[-1]["images"] == 3
    assert {"event", "stage", "done", "total"} <= set(events[0])


def test_watch_says_what_is_missing(capsys, tmp_path):
    code, _, err = call(capsys, "watch", "--folder", tmp_path)
    assert code == 2 and "--listen is missing" in err
    code, _, err = call(capsys, "watch", "--folder", tmp_path, "--listen", 1)
    assert code == 2 and "--model is missing" in err
    code, _, err = call(capsys, "watch", "--folder", tmp_path, "--listen", 1, "--model", "demo-dce", "--whole-study")
    assert code == 2 and "--send-to" in err
    code, _, err = call(capsys, "watch", "--folder", tmp_path, "--status")
    assert code == 2 and "no folder of a watch" in err
    assert list(tmp_path.iterdir()) == []


def test_watch_tells_its_status(capsys, tmp_path):
    row = {"format": "breastseg-watch-1", "state": "failed", "runs": 1, "of": "", "reason": "No phases", "images": 4}
    (tmp_path / "exams").mkdir()
    (tmp_path / "exams" / "abc.json").write_text(json.dumps({**row, "since": "2024-01-31T10:00:00+00:00"}))
    code, out, _ = call(capsys, "watch", "--folder", tmp_path, "--status")
    assert code == 0 and "abc  failed" in out and "No phases" in out and "0 results wait" in out
    code, out, _ = call(capsys, "watch", "--folder", tmp_path, "--status", "--json")
    assert json.loads(out)["exams"]["abc"]["reason"] == "No phases"
    code, out, _ = call(capsys, "watch", "--folder", tmp_path, "--retry")
    assert code == 0 and (tmp_path / "retry-asked").exists()
