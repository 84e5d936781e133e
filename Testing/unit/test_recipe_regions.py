"""Regions of mammograms: boxes, points and masks, and the square that is cut out around them."""

import json

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import Region, load_recipe, prepare_cases, prepare_view, read_region, regions_of_mask
from BreastSegLib.recipe.regions import SMALLEST, square_around
from hypothesis import given
from hypothesis import strategies as st
from recipe_cases import mammograms, mammography_recipe, picture
from scipy import ndimage

NONE = load_recipe("mass-region-224-none")


# --- what a region may be --------------------------------------------------------------------------------------------


def test_a_box_survives_json():
    region = Region((3, 4, 10, 12), "LCC")
    assert read_region(json.loads(json.dumps(region.to_json()))) == region
    point = read_region({"point": [20, 30], "size": 10, "view": "RMLO"})
    assert read_region(json.loads(json.dumps(point.to_json()))) == point


def test_whole_decimals_are_pixel_numbers():
    assert Region((1.0, 2.0, 3.0, 4.0)).box == (1, 2, 3, 4)
    assert Region(np.array([1, 2, 3, 4])).box == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "box",
    [(1, 2, 3), (1, 2, 3, 4.5), "1234x", None, (1, 2, 3, float("nan")), (1, 2, 3, float("inf")), (1, 2, 3, "x"), 7],
)
def test_a_box_is_four_whole_numbers(box):
    with pytest.raises(BadInput, match="not four whole pixel numbers"):
        Region(box)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9), (5, 9, 9, 5)])
def test_an_empty_box(box):
    with pytest.raises(BadInput, match="box is empty.*x1 and y1 come after"):
        Region(box)


def test_a_point_with_a_size_in_mm():
    """40 mm at 0.1 × 0.2 mm are 400 × 200 pixels, with the point's pixel in the middle."""
    region = read_region({"point": [500, 300], "size_mm": 40, "view": "LCC"}, lambda view: (0.1, 0.2))
    x0, y0, x1, y1 = region.box
    assert (x1 - x0, y1 - y0) == (400, 200)
    assert abs((x0 + x1) / 2 - 500.5) <= 0.5
    assert abs((y0 + y1) / 2 - 300.5) <= 0.5
    assert region.exact


def test_a_point_without_a_size_has_the_recipes():
    region = read_region({"point": [500, 300]}, lambda view: (0.1, 0.1), 12.0)
    x0, y0, x1, y1 = region.box
    assert (x1 - x0, y1 - y0) == (120, 120)


def test_a_point_needs_the_pixel_size():
    for spacing_of in (None, lambda view: None):
        with pytest.raises(BadInput, match="pixel size of the view is unknown.*LCC.*Draw a box"):
            read_region({"point": [5, 5], "size_mm": 40, "view": "LCC"}, spacing_of)
    x0, y0, x1, y1 = read_region({"point": [5, 5], "size": 5}).box  # in pixels, it needs none
    assert (x0, y0, x1, y1) == (3, 3, 8, 8)
    exam = mammograms(picture(), spacing=None)
    with pytest.raises(BadInput, match="pixel size of the view is unknown"):
        prepare_cases(NONE, exam, [{"point": [20, 30]}])


@pytest.mark.parametrize("size", [0, -1, -1e9])
def test_a_size_is_positive(size):
    for field in ("size", "size_mm"):
        with pytest.raises(BadInput, match="size is not positive"):
            read_region({"point": [5, 5], field: size}, lambda view: (1, 1))


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.one_of(st.integers(-9, 99), st.floats(), st.none(), st.text(max_size=1)), max_size=5),
)


@given(
    st.one_of(
        ANYTHING,
        st.dictionaries(
            st.sampled_from(["box", "point", "size", "size_mm", "view", "exact", "x"]), ANYTHING, max_size=4
        ),
    )
)
def test_any_json_is_a_region_or_one_line(record):
    try:
        region = read_region(record, lambda view: (0.1, 0.1))
    except BadInput as error:
        assert "\n" not in error.line
        return
    x0, y0, x1, y1 = region.box
    assert x0 < x1
    assert y0 < y1
    assert isinstance(region.view, str)


