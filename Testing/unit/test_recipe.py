"""Recipes: what they may say, which phases they take, and that a mask comes back where it was drawn."""

import copy
import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.exam.dce import DceExam, Phase
from BreastSegLib.files import read_json
from BreastSegLib.recipe import list_recipes, load_recipe, prepare, prepare_mask, restore
from BreastSegLib.recipe.channels import channel_volume, parse_source, resolve
from BreastSegLib.recipe.recipe import FOLDER, parse_recipe
from BreastSegLib.volume import Geometry, Volume
from geometry_cases import centred, geometries, named_matrices, rotation, signed_permutations
from hypothesis import given, settings
from hypothesis import strategies as st

NAME = "phase-aware-0000-0002"
TIMES = (None, 0.0, 90.0, 180.0)


def make_exam(geometry=None, times=TIMES, seed=0, pre=True):
    """Return an exam with a pre-contrast phase (unless `pre` is false) and a post-contrast phase per further time."""
    geometry = geometry or Geometry((8, 9, 10), (1.0, 1.2, 2.0))
    rng = np.random.default_rng(seed)
    phases = [Phase("pre", 0, times[0])] * pre + [Phase("post", n, time) for n, time in enumerate(times[1:], 1)]
    volumes = [Volume(rng.gamma(2, 100, geometry.shape).astype(np.float32), geometry) for _ in phases]
    return DceExam(tuple(phases), tuple(volumes))


@pytest.fixture
def record():
    return read_json(FOLDER / f"{NAME}.json")


def with_grid(**changes):
    base = {"spacing": [1.0, 1.0, 1.0], "orientation": "axial", "interpolation": "linear"}
    return parse_recipe({**read_json(FOLDER / f"{NAME}.json"), "grid": {**base, **changes}})


# --- what a recipe may say -------------------------------------------------------------------------------------------


def test_shipped_recipes_are_valid():
    names = list_recipes()
    assert {NAME, "single-phase-0002"} <= set(names)
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert len(recipe.hash) == 64


def test_the_phase_aware_recipe_is_m1():
    recipe = load_recipe(NAME)
    assert [source.terms for _, source in recipe.channels] == [("pre",), ("post1",), ("post2",)]
    assert recipe.grid.spacing == (1.0, 1.0, 1.0)
    assert recipe.intensity == ({"step": "z-score", "scope": "volume"},)
    assert recipe.cleanup == ({"step": "largest-component", "connectivity": 3},)


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
    (("intensity", 0, "scope"), "breast", ["scope", "volume", "exam"]),
    (("intensity", 0), {"step": "z-score"}, ["z-score", "lacks scope"]),
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


@pytest.mark.parametrize("field", sorted(read_json(FOLDER / f"{NAME}.json")))
def test_missing_fields_are_named(record, field):
    del record[field]
    with pytest.raises(BadInput, match=field):
        parse_recipe(record)


@pytest.mark.parametrize("value", [[], "text", None, 3])
def test_not_an_object(value):
    with pytest.raises(BadInput, match="JSON object"):
        parse_recipe(value)


def test_unknown_fields_are_named(record):
    with pytest.raises(BadInput, match="unknown field colour, size.*Fields: .*channels"):
        parse_recipe({**record, "size": 1, "colour": 2})


# --- the language of channels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["pre", "last", "post1", "post12", "post@0s", "post@150s", "post@90.5s", "post2 - pre", "last - post1"]
)
def test_words_of_the_language(text):
    assert parse_source(text).terms == tuple(text.split(" - "))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Pre",
        "post",
        "post0",
        "post01",
        "post@150",
        "post@-5s",
        "post2-pre",
        "post2 - pre - post1",
        "post2 + pre",
        "pre -",
        "post@1e3s",
    ],
)
def test_words_not_of_the_language(text):
    with pytest.raises(BadInput, match="not understood.*post2 - pre"):
        parse_source(text)


@pytest.mark.parametrize(
    ("term", "index"),
    [
        ("pre", 0),
        ("post1", 1),
        ("post3", 3),
        ("last", 3),
        ("post@0s", 1),
        ("post@80s", 2),
        ("post@134s", 2),
        ("post@136s", 3),
        ("post@240s", 3),
    ],
)
def test_which_phase(term, index):
    assert resolve(term, make_exam()) == index


def test_nearest_time_has_a_limit():
    with pytest.raises(BadInput, match=r"post@241s.*61 s away.*Post 3 \(\+180 s\)"):
        resolve("post@241s", make_exam())


