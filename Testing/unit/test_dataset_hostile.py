"""Datasets in the hands of people, spreadsheet programs and failing disks: what is finished is always right."""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegTrainingLib.__main__ import main
from BreastSegTrainingLib.cases import CaseTable
from BreastSegTrainingLib.dataset import SplitOptions, export
from BreastSegTrainingLib.dataset.names import read_key, write_key
from dataset_cases import RECIPE, check_dataset, listing, options, tiny_case, tiny_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAME = "Dataset101_Sample"
EXPORT = sys.modules[export.__module__]


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(EXPORT, "export_case", tiny_case)
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # most of the time of small files


def six(folder):
    return tiny_table(folder, [(f"c{k}", f"p{k // 2}") for k in range(6)])


def content(folder):
    return {path: data for path, (data, _) in listing(folder).items() if not path.endswith(".lock")}


def test_a_case_that_fails_later_leaves_nothing_behind(tmp_path):
    """Its exam or mask is gone or damaged: its old files would be trained on, though no split knows them."""
    table = six(tmp_path)
    export(table, options(tmp_path))
    (tmp_path / "c0.png").unlink()
    (tmp_path / "c5.mask.png").write_text("damaged")
    result = export(table, options(tmp_path))
    assert {case for case, _ in result.failed} == {"c0", "c5"} and result.unchanged == 4
    assert set(check_dataset(tmp_path / "raw" / NAME, tmp_path / "key.csv")) == {"c1", "c2", "c3", "c4"}


def test_a_drive_that_is_not_connected_costs_nothing(tmp_path):
    table = six(tmp_path)
    export(table, options(tmp_path))
    before = content(tmp_path / "raw")
    with pytest.raises(BadInput, match="No case could be exported"):
        export(table.replace([case.changed(image=f"away/{case.name}.png") for case in table]), options(tmp_path))
    assert content(tmp_path / "raw") == before


def test_a_fold_without_cases_is_told_and_then_refused(tmp_path):
    table = tiny_table(tmp_path, [(f"c{k}", f"p{k}") for k in range(4)])
    export(table, options(tmp_path))
    alone = next(row.case for row in read_key(tmp_path / "key.csv") if row.fold == 2)
    (tmp_path / f"{alone}.mask.png").write_text("damaged")
    result = export(table, options(tmp_path))
    assert [note for note in result.notes if "Fold 2 has no case left" in note]
    fewer = table.replace(case for case in table if case.name != alone)
    with pytest.raises(BadInput, match="Fold 2 has no patients any more.*--resplit"):
        export(fewer, options(tmp_path))
    assert export(fewer, options(tmp_path, resplit=True)).notes == []


def test_a_dataset_needs_training_cases(tmp_path):
    table = six(tmp_path)
    cases = [case.changed(split="test") for case in table]
    with pytest.raises(BadInput, match="none for training"):
        export(table.replace(cases), options(tmp_path, split=SplitOptions(0, 0)))


@pytest.mark.parametrize("ended", [KeyboardInterrupt, PermissionError])
def test_ended_at_any_step_it_goes_on(tmp_path, monkeypatch, ended):
    """A new division moves cases; one case is new, one changed, one gone: each call for the disk fails once."""
    old = six(tmp_path)
    export(old, options(tmp_path))
    rows = [(f"c{k}", f"p{k // 2}") for k in range(1, 8)]
    table = tiny_table(tmp_path, rows)
    (tmp_path / "c3.mask.png").write_text("3")
    wanted = options(tmp_path, remove=True, resplit=True, split=SplitOptions(0.3, 2, seed=1))
    first = shutil.copytree(tmp_path / "raw", tmp_path / "raw.first")
    shutil.copy(tmp_path / "key.csv", tmp_path / "first.csv")
    real = {name: getattr(os, name) for name in ("replace", "unlink", "rename", "remove")}
    count = [0]
    expected = None
    for step in range(0, 300, 5):
        shutil.rmtree(tmp_path / "raw")
        shutil.copytree(first, tmp_path / "raw")
        shutil.copy(tmp_path / "first.csv", tmp_path / "key.csv")
        count[0] = 0

        def failing(name, at=step):
            def call(*args, **kwargs):
                count[0] += not str(args[0]).endswith(".lock")
                if count[0] == at + 1 and not str(args[0]).endswith(".lock"):
                    raise ended(13, "Permission denied")
                return real[name](*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, failing(name))
            try:
                export(table, wanted)
                done = count[0] <= step
            except (KeyboardInterrupt, BadInput):
                done = False
        if done:
            break
        export(table, wanted)
        places = check_dataset(tmp_path / "raw" / NAME, tmp_path / "key.csv")
        assert set(places) == {case for case, _ in rows}
        found = content(tmp_path / "raw" / NAME)
        expected = expected or found
        assert found == expected
    assert step > 20 and expected


