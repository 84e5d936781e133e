"""The outbox: nothing lost and nothing sent twice, whatever ends when."""

import errno
import json

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.pacs import archive_of, read_peer
from BreastSegLib.pacs.outbox import Outbox
from BreastSegLib.pacs.retry import Retry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pacs_cases import FakeArchive, image, write_images

FAULTS = [None, "abort", "forget to say", 0xA700, 0xC000, 0x0111, 0xB000]


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def files(tmp_path):
    return write_images(tmp_path / "files", [image("1.2.3", "1.2.3.9", number, "SEG") for number in range(1, 4)])


def box(folder, clock):
    return Outbox(folder, Retry(first_s=10, longest_s=100), clock)


def test_a_job_is_sent_once_and_its_files_are_removed(tmp_path, files):
    clock = Clock()
    outbox = box(tmp_path / "out", clock)
    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        name = outbox.add(files, "exam-1")
        assert outbox.counts() == {"waiting": 1, "refused": 0}
        assert outbox.send_due(archive) == [("exam-1", "sent")] and outbox.send_due(archive) == []
        assert len(fake.stores) == 3 and outbox.jobs() == [] and outbox.knows(name)
        assert outbox.add(files, "exam-1") == "exam-1" and outbox.jobs() == []  # it was sent already
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_it_waits_twice_as_long_after_each_failure_and_goes_on_after_a_restart(tmp_path, files):
    clock = Clock()
    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        box(tmp_path / "out", clock).add(files, "exam-1")
        fake.store_faults = [0xA700] * 6
        for pause in (10, 20, 40, 80, 100, 100):
            ((_, why),) = box(tmp_path / "out", clock).send_due(archive)  # each time as after a restart
            assert "no room" in why
            clock.now += pause - 1
            assert box(tmp_path / "out", clock).send_due(archive) == []
            clock.now += 1
        assert box(tmp_path / "out", clock).send_due(archive) == [("exam-1", "sent")]
        assert len(fake.held) == 3


def test_what_arrived_without_a_word_is_not_sent_again(tmp_path, files):
    clock = Clock()
    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        outbox = box(tmp_path / "out", clock)
        outbox.add(files)
        fake.store_faults = [None, "forget to say"]
        outbox.send_due(archive)
        states = [row["state"] for row in json.loads(next((tmp_path / "out").glob("*/job.json")).read_text())["files"]]
        assert states == ["stored", "sending", "waiting"]
        clock.now += 10
        assert box(tmp_path / "out", clock).send_due(archive)[0][1] == "sent"
        assert len(fake.stores) == len(set(fake.stores)) == 3


def test_it_is_not_resent_when_it_cannot_be_asked_for_at_the_moment(tmp_path, files):
    clock = Clock()
    with FakeArchive() as fake:
        outbox = box(tmp_path / "out", clock)
        outbox.add(files[:1])
        fake.store_faults = ["forget to say"]
        outbox.send_due(archive_of(read_peer(fake.peer)))
        clock.now += 10
        outbox.send_due(archive_of(read_peer("FAKE@127.0.0.1:1")))  # nobody there
        clock.now += 20
        assert outbox.send_due(archive_of(read_peer(fake.peer)))[0][1] == "sent"
        assert len(fake.stores) == 1


def test_a_refused_file_is_kept_and_the_others_are_sent(tmp_path, files):
    clock = Clock()
    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        outbox = box(tmp_path / "out", clock)
        outbox.add(files, "exam-1")
        fake.store_faults = [None, 0xC000]
        assert outbox.send_due(archive) == [("exam-1", "refused")]
        clock.now += 1e6
        assert outbox.send_due(archive) == [] and outbox.counts() == {"waiting": 0, "refused": 1}
        assert len(fake.held) == 2
        outbox.again()
        assert outbox.send_due(archive) == [("exam-1", "sent")] and len(fake.held) == 3


