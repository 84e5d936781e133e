"""Recipes: what they may say, how they are hashed, and what preparing a DCE exam gives."""

import copy
import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.recipe import list_recipes, load_recipe, prepare, prepare_cases, restore
from BreastSegLib.recipe.recipe import describe_recipe, parse_recipe
from BreastSegLib.volume import Geometry
from geometry_cases import centred, geometries, named_matrices
from hypothesis import given, settings
from recipe_cases import NAME, make_exam, mammograms, picture, shipped

SHIPPED = {
    "as-acquired",
    "breastdm-pre-post-sub",
    "ffdm-512",
    "inbreast-ffdm",
    "inbreast-ffdm-1024",
    "inbreast-ffdm-512",
    "inbreast-ffdm-768",
    "mama-mia-first-post",
    "mass-region-224",
    "mass-region-224-clahe",
    "mass-region-224-none",
    "mass-region-224-wiener",
    "phase-aware-0000-0002",
    "phase-aware-clahe",
    "single-phase-0002",
    "single-phase-0002-clahe",
}


@pytest.fixture
def record():
    return shipped()


# --- what a recipe may say -------------------------------------------------------------------------------------------


def test_shipped_recipes_are_valid():
    names = list_recipes()
    assert set(names) == SHIPPED
    assert len({load_recipe(name).hash for name in names}) == len(names)
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert len(recipe.hash) == 64


def test_the_phase_aware_recipe_is_m1():
    recipe = load_recipe(NAME)
    assert [source.terms for _, source in recipe.channels] == [("pre",), ("post1",), ("post2",)]
    assert recipe.grid.spacing == (1.0, 1.0, 1.0)
    assert recipe.intensity == ({"step": "z-score", "scope": "volume"},)
    assert recipe.cleanup == ({"step": "largest-component", "connectivity": 3, "scope": "exam"},)


def test_load_from_a_file(tmp_path, record):
    path = tmp_path / "mine é.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert load_recipe(path).hash == load_recipe(NAME).hash
    with pytest.raises(BadInput, match="cannot be read"):
        load_recipe(tmp_path / "missing.json")
    with pytest.raises(BadInput, match=f"no recipe 'nothing'.*{NAME}"):
        load_recipe("nothing")


def test_hash_follows_the_meaning_only(record):
    plain = parse_recipe(record).hash
    assert parse_recipe({**record, "title": "Another title", "source": "elsewhere"}).hash == plain
    assert parse_recipe(dict(reversed(record.items()))).hash == plain
    changed = copy.deepcopy(record)
    changed["grid"]["spacing"][2] = 1.5
    assert parse_recipe(changed).hash != plain


