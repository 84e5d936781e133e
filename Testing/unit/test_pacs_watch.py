"""Watching: what arrives, when it is complete, what fails, and what a restart finds."""

import contextlib
import errno
import json
import os
import socket
import stat
import threading
import time
from socketserver import BaseServer

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.files import write_error
from BreastSegLib.pacs import archive_of, read_peer
from BreastSegLib.pacs.exams import Exams, NotAnExam, key_of
from BreastSegLib.pacs.outbox import Outbox
from BreastSegLib.pacs.problems import ArchiveError
from BreastSegLib.pacs.retry import Retry
from BreastSegLib.pacs.watch import Watch, WatchSettings, ask_retry, status_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pacs_cases import FakeArchive, file_bytes, image, write_images
from pydicom import dcmread

GOOD, BAD, MORE = "1.2.31", "1.2.32", "1.2.33"
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def servers_that_end_quickly(monkeypatch):
    monkeypatch.setattr(
        BaseServer.serve_forever, "__defaults__", (0.02,)
    )  # seconds between two looks, else half of one


def exam(study, count=3):
    return [image(study, f"{study}.1", number) for number in range(1, count + 1)]


class Work:
    """What a watch does, without a model: writes one result; fails for some studies."""

    def __init__(self, fails=(), while_running=None):
        self.done, self.fails, self.while_running = [], set(fails), while_running

    def __call__(self, folder, results, report):
        paths = sorted(folder.glob("*.dcm"))
        study = str(dcmread(paths[0]).StudyInstanceUID)
        report("Reading", 0, 1)
        if self.while_running:
            self.while_running()
        self.done.append((study, len(paths)))
        if study in self.fails:
            raise BadInput("The exam is broken", "/home/Doe^Jane", "Look at it")
        return write_images(results, [image(study, f"{study}.9", len(paths), "SEG")])


class Running:
    """A watch in a thread; a context manager."""

    def __init__(self, folder, work, archive=None, **settings):
        settings = {"complete_after_s": 0.15, "keep_free_mb": 0.0, **settings}
        self.events = []
        self.watch = Watch(
            WatchSettings(folder, 0, address="127.0.0.1", **settings),
            work,
            archive,
            self.events.append,
            Outbox(folder / "outbox", Retry(first_s=0.1, longest_s=0.2)),
        )
        self._thread = threading.Thread(target=self._run)
        self.error = None

    def _run(self):
        try:
            self.watch.run()
        except BadInput as error:
            self.error = error

    def __enter__(self):
        self._thread.start()
        self.wait(lambda: self.watch.port or self.error)
        return self

    def __exit__(self, *_):
        self.watch.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    @property
    def sender(self):
        """An archive that sends to it."""
        peer = read_peer(f"BREASTSEG@127.0.0.1:{self.watch.port}", "ARCHIVE")
        return archive_of(peer, Retry(attempts=1))

    def send(self, folder, datasets):
        return self.sender.send(write_images(folder, datasets))

    def states(self):
        return {key: row["state"] for key, row in status_of(self.watch.settings.folder)["exams"].items()}

    @staticmethod
    def wait(condition):
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until, "it did not come to that"
            time.sleep(0.02)


def test_an_exam_is_worked_on_and_its_result_sent_and_a_broken_one_is_passed_over(tmp_path):
    work = Work(fails=[BAD])
    with FakeArchive() as fake, Running(tmp_path / "w", work, archive_of(read_peer(fake.peer))) as running:
        assert running.send(tmp_path / "bad", exam(BAD))["sent"] == 3
        running.send(tmp_path / "good", exam(GOOD))
        running.wait(lambda: len(fake.held) == 1 and len(running.states()) == 2)
        running.wait(lambda: set(running.states().values()) == {"done", "failed"})
        assert work.done == [(BAD, 3), (GOOD, 3)]
        assert [dataset.Modality for dataset in fake.held.values()] == ["SEG"]
        status = status_of(tmp_path / "w")
        assert status["exams"][key_of(BAD)]["reason"] == "The exam is broken. Look at it"
        assert status["exams"][key_of(GOOD)]["images"] == 3
        running.wait(lambda: status_of(tmp_path / "w")["outbox"] == {"waiting": 0, "refused": 0})
    told = json.dumps(running.events)
    assert not any(text in told for text in ("Doe", "ID-77", GOOD, BAD))
    names = " ".join(str(path) for path in (tmp_path / "w").rglob("*"))
    assert not any(text in names for text in ("Doe", "ID-77", GOOD, BAD))
    if os.name == "posix":
        assert all(stat.S_IMODE((tmp_path / "w" / name).stat().st_mode) == 0o700 for name in ("incoming", "outbox"))


