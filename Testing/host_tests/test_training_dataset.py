"""Steps 2 and 3 of the training panel: limits on the plot, rules, and what the dataset's export is asked for."""

import json

import pytest
from training_fixtures import (  # noqa: F401
    asked,
    cell,
    panel,
    table,
    tell,
    told,
    training,
    turnUntil,
    widget,
    writeTable,
)

COLUMNS = ("case", "patient", "exam", "mask", "centre", "age", "status", "motion_mm", "cnr", "selected", "reason")


@pytest.fixture
def measured(tmp_path):
    """A table of twelve measured cases in two centres; two lack a value, one was left out by hand."""
    rows = []
    for k in range(12):
        motion = "" if k in (3, 7) else f"{0.3 * k:.1f}"
        chosen = ("no", "blurred") if k == 11 else ("", "")
        centre = "DUKE" if k % 2 else "NACT"
        rows.append((f"c{k}", f"P{k}", f"exams/{k}", f"masks/{k}.nrrd", centre, "50", "ok", motion, str(k), *chosen))
    return writeTable(tmp_path / "cases.csv", rows, COLUMNS)


def choose(panel, name):  # noqa: F811
    """Show a measure as the user does."""
    box = panel.ui.measureBox
    box.setCurrentIndex(panel.quality._measures.index(name))
    box.activated(box.currentIndex)


def rules(panel, text):  # noqa: F811
    """Type rules, and let the panel work out what they do."""
    panel.ui.rulesEdit.plainText = text
    panel.quality._timer.stop()
    panel.quality._showRules()
    return panel.ui.rulesLabel.text


def test_the_plot_counts_what_lies_within_its_limits(panel, measured):  # noqa: F811
    panel.open(measured)
    assert panel.quality._measures == ("cnr", "motion_mm", "age")
    choose(panel, "motion_mm")
    histogram = panel.quality._histogram
    assert sum(map(sum, histogram.counts.values())) == 10 and set(histogram.centres) == {"DUKE", "NACT"}
    assert "10 of 10 cases lie within" in panel.ui.stayLabel.text and "2 have no value" in panel.ui.stayLabel.text
    panel.ui.rangeSlider.setValues(0.0, 1.5)
    assert panel.ui.highBox.value == pytest.approx(1.5) and "5 of 10" in panel.ui.stayLabel.text
    assert "NACT 3/6" in panel.ui.stayLabel.text and "DUKE 2/4" in panel.ui.stayLabel.text
    panel.ui.lowBox.setValue(0.5)
    assert panel.quality.limits[0] == pytest.approx(0.5) and "3 of 10" in panel.ui.stayLabel.text
    assert panel.ui.plotLabel.pixmap is not None


def test_the_picture_shows_bars_limits_and_shade(panel, measured):  # noqa: F811
    import qt
    from BreastSegTrainingLib.panel import distribution

    values = [("A", 0.1 * k) for k in range(100)] + [("B", 9.5)] * 30
    histogram = distribution.Histogram(values)
    assert (histogram.low, histogram.high) == (0.0, 10.0) and histogram.centres == ["A", "B"]
    assert sum(histogram.counts["A"]) == 100 and sum(histogram.counts["B"]) == 30
    image = distribution.draw(histogram, (0.0, 5.0), 400, "Measure", panel.ui.plotLabel.palette).toImage()
    ground = panel.ui.plotLabel.palette.color(qt.QPalette.Base).name()
    left = image.pixelColor(100, distribution.TOP + 4).name()
    right = qt.QColor(image.pixelColor(300, distribution.TOP + 4))
    assert left == ground and right.name() != ground and right.red() > right.blue(), "what goes is shaded red"
    colours = {image.pixelColor(x, 165).name() for x in range(10, 390)}
    assert {distribution.COLOURS[0], distribution.OUTSIDE} <= colours


@pytest.mark.parametrize("numbers", [[5.0], [5.0, 5.0], [0.0], [-3.0, 1e9], [1e-9, 2e-9], []])
def test_any_numbers_have_a_range(training, numbers):  # noqa: F811
    from BreastSegTrainingLib.panel import distribution

    low, high = distribution.niceRange(numbers)
    assert low < high and all(low <= number <= high for number in numbers)
    distribution.Histogram([("", number) for number in numbers])