# --- masks -----------------------------------------------------------------------------------------------------------


def test_one_region_for_each_lesion():
    mask = np.zeros((1, 20, 30), np.uint8)
    mask[0, 2:5, 3:9] = 1
    mask[0, 5, 9] = 1  # by the corner: the same lesion
    mask[0, 12:14, 20:30] = 7
    for given_mask in (mask, mask[0], mask[0] > 0):
        first, second = regions_of_mask(given_mask, "LCC")
        assert first.box == (3, 2, 10, 6)
        assert second.box == (20, 12, 30, 14)
        assert first.view == second.view == "LCC"


def test_a_mask_without_a_lesion():
    with pytest.raises(BadInput, match="mask is empty.*LCC.*Choose the mask"):
        regions_of_mask(np.zeros((1, 8, 8), bool), "LCC")


@given(st.integers(0, 999), st.integers(1, 6))
def test_every_lesion_pixel_lies_in_its_region(seed, dilations):
    mask = np.random.default_rng(seed).random((25, 30)) > 0.97
    mask[12, 12] = True
    mask = ndimage.binary_dilation(mask, iterations=dilations)
    inside = np.zeros_like(mask)
    for region in regions_of_mask(mask):
        x0, y0, x1, y1 = region.box
        inside[y0:y1, x0:x1] = True
    assert inside[mask].all()


# --- the square ------------------------------------------------------------------------------------------------------


def test_the_square_by_hand():
    assert square_around((20, 30, 30, 50), 0.25, (100, 100)) == (10, 25, 40, 55)
    assert square_around((0, 30, 10, 50), 0.25, (100, 100)) == (0, 25, 30, 55)
    assert square_around((92, 92, 98, 99), 0.5, (100, 100)) == (86, 86, 100, 100)
    assert (
        square_around((40, 40, 41, 41), 0, (100, 100))[2] - square_around((40, 40, 41, 41), 0, (100, 100))[0]
        == SMALLEST
    )


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.floats(0, 5),
    st.tuples(st.integers(-50, 250), st.integers(-50, 250), st.integers(1, 150), st.integers(1, 150)),
)
def test_the_square_holds_what_of_the_box_is_inside(height, width, margin, corner):
    x0, y0, w, h = corner
    box = (x0, y0, x0 + w, y0 + h)
    if x0 + w <= 0 or y0 + h <= 0 or x0 >= width or y0 >= height:
        with pytest.raises(BadInput, match=f"outside the image.*image {width} × {height}.*Draw it inside"):
            square_around(box, margin, (height, width))
        return
    left, top, right, bottom = square_around(box, margin, (height, width))
    assert right - left == bottom - top >= SMALLEST
    assert left <= max(x0, 0)
    assert top <= max(y0, 0)
    assert right >= min(x0 + w, width)
    assert bottom >= min(y0 + h, height)
    for low, high, size in ((left, right, width), (top, bottom, height)):
        if high - low <= size:
            assert low >= 0
            assert high <= size


# --- in recipes ------------------------------------------------------------------------------------------------------


def test_a_region_by_hand():
    """The square around a box, cut out with numpy alone; nothing is resized."""
    recipe = mammography_recipe("polarity", {"step": "region", "margin": 0.25}, "min-max")
    image = picture((90, 80))
    (case,) = prepare_cases(recipe, mammograms(image), [{"box": [20, 30, 30, 50]}])
    part = image[25:55, 10:40]
    np.testing.assert_allclose(case.channels[0, 0], (part - part.min()) / np.ptp(part), atol=1e-6)
    assert case.name == "LCC region 1"
    assert case.record["region"] == {"box": [20, 30, 30, 50], "view": "LCC", "exact": False}