def test_a_cancel_leaves_no_temporary_files(tmp_path):
    """A process that is ended while it writes cannot clear up itself."""
    table = six(tmp_path)

    def report(_stage, done, _total):
        if done == 2:
            (tmp_path / "raw" / NAME / "imagesTr" / ".part-ended").mkdir()
            raise Cancelled()

    with pytest.raises(Cancelled):
        export(table, options(tmp_path), report)
    assert not list((tmp_path / "raw").rglob(".part-*"))


def test_a_killed_export_leaves_no_names_beside_the_key(tmp_path):
    table = six(tmp_path)
    for folder, name in ((tmp_path, ".part-x-key.csv"), (tmp_path / "raw" / NAME, ".part-x-dataset.json")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("MEIER")
    (tmp_path / ".part-x-other.csv").write_text("of another program")
    export(table, options(tmp_path))
    assert [path.name for path in tmp_path.rglob(".part-*")] == [".part-x-other.csv"]


def test_thousands_of_cases(tmp_path):
    """``BC_1000.nii.gz`` is the mask of a case, not the channel 1000 of BC."""
    table = six(tmp_path)
    export(table, options(tmp_path, names="BC"))
    rows = read_key(tmp_path / "key.csv")
    write_key(tmp_path / "key.csv", [*rows, replace(rows[0], name="BC_0999", case="", patient="")])
    grown = tiny_table(tmp_path, [(f"c{k}", f"p{k // 2}") for k in range(8)])
    assert export(grown, options(tmp_path, names="BC")).written == 2
    assert "BC_1000" in {row.name for row in read_key(tmp_path / "key.csv")}
    assert export(grown, options(tmp_path, names="BC")).unchanged == 8
    check = {path.name for path in (tmp_path / "raw" / NAME / "labelsTr").iterdir()}
    assert {"BC_1000.nii.gz", "BC_1001.nii.gz"} <= check


@pytest.mark.parametrize(
    "damage", ["[]", "{}", '{"format": "breastseg-dataset-case-1", "files": {}, "samples": [7]}', ""]
)
def test_damaged_records_are_written_again(tmp_path, damage):
    table = six(tmp_path)
    export(table, options(tmp_path))
    record = tmp_path / "raw" / NAME / "records" / "P001_2.json"
    before = record.read_bytes()
    record.write_text(damage)
    assert export(table, options(tmp_path)).written == 1
    assert record.read_bytes() == before


def test_a_record_by_hand_moves_no_foreign_file(tmp_path):
    table = six(tmp_path)
    export(table, options(tmp_path))
    (tmp_path / "mine.txt").write_text("mine")
    record = tmp_path / "raw" / NAME / "records" / "P001_1.json"
    told = json.loads(record.read_text())
    record.write_text(json.dumps({**told, "part": "test", "files": {"../../mine.txt": 4}}))
    assert export(table, options(tmp_path)).written == 1
    assert (tmp_path / "mine.txt").read_text() == "mine"
    check_dataset(tmp_path / "raw" / NAME, tmp_path / "key.csv")


def test_one_key_for_two_places_hides_no_change(tmp_path):
    """The key says what the other copy was made from; this one still has the old mask."""
    table = six(tmp_path)
    export(table, options(tmp_path))
    shutil.copytree(tmp_path / "raw", tmp_path / "copy")
    (tmp_path / "c2.mask.png").write_text("2")
    export(table, options(tmp_path))
    assert export(table, options(tmp_path, output=tmp_path / "copy")).written == 1
    check_dataset(tmp_path / "copy" / NAME, tmp_path / "key.csv")


def test_the_key_of_another_dataset_is_refused(tmp_path):
    (tmp_path / "other").mkdir()
    export(six(tmp_path), options(tmp_path))
    other = tiny_table(tmp_path / "other", [(f"x{k}", f"q{k}") for k in range(4)])
    export(other, options(tmp_path, dataset="102_Other", key=tmp_path / "other.csv"))
    before = content(tmp_path / "raw")
    with pytest.raises(BadInput, match="the key of Dataset102_Other"):
        export(other, options(tmp_path, key=tmp_path / "other.csv", remove=True))
    assert content(tmp_path / "raw") == before


def test_a_number_is_given_once(tmp_path):
    export(six(tmp_path), options(tmp_path))
    with pytest.raises(BadInput, match="could not tell them apart: Dataset101_Sample"):
        export(six(tmp_path), options(tmp_path, dataset="101_Other", key=tmp_path / "other.csv"))


def test_the_key_stays_out_of_the_dataset_whatever_way_it_is_written(tmp_path):
    (tmp_path / "raw" / "x").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "raw", target_is_directory=True)
    for key in (tmp_path / "raw" / "x" / ".." / NAME / "key.csv", tmp_path / "link" / NAME / "key.csv"):
        with pytest.raises(BadInput, match="key file lies in the dataset"):
            export(six(tmp_path), options(tmp_path, key=key))


