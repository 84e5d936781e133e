"""The verb recipes, and that the documentation tells what recipes can do."""

import json
import re

import pytest
from BreastSegLib.files import read_json
from BreastSegLib.recipe import list_recipes, load_recipe
from BreastSegLib.recipe.channels import parse_source
from BreastSegLib.recipe.recipe import COMMON, FIELDS, FOLDER
from BreastSegLib.recipe.schema import GROUPS, step_kinds
from command_cases import call, refused

# --- recipes


def test_recipes_are_listed_by_kind(capsys):
    code, out, _ = call(capsys, "recipes", "list")
    rows = [line.split()[0] for line in out.splitlines()[1:]]
    assert code == 0 and rows == list_recipes()
    _, out, _ = call(capsys, "recipes", "list", "--kind", "mammograms")
    rows = [line.split()[0] for line in out.splitlines()[1:]]
    assert "inbreast-ffdm" in rows and "as-acquired" in rows and "phase-aware-0000-0002" not in rows


@pytest.mark.parametrize("name", list_recipes())
def test_a_shown_recipe_is_the_recipe(capsys, tmp_path, name):
    code, out, _ = call(capsys, "recipes", "show", name)
    recipe = load_recipe(name)
    assert code == 0 and recipe.hash in out and recipe.source in out and recipe.title in out
    code, out, _ = call(capsys, "recipes", "show", name, "--json")
    (tmp_path / "mine.json").write_text(out, encoding="utf-8")
    assert load_recipe(tmp_path / "mine.json").hash == recipe.hash
    code, out, err = call(capsys, "recipes", "check", tmp_path / "mine.json")
    assert code == 0 and name in out, err


def test_a_wrong_recipe_is_told_in_one_line(capsys, tmp_path):
    record = json.loads((FOLDER / "inbreast-ffdm.json").read_text(encoding="utf-8"))
    record["steps"][1]["iterations"] = -3
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(record))
    line = refused(capsys, tmp_path, "recipes", "check", path)
    assert "iterations" in line and "-3" in line and "0 to 1000" in line and "mine.json" in line
    path.write_text("{")
    assert "not valid JSON" in refused(capsys, tmp_path, "recipes", "check", path)
    assert "none.json" in refused(capsys, tmp_path, "recipes", "check", tmp_path / "none.json")


def test_the_schema_names_every_step(capsys):
    code, out, err = call(capsys, "recipes", "schema")
    schema = json.loads(out)
    assert code == 0 and "$schema" in schema, err
    table = read_json(FOLDER.parent / "recipe_steps.json")
    text = json.dumps(schema)
    assert all(f'"{step}"' in text for group in table.values() if isinstance(group, dict) for step in group)


def told(parameter):
    """Return how the documentation writes a parameter: name, default and range."""
    choices = ", ".join(map(str, parameter.allowed))
    low, high = parameter.allowed[0], parameter.allowed[-1]
    allowed = choices if parameter.kind == "choices" else f"{low:g} to {high:g}"
    return f"`{parameter.name}` = {parameter.default} ({allowed})"


def test_every_step_and_parameter_is_explained():
    text = (FOLDER.parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    missing = []
    for group in GROUPS:
        for kind in step_kinds(group).values():
            start = f"| `{kind.name}` | {', '.join(map(told, kind.parameters.values())) or 'none'} |"
            missing += [] if any(line.startswith(start) for line in lines) else [f"{group}: {start}"]
    assert not missing, "\n".join(missing)


def test_every_recipe_field_and_source_is_explained():
    text = (FOLDER.parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    fields = {name for needed, possible in FIELDS.values() for name in (*COMMON, *needed, *possible)}
    assert not [name for name in fields if f"`{name}`" not in text]
    readme = (FOLDER.parents[2] / "README.md").read_text(encoding="utf-8")
    for name in list_recipes():
        recipe, row = load_recipe(name), next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        published = re.match(r"(M[1-6]):", recipe.source)
        assert row.split("|")[2].strip() == (published[1] if published else "") and f"`{name}`" in readme
    for source in ("pre", "post1", "last", "post@150s", "post2 - pre", "pe(post1)", "ser(post1, last)", "ser"):
        assert f"`{source}`" in text and parse_source(source)
