"""nnU-Net's own command lines, as processes, on prepared channels."""

import os
import shutil
import sys
from pathlib import Path

import SimpleITK as sitk

_CALL = "from nnunetv2.inference.predict_from_raw_data import {} as main; main()"
FROM_FOLDER, BY_NAME = "nnUNetv2_predict_from_modelfolder", "nnUNetv2_predict -npp 0 -nps 0"
DATASET = "Dataset901_Benchmark"


def write_case(folder, name, prepared):
    """Write prepared channels as nnU-Net wants them, not compressed."""
    from BreastSegLib.volume import Volume

    folder.mkdir(parents=True, exist_ok=True)
    for index, channel in enumerate(prepared.channels):
        sitk.WriteImage(Volume(channel, prepared.geometry).to_sitk(), str(folder / f"{name}_{index:04d}.mha"))


def commands(work, model, source, mirroring):
    """Return {name: (command, folder of its masks)}: nnU-Net's two ways to predict.

    Parameters
    ----------
    work : Path
    model : models.Model
    source : Path
        Folder of the prepared channels.
    mirroring : bool
    """
    call = [sys.executable, "-c"]
    shared = ["-i", str(source), "-f", *model.folds, "-device", "cpu", "--disable_progress_bar"]
    shared += [] if mirroring else ["--disable_tta"]
    configuration = model.configuration
    trainer, plans = "nnUNetTrainer", "nnUNetPlans"
    installed = Path(work) / "results" / DATASET / f"{trainer}__{plans}__{configuration}"
    if not installed.is_dir():
        shutil.copytree(model.folder, installed)
    outputs = {name: Path(work) / "output" / kind for name, kind in ((FROM_FOLDER, "folder"), (BY_NAME, "name"))}
    shutil.rmtree(Path(work) / "output", ignore_errors=True)
    named = ["-d", DATASET, "-c", configuration, "-tr", trainer, "-p", plans, "-npp", "0", "-nps", "0"]
    return {
        FROM_FOLDER: (
            [*call, _CALL.format("predict_entry_point_modelfolder"), "-m", str(model.folder), *shared]
            + ["-o", str(outputs[FROM_FOLDER])],
            outputs[FROM_FOLDER],
        ),
        BY_NAME: (
            [*call, _CALL.format("predict_entry_point"), *named, *shared, "-o", str(outputs[BY_NAME])],
            outputs[BY_NAME],
        ),
    }


def environment(work):
    """Return the environment of nnU-Net's commands."""
    folders = {f"nnUNet_{name}": str(Path(work) / name) for name in ("raw", "preprocessed", "results")}
    return {**os.environ, **folders, "nnUNet_compile": "f"}


def read_mask(folder, name):
    """Return a mask that nnU-Net wrote, (z, y, x)."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}.mha")))
