"""Whatever is done to names, order, tags or bytes: the same exam or a sentence, never a crash or a wrong order."""

import gzip
import random
import tempfile
from functools import lru_cache
from pathlib import Path

import dicom_phantoms as phantom
import numpy as np
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.source import read_exam
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PHASES = 3
DECIDING = (
    "ContentTime",
    "AcquisitionTime",
    "SeriesTime",
    "TriggerTime",
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "SeriesNumber",
    "InstanceNumber",
    "SeriesInstanceUID",
    "ImageType",
    "SeriesDescription",
    "ContentDate",
    "AcquisitionDate",
    "Manufacturer",
    "EchoTime",
    "FrameOfReferenceUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "ContrastBolusAgent",
    "Modality",
    "ImagePositionPatient",
    "PatientID",
)
kinds = st.tuples(st.sampled_from(list(phantom.MANUFACTURERS)), st.booleans())
few = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@lru_cache
def exam_of(kind):
    """Return the images and arrays of one vendor's exam."""
    vendor, one_series = kind
    return phantom.dynamic(vendor, PHASES, one_series, ContrastBolusAgent=lambda p, z: "" if p == 0 else "Gd")


def read(images, seed=0, damage=None, packed=0.0):
    """Write, optionally pack and damage, and read an exam; None when it is refused in one line.

    Parameters
    ----------
    images : list of Dataset
    seed : int
        Of the file names, and of the files that are packed.
    damage : callable, optional
        Called with the folder.
    packed : float
        Share of the files that are packed with gzip.
    """
    with tempfile.TemporaryDirectory() as folder:
        phantom.write(folder, images, seed)
        chance = random.Random(seed)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and chance.random() < packed:
                path.write_bytes(gzip.compress(path.read_bytes(), 1))
        if damage:
            damage(folder)
        try:
            return read_exam({"folder": folder})
        except BadInput as error:
            assert error.line and "\n" not in error.line and "Secret" not in error.line
            return None


def right(exam, arrays):
    """bool: whether the exam holds these arrays in this order."""
    return len(exam.volumes) == len(arrays) and all(np.array_equal(v.array, a) for v, a in zip(exam.volumes, arrays))


@few
@given(kinds, st.integers(0, 10**6), st.sampled_from([0, 0.3, 1]))
def test_names_order_and_packing_of_files_change_nothing(kind, seed, packed):
    images, arrays = exam_of(kind)
    exam = read(images, seed, packed=packed)
    assert exam is not None and right(exam, arrays)
    assert [p.time_s for p in exam.phases] == [-70, 0, 70] and phantom.said(exam) == ()


@few
@given(kinds, st.sets(st.sampled_from(DECIDING), min_size=1, max_size=8), st.integers(0, 10**6))
def test_dropped_tags_give_the_same_order_or_a_sentence(kind, tags, seed):
    images, arrays = exam_of(kind)
    exam = read(phantom.changed(images, **dict.fromkeys(tags)), seed)
    assert exam is None or right(exam, arrays)


@few
@given(kinds, st.sampled_from(DECIDING), st.integers(0, 10**6))
def test_tags_dropped_from_some_images_give_the_same_order_or_a_sentence(kind, tag, seed):
    images, arrays = exam_of(kind)
    chance = random.Random(seed)
    exam = read([phantom.changed([d], **{tag: None})[0] if chance.random() < 0.4 else d for d in images], seed)
    assert exam is None or right(exam, arrays)


@few
@given(
    kinds,
    st.sampled_from(("ContentTime", "AcquisitionTime", "TriggerTime", "TemporalPositionIdentifier", "SeriesTime")),
    st.randoms(),
)
def test_swapped_times_never_pass_in_silence(kind, tag, chance):
    images, arrays = exam_of(kind)
    values = [d.get(tag) for d in images]
    chance.shuffle(values)
    exam = read([phantom.changed([d], **{tag: v})[0] for d, v in zip(images, values)])
    assert exam is None or right(exam, arrays)


@few
@given(kinds, st.sets(st.integers(0, PHASES * phantom.SLICES - 1), min_size=1, max_size=3))
def test_lost_images_are_never_overlooked(kind, lost):
    images, arrays = exam_of(kind)
    exam = read([d for k, d in enumerate(images) if k not in lost])
    assert exam is None, "an exam with lost slices was read"


@few
@given(
    kinds,
    st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=12),
    st.integers(0, 1600),
    st.booleans(),
)
def test_damaged_bytes_never_crash(kind, changes, length, packed):
    images, _ = exam_of(kind)

    def damage(folder):
        path = f"{folder}/0_0"
        with open(path, "rb") as stream:
            data = bytearray(stream.read())
        for place, value in changes:
            data[place % len(data)] = value
        with open(path, "wb") as stream:
            stream.write(data[: max(length, 140)])

    exam = read(images, damage=damage, packed=float(packed))
    assert exam is None or len(exam.phases) <= PHASES
