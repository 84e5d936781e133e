"""Experiments: what their rows are, and how the flow goes on after failures and interruptions. Nothing is trained."""

import csv
import json
import re

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.files import write_json
from BreastSegLib.pipeline.batch_lock import BatchLock
from BreastSegTrainingLib.cases import Case, CaseTable
from BreastSegTrainingLib.commands import run
from BreastSegTrainingLib.experiments import ExperimentOptions, experiment_names, load_experiment, run_experiment
from BreastSegTrainingLib.experiments.experiment import FOLDER, parse_experiment
from BreastSegTrainingLib.experiments.outcome import JUDGED, row_folder
from BreastSegTrainingLib.experiments.prepare import Made, dataset_plans

NUMBERS = {"m1": 6, "m3": 4, "m4": 8, "m5": 12}


class FakeSteps:
    """Steps that note what was asked for, and fail or are cancelled where they are told to."""

    def __init__(self, fail=(), cancel=None):
        self.fail, self.cancel, self.calls = dict(fail), cancel, []

    def _call(self, step, row):
        self.calls.append((step, row))
        if (step, row) == self.cancel:
            raise Cancelled
        if (step, row) in self.fail:
            raise BadInput(self.fail[step, row], "here", "do that")

    def make_dataset(self, plan, report):
        self.calls.append(("dataset", plan.name))
        report("exporting", 1, 1)
        return Made(plan.raw / plan.name, plan, 12, ("a note",))

    def begin_training(self, row, preset, made):
        self._call("begin", row.number)
        return f"training {row.number}"

    def start(self):
        self.calls.append(("start", 0))

    def interrupted(self):
        self.calls.append(("interrupted", 0))

    def wait(self, training, report):
        self._call("wait", int(training.split()[1]))

    def judge(self, row, preset, made, training, folder, report):
        self._call("judge", row.number)
        summary = {"mean": 0.5 + row.number / 100, "sd": 0.125, "median": 0.6, "min": 0.1, "max": 0.9, "n": 2}
        summary |= {"ci_low": 0.4, "ci_high": 0.7}
        names = ("dice", "jaccard", "precision", "recall", "f1", "accuracy", "hausdorff")
        write_json(
            folder / JUDGED / "evaluation.json",
            {
                "format": "breastseg-evaluation-1",
                "cases": [{"case": "P001_1", "raw": {}}, {"case": "P002_1", "raw": {}}],
                "measures": {},
                "stage": "raw",
                "summary": {stage: dict.fromkeys(names, summary) for stage in ("raw", "cleaned")},
                "image_level": {"accuracy": 0.75, "specificity": None, "f1": 0.5},
            },
            overwrite=True,
        )

    def of(self, step):
        """Return the rows for which a step was called."""
        return [row for name, row in self.calls if name == step]


@pytest.fixture
def options(tmp_path):
    table = CaseTable([Case({"case": "a", "patient": "b", "exam": "c", "mask": "d"})], tmp_path)
    table.write(tmp_path / "cases.csv")
    return ExperimentOptions(str(tmp_path / "cases.csv"), str(tmp_path / "work"))


def again(options, **values):
    return ExperimentOptions(**{**options.__dict__, **values})


# --- what the experiments are


def test_the_tables_of_the_papers():
    assert set(experiment_names()) == set(NUMBERS)
    for name, count in NUMBERS.items():
        experiment = load_experiment(name)
        assert [row.number for row in experiment.rows] == list(range(1, count + 1))
        assert all(len(row.cells) == len(experiment.headers) and row.title for row in experiment.rows)


def test_m1_is_as_published():
    experiment = load_experiment("m1")
    assert [row.published["dice"] for row in experiment.rows] == [0.59, 0.55, 0.49, 0.45, 0.62, 0.72]
    assert [row.preset.dataset["selection"] for row in experiment.rows] == [
        *("m1-1-duke-80", "m1-2-all-centres-400", "m1-3-all-centres-400-clahe", "m1-4-all-centres-1200"),
        *("m1-5-duke-nact", "m1-6-duke-nact-phases-0-2"),
    ]
    assert [row.preset.folds for row in experiment.rows] == [tuple("01234")] * 3 + [("0",)] + [tuple("01234")] * 2
    recipes = ["single-phase-0002"] * 2 + ["single-phase-0002-clahe"] + ["single-phase-0002"] * 2
    assert [row.preset.recipe for row in experiment.rows] == [*recipes, "phase-aware-0000-0002"]


