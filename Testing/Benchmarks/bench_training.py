"""What our launcher and trainers cost an epoch, against nnU-Net's own command.

``python3 Testing/run.py bench training [--rounds N] [--trainers NAME …] [--device cpu|cuda] [--dry-run]``
``python3 Testing/run.py bench training --part fold [--device cuda] [--epochs N]``

overhead   the same small network on the same synthetic exams, five epochs of 250 iterations each: nnU-Net's command
           ``nnUNetv2_train -tr nnUNetTrainer_5epochs`` and our ``train``, in turn. What counts is the time from the
           begin of one epoch to that of the next (checkpoints, curves and figures included), the first epoch left
           out, and the whole process. Expected: at most 1.03 x for each epoch.
fold       for a GPU: epoch time and share of time the GPU is busy with nnU-Net's default 3d_fullres network, and one
           fold of 60 synthetic exams trained until nothing is gained; its curve is kept (--output).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from Benchmarks.bench_gpu import gpu_name
from Benchmarks.measuring import row, time_command

DATASET, CONFIGURATION = "Dataset903_TrainingBenchmark", "3d_fullres"
SHAPE, SPACING = (12, 40, 60), (2.0, 2.0, 3.0)  # small: the validation at the end is slow, and no part of an epoch
PATCH, FEATURES = [16, 32, 32], [8, 16, 32]
CASES, EPOCHS = 6, 5
# Our command, with the network of the plans made a small one, which presets can do and its options cannot.
WITH_NETWORK = """
import sys
from dataclasses import replace
from BreastSegTrainingLib.__main__ import main
from BreastSegTrainingLib.commands import train
usual = train.wish_of
def small(options):
    wish = usual(options)
    return replace(wish, plan={{**wish.plan, "architecture": {{"arch_kwargs": {network!r}}}}})
train.wish_of = small
sys.exit(main(sys.argv[1:]))
"""
BARE = {5: "nnUNetTrainer_5epochs", 1: "nnUNetTrainer_1epoch"}


def main(arguments):
    """Run the part that was asked for."""
    parser = argparse.ArgumentParser(prog="bench training", description=__doc__.split("\n\n")[0])
    parser.add_argument("--part", choices=("overhead", "fold"), default="overhead")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--trainers", nargs="+", default=["nnUNetTrainerBreastSeg", "nnUNetTrainerBreastSegM1"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=150, help="of --part fold")
    parser.add_argument("--output", type=Path, default=Path("benchmark-fold"), help="folder for the curve of a fold")
    parser.add_argument("--dry-run", action="store_true", help="one epoch, to try the benchmark out")
    options = parser.parse_args(arguments)
    if options.device != "cpu" and gpu_name("cuda:0") is None:
        print("There is no working GPU: nothing was measured. Without --device the processor is used.")
        return
    with tempfile.TemporaryDirectory(prefix="breastseg-bench-") as folder:
        if options.part == "overhead":
            overhead(Path(folder), options)
        else:
            fold(Path(folder), options)


# --- overhead


def overhead(folder, options):
    """Compare nnU-Net's command with ours, in turn."""
    epochs = 1 if options.dry_run else EPOCHS
    variables = make_dataset(folder, CASES)
    plan(variables)
    print(f"{CASES} exams, patch {PATCH}, features {FEATURES}, {epochs} epochs of 250 + 50 iterations", flush=True)
    ratios, whole = {}, {}
    for number in range(options.rounds):
        bare = bare_training(folder, variables, epochs, options.device)
        print(f"round {number + 1}: bare {bare[0]:.2f} s an epoch, {bare[1]:.1f} s in all", flush=True)
        for trainer in options.trainers:
            ours = our_training(folder, trainer, epochs, options.device, number)
            print(f"         {trainer} {ours[0]:.2f} s an epoch, {ours[1]:.1f} s in all", flush=True)
            ratios.setdefault(trainer, []).append(ours[0] / bare[0])
            whole.setdefault(trainer, []).append(ours[1] / bare[1])
    for trainer in options.trainers:
        row(f"{trainer}: an epoch / bare", ratios[trainer], "", "at most 1.03", digits=3)
        row(f"{trainer}: whole run / bare", whole[trainer], digits=3)


