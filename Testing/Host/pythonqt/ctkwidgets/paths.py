"""ctkPathLineEdit and ctkDirectoryButton."""

import os

from PySide6 import QtCore, QtWidgets

from Host.pythonqt.ctkwidgets.fields import forwarded, kept

DIRS, FILES, WRITABLE, EXISTING = 1, 2, 32, 16
DEFAULT_FILTERS = 24663
HISTORY_LENGTH = 5


class ctkPathLineEdit(QtWidgets.QWidget):
    """An editable line with history and a browse button for a file or a folder."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._edit = QtWidgets.QComboBox(self)
        self._edit.setEditable(True)
        self._edit.setInsertPolicy(QtWidgets.QComboBox.InsertPolicy.NoInsert)
        self._edit.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._edit.setMinimumContentsLength(0)
        self._edit.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._button = QtWidgets.QToolButton(self)
        self._button.setText("…")
        self._button.clicked.connect(lambda: self.browse())
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._edit)
        layout.addWidget(self._button)
        self.setFocusProxy(self._edit)
        self._path = ""
        self._valid = False
        self._edit.editTextChanged.connect(self._onText)

    def _onText(self, text):
        if text == self._path:
            return
        self._path = text
        valid = self._isValid(text)
        if valid != self._valid:
            self._valid = valid
            self.validInputChanged.emit(valid)
        self.currentPathChanged.emit(text)

    def _isValid(self, text):
        if self.filters & WRITABLE:
            return bool(text)
        return bool(self.filters & DIRS and os.path.isdir(text) or self.filters & FILES and os.path.isfile(text))

    def setCurrentPath(self, path):
        """Show a path."""
        self._edit.setEditText(path)

    currentPath = QtCore.Property(str, lambda self: self._path, setCurrentPath)
    filters = kept(int, "filters", DEFAULT_FILTERS)
    options = kept(int, "options", 0)
    label = kept(str, "label", "")
    nameFilters = kept("QStringList", "nameFilters", [])
    settingKey = kept(str, "settingKey", "", lambda self: self.retrieveHistory())
    sizeAdjustPolicy = kept(int, "sizeAdjustPolicy", 1)
    minimumContentsLength = forwarded(int, "_edit", "minimumContentsLength", "setMinimumContentsLength")

    def _readBrowse(self):
        return not self._button.isHidden()

    def _writeBrowse(self, shown):
        self._button.setVisible(shown)

    showBrowseButton = QtCore.Property(bool, _readBrowse, _writeBrowse)
    showHistoryButton = kept(bool, "showHistoryButton", True)

    def comboBox(self):
        """The inner combo box."""
        return self._edit

    def browse(self):
        """Ask the user for a file or a folder, by ``filters``."""
        start = self._path or QtCore.QDir.currentPath()
        names = ";;".join(self.nameFilters)
        foldersOnly = self.filters & DIRS and not self.filters & FILES
        title = self.label or ("Select a folder" if foldersOnly else "Select a file")
        if self.filters & WRITABLE and self.filters & FILES:
            path = QtWidgets.QFileDialog.getSaveFileName(self, title, start, names)[0]
        elif self.filters & FILES:
            path = QtWidgets.QFileDialog.getOpenFileName(self, title, start, names)[0]
        else:
            path = QtWidgets.QFileDialog.getExistingDirectory(self, title, start)
        if path:
            self.setCurrentPath(path)

    def addCurrentPathToHistory(self):
        """Remember the path under ``settingKey``."""
        if not self._path:
            return
        index = self._edit.findText(self._path)
        text = self._path
        blocked = self._edit.blockSignals(True)
        if index >= 0:
            self._edit.removeItem(index)
        self._edit.insertItem(0, text)
        self._edit.setCurrentIndex(0)
        self._edit.blockSignals(blocked)
        if self.settingKey:
            items = [self._edit.itemText(i) for i in range(min(self._edit.count(), HISTORY_LENGTH))]
            QtCore.QSettings().setValue(self.settingKey, items)

    def retrieveHistory(self):
        """Fill the history from ``settingKey``; the newest path becomes the current one."""
        stored = QtCore.QSettings().value(self.settingKey) if self.settingKey else None
        if not stored:
            return
        blocked = self._edit.blockSignals(True)
        self._edit.clear()
        self._edit.addItems([stored] if isinstance(stored, str) else list(stored))
        self._edit.blockSignals(blocked)
        self._onText(self._edit.currentText())


class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and lets the user choose another one."""

    pythonqtConstructors = (
        (("QString", "directory"), ("QWidget", "parent")),
        (("QString", "directory"),),
        (("QWidget", "parent"),),
        (),
    )
    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    def __init__(self, *args):
        directory = args[0] if args and isinstance(args[0], str) else "."
        super().__init__(next((each for each in args if isinstance(each, QtWidgets.QWidget)), None))
        self._folder = directory
        self._button = QtWidgets.QPushButton(self)
        self._button.setIcon(self.style().standardIcon(QtWidgets.QStyle.StandardPixmap.SP_DirIcon))
        self._button.clicked.connect(lambda: self.browse())
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._show()

    def _show(self):
        self._button.setText(self.__dict__.get("_text") or QtCore.QDir(self._folder).absolutePath())
        self._button.setToolTip(QtCore.QDir(self._folder).absolutePath())

    def _readFolder(self):
        return self._folder

    def _writeFolder(self, folder):
        if folder == self._folder:
            return
        self._folder = folder
        self._show()
        self.directoryChanged.emit(folder)

    directory = QtCore.Property(str, _readFolder, _writeFolder)
    caption = kept(str, "caption", "")
    text = kept(str, "text", "", _show)
    acceptMode = kept(int, "acceptMode", 0)
    elideMode = kept(int, "elideMode", 3)
    options = kept(int, "options", 1)
    icon = forwarded("QIcon", "_button", "icon", "setIcon")

    def browse(self):
        """Ask the user for a folder and return it."""
        folder = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption or "Select a folder", self._folder)
        if folder:
            self.directory = folder
            self.directorySelected.emit(folder)
        return folder