def test_several_lesions_are_several_cases():
    exam = mammograms(picture(seed=1), picture(side="R", seed=2), sides="LR")
    regions = [
        {"box": [10, 10, 20, 20], "view": "RCC"},
        {"box": [5, 30, 25, 45], "view": "LCC"},
        {"point": [30, 30], "size_mm": 1, "view": "RCC"},
    ]
    cases = prepare_cases(load_recipe("mass-region-224"), exam, regions)
    assert [case.name for case in cases] == ["LCC region 1", "RCC region 1", "RCC region 2"]
    assert all(case.channels.shape == (1, 1, 224, 224) for case in cases)
    assert [case.record["view"]["name"] for case in cases] == ["LCC", "RCC", "RCC"]
    one = prepare_view(load_recipe("mass-region-224"), exam, 0, {"box": [5, 30, 25, 45]})
    np.testing.assert_array_equal(one.channels, cases[0].channels)


def test_the_filters_see_the_whole_image_before_the_region():
    """M4: Wiener and CLAHE come before the crop, so two regions of one view share them."""
    image = picture((90, 80))
    recipe = mammography_recipe("polarity", "wiener", "clahe", {"step": "region", "margin": 0}, "min-max")
    whole = mammography_recipe("polarity", "wiener", "clahe")
    full = prepare_cases(whole, mammograms(image))[0].channels[0, 0]
    (case,) = prepare_cases(recipe, mammograms(image), [{"box": [20, 30, 40, 50]}])
    part = full[30:50, 20:40]
    np.testing.assert_allclose(case.channels[0, 0], (part - part.min()) / np.ptp(part), atol=1e-6)


def test_a_region_follows_the_flip():
    """The same lesion in a right breast and in its mirror image gives the same case."""
    recipe = mammography_recipe("polarity", "flip-to-left", "region", "min-max")
    image = picture((90, 80))
    mirrored = np.ascontiguousarray(image[:, ::-1])
    (left,) = prepare_cases(recipe, mammograms(image), [{"box": [20, 30, 35, 50]}])
    (right,) = prepare_cases(recipe, mammograms(mirrored, sides="R"), [{"box": [80 - 35, 30, 80 - 20, 50]}])
    np.testing.assert_array_equal(left.channels, right.channels)


def test_a_region_beyond_the_border_keeps_to_the_image():
    recipe = mammography_recipe("polarity", "region", "min-max")
    image = picture((90, 80))
    (case,) = prepare_cases(recipe, mammograms(image), [{"box": [-30, -30, 15, 10]}])
    (inside,) = prepare_cases(recipe, mammograms(image), [{"box": [0, 0, 15, 10]}])
    np.testing.assert_array_equal(case.channels, inside.channels)


def test_a_region_larger_than_the_image_is_padded_with_the_darkest_value():
    recipe = mammography_recipe("polarity", {"step": "region", "margin": 5}, "min-max")
    image = picture((40, 30))
    (case,) = prepare_cases(recipe, mammograms(image), [{"box": [10, 10, 20, 30]}])
    assert case.channels.shape == (1, 1, 220, 220)
    assert case.channels.min() == 0
    assert np.count_nonzero(case.channels) < image.size


@pytest.mark.parametrize("box", [[200, 200, 230, 240], [-20, -20, 0, 0], [50, 0, 60, 10]])
def test_a_region_outside_the_image(box):
    with pytest.raises(BadInput, match="outside the image.*50 × 60"):
        prepare_cases(NONE, mammograms(picture((60, 50))), [{"box": box}])


def test_regions_that_are_missing_too_many_or_elsewhere():
    exam = mammograms(picture(), picture(side="R"), sides="LR")
    box = [5, 5, 20, 20]
    with pytest.raises(BadInput, match="mass-region-224-none cuts out a region.*none is given.*Draw a box"):
        prepare_cases(NONE, exam)
    with pytest.raises(BadInput, match="takes whole mammograms"):
        prepare_cases(load_recipe("inbreast-ffdm"), exam, [{"box": box, "view": "LCC"}])
    with pytest.raises(BadInput, match="view LMLO.*LCC, RCC"):
        prepare_cases(NONE, exam, [{"box": box, "view": "LMLO"}])
    with pytest.raises(BadInput, match="view .none.*LCC, RCC"):
        prepare_cases(NONE, exam, [{"box": box}])
    assert prepare_cases(NONE, mammograms(picture()), [{"box": box}])[0].name == "LCC region 1"
