"""The folder of an evaluation: numbers that can be kept, a page that stands alone, files that appear together."""

import csv
import json
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from BreastSegLib.errors import BadInput
from BreastSegTrainingLib.evaluation import write as writing
from BreastSegTrainingLib.evaluation.figures import figures_of, spread
from BreastSegTrainingLib.evaluation.figurestyle import png_of, svg_of
from BreastSegTrainingLib.evaluation.page import evaluation_page, number
from BreastSegTrainingLib.evaluation.summary import Judging, assemble, confusion, plain_numbers, without_paths
from BreastSegTrainingLib.evaluation.write import read_evaluation, write_evaluation
from evaluation_records import about, make_records

COLUMNS = ("centre", "density", "age", "size")


@pytest.fixture(scope="module")
def evaluation():
    return assemble(make_records(12, empty=(3,)), about(), Judging(columns=COLUMNS), ["Fold 4 was left out."])


@pytest.fixture(scope="module")
def folder(evaluation, tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluation") / "made"
    write_evaluation(path, evaluation)
    return path


def rows_of(path):
    with open(path, encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


# --- the record


def test_the_record_is_strict_json_and_comes_back(evaluation, folder):
    text = (folder / "evaluation.json").read_text(encoding="utf-8")
    assert "NaN" not in text and "Infinity" not in text
    assert read_evaluation(folder) == json.loads(json.dumps(evaluation))
    wanted = {"format", "name", "created", "truth", "prediction", "grid", "options", "measures", "cases", "summary"}
    assert wanted | {"detection", "image_level", "groups", "fairness", "bands", "confusion", "notes"} <= set(
        evaluation
    )


def test_infinite_distances_are_null_with_the_reason_counted(evaluation):
    record = next(record for record in evaluation["cases"] if record["case"] == "P004_1")
    assert record["raw"]["hd95"] is None
    assert evaluation["missing"]["cleaned"]["hd95"] == {"prediction empty (infinite)": 1}
    assert evaluation["summary"]["cleaned"]["hd95"]["n"] == 11
    notes = [note for note in evaluation["notes"] if "HD95 has no value in 1 of 12 cases" in note]
    assert len(notes) == 1 and "prediction empty" in notes[0]


def test_the_summary_is_that_of_the_cases(evaluation):
    dice = [record["cleaned"]["dice"] for record in evaluation["cases"]]
    assert evaluation["summary"]["cleaned"]["dice"]["mean"] == pytest.approx(np.mean(dice))
    for column in COLUMNS:
        groups = evaluation["groups"][column]
        assert sum(found["dice"]["n"] for found in groups.values()) == 12
    duke = [r["cleaned"]["dice"] for r in evaluation["cases"] if r["groups"]["centre"] == "DUKE"]
    assert evaluation["groups"]["centre"]["DUKE"]["dice"]["mean"] == pytest.approx(np.mean(duke))
    assert set(evaluation["folds"]) == {"0", "1", "2"}


def test_the_confusion_matrix_of_voxels_is_that_of_scikit_learn():
    from sklearn.metrics import confusion_matrix

    random = np.random.default_rng(2)
    records, truths, predictions = [], [], []
    for k in range(4):
        truth, prediction = random.random((2, 500)) < 0.2
        tp, fp, fn, tn = (truth & prediction, ~truth & prediction, truth & ~prediction, ~truth & ~prediction)
        counts = zip(("tp", "fp", "fn", "tn"), (tp, fp, fn, tn))
        records.append({"case": f"c{k}", "raw": {name: float(found.sum()) for name, found in counts}})
        truths.append(truth)
        predictions.append(prediction)
    expected = confusion_matrix(np.concatenate(truths), np.concatenate(predictions), normalize="true")
    assert np.allclose(confusion(records, "raw"), expected, atol=1e-12)
    nothing = {"case": "c", "raw": {"tp": 0, "fp": 1, "fn": 0, "tn": 3}}
    assert confusion([nothing], "raw") == [[0.75, 0.25], [None, None]]
    assert confusion([{"case": "c", "raw": {"dice": 1}}], "raw") is None


def test_failed_cases_are_in_no_number_and_their_paths_in_no_file():
    failed = {"case": "P009_1", "fold": 0, "error": "Damaged (/home/Mrs A/x.nii.gz). Save it again."}
    records = [*make_records(4), failed]
    found = assemble(records, about(), Judging(columns=()))
    assert len(found["cases"]) == 4 and found["failed"] == [{"case": "P009_1", "why": "Damaged. Save it again."}]
    assert "Mrs A" not in json.dumps(found) and any("in no number: 1 case (P009_1" in note for note in found["notes"])


@pytest.mark.parametrize(
    "line, expected",
    [
        ("It is broken (C:\\Data\\Anna\\m.nii). Go on.", "It is broken. Go on."),
        ("Two axes (case P001_1).", "Two axes (case P001_1)."),
        ("Nothing.", "Nothing."),
    ],
)
def test_paths_are_taken_out_of_errors(line, expected):
    assert without_paths(line) == expected


def test_patients_with_several_cases_are_told():
    records = make_records(4)
    records[1]["case"] = "P001_2"
    notes = " ".join(assemble(records, about(), Judging(columns=()))["notes"])
    assert "although of 1 patient there is more than one case" in notes


def test_numbers_become_plain():
    assert plain_numbers({"a": (np.float32(0.5), math.inf, [np.int64(3), math.nan])}) == {"a": [0.5, None, [3, None]]}
    assert number(None) == "–" and number(-0.0001) == "0.000" and number(12.34, {"unit": "mm"}) == "12.3"


# --- tables


def test_cases_csv_has_units_and_points(folder, evaluation):
    rows = rows_of(folder / "cases.csv")
    assert [row["case"] for row in rows] == [record["case"] for record in evaluation["cases"]]
    assert float(rows[0]["dice_raw"]) == evaluation["cases"][0]["raw"]["dice"]
    assert {
        "hd95_mm_cleaned",
        "volume_difference_ml_raw",
        "centre",
        "size",
        "lesions_found_raw",
        "image_class_cleaned",
    } <= set(rows[0])
    assert rows[3]["hd95_mm_raw"] == "" and rows[0]["fold"] == "0"


def test_summary_csv_has_a_row_for_every_group(folder, evaluation):
    rows = rows_of(folder / "summary.csv")
    found = {(row["of"], row["group"]) for row in rows}
    assert {("all", ""), ("fold", "2"), ("centre", "DUKE"), ("age", "0-40")} <= found
    row = next(row for row in rows if (row["of"], row["masks"], row["measure"]) == ("all", "cleaned", "hd95"))
    assert row["unit"] == "mm" and row["missing"] == "1"
    assert float(row["ci95_low"]) == evaluation["summary"]["cleaned"]["hd95"]["ci_low"]


# --- the page


def test_the_page_stands_alone_and_says_what_it_is(folder):
    page = (folder / "evaluation.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)='(?!data:)", page) and "http" not in page
    assert "For research use only" in page and "labelsTr" in page and "validation" in page
    assert "as nnU-Net" in page and "Fold 4 was left out." in page and "largest" in page
    pictures = list((folder / "figures").glob("*.png"))
    assert page.count("data:image/png;base64,") == len(pictures) > 6
    ElementTree.fromstring(re.sub(r"<!DOCTYPE html>|<meta[^>]*>|<img[^>]*>", "", page))  # every tag is closed


def test_hostile_names_stay_text():
    bad = "<script>alert(1)</script>"
    records = make_records(8)
    for record in records:
        record["groups"] = {"centre": bad if record["case"] < "P005" else "a$b$c and a name without end"}
    found = assemble(records, about(bad, truth="'\"<b>"), Judging(columns=("centre",)))
    page = evaluation_page(found, {name: png_of(figure) for name, figure in figures_of(found).items()})
    assert "<script>" not in page and "<b>" not in page and "&lt;script&gt;" in page


def test_figures_are_pictures_and_always_the_same(evaluation, folder):
    for path in (folder / "figures").glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert path.with_suffix(".png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    figure = figures_of(evaluation)["bands"]
    assert svg_of(figure) == svg_of(figures_of(evaluation)["bands"])


def test_matplotlib_stays_as_it_was(evaluation):
    import matplotlib

    before = dict(matplotlib.rcParams)
    png_of(figures_of(evaluation)["sizes"])
    assert dict(matplotlib.rcParams) == before


def test_dots_of_equal_values_lie_apart():
    shifts = spread(np.full(9, 0.5))
    assert len(set(np.round(shifts, 6))) == 9 and np.abs(shifts).max() <= 0.2


def test_little_to_tell_is_no_error(tmp_path):
    for count, empty in ((1, ()), (2, (0, 1))):
        records = make_records(count, empty=empty, cleaned=False)
        judging = Judging(columns=("centre", "size"))
        write_evaluation(tmp_path / str(count), assemble(records, about(), judging))
        assert (tmp_path / str(count) / "evaluation.html").is_file()


# --- whole or not at all


def test_nothing_is_left_when_a_file_fails(evaluation, tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "write_summary", broken)
    monkeypatch.setattr(writing, "figures_of", lambda _: {})
    with pytest.raises(BadInput, match="disk is full"):
        write_evaluation(tmp_path / "made", evaluation)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_evaluation_stays_until_the_next_is_whole(evaluation, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "figures_of", lambda _: {})
    write_evaluation(tmp_path / "made", evaluation)
    (tmp_path / "made/figures/old.png").write_bytes(b"")
    before = (tmp_path / "made/evaluation.json").read_bytes()
    with pytest.raises(BadInput, match="exists"):
        write_evaluation(tmp_path / "made", evaluation)
    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_summary", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_evaluation(tmp_path / "made", evaluation, overwrite=True)
    assert (tmp_path / "made/evaluation.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    write_evaluation(tmp_path / "made", evaluation, overwrite=True)
    assert not (tmp_path / "made/figures/old.png").exists()


def test_files_of_others_are_never_replaced(evaluation, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "figures_of", lambda _: {})
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(BadInput, match="other files"):
        write_evaluation(tmp_path, evaluation, overwrite=True)
    write_evaluation(tmp_path / "made", evaluation)
    (tmp_path / "made/thesis.txt").write_text("x")
    with pytest.raises(BadInput, match="thesis.txt"):
        write_evaluation(tmp_path / "made", evaluation, overwrite=True)
    with pytest.raises(BadInput, match="is a file"):
        write_evaluation(tmp_path / "thesis.txt", evaluation)
    assert (tmp_path / "made/thesis.txt").read_text() == "x"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("{}", "no breastseg-evaluation-1"),
        ("nonsense", "not valid JSON"),
        ('{"format": "breastseg-evaluation-1"}', "it has no cases"),
        (
            '{"format": "breastseg-evaluation-1", "cases": [3], "measures": {}, "summary": {}, "stage": "raw"}',
            "a case has no numbers",
        ),
    ],
)
def test_a_file_that_is_no_evaluation_is_refused(tmp_path, text, expected):
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(BadInput, match=expected):
        read_evaluation(tmp_path)
    with pytest.raises(BadInput, match="no evaluation"):
        read_evaluation(tmp_path / "elsewhere")
