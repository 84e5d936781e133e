"""Files appear whole or not at all."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from BreastSegLib import files
from BreastSegLib.errors import BadInput
from BreastSegLib.files import check_output, read_json, whole_file, write_json

LIBRARY = Path(files.__file__).resolve().parents[1]


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.mark.parametrize("name", ["a.txt", "with space.nii.gz", "lésion – Größe 乳.seg.nrrd"])
def test_written_whole_under_any_name(tmp_path, name):
    path = tmp_path / "neu é" / "folder" / name
    with whole_file(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.endswith(name)
        assert not path.exists()
        temporary.write_bytes(b"content")
    assert path.read_bytes() == b"content"
    assert names(path.parent) == [name]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), BadInput("y")])
def test_an_exception_leaves_nothing(tmp_path, error):
    with pytest.raises(type(error)), whole_file(tmp_path / "a.txt") as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert names(tmp_path) == []


def test_an_exception_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="x"), whole_file(path, overwrite=True) as temporary:
        temporary.write_text("new")
        raise ValueError("x")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(BadInput, match="exists.*--overwrite"), whole_file(path):
        pytest.fail("the block must not run")
    assert path.read_text() == "old"
    with whole_file(path, overwrite=True) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_a_folder_is_no_output(tmp_path):
    for overwrite in (False, True):
        with pytest.raises(BadInput, match="is a folder"):
            check_output(tmp_path, overwrite)


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="could not be written"), whole_file(tmp_path / "file" / "a.txt"):
        pytest.fail("the block must not run")


def test_simpleitk_failures_are_one_line(tmp_path):
    with pytest.raises(BadInput) as caught, whole_file(tmp_path / "a.txt"):
        raise RuntimeError("Exception thrown\n  in writer:\n  No space left on device\n")
    assert "No space left on device" in caught.value.line
    assert "\n" not in caught.value.line
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_disk_full_at_the_last_step(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(BadInput, match="disk is full"):
        write_json(tmp_path / "a.json", {"a": 1})
    assert names(tmp_path) == []


def test_disk_full_on_a_small_disk(small_disk):
    with pytest.raises(BadInput, match="disk is full") as caught, whole_file(small_disk / "a.bin") as temporary:
        temporary.write_bytes(bytes(1 << 20))
    assert "a.bin" in caught.value.line
    assert names(small_disk) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = (
        sys.platform == "linux"
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("a small disk can only be mounted by root on Linux")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_file_size_limit(tmp_path):
    """What a quota does: the write fails in the middle of the file."""
    script = (
        "import resource, sys\n"
        "from BreastSegLib.errors import BadInput\n"
        "from BreastSegLib.files import write_json\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    write_json(sys.argv[1], {'text': 'x' * 100000})\n"
        "except BadInput as error:\n"
        "    sys.stdout.write(error.line)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.json")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(LIBRARY)},
    )
    assert result.stdout.startswith("The file could not be written: File too large")
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of other systems differ")
def test_a_file_that_is_replaced_stays_as_private_as_it_was(tmp_path):
    write_json(tmp_path / "a.json", {})
    (tmp_path / "a.json").chmod(0o600)
    write_json(tmp_path / "a.json", {"b": 1}, overwrite=True)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(BadInput, match="could not be written"):
        write_json(tmp_path / "a.json", {})


def test_json_round_trip(tmp_path):
    record = {"name": "Größe 乳", "values": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", record)
    raw = (tmp_path / "a.json").read_bytes()
    assert "Größe 乳".encode() in raw
    assert raw.endswith(b"}\n")
    assert read_json(tmp_path / "a.json") == record == json.loads(raw)


def test_json_without_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_unreadable_json(tmp_path, content, words):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=words) as caught:
        read_json(path)
    assert "a.json" in caught.value.line
    assert "\n" not in caught.value.line
