"""Train the demo model ``demo-dce`` on synthetic exams.

Rerun it with ``python3 Testing/run.py python Testing/Models/train_demo_dce.py WORK``. WORK is a folder for a few GB of
intermediate files. The result is a small nnU-Net v2 model folder, by default in the extension's Resources. About an
hour on two cores; nothing is downloaded. Seeds from 10000 on are used for training only; tests and the demo use seeds
below 10000.
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np

TRAINING_SEED = 10_000
DATASET = "Dataset900_SampleDCE"
RECIPE = "phase-aware-0000-0002"
FEATURES = (12, 24, 48, 64)
PATCH = (64, 64, 64)
MODEL_FOLDER = Path(__file__).resolve().parents[2] / "BreastSeg" / "Resources" / "Models" / "demo-dce"


def sample_arguments(seed):
    """Return the varied arguments of training exam `seed`: spacing, size, obliquity, motion, noise, masses."""
    rng = np.random.default_rng(seed)
    in_plane, slices = rng.uniform(0.9, 1.4), rng.uniform(1.4, 2.6)
    extent = np.array([rng.uniform(175, 210), rng.uniform(105, 125), rng.uniform(72, 90)])
    shape = tuple(int(round(e / s)) for e, s in zip(extent[::-1], (slices, in_plane, in_plane)))
    return {
        "shape": shape,
        "spacing": (in_plane, in_plane, slices),
        "posts": int(rng.integers(2, 4)),
        "masses": int(rng.choice([1, 1, 1, 2])),
        "oblique_degrees": float(rng.uniform(-12, 12)),
        "motion_mm": float(rng.uniform(0, 0.9)),
        "noise": float(rng.uniform(4, 16)),
        "bias": float(rng.uniform(0.05, 0.22)),
        "radius_mm": (4.0, 15.0),
    }


def write_raw(folder, count):
    """Write `count` prepared sample exams as an nnU-Net raw dataset."""
    import SimpleITK as sitk
    from BreastSegLib.errors import BadInput
    from BreastSegLib.recipe import load_recipe, prepare, prepare_mask
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.volume import Volume

    recipe = load_recipe(RECIPE)
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    written, seed = 0, TRAINING_SEED
    while written < count:
        try:
            sample = make_dce_exam(seed, **sample_arguments(seed))
        except BadInput:  # a mass that does not fit: the next seed
            seed += 1
            continue
        prepared = prepare(recipe, sample.exam)
        for index, channel in enumerate(prepared.channels):
            sitk.WriteImage(
                Volume(channel, prepared.geometry).to_sitk(),
                str(folder / "imagesTr" / f"sample_{written:03d}_{index:04d}.mha"),
            )
        sitk.WriteImage(
            prepare_mask(recipe, sample.truth).to_sitk(), str(folder / "labelsTr" / f"sample_{written:03d}.mha")
        )
        written, seed = written + 1, seed + 1
        print(f"\rsample exam {written} of {count}", end="", flush=True)
    print()
    dataset = {
        "channel_names": {str(i): name for i, (name, _) in enumerate(recipe.channels)},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": count,
        "file_ending": ".mha",
        "name": DATASET,
        "description": "Synthetic DCE exams",
        "licence": "Apache-2.0",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=2))


def plan(dataset_id):
    """Let nnU-Net plan and preprocess, with the small network put into the plans."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    extract_fingerprints([dataset_id], num_processes=2, check_dataset_integrity=True)
    plan_experiments([dataset_id])
    path = Path(os.environ["nnUNet_preprocessed"]) / DATASET / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    configuration = plans["configurations"]["3d_fullres"]
    configuration.update({"patch_size": list(PATCH), "batch_size": 2, "spacing": [1.0, 1.0, 1.0], "batch_dice": True})
    stages = len(FEATURES)
    configuration["architecture"]["arch_kwargs"].update(
        {
            "n_stages": stages,
            "features_per_stage": list(FEATURES),
            "kernel_sizes": [[3, 3, 3]] * stages,
            "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
            "n_conv_per_stage": [2] * stages,
            "n_conv_per_stage_decoder": [1] * (stages - 1),
        }
    )
    plans["configurations"] = {"3d_fullres": configuration}
    path.write_text(json.dumps(plans, indent=2))
    preprocess([dataset_id], configurations=("3d_fullres",), num_processes=(2,))