def test_m4_and_m5_are_whole():
    rows = load_experiment("m4").rows
    ways = {(row.part, row.preset.dataset["test"], row.preset.dataset["folds"], row.preset.folds) for row in rows}
    assert ways == {("test", 0.1, 9, ("0",)), ("validation", 0, 5, tuple("01234"))}
    assert len({(row.part, row.preset.recipe) for row in rows}) == 8
    rows = load_experiment("m5").rows
    assert len({row.preset.name for row in rows}) == 12 and {row.part for row in rows} == {"test"}


def test_rows_share_datasets(options):
    """Of M5 all, of M4 those of a recipe and a division, of M1 none: each has its own cases or recipe."""
    for name, count in (("m1", 6), ("m3", 4), ("m4", 8), ("m5", 1)):
        plans = dataset_plans(load_experiment(name), options)
        names = {plan.name for plan in plans.values()}
        assert len(names) == count and all(re.fullmatch(r"\d{3}_M\d_\d+", plan) for plan in names)
    everything = [
        plan.name[:3]
        for name in NUMBERS
        for plan in {**{p.name: p for p in dataset_plans(load_experiment(name), options).values()}}.values()
    ]
    assert len(set(everything)) == len(everything)  # nnU-Net finds datasets by their numbers


def test_options_go_into_the_presets(options):
    wanted = again(options, epochs=2, iterations=3, folds=3, plan={"batch_size": 1}, settings={"seed": 7})
    for name in NUMBERS:
        for row in load_experiment(name).rows:
            preset = wanted.for_preset(row.preset)
            assert preset.settings["epochs"] == 2 and preset.settings["seed"] == 7
            assert preset.settings["iterations"] == 3 and preset.settings["validation_iterations"] == 1
            assert preset.plan["batch_size"] == 1
            fixed = row.preset.dataset["folds"] == 9
            assert preset.dataset["folds"] == (9 if fixed else 3)
            assert set(preset.folds) == set(row.preset.folds) & set("012")


def test_weights_go_to_the_rows_of_their_encoder(options):
    rows = load_experiment("m5").rows
    wanted = again(options, settings={"encoder_weights": {"resnet22": "nyu.pth"}})
    given = {(row.name.split("-")[1], wanted.for_preset(row.preset).settings.get("encoder_weights")) for row in rows}
    assert given == {("resnet34", "imagenet"), ("resnet22", "nyu.pth")}
    for none in (None, {"resnet34": None}):
        preset = again(options, settings={"encoder_weights": none}).for_preset(rows[0].preset)
        assert preset.settings["encoder_weights"] is None


# --- the flow


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_every_step_of_every_row_is_done_once(options, name):
    steps, told = FakeSteps(), []
    record = run_experiment(load_experiment(name), options, lambda *row: told.append(row), steps)
    rows = list(range(1, NUMBERS[name] + 1))
    assert steps.of("begin") == steps.of("wait") == steps.of("judge") == rows
    assert steps.calls.index(("start", 0)) < steps.calls.index(("wait", 1))  # all are queued before any is waited for
    assert steps.calls.index(("begin", rows[-1])) < steps.calls.index(("start", 0))
    assert [row["state"] for row in record["rows"]] == ["done"] * len(rows)
    assert told and all(stage.split()[0].isdecimal() for stage, _, _ in told)

    second = FakeSteps()
    assert run_experiment(load_experiment(name), options, None, second)["rows"] == record["rows"]
    assert second.calls == [("start", 0)]


def test_a_row_that_fails_does_not_stop_the_others(options):
    experiment = load_experiment("m1")
    steps = FakeSteps({("begin", 2): "no fold", ("wait", 4): "Fold 0 failed: out of memory", ("judge", 5): "no mask"})
    record = run_experiment(experiment, options, None, steps)
    assert [row["state"] for row in record["rows"]] == ["done", "failed", "done", "failed", "failed", "done"]
    assert record["rows"][3]["message"] == "Fold 0 failed: out of memory (here). do that."
    assert 2 not in steps.of("wait") and 4 not in steps.of("judge")

    steps = FakeSteps()  # the same again tries those three only
    record = run_experiment(experiment, options, None, steps)
    assert steps.of("judge") == [2, 4, 5] and {row["state"] for row in record["rows"]} == {"done"}
    assert not any(row["message"] for row in record["rows"])