def test_records_that_the_key_does_not_know_are_not_removed(tmp_path):
    export(six(tmp_path), options(tmp_path))
    foreign = tmp_path / "raw" / NAME / "records" / "Q9_1.json"
    foreign.write_text("{}")
    with pytest.raises(BadInput, match="no export of this table wrote: Q9_1"):
        export(six(tmp_path), options(tmp_path, remove=True))
    assert foreign.exists()


def test_a_disk_that_cannot_be_written_fails_no_case(tmp_path, monkeypatch):
    """The NIfTI writer does not say that the disk is full: the file is not whole."""
    table, failed, tried = six(tmp_path), [], []

    def full(job):
        tried.append(job.case)
        if len(tried) == 1:
            return tiny_case(job)
        raise BadInput("The file could not be written whole", "x.nii.gz", "Check the free space; nothing was kept")

    monkeypatch.setattr(EXPORT, "export_case", full)
    with pytest.raises(BadInput, match="could not be written whole"):
        export(table, options(tmp_path), failed=failed)
    assert (failed, tried) == ([], ["c0", "c1"])


def test_the_table_says_what_failed_also_when_nothing_is_left(tmp_path, monkeypatch, capsys):
    table = six(tmp_path).write(tmp_path / "t.csv")
    verb = sys.modules["BreastSegTrainingLib.commands.export"]
    monkeypatch.setattr(verb, "stale", lambda *_: [])
    monkeypatch.setattr(verb, "check", lambda *_, **__: None)
    for case in table:
        (tmp_path / f"{case.name}.mask.png").write_text("damaged")
    command = ["export", str(tmp_path / "t.csv"), "--recipe", RECIPE, "--output", str(tmp_path / "raw")]
    command += ["--dataset", "101_Sample", "--workers", "1", "--folds", "3"]
    assert main([*command, "--key", str(tmp_path / "t.csv")]) == 2
    assert "would replace the case table" in capsys.readouterr().err
    assert main(command) == 2
    assert "No case could be exported" in capsys.readouterr().err
    found = CaseTable.read(tmp_path / "t.csv")
    assert {case.get("status") for case in found} == {"refused"}
    assert found.cases[0].get("findings") == "export: The mask is damaged."