def test_limits_become_a_rule_and_rules_become_limits(panel, measured):  # noqa: F811
    panel.open(measured)
    rules(panel, "centre in DUKE, NACT\nmotion < 3 mm")
    choose(panel, "motion_mm")
    assert panel.quality.limits[1] == pytest.approx(3.0)
    panel.ui.rangeSlider.setValues(0.0, 1.5)
    panel.ui.addRuleButton.click()
    assert panel.quality.rulesText == "centre in DUKE, NACT\nmotion <= 1.5 mm"
    panel.ui.rangeSlider.setValues(panel.quality._histogram.low, panel.quality._histogram.high)
    panel.ui.addRuleButton.click()
    assert panel.quality.rulesText == "centre in DUKE, NACT", "the whole range is no rule"


def test_rules_are_explained_and_counted_before_they_are_applied(panel, measured, told):  # noqa: F811
    panel.open(measured)
    assert not panel.ui.applyButton.isEnabled() and "Add as rule" in panel.ui.applyButton.toolTip
    text = rules(panel, "motion < 1.5 mm\ncentre = DUKE")
    assert text.startswith("1 of 12 cases would stay. Left out by hand: 1.")
    assert "motion < 1.5 mm: leaves out" in text
    assert panel.ui.applyButton.isEnabled()
    text = rules(panel, "motion > much")
    assert "number" in text and not panel.ui.applyButton.isEnabled() and panel.ui.applyButton.toolTip == text
    rules(panel, "motion < 1.5 mm\ncentre = DUKE")
    panel.ui.applyButton.click()
    assert told[0].arguments == ["select", str(measured), "--rule", "motion < 1.5 mm and centre = DUKE", "--events"]
    changed = measured.read_text(encoding="utf-8").splitlines()
    changed[1] += "no,rule: motion 1.9 mm is not below 1.5 mm"
    changed[1] = changed[1].replace(",,no,", ",no,")
    changed[2] = changed[2][:-1] + "no,rule: motion 2.2 mm is not below 1.5 mm; centre NACT is not DUKE"
    measured.write_text("\n".join(changed), encoding="utf-8")
    tell(panel, told[0], {"event": "result", "selected": 2, "excluded": 9, "by_reason": {}})
    rows = panel.ui.reasonsTable
    found = {rows.item(row, 0).text(): rows.item(row, 1).text() for row in range(rows.rowCount)}
    assert found == {"motion … mm is not below 1.5 mm": "2", "centre NACT is not DUKE": "1", "blurred": "1"}
    assert panel.ui.statusLabel.text == "Selected: 2 cases; left out: 9."
    rules(panel, "")
    panel.ui.applyButton.click()
    assert told[1].arguments == ["select", str(measured), "--clear", "--events"], "without rules they come back"


def test_rules_are_saved_and_loaded(panel, measured, asked, tmp_path):  # noqa: F811
    panel.open(measured)
    text = "centre in DUKE, NACT\nmotion < 1.5 mm or empty\nage is known\nat most 5 seed 3"
    rules(panel, text)
    asked["fileToSave"] = str(tmp_path / "strict")
    panel.ui.saveRulesButton.click()
    record = json.loads((tmp_path / "strict.json").read_text(encoding="utf-8"))
    assert len(record["rules"]) == 3 and record["at_most"] == 5
    rules(panel, "")
    asked["fileToOpen"] = str(tmp_path / "strict.json")
    panel.ui.loadRulesButton.click()
    assert panel.quality.rulesText == text
    (tmp_path / "strict.json").write_text("{}")
    panel.ui.loadRulesButton.click()
    assert panel.quality.rulesText == text and "no file of selection rules" in panel.ui.statusLabel.text


def test_measuring_is_a_command(panel, measured, told):  # noqa: F811
    panel.open(measured)
    panel.ui.measureButton.click()
    assert told[0].arguments == ["quality", str(measured), "--events"]
    failed = [{"case": "c3", "why": "too few slices"}]
    tell(panel, told[0], {"event": "result", "measured": 2, "skipped": 9, "failed": failed})
    assert "2 cases; measured before: 9" in panel.ui.statusLabel.text and "c3" in panel.ui.statusLabel.text
    assert panel.ui.measuredLabel.text == "12 of 12 measured"