def test_the_same_again_changes_nothing_and_more_images_begin_anew(tmp_path):
    work = Work()
    with FakeArchive() as fake, Running(tmp_path / "w", work, archive_of(read_peer(fake.peer))) as running:
        running.send(tmp_path / "a", exam(GOOD))
        running.wait(lambda: len(fake.held) == 1)
        running.send(tmp_path / "a", exam(GOOD))
        time.sleep(0.5)
        assert work.done == [(GOOD, 3)] and len(fake.stores) == 1
        running.send(tmp_path / "b", exam(GOOD, 4))
        running.wait(lambda: len(fake.held) == 2)
        assert work.done == [(GOOD, 3), (GOOD, 4)]


def test_results_that_come_back_are_no_exam(tmp_path):
    work = Work()
    with Running(tmp_path / "w", work) as running:
        back = [image(GOOD, f"{GOOD}.9", number, "SEG") for number in (1, 2)]
        back[1].Modality = "DOC"
        assert running.send(tmp_path / "a", back)["sent"] == 2
        time.sleep(0.5)
        assert work.done == [] and status_of(tmp_path / "w")["exams"] == {}
        assert not list((tmp_path / "w" / "incoming").rglob("*.dcm"))


def test_it_waits_while_images_come(tmp_path):
    work = Work()
    with Running(tmp_path / "w", work, complete_after_s=0.6) as running:
        for number, dataset in enumerate(exam(GOOD, 4)):
            running.send(tmp_path / str(number), [dataset])
            time.sleep(0.2)
            assert work.done == []
        running.wait(lambda: work.done == [(GOOD, 4)])


def test_images_that_come_during_the_work_make_it_begin_again(tmp_path):
    datasets = exam(GOOD, 4)

    def more():
        if len(work.done) == 0:
            running.send(tmp_path / "late", datasets[3:])

    work = Work(while_running=more)
    with FakeArchive() as fake:
        running = Running(tmp_path / "w", work, archive_of(read_peer(fake.peer)))
        with running:
            running.send(tmp_path / "a", datasets[:3])
            running.wait(lambda: len(fake.held) == 1 and "done" in running.states().values())
        assert work.done == [(GOOD, 3), (GOOD, 4)]
        assert next(iter(fake.held.values())).InstanceNumber == 4  # of the whole exam; the first was not sent


def test_a_failed_exam_is_taken_up_when_asked(tmp_path):
    work = Work(fails=[BAD])
    with Running(tmp_path / "w", work) as running:
        running.send(tmp_path / "a", exam(BAD))
        running.wait(lambda: "failed" in running.states().values())
        running.send(tmp_path / "a", exam(BAD))  # the archive sends the same again: it would fail again
        time.sleep(0.5)
        assert len(work.done) == 1
        work.fails.clear()
        ask_retry(tmp_path / "w")
        running.wait(lambda: "done" in running.states().values())
    with pytest.raises(BadInput, match="no folder of a watch"):
        ask_retry(tmp_path)


def test_a_restart_goes_on_with_what_was_received_and_running(tmp_path):
    class Stopped(Work):
        def __call__(self, folder, results, report):
            running.watch.stop()
            raise Cancelled

    running = Running(tmp_path / "w", Stopped())
    with running:
        running.send(tmp_path / "a", exam(GOOD))
        running.wait(lambda: running.watch.stopped)
    assert running.states() == {key_of(GOOD): "receiving"}
    state = tmp_path / "w" / "exams" / f"{key_of(GOOD)}.json"
    state.write_text(state.read_text().replace("receiving", "running"))  # as after a crash
    for path in write_images(tmp_path / "b", exam(MORE)):  # and one of which nothing was noted yet
        target = tmp_path / "w" / "incoming" / key_of(MORE) / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
        (target.parent / f".part-x-{path.name}").write_bytes(b"half")
    work = Work()
    with Running(tmp_path / "w", work) as running:
        running.wait(lambda: set(running.states().values()) == {"done"})
    assert sorted(work.done) == [(GOOD, 3), (MORE, 3)] and not list((tmp_path / "w").rglob(".part*"))
    with Running(tmp_path / "w", work):
        time.sleep(0.5)
    assert len(work.done) == 2


