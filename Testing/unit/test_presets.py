"""Presets: the published methods as files, what they may say, and what they hand to a training."""

import copy
import json

import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import load_recipe
from BreastSegTrainingLib import trainers
from BreastSegTrainingLib.commands import run
from BreastSegTrainingLib.launch import Training
from BreastSegTrainingLib.presets import load_preset, names, parse_preset, preset_schema
from BreastSegTrainingLib.presets.preset import FOLDER
from BreastSegTrainingLib.presets.schema import first_problem
from hypothesis import given, settings
from hypothesis import strategies as st

jsonschema = pytest.importorskip("jsonschema")

M5 = {
    f"m5-{encoder}-{decoder}-{loss}"
    for encoder in ("resnet34", "resnet22")
    for decoder in ("unet", "fpn")
    for loss in ("jaccard", "tversky", "tversky07")
}
SHIPPED = {
    *("m1-phase-aware", "m1-single-phase", "m1-clahe", "m1-phase-aware-clahe", "m2-breastdm", "m3-nnunet"),
    *("m3-baseline-512", "m3-baseline-768", "m3-baseline-1024", "m4-unetpp", "m4-unet", "m4-pspnet", "m4-linknet"),
    *M5,
    *("m6-mama-mia", "nnunet-default"),
}
REGIONS = ("mass-region-224", "mass-region-224-wiener", "mass-region-224-clahe", "mass-region-224-none")


@pytest.fixture
def record():
    return load_preset("m4-unetpp").to_json()


def changed(record, path, value):
    """Return the record with one value changed; `path` has dots between the names."""
    result = copy.deepcopy(record)
    *parents, last = path.split(".")
    place = result
    for name in parents:
        place = place[name]
    place[last] = value
    return result


# --- the shipped ones


def test_every_method_is_there():
    assert set(names()) == SHIPPED and len(names()) == len(set(names()))
    sources = {load_preset(name).source[:2] for name in names()}
    assert {"M1", "M2", "M3", "M4", "M5", "M6"} <= sources


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_preset_becomes_a_training(name, tmp_path):
    preset = load_preset(name)
    jsonschema.validate(preset.to_json(), preset_schema(), cls=jsonschema.Draft202012Validator)
    assert preset.name == name and preset.title and preset.source
    training = Training(work=tmp_path, name="t", raw=str(tmp_path / "Dataset101_X"), **preset.training_values())
    training.write()
    assert Training.read(training.folder).changed(work=training.work) == training
    mammograms = load_recipe(preset.recipe).modality == "mammography"
    assert (preset.configuration == "2d") == mammograms
    assert trainers.resolve(preset.trainer, preset.settings)["epochs"] == {"M3": 1000, "M4": 100, "M5": 50}.get(
        preset.source[:2], 1000
    ) or name.startswith("m3-baseline")
    if load_recipe(preset.recipe).fixed_size:
        size = next(step["size"] for step in load_recipe(preset.recipe).steps if step["step"] == "resize-and-pad")
        assert preset.plan["patch_size"] == [size, size] and preset.plan["resampling"] == "none"


def test_the_published_numbers():
    """As METHODS has them."""
    m1 = load_preset("m1-phase-aware")
    assert m1.plan["batch_size"] == 2 and m1.plan["batch_dice"] and m1.dataset["folds"] == 5
    adam = trainers.resolve(m1.trainer, m1.settings)["optimizer"]
    assert (adam["kind"], adam["lr"], adam["weight_decay"]) == ("adam", 1e-4, 3e-5)
    m3 = load_preset("m3-baseline-768")
    assert m3.plan["batch_size"] == 3 and m3.plan["architecture"]["arch_kwargs"]["features"] == [64, 128, 256, 512]
    settled = trainers.resolve(m3.trainer, m3.settings)
    assert settled["epochs"] == 100 and settled["clip"] == 1.0 and settled["schedule"]["first"] == 20
    assert settled["loss"] == {"kind": "bce_weighted_dice", "bce": 0.3, "dice": 0.7, "lesion": 2.0}
    m4 = load_preset("m4-linknet")
    settled = trainers.resolve(m4.trainer, m4.settings)
    assert m4.plan["batch_size"] == 16 and settled["optimizer"]["lr"] == 1e-3 and settled["loss"] == {"kind": "dice"}
    for loss, numbers in (("tversky", (0.5, 0.5, 1.0)), ("tversky07", (0.7, 0.3, 1.4))):
        m5 = load_preset(f"m5-resnet22-fpn-{loss}")
        settled = trainers.resolve(m5.trainer, m5.settings)
        assert tuple(settled["loss"][name] for name in ("alpha", "beta", "gamma")) == numbers
        assert settled["schedule"] == {"kind": "steps", "at": [20, 30, 40], "factor": 0.1}
        assert m5.plan["batch_size"] == 32 and m5.dataset["test"] == 0.25
        assert m5.plan["architecture"]["arch_kwargs"] == {"encoder": "resnet22", "dropout": 0.2}
        assert m5.plan["architecture"]["network_class_name"].endswith(".FPN")


