"""Resampling as nnU-Net's plans ask for it, as one matrix for each axis, on any device.

nnU-Net resamples with scikit-image and SciPy on the CPU. Both are linear in the voxels and go axis by axis, so SciPy
is asked once what it does to each unit vector; torch then applies these matrices where the image lies.
"""

from functools import lru_cache

import numpy as np
from scipy import ndimage

from ...errors import BadInput

DEFAULT = "resample_data_or_seg_to_shape"
NONE = "no_resampling_hack"
ANISOTROPY = 3.0  # nnU-Net's own threshold (2.8.1, nnunetv2/configuration.py)


def resample(images, shape, spacing, new_spacing, function, options):
    """Return images on another grid, as nnU-Net's resampling functions make them.

    Parameters
    ----------
    images : torch.Tensor
        (c, z, y, x), float32, on any device.
    shape : sequence of int
        New (z, y, x).
    spacing, new_spacing : sequence of float
        Along (z, y, x), mm, in the network's axes; they decide whether slices are resampled one by one.
    function : str
        Name of nnU-Net's function in the plans (``resampling_fn_data`` …).
    options : dict
        Its keyword arguments in the plans.

    Returns
    -------
    torch.Tensor
        (c, *shape), float32, on the same device.

    Raises
    ------
    BadInput
        If the plans name a function that is not nnU-Net's.
    """
    shape = tuple(int(n) for n in shape)
    if function == NONE:
        return images
    if function != DEFAULT:
        return _by_nnunet(images, shape, spacing, new_spacing, function, options)
    if tuple(images.shape[1:]) == shape:
        return images
    order, order_z = int(options.get("order", 3)), int(options.get("order_z", 0))
    threshold = float(options.get("separate_z_anisotropy_threshold", ANISOTROPY))
    alone = separate_axis(spacing, new_spacing, options.get("force_separate_z", False), threshold)
    together = tuple(axis for axis in range(3) if axis != alone)
    # scikit-image clips what it resized to the range of what it was given: an image, or one slice of it.
    low, high = images.amin([a + 1 for a in together], True), images.amax([a + 1 for a in together], True)
    for axis in together:
        images = along(images, axis, zoom_matrix(images.shape[axis + 1], shape[axis], order))
    images = images.clamp(low, high)
    if alone is not None:
        images = along(images, alone, pick_matrix(images.shape[alone + 1], shape[alone], order_z))
    return images


def separate_axis(spacing, new_spacing, force, threshold=ANISOTROPY):
    """Return the axis whose slices nnU-Net resamples one by one, or None."""
    if force is not None:
        chosen = spacing if force else None
    else:
        chosen = next((s for s in (spacing, new_spacing) if max(s) / min(s) > threshold), None)
    if chosen is None:
        return None
    coarse = [axis for axis, value in enumerate(chosen) if value == max(chosen)]
    return coarse[0] if len(coarse) == 1 else None


@lru_cache(maxsize=64)
def zoom_matrix(old, new, order):
    """Return what ``skimage.transform.resize(mode="edge", anti_aliasing=False)`` does along one axis: (new, old)."""
    if old == new:
        return np.eye(old, dtype=np.float32)
    columns = [ndimage.zoom(unit, new / old, order=order, mode="nearest", grid_mode=True) for unit in np.eye(old)]
    return np.stack(columns, axis=1).astype(np.float32)


@lru_cache(maxsize=64)
def pick_matrix(old, new, order):
    """Return how nnU-Net fills the slices between (``map_coordinates``, voxel centres aligned): (new, old)."""
    if old == new:
        return np.eye(old, dtype=np.float32)
    places = [old / new * (np.arange(new) + 0.5) - 0.5]
    columns = [ndimage.map_coordinates(unit, places, order=order, mode="nearest") for unit in np.eye(old)]
    return np.stack(columns, axis=1).astype(np.float32)


def along(images, axis, matrix):
    """Apply a matrix (new, old) along one of the axes (z, y, x) of images (c, z, y, x)."""
    import torch

    if matrix.shape[0] == matrix.shape[1] and np.array_equal(matrix, np.eye(len(matrix), dtype=np.float32)):
        return images
    matrix = torch.from_numpy(matrix).to(images.device, images.dtype)
    if axis == 2:
        return images @ matrix.T
    if axis == 1:
        return matrix @ images
    return (matrix @ images.flatten(2)).unflatten(2, images.shape[2:])


def _by_nnunet(images, shape, spacing, new_spacing, function, options):
    """Let nnU-Net's own function do it: its torch ones work on any device."""
    import torch
    from nnunetv2.preprocessing.resampling.utils import recursive_find_resampling_fn_by_name

    try:
        resample_to = recursive_find_resampling_fn_by_name(function)
    except RuntimeError as error:
        raise BadInput(
            f"The model's plans name the resampling {function}, which this nnU-Net does not have",
            hint="Install the nnU-Net version that the model was trained with",
        ) from error
    result = resample_to(images.cpu(), shape, list(spacing), list(new_spacing), **options)
    return torch.as_tensor(result, dtype=torch.float32).to(images.device)
