"""Step 1 of the training panel: the table of cases is opened, sorted, filtered, edited and saved; nothing is lost."""

import pytest
from training_fixtures import (  # noqa: F401
    ROWS,
    asked,
    cell,
    panel,
    settle,
    shown,
    table,
    tell,
    told,
    training,
    turnUntil,
    widget,
    writeTable,
)


def test_an_empty_panel_says_what_to_do(panel):  # noqa: F811
    ui = panel.ui
    assert "No cases yet" in ui.tableLabel.text
    assert not ui.checkButton.isEnabled() and ui.checkButton.toolTip == "Open a table or add cases first."
    assert not ui.exportButton.isEnabled() and "step 1" in ui.exportButton.toolTip
    assert not ui.applyButton.isEnabled() and not ui.loadCaseButton.isEnabled()
    assert ui.caseTable.isHidden() and ui.missingFrame.isHidden() and ui.progressFrame.isHidden()


def test_a_table_is_shown_with_a_status_in_words_and_colour(panel, table):  # noqa: F811
    assert panel.open(table)
    settle(panel)
    assert shown(panel) == ["case_2", "case_10", "case_1"]
    assert shown(panel, 1) == ["OK", "Choose a fix", "Not checked"]
    colours = {cell(panel, row, "status").foreground().color().name() for row in range(3)}
    assert len(colours) == 3
    assert "3 cases of 2 patients" in panel.ui.tableLabel.text and "cases.csv" in panel.ui.tableLabel.text
    assert not panel.opened.unsaved and panel.ui.missingFrame.isHidden()


def test_what_the_last_check_has_found_can_be_mended_at_once(panel, tmp_path, told):  # noqa: F811
    both = "several-labels: holds 1 and 2; recipe: no post2"
    rows = [(*row, found) for row, found in zip(ROWS, (both, "several-labels: 1; 3", "no-such: x"))]
    columns = ("case", "patient", "exam", "mask", "centre", "age", "status", "findings")
    panel.open(writeTable(tmp_path / "checked.csv", rows, columns))
    found = panel.ui.findingsTable
    cells = [[found.item(row, column).text() for column in (0, 1)] for row in range(found.rowCount)]
    assert cells == [["Several labels", "2"], ["Recipe cannot be made", "1"]] and not found.isHidden()
    found.cellWidget(0, 2).menu().actions()[0].trigger()
    assert told[-1].arguments[-3:] == ["--fix", "several-labels=merge", "--events"]


def test_columns_without_values_are_not_shown_and_can_be(panel, table):  # noqa: F811
    panel.open(table)
    assert panel.cases.grid.columns == ("case", "status", "patient", "centre", "age", "mask")
    panel.cases._fillColumnMenu()
    actions = {action.text: action for action in panel.cases._columnMenu.actions()}
    assert actions["Centre"].isChecked() and not actions["Density"].isChecked() and not actions["Case"].isEnabled()
    actions["Density"].setChecked(True)
    actions["Centre"].setChecked(False)
    assert "density" in panel.cases.grid.columns and "centre" not in panel.cases.grid.columns


def test_headings_sort_as_people_count_and_a_third_click_gives_the_order_of_the_file(panel, table):  # noqa: F811
    panel.open(table)
    header = panel.ui.caseTable.horizontalHeader()
    header.sectionClicked(0)
    assert shown(panel) == ["case_1", "case_2", "case_10"]
    header.sectionClicked(0)
    assert shown(panel) == ["case_10", "case_2", "case_1"]
    header.sectionClicked(0)
    assert shown(panel) == ["case_2", "case_10", "case_1"]
    age = panel.cases.grid.columns.index("age")
    header.sectionClicked(age)
    assert shown(panel) == ["case_10", "case_2", "case_1"], "17,5 before 61; a case without an age comes last"
    header.sectionClicked(age)
    assert shown(panel) == ["case_2", "case_10", "case_1"]


