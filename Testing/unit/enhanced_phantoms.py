"""Tiny enhanced multi-frame MR files with functional groups as scanners of different vendors write them."""

import random

import numpy as np
from dicom_phantoms import AXIAL, COLUMNS, FRAME, NAME, ORIGIN, ROWS, SLICES, SPACING, STEP, STUDY, clock, voxels
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
DAY = "20240105"
KINDS = {
    "magnitude": (["ORIGINAL", "PRIMARY", "T1", "NONE"], "MAGNITUDE"),
    "phase": (["ORIGINAL", "PRIMARY", "T1", "NONE"], "PHASE"),
    "field map": (["DERIVED", "PRIMARY", "FIELD_MAP", "NONE"], "MIXED"),
    "subtraction": (["DERIVED", "PRIMARY", "SUBTRACTION", "NONE"], "MAGNITUDE"),
}


def item(**values):
    """Return a data set with these elements."""
    result = Dataset()
    for name, value in values.items():
        setattr(result, name, value)
    return result


def frame(phase, z, **tags):
    """Return a frame: where it lies, which phase it is of, and the functional groups that its clock tags make.

    Parameters
    ----------
    phase, z : int
    **tags
        ``index``, ``reference`` and ``acquired`` (seconds of the day), ``duration`` (ms), ``trigger`` (ms), ``offset``
        (s), ``slope``, ``agent`` (bool), ``kind`` (see `KINDS`), ``echo`` (ms); None leaves a tag out.
    """
    groups = item(PlanePositionSequence=[item(ImagePositionPatient=[ORIGIN[0], ORIGIN[1], ORIGIN[2] + STEP * z])])
    content = item(StackID="1", InStackPositionNumber=z + 1)
    if tags.get("index") is not None:
        content.TemporalPositionIndex = tags["index"]
    for name, keyword in (("reference", "FrameReferenceDateTime"), ("acquired", "FrameAcquisitionDateTime")):
        if tags.get(name) is not None:
            day = "20240106" if tags[name] >= 86400 else DAY
            setattr(content, keyword, day + clock(tags[name]))
    if tags.get("duration") is not None:
        content.FrameAcquisitionDuration = float(tags["duration"])
    groups.FrameContentSequence = [content]
    if tags.get("trigger") is not None:
        groups.CardiacSynchronizationSequence = [item(NominalCardiacTriggerDelayTime=float(tags["trigger"]))]
    if tags.get("offset") is not None:
        groups.TemporalPositionSequence = [item(TemporalPositionTimeOffset=float(tags["offset"]))]
    if tags.get("slope") is not None:
        groups.PixelValueTransformationSequence = [
            item(RescaleSlope=tags["slope"], RescaleIntercept=tags.get("intercept", 0), RescaleType="US")
        ]
    if tags.get("agent") is not None:
        usage = item(ContrastBolusAgentNumber=1, ContrastBolusAgentAdministered="YES" if tags["agent"] else "NO")
        groups.ContrastBolusUsageSequence = [usage]
    if tags.get("kind") is not None:
        kind, component = KINDS[tags["kind"]]
        groups.MRImageFrameTypeSequence = [item(FrameType=kind, ComplexImageComponent=component)]
    if tags.get("echo") is not None:
        groups.MREchoSequence = [item(EffectiveEchoTime=float(tags["echo"]))]
    groups.phase, groups.place = phase, z
    return groups


