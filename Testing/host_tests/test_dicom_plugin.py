"""BreastSeg in the DICOM browser: what is offered, when it wins over Slicer's own readers, and what loading leaves."""

import logging
import random
import re
import shutil
from pathlib import Path

import psutil
import pytest
from breastseg_fixtures import breastseg, scene, turnUntil, widget  # noqa: F401

OURS = "Breast exam"
NAME = "PRIVATE^NAME"


@pytest.fixture
def database(breastseg):  # noqa: F811
    """An empty DICOM database; afterwards the layout of the views is as before (mammograms change it)."""
    import slicer
    from DICOMLib import DICOMUtils

    layout = slicer.app.layoutManager().layout
    with DICOMUtils.TemporaryDICOMDatabase() as database:
        yield database
    slicer.app.layoutManager().setLayout(layout)


@pytest.fixture(scope="session")
def one_series(sample, tmp_path_factory):
    """The sample exam in one series whose images all have another trigger time, as GE writes it."""
    from BreastSegLib.samples.writing import write_dce_sample

    return write_dce_sample(sample, tmp_path_factory.mktemp("one") / "sample", "dicom-one-series", "GE") / "exam"


@pytest.fixture(scope="session")
def mammograms(tmp_path_factory):
    """Four mammograms, a series each, in one study."""
    from BreastSegLib.samples.writing import write_mammogram_sample

    folder = tmp_path_factory.mktemp("mammograms")
    for number, (side, view) in enumerate((("L", "CC"), ("R", "CC"), ("L", "MLO"), ("R", "MLO"))):
        write_mammogram_sample(folder / str(number), seed=5, laterality=side, view=view, size=(640, 480))
    return folder


@pytest.fixture
def changed(dicom_sample, tmp_path):
    """Return a function that copies the sample exam and changes tags of every file."""
    import pydicom

    def change(each=lambda data, number: None, **tags):
        for number, path in enumerate(sorted((dicom_sample / "exam").rglob("*.dcm"))):
            data = pydicom.dcmread(path)
            for name, value in tags.items():
                setattr(data, name, value)
            each(data, number)
            data.save_as(tmp_path / f"{number:04d}.dcm")
        return tmp_path

    return change


NEUTRAL = {
    "BodyPartExamined": "",
    "StudyDescription": "MRI",
    "SeriesDescription": "t1 dyn",
    "ProtocolName": "t1 dyn",
    "PatientPosition": "HFS",
}


def offers(*folders):
    """Import folders and ask all plug-ins about all series: (what is selected, loadables by plug-in)."""
    import slicer
    from DICOMLib import DICOMUtils

    for folder in folders:
        DICOMUtils.importDicom(str(folder))
    lists = [slicer.dicomDatabase.filesForSeries(uid) for uid in DICOMUtils.allSeriesUIDsInDatabase()]
    messages = []
    found, _ = DICOMUtils.getLoadablesFromFileLists(lists, messages=messages)
    assert messages == []
    DICOMUtils.selectHighestConfidenceLoadables(found)
    chosen = [(plugin.loadType, each) for plugin, loadables in found.items() for each in loadables if each.selected]
    return chosen, found


def ours(found):
    """Return what BreastSeg offers."""
    return next(loadables for plugin, loadables in found.items() if plugin.loadType == OURS)


def kinds(chosen):
    """Return which plug-ins were chosen."""
    return {kind for kind, loadable in chosen}


# --- what is offered, and what wins


def test_an_exam_of_several_series_is_one_offer_and_no_series_is_loaded_as_a_plain_volume(database, dicom_sample):
    chosen, found = offers(dicom_sample / "exam")
    assert kinds(chosen) == {OURS}
    whole = [each for each in ours(found) if not each.breastSegOffer.isPart]
    assert [each.name for each in whole] == ["Breast DCE-MRI exam (3 phases)"]
    assert sorted(whole[0].files) == sorted(database.allFiles())
    assert whole[0].files[0].endswith("IM0001.dcm") and "S0301" in whole[0].files[0], "pre-contrast first"
    assert "Pre" in whole[0].tooltip and "Post 2" in whole[0].tooltip and whole[0].warning == ""
    assert [each.name for each in ours(found)[1:]] == [f"{whole[0].name}, series {n}" for n in (302, 303)]


