"""The library's private rooms and its lock: what other processes may touch, and what a crash leaves."""

import errno
import os
import sys
import time

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.models import workroom as module
from BreastSegLib.models.workroom import clean_leftovers, delete, library_lock, workroom

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX systems")


def rooms(library):
    return sorted(path.name for path in library.glob(".making-*"))


def test_a_room_is_inside_the_library_and_gone_afterwards(tmp_path):
    with workroom(tmp_path / "new" / "library") as room:
        (room / "inner").mkdir()
        assert room.parent == tmp_path / "new" / "library" and room.name.startswith(".")
    assert rooms(tmp_path / "new" / "library") == []


def test_a_room_goes_after_an_error_too(tmp_path):
    with pytest.raises(KeyError), workroom(tmp_path):
        raise KeyError
    assert rooms(tmp_path) == []


def test_a_failed_write_is_told_in_one_line(tmp_path):
    with pytest.raises(BadInput, match="disk is full"), workroom(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(BadInput, match="could not be written: odd"), workroom(tmp_path):
        raise OSError(errno.EIO, "odd")


def test_rooms_in_use_are_left_alone_and_abandoned_ones_go(tmp_path):
    with workroom(tmp_path) as room:
        (tmp_path / ".making-dead").mkdir()
        (tmp_path / ".making-dead" / "owner").touch()
        clean_leftovers(tmp_path)
        assert rooms(tmp_path) == [room.name]


@posix
def test_where_the_disk_knows_no_locks_only_old_rooms_go(tmp_path, monkeypatch):
    import fcntl

    def unsupported(*_arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    for name, age_s in (("young", 3600), ("old", 2 * 24 * 3600)):
        (tmp_path / f".making-{name}").mkdir()
        (tmp_path / f".making-{name}" / "owner").touch()
        then = time.time() - age_s
        os.utime(tmp_path / f".making-{name}" / "owner", (then, then))
    with workroom(tmp_path) as room, library_lock(tmp_path):
        assert rooms(tmp_path) == sorted([".making-young", room.name])


def test_one_at_a_time_changes_the_library(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.2)
    refused = pytest.raises(BadInput, match="Another program is changing.*Try again")
    with library_lock(tmp_path), refused, library_lock(tmp_path):
        raise AssertionError("two at a time")
    with library_lock(tmp_path):
        assert (tmp_path / ".lock").is_file()


def test_a_lock_that_cannot_be_made_is_told(tmp_path):
    with pytest.raises(BadInput), library_lock(tmp_path / "missing"):
        raise AssertionError("there is nothing to lock")


def test_a_replaced_model_goes_once_the_new_one_is_in_place(tmp_path):
    room = tmp_path / ".making-dead"
    (room / "before" / "mine").mkdir(parents=True)
    (room / "owner").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "new").touch()
    clean_leftovers(tmp_path)
    assert (tmp_path / "mine" / "new").exists() and rooms(tmp_path) == []


def test_read_only_folders_are_deleted(tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    (folder / "file").chmod(0o400)
    folder.chmod(0o500)
    delete(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    delete(tmp_path / "a")
