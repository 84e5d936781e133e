"""Checking, renaming, removing, exporting and combining installed models."""

import errno
import json
import os
import shutil
import zipfile

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.files import read_json
from BreastSegLib.models import find_model, open_model, survey
from BreastSegLib.models.ensemble import combine, ensembles_with
from BreastSegLib.models.install import install
from BreastSegLib.models.manage import disk_use, export, remove, rename, verify
from BreastSegLib.recipe import load_recipe
from fake_models import files_of, made_of, make_folder, make_results, write, write_checkpoint

RECIPE = "phase-aware-0000-0002"
SAID = {"load_recipe": load_recipe, "recipe": RECIPE, "labels": {"lesion": "mass"}}


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    folder = tmp_path / "library"
    monkeypatch.setenv("BREASTSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def pair(tmp_path):
    """Two installed models, ``both-2d`` and ``both-3d_fullres``, of two folds each."""
    return install(make_results(tmp_path / "results", folds=("0", "1")), name="both", **SAID)


def left_in(library):
    return sorted(path.name for path in library.iterdir() if path.name != ".lock")


def refused(function, *arguments, **options):
    with pytest.raises(BadInput) as caught:
        function(*arguments, **options)
    assert "\n" not in caught.value.line
    return caught.value.line


def edit(folder, **changes):
    write(folder / "breastseg.json", {**read_json(folder / "breastseg.json"), **changes})


# Checking


def test_a_whole_model_has_no_problems_and_is_read_to_the_end(pair):
    seen = []
    assert verify("both-2d", lambda stage, done, total: seen.append((stage, done, total))) == []
    assert seen and seen[-1][1] == seen[-1][2]
    assert verify("demo-dce") == [] and verify(pair[0].folder) == []


def test_every_problem_is_found(pair):
    folder = pair[0].folder
    with open(folder / "fold_0" / "checkpoint_final.pth", "r+b") as stream:
        stream.seek(40)
        stream.write(b"bit rot")
    (folder / "dataset.json").unlink()
    write_checkpoint(folder / "fold_3" / "checkpoint_final.pth")
    problems = verify("both-2d")
    assert [problem.split(" is ")[0] for problem in problems] == [
        "dataset.json",
        "fold_0/checkpoint_final.pth",
        "fold_3/checkpoint_final.pth",
    ]


def test_a_damaged_card_is_a_problem_and_a_missing_model_is_an_error(pair):
    (pair[0].folder / "breastseg.json").write_text("{")
    assert "not valid JSON" in verify("both-2d")[0]
    for name in ("nothing", "", "n" * 5000):
        assert "no such model" in refused(verify, name) and "no such model" in refused(find_model, name)


def test_checking_can_be_cancelled(pair):
    def stop(*_progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        verify("both-2d", stop)


# Renaming and removing


def test_a_model_is_renamed_with_its_card(pair, library):
    model = rename("both-2d", "flat")
    assert model.name == "flat" and model.hash == pair[0].hash
    assert left_in(library) == ["both-3d_fullres", "flat"]
    assert read_json(library / "flat" / "breastseg.json")["name"] == "flat"
    assert verify("flat") == []
    assert rename("flat", "FLAT").name == "FLAT" and left_in(library) == ["FLAT", "both-3d_fullres"]


def test_the_folders_name_is_the_models_name(pair, library):
    """So that a crash after the one rename of a folder leaves a model that can be used."""
    os.rename(library / "both-2d", library / "moved")
    assert [model.name for model in survey(library)[0]] == ["both-3d_fullres", "moved"]
    assert find_model("moved").name == "moved"


@pytest.mark.parametrize(
    ("name", "new", "words"),
    [
        ("both-2d", "both-3d_fullres", "There is a model named both-3d_fullres"),
        ("both-2d", "BOTH-3D_fullres", "There is a model named both-3d_fullres"),
        ("both-2d", "demo-dce", "There is a model named demo-dce"),
        ("both-2d", "a/b", "cannot be named"),
        ("demo-dce", "mine", "ships with the extension"),
        ("nothing", "mine", "Installed: both-2d, both-3d_fullres"),
        ("../library/both-2d", "mine", "no such installed model"),
    ],
)
def test_a_rename_that_cannot_be_is_one_line(pair, library, name, new, words):
    before = files_of(library)
    assert words in refused(rename, name, new)
    assert files_of(library) == before | {".lock": b""}


def test_a_model_is_removed(pair, library):
    assert remove("both-2d") == ["both-2d"]
    assert left_in(library) == ["both-3d_fullres"]
    assert "no such installed model" in refused(remove, "both-2d")
    assert "ships with" in refused(remove, "demo-dce")


def test_a_broken_model_can_be_removed(pair, library):
    (library / "both-2d" / "breastseg.json").write_text("{")
    assert list(survey()[1]) == ["both-2d"]
    assert remove("both-2d") == ["both-2d"] and survey()[1] == {}


def test_files_marked_as_read_only_are_removed(pair, library):
    (library / "both-2d" / "plans.json").chmod(0o400)
    remove("both-2d")
    assert left_in(library) == ["both-3d_fullres"]


@pytest.mark.parametrize(("function", "extra"), [(remove, ()), (rename, ("other",))])
def test_a_model_that_a_program_keeps_open_stays(pair, library, monkeypatch, function, extra):
    before = files_of(library)

    def busy(old, _new):
        raise PermissionError(errno.EACCES, "The process cannot access the file", str(old))

    monkeypatch.setattr("BreastSegLib.models.workroom.os.rename", busy)
    assert "Close the programs that use it" in refused(function, "both-2d", *extra)
    monkeypatch.undo()
    assert {name: text for name, text in files_of(library).items() if name != ".lock"} == {
        name: text for name, text in before.items() if name != ".lock"
    }


# Ensembles


def test_an_ensemble_names_its_members_and_their_folds(pair, library):
    model = combine("all", [("both-2d", None), ("both-3d_fullres", ["1"])], title="All of them")
    assert files_of(library / "all").keys() == {"breastseg.json"}
    assert model.name == "all" and model.card["title"] == "All of them" and model.folds == ()
    assert [(member.name, member.folds) for member in model.parts] == [
        ("both-2d", ("0", "1")),
        ("both-3d_fullres", ("1",)),
    ]
    assert model.recipe_source == RECIPE and model.channel_names == ("pre", "post1", "post2")
    assert model.configuration == "" and model.checkpoint == ""
    assert find_model("all").hash == model.hash == open_model(library / "all").hash
    assert verify("all") == [] and disk_use(model) < 3000
    assert model.hash not in (pair[0].hash, pair[1].hash)
    assert combine("less", [("both-2d", ["0"]), ("both-3d_fullres", ["1"])]).hash != model.hash
    assert "all" in [one.name for one in survey()[0]]


def test_an_ensemble_stands_for_its_members(pair):
    combine("all", [("both-2d", ["0"]), ("both-3d_fullres", None)])
    model = combine("more", [("all", None), ("demo-dce", None)])
    assert [(row["model"], row["folds"]) for row in model.card["members"]] == [
        ("both-2d", ["0"]),
        ("both-3d_fullres", None),
        ("demo-dce", None),
    ]


def test_recipes_may_differ_but_not_what_labels_mean_or_the_kind_of_exam(pair, tmp_path):
    single = make_folder(tmp_path / "s", channels=("post2",))
    install(single, name="single", load_recipe=load_recipe, recipe="single-phase-0002", labels={"lesion": "mass"})
    assert len(combine("mixed", [("single", None), ("both-2d", None)]).members) == 2
    install(single, name="tumour", load_recipe=load_recipe, recipe="single-phase-0002", labels={"lesion": "neoplasm"})
    line = refused(combine, "bad", [("tumour", None), ("both-2d", None)])
    assert "tumour and both-2d do not mean the same" in line and "1 = neoplasm; 1 = mass" in line
    line = refused(combine, "bad", [("demo-mass-region", None), ("demo-dce", None)])
    assert "different kinds of exams" in line and "region" in line


@pytest.mark.parametrize(
    ("name", "members", "words"),
    [
        ("x", [("both-2d", None)], "at least two"),
        ("x", [], "at least two"),
        ("x", [("both-2d", None), ("nothing", None)], "no such model"),
        ("x", [("both-2d", ["0"]), ("both-2d", ["1"])], "named twice"),
        ("x", [("both-2d", ["7"]), ("demo-dce", None)], "no fold 7"),
        ("demo-dce", [("both-2d", None), ("both-3d_fullres", None)], "ships with"),
        ("both-2d", [("both-2d", None), ("both-3d_fullres", None)], "There is a model named both-2d"),
    ],
)
def test_an_ensemble_that_cannot_be_is_one_line(pair, library, name, members, words):
    assert words in refused(combine, name, members)
    assert left_in(library) == ["both-2d", "both-3d_fullres"]


def test_an_ensemble_does_not_take_the_place_of_its_own_model(pair):
    assert "name of one of its models" in refused(
        combine, "both-2d", [("both-2d", None), ("both-3d_fullres", None)], overwrite=True
    )


def test_an_ensemble_whose_member_is_gone_or_has_changed_says_so(pair, tmp_path, library):
    combine("all", [("both-2d", None), ("both-3d_fullres", ["1"])])
    install(make_folder(tmp_path / "new", "3d_fullres", folds=("4",)), name="both-3d_fullres", overwrite=True, **SAID)
    assert "other weights" in survey()[1]["all"].line
    shutil.rmtree(library / "both-3d_fullres")
    assert "not installed" in survey()[1]["all"].line and "not installed" in verify("all")[0]
    assert remove("all") == ["all"]


@pytest.mark.parametrize(
    "members",
    [[], "both-2d", [{"model": "both-2d"}], [{"model": "../x", "hash": "", "folds": None}], [3]],
)
def test_a_wrong_card_of_an_ensemble_is_one_line(pair, library, members):
    combine("all", [("both-2d", None), ("both-3d_fullres", None)])
    edit(library / "all", members=members)
    refused(find_model, "all")
    assert survey()[1].keys() == {"all"} and verify("all") != []


def test_checking_an_ensemble_reads_its_members(pair):
    combine("all", [("both-2d", None), ("both-3d_fullres", None)])
    with open(pair[0].folder / "plans.json", "a") as stream:
        stream.write(" ")
    (problem,) = verify("all")
    assert problem.startswith("both-2d: plans.json is missing, or is not")


def test_an_ensemble_in_an_ensembles_card_is_refused(pair, library):
    one = combine("one", [("both-2d", None), ("both-3d_fullres", None)])
    two = combine("two", [("both-2d", ["0"]), ("both-3d_fullres", None)])
    edit(library / "two", members=[{"model": "one", "hash": one.hash, "folds": None}])
    edit(library / "one", members=[{"model": "two", "hash": two.hash, "folds": None}])
    assert "is an ensemble itself" in refused(find_model, "one")


def test_a_model_that_an_ensemble_uses_is_renamed_or_removed_only_knowingly(pair, library):
    combine("all", [("both-2d", None), ("both-3d_fullres", None)])
    assert ensembles_with("both-2d") == ["all"] and ensembles_with("all") == []
    for function, extra in ((remove, ()), (rename, ("flat",))):
        line = refused(function, "both-2d", *extra)
        assert "used by the ensemble all" in line and "--with-ensembles" in line
    before = find_model("all").hash
    rename("both-2d", "flat", with_ensembles=True)
    assert [member.name for member in find_model("all").members] == ["flat", "both-3d_fullres"]
    assert find_model("all").hash == before
    assert remove("flat", with_ensembles=True) == ["flat", "all"]
    assert left_in(library) == ["both-3d_fullres"]


def test_texts_that_nobody_wrote_follow_a_new_name_and_others_stay(pair, library):
    combine("all", [("both-2d", None), ("both-3d_fullres", None)])
    combine("said", [("both-2d", None), ("both-3d_fullres", None)], title="Of both-2d and another")
    edit(library / "both-3d_fullres", title="Ours")
    rename("both-2d", "flat", with_ensembles=True)
    rename("both-3d_fullres", "deep", with_ensembles=True)
    assert (find_model("flat").card["title"], find_model("deep").card["title"]) == ("flat", "Ours")
    assert find_model("all").card["title"] == "Ensemble of flat, deep"
    assert find_model("all").card["description"].endswith("2 models: flat, deep.")
    assert find_model("said").card["title"] == "Of both-2d and another"


def test_a_broken_ensemble_does_not_keep_its_model_from_a_new_name(pair, library):
    combine("all", [("both-2d", None), ("both-3d_fullres", None)])
    edit(library / "all", members=[3, {"model": "both-2d"}])
    assert rename("both-2d", "flat", with_ensembles=True).name == "flat"
    assert read_json(library / "all" / "breastseg.json")["members"] == [3, {"model": "flat"}]


def test_a_model_in_use_keeps_its_ensembles_too(pair, library, monkeypatch):
    combine("all", [("both-2d", None), ("both-3d_fullres", None)])
    real = os.rename

    def busy(old, new):
        if os.path.basename(old) == "all" and ".making-" in str(new):
            raise PermissionError(errno.EACCES, "busy")
        real(old, new)

    monkeypatch.setattr("BreastSegLib.models.workroom.os.rename", busy)
    assert "busy" in refused(remove, "both-2d", with_ensembles=True)
    assert left_in(library) == ["all", "both-2d", "both-3d_fullres"] and verify("all") == []


# Exporting


def test_an_exported_model_installs_elsewhere_as_it_is(pair, tmp_path, monkeypatch):
    path = export("both-2d", tmp_path / "Ausgabe ö" / "flat.zip")
    assert made_of(path) == sorted(f"both-2d/{name}" for name in files_of(pair[0].folder))
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "elsewhere"))
    (model,) = install(path, load_recipe=load_recipe)
    assert files_of(model.folder) == files_of(pair[0].folder)


