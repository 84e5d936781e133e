"""From a prepared case to the grid that a network works on, and back, as nnU-Net's own preprocessing does it."""

from dataclasses import dataclass

import numpy as np

from ...errors import BadInput
from ...models.plans import INTENSITIES
from .resampling import along, resample

PREPROCESSOR = "DefaultPreprocessor"


@dataclass(frozen=True)
class Way:
    """What leads from the prepared grid to the network's grid and back.

    Parameters
    ----------
    axes : tuple of int
        The prepared axes (z, y, x) in the network's order.
    full : tuple of int
        Shape of the whole image in the network's order of axes.
    box : tuple of slice
        Where anything is not zero: the rest is not segmented.
    spacing, network_spacing : tuple of float
        Before and after resampling, mm, in the network's order of axes.
    shape : tuple of int
        On the network's grid.
    """

    axes: tuple
    full: tuple
    box: tuple
    spacing: tuple
    network_spacing: tuple
    shape: tuple

    @property
    def cropped(self):
        """tuple of int: shape of the box."""
        return tuple(part.stop - part.start for part in self.box)


def forward(channels, spacing, plans, configuration, device):
    """Return channels as the network wants them, and the `Way` back.

    Parameters
    ----------
    channels : numpy.ndarray
        (c, z, y, x), float32; not changed.
    spacing : tuple of float or None
        Along (z, y, x), mm; None where the pixels are taken as they are.
    plans, configuration
        nnU-Net's managers of the plans and of the configuration.
    device : torch.device
        Where the channels are resampled and stay.

    Returns
    -------
    torch.Tensor
        (c, *way.shape), float32.
    Way

    Raises
    ------
    BadInput
        If the plans ask for something that is not nnU-Net's own.
    """
    import torch

    if configuration.preprocessor_name != PREPROCESSOR:
        raise BadInput(
            f"The model's plans ask for the preprocessor {configuration.preprocessor_name}",
            hint=f"Only nnU-Net's {PREPROCESSOR} is known: use a model that was planned with it",
        )
    axes = tuple(int(axis) for axis in plans.transpose_forward)
    data = channels.transpose(0, *(axis + 1 for axis in axes))
    wanted = [float(value) for value in configuration.spacing]
    own = _own_spacing(wanted, spacing, axes)
    network_spacing = (own[0], *wanted) if len(wanted) == 2 else tuple(wanted)
    box = _filled_box(data)
    full = data.shape[1:]
    data = np.array(data[(slice(None), *box)], np.float32)  # a copy: normalising works in place
    normalise(data, plans, configuration)
    shape = tuple(int(round(s / n * k)) for s, n, k in zip(own, network_spacing, data.shape[1:]))
    way = Way(axes, tuple(full), box, own, network_spacing, shape)
    data = torch.from_numpy(data).to(device)
    settings = configuration.configuration
    data = resample(
        data, shape, own, network_spacing, settings["resampling_fn_data"], settings["resampling_fn_data_kwargs"]
    )
    return data.contiguous(), way


def normalise(data, plans, configuration):
    """Normalise each channel of (c, z, y, x) in place with nnU-Net's own schemes."""
    from nnunetv2.preprocessing.normalization import default_normalization_schemes as schemes
    from scipy import ndimage

    of_training = next((plans.plans[name] for name in INTENSITIES if name in plans.plans), {})
    outside = None
    if any(configuration.use_mask_for_norm):
        filled = ndimage.binary_fill_holes((data != 0).any(axis=0))
        outside = np.where(filled, np.int8(0), np.int8(-1))
    for index, name in enumerate(configuration.normalization_schemes):
        scheme = getattr(schemes, name, None)
        if scheme is None:
            raise BadInput(
                f"The model's plans name the normalisation {name}, which nnU-Net does not have",
                f"channel {index}",
                "Install the nnU-Net version that the model was trained with",
            )
        step = scheme(bool(configuration.use_mask_for_norm[index]), of_training.get(str(index), {}))
        try:
            data[index] = step.run(data[index], outside)
        except AssertionError as error:  # RGBTo01Normalization takes 0 to 255 only
            raise BadInput(
                f"The channel cannot be normalised as the model's plans say ({name}): {error}",
                f"channel {index}",
                "Choose the recipe that the model was trained with",
            ) from error


def mask_forward(mask, way):
    """Return a mask (bool, z, y, x) of the prepared grid on the network's grid: every voxel that it reaches into."""
    import torch

    if mask is None:
        return None
    image = torch.from_numpy(np.ascontiguousarray(mask.transpose(way.axes)[way.box], np.float32))[None]
    for axis, (old, new) in enumerate(zip(way.cropped, way.shape)):
        image = along(image, axis, _reach(old, new))
    return (image[0] > 0).numpy()


def _reach(old, new):
    """Return 1 for each old voxel (columns) that lies nearer than a voxel of either grid to a new one (rows)."""
    places = old / new * (np.arange(new) + 0.5) - 0.5
    return (np.abs(places[:, None] - np.arange(old)) < max(1.0, old / new)).astype(np.float32)


def backward(logits, way, configuration):
    """Return logits (h, *way.shape) on the cropped grid, still in the network's order of axes."""
    settings = configuration.configuration
    return resample(
        logits,
        way.cropped,
        way.network_spacing,
        way.spacing,
        settings["resampling_fn_probabilities"],
        settings["resampling_fn_probabilities_kwargs"],
    )


def placed(maps, way):
    """Return maps (m, *way.cropped) on the prepared grid, as numpy (m, z, y, x); 0 outside the box."""
    maps = maps.cpu().numpy()
    if way.cropped == way.full:
        whole = maps
    else:
        whole = np.zeros((len(maps), *way.full), np.float32)
        whole[(slice(None), *way.box)] = maps
    return np.ascontiguousarray(whole.transpose(0, *(axis + 1 for axis in np.argsort(way.axes))))


def _own_spacing(wanted, spacing, axes):
    """Return the spacing in the network's order of axes; that of the network where it has no meaning."""
    if spacing is None:
        return (1.0, *wanted) if len(wanted) == 2 else tuple(wanted)
    return tuple(float(spacing[axis]) for axis in axes)


def _filled_box(data):
    """Return the box around everything that is not zero in any channel; the whole image if all is zero."""
    filled = data[0] != 0
    for channel in data[1:]:
        filled |= channel != 0
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        places = np.flatnonzero(filled.any(axis=others))
        box.append(slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, filled.shape[axis]))
    return tuple(box)
