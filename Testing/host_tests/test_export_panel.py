"""Report and export as a user meets it: what is offered, what is written, and that nothing half done stays behind."""

import csv
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from breastseg_fixtures import (  # noqa: F401
    breastseg,
    finish,
    load,
    one_event_a_turn,
    scene,
    turnUntil,
    widget,
)
from export_fixtures import asUsual, coarse, tick  # noqa: F401
from results_fixtures import BOX, OTHER, draw

KINDS = ("html", "pdf", "csv", "json", "seg", "sr", "pdf_dicom")
FILES = {
    "html": "case-7-report.html",
    "pdf": "case-7-report.pdf",
    "csv": "case-7-measures.csv",
    "json": "case-7-measures.json",
    "seg": "case-7-seg.dcm",
    "sr": "case-7-sr.dcm",
    "pdf_dicom": "case-7-report.dcm",
}
PATIENT = ("Sample^Synthetic", "SYNTHETIC-DCE-7", "19700101")


@pytest.fixture
def panel(widget, tmp_path):  # noqa: F811
    """The panel with the demo model, the group open, and a folder for the files."""
    panel = widget.panel
    panel.modelStep.chooseModel("demo-dce")
    panel.modelStep.chooseDevice("cpu")
    panel.ui.exportGroup.collapsed = False
    box = panel.resultSteps.export
    box.ui.exportFolderEdit.setCurrentPath(str(tmp_path / "out"))
    box.ui.exportNameEdit.text = "case-7"
    tick(box, *KINDS)
    yield panel
    settle(panel)
    asUsual(box)
    panel.ui.exportGroup.collapsed = True


@pytest.fixture
def asked(monkeypatch):
    """The questions that were asked, and the answer to them."""
    import slicer

    found = {"questions": [], "answer": True}

    def ask(text, *rest, **more):
        found["questions"].append(text)
        return found["answer"]

    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", ask)
    return found


def settle(panel):
    """Let the panel end what it does."""
    finish(panel)
    turnUntil(lambda: not panel.resultSteps.working)


def write(panel):
    """Press the button and wait; return the sentence that is shown then."""
    box = panel.resultSteps.export
    box.ui.exportButton.click()
    assert box.working, box.ui.exportStatusLabel.text
    settle(panel)
    return box.ui.exportStatusLabel.text


def loadAndDraw(panel, folder, *boxes):
    """Load an exam, draw a segmentation on it, and return both."""
    exam = load(panel, folder)
    node = draw(exam, *boxes)
    settle(panel)
    return exam, node


def names(folder):
    """Return the names of all files below a folder, those of hidden ones too."""
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def lesionsOf(path):
    """Return the volume in mm³ of each lesion in a structured report, by another reader."""
    import highdicom as hd

    found = []
    for group in hd.sr.srread(path).content.get_volumetric_roi_measurement_groups():
        found += [each.value for each in group.get_measurements() if each.name.meaning == "Volume"]
    return found


def countsOf(path):
    """Return the number of voxels of each segment of a DICOM segmentation, and its algorithm types."""
    import highdicom as hd

    seg = hd.seg.segread(path)
    volume = seg.get_volume(combine_segments=True).array
    types = {str(segment.SegmentAlgorithmType) for segment in seg.SegmentSequence}
    return [int((volume == number).sum()) for number in seg.segment_numbers], types


