"""Mammograms: every transfer syntax, the values exactly as stored."""

import io

import mammogram_cases as cases
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mammograms import read_views
from BreastSegLib.exam.mammograms.opening import open_dicom
from BreastSegLib.exam.mammograms.size import stored_values
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import UID

RLE, J2K = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90"
DEFLATED, BIG, IMPLICIT = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def noise(bits, signed=False, shape=(64, 48)):
    values = np.random.default_rng(bits).integers(0, 2**bits, shape)
    values[0, :2] = 0, 2**bits - 1
    return (values - 2 ** (bits - 1)).astype(np.int16) if signed else values.astype(np.uint16)


def write(path, pixels, bits, syntax, photometric="MONOCHROME2"):
    data = cases.data_set(pixels, bits, photometric)
    if bits <= 8:
        data.BitsAllocated, data.PixelData = 8, pixels.astype(pixels.dtype.kind + "1").tobytes()
    if syntax in (RLE, J2K):
        data.compress(syntax, encoding_plugin="pydicom" if syntax == RLE else "pylibjpeg")
    elif syntax == BIG:
        data.file_meta.TransferSyntaxUID = UID(syntax)
        data.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes() if bits > 8 else data.PixelData
        data["PixelData"].VR = "OB" if bits <= 8 else "OW"
        pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=False)
        return path
    else:
        data.file_meta.TransferSyntaxUID = UID(syntax)
    data.save_as(path, enforce_file_format=True)
    return path


def compressed_by_gdcm(folder, pixels, compressor):
    """Return the data set that SimpleITK writes of `pixels`."""
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetFileName(str(folder / "made.dcm"))
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.Execute(sitk.GetImageFromArray(pixels[None]))
    return pydicom.dcmread(folder / "made.dcm")


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", [IMPLICIT, DEFLATED, BIG, RLE, J2K])
@pytest.mark.parametrize("bits, signed", [(8, False), (10, False), (12, True), (14, False), (16, False), (16, True)])
def test_stored_values_come_back_and_are_inverted_once(tmp_path, bits, signed, syntax, photometric):
    pixels = noise(bits, signed)
    path = write(tmp_path / "IM1", pixels, bits, syntax, photometric)
    data = open_dicom(path, "image", pixels=True)
    np.testing.assert_array_equal(stored_values(data, "image")[0], pixels)
    np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, pixels)  # pylibjpeg agrees
    image = read_views([path]).images[0].array[0]
    both_ends = -1 if signed else 2**bits - 1
    np.testing.assert_array_equal(image, pixels if photometric == "MONOCHROME2" else both_ends - pixels.astype(float))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("compressor, lossless", [("JPEG", JPEG_LOSSLESS), ("JPEG2000", J2K)])
def test_what_gdcm_compressed_is_read_as_pylibjpeg_reads_it(tmp_path, compressor, lossless, photometric):
    pixels = noise(12)
    made = compressed_by_gdcm(tmp_path, pixels, compressor)
    assert made.file_meta.TransferSyntaxUID == lossless
    np.testing.assert_array_equal(made.pixel_array, pixels)
    data = cases.data_set(pixels, 16, photometric)
    data.file_meta.TransferSyntaxUID = made.file_meta.TransferSyntaxUID
    data.PixelData = made.PixelData
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "IM1", enforce_file_format=True)
    image = read_views([tmp_path / "IM1"]).images[0].array[0]
    np.testing.assert_array_equal(image, pixels if photometric == "MONOCHROME2" else 65535 - pixels.astype(float))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_baseline_jpeg_is_read_as_pillow_reads_it(tmp_path, photometric):
    smooth = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(smooth).save(stream, "JPEG", quality=95)
    expected = np.asarray(Image.open(stream)).astype(float)
    path = write(tmp_path / "IM1", smooth, 8, "1.2.840.10008.1.2.1", photometric)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.50")
    data.PixelData = encapsulate([stream.getvalue()])
    data["PixelData"].VR = "OB"
    data.save_as(path, enforce_file_format=True)
    image = read_views([path]).images[0].array[0]
    np.testing.assert_allclose(image, expected if photometric == "MONOCHROME2" else 255 - expected, atol=1)