def make_dataset(folder, count):
    """Write a raw dataset of synthetic exams with one fold of validation cases; return nnU-Net's variables."""
    import SimpleITK as sitk
    from BreastSegLib.recipe import load_recipe, prepare, prepare_mask
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.volume import Volume

    raw = folder / "nnUNet_raw" / DATASET
    recipe, names = load_recipe("phase-aware-0000-0002"), [f"P{number:03d}_1" for number in range(1, count + 1)]
    for sub in ("imagesTr", "labelsTr"):
        (raw / sub).mkdir(parents=True)
    for seed, name in enumerate(names):
        sample = make_dce_exam(seed, shape=SHAPE, spacing=SPACING, posts=2, radius_mm=(4.0, 5.0))
        prepared = prepare(recipe, sample.exam)
        mask = prepare_mask(prepared.record, sample.truth)
        for index, channel in enumerate(prepared.channels):
            image = Volume(channel, mask.geometry).to_sitk()
            sitk.WriteImage(image, str(raw / "imagesTr" / f"{name}_{index:04d}.nii.gz"), True)
        sitk.WriteImage(mask.to_sitk(), str(raw / "labelsTr" / f"{name}.nii.gz"), True)
    description = {
        "channel_names": {str(index): name for index, name in enumerate(recipe.channel_names)},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": count,
        "file_ending": ".nii.gz",
        "overwrite_image_reader_writer": "SimpleITKIO",
        "name": DATASET,
        "recipe": recipe.name,
        "recipe_hash": recipe.hash,
        "recipe_source": recipe.source,
    }
    (raw / "dataset.json").write_text(json.dumps(description, indent=2))
    held = max(1, count // 5)
    (raw / "splits_final.json").write_text(json.dumps([{"train": names[held:], "val": names[:held]}]))
    return {f"nnUNet_{name}": str(folder / f"nnUNet_{name}") for name in ("raw", "preprocessed", "results")}


def plan(variables):
    """Let nnU-Net plan and preprocess in a process of its own, with a small network."""
    code = (
        "import json, os, sys; from pathlib import Path\n"
        "from nnunetv2.experiment_planning.plan_and_preprocess_api import "
        "extract_fingerprints, plan_experiments, preprocess\n"
        "if __name__ == '__main__':\n"
        "    extract_fingerprints([903], num_processes=2); plan_experiments([903])\n"
        f"    path = Path(os.environ['nnUNet_preprocessed'], '{DATASET}', 'nnUNetPlans.json')\n"
        "    plans = json.loads(path.read_text())\n"
        f"    one = plans['configurations']['{CONFIGURATION}']\n"
        f"    one.update(patch_size={PATCH}, batch_size=2)\n"
        f"    one['architecture']['arch_kwargs'].update({architecture()!r})\n"
        f"    plans['configurations'] = {{'{CONFIGURATION}': one}}\n"
        "    path.write_text(json.dumps(plans))\n"
        f"    preprocess([903], configurations=('{CONFIGURATION}',), num_processes=(2,))\n"
    )
    # The planner takes the number of augmenting processes for that of its threads: none is no number for it.
    time_command([sys.executable, "-c", code], {**environment(variables), "nnUNet_n_proc_DA": "1"})
    raw, done = Path(variables["nnUNet_raw"], DATASET), Path(variables["nnUNet_preprocessed"], DATASET)
    (done / "splits_final.json").write_text((raw / "splits_final.json").read_text())


def architecture():
    """Return the values of the plans that make nnU-Net's network a small one."""
    stages = len(FEATURES)
    return {
        "n_stages": stages,
        "features_per_stage": FEATURES,
        "kernel_sizes": [[3] * 3] * stages,
        "strides": [[1] * 3] + [[2] * 3] * (stages - 1),
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [1] * (stages - 1),
    }


def environment(variables):
    """Return the environment of both sides: the same threads, no processes that augment."""
    return {**os.environ, **variables, "nnUNet_n_proc_DA": "0", "nnUNet_compile": "f"}


def bare_training(folder, variables, epochs, device):
    """Train fold 0 with nnU-Net's command; return (seconds from epoch to epoch, seconds in all)."""
    trainer = BARE[epochs]
    output = folder / "nnUNet_results" / DATASET / f"{trainer}__nnUNetPlans__{CONFIGURATION}" / "fold_0"
    command = [sys.executable, "-m", "nnunetv2.run.run_training", "903", CONFIGURATION, "0", "-tr", trainer]
    seconds, _ = time_command([*command, "-device", device], environment(variables), memory=False)
    code = "import json, sys, torch; c = torch.load(sys.argv[1], weights_only=False, map_location='cpu')['logging']\n"
    code += "print(json.dumps([c['epoch_start_timestamps'], c['epoch_end_timestamps']]))"
    answer = subprocess.run(
        [sys.executable, "-c", code, str(output / "checkpoint_final.pth")], capture_output=True, text=True, check=True
    )
    begins, ends = json.loads(answer.stdout)
    return between(begins, ends), seconds


def our_training(folder, trainer, epochs, device, number):
    """Train fold 0 with our command, planning included; return the same as `bare_training`."""
    from BreastSegTrainingLib.launch import Training

    name, work = f"{trainer[-8:].lower()}-{number}", folder / "work"
    command = [sys.executable, "-c", WITH_NETWORK.format(network=architecture())]
    command += ["train", str(folder / "nnUNet_raw" / DATASET)]
    command += ["--work", str(work), "--name", name, "--trainer", trainer, "--configuration", CONFIGURATION]
    command += ["--folds", "0", "--epochs", str(epochs), "--iterations", "250", "--batch", "2", "--workers", "0"]
    command += ["--patch", *map(str, PATCH), "--device", device, "--wait"]
    seconds, _ = time_command(command, {**os.environ, "nnUNet_compile": "f"}, memory=False)
    training = Training.read(work / "trainings" / name)
    curves = json.loads((training.output("0") / "curves.json").read_text())
    return between(curves["epoch_start"], curves["epoch_end"]), seconds


def between(begins, ends):
    """Return the median seconds from the begin of an epoch to that of the next, the first left out."""
    steps = [after - before for before, after in zip(begins[1:], begins[2:])]
    return statistics.median(steps) if steps else ends[-1] - begins[-1]


# --- one fold on a GPU


def fold(folder, options):
    """Train one fold of nnU-Net's default network; print epoch time and GPU share, and keep the curve."""
    count, epochs = (4, 1) if options.dry_run else (60, options.epochs)
    make_dataset(folder, count)
    work = folder / "work"
    command = [sys.executable, "-m", "BreastSegTrainingLib", "train", str(folder / "nnUNet_raw" / DATASET)]
    command += ["--work", str(work), "--name", "fold", "--preset", "nnunet-default", "--folds", "0"]
    command += ["--epochs", str(epochs), "--device", options.device, "--wait"]
    command += ["--iterations", "2"] if options.dry_run else []
    busy = []
    process = subprocess.Popen(command)
    while process.poll() is None:
        busy += utilisation() if options.device != "cpu" else []
        time.sleep(1)
    if process.returncode:
        raise SystemExit(f"the training ended with exit code {process.returncode}")
    from BreastSegTrainingLib.launch import FoldState, Training

    training = Training.read(work / "trainings" / "fold")
    curves = json.loads((training.output("0") / "curves.json").read_text())
    row("an epoch", [between(curves["epoch_start"], curves["epoch_end"])], "s")
    if busy:
        row("share of time the GPU is busy", [statistics.mean(busy)], "%", digits=0)
    state = FoldState.read(training.fold_folder("0"))
    print(f"best epoch {curves['best_epoch']}, pseudo-Dice there {curves['best']}, validation Dice {state.dice}")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "curves.json").write_text(json.dumps(curves))
    print(f"The curve lies in {options.output / 'curves.json'}")


def utilisation():
    """Return [share of time the first GPU was busy, %] or [] where that cannot be asked."""
    ask = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-i", "0"]
    try:
        return [float(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()[0])]
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return []


if __name__ == "__main__":
    main(sys.argv[1:])
