"""The window "Archive (PACS)": what is asked, what is shown, and that nothing of user and password stays anywhere.

First with a stand-in that tells what the command tells, then with the real command and a real archive.
"""

import importlib.util
from pathlib import Path

import pytest
from breastseg_fixtures import breastseg, finish, scene, turnUntil, widget  # noqa: F401
from export_fixtures import asUsual, coarse, tick  # noqa: F401
from results_fixtures import BOX, draw

ARCHIVE = "PACS@archive.example:104"
SECRET = "Gänseblümchen 7"
UID = "2.25.123456789"
STUDY = {
    "study_uid": UID,
    "date": "2024-03-01",
    "time": "10:00",
    "description": "Breast MRI",
    "modalities": "MR",
    "series": 4,
    "instances": None,
    "patient_id": "P-17",
    "patient_name": "DOE^JANE^ANN",
    "accession": "A1",
}
OTHER = {**STUDY, "study_uid": "2.25.42", "description": "Earlier", "instances": 7}


class Told:
    """Stands for `ChildCommand`: tells the events that a test gives it."""

    made = []

    def __init__(self, arguments, python=None, environment=None):
        self.arguments, self.python, self.environment = arguments, python, environment
        self.events, self.calls, self.pid = [], [], 1
        Told.made.append(self)

    def start(self):
        self.calls.append("start")

    def poll(self):
        events, self.events = self.events, []
        return events

    def cancel(self):
        self.calls.append("cancel")
        self.events.append({"event": "error", "code": "cancelled", "message": "Cancelled", "hint": ""})

    def close(self):
        self.calls.append("close")


@pytest.fixture
def panel(widget, tmp_path):  # noqa: F811
    """The panel without a window of former tests, and with nothing kept of them."""
    import qt

    panel = widget.panel
    forget(qt)
    panel.archive.close()
    yield panel
    finish(panel)
    panel.archive.close()
    asUsual(panel.resultSteps.export)
    forget(qt)


def test_the_commands_read_what_the_window_sets():
    from BreastSegLib.pacs import peer, query
    from BreastSegLib.panel import archivewindow

    mine = [archivewindow.PATIENT_ID, archivewindow.PATIENT_NAME, archivewindow.ACCESSION]
    assert mine == list(query.PATIENT_VARIABLES.values())
    assert [archivewindow.USER, archivewindow.PASSWORD] == [peer.USER, peer.PASSWORD]


def patient(command):
    """What names a patient in the environment of a command."""
    names = ("PATIENT_ID", "PATIENT_NAME", "ACCESSION")
    found = {name: command.environment.get(f"BREASTSEG_PACS_{name}", "") for name in names}
    return {name: text for name, text in found.items() if text}


def forget(qt):
    for name in ("Archives", "ArchiveTitle", "ArchiveTls", "ArchiveFolder", "ArchiveCertificates"):
        qt.QSettings().remove(f"BreastSeg/{name}")


@pytest.fixture
def window(panel, tmp_path, monkeypatch):
    """The open window with an archive and a folder, and a stand-in for its command."""
    Told.made = []
    monkeypatch.setattr("BreastSegLib.panel.archivewindow.ChildCommand", Told)
    panel.ui.archiveButton.click()
    window = panel.archive.window
    window.ui.archiveBox.setEditText(ARCHIVE)
    window.ui.getFolderEdit.setCurrentPath(str(tmp_path / "studies"))
    return window


def tell(window, *events):
    """Tell events of the running command, and let the window hear them."""
    Told.made[-1].events += events
    turnUntil(lambda: not Told.made[-1].events, patience=5)


def result(**fields):
    return {"event": "result", **fields}


def said(window):
    return window.ui.archiveStatusLabel.text


def cells(window):
    table = window.ui.studyTable
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def find(window, *studies, more=False):
    window.ui.findButton.click()
    tell(window, result(studies=list(studies), more=more))


def test_what_is_missing_is_said(panel):
    assert panel.archive.window is None, "made when it is first wanted"
    panel.ui.archiveButton.click()
    window = panel.archive.window
    ui = window.ui
    assert window.dialog.isVisible() and said(window) == "Name the archive: AE@HOST:PORT or https://…"
    for button in (ui.echoButton, ui.findButton, ui.getButton):
        assert not button.isEnabled()
    assert ui.findButton.toolTip == said(window)
    ui.archiveBox.setEditText(ARCHIVE)
    assert ui.findButton.isEnabled() and ui.echoButton.isEnabled() and ui.archiveStatusLabel.isHidden()
    assert ui.getButton.toolTip == "Choose a study in the table first." and not ui.getButton.isEnabled()
    assert ui.sendFrame.isHidden() and ui.archiveProgressFrame.isHidden() and ui.passwordEdit.echoMode == 2
    panel.ui.archiveButton.click()
    assert panel.archive.window is window


