"""The fast header reader finds what pydicom finds in whatever way the file is written, or leaves it to pydicom."""

import gzip
import io
import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dicom.elements import Elements, NotPlain, _walk, _Window, read_elements, wanted_tags
from BreastSegLib.exam.dicom.headers import KEYWORDS, header_of, read_header
from BreastSegLib.exam.dicom.pixels import read_slice
from dicom_phantoms import dynamic, image, voxels
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(str(path) for path in BUNDLED.rglob("*") if path.is_file())
DICOM = [path for path in FILES if not path.endswith((".py", ".txt", ".md", "README", ".bin", ".json"))]
SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def full(array=None):
    """Return an image with nearly every tag that is looked for."""
    d = image(voxels(0)[0] if array is None else array, 2, Manufacturer="GE MEDICAL SYSTEMS")
    d.AcquisitionNumber, d.TemporalPositionIdentifier, d.NumberOfTemporalPositions = 3, 2, 6
    d.ContentTime, d.AcquisitionTime, d.SeriesTime = "101112.345", "101010", "100000.00"
    d.ContentDate = d.AcquisitionDate = d.SeriesDate = "20240105"
    d.AcquisitionDateTime = "20240105101010.5+0100"
    d.TriggerTime, d.TemporalResolution, d.DiffusionBValue = 1234.5, 65000, 0.0
    d.ContrastBolusAgent, d.ContrastBolusStartTime = "Gadobutrol", "101500"
    d.ScanOptions, d.SequenceName, d.ProtocolName = ["FS", "SFS"], "*fl3d1", "breast dyn"
    d.RescaleSlope, d.RescaleIntercept, d.NumberOfFrames = "1.25", "-7", 1
    d.add_new(0x00190010, "LO", "GEMS_ACQU_01")
    d.add_new(0x0019105A, "FL", 65000000.0)
    return d


def save(d, path, syntax=ExplicitVRLittleEndian, lengths="defined"):
    """Write a data set in a transfer syntax; sequences with or without their lengths."""
    d.file_meta.TransferSyntaxUID = syntax
    for element in d.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = lengths == "undefined"
            for item in element.value:
                item.is_undefined_length_sequence_item = lengths == "undefined"
    if syntax == ExplicitVRBigEndian and d.BitsAllocated == 16:
        d.PixelData = np.frombuffer(d.PixelData, "<u2").astype(">u2").tobytes()
    plain = Dataset()
    plain.update(d)
    plain.file_meta, plain.preamble = d.file_meta, b"\0" * 128
    big = syntax == ExplicitVRBigEndian
    plain.save_as(path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=not big, enforce_file_format=True)
    return path


