"""Mammograms: polarity, modality LUT, windows, VOI LUTs and padding, against pydicom's own results."""

import mammogram_cases as cases
import numpy as np
import pydicom
import pytest
from BreastSegLib.errors import BadInput, Undecided
from BreastSegLib.exam.mammograms import Window, describe_views, read_views, tone_of
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from scipy import ndimage

RAMP = np.tile(np.arange(4096, dtype=np.uint16), (40, 1))


def greys(image, tone):
    """Return what a viewer shows: values 0 to 1 through window, level and curve."""
    low, width = tone["level"] - tone["window"] / 2, tone["window"]
    share = np.clip((image - low) / width, 0, 1)
    return share if tone["curve"] is None else np.interp(share, np.linspace(0, 1, 256), tone["curve"])


def shown(path, window=0):
    exam = read_views([path])
    return greys(exam.images[0].array[0], tone_of(exam.views[0], window))


def independent(path, index=0):
    """Return pydicom's display values, 0 to 1, black and white as Photometric Interpretation says."""
    data = pydicom.dcmread(path)
    values = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data, index).astype(float)
    if "VOILUTSequence" in data:
        low, high = 0.0, 2.0 ** data.VOILUTSequence[0].LUTDescriptor[2] - 1
    else:
        ends = np.array([0.0, 2.0**data.BitsStored - 1])
        ends = ends - 2 ** (data.BitsStored - 1) * data.PixelRepresentation
        low, high = ends * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))
    share = (values - low) / (high - low)
    return 1 - share if data.PhotometricInterpretation == "MONOCHROME1" else share


CURVED = np.rint(4095 * np.linspace(0, 1, 3000) ** 2.2).astype(int)


@pytest.mark.parametrize("polarity", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": "2000", "WindowWidth": "1000"},
        {"WindowCenter": "2000", "WindowWidth": "1000", "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": "2000", "WindowWidth": "900", "VOILUTFunction": "SIGMOID"},
        {"VOILUTSequence": cases.lut(CURVED, first=500)},
        {"VOILUTSequence": cases.lut(CURVED, first=500, as_bytes=True)},
        {"VOILUTSequence": cases.lut(CURVED, first=500), "WindowCenter": "100", "WindowWidth": "50"},
        {"WindowCenter": "900", "WindowWidth": "1000", "RescaleSlope": "0.5", "RescaleIntercept": "-100"},
    ],
    ids=["linear", "exact", "sigmoid", "lut", "lut-as-bytes", "lut-before-window", "rescaled"],
)
def test_what_is_shown_equals_pydicoms_result(tmp_path, tags, polarity):
    path = cases.write(tmp_path / "IM1", RAMP, photometric=polarity, **tags)
    np.testing.assert_allclose(shown(path), independent(path), atol=0.006)


def test_each_of_several_windows_can_be_chosen_and_the_first_is_the_default(tmp_path):
    tags = {
        "WindowCenter": ["2000", "1800", "2200", "900"],
        "WindowWidth": ["1000", "700", "1500", "400"],
        "WindowCenterWidthExplanation": ["NORMAL", "HARDER", "SOFTER"],
        "VOILUTFunction": "SIGMOID",
    }
    path = cases.write(tmp_path / "IM1", RAMP, photometric="MONOCHROME1", **tags)
    view = describe_views([path]).views[0]
    assert [w.name for w in view.windows] == ["NORMAL", "HARDER", "SOFTER", "window 4"]
    assert {w.function for w in view.windows} == {"SIGMOID"}
    for index in range(4):
        np.testing.assert_allclose(shown(path, index), independent(path, index), atol=0.006)
    with pytest.raises(BadInput, match="no window 4"):
        tone_of(view, 4)


def test_a_lut_that_states_more_bits_than_it_uses_is_not_shown_black(tmp_path):
    path = cases.write(tmp_path / "IM1", RAMP, VOILUTSequence=cases.lut(CURVED, bits=16))
    assert shown(path).max() == pytest.approx(1)


def test_a_signed_image_with_a_lut_that_begins_below_zero(tmp_path):
    ramp = RAMP.astype(np.int16) - 2048
    sequence = cases.lut(CURVED, first=-1500 % 65536)
    path = cases.write(tmp_path / "IM1", ramp, VOILUTSequence=sequence)
    grey = shown(path)
    assert grey[0, 2048 - 1500] == pytest.approx(0, abs=0.01) and grey[0, 2048 + 1499] == pytest.approx(1, abs=0.01)
    assert read_views([path]).images[0].array.min() == -2048