def test_what_is_missing_is_said(panel, coarse):  # noqa: F811
    box, ui = panel.resultSteps.export, panel.resultSteps.export.ui
    assert ui.exportFrame.isHidden() and ui.exportEmptyLabel.text.startswith("Segment an exam first")
    loadAndDraw(panel, coarse, BOX)
    assert not ui.exportFrame.isHidden() and ui.exportEmptyLabel.isHidden()
    assert ui.exportButton.isEnabled() and ui.exportNoteLabel.isHidden() and box.kinds == KINDS
    ui.exportFolderEdit.setCurrentPath(" ")
    assert ui.exportNoteLabel.text == "Choose a folder for the files." == ui.exportButton.toolTip
    assert not ui.exportButton.isEnabled() and not ui.exportNoteLabel.isHidden()
    ui.exportFolderEdit.setCurrentPath("here")
    assert ui.exportButton.isEnabled() and os.path.isabs(box.outputs["html"]), "the worker is elsewhere"
    for name in ("", "../out", "a/b", "a\\b", "a:b", "a\nb", "x" * 81):
        ui.exportNameEdit.text = name
        assert not ui.exportButton.isEnabled(), name
        assert ui.exportNoteLabel.text.startswith("Give the files a name of letters")
    ui.exportNameEdit.text = "Fall 3 (müde)"
    assert ui.exportButton.isEnabled()
    tick(box)
    assert ui.exportNoteLabel.text == "Tick what shall be written." and not ui.exportButton.isEnabled()
    assert ui.exportProgressFrame.isHidden() and ui.exportRowFrame.isHidden() and ui.exportStatusLabel.isHidden()
    # Who is named is decided anew for each exam.
    ui.identifyCheck.checked = True
    load(panel, coarse)
    assert not ui.identifyCheck.checked


def test_a_run_goes_out_in_all_kinds(panel, coarse, asked, tmp_path, artefacts, caplog, monkeypatch):  # noqa: F811
    import pydicom
    from Host import screenshots

    folder, box = tmp_path / "out", panel.resultSteps.export
    exam = load(panel, coarse)
    panel.ui.segmentButton.click()
    settle(panel)
    rows = panel.resultsBox.result.measures["lesions"]
    assert rows and box.kinds == KINDS
    said = write(panel)
    assert said == "Written: " + ", ".join(FILES[kind] for kind in KINDS)
    assert names(folder) == sorted(FILES.values()) and not asked["questions"]
    assert not panel.resultsBox.edited and panel.ui.segmentButton.isEnabled()
    for button in ("openReportButton", "openFolderButton", "sendButton"):
        assert not getattr(box.ui, button).isHidden()
    # The numbers are those of the table.
    table = panel.resultsBox.ui.lesionTable
    shown = [table.item(place, 2).text() for place in range(table.rowCount)]
    measures = json.loads((folder / FILES["json"]).read_text(encoding="utf-8"))
    with open(folder / FILES["csv"], newline="", encoding="utf-8-sig") as stream:
        lines = list(csv.DictReader(stream))
    volumes = [row["volume_mm3"] for row in measures["lesions"]]
    counts, types = countsOf(folder / FILES["seg"])
    voxel = float(np.prod(exam.geometry.spacing))
    assert [f"{value / 1000:.2f}" for value in volumes] == shown
    assert [float(line["volume (mm³)"]) for line in lines] == pytest.approx(volumes)
    assert lesionsOf(folder / FILES["sr"]) == pytest.approx(volumes, rel=1e-6)
    assert [count * voxel for count in counts] == pytest.approx(volumes) and types == {"AUTOMATIC"}
    # A report for people, which tells nobody's name.
    page = (folder / FILES["html"]).read_text(encoding="utf-8")
    assert "demo-dce" in page and shown[0] in page and panel.result.record["id"] in page
    assert (folder / FILES["pdf"]).read_bytes().startswith(b"%PDF")
    told = [page, json.dumps(measures), *map(str, lines), said, panel.ui.logText.plainText, caplog.text]
    assert not any(word in text for word in PATIENT for text in told)
    screenshots.panelScreenshot(panel.ui.exportGroup, artefacts / "breastseg-export.png")
    # What is there is replaced only when the user agrees; with the patient named, once that is ticked.
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    asked["answer"] = False
    tick(box, "html", "seg")
    box.ui.exportButton.click()
    assert not box.working and {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (question,) = asked["questions"]
    assert question == f"These files exist already: {FILES['html']}, {FILES['seg']}. Replace them?"
    asked["answer"] = True
    box.ui.identifyCheck.checked = True
    # Somebody erases the half of it: that is measured and written, and said in the file.
    node = panel.result.node
    erase(node, exam)
    write(panel)
    halved, types = countsOf(folder / FILES["seg"])
    assert types == {"SEMIAUTOMATIC"} and 0 < halved[0] < counts[0]
    assert panel.resultsBox.result.measures["lesions"][0]["voxels"] == halved[0]
    assert table.item(0, 2).text() == f"{halved[0] * voxel / 1000:.2f}", "the table follows"
    page = (folder / FILES["html"]).read_text(encoding="utf-8")
    assert "Sample" in page and "SYNTHETIC-DCE-7" in page
    assert (folder / FILES["csv"]).read_bytes() == before[FILES["csv"]], "what was not ticked is left alone"
    # A model that is not installed any more has made it all the same.
    monkeypatch.setattr("BreastSegLib.scene.measureflow._modelFolder", lambda result: "")
    tick(box, "seg")
    write(panel)
    again = pydicom.dcmread(folder / FILES["seg"]).SegmentSequence[0]
    assert again.SegmentAlgorithmType == "SEMIAUTOMATIC" and again.SegmentAlgorithmName == "demo-dce"


def voxelsOf(node, exam):
    """Return how many voxels the first segment has."""
    import slicer

    segment = node.GetSegmentation().GetNthSegmentID(0)
    return int((slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, exam.reference) > 0).sum())


