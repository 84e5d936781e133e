"""The grey values of a mammogram as a mixture of Gaussians, and where its background ends (M3)."""

from dataclasses import dataclass

import numpy as np

from ...errors import BadInput

BINS = 1024
COMPONENTS = 6  # padding, air, and four for tissue, which is anything but one Gaussian
ROUNDS = 200
SETTLED = 1e-6  # of the mean log likelihood
SAMPLE = 200_000  # pixels that tell where the histogram begins and ends
ENDS = (0.02, 99.95)  # percent of them: a few pixels far away do not squeeze all others into one bin
# SD of a background over its distance to the mean of what is brighter: of the first, and of any further one. Beyond
# the first the end of a background (6 SD) reaches into what is brighter: it is tissue, and there is no air.
BROAD, NARROW = 0.12, 0.045
SKIPPED = 0.1  # of all pixels: what may be darker than the background without being one
LEAST = 0.01  # of all pixels: a breast
ENOUGH = 0.03  # of all pixels brighter than the background so far: a further one
FURTHER = 3
ROWS = 256  # at a time


@dataclass(frozen=True)
class Histogram:
    """How often the grey values of an image occur.

    Parameters
    ----------
    counts : numpy.ndarray
        float64: pixels in each bin; those beyond the ends are in the first and the last one.
    low, width : float
        Where the first bin begins and how wide each bin is, in grey values.
    """

    counts: np.ndarray
    low: float
    width: float

    @property
    def middles(self):
        """numpy.ndarray: the grey value in the middle of each bin."""
        return self.low + (np.arange(len(self.counts)) + 0.5) * self.width


@dataclass(frozen=True)
class Gaussian:
    """One component: `weight` of all pixels (0 to 1), its mean and standard deviation in grey values."""

    weight: float
    mean: float
    sd: float


def histogram(image):
    """Count the grey values of an image.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x).

    Returns
    -------
    Histogram or None
        None for an image of one value.

    Raises
    ------
    BadInput
        If the image holds NaN or infinity.
    """
    image = image.astype(np.uint8) if image.dtype == bool else image
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise BadInput("The image holds values that are not finite", "", "Export the image again")
    if not high > low:
        return None
    step = int(np.ceil(np.sqrt(image.size / SAMPLE)))
    inner = np.percentile(image[::step, ::step], ENDS)
    if inner[1] > inner[0]:
        low, high = float(inner[0]), float(inner[1])
    width = (high - low) / (BINS - 1)
    low -= width / 2  # the smallest value lies in the middle of its bin, as does the largest
    counts = np.zeros(BINS, np.int64)
    for first in range(0, len(image), ROWS):
        places = image[first : first + ROWS].astype(np.float64)
        places -= low
        places /= width
        np.clip(places, 0, BINS - 1, out=places)
        counts += np.bincount(places.astype(np.int16).ravel(), minlength=BINS)
    return Histogram(counts.astype(np.float64), low, width)


def fit(found, components=COMPONENTS):
    """Fit a mixture of Gaussians to a histogram: expectation and maximisation, weighted with the counts.

    It starts from parts of the histogram: the part of the largest spread is split where that leaves the least (Otsu),
    until there are enough; so the result is the same every time. No Gaussian becomes narrower than a bin is: the
    standard deviation of values spread evenly over one bin, width / √12, is the least. Air of exactly one value, the
    usual case in files made for reading, has that one.

    Parameters
    ----------
    found : Histogram
    components : int
        At most; fewer where the histogram has fewer values.

    Returns
    -------
    tuple of Gaussian
        By rising mean.
    """
    used = np.flatnonzero(found.counts)
    counts, values = found.counts[used], found.middles[used]
    share = counts / counts.sum()
    least = found.width**2 / 12
    parts = _split(share, values, components)
    weight = np.array([share[p].sum() for p in parts])
    mean = np.array([share[p] @ values[p] for p in parts]) / weight
    variance = np.array([share[p] @ (values[p] - m) ** 2 for p, m in zip(parts, mean)]) / weight
    before = -np.inf
    for _ in range(ROUNDS):
        variance = np.maximum(variance, least)
        logs = np.log(weight) - 0.5 * np.log(2 * np.pi * variance)
        logs = logs - 0.5 * (values[:, None] - mean) ** 2 / variance
        peak = logs.max(axis=1, keepdims=True)
        member = np.exp(logs - peak)
        total = member.sum(axis=1, keepdims=True)
        likelihood = float(share @ (np.log(total) + peak)[:, 0])
        member *= share[:, None] / total
        weight = np.maximum(member.sum(axis=0), 1e-12)
        mean = values @ member / weight
        variance = ((values[:, None] - mean) ** 2 * member).sum(axis=0) / weight
        if abs(likelihood - before) < SETTLED:
            break
        before = likelihood
    order = np.argsort(mean)
    sd = np.sqrt(np.maximum(variance, least))
    return tuple(Gaussian(float(weight[k]), float(mean[k]), float(sd[k])) for k in order)


