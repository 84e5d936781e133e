"""What the names in a model folder suggest."""

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.models import proposal as module
from BreastSegLib.models.card import TERMS
from BreastSegLib.models.completing import NeedsCard
from BreastSegLib.models.proposal import propose
from BreastSegLib.recipe import list_recipes, load_recipe
from fake_models import make_folder
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "library"))


def proposed(tmp_path, configuration="3d_fullres", **options):
    return propose(make_folder(tmp_path / "m", configuration, **options), "Dataset901_Tiny", configuration)


@pytest.mark.parametrize("name", [name for name in list_recipes() if load_recipe(name).channel_names])
def test_the_channel_names_that_a_recipe_gives_propose_it_first(tmp_path, name):
    recipe = load_recipe(name)
    configuration = "2d" if recipe.modality == "mammography" else "3d_fullres"
    found = proposed(tmp_path, configuration, channels=recipe.channel_names).recipes
    same = [other for other in list_recipes() if load_recipe(other).channel_names == recipe.channel_names]
    assert {row[0] for row in found[: len(same)]} == set(same)
    assert all("the channels have the names" in row[1] for row in found[: len(same)])


@pytest.mark.parametrize(
    ("channels", "recipe", "words"),
    [
        (("T1 pre", "DCE_1", "DCE_2"), "phase-aware-0000-0002", "probably pre, post1, post2"),
        (("0000", "0001", "0002"), "phase-aware-0000-0002", "probably"),
        (("Pre-Contrast", "post", "subtraction"), "breastdm-pre-post-sub", "probably pre, post1, sub"),
        (("phase 02",), "single-phase-0002", "probably post2"),
        (("first post-contrast",), "mama-mia-first-post", "probably post1"),
        (("MRI",), "mama-mia-first-post", "takes 1 channel, as the model does"),
        (("a", "b", "c", "d"), "as-acquired", "as they are"),
    ],
)
def test_other_names_are_understood_or_only_counted(tmp_path, channels, recipe, words):
    first = proposed(tmp_path, channels=channels).recipes[0]
    assert first[0] == recipe and words in first[1]


def test_mammograms_are_proposed_for_flat_networks_only(tmp_path):
    flat = [name for name, _why in proposed(tmp_path / "a", "2d", channels=("grayscale",)).recipes]
    assert load_recipe(flat[0]).modality == "mammography"
    deep = [name for name, _why in proposed(tmp_path / "b", channels=("grayscale",)).recipes]
    assert not [name for name in deep if load_recipe(name).modality == "mammography"]


@pytest.mark.parametrize(
    ("label", "term"),
    [
        ("lesion", "mass"),
        ("Breast Mass", "mass"),
        ("tumor", "neoplasm"),
        ("Primary Tumour", "neoplasm"),
        ("breast_cancer", "neoplasm"),
        ("malignant", "neoplasm"),
        ("fibroglandular tissue", ""),
        ("1", ""),
    ],
)
def test_label_names_propose_their_meaning(tmp_path, label, term):
    found = proposed(tmp_path, labels=(label,))
    assert found.labels == {label: {"value": 1, "terminology": term}}
    assert any(repr(label) in question for question in found.questions)


def test_every_word_leads_to_a_term_or_channel_that_exists():
    words = module._words()
    assert set(words["labels"]) <= set(TERMS)
    channels = {name for recipe in list_recipes() for name in load_recipe(recipe).channel_names or ()}
    assert set(words["channels"]) == channels


def test_the_catalogues_model_is_proposed_with_its_preset(tmp_path):
    folder = make_folder(tmp_path / "x", channels=("MRI",), labels=("tumor",), dataset="Dataset105_full_image")
    found = propose(folder)
    assert found.preset.name == found.name == "mama-mia" and found.questions == ()
    assert found.recipes[0][0] == "mama-mia-first-post" and "MAMA-MIA" in found.recipes[0][1]
    assert propose(make_folder(tmp_path / "y", channels=("MRI",)), "Dataset105_full_image").preset is not None
    assert propose(make_folder(tmp_path / "z")).preset is None


def test_the_name_is_safe_and_that_of_the_dataset(tmp_path):
    assert proposed(tmp_path / "a", dataset="Dataset012_Größe: x").name == "Gr-e-x"
    assert proposed(tmp_path / "b", dataset="Dataset012_con").name == "model-con"
    assert propose(make_folder(tmp_path / "c", dataset="Dataset012"), "Dataset012").name == "model"


def test_the_error_holds_the_proposal_for_a_dialog(tmp_path):
    found = proposed(tmp_path)
    details = NeedsCard("what", proposal=found).details["proposal"]
    assert details["channel_names"] == ("pre", "post1", "post2") and "preset" not in details
    assert details["questions"] == found.questions and len(found.questions) == 2


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(BadInput, match="plans.json is missing"):
        propose(tmp_path)


@given(st.text(max_size=40))
def test_any_label_name_has_a_known_meaning_or_none(name):
    assert module._term_of(name) in ("", *TERMS)