@pytest.mark.parametrize("name", sorted(SHIPPED - {"m1-phase-aware"}))
def test_networks_are_those_of_the_trainer(name):
    preset = load_preset(name)
    networks = trainers.describe(preset.trainer)["architectures"]
    given = preset.plan.get("architecture")
    assert bool(networks) == (given is not None)
    if given:
        found = {
            "name": given["network_class_name"].removeprefix("breastseg_networks."),
            "arch_kwargs": given["arch_kwargs"],
        }
        assert found in networks


@pytest.mark.parametrize("recipe", REGIONS)
def test_the_ablation_takes_other_recipes(recipe):
    assert load_preset("m4-unet", recipe=recipe).recipe == recipe


def test_changes_go_into_the_tables():
    preset = load_preset("m3-nnunet").changed(dataset={"folds": 3, "train_folds": ["1"]}, settings={"epochs": 2})
    assert preset.folds == ("1",) and preset.dataset["test"] == 0.2 and preset.settings == {"epochs": 2}
    assert load_preset("m3-nnunet").settings == {}  # the shipped one stays as it is
    assert preset.changed(dataset={"folds": 0, "train_folds": ["all"]}).folds == ("all",)


# --- one's own


def test_a_file_of_ones_own(tmp_path, record, capsys):
    path = tmp_path / "mine é.json"
    path.write_text(json.dumps({**record, "name": "mine"}), encoding="utf-8")
    assert load_preset(path).plan == load_preset("m4-unetpp").plan
    assert run(["presets", "check", str(path)]) == 0 and "is right: mine" in capsys.readouterr().out
    assert run(["presets", "show", str(path), "--recipe", REGIONS[3], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {**record, "name": "mine", "recipe": REGIONS[3]}


WRONG = [
    ("format", "breastseg-preset-9", "breastseg-preset-1"),
    ("name", "two words", "Name is two words"),
    ("name", "x\n", "Name is"),
    ("title", "", "Title is ''"),
    ("recipe", "unheard", "There is no recipe 'unheard'"),
    ("recipe", "phase-aware-0000-0002x.json", "cannot be"),
    ("configuration", "3d_fullres", "is for mammograms"),
    ("configuration", "4d", "2d, 3d_fullres, 3d_lowres"),
    ("trainer", "nnUNetTrainerNobody", "Trainers: nnUNetTrainerBreastSeg,"),
    ("trainer", "os.system", "Trainer is os.system"),
    ("plan.batch_size", 0, "a whole number from 1 to 4096"),
    ("plan.batch_size", 2.0, "Plan.batch_size is 2.0"),
    ("plan.batch_size", True, "Plan.batch_size is True"),
    ("plan.patch_size", [224], "of 2 to 3 values"),
    ("plan.patch_size", [224, 224, 224], "2d takes 2"),
    ("plan.patch_size", [224, 0], "Plan.patch_size[1] is 0"),
    ("plan.spacing", [float("nan"), 1.0], "Plan.spacing[0] is nan"),
    ("plan.unheard", 1, "unknown field unheard"),
    ("settings.epochs", 0, "epochs is 0"),
    ("settings.unheard", 0, "Unknown setting unheard"),
    ("settings.optimizer", {"kind": "adam", "lr": -1, "weight_decay": 0}, "lr"),
    ("dataset.folds", 1, "0 or 2 to 20"),
    ("dataset.folds", 21, "from 0 to 20"),
    ("dataset.test", 0.95, "from 0 to 0.9"),
    ("dataset.selection", "unheard", "m1-1-duke-80"),
    ("dataset.selection", "../presets/m4", "Choose null"),
    ("dataset.train_folds", ["7"], "0, 1, 2, 3, 4, all"),
    ("dataset.train_folds", ["1", "1"], "train_folds is 1, 1"),
    ("evaluation.measures", [], "Evaluation.measures"),
    ("evaluation", {}, "no field"),
    ("evaluation.measures", ["dice", "dise"], "knows no dise"),
    ("evaluation.empty", "maybe", "It may be nnunet"),
    ("evaluation.groups", ["patient"], "knows no patient"),
    ("variants", [], "several presets"),
]


@pytest.mark.parametrize(("path", "value", "expected"), WRONG, ids=[f"{row[0]}={row[1]!r:.30}" for row in WRONG])
def test_what_is_wrong_is_one_line(tmp_path, record, capsys, path, value, expected):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(changed(record, path, value)), encoding="utf-8")
    assert run(["presets", "check", str(file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and expected in lines[0] and "mine.json" in lines[0]


@pytest.mark.parametrize("content", ["[]", "3", "null", '"x"', "{", ""])
def test_no_preset_at_all(tmp_path, content, capsys):
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")
    assert run(["presets", "check", str(path)]) == 2 and len(capsys.readouterr().err.splitlines()) == 1


def test_unknown_names(tmp_path):
    for name in ("unheard", "../presets/m4", str(tmp_path)):
        with pytest.raises(BadInput, match="There is no preset"):
            load_preset(name)
    with pytest.raises(BadInput, match="cannot be read"):
        load_preset(tmp_path / "absent.json")


# --- the reader of the schema against an independent one


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 5000)
    | st.floats(allow_nan=False, allow_infinity=False).filter(
        lambda value: value != int(value) if abs(value) < 1e300 else False
    )
    | st.sampled_from(["", "2d", "all", "breastseg-preset-1", "none", "0", "a b", " a", "a\n", "x" * 101, "é"])
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["folds", "test", "name"]), inner, max_size=2)
    ),
    max_leaves=5,
)
PLACES = [
    *("format", "name", "title", "source", "recipe", "dataset", "configuration", "trainer", "plan", "settings"),
    *("evaluation", "notes", "published", "unheard", "dataset.label", "dataset.stratify", "dataset.folds"),
    *("dataset.test", "dataset.selection", "dataset.train_folds", "dataset.unheard", "plan.batch_size"),
    *("plan.patch_size", "plan.spacing", "plan.normalization", "plan.resampling", "plan.batch_dice"),
    *("plan.architecture", "plan.architecture.arch_kwargs", "plan.architecture.network_class_name"),
    *("plan.architecture.unheard", "evaluation.measures", "evaluation.cleanup", "evaluation.empty"),
]


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), value=ANYTHING, name=st.sampled_from(sorted(SHIPPED)))
def test_the_schema_is_read_as_jsonschema_reads_it(place, value, name):
    base = load_preset(name).to_json()
    base["plan"].setdefault(
        "architecture", {"network_class_name": "a.B", "arch_kwargs": {}, "_kw_requires_import": []}
    )
    mutated = changed(base, place, value)
    right = jsonschema.Draft202012Validator(preset_schema()).is_valid(mutated)
    problem = first_problem(mutated)
    assert right == (problem is None), problem
    if problem:
        try:
            parse_preset(mutated)
        except BadInput as error:
            assert "\n" not in error.line
        else:
            raise AssertionError("a wrong preset was taken")