@pytest.mark.parametrize("moment", [("begin", 3), ("wait", 1), ("wait", 4), ("judge", 6)])
def test_cancelled_at_any_moment_it_goes_on(options, moment):
    experiment = load_experiment("m1")
    steps = FakeSteps(cancel=moment)
    with pytest.raises(Cancelled):
        run_experiment(experiment, options, None, steps)
    assert steps.calls[-1] == ("interrupted", 0)
    steps = FakeSteps()
    record = run_experiment(experiment, options, None, steps)
    finished = moment[1] - 1 if moment[0] != "begin" else 0
    assert steps.of("judge") == list(range(finished + 1, 7)) and {row["state"] for row in record["rows"]} == {"done"}


def test_only_some_rows(options):
    experiment = load_experiment("m1")
    steps = FakeSteps()
    record = run_experiment(experiment, again(options, only=(3, 1, 3)), None, steps)
    assert steps.of("judge") == [1, 3]
    assert [row["state"] for row in record["rows"]] == ["done", "waiting", "done", "waiting", "waiting", "waiting"]
    steps = FakeSteps()  # finished rows stay in the table when others are asked for
    record = run_experiment(experiment, again(options, only=(2,)), None, steps)
    assert steps.of("judge") == [2] and [row["state"] for row in record["rows"]][:3] == ["done"] * 3
    with pytest.raises(BadInput, match="no row 7.*1 to 6"):
        run_experiment(experiment, again(options, only=(7,)), None, FakeSteps())


def test_other_options_are_refused(options):
    experiment = load_experiment("m1")
    run_experiment(experiment, again(options, epochs=2, only=(1,)), None, FakeSteps())
    for other in ({"epochs": 3}, {}, {"epochs": 2, "seed": 1}, {"epochs": 2, "plan": {"batch_size": 1}}):
        with pytest.raises(BadInput, match="begun with other"):
            run_experiment(experiment, again(options, only=(1,), **other), None, FakeSteps())
    run_experiment(experiment, again(options, epochs=2, device="cpu", workers=3, only=(1,)), None, FakeSteps())


def test_a_changed_case_table_is_looked_at_again(options):
    experiment = load_experiment("m1")
    run_experiment(experiment, again(options, only=(1,)), None, FakeSteps())
    with open(options.table, "a", encoding="utf-8") as stream:
        stream.write("e,f,g,h\n")
    steps = FakeSteps()
    run_experiment(experiment, again(options, only=(1,)), None, steps)
    assert steps.of("judge") == [1]


def test_damaged_records_are_made_again(options):
    experiment, wanted = load_experiment("m1"), again(options, only=(1, 2, 3))
    run_experiment(experiment, wanted, None, FakeSteps())
    folder = options.folder("m1")
    (row_folder(folder, experiment.rows[0]) / "row.json").write_text("{")
    (row_folder(folder, experiment.rows[1]) / JUDGED / "evaluation.json").unlink()
    steps = FakeSteps()
    run_experiment(experiment, wanted, None, steps)
    assert steps.of("judge") == [1, 2]


def test_two_at_once_are_refused(options):
    folder = options.folder("m1")
    folder.mkdir(parents=True)
    lock = BatchLock(folder, "experiment")
    try:
        with pytest.raises(BadInput, match="experiment"):
            run_experiment(load_experiment("m1"), options, None, FakeSteps())
    finally:
        lock.release()


# --- the table


