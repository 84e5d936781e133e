"""Records that are damaged, or belong to something else, are refused; none asks for a huge grid."""

import copy
import json

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import (
    load_recipe,
    prepare,
    prepare_cases,
    prepare_mask,
    restore,
)
from BreastSegLib.volume import Geometry, Volume
from geometry_cases import rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_cases import NAME, make_exam, mammograms, picture, record_of


def labels_back(mask, record):
    return restore(record, prepare_mask(record, mask).array).array > 0


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        3,
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
    for geometry in (Geometry((2, 2, 2)), Geometry((8, 9, 10), (1.0, 1.2, 2.0), (0.5, 0, 0))):
        with pytest.raises(BadInput, match="not lie on the exam's grid.*drawn on this exam"):
            prepare_mask(prepared.record, Volume(np.zeros(geometry.shape, np.uint8), geometry))


def test_labels_on_blank_slices_are_refused():
    exam = make_exam(times=(None, 0.0))
    for volume in exam.volumes:
        volume.array[[0, 7]] = 0
    record = prepare(load_recipe("breastdm-pre-post-sub"), exam).record
    mask = np.zeros(exam.geometry.shape, np.uint8)
    mask[3:6] = 1
    np.testing.assert_array_equal(labels_back(Volume(mask, exam.geometry), record), mask)
    mask[0, 0, 0] = 1
    with pytest.raises(BadInput, match="labels on slices that are blank"):
        prepare_mask(record, Volume(mask, exam.geometry))


def a_record(kind):
    if kind == "dce":
        exam = make_exam(times=(None, 0.0))
        for volume in exam.volumes:
            volume.array[0] = 0
        return prepare(load_recipe("breastdm-pre-post-sub"), exam).record
    recipe = load_recipe("inbreast-ffdm" if kind == "whole" else "mass-region-224-none")
    region = [] if kind == "whole" else [{"box": [10, 10, 30, 40]}]
    return prepare_cases(recipe, mammograms(picture(side="R"), sides="R"), region)[0].record


RECORDS = {kind: json.loads(json.dumps(a_record(kind))) for kind in ("dce", "whole", "region")}
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([10**3, 10**9, 10**30, 10**400, -(10**12), float("nan"), float("inf"), 1e-300, 1e300, "", "crop"]),
    st.floats(),
    st.lists(st.sampled_from([0, 1, 2, 10**6, 10**12, -1, 0.5, None, "a"]), max_size=9),
    st.dictionaries(st.sampled_from(["op", "shape", "from", "to"]), st.sampled_from(["flip", 3, None]), max_size=3),
)


def all_places(value, path=()):
    yield path
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in rows:
        yield from all_places(item, (*path, key))


PATHS = {
    kind: [path for path in all_places(record) if path and path[0] in ("undo", "exam_geometry", "prepared_geometry")]
    for kind, record in RECORDS.items()
}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_record_is_refused_or_harmless(data):
    """Whatever is changed in a record: one line, or a result on the grid that the record states; nothing huge."""
    kind = data.draw(st.sampled_from(sorted(RECORDS)))
    record = copy.deepcopy(RECORDS[kind])
    mask = np.ones(record["prepared_geometry"]["shape"], np.uint8)
    exam = Geometry.from_json(record["exam_geometry"])
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(PATHS[kind]))
        parent = record
        try:
            for key in path[:-1]:
                parent = parent[key]
            if data.draw(st.booleans()):
                parent[path[-1]] = data.draw(HOSTILE)
            else:
                del parent[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # the first change took the place away
    for array in (mask, mask.astype(np.float32)):
        try:
            back = restore(record, array)
            assert list(back.array.shape) == [int(n) for n in record["exam_geometry"]["shape"]]
        except BadInput as error:
            assert "\n" not in error.line
    try:
        prepared = prepare_mask(record, Volume(np.ones(exam.shape, np.uint8), exam))
        assert list(prepared.array.shape) == [int(n) for n in record["prepared_geometry"]["shape"]]
    except BadInput as error:
        assert "\n" not in error.line


@pytest.mark.parametrize("size", [10**4, 10**5])
def test_a_record_that_asks_for_a_huge_grid_is_refused(size):
    record = copy.deepcopy(RECORDS["whole"])
    for grid in (record["exam_geometry"], record["undo"][0]):
        grid["shape"] = [1, size * 10, size]
    with pytest.raises(BadInput):
        restore(record, np.ones(record["prepared_geometry"]["shape"], np.uint8))


def test_grids_turned_against_each_other_are_refused():
    geometry = Geometry((20, 20, 20))
    turned = Geometry((20, 20, 20), direction=tuple(rotation(20, 1).ravel()))
    record = record_of(geometry)
    record["prepared_geometry"] = record["undo"][0]["to"] = turned.to_json()
    for dtype in (np.uint8, np.float32):
        with pytest.raises(BadInput, match="turned against each other"):
            restore(record, np.ones(turned.shape, dtype))