def background_end(component, found, level=0.05):
    """Return the grey value at which a background Gaussian has fallen to `level` (M3).

    x = μ + sqrt(σ² (ln A − ln level)) for A·exp(−(x − μ)² / σ²); in this form σ² is twice the variance.
    A is the height of the Gaussian in pixels per bin. M3 does not say how it scales A; with counts the published
    level has a meaning, 0.05 of a pixel is expected in the bin at x, which a density (its A would often lie
    below 0.05, and then there is no x) does not have. It depends little on the width of the bins: half as many
    move x by about 2 % of its distance from μ.

    Parameters
    ----------
    component : Gaussian
    found : Histogram
    level : float
        Pixels per bin, above 0.

    Returns
    -------
    float
        μ where A is not above the level: so few pixels are no background to come down from.
    """
    if not level > 0:
        raise BadInput("The level of the background is above 0", str(level))
    height = component.weight * found.counts.sum() * found.width / (component.sd * np.sqrt(2 * np.pi))
    if not height > level:
        return component.mean
    return component.mean + float(np.sqrt(2 * component.sd**2 * (np.log(height) - np.log(level))))


def threshold(found, level=0.05):
    """Return the grey value above which an image is breast (M3): the end of its background.

    The background is the darkest Gaussian that is narrow enough to be one. Deviation from M3, which has one: where
    padding that was blackened, or an unexposed frame, lies below the air, the air is a second background, and uneven
    air takes several Gaussians. So what lies between this end and the mean of all that is brighter is looked at
    again, and its darkest Gaussian is background too where it is very narrow: tissue varies, air does not.

    Parameters
    ----------
    found : Histogram
    level : float
        Pixels per bin.

    Returns
    -------
    float or None
        None where no dark Gaussian is narrow enough: there is no air.
    """
    skipped = 0.0
    for component in fit(found):
        end = background_end(component, found, level)
        if component.sd <= BROAD * (_brighter(found, end) - component.mean):
            break
        skipped += component.weight
        if skipped > SKIPPED:
            return None
    else:
        return None
    for _ in range(FURTHER):
        middles = found.middles
        above = np.where(middles > end, found.counts, 0)
        part = Histogram(np.where(middles < _brighter(found, end), above, 0), found.low, found.width)
        if not part.counts.any():
            break
        component = fit(part, FURTHER)[0]
        candidate = background_end(component, part, level)
        enough = component.weight * part.counts.sum() >= ENOUGH * above.sum()
        if not enough or component.sd > NARROW * (_brighter(found, candidate) - component.mean):
            break
        end = max(end, candidate)
    return float(end)


def _brighter(found, end):
    """Return the mean of all pixels above `end`; minus infinity where hardly any is left."""
    above = found.middles > end
    counts = found.counts[above]
    if counts.sum() < LEAST * found.counts.sum():
        return -np.inf
    return float(np.average(found.middles[above], weights=counts))


def _split(share, values, components):
    """Return slices of the histogram, each split again where the most spread is."""
    parts = [slice(0, len(values))]
    while len(parts) < components:
        gains = [_best_split(share[p], values[p]) for p in parts]
        best = int(np.argmax([gain for gain, _ in gains]))
        gain, place = gains[best]
        if gain <= 0:
            break
        part = parts[best]
        parts[best : best + 1] = [slice(part.start, part.start + place), slice(part.start + place, part.stop)]
    return parts


def _best_split(share, values):
    """Return by how much the sum of squares falls at the best place to split, and that place."""
    if len(values) < 2:
        return 0.0, 0
    below, sums = np.cumsum(share)[:-1], np.cumsum(share * values)[:-1]
    total, sum_all = share.sum(), share @ values
    above = total - below
    gains = below * above / total * (sums / below - (sum_all - sums) / np.maximum(above, 1e-300)) ** 2
    place = int(np.argmax(gains))
    return float(gains[place]), place + 1
