"""A mammogram through the window of its file, against pydicom's own result on the same file."""

import mammogram_cases as cases
import numpy as np
import pydicom
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.mammograms import View, Window, read_views
from BreastSegLib.recipe.mammography.voi import apply_window
from pydicom.pixels import apply_modality_lut, apply_voi_lut

RAMP = np.tile(np.arange(4096, dtype=np.uint16), (40, 1))
STEPS = np.rint(4095 * np.linspace(0, 1, 200) ** 2.2).astype(int)
CURVED = np.rint(4095 * np.linspace(0, 1, 3000) ** 2.2).astype(int)
WINDOWS = {
    "linear": {"WindowCenter": "2000", "WindowWidth": "1000"},
    "linear-of-one-value": {"WindowCenter": "2000", "WindowWidth": "1"},
    "exact": {"WindowCenter": "2000", "WindowWidth": "1000", "VOILUTFunction": "LINEAR_EXACT"},
    "sigmoid": {"WindowCenter": "2000", "WindowWidth": "900", "VOILUTFunction": "SIGMOID"},
    "short-table": {"VOILUTSequence": cases.lut(STEPS, first=500)},
    "rescaled": {"WindowCenter": "900", "WindowWidth": "1000", "RescaleSlope": "0.5", "RescaleIntercept": "-100"},
    "first-of-two": {"WindowCenter": ["2000", "100"], "WindowWidth": ["1000", "50"]},
}


def independent(path, bits):
    """Return pydicom's display values scaled to 0 .. 2^bits − 1, tissue bright."""
    data = pydicom.dcmread(path)
    values = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data).astype(float)
    low, high = 0.0, 4095.0  # of the table's 12 bits, or of the 12 bits stored
    if "VOILUTSequence" not in data:
        slope, intercept = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
        low, high = low * slope + intercept, high * slope + intercept
    share = (values - low) / (high - low)
    return (2**bits - 1) * (1 - share if data.PhotometricInterpretation == "MONOCHROME1" else share)


def ours(path, bits):
    exam = read_views([path])
    return apply_window(exam.images[0].array[0], exam.views[0], bits)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("polarity", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("name", sorted(WINDOWS))
def test_the_result_equals_pydicoms_in_both_polarities(tmp_path, name, polarity, bits):
    path = cases.write(tmp_path / "IM1", RAMP, photometric=polarity, **WINDOWS[name])
    result = ours(path, bits)
    assert result.dtype == np.float32 and result.shape == RAMP.shape
    np.testing.assert_allclose(result, independent(path, bits), atol=1e-6 * 2**bits)


@pytest.mark.parametrize("polarity", ["MONOCHROME2", "MONOCHROME1"])
def test_a_table_longer_than_256_entries_is_followed_between_its_entries(tmp_path, polarity):
    path = cases.write(tmp_path / "IM1", RAMP, photometric=polarity, VOILUTSequence=cases.lut(CURVED, first=500))
    difference = np.abs(ours(path, 16) - independent(path, 16))
    assert difference.max() < 65535 / 4095  # less than one step of the table's own 12 bits


def test_a_window_by_hand():
    view = View(windows=(Window("", "LINEAR_EXACT", 50, 100),))
    image = np.array([[-10, 0, 25, 50, 100, 120]], np.float32)
    np.testing.assert_allclose(apply_window(image, view, 8), [[0, 0, 63.75, 127.5, 255, 255]])
    turned = View(windows=view.windows, mirror=100.0, polarity="MONOCHROME1")
    np.testing.assert_allclose(apply_window(image, turned, 8), [[0, 0, 63.75, 127.5, 255, 255]])
    off = View(windows=view.windows, mirror=120.0, polarity="MONOCHROME1")
    np.testing.assert_allclose(apply_window(np.array([[20.0, 70.0, 120.0]]), off, 8), [[0, 127.5, 255]])


@pytest.mark.parametrize("function", ["LINEAR", "SIGMOID"])
def test_values_far_away_give_the_ends_and_no_warning(function, recwarn):
    view = View(windows=(Window("", function, 10, 2),))
    np.testing.assert_array_equal(apply_window(np.array([[-3e38, 3e38]], np.float32), view), [[0, 65535]])
    assert not recwarn.list


@pytest.mark.parametrize(
    ("image", "windows", "bits", "words"),
    [
        (np.zeros((2, 2)), (), 16, "no window"),
        (np.zeros((2, 2, 2)), (Window("", "LINEAR", 1, 2),), 16, "two axes"),
        (np.zeros((2, 2)), (Window("", "LINEAR", 1, 2),), 17, "8 to 16"),
        (np.full((2, 2), np.nan), (Window("", "LINEAR", 1, 2),), 16, "not numbers"),
        (np.full((2, 2), np.nan), (Window("", "LINEAR", 1, 1),), 16, "not numbers"),
    ],
)
def test_what_cannot_be_shown_is_named(image, windows, bits, words):
    with pytest.raises(BadInput, match=words):
        apply_window(image, View(windows=windows), bits)