def test_an_exported_ensemble_brings_its_members(pair, tmp_path, library, monkeypatch):
    first = combine("all", [("both-2d", None), ("both-3d_fullres", ["1"])])
    path = export("all", tmp_path / "all.zip")
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "elsewhere"))
    models = install(path, load_recipe=load_recipe)
    assert [model.name for model in models] == ["both-2d", "both-3d_fullres", "all"] and models[-1].hash == first.hash
    monkeypatch.setenv("BREASTSEG_MODELS", str(library))
    remove("all")
    notes = []
    assert [model.name for model in install(path, load_recipe=load_recipe, notes=notes)] == ["all"]
    assert len(notes) == 2 and "installed already" in notes[0]


def test_a_shipped_model_can_be_exported_and_installed_under_another_name(tmp_path):
    path = export("demo-dce", tmp_path / "demo.zip")
    assert "ships with" in refused(install, path, load_recipe=load_recipe)
    assert install(path, name="mine", load_recipe=load_recipe)[0].hash == find_model("demo-dce").hash


def test_the_same_export_is_the_same_file(pair, tmp_path):
    assert export("both-2d", tmp_path / "a.zip").read_bytes() == export("both-2d", tmp_path / "b.zip").read_bytes()


def test_an_export_never_replaces_a_file_unasked_and_leaves_no_half_one(pair, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"mine")
    assert "--overwrite" in refused(export, "both-2d", path)
    assert "ends in .zip" in refused(export, "both-2d", tmp_path / "a.tar")
    assert "no such model" in refused(export, "nothing", tmp_path / "b.zip")

    def stop(*_progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        export("both-2d", path, overwrite=True, report=stop)
    with open(pair[0].folder / "plans.json", "a") as stream:
        stream.write(" ")
    assert "not the one that was installed" in refused(export, "both-2d", path, overwrite=True)
    assert path.read_bytes() == b"mine" and [file.name for file in tmp_path.glob("*.zip")] == ["a.zip"]
    assert not list(tmp_path.glob(".part*"))


def test_an_export_tells_of_its_progress(pair, tmp_path):
    seen = []
    export("both-2d", tmp_path / "a.zip", report=lambda stage, done, total: seen.append((stage, done, total)))
    assert {stage for stage, _done, _total in seen} == {"Exporting"} and seen[-1][1] == seen[-1][2]


def test_an_export_can_be_read_by_any_zip_program(pair, tmp_path):
    with zipfile.ZipFile(export("both-2d", tmp_path / "a.zip")) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("both-2d/breastseg.json"))["name"] == "both-2d"


def test_the_disk_use_is_that_of_all_files(pair):
    assert disk_use(pair[0]) == sum(len(content) for content in files_of(pair[0].folder).values())
