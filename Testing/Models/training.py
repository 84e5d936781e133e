"""What the demo models have in common: an nnU-Net dataset, plans with a small network, training, the model folder."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.inference.waiting import set_waiting

TRAINING_SEED = 10_000  # tests and the demo use smaller seeds
MODELS = Path(__file__).resolve().parents[2] / "BreastSeg" / "Resources" / "Models"
TRAINER = "nnUNetTrainerDemo"
LEARNING_RATE = 2e-3
LABEL = "lesion"


@dataclass(frozen=True)
class Demo:
    """A demo model: what it is called, what it sees and how large its network is.

    Parameters
    ----------
    name, title, description : str
        For the model card.
    dataset : str
        nnU-Net's name of the dataset, such as ``Dataset900_SampleDCE``.
    data : str
        What it was trained on, for the model card.
    recipe : str
    configuration : {'2d', '3d_fullres'}
    patch, features : tuple of int
        Pixels or voxels (y, x) or (z, y, x); channels of each stage of the network.
    batch_size : int
    """

    name: str
    title: str
    description: str
    dataset: str
    data: str
    recipe: str
    configuration: str
    patch: tuple
    features: tuple
    batch_size: int = 2

    @property
    def dataset_id(self):
        """int: nnU-Net's number of the dataset."""
        return int(self.dataset[len("Dataset") :].split("_")[0])

    @property
    def raw(self):
        """Path: folder of the raw dataset."""
        return _folder("raw") / self.dataset

    @property
    def preprocessed(self):
        """Path: folder of the preprocessed dataset."""
        return _folder("preprocessed") / self.dataset

    @property
    def training(self):
        """Path: folder of the training's checkpoints."""
        folder = f"{TRAINER}__nnUNetPlans__{self.configuration}"
        return _folder("results") / self.dataset / folder / "fold_all"


def set_up(work):
    """Tell nnU-Net to keep everything in the folder `work`; before it is imported."""
    for name in ("raw", "preprocessed", "results"):
        (work / name).mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{name}"] = str(work / name)
    os.environ.update({"nnUNet_compile": "f", "nnUNet_n_proc_DA": "1"})
    set_waiting(os.environ)


def _folder(name):
    return Path(os.environ[f"nnUNet_{name}"])


def write_case(demo, name, channels, mask, geometry):
    """Write one prepared case of a raw dataset.

    Parameters
    ----------
    demo : Demo
    name : str
    channels : numpy.ndarray
        (c, z, y, x), float32.
    mask : numpy.ndarray
        (z, y, x), integer labels.
    geometry : Geometry
    """
    import SimpleITK as sitk
    from BreastSegLib.volume import Volume

    for folder in ("imagesTr", "labelsTr"):
        (demo.raw / folder).mkdir(parents=True, exist_ok=True)
    for index, channel in enumerate(channels):
        sitk.WriteImage(
            Volume(channel, geometry).to_sitk(), str(demo.raw / "imagesTr" / f"{name}_{index:04d}.mha"), True
        )
    sitk.WriteImage(Volume(mask, geometry).to_sitk(), str(demo.raw / "labelsTr" / f"{name}.mha"), True)


