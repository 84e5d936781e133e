"""The export of a dataset: bit-identical to inference, incremental, whole or not at all, and telling of nobody."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.models import find_model
from BreastSegLib.pipeline.run import make_ready
from BreastSegLib.recipe import load_recipe, restore
from BreastSegLib.volume import geometry_of
from BreastSegTrainingLib.__main__ import main
from BreastSegTrainingLib.cases import CaseTable
from BreastSegTrainingLib.dataset import SplitOptions, casefiles, export, selectable
from BreastSegTrainingLib.dataset.layout import Layout
from BreastSegTrainingLib.dataset.names import read_key, write_key
from BreastSegTrainingLib.dataset.verify import verify_with_nnunet
from dataset_cases import RECIPE, SECRET, check_dataset, listing, make_cases, options

NAME = "Dataset101_Sample"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Six cases of three patients, exported once with two processes."""
    folder = tmp_path_factory.mktemp("dataset")
    table = make_cases(folder)
    result = export(table, options(folder, workers=2, licence="CC0", reference="somewhere"))
    return folder, table, result


@pytest.fixture
def copy(made, tmp_path):
    """The same in a folder of the test's own: (folder of the dataset's options, table)."""
    folder, table, _ = made
    shutil.copytree(folder / "raw", tmp_path / "raw")
    shutil.copy(folder / "key.csv", tmp_path / "key.csv")
    return tmp_path, table


def test_nnunet_takes_the_dataset(made):
    folder, _, result = made
    assert (result.written, result.training, result.test, result.failed) == (6, 6, 0, [])
    verify_with_nnunet(folder / "raw" / NAME, workers=1)


def test_nnunet_sees_a_fault(copy):
    folder, _ = copy
    path = next((folder / "raw" / NAME / "labelsTr").iterdir())
    image = sitk.ReadImage(str(path))
    sitk.WriteImage(image[1:, :, :], str(path))
    with pytest.raises(BadInput, match="nnU-Net found a fault"):
        verify_with_nnunet(folder / "raw" / NAME, workers=1)


def test_an_exported_case_is_what_inference_sees(made):
    """Bit by bit: what a run hands to the network (`pipeline.run.make_ready`), and the files it is trained on."""
    folder, table, _ = made
    model = find_model("demo-dce")
    assert model.card["recipe"] == RECIPE
    names = {row.case: row.name for row in read_key(folder / "key.csv")}
    for case in table:
        request = {"model": str(model.folder), "folds": None, "source": table.source(case)}
        ((prepared,),) = make_ready(request, lambda *_: None).cases
        for channel, array in enumerate(prepared.channels):
            path = folder / "raw" / NAME / "imagesTr" / f"{names[case.name]}_{channel:04d}.nii.gz"
            image = sitk.ReadImage(str(path))
            written = sitk.GetArrayFromImage(image)
            assert written.dtype == array.dtype == np.float32
            assert written.tobytes() == array.tobytes()
            assert geometry_of(image).same_grid(prepared.geometry, 1e-4)


def test_the_mask_comes_back_to_the_exam(made):
    folder, table, _ = made
    row = read_key(folder / "key.csv")[0]
    record = Layout(folder / "raw" / NAME).read_record(row.name)["samples"][0]["record"]
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "raw" / NAME / "labelsTr" / f"{row.name}.nii.gz")))
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(table.mask_paths(table.cases[0])[0]))) != 0
    back = restore(record, label).array != 0
    assert 2 * (back & truth).sum() / (back.sum() + truth.sum()) > 0.97


def test_nothing_in_the_dataset_tells_who_it_is(made):
    folder, table, _ = made
    secrets = [SECRET, "MEIER", str(folder)]
    for path in (folder / "raw").rglob("*"):
        assert not any(secret in path.name for secret in secrets)
        if path.is_file():
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            assert not any(secret.encode() in data for secret in secrets), path
    key = (folder / "key.csv").read_text(encoding="utf-8-sig")
    assert all(case.patient in key for case in table)


