"""Zips of models are unpacked safely: only what a model needs, nowhere else, and nothing stays after a failure."""

import errno
import random
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.models import archive
from hostile_models import (
    TOP,
    broken_content,
    changed_header,
    exported,
    link,
    many_entries,
    named,
    overlapping,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def refusal(zip_path, folder, **options):
    """Unpack a hostile zip; return the one line of the refusal after checking that nothing is left."""
    before = sorted(folder.iterdir())
    with pytest.raises(BadInput) as caught:
        archive.unpack(zip_path, folder / "new" / "model", **options)
    assert sorted(folder.iterdir()) == before
    assert "\n" not in caught.value.line and caught.value.line.isprintable()
    assert str(zip_path) in caught.value.line or str(folder) in caught.value.line
    return caught.value.line


@pytest.fixture
def place(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path


def names_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_an_exported_zip_gives_the_files_of_a_model_and_names_the_rest(place):
    path = exported(place / "in" / "model.zip", folds=("0", "1"))
    skipped = archive.unpack(path, place / "out" / "model")
    assert names_below(place / "out" / "model") == [
        f"{TOP}/dataset.json",
        f"{TOP}/dataset_fingerprint.json",
        f"{TOP}/fold_0/checkpoint_final.pth",
        f"{TOP}/fold_1/checkpoint_final.pth",
        f"{TOP}/plans.json",
    ]
    assert f"{TOP}/fold_0/progress.png" in skipped
    assert (place / "out" / "model" / TOP / "fold_0" / "checkpoint_final.pth").read_bytes() == b"weights"


def test_an_empty_folder_that_is_there_is_used_and_a_full_one_is_refused(place):
    path = exported(place / "in" / "model.zip")
    archive.unpack(path, place / "out")
    with pytest.raises(BadInput, match="not empty"):
        archive.unpack(path, place / "out")
    assert names_below(place / "out")


def test_the_best_checkpoint_is_taken_only_of_folds_without_a_final_one_or_when_asked_for(place):
    extra = [(f"{TOP}/fold_0/checkpoint_best.pth", b"best"), (f"{TOP}/fold_1/checkpoint_best.pth", b"best")]
    path = exported(place / "in" / "model.zip", [*extra, (f"{TOP}/fold_1/checkpoint_latest.pth", b"latest")])
    archive.unpack(path, place / "out" / "a")
    found = [name for name in names_below(place / "out" / "a") if name.endswith(".pth")]
    assert found == [f"{TOP}/fold_0/checkpoint_final.pth", f"{TOP}/fold_1/checkpoint_best.pth"]
    archive.unpack(path, place / "out" / "b", checkpoint="checkpoint_best.pth")
    found = [name for name in names_below(place / "out" / "b") if name.endswith(".pth")]
    assert found == [f"{TOP}/fold_0/checkpoint_best.pth", f"{TOP}/fold_1/checkpoint_best.pth"]


def test_windows_slashes_and_other_alphabets_are_ordinary_names(place):
    path = place / "in" / "model.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(named("Dataset001_Грудь\\модель 乳\\plans.json"), b"{}")
        made.writestr(named("./Dataset001_Грудь/модель 乳//dataset.json"), b"{}")
    archive.unpack(path, place / "out" / "model")
    assert names_below(place / "out" / "model") == [
        "Dataset001_Грудь/модель 乳/dataset.json",
        "Dataset001_Грудь/модель 乳/plans.json",
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../plans.json", "leads out"),
        (f"{TOP}/../../../evil.txt", "leads out"),
        ("..\\..\\evil.txt", "leads out"),
        ("a/..\\b.txt", "leads out"),
        ("/etc/plans.json", "absolute"),
        ("\\\\server\\share\\plans.json", "absolute"),
        ("C:/plans.json", "drive"),
        ("C:plans.json", "drive"),
        ("a/plans.json:stream", "drive"),
        ("a/NUL", "device"),
        ("con.json/plans.json", "device"),
        ("a/Lpt1 .txt", "device"),
        ("a/COM².pth", "device"),
        ("a./plans.json", "dot or a space"),
        ("a/plans.json ", "dot or a space"),
        ("a/pl\x00ans.json", "control"),
        ("a/pl\nans.json", "control"),
    ],
)
def test_an_unsafe_name_is_refused_even_where_a_model_does_not_need_the_entry(place, name, reason):
    path = exported(place / "in" / "model.zip", [(named(name), b"evil")])
    line = refusal(path, place / "out")
    assert reason in line and "unsafe entry" in line
    assert not list(place.rglob("evil*")) and sorted(place.iterdir()) == [place / "in", place / "out"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (link(f"{TOP}/fold_0/link"), "a link"),
        (link(f"{TOP}/recipe.json"), "a link"),
        (named(f"{TOP}/pipe", stat.S_IFIFO | 0o644), "no ordinary file"),
        (named(f"{TOP}/disk", stat.S_IFBLK | 0o644), "no ordinary file"),
        (named(f"{TOP}/junction", 0, 0x400), "a link"),
    ],
)
def test_links_and_devices_are_refused_by_name(place, entry, reason):
    name = entry.filename
    line = refusal(exported(place / "in" / "model.zip", [(entry, b"/etc/passwd")]), place / "out")
    assert reason in line and name in line


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([f"{TOP}/Plans.json"], "two entries of one name"),
        ([f"{TOP.upper()}/plans.json"], "two entries of one name"),
        ([f"{TOP}/re\u0301cit.txt", f"{TOP}/r\u00e9cit.txt"], "two entries of one name"),
        ([f"{TOP}/plans.json/x"], "file and a folder of one name"),
    ],
)
def test_names_that_are_one_name_on_some_system_are_refused(place, names, reason):
    path = exported(place / "in" / "model.zip", [(name, b"other") for name in names])
    assert reason in refusal(path, place / "out")


