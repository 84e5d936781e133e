"""Small mammogram files for tests, tag by tag."""

from functools import cache

import numpy as np
from BreastSegLib.samples import dicom_common
from BreastSegLib.samples.mammogram import make_mammogram
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"


@cache
def sample(laterality="L", view="CC", polarity="MONOCHROME2", intent="presentation", markers=False, padding="none"):
    """Return a small synthetic mammogram."""
    return make_mammogram(
        3,
        laterality,
        view,
        size=(416, 320),
        polarity=polarity,
        intent=intent,
        markers=markers,
        padding=padding,
        mass=False,
    )


def data_set(pixels=None, bits=12, photometric="MONOCHROME2", **tags):
    """Return a bare mammogram: pixels, a study, and the given tags (None leaves a tag out)."""
    pixels = sample().image if pixels is None else pixels
    number = tags.pop("number", 1)
    data = dicom_common.new_file(PRESENTATION, f"2.25.{1000 + number}")
    data.Modality, data.PatientID, data.PatientName = "MG", "P1", "Doe^Jane"
    data.StudyInstanceUID, data.SeriesInstanceUID, data.StudyDate = "2.25.7", f"2.25.{8000 + number}", "20200102"
    data.SeriesNumber, data.InstanceNumber = number, 1
    dicom_common.set_pixels(data, np.asarray(pixels).astype("<u2"), bits, photometric)
    if np.asarray(pixels).dtype.kind == "i":
        data.PixelRepresentation = 1
    for name, value in tags.items():
        if value is None:
            if name in data:
                delattr(data, name)
        else:
            setattr(data, name, value)
    return data


def write(path, *args, **tags):
    """Write `data_set` to a file and return its path."""
    dicom_common.save(data_set(*args, **tags), path)
    return path


def code_sequence(value, scheme="SCT", modifiers=(), name="ViewModifierCodeSequence"):
    """Return a code sequence with one item."""
    item = dicom_common.code(value, scheme, "x")
    if modifiers:
        setattr(item, name, Sequence([dicom_common.code(m, scheme, "x") for m in modifiers]))
    return Sequence([item])


def lut(values, first=0, bits=12, name="NORMAL", as_bytes=False):
    """Return a LUT sequence with one item."""
    item = Dataset()
    item.LUTDescriptor = [len(values) % 65536, first, bits]
    item.LUTExplanation = name
    item.LUTData = [int(v) for v in values]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    if as_bytes:
        item.add_new("LUTData", "OW", np.asarray(values, "<u2").tobytes())
    return Sequence([item])
