"""Installing models: from folders and zips, whole or not at all. The checkpoints are pickles without a network."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.files import read_json
from BreastSegLib.models import find_model, open_model, survey, trust
from BreastSegLib.models import install as install_module
from BreastSegLib.models.completing import NeedsCard, NeedsLicence
from BreastSegLib.models.install import install
from BreastSegLib.models.manage import export
from BreastSegLib.models.sources import look
from BreastSegLib.models.vetting import Untrusted, distrust_in, untrusted_in
from BreastSegLib.recipe import load_recipe
from fake_models import files_of, make_folder, make_results, pack, write, write_checkpoint

RECIPE = "phase-aware-0000-0002"
SAID = {"load_recipe": load_recipe, "recipe": RECIPE, "labels": {"lesion": "mass"}}


class Harmful:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("true",)


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    folder = tmp_path / "Bücher mit Leerzeichen" / "library"
    monkeypatch.setenv("BREASTSEG_MODELS", str(folder))
    return folder


@pytest.fixture
def source(tmp_path):
    return make_folder(tmp_path / "nnUNetTrainer__nnUNetPlans__3d_fullres", folds=("0", "1"))


def refused(*arguments, kind=BadInput, **options):
    with pytest.raises(kind) as caught:
        install(*arguments, **{**SAID, **options})
    assert "\n" not in caught.value.line
    return caught.value


def left_in(library):
    return sorted(path.name for path in library.iterdir() if path.name != ".lock") if library.is_dir() else []


def test_a_folder_is_copied_with_a_card_and_nothing_that_a_model_does_not_need(source, library):
    (model,) = install(source, name="mine", **SAID)
    assert model.folder == library.resolve() / "mine" and model.name == "mine"
    assert sorted(files_of(model.folder)) == [
        "breastseg.json",
        "dataset.json",
        "fold_0/checkpoint_final.pth",
        "fold_1/checkpoint_final.pth",
        "plans.json",
    ]
    assert model.folds == ("0", "1") and model.configuration == "3d_fullres" and model.members == ()
    assert model.card["recipe_hash"] == load_recipe(RECIPE).hash
    assert model.card["labels"] == {"lesion": {"value": 1, "terminology": "mass"}}
    assert model.card["licence"] == "not stated"
    assert model.recipe_source == RECIPE and not model.shipped
    assert find_model("mine").hash == model.hash
    assert [one.name for one in survey()[0]] == ["demo-dce", "demo-mass-region", "mine"]
    assert left_in(library) == ["mine"]


@pytest.mark.parametrize(
    "top", ["", "model/", "nnUNet_results/Dataset901_Tiny/nnUNetTrainer__nnUNetPlans__3d_fullres/"]
)
def test_a_zip_installs_like_its_folder(source, tmp_path, top):
    (direct,) = install(source, name="direct", **SAID)
    (zipped,) = install(pack(source, tmp_path / "export é.zip", top), name="zipped", **SAID)
    assert zipped.hash == direct.hash
    assert zipped.card["checksums"] == direct.card["checksums"]


def test_the_name_is_that_of_the_dataset_when_none_is_said(tmp_path):
    (model,) = install(
        pack(make_results(tmp_path / "r", ("3d_fullres",)), tmp_path / "a.zip", "Dataset901_Tiny/"), **SAID
    )
    assert model.name == "Tiny"


def test_a_folder_of_results_gives_a_model_for_each_configuration(tmp_path, library):
    models = install(make_results(tmp_path / "results"), name="both", **SAID)
    assert [model.name for model in models] == ["both-2d", "both-3d_fullres"]
    assert [model.configuration for model in models] == ["2d", "3d_fullres"]
    assert left_in(library) == ["both-2d", "both-3d_fullres"]


def test_a_folder_of_results_gives_an_ensemble_when_asked(tmp_path):
    models = install(make_results(tmp_path / "results"), name="both", combine=True, **SAID)
    assert [model.name for model in models] == ["both-2d", "both-3d_fullres", "both"]
    assert [member.name for member in models[-1].members] == ["both-2d", "both-3d_fullres"]
    assert models[-1].parts == models[-1].members and models[0].parts == (models[0],)


def test_one_configuration_of_several_can_be_chosen(tmp_path, library):
    results = make_results(tmp_path / "results")
    (model,) = install(results, name="one", configuration="2d", **SAID)
    assert model.name == "one" and model.configuration == "2d"
    assert "It has 2d, 3d_fullres" in refused(results, configuration="3d_lowres").line
    assert left_in(library) == ["one"]


def test_there_is_nothing_to_combine_in_a_single_model(source, library):
    assert "only one model" in refused(source, name="x", combine=True).line
    assert left_in(library) == []


def test_a_cascade_is_left_out_with_the_reason(tmp_path):
    results = make_results(tmp_path / "results", ("3d_fullres",))
    cascade = make_folder(
        results / "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres", "3d_cascade_fullres", previous="3d_lowres"
    )
    notes = []
    (model,) = install(results, name="full", notes=notes, **SAID)
    assert model.configuration == "3d_fullres"
    assert len(notes) == 1 and "3d_cascade_fullres was left out" in notes[0] and "cascade" in notes[0]
    assert "cascade" in refused(cascade, name="x").line


def test_two_trainers_of_one_configuration_have_to_be_chosen_from(tmp_path):
    results = make_results(tmp_path / "results", ("3d_fullres",))
    make_folder(results / "nnUNetTrainerLong__nnUNetPlans__3d_fullres")
    line = refused(results).line
    assert "several models of the configuration 3d_fullres" in line and "nnUNetTrainerLong" in line
    make_results(tmp_path / "two", ("3d_fullres",), dataset="Dataset901_Tiny")
    make_results(tmp_path / "two", ("3d_fullres",), dataset="Dataset902_Other")
    line = refused(tmp_path / "two").line
    assert all(
        f"{name}/nnUNetTrainer__nnUNetPlans__3d_fullres" in line for name in ("Dataset901_Tiny", "Dataset902_Other")
    )


def test_only_the_best_checkpoint_has_to_be_taken_knowingly(tmp_path):
    folder = make_folder(tmp_path / "m", checkpoint="checkpoint_best.pth", folds=("0", "2"))
    line = refused(folder, name="best").line
    assert "has not finished" in line and "--checkpoint best" in line
    for name, source in (("best", folder), ("best-zip", pack(folder, tmp_path / "m.zip"))):
        (model,) = install(source, name=name, checkpoint="checkpoint_best.pth", **SAID)
        assert model.checkpoint == "checkpoint_best.pth" and model.folds == ("0", "2")
        assert find_model(name).card["checkpoint"] == "checkpoint_best.pth"


def test_an_unfinished_fold_is_left_out_and_said(source, tmp_path):
    write_checkpoint(source / "fold_2" / "checkpoint_best.pth")
    for name, given in (("folder", source), ("zip", pack(source, tmp_path / "m.zip"))):
        notes = []
        (model,) = install(given, name=name, notes=notes, **SAID)
        assert model.folds == ("0", "1")
        assert len(notes) == 1 and "fold_2 left out" in notes[0]
        assert "fold_2/checkpoint_best.pth" not in model.card["checksums"]


def test_a_model_without_a_card_says_which_options_are_missing_and_what_is_proposed(source, library):
    error = refused(source, name="x", recipe=None, labels={}, kind=NeedsCard)
    assert "--recipe phase-aware-0000-0002 --label lesion=mass" in error.line
    assert "the channels have the names pre, post1, post2" in error.line
    proposal = json.loads(json.dumps(error.details))["proposal"]
    assert proposal["labels"] == {"lesion": {"value": 1, "terminology": "mass"}}
    assert proposal["recipes"][0][0] == RECIPE and proposal["channel_names"] == ["pre", "post1", "post2"]
    assert "--label" in refused(source, name="x", labels={}).line
    assert "--recipe" not in refused(source, name="x", labels={}).hint.split("(")[0]
    assert left_in(library) == []


def test_a_label_that_says_nothing_is_asked_for(tmp_path):
    folder = make_folder(tmp_path / "m", labels=("lesion", "blob one"))
    hint = refused(folder, name="x", labels={}).hint
    assert '--label "blob one"=TERM' in hint and "mass, neoplasm" in hint
    (model,) = install(folder, name="x", **{**SAID, "labels": {"lesion": "mass", "blob one": "neoplasm"}})
    assert model.card["labels"]["blob one"] == {"value": 2, "terminology": "neoplasm"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": {"lesion": "mass", "tumour": "neoplasm"}}, "no label 'tumour'"),
        ({"labels": {"lesion": "lump"}}, "no terminology 'lump'"),
        ({"recipe": "single-phase-0002"}, "makes 1 channels (post2), the model takes 3"),
        ({"recipe": "nothing"}, "no recipe 'nothing'"),
        ({"card": {"labels": {"lesion": {"value": 2, "terminology": "mass"}}}}, "not those of the network"),
        ({"card": {"labels": {"lesion": {"value": 0, "terminology": "mass"}}}}, "above 0"),
        ({"name": "con"}, "Windows"),
        ({"name": "../x"}, "cannot be named"),
        ({"name": "demo-dce"}, "ships with the extension"),
        ({"name": "Demo-DCE"}, "ships with the extension"),
        ({"configuration": "2d"}, "It has 3d_fullres"),
        ({"checkpoint": "checkpoint_latest.pth"}, "no fold_*/checkpoint_latest.pth"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(source, library, options, words):
    assert words in refused(source, **{"name": "x", **options}).line
    assert left_in(library) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "missing", "no such folder or zip"),
        (lambda folder: folder, "no nnU-Net v2 model"),
        (lambda folder: make_folder(folder / "m") / "fold_0", "one fold of a model"),
        (lambda folder: make_folder(folder / "m") / "fold_0" / "checkpoint_final.pth", "checkpoint alone"),
        (lambda folder: make_folder(folder / "m", folds=()), "no checkpoint"),
    ],
)
def test_what_is_no_model_is_one_line(tmp_path, library, make, words):
    (tmp_path / "s").mkdir()
    assert words in refused(make(tmp_path / "s"), name="x").line
    assert left_in(library) == []


def test_a_model_of_version_one_is_told_apart(tmp_path):
    (tmp_path / "s" / "fold_0").mkdir(parents=True)
    (tmp_path / "s" / "plans.pkl").write_bytes(b"")
    assert "nnU-Net v1" in refused(tmp_path / "s").line


def test_the_users_own_recipe_travels_with_the_model(source, tmp_path, library):
    own = tmp_path / "my recipe.json"
    record = read_json(load_recipe_file(RECIPE))
    write(own, {**record, "name": "site a/b: mine.json", "title": "Ours", "cleanup": []})
    (model,) = install(source, name="own", **{**SAID, "recipe": own})
    assert Path(model.recipe_source) == model.folder / "recipe.json"
    assert load_recipe(model.recipe_source).hash == model.card["recipe_hash"] != load_recipe(RECIPE).hash
    assert "recipe.json" in model.card["checksums"]
    own.unlink()
    exported = export("own", tmp_path / "out.zip")
    (again,) = install(exported, name="again", load_recipe=load_recipe)
    assert load_recipe(again.recipe_source).hash == model.card["recipe_hash"]
    assert "recipe" in refused(source, name="x", recipe=str(tmp_path / "gone.json")).line.lower()


def load_recipe_file(name):
    from BreastSegLib.recipe.recipe import FOLDER

    return FOLDER / f"{name}.json"


def test_a_model_with_its_own_card_keeps_it(source, tmp_path):
    (first,) = install(source, name="first", card={"title": "Title", "licence": "MIT", "citation": "us"}, **SAID)
    (second,) = install(first.folder, name="second", load_recipe=load_recipe)
    assert {**second.card, "name": ""} == {**first.card, "name": ""}
    (third,) = install(first.folder, name="third", card={"licence": "CC0"}, **SAID)
    assert third.card["licence"] == "CC0" and third.card["title"] == "Title"


@pytest.mark.parametrize("name", ["plans.json", "fold_0/checkpoint_final.pth"])
def test_files_that_differ_from_the_models_own_card_are_refused(source, tmp_path, library, name):
    (first,) = install(source, name="first", **SAID)
    copy = shutil.copytree(first.folder, tmp_path / "copy")
    if name.endswith(".pth"):
        write_checkpoint(copy / name, fold="7")
    else:
        (copy / name).write_text((copy / name).read_text() + " ")
    line = refused(copy, name="x").line
    assert "differ from the checksums" in line and name in line
    assert left_in(library) == ["first"]


def test_a_checkpoint_that_the_models_own_card_does_not_list_is_refused(source, tmp_path):
    (first,) = install(source, name="first", **SAID)
    copy = shutil.copytree(first.folder, tmp_path / "copy")
    write_checkpoint(copy / "fold_4" / "checkpoint_final.pth")
    assert "fold_4/checkpoint_final.pth" in refused(copy, name="x").line


def test_a_card_for_another_version_of_a_recipe_is_refused(source, tmp_path):
    (first,) = install(source, name="first", **SAID)
    copy = shutil.copytree(first.folder, tmp_path / "copy")
    write(copy / "breastseg.json", {**read_json(copy / "breastseg.json"), "recipe_hash": "0" * 64})
    assert "not the one that the model was trained with" in refused(copy, name="x", recipe=None).line


def test_a_card_cannot_make_us_read_another_file(source, tmp_path):
    (first,) = install(source, name="first", **SAID)
    copy = shutil.copytree(first.folder, tmp_path / "copy")
    for recipe in ("../../secret.json", "C:\\secret.json", "secret.json"):
        write(copy / "breastseg.json", {**read_json(copy / "breastseg.json"), "recipe": recipe})
        assert "not the name of a recipe" in refused(copy, name="x").line


@pytest.mark.parametrize("zipped", [False, True])
def test_a_checkpoint_that_would_run_code_is_refused_by_name_for_good(tmp_path, library, zipped):
    source = make_folder(tmp_path / "m", extra=Harmful())
    source = pack(source, tmp_path / "m.zip") if zipped else source
    error = refused(source, name="x")
    assert "system" in error.line and str(source) in error.line and "do not use it" in error.line
    assert error.code == "bad-input"
    with pytest.raises(BadInput, match="cannot be trusted"):
        untrusted_in(source, yes=True)
    assert not (library / "x").exists() and trust.trusted() == {}


@pytest.mark.parametrize("zipped", [False, True])
def test_an_unknown_checkpoint_installs_once_the_user_trusts_it(tmp_path, zipped):
    source = make_folder(tmp_path / "m", extra=Fraction(1, 3))
    source = pack(source, tmp_path / "m.zip") if zipped else source
    error = refused(source, name="x", kind=Untrusted)
    assert error.details == {"globals": ["fractions.Fraction"], "files": [str(source)]}
    assert f'models trust "{source}" --yes' in error.line
    assert list(untrusted_in(source).values()) == [("fractions.Fraction",)]
    assert trust.trusted() == {}
    untrusted_in(source, yes=True)
    (model,) = install(source, name="x", **SAID)
    assert model.name == "x" and len(trust.trusted()) == 1
    assert distrust_in(source) == 1 and trust.trusted() == {}
    with pytest.raises(BadInput, match="No trusted checkpoint"):
        distrust_in(source)


def test_a_taken_name_is_refused_and_replaced_on_demand(source, tmp_path, library):
    (first,) = install(source, name="mine", **SAID)
    other = make_folder(tmp_path / "other", folds=("3",))
    before = files_of(library / "mine")
    assert "--overwrite" in refused(other, name="mine").line
    assert "named mine" in refused(other, name="MINE", overwrite=True).line
    assert files_of(library / "mine") == before
    (second,) = install(other, name="mine", overwrite=True, **SAID)
    assert second.folds == ("3",) and second.hash != first.hash
    assert left_in(library) == ["mine"]


def test_a_failure_while_replacing_brings_the_old_model_back(source, tmp_path, library, monkeypatch):
    install(source, name="mine", **SAID)
    before = files_of(library)
    real = os.rename

    def fail(old, new):
        if Path(new) == library / "mine" and "ready" in Path(old).parts:
            raise OSError(errno.EIO, "broken disk")
        real(old, new)

    monkeypatch.setattr("BreastSegLib.models.workroom.os.rename", fail)
    assert "broken disk" in refused(make_folder(tmp_path / "n", folds=("3",)), name="mine", overwrite=True).line
    assert files_of(library) == before and left_in(library) == ["mine"]


def test_several_models_come_all_or_none(tmp_path, library, monkeypatch):
    install(make_folder(tmp_path / "old"), name="both-3d_fullres", **SAID)
    before = files_of(library)
    real = install_module.put_in_place
    seen = []

    def fail(room, folder, *rest):
        seen.append(folder.name)
        if len(seen) == 2:
            real(room, folder, *rest)
            raise OSError(errno.ENOSPC, "full")
        return real(room, folder, *rest)

    monkeypatch.setattr(install_module, "put_in_place", fail)
    with pytest.raises(BadInput):
        install(make_results(tmp_path / "r"), name="both", overwrite=True, **SAID)
    assert seen == ["both-2d", "both-3d_fullres"] and not (library / "both-2d").exists()
    assert set(files_of(library)) >= {name for name in before if not name.startswith(".")}


@pytest.mark.parametrize("stage", ["Copying", "Unpacking"])
def test_cancelling_leaves_nothing(source, tmp_path, library, stage):
    given = source if stage == "Copying" else pack(source, tmp_path / "m.zip")

    def stop(name, done, total):
        assert name == stage and 0 <= done <= total
        raise Cancelled

    with pytest.raises(Cancelled):
        install(given, name="x", report=stop, **SAID)
    assert left_in(library) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(source, library, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("BreastSegLib.models.copying.os.fsync", full)
    assert "disk is full" in refused(source, name="x").line
    assert left_in(library) == []


def test_too_little_space_is_said_before_anything_is_copied(source, library, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("BreastSegLib.models.copying.shutil.disk_usage", lambda folder: usage)
    line = refused(source, name="x").line
    assert "disk is full" in line and "are free" in line
    assert left_in(library) == []


def test_a_library_that_cannot_be_written_is_one_line(source, library):
    library.parent.mkdir(parents=True)
    library.write_text("a file")
    assert "this is a file" in refused(source, name="x").line


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_library_is_one_line(source, library):
    library.mkdir(parents=True)
    library.chmod(0o500)
    assert "may write to" in refused(source, name="x").line


def test_what_a_killed_install_left_behind_is_not_listed_and_goes_at_the_next(source, tmp_path, library):
    script = (
        "import sys, time\n"
        "from BreastSegLib.models.install import install\n"
        "from BreastSegLib.recipe import load_recipe\n"
        "def wait(*_): print('copying', flush=True); time.sleep(60)\n"
        f"install(sys.argv[1], name='killed', load_recipe=load_recipe, recipe={RECIPE!r}, labels={{'lesion': 'mass'}},"
        " report=wait)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(source)], stdout=subprocess.PIPE, text=True, env=env())
    assert child.stdout.readline().strip() == "copying"
    install(source, name="beside", **SAID)
    assert len([name for name in left_in(library) if name.startswith(".making-")]) == 1
    child.kill()
    child.wait()
    child.stdout.close()
    models, problems = survey()
    assert [model.name for model in models if not model.shipped] == ["beside"] and not problems
    install(source, name="next", **SAID)
    assert left_in(library) == ["beside", "next"]


def test_a_kill_between_the_two_moves_of_a_replacement_loses_nothing(source, library):
    install(source, name="mine", **SAID)
    room = library / ".making-killed"
    (room / "before").mkdir(parents=True)
    (room / "owner").touch()
    os.rename(library / "mine", room / "before" / "mine")
    install(source, name="other", **SAID)
    assert left_in(library) == ["mine", "other"]
    assert find_model("mine").folds == ("0", "1")


def test_two_processes_install_one_name_and_one_of_them_is_told(source, library):
    script = (
        "import sys, time, pathlib\n"
        "from BreastSegLib.errors import BadInput\n"
        "from BreastSegLib.models import install as module\n"
        "from BreastSegLib.recipe import load_recipe\n"
        "real = module.check_network\n"
        "def together(*arguments):\n"
        "    pathlib.Path(sys.argv[2]).touch()\n"
        "    end = time.monotonic() + 20\n"
        "    while not pathlib.Path(sys.argv[3]).exists() and time.monotonic() < end: time.sleep(0.01)\n"
        "    return real(*arguments)\n"
        "module.check_network = together\n"
        "try:\n"
        f"    module.install(sys.argv[1], name='mine', load_recipe=load_recipe, recipe={RECIPE!r},"
        " labels={'lesion': 'mass'})\n"
        "    print('installed')\n"
        "except BadInput as error:\n"
        "    print(error.line)\n"
    )
    flags = [str(library.parent.parent / name) for name in ("one", "two")]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(source), *order], stdout=subprocess.PIPE, text=True, env=env()
        )
        for order in (flags, flags[::-1])
    ]
    said = sorted(child.communicate(timeout=60)[0].strip() for child in children)
    assert said[1] == "installed" and "There is a model named mine" in said[0]
    assert find_model("mine").folds == ("0", "1") and left_in(library) == ["mine"]


def env():
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "BreastSeg"), str(root / "Testing")])}


def test_an_abandoned_room_without_an_owner_is_given_a_minute(source, library):
    (library / ".making-new").mkdir(parents=True)
    (library / ".making-old").mkdir()
    long_ago = time.time() - 3600
    os.utime(library / ".making-old", (long_ago, long_ago))
    install(source, name="mine", **SAID)
    assert left_in(library) == [".making-new", "mine"]


def test_the_catalogues_model_is_recognised_and_its_preset_taken_and_said(tmp_path):
    folder = make_folder(
        tmp_path / "Dataset105_full_image" / "nnUNetTrainer__nnUNetPlans__3d_fullres",
        channels=("MRI",),
        labels=("primary lesion",),
        dataset="Dataset105_full_image",
    )
    for source in (folder, pack(tmp_path / "Dataset105_full_image", tmp_path / "w.zip", "Dataset105_full_image/")):
        error = refused(source, recipe=None, labels={}, kind=NeedsLicence)
        assert "CC BY-NC" in error.line and "--accept-licence" in error.line and error.details["entry"] == "mama-mia"
        notes = []
        (model,) = install(source, load_recipe=load_recipe, accept_licence=True, notes=notes, overwrite=True)
        assert model.name == "mama-mia" and model.recipe_source == "mama-mia-first-post"
        assert model.card["labels"] == {"primary lesion": {"value": 1, "terminology": "neoplasm"}}
        assert "CC BY-NC" in model.card["licence"] and model.card["catalogue"] == "mama-mia"
        assert len(notes) == 1 and "MAMA-MIA" in notes[0] and "mama-mia-first-post" in notes[0]


def test_what_the_user_says_counts_before_the_catalogue(tmp_path):
    folder = make_folder(tmp_path / "m", channels=("MRI",), dataset="Dataset105_full_image")
    (model,) = install(
        folder, name="ours", load_recipe=load_recipe, recipe="single-phase-0002", labels={"lesion": "mass"}
    )
    assert model.recipe_source == "single-phase-0002" and "catalogue" not in model.card
    (other,) = install(folder, load_recipe=load_recipe, recipe="single-phase-0002", labels={"lesion": "mass"})
    assert other.name == "full_image", "nor is the catalogue's name taken"


def test_a_look_shows_what_is_in_it_and_leaves_nothing(source, tmp_path, library):
    before = files_of(source)
    with look(source) as found:
        assert [one.proposal.labels for one in found] == [{"lesion": {"value": 1, "terminology": "mass"}}]
    with look(pack(make_results(tmp_path / "r"), tmp_path / "Dataset901_Tiny.zip")) as found:
        assert [(one.network.configuration, one.proposal.name) for one in found] == [
            ("2d", "Tiny"),
            ("3d_fullres", "Tiny"),
        ]
        assert not list(library.rglob("*.pth"))
    assert left_in(library) == [] and files_of(source) == before


def test_the_folder_of_another_library_is_taken_over_whole(tmp_path, monkeypatch, library):
    install(make_results(tmp_path / "results"), name="both", combine=True, **SAID)
    monkeypatch.setenv("BREASTSEG_MODELS", str(tmp_path / "new"))
    models = install(library, load_recipe=load_recipe)
    assert [model.name for model in models] == ["both-2d", "both-3d_fullres", "both"]
    assert files_of(tmp_path / "new") == files_of(library)


def test_a_name_too_long_for_a_disk_is_one_line():
    assert "no such folder or zip" in refused("n" * 5000).line


def test_a_link_in_the_users_own_folder_is_followed(tmp_path, source):
    if os.name == "nt":
        pytest.skip("links need rights on Windows")
    target = tmp_path / "elsewhere.pth"
    os.replace(source / "fold_0" / "checkpoint_final.pth", target)
    (source / "fold_0" / "checkpoint_final.pth").symlink_to(target)
    (model,) = install(source, name="x", **SAID)
    assert not (model.folder / "fold_0" / "checkpoint_final.pth").is_symlink()
    target.unlink()
    assert open_model(model.folder).folds == ("0", "1")