def test_an_entry_given_twice_is_refused(place):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = exported(place / "in" / "model.zip", [(f"{TOP}/plans.json", b"other")])
    assert f"{TOP}/plans.json" in refusal(path, place / "out")


def test_an_encrypted_entry_is_refused_by_name(place):
    path = exported(place / "in" / "model.zip")
    changed_header(path, f"{TOP}/dataset.json", flags=1)
    line = refusal(path, place / "out")
    assert "encrypted" in line and f"{TOP}/dataset.json" in line


def test_a_compression_that_models_do_not_use_is_refused(place):
    path = place / "in" / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("plans.json", b"{}")
    assert "compression" in refusal(path, place / "out")


def test_a_bomb_is_refused_by_its_declared_size_before_anything_is_written(place):
    path = exported(place / "in" / "model.zip", checkpoint=bytes(64 << 20))
    assert path.stat().st_size < 1 << 20
    line = refusal(path, place / "out")
    assert "fill the disk" in line and "checkpoint_final.pth" in line


@pytest.mark.parametrize(("name", "size"), [("plans.json", 65 << 20), ("fold_0/checkpoint_final.pth", 0xFFFFFFF0)])
def test_an_entry_declared_larger_than_any_model_file_is_refused(place, name, size):
    path = exported(place / "in" / "model.zip")
    changed_header(path, f"{TOP}/{name}", unpacked=size, packed=7)
    line = refusal(path, place / "out")
    assert f"{TOP}/{name}" in line


def test_a_bomb_that_declares_a_small_size_writes_no_more_than_it_declares_and_is_refused(place, monkeypatch):
    path = exported(place / "in" / "model.zip", checkpoint=bytes(32 << 20))
    changed_header(path, f"{TOP}/fold_0/checkpoint_final.pth", unpacked=1000)
    written = []
    whole = archive._Target.write
    monkeypatch.setattr(archive._Target, "write", lambda self, piece: (written.append(len(piece)), whole(self, piece)))
    line = refusal(path, place / "out")
    assert "damaged" in line and "checkpoint_final.pth" in line
    assert sum(written) <= 1000


def test_an_entry_shorter_than_declared_is_refused(place):
    path = exported(place / "in" / "model.zip")
    changed_header(path, f"{TOP}/fold_0/checkpoint_final.pth", unpacked=1000)
    assert "damaged" in refusal(path, place / "out")


def test_entries_that_share_their_bytes_are_refused(place):
    assert "share bytes" in refusal(overlapping(place / "in" / "model.zip"), place / "out")


def test_a_hundred_thousand_entries_are_refused(place):
    assert "entries" in refusal(many_entries(place / "in" / "model.zip", 100_000), place / "out")


def test_a_directory_of_many_megabytes_is_refused_before_it_is_read(place, monkeypatch):
    monkeypatch.setattr("BreastSegLib.models.zipped.MOST_DIRECTORY", 1 << 10)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "too many entries" in refusal(many_entries(place / "in" / "model.zip", 100), place / "out")


