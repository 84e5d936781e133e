"""Whatever is done to tags or bytes of mammograms: the same exam or a sentence, never a crash or a wrong side."""

import tempfile
from functools import cache
from pathlib import Path

import mammogram_cases as cases
import numpy as np
import pydicom
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mammograms import describe_views, read_views, tone_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

few = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SYNTAXES = ("native", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90")
PIXELS = cases.sample("R", "MLO", "MONOCHROME1", markers=True).image[::4, ::4]


@cache
def file_of(syntax):
    """Return the bytes of a well tagged mammogram."""
    data = cases.data_set(
        PIXELS,
        photometric="MONOCHROME1",
        ImageLaterality="R",
        ViewPosition="MLO",
        ViewCodeSequence=cases.code_sequence("399368009"),
        PatientOrientation=["P", "FL"],
        ImagerPixelSpacing=[1.2, 1.2],
        WindowCenter=["2000", "1000"],
        WindowWidth=["1000", "800"],
        VOILUTSequence=cases.lut(range(0, 4000, 4)),
        RescaleSlope="1",
        RescaleIntercept="0",
        PixelPaddingValue=4095,
        SeriesDescription="R MLO",
        PresentationIntentType="FOR PRESENTATION",
        ImageType=["DERIVED", "PRIMARY", ""],
    )
    if syntax != "native":
        data.compress(syntax, encoding_plugin="pydicom" if syntax.endswith("5") else "pylibjpeg")
    with tempfile.TemporaryDirectory() as folder:
        data.save_as(Path(folder) / "a", enforce_file_format=True)
        return (Path(folder) / "a").read_bytes()


def outcome(content, name="IM1"):
    """Return the exam that the bytes hold, or None after one clean sentence."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            describe_views([path]).to_json()
            exam = read_views([path])
            for view in exam.views:
                view.to_json()
                for window in range(len(view.windows)):
                    tone_of(view, window)
            return exam
        except BadInput as error:
            assert error.line and "\n" not in error.line and folder not in error.line and "Doe" not in error.line
            return None


@few
@given(st.data(), st.sampled_from(SYNTAXES))
def test_dropped_tags_never_give_another_side_or_other_values(data, syntax):
    whole = pydicom.dcmread(pydicom.filebase.DicomBytesIO(file_of(syntax)))
    names = sorted(element.keyword for element in whole if element.keyword)
    for name in data.draw(st.sets(st.sampled_from(names), max_size=8)):
        delattr(whole, name)
    stream = pydicom.filebase.DicomBytesIO()
    whole.save_as(stream, enforce_file_format=False)
    exam = outcome(stream.getvalue())
    if exam:
        view = exam.views[0]
        assert view.laterality in ("R", "") and view.position in ("MLO", "")
        image = exam.images[0].array[0]
        if {"PhotometricInterpretation", "PixelPaddingValue", "BitsStored", "RescaleSlope"} <= set(whole.dir()):
            kept = PIXELS != 4095
            np.testing.assert_array_equal(image[kept], 4095.0 - PIXELS[kept])
        assert view.spacing in (None, pytest.approx((1.2, 1.2)))


@few
@given(st.sampled_from(SYNTAXES), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12))
def test_corrupted_bytes_never_crash(syntax, changes):
    content = bytearray(file_of(syntax))
    for where, value in changes:
        # Half of the changes go into the header.
        end = len(content) if value % 2 else 1800
        content[int(where * (end - 1))] = value
    outcome(bytes(content))


@few
@given(st.sampled_from(SYNTAXES), st.floats(0, 0.999))
def test_truncated_files_are_a_sentence(syntax, share):
    content = file_of(syntax)
    assert outcome(content[: int(share * len(content))]) is None or share > 0.98


@few
@given(st.binary(max_size=600), st.sampled_from([b"", b"P5\n", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"\x08\x00\x05\x00"]))
def test_any_bytes_are_a_sentence(content, start):
    assert outcome(start + content) is None


@few
@given(st.sampled_from(["PNG", "TIFF"]), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6))
def test_corrupted_pictures_never_crash(kind, changes):
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(4095 - PIXELS).save(Path(folder) / "a", kind)
        content = bytearray((Path(folder) / "a").read_bytes())
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    exam = outcome(bytes(content), "Doe.png")
    assert exam is not None or changes
