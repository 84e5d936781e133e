"""The verbs evaluate and compare, as a user types them."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
from BreastSegTrainingLib.commands import run
from BreastSegTrainingLib.launch.training import Training
from evaluation_records import ball

SHAPE = (10, 24, 24)
SPACING = (1.0, 1.0, 2.0)


def write(path, mask):
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(SPACING)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def masks(number, shift=1):
    """Return truth and prediction of a case; that of number 3 is empty."""
    truth = ball(SHAPE, (5, 12, 12), 3 + number % 3)
    prediction = ball(SHAPE, (5, 12 + shift * (1 + number % 2), 12), 3 + number % 2)
    return truth, np.zeros_like(prediction) if number == 3 else prediction


def dice(truth, prediction):
    return 2 * (truth & prediction).sum() / (truth.sum() + prediction.sum())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A dataset with a test part, predictions of it by two models, a case table and its key."""
    root = tmp_path_factory.mktemp("work")
    raw = root / "nnUNet_raw/Dataset101_Try"
    for number in range(6):
        name = f"P{number + 1:03d}_1"
        truth, prediction = masks(number)
        write(raw / f"labelsTs/{name}.nii.gz", truth)
        write(raw / f"imagesTs/{name}_0000.nii.gz", truth * 100)
        write(root / f"first/{name}.nii.gz", prediction)
        write(root / f"second/{name}.nii.gz", truth)
    description = {"channel_names": {"0": "post1"}, "labels": {"background": 0, "lesion": 1}, "file_ending": ".nii.gz"}
    (raw / "dataset.json").write_text(json.dumps(description))
    table = ["case,patient,exam,centre,age,notes"]
    table += [f"exam{k},Anna{k},exams/{k},{'DUKE' if k % 2 else 'NACT'},{35 + 10 * k},secret" for k in range(6)]
    (root / "cases.csv").write_text("\n".join(table) + "\n")
    key = ["name,case,patient,part,fold,fingerprint,dataset"]
    key += [f"P{k + 1:03d}_1,exam{k},Anna{k},test,,,Dataset101_Try" for k in range(6)]
    (root / "cases.101_Try.key.csv").write_text("\n".join(key) + "\n")
    return root


@pytest.fixture(scope="module")
def first(dataset):
    """The evaluation of the first model."""
    assert evaluate(dataset, "first", "--cases", dataset / "cases.csv", "--worst", "2", "--cleanup", "largest") == 0
    return dataset / "out_first"


def evaluate(root, prediction, *more):
    raw = root / "nnUNet_raw/Dataset101_Try"
    return call("evaluate", "--dataset", raw, "--prediction", root / prediction, "--workers", 1, *more, output=root)


def call(*arguments, output=None):
    arguments = [str(argument) for argument in arguments]
    if output is not None and "--output" not in arguments:
        name = arguments[arguments.index("--prediction") + 1].rsplit("/", 1)[-1]
        arguments += ["--output", str(output / f"out_{name}")]
    return run(arguments)