def test_studies_are_found_and_one_is_chosen(window):
    ui = window.ui
    ui.patientIdEdit.text, ui.patientNameEdit.text = " --x ", "DOE*"
    ui.dateFromEdit.text, ui.accessionEdit.text = "2024-01-31", ""
    ui.findButton.click()
    asked = Told.made[0].arguments
    assert asked[:2] == ["pacs", "find"] and asked[-1] == "--events"
    assert sorted(asked[2:-1]) == [
        "--ae=BREASTSEG",
        "--date-from=2024-01-31",
        "--modality=MR",
        "--patient-from-environment",
        f"--peer={ARCHIVE}",
    ]
    assert patient(Told.made[0]) == {"PATIENT_ID": "--x", "PATIENT_NAME": "DOE*"}, "others see arguments"
    assert not ui.archiveProgressFrame.isHidden() and not ui.findFrame.isEnabled() and not ui.getButton.isEnabled()
    tell(window, result(studies=[STUDY, OTHER], more=True))
    assert said(window) == "2 studies. There are more: ask more narrowly."
    assert cells(window)[0] == ["2024-03-01", "MR", "Breast MRI", "P-17", "DOE, JANE ANN", "4", ""]
    assert cells(window)[1][6] == "7" and window.study is None, "with several, the user says which"
    assert not ui.getButton.isEnabled()
    ui.studyTable.selectRow(1)
    assert window.study == OTHER and ui.getButton.isEnabled() and said(window).startswith("2 studies.")
    ui.getFolderEdit.setCurrentPath("")
    assert ui.getButton.toolTip == "Choose the folder that the images are saved to first."
    find(window, STUDY)
    assert said(window) == "1 study." and window.study == STUDY
    find(window)
    assert said(window) == "No study was found." and cells(window) == [] and window.study is None
    ui.modalityBox.setCurrentIndex(2)
    ui.patientIdEdit.text = ui.patientNameEdit.text = ui.dateFromEdit.text = ""
    ui.accessionEdit.text = "A1"
    ui.findButton.click()
    words = [f"--peer={ARCHIVE}", "--ae=BREASTSEG", "--patient-from-environment"]
    assert Told.made[-1].arguments[2:-1] == words and patient(Told.made[-1]) == {"ACCESSION": "A1"}
    tell(window, result(studies=[], more=False))
    ui.accessionEdit.text = ""
    ui.findButton.click()
    assert Told.made[-1].arguments[2:-1] == words[:2] and not patient(Told.made[-1])