WRONG = [
    (("format",), "breastseg-recipe-9", ["format", "breastseg-recipe-1"]),
    (("name",), "", ["name"]),
    (("title",), 3, ["title"]),
    (("modality",), "ct", ["modality", "dce-mri"]),
    (("modality",), ["dce-mri"], ["modality", "dce-mri"]),
    (("channels",), [], ["channels"]),
    (("channels",), {"pre": "pre"}, ["channels"]),
    (("channels", 0), "pre", ["channel", "name", "source"]),
    (("channels", 0), {"name": "pre"}, ["channel", "name", "source"]),
    (("channels", 0, "source"), 7, ["channel", "name", "source"]),
    (("channels", 0, "source"), "post0", ["post0", "post@150s", "post2 - pre"]),
    (("channels", 0, "name"), "post1", ["channels", "same name"]),
    (("grid",), None, ["grid", "spacing", "orientation", "interpolation"]),
    (("grid",), {"spacing": None}, ["grid", "orientation"]),
    (("grid", "spacing"), [1, 1], ["grid.spacing", "three", "0.05", "20"]),
    (("grid", "spacing"), [1, 1, 0], ["grid.spacing", "0.05", "20"]),
    (("grid", "spacing"), [1, 1, float("nan")], ["grid.spacing"]),
    (("grid", "spacing"), [1, 1, "1"], ["grid.spacing"]),
    (("grid", "spacing"), [1, 1, True], ["grid.spacing"]),
    (("grid", "orientation"), "coronal", ["grid.orientation", "axial", "as-acquired"]),
    (("grid", "interpolation"), "cubic", ["grid.interpolation", "linear", "bspline", "nearest"]),
    (("intensity",), "z-score", ["intensity", "list"]),
    (("intensity", 0), "z-score", ["intensity", "z-score"]),
    (("intensity", 0), {}, ["intensity step", "z-score"]),
    (("intensity", 0, "step"), "min-max", ["intensity step", "z-score"]),
    (("intensity", 0, "scope"), "slice", ["scope", "volume", "exam", "breast"]),
    (("intensity", 0, "scope"), None, ["scope", "volume", "exam", "breast"]),
    (("slices",), "some", ["slices", "all", "drop-blank"]),
    (("time_tolerance_s",), 0, ["time_tolerance_s", "1", "600"]),
    (("time_tolerance_s",), True, ["time_tolerance_s", "1", "600"]),
    (("time_tolerance_s",), "60", ["time_tolerance_s", "1", "600"]),
    (("phases",), {"step": "n4-bias-correction"}, ["phases", "list"]),
    (("phases",), [{"step": "z-score"}], ["phases step", "n4-bias-correction"]),
    (("channels", 0, "name"), "", ["channel", "name", "source"]),
    (("intensity", 0, "extra"), 1, ["extra", "scope"]),
    (("cleanup", 0), "largest-component", ["cleanup", "largest-component"]),
    (("cleanup", 0, "step"), ["largest-component"], ["cleanup step", "largest-component"]),
    (("cleanup", 0, "connectivity"), 26, ["connectivity", "1, 2, 3"]),
    (("cleanup", 0, "connectivity"), True, ["connectivity", "1, 2, 3"]),
]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    WRONG,
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_wrong_field_is_one_line(record, path, value, words):
    wrong = copy.deepcopy(record)
    place = wrong
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(BadInput) as caught:
        parse_recipe(wrong, "mine.json")
    line = caught.value.line
    assert "\n" not in line
    assert all(word in line for word in words), line


@pytest.mark.parametrize("field", sorted(shipped()))
def test_missing_fields_are_named(record, field):
    del record[field]
    with pytest.raises(BadInput, match=field):
        parse_recipe(record)


@pytest.mark.parametrize("value", [[], "text", None, 3])
def test_not_an_object(value):
    with pytest.raises(BadInput, match="JSON object"):
        parse_recipe(value)


def test_unknown_fields_are_named(record):
    with pytest.raises(BadInput, match="unknown field colour, size.*Fields .dce-mri.: .*channels"):
        parse_recipe({**record, "size": 1, "colour": 2})


# --- preparing -------------------------------------------------------------------------------------------------------


def test_prepare_by_hand():
    """The whole preparation again with SimpleITK and numpy alone, from a sagittal exam."""
    exam = make_exam(centred((7, 12, 10), (0.8, 1.3, 2.5), named_matrices()["sagittal"]))
    prepared = prepare(load_recipe(NAME), exam)
    for channel, volume in zip(prepared.channels, exam.volumes):
        image = sitk.DICOMOrient(volume.to_sitk(), "LPS")
        size = [int(np.ceil(n * s - 1e-3)) for n, s in zip(image.GetSize(), image.GetSpacing())]
        origin = image.TransformContinuousIndexToPhysicalPoint([0.5 / s - 0.5 for s in image.GetSpacing()])
        resampled = sitk.Resample(
            image, size, sitk.Transform(), sitk.sitkLinear, origin, (1.0, 1.0, 1.0), image.GetDirection(), 0.0
        )
        array = sitk.GetArrayFromImage(resampled).astype(np.float64)
        np.testing.assert_allclose(channel, (array - array.mean()) / array.std(), atol=2e-4)
        np.testing.assert_allclose(prepared.geometry.origin, origin, atol=1e-9)
    assert prepared.channels.dtype == np.float32


def test_record_tells_how_to_undo():
    exam = make_exam()
    prepared = prepare(load_recipe(NAME), exam)
    record = json.loads(json.dumps(prepared.record, allow_nan=False))
    assert record["recipe_hash"] == load_recipe(NAME).hash
    assert Geometry.from_json(record["exam_geometry"]) == exam.geometry
    assert Geometry.from_json(record["prepared_geometry"]) == prepared.geometry
    assert [row["phases"] for row in record["channels"]] == [["pre"], ["post1"], ["post2"]]
    assert len(record["intensity"][0]["mean"]) == 3


