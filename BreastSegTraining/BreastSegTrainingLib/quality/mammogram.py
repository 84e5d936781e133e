"""The measures of one mammogram."""

from dataclasses import replace
from functools import cached_property

import numpy as np
from BreastSegLib.exam.mammograms.breast import LONGEST, chest_wall, outline
from scipy import ndimage

from .cutoff import missing_beyond
from .gaps import clipped_share
from .measured import NotMeasured
from .noise import noise_of
from .sharpness import structure_width
from .spikes import stripe_strength

MARGIN_MM, RING_MM = 2.0, 10.0  # about the lesion: normal tissue lies between
DENSE = 95  # percentile
FINE_MM = 0.35
INNER_MM = 6.0  # from the skin: the breast thins out towards it
TILE = 160  # pixels, in which stripes are looked for
LONGER = 1.1
LEAST_SHARE = 0.02  # of the image


class MammogramView:
    """A mammogram as the measures see it.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), tissue bright.
    spacing : tuple of float
        Along (y, x), mm.
    position : str
        ``CC``, ``MLO`` …, empty when unknown.
    lesion : numpy.ndarray, optional
        Reference mask, (y, x), not 0 in the lesion.
    """

    def __init__(self, image, spacing, position="", lesion=None):
        self.image = np.nan_to_num(np.asarray(image, np.float32))
        self.spacing, self.position = np.asarray(spacing, float), position
        self.lesion = None if lesion is None or not np.any(lesion) else np.asarray(lesion) != 0

    @cached_property
    def outline(self):
        """Outline: the breast in a small copy.

        Raises
        ------
        NotMeasured
            If none is seen.
        """
        if np.ptp(self.image) == 0:
            raise NotMeasured("the image is constant")
        # Means over blocks: single pixels of a noisy image would hide the breast.
        step = max(1, -(-max(self.image.shape) // LONGEST))
        rows, columns = (n // step for n in self.image.shape)
        if min(rows, columns) < 8:
            raise NotMeasured("the image is too small")
        blocks = self.image[: rows * step, : columns * step].reshape(rows, step, columns, step)
        found = replace(outline(ndimage.gaussian_filter(blocks.mean(axis=(1, 3)), 1.0)), step=step)
        if found.mask.mean() < LEAST_SHARE:
            raise NotMeasured("no breast is seen in the image")
        if found.mask.mean() > 0.98:
            raise NotMeasured("no air is seen beside the breast")
        return found

    @cached_property
    def inner(self):
        """(tuple of slice, numpy.ndarray): a box of the image, and bool in it: the breast away from its skin."""
        found = self.outline
        padded = np.pad(found.mask, 1, mode="edge")
        depth = ndimage.distance_transform_edt(padded, sampling=self.spacing * found.step)[1:-1, 1:-1]
        small = depth > INNER_MM
        if not small.any():
            raise NotMeasured("too little of the breast is in the image")
        rows, columns = (np.flatnonzero(small.any(axis=axis)) for axis in (1, 0))
        box = tuple(slice(int(n[0]), int(n[-1]) + 1) for n in (rows, columns))
        mask = small[box].repeat(found.step, axis=0).repeat(found.step, axis=1)
        whole = tuple(slice(s.start * found.step, min(s.stop * found.step, n)) for s, n in zip(box, self.image.shape))
        return whole, mask[: whole[0].stop - whole[0].start, : whole[1].stop - whole[1].start]

    @cached_property
    def noise(self):
        """Noise: in the breast."""
        box, mask = self.inner
        return noise_of(self.image[box][None], mask[None], calm=False)

    @cached_property
    def levels(self):
        """(float, float): typical value of air, and mean of the breast."""
        box, mask = self.inner
        small = self.outline.small
        return float(np.median(small[~self.outline.mask])), float(self.image[box][mask].mean(dtype=float))


def signal_to_noise(view):
    """Return the mean of the breast above air over the noise of a pixel (no unit)."""
    air, breast = view.levels
    return (breast - air) / view.noise.level


def contrast_to_noise(view):
    """Return the contrast of the lesion to the tissue 2 to 10 mm about it, over noise (no unit).

    Without a mask the contrast of the densest tissue (95th percentile on a copy of about 2 mm) to the median.
    """
    box, mask = view.inner
    noise = view.noise.level
    if view.lesion is None:
        smooth = ndimage.uniform_filter(view.image[box], np.maximum(1, np.round(2.0 / view.spacing)).astype(int))
        values = smooth[mask][::7]
        value = (np.percentile(values, DENSE) - np.median(values)) / noise
        return value, "no lesion is marked, so the densest tissue was taken"
    rows, columns = ndimage.find_objects(view.lesion.astype(np.uint8))[0]
    wide = np.ceil(RING_MM / view.spacing).astype(int) + 1
    near = tuple(slice(max(s.start - w, 0), s.stop + w) for s, w in zip((rows, columns), wide))
    lesion, image = view.lesion[near], view.image[near]
    distance = ndimage.distance_transform_edt(~lesion, sampling=view.spacing)
    breast = np.zeros(view.image.shape, bool)
    breast[box] = mask
    ring = breast[near] & (distance > MARGIN_MM) & (distance <= RING_MM)
    if lesion.sum() < 20 or ring.sum() < 200:
        raise NotMeasured("there is too little of the lesion or of the tissue about it")
    return float(image[lesion].mean(dtype=float) - np.median(image[ring])) / noise


def sharpness(view):
    """Return how wide a step is after the smoothing that the breast's structure shows, mm."""
    box, mask = view.inner
    return structure_width(view.image[box], mask, view.spacing, view.noise, FINE_MM)


def coverage(view):
    """Return which part of the breast is in the image, 0 to 1.

    As for MRI, from the breast's widths along rows and columns. The chest wall's side is where the breast always ends;
    so is the upper end (the armpit) in all views but CC: what is
    missing there is not noticed.
    """
    found = view.outline
    mask = _exposed(found)
    wall = chest_wall(found) or _longer_side(mask)
    if not wall:
        raise NotMeasured("the side of the chest wall is not clear")
    across = mask.sum(axis=0)
    front = across[::-1] if wall == "left" else across
    down = mask.sum(axis=1)
    lost = missing_beyond(front) + missing_beyond(down[::-1])
    if view.position == "CC":
        lost += missing_beyond(down)
    total = float(mask.sum())
    note = "" if view.position else "the view is not known, so the end at the armpit was not looked at"
    return total / (total + lost), note


def artefact_score(view):
    """Return the artefact score, percent: stripes, lines without signal, and values cut off at the largest one."""
    box, mask = view.inner
    air, breast = view.levels
    image = view.image[box]
    stripes = []
    for y in range(0, max(1, image.shape[0] - TILE // 2), TILE):
        for x in range(0, max(1, image.shape[1] - TILE // 2), TILE):
            part = (slice(y, y + TILE), slice(x, x + TILE))
            if mask[part].mean() > 0.8:
                stripes.append(stripe_strength(image[part], breast - air))
    parts = {
        "stripes": 100 * float(np.mean(stripes)) if stripes else 0.0,
        "lost lines": 100 * _lost_lines(image, mask),
        "cut-off values": 100 * clipped_share(image[None], mask[None]),
    }
    named = [f"{what} {value:.1f} %" for what, value in parts.items() if value >= 1]
    return sum(parts.values()), f"it has {', '.join(named)}" if named else ""


def _longer_side(mask):
    """Return the side that the breast touches over a clearly greater length, '' where neither is."""
    depth = max(2, mask.shape[1] // 50)
    left, right = mask[:, :depth].mean(), mask[:, -depth:].mean()
    if max(left, right) < LONGER * min(left, right):
        return ""
    return "left" if left > right else "right"


def _exposed(found):
    """Return the breast without the frame's border, which was not exposed or is covered, so that cuts are seen."""
    mask = found.mask
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    near = max(2, round(0.03 * max(mask.shape)))
    first, last = rows[0] if rows[0] <= near else 0, rows[-1] + 1 if rows[-1] >= len(mask) - near else len(mask)
    left = columns[0] if columns[0] <= near else 0
    right = columns[-1] + 1 if columns[-1] >= mask.shape[1] - near else mask.shape[1]
    return mask[first:last, left:right]


def _lost_lines(image, mask):
    """Return the part of rows and columns that hold one value or repeat the one before within the breast."""
    lost = total = 0
    for values, inside in ((image, mask), (image.T, mask.T)):
        enough = inside.sum(axis=1) > 50
        low = np.where(inside, values, np.inf).min(axis=1)
        high = np.where(inside, values, -np.inf).max(axis=1)
        same = np.zeros(len(values), bool)
        same[1:] = ((values[1:] == values[:-1]) | ~inside[1:]).all(axis=1)
        lost += int((enough & ((high <= low) | same)).sum())
        total += int(enough.sum())
    return lost / total if total else 0.0