def test_the_table_is_laid_out_like_the_papers(options):
    experiment = load_experiment("m1")
    run_experiment(experiment, options, None, FakeSteps({("judge", 2): "a <mask> is missing"}))
    folder = options.folder("m1")
    with open(folder / "results.csv", encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0][:8] == [
        "No.",
        "Data",
        "Phases",
        "CLAHE",
        "Folds",
        "Cases",
        "Validation Dice",
        "Validation Dice, published",
    ]
    assert rows[1][:8] == ["1", "DUKE, 80", "2", "no", "5", "2", "0.51 ± 0.12", "0.59"]
    assert rows[2][5:8] == ["–", "failed", "0.55"] and len({len(row) for row in rows}) == 1
    record = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert record["rows"][5]["values"]["dice"]["mean"] == 0.56 and record["rows"][5]["published"] == {"dice": 0.72}
    page = (folder / "results.html").read_text(encoding="utf-8")
    assert "research use only" in page and "0.51 ± 0.12" in page and "a &lt;mask&gt; is missing" in page
    assert "row_1/evaluation/evaluation.html" in page and "row_2/evaluation" not in page


def test_figures_of_images_and_the_best_published(options):
    run_experiment(load_experiment("m5"), options, None, FakeSteps())
    with open(options.folder("m5") / "results.csv", encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 13 and rows[0]["Accuracy (images)"] == "0.750" and rows[0]["Specificity (images)"] == "–"
    assert rows[-1]["Encoder"] == "published best" and rows[-1]["Dice, published"] == "0.816"
    assert rows[-1]["F1 (images), published"] == "0.733" and "Specificity (images), published" not in rows[0]


def test_median_and_range_of_m3(options):
    run_experiment(load_experiment("m3"), options, None, FakeSteps())
    text = (options.folder("m3") / "results.csv").read_text(encoding="utf-8-sig")
    assert "0.540 ± 0.125 (median 0.600, 0.100 to 0.900)" in text


# --- one's own, and the command


def m1():
    return json.loads((FOLDER / "m1.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda r: r.pop("rows"), "no field rows"),
        (lambda r: r.update(unheard=1), "unknown field unheard"),
        (lambda r: r.update(format="x"), "no breastseg-experiment-1"),
        (lambda r: r["rows"][0].update(preset="unheard"), "no preset 'unheard'"),
        (lambda r: r["rows"][0].update(cells=["one"]), "1 cells for 4 headers"),
        (lambda r: r["rows"][0].update(part="all"), "part is 'all'"),
        (lambda r: r["rows"][0].update(name="2"), "same name"),
        (lambda r: r["rows"][0].update(dataset={"folds": 1}), "0 or 2 to 20"),
        (lambda r: r["rows"][0].update(preset="m4-unet"), "not for dce"),
        (lambda r: r["rows"].append(3), "no table"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(change, expected):
    record = m1()
    change(record)
    with pytest.raises(BadInput, match=re.escape(expected)):
        parse_experiment(record)


def test_a_file_of_ones_own(tmp_path, options):
    record = {**m1(), "name": "mine", "rows": m1()["rows"][:1]}
    (tmp_path / "mine.json").write_text(json.dumps(record))
    found = run_experiment(load_experiment(tmp_path / "mine.json"), options, None, FakeSteps())
    assert found["name"] == "mine" and len(found["rows"]) == 1 and (options.folder("mine") / "results.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["m9", "--list"], "no experiment 'm9'"),
        (["m1"], "--cases is missing"),
        (["m1", "--cases", "t.csv"], "--work is missing"),
        (["m1", "--cases", "t.csv", "--work", "w", "--epochs", "0"], "--epochs 0"),
        (["m1", "--cases", "t.csv", "--work", "w", "--hours", "3"], "of a cluster"),
        (["m1", "--cases", "t.csv", "--work", "w", "--plan", "absent.json"], "cannot be read"),
        (["m1", "--cases", "t.csv", "--work", "w", "--folds", "1"], "0 or 2 to 20"),
    ],
)
def test_wrong_commands(tmp_path, monkeypatch, capsys, arguments, expected):
    monkeypatch.chdir(tmp_path)
    assert run(["experiment", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.endswith(" …")]
    assert len(lines) == 1 and expected in lines[0]


def test_a_missing_table_fails_every_row_in_one_line(tmp_path, capsys):
    assert (
        run(
            [
                "experiment",
                "m1",
                "--cases",
                str(tmp_path / "absent.csv"),
                "--work",
                str(tmp_path / "work"),
                "--only",
                "1",
            ]
        )
        == 1
    )
    assert "case table does not exist" in capsys.readouterr().out


def test_the_list(capsys):
    assert run(["experiment", "m4", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9 and "mass-region-224-wiener" in lines[2] and "M4" in lines[0]
