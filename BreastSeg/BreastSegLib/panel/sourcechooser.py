"""Where the exam comes from: a folder, image files, or nodes of the scene."""

import os

import qt

from ..scene.texts import _
from . import state
from .nodelist import NodeList
from .phaserows import naturalKey

MOTIONS = ("off", "rigid", "bspline")
SHOWN_FILES = 6


class SourceChooser:
    """The widgets above the load button.

    Parameters
    ----------
    ui : object
        The widgets of the .ui file, by name.
    onChanged : callable
        Called when the user chooses another exam.
    onOption : callable
        Called when the user changes how it is loaded.
    """

    def __init__(self, ui, onChanged, onOption):
        self._ui, self._onChanged = ui, onChanged
        self._files = ()
        for text in (_("Folder (DICOM or image files)"), _("Image files"), _("Volumes in the scene")):
            ui.sourceBox.addItem(text)
        meanings = (
            _("Please choose"),
            _("Phases in time order, pre-contrast first"),
            _("Channels of the model, in its order"),
            _("Mammograms"),
        )
        for text in meanings:
            ui.meaningBox.addItem(text)
        for text in (_("Off"), _("Rigid"), _("B-spline (slow)")):
            ui.motionBox.addItem(text)
        self._nodes = NodeList(ui.nodesList, onChanged)
        ui.sourceBox.connect("currentIndexChanged(int)", self._onSource)
        ui.examFolderEdit.connect("currentPathChanged(QString)", lambda path: onChanged())
        ui.filesButton.connect("clicked()", self._chooseFiles)
        ui.meaningBox.connect("currentIndexChanged(int)", lambda index: onChanged())
        ui.motionBox.connect("currentIndexChanged(int)", lambda index: onOption())
        self._showPage(0)

    @property
    def kind(self):
        """str: 'folder', 'files' or 'nodes'."""
        return state.SOURCES[max(0, self._ui.sourceBox.currentIndex)]

    @property
    def chosen(self):
        """int: how many folders, files or volumes are chosen."""
        if self.kind == "folder":
            return int(bool(self._ui.examFolderEdit.currentPath.strip()))
        return len(self._files) if self.kind == "files" else len(self._nodes.checkedNodes())

    @property
    def meaning(self):
        """str: what the chosen files are, one of `state.MEANINGS`."""
        return state.MEANINGS[max(0, self._ui.meaningBox.currentIndex)]

    @property
    def motion(self):
        """str: 'off', 'rigid' or 'bspline'."""
        return MOTIONS[max(0, self._ui.motionBox.currentIndex)]

    def source(self):
        """Return the chosen source, as `scene.examflow.readExam` takes it."""
        if self.kind == "folder":
            source = {"folder": self._ui.examFolderEdit.currentPath.strip()}
        elif self.kind == "files":
            key = {"channels": "channels", "mammograms": "views"}.get(self.meaning, "files")
            source = {key: list(self._files)}
        else:
            source = {"nodes": self._nodes.checkedNodes()}
        return source if self.motion == "off" else {**source, "motion": self.motion}

    def refreshNodes(self):
        """Volumes came or went: show those that are in the scene now."""
        if self.kind == "nodes":
            self._nodes.refresh()

    def setFolder(self, folder):
        """Choose a folder."""
        self._ui.sourceBox.setCurrentIndex(state.SOURCES.index("folder"))
        self._ui.examFolderEdit.setCurrentPath(folder)

    def setFiles(self, files):
        """Choose image files, in order; what they are is preset where their names tell it."""
        self._ui.sourceBox.setCurrentIndex(state.SOURCES.index("files"))
        self._files = tuple(files)
        names = [os.path.basename(path) for path in self._files]
        lines = [f"{number}. {name}" for number, name in enumerate(names[:SHOWN_FILES], 1)]
        if len(names) > SHOWN_FILES:
            lines.append(_("… and {count} more").format(count=len(names) - SHOWN_FILES))
        self._ui.filesLabel.text = "\n".join(lines) or _("No files chosen")
        self._ui.filesLabel.setToolTip("\n".join(self._files))
        self._ui.meaningBox.setCurrentIndex(state.MEANINGS.index(state.meaningOf(names)))
        self._onChanged()

    def chooseMotion(self, motion):
        """Choose 'off', 'rigid' or 'bspline'."""
        self._ui.motionBox.setCurrentIndex(MOTIONS.index(motion))

    def setEnabled(self, enabled):
        """Let the user choose, or not."""
        for widget in (self._ui.sourceBox, self._ui.sourceStack, self._ui.examAdvancedGroup):
            widget.setEnabled(enabled)

    def remember(self):
        """Offer the chosen folder again next time."""
        if self.kind == "folder":
            self._ui.examFolderEdit.addCurrentPathToHistory()

    def _showPage(self, index):
        self._ui.sourceStack.setCurrentIndex(index)
        self.refreshNodes()
        # A stack is as high as its highest page; the pages in the back must not take room.
        for place in range(self._ui.sourceStack.count):
            policy = qt.QSizePolicy.Preferred if place == index else qt.QSizePolicy.Ignored
            self._ui.sourceStack.widget(place).setSizePolicy(qt.QSizePolicy.Preferred, policy)

    def _onSource(self, index):
        self._showPage(index)
        self._onChanged()

    def _chooseFiles(self):
        images = "*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm *.png *.tif *.tiff *.pgm"
        choices = _("Images ({endings});;All files (*)").format(endings=images)
        files = qt.QFileDialog.getOpenFileNames(None, _("Image files; phases in time order"), "", choices)
        if files:
            self.setFiles(sorted(files, key=lambda path: naturalKey(os.path.basename(path))))