def test_the_filter_looks_at_all_columns_and_all_words(panel, table):  # noqa: F811
    panel.open(table)
    panel.ui.filterEdit.text = "SOUTH exams/1"
    turnUntil(lambda: panel.ui.caseTable.rowCount == 2, patience=5)
    assert shown(panel) == ["case_10", "case_1"]
    panel.ui.filterEdit.text = "south nobody"
    turnUntil(lambda: panel.ui.caseTable.rowCount == 0, patience=5)
    panel.ui.filterEdit.text = ""
    turnUntil(lambda: panel.ui.caseTable.rowCount == 3, patience=5)
    panel.ui.stateBox.setCurrentIndex(1)
    assert shown(panel) == ["case_10"], "only what needs work"


def test_an_edit_stands_in_the_case_and_makes_the_check_untrue(panel, table):  # noqa: F811
    panel.open(table)
    panel.cases.grid.sortColumn = "case"
    panel.cases.showRows()
    cell(panel, 1, "centre").setText(" East ")
    assert panel.opened.cases[0].get("centre") == "East" and panel.opened.unsaved
    assert panel.opened.cases[0].get("status") == "ok", "the centre is nothing that was checked"
    cell(panel, 1, "mask").setText("masks/1.nrrd")
    assert panel.opened.cases[0].get("status") == ""
    assert cell(panel, 1, "status").text() == "Not checked"
    assert "*" in panel.ui.tableLabel.text and panel.ui.saveButton.isEnabled()
    panel.ui.saveButton.click()
    assert not panel.opened.unsaved and "East" in table.read_text(encoding="utf-8")
    assert panel.open(table) and panel.opened.cases[0].get("centre") == "East"


def test_a_wrong_value_is_kept_shown_red_and_explained(panel, table):  # noqa: F811
    panel.open(table)
    cell(panel, 0, "age").setText("old")
    assert panel.opened.cases[0].get("age") == "old"
    assert cell(panel, 0, "status").text() == "Row is wrong"
    assert "not a number" in panel.ui.statusLabel.text and "not a number" in cell(panel, 0, "status").toolTip()
    assert cell(panel, 0, "age").foreground().color().name() == "#c0392b"
    cell(panel, 0, "age").setText("61")
    assert cell(panel, 0, "status").text() == "OK" and panel.ui.statusLabel.text == ""


def test_the_same_name_twice_is_told_of_both(panel, table):  # noqa: F811
    panel.open(table)
    cell(panel, 0, "case").setText("CASE_1")
    panel.cases.showRows()
    assert shown(panel, 1) == ["Row is wrong", "Choose a fix", "Row is wrong"]


def test_missing_files_are_told_in_one_sentence_and_relocated_at_once(panel, tmp_path, asked):  # noqa: F811
    rows = [(f"c{k}", "P", f"/gone/data/exams/{k}", f"/gone/data/masks/{k}.nrrd", "", "", "ok") for k in range(3)]
    path = tmp_path / "cases.csv"
    path.write_text(
        "case,patient,exam,mask\n" + "".join(f"{r[0]},{r[1]},{r[2]},{r[3]}\n" for r in rows), encoding="utf-8"
    )
    for k in range(3):
        (tmp_path / "new" / "exams" / str(k)).mkdir(parents=True)
        (tmp_path / "new" / "masks").mkdir(exist_ok=True)
        (tmp_path / "new" / "masks" / f"{k}.nrrd").write_bytes(b"x")
    panel.open(path)
    settle(panel)
    assert not panel.ui.missingFrame.isHidden() and "3 cases" in panel.ui.missingLabel.text
    assert shown(panel, 1) == ["File missing"] * 3
    panel.ui.relocateButton.click()
    assert len(asked["asked"]) == 1 and not panel.opened.unsaved, "nothing chosen: nothing changes"
    asked["folder"] = str(tmp_path / "new")
    panel.ui.relocateButton.click()
    settle(panel)
    assert panel.ui.missingFrame.isHidden() and panel.opened.unsaved
    assert "6 paths" in panel.ui.statusLabel.text
    assert all(path.exists() for case in panel.opened.cases for path in panel.opened.table.mask_paths(case))


