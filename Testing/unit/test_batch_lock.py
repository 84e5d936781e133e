"""One batch at a time in a folder, and what is left of a batch that died."""

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.pipeline import batch_lock
from BreastSegLib.pipeline.batch_lock import NAME, BatchLock

HOLDER = """
import sys
from BreastSegLib.pipeline.batch_lock import BatchLock
lock = BatchLock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    paths = os.pathsep.join(
        filter(None, [str(Path(sys.modules["BreastSegLib"].__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    )
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert process.stdout.readline().strip() == b"held"
    yield process
    process.kill()
    process.communicate()


def test_a_living_batch_keeps_others_out(tmp_path, holder):
    with pytest.raises(BadInput, match=f"Another batch .*process {holder.pid}"):
        BatchLock(tmp_path)
    holder.communicate(b"")
    assert not list(tmp_path.iterdir())
    BatchLock(tmp_path).release()


def test_the_lock_of_a_dead_batch_is_taken_over_knowingly(tmp_path, holder):
    holder.kill()
    holder.wait()
    lock = BatchLock(tmp_path)
    assert lock.left_by == holder.pid
    with pytest.raises(BadInput, match="Another batch"):
        BatchLock(tmp_path)
    lock.release()
    lock.release()
    assert not list(tmp_path.iterdir())
    assert BatchLock(tmp_path).left_by is None


def test_the_lock_of_another_computer_is_left_to_the_user(tmp_path):
    (tmp_path / NAME).write_text(json.dumps({"pid": 1, "host": "far-away"}), encoding="utf-8")
    with pytest.raises(BadInput, match="computer far-away") as caught:
        BatchLock(tmp_path)
    assert NAME in caught.value.hint
    (tmp_path / NAME).unlink()
    BatchLock(tmp_path).release()


@pytest.mark.parametrize("text", ["", "{", '{"pid": "x", "host": 3}', "[1]", '{"pid": 1'])
def test_a_half_written_lock_is_taken_over(tmp_path, text):
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    lock = BatchLock(tmp_path)
    assert json.loads((tmp_path / NAME).read_text(encoding="utf-8")) == {
        "pid": os.getpid(),
        "host": socket.gethostname(),
    }
    lock.release()


@pytest.mark.skipif(sys.platform == "win32", reason="looks at processes as POSIX does")
def test_without_locks_of_the_system_the_process_id_decides(tmp_path, holder, monkeypatch):
    def unsupported(_handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(batch_lock, "_lock", unsupported)
    with pytest.raises(BadInput, match=f"Another batch .*process {holder.pid}"):
        BatchLock(tmp_path)
    holder.kill()
    holder.wait()
    lock = BatchLock(tmp_path)
    assert lock.left_by == holder.pid
    with pytest.raises(BadInput, match=f"Another batch .*process {os.getpid()}"):
        BatchLock(tmp_path)
    lock.release()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(BadInput, match="could not be written"):
        BatchLock(tmp_path / "none")
