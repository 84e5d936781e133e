"""What a published model says and keeps silent: plans, dataset, data in numbers, figures, leaks."""

import csv
import json
import math
import pickle
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegLib.files import write_image, write_json
from BreastSegLib.models.card import checksums
from BreastSegLib.volume import Geometry, Volume
from BreastSegTrainingLib.cases import CaseTable
from BreastSegTrainingLib.dataset.layout import FORMAT, Layout
from BreastSegTrainingLib.dataset.names import KeyRow, write_key
from BreastSegTrainingLib.launch.rawdata import read_raw
from BreastSegTrainingLib.publish import PublishOptions
from BreastSegTrainingLib.publish.card import _without_folders
from BreastSegTrainingLib.publish.child import ask
from BreastSegTrainingLib.publish.data import sentence, summarise
from BreastSegTrainingLib.publish.leaks import leaks_in
from BreastSegTrainingLib.publish.packing import pack
from BreastSegTrainingLib.publish.texts import published_dataset, published_fingerprint, published_plans
from BreastSegTrainingLib.publish.validation import from_evaluation, from_validation
from hypothesis import given
from hypothesis import strategies as st


def test_of_the_plans_only_the_configuration_is_kept_with_what_it_inherits(tmp_path):
    table = {
        "3d_fullres": {"batch_size": 2, "patch_size": [8, 8, 8], "spacing": [1, 1, 1]},
        "small": {"inherits_from": "3d_fullres", "batch_size": 4},
        "2d": {"batch_size": 9},
    }
    plans = {"plans_name": "p", "dataset_name": "d", "configurations": table, "breastseg": {"encoder": "/home/x"}}
    plans |= {"continue_training": True, "transpose_forward": [0, 1, 2]}
    write_json(tmp_path / "plans.json", plans)
    kept = published_plans(tmp_path / "plans.json", "small")
    assert kept == {
        "plans_name": "p",
        "dataset_name": "d",
        "transpose_forward": [0, 1, 2],
        "configurations": {"small": {"batch_size": 4, "patch_size": [8, 8, 8], "spacing": [1, 1, 1]}},
    }
    with pytest.raises(BadInput, match="no configuration 3d_lowres"):
        published_plans(tmp_path / "plans.json", "3d_lowres")
    table["3d_fullres"]["inherits_from"] = "small"
    write_json(tmp_path / "plans.json", plans, overwrite=True)
    with pytest.raises(BadInput, match="inherits wrongly"):
        published_plans(tmp_path / "plans.json", "small")


def test_of_the_dataset_lists_of_files_and_folders_stay_out(tmp_path):
    description = {
        "channel_names": {"0": "post2"},
        "labels": {"background": 0, "lesion": 1},
        "file_ending": ".nii.gz",
        "numTraining": 3,
        "licence": "secret",
        "recipe_source": "/home/anna/recipe.json",
        "training": [{"image": "./imagesTr/MEIER.nii.gz"}],
    }
    write_json(tmp_path / "dataset.json", description)
    kept = published_dataset(tmp_path / "dataset.json", "CC0")
    assert kept["licence"] == "CC0" and "anna" not in json.dumps(kept) and "MEIER" not in json.dumps(kept)
    assert kept["labels"] == description["labels"] and kept["numTraining"] == 3


def test_of_the_fingerprint_no_order_of_cases_and_no_other_words_are_kept(tmp_path):
    path = tmp_path / "dataset_fingerprint.json"
    brightness = {"0": {"mean": 1.5, "percentile_99_5": 2.0}}
    found = {
        "foreground_intensity_properties_per_channel": brightness,
        "median_relative_size_after_cropping": 1.0,
        "shapes_after_crop": [[30, 8, 8], [20, 9, 9], [10, 7, 7]],
        "spacings": [[2.0, 1.0, 1.0], [3.0, 1.0, 1.0], [2.0, 1.0, 1.0]],
        "cases": ["MEIER"],
    }
    path.write_text(json.dumps(found))
    kept = published_fingerprint(path)
    assert kept == {
        **{name: found[name] for name in found if name != "cases"},
        "shapes_after_crop": [[10, 7, 7], [30, 8, 8], [20, 9, 9]],
        "spacings": [[2.0, 1.0, 1.0], [2.0, 1.0, 1.0], [3.0, 1.0, 1.0]],
    }
    for wrong in ({**found, "spacings": 3}, {}, [], {**found, "median_relative_size_after_cropping": float("nan")}):
        path.write_text(json.dumps(wrong))
        assert published_fingerprint(path) is None
    path.unlink()
    assert published_fingerprint(path) is None