def test_a_study_is_got_and_loaded(window, panel, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(panel, "loadExam", loaded.append)
    monkeypatch.setattr(panel.examStep, "_onLoad", loaded.append)
    find(window, STUDY)
    window.ui.getButton.click()
    asked = Told.made[-1].arguments
    folder = Path(asked[asked.index("--output") + 1])
    assert asked[asked.index("--study") + 1] == UID and folder.parent == tmp_path / "studies"
    assert folder.name.startswith("study-20240301-") and not any(word in folder.name for word in ("P-17", "DOE", UID))
    tell(window, {"event": "progress", "stage": "Retrieving", "done": 3, "total": 12, "eta_s": 40})
    assert window.ui.archiveStageLabel.text == "Retrieving – about 40 s left"
    assert (window.ui.archiveProgressBar.value, window.ui.archiveProgressBar.maximum) == (3, 12)
    folder.mkdir(parents=True)
    tell(window, result(folder=str(folder), images=12, received=12, series=[]))
    assert loaded == [{"folder": str(folder)}] and not window.dialog.isVisible()
    assert panel.ui.examFolderEdit.currentPath == str(folder)
    text = panel.ui.logText.plainText
    assert "12 images" in text and "DOE" not in text and "P-17" not in text


def test_nothing_is_loaded_while_the_panel_works(window, panel, monkeypatch):
    loaded = []
    monkeypatch.setattr(panel.examStep, "_onLoad", loaded.append)
    find(window, STUDY)
    window.ui.getButton.click()
    monkeypatch.setattr(panel, "_working", "segmenting")
    tell(window, result(folder="", images=12, received=12, series=[]))
    assert not loaded and window.dialog.isVisible()
    assert said(window).startswith("12 images received. The panel is at work: load the folder study-20240301-")
    panel.refresh()
    assert (
        window.ui.getButton.toolTip.startswith("Wait until the present work") and not window.ui.getButton.isEnabled()
    )
    monkeypatch.setattr(panel, "_working", "")
    panel.refresh()
    assert window.ui.getButton.isEnabled()


def test_user_and_password_are_kept_nowhere(window, panel, caplog):
    import qt

    window.ui.userEdit.text, window.ui.passwordEdit.text = "jane", SECRET
    window.ui.tlsCheck.checked = True
    window.ui.caEdit.setCurrentPath("/certificates/ours.pem")
    window.ui.echoButton.click()
    command = Told.made[0]
    assert command.environment["BREASTSEG_PACS_USER"] == "jane"
    assert command.environment["BREASTSEG_PACS_PASSWORD"] == SECRET
    assert "--tls" in command.arguments and "--tls-ca=/certificates/ours.pem" in command.arguments
    tell(window, result(peer=ARCHIVE))
    assert said(window) == "The archive answers."
    settings = Path(qt.QSettings().fileName()).read_text(encoding="utf-8")
    assert ARCHIVE in settings and "ArchiveTls=true" in settings
    everything = [*command.arguments, settings, caplog.text, panel.ui.logText.plainText, said(window), repr(window)]
    assert not any(secret in text for text in everything for secret in (SECRET, "jane"))
    # The user closes the window: it is forgotten.
    window.dialog.reject()
    assert window.ui.passwordEdit.text == ""
    # A user in the address would be seen in the list of processes.
    window.ui.archiveBox.setEditText(f"https://jane:{SECRET}@archive.example/dicom-web")
    window.ui.echoButton.click()
    assert len(Told.made) == 1 and "into their fields" in said(window) and SECRET not in said(window)
    assert SECRET not in Path(qt.QSettings().fileName()).read_text(encoding="utf-8")


def test_addresses_that_answered_are_kept(window, panel):
    from BreastSegLib.panel.archivewindow import kept

    window.ui.ownTitleEdit.text = "OURS"
    window.ui.echoButton.click()
    tell(window, {"event": "error", "code": "bad-input", "message": "The archive cannot be reached.", "hint": ""})
    assert kept() == [] and said(window) == "The archive cannot be reached."
    for number in range(12):
        window.ui.archiveBox.setEditText(f"PACS@host{number}:104")
        window.ui.echoButton.click()
        tell(window, result(peer=""))
    assert kept() == [f"PACS@host{number}:104" for number in range(11, 1, -1)]
    panel.archive.close()
    panel.ui.archiveButton.click()
    again = panel.archive.window
    assert again is not window and again.ui.archiveBox.currentText == "PACS@host11:104"
    assert again.ui.ownTitleEdit.text == "OURS" and again.ui.archiveBox.count == 10
    assert again.ui.connectionGroup.collapsed, "it is known how to talk to it"


def test_errors_are_told_without_flags(window):
    for message, shown in (
        ("Not trusted (h). Give the certificates it is vouched for by with --tls-ca.", "“Certificates”"),
        ("Our title is unknown. Have X entered there, or give the right one with --ae.", "“Our title”"),
        ("Unencrypted. Use an https address, or allow it with --plain-credentials.", "Use an https address."),
    ):
        window.ui.echoButton.click()
        tell(window, {"event": "error", "code": "archive", "message": message, "hint": ""})
        assert shown in said(window) and "--" not in said(window)
        assert "c0392b" in window.ui.archiveStatusLabel.styleSheet
    window.ui.findButton.click()
    window.ui.archiveCancelButton.click()
    assert Told.made[-1].calls == ["start", "cancel"]
    turnUntil(lambda: not window.work.running)
    assert said(window) == "Cancelled." and window.ui.findButton.isEnabled()


def test_files_are_sent_once_each_is_acknowledged(panel, window, tmp_path):
    panel.archive.send([str(tmp_path / f"case-{number}.dcm") for number in range(8)])
    ui = window.ui
    assert ui.findFrame.isHidden() and ui.studyTable.isHidden() and not ui.sendFrame.isHidden()
    assert ui.sendLabel.text.endswith("case-5.dcm and 2 more")
    ui.sendNowButton.click()
    asked = Told.made[0].arguments
    assert asked[:2] == ["pacs", "send"] and asked[-9:-1] == [str(tmp_path / f"case-{n}.dcm") for n in range(8)]
    refused = [{"file": str(tmp_path / "case-3.dcm"), "reason": "Out of resources"}]
    tell(window, result(sent=7, refused=refused))
    assert said(window) == "The archive refused files:\ncase-3.dcm: Out of resources" and ui.sendNowButton.isEnabled()
    ui.sendNowButton.click()
    tell(window, result(sent=8, refused=[]))
    assert said(window) == "8 files sent and acknowledged." and not ui.sendNowButton.isEnabled()
    panel.ui.archiveButton.click()
    assert ui.sendFrame.isHidden() and not ui.findFrame.isHidden() and ui.archiveStatusLabel.isHidden()


def test_closing_the_window_or_the_panel_ends_the_command(window, panel):
    window.ui.findButton.click()
    window.dialog.reject()
    assert Told.made[0].calls == ["start", "cancel"]
    turnUntil(lambda: not window.work.running)
    panel.ui.archiveButton.click()
    window.ui.findButton.click()
    panel.archive.close()
    assert Told.made[1].calls == ["start", "close"] and not window.dialog.isVisible()


def test_the_scene_is_closed_while_a_study_comes(window, panel, monkeypatch):
    import slicer

    loaded = []
    monkeypatch.setattr(panel.examStep, "_onLoad", loaded.append)
    find(window, STUDY)
    window.ui.getButton.click()
    slicer.mrmlScene.Clear(0)
    assert window.work.running
    tell(window, result(folder="", images=1, received=1, series=[]))
    assert len(loaded) == 1


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real archive on this computer."""
    path = Path(__file__).resolve().parents[1] / "endtoend" / "orthanc_server.py"
    spec = importlib.util.spec_from_file_location("orthanc_of_window", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.why_not():
        pytest.skip(module.why_not())
    folder = tmp_path_factory.mktemp("archive") / "orthanc"
    with module.Orthanc(folder, {"BREASTSEG": module.free_ports(1)[0]}) as running:
        yield running


def wait(window):
    assert window.work.running, said(window)
    turnUntil(lambda: not window.work.running)
    return said(window)


def test_the_whole_way_with_a_real_archive(panel, server, coarse, tmp_path, artefacts):  # noqa: F811
    """The exam goes there, is found, comes back and is loaded; what was drawn on it goes there as DICOM."""
    from Host import screenshots

    files = sorted(str(path) for path in coarse.rglob("*.dcm"))
    panel.archive.send(files)
    window = panel.archive.window
    window.ui.archiveBox.setEditText(server.peer)
    window.ui.sendNowButton.click()
    assert wait(window) == f"{len(files)} files sent and acknowledged."
    assert len(server.find()) == len(files)
    window.open()
    window.ui.getFolderEdit.setCurrentPath(str(tmp_path / "studies"))
    window.ui.findButton.click()
    assert wait(window) == "1 study." and window.study["patient_id"] == "SYNTHETIC-DCE-7"
    screenshots.panelScreenshot(window.dialog, artefacts / "breastseg-archive.png", width=720)
    window.ui.getButton.click()
    assert wait(window) == f"{len(files)} images received."
    finish(panel)
    exam = panel.examStep.exam
    assert exam is not None and len(exam.nodes) == 3 and not window.dialog.isVisible()
    draw(exam, BOX)
    turnUntil(lambda: not panel.working and not panel.resultSteps.working)
    box = panel.resultSteps.export
    box.ui.exportFolderEdit.setCurrentPath(str(tmp_path / "out"))
    tick(box, "seg", "sr")
    box.ui.exportButton.click()
    turnUntil(lambda: not box.working)
    assert [Path(path).suffix for path in box.written] == [".dcm", ".dcm"], box.ui.exportStatusLabel.text
    box.ui.sendButton.click()
    assert window.dialog.isVisible() and window.ui.sendLabel.text == "Files: breast-seg.dcm, breast-sr.dcm"
    window.ui.sendNowButton.click()
    assert wait(window) == "2 files sent and acknowledged."
    kinds = [row["Modality"] for row in server.ask("series?expand") for row in [row["MainDicomTags"]]]
    assert kinds.count("SEG") == 1 and kinds.count("SR") == 1
