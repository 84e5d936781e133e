"""The application as a whole, in its own process: the modules' self tests and the demo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments, timeout=600):
    """Run the environment's Python with the project's paths; return exit code and output."""
    paths = os.pathsep.join(str(ROOT / name) for name in ("BreastSeg", "BreastSegTraining", "Testing"))
    environment = {**os.environ, "PYTHONPATH": paths, "QT_QPA_PLATFORM": "offscreen", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        cwd=ROOT,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["BreastSeg", "BreastSegTraining"])
def test_self_test_passes_in_the_host(module):
    code, output = run("-m", "Host", "--module", module, "--self-test")
    assert code == 0, output[-3000:]
    assert f"Self test of {module} passed" in output


def test_demo_leaves_segmentation_report_and_pictures(tmp_path):
    folder = tmp_path / "demo é 1"
    code, output = run("Testing/demo.py", "--output", folder)
    assert code == 0, output[-3000:]
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "segmentation.seg.nrrd")))
    truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "truth.nii.gz")))
    assert 0.5 < np.count_nonzero(found) / np.count_nonzero(truth) < 2
    assert "Dice against the truth: 0.9" in output and "segmenting" in output
    for name in ("1-exam-loaded", "2-result", "3-slice-view", "4-3d-view", "5-panel"):
        picture = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}.png"))).astype(float)
        assert picture.std() > 10, f"{name}.png shows nothing"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/") >= 6 and "research use only" in page
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert json.loads((folder / "run.json").read_text())["model"]["name"] == "demo-dce"


def test_demo_leaves_a_folder_alone_that_is_not_its_own(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    code, output = run("Testing/demo.py", "--output", tmp_path)
    assert code != 0 and "new folder" in output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
