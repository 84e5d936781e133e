"""Odd exams, regions and recipes: a clear refusal or the right result, never a silent wrong one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import DceExam
from BreastSegLib.exam.mammograms import MammographyExam
from BreastSegLib.recipe import load_recipe, prepare_cases, prepare_mask, restore
from BreastSegLib.recipe.clahe import equalize
from BreastSegLib.recipe.ops import read_geometry
from BreastSegLib.recipe.recipe import parse_recipe
from BreastSegLib.volume import Geometry, Volume
from recipe_cases import lps_centre, make_exam, mammograms, mammography_recipe, picture, shipped

# --- which way round -------------------------------------------------------------------------------------------------


def upright():
    """Return a left breast as it hangs: the chest wall on the left, a bright spot in the upper half."""
    image = picture((150, 120), "L")
    image[30:40, 20:30] = 4000
    return image


def seen(exam, **changes):
    """Return an exam of one view with other tags."""
    return MammographyExam((replace(exam.views[0], **changes),), exam.images)


@pytest.mark.parametrize("side", ["L", "R"])
def test_a_view_stored_upside_down_comes_out_upright_with_its_chest_wall_on_the_left(side):
    """Patient Orientation says that columns run to the head: the image is turned by 180 degrees, then as any other."""
    hung = upright() if side == "L" else upright()[:, ::-1]
    stored = np.ascontiguousarray(hung[::-1, ::-1])
    exam = seen(mammograms(stored, sides=side), position="MLO", turn=180)
    (case,) = prepare_cases(mammography_recipe("breast-mask", "flip-to-left"), exam)
    np.testing.assert_array_equal(case.channels[0, 0], upright())
    assert case.breast[0, 75, 5] and not case.breast[0, 75, 118]
    spot = Volume((exam.images[0].array > 3500).astype(np.uint8), exam.images[0].geometry)
    forward = prepare_mask(case.record, spot)
    assert forward.array[0, 30:40, 20:30].all() and forward.array.sum() == 100
    np.testing.assert_allclose(lps_centre(forward), lps_centre(spot), atol=1e-6)
    np.testing.assert_array_equal(restore(case.record, forward.array).array, spot.array)


def test_a_view_stored_upside_down_whose_side_is_unknown_shows_it_by_its_chest_wall():
    stored = np.ascontiguousarray(upright()[::-1])  # a right breast upside down: its chest wall lies on the left
    exam = seen(mammograms(stored, sides="R"), laterality="", position="MLO", turn=180)
    (case,) = prepare_cases(mammography_recipe("flip-to-left"), exam)
    np.testing.assert_array_equal(case.channels[0, 0], upright())


def test_an_upside_down_view_is_not_said_to_have_its_chest_wall_on_the_wrong_edge():
    stored = np.ascontiguousarray(upright()[::-1])
    exam = seen(mammograms(stored, sides="R"), position="MLO", turn=180)
    (case,) = prepare_cases(mammography_recipe("flip-to-left"), exam)
    assert not any("chest wall" in note for note in case.notes)


@pytest.mark.parametrize("turn", [90, 270])
def test_a_view_stored_on_its_side_stays_so_and_a_note_says_it(turn):
    exam = seen(mammograms(upright(), sides="L"), position="MLO", turn=turn)
    (case,) = prepare_cases(mammography_recipe("flip-to-left"), exam)
    assert any("on its side" in note for note in case.notes)
    np.testing.assert_array_equal(case.channels[0, 0], upright())


@pytest.mark.parametrize("before", ["region", "resize-and-pad"])
@pytest.mark.parametrize("side", ["L", "R"])
def test_an_unknown_side_is_taken_from_the_whole_image_and_not_from_a_part_of_it(side, before):
    image = picture((300, 240), side)
    exam = seen(mammograms(image, sides=side), laterality="")
    recipe = mammography_recipe(before, "flip-to-left")
    # At the skin the breast lies on the other side of the region than in the image.
    box = [120, 140, 200, 160] if side == "R" else [40, 140, 120, 160]
    (case,) = prepare_cases(recipe, exam, [{"box": box}] if recipe.needs_region else ())
    assert next(row for row in case.record["steps"] if row["step"] == "flip-to-left")["flipped"] is (side == "R")


# --- regions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [(0, 0), (119, 0), (0, 149), (119, 149), (60, 2), (60, 75)])
def test_a_region_around_a_point_keeps_its_size_at_every_border(point):
    (case,) = prepare_cases(
        mammography_recipe("region"), mammograms(picture((150, 120))), [{"point": list(point), "size": 40}]
    )
    assert case.geometry.shape == (1, 40, 40)
    x0, y0, x1, y1 = next(row["square"] for row in case.record["steps"])
    assert x0 <= point[0] < x1 and y0 <= point[1] < y1 and min(x0, y0) >= 0 and x1 <= 120 and y1 <= 150


@pytest.mark.parametrize("size", [1e6, 1e300])
def test_a_region_larger_than_the_image_is_as_large_as_the_image(size):
    (case,) = prepare_cases(
        mammography_recipe("region"), mammograms(picture((150, 120))), [{"point": [5, 5], "size": size}]
    )
    assert case.geometry.shape == (1, 150, 150)


@pytest.mark.parametrize("point", [(135, 20), (-15, 20), (20, 160)])
def test_a_point_outside_the_image_is_refused_even_if_its_region_reaches_into_it(point):
    with pytest.raises(BadInput, match="outside the image"):
        prepare_cases(
            mammography_recipe("region"), mammograms(picture((150, 120))), [{"point": list(point), "size": 40}]
        )


@pytest.mark.parametrize("more", [{}, {"view": "LMLO"}, {"view": None}])
def test_a_point_in_an_exam_of_several_views_needs_to_say_in_which(more):
    exam = mammograms(picture(), picture(), sides="RL")
    with pytest.raises(BadInput, match="RCC, LCC"):
        prepare_cases(mammography_recipe("region"), exam, [{"point": [5, 5], **more}])


def test_a_region_without_view_may_say_so_with_null():
    (case,) = prepare_cases(
        mammography_recipe("region"), mammograms(picture()), [{"box": [5, 5, 20, 20], "view": None}]
    )
    assert case.record["view"]["name"] == "LCC"


@pytest.mark.parametrize("regions", [["x"], [[]], [None], [5], {"box": [0, 0, 5, 5]}, "x"])
def test_regions_that_are_none_are_refused_in_plain_words(regions):
    with pytest.raises(BadInput, match="box or a point"):
        prepare_cases(mammography_recipe("region"), mammograms(picture()), regions)


@pytest.mark.parametrize("step", ["tone", {"step": "z-score", "scope": "breast"}])
def test_a_region_without_breast_is_told_where_figures_of_the_breast_are_needed(step):
    recipe = mammography_recipe({"step": "breast-mask", "iterations": 0}, "region", step)
    with pytest.raises(BadInput, match="no breast") as caught:
        prepare_cases(recipe, mammograms(picture((300, 240))), [{"box": [225, 2, 236, 12]}])
    assert "LCC" in caught.value.line


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["phase-aware-0000-0002", "phase-aware-clahe", "mama-mia-first-post"])
@pytest.mark.parametrize("which", ["all", "post1"])
def test_a_constant_phase_is_refused_although_the_grid_reaches_beyond_the_exam(recipe, which):
    """Beyond the exam there is 0: a constant phase on a grid of 1 mm has two values, and they mean nothing."""
    exam = make_exam(Geometry((8, 9, 10), (1.0, 1.15, 2.3)))
    volumes = [
        Volume(np.full_like(volume.array, 5), volume.geometry) if which in ("all", phase.name) else volume
        for phase, volume in zip(exam.phases, exam.volumes)
    ]
    with pytest.raises(BadInput, match="constant"):
        prepare_cases(load_recipe(recipe), DceExam(exam.phases, tuple(volumes)))


def test_values_that_a_filter_cannot_hold_are_refused_and_never_written_as_infinity():
    exam = mammograms(picture() * np.float32(1e34))
    for recipe in (mammography_recipe("wiener"), mammography_recipe({"step": "z-score", "epsilon": 0})):
        try:
            (case,) = prepare_cases(recipe, exam)
        except BadInput:
            continue
        assert np.isfinite(case.channels).all()


def test_clahe_with_regions_too_small_for_memory_is_refused_before_it_begins():
    array = np.random.default_rng(0).random((110, 110, 110), np.float32)
    with pytest.raises(BadInput, match="regions") as caught:
        equalize(array, 0.01, 0.01, 4096)
    assert "kernel" in caught.value.line


def test_the_record_of_an_upside_down_view_survives_json():
    exam = seen(mammograms(np.ascontiguousarray(upright()[::-1, ::-1])), position="MLO", turn=180)
    (case,) = prepare_cases(load_recipe("inbreast-ffdm"), exam)
    record = json.loads(json.dumps(case.record, allow_nan=False))
    mask = np.ones(case.geometry.shape, np.uint8)
    assert restore(record, mask).geometry == read_geometry(record["exam_geometry"]) == exam.images[0].geometry


@pytest.mark.parametrize("field", ["name", "title", "source"])
@pytest.mark.parametrize("text", ["two\nlines", "a\x00b", "\x1b[31m", "   "])
def test_a_recipe_whose_texts_are_no_line_to_read_is_refused(field, text):
    with pytest.raises(BadInput, match=f"{field} is not"):
        parse_recipe({**shipped(), field: text})
