"""The check of a table: what it writes, what it reads again, fixes, cancelling, and the verb ``check``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.files import write_image
from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
from BreastSegLib.samples.mammogram import make_mammogram
from BreastSegLib.samples.writing import write_dce_sample
from BreastSegTrainingLib import checks
from BreastSegTrainingLib.__main__ import main
from BreastSegTrainingLib.cases import Case, CaseTable, update_file
from BreastSegTrainingLib.checks import stale
from check_cases import read_rows, sample, write_case, write_table

ROOT = Path(__file__).resolve().parents[2]


def check(path, **options):
    return checks.check(path, **{"workers": 1, **options})


def two(folder, **values):
    """Write a table of two sound cases."""
    return write_table(folder, write_case(folder, "a"), write_case(folder, "b", 2, "right", **values))


def touch(path):
    """Let a file be newer."""
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))


# what is written


def test_sound_cases_are_told_what_the_files_tell(tmp_path):
    path = two(tmp_path, notes="stays", phase_count="7")
    result = check(path)
    assert (result["ok"], result["fix"], result["refused"], result["unreadable"], result["read"]) == (2, 0, 0, 0, 2)
    assert result["findings"] == {} and result["cases"] == [] and result["notes"] == []
    rows = read_rows(path)
    assert [rows[name].get("status") for name in "ab"] == ["ok", "ok"]
    assert [rows[name].get("side") for name in "ab"] == ["left", "right"]
    assert rows["a"].get("spacing") == "2 2 3" and rows["a"].get("phase_count") == "3"
    assert rows["b"].get("phase_count") == "7" and rows["b"].get("notes") == "stays"  # what a person wrote
    truth = sample().truth
    assert rows["a"].number("volume_mm3") == pytest.approx(truth.array.sum() * 12, rel=1e-5)
    assert all((tmp_path / "my cases.thumbnails" / f"{name}.png").is_file() for name in "ab")
    assert stale(path) == []


def test_dicom_exams_and_mammograms(tmp_path):
    write_dce_sample(sample(), tmp_path / "d")
    film = make_mammogram(3, "L", "MLO", size=(416, 320))
    write_mammogram_dicom(film, tmp_path / "m.dcm")
    np.save(tmp_path / "m.npy", film.truth.astype(np.uint8)[None])
    path = write_table(
        tmp_path,
        Case({"case": "d", "patient": "1", "exam": "d/exam", "mask": "d/truth.nii.gz"}),
        Case({"case": "m", "patient": "2", "image": "m.dcm", "mask": "m.npy", "side": "right"}),
        Case({"case": "e", "patient": "3", "exam": "d/exam", "mask": "d/truth.nii.gz"}),
    )
    result = check(path)
    rows = read_rows(path)
    assert rows["d"].get("status") == "ok" and rows["d"].get("field_strength") == "1.5" and rows["d"].get("scanner")
    assert rows["m"].get("findings") == "side: the table says right, the file shows left"
    assert rows["m"].get("view") == "MLO" and rows["m"].get("area_mm2") and not rows["m"].get("volume_mm3")
    assert rows["e"].get("findings").startswith("patient-two-ids: the same image as d, which is patient 1; duplicate-")
    assert result["findings"] == {"side": 1, "patient-two-ids": 1, "duplicate-image": 1}
    kept = (tmp_path / "my cases.checked.json").read_text()
    for secret in ("SYNTHETIC", "Sample^", "19700101"):
        assert secret not in kept
    # The next check finds the same persons, though their hashes are drawn anew and never kept.
    table = CaseTable.read(path)
    table.replace(c for c in table if c.name != "e").write(path, overwrite=True)
    write_dce_sample(sample(4), tmp_path / "again")
    for file in (tmp_path / "again" / "exam").rglob("*.dcm"):
        file.unlink()
    update_file(path, {"m": {"patient": "1"}})
    again = check(path)
    assert again["read"] == 0 and "patient-two-people" in again["findings"]


def test_files_that_are_gone_are_said_and_others_are_checked(tmp_path):
    path = write_table(tmp_path, write_case(tmp_path, "a"), write_case(tmp_path, "b", 2).changed(exam="Gone\\x"))
    result = check(path)
    assert result["unreadable"] == 1 and result["ok"] == 1 and result["refused"] == 1
    assert "unreadable: Exam: there is no folder Gone\\x" in read_rows(path)["b"].get("findings")
    assert stale(path) == ["b"]
    write_case(tmp_path, "b", 2)
    update_file(path, {"b": {"exam": "b"}})
    assert check(path)["ok"] == 2 and stale(path) == []


def test_rows_that_are_wrong_are_refused(tmp_path):
    good = write_case(tmp_path, "a")
    path = write_table(
        tmp_path, good, good, good.changed(case="../x"), good.changed(case="c", age="old", patient="P_a")
    )
    result = check(path)
    rows = CaseTable.read(path).cases
    assert [row.get("status") for row in rows] == ["refused"] * 4 and result["refused"] == 3  # two have one name
    assert "used 2 times" in rows[0].get("findings") and "not a number" in rows[3].get("findings")
    assert not (tmp_path / "x.png").exists() and len(list(tmp_path.rglob("*.png"))) == 1


# what is read again


def test_only_what_has_changed_is_read_again(tmp_path):
    path = two(tmp_path)
    assert check(path)["read"] == 2 and check(path)["read"] == 0
    update_file(path, {"a": {"age": "50", "status": "refused", "findings": "export: no"}})
    assert stale(path) == ["a"] and check(path)["read"] == 0 and stale(path) == []
    touch(tmp_path / "b.nrrd")
    assert stale(path) == ["b"] and check(path)["read"] == 1 and stale(path) == []
    touch(tmp_path / "a" / "phase_0001.npy")
    assert stale(path) == ["a"] and check(path)["read"] == 1
    update_file(path, {"b": {"label": "1"}})
    assert stale(path) == ["b"] and check(path)["read"] == 1
    update_file(path, {"b": {"selected": "no", "snr": "3"}})
    assert stale(path) == ["b"]
    assert check(path, again=True)["read"] == 2
    (tmp_path / "my cases.thumbnails" / "a.png").unlink()
    assert check(path, thumbnails=False)["read"] == 0 and check(path)["read"] == 1
    update_file(path, {"a": {"status": None}})
    assert stale(path) == ["a"]


def test_a_table_in_the_folder_of_its_exam_is_not_out_of_date_for_that(tmp_path):
    path = write_table(tmp_path, write_case(tmp_path, "a").changed(exam="a/../a"))
    check(path)
    (tmp_path / "a" / "my cases.csv").write_text("x")
    (tmp_path / "a" / "my cases.checked.json").write_text("x")
    if sys.platform != "win32":  # where links need rights
        (tmp_path / "a" / "loop").symlink_to(tmp_path / "a", target_is_directory=True)
    names = stale(path)
    (tmp_path / "a" / "loop").unlink(missing_ok=True)
    assert names == ["a"] and stale(path) == []


def test_the_recipe_counts_where_it_is_asked_for(tmp_path):
    path = two(tmp_path)
    recipe = "phase-aware-0000-0002"
    assert check(path, recipe=recipe)["ok"] == 2
    assert stale(path) == [] and stale(path, recipe) == [] and stale(path, "single-phase-0002") == ["a", "b"]
    assert check(path, recipe="breastdm-pre-post-sub", names=["a"])["read"] == 0
    assert stale(path, recipe) == ["a"]
    assert check(path, recipe="ffdm-512")["findings"] == {"recipe": 2}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 1}', b"\xff\xfe", b'{"format": "breastseg-checks-1"}']
)
def test_a_damaged_cache_is_ignored_and_said(tmp_path, content):
    path = two(tmp_path)
    check(path, thumbnails=False)
    kept = tmp_path / "my cases.checked.json"
    kept.write_bytes(content)
    assert stale(path) == ["a", "b"]
    result = check(path, thumbnails=False)
    assert result["read"] == 2 and result["ok"] == 2 and len(result["notes"]) == 1
    assert check(path, thumbnails=False)["notes"] == []


def test_a_cache_that_was_changed_by_hand_is_ignored(tmp_path):
    path = two(tmp_path)
    check(path, thumbnails=False)
    kept = tmp_path / "my cases.checked.json"
    record = json.loads(kept.read_text())
    record["cases"]["a"]["facts"]["phases"] = [{"role": "first"}]
    kept.write_text(json.dumps(record))
    assert check(path, thumbnails=False)["read"] == 2


def test_some_cases_only_and_what_they_do_to_others(tmp_path):
    path = write_table(tmp_path, write_case(tmp_path, "a"), write_case(tmp_path, "b", 2), write_case(tmp_path, "c", 3))
    check(path, names=["a"])
    assert [row.get("status") for row in read_rows(path).values()] == ["ok", "", ""]
    assert stale(path) == ["b", "c"]
    check(path)
    # Now a shows what c shows; c was right and is right no more.
    write_case(tmp_path, "a", 3)
    result = check(path, names=["a"])
    assert (result["ok"], result["read"]) == (1, 1)
    assert [row.get("status") for row in read_rows(path).values()] == ["ok", "ok", "fix"]
    before = path.stat().st_mtime_ns
    assert check(path, names=[])["read"] == 0 and path.stat().st_mtime_ns == before
    with pytest.raises(BadInput, match="no such case"):
        check(path, names=["z"])


# fixes


def test_a_mask_on_another_grid_is_resampled_when_that_is_chosen(tmp_path):
    case = write_case(tmp_path, "a")
    truth = sample().truth
    coarse = truth.to_sitk()[::2, :, :]
    write_image(coarse, tmp_path / "a.nrrd")
    path = write_table(tmp_path, case)
    assert check(path)["findings"] == {"mask-grid": 1}
    assert read_rows(path)["a"].get("status") == "fix"
    result = check(path, fixes=["mask-grid=resample"])
    row = read_rows(path)["a"]
    assert result["ok"] == 1 and row.get("fixes") == "resample" and row.get("status") == "ok"
    assert result["read"] == 0 and stale(path) == [] and not row.get("findings")
    assert row.number("volume_mm3") == pytest.approx(truth.array.sum() * 12, rel=0.15)


@pytest.mark.parametrize(
    ("change", "code", "fix"),
    [
        (lambda m: m * 255, "label-255", "to-1"),
        (lambda m: m * 7, "label-value", "to-1"),
        (lambda m: m * 0, "mask-empty", "negative"),
        (lambda m: m + (np.cumsum(m).reshape(m.shape) > m.sum() / 2) * m, "several-labels", "merge"),
    ],
)
def test_fixes_of_real_masks(tmp_path, change, code, fix):
    mask = change(sample().truth.array.astype(np.uint8))
    path = write_table(tmp_path, write_case(tmp_path, "a", mask=mask))
    assert check(path)["findings"] == {code: 1}
    assert check(path, fixes=[f"{code}={fix}"])["ok"] == 1
    assert check(path)["ok"] == 1 and read_rows(path)["a"].get("fixes") == fix


def test_all_fixes_at_once_leave_what_needs_judgement(tmp_path):
    mask = sample().truth.array.astype(np.uint8) * 255
    path = write_table(
        tmp_path,
        write_case(tmp_path, "a", mask=mask),
        write_case(tmp_path, "b", mask=mask, side="left").changed(side="right"),
    )
    result = check(path, fix_all=True)
    rows = read_rows(path)
    assert rows["a"].get("status") == "ok" and rows["a"].get("fixes") == "to-1"
    assert rows["b"].get("selected") == "no" and rows["b"].get("patient") == "P_a"
    assert rows["b"].get("reason") == "check: the same image as a" and result["findings"] == {"side": 1}
    check(path, fixes=["side=side-from-mask"], names=["b"])
    assert read_rows(path)["b"].get("side") == "left" and read_rows(path)["b"].get("status") == "ok"
    # Selected again it is a duplicate again, and the export would know.
    update_file(path, {"b": {"selected": None}})
    assert stale(path) == ["b"]
    assert check(path)["findings"] == {"duplicate-image": 1}


# cancelled, killed, edited meanwhile


def stop_after(count):
    def report(stage, done, total):
        if stage == "Checking" and done >= count:
            raise Cancelled

    return report


def test_what_was_read_before_a_cancel_is_kept(tmp_path):
    path = write_table(tmp_path, *(write_case(tmp_path, f"n{k}", k) for k in range(4)))
    before = path.read_bytes()
    with pytest.raises(Cancelled):
        check(path, report=stop_after(2))
    assert path.read_bytes() == before and len(stale(path)) == 4
    result = check(path)
    assert result["read"] == 2 and result["ok"] == 4


def test_what_was_read_before_the_process_was_killed_is_kept(tmp_path):
    path = write_table(tmp_path, *(write_case(tmp_path, f"n{k}", k) for k in range(3)))
    program = (
        "import os, sys\n"
        "from BreastSegTrainingLib.checks import run\n"
        "run.SAVE_EVERY_S = run.SAVE_SHARE = 1e-9\n"
        "run.SAVE_SHARE = 1e9\n"
        "end = lambda stage, done, total: os._exit(9) if stage == 'Checking' and done == 2 else None\n"
        "run.check(sys.argv[1], workers=1, report=end)\n"
    )
    paths = os.pathsep.join(str(ROOT / name) for name in ("BreastSeg", "BreastSegTraining"))
    ended = subprocess.run([sys.executable, "-c", program, str(path)], env={**os.environ, "PYTHONPATH": paths})
    assert ended.returncode == 9
    assert check(path)["read"] == 1


def test_what_a_person_edits_meanwhile_is_kept_and_checked_again(tmp_path):
    path = two(tmp_path)

    def report(stage, done, total):
        if stage == "Checking" and done == 1:
            update_file(path, {"a": {"age": "44"}})

    check(path, report=report)
    row = read_rows(path)["a"]
    assert row.get("age") == "44" and row.get("status") == "ok" and stale(path) == ["a"]


def test_what_a_person_fills_in_meanwhile_is_not_replaced_by_what_files_tell(tmp_path):
    path = two(tmp_path)
    assert not read_rows(path)["a"].get("side")

    def report(stage, done, total):
        if stage == "Checking" and done == 1:
            update_file(path, {"a": {"side": "right", "fixes": "accept-side"}})

    check(path, report=report, fix_all=True)
    row = read_rows(path)["a"]
    assert (row.get("side"), row.get("fixes")) == ("right", "accept-side") and stale(path) == ["a"]
    check(path)
    assert stale(path) == [] and read_rows(path)["b"].get("side")


def test_several_processes_find_the_same(tmp_path):
    path = write_table(tmp_path, *(write_case(tmp_path, f"n{k}", k % 2) for k in range(4)))
    check(path, workers=2)
    first = path.read_bytes()
    check(path, workers=1, again=True)
    assert path.read_bytes() == first and read_rows(path)["n2"].get("status") == "fix"


# the verb


def test_people_read_what_was_found(tmp_path, capsys):
    mask = sample().truth.array.astype(np.uint8) * 255
    path = write_table(tmp_path, write_case(tmp_path, "a", mask=mask))
    assert main(["check", str(path), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "Cases: 0 right, 1 in need of a fix, 0 refused." in said and "--fix label-255=to-1" in said
    assert main(["check", str(path), "--workers", "1", "--fix", "label-255=to-1", "--cases", "a"]) == 0
    assert "Cases: 1 right" in capsys.readouterr().out


def test_programs_get_events(tmp_path, capsys):
    path = write_table(tmp_path, write_case(tmp_path, "a").changed(mask="gone.nrrd"), write_case(tmp_path, "b", 2))
    assert main(["check", str(path), "--workers", "1", "--events", "--no-thumbnails"]) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    result = events[-1]
    assert result["event"] == "result" and (result["ok"], result["refused"]) == (1, 1)
    assert result["cases"][0]["case"] == "a" and result["findings"] == {"unreadable": 1}
    assert {"progress"} == {event["event"] for event in events[:-1]} and not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize(
    "more", [["--fix", "x=y"], ["--recipe", "none such"], ["--workers", "0"], ["--cases", "z"], ["--fix", "side"]]
)
def test_wrong_commands_are_refused_in_one_line(tmp_path, capsys, more):
    path = two(tmp_path)
    before = path.read_bytes()
    assert main(["check", str(path), *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1 and path.read_bytes() == before
    assert main(["check", str(tmp_path / "none.csv")]) == 2


def test_a_table_that_cannot_be_written_loses_nothing(tmp_path, monkeypatch):
    path = two(tmp_path)
    before = path.read_bytes()

    def full(source, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(BadInput, match="disk is full"):
        patch.setattr(os, "replace", full)
        check(path)
    assert path.read_bytes() == before and not list(tmp_path.glob(".part-*"))
    assert check(path)["ok"] == 2
