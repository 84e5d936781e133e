"""The trainers by name: nnU-Net finds a class, and `trainers.json` has its settings under the same name."""

from .settings import entry
from .trainer import nnUNetTrainerBreastSeg


class nnUNetTrainerBreastSegM1(nnUNetTrainerBreastSeg):  # noqa: N801
    """Adam, batch Dice, elastic deformation, early stopping (M1)."""


class nnUNetTrainerBreastSegM3(nnUNetTrainerBreastSeg):  # noqa: N801
    """Baseline U-Net for mammograms (M3)."""


class nnUNetTrainerBreastSegM4(nnUNetTrainerBreastSeg):  # noqa: N801
    """UNet++, U-Net, PSPNet, LinkNet with Dice loss (M4)."""


class nnUNetTrainerBreastSegM5Jaccard(nnUNetTrainerBreastSeg):  # noqa: N801
    """Transfer learning with BCE and soft Jaccard (M5)."""


class nnUNetTrainerBreastSegM5Tversky(nnUNetTrainerBreastSeg):  # noqa: N801
    """Transfer learning with focal Tversky 0.5, 0.5, 1 (M5)."""


class nnUNetTrainerBreastSegM5Tversky07(nnUNetTrainerBreastSeg):  # noqa: N801
    """Transfer learning with focal Tversky 0.7, 0.3, 1.4 (M5)."""


def trainer_class(name):
    """Return the class of one of our trainers.

    Raises
    ------
    SettingsWrong
        If there is no such trainer.
    """
    entry(name)
    return globals()[name]