def test_prepare_is_repeatable_and_keeps_the_exam():
    exam = make_exam()
    before = [volume.array.copy() for volume in exam.volumes]
    first, second = prepare(load_recipe(NAME), exam), prepare(load_recipe(NAME), exam)
    np.testing.assert_array_equal(first.channels, second.channels)
    assert first.record == second.record
    for volume, array in zip(exam.volumes, before):
        np.testing.assert_array_equal(volume.array, array)


@settings(max_examples=25, deadline=None)
@given(geometries((3, 7)))
def test_axial_without_a_new_spacing_interpolates_nothing(geometry):
    exam = make_exam(geometry, times=(None, 0.0, 90.0))
    record = shipped()
    recipe = parse_recipe(
        {**record, "grid": {"spacing": None, "orientation": "axial", "interpolation": "bspline"}, "intensity": []}
    )
    prepared = prepare(recipe, exam)
    for channel, volume in zip(prepared.channels, exam.volumes):
        np.testing.assert_array_equal(np.sort(channel, axis=None), np.sort(volume.array, axis=None))
        np.testing.assert_array_equal(restore(prepared.record, channel).array, volume.array)


@pytest.mark.parametrize("name", [NAME, "phase-aware-clahe", "mama-mia-first-post"])
def test_progress_and_cancel(name):
    seen = []
    prepare(load_recipe(name), make_exam(), lambda *row: seen.append(row))
    assert [row[0] for row in seen] == ["Preparing"] * len(seen)
    assert [row[1] / row[2] for row in seen] == sorted(row[1] / row[2] for row in seen)
    assert seen[-1][1] == seen[-1][2]

    def cancel(stage, done, total):
        if done:
            raise Cancelled()

    with pytest.raises(Cancelled):
        prepare(load_recipe(name), make_exam(), cancel)


def test_progress_with_bias_correction(record):
    seen = []
    record["phases"] = [{"step": "n4-bias-correction", "shrink": 1, "levels": 1, "iterations": 2}]
    prepare(parse_recipe(record), make_exam(Geometry((12, 16, 16))), lambda *row: seen.append(row[1] / row[2]))
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_bad_pixels_name_the_channel():
    exam = make_exam()
    exam.volumes[1].array[2, 3, 4] = np.nan
    with pytest.raises(BadInput, match="not numbers.*channel post1"):
        prepare(load_recipe(NAME), exam)
    exam = make_exam()
    exam.volumes[2].array[:] = 7
    with pytest.raises(BadInput, match="constant.*channel post2"):
        prepare(load_recipe(NAME), exam)


def test_one_phase_where_three_are_wanted():
    with pytest.raises(BadInput, match="post1.*it has pre"):
        prepare(load_recipe(NAME), make_exam(times=(None,)))


# --- every shipped recipe --------------------------------------------------------------------------------------------


def test_as_acquired_changes_nothing():
    exam = make_exam()
    prepared = prepare(load_recipe("as-acquired"), exam)
    assert prepared.geometry == exam.geometry
    assert prepared.channel_names == ("pre", "post1", "post2", "post3")
    for channel, volume in zip(prepared.channels, exam.volumes):
        np.testing.assert_array_equal(channel, volume.array)
    case = prepare_cases(load_recipe("as-acquired"), mammograms(picture()))[0]
    np.testing.assert_array_equal(case.channels[0, 0], picture())


def test_the_first_post_recipe_is_m6():
    """B-spline to 1 mm and z-score over all phases of the exam, once more with SimpleITK and numpy alone."""
    exam = make_exam(Geometry((8, 9, 10), (1.2, 1.1, 2.0), (5, -3, 8)))
    prepared = prepare(load_recipe("mama-mia-first-post"), exam)
    assert prepared.channel_names == ("post1",)
    image = exam.volumes[1].to_sitk()
    size = [int(np.ceil(n * s - 1e-3)) for n, s in zip(image.GetSize(), image.GetSpacing())]
    origin = image.TransformContinuousIndexToPhysicalPoint([0.5 / s - 0.5 for s in image.GetSpacing()])
    axes = image.GetDirection()
    spline = sitk.Resample(image, size, sitk.Transform(), sitk.sitkBSpline, origin, (1.0, 1.0, 1.0), axes, 0.0)
    phases = np.array([volume.array for volume in exam.volumes], np.float64)
    expected = (sitk.GetArrayFromImage(spline) - phases.mean()) / phases.std()
    np.testing.assert_allclose(prepared.channels[0], expected, atol=1e-4)