def test_a_zip_within_a_zip_is_not_followed_but_named(place):
    inner = exported(place / "in" / "inner.zip")
    path = place / "in" / "outer.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.write(inner, "weights/inner.zip")
    line = refusal(path, place / "out")
    assert "weights/inner.zip" in line and "Unpack it once" in line


def test_a_zip_without_a_model_is_refused(place):
    path = place / "in" / "other.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("readme.txt", b"nothing")
    assert "no plans.json" in refusal(path, place / "out")


def test_a_wrong_checksum_is_refused_by_name(place):
    path = exported(place / "in" / "model.zip", checkpoint=bytes(range(256)) * 4000)
    changed_header(path, f"{TOP}/fold_0/checkpoint_final.pth", crc=1)
    line = refusal(path, place / "out")
    assert "checkpoint_final.pth" in line and "damaged" in line


def test_broken_content_is_refused_by_name(place):
    path = broken_content(exported(place / "in" / "model.zip"), f"{TOP}/plans.json")
    assert f"{TOP}/plans.json" in refusal(path, place / "out")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_cut_off_zip_is_refused(place, share):
    path = exported(place / "in" / "model.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "cut off" in refusal(path, place / "out")


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(place):
    assert "cannot be read" in refusal(place / "in" / "none.zip", place / "out")
    assert "cannot be read" in refusal(place / "in", place / "out")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/".join(["a"] * 9) + "/plans.json", "too many folders"),
        ("a" * 130 + "/plans.json", "too long a name"),
        ("/".join(["a" * 60] * 4) + "/plans.json", "too long a name"),
        ("a?b/plans.json", "Windows cannot write"),
    ],
)
def test_names_that_cannot_be_written_everywhere_are_refused(place, name, reason):
    assert reason in refusal(exported(place / "in" / "model.zip", [(name, b"{}")]), place / "out")


def test_a_full_disk_is_told_before_and_while_writing(place, monkeypatch):
    path = exported(place / "in" / "model.zip", checkpoint=random.Random(1).randbytes(3 << 20))
    with monkeypatch.context() as patch:
        patch.setattr(archive.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
        assert "disk is full" in refusal(path, place / "out")

    def full(self, piece):
        raise OSError(errno.ENOSPC, "No space left on device")

    class FullDisk:
        write = full

        def close(self):
            pass

    monkeypatch.setattr(archive, "_open_new", lambda target: FullDisk())
    assert "disk is full" in refusal(path, place / "out")


def test_cancelling_leaves_nothing(place):
    path = exported(place / "in" / "model.zip")

    def report(stage, done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        archive.unpack(path, place / "out", report)
    assert not list((place / "out").iterdir())


def test_progress_ends_at_its_total(place):
    said = []
    path = exported(place / "in" / "model.zip", checkpoint=random.Random(1).randbytes(3 << 20))
    archive.unpack(path, place / "out", lambda *row: said.append(row))
    assert said[-1][1] == said[-1][2] == 3 and all(stage == archive.STAGE for stage, _, _ in said)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6), cut=st.floats(0, 1))
def test_a_zip_with_any_bytes_changed_is_unpacked_inside_the_folder_or_refused(tmp_path_factory, changes, cut):
    folder = tmp_path_factory.mktemp("fuzz")
    path = exported(folder / "model.zip")
    content = bytearray(path.read_bytes())
    for share, value in changes:
        content[int(share * (len(content) - 1))] = value
    path.write_bytes(content[: len(content) if cut > 0.2 else int(cut * 5 * len(content))])
    try:
        archive.unpack(path, folder / "out")
    except BadInput as error:
        assert sorted(folder.iterdir()) == [path] and "\n" not in error.line
    else:
        assert sorted(folder.iterdir()) == [path, folder / "out"]
        for found in (folder / "out").rglob("*"):
            assert found.is_dir() or found.name in (*archive.KEEP, *archive.CHECKPOINTS)


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.sampled_from("ab./\\:C\0 \n~$|é\u0301"), min_size=1, max_size=12))
def test_whatever_a_name_is_made_of_its_parts_stay_inside(name):
    try:
        parts = archive._safe_parts(name, "x.zip")
    except BadInput:
        return
    assert not {"..", ".", ""} & set(parts)
    assert not any(set("/\\:\0") & set(part) for part in parts)