def erase(node, exam):
    """Erase the half of the first segment."""
    import slicer

    segment = node.GetSegmentation().GetNthSegmentID(0)
    array = slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, exam.reference)
    array[:, :, : int(np.argwhere(array)[:, 2].mean())] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, segment, exam.reference)


def test_what_was_drawn_by_hand_is_said_to_be(panel, coarse, tmp_path):  # noqa: F811
    _exam, _node = loadAndDraw(panel, coarse, BOX, OTHER)
    tick(panel.resultSteps.export, "seg", "html")
    write(panel)
    counts, types = countsOf(tmp_path / "out" / FILES["seg"])
    assert types == {"MANUAL"}
    assert sorted(counts) == sorted(int(np.prod([part.stop - part.start for part in box])) for box in (BOX, OTHER))
    assert "demo-dce" not in (tmp_path / "out" / FILES["html"]).read_text(encoding="utf-8"), "no model has drawn it"


def test_no_dicom_for_image_files(panel, sample, tmp_path):
    import SimpleITK as sitk

    (tmp_path / "exam").mkdir()
    for index, volume in enumerate(sample.exam.volumes):
        sitk.WriteImage(volume.to_sitk(), str(tmp_path / "exam" / f"case_{index:04d}.nii.gz"))
    (tmp_path / "exam" / "notes.txt").write_text("no image")
    panel.examStep.setFiles(sorted(str(path) for path in (tmp_path / "exam").glob("*.nii.gz")))
    panel.ui.meaningBox.setCurrentIndex(1)
    panel.ui.loadButton.click()
    finish(panel)
    draw(panel.examStep.exam, BOX)
    settle(panel)
    box = panel.resultSteps.export
    assert box.kinds == ("html", "pdf", "csv", "json"), "ticked, but not possible"
    assert not box.ui.segCheck.isEnabled() and not box.ui.identifyCheck.isEnabled()
    assert box.ui.exportDicomNoteLabel.text == "Only for exams that were loaded here from DICOM files."
    tick(box, "csv", "seg")
    assert write(panel) == f"Written: {FILES['csv']}" and names(tmp_path / "out") == [FILES["csv"]]
    assert box.ui.sendButton.isHidden() and box.ui.openReportButton.isHidden()
    assert not box.ui.openFolderButton.isHidden()