def test_nearest_time_needs_times():
    with pytest.raises(BadInput, match="times of the phases are unknown.*phase table"):
        resolve("post@90s", make_exam(times=(None, None, None)))
    assert resolve("post@90s", make_exam(times=(None, None, 80.0, None))) == 2


def test_nearest_time_is_never_the_pre_phase():
    assert resolve("post@0s", make_exam(times=(0.0, 55.0))) == 1


def test_a_missing_phase_lists_what_there_is():
    with pytest.raises(BadInput, match=r"post4.*it has pre, post1, post2, post3"):
        resolve("post4", make_exam())
    with pytest.raises(BadInput, match=r"phase pre.*it has post1, post2"):
        resolve("pre", make_exam(times=(None, 0.0, 90.0), pre=False))
    with pytest.raises(BadInput, match="no post-contrast phase.*it has pre"):
        resolve("last", make_exam(times=(None,)))


def test_channels_are_the_phases_voxels():
    exam = make_exam()
    volume, used = channel_volume(parse_source("post2"), exam)
    assert used == ["post2"]
    np.testing.assert_array_equal(volume.array, exam.volumes[2].array)
    volume, used = channel_volume(parse_source("post@180s - pre"), exam)
    assert used == ["post3", "pre"]
    np.testing.assert_array_equal(volume.array, exam.volumes[3].array - exam.volumes[0].array)
    assert volume.array.dtype == np.float32


def test_differences_do_not_wrap_round():
    geometry = Geometry((2, 2, 2))
    volumes = tuple(Volume(np.full((2, 2, 2), v, np.uint16), geometry) for v in (500, 100))
    volume, _ = channel_volume(parse_source("post1 - pre"), DceExam((Phase("pre", 0), Phase("post", 1)), volumes))
    np.testing.assert_array_equal(volume.array, -400.0)


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
    record = read_json(FOLDER / f"{NAME}.json")
    recipe = parse_recipe(
        {**record, "grid": {"spacing": None, "orientation": "axial", "interpolation": "bspline"}, "intensity": []}
    )
    prepared = prepare(recipe, exam)
    for channel, volume in zip(prepared.channels, exam.volumes):
        np.testing.assert_array_equal(np.sort(channel, axis=None), np.sort(volume.array, axis=None))
        np.testing.assert_array_equal(restore(prepared.record, channel).array, volume.array)


def test_progress_and_cancel():
    seen = []
    prepare(load_recipe(NAME), make_exam(), lambda *row: seen.append(row))
    assert [row[0] for row in seen] == ["Preparing"] * len(seen)
    assert [row[1] for row in seen] == sorted(row[1] for row in seen)
    assert seen[-1][1] == seen[-1][2]

    def cancel(stage, done, total):
        if done == 1:
            raise Cancelled()

    with pytest.raises(Cancelled):
        prepare(load_recipe(NAME), make_exam(), cancel)


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


# --- and back --------------------------------------------------------------------------------------------------------


def ball(geometry, centre, radius):
    """Return the mask of the voxels within `radius` mm of `centre` (LPS)."""
    k, j, i = np.indices(geometry.shape)
    lps = np.stack([i, j, k, np.ones_like(i)], -1) @ geometry.ijk_to_lps.T
    return Volume((np.linalg.norm(lps[..., :3] - centre, axis=-1) <= radius).astype(np.uint8), geometry)


def dice(a, b):
    return 2 * np.logical_and(a, b).sum() / (np.count_nonzero(a) + np.count_nonzero(b))


def there_and_back(recipe, mask):
    exam = make_exam(mask.geometry, times=(None, 0.0, 90.0))
    record = prepare(recipe, exam).record
    return restore(record, prepare_mask(recipe, mask).array)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.2, 1.2, 2.0), (1.5, 1.0, 3.0), (2.0, 1.1, 1.3)], ids=str)
@pytest.mark.parametrize("name", sorted(named_matrices()))
@pytest.mark.parametrize("radius", [2.6, 8.0])
def test_a_lesion_comes_back(name, spacing, radius):
    geometry = centred((22, 26, 24), spacing, named_matrices()[name])
    mask = ball(geometry, (1.3, -2.2, 0.7), radius)
    assert mask.array.any()
    back = there_and_back(load_recipe(NAME), mask)
    assert back.geometry == geometry
    assert back.array.dtype == np.uint8
    assert dice(mask.array, back.array) >= 0.98


