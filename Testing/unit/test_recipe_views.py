"""Mammograms through recipes: each step in its published order by hand, records, laterality, and difficult frames."""

import json

import numpy as np
import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.recipe import list_recipes, load_recipe, prepare_cases, prepare_view
from BreastSegLib.recipe.mammography.breast import find_breast
from BreastSegLib.volume import Geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_cases import make_exam, mammograms, mammography_recipe, picture
from scipy import ndimage, signal

WHOLE = [name for name in list_recipes("mammograms") if not load_recipe(name).needs_region]
ALL = list_recipes("mammograms")


def cases_of(name, exam):
    """Return the cases of a shipped recipe, with one region in each view where it needs them."""
    recipe = load_recipe(name)
    size = exam.images[0].geometry.shape
    box = [0, 0, max(size[2] // 2, 1), max(size[1] // 2, 1)]
    regions = [{"box": box, "view": view.name} for view in exam.views] if recipe.needs_region else ()
    return prepare_cases(recipe, exam, regions)


# --- as published ----------------------------------------------------------------------------------------------------


def test_the_inbreast_recipe_is_m3():
    """Crop, flip, tone and z-score of a right breast once more with numpy; the breast as found on the whole frame."""
    image = picture((150, 120), "R")
    (case,) = prepare_cases(load_recipe("inbreast-ffdm"), mammograms(image, sides="R"))
    breast = find_breast(image, 0.05, 100, "cross").mask
    rows, columns = np.flatnonzero(breast.any(1)), np.flatnonzero(breast.any(0))
    y0, y1 = max(rows[0] - 50, 0), min(rows[-1] + 51, 150)
    x0, x1 = max(columns[0] - 50, 0), min(columns[-1] + 51, 120)
    part, inside = image[y0:y1, x0:x1][:, ::-1].astype(np.float64), breast[y0:y1, x0:x1][:, ::-1]
    low, high = np.percentile(part[inside], [2, 99])
    toned = np.where(inside, np.clip((part - low) / (high - low), 0, 1), 0)
    expected = (toned - toned[inside].mean()) / (toned[inside].std() + 1e-6)
    np.testing.assert_allclose(case.channels[0, 0], expected, atol=2e-4)
    np.testing.assert_array_equal(case.breast[0], inside)
    assert [step["step"] for step in case.record["steps"]] == [
        "polarity",
        "breast-mask",
        "crop-to-breast",
        "flip-to-left",
        "tone",
        "z-score",
    ]


def test_the_region_recipe_is_m4():
    """Wiener with scipy and CLAHE with scikit-image on the whole frame, then crop, 224 pixels, min-max."""
    exposure = pytest.importorskip("skimage.exposure")
    transform = pytest.importorskip("skimage.transform")
    image = picture((300, 260))
    (case,) = prepare_cases(load_recipe("mass-region-224"), mammograms(image), [{"box": [20, 40, 120, 140]}])
    step = next(step for step in case.record["steps"] if step["step"] == "clahe")
    filtered = signal.wiener(image.astype(np.float64), 3)
    scaled = (filtered - filtered.min()) / np.ptp(filtered)
    kernel = [max(round(step["kernel"] * n), 1) for n in image.shape]
    equal = exposure.equalize_adapthist(scaled, kernel, step["clip_limit"], step["bins"])
    part = equal[15:165, 0:150]  # the longer edge 100, a quarter of it on each side; moved into the image
    resized = transform.resize(part, (224, 224), order=1, mode="edge", anti_aliasing=False)
    expected = (resized - resized.min()) / np.ptp(resized)
    assert case.record["undo"][0]["low"] == [0, 15, 0]
    assert np.mean(np.abs(case.channels[0, 0] - expected)) < 0.02
    assert np.corrcoef(case.channels[0, 0].ravel(), expected.ravel())[0, 1] > 0.995


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("mass-region-224-none", []),
        ("mass-region-224-wiener", ["wiener"]),
        ("mass-region-224-clahe", ["clahe"]),
        ("mass-region-224", ["wiener", "clahe"]),
    ],
)
def test_the_four_ablations_of_m4(name, filters):
    names = [step["step"] for step in load_recipe(name).steps]
    assert names == ["polarity", *filters, "region", "resize-and-pad", "min-max"]
    (case,) = cases_of(name, mammograms(picture()))
    assert case.channels.shape == (1, 1, 224, 224)
    assert case.channels.min() == 0
    assert case.channels.max() == 1