def test_a_crash_between_sending_and_noting_it_does_not_send_twice(tmp_path):
    work = Work()
    with FakeArchive() as fake:
        with Running(tmp_path / "w", work, archive_of(read_peer(fake.peer))) as running:
            running.send(tmp_path / "a", exam(GOOD))
            running.wait(lambda: len(fake.held) == 1 and "done" in running.states().values())
        state = tmp_path / "w" / "exams" / f"{key_of(GOOD)}.json"
        row = json.loads(state.read_text())
        state.write_text(json.dumps({**row, "state": "running", "of": ""}))
        with Running(tmp_path / "w", work, archive_of(read_peer(fake.peer))) as running:
            running.wait(lambda: "done" in running.states().values())
        assert len(work.done) == 1 and len(fake.stores) == 1


def test_a_full_disk_refuses_and_goes_on(tmp_path, monkeypatch):
    work = Work()
    with Running(tmp_path / "w", work) as running:
        with pytest.raises(ArchiveError, match="0xA700"), monkeypatch.context() as patch:
            patch.setattr("BreastSegLib.pacs.watch.shutil.disk_usage", lambda _: type("U", (), {"free": -1})())
            running.send(tmp_path / "a", exam(GOOD))
        with pytest.raises(ArchiveError, match="0xA700"), monkeypatch.context() as patch:
            patch.setattr("BreastSegLib.pacs.exams.whole_file", full_disk)
            running.send(tmp_path / "a", exam(GOOD))
        assert [event["message"] for event in running.events if event["event"] == "note"]
        assert status_of(tmp_path / "w")["exams"] == {}
        assert running.send(tmp_path / "a", exam(GOOD))["sent"] == 3
        running.wait(lambda: work.done == [(GOOD, 3)])


def full_disk(path, *_):
    raise write_error(OSError(errno.ENOSPC, "No space left"), path) from OSError(errno.ENOSPC, "No space left")


def test_what_cannot_be_understood_is_refused_and_nothing_is_kept(tmp_path):
    exams = Exams(tmp_path)
    with pytest.raises(BadInput, match="can be read"):
        exams.arrived(b"nothing")
    dataset = exam(GOOD, 1)[0]
    del dataset.StudyInstanceUID
    with pytest.raises(BadInput, match="which study"):
        exams.arrived(file_bytes(dataset))
    with pytest.raises(NotAnExam):
        exams.arrived(file_bytes(image(GOOD, "1.2.1", 1, "SEG")))
    assert not list((tmp_path / "incoming").iterdir()) and not list((tmp_path / "exams").iterdir())


def test_only_those_who_may_can_send(tmp_path):
    with Running(tmp_path / "w", Work(), callers=("ARCHIVE",)) as running:
        running.sender.echo()
        stranger = archive_of(read_peer(f"BREASTSEG@127.0.0.1:{running.watch.port}", "STRANGER"))
        with pytest.raises(ArchiveError, match="does not know our title STRANGER"):
            stranger.echo()


def test_it_waits_for_the_whole_study_and_says_what_is_missing(tmp_path):
    datasets, work = exam(GOOD, 4), Work()
    with FakeArchive([*datasets, image(GOOD, f"{GOOD}.9", 1, "SEG")]) as fake:
        archive = archive_of(read_peer(fake.peer))
        with Running(tmp_path / "w", work, archive, whole_study=True, complete_after_s=0.2) as running:
            running.send(tmp_path / "a", datasets[:3])
            running.wait(lambda: len(fake.finds) >= 2)
            assert work.done == []
            running.send(tmp_path / "b", datasets[3:])
            running.wait(lambda: work.done == [(GOOD, 4)])
        settings = {"whole_study": True, "complete_after_s": 0.2, "patience_s": 0.5}
        with Running(tmp_path / "w2", Work(), archive, **settings) as running:
            running.send(tmp_path / "a", datasets[:3])
            running.wait(lambda: "failed" in running.states().values())
            assert status_of(tmp_path / "w2")["exams"][key_of(GOOD)]["reason"] == "Only 3 of 4 images came"