@pytest.mark.parametrize(
    "name, tolerance",
    [
        ("693_J2KI.dcm", 0),
        ("J2K_pixelrep_mismatch.dcm", 0),
        ("JPEG2000.dcm", 0),
        ("JPEGLSNearLossless_08.dcm", 0),
        ("JPEGLSNearLossless_16.dcm", 0),
        ("JPGExtended.dcm", 1),  # 12 bit JPEG: decoders round differently
        ("MR_small.dcm", 0),
        ("MR_small_RLE.dcm", 0),
        ("MR_small_bigendian.dcm", 0),
        ("MR_small_implicit.dcm", 0),
        ("MR_small_jp2klossless.dcm", 0),
        ("MR_small_jpeg_ls_lossless.dcm", 0),
        ("MR_small_padded.dcm", 0),
        ("image_dfl.dcm", 0),
        ("ExplVR_BigEndNoMeta.dcm", None),
        ("no_meta.dcm", None),
    ],
)
def test_pydicoms_own_files_are_read_as_pydicom_reads_them(name, tolerance):
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom does not bring {name}")
    data = open_dicom(path, "image", pixels=True)
    if tolerance is None:
        with pytest.raises(BadInput):
            stored_values(data, "image")
        return
    if min(data.Rows, data.Columns) < 32:
        with pytest.raises(BadInput, match="too small"):
            stored_values(data, "image")
        return
    expected = pydicom.dcmread(path).pixel_array
    assert np.abs(stored_values(data, "image")[0].astype(int) - expected.astype(int)).max() <= tolerance


def test_bits_outside_those_stored_are_ignored(tmp_path):
    pixels = noise(12)
    data = cases.data_set(pixels | 0x8000, 12)
    cases.dicom_common.save(data, tmp_path / "IM1")
    exam = read_views([tmp_path / "IM1"])
    np.testing.assert_array_equal(exam.images[0].array[0], pixels)
    assert any("outside the 12 bits stored" in note for note in exam.views[0].notes)
    data = cases.data_set(pixels << 4, 12)
    data.HighBit = 15
    cases.dicom_common.save(data, tmp_path / "IM2")
    np.testing.assert_array_equal(read_views([tmp_path / "IM2"]).images[0].array[0], pixels)


def test_frames_of_one_image_split_into_fragments_are_joined(tmp_path):
    pixels = noise(12)
    data = cases.data_set(pixels, 12)
    data.compress(J2K, encoding_plugin="pylibjpeg")
    frame = next(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=1))
    data.PixelData = encapsulate([frame], fragments_per_frame=3)
    data.save_as(tmp_path / "IM1", enforce_file_format=True)
    np.testing.assert_array_equal(read_views([tmp_path / "IM1"]).images[0].array[0], pixels)


@pytest.mark.parametrize(
    "tags, sentence",
    [
        ({"Rows": 60000, "Columns": 60000}, "too large"),
        ({"Rows": 8}, "too small"),
        ({"BitsAllocated": 32}, "32 bits each"),
        ({"BitsStored": 40}, "contradict"),
        ({"BitsStored": 12, "HighBit": 3}, "contradict"),
        ({"Rows": 417}, "incomplete: 266,240 of 266,880 bytes"),
        ({"PixelData": None}, "no pixels"),
    ],
)
def test_absurd_layouts_are_one_sentence(tmp_path, tags, sentence):
    with pytest.raises(BadInput, match=sentence) as error:
        read_views([cases.write(tmp_path / "IM1", **tags)])
    assert "image 1 of 1, series 1" in error.value.line and "\n" not in error.value.line


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["cut", "cut-and-ended"])
@pytest.mark.parametrize("cut", [0.3, 0.9])
@pytest.mark.parametrize("name", ["J2K", "JPEG"])
def test_truncated_compressed_pixels_are_one_sentence(tmp_path, capfd, name, cut, end):
    pixels = noise(12)
    data = cases.data_set(pixels, 12)
    if name == "J2K":
        data.compress(J2K, encoding_plugin="pylibjpeg")
    else:
        made = compressed_by_gdcm(tmp_path, pixels, "JPEG")
        data = cases.data_set(pixels, 16)
        data.file_meta.TransferSyntaxUID, data.PixelData = made.file_meta.TransferSyntaxUID, made.PixelData
    frame = next(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=1))
    data.PixelData = encapsulate([frame[: int(cut * len(frame)) // 2 * 2] + end])
    data["PixelData"].is_undefined_length = True
    data.save_as(tmp_path / "IM1", enforce_file_format=True)
    capfd.readouterr()
    with pytest.raises(BadInput, match="image 1 of 1, series 1"):
        read_views([tmp_path / "IM1"])
    assert capfd.readouterr().err == ""
