"""The whole way through the training panel with the real commands: check, fix, quality, rules, dataset, summary."""

import shutil
from pathlib import Path

import numpy as np
from test_batch_panel import alive, processes
from training_fixtures import (  # noqa: F401
    asked,
    cell,
    finish,
    panel,
    training,
    turnUntil,
    widget,
)


def press(panel, button):  # noqa: F811
    """Press a button and wait for the command to end well."""
    assert button.isEnabled(), button.toolTip
    button.click()
    assert panel.working, panel.ui.statusLabel.text
    finish(panel)
    assert panel.error is None, panel.ui.statusLabel.text


def test_from_cases_to_a_dataset(panel, tmp_path, asked, monkeypatch):  # noqa: F811
    import json

    import qt
    from BreastSegLib.reports.masks import write_mask
    from BreastSegLib.volume import Volume
    from BreastSegTrainingLib.cases import CaseTable
    from BreastSegTrainingLib.panel import selfchecks

    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: True)
    path = selfchecks.makeTable(tmp_path / "fälle 1")
    folder = tmp_path / "fälle 1"
    # A third case: the second exam of the first patient, with two labels.
    from BreastSegLib.samples.dce import make_dce_exam

    sample = make_dce_exam(seed=77, **selfchecks.SIZE)
    from BreastSegLib.exam.store import save_exam

    save_exam(sample.exam, folder / "exams" / "third")
    labels = sample.truth.array.astype(np.uint8)
    labels[labels.nonzero()[0][0]] *= 2
    write_mask(folder / "masks" / "third.nrrd", Volume(labels, sample.truth.geometry))
    panel.open(path)
    place = panel.cases.addRow(case="third", patient="P1", exam="exams/third", mask="masks/third.nrrd")
    panel.opened.setValue(place, "centre", "North")
    panel.ui.saveButton.click()
    ui = panel.ui
    press(panel, ui.checkButton)
    states = {case.name: case.get("status") for case in panel.opened.cases}
    assert states["third"] == "fix", [case.get("findings") for case in panel.opened.cases]
    codes = [ui.findingsTable.item(row, 0).text() for row in range(ui.findingsTable.rowCount)]
    button = ui.findingsTable.cellWidget(codes.index("Several labels"), 2)
    button.menu().actions()[0].trigger()
    finish(panel)
    assert panel.opened.cases[2].get("status") == "ok", panel.opened.cases[2].get("findings")
    assert all(case.get("volume_mm3") for case in panel.opened.cases)
    pictures = sorted(path.name for path in (folder / "cases.thumbnails").glob("*.png"))
    assert pictures == ["sample_01.png", "sample_02.png", "third.png"]
    assert not cell(panel, 0, "case").icon().isNull()
    press(panel, ui.measureButton)
    assert ui.measuredLabel.text == "3 of 3 measured" and "motion_mm" in panel.quality._measures
    panel.quality.chooseRules("age > 10 or empty\ncentre in North, South")
    panel.refresh()
    press(panel, ui.applyButton)
    panel.dataset.recipe.choose("mama-mia-first-post")
    ui.nameEdit.text = "Whole"
    ui.outputEdit.setCurrentPath(str(tmp_path / "nnUNet_raw"))
    ui.testBox.value, ui.foldsBox.value = 0.0, 2
    panel.refresh()
    press(panel, ui.exportButton)
    dataset = tmp_path / "nnUNet_raw" / "Dataset101_Whole"
    assert len(list((dataset / "imagesTr").iterdir())) == len(list((dataset / "labelsTr").iterdir())) == 3
    assert "3 cases for training, 0 for the test, 2 folds" in ui.exportedLabel.text
    record = json.loads((dataset / "dataset.json").read_text(encoding="utf-8"))
    assert record["numTraining"] == 3
    press(panel, ui.exportButton)
    assert "unchanged: 3" in ui.exportedLabel.text
    asked["fileToSave"] = str(tmp_path / "paper")
    press(panel, ui.summaryButton)
    assert (tmp_path / "paper.html").stat().st_size > 1000
    assert len(CaseTable.read(path)) == 3


def test_a_dataset_is_imported_and_cancel_leaves_no_process(panel, tmp_path, asked):  # noqa: F811
    from BreastSegTrainingLib.panel import selfchecks

    path = selfchecks.makeTable(tmp_path / "made")
    source = tmp_path / "data set"
    for name in ("images", "masks"):
        (source / name).mkdir(parents=True)
    from BreastSegLib.samples.dce import make_dce_exam
    from BreastSegLib.samples.writing import write_dce_sample

    write_dce_sample(make_dce_exam(seed=78, **selfchecks.SIZE), tmp_path / "sample", format="nifti")
    for number, file in enumerate(sorted((tmp_path / "sample" / "exam").glob("*.nii.gz"))):
        shutil.copyfile(file, source / "images" / f"P7_{number:04d}.nii.gz")
    shutil.copyfile(tmp_path / "sample" / "truth.nii.gz", source / "masks" / "P7.nii.gz")
    panel.open(path)
    panel.addBox.chooseLayout("folder")
    panel.addBox.ui.sourceEdit.setCurrentPath(str(source))
    panel.addBox.start()
    finish(panel)
    assert panel.error is None and len(panel.opened.table) == 3, panel.ui.statusLabel.text
    new = panel.opened.cases[2]
    assert len(new.parts("phases")) == 3 and panel.opened.table.mask_paths(new)[0].is_file()
    panel.ui.saveButton.click()
    panel.ui.checkButton.click()
    turnUntil(lambda: not panel.working or panel.ui.progressBar.maximum > 0)
    pids = processes(panel.work.pid) if panel.working and Path("/proc").is_dir() else ()
    panel.ui.cancelButton.click()
    finish(panel)
    assert panel.ui.statusLabel.text.startswith(("Cancelled", "Checked"))
    if pids:
        turnUntil(lambda: not alive(pids), patience=5)