def write_dataset(demo):
    """Write the dataset.json of a raw dataset whose cases are all written."""
    from BreastSegLib.recipe import load_recipe

    dataset = {
        "channel_names": {str(i): name for i, name in enumerate(load_recipe(demo.recipe).channel_names)},
        "labels": {"background": 0, LABEL: 1},
        "numTraining": len(list((demo.raw / "labelsTr").glob("*.mha"))),
        "file_ending": ".mha",
        "name": demo.dataset,
        "description": demo.data,
        "licence": "Apache-2.0",
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
    (demo.raw / "dataset.json").write_text(json.dumps(dataset, indent=2))


def plan(demo):
    """Let nnU-Net plan and preprocess, with the small network put into the plans."""
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments, preprocess

    extract_fingerprints([demo.dataset_id], num_processes=2, check_dataset_integrity=True)
    plan_experiments([demo.dataset_id])
    path = demo.preprocessed / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    configuration = plans["configurations"][demo.configuration]
    axes, stages = len(demo.patch), len(demo.features)
    configuration.update({"patch_size": list(demo.patch), "batch_size": demo.batch_size, "batch_dice": True})
    configuration["spacing"] = [1.0] * axes
    configuration["architecture"]["arch_kwargs"].update(
        {
            "n_stages": stages,
            "features_per_stage": list(demo.features),
            "kernel_sizes": [[3] * axes] * stages,
            "strides": [[1] * axes] + [[2] * axes] * (stages - 1),
            "n_conv_per_stage": [2] * stages,
            "n_conv_per_stage_decoder": [1] * (stages - 1),
        }
    )
    plans["configurations"] = {demo.configuration: configuration}
    path.write_text(json.dumps(plans, indent=2))
    preprocess([demo.dataset_id], configurations=(demo.configuration,), num_processes=(2,))


def is_planned(demo):
    """Return whether `plan` has run."""
    return (demo.preprocessed / f"nnUNetPlans_{demo.configuration}").is_dir()


def train(demo, epochs, iterations, device):
    """Train fold ``all`` with nnU-Net's trainer (AdamW, polynomial decay), going on where an earlier call stopped."""
    import torch
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class nnUNetTrainerDemo(nnUNetTrainer):
        def __init__(self, plans, configuration, fold, dataset_json, device):
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = epochs, iterations, 5
            self.initial_lr, self.weight_decay = LEARNING_RATE, 1e-4
            self.oversample_foreground_percent, self.save_every = 0.5, 5

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=self.weight_decay)
            return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    # nnU-Net 2.8 takes the flag from the plans.
    plans = {**json.loads((demo.preprocessed / "nnUNetPlans.json").read_text()), "continue_training": False}
    dataset = json.loads((demo.preprocessed / "dataset.json").read_text())
    trainer = nnUNetTrainerDemo(plans, demo.configuration, "all", dataset, torch.device(device))
    latest = Path(trainer.output_folder) / "checkpoint_latest.pth"
    if latest.is_file():
        trainer.load_checkpoint(str(latest))
    trainer.run_training()


def publish(demo, target, epochs, iterations, checkpoint="checkpoint_final.pth"):
    """Write the model folder: nnU-Net's own layout with weights only, and the model card."""
    import torch
    from BreastSegLib.models.card import write_card
    from BreastSegLib.recipe import load_recipe

    source = torch.load(demo.training / checkpoint, map_location="cpu", weights_only=False)
    slim = {
        "network_weights": source["network_weights"],
        "trainer_name": "nnUNetTrainer",
        "current_epoch": source["current_epoch"],
        "init_args": {"configuration": demo.configuration, "fold": "all"},
        "inference_allowed_mirroring_axes": source["inference_allowed_mirroring_axes"],
    }
    fold = target / "fold_all"
    fold.mkdir(parents=True, exist_ok=True)
    torch.save(slim, fold / "checkpoint_final.pth")
    shutil.copy(demo.preprocessed / "dataset.json", target / "dataset.json")
    plans = json.loads((demo.preprocessed / "nnUNetPlans.json").read_text())
    (target / "plans.json").write_text(json.dumps(plans, indent=2))
    training = {
        "data": demo.data,
        "epochs": epochs,
        "iterations_per_epoch": iterations,
        "trainer": f"nnU-Net v2, AdamW {LEARNING_RATE}, polynomial decay, fold all",
    }
    card = {
        "name": demo.name,
        "title": demo.title,
        "description": demo.description,
        "recipe": demo.recipe,
        "recipe_hash": load_recipe(demo.recipe).hash,
        "labels": {LABEL: {"value": 1, "terminology": "mass"}},
        "licence": "Apache-2.0",
        "citation": "SlicerBreastSeg demo model",
        "training": training,
    }
    write_card(target, card)
