"""DICOM segmentations (SEG) as labels: on their own grid, or placed exactly on the grid of an exam."""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ...errors import BadInput
from ...volume import Geometry, Volume
from ..grid import LARGEST_VOXELS
from ..lattice import place
from .elements import file_looks_like_dicom, open_unpacked, read_elements

SEG, LABELMAP_SEG = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
AGAIN = "Export the segmentation again"
THIS_EXAM = "Give the segmentation of this exam"
EVEN = 0.05  # of the distance between slices


@dataclass(frozen=True)
class SegmentFound:
    """One segment of a file.

    Parameters
    ----------
    number : int
    label : str
    category, type, region, side : tuple of str
        (scheme, value, meaning); empty where the file says nothing.
    kind : str
        ``AUTOMATIC``, ``SEMIAUTOMATIC`` or ``MANUAL``.
    algorithm, version : str
    tracking_id, tracking_uid : str
    """

    number: int
    label: str = ""
    category: tuple = ()
    type: tuple = ()
    region: tuple = ()
    side: tuple = ()
    kind: str = ""
    algorithm: str = ""
    version: str = ""
    tracking_id: str = ""
    tracking_uid: str = ""


def is_segmentation(path):
    """bool: whether a file is a DICOM segmentation, by its header; False when it cannot be read."""
    try:
        found = read_elements(str(path), ("SOPClassUID",))
    except Exception:  # noqa: BLE001 - damaged bytes make a parser raise almost any exception
        return False
    return found is not None and found.texts.get("SOPClassUID") in (SEG, LABELMAP_SEG)


def read_seg(path, geometry=None, exam_files=()):
    """Return the labels and the segments of a DICOM segmentation.

    Parameters
    ----------
    path : str or Path
    geometry : Geometry, optional
        Grid to place the labels on, which has to have voxels where the segmentation has them, in any order and
        direction of axes. Without it the labels come on the segmentation's own grid, which reaches from its first to
        its last slice; that of a mammogram has one slice, at 0. A mammogram's pixels lie in its plane without a
        place: they are put on any grid of their number.
    exam_files : sequence of str, optional
        DICOM files of the exam (a mammogram's own one): a segmentation of another exam is refused. Other files are
        ignored.

    Returns
    -------
    labels : Volume
        uint8 (uint16 for more than 255 segments): the segment numbers.
    segments : tuple of SegmentFound

    Raises
    ------
    BadInput
        If it is damaged, no segmentation, of another exam, holds fractions, has segments that overlap, or does not
        lie on the grid.
    """
    data = _opened(path)
    try:
        with _quietly():
            for file in list(exam_files)[:1]:
                _check_exam(data, str(file), path)
            segments = tuple(_segment(item) for item in data.SegmentSequence)
            pixels, numbers, planes = _frames(data, path)
            if planes is None:
                labels = _flat(data, pixels, numbers, path)
            else:
                labels = _stacked(data, pixels, numbers, planes, path)
    except BadInput:
        raise
    except MemoryError as error:
        raise BadInput("There is not enough memory for the segmentation", path) from error
    except Exception as error:  # noqa: BLE001 - damaged bytes make the parsers raise almost any exception
        raise BadInput("The segmentation is damaged or incomplete", path, AGAIN) from error
    if geometry is not None:
        labels = _on_grid(labels, geometry, planes is None, path)
    return labels, segments


@contextmanager
def _quietly():
    """Keep the parser's complaints about values, which it quotes, out of the log: they can be a patient's."""
    import pydicom.config

    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _opened(path):
    import pydicom

    if not file_looks_like_dicom(path):
        raise BadInput("This is not a DICOM file, or it cannot be read", path, "Give a DICOM segmentation (SEG)")
    try:
        with _quietly(), open_unpacked(path) as stream:
            data = pydicom.dcmread(stream, force=True)
            kind, way = str(data.get("SOPClassUID", "")), str(data.get("SegmentationType", ""))
            size = [int(data.get(name) or 0) for name in ("NumberOfFrames", "Rows", "Columns")]
    except OSError as error:
        raise BadInput(f"The file cannot be read: {error.strerror or 'input/output error'}", path) from error
    except Exception as error:  # noqa: BLE001 - as above
        raise BadInput("The segmentation is damaged or incomplete", path, AGAIN) from error
    if kind not in (SEG, LABELMAP_SEG):
        raise BadInput("The DICOM file is not a segmentation (SEG)", path, "Give a DICOM segmentation")
    if way == "FRACTIONAL":
        raise BadInput("The segmentation holds fractions, not labels", path, "Save it as a binary segmentation")
    if min(size) < 1 or float(np.prod(np.array(size, float))) > LARGEST_VOXELS:
        raise BadInput(f"A segmentation of {' × '.join(map(str, size[::-1]))} voxels cannot be read", path, AGAIN)
    return data