def test_rows_are_added_and_removed(panel, table, asked):  # noqa: F811
    panel.open(table)
    panel.cases.addRow()
    assert panel.ui.caseTable.rowCount == 4 and panel.cases.chosen == [3]
    assert {"exam", "mask"} <= set(panel.cases.grid.columns), "what has to be filled in is shown"
    assert panel.opened.cases[3].name == "case_001" and cell(panel, 3, "status").text() == "Row is wrong"
    panel.ui.removeButton.click()
    assert shown(panel) == ["case_2", "case_10", "case_1"] and not asked["asked"], "one row needs no question"
    panel.ui.caseTable.selectAll()
    asked["yes"] = False
    panel.ui.removeButton.click()
    assert panel.ui.caseTable.rowCount == 3
    asked["yes"] = True
    panel.ui.removeButton.click()
    assert panel.ui.caseTable.rowCount == 0 and table.read_text(encoding="utf-8").count("case_") == 3


def test_unsaved_edits_are_asked_about(panel, table, asked, tmp_path):  # noqa: F811
    other = writeTable(tmp_path / "other.csv", ROWS[:1])
    panel.open(table)
    cell(panel, 0, "centre").setText("East")
    asked["fileToOpen"] = str(other)
    panel.ui.openButton.click()
    assert panel.opened.name == "cases.csv" and panel.opened.unsaved, "cancelled"
    asked["unsaved"] = "save"
    panel.ui.openButton.click()
    assert panel.opened.name == "other.csv" and "East" in table.read_text(encoding="utf-8")
    cell(panel, 0, "centre").setText("West")
    asked["unsaved"] = "discard"
    panel.file.new()
    assert panel.opened.path is None and "West" not in other.read_text(encoding="utf-8")


def test_a_file_that_another_program_changed_is_not_overwritten_unasked(panel, table, asked):  # noqa: F811
    panel.open(table)
    cell(panel, 0, "centre").setText("East")
    table.write_text(table.read_text(encoding="utf-8").replace("South", "Elsewhere"), encoding="utf-8")
    asked["yes"] = False
    panel.ui.saveButton.click()
    assert panel.opened.unsaved and "East" not in table.read_text(encoding="utf-8")
    asked["yes"] = True
    panel.ui.saveButton.click()
    assert not panel.opened.unsaved and "Elsewhere" not in table.read_text(encoding="utf-8")


def test_a_table_that_is_gone_is_written_again(panel, table):  # noqa: F811
    panel.open(table)
    cell(panel, 0, "centre").setText("East")
    table.unlink()
    assert panel.file.save() and "East" in table.read_text(encoding="utf-8")


@pytest.mark.skipif("os.name == 'nt' or not hasattr(os, 'geteuid') or os.geteuid() == 0", reason="root may write")
def test_a_read_only_folder_is_told_of(panel, table):  # noqa: F811
    panel.open(table)
    cell(panel, 0, "centre").setText("East")
    table.parent.chmod(0o500)
    assert not panel.file.save() and panel.opened.unsaved
    table.parent.chmod(0o700)


def test_a_table_that_cannot_be_written_stays_unsaved(panel, table, tmp_path, asked):  # noqa: F811
    panel.open(table)
    cell(panel, 0, "centre").setText("East")
    (tmp_path / "file").write_text("no folder")
    asked["fileToSave"] = str(tmp_path / "file" / "below.csv")
    assert not panel.file.saveAs()
    assert panel.opened.unsaved and panel.ui.statusLabel.text and panel.opened.path == table
    assert cell(panel, 0, "centre").text() == "East"


