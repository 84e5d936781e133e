"""Tiny DICOM exams with the tags as scanners of three vendors write them."""

import copy
import random
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

MR = "1.2.840.10008.5.1.4.1.1.4"
ROWS, COLUMNS, SLICES = 8, 10, 4
SPACING, STEP = (0.8, 1.1), 2.5  # along x and y, along z
ORIGIN = (-10.0, -20.0, 30.0)
AXIAL = (1.0, 0, 0, 0, 1.0, 0)
STUDY, FRAME = generate_uid(entropy_srcs=["study"]), generate_uid(entropy_srcs=["frame"])
MANUFACTURERS = {"ge": "GE MEDICAL SYSTEMS", "siemens": "SIEMENS", "philips": "Philips Medical Systems", "": "Canon"}
NAME = "Secret^Patient"


def clock(seconds):
    """Return a DICOM time."""
    return f"{int(seconds) // 3600 % 24:02d}{int(seconds) // 60 % 60:02d}{seconds % 60:09.6f}"


def voxels(phase, seed=0):
    """Return the stored values of one phase, uint16, (z, y, x)."""
    rng = np.random.default_rng(1000 * seed + phase)
    return rng.integers(10 + 100 * phase, 100 + 100 * phase, (SLICES, ROWS, COLUMNS)).astype(np.uint16)


def image(array, z, *, series=5, orientation=AXIAL, spacing=SPACING, step=STEP, origin=ORIGIN, **tags):
    """Return one classic MR image; `tags` override or, with None, remove."""
    uid = generate_uid()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = (
        MR,
        uid,
        ExplicitVRLittleEndian,
    )
    d = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    normal = np.cross(orientation[:3], orientation[3:])
    values = {
        "SOPClassUID": MR,
        "SOPInstanceUID": uid,
        "Modality": "MR",
        "PatientID": "ID1",
        "PatientName": NAME,
        "StudyInstanceUID": STUDY,
        "StudyDate": "20240105",
        "SeriesInstanceUID": generate_uid(entropy_srcs=[f"series {series}"]),
        "SeriesNumber": series,
        "FrameOfReferenceUID": FRAME,
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
        "SeriesDescription": "t1 fl3d tra dynamic",
        "EchoTime": 1.8,
        "RepetitionTime": 4.5,
        "FlipAngle": 10,
        "ImageOrientationPatient": list(orientation),
        "ImagePositionPatient": [round(float(v), 6) for v in np.array(origin) + normal * step * z],
        "PixelSpacing": list(spacing[::-1]),
        "SliceThickness": 99,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": array.shape[0],
        "Columns": array.shape[1],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelData": array.tobytes(),
        **tags,
    }
    for name, value in values.items():
        if value is not None:
            setattr(d, name, value)
    return d


def dynamic(vendor="siemens", phases=4, one_series=True, start=36000.0, interval=70.0, seed=0, **tags):
    """Return the images of a dynamic, phase by phase, and each phase's stored values.

    `tags` values may be functions of (phase, slice).
    """
    images, arrays = [], []
    for p in range(phases):
        array = voxels(p, seed)
        arrays.append(array)
        for z in range(SLICES):
            own = clocks(vendor, p, z, start, interval, one_series)
            own["InstanceNumber"] = (p if one_series else 0) * SLICES + z + 1
            own["Manufacturer"] = MANUFACTURERS[vendor]
            own |= {name: value(p, z) if callable(value) else value for name, value in tags.items()}
            images.append(image(array[z], z, **({"series": 5 if one_series else 5 + p} | own)))
    return images, arrays


def clocks(vendor, p, z, start, interval, one_series):
    """Return the time tags of slice z of phase p as the vendor writes them."""
    now, first = start + p * interval, start if one_series else start + p * interval
    day = dict.fromkeys(("ContentDate", "AcquisitionDate", "SeriesDate"), "20240105")
    if vendor == "philips":
        return day | {
            "ContentTime": clock(now),
            "AcquisitionTime": clock(first),
            "SeriesTime": clock(start if one_series else now),
            "TriggerTime": p * interval * 1000 if one_series else 0,
            "TemporalPositionIdentifier": p + 1 if one_series else 1,
            "NumberOfTemporalPositions": 4,
        }
    if vendor == "ge":
        # The trigger time differs a little for every image; the acquisition time is that of the series.
        trigger = (p * interval if one_series else 0) * 1000 + 7 * z + 1
        return day | {
            "ContentTime": clock(now),
            "AcquisitionTime": clock(first),
            "SeriesTime": clock(first),
            "TriggerTime": trigger,
        }
    # Images of one phase are written one after the other.
    return day | {
        "ContentTime": clock(now + 60 + 0.2 * z),
        "AcquisitionTime": clock(now),
        "SeriesTime": clock(first),
        "AcquisitionNumber": p + 1 if one_series else 1,
    }


def write(folder, images, seed=0, names=None):
    """Write images under shuffled names without meaning, some in a subfolder and without ending."""
    folder = Path(folder)
    (folder / "sub dir").mkdir(parents=True, exist_ok=True)
    order = list(range(len(images)))
    random.Random(seed).shuffle(order)
    for k, i in enumerate(order):
        name = names[i] if names else (f"{seed}_{k}", f"sub dir/IM{seed}_{k}.dcm", f"{seed}_{k}.bin")[k % 3]
        images[i].save_as(folder / name, enforce_file_format=True)
    return folder


def changed(images, **tags):
    """Return copies of images with other tags (None removes)."""
    result = []
    for d in images:
        d = copy.deepcopy(d)
        for name, value in tags.items():
            if value is None:
                d.pop(name, None)
            else:
                setattr(d, name, value)
        result.append(d)
    return result


def read_back(path):
    """Return one stored slice as pydicom reads it."""
    return pydicom.dcmread(path).pixel_array


def said(exam):
    """Return the notes of an exam without the one that its image shows no breast: these tiny ones are noise."""
    return tuple(note for note in exam.notes if "shows no body" not in note)