def test_an_exam_in_one_series_wins_over_volume_and_cine_sequence(database, one_series):
    chosen, found = offers(one_series)
    rivals = [each.confidence for plugin, loadables in found.items() for each in loadables if plugin.loadType != OURS]
    assert sorted(rivals) == [0.5, 0.85], "GE's trigger times look like a cine series"
    assert [(kind, each.name) for kind, each in chosen] == [(OURS, "Breast DCE-MRI exam (3 phases)")]


def test_mammograms_and_an_exam_in_one_database_are_both_chosen(database, mammograms, one_series):
    chosen, found = offers(mammograms, one_series)
    assert kinds(chosen) == {OURS}
    whole = {each.name: each for each in ours(found) if not each.breastSegOffer.isPart}
    assert set(whole) == {"Breast DCE-MRI exam (3 phases)", "Mammograms (4 views)"}
    assert len(whole["Mammograms (4 views)"].files) == 4
    assert len(chosen) == 1 + 4, "one row for the exam's series, one for each mammogram's"


def test_one_mammogram_has_a_name_of_its_own(database, mammograms):
    chosen, found = offers(mammograms / "2")
    assert [(kind, each.name) for kind, each in chosen] == [(OURS, "Mammogram")]


def test_a_tomosynthesis_is_left_to_others(database, mammograms, tmp_path):
    import pydicom

    data = pydicom.dcmread(next(mammograms.rglob("*.dcm")))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.13.1.3"
    data.save_as(tmp_path / "tomo.dcm")
    chosen, found = offers(tmp_path)
    assert ours(found) == [] and kinds(chosen) == {"Scalar Volume"}


@pytest.mark.parametrize("name", ["ge-no-temporal-index", "philips-enhanced", "philips-two-images-per-phase"])
def test_a_real_series_of_the_brain_never_wins(database, real_data, name):
    chosen, found = offers(real_data / "dicom-mr-series" / name)
    assert OURS not in kinds(chosen) and chosen
    assert all(each.confidence < 0.2 for each in ours(found))


@pytest.mark.parametrize(
    "tags, kind",
    [
        ({}, "unknown"),
        ({"BodyPartExamined": "BRAIN"}, "other"),
        ({"BodyPartExamined": "PROSTATE", "PatientPosition": "FFP"}, "other"),
        ({"BodyPartExamined": "BRAIN", "StudyDescription": "Breast cancer, metastases?"}, "other"),
        ({"StudyDescription": "MRI brain, known breast cancer"}, "other"),
        ({"SeriesDescription": "prostate dyn", "PatientPosition": "HFP"}, "other"),
        ({"PatientPosition": "HFP", "ContrastBolusAgent": ""}, "unknown"),
    ],
)
def test_a_dynamic_without_a_breast_is_offered_but_never_wins(database, changed, tags, kind):
    from BreastSegLib.scene.dicomloadables import CONFIDENCE

    chosen, found = offers(changed(**{**NEUTRAL, **tags}))
    assert [each.confidence for each in ours(found)][:1] == [CONFIDENCE[kind]] and CONFIDENCE[kind] < 0.2
    assert OURS not in kinds(chosen)


