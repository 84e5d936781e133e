"""The steps of recipes: what each parameter may be, defaults, places, hashes, and the JSON Schema of a recipe file."""

import copy
import json
import math

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import list_recipes
from BreastSegLib.recipe.recipe import parse_recipe, recipe_schema
from BreastSegLib.recipe.schema import GROUPS, describe_steps, read_steps, step_kinds, without_defaults
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_cases import NAME, shipped

jsonschema = pytest.importorskip("jsonschema")

KINDS = [(group, kind) for group in GROUPS for kind in step_kinds(group).values()]
PARAMETERS = [(group, kind, parameter) for group, kind in KINDS for parameter in kind.parameters.values()]
LOADED = {name: shipped(name) for name in list_recipes()}
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "all", "volume", "exam", "z-score", "linear", 2.0, 1.0, 1e300, 10**400]),
    st.text(max_size=3),
    st.lists(st.integers(0, 3), max_size=4),
    st.dictionaries(st.sampled_from(["step", "name", "source", "scope"]), st.sampled_from(["z-score", "pre"])),
)


def label(value):
    return value if isinstance(value, str) else getattr(value, "name", None)


def before(group, kind):
    """Return steps that have to come before a step."""
    return [{"step": kind.needs}] if kind.needs else []


def read(group, *steps):
    return read_steps(list(steps), group, "mine.json")


# --- parameters ------------------------------------------------------------------------------------------------------


def test_the_table_is_whole():
    """Every step has a title and a sentence; every default is allowed; every rule names a step of its group."""
    for group, kind in KINDS:
        names = set(step_kinds(group))
        assert kind.title and kind.text.endswith("."), kind.name
        assert {kind.needs} <= names | {""}
        assert set(kind.not_after) <= names
        for parameter in kind.parameters.values():
            assert parameter.accepts(parameter.default), (kind.name, parameter.name)
            assert parameter.text


@pytest.mark.parametrize(("group", "kind"), KINDS, ids=label)
def test_defaults_are_filled_in(group, kind):
    step = read(group, *before(group, kind), {"step": kind.name})[-1]
    assert step == {"step": kind.name, **{name: p.default for name, p in kind.parameters.items()}}
    assert list(step) == ["step", *kind.parameters]


def wrong_values(parameter):
    low, high = (1, 3) if parameter.kind == "choices" else parameter.allowed
    values = [None, True, False, [], {}, [parameter.default], str(parameter.default) + "x", float("nan")]
    values += [float("inf"), -float("inf"), low - 1, high + 1]
    if parameter.kind == "whole":
        values += [low + 0.5, str(low)]
    if parameter.kind == "choices":
        values += [1.5, "1", "", "Volume"]
    return values


@pytest.mark.parametrize(("group", "kind", "parameter"), PARAMETERS, ids=label)
def test_a_wrong_value_is_one_line_with_what_is_allowed(group, kind, parameter):
    for value in wrong_values(parameter):
        with pytest.raises(BadInput) as caught:
            read(group, *before(group, kind), {"step": kind.name, parameter.name: value})
        line = caught.value.line
        assert "\n" not in line
        assert "mine.json" in line
        ends = parameter.allowed if parameter.kind == "choices" else [f"{v:g}" for v in parameter.allowed]
        for word in (group, kind.name, parameter.name, repr(value), *map(str, ends)):
            assert word in line, (word, line)


@pytest.mark.parametrize(("group", "kind", "parameter"), PARAMETERS, ids=label)
def test_the_ends_are_allowed(group, kind, parameter):
    ends = parameter.allowed
    for value in ends:
        step = read(group, *before(group, kind), {"step": kind.name, parameter.name: value})[-1]
        assert step[parameter.name] == value


@pytest.mark.parametrize(("group", "kind"), KINDS, ids=label)
def test_an_unknown_parameter_is_named_with_those_there_are(group, kind):
    with pytest.raises(BadInput) as caught:
        read(group, *before(group, kind), {"step": kind.name, "colour": 1})
    assert all(word in caught.value.line for word in (group, kind.name, "'colour'", *kind.parameters))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", ["zscore", "", None, 3, ["z-score"], {"a": 1}])
def test_an_unknown_step_is_answered_with_the_steps_there_are(group, name):
    with pytest.raises(BadInput) as caught:
        read(group, {"step": name})
    assert all(word in caught.value.line for word in (group, *step_kinds(group)))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("rows", ["z-score", None, 3, {"step": "z-score"}, {}])
def test_steps_are_a_list(group, rows):
    with pytest.raises(BadInput, match=f"recipe's {group} is not a list of steps.*mine.json"):
        read_steps(rows, group, "mine.json")