def test_one_bad_job_does_not_hold_up_the_next(tmp_path, files):
    clock = Clock()
    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        outbox = box(tmp_path / "out", clock)
        outbox.add(files[:1], "a")
        outbox.add(files[1:], "b")
        fake.store_faults = ["abort"]
        assert [row[0] for row in outbox.send_due(archive)] == ["a", "b"]
        assert len(fake.held) == 2 and outbox.jobs() == ["a"]


def test_a_broken_job_does_not_hold_up_the_others_and_is_told_once(tmp_path, files):
    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        outbox = Outbox(tmp_path / "out")
        for number, text in enumerate(('{"files": 3}', "", "[]", '{"format": "breastseg-outbox-1", "files": []}')):
            outbox.add(files[:1], f"broken-{number}")
            (tmp_path / "out" / f"broken-{number}" / "job.json").write_text(text)
        outbox.add(files[:1], "gone")
        (tmp_path / "out" / "gone" / "000001.dcm").unlink()
        outbox.add(files[1:], "good")
        told = dict(outbox.send_due(archive))
        assert told.pop("good") == "sent" and "cannot be read" in told.pop("gone") and len(told) == 4
        assert outbox.send_due(archive) == [] and outbox.counts() == {"waiting": 1, "refused": 0}


def test_a_clock_that_was_put_back_does_not_stop_it(tmp_path, files):
    clock = Clock()
    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        outbox = box(tmp_path / "out", clock)
        outbox.add(files)
        fake.store_faults = ["abort"]
        outbox.send_due(archive)
        clock.now -= 1e6
        assert outbox.send_due(archive)[0][1] == "sent"


def test_two_senders_do_not_work_on_one_outbox(tmp_path):
    outbox = Outbox(tmp_path / "out")
    lock = outbox.lock()
    with pytest.raises(BadInput, match="Another sender is working"):
        Outbox(tmp_path / "out").lock()
    lock.release()
    Outbox(tmp_path / "out").lock().release()


def test_a_job_appears_whole_or_not_at_all(tmp_path, files, monkeypatch):
    outbox = Outbox(tmp_path / "out")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BadInput, match="no DICOM file"):
        wrong = tmp_path / "wrong"
        wrong.write_text("x")
        outbox.add([files[0], wrong])
    monkeypatch.setattr("BreastSegLib.pacs.outbox.shutil.copyfile", full)
    with pytest.raises(BadInput, match="The disk is full"):
        outbox.add(files)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(BadInput, match="letters"):
        outbox.add(files, "../exam")


def test_cancelling_leaves_what_is_not_sent(tmp_path, files):
    def pulse():
        raise Cancelled

    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        outbox = Outbox(tmp_path / "out")
        outbox.add(files)
        with pytest.raises(Cancelled):
            outbox.send_due(archive, pulse)
        assert fake.stores == [] and outbox.counts()["waiting"] == 1
        assert outbox.send_due(archive)[0][1] == "sent" and len(fake.stores) == 3


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(FAULTS), max_size=7))
def test_whatever_goes_wrong_each_file_arrives_exactly_once(tmp_path_factory, faults):
    folder = tmp_path_factory.mktemp("any")
    clock = Clock()
    files = write_images(folder / "files", [image("1.2.3", "1.2.3.9", number, "SEG") for number in range(1, 4)])
    with FakeArchive() as fake:
        archive = archive_of(read_peer(fake.peer))
        outbox = box(folder / "out", clock)
        outbox.add(files, "job")
        fake.store_faults = list(faults)
        for _ in range(30):
            outbox = box(folder / "out", clock)
            outbox.send_due(archive)
            clock.now += 1000
            if outbox.counts()["refused"]:
                outbox.again()
            if not outbox.jobs():
                break
        assert outbox.jobs() == []
        kept = [uid for uid, fault in zip(fake.stores, [*faults, *[None] * 99]) if fault in (None, "forget to say")]
        assert len(kept) == len(set(kept)) and set(kept) == set(fake.held)
        # Sent more than once only where the archive had said, or was asked and had said, that it is not there.
        told_there = sum(fault in (0x0111, 0xB000) for fault in faults[: len(fake.stores)])
        assert len(kept) + told_there == 3
