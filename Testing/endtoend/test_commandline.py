"""The command line as a user types it, in its own process, on DICOM with awkward paths."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

PACKAGE = Path(__file__).resolve().parents[2] / "BreastSeg"


def run(*arguments, timeout=300):
    """Run one command; return exit code, standard output and standard error."""
    import os

    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "BreastSegLib", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def exam(dicom_sample, tmp_path_factory):
    """The DICOM sample in a folder with spaces and non-ASCII letters, with files among it that are not DICOM."""
    folder = tmp_path_factory.mktemp("exams") / "Prüfung é 検査 1"
    shutil.copytree(dicom_sample / "exam", folder)
    (folder / "notes.txt").write_text("not DICOM")
    (folder / "empty").write_bytes(b"")
    return folder


def test_phases(exam):
    code, out, err = run("phases", exam)
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["pre", "post1", "post2"]
    code, out, err = run("phases", exam, "--json")
    rows = json.loads(out)["phases"]
    assert [row["number"] for row in rows] == [0, 1, 2]
    assert rows[2]["time_s"] == pytest.approx(90, abs=1)


@pytest.mark.parametrize("ending", [".nii.gz", ".seg.nrrd"])
def test_segment_dicom_with_the_demo_model(exam, sample, tmp_path, ending):
    output = tmp_path / f"Läsion 1{ending}"
    code, out, err = run("segment", "--model", "demo-dce", "--exam", exam, "--output", output, "--device", "cpu")
    assert code == 0, err
    mask = sitk.ReadImage(str(output))
    reference = sample.truth.to_sitk()
    assert mask.GetSize() == reference.GetSize()
    assert np.allclose(mask.GetOrigin(), reference.GetOrigin(), atol=0.01) and np.allclose(
        mask.GetSpacing(), reference.GetSpacing(), atol=1e-4
    )
    found, truth = sitk.GetArrayFromImage(mask) > 0, sample.truth.array > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.8
    side = sample.masses[0].side
    assert re.search(rf"Lesion 1: {side} breast, [0-9.]+ cm³", out)
    record = json.loads((tmp_path / "Läsion 1.run.json").read_text())
    assert record["recipe"]["name"] == "phase-aware-0000-0002" and record["components"][0]["side"] == side
    assert "Sample" not in json.dumps(record)  # the patient's name in the DICOM files
    before = output.read_bytes()
    code, out, err = run("segment", "--model", "demo-dce", "--exam", exam, "--output", output, "--device", "cpu")
    assert code == 2 and "--overwrite" in err and output.read_bytes() == before


def test_phase_files_and_probabilities(sample, tmp_path, tiny_model):
    paths = []
    for phase, volume in zip(sample.exam.phases, sample.exam.volumes):
        paths.append(tmp_path / f"é {phase.name}.nii.gz")
        sitk.WriteImage(volume.to_sitk(), str(paths[-1]))
    code, out, err = run(
        "segment",
        "--model",
        tiny_model,
        "--phases",
        *paths,
        "--output",
        tmp_path / "m.nrrd",
        "--device",
        "cpu",
        "--folds",
        "1",
        "--no-cleanup",
        "--probabilities",
        tmp_path / "p.nrrd",
    )
    assert code == 0, err
    chance = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "p.nrrd")))
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "m.nrrd")))
    assert np.array_equal(mask > 0, chance > 0.5)


def test_phases_that_do_not_overlap_are_refused(sample, tmp_path, tiny_model):
    paths = []
    for index, volume in enumerate(sample.exam.volumes):
        image = volume.to_sitk()
        image.SetOrigin([v + 1000 * (index == 1) for v in image.GetOrigin()])
        paths.append(tmp_path / f"{index}.nii.gz")
        sitk.WriteImage(image, str(paths[-1]))
    code, out, err = run(
        "segment", "--model", tiny_model, "--phases", *paths, "--output", tmp_path / "m.nrrd", "--device", "cpu"
    )
    assert code == 2 and "do not show the same place" in err.strip().splitlines()[-1]
    assert not (tmp_path / "m.nrrd").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("phases", "/no/such/folder"), "no such|does not exist|not found|cannot"),
        (("phases", "{empty}"), "no DICOM|empty"),
        (("segment", "--model", "nothing", "--exam", "{empty}", "--output", "{empty}/x.nii.gz"), "no such model"),
        (("segment", "--model", "demo-dce", "--exam", "{empty}", "--output", "{empty}/x.jpg"), "format"),
        (
            ("segment", "--model", "{empty}", "--exam", "{empty}", "--output", "{empty}/x.nii.gz"),
            "not an nnU-Net model",
        ),
        (("models", "show", "nothing"), "no such model"),
    ],
)
def test_bad_input_is_one_line(arguments, words, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    code, out, err = run(*(a.format(empty=empty) for a in arguments))
    assert code == 2
    assert re.search(words, err) and err.startswith("Error: ") and len(err.strip().splitlines()) == 1
    assert "Traceback" not in err and not list(empty.iterdir())


def test_models_list_and_show():
    code, out, err = run("models", "list")
    assert code == 0 and "demo-dce" in out and "synthetic data" in out
    code, out, err = run("models", "show", "demo-dce")
    card = json.loads(out)
    assert card["recipe"] == "phase-aware-0000-0002" and card["channels"] == ["pre", "post1", "post2"]


def test_sample_exams_are_whole_and_repeatable(tmp_path):
    for name in ("a", "b"):
        code, out, err = run("sample", "dce", "--output", tmp_path / name, "--seed", "5", "--format", "nifti")
        assert code == 0, err
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert files and all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    code, out, err = run("sample", "dce", "--output", tmp_path / "a")
    assert code == 2
    code, out, err = run("sample", "mammogram", "--output", tmp_path / "m", "--side", "right", "--view", "CC")
    assert code == 0 and any((tmp_path / "m").rglob("*.dcm")), err