@pytest.mark.parametrize(
    ("shape", "filled"), [((200, 150), (512, 384)), ((150, 200), (384, 512)), ((64, 64), (512, 512))]
)
def test_the_whole_image_recipe_is_m5(shape, filled):
    """16 bit through the window, the longer edge 512, the rest padded below or to the right with the darkest value."""
    image = picture(shape)
    (case,) = prepare_cases(load_recipe("ffdm-512"), mammograms(image))
    result = case.channels[0, 0]
    assert result.shape == (512, 512)
    rows, columns = filled
    assert (result[rows:] == result.min()).all()
    assert (result[:, columns:] == result.min()).all()
    ends = (4000 - 0.5) - (8000 - 1) / 2, (4000 - 0.5) + (8000 - 1) / 2
    shown = np.clip((image - ends[0]) / (ends[1] - ends[0]), 0, 1) * 65535
    assert result[:rows, :columns].mean() == pytest.approx(shown.mean(), rel=0.01)
    zoomed = ndimage.zoom(shown, (rows / shape[0], columns / shape[1]), order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(result[:rows, :columns], zoomed, atol=2)


def test_a_mammogram_without_a_window_cannot_be_shown_through_it():
    with pytest.raises(BadInput, match="no window or VOI LUT.*LCC.*without the step voi-lut"):
        prepare_cases(load_recipe("ffdm-512"), mammograms(picture(), windows=()))


def test_resizing_by_hand():
    """8 × 4 pixels to 16 × 8: values between the old centres, and the padding shared between both sides."""
    recipe = mammography_recipe("polarity", {"step": "resize-and-pad", "size": 16, "place": "centre"})
    image = np.tile(np.array([1.0, 3.0, 5.0, 7.0], np.float32), (8, 1))
    (case,) = prepare_cases(recipe, mammograms(image))
    row = case.channels[0, 0, 5]
    # Each pixel is halved: values lie a quarter from the old centres; four columns of padding on each side.
    expected = [1] * 4 + [1, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7] + [1] * 4
    np.testing.assert_allclose(row, expected, atol=1e-5)
    assert case.geometry.spacing == (0.05, 0.05, 1.0)


# --- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_the_record_holds_what_was_done(name):
    exam = mammograms(picture(seed=1), picture(side="R", seed=2), sides="LR")
    for case, image in zip(cases_of(name, exam), exam.images):
        record = json.loads(json.dumps(case.record, allow_nan=False))
        recipe = load_recipe(name)
        assert (record["recipe"], record["recipe_hash"]) == (name, recipe.hash)
        assert Geometry.from_json(record["exam_geometry"]) == image.geometry
        assert Geometry.from_json(record["prepared_geometry"]) == case.geometry
        assert [step["step"] for step in record["steps"]] == [step["step"] for step in recipe.steps]
        for done, step in zip(record["steps"], recipe.steps):
            assert {key: done[key] for key in step} == json.loads(json.dumps(step))
        assert record["kind"] == "mammograms"
        assert case.channels.dtype == np.float32
        assert case.channels.shape[1:] == case.geometry.shape
        assert np.isfinite(case.channels).all()


@pytest.mark.parametrize("name", WHOLE)
def test_one_view_alone_is_the_same(name):
    exam = mammograms(picture(seed=1), picture(side="R", seed=2), sides="LR")
    cases = prepare_cases(load_recipe(name), exam)
    assert [case.name for case in cases] == ["LCC", "RCC"]
    for index, case in enumerate(cases):
        one = prepare_view(load_recipe(name), exam, index)
        np.testing.assert_array_equal(one.channels, case.channels)
        assert one.record == case.record


def test_progress_and_cancel():
    seen = []
    exam = mammograms(picture())
    prepare_cases(load_recipe("inbreast-ffdm"), exam, report=lambda *row: seen.append(row))
    assert [row[1] for row in seen] == [0, 1, 2, 3, 4, 5, 6]
    assert {row[0] for row in seen} == {"Preparing"}
    assert seen[-1][1] == seen[-1][2]

    def cancel(stage, done, total):
        if done == 2:
            raise Cancelled()

    with pytest.raises(Cancelled):
        prepare_cases(load_recipe("inbreast-ffdm"), exam, report=cancel)


# --- laterality ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["L", "R"])
def test_left_and_right_become_one(side):
    """A right breast and its mirror image, tagged left, give the same channels."""
    image = picture((100, 80), "L")
    shown = image if side == "L" else np.ascontiguousarray(image[:, ::-1])
    (case,) = prepare_cases(load_recipe("inbreast-ffdm"), mammograms(shown, sides=side))
    (left,) = prepare_cases(load_recipe("inbreast-ffdm"), mammograms(image))
    np.testing.assert_allclose(case.channels, left.channels, atol=1e-5)
    step = next(step for step in case.record["steps"] if step["step"] == "flip-to-left")
    assert step == {"step": "flip-to-left", "flipped": side == "R", "evidence": "tag"}


def test_the_side_comes_from_the_image_where_no_tag_tells_it():
    for side in "LR":
        (case,) = prepare_cases(load_recipe("inbreast-ffdm"), mammograms(picture((100, 80), side), sides=" "))
        step = next(step for step in case.record["steps"] if step["step"] == "flip-to-left")
        assert step["flipped"] == (side == "R")
        assert step["evidence"] == "chest wall in the image"


def test_a_tag_that_contradicts_the_image_is_told():
    (case,) = prepare_cases(load_recipe("inbreast-ffdm"), mammograms(picture((100, 80), "L"), sides="R"))
    assert any("other edge than that of a right breast" in note for note in case.notes)
    assert case.record["notes"] == list(case.notes)


def test_a_side_that_nothing_tells():
    image = np.full((60, 50), 100, np.float32)
    image[20:40, 15:35] = 900
    (case,) = prepare_cases(mammography_recipe("polarity", "flip-to-left"), mammograms(image, sides=" "))
    assert any("nothing was flipped" in note for note in case.notes)
    np.testing.assert_array_equal(case.channels[0, 0], image)


# --- difficult frames ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in ALL if name != "as-acquired"])
@pytest.mark.parametrize("value", [0.0, 4095.0, -7.5])
def test_a_constant_mammogram_is_refused_in_one_line(name, value):
    with pytest.raises(BadInput) as caught:
        cases_of(name, mammograms(np.full((60, 50), value, np.float32)))
    assert "\n" not in caught.value.line
    assert "The image is constant" in caught.value.line


def test_no_breast_is_found_and_the_whole_image_is_used():
    """Noise everywhere: no breast; the note says so and the full frame goes on."""
    image = np.random.default_rng(0).normal(100, 5, (200, 160)).astype(np.float32)
    found = find_breast(image)
    assert not found.found
    (case,) = prepare_cases(load_recipe("inbreast-ffdm"), mammograms(image))
    assert case.channels.shape == (1, 1, 200, 160)
    assert case.breast is None
    assert any("No breast was found" in note and "whole image" in note for note in case.notes)
    assert np.isfinite(case.channels).all()


def test_a_breast_that_touches_all_borders():
    y, x = np.indices((180, 150))
    image = (2000 + 300 * np.sin(x / 9) * np.cos(y / 11)).astype(np.float32)
    image[:4, :4] = 10
    (case,) = prepare_cases(load_recipe("inbreast-ffdm"), mammograms(image))
    assert case.channels.shape == (1, 1, 180, 150)
    assert np.isfinite(case.channels).all()


def test_a_border_at_the_maximum_is_not_the_breast():
    """Padding that no tag tells: a bright frame around the image; the breast is found all the same."""
    image = picture((720, 600))
    truth = image > 700
    image[:, -12:] = image[:9] = image[-9:] = 4095
    (case,) = prepare_cases(load_recipe("inbreast-ffdm"), mammograms(image))
    box = next(step for step in case.record["steps"] if step["step"] == "crop-to-breast")["box"]
    inside = np.zeros_like(truth)
    inside[box[1] : box[3], box[0] : box[2]] = True
    assert inside[truth].all()
    found = find_breast(image).mask
    assert found[truth].mean() > 0.9
    assert found[:, -12:].mean() < 0.05


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ALL)
def test_values_that_are_no_numbers(name, value):
    image = picture()
    image[3, 4] = value
    with pytest.raises(BadInput, match="not numbers.*LCC.*Repair the file"):
        cases_of(name, mammograms(image))


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (2, 2), (3, 300)])
@pytest.mark.parametrize("name", ALL)
def test_images_of_a_few_pixels_give_a_case_or_one_line(name, shape):
    image = np.random.default_rng(1).gamma(2, 100, shape).astype(np.float32)
    exam = mammograms(image)
    try:
        cases = cases_of(name, exam)
    except BadInput as error:
        assert "\n" not in error.line
        return
    for case in cases:
        assert np.isfinite(case.channels).all()
        assert case.channels.shape[1:] == case.geometry.shape


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(WHOLE),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from(["L", "R", " "]),
    st.sampled_from(["noise", "two values", "ramp", "one pixel", "huge", "tiny"]),
    st.integers(0, 99),
)
def test_any_frame_gives_a_case_or_one_line(name, shape, side, kind, seed):
    rng = np.random.default_rng(seed)
    image = {
        "noise": lambda: rng.normal(0, 1, shape),
        "two values": lambda: rng.integers(0, 2, shape) * 4095,
        "ramp": lambda: np.arange(shape[0] * shape[1]).reshape(shape),
        "one pixel": lambda: np.eye(shape[0], shape[1]) * (np.arange(shape[0]) == 0)[:, None],
        "huge": lambda: rng.random(shape) * 1e30,
        "tiny": lambda: rng.random(shape) * 1e-30,
    }[kind]().astype(np.float32)
    try:
        cases = prepare_cases(load_recipe(name), mammograms(image, sides=side))
    except BadInput as error:
        assert "\n" not in error.line
        return
    for case in cases:
        assert np.isfinite(case.channels).all()
        json.dumps(case.record, allow_nan=False)


def test_a_dynamic_takes_no_regions():
    with pytest.raises(BadInput, match="Regions are for mammograms"):
        prepare_cases(load_recipe("as-acquired"), make_exam(), [{"box": [0, 0, 2, 2]}])