def test_a_modality_lut_is_applied_before_the_window(tmp_path):
    table = np.rint(4095 * np.linspace(0, 1, 4096) ** 0.5).astype(int)
    sequence = cases.lut(table)
    sequence[0].ModalityLUTType = "US"
    tags = {"ModalityLUTSequence": sequence, "WindowCenter": "2000", "WindowWidth": "1000"}
    plain, inverted = (
        cases.write(tmp_path / polarity, RAMP, photometric=polarity, **tags)
        for polarity in ("MONOCHROME2", "MONOCHROME1")
    )
    np.testing.assert_array_equal(read_views([plain]).images[0].array[0], table[RAMP])
    np.testing.assert_array_equal(read_views([inverted]).images[0].array[0], 4095 - table[RAMP])
    expected = np.clip((table[RAMP] - 1999.5) / 999 + 0.5, 0, 1)
    np.testing.assert_allclose(shown(plain), expected, atol=1e-3)
    np.testing.assert_allclose(shown(inverted), 1 - expected, atol=1e-3)


@pytest.mark.parametrize("intent", ["presentation", "processing"])
def test_both_polarities_give_one_image_with_tissue_bright(tmp_path, intent):
    found = []
    for polarity in ("MONOCHROME2", "MONOCHROME1"):
        sample = cases.sample("R", "MLO", polarity, intent, markers=True, padding="air")
        path = cases.write(
            tmp_path / polarity, sample.image, sample.bits, polarity, PixelPaddingValue=sample.padding_value
        )
        exam = read_views([path])
        inside = sample.breast > 0
        image = exam.images[0].array[0]
        np.testing.assert_array_equal(image[inside], sample.display[inside])
        assert image[inside].mean() > 2 * image[~inside].mean() or intent == "processing"
        assert image[inside].mean() > image[~inside].mean() and exam.views[0].polarity == polarity
        found.append(greys(image, tone_of(exam.views[0])))
    np.testing.assert_allclose(found[0], found[1], atol=0.01)


def test_an_image_without_window_gets_one_from_the_breast_and_says_so(tmp_path):
    sample = cases.sample("L", "MLO", "MONOCHROME1", "processing", padding="border")
    path = cases.write(
        tmp_path / "IM1",
        sample.image,
        sample.bits,
        "MONOCHROME1",
        PresentationIntentType="FOR PROCESSING",
        PixelPaddingValue=sample.padding_value,
    )
    assert describe_views([path]).views[0].windows == ()
    view = read_views([path]).views[0]
    assert view.intent == "processing" and len(view.windows) == 1
    assert any("one is made from the grey values of the breast" in note for note in view.notes)
    # The whole breast within its skin is told apart; of the raw values' steep rim little is lost.
    core = ndimage.binary_erosion(sample.breast > 0, iterations=12, border_value=1)
    for inside, least in ((core, 0.97), (sample.breast > 0, 0.9)):
        grey = shown(path)[inside]
        assert ((grey > 0) & (grey < 1)).mean() > least and grey.std() > 0.12


@pytest.mark.parametrize("padding", ["air", "border"])
def test_padding_that_equals_the_maximum_is_black_and_left_out_of_windows(tmp_path, padding):
    sample = cases.sample("L", "CC", "MONOCHROME1", "presentation", padding=padding)
    path = cases.write(tmp_path / "IM1", sample.image, 12, "MONOCHROME1", PixelPaddingValue=sample.padding_value)
    exam = read_views([path])
    image, padded = exam.images[0].array[0], sample.image == 4095
    assert padded.mean() > (0.5 if padding == "air" else 0.01)
    assert (image[padded] == image[~padded].min()).all()
    assert any(f"{padded.sum():,} pixels" in note and "padding" in note for note in exam.views[0].notes)
    grey = greys(image, tone_of(exam.views[0]))[sample.breast > 0]
    assert ((grey > 0) & (grey < 1)).mean() > 0.9, tone_of(exam.views[0])


