"""The model catalogue: its entries, the user's own, what is wrong with them, and which model folders it knows."""

import copy
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.models import catalogue
from BreastSegLib.models.card import LONGEST_NAME, TERMS, check_name
from BreastSegLib.models.catalogue import Licence, catalogue_schema, read_catalogue
from BreastSegLib.recipe import load_recipe
from hypothesis import given, settings
from hypothesis import strategies as st

jsonschema = pytest.importorskip("jsonschema")

ENTRY = {
    "name": "clinic-mass",
    "title": "Masses of our clinic",
    "description": "Trained on 200 exams.",
    "recipe": "single-phase-0002",
    "labels": {"lesion": {"value": 1, "terminology": "mass"}},
    "licence": {"name": "Only inside the clinic", "must_accept": False},
    "citation": "Nobody et al.",
    "url": "https://files.example.org/models/clinic-mass.zip?token=SECRET",
    "sha256": "ab" * 32,
    "size": 250_000_000,
}
CHECK = jsonschema.Draft202012Validator(catalogue_schema())
REMOVED = object()
DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def changed(**fields):
    """Return a copy of the entry; a field ``a__b`` lies in the object ``a``, and REMOVED takes it out."""
    entry = copy.deepcopy(ENTRY)
    for name, value in fields.items():
        *outer, last = name.split("__")
        place = entry
        for part in outer:
            place = place[part]
        if value is REMOVED:
            del place[last]
        else:
            place[last] = value
    return entry


def written(folder, *entries, **fields):
    """Write a catalogue and return its path."""
    path = folder / "catalogue.json"
    path.write_text(json.dumps({"format": "breastseg-catalogue-1", "models": list(entries), **fields}))
    return path


@pytest.fixture
def library(tmp_path, monkeypatch):
    """An empty model library of the user's own."""
    folder = tmp_path / "library"
    folder.mkdir()
    monkeypatch.setenv("BREASTSEG_MODELS", str(folder))
    return folder


def network(dataset="Dataset105_full_image", channels=("T1",), configuration="3d_fullres"):
    return SimpleNamespace(dataset_name=dataset, channel_names=channels, configuration=configuration)


# --- what ships ------------------------------------------------------------------------------------------------------


def test_the_shipped_catalogue_is_right():
    entries, problems = read_catalogue(catalogue.SHIPPED)
    assert not problems
    assert [entry.name for entry in entries] == ["mama-mia"]
    CHECK.validate(json.loads(catalogue.SHIPPED.read_text(encoding="utf-8")))
    for entry in entries:
        assert load_recipe(entry.recipe_source).name == entry.recipe
        assert bool(entry.url) == bool(entry.sha256)


def test_mama_mia_is_brought_by_the_user_under_its_licence(library):
    entry = catalogue.entry("mama-mia")
    assert (entry.url, entry.sha256, entry.size) == ("", "", 0)
    assert "Synapse" in entry.instructions
    assert entry.licence.must_accept and "BY-NC" in entry.licence.name
    recipe = load_recipe(entry.recipe_source)
    assert recipe.channel_names == ("post1",)
    assert entry.labels == {"tumor": {"value": 1, "terminology": "neoplasm"}}


def test_the_schema_is_one_and_knows_the_terminology():
    jsonschema.Draft202012Validator.check_schema(catalogue_schema())
    label = catalogue_schema()["$defs"]["entry"]["properties"]["labels"]["additionalProperties"]
    assert tuple(label["properties"]["terminology"]["enum"]) == TERMS


def test_every_name_that_the_schema_allows_is_no_longer_than_a_models_name():
    pattern = catalogue_schema()["$defs"]["entry"]["properties"]["name"]["pattern"]
    assert re.search(pattern, "a" * LONGEST_NAME)
    assert not re.search(pattern, "a" * (LONGEST_NAME + 1))
    assert check_name("a" * LONGEST_NAME)


def test_the_documentation_tells_the_format_as_it_is(tmp_path):
    text = DOCUMENTATION.read_text(encoding="utf-8")
    path = tmp_path / "catalogue.json"
    path.write_text(re.search(r"```json\n(.*?)```", text, re.DOTALL)[1], encoding="utf-8")
    entries, problems = read_catalogue(path)
    assert len(entries) == 1 and not problems
    section = text[text.index("### Your own entries") :]
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    assert told == set(catalogue_schema()["$defs"]["entry"]["properties"])


# --- the user's own --------------------------------------------------------------------------------------------------


def test_without_a_catalogue_of_ones_own_the_shipped_entries_are_there(library):
    assert [entry.name for entry in catalogue.entries()] == ["mama-mia"]
    assert catalogue.own_catalogue() == library / "catalogue.json"