def test_which_sources_are_dicom(coarse, tmp_path):  # noqa: F811
    from BreastSegLib.scene.dicomsource import dicomSourceOf

    files = sorted(str(path) for path in coarse.rglob("*.dcm"))
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "readme").write_text("no image")
    for source, isDicom in (
        (None, False),
        ({}, False),
        ({"folder": str(coarse), "decisions": {"pre": "1"}}, True),
        ({"folder": str(tmp_path)}, False),
        ({"folder": str(tmp_path / "none")}, False),
        ({"dicom": files}, True),
        ({"views": files[:1]}, True),
        ({"views": [files[0], str(tmp_path / "b.png")]}, False),
        ({"files": [str(tmp_path / "a.nii.gz")]}, False),
        ({"channels": [str(tmp_path / "a.nii.gz")]}, False),
        ({"nodes": [object()]}, False),
    ):
        assert dicomSourceOf(source) is (source if isDicom else None), source
    shutil.copy(files[0], tmp_path / "IM0001")
    assert dicomSourceOf({"folder": str(tmp_path)}) is not None


@pytest.mark.parametrize("stage", ["Reading the segmentation", "Measuring the lesions", "Writing the files"])
def test_cancelling_leaves_nothing(panel, coarse, tmp_path, one_event_a_turn, stage):  # noqa: F811
    loadAndDraw(panel, coarse, BOX)
    box = panel.resultSteps.export
    box.ui.exportButton.click()
    assert box.working and not panel.ui.segmentButton.isEnabled() and not panel.ui.loadButton.isEnabled()
    assert not box.ui.exportProgressFrame.isHidden() and not box.ui.exportFormFrame.isEnabled()
    turnUntil(lambda: box.ui.exportStageLabel.text.startswith(stage))
    box.ui.exportCancelButton.click()
    assert box.ui.exportStageLabel.text == "Cancelling …"
    turnUntil(lambda: not box.working, patience=20)
    assert box.ui.exportStatusLabel.text == "Cancelled; nothing was written." and names(tmp_path / "out") == []
    assert panel.ui.loadButton.isEnabled() and box.ui.exportButton.isEnabled()
    left = [path.name for path in panel.session._client.folder.iterdir()] if panel.session._client else []
    assert not [name for name in left if name.startswith("export-")]


def test_edits_while_it_writes_are_told(panel, coarse, tmp_path):  # noqa: F811
    exam, node = loadAndDraw(panel, coarse, BOX)
    box, results = panel.resultSteps.export, panel.resultsBox
    tick(box, "csv")
    write(panel)
    assert not results.edited and results.result.measures
    erase(node, exam)
    turnUntil(lambda: results.edited)
    tick(box, "json")
    box.ui.exportButton.click()
    turnUntil(lambda: not results.edited)
    erase(node, exam)
    turnUntil(lambda: results.edited)
    settle(panel)
    assert results.edited and box.written, "these numbers are not of the second change"
    (row,) = json.loads((tmp_path / "out" / FILES["json"]).read_text(encoding="utf-8"))["lesions"]
    assert row["voxels"] == results.result.measures["lesions"][0]["voxels"] > voxelsOf(node, exam)
    # And a change that was never measured stays told when nothing comes of it.
    (tmp_path / "file").write_text("")
    box.ui.exportFolderEdit.setCurrentPath(str(tmp_path / "file"))
    write(panel)
    assert results.edited and box.written == ()


def test_edits_while_the_kinetics_are_measured_are_told(panel, coarse):  # noqa: F811
    exam, node = loadAndDraw(panel, coarse, BOX)
    box, results = panel.resultSteps.kinetics, panel.resultsBox
    box.measure()
    settle(panel)
    assert not results.edited and results.result.measures
    erase(node, exam)
    turnUntil(lambda: results.edited)
    box.measure()
    turnUntil(lambda: not results.edited)
    erase(node, exam)
    turnUntil(lambda: results.edited)
    settle(panel)
    assert results.edited, "these numbers are not of the second change"
    assert results.result.measures["lesions"][0]["voxels"] > voxelsOf(node, exam)


def test_a_folder_that_cannot_be_written_is_one_line(panel, coarse, tmp_path):  # noqa: F811
    loadAndDraw(panel, coarse, BOX)
    box = panel.resultSteps.export
    (tmp_path / "out").write_text("a file")
    tick(box, "csv", "json")
    said = write(panel)
    assert said and "\n" not in said and "Traceback" not in said and "out" in said
    assert "c0392b" in box.ui.exportStatusLabel.styleSheet and box.written == ()
    assert (tmp_path / "out").read_text() == "a file" and box.ui.exportRowFrame.isHidden()


