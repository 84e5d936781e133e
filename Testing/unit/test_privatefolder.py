"""Private folders: nobody else's, locked while their owner lives, swept when it died; and the log that lies there."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from BreastSegLib.inference import logfile, privatefolder
from BreastSegLib.inference.privatefolder import LOCK, PrivateFolder, sweep

PACKAGE = Path(privatefolder.__file__).parents[2]
OWNER = """
import sys, time
sys.path.insert(0, {package!r})
from BreastSegLib.inference.privatefolder import PrivateFolder
folder = PrivateFolder()
print(folder.path, flush=True)
{then}
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An empty folder in the place of that for temporary files."""
    monkeypatch.setattr(privatefolder.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def owner(temporary, then):
    """Start a process that owns a private folder; return both."""
    command = [sys.executable, "-c", OWNER.format(package=str(PACKAGE), then=then)]
    environment = {**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    folder = Path(process.stdout.readline().strip())
    process.stdout.close()
    return process, folder


def age(folder, seconds=3600.0):
    then = time.time() - seconds
    os.utime(folder / LOCK, (then, then))


def test_a_folder_of_ones_own(temporary):
    one, two = PrivateFolder(), PrivateFolder()
    assert one.path != two.path and one.there and two.there
    if os.name == "posix":
        assert one.path.stat().st_mode & 0o077 == 0
    (one.path / "deep").mkdir()
    (one.path / "deep" / "exam.npy").write_bytes(b"x")
    one.remove()
    assert not one.there and two.there
    one.remove()
    two.remove()
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_is_swept(temporary):
    process, folder = owner(temporary, "time.sleep(60)")
    (folder / "exam.npy").write_bytes(b"x" * 1000)
    age(folder)
    assert sweep() == [] and folder.exists(), "its owner lives"
    process.kill()
    process.wait()
    assert sweep() == [folder] and not folder.exists()


def test_a_folder_that_was_made_just_now_is_left_alone(temporary):
    """Its owner may not have locked it yet."""
    process, folder = owner(temporary, "sys.exit()")
    process.wait()
    assert sweep() == [] and folder.exists()
    age(folder)
    assert sweep() == [folder]


def test_only_private_folders_are_swept(temporary):
    mine = PrivateFolder()
    age(mine.path)
    for name in ("breastseg-without-lock", "something-else"):
        (temporary / name).mkdir()
    (temporary / "something-else" / LOCK).touch()
    age(temporary / "something-else")
    (temporary / "breastseg-file").write_text("a file")
    target = temporary / "target"
    target.mkdir()
    (target / LOCK).touch()
    age(target)
    if os.name == "posix":
        (temporary / "breastseg-link").symlink_to(target)
    before = sorted(temporary.iterdir())
    assert sweep() == [] and sorted(temporary.iterdir()) == before
    mine.remove()


def test_a_folder_where_nothing_can_be_locked_is_never_taken_for_abandoned(temporary, monkeypatch):
    def refuse(stream):
        raise OSError("no locks available")

    with monkeypatch.context() as patch:
        patch.setattr(privatefolder, "_lock", refuse)
        folder = PrivateFolder()
    assert folder.there and not (folder.path / LOCK).exists()
    assert sweep() == [] and folder.there
    folder.remove()


def test_sweeping_where_there_is_nothing(tmp_path):
    assert sweep(tmp_path / "missing") == []


# --- the log ---------------------------------------------------------------------------------------------------------


def test_a_log_that_grows_too_long_loses_its_older_part(tmp_path):
    path = tmp_path / "worker.log"
    with open(path, "ab") as log:
        for number in range(200_000):
            log.write(b"line %d of what a library says\n" % number)
            if number % 1000 == 0:
                log.flush()
                logfile.trim(path, log.fileno())
                assert path.stat().st_size <= logfile.LIMIT + 1
        log.flush()
    assert path.stat().st_size < logfile.LIMIT + 100_000
    assert path.read_bytes().startswith(b"(older lines were dropped)")
    assert b"\0" not in path.read_bytes()
    assert logfile.tail(path, 1) == "line 199999 of what a library says"


def test_a_short_log_and_other_files_are_left_alone(tmp_path, monkeypatch):
    path, other = tmp_path / "worker.log", tmp_path / "other"
    path.write_bytes(b"short\n")
    with open(path, "ab") as log:
        logfile.trim(path, log.fileno())
    assert path.read_bytes() == b"short\n"
    monkeypatch.setattr(logfile, "LIMIT", 2)
    other.write_bytes(b"another file\n")
    with open(other, "ab") as stream:
        logfile.trim(path, stream.fileno())
    assert other.read_bytes() == b"another file\n" and path.read_bytes() == b"short\n"
    reading, writing = os.pipe()
    logfile.trim(path, writing)
    logfile.trim(path, 987_654)
    os.close(reading), os.close(writing)


def test_the_end_of_a_log(tmp_path):
    path = tmp_path / "worker.log"
    assert logfile.tail(path) == ""
    path.write_bytes(b"\xff broken bytes\n" + b"".join(b"line %d\n" % number for number in range(20_000)))
    assert logfile.tail(path, 2) == "line 19998\nline 19999"
    assert len(logfile.tail(path).splitlines()) == logfile.LINES