def test_the_description_says_how_it_was_made(made):
    folder, _, _ = made
    description = json.loads((folder / "raw" / NAME / "dataset.json").read_text())
    recipe = load_recipe(RECIPE)
    assert description["channel_names"] == {str(k): name for k, name in enumerate(recipe.channel_names)}
    assert (description["recipe"], description["recipe_hash"]) == (recipe.name, recipe.hash)
    assert description["labels"] == {"background": 0, "lesion": 1} and description["numTraining"] == 6
    assert (description["licence"], description["reference"]) == ("CC0", "somewhere")
    splits = json.loads((folder / "raw" / NAME / "splits_final.json").read_text())
    patients = {row.name: row.patient for row in read_key(folder / "key.csv")}
    assert len(splits) == 3
    for fold in splits:
        assert not {patients[n] for n in fold["train"]} & {patients[n] for n in fold["val"]}
        assert sorted(fold["train"] + fold["val"]) == sorted(patients)


def test_unchanged_cases_are_not_touched(copy):
    folder, table = copy
    before = listing(folder / "raw")
    result = export(table, options(folder))
    assert (result.written, result.unchanged) == (0, 6)
    after = listing(folder / "raw")
    assert {k: v for k, v in before.items() if "images" in k or "labels" in k or "records" in k} == {
        k: v for k, v in after.items() if "images" in k or "labels" in k or "records" in k
    }
    assert {k: v[0] for k, v in before.items() if k.endswith("splits_final.json")} == {
        k: v[0] for k, v in after.items() if k.endswith("splits_final.json")
    }


def test_only_what_changed_is_written_again(copy, tmp_path):
    folder, table = copy
    truth = sitk.ReadImage(str(table.mask_paths(table.cases[2])[0]))
    sitk.WriteImage(truth, str(tmp_path / "corrected.nrrd"))
    cases = list(table.cases)
    cases[2] = cases[2].changed(mask=str(tmp_path / "corrected.nrrd"))
    before = listing(folder / "raw")
    result = export(table.replace(cases), options(folder))
    assert (result.written, result.unchanged) == (1, 5)
    changed = {path for path, state in listing(folder / "raw").items() if before[path][1] != state[1]}
    assert {Path(path).name.split(".")[0] for path in changed if "labels" in path} == {"P002_1"}
    result = export(table.replace(cases), options(folder, recipe="single-phase-0002"))
    assert (result.written, result.unchanged) == (6, 0)
    images = sorted(path.name for path in (folder / "raw" / NAME / "imagesTr").iterdir())
    assert len(images) == 6  # the channels of the other recipe are gone


def test_a_damaged_or_missing_file_is_written_again(copy):
    folder, table = copy
    files = sorted((folder / "raw" / NAME / "imagesTr").iterdir())
    content = files[0].read_bytes()
    files[0].write_bytes(content[:100])
    files[5].unlink()
    result = export(table, options(folder))
    assert (result.written, result.unchanged) == (2, 4)
    assert files[0].read_bytes() == content and files[5].exists()


def test_cases_that_left_the_table_are_removed_only_when_asked(copy):
    folder, table = copy
    fewer = table.replace(table.cases[:4])
    before = listing(folder / "raw")
    with pytest.raises(BadInput, match="2 cases that the table does not select: P003_1, P003_2.*--remove"):
        export(fewer, options(folder, split=SplitOptions(0, 2), resplit=True))
    assert listing(folder / "raw") == before
    result = export(fewer, options(folder, split=SplitOptions(0, 2), resplit=True, remove=True))
    assert (result.removed, result.unchanged, result.training) == (2, 4, 4)
    assert not [path for path in listing(folder / "raw") if "P003" in path]


def test_a_new_test_part_moves_files(copy):
    folder, table = copy
    with pytest.raises(BadInput, match="more folds than 2"):
        export(table, options(folder, split=SplitOptions(0.34, 2)))
    result = export(table, options(folder, split=SplitOptions(0.34, 2), resplit=True))
    assert (result.moved, result.unchanged, result.written) == (2, 4, 0)
    assert (result.training, result.test) == (4, 2)
    check_dataset(folder / "raw" / NAME, folder / "key.csv")
    layout = Layout(folder / "raw" / NAME)
    assert all(layout.read_record(name) for name in layout.names())