def test_the_export_says_what_is_missing_one_thing_after_the_other(panel, measured, told, tmp_path):  # noqa: F811
    ui = panel.ui
    panel.refresh()
    sentences = [ui.exportButton.toolTip]
    panel.open(measured)
    sentences.append(ui.exportButton.toolTip)
    panel.dataset.recipe.choose("mama-mia-first-post")
    panel.refresh()
    sentences.append(ui.exportButton.toolTip)
    ui.nameEdit.text = "Brust DCE"
    sentences.append(ui.exportButton.toolTip)
    ui.nameEdit.text = "BreastDCE"
    sentences.append(ui.exportButton.toolTip)
    ui.outputEdit.setCurrentPath(str(tmp_path / "raw"))
    ui.testBox.value, ui.foldsBox.value = 0.5, 20
    sentences.append(ui.exportButton.toolTip)
    assert [text.split()[0] for text in sentences] == ["Add", "Choose", "Give", "Give", "Choose", "20"]
    ui.testBox.value, ui.foldsBox.value = 0.2, 5
    assert ui.exportButton.isEnabled() and "11 cases of 11 patients" in ui.datasetLabel.text
    assert "DUKE: 5" in ui.datasetLabel.text and "1 are left out" in ui.datasetLabel.text


def test_the_export_is_asked_for_what_was_chosen(panel, measured, told, tmp_path, widget):  # noqa: F811
    from BreastSegTrainingLib.commands.export import add_arguments
    from BreastSegTrainingLib.commands.parser import Parser

    ui = panel.ui
    panel.open(measured)
    panel.dataset.recipe.choose("mama-mia-first-post")
    ui.nameEdit.text, ui.numberBox.value = "BreastDCE", 7
    ui.outputEdit.setCurrentPath(str(tmp_path / "raw"))
    ui.testBox.value, ui.foldsBox.value, ui.seedBox.value, ui.workersBox.value = 0.25, 3, 11, 2
    panel.dataset.chooseStratify(("centre", "volume"))
    ui.prefixEdit.text, ui.licenceEdit.text, ui.referenceEdit.text = "BRCA", "CC BY 4.0", "doi:1"
    ui.keyEdit.setCurrentPath(str(tmp_path / "key.csv"))
    ui.verifyCheck.checked = True
    panel.refresh()
    assert ui.exportButton.isEnabled(), ui.exportButton.toolTip
    ui.exportButton.click()
    parser = Parser()
    add_arguments(parser.add_subparsers())
    options = parser.parse_args(told[0].arguments)
    assert (options.table, options.output, options.dataset) == (str(measured), str(tmp_path / "raw"), "007_BreastDCE")
    assert (options.test, options.folds, options.seed, options.workers) == (0.25, 3, 11, 2)
    assert options.stratify == ["centre", "volume"] and options.names == "BRCA" and options.verify
    assert (options.licence, options.reference, options.key) == ("CC BY 4.0", "doi:1", str(tmp_path / "key.csv"))
    panel.kept.keep()
    node = widget._parameterNode
    assert (node.datasetNumber, node.datasetName, node.folds, node.stratify) == (7, "BreastDCE", 3, "centre volume")
    assert node.tablePath == str(measured) and node.recipe == "mama-mia-first-post"
    tell(
        panel,
        told[0],
        {"event": "progress", "stage": "Exporting", "done": 3, "total": 11, "eta_s": 200.0},
    )
    assert ui.stageLabel.text == "Exporting: 3 of 11 – about 3 min left"
    event = {"dataset": str(tmp_path / "raw" / "Dataset007_BreastDCE"), "written": 10, "unchanged": 0, "failed": []}
    tell(panel, told[0], {"event": "result", **event, "training": 8, "test": 2, "folds": 3})
    assert (
        "8 cases for training, 2 for the test, 3 folds" in ui.exportedLabel.text and ui.showDatasetButton.isEnabled()
    )
    assert "Exported Dataset007_BreastDCE" in ui.statusLabel.text