@pytest.fixture
def raw(tmp_path):
    """A raw dataset of three patients, one test case and one case without a lesion, with table and key."""
    folder, key, rows = tmp_path / "Dataset101_X", [], []
    layout, sizes = Layout(folder), {"P001_1": 10, "P001_2": 30, "P002_1": 20, "P003_1": 0}
    geometry = Geometry((2, 8, 8), (1.0, 2.0, 3.0))
    for name, voxels in {**sizes, "P009_1": 5}.items():
        part = "test" if name == "P009_1" else "train"
        mask = np.zeros(128, np.uint8)
        mask[:voxels] = 1
        files = {layout.image(part, name, 0): Volume(np.zeros((2, 8, 8), np.float32), geometry)}
        files[layout.label(part, name)] = Volume(mask.reshape(2, 8, 8), geometry)
        for path, volume in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(volume.to_sitk(), path)
        listed = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
        record = {"format": FORMAT, "samples": [{"name": name, "lesion_voxels": voxels}], "files": listed}
        write_json(layout.record(name), record)
        key.append(KeyRow(name, f"case {name}", f"MEIER {name[:4]}", part, None, "", "Dataset101_X"))
        rows.append(
            {"case": f"case {name}", "exam": name, "patient": f"MEIER {name[:4]}", "centre": "AB"[name > "P002"]}
        )
    write_json(folder / "split.json", {"stratify": ["centre", "volume_mm3"]})
    write_json(folder / "splits_final.json", [{"train": ["P001_1", "P001_2"], "val": ["P002_1", "P003_1"]}])
    labels = {"background": 0, "lesion": 1}
    description = {"channel_names": {"0": "post2"}, "labels": labels, "file_ending": ".nii.gz"}
    write_json(folder / "dataset.json", description)
    write_key(tmp_path / "key.csv", key)
    with open(tmp_path / "cases.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return read_raw(folder)


def test_the_data_are_told_in_numbers(raw, tmp_path):
    data = summarise(raw)
    expected = {"cases": 4, "patients": 3, "centres": None, "test_cases": 1, "without_lesion": 1, "folds": 1}
    assert {name: data[name] for name in expected} == expected
    assert data["lesion_volume_mm3"] == {"min": 60, "q1": 90, "median": 120, "q3": 150, "max": 180}
    assert data["stratified_by"] == ["centre", "volume_mm3"]
    told = summarise(raw, CaseTable.read(tmp_path / "cases.csv"), tmp_path / "key.csv")
    assert (told["patients"], told["centres"]) == (3, 2) and "MEIER" not in json.dumps(told)
    assert sentence(told) == "4 cases of 3 patients from 2 centres, lesions of 0.12 cm³ (median)"
    assert summarise(raw, dimension=2)["lesion_pixels"]["max"] == 30


def test_what_is_not_known_is_not_claimed(raw, tmp_path):
    Layout(raw.folder).record("P001_1").unlink()
    data = summarise(raw)
    assert data["lesion_volume_mm3"] is None and data["without_lesion"] is None
    with pytest.raises(BadInput, match="go together"):
        summarise(raw, CaseTable.read(tmp_path / "cases.csv"))
    write_key(tmp_path / "other.csv", [KeyRow("P001_1", "a", "b")])
    with pytest.raises(BadInput, match="does not know the dataset's case P001_2"):
        summarise(raw, CaseTable.read(tmp_path / "cases.csv"), tmp_path / "other.csv")


def test_the_figures_of_an_evaluation_are_taken_without_its_cases(tmp_path):
    row = {"mean": 0.7, "sd": 0.1, "median": 0.72, "min": 0.1, "max": 0.9, "ci_low": 0.6, "ci_high": 0.8, "n": 5}
    record = {
        "format": "breastseg-evaluation-1",
        "cases": [{"case": "P001_1"}, {"case": "P002_1"}],
        "grid": "exam",
        "summary": {"raw": {"dice": row, "hd95": {"mean": None, "n": 0}}, "cleaned": {"dice": row}},
        "detection": {"sensitivity": 0.9},
        "groups": {"centre": {"Clinic of Dr X": {}}},
    }
    write_json(tmp_path / "evaluation.json", record)
    told = from_evaluation(tmp_path / "evaluation.json")
    assert told["raw"]["dice"]["ci_low"] == 0.6 and told["cleaned"]["dice"]["n"] == 5 and told["cases"] == 2
    assert "P001" not in json.dumps(told) and "Clinic" not in json.dumps(told) and told["lesion_sensitivity"] == 0.9
    write_json(tmp_path / "evaluation.json", {**record, "format": "x"}, overwrite=True)
    with pytest.raises(BadInput, match="no evaluation"):
        from_evaluation(tmp_path / "evaluation.json")


def test_nnunets_validation_is_told_case_by_case(tmp_path):
    for fold, values in (("0", [0.5, 0.7]), ("1", [math.nan, 0.9]), ("all", [1.0])):
        rows = [{"metrics": {"1": {"Dice": value, "IoU": value / 2}}} for value in values]
        folder = tmp_path / f"fold_{fold}" / "validation"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps({"metric_per_case": rows}))
    told = from_validation(tmp_path, ("0", "1", "all", "2"))
    assert told["raw"]["dice"]["mean"] == pytest.approx(0.7) and told["raw"]["dice"]["n"] == 3 and told["cases"] == 4
    assert told["dice_by_fold"] == {"0": pytest.approx(0.6), "1": pytest.approx(0.9)}
    assert from_validation(tmp_path, ("all",)) is None, "it was trained on these cases"
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(
    "text, leaks",
    [
        ("/home/anna/data", True),
        ("C:\\Users\\anna", True),
        ("in D:/data, see", True),
        ("\\\\server\\share", True),
        ("file:///x", True),
        ("see (/srv/data)", True),
        ("https://doi.org/10.1000/182", False),
        ("1/2 and/or 3/4", False),
        ("mm/s", False),
        ("breastseg_networks.UNet", False),
        ("CC-BY-4.0: free", False),
        ("P001_1", True),
        ("P001_10", False),
        ("XP001_1", False),
    ],
)
def test_paths_and_names_are_seen(tmp_path, text, leaks):
    write_json(tmp_path / "card.json", {"a": [{"title": text}]})
    assert bool(leaks_in(tmp_path, {"P001_1"})) == leaks
    write_json(tmp_path / "card.json", {"a": {text: 1}}, overwrite=True)
    assert bool(leaks_in(tmp_path, {"P001_1"})) == leaks


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30))
def test_a_path_is_seen_wherever_a_pickle_holds_it(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("m")
    for content, leaks in (
        ({"a": (1, {text.replace("/", "").replace("\\", "").replace(":", ""): [2.5]})}, False),
        (
            {"a": [text, {"b": ("/home/anna/raw",)}]},
            True,
        ),
    ):
        with zipfile.ZipFile(folder / "checkpoint.pth", "w") as archive:
            archive.writestr("checkpoint/data.pkl", pickle.dumps(content, protocol=2))
        assert bool(leaks_in(folder)) == leaks


def test_settings_name_files_without_their_folders():
    settings = {"encoder_weights": "/home/anna/resnet.pth", "a": ["C:\\x\\y.pth", 3], "b": {"c": "plain"}}
    assert _without_folders(settings) == {"encoder_weights": "resnet.pth", "a": ["y.pth", 3], "b": {"c": "plain"}}


def test_the_same_model_gives_the_same_zip(tmp_path):
    folder = tmp_path / "model"
    (folder / "fold_0").mkdir(parents=True)
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(bytes(1000))
    (folder / "plans.json").write_text("{}")
    for name in "ab":
        pack(folder, tmp_path / f"{name}.zip", "Dataset101_X", "T", "P", "2d")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "out")
    assert checksums(tmp_path / "out" / "Dataset101_X" / "T__P__2d") == checksums(folder)