def by_pydicom(path):
    """Return {name: list of comparable values} of the wanted tags as pydicom reads them."""
    data = Path(path).read_bytes()
    stream = io.BytesIO(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        d = pydicom.dcmread(stream, force=True, stop_before_pixels=True)
        found = {}
        for tag, (name, _) in wanted_tags(KEYWORDS).items():
            if tag in d:
                value = d[tag].value
                many = not isinstance(value, (str, bytes)) and hasattr(value, "__iter__") and d[tag].VR != "PN"
                found[name] = [comparable(part) for part in (value if many else [value])]
    return {name: value for name, value in found.items() if value not in ([""], [])}


def comparable(part):
    """Return a value as a number when it is one, else as text."""
    text = "" if part is None else str(part).strip("\0 ")
    try:
        return float(np.float32(text))
    except ValueError:
        return text


def ours(elements):
    """Return what the reader found in the same terms."""
    rows = {name: [comparable(part) for part in text.split("\\")] for name, text in elements.texts.items()}
    return {name: value for name, value in rows.items() if value != [""]}


def agree(path):
    """Check a file against pydicom, and return what was read."""
    elements = read_elements(str(path), KEYWORDS)
    assert elements is not None
    assert ours(elements) == by_pydicom(path)
    return elements


def walked(path):
    """Return what the fast way alone reads: it must not leave this file to pydicom."""
    with open(path, "rb", buffering=0) as stream:
        return _walk(_Window(stream, stream.read(8192)), wanted_tags(KEYWORDS))


def same_pixels(path):
    """Check the pixels at the direct offset against pydicom's, rescaled; return whether they were read directly."""
    ref = read_header(str(path)).slice_ref
    d = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in d.file_meta:
        d.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    wanted = d.pixel_array * np.float32(d.get("RescaleSlope", 1)) + np.float32(d.get("RescaleIntercept", 0))
    out = np.empty(ref.shape, np.float32)
    read_slice(ref, out)
    np.testing.assert_array_equal(out, wanted.astype(np.float32))
    return ref.layout is not None


# --- ways of writing


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_wanted_tag_is_read_as_pydicom_reads_it(tmp_path, syntax):
    path = save(full(), tmp_path / "a.dcm", SYNTAXES[syntax])
    found = agree(path)
    assert len(ours(found)) > 45 and found.syntax == SYNTAXES[syntax]
    assert (found.offset is None) == (syntax == "deflated")
    if syntax != "deflated":
        assert walked(path) == found
    assert same_pixels(path) == (syntax != "deflated")


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
def test_file_without_preamble(tmp_path, syntax):
    path = save(full(), tmp_path / "a.dcm", SYNTAXES[syntax])
    whole = path.read_bytes()
    path.write_bytes(whole[132:])
    agree(path)
    same_pixels(path)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_file_packed_with_gzip(tmp_path, syntax):
    plain = save(full(), tmp_path / "a.dcm", SYNTAXES[syntax])
    packed = tmp_path / "a.dcm.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    agree(packed)
    one, two = read_header(str(plain)), read_header(str(packed))
    assert (one.moments, one.resolution, one.position) == (two.moments, two.resolution, two.position)
    out = np.empty(one.shape, np.float32)
    read_slice(two.slice_ref, out)
    np.testing.assert_array_equal(out, voxels(0)[0] * np.float32(1.25) - 7)


@pytest.mark.parametrize("lengths", ["defined", "undefined"])
@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
def test_nested_sequences_before_the_wanted_tags_are_stepped_over(tmp_path, syntax, lengths):
    d = full()
    leaf = Dataset()
    # A wanted tag inside a sequence belongs to the sequence, not to the image.
    leaf.PatientID, leaf.SeriesNumber, leaf.ContentTime = "other", 99, "000000"
    middle = Dataset()
    middle.PurposeOfReferenceCodeSequence = [leaf, Dataset()]
    d.ReferencedStudySequence = [middle, middle]
    d.ReferencedImageSequence = []
    d.AnatomicRegionSequence = [middle]
    path = save(d, tmp_path / "a.dcm", SYNTAXES[syntax], lengths)
    found = agree(path)
    assert found.texts["PatientID"] == "ID1" and found.offset is not None
    assert walked(path) == found
    assert same_pixels(path)


def test_unknown_element_of_undefined_length_holds_an_implicit_sequence(tmp_path):
    path = save(full(), tmp_path / "a.dcm")
    whole = path.read_bytes()
    inner = struct.pack("<HHI", 0x0008, 0x0060, 2) + b"CT" + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    unknown = struct.pack("<HH2sHI", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFF) + item
    place = whole.index(struct.pack("<HH", 0x0010, 0x0010))
    path.write_bytes(whole[:place] + unknown + whole[place:])
    assert agree(path).texts["Modality"] == "MR"
    assert walked(path).offset is not None
    assert same_pixels(path)


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
@pytest.mark.parametrize("size", [8180, 100_000, 300_000])
def test_huge_private_elements_are_stepped_over(tmp_path, syntax, size):
    d = full()
    d.add_new(0x00210010, "LO", "SIEMENS CSA HEADER")
    d.add_new(0x00211010, "OB", b"\x28\x00\x10\x00" * (size // 4))
    d.add_new(0x00211020, "OB", b"x" * 6)
    path = save(d, tmp_path / "a.dcm", SYNTAXES[syntax])
    agree(path)
    assert walked(path).offset is not None
    assert same_pixels(path)


def test_wanted_value_across_the_border_of_what_is_read_at_a_time(tmp_path):
    for filler in range(6000, 8200, 14):
        d = full()
        d.add_new(0x00090010, "LO", "FILL")
        d.add_new(0x00091010, "OB", bytes(filler))
        agree(save(d, tmp_path / "a.dcm"))


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big", "deflated"])
def test_truncated_file_reads_as_pydicom_reads_it_or_as_damaged(tmp_path, syntax):
    path = save(full(), tmp_path / "a.dcm", SYNTAXES[syntax])
    whole = path.read_bytes()
    for length in range(132, len(whole), 7):
        path.write_bytes(whole[:length])
        try:
            wanted = by_pydicom(path)
        except Exception:  # noqa: BLE001 - pydicom raises whatever the bytes make it raise
            wanted = None
        try:
            found = read_elements(str(path), KEYWORDS)
        except Exception:  # noqa: BLE001
            found = None
        if wanted is not None and found is not None:
            assert ours(found) == wanted
        header = read_header(str(path))
        if header and header.shape == (8, 10):
            out = np.empty(header.shape, np.float32)
            try:
                read_slice(header.slice_ref, out)
            except BadInput:
                continue
            # Of a deflated file the end may be lost without any pixel.
            assert syntax == "deflated"
            np.testing.assert_array_equal(out, voxels(0)[0] * np.float32(1.25) - 7)


def test_odd_length_is_taken_as_it_stands(tmp_path):
    path = save(full(), tmp_path / "a.dcm")
    whole = path.read_bytes()
    place = whole.index(b"SH") if b"SH" in whole else whole.index(struct.pack("<HH", 0x0018, 0x0024))
    (length,) = struct.unpack_from("<H", whole, place + 2)
    value = whole[place + 4 : place + 4 + length]
    odd = value.rstrip()[: length - 1 - (length % 2)]
    path.write_bytes(whole[: place + 2] + struct.pack("<H", len(odd)) + odd + whole[place + 4 + length :])
    assert len(odd) % 2 == 1
    agree(path)
    assert same_pixels(path)


def test_wrong_lengths_are_left_to_pydicom(tmp_path):
    path = save(full(), tmp_path / "a.dcm")
    whole = bytearray(path.read_bytes())
    place = whole.index(b"CS", 300)
    struct.pack_into("<H", whole, place + 2, 3001)
    path.write_bytes(whole)
    with pytest.raises((NotPlain, struct.error)):
        walked(path)
    assert read_header(str(path)) is None or read_header(str(path)).shape


def test_what_is_no_dicom_is_told_from_what_is_damaged(tmp_path):
    for name, data in (
        ("text", b"not an image " * 40),
        ("empty", b""),
        ("short", b"\x08\x00"),
        ("gz", gzip.compress(b"hello " * 100)),
        ("bad gz", b"\x1f\x8b" + b"\0" * 300),
    ):
        (tmp_path / name).write_bytes(data)
        assert read_header(str(tmp_path / name)) is False, name
    (tmp_path / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    assert read_header(str(tmp_path / "broken")) is None
    packed = gzip.compress(save(full(), tmp_path / "a").read_bytes())
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) // 2])
    assert read_header(str(tmp_path / "cut.gz")) is None
    assert read_header(str(tmp_path / "gone")) is None


# --- pixels in place


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(
    ("bits", "stored", "signed"),
    [(8, 8, 0), (8, 8, 1), (16, 12, 0), (16, 12, 1), (16, 16, 1), (16, 16, 0), (32, 32, 0), (32, 24, 1)],
)
def test_pixels_of_every_depth_are_read_in_place(tmp_path, bits, stored, signed, big):
    rng = np.random.default_rng(bits + stored + signed)
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    values = rng.integers(low, high, (8, 10), endpoint=True)
    values[0, :2] = low, high
    raw = values.astype(np.int64) & ((1 << bits) - 1)
    kind = np.dtype(f"{'>' if big and bits != 16 else '<'}u{bits // 8}")
    d = image(voxels(0)[0], 0, BitsAllocated=bits, BitsStored=stored, HighBit=stored - 1, PixelRepresentation=signed)
    d.PixelData = raw.astype(kind).tobytes()
    d["PixelData"].VR = "OB" if bits == 8 else "OW"
    save(d, tmp_path / "a.dcm", ExplicitVRBigEndian if big else ExplicitVRLittleEndian)
    ref = read_header(str(tmp_path / "a.dcm")).slice_ref
    out = np.empty((8, 10), np.float32)
    read_slice(ref, out)
    assert ref.layout is not None
    np.testing.assert_array_equal(out, values.astype(np.float32))


@pytest.mark.parametrize("signed", [0, 1])
def test_overlay_in_unused_bits_is_no_part_of_the_image(tmp_path, signed):
    values = voxels(3)[1].astype(np.int64) - (200 if signed else 0)
    overlay = np.random.default_rng(1).integers(0, 16, values.shape)
    raw = (values & 0x0FFF) | overlay << 12
    d = image(raw.astype("<u2"), 0, PixelRepresentation=signed)
    d.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    ref = read_header(str(tmp_path / "a.dcm")).slice_ref
    out = np.empty(ref.shape, np.float32)
    read_slice(ref, out)
    np.testing.assert_array_equal(out, values)


def test_high_bit_elsewhere_is_left_to_a_decoder(tmp_path):
    image(voxels(0)[0], 0, HighBit=13).save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert read_header(str(tmp_path / "a.dcm")).layout is None


# --- pydicom's own files


@pytest.mark.parametrize("path", DICOM, ids=lambda path: os.path.relpath(path, BUNDLED))
def test_bundled_files_read_as_pydicom_reads_them(path):
    try:
        wanted = by_pydicom(path)
    except Exception:  # noqa: BLE001 - some of these files are damaged on purpose
        wanted = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = read_header(path)
        if header in (None, False):
            assert not wanted or "Rows" not in wanted or not wanted.get("SOPClassUID"), "an image was not recognised"
            return
        found = read_elements(path, KEYWORDS)
    assert isinstance(found, Elements) and header == header_of(path, found)
    plain = {k: v for k, v in ours(found).items() if k not in ("PatientName", "PatientID")}
    assert plain == {k: v for k, v in (wanted or {}).items() if k not in ("PatientName", "PatientID")}


def readable(path):
    """bool: whether pydicom reads a file as one grey image of a kind that the walk handles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            d = pydicom.dcmread(path, force=True)
            syntax = d.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
            if syntax.is_compressed or d.get("SamplesPerPixel") != 1 or int(d.get("NumberOfFrames") or 1) > 1:
                return False
            d.file_meta.TransferSyntaxUID = syntax
            return d.Modality in ("MR", "CT", "OT", "CR") and d.pixel_array.ndim == 2
        except Exception:  # noqa: BLE001 - some of these files are damaged on purpose
            return False


@pytest.mark.parametrize("path", list(filter(readable, DICOM)), ids=lambda path: os.path.relpath(path, BUNDLED))
def test_bundled_pixels_are_those_of_pydicom(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        direct = same_pixels(path)
        plain = pydicom.dcmread(path, force=True).file_meta.get("TransferSyntaxUID") in (
            ExplicitVRLittleEndian,
            ImplicitVRLittleEndian,
            ExplicitVRBigEndian,
        )
    assert direct == plain or Path(path).read_bytes()[128:132] != b"DICM"


def test_rows_of_a_real_dynamic_are_walked_without_pydicom(tmp_path):
    images, _ = dynamic("ge", 2)
    for k, d in enumerate(images):
        path = save(d, tmp_path / f"{k}.dcm")
        assert walked(path).offset == path.stat().st_size - len(d.PixelData)