# --- places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "kind"), [(g, k) for g, k in KINDS if k.once], ids=label)
def test_once_means_once(group, kind):
    with pytest.raises(BadInput, match=f"step {kind.name} twice|{kind.name} comes after"):
        read(group, *before(group, kind), {"step": kind.name}, {"step": kind.name})


@pytest.mark.parametrize(("group", "kind"), [(g, k) for g, k in KINDS if k.needs], ids=label)
def test_what_a_step_needs_comes_before_it(group, kind):
    for steps in ([kind.name], [kind.name, kind.needs]):
        with pytest.raises(BadInput, match=f"step {kind.name} needs the step {kind.needs}.*Put {kind.needs} before"):
            read(group, *({"step": name} for name in steps))


AFTER = [(g, kind, other) for g, kind in KINDS for other in kind.not_after if other != kind.name]


@pytest.mark.parametrize(("group", "kind", "other"), AFTER, ids=label)
def test_a_step_in_the_wrong_place_is_told_where_to_go(group, kind, other):
    first = step_kinds(group)[other]
    rows = [*before(group, first), *before(group, kind), {"step": other}, {"step": kind.name}]
    with pytest.raises(BadInput, match=f"step {kind.name} comes after .*Put it before"):
        read(group, *rows)


@pytest.mark.parametrize("scope_of", ["z-score"])
def test_figures_over_the_breast_need_the_breast(scope_of):
    record = shipped("inbreast-ffdm")
    record["steps"] = [{"step": scope_of, "scope": "breast"}, {"step": "breast-mask"}]
    with pytest.raises(BadInput, match="z-score has the scope breast, which needs the step breast-mask"):
        parse_recipe(record)
    record["steps"].reverse()
    assert parse_recipe(record).steps[1]["scope"] == "breast"


@pytest.mark.parametrize("source", ["post1 - pre", "pe(post1)", "ser"])
def test_figures_over_the_exam_need_phases(source):
    record = shipped()
    record["channels"] = [{"name": "a", "source": source}]
    record["intensity"] = [{"step": "z-score", "scope": "exam"}]
    with pytest.raises(BadInput, match="scope exam, but the channel a is no phase.*volume or breast"):
        parse_recipe(record)


def test_figures_over_the_exam_come_before_clahe():
    record = shipped()
    record["intensity"] = [{"step": "clahe"}, {"step": "z-score", "scope": "exam"}]
    with pytest.raises(BadInput, match="z-score has the scope exam after clahe"):
        parse_recipe(record)


# --- the hash --------------------------------------------------------------------------------------------------------


def written_out(record):
    """Return the recipe with every default written."""
    record = copy.deepcopy(record)
    for field, group in (
        ("phases", "phases"),
        ("intensity", "intensity"),
        ("cleanup", "cleanup"),
        ("steps", "mammography"),
    ):
        if field in record:
            record[field] = [dict(step) for step in read_steps(record[field], group, "x")]
    if record["modality"] == "dce-mri":
        record = {"slices": "all", "time_tolerance_s": 60, "phases": [], **record}
    return record