@pytest.mark.parametrize(
    "tags, padded",
    [
        ({"PixelPaddingValue": 0}, 0),
        ({"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 9}, 9),
        ({"PixelPaddingValue": 9, "PixelPaddingRangeLimit": 0}, 9),
    ],
)
def test_padding_ranges(tmp_path, tags, padded):
    path = cases.write(tmp_path / "IM1", RAMP, **tags)
    image = read_views([path]).images[0].array[0]
    assert (image[:, : padded + 1] == padded + 1).all() and image[0, -1] == 4095


def test_signed_padding_is_recognised(tmp_path):
    ramp = RAMP.astype(np.int16) - 2048
    data = cases.data_set(ramp, 16)
    data.add_new("PixelPaddingValue", "SS", -2048)
    cases.dicom_common.save(data, tmp_path / "IM1")
    image = read_views([tmp_path / "IM1"]).images[0].array[0]
    assert image.min() == -2047


def test_polarity_is_asked_for_only_where_nothing_tells_it_and_the_background_is_bright(tmp_path):
    sample = cases.sample("L", "CC", "MONOCHROME1")
    inverted = cases.write(tmp_path / "a", sample.image, PhotometricInterpretation=None)
    plain = cases.write(tmp_path / "b", sample.display, PhotometricInterpretation=None)
    exam = read_views([plain])
    assert exam.views[0].polarity == "" and any("taken to be bright" in note for note in exam.views[0].notes)
    with pytest.raises(Undecided) as error:
        read_views([inverted])
    assert error.value.name == "polarity" and [v for v, _ in error.value.choices] == ["MONOCHROME2", "MONOCHROME1"]
    answered = read_views([inverted], {"polarity": "MONOCHROME1"})
    np.testing.assert_array_equal(answered.images[0].array, exam.images[0].array)
    kept = read_views([inverted], {"polarity": "MONOCHROME2"})
    np.testing.assert_array_equal(kept.images[0].array[0], sample.image)


def test_a_polarity_tag_that_the_image_contradicts_is_followed_and_said(tmp_path):
    sample = cases.sample("L", "CC", "MONOCHROME1")
    wrong = read_views([cases.write(tmp_path / "a", sample.image, photometric="MONOCHROME2")])
    assert any("background comes out bright" in text for text in wrong.views[0].contradictions)
    np.testing.assert_array_equal(wrong.images[0].array[0], sample.image)
    for side in "LR":
        for view in ("CC", "MLO"):
            right = cases.sample(side, view, "MONOCHROME1", markers=True)
            path = cases.write(tmp_path / "b", right.image, photometric="MONOCHROME1")
            assert not any("polarity" in text for text in read_views([path]).views[0].contradictions)


def test_useless_windows_are_left_out_and_said(tmp_path):
    path = cases.write(tmp_path / "IM1", RAMP, WindowCenter=["5", "2000"], WindowWidth=["0", "100"])
    view = describe_views([path]).views[0]
    assert [(w.centre, w.width) for w in view.windows] == [(2000, 100)]
    assert any("without a positive width" in note for note in view.notes)
    with pytest.raises(BadInput, match="not positive"):
        Window("x", "LINEAR", 1, 0)


@pytest.mark.parametrize(
    "orientation, turn",
    [(["A", "FR"], 0), (["P", "HL"], 180), (["F", "A"], 90), (["H", "A"], 270), (None, 0)],
)
def test_the_image_lies_upright_and_centred(tmp_path, orientation, turn):
    path = cases.write(
        tmp_path / "IM1",
        ImageLaterality="L",
        ViewPosition="MLO",
        PatientOrientation=orientation,
        ImagerPixelSpacing=[0.6, 0.5],
    )
    exam = read_views([path])
    geometry = exam.images[0].geometry
    assert exam.views[0].turn == turn and geometry.shape == (1, 416, 320)
    np.testing.assert_allclose(geometry.corners().mean(axis=0), 0, atol=1e-9)
    # Where the first row, first column comes to lie: LPS x is right, y is down on the screen.
    x, y, _ = geometry.corners()[0]
    assert (np.sign(x), np.sign(y)) == {0: (-1, -1), 180: (1, 1), 90: (1, -1), 270: (-1, 1)}[turn]
    # Feet down: the tag's direction towards the feet points to +y.
    rows, columns = geometry.matrix[:2, 0], geometry.matrix[:2, 1]
    if orientation:
        for letters, vector in zip(orientation, (rows, columns)):
            if letters[0] in "FH":
                np.testing.assert_allclose(vector, (0, 1 if letters[0] == "F" else -1), atol=1e-9)
    assert np.linalg.det(geometry.matrix) == pytest.approx(1)


def test_a_cc_view_is_not_turned(tmp_path):
    path = cases.write(tmp_path / "IM1", ImageLaterality="L", ViewPosition="CC", PatientOrientation=["H", "A"])
    assert describe_views([path]).views[0].turn == 0
