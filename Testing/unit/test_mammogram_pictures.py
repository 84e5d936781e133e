"""Mammograms as PNG, TIFF and PGM pictures."""

import gzip

import mammogram_cases as cases
import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.exam.mammograms import describe_views, read_views
from PIL import Image


def pixels(bits=16, polarity="MONOCHROME2"):
    """Return a synthetic mammogram in 8 or 16 bits."""
    image = cases.sample("L", "CC", polarity).image
    return (image >> 4).astype(np.uint8) if bits == 8 else image << 4


def pgm(path, array, kind=b"P5", comment=b""):
    head = kind + b"\n" + comment + b"%d %d\n%d\n" % (*array.shape[::-1], 255 if array.dtype == np.uint8 else 65535)
    body = array.astype(array.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(head + (body if kind == b"P5" else " ".join(map(str, array.ravel())).encode()))
    return path


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("ending", ["png", "tif", "pgm", "ascii.pgm", "commented.pgm", "lzw.tif"])
def test_values_come_back_as_they_are(tmp_path, ending, bits):
    array, path = pixels(bits), tmp_path / f"LCC.{ending}"
    if ending.endswith("pgm"):
        pgm(path, array, b"P2" if "ascii" in ending else b"P5", b"# made by a scanner\n" * ("commented" in ending))
    else:
        save(path, array, **({"compression": "tiff_lzw"} if "lzw" in ending else {}))
    exam = read_views([path])
    view = exam.views[0]
    np.testing.assert_array_equal(exam.images[0].array[0], array)
    assert (view.name, view.evidence) == ("LCC", "side and view: the file name")
    assert (view.polarity, view.spacing, view.spacing_evidence) == ("", None, "unknown")
    assert exam.images[0].geometry.spacing == (1.0, 1.0, 1.0) and len(view.windows) == 1
    assert any("tissue is taken to be bright" in note for note in view.notes)
    scan = describe_views([path])
    assert scan.views[0].name == "LCC"


def test_grey_pictures_saved_as_colour_are_read_and_coloured_ones_refused(tmp_path):
    array = pixels(8)
    for channels in (3, 4):
        grey = np.repeat(array[..., None], channels, axis=2)
        if channels == 4:
            grey[..., 3] = 255
        for ending in ("png", "tif"):
            path = save(tmp_path / f"grey{channels}.{ending}", grey)
            np.testing.assert_array_equal(read_views([path]).images[0].array[0], array)
    coloured = np.repeat(array[..., None], 3, axis=2)
    coloured[10, 10] = 255, 0, 0
    with pytest.raises(BadInput, match="in colour"):
        read_views([save(tmp_path / "colour.png", coloured)])


def test_an_inverted_picture_is_asked_for_and_inverted_within_its_bits(tmp_path):
    array, bright = cases.sample("L", "CC", "MONOCHROME1").image, cases.sample("L", "CC").display
    path = save(tmp_path / "a.png", array)  # 12 bits in a 16 bit file
    assert describe_views([path]).views[0].polarity == ""
    with pytest.raises(Undecided) as error:
        read_views([path])
    assert error.value.name == "polarity"
    exam = read_views([path], {"polarity": "MONOCHROME1"})
    assert exam.views[0].polarity == "MONOCHROME1"
    np.testing.assert_array_equal(exam.images[0].array[0], bright)


def test_a_tiff_that_says_white_is_zero_is_inverted_once(tmp_path):
    for bits, largest in ((8, 255), (16, 65535)):
        bright = pixels(bits)
        stored = (largest - bright).astype(bright.dtype)
        path = save(tmp_path / "a.tif", stored)
        content = bytearray(path.read_bytes())
        entry = content.index(b"\x06\x01\x03\x00\x01\x00\x00\x00")  # PhotometricInterpretation, SHORT, one value
        content[entry + 8] = 0
        path.write_bytes(content)
        exam = read_views([path])
        assert exam.views[0].polarity == "MONOCHROME1"
        np.testing.assert_array_equal(exam.images[0].array[0], bright)


@pytest.mark.parametrize(
    "dpi, spacing",
    [(50.8, 0.5), (72, None), (300, None), (3, None)],
)
def test_only_believable_tiff_resolutions_count(tmp_path, dpi, spacing):
    path = save(tmp_path / "a.tif", pixels(8), dpi=(dpi, dpi))
    view = describe_views([path]).views[0]
    if spacing:
        assert view.spacing == pytest.approx((spacing, spacing), rel=1e-3)
        assert view.spacing_evidence == "the TIFF's resolution tags"
    else:
        assert view.spacing is None and any("not believed" in note for note in view.notes)


def test_gzipped_pictures_are_read(tmp_path):
    path = save(tmp_path / "a.png", pixels(8))
    (tmp_path / "R_MLO.png.gz").write_bytes(gzip.compress(path.read_bytes()))
    exam = read_views([tmp_path / "R_MLO.png.gz"])
    np.testing.assert_array_equal(exam.images[0].array[0], pixels(8))
    assert exam.views[0].name == "RMLO"


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_cut_pictures_are_one_sentence_without_the_file_name(tmp_path, ending):
    path = tmp_path / f"Doe_Jane.{ending}"
    if ending == "pgm":
        pgm(path, pixels())
    else:
        save(path, pixels())
    content = path.read_bytes()
    for share in (0.02, 0.5):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(BadInput) as error:
            read_views([path])
        assert "image 1 of 1" in error.value.line and "Doe" not in error.value.line


def test_other_pictures_are_refused(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5\n99999 99999\n255\n")
    (tmp_path / "b.pgm").write_bytes(b"P6\n64 64\n255\n" + bytes(3 * 64 * 64))
    (tmp_path / "d.pgm").write_bytes(b"P2\n64 64\n255\n" + b"7 x " * 4096)
    (tmp_path / "e.pgm").write_bytes(b"P2\n64 64\n255\n" + b"300 " * 4096)
    save(tmp_path / "c.jpg", pixels(8))
    save(tmp_path / "f.png", pixels(8)[:20, :20])
    pages = [Image.fromarray(pixels(8)) for _ in range(2)]
    pages[0].save(tmp_path / "g.tif", save_all=True, append_images=pages[1:])
    save(tmp_path / "h.tif", pixels(8).astype(np.float32))
    for name, sentence in (
        ("a.pgm", "too large"),
        ("b.pgm", "Colour and black-and-white"),
        ("c.jpg", "JPEG"),
        ("d.pgm", "damaged"),
        ("e.pgm", "beyond the largest"),
        ("f.png", "too small"),
        ("g.tif", "2 pages"),
        ("h.tif", "kind that is not read"),
    ):
        with pytest.raises(BadInput, match=sentence):
            read_views([tmp_path / name])