def turned(value):
    """Return the same JSON with its keys in another order and whole numbers written as decimals, or back."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [turned(item) for item in value]
    if isinstance(value, float) and value == int(value):
        return int(value)
    return float(value) if type(value) is int else value


@pytest.mark.parametrize("name", sorted(LOADED))
def test_one_meaning_one_hash(name):
    record = LOADED[name]
    expected = parse_recipe(record).hash
    assert parse_recipe(written_out(record)).hash == expected
    assert parse_recipe(turned(record)).hash == expected
    assert parse_recipe(turned(written_out(record))).hash == expected
    assert parse_recipe(json.loads(json.dumps(record))).hash == expected
    assert parse_recipe({**record, "title": "Else", "source": "Else"}).hash == expected


def test_defaults_left_out_say_the_same():
    steps = read("cleanup", {"step": "largest-component"}, {"step": "minimum-size", "mm3": 12})
    assert without_defaults(steps, "cleanup") == [{"step": "largest-component"}, {"step": "minimum-size", "mm3": 12.0}]
    assert read("cleanup", *without_defaults(steps, "cleanup")) == steps


@pytest.mark.parametrize(("group", "kind", "parameter"), PARAMETERS, ids=label)
def test_every_parameter_counts(group, kind, parameter):
    field = "steps" if group == "mammography" else group
    base = shipped("inbreast-ffdm" if group == "mammography" else NAME)
    other = next(value for value in parameter.allowed if value != parameter.default)
    breast = [{"step": "breast-mask"}] if group == "mammography" and kind.name != "breast-mask" else []
    rows = [[*breast, {"step": kind.name}], [*breast, {"step": kind.name, parameter.name: other}]]
    hashes = {parse_recipe({**base, field: steps}).hash for steps in rows}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"slices": "drop-blank"},
        {"time_tolerance_s": 61},
        {"phases": [{"step": "n4-bias-correction"}]},
        {"intensity": []},
        {"cleanup": []},
        {"grid": {"spacing": None, "orientation": "axial", "interpolation": "linear"}},
        {"grid": {"spacing": [1, 1, 1], "orientation": "as-acquired", "interpolation": "linear"}},
        {"grid": {"spacing": [1, 1, 1], "orientation": "axial", "interpolation": "bspline"}},
        {"grid": {"spacing": [1, 1, 1.001], "orientation": "axial", "interpolation": "linear"}},
        {"channels": [{"name": n, "source": n} for n in ("post1", "pre", "post2")]},
        {"channels": [{"name": n, "source": s} for n, s in (("pre", "pre"), ("post1", "last"), ("post2", "post2"))]},
        {"channels": [{"name": n, "source": s} for n, s in (("a", "pre"), ("post1", "post1"), ("post2", "post2"))]},
        {"intensity": [{"step": "clahe"}, {"step": "z-score"}]},
        {"intensity": [{"step": "z-score"}, {"step": "clahe"}]},
    ],
    ids=str,
)
def test_every_field_counts(change):
    hashes = {parse_recipe(shipped()).hash, parse_recipe({**shipped(), **change}).hash}
    assert len(hashes) == 2


def test_the_order_of_steps_counts():
    record = shipped("mass-region-224")
    swapped = copy.deepcopy(record)
    swapped["steps"][1:3] = reversed(swapped["steps"][1:3])
    assert parse_recipe(swapped).hash != parse_recipe(record).hash


# --- words -----------------------------------------------------------------------------------------------------------


def test_steps_in_words():
    lines = describe_steps(read("cleanup", {"step": "minimum-size", "mm3": 12.5}, {"step": "fill-holes"}), "cleanup")
    assert lines[0].startswith("Minimum size (at least 12.5 mm³, at least 10 mm², connectivity 3): ")
    assert lines[1].startswith("Fill holes: ")


# --- JSON Schema -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(recipe_schema())
    return jsonschema.Draft202012Validator(json.loads(json.dumps(recipe_schema(), allow_nan=False)))


@pytest.mark.parametrize("name", sorted(LOADED))
def test_shipped_recipes_fit_the_schema(validator, name):
    validator.validate(LOADED[name])
    validator.validate(json.loads(json.dumps(written_out(LOADED[name]))))


def test_every_wrong_value_is_wrong_for_the_schema_too(validator):
    for group, kind, parameter in PARAMETERS:
        field = "steps" if group == "mammography" else group
        base = shipped("inbreast-ffdm" if group == "mammography" else NAME)
        for value in wrong_values(parameter):
            if isinstance(value, float) and not math.isfinite(value):
                continue  # not JSON
            record = {**base, field: [*before(group, kind), {"step": kind.name, parameter.name: value}]}
            assert not validator.is_valid(record), (kind.name, parameter.name, value)


def all_places(value, path=()):
    """Yield the path of every value inside a JSON value."""
    yield path
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in rows:
        yield from all_places(item, (*path, key))


@st.composite
def mutated(draw):
    """Draw a recipe with one to three values changed, added, left out, doubled or swapped."""
    record = copy.deepcopy(LOADED[draw(st.sampled_from(sorted(LOADED)))])
    if draw(st.booleans()):
        record = written_out(record)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([p for p in all_places(record) if p]))
        parent = record
        for key in path[:-1]:
            parent = parent[key]
        kind = draw(st.sampled_from(["change", "change", "remove", "add", "double"]))
        if kind == "change":
            parent[path[-1]] = draw(ANYTHING)
        elif kind == "remove":
            del parent[path[-1]]
        elif kind == "add" and isinstance(parent, dict):
            parent[draw(st.sampled_from(["extra", "scope", "slices", "phases", "steps", "connectivity"]))] = draw(
                ANYTHING
            )
        elif isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
    return record


BEYOND_SCHEMA = (
    "not understood",
    "not one line of text",
    "comes after",
    "needs the step",
    "same name",
    "scope exam",
    "twice",
)


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_schema_and_parser_agree(validator, record):
    """What the parser takes, the schema takes; what the schema takes, the parser refuses for order and words only."""
    try:
        parse_recipe(record)
        line = ""
    except BadInput as error:
        line = error.line
        assert "\n" not in line
    if not line:
        validator.validate(record)
    elif validator.is_valid(record):
        assert any(words in line for words in BEYOND_SCHEMA), line