def test_a_bad_table_leaves_what_is_open(panel, table, tmp_path):  # noqa: F811
    panel.open(table)
    for name, text in (("empty.csv", ""), ("bad.csv", "name,mask\nx,y\n"), ("no.csv", None)):
        path = tmp_path / name
        if text is not None:
            path.write_text(text)
        assert not panel.open(path)
        assert name in panel.ui.statusLabel.text and "\n" not in panel.ui.statusLabel.text
        assert shown(panel) == ["case_2", "case_10", "case_1"] and panel.opened.path == table


def test_save_as_moves_relative_paths(panel, table, tmp_path, asked):  # noqa: F811
    panel.open(table)
    asked["fileToSave"] = str(tmp_path / "copy")
    assert panel.file.saveAs() and panel.opened.path == tmp_path / "copy.csv"
    settle(panel)
    assert panel.ui.missingFrame.isHidden()
    assert panel.opened.cases[0].get("mask") == "tafel ä/masks/2.nrrd"


def test_pictures_of_the_check_are_shown(panel, table):  # noqa: F811
    import qt

    folder = table.parent / "cases.thumbnails"
    folder.mkdir()
    picture = qt.QPixmap(32, 32)
    picture.fill(qt.QColor("red"))
    assert picture.save(str(folder / "case_10.png"))
    (folder / "case_1.png").write_bytes(b"no picture")
    panel.open(table)
    icons = [cell(panel, row, "case").icon().isNull() for row in range(3)]
    assert icons == [True, False, True]
    assert panel.ui.caseTable.rowHeight(0) > 40
    assert "<img" in cell(panel, 1, "case").toolTip() and "<img" not in cell(panel, 0, "case").toolTip()


def test_ten_thousand_cases_need_few_items(panel, tmp_path):  # noqa: F811
    lines = [f"c{k},p{k // 2},exams/{k},masks/{k}.nrrd,{'AB'[k % 2]}" for k in range(10_000)]
    path = tmp_path / "many.csv"
    path.write_text("\n".join(["case,patient,exam,mask,centre", *lines]), encoding="utf-8")
    assert panel.open(path)
    table_ = panel.ui.caseTable
    assert table_.rowCount == 10_000
    made = sum(table_.item(row, 0) is not None for row in range(10_000))
    assert made < 200, "only rows that can be seen are made"
    table_.verticalScrollBar().setValue(9_000)
    assert table_.item(table_.rowAt(2), 0).text() == f"c{table_.rowAt(2)}"
    panel.ui.filterEdit.text = "c99 B"
    panel.cases.showRows()
    assert all("c99" in text for text in shown(panel)[:5]) and 0 < table_.rowCount < 200
    panel.cases.missing.stop()


def test_a_filter_by_status_does_not_hide_another_table(panel, table, tmp_path):  # noqa: F811
    panel.open(table)
    panel.ui.stateBox.setCurrentIndex(1)
    assert shown(panel) == ["case_10"]
    assert panel.open(writeTable(tmp_path / "other" / "cases.csv", ROWS[:1]))
    assert shown(panel) == ["case_2"] and panel.ui.stateBox.currentIndex == 0


def test_a_removed_or_renamed_row_takes_its_missing_files_along(panel, table):  # noqa: F811
    (table.parent / "masks" / "2.nrrd").unlink()
    panel.open(table)
    settle(panel)
    assert not panel.ui.missingFrame.isHidden()
    cell(panel, 0, "case").setText("renamed")
    settle(panel)
    assert shown(panel, 1)[0] == "File missing"
    panel.cases.grid.choose(0)
    panel.ui.removeButton.click()
    settle(panel)
    assert panel.ui.missingFrame.isHidden() and shown(panel) == ["case_10", "case_1"]


def test_a_name_that_is_used_twice_is_told_at_once_of_both_rows(panel, table):  # noqa: F811
    panel.open(table)
    cell(panel, 0, "case").setText("case_1")
    assert shown(panel, 1) == ["Row is wrong", "Choose a fix", "Row is wrong"]


