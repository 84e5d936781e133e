"""The best training or pair: the same choice, with the same numbers, as nnU-Net's own find_best_configuration."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json
from BreastSegTrainingLib.__main__ import main
from BreastSegTrainingLib.commands import best
from BreastSegTrainingLib.launch import Training
from trained import environment, shared_training

NNUNET = """
import json, sys
from nnunetv2.evaluation.find_best_configuration import find_best_configuration
if __name__ == "__main__":
    models = [{"plans": f"nnUNetPlans_{name}", "configuration": "3d_fullres", "trainer": "nnUNetTrainerBreastSeg"}
              for name in sys.argv[2:]]
    found = find_best_configuration(101, models, num_processes=1, folds=(0, 1))
    json.dump(found, open(sys.argv[1], "w"), default=str)
"""


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """A trained one, and one whose predictions are those of the first with noise and a far speck of another size."""
    done, work = shared_training(tmp_path_factory), tmp_path_factory.mktemp("best")
    shutil.copytree(done.work, work, dirs_exist_ok=True)
    first = Training.read(work / "trainings" / done.name)
    second = first.changed(name="two")
    second.write()
    shutil.copytree(first.model, second.model)
    plans = second.preprocessed / f"{first.plans}.json"
    (second.preprocessed / f"{second.plans}.json").write_text(plans.read_text().replace(first.plans, second.plans))
    _spoil(second)
    return first, second


def _spoil(training):
    """Change the chances that a training predicted, and the masks and summaries as nnU-Net makes them of these."""
    import SimpleITK as sitk

    generator = np.random.default_rng(3)
    for fold in training.folds:
        folder = training.output(fold) / "validation"
        for path in sorted(folder.glob("*.npz")):
            chances = np.load(path)["probabilities"]
            lesion = np.clip(chances[1] + 0.45 * generator.normal(size=chances[1].shape), 0, 1)
            lesion[:, :2, :2] = 1.0
            np.savez_compressed(path, probabilities=np.stack([1 - lesion, lesion]).astype(np.float32))
            target = path.with_suffix("").with_suffix(".nii.gz")
            image = sitk.GetImageFromArray((lesion > 0.5).astype(np.uint8))
            image.CopyInformation(sitk.ReadImage(str(target)))
            sitk.WriteImage(image, str(target))


def state(training):
    """Return {path: (size, time)} of everything in the folder of the trainings."""
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns) for path in training.work.rglob("*") if path.is_file()
    }


def test_the_choice_and_its_numbers_are_nnunets(trainings, tmp_path, capsys):
    first, second = trainings
    before = state(first)
    target = tmp_path / "best.json"
    words = ["best", "--training", *map(str, (first.folder, second.folder)), "--output", str(target)]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert state(first) == before, "nothing in the trainings is changed"
    found = read_json(target)
    shutil.copytree(first.work, tmp_path / "work")
    (tmp_path / "find.py").write_text(NNUNET)
    variables = environment(**Training.read(tmp_path / "work" / "trainings" / "tiny").environment())
    done = subprocess.run(
        [sys.executable, tmp_path / "find.py", tmp_path / "own.json", "tiny", "two"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    own = json.loads((tmp_path / "own.json").read_text())
    ours = [row["dice"] for row in found["candidates"]]
    assert ours == pytest.approx(list(own["all_results"].values()), abs=1e-9) and len(ours) == 3
    chosen = [model["plans_identifier"].removeprefix("nnUNetPlans_") for model in _chosen(own)]
    assert found["best"]["trainings"] == chosen
    assert found["best"]["dice"] == pytest.approx(own["best_model_or_ensemble"]["result_on_crossval_pre_pp"])
    assert found["best"]["dice_cleaned"] == pytest.approx(own["best_model_or_ensemble"]["result_on_crossval_post_pp"])
    assert f"Best: {' + '.join(chosen)}." in told and told.count("(6 cases)") == 3


def _chosen(own):
    return own["best_model_or_ensemble"]["selected_model_or_models"]


def test_the_largest_component_helps_where_there_is_a_speck(trainings, tmp_path):
    target = tmp_path / "best.json"
    assert main(["best", "--training", str(trainings[1].folder), "--output", str(target)]) == 0
    chosen = read_json(target)["best"]
    assert chosen["largest_component"] and chosen["dice_cleaned"] > chosen["dice"]
    assert main(["best", "--training", str(trainings[1].folder), "--output", str(target)]) == 2


def test_a_pair_needs_the_chances_and_the_line_says_how_to_get_them(trainings, tmp_path, capsys):
    first, second = trainings
    shutil.copytree(first.work, tmp_path / "work")
    names = [str(tmp_path / "work" / "trainings" / training.name) for training in trainings]
    copy = Training.read(names[1])
    next((copy.output("1") / "validation").glob("*.npz")).unlink()
    assert main(["best", "--training", *names]) == 2
    assert (
        "kept no chances" in (line := capsys.readouterr().err) and "--probabilities" in line and "--no-pairs" in line
    )
    os.remove(copy.output("1") / "validation" / "summary.json")
    assert main(["best", "--training", *names, "--no-pairs"]) == 2
    assert "Fold 1 of two was not validated" in capsys.readouterr().err
    with pytest.raises(BadInput, match="different datasets"):
        best.check_trainings([first, second.changed(raw=str(tmp_path / "Dataset102_Other"))])