@pytest.mark.parametrize(
    "tags, kind",
    [
        ({"BodyPartExamined": "BREAST"}, "named"),
        ({"BodyPartExamined": "CHEST", "ProtocolName": "MAMMA dyn"}, "named"),
        ({"SeriesDescription": "Ax VIBRANT"}, "named"),
        ({"ReceiveCoilName": "8 CH BREAST"}, "named"),
        ({"StudyDescription": "MRT der Brust"}, "named"),
        ({"PatientPosition": "HFP"}, "likely"),
    ],
)
def test_each_sign_of_a_breast_makes_the_exam_win(database, changed, tags, kind):
    from BreastSegLib.scene.dicomloadables import CONFIDENCE

    chosen, found = offers(changed(**{**NEUTRAL, **tags}))
    assert kinds(chosen) == {OURS} and {each.confidence for each in ours(found)} == {CONFIDENCE[kind]}


def test_a_ct_costs_nothing(database, changed, monkeypatch):
    from BreastSegLib.scene import dicomloadables

    monkeypatch.setattr(dicomloadables, "scanFiles", lambda files: pytest.fail("a CT was scanned"))
    chosen, found = offers(changed(Modality="CT"))
    assert ours(found) == [] and kinds(chosen) == {"Scalar Volume"}


def test_a_series_without_time_is_no_exam(database, dicom_sample):
    chosen, found = offers(dicom_sample / "exam" / "S0302")
    assert ours(found) == [] and kinds(chosen) == {"Scalar Volume"}


def test_what_the_user_has_to_decide_is_offered_with_a_warning_and_not_selected(database, changed):
    def contradict(data, number):
        # The agent says that the last series is before contrast, the description says the first.
        last = data.SeriesNumber == 303
        data.ContrastBolusAgent = "" if last else "agent"
        data.SeriesDescription = "dyn post" if last else "dyn pre" if data.SeriesNumber == 301 else "dyn post"

    chosen, found = offers(changed(contradict))
    (loadable,) = ours(found)
    assert loadable.name == "Breast DCE-MRI exam (to be decided)" and not loadable.selected
    assert "BreastSeg asks when it is loaded." in loadable.warning and loadable.confidence < 0.2
    assert kinds(chosen) == {"Scalar Volume"}


def test_damaged_files_are_passed_over_in_silence_and_without_names_in_the_log(database, changed, tmp_path, caplog):
    folder = changed(PatientName=NAME, PatientID="PRIVATE-ID")
    files = sorted(str(path) for path in folder.iterdir())
    for number, path in enumerate(files):
        if number % 3 == 0:
            Path(path).write_bytes(Path(path).read_bytes()[: 300 + 7 * number])
        elif number % 3 == 1:
            Path(path).unlink()
    (folder / "note.txt").write_text("no image")
    with caplog.at_level(logging.DEBUG):
        plugin = _plugin()
        for lists in ([files], [[]], [[str(folder / "note.txt")]], [files[:1]], [[str(tmp_path / "gone.dcm")]], []):
            assert plugin.examineForImport(lists) == []
    assert "PRIVATE" not in caplog.text and str(folder) not in caplog.text


def test_an_unforeseen_error_is_no_failure_of_the_browser(database, dicom_sample, monkeypatch, caplog):
    from BreastSegLib.scene import dicomloadables

    def fail(files):
        raise ValueError(NAME)

    monkeypatch.setattr(dicomloadables, "scanFiles", fail)
    with caplog.at_level(logging.DEBUG):
        chosen, found = offers(dicom_sample / "exam")
    assert ours(found) == [] and "ValueError" in caplog.text and NAME not in caplog.text


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_files_and_series_does_not_matter(database, dicom_sample, seed):
    chosen, found = offers(dicom_sample / "exam")
    lists = [list(database.filesForSeries(uid)) for uid in database.seriesForStudy(database.studyForSeries(_series()))]
    shuffle = random.Random(seed).shuffle
    for files in (*lists, lists):
        shuffle(files)
    again = _plugin().examineForImport(lists)
    assert [each.name for each in again] == [each.name for each in ours(found)]
    assert [each.files for each in again] == [each.files for each in ours(found)]
    assert again[0].breastSegOffer.parts == ours(found)[0].breastSegOffer.parts


