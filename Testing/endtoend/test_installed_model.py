"""A model that nnU-Net itself has exported, installed from its zip and run by name."""

import os
import subprocess
import sys

import pytest
from BreastSegLib.commands import run
from BreastSegLib.models import find_model
from tiny_model import make_tiny_model

EXPORT = "from nnunetv2.model_sharing.entry_points import export_pretrained_model_entry as main; main()"
RECIPE = "phase-aware-0000-0002"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The zip that nnU-Net's own export command writes of two configurations."""
    top = tmp_path_factory.mktemp("results")
    dataset = top / "Dataset901_Tiny"
    for configuration, patch in (("2d", (64, 64)), ("3d_fullres", (64, 64, 64))):
        folder = dataset / f"nnUNetTrainer__nnUNetPlans__{configuration}"
        make_tiny_model(folder, RECIPE, ("0", "1"), patch, configuration=configuration)
        (folder / "breastseg.json").unlink()
        (folder / "dataset_fingerprint.json").write_text("{}")
        for fold in ("fold_0", "fold_1"):
            (folder / fold / "validation").mkdir()
            (folder / fold / "validation" / "summary.json").write_text("{}")
            (folder / fold / "progress.png").write_bytes(b"")
    command = [sys.executable, "-c", EXPORT, "-d", "901", "-o", str(top / "out.zip"), "-c", "2d", "3d_fullres"]
    folders = {f"nnUNet_{name}": str(top) for name in ("raw", "preprocessed", "results")}
    subprocess.run([*command, "-f", "0", "1"], check=True, env={**os.environ, **folders}, timeout=120)
    return top / "out.zip"


def test_the_zip_that_nnunet_exports_installs_and_runs(exported, dicom_sample, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "my models"))
    said = ["--name", "tiny", "--recipe", RECIPE, "--label", "lesion=mass"]
    assert run(["models", "install", str(exported), *said, "--combine"]) == 0, capsys.readouterr().err
    assert [find_model(name).folds for name in ("tiny-2d", "tiny-3d_fullres")] == [("0", "1"), ("0", "1")]
    assert [member.name for member in find_model("tiny").members] == ["tiny-2d", "tiny-3d_fullres"]
    out = tmp_path / "mask.nii.gz"
    exam = ["--exam", str(dicom_sample / "exam"), "--output", str(out), "--device", "cpu"]
    assert run(["segment", "--model", "tiny-3d_fullres", "--folds", "0", *exam]) == 0, capsys.readouterr().err
    assert out.is_file()