def test_bad_cases_are_told_and_the_rest_goes_on(tmp_path):
    table = make_cases(tmp_path, 4)
    (tmp_path / table.cases[0].get("exam") / "phase_0001.npy").write_bytes(b"damaged")
    sitk.WriteImage(sitk.Image([100, 60, 24], sitk.sitkUInt8), str(tmp_path / table.cases[1].get("mask")))
    cases = [*table.cases[:3], table.cases[3].changed(exam="nowhere")]
    result = export(table.replace(cases), options(tmp_path, split=SplitOptions(0, 0)))
    failed = dict(result.failed)
    assert set(failed) == {"MEIER_0", "MEIER_1", "MEIER_3"} and result.written == 1
    assert "array cannot be read" in failed["MEIER_0"] and "no folder nowhere" in failed["MEIER_3"]
    assert "grid" in failed["MEIER_1"] or "outside" in failed["MEIER_1"] or "empty" in failed["MEIER_1"]
    description = json.loads((tmp_path / "raw" / NAME / "dataset.json").read_text())
    assert description["numTraining"] == 1


def test_the_same_image_in_two_folds_is_refused(tmp_path):
    table = make_cases(tmp_path, 4)
    cases = list(table.cases)
    cases[3] = cases[3].changed(exam=cases[0].get("exam"), mask=cases[0].get("mask"), patient="somebody else")
    cases[2] = cases[2].changed(patient="one more")
    with pytest.raises(BadInput, match="The same image is in several folds .*MEIER_0 and MEIER_3"):
        export(table.replace(cases), options(tmp_path, split=SplitOptions(0, 3, seed=1)))
    assert not (tmp_path / "raw" / NAME / "dataset.json").exists()


def test_a_cancel_keeps_what_is_finished(tmp_path):
    table = make_cases(tmp_path, 4)

    def report(_stage, done, _total):
        if done == 2:
            raise Cancelled()

    with pytest.raises(Cancelled):
        export(table, options(tmp_path, split=SplitOptions(0, 2)), report)
    assert not (tmp_path / "raw" / NAME / "dataset.json").exists()
    assert not list((tmp_path / "raw").rglob(".part-*"))
    result = export(table, options(tmp_path, split=SplitOptions(0, 2)))
    assert (result.unchanged, result.written) == (2, 2)


SCRIPT = """
import sys
from pathlib import Path
from BreastSegTrainingLib.cases import CaseTable
from BreastSegTrainingLib.dataset import export
from dataset_cases import options
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    export(CaseTable.read(folder / "t.csv"), options(folder, workers=2))
"""


@pytest.mark.parametrize("files", [1, 9])
def test_a_half_written_case_never_counts(made, tmp_path, files):
    """Killed with all its processes after some files, it goes on: the dataset is the same as one made at once."""
    folder, table, _ = made
    table.write(tmp_path / "t.csv")
    (tmp_path / "go.py").write_text(SCRIPT)
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, str(tmp_path / "go.py"), str(tmp_path)]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    target = tmp_path / "raw" / NAME
    while process.poll() is None and _images_below(target) < files:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    layout = Layout(target)
    for name in layout.names():
        record = layout.read_record(name)
        assert record is None or all((target / file).exists() for file in record["files"])
    assert not layout.description.exists() or process.returncode == 0
    export(table, options(tmp_path))
    expected, found = listing(folder / "raw" / NAME), listing(target)
    assert set(found) == set(expected)
    for path, (content, _) in expected.items():
        if path != "dataset.json":  # the licence is another
            assert found[path][0] == content, path


def _images_below(folder):
    """Count images in folders that come and go meanwhile, which `Path.rglob` does not bear."""
    return sum(name.endswith(".nii.gz") for _, _, names in os.walk(folder) for name in names)


def test_a_record_that_is_being_written_names_no_case(tmp_path):
    layout = Layout(tmp_path)
    layout.record("P001").parent.mkdir()
    layout.record("P001").write_text("{}")
    layout.record(".part-x-P002").write_text("{}")
    assert layout.names() == ["P001"]