def test_a_key_that_cannot_be_written_costs_nothing(tmp_path, monkeypatch):
    table = six(tmp_path)
    export(table, options(tmp_path))
    before = content(tmp_path / "raw")

    def full(*_):
        raise BadInput("The disk is full", "key.csv")

    monkeypatch.setattr(EXPORT, "write_key", full)
    (tmp_path / "c2.mask.png").write_text("2")
    with pytest.raises(BadInput, match="disk is full"):
        export(table, options(tmp_path))
    assert content(tmp_path / "raw") == before


def test_the_recipe_file_of_the_dataset_itself(tmp_path):
    from BreastSegLib.recipe import load_recipe

    table, target = six(tmp_path), tmp_path / "raw" / NAME / "recipe.json"
    folder = Path(sys.modules[load_recipe.__module__].__file__).parents[2] / "Resources" / "recipes"
    own = shutil.copy(folder / "single-phase-0002.json", tmp_path / "own.json")
    export(table, options(tmp_path, recipe=str(own)))
    assert export(table, options(tmp_path, recipe=str(target))).unchanged == 6
    assert target.read_bytes() == Path(own).read_bytes()
    export(table, options(tmp_path))
    assert not target.exists()  # it would not be the recipe of this dataset


def test_names_used_twice_are_refused_before_the_key_holds_them(tmp_path):
    table = six(tmp_path)
    with pytest.raises(BadInput, match="2 cases called c0"):
        export(table.replace([*table, table.cases[0]]), options(tmp_path))
    assert not (tmp_path / "key.csv").exists()


def test_progress_never_falls(tmp_path):
    table, seen = six(tmp_path), []
    export(table, options(tmp_path))
    (tmp_path / "c2.mask.png").write_text("2")
    (tmp_path / "c3.png").unlink()
    export(table, options(tmp_path), lambda _stage, done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (6, 6) and {total for _, total in seen} == {6}


STEPS = st.sampled_from(["add", "add", "again", "drop", "back", "patient", "mask", "break", "heal", "touch", "names"])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(STEPS, st.integers(0, 11)), min_size=3, max_size=20), st.integers(0, 3))
def test_a_table_that_grows_and_is_corrected(tmp_path_factory, steps, seed):
    """Whatever a person does to the table, the dataset is whole, places last and names are never another case's."""
    folder = tmp_path_factory.mktemp("grown")
    rows = {f"c{k}": f"p{k // 2}" for k in range(10)}
    out, broken, owners, places, style = set(), set(), {}, {}, "patients"
    for step, k in [("add", 0), *steps]:
        case = sorted(rows)[k % len(rows)]
        if step == "add":
            rows[f"n{len(rows)}"] = f"p{k}"
        elif step == "drop" and len(rows) - len(out) > 8:
            out.add(case)
        elif step == "back":
            out.discard(case)
        elif step == "patient":
            rows[case] = f"p{k // 2}"
        elif step == "mask":
            (folder / f"{case}.mask.png").write_text(str(1 + k % 3))
        elif step == "break" and not broken:
            broken = {case}
        elif step in ("heal", "touch"):
            broken = set()
        elif step == "names":
            style = ("patients", "BC")[k % 2]
        table = tiny_table(folder, [(name, patient) for name, patient in rows.items() if name not in out])
        (folder / f"{case}.png").touch()
        for name in broken:
            (folder / f"{name}.mask.png").write_text("damaged")
        for name in set(rows) - broken:
            path = folder / f"{name}.mask.png"
            if path.exists() and path.read_text() == "damaged":
                path.write_text("1")
        wanted = options(folder, split=SplitOptions(0.25, 2, seed=seed), remove=True, names=style)
        try:
            result = export(table, wanted)
        except BadInput as error:
            assert "no patients any more" in error.line or "cannot be divided" in error.line, error.line
            export(table, replace(wanted, resplit=True))
            places = {}
            result = None
        found = check_dataset(folder / "raw" / NAME, folder / "key.csv")
        assert set(found) == set(rows) - out - broken or result is None
        for name, row in found.items():
            assert owners.setdefault(row.name, name) == name
            assert places.setdefault(row.patient, (row.part, row.fold)) == (row.part, row.fold)
    shutil.rmtree(folder)
