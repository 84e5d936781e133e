"""Small exams as DICOM files with lesions drawn on them, and the places of marked pixels read by hand."""

import numpy as np
import pydicom
from BreastSegLib.exam.source import read
from BreastSegLib.reports.dicom.segmentation import Algorithm, Segment
from BreastSegLib.volume import Volume
from dicom_phantoms import dynamic, write
from mammogram_cases import sample
from mammogram_cases import write as write_mammogram

MODEL = Algorithm("demo-dce", "1.2")
MM = 0.01


def exam_of(folder, matrix=None, spacing=(0.8, 1.1), step=2.5, **tags):
    """Write a tiny dynamic with these axes (LPS columns) and return its exam."""
    if matrix is not None:
        tags["orientation"] = tuple(float(v) for v in (*matrix[:, 0], *matrix[:, 1]))
        if np.dot(np.cross(matrix[:, 0], matrix[:, 1]), matrix[:, 2]) < 0:
            step = -step
    images, _ = dynamic(phases=3, spacing=spacing, step=step, **tags)
    return read({"folder": str(write(folder, images))})


def drawn(geometry, lesions=2, seed=0):
    """Return labels 1 … n of no symmetry on a grid; the first and the last slice stay empty where there are four."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(geometry.shape, np.uint8)
    ends = slice(1, -1) if geometry.shape[0] > 3 else slice(None)
    part = labels[ends]
    part[rng.random(part.shape) < 0.15] = 1
    for number in range(2, lesions + 1):
        part[(rng.random(part.shape) < 0.1) & (part == 0)] = number
    for number in range(1, lesions + 1):
        part[0, number, 2] = number
    return Volume(labels, geometry)


def segments(lesions=2):
    sides = ("left", "right", "")
    return [Segment(n, f"Lesion {n}", "mass", sides[(n - 1) % 3], MODEL) for n in range(1, lesions + 1)]


def mammogram_of(path, mirror=False, **tags):
    """Write a small mammogram with these tags and return its exam."""
    pixels = sample().image[:, ::-1] if mirror else sample().image
    values = {"ImageLaterality": "L", "ViewPosition": "CC", "ImagerPixelSpacing": [0.4, 0.5], **tags}
    write_mammogram(path, pixels, **values)
    return read({"views": [str(path)]})


def marked_points(path):
    """Return {segment number: LPS places of its pixels, (n, 3)} from the tags of each frame, by hand."""
    data = pydicom.dcmread(path)
    pixels = data.pixel_array.reshape(int(data.NumberOfFrames), data.Rows, data.Columns)
    shared = data.SharedFunctionalGroupsSequence[0]
    turn = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    down, across = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    found = {}
    for frame, group in zip(pixels, data.PerFrameFunctionalGroupsSequence):
        first = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        points = first + columns[:, None] * across * turn[:3] + rows[:, None] * down * turn[3:]
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[number] = np.concatenate([found.get(number, np.empty((0, 3))), points])
    return found


def label_points(labels, number):
    """Return the LPS places of the voxels of a label, (n, 3)."""
    z, y, x = np.nonzero(labels.array == number)
    ijk = np.stack([x, y, z, np.ones_like(x)])
    return (labels.geometry.ijk_to_lps @ ijk)[:3].T


def same_points(one, other):
    """bool: whether two sets of places are the same to a hundredth of a millimetre."""
    from scipy.spatial import cKDTree

    if one.shape != other.shape or not len(one):
        return one.shape == other.shape
    near, index = cKDTree(one).query(other)
    return near.max() < MM and len(set(index)) == len(one)
