"""The pixels of one DICOM slice as float32, rescaled."""

import os
import shutil
import tempfile
import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import BadInput
from .decode import stored_values
from .elements import IMPLICIT, open_unpacked
from .values import integer, numbers

AGAIN = "Export the series again"
_OWN = threading.local()


@dataclass(frozen=True)
class PixelLayout:
    """Where the pixels of one slice lie in its file, and what they mean.

    Parameters
    ----------
    offset : int
        First byte.
    bits, stored : int
        Bits of each value, and how many of them are used (the low ones).
    signed, big : bool
        Two's complement; big endian.
    slope, intercept : float
        value = stored · slope + intercept.
    """

    offset: int
    bits: int
    stored: int
    signed: bool = False
    big: bool = False
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def dtype(self):
        """numpy.dtype: of the stored values."""
        return np.dtype(f"{'>' if self.big else '<'}{'i' if self.signed else 'u'}{self.bits // 8}")


@dataclass(frozen=True)
class SliceRef:
    """One slice of a phase: where its pixels are, and what it is called in messages.

    Parameters
    ----------
    path : str
    name : str
        Without file name: a file name can hold a patient's name.
    shape : tuple of int
        Rows, columns.
    layout : PixelLayout or None
        None when the pixels need decoding.
    frame : int or None
        Frame of a multi-frame file.
    slope, intercept : float
        Of a frame that needs decoding: they stand in the frame's own header.
    """

    path: str
    name: str
    shape: tuple
    layout: PixelLayout | None = None
    frame: int | None = None
    slope: float = 1.0
    intercept: float = 0.0


def read_slice(ref, out):
    """Read the pixels of a slice into `out`.

    Parameters
    ----------
    ref : SliceRef
    out : numpy.ndarray
        float32, (y, x); filled with the values after Rescale Slope and Intercept.

    Raises
    ------
    BadInput
        If the file is gone, truncated, of another size than its header says, or compressed in a way that nothing here
        can decode.
    """
    array = _plain(ref) if ref.layout is not None else _decoded(ref)
    if array.shape != out.shape:
        raise BadInput("An image has another size than its header says", ref.name, AGAIN)
    layout = ref.layout
    if layout is None:
        out[:] = array
        return
    if layout.slope == 1:
        out[:] = array
    else:
        np.multiply(array, np.float32(layout.slope), out=out, casting="unsafe")
    if layout.intercept:
        out += np.float32(layout.intercept)


def _plain(ref):
    """Return the stored values of a slice that lies uncompressed in its file."""
    layout = ref.layout
    try:
        with open(ref.path, "rb", buffering=0) as stream:
            stream.seek(layout.offset)
            data = _scratch(ref.shape[0] * ref.shape[1] * layout.bits // 8)
            count = stream.readinto(data)
    except OSError as error:
        raise _unreadable(error, ref.name) from error
    if count != len(data):
        raise BadInput("The pixels of an image are damaged or incomplete", ref.name, AGAIN)
    array = data.view(layout.dtype)
    unused = layout.bits - layout.stored
    if unused:
        # Old files keep overlays in the bits that the image does not use.
        array <<= unused
        array >>= unused
    return array.reshape(ref.shape)


def _scratch(size):
    """Return `size` bytes of this thread's own, used again for every slice: new memory costs more than reading."""
    data = getattr(_OWN, "data", None)
    if data is None or len(data) != size:
        data = _OWN.data = np.empty(size, np.uint8)
    return data


def _unreadable(error, name):
    what = f"An image file cannot be read: {error.strerror or 'input/output error'}"
    return BadInput(what, name, "Check the disk")


def _decoded(ref):
    """Return the rescaled values of a slice that does not lie plainly in its file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The frames of one file follow one another: it is parsed once.
            dataset = _dataset(ref.path) if ref.frame is None else _kept_dataset(ref.path)
            if integer(dataset, "SamplesPerPixel", 1) != 1:
                raise BadInput("An image file holds something else than one grey-scale slice", ref.name, AGAIN)
            array, _ = stored_values(dataset, ref.name, ref.frame)
            slope, intercept = ref.slope, ref.intercept
            if ref.frame is None:
                slope = next(iter(numbers(dataset, "RescaleSlope")), 0) or 1.0
                intercept = next(iter(numbers(dataset, "RescaleIntercept")), 0.0)
            return array * np.float32(slope) + np.float32(intercept)
    except OSError as error:
        raise _unreadable(error, ref.name) from error
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        raise BadInput("The pixels of an image are damaged or incomplete", ref.name, AGAIN) from error


def _dataset(path):
    import pydicom

    with open_unpacked(path) as stream:
        dataset = pydicom.dcmread(stream, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = IMPLICIT
        return dataset


def let_go():
    """Forget the multi-frame file that was kept open in memory for its next frame."""
    _kept_dataset.cache_clear()


@lru_cache(maxsize=1)
def _kept_dataset(path):
    return _dataset(path)


@contextmanager
def plain_path(path, needed=None):
    """Give a path that SimpleITK can open: a temporary copy where the path is not ASCII and the system is Windows.

    Parameters
    ----------
    path : str or Path
    needed : bool, optional
        Copy or not; decided by system and path when left out.
    """
    path = Path(path)
    if needed is None:
        needed = os.name == "nt" and not str(path).isascii()
    if not needed:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="breastseg-") as folder:
        ending = ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix
        copy = Path(folder) / f"image{ending}"
        shutil.copyfile(path, copy)
        yield copy