def test_a_full_disk_ends_the_export_and_keeps_what_is_whole(copy, monkeypatch):
    folder, table = copy
    shutil.rmtree(folder / "raw" / NAME / "imagesTr")
    count = [0]
    write = casefiles.write_image

    def full(image, path, shown=None):
        count[0] += 1
        if count[0] > 6:
            raise BadInput("The disk is full", shown, "Free some space")
        write(image, path, shown)

    monkeypatch.setattr(casefiles, "write_image", full)
    with pytest.raises(BadInput, match="The disk is full"):
        export(table, options(folder))
    layout = Layout(folder / "raw" / NAME)
    assert not layout.description.exists() and sum(layout.read_record(n) is not None for n in layout.names()) == 1
    monkeypatch.undo()
    assert export(table, options(folder)).written == 5


def test_foreign_files_lost_keys_and_keys_in_the_dataset_are_refused(copy):
    folder, table = copy
    target = folder / "raw" / NAME
    with pytest.raises(BadInput, match="key file lies in the dataset"):
        export(table, options(folder, key=target / "key.csv"))
    with pytest.raises(BadInput, match="key file that says which they are is missing"):
        export(table, options(folder, key=folder / "other.csv"))
    (target / "imagesTr" / "theirs_0000.nii.gz").write_bytes(b"x")
    before = listing(folder / "raw")
    with pytest.raises(BadInput, match="no export of this table wrote: theirs"):
        export(table, options(folder))
    assert listing(folder / "raw") == before


def test_a_corrected_patient_renames_her_cases(copy):
    folder, table = copy
    cases = [case.changed(patient=f"{SECRET}_0") if k == 2 else case for k, case in enumerate(table)]
    wanted = options(folder, remove=True, resplit=True, split=SplitOptions(0, 3))
    result = export(table.replace(cases), wanted)
    assert (result.written, result.removed) == (1, 1)
    names = {row.case: row.name for row in read_key(folder / "key.csv") if row.fingerprint}
    assert names["MEIER_2"] == "P001_3" and names["MEIER_3"] == "P002_2"


def test_no_two_exports_at_once(copy):
    from BreastSegLib.pipeline.batch_lock import BatchLock

    folder, table = copy
    lock = BatchLock(folder / "raw" / NAME, "export")
    with pytest.raises(BadInput, match="Another export is working"):
        export(table, options(folder))
    lock.release()
    assert export(table, options(folder)).unchanged == 6


def test_only_selected_and_checked_cases_go(made):
    _, table, _ = made
    cases = list(table.cases)
    cases[0] = cases[0].changed(selected="no", reason="rule: motion")
    cases[1] = cases[1].changed(status="refused")
    cases[2] = cases[2].changed(status="")
    assert [case.name for case in selectable(table.replace(cases))] == [case.name for case in cases[3:]]
    with pytest.raises(BadInput, match="No case of the table is selected and checked"):
        export(table.replace([]), options(made[0]))


def test_the_key_of_a_killed_export_is_enough(copy):
    """Names were given but not the fingerprints: everything is written again, under the same names."""
    from dataclasses import replace

    folder, table = copy
    rows = read_key(folder / "key.csv")
    write_key(folder / "key.csv", [replace(row, fingerprint="") for row in rows])
    assert export(table, options(folder)).written == 6
    assert [row.name for row in read_key(folder / "key.csv")] == [row.name for row in rows]


def test_what_failed_is_tried_again(tmp_path, monkeypatch, capsys):
    """A case that failed for a passing reason needs no check by hand."""
    make_cases(tmp_path, 4).write(tmp_path / "t.csv")
    module = sys.modules["BreastSegTrainingLib.dataset.export"]
    work = module.export_case

    def fails_once(job):
        if job.case == "MEIER_1":
            raise BadInput("There is not enough memory for this case")
        return work(job)

    command = ["export", str(tmp_path / "t.csv"), "--recipe", RECIPE, "--output", str(tmp_path / "raw")]
    command += ["--dataset", "101_Sample", "--workers", "1", "--folds", "2"]
    monkeypatch.setattr(module, "export_case", fails_once)
    assert main(command) == 1
    assert "MEIER_1" in capsys.readouterr().out
    assert {case.name: case.get("status") for case in CaseTable.read(tmp_path / "t.csv")}["MEIER_1"] == "refused"
    monkeypatch.undo()
    assert main(command) == 0
    assert "1 cases written, 3 unchanged" in capsys.readouterr().out
    assert {case.get("status") for case in CaseTable.read(tmp_path / "t.csv")} == {"ok"}