@pytest.mark.parametrize(
    ("spacing", "radius", "least"),
    [((0.7, 0.7, 2.0), 6.0, 0.97), ((0.6, 0.6, 0.8), 6.0, 0.95), ((0.8, 0.8, 1.0), 6.0, 0.97)],
    ids=str,
)
def test_finer_exams_lose_only_the_edge(spacing, radius, least):
    """1 mm voxels cannot hold a finer edge; the loss stays at the edge."""
    geometry = centred((24, 44, 44), spacing, rotation(10, 2))
    mask = ball(geometry, (1.3, -2.2, 0.7), radius)
    back = there_and_back(load_recipe(NAME), mask)
    assert back.geometry == geometry
    assert dice(mask.array, back.array) >= least


def test_every_label_comes_back():
    geometry = centred((20, 24, 24), (1.2, 1.2, 2.0), named_matrices()["coronal"])
    array = ball(geometry, (-7, 0, 0), 5).array + 3 * ball(geometry, (7, 0, 0), 5).array
    back = there_and_back(load_recipe(NAME), Volume(array, geometry))
    np.testing.assert_array_equal(np.unique(back.array), [0, 1, 3])
    assert dice(back.array == 3, array == 3) >= 0.98
    assert dice(back.array == 1, array == 1) >= 0.98


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(signed_permutations()),
    st.sampled_from(((1.0, 1.3, 2.0), (0.6, 0.8, 1.0), (2.5, 1.0, 1.0))),
    st.sampled_from((None, [1.0, 1.0, 1.0], [1.5, 0.8, 2.0])),
    st.sampled_from(("axial", "as-acquired")),
)
def test_left_stays_left(matrix, spacing, target, orientation):
    """A lesion at the patient's left, front and head stays there on the prepared grid and after the way back."""
    geometry = centred((24, 22, 26), spacing, matrix)
    centre = np.array([5.0, -4.0, 4.5])
    mask = ball(geometry, centre, 3.0)
    recipe = with_grid(spacing=target, orientation=orientation)
    for volume in (prepare_mask(recipe, mask), there_and_back(recipe, mask)):
        image = volume.to_sitk()
        places = np.array(
            [image.TransformIndexToPhysicalPoint([int(v) for v in zyx[::-1]]) for zyx in np.argwhere(volume.array)]
        )
        np.testing.assert_allclose(places.mean(0), centre, atol=0.8)
    if orientation == "axial":
        prepared = prepare_mask(recipe, mask)
        middle = np.argwhere(prepared.array).mean(0) - (np.array(prepared.geometry.shape) - 1) / 2
        assert middle[2] > 1  # x grows to the left
        assert middle[1] < -1  # y grows to the back
        assert middle[0] > 1  # z grows to the head


def test_images_and_masks_take_the_same_way():
    """What is bright in the channel is inside the prepared mask."""
    geometry = centred((20, 24, 24), (1.2, 1.0, 2.0), named_matrices()["oblique sagittal"])
    mask = ball(geometry, (4, -3, 5), 6)
    exam = make_exam(geometry, times=(None, 0.0, 90.0))
    for volume in exam.volumes:
        volume.array[:] = 1000.0 * mask.array
    channel = prepare(load_recipe(NAME), exam).channels[0]
    bright = channel > (channel.min() + channel.max()) / 2
    assert dice(bright, prepare_mask(load_recipe(NAME), mask).array) > 0.93


def test_probabilities_come_back_linear():
    exam = make_exam(centred((10, 12, 14), (1.3, 1.2, 2.0), np.eye(3)))
    prepared = prepare(load_recipe(NAME), exam)
    _, _, i = np.indices(prepared.geometry.shape)
    back = restore(prepared.record, (i * 0.05).astype(np.float32))
    x = exam.geometry.origin[0] + np.arange(14) * 1.3
    expected = np.clip((x - prepared.geometry.origin[0]) * 0.05, 0, (prepared.geometry.shape[2] - 1) * 0.05)
    assert back.array.dtype == np.float32
    np.testing.assert_allclose(back.array[5, 6], expected, atol=1e-5)


def test_bool_masks_are_labels():
    exam = make_exam()
    prepared = prepare(load_recipe(NAME), exam)
    assert restore(prepared.record, np.ones(prepared.geometry.shape, bool)).array.all()


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"format": "else"},
        {"format": "breastseg-record-1"},
        {"format": "breastseg-record-1", "prepared_geometry": 3, "exam_geometry": {}},
    ],
    ids=str,
)
def test_not_a_record(wrong):
    with pytest.raises(BadInput, match="not the record"):
        restore(wrong, np.zeros((2, 2, 2), np.uint8))


def test_a_mask_of_another_grid():
    prepared = prepare(load_recipe(NAME), make_exam())
    with pytest.raises(BadInput, match=r"not lie on the prepared grid.*\(2, 2, 2\)"):
        restore(prepared.record, np.zeros((2, 2, 2), np.uint8))
