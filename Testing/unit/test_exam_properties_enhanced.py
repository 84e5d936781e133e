"""Whatever is done to enhanced files: the same exam or a sentence, never a crash or a wrong order."""

import copy
import random
from functools import lru_cache
from pathlib import Path

import numpy as np
from enhanced_phantoms import CLOCKS, one_file, siemens_xa
from hypothesis import given
from hypothesis import strategies as st
from test_exam_properties import few, read, right

PHASES = 3
IN_FRAMES = (
    "FrameReferenceDateTime",
    "FrameAcquisitionDateTime",
    "TemporalPositionIndex",
    "FrameAcquisitionDuration",
    "TemporalPositionSequence",
    "CardiacSynchronizationSequence",
    "ContrastBolusUsageSequence",
    "MRImageFrameTypeSequence",
    "PlanePositionSequence",
    "FrameContentSequence",
)
IN_FILE = (
    "ContentTime",
    "SeriesTime",
    "AcquisitionDateTime",
    "AcquisitionNumber",
    "InstanceNumber",
    "SeriesNumber",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "Manufacturer",
    "Modality",
    "NumberOfFrames",
    "ImageType",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "FrameOfReferenceUID",
)
WAYS = ("xa", *CLOCKS)


@lru_cache
def exam_of(way):
    """Return the files and arrays of one way to write an enhanced exam; the frames' agent tells which phase is pre."""
    if way == "xa":
        return siemens_xa(PHASES, agent=1)
    file, arrays = one_file(lambda p, z: CLOCKS[way](p, z) | {"agent": p > 0}, PHASES, seed=len(way), extra=["phase"])
    return [file], arrays


def without(files, tags, share, seed):
    """Return copies of files without some tags, in the file or in a share of its frames."""
    chance = random.Random(seed)
    result = copy.deepcopy(files)
    for d in result:
        for tag in tags:
            if tag in d and chance.random() < share:
                del d[tag]
        for group in d.get("PerFrameFunctionalGroupsSequence", ()):
            for holder in (group, *group.get("FrameContentSequence", ())):
                for tag in tags:
                    if tag in holder and chance.random() < share:
                        del holder[tag]
    return result


def fewer_and_said(exam, arrays):
    """bool: whether some phases are in order, and a note says that a whole phase may be missing."""
    places = [k for v in exam.volumes for k, a in enumerate(arrays) if np.array_equal(v.array, a)]
    told = any("check that no phase is missing" in note for note in exam.notes)
    return told and len(places) == len(exam.volumes) and places == sorted(places)


@few
@given(st.sampled_from(WAYS), st.integers(0, 10**6), st.sampled_from([0, 1]))
def test_names_and_packing_of_files_change_nothing(way, seed, packed):
    files, arrays = exam_of(way)
    exam = read(files, seed, packed=packed)
    assert exam is not None and right(exam, arrays)
    assert [p.time_s for p in exam.phases] == [-70, 0, 70]


@few
@given(
    st.sampled_from(WAYS),
    st.sets(st.sampled_from(IN_FRAMES + IN_FILE), min_size=1, max_size=6),
    st.sampled_from([0.3, 1]),
    st.integers(0, 10**6),
)
def test_dropped_tags_give_the_same_order_or_a_sentence(way, tags, share, seed):
    files, arrays = exam_of(way)
    exam = read(without(files, sorted(tags), share, seed), seed)
    assert exam is None or right(exam, arrays) or fewer_and_said(exam, arrays)


@few
@given(st.sampled_from(WAYS), st.randoms())
def test_swapped_times_never_pass_in_silence(way, chance):
    files, arrays = exam_of(way)
    files = copy.deepcopy(files)
    contents = [g.FrameContentSequence[0] for d in files for g in d.PerFrameFunctionalGroupsSequence]
    for tag in ("FrameReferenceDateTime", "FrameAcquisitionDateTime", "TemporalPositionIndex"):
        values = [c.get(tag) for c in contents]
        if None in values:
            continue
        chance.shuffle(values)
        for c, value in zip(contents, values):
            setattr(c, tag, value)
    exam = read(files)
    assert exam is None or right(exam, arrays)


@few
@given(
    st.sampled_from(WAYS),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=12),
    st.integers(0, 25_000),
    st.booleans(),
)
def test_damaged_bytes_never_crash(way, changes, length, packed):
    files, arrays = exam_of(way)

    def damage(folder):
        path = next(p for p in sorted(Path(folder).rglob("*")) if p.is_file())
        data = bytearray(path.read_bytes())
        for place, value in changes:
            data[place % len(data)] = value
        path.write_bytes(data[: max(length, 140)])

    exam = read(files, damage=damage, packed=float(packed))
    if exam is not None:
        # Values may be damaged; but no phase may be in the place of another.
        means = [np.median(v.array) for v in exam.volumes]
        known = [np.median(a) for a in arrays]
        nearest = [int(np.argmin(np.abs(np.array(known) - m))) for m in means]
        assert nearest == sorted(nearest)
