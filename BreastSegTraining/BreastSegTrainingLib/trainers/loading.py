"""Batches of whole images, each case once before one comes again."""

import numpy as np
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import NonDetMultiThreadedAugmenter
from batchgenerators.dataloading.single_threaded_augmenter import SingleThreadedAugmenter
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA

from .failures import SettingsWrong


class WholeImageLoader(nnUNetDataLoader):
    """nnU-Net's loader with the image in the middle of the patch, padded with zeros, instead of a random part of it.

    Of an image with several slices each sample is one slice, as with nnU-Net. The order of the cases is random, and
    each comes once before one comes again. With several processes this holds for each of them.
    """

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._order = []

    def begin_epoch(self):
        """Begin a new order: what an epoch shows depends on its seed alone, not on the epoch before."""
        self._order = []

    def set_thread_id(self, thread_id):
        """Seed torch in each process that nnU-Net forks: NumPy is seeded there, torch would be as in all others."""
        super().set_thread_id(thread_id)
        torch.manual_seed(int(np.random.randint(2**31)))

    def get_indices(self):
        chosen = []
        while len(chosen) < self.batch_size:
            if not self._order:
                self._order = [self.indices[index] for index in np.random.permutation(len(self.indices))]
            chosen.append(self._order.pop())
        return chosen

    def get_bbox(self, data_shape, force_fg, class_locations, *arguments, **named):
        lower, _ = super().get_bbox(data_shape, force_fg, class_locations, *arguments, **named)
        for axis in range(1 if self.patch_size_was_2d else 0, len(data_shape)):
            lower[axis] = -((self.patch_size[axis] - data_shape[axis]) // 2)
        return lower, [start + length for start, length in zip(lower, self.patch_size)]

    def check_sizes(self):
        """Refuse images that are larger than the patch: they would not be shown whole.

        Raises
        ------
        SettingsWrong
        """
        first = 1 if self.patch_size_was_2d else 0
        patch = tuple(int(length) for length in self.final_patch_size[first:])
        for name in self.indices:
            size = self._data.load_case(name)[0].shape[1 + first :]
            if any(length > room for length, room in zip(size, patch)):
                sides = ["×".join(map(str, sides)) for sides in (size, patch)]
                raise SettingsWrong(
                    f"The image {name} has {sides[0]} pixels, which do not fit the patch of {sides[1]}: whole_image "
                    "needs a patch as large as the largest image"
                )


def whole_image_loaders(trainer):
    """Return the sources of training and validation batches, as nnU-Net's `get_dataloaders` does.

    Parameters
    ----------
    trainer : nnUNetTrainerBreastSeg
        Initialized.
    """
    labels, patch = trainer.label_manager, trainer.configuration_manager.patch_size
    scales = trainer._get_deep_supervision_scales()
    rotation, dummy_2d, _, mirrored = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    common = {
        "is_cascaded": trainer.is_cascaded,
        "foreground_labels": labels.foreground_labels,
        "regions": labels.foreground_regions if labels.has_regions else None,
        "ignore_label": labels.ignore_label,
    }
    masked = trainer.configuration_manager.use_mask_for_norm
    transforms = (
        trainer.get_training_transforms(
            patch, rotation, scales, mirrored, dummy_2d, use_mask_for_norm=masked, **common
        ),
        trainer.get_validation_transforms(scales, **common),
    )
    share = trainer.oversample_foreground_percent
    loaders = [
        WholeImageLoader(
            data, trainer.batch_size, patch, patch, labels, oversample_foreground_percent=share, transforms=transform
        )
        for data, transform in zip(trainer.get_tr_and_val_datasets(), transforms)
    ]
    for loader in loaders:
        loader.check_sizes()
    processes = get_allowed_n_proc_DA()
    if processes == 0:
        return tuple(SingleThreadedAugmenter(loader, None) for loader in loaders)
    return tuple(
        _several(loader, count, trainer.device.type == "cuda")
        for loader, count in zip(loaders, (processes, max(1, processes // 2)))
    )


def _several(loader, processes, pinned):
    source = NonDetMultiThreadedAugmenter(
        data_loader=loader,
        transform=None,
        num_processes=processes,
        num_cached=max(3, processes // 2),
        seeds=None,
        pin_memory=pinned,
        wait_time=0.002,
    )
    next(source)  # starts the processes
    return source


def begin_epoch(source):
    """Begin a new order in a source without processes of its own; the others go on."""
    loader = getattr(source, "data_loader", None)
    if hasattr(loader, "begin_epoch"):
        loader.begin_epoch()