def refused(capsys, *arguments):
    """Return the one line of a command that was refused."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    return line


def test_a_test_part_is_evaluated(first):
    found = json.loads((first / "evaluation.json").read_text(encoding="utf-8"))
    expected = [dice(*masks(number)) for number in range(6)]
    assert [case["raw"]["dice"] for case in found["cases"]] == pytest.approx(expected, abs=1e-12)
    assert found["summary"]["raw"]["dice"]["mean"] == pytest.approx(np.mean(expected), abs=1e-12)
    assert found["dataset"] == "Dataset101_Try" and found["options"]["cleanup"] == "largest region"
    assert found["cases"][0]["groups"]["age"] == "0-40" and set(found["groups"]["centre"]) == {"DUKE", "NACT"}
    assert found["fairness"]["challenge"]["variables"].keys() == {"age"}
    names = {path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file()}
    assert {"evaluation.json", "evaluation.html", "cases.csv", "summary.csv", "figures/distribution.svg"} <= names
    assert {"worst/01_P004_1.png", "figures/dice_by_centre.png"} <= names


def test_nothing_tells_who_the_patients_are(first, dataset):
    for path in first.rglob("*"):
        if path.suffix in (".json", ".csv", ".html", ".svg"):
            text = path.read_text(encoding="utf-8")
            assert not any(word in text for word in ("Anna", "exam0", "secret", str(dataset))), path.name


def test_two_folders(dataset, tmp_path, capsys):
    truth = dataset / "nnUNet_raw/Dataset101_Try/labelsTs"
    arguments = ("--truth", truth, "--prediction", dataset / "second", "--workers", 1, "--measures", "dice", "recall")
    assert call("evaluate", *arguments, "--output", tmp_path / "x", "--name", "perfect") == 0
    out = capsys.readouterr().out
    assert "perfect: 6 cases, raw masks" in out and "Dice: 1.000 ± 0.000" in out and "HD95" not in out
    with open(tmp_path / "x/cases.csv", encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["dice_raw"] for row in rows} == {"1.0"} and "hd95_mm_raw" not in rows[0]
    assert not (tmp_path / "x/worst").exists()


def test_the_cross_validation_of_a_training_with_the_defaults_of_its_preset(dataset, tmp_path, capsys):
    raw = dataset / "nnUNet_raw/Dataset101_Try"
    training = Training(tmp_path, "try", str(raw), "2d", "nnUNetTrainer", ("0", "1"), preset="m3-nnunet")
    training.write()
    names = [f"P{number + 1:03d}_1" for number in range(6)]
    splits = [{"train": names[3:], "val": names[:3]}, {"train": names[:3], "val": names[3:]}]
    training.preprocessed.mkdir(parents=True)
    (training.preprocessed / "splits_final.json").write_text(json.dumps(splits))
    for number, name in enumerate(names):
        truth, prediction = masks(number)
        write(training.preprocessed / f"gt_segmentations/{name}.nii.gz", truth)
        write(training.output(number // 3) / f"validation/{name}.nii.gz", prediction)
    assert (
        run(["evaluate", "--training", str(training.folder), "--output", str(tmp_path / "e"), "--workers", "1"]) == 0
    )
    found = json.loads((tmp_path / "e/evaluation.json").read_text(encoding="utf-8"))
    assert [case["fold"] for case in found["cases"]] == [0, 0, 0, 1, 1, 1]
    assert found["name"] == "try" and found["options"]["empty"] == "zero" and found["image_level"] is None
    assert found["bands"]["bands"] and found["shown"][:2] == ["jaccard", "dice"] and "hd95" not in found["measures"]
    assert any("groups by density, birads" in note for note in found["notes"])
    arguments = ["evaluate", "--training", str(training.folder), "--folds", "1", "--empty", "agree", "--image-level"]
    assert run([*arguments, "--output", str(tmp_path / "f"), "--workers", "1", "--worst", "0"]) == 0
    found = json.loads((tmp_path / "f/evaluation.json").read_text(encoding="utf-8"))
    assert len(found["cases"]) == 3 and found["options"]["empty"] == "agree" and found["image_level"]["FN"] == 1
    training.changed(preset="gone").write(overwrite=True)
    assert run([*arguments, "--output", str(tmp_path / "g"), "--workers", "1", "--worst", "0"]) == 0
    assert "preset gone is not known" in capsys.readouterr().out


def test_a_damaged_case_is_told_and_the_others_are_done(dataset, tmp_path, capsys):
    (tmp_path / "damaged").mkdir()
    for path in (dataset / "first").iterdir():
        data = path.read_bytes()
        (tmp_path / "damaged" / path.name).write_bytes(data[: len(data) // 2] if "P002" in path.name else data)
    assert evaluate(dataset, "first", "--prediction", tmp_path / "damaged", "--output", tmp_path / "e") == 1
    assert "Not measured: P002_1" in capsys.readouterr().out
    found = json.loads((tmp_path / "e/evaluation.json").read_text(encoding="utf-8"))
    assert len(found["cases"]) == 5 and [row["case"] for row in found["failed"]] == ["P002_1"]
    assert str(tmp_path) not in json.dumps(found)


def test_events_end_with_the_result(dataset, tmp_path, capsys):
    capsys.readouterr()
    assert evaluate(dataset, "second", "--output", tmp_path / "e", "--events", "--worst", "1") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1]["event"] == "result" and events[-1]["cases"] == 6 and events[-1]["figures"]["Dice"]
    assert {event["stage"] for event in events[:-1]} >= {"Measuring", "Drawing figures", "Drawing worst cases"}


def test_models_are_compared(dataset, first, capsys, tmp_path):
    assert evaluate(dataset, "second", "--cleanup", "largest", "--worst", "0") == 0
    other = dataset / "out_second"
    capsys.readouterr()
    assert call("compare", first, other, "--output", tmp_path / "c", "--measures", "dice", "hd95") == 0
    out = capsys.readouterr().out
    assert "Dice: " in out and "HD95: " in out and "Wilcoxon" in out
    found = json.loads((tmp_path / "c/comparison.json").read_text(encoding="utf-8"))
    assert found["models"] == ["first", "second"] and len(found["tests"]) == 2
    assert "exists" in refused(capsys, "compare", first, other, "--output", tmp_path / "c")
    assert "one evaluation" in refused(capsys, "compare", first, "--output", tmp_path / "d")
    assert "no evaluation" in refused(capsys, "compare", first, tmp_path, "--output", tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_what_cannot_be_evaluated_is_refused_in_one_line(dataset, first, capsys, tmp_path):
    raw, prediction, output = dataset / "nnUNet_raw/Dataset101_Try", dataset / "first", ("--output", tmp_path / "e")
    table, test_part = dataset / "cases.csv", ("--dataset", raw, "--prediction", prediction)

    def line(*arguments):
        return refused(capsys, "evaluate", *arguments, *output)

    assert "Nothing says what is evaluated" in line("--truth", raw / "labelsTs")
    assert "Nothing says what the truth is" in line("--prediction", prediction)
    assert "no training" in line("--training", tmp_path)
    assert "--training" in line("--folds", "0", *test_part)
    assert "need the case table" in line(*test_part, "--groups", "age")
    assert "who a patient is" in line(*test_part, "--cases", table, "--groups", "notes")
    assert "no column density" in line(*test_part, "--cases", table, "--groups", "density")
    assert "There is no measure" in line(*test_part, "--measures", "dise")
    assert "no rule" in line(*test_part, "--empty", "never")
    assert "needs the case table" in line(*test_part, "--grid", "exam")
    assert "do not go together" in line(*test_part, "--cleanup", "none", "--recipe", "m3")
    assert "recipe" in line(*test_part, "--cleanup", "recipe").lower()
    assert "tolerance_mm" in line(*test_part, "--tolerance", "-1")
    assert "increase" in line(*test_part, "--size-limits", "5", "2")
    assert "key file does not exist" in line(*test_part, "--cases", table, "--key", tmp_path / "no.csv")
    other = tmp_path / "other.csv"
    other.write_text("name,case,patient,part,fold,fingerprint,dataset\nP001_1,exam0,Anna0,test,,,Dataset102_Else\n")
    assert "key is that of Dataset102_Else" in line(*test_part, "--cases", table, "--key", other)
    (tmp_path / "few").mkdir()
    write(tmp_path / "few/P001_1.nii.gz", masks(0)[1])
    assert "missing" in line("--dataset", raw, "--prediction", tmp_path / "few")
    assert not (tmp_path / "e").exists()
    assert "exists" in refused(capsys, "evaluate", *test_part, "--output", first)