def test_two_watches_do_not_share_a_folder_or_a_port(tmp_path):
    with Running(tmp_path / "w", Work()) as running:
        with Running(tmp_path / "w", Work()) as second:
            assert "Another watch is working" in second.error.line
        settings = WatchSettings(tmp_path / "w3", running.watch.port, address="127.0.0.1")
        with pytest.raises(BadInput, match="cannot be listened on"):
            Watch(settings, Work()).run()


def test_results_wait_for_an_archive_that_is_away(tmp_path):
    with FakeArchive() as fake:
        port = fake.port
        away = archive_of(read_peer("FAKE@127.0.0.1:1"), Retry(attempts=1))
        with Running(tmp_path / "w", Work(), away) as running:
            running.send(tmp_path / "a", exam(GOOD))
            running.wait(lambda: any(event["event"] == "sending" for event in running.events))
            assert "done" in running.states().values() and status_of(tmp_path / "w")["outbox"]["waiting"] == 1
        with Running(tmp_path / "w", Work(), archive_of(read_peer(f"FAKE@127.0.0.1:{port}"))):
            Running.wait(lambda: len(fake.held) == 1)


def test_old_exams_are_forgotten(tmp_path):
    exams = Exams(tmp_path)
    for study in (GOOD, BAD):
        key = exams.arrived(file_bytes(exam(study, 1)[0]))
        exams.end(key, exams.begin(key), "done" if study == GOOD else "failed")
    assert exams.forget(1.0) == [] and exams.forget(0.0) == [key_of(GOOD)]
    assert [path.name for path in (tmp_path / "incoming").iterdir()] == [key_of(BAD)]
    assert list(status_of(tmp_path)["exams"]) == [key_of(BAD)]


def test_a_state_that_is_being_written_is_not_read(tmp_path):
    exams = Exams(tmp_path)
    key = exams.arrived(file_bytes(exam(GOOD, 1)[0]))
    whole = tmp_path / "exams" / f"{key}.json"
    (whole.parent / f".part-x-{whole.name}").write_text(whole.read_text().replace("receiving", "failed"))
    states = status_of(tmp_path)["exams"]
    assert {name: row["state"] for name, row in states.items()} == {key: "receiving"}


def test_a_broken_state_is_as_none(tmp_path):
    key = Exams(tmp_path).arrived(file_bytes(exam(GOOD, 1)[0]))
    for text in ("", "[]", "{}", '{"format": "breastseg-watch-1", "state": "x", "runs": 1, "of": ""}'):
        (tmp_path / "exams" / f"{key}.json").write_text(text)
        assert Exams(tmp_path).quiet(0.0) == [key]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 700), st.binary(min_size=1, max_size=8), st.integers(0, 9000))
def test_broken_objects_are_kept_under_a_safe_name_or_refused(tmp_path, place, garbage, length):
    exams, data = Exams(tmp_path / "w"), file_bytes(exam(GOOD, 1)[0])
    broken = (data[:place] + garbage + data[place + len(garbage) :])[: length or None]
    with contextlib.suppress(BadInput, NotAnExam):
        key = exams.arrived(broken)
        assert len(key) == 12 and key.isalnum() and exams.count(key) >= 1
    assert all(path.parent.parent == tmp_path / "w" / "incoming" for path in tmp_path.rglob("*.dcm"))


def test_noise_on_the_port_does_no_harm(tmp_path):
    work = Work()
    with Running(tmp_path / "w", work) as running:
        for noise in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(4000), b"\x01\x00\xff\xff\xff\xff" + b"\0" * 100):
            with socket.create_connection(("127.0.0.1", running.watch.port)) as connection:
                connection.sendall(noise)
        assert running.send(tmp_path / "a", exam(GOOD))["sent"] == 3
        running.wait(lambda: work.done == [(GOOD, 3)])