@settings(max_examples=100, deadline=None)
@given(record=ANYTHING)
def test_anything_is_refused_in_words(record):
    with pytest.raises(BadInput):
        parse_preset(record)


def test_the_schema_is_one_and_names_no_unread_word():
    jsonschema.Draft202012Validator.check_schema(preset_schema())
    read = {"type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "minimum"}
    read |= {"maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "const", "enum", "anyOf", "$ref", "$defs"}
    read |= {"title", "description", "$schema"}

    def words(schema):
        yield from schema
        for key in ("properties", "$defs"):
            for one in schema.get(key, {}).values():
                yield from words(one)
        for one in [schema["items"]] if "items" in schema else schema.get("anyOf", []):
            yield from words(one)

    assert set(words(preset_schema())) <= read


# --- the command and the documentation


def test_list_and_show(capsys):
    assert run(["presets", "list"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]} == SHIPPED
    for name in names():
        assert run(["presets", "show", name]) == 0
        text = capsys.readouterr().out
        assert load_preset(name).recipe in text and load_preset(name).trainer in text
    assert run(["presets", "schema"]) == 0 and json.loads(capsys.readouterr().out) == preset_schema()


def test_every_preset_is_documented():
    text = (FOLDER.parents[2] / "docs" / "presets.md").read_text(encoding="utf-8")
    short = {name if not name.startswith("m5-") else "m5-ENCODER-DECODER-LOSS" for name in names()}
    assert not [name for name in short if f"`{name}`" not in text]
    fields = [*preset_schema()["properties"], *preset_schema()["properties"]["plan"]["properties"]]
    assert not [name for name in fields if f"`{name}`" not in text]