def test_failed_cases_are_named(panel, measured, told, tmp_path):  # noqa: F811
    panel.open(measured)
    panel.dataset._onExported({"dataset": str(tmp_path), "failed": [{"case": "c1", "why": "disk full"}]})
    assert "c1: disk full" in panel.ui.exportedLabel.text and "1 case could not" in panel.ui.statusLabel.text


def test_the_summary_is_made_and_opened(panel, measured, told, asked, tmp_path, monkeypatch):  # noqa: F811
    import qt

    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or False)
    panel.open(measured)
    panel.ui.summaryButton.click()
    assert not told, "no name was given"
    asked["fileToSave"] = str(tmp_path / "paper")
    panel.ui.summaryButton.click()
    assert told[0].arguments[:4] == ["summary", str(measured), "--output", str(tmp_path / "paper.html")]
    tell(panel, told[0], {"event": "result", "report": str(tmp_path / "paper.html")})
    assert opened == [str(tmp_path / "paper.html")] and "Nothing could open" in panel.ui.statusLabel.text


def test_settings_come_back_with_the_scene(panel, measured, widget, tmp_path):  # noqa: F811
    import slicer

    panel.open(measured)
    rules(panel, "age > 20")
    panel.dataset.recipe.choose("ffdm-512")
    panel.cases.setColumns(("case", "age"))
    panel.ui.outputEdit.setCurrentPath(str(tmp_path))
    panel.refresh()
    panel.kept.keep()
    path = tmp_path / "scene.mrml"
    slicer.mrmlScene.SetRootDirectory(str(tmp_path))
    slicer.mrmlScene.SetURL(str(path))
    assert slicer.mrmlScene.Commit()
    slicer.mrmlScene.Clear(0)
    panel.opened.clear()
    panel.file.new()
    panel.quality.chooseRules("")
    panel.dataset.recipe.choose("")
    panel.ui.outputEdit.setCurrentPath("")
    panel.refresh()
    slicer.util.loadScene(str(path))
    assert panel.opened.path == measured and panel.quality.rulesText == "age > 20"
    assert panel.dataset.recipe.nameOrFile == "ffdm-512" and panel.ui.outputEdit.currentPath == str(tmp_path)
    assert panel.cases.grid.columns == ("case", "age")


def test_a_measure_without_numbers_is_not_offered(panel, tmp_path):  # noqa: F811
    rows = [(f"c{k}", f"P{k}", "e", "m", "", "sixty", "", "", str(k), "", "") for k in range(3)]
    panel.open(writeTable(tmp_path / "cases.csv", rows, COLUMNS))
    assert panel.quality._measures == ("cnr",)


def test_values_that_no_plot_can_show_are_left_out(panel, tmp_path):  # noqa: F811
    rows = [
        (f"c{k}", f"P{k}", "e", "m", "", "", "", "", text, "", "") for k, text in enumerate(("1e308", "-1e308", "3"))
    ]
    assert panel.open(writeTable(tmp_path / "cases.csv", rows, COLUMNS))
    choose(panel, "cnr")
    assert "1 of 1" in panel.ui.stayLabel.text


def test_limits_that_take_in_everything_are_no_rule_and_that_is_said(panel, measured):  # noqa: F811
    panel.open(measured)
    choose(panel, "cnr")
    panel.quality.addRule()
    assert panel.quality.rulesText == "" and "move them first" in panel.ui.statusLabel.text


def test_an_edit_in_step_1_is_seen_in_step_2(panel, measured):  # noqa: F811
    panel.open(measured)
    assert rules(panel, "age < 55").startswith("11 of 12")
    panel.ui.rulesEdit.plainText = "age < 55"
    cell(panel, 0, "age").setText("70")
    panel.ui.stepTabs.setCurrentIndex(1)
    assert panel.ui.rulesLabel.text.startswith("10 of 12")


def test_a_question_in_a_sentence_ends_with_its_own_mark(panel, measured):  # noqa: F811
    panel.open(measured)
    assert rules(panel, "centr = DUKE").endswith("?")