def test_own_entries_are_added(library):
    path = written(library, ENTRY, changed(name="another", url=REMOVED, sha256=REMOVED, instructions="Ask Anna."))
    assert [entry.name for entry in catalogue.entries()] == ["mama-mia", "another", "clinic-mass"]
    entry = catalogue.entry("clinic-mass")
    assert entry.licence == Licence("Only inside the clinic")
    assert (entry.source, entry.size, entry.recipe_source) == (path, 250_000_000, "single-phase-0002")


def test_an_own_recipe_lies_beside_the_catalogue(library):
    written(library, changed(recipe="mine.json"))
    assert catalogue.entry("clinic-mass").recipe_source == library / "mine.json"


def test_a_shipped_name_is_not_taken_over(library):
    written(library, ENTRY, changed(name="mama-mia", recipe="as-acquired"))
    entries, problems = catalogue.survey()
    assert [entry.name for entry in entries] == ["mama-mia", "clinic-mass"]
    assert catalogue.entry("mama-mia").recipe == "mama-mia-first-post"
    assert len(problems) == 1 and "'mama-mia'" in problems[0].line and "ships with" in problems[0].line


def test_one_wrong_entry_does_not_hide_the_others(library):
    written(library, changed(name="wrong", size="big"), ENTRY, ENTRY)
    entries, problems = catalogue.survey()
    assert [entry.name for entry in entries] == ["mama-mia", "clinic-mass"]
    assert ["'wrong' is wrong: size" in problems[0].line, "same name" in problems[1].line] == [True, True]


def test_a_wrong_entry_is_explained_when_it_is_asked_for(library):
    written(library, changed(size=0))
    with pytest.raises(BadInput, match="size is not the number of bytes"):
        catalogue.entry("clinic-mass")
    with pytest.raises(BadInput, match="no such model.*It has mama-mia"):
        catalogue.entry("unheard-of")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "breastseg-catalogue-1"}', "\udcff", '"x"', "[" * 9999]
)
def test_a_file_that_is_no_catalogue_is_one_error(library, text):
    path = library / "catalogue.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    entries, problems = catalogue.survey()
    assert [entry.name for entry in entries] == ["mama-mia"]
    assert len(problems) == 1 and str(path) in problems[0].line and "\n" not in problems[0].line


def test_fields_of_the_whole_are_checked(tmp_path):
    for fields, said in (
        ({"format": "breastseg-catalogue-2"}, "format is not breastseg-catalogue-1"),
        ({"models": {}}, "models is not a list"),
        ({"comment": "hello"}, "'comment' is not known"),
    ):
        entries, problems = read_catalogue(written(tmp_path, ENTRY, **fields))
        assert not entries and said in problems[0].line


# --- what is wrong with an entry -------------------------------------------------------------------------------------

WRONG = [
    ({"name": REMOVED}, "number 1", "name is missing"),
    ({"name": "Clinic"}, "'Clinic'", "name is not 1 to 64 of a-z"),
    ({"name": "../x"}, "'../x'", "name is not"),
    ({"name": "x\n"}, "'x", "name is not"),
    ({"name": "con"}, "'con'", "Windows keeps this name"),
    ({"name": "model.zip"}, "'model.zip'", "ends like the name of a file"),
    ({"name": 7}, "number 1", "name is not"),
    ({"title": "  "}, "clinic-mass", "title is not one line of text"),
    ({"title": "two\nlines"}, "clinic-mass", "title is not one line of text"),
    ({"citation": None}, "clinic-mass", "citation is not one line of text"),
    ({"description": "x" * 2001}, "clinic-mass", "description is not one line"),
    ({"recipe": "../mine.json"}, "clinic-mass", "recipe is not the name of a recipe"),
    ({"labels": {}}, "clinic-mass", "labels is not an object with a value"),
    ({"labels": []}, "clinic-mass", "labels is not an object"),
    ({"labels__lesion__value": 0}, "clinic-mass", "labels.lesion.value is not a whole number from 1"),
    ({"labels__lesion__value": True}, "clinic-mass", "labels.lesion.value is not a whole number"),
    ({"labels__lesion__terminology": "cyst"}, "clinic-mass", "labels.lesion.terminology is not mass or neoplasm"),
    ({"labels__other": ENTRY["labels"]["lesion"]}, "clinic-mass", "two of its labels have the same value"),
    ({"licence": "MIT"}, "clinic-mass", "licence is not an object with name"),
    ({"licence__must_accept": "yes"}, "clinic-mass", "licence.must_accept is not true or false"),
    ({"licence__must_accept": REMOVED}, "clinic-mass", "licence.must_accept is missing"),
    ({"licence__url": "http://example.org"}, "clinic-mass", "licence.url is not an address with https"),
    ({"url": "http://files.example.org/m.zip"}, "clinic-mass", "url is not an address with https"),
    ({"url": "https://me:pw@example.org/m.zip"}, "clinic-mass", "without user name and password"),
    ({"url": REMOVED}, "clinic-mass", "url or instructions is missing"),
    ({"sha256": REMOVED}, "clinic-mass", "sha256 is missing, which url needs"),
    ({"sha256": "AB" * 32}, "clinic-mass", "sha256 is not 64 digits"),
    ({"sha256": "ab" * 31}, "clinic-mass", "sha256 is not 64 digits"),
    ({"size": 2.5}, "clinic-mass", "size is not the number of bytes"),
    ({"size": 10**13}, "clinic-mass", "size is not the number of bytes"),
    ({"recognise": {}}, "clinic-mass", "recognise.dataset is missing"),
    ({"recognise": {"dataset": "D*", "channels": 0}}, "clinic-mass", "recognise.channels is not a whole number"),
    ({"recognise": {"dataset": "D*", "folds": 5}}, "clinic-mass", "recognise.'folds' is not known: it has dataset"),
    ({"checksum": "ab"}, "clinic-mass", "'checksum' is not known: it has name, title"),
]