def test_the_scene_is_closed_meanwhile(panel, coarse, tmp_path):  # noqa: F811
    import slicer

    loadAndDraw(panel, coarse, BOX)
    box = panel.resultSteps.export
    box.ui.exportButton.click()
    turnUntil(lambda: panel.session.workerBusy)
    slicer.mrmlScene.Clear(0)
    turnUntil(lambda: not box.working, patience=10)
    assert box.ui.exportFrame.isHidden() and names(tmp_path / "out") == []


def test_the_panel_goes_away_meanwhile(panel, coarse, tmp_path):  # noqa: F811
    loadAndDraw(panel, coarse, BOX)
    box = panel.resultSteps.export
    box.ui.exportButton.click()
    turnUntil(lambda: panel.session.workerBusy)
    box.close()
    assert not box.working
    panel.session.close()
    assert names(tmp_path / "out") == []
    box.refresh(True)
    assert write(panel).startswith("Written: "), "opened again, it works"


def test_what_was_written_is_opened(panel, coarse, tmp_path, monkeypatch):  # noqa: F811
    import qt
    from BreastSegLib.panel import exportbox

    opened = {"urls": [], "works": True}

    class Services:
        @staticmethod
        def openUrl(url):
            opened["urls"].append(url.toLocalFile())
            return opened["works"]

    monkeypatch.setattr(exportbox, "qt", SimpleNamespace(QDesktopServices=Services, QUrl=qt.QUrl))
    loadAndDraw(panel, coarse, BOX)
    box = panel.resultSteps.export
    tick(box, "csv", "html")
    write(panel)
    box.ui.openReportButton.click()
    box.ui.openFolderButton.click()
    assert opened["urls"] == [str(tmp_path / "out" / FILES["html"]), str(tmp_path / "out")]
    opened["works"] = False
    box.ui.openReportButton.click()
    assert box.ui.exportStatusLabel.text == f"Nothing could open {tmp_path / 'out' / FILES['html']}"


def test_mammograms_go_out(panel, tmp_path, asked):
    import pydicom
    from BreastSegLib.samples.dicom_mg import write_mammogram_dicom
    from BreastSegLib.samples.mammogram import make_mammogram

    (tmp_path / "exam").mkdir()
    for side in "LR":
        sample = make_mammogram(seed=3, laterality=side, view="CC", size=(416, 320))
        write_mammogram_dicom(sample, tmp_path / "exam" / f"{side}CC.dcm")
    exam = load(panel, tmp_path / "exam")
    for image, place in zip(exam.nodes, ((0, 150), (0, 200))):
        draw(exam, (slice(0, 1), slice(place[1], place[1] + 20), slice(100, 120)), image=image)
    settle(panel)
    tick(panel.resultSteps.export, "html", "csv", "seg", "sr", "pdf_dicom")
    said = write(panel)
    written = [FILES["html"], FILES["csv"], "case-7-seg-LCC.dcm", "case-7-seg-RCC.dcm", FILES["sr"]]
    assert names(tmp_path / "out") == sorted([*written, FILES["pdf_dicom"]]), said
    for view_ in exam.views:
        seg = pydicom.dcmread(tmp_path / "out" / f"case-7-seg-{view_.key}.dcm")
        source = pydicom.dcmread(tmp_path / "exam" / f"{view_.key}.dcm", stop_before_pixels=True)
        referred = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
        assert referred == source.SOPInstanceUID and int(seg.pixel_array.astype(bool).sum()) == 400
        assert len(seg.SegmentSequence) == 1
    # The files of single mammograms count as existing too.
    asked["answer"] = False
    tick(panel.resultSteps.export, "seg")
    panel.resultSteps.export.ui.exportButton.click()
    assert asked["questions"] == ["These files exist already: case-7-seg-LCC.dcm, case-7-seg-RCC.dcm. Replace them?"]
    assert not panel.resultSteps.export.working
