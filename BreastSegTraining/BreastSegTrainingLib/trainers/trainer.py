"""nnU-Net's trainer, driven by settings: its own mathematics unless they say otherwise, and checkpoints that last."""

import os

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.helpers import dummy_context
from torch import autocast

from . import augmentation, checkpoints, curves, encoderweights, loading, losses, networks, schedules
from .failures import CheckpointNotWritten, SettingsWrong, StopTraining
from .optimizers import optimizer_of
from .seeding import seed_all
from .settings import resolve


class nnUNetTrainerBreastSeg(nnUNetTrainer):  # noqa: N801 - nnU-Net finds trainers by such names
    """Trains as `trainers.json` says for the class's name, overridden by the table ``breastseg`` of the plans.

    What differs from nnU-Net for every setting: checkpoints appear whole or not at all and the one before is kept,
    ``curves.json`` is written after each epoch, ``progress.png`` with checkpoints only, a seed makes each epoch
    repeatable (with nnUNet_n_proc_DA=0 a resumed training equals an uninterrupted one).

    Attributes
    ----------
    settings : dict
    after_epoch : callable or None
        ``after_epoch(trainer)``, called when an epoch is finished and its checkpoints are written; what it raises
        ends the training, after a `StopTraining` with a checkpoint of that epoch.
    """

    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):  # noqa: B008
        self.settings = resolve(type(self).__name__, plans.get("breastseg"))
        self._begins = not plans.setdefault("continue_training", False)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.after_epoch, settings = None, self.settings
        self._kept_epochs, self._plot_from = None, 0  # epochs in the latest checkpoint; when to draw again
        self.initial_lr, self.weight_decay = (settings["optimizer"][key] for key in ("lr", "weight_decay"))
        self.num_epochs, self.save_every = settings["epochs"], settings["checkpoint_every"]
        self.oversample_foreground_percent = settings["oversample"]
        self.enable_deep_supervision = settings["deep_supervision"] and networks.has_coarse_outputs(
            self.configuration_manager
        )
        if "batch_dice" in settings["loss"]:
            self.configuration_manager.configuration["batch_dice"] = settings["loss"]["batch_dice"]
        self._set_iterations()

    def _set_iterations(self, training=None, validation=None):
        """Take the iterations from the settings; those that the dataset gives are known when it is."""
        for key, name, cases in (
            ("iterations", "num_iterations_per_epoch", training),
            ("validation_iterations", "num_val_iterations_per_epoch", validation),
        ):
            if self.settings[key] != "dataset":
                setattr(self, name, self.settings[key])
            elif cases is not None:
                setattr(self, name, -(-cases // self.batch_size))

    # --- the network, its loss and its optimizer

    def initialize(self):
        """Build network, optimizer and loss; at the beginning of a training, encoder weights are put in."""
        if self.settings["seed"] is not None:
            seed_all(self.settings["seed"])
        super().initialize()
        if self._begins and self.settings["encoder_weights"] is not None:
            note = encoderweights.load(networks.bare(self.network), self.settings["encoder_weights"])
            self.print_to_log_file(note)

    @staticmethod
    def build_network_architecture(
        plans_manager, configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision=True
    ):
        """Build the network that the plans name: nnU-Net's, or one of ours. Inference calls this, too."""
        return networks.build(configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision)

    def set_deep_supervision_enabled(self, enabled):
        decoder = getattr(networks.bare(self.network), "decoder", None)
        if hasattr(decoder, "deep_supervision"):
            decoder.deep_supervision = enabled and self.enable_deep_supervision

    def configure_optimizers(self):
        optimizer = optimizer_of(self.settings["optimizer"], self.network.parameters())
        rate = schedules.rate_of(self.settings["schedule"], self.initial_lr, self.num_epochs)
        return optimizer, schedules.Schedule(optimizer, rate)

    def _build_loss(self):
        if self.settings["loss"]["kind"] == "nnunet":
            return super()._build_loss()
        if self.enable_deep_supervision:
            raise SettingsWrong(f"The loss {self.settings['loss']['kind']} needs deep_supervision false")
        if len(self.label_manager.foreground_labels) != 1 or self.label_manager.has_ignore_label:
            raise SettingsWrong(f"The loss {self.settings['loss']['kind']} is for one label, the lesion")
        return losses.loss_of(self.settings["loss"])

    # --- what the network is shown

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self):  # noqa: N802
        rotation, dummy_2d, initial, mirrored = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        own = augmentation.mirror_axes(self.settings["augmentation"])
        if own is not None:
            initial = list(self.configuration_manager.patch_size)
            mirrored = own
            self.inference_allowed_mirroring_axes = own or None  # nnU-Net's predictor takes no empty tuple
        elif self.settings["whole_image"]:
            initial = list(self.configuration_manager.patch_size)
        return rotation, dummy_2d, initial, mirrored

    def get_training_transforms(self, patch_size, *arguments, **named):
        """Return nnU-Net's transforms, or those of the augmentation that the settings name."""
        transforms = nnUNetTrainer.get_training_transforms(patch_size, *arguments, **named)
        transforms = augmentation.changed(transforms, self.settings["augmentation"], patch_size)
        return transforms if self.settings["seed"] is None else augmentation.repeatable(transforms)

    def get_dataloaders(self):
        whole = self.settings["whole_image"]
        if "dataset" in (self.settings["iterations"], self.settings["validation_iterations"]):
            self._set_iterations(*map(len, self.do_split()))
        return loading.whole_image_loaders(self) if whole else super().get_dataloaders()

    # --- the course of a training

    def run_training(self):
        """Train to the last epoch, or until nothing becomes better where the settings say so.

        Raises
        ------
        StopTraining
            As `after_epoch` raised it; a checkpoint of the last epoch is written before.
        CheckpointNotWritten
        """
        self.on_train_start()
        try:
            while self.current_epoch < self.num_epochs and not self.stops_early():
                self._run_epoch()
        except StopTraining:
            if self._kept_epochs != self.current_epoch:
                self._save_as_finished(checkpoints.LATEST)
            self._end_loaders()
            raise
        except BaseException:
            self._end_loaders()
            raise
        self.on_train_end()

    def _run_epoch(self):
        self.on_epoch_start()
        self.on_train_epoch_start()
        outputs = [self.train_step(next(self.dataloader_train)) for _ in range(self.num_iterations_per_epoch)]
        self.on_train_epoch_end(outputs)
        with torch.no_grad():
            self.on_validation_epoch_start()
            outputs = [
                self.validation_step(next(self.dataloader_val)) for _ in range(self.num_val_iterations_per_epoch)
            ]
            self.on_validation_epoch_end(outputs)
        self.on_epoch_end()
        if self.after_epoch is not None:
            self.after_epoch(self)

    def stops_early(self):
        """Return whether early stopping, if it is set, ends the training here."""
        return curves.stops_early(self.logger, self.settings["early_stopping"])

    def on_epoch_start(self):
        if self.settings["seed"] is not None:
            seed_all(self.settings["seed"] + self.current_epoch)
        for loader in (self.dataloader_train, self.dataloader_val):
            loading.begin_epoch(loader)
        super().on_epoch_start()

    def train_step(self, batch):
        """Do nnU-Net's step, with the gradient clipped at the settings' norm."""
        data = batch["data"].to(self.device, non_blocking=True)
        target = batch["target"]
        if isinstance(target, list):
            target = [part.to(self.device, non_blocking=True) for part in target]
        else:
            target = target.to(self.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.device.type, enabled=True) if self.device.type == "cuda" else dummy_context():
            loss = self.loss(self.network(data), target)
        scaler = self.grad_scaler
        (loss if scaler is None else scaler.scale(loss)).backward()
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings["clip"])
        if scaler is None:
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)
            scaler.update()
        return {"loss": loss.detach().cpu().numpy()}

    def on_epoch_end(self):
        """Log the epoch as nnU-Net does, keep the best and the latest state, write the curves."""
        self.logger.log("epoch_end_timestamps", curves.now(), self.current_epoch)
        self._print_epoch()
        values = curves.watched(self.logger, self.settings["best_by"])
        best_epoch, best = curves.best_of(values, self.settings["best_by"])
        self._best_ema = curves.best_of(curves.watched(self.logger, "ema_fg_dice"), "ema_fg_dice")[1]
        if best_epoch == self.current_epoch:
            self.print_to_log_file(f"New best {self.settings['best_by']}: {best:.4f}")
            self.save_checkpoint(os.path.join(self.output_folder, checkpoints.BEST))
        done = self.current_epoch + 1
        if done % self.save_every == 0 and done != self.num_epochs:
            self.save_checkpoint(os.path.join(self.output_folder, checkpoints.LATEST))
            self._kept_epochs = done
            self._plot()
        self._write_curves()
        self.current_epoch += 1

    def _print_epoch(self):
        value = self.logger.get_value
        self.print_to_log_file("train_loss", np.round(value("train_losses", -1), decimals=4))
        self.print_to_log_file("val_loss", np.round(value("val_losses", -1), decimals=4))
        dices = [np.round(dice, decimals=4) for dice in value("dice_per_class_or_region", -1)]
        self.print_to_log_file("Pseudo dice", dices)
        seconds = value("epoch_end_timestamps", -1) - value("epoch_start_timestamps", -1)
        self.print_to_log_file(f"Epoch time: {np.round(seconds, decimals=2)} s")

    def _write_curves(self):
        if self.local_rank == 0:
            try:
                curves.write_curves(self.output_folder, self.logger, self.num_epochs, self.settings["best_by"])
            except OSError as error:
                path = os.path.join(self.output_folder, curves.FILE)
                raise CheckpointNotWritten(path, checkpoints.reason(error)) from error

    def _plot(self):
        """Draw progress.png; it takes nnU-Net a second or two, so not in every epoch."""
        if self.local_rank == 0 and self.current_epoch + 1 >= self._plot_from:
            self._plot_from = self.current_epoch + 1 + PLOT_EVERY
            self.logger.plot_progress_png(self.output_folder)

    def on_train_end(self):
        """Write the final checkpoint, of the best epoch where the settings keep that, and remove the others."""
        if self.settings["keep"] == "best":
            self._take_best()
        super().on_train_end()
        if self.local_rank == 0:
            self.logger.plot_progress_png(self.output_folder)
            previous = os.path.join(self.output_folder, checkpoints.PREVIOUS)
            if os.path.isfile(previous):
                os.remove(previous)

    def _take_best(self):
        path = os.path.join(self.output_folder, checkpoints.BEST)
        if not os.path.isfile(path) or checkpoints.finished_epochs(path) is None:
            self.print_to_log_file("There is no whole checkpoint of the best epoch: the last epoch is kept")
            return
        content = torch.load(path, map_location=self.device, weights_only=False)
        networks.bare(self.network).load_state_dict(content["network_weights"])
        self.print_to_log_file(f"The best epoch is kept: {content['current_epoch'] - 1}")

    def _end_loaders(self):
        for loader in (self.dataloader_train, self.dataloader_val):
            if hasattr(loader, "_finish"):
                loader._finish()

    # --- checkpoints

    def _save_as_finished(self, name):
        """Write a checkpoint when the epoch is counted already."""
        self.current_epoch -= 1
        self.save_checkpoint(os.path.join(self.output_folder, name))
        self.current_epoch += 1

    def save_checkpoint(self, filename):
        """Write a checkpoint with nnU-Net's content; raises `CheckpointNotWritten`, the old file then being whole."""
        if self.local_rank != 0 or self.disable_checkpointing:
            return
        content = {
            "network_weights": networks.bare(self.network).state_dict(),
            "optimizer_state": self.optimizer.state_dict(),
            "grad_scaler_state": self.grad_scaler.state_dict() if self.grad_scaler is not None else None,
            "logging": self.logger.get_checkpoint(),
            "_best_ema": self._best_ema,
            "current_epoch": self.current_epoch + 1,
            "init_args": self.my_init_kwargs,
            "trainer_name": type(self).__name__,
            "inference_allowed_mirroring_axes": self.inference_allowed_mirroring_axes,
        }
        checkpoints.write(content, filename)

    def load_checkpoint(self, filename_or_checkpoint):
        self._begins = False
        super().load_checkpoint(filename_or_checkpoint)


PLOT_EVERY = 25  # epochs