def test_what_is_being_typed_survives_news_of_files_and_is_saved(panel, table, told):  # noqa: F811
    import qt

    panel.open(table)
    grid = panel.ui.caseTable
    column = panel.cases.grid.columns.index("centre")
    grid.setCurrentCell(1, column)
    grid.editItem(grid.item(1, column))
    editor = grid.indexWidget(grid.model().index(1, column))
    editor.setText("Mitte")
    settle(panel)
    panel.cases.grid.refreshAll()
    assert editor.text == "Mitte", "the editor still has it"
    # Nothing takes the focus from the cell, as with buttons on macOS.
    panel.ui.checkButton.click()
    assert told and "Mitte" in table.read_text(encoding="utf-8")
    assert qt.QAbstractItemView.NoEditTriggers == grid.editTriggers


def test_sorting_while_a_cell_is_typed_in_keeps_the_text_with_its_case(panel, table):  # noqa: F811
    panel.open(table)
    settle(panel)
    grid = panel.ui.caseTable
    column = panel.cases.grid.columns.index("centre")
    grid.setCurrentCell(0, column)
    grid.editItem(grid.item(0, column))
    grid.indexWidget(grid.model().index(0, column)).setText("Mitte")
    grid.horizontalHeader().sectionClicked(0)
    assert shown(panel) == ["case_1", "case_2", "case_10"] and shown(panel, column) == ["South", "Mitte", "South"]
    assert [case.get("centre") for case in panel.opened.cases] == ["Mitte", "South", "South"]


def test_an_edit_that_comes_while_a_command_writes_the_file_is_not_taken(panel, table, told):  # noqa: F811
    panel.open(table)
    panel.ui.checkButton.click()
    cell(panel, 0, "centre").setText("too late")
    assert cell(panel, 0, "centre").text() == "North" and not panel.opened.unsaved


def test_a_file_name_that_gets_its_ending_does_not_replace_a_file_unasked(panel, table, asked, tmp_path):  # noqa: F811
    there = tmp_path / "there.csv"
    there.write_text("precious", encoding="utf-8")
    panel.open(table)
    asked["fileToSave"], asked["yes"] = str(tmp_path / "there"), False
    assert not panel.file.saveAs() and there.read_text(encoding="utf-8") == "precious"
    assert any(question[0] == "yes" and "there.csv" in question[1] for question in asked["asked"])
    asked["yes"] = True
    assert panel.file.saveAs() and "case_10" in there.read_text(encoding="utf-8-sig")


def test_a_table_that_is_no_csv_file_is_saved_under_a_name_that_is_asked_for(panel, tmp_path, asked):  # noqa: F811
    path = tmp_path / "cases.tsv"
    path.write_text("case\tpatient\texam\tmask\nc1\tP\texams/1\tmasks/1.nrrd\n", encoding="utf-8")
    panel.open(path)
    cell(panel, 0, "patient").setText("Q")
    assert not panel.file.save() and panel.opened.unsaved and not (tmp_path / "cases.tsv.csv").exists()
    asked["fileToSave"] = str(tmp_path / "new.csv")
    assert panel.file.save() and panel.opened.name == "new.csv"


def test_a_file_that_is_gone_is_told_as_such(panel, table, told, asked):  # noqa: F811
    panel.open(table)
    table.unlink()
    asked["yes"] = False
    panel.ui.checkButton.click()
    assert not told and "is gone" in asked["asked"][-1][1]


def test_a_recipe_that_is_none_is_told_and_the_former_stays(panel, tmp_path, asked):  # noqa: F811
    path = tmp_path / "no.json"
    path.write_text("[]", encoding="utf-8")
    box = panel.dataset.recipe
    box.choose("mama-mia-first-post")
    asked["fileToOpen"] = str(path)
    panel.ui.recipeBox.activated(len(box._names) - 1)
    assert box.nameOrFile == "mama-mia-first-post" and "no.json" in panel.ui.statusLabel.text
