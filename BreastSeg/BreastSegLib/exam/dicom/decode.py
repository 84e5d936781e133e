"""Stored pixel values, exactly as the file holds them: no inversion, no rescale, whatever the transfer syntax."""

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np

from ...errors import BadInput
from .overhear import overheard
from .values import integer, value

NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"}
RLE = "1.2.840.10008.1.2.5"
LARGEST_PIXELS = 200_000_000
AGAIN = "Export the image again"
JPEG, END_OF_JPEG = ("1.2.840.10008.1.2.4.5", "1.2.840.10008.1.2.4.7", "1.2.840.10008.1.2.4.8"), b"\xff\xd9"
# The decoders fill what is missing with grey and only grumble about it.
DAMAGE = ("premature end", "bad Huffman code")


def stored_values(data, where, frame=None):
    """Return the stored values of a DICOM image with one grey frame, or of one frame of several.

    pydicom decodes what is native or RLE. Everything else goes to the decoders that SimpleITK brings, in a temporary
    copy that holds nothing but the pixels and their layout, declared MONOCHROME2: so nothing can invert or rescale.

    Parameters
    ----------
    data : pydicom.Dataset
        With its pixel data.
    where : str
        What the image is called in messages.
    frame : int, optional
        Which frame of a multi-frame image, from 0.

    Returns
    -------
    stored : numpy.ndarray
        Integers, (y, x), within Bits Stored.
    notes : list of str

    Raises
    ------
    BadInput
        If the tags about the pixels contradict one another, or the pixels are damaged, incomplete or cannot be
        decoded.
    """
    layout = _layout(data, where)
    if value(data, "PixelData") is None:
        raise BadInput("The file holds no pixels", where, AGAIN)
    syntax = str(data.file_meta.TransferSyntaxUID)
    native = syntax in NATIVE
    bare = _bare(data, layout, syntax, _one_frame(data, layout, native, frame, where))
    if native:
        have, need = len(bare.PixelData), _frame_bytes(layout)
        if have < need:
            raise BadInput(f"The pixels are incomplete: {have:,} of {need:,} bytes", where, AGAIN)
    array = _by_pydicom(bare, where) if native or syntax == RLE else _by_sitk(bare, where)
    if array.shape != (layout["Rows"], layout["Columns"]) or array.dtype.kind not in "iu":
        raise BadInput("The compressed pixels do not have the size that the header says", where, AGAIN)
    return _within_bits(array, layout, shift=native or syntax == RLE)


def _frame_bytes(layout):
    return layout["Rows"] * layout["Columns"] * layout["BitsAllocated"] // 8


def _one_frame(data, layout, native, frame, where):
    """Return the pixel data of one frame, encapsulated as in the file."""
    if frame is None:
        return data.PixelData
    if native:
        size = _frame_bytes(layout)
        return data.PixelData[frame * size : (frame + 1) * size]
    from pydicom.encaps import encapsulate, get_frame

    try:
        count = integer(data, "NumberOfFrames", 1)
        return encapsulate([get_frame(data.PixelData, frame, number_of_frames=count)])
    except Exception as error:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        raise BadInput("The pixels of the image are damaged or incomplete", where, AGAIN) from error


def _layout(data, where):
    layout = {
        name: integer(data, name, default)
        for name, default in (
            ("Rows", 0),
            ("Columns", 0),
            ("BitsAllocated", 16),
            ("BitsStored", None),
            ("HighBit", None),
            ("PixelRepresentation", 0),
        )
    }
    allocated = layout["BitsAllocated"]
    if allocated not in (8, 16, 32):
        raise BadInput(f"The pixels have {allocated} bits each", where, "Give an image with 8 or 16 bits")
    if min(layout["Rows"], layout["Columns"]) < 1 or layout["Rows"] * layout["Columns"] > LARGEST_PIXELS:
        size = f"{layout['Columns']} × {layout['Rows']}"
        raise BadInput(f"An image of {size} pixels cannot be read", where, "Check the file's header")
    stored = layout["BitsStored"] or allocated
    high = stored - 1 if layout["HighBit"] is None else layout["HighBit"]
    if (
        not 2 <= stored <= allocated
        or not stored - 1 <= high < allocated
        or layout["PixelRepresentation"] not in (0, 1)
    ):
        raise BadInput("The tags about the bits of a pixel contradict one another", where, AGAIN)
    layout.update(BitsStored=stored, HighBit=high)
    return layout


def _bare(data, layout, syntax, pixels):
    """Return a data set with the pixels and their layout only."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import SecondaryCaptureImageStorage

    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = syntax
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID = SecondaryCaptureImageStorage
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID = "2.25.1"
    bare.Modality, bare.SamplesPerPixel, bare.PhotometricInterpretation = "OT", 1, "MONOCHROME2"
    for name, number in layout.items():
        setattr(bare, name, number)
    bare.PixelData = pixels
    bare["PixelData"].VR = data["PixelData"].VR
    bare["PixelData"].is_undefined_length = syntax not in NATIVE
    return bare


def _by_pydicom(bare, where):
    from pydicom.pixels import pixel_array

    # pydicom would cut the values to Bits Stored as if High Bit were always the next lower number.
    bare.BitsStored, bare.HighBit = bare.BitsAllocated, bare.BitsAllocated - 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if str(bare.file_meta.TransferSyntaxUID) == RLE:
                return pixel_array(bare, raw=True, decoding_plugin="pydicom")
            return pixel_array(bare, raw=True)
    except Exception as error:  # noqa: BLE001 - damaged bytes make the decoder raise almost any exception
        raise BadInput("The pixels of the image are damaged or incomplete", where, AGAIN) from error


def _by_sitk(bare, where):
    import SimpleITK as sitk

    # High bits mean nothing in a compressed stream: it holds the values themselves.
    bare.HighBit = bare.BitsStored - 1
    bare["PixelData"].VR = "OB"
    said = []
    if str(bare.file_meta.TransferSyntaxUID).startswith(JPEG) and END_OF_JPEG not in bare.PixelData[-64:]:
        raise BadInput("The compressed pixels of the image are incomplete", where, AGAIN)
    try:
        # Windows cannot open a file that is still open here: a folder, not a named temporary file.
        with tempfile.TemporaryDirectory(prefix="breastseg-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "image.dcm"
            bare.save_as(path, enforce_file_format=True)
            with overheard(said):
                image = sitk.ReadImage(os.fspath(path), imageIO="GDCMImageIO")
    except Exception as error:  # noqa: BLE001 - as above; SimpleITK raises RuntimeError
        raise BadInput(
            "The compressed pixels of the image are damaged, or of a kind that cannot be decoded",
            where,
            "Export the image without compression",
        ) from error
    if any(word in " ".join(said) for word in DAMAGE):
        raise BadInput("The compressed pixels of the image are damaged", where, AGAIN)
    array = sitk.GetArrayFromImage(image)
    return array[0] if array.ndim == 3 and array.shape[0] == 1 else array


def _within_bits(array, layout, shift):
    """Return the values without the bits that lie outside Bits Stored, signs extended."""
    bits, signed = layout["BitsStored"], layout["PixelRepresentation"] == 1
    down = layout["HighBit"] + 1 - bits if shift else 0
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if not down and array.min() >= low and array.max() <= high:
        return array, []
    wide = array.astype(np.int32) >> down & (2**bits - 1)
    if signed:
        wide -= (wide >= 2 ** (bits - 1)).astype(np.int32) << bits
    changed = int((wide != array).sum()) if not down else 0
    note = f"{changed:,} pixels had bits set outside the {bits} bits stored; those bits are ignored."
    return wide, [note] if changed else []