def test_the_breastdm_recipe_is_m2():
    """Pre, post and their difference, without the slices that are blank in all of them."""
    exam = make_exam(times=(None, 0.0))
    for volume in exam.volumes:
        volume.array[[0, 5, 7]] = 3.0
    exam.volumes[1].array[5, 0, 0] = 4.0
    prepared = prepare(load_recipe("breastdm-pre-post-sub"), exam)
    pre, post = (np.delete(volume.array, [0, 7], axis=0) for volume in exam.volumes)
    np.testing.assert_array_equal(prepared.channels, np.stack([pre, post, post - pre]))
    assert prepared.geometry.origin == (0.0, 0.0, 2.0)
    assert any("2 of 8 slices are blank" in note for note in prepared.notes)
    back = restore(prepared.record, np.ones(prepared.geometry.shape, np.uint8))
    np.testing.assert_array_equal(back.array.any(axis=(1, 2)), [0, 1, 1, 1, 1, 1, 1, 0])


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_recipes_are_told_in_words(name):
    recipe = load_recipe(name)
    lines = describe_recipe(recipe)
    assert lines
    assert all(line.strip() and "\n" not in line for line in lines)
    assert sum(line.startswith("Afterwards") for line in lines) == len(recipe.cleanup)
    assert recipe.fits("dce") or recipe.fits("mammograms")
    assert name in list_recipes("dce") + list_recipes("mammograms")


# --- input that cannot be prepared -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["inbreast-ffdm", "ffdm-512", "mass-region-224"])
def test_a_recipe_for_mammograms_refuses_a_dynamic(name):
    with pytest.raises(BadInput, match=f"{name} is for mammograms, and the exam is a DCE-MRI exam"):
        prepare(load_recipe(name), make_exam())


def test_a_recipe_for_dynamics_refuses_mammograms():
    with pytest.raises(BadInput, match=f"{NAME} is for DCE-MRI, and the exam is mammograms"):
        prepare_cases(load_recipe(NAME), mammograms(picture()))
    with pytest.raises(BadInput, match="the exam is mammograms"):
        prepare(load_recipe(NAME), mammograms(picture()))


def test_an_exam_of_blank_slices_only():
    exam = make_exam(times=(None, 0.0))
    for volume in exam.volumes:
        volume.array[:] = 0
    with pytest.raises(BadInput, match="Every slice is blank"):
        prepare(load_recipe("breastdm-pre-post-sub"), exam)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", ["as-acquired", "breastdm-pre-post-sub", "mama-mia-first-post"])
def test_values_that_are_no_numbers_are_refused_by_every_recipe(name, value):
    exam = make_exam()
    exam.volumes[1].array[0, 0, 0] = value
    with pytest.raises(BadInput, match="not numbers.*post1"):
        prepare(load_recipe(name), exam)


@pytest.mark.parametrize("spacing", [(1, 1, 0), (1, -1, 1), (float("nan"), 1, 1), (1, float("inf"), 1)])
def test_no_grid_has_such_voxels(spacing):
    with pytest.raises(BadInput):
        make_exam(Geometry((8, 9, 10), spacing))


@pytest.mark.parametrize("shape", [(1, 9, 10), (8, 1, 10), (8, 9, 1), (1, 1, 2)])
@pytest.mark.parametrize("name", [NAME, "mama-mia-first-post", "as-acquired"])
def test_exams_one_voxel_thick(shape, name):
    exam = make_exam(Geometry(shape, (1.5, 0.8, 2.0)))
    prepared = prepare(load_recipe(name), exam)
    assert np.isfinite(prepared.channels).all()
    assert restore(prepared.record, np.ones(prepared.geometry.shape, np.uint8)).array.all()


def test_a_view_keeps_the_exam_as_it_is():
    exam = mammograms(picture())
    before = exam.images[0].array.copy()
    for name in ("inbreast-ffdm", "ffdm-512", "as-acquired"):
        prepare_cases(load_recipe(name), exam)
        np.testing.assert_array_equal(exam.images[0].array, before)