def shown(value):
    """Return a short name for a case, the same in every process."""
    return str(value).replace(str(REMOVED), "removed")[:40]


@pytest.mark.parametrize(("fields", "entry", "said"), WRONG, ids=shown)
def test_a_wrong_entry_is_one_line_with_file_entry_and_field(tmp_path, fields, entry, said):
    path = written(tmp_path, changed(**fields))
    entries, problems = read_catalogue(path)
    assert not entries and len(problems) == 1
    line = problems[0].line
    assert str(path) in line and entry in line and said in line
    assert "\n" not in line


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 300),
    st.sampled_from([0, 1, 1.0, 2.5, 1e300, 10**12, 10**13]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["mass", "x\n", "ab" * 32, "https://e.org/a", "http://e.org/a", "file:///a", "https://a@e.org/a"]),
    st.sampled_from(
        ["http://localhost/a", "http://127.0.0.1:8000/x", "\x00", "\u2028", "é", "a.json", "ab" * 32 + "\n"]
    ),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ENTRY, "value", "terminology", "must_accept", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = [*ENTRY, "instructions", "recognise", "x", "labels__lesion", "labels__lesion__value", "labels__lesion__x"]
PLACES += ["labels__lesion__terminology", "licence__name", "licence__url", "licence__must_accept", "licence__x"]


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(PLACES), ANYTHING | st.just(REMOVED), max_size=3))
def test_what_is_read_is_what_the_schema_allows(tmp_path_factory, fields):
    """Our own check and the package jsonschema agree; ours says at most more (names and values that collide)."""
    try:
        entry = changed(**fields)
    except (KeyError, TypeError, AttributeError):
        return
    record = {"format": "breastseg-catalogue-1", "models": [entry]}
    path = tmp_path_factory.getbasetemp() / "catalogue.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    entries, problems = read_catalogue(path)
    assert len(entries) + len(problems) == 1
    if problems:
        assert "\n" not in problems[0].line
    if problems and CHECK.is_valid(record):
        assert "name:" in problems[0].line or "same value" in problems[0].line
    if entries:
        CHECK.validate(record)
        assert type(entries[0].size) is int


@settings(max_examples=200, deadline=None)
@given(ANYTHING)
def test_whatever_a_catalogue_holds_is_an_entry_or_an_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "anything.json"
    for record in (content, {"format": "breastseg-catalogue-1", "models": content}):
        path.write_text(json.dumps(record), encoding="utf-8")
        entries, problems = read_catalogue(path)
        assert not entries
        assert problems or record == {"format": "breastseg-catalogue-1", "models": []}
        assert bool(problems) == (not CHECK.is_valid(record))


# --- which model it is -----------------------------------------------------------------------------------------------


def test_mama_mia_is_told_by_its_folder_or_its_plans(library):
    assert catalogue.recognised(network(), "anything").name == "mama-mia"
    assert catalogue.recognised(network("Dataset001_x"), "Dataset105_full_image").name == "mama-mia"


@pytest.mark.parametrize(
    ("found", "folder"),
    [
        (network("Dataset001_x"), "Dataset106_y"),
        (network(channels=("pre", "post")), "Dataset105_full_image"),
        (network(configuration="2d"), "Dataset105_full_image"),
        (network("Dataset10_x"), ""),
        (network(""), ""),
    ],
)
def test_other_models_are_not_taken_for_it(library, found, folder):
    assert catalogue.recognised(found, folder) is None


def test_what_fits_two_entries_is_not_guessed(library):
    written(library, changed(recognise={"dataset": "Dataset105*"}))
    assert catalogue.recognised(network(), "") is None
    assert catalogue.recognised(network(channels=("a", "b")), "").name == "clinic-mass"


def test_a_wrong_catalogue_does_not_disturb_the_telling(library):
    (library / "catalogue.json").write_text("{")
    assert catalogue.recognised(network(), "").name == "mama-mia"