def test_the_same_files_are_scanned_once(database, dicom_sample, changed, monkeypatch):
    from BreastSegLib.scene import dicomloadables

    scanned = []
    scan = dicomloadables.scanFiles
    monkeypatch.setattr(dicomloadables, "scanFiles", lambda files: scanned.append(len(files)) or scan(files))
    plugin = _plugin()
    for folder in (dicom_sample / "exam", dicom_sample / "exam" / "S0302"):
        lists = [[str(path) for path in sorted(folder.rglob("*.dcm"))]]
        first, again = plugin.examineForImport(lists), plugin.examine(lists)
        assert first == again, "also where nothing was found, which the browser asks twice"
    assert len(scanned) == 2


# --- loading


def load(*folders):
    """Load everything that the browser would choose; return the messages."""
    import slicer
    from DICOMLib import DICOMUtils

    for folder in folders:
        DICOMUtils.importDicom(str(folder))
    messages = []
    DICOMUtils.loadSeriesByUID(DICOMUtils.allSeriesUIDsInDatabase(), messages)
    slicer.app.processEvents()
    return messages


def phaseNodes():
    """Return the scene's phase nodes in the order of the scene."""
    import slicer

    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if re.match(r"Exam \d+ (Pre|Post \d)", node.GetName())]


def hierarchyPath(node):
    """Return the subject hierarchy items above a node, from the patient down, by name."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item, names = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)), []
    while item and item != hierarchy.GetSceneItemID():
        names.insert(0, hierarchy.GetItemName(item))
        item = hierarchy.GetItemParent(item)
    return names


def itemsBeside(node):
    """Return the names in the folder of a node, in order."""
    import slicer
    import vtk

    hierarchy, found = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene), vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)), found, False)
    return [hierarchy.GetItemName(found.GetId(index)) for index in range(found.GetNumberOfIds())]


@pytest.mark.parametrize("layout", ["dicom_sample", "one_series"])
def test_loading_gives_ordered_nodes_under_the_study(database, widget, request, layout):  # noqa: F811
    folder = request.getfixturevalue(layout)
    assert load(folder / "exam" if layout == "dicom_sample" else folder) == []
    nodes = phaseNodes()
    assert [node.GetAttribute("BreastSeg.Role") for node in nodes] == ["pre", "post", "post"]
    assert [node.GetAttribute("BreastSeg.Phase") for node in nodes] == ["0", "1", "2"]
    assert [re.sub(r" \(.*", "", node.GetName()) for node in nodes] == ["Exam 1 Pre", "Exam 1 Post 1", "Exam 1 Post 2"]
    for node in nodes:
        patient, study, exam = hierarchyPath(node)
        assert patient.startswith("Sample^Synthetic") and study.startswith("Synthetic breast DCE-MRI")
        assert exam == "Exam 1" and "Synthetic" not in node.GetName()
    assert itemsBeside(nodes[0])[:3] == [node.GetName() for node in nodes]
    files = [node.GetAttribute("DICOM.instanceUIDs").split() for node in nodes]
    assert len({uid for part in files for uid in part}) == sum(map(len, files)) == database.imagesCount()
    assert len(files[0]) == nodes[0].GetImageData().GetDimensions()[2]
    parameterNode = widget.logic.getParameterNode()
    assert list(parameterNode.phases) == nodes and parameterNode.reference is nodes[1]
    assert list(widget.panel.examStep.exam.nodes) == nodes and widget.panel.working == ""


def test_an_exam_loaded_from_another_module_is_chosen_in_breastseg(database, widget, dicom_sample):  # noqa: F811
    import slicer

    slicer.util.selectModule("Welcome")
    widget.exit()
    load(dicom_sample / "exam")
    slicer.util.selectModule("BreastSeg")
    widget.enter()
    assert len(widget.panel.examStep.exam.nodes) == 3
    assert list(widget.logic.getParameterNode().phases) == list(widget.panel.examStep.exam.nodes)


def test_mammograms_are_loaded_under_their_study(database, widget, mammograms):  # noqa: F811
    assert load(mammograms) == []
    exam = widget.panel.examStep.exam
    assert exam.kind == "mammograms" and len(exam.nodes) == 4
    for node in exam.nodes:
        patient, study, folder = hierarchyPath(node)
        assert study.startswith("Synthetic mammography") and folder == exam.name
        assert "Synthetic" not in node.GetName()
        assert len(node.GetAttribute("DICOM.instanceUIDs").split()) == 1


def test_what_cannot_be_loaded_is_said_in_one_sentence(database, widget, changed, monkeypatch):  # noqa: F811
    import slicer
    from DICOMLib import DICOMUtils

    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **options: shown.append(text))
    folder = changed()
    chosen, found = offers(folder)
    shutil.rmtree(folder)
    messages = []
    assert DICOMUtils.loadLoadables(found, messages) == []
    assert len(messages) == len(chosen) and messages[0].endswith("as a Breast exam")
    assert len(shown) == 1 and "\n" not in shown[0] and shown[0].endswith("."), "said once, not for every series"
    assert phaseNodes() == [] and widget.panel.working == ""


def test_a_busy_panel_is_not_disturbed(database, widget, dicom_sample, monkeypatch):  # noqa: F811
    import slicer

    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **options: shown.append(text))
    widget.panel.loadExam({"folder": str(dicom_sample / "exam")})
    assert widget.panel.working == "loading"
    assert load(dicom_sample / "exam")
    assert shown == ["BreastSeg is still at work. Wait for its end or cancel it, then try again."]
    turnUntil(lambda: not widget.panel.working)
    assert len(phaseNodes()) == 3


def test_what_is_undecided_is_asked_for_in_the_panel(database, widget, changed):  # noqa: F811
    import slicer

    def contradict(data, number):
        data.ContrastBolusAgent = "" if data.SeriesNumber == 303 else "agent"
        data.SeriesDescription = "dyn pre" if data.SeriesNumber == 301 else "dyn post"

    slicer.util.selectModule("Welcome")
    chosen, found = offers(changed(contradict))
    (loadable,) = ours(found)
    assert _plugin().load(loadable) is True, "the panel took it over"
    assert slicer.util.selectedModule() == "BreastSeg" and phaseNodes() == []
    assert widget.panel.error.code == "undecided" and widget.panel.error.choices


def test_without_a_window_no_process_is_left(database, widget, dicom_sample, monkeypatch):  # noqa: F811
    import slicer

    before = set(psutil.Process().children(recursive=True))
    with monkeypatch.context() as context:
        context.setattr(slicer.util, "mainWindow", lambda *args, **kwargs: None)
        assert load(dicom_sample / "exam") == []
    gone, alive = psutil.wait_procs(set(psutil.Process().children(recursive=True)) - before, timeout=5)
    assert not alive
    nodes = phaseNodes()
    assert [node.GetAttribute("BreastSeg.Phase") for node in nodes] == ["0", "1", "2"]
    parameterNode = widget.logic.getParameterNode()
    assert list(parameterNode.phases) == nodes and parameterNode.reference is nodes[1]
    assert widget.panel.examStep.exam is None
    widget.enter()
    assert list(widget.panel.examStep.exam.nodes) == nodes, "the panel shows it when it is opened"


def _series():
    from DICOMLib import DICOMUtils

    return DICOMUtils.allSeriesUIDsInDatabase()[0]


def _plugin():
    import slicer

    return slicer.modules.dicomPlugins["DICOMBreastSegPlugin"]()


def test_the_plugin_is_registered_and_hidden(breastseg):  # noqa: F811
    import slicer

    assert slicer.modules.dicombreastsegplugin.hidden and _plugin().loadType == OURS