def _check_exam(data, file, path):
    """Refuse a segmentation whose tags say that it belongs to another exam."""
    try:
        found = read_elements(file, ("StudyInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID"))
    except Exception:  # noqa: BLE001 - the exam's own reader says what is wrong with its files
        return
    if found is None:
        return
    for name, said in (("StudyInstanceUID", "study"), ("FrameOfReferenceUID", "frame of reference")):
        mine, theirs = str(data.get(name) or ""), found.texts.get(name, "")
        if mine and theirs and mine != theirs:
            raise BadInput(f"The segmentation belongs to another exam: it has another {said}", path, THIS_EXAM)
    if str(data.get("FrameOfReferenceUID") or "") and _placed(data):
        return
    instances = {
        str(item.ReferencedSOPInstanceUID)
        for series in data.get("ReferencedSeriesSequence") or ()
        for item in series.ReferencedInstanceSequence
    }
    if instances and found.texts.get("SOPInstanceUID") not in instances:
        raise BadInput("The segmentation was drawn on another image", path, "Give the segmentation of this image")


def _placed(data):
    return any("PlanePositionSequence" in group for group in data.get("PerFrameFunctionalGroupsSequence") or ())


def _segment(item):
    region = _first(item, "AnatomicRegionSequence")
    used = _first(item, "SegmentationAlgorithmIdentificationSequence")
    return SegmentFound(
        int(item.SegmentNumber),
        str(item.get("SegmentLabel") or ""),
        _code(_first(item, "SegmentedPropertyCategoryCodeSequence")),
        _code(_first(item, "SegmentedPropertyTypeCodeSequence")),
        _code(region),
        _code(_first(region, "AnatomicRegionModifierSequence")),
        str(item.get("SegmentAlgorithmType") or ""),
        str(item.get("SegmentAlgorithmName") or ""),
        str(used.get("AlgorithmVersion") or "") if used is not None else "",
        str(item.get("TrackingID") or ""),
        str(item.get("TrackingUID") or ""),
    )


def _frames(data, path):
    """Return the frames (n, y, x), the segment number of each (None in a label map), and (positions, orientation,
    measures), None without places."""
    shape = (int(data.NumberOfFrames), int(data.Rows), int(data.Columns))
    pixels = np.asarray(data.pixel_array).reshape(shape)
    shared = _first(data, "SharedFunctionalGroupsSequence")
    groups = list(data.PerFrameFunctionalGroupsSequence)
    if len(groups) != shape[0]:
        raise BadInput(f"The segmentation has {shape[0]} frames and describes {len(groups)}", path, AGAIN)

    def find(group, sequence):
        found = _first(group, sequence)
        return _first(shared, sequence) if found is None else found

    numbers = None
    if str(data.SOPClassUID) == SEG:
        numbers = [int(find(g, "SegmentIdentificationSequence").ReferencedSegmentNumber) for g in groups]
        if min(numbers) < 1 or max(numbers) > 65535:
            raise BadInput("A segment's number is not between 1 and 65535", path, AGAIN)
    places = [find(group, "PlanePositionSequence") for group in groups]
    if any(place is None for place in places):
        return pixels, numbers, None
    positions = np.array([[float(v) for v in place.ImagePositionPatient] for place in places])
    turns = [find(group, "PlaneOrientationSequence").ImageOrientationPatient for group in groups]
    turns = np.array([[float(v) for v in turn] for turn in turns])
    if np.abs(turns - turns[0]).max() > 1e-4:
        raise BadInput("The slices of the segmentation are turned against each other", path, AGAIN)
    return pixels, numbers, (positions, turns[0], find(groups[0], "PixelMeasuresSequence"))


