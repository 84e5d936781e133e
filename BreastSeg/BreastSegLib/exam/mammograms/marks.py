"""View marks burned into a mammogram: ``R CC``, ``LMLO`` beside the breast."""

import re
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .letters import likeness

LONGEST = 1700  # pixels of the longer side of the image that is searched
SMALLEST, LARGEST = 0.009, 0.085  # height of a letter over the longer side of the image
LEVELS = (0.5, 0.3, 0.7)
# Open and closed forms of a C differ from font to font; a side that is wrong does more harm than none.
LEAST, LEAST_SIDE, LEAST_MEAN = 0.72, 0.80, 0.84
TEXT = re.compile(r"([LR])(CC|MLO|ML|LM|XCCL|XCCM|XCC)")
VIEW_TEXT = re.compile(r"()(CC|MLO|XCCL|XCCM|XCC)")
SIDE_TEXT = re.compile(r"([LR])()")
MOST_PARTS = 400
BRIGHT_PIXELS = 60


@dataclass(frozen=True)
class Mark:
    """A burned-in view mark.

    Parameters
    ----------
    laterality : {'L', 'R'}
    position : str
    score : float
        Likeness of the least alike letter, 0 to 1.
    mirrored : bool
        Readable in the mirrored image only.
    """

    laterality: str
    position: str
    score: float
    mirrored: bool = False


@dataclass(frozen=True)
class _Line:
    """Letters side by side: text, least score, box (top, bottom, left, right)."""

    text: str
    score: float
    box: tuple


def read_mark(image, found):
    """Return the view mark beside the breast, or None when there is none that is read with confidence.

    Both side and view must be read, the side's letter with a likeness of at least `LEAST_SIDE`, every other of
    `LEAST`, all of `LEAST_MEAN` in the mean; two different marks cancel each other out.

    Parameters
    ----------
    image : numpy.ndarray
        (y, x), tissue bright.
    found : Outline
        Where the breast is.

    Returns
    -------
    Mark or None
    """
    step = max(1, -(-max(image.shape) // LONGEST))
    small = _reduced(image, step)
    breast = ndimage.binary_dilation(found.mask, np.ones((5, 5)))
    rows, columns = ((np.arange(n) * step // found.step) for n in small.shape)
    rows, columns = rows.clip(max=breast.shape[0] - 1), columns.clip(max=breast.shape[1] - 1)
    beside = ~breast[np.ix_(rows, columns)]
    if beside.mean() < 0.02:
        return None
    grey = _contrast(small, beside)
    if grey is None:
        return None
    # Upright marks first; then those of turned and of mirrored films.
    for mirrored in (False, True):
        for turns in range(4):
            turned = np.rot90(grey[:, ::-1] if mirrored else grey, turns)
            marks = [mark for level in LEVELS for mark in _marks(turned, level, mirrored)]
            if marks:
                best = max(marks, key=lambda mark: mark.score)
                same = {(mark.laterality, mark.position) for mark in marks}
                return best if len(same) == 1 else None
    return None


def _reduced(image, step):
    rows, columns = (n // step * step for n in image.shape)
    blocks = image[:rows, :columns].reshape(rows // step, step, columns // step, step)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _contrast(small, beside):
    """Return the image beside the breast from 0 (air) to 1 (the brightest things), 0 in the breast; None when flat."""
    smooth = ndimage.gaussian_filter(small, 0.5)
    values = smooth[beside]
    air = float(np.median(values))
    # A mark is small: the brightness of few pixels counts, but not that of single ones.
    few = min(BRIGHT_PIXELS, values.size)
    bright = float(np.partition(values, -few)[-few])
    noise = 1.4826 * float(np.median(np.abs(values - air)))
    if bright - air <= max(10 * noise, 1e-6):
        return None
    return np.where(beside, np.clip((smooth - air) / (bright - air), 0, 1), 0)


def _marks(grey, level, mirrored):
    """Return the marks read in one orientation at one threshold."""
    lines = _lines(grey, level)
    found = []
    for line in lines:
        match = TEXT.fullmatch(line.text)
        if match:
            found.append(Mark(match[1], match[2], line.score, mirrored))
    for side in lines:
        for view in lines:
            one, other = SIDE_TEXT.fullmatch(side.text), VIEW_TEXT.fullmatch(view.text)
            if one and other and _stacked(side.box, view.box):
                found.append(Mark(one[1], other[2], min(side.score, view.score), mirrored))
    return found


def _stacked(side, view):
    """Return whether a side's letter stands over or under a view's letters, of about their height."""
    height, other = side[1] - side[0], view[1] - view[0]
    gap = max(view[0] - side[1], side[0] - view[1])
    across = min(side[3], view[3]) - max(side[2], view[2])
    return 0.7 < height / other < 2.5 and -0.1 * height < gap < 1.2 * height and across > 0


def _lines(grey, level):
    """Return the lines of letters that are read with confidence."""
    boxes = _boxes(grey, level)
    lines = []
    for row in _rows(boxes):
        for run in _runs(row):
            patches = [grey[top:bottom, left:right] for top, bottom, left, right in run]
            letters, scores = likeness(patches, [(b[3] - b[2]) / (b[1] - b[0]) for b in run])
            side = letters[0] in "LR" and scores[0] < LEAST_SIDE
            if all(letters) and not side and min(scores) >= LEAST and np.mean(scores) >= LEAST_MEAN:
                box = (min(b[0] for b in run), max(b[1] for b in run), run[0][2], run[-1][3])
                lines.append(_Line("".join(letters), min(scores), box))
    return lines


def _boxes(grey, level):
    """Return boxes (top, bottom, left, right) of bright things of a letter's size, not at the frame."""
    labels, count = ndimage.label(grey > level, np.ones((3, 3)))
    longest = max(grey.shape)
    boxes = []
    for rows, columns in ndimage.find_objects(labels)[:20_000] if count else []:
        height, width = rows.stop - rows.start, columns.stop - columns.start
        inside = rows.start > 0 and columns.start > 0 and rows.stop < grey.shape[0] and columns.stop < grey.shape[1]
        size = max(SMALLEST * longest, 7) <= height <= LARGEST * longest
        if inside and size and 0.25 <= width / height <= 1.7:
            boxes.append((rows.start, rows.stop, columns.start, columns.stop))
    return boxes if len(boxes) <= MOST_PARTS else []


def _rows(boxes):
    """Return boxes that stand beside one another: of about one height, on one line."""
    rows = []
    for box in sorted(boxes, key=lambda b: b[2]):
        for row in rows:
            last = row[-1]
            height = last[1] - last[0]
            level = abs(box[0] - last[0]) < 0.2 * height and abs(box[1] - last[1]) < 0.2 * height
            if level and -0.2 * height < box[2] - last[3] < 1.6 * height:
                row.append(box)
                break
        else:
            rows.append([box])
    return rows


def _runs(row):
    """Return the words of a row and the neighbouring words joined: initials may stand beside the mark."""
    height = row[0][1] - row[0][0]
    words = [[row[0]]]
    for last, box in zip(row, row[1:]):
        if box[2] - last[3] > 0.45 * height:
            words.append([])
        words[-1].append(box)
    runs = [sum(words[i:j], []) for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
    return [run for run in runs if len(run) <= 6]