def train(epochs, iterations, device):
    """Train fold ``all`` with nnU-Net's trainer: AdamW, polynomial decay; return the trainer's output folder."""
    import torch
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class nnUNetTrainerDemo(nnUNetTrainer):
        def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = epochs, iterations, 5
            self.initial_lr, self.weight_decay, self.oversample_foreground_percent, self.save_every = (
                2e-3,
                1e-4,
                0.5,
                5,
            )

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay)
            return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    folder = Path(os.environ["nnUNet_preprocessed"]) / DATASET
    plans = {
        **json.loads((folder / "nnUNetPlans.json").read_text()),
        "continue_training": False,
    }  # nnU-Net 2.8 takes the flag from here
    trainer = nnUNetTrainerDemo(
        plans, "3d_fullres", "all", json.loads((folder / "dataset.json").read_text()), torch.device(device)
    )
    latest = Path(trainer.output_folder) / "checkpoint_latest.pth"
    if latest.is_file():
        trainer.load_checkpoint(str(latest))
    trainer.run_training()
    return Path(trainer.output_folder)


def publish(training, target, count, epochs, iterations, checkpoint="checkpoint_final.pth"):
    """Write the model folder: nnU-Net's own layout with weights only, and the model card."""
    import torch
    from BreastSegLib.models.card import write_card
    from BreastSegLib.recipe import load_recipe

    source = torch.load(training / checkpoint, map_location="cpu", weights_only=False)
    slim = {
        "network_weights": source["network_weights"],
        "trainer_name": "nnUNetTrainer",
        "current_epoch": source["current_epoch"],
        "init_args": {"configuration": "3d_fullres", "fold": "all"},
        "inference_allowed_mirroring_axes": source["inference_allowed_mirroring_axes"],
    }
    fold = target / "fold_all"
    fold.mkdir(parents=True, exist_ok=True)
    torch.save(slim, fold / "checkpoint_final.pth")
    folder = Path(os.environ["nnUNet_preprocessed"]) / DATASET
    shutil.copy(folder / "dataset.json", target / "dataset.json")
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    (target / "plans.json").write_text(json.dumps(plans, indent=2))
    write_card(
        target,
        {
            "name": "demo-dce",
            "title": "Demo model for DCE-MRI (synthetic data, for trying out only)",
            "description": "A small 3D nnU-Net trained on synthetic exams. It knows nothing of real patients: "
            "do not use its results.",
            "recipe": RECIPE,
            "recipe_hash": load_recipe(RECIPE).hash,
            "labels": {"lesion": {"value": 1, "terminology": "mass"}},
            "licence": "Apache-2.0",
            "citation": "SlicerBreastSeg demo model",
            "training": {
                "data": f"{count} synthetic exams, seeds from {TRAINING_SEED}",
                "epochs": epochs,
                "iterations_per_epoch": iterations,
                "trainer": "nnU-Net v2, AdamW 2e-3, polynomial decay, fold all",
            },
        },
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for intermediate files")
    parser.add_argument("--exams", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=34)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--publish-from", help="only publish this checkpoint of an earlier training, such as checkpoint_latest.pth"
    )
    parser.add_argument("--target", type=Path, default=MODEL_FOLDER)
    arguments = parser.parse_args()
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(arguments.work / name)
        (arguments.work / name).mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("nnUNet_n_proc_DA", "1")
    os.environ["nnUNet_compile"] = "f"
    start = time.time()
    if arguments.publish_from:
        training = arguments.work / "results" / DATASET / "nnUNetTrainerDemo__nnUNetPlans__3d_fullres" / "fold_all"
        publish(
            training, arguments.target, arguments.exams, arguments.epochs, arguments.iterations, arguments.publish_from
        )
        return
    raw = arguments.work / "raw" / DATASET
    if not (raw / "dataset.json").is_file():
        write_raw(raw, arguments.exams)
    if not (arguments.work / "preprocessed" / DATASET / "nnUNetPlans_3d_fullres").is_dir():
        plan(900)
    training = train(arguments.epochs, arguments.iterations, arguments.device)
    publish(training, arguments.target, arguments.exams, arguments.epochs, arguments.iterations)
    print(f"demo-dce trained in {(time.time() - start) / 60:.0f} min and written to {arguments.target}")


if __name__ == "__main__":
    main()