def enhanced(frames, pixels, *, series=5, file=0, **tags):
    """Return an enhanced MR file.

    Parameters
    ----------
    frames : list of Dataset
        From `frame`, in the order of the file.
    pixels : sequence of numpy.ndarray
        Stored values of each frame, uint16.
    series, file : int
        Number of the series, and of the file in it.
    **tags
        Override or, with None, remove tags of the file.
    """
    uid = generate_uid()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ENHANCED_MR, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(AXIAL))],
        PixelMeasuresSequence=[
            item(PixelSpacing=list(SPACING[::-1]), SliceThickness=99, SpacingBetweenSlices=STEP),
        ],
        MREchoSequence=[item(EffectiveEchoTime=1.8)],
        MRTimingAndRelatedParametersSequence=[item(RepetitionTime=4.5, FlipAngle=10.0)],
    )
    kind, component = KINDS["magnitude"]
    shared.MRImageFrameTypeSequence = [item(FrameType=kind, ComplexImageComponent=component)]
    groups = []
    for one in frames:
        copy = Dataset()
        copy.update(one)
        groups.append(copy)
    values = {
        "SOPClassUID": ENHANCED_MR,
        "SOPInstanceUID": uid,
        "Modality": "MR",
        "Manufacturer": "Unknown Scanners Inc",
        "PatientID": "ID1",
        "PatientName": NAME,
        "StudyInstanceUID": STUDY,
        "StudyDate": DAY,
        "SeriesDate": DAY,
        "SeriesTime": clock(36000),
        "ContentDate": DAY,
        "ContentTime": clock(36000),
        "SeriesInstanceUID": generate_uid(entropy_srcs=[f"series {series}"]),
        "SeriesNumber": series,
        "SeriesDescription": "t1 dyn tra",
        "InstanceNumber": file + 1,
        "FrameOfReferenceUID": FRAME,
        "ImageType": ["ORIGINAL", "PRIMARY", "T1", "NONE"],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "NumberOfFrames": len(frames),
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": groups,
        "PixelData": np.stack(pixels).astype("<u2").tobytes(),
        **tags,
    }
    result = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for name, value in values.items():
        if value is not None:
            setattr(result, name, value)
    return result


def siemens_xa(phases=4, interval=70.0, start=36000.0, agent=None, **tags):
    """Return one enhanced file for each time point, and each phase's stored values."""
    files, arrays = [], []
    for p in range(phases):
        array = voxels(p, 11)
        now = start + p * interval
        used = None if agent is None else p >= agent
        frames = [frame(p, z, index=1, acquired=now, reference=now, duration=60000, agent=used) for z in range(SLICES)]
        own = {
            "Manufacturer": "SIEMENS",
            "ImageType": ["ORIGINAL", "PRIMARY", "VIBE", "NONE"],
            "AcquisitionNumber": p + 1,
            "AcquisitionDateTime": ("20240106" if now >= 86400 else DAY) + clock(now),
            "ContentTime": clock(now + 65),
            "ContentDate": "20240106" if now + 65 >= 86400 else DAY,
            "SeriesTime": clock(start),
        }
        files.append(enhanced(frames, list(array), file=p, **(own | tags)))
        arrays.append(array)
    return files, arrays


def one_file(clocks, phases=4, seed=None, maker="Philips Medical Systems", slopes=(1.0,), extra=(), **tags):
    """Return one enhanced file with all phases, and the rescaled values of each phase, float32.

    Parameters
    ----------
    clocks : callable
        ``clocks(phase, z)`` returns the tags of a frame; see `frame`.
    seed : int, optional
        Shuffles the frames.
    slopes : sequence of float
        Rescale slope of each phase, in turn.
    extra : sequence of str
        Kinds of images of every phase and place besides the magnitude; see `KINDS`.
    """
    arrays = [voxels(p, 12) for p in range(phases)]
    rows = []
    for p in range(phases):
        slope = slopes[p % len(slopes)]
        for z in range(SLICES):
            own = {"slope": slope, **clocks(p, z)}
            rows.append((frame(p, z, kind="magnitude", **own), arrays[p][z]))
            rows += [(frame(p, z, kind=kind, **own), 4000 - arrays[p][z]) for kind in extra]
    if seed is not None:
        random.Random(seed).shuffle(rows)
    kinds = {"ImageType": ["ORIGINAL", "PRIMARY", "T1", "MIXED"]} if extra else {}
    file = enhanced([row[0] for row in rows], [row[1] for row in rows], Manufacturer=maker, **(kinds | tags))
    values = [a * np.float32(slopes[p % len(slopes)]) for p, a in enumerate(arrays)]
    return file, values


CLOCKS = {
    "philips": lambda p, z: {"index": p + 1, "reference": 36000.0 + 70 * p, "acquired": 36000.0},
    "philips trigger": lambda p, z: {"index": p + 1, "trigger": 70000.0 * p, "acquired": 36000.0},
    "ge": lambda p, z: {"index": p + 1, "offset": 70.0 * p},
    "unknown": lambda p, z: {"offset": 70.0 * p},
    "acquired": lambda p, z: {"acquired": 36000.0 + 70 * p + 0.1 * z},
}
