"""Whether the pixels of a data set are all there: a reply that was cut off can look like a shorter one."""

import math

from pydicom.uid import UID


def is_whole(dataset):
    """Return False for a data set with fewer pixels than its header says.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With its file meta information. One without pixels is whole.
    """
    if "SOPInstanceUID" not in dataset:
        return False
    if "PixelData" not in dataset:
        return "Rows" not in dataset or "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset
    syntax = UID(str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "")))
    data = dataset["PixelData"].value
    if not syntax.is_transfer_syntax or syntax.is_private:
        return True
    if syntax.is_encapsulated:
        return bool(data)
    samples, bits = int(dataset.get("SamplesPerPixel", 1)), int(dataset.get("BitsAllocated", 16))
    if samples == 3 and str(dataset.get("PhotometricInterpretation", "")) == "YBR_FULL_422":
        samples = 2
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1)
    return len(data) >= math.ceil(pixels * samples * bits / 8)
