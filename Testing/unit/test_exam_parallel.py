"""Files that are waited for are read in parallel: the same headers, and a cancel is heard at once."""

import builtins
import threading
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from BreastSegLib.errors import Cancelled
from BreastSegLib.exam.dicom import elements, pixels, waiting
from BreastSegLib.exam.dicom.folder import files_of, read_headers
from BreastSegLib.exam.dicom.waiting import PROBE, map_reads
from BreastSegLib.exam.source import read_exam
from dicom_phantoms import dynamic, write


@pytest.fixture
def slow(monkeypatch):
    """Return a function that makes every opening of a file take some seconds, and the threads that opened one."""
    threads = set()

    def make(seconds):
        def opened(*args, **named):
            threads.add(threading.get_ident())
            time.sleep(seconds)
            return builtins.open(*args, **named)

        for module in (elements, pixels):
            monkeypatch.setattr(module, "open", opened, raising=False)
        return threads

    return make


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with 160 images and other files among them."""
    where = tmp_path_factory.mktemp("many")
    images, _ = dynamic("ge", 40)
    write(where, images)
    for k in range(5):
        (where / f"0_{k}.txt").write_text("no image " * 40)
    (where / "1_broken").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    return where


def comparable(found):
    """Return what was read in an order that does not depend on the threads."""
    headers, notes = found
    return sorted(headers, key=lambda h: h.path), notes


def test_threads_read_the_same_headers_on_a_slow_disk(folder, slow):
    paths = files_of(folder)
    wanted = comparable(read_headers(paths, threads=0))
    used = slow(0.004)
    assert comparable(read_headers(paths)) == wanted and len(wanted[0]) == 160
    assert len(used) > 2
    assert "5 files in the folder are not DICOM" in wanted[1][0]


def test_files_in_memory_are_read_without_threads(monkeypatch):
    # Nothing is waited for: wall clock and processor time are the same, however busy the machine is.
    monkeypatch.setattr(waiting, "time", SimpleNamespace(perf_counter=lambda: 0.0, thread_time=lambda: 0.0))
    used = []
    assert list(map_reads(lambda k: used.append(threading.get_ident()) or sum(range(20_000)), range(200)))
    assert set(used) == {threading.get_ident()}


def test_results_keep_their_order_and_an_error_reaches_the_reader():
    def slow_square(k):
        time.sleep(0.002 if k % 7 else 0.008)
        if k == 190:
            raise KeyError(k)
        return k * k

    found = []
    with pytest.raises(KeyError):
        for value in map_reads(slow_square, range(200)):
            found.append(value)
    assert found == [k * k for k in range(len(found))] and len(found) > PROBE


def test_threads_are_fewer_reads_than_there_are_items_after_a_cancel():
    read = []

    def slow_read(k):
        time.sleep(0.01)
        read.append(k)
        return k

    for value in map_reads(slow_read, range(2000)):
        if value == 60:
            break
    assert len(read) < 400
    before = len(read)
    time.sleep(0.1)
    assert len(read) == before, "reading goes on after the reader has gone"


@pytest.mark.parametrize("delay", [0.01, 0.15])
def test_cancel_is_heard_within_a_second_while_threads_run(folder, slow, delay):
    used = slow(delay)
    asked = []

    def report(stage, done, total):
        now = time.monotonic()
        if asked:
            raise Cancelled
        if len(used) > 2:
            # The user presses Cancel just after this report.
            asked.append(now)

    with pytest.raises(Cancelled):
        read_exam({"folder": folder}, report)
    assert time.monotonic() - asked[0] < 1
    assert not [t for t in threading.enumerate() if "ThreadPool" in t.name], "threads outlive the cancel"


def test_pixels_of_a_slow_disk_are_the_same(tmp_path, slow):
    images, arrays = dynamic("siemens", 20)
    write(tmp_path, images)
    used = slow(0.003)
    exam = read_exam({"folder": tmp_path})
    for volume, array in zip(exam.volumes, arrays):
        np.testing.assert_array_equal(volume.array, array)
    assert len(used) > 2


def test_warning_filters_are_as_they_were(folder, slow):
    slow(0.003)
    before = list(warnings.filters)
    read_headers(files_of(folder))
    assert list(warnings.filters) == before
