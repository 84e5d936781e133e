"""Intensity steps of DCE recipes."""

import numpy as np

from ..errors import BadInput

# step name -> its parameters -> the values allowed
INTENSITY_STEPS = {"z-score": {"scope": ("volume", "exam")}}


def apply_steps(steps, channels, names):
    """Apply the recipe's intensity steps to the channels, in place.

    Parameters
    ----------
    steps : sequence of dict
    channels : numpy.ndarray
        (c, z, y, x), float32, changed in place.
    names : sequence of str
        Channel names, for messages.

    Returns
    -------
    list of dict
        What each step used (means and standard deviations), for the record.

    Raises
    ------
    BadInput
        If a channel is constant or not finite.
    """
    return [{**step, **_z_score(channels, names, step["scope"])} for step in steps]


def _z_score(channels, names, scope):
    """Subtract the mean and divide by the standard deviation (population), of each channel or of all together."""
    groups = [channels] if scope == "exam" else list(channels)
    means, deviations = [], []
    for index, group in enumerate(groups):
        name = "all channels" if scope == "exam" else names[index]
        with np.errstate(invalid="ignore"):  # infinity is answered below
            mean, deviation = float(group.mean(dtype=np.float64)), float(group.std(dtype=np.float64))
        if not np.isfinite(mean) or not np.isfinite(deviation):
            raise BadInput(
                "The image holds values that are not numbers (NaN or infinite)",
                f"channel {name}",
                "Repair or replace the file",
            )
        if deviation <= 1e-8 * max(abs(mean), 1e-30):
            raise BadInput(
                "The image is constant: every voxel has the same value",
                f"channel {name}",
                "Choose another phase or file",
            )
        group -= np.float32(mean)
        group *= np.float32(1.0 / deviation)
        means.append(mean)
        deviations.append(deviation)
    return {"mean": means, "standard_deviation": deviations}