@pytest.mark.parametrize(
    "words, told",
    [
        ({"licence": " "}, "no licence"),
        ({"name": "a/b"}, "cannot be named"),
        ({"checkpoint": "checkpoint_latest.pth"}, "no checkpoint"),
        ({"library": False}, "nowhere to publish"),
    ],
)
def test_wishes_that_cannot_be_meant_are_refused(words, told):
    with pytest.raises(BadInput, match=told):
        PublishOptions(**{"name": "model", "licence": "CC0", **words})


def test_a_child_that_dies_or_refuses_says_so(tmp_path):
    with pytest.raises(BadInput, match="ended without an answer.*no_such_module"):
        ask("no_such_module", {})
    request = {"model": "m", "output": str(tmp_path), "configuration": "2d", "folds": ["0"], "checkpoint": "c"}
    with pytest.raises(BadInput, match="cannot be read.*plans.json"):
        ask("slim", request)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_a_child_that_is_cancelled_is_gone_with_all_below_it(tmp_path, monkeypatch):
    """A module that starts a process of its own and waits for ever; Ctrl+C comes when it has told of its progress."""
    from BreastSegTrainingLib.launch import interpreter

    (tmp_path / "waiting.py").write_text(
        "import json, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "below = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "Path(sys.argv[2]).with_name('progress.json').write_text(json.dumps(['Waiting', below.pid, 0]))\n"
        "time.sleep(600)\n"
    )
    told = []
    command = lambda module, *words: (sys.executable, str(tmp_path / "waiting.py"), *map(str, words))  # noqa: E731
    monkeypatch.setattr(interpreter, "command", command)

    def report(stage, done, _total):
        told.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask("slim", {}, report)
    for _ in range(100):
        if not Path(f"/proc/{told[0]}").exists() or _is_zombie(told[0]):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the process below the child still runs")


def _is_zombie(process):
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