def _flat(data, pixels, numbers, path):
    """Return the labels of a segmentation without places: one image, each frame a segment of it."""
    measures = _first(_first(data, "SharedFunctionalGroupsSequence"), "PixelMeasuresSequence")
    spacing = [float(v) for v in measures.PixelSpacing][::-1] if measures is not None else [1.0, 1.0]
    geometry = Geometry((1, *pixels.shape[1:]), (*spacing, 1.0))
    return Volume(_joined(pixels, numbers, np.zeros(len(pixels), int), geometry.shape, path), geometry)


def _stacked(data, pixels, numbers, planes, path):
    """Return the labels of a segmentation in space, on its own grid."""
    positions, turn, measures = planes
    row, column = turn[:3], turn[3:]
    normal = np.cross(row, column)
    heights = positions @ normal
    step = _step(heights, measures)
    places = np.rint((heights - heights.min()) / step).astype(int)
    first = positions[int(heights.argmin())]
    off = positions - first - places[:, None] * step * normal
    if np.abs(off).max() > EVEN * step:
        raise BadInput("The slices of the segmentation are not evenly spaced", path, AGAIN)
    shape = (int(places.max()) + 1, *pixels.shape[1:])
    if float(np.prod(np.array(shape, float))) > LARGEST_VOXELS:
        raise BadInput("The slices of the segmentation lie too far apart", path, AGAIN)
    y, x = (float(v) for v in measures.PixelSpacing)
    direction = np.stack([row, column, normal], axis=1)
    geometry = Geometry(shape, (x, y, step), tuple(first), tuple(direction.ravel()))
    return Volume(_joined(pixels, numbers, places, shape, path), geometry)


def _step(heights, measures):
    """Return the distance between slices in mm; that in the header is believed where the positions fit it."""
    told = float(measures.get("SpacingBetweenSlices") or 0)
    steps = np.diff(np.unique(heights))
    steps = steps[steps > 1e-3]
    if not len(steps):
        step = told or float(measures.get("SliceThickness") or 0)
        if step <= 0:
            raise ValueError("no distance between slices")
        return step
    if told > 0 and np.abs(steps / told - np.rint(steps / told)).max() < EVEN and steps.min() > 0.5 * told:
        return told
    usual = float(steps.min())
    # Over many slices a rounded distance runs away: the mean over the whole stack does not.
    return float(np.ptp(heights) / round(np.ptp(heights) / usual))


def _joined(pixels, numbers, places, shape, path):
    """Return the labels of all frames in one array."""
    largest = int(pixels.max()) if numbers is None else max(numbers)
    labels = np.zeros(shape, np.uint8 if largest < 256 else np.uint16)
    for k, (frame, index) in enumerate(zip(pixels, places)):
        plane = labels[index]
        inside = frame != 0
        if np.any(plane[inside]):
            raise BadInput(
                "Segments overlap, and a mask holds one label in each voxel", path, "Save each segment on its own"
            )
        plane[inside] = frame[inside] if numbers is None else numbers[k]
    return labels


def _on_grid(labels, geometry, flat, path):
    """Return labels with each voxel at its place on another grid."""
    if not flat:
        return place(labels, geometry, "segmentation", path, THIS_EXAM)
    if labels.array.shape != geometry.shape:
        mine, wanted = (" × ".join(map(str, shape[:0:-1])) for shape in (labels.array.shape, geometry.shape))
        raise BadInput(f"The segmentation has {mine} pixels, not {wanted}", path, "Give that of this image")
    return Volume(labels.array, geometry)


def _first(data, name):
    sequence = data.get(name) if data is not None else None
    return sequence[0] if sequence else None


def _code(item):
    if item is None:
        return ()
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    return (str(item.get("CodingSchemeDesignator") or ""), str(value), str(item.get("CodeMeaning") or ""))
