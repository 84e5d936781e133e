"""The remaining ctk classes: combo boxes, search box, text browser, message box, settings."""

import html
import re

from PySide6 import QtCore, QtGui, QtWidgets

from Host.pythonqt.ctkwidgets.fields import kept

Checked = QtCore.Qt.CheckState.Checked


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that shows a default text while nothing is chosen."""

    returnRelease = QtCore.Signal()

    defaultText = kept(str, "defaultText", "", lambda self: self.update())
    defaultIcon = kept(QtGui.QIcon, "defaultIcon", QtGui.QIcon())
    elideMode = kept(int, "elideMode", 3)
    forceDefault = kept(bool, "forceDefault", False, lambda self: self.update())
    scrollWheelEffect = kept(int, "scrollWheelEffect", 1)

    def _readData(self):
        value = self.currentData()
        return "" if value is None else str(value)

    def setCurrentUserDataAsString(self, text):
        """Choose the item whose user data is this text."""
        self.setCurrentIndex(next((i for i in range(self.count()) if str(self.itemData(i)) == text), -1))

    currentUserDataAsString = QtCore.Property(str, _readData, setCurrentUserDataAsString)

    def wheelEvent(self, event):
        if self.scrollWheelEffect == 0 or self.scrollWheelEffect == 2 and not self.hasFocus():
            event.ignore()
            return
        super().wheelEvent(event)

    def keyReleaseEvent(self, event):
        super().keyReleaseEvent(event)
        if event.key() in (QtCore.Qt.Key.Key_Return, QtCore.Qt.Key.Key_Enter):
            self.returnRelease.emit()

    def paintEvent(self, event):
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex() < 0 or self.forceDefault:
            option.currentText = self.defaultText
            option.currentIcon = self.defaultIcon
        painter.drawComplexControl(QtWidgets.QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_ComboBoxLabel, option)


class ctkCheckableComboBox(QtWidgets.QComboBox):
    """A combo box whose items can be ticked."""

    checkedIndexesChanged = QtCore.Signal()
    returnRelease = QtCore.Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self.model().rowsInserted.connect(self._makeCheckable)
        self.model().itemChanged.connect(lambda item: self._changed())
        self.view().viewport().installEventFilter(self)

    def _makeCheckable(self, parent, first, last):
        for row in range(first, last + 1):
            item = self.model().item(row)
            item.setFlags(item.flags() | QtCore.Qt.ItemFlag.ItemIsUserCheckable)
            if item.data(QtCore.Qt.ItemDataRole.CheckStateRole) is None:
                item.setCheckState(QtCore.Qt.CheckState.Unchecked)

    def _changed(self):
        self.checkedIndexesChanged.emit()
        self.update()

    def eventFilter(self, watched, event):
        if event.type() == QtCore.QEvent.Type.MouseButtonRelease:
            index = self.view().indexAt(event.position().toPoint())
            if index.isValid():
                self.setCheckState(index, 0 if self.checkState(index) == Checked else 2)
                return True
        return False

    def _indexes(self):
        return [self.model().index(row, 0) for row in range(self.count())]

    def checkedIndexes(self):
        """Model indexes of the ticked items."""
        return [each for each in self._indexes() if self.checkState(each) == Checked]

    def checkState(self, index):
        """State of an item."""
        return self.model().itemFromIndex(index).checkState()

    def setCheckState(self, index, state):
        """Tick or untick an item."""
        self.model().itemFromIndex(index).setCheckState(QtCore.Qt.CheckState(state))

    def allChecked(self):
        """Whether all items are ticked."""
        return len(self.checkedIndexes()) == self.count()

    def noneChecked(self):
        """Whether no item is ticked."""
        return not self.checkedIndexes()

    def checkableModel(self):
        """The model."""
        return self.model()

    def paintEvent(self, event):
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = ", ".join(each.data() for each in self.checkedIndexes())
        painter.drawComplexControl(QtWidgets.QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_ComboBoxLabel, option)


class ctkSearchBox(QtWidgets.QLineEdit):
    """A line with a clear button."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setPlaceholderText("Search...")
        self.setClearButtonEnabled(True)

    showSearchIcon = kept(bool, "showSearchIcon", False)
    clearIcon = kept(QtGui.QIcon, "clearIcon", QtGui.QIcon())
    searchIcon = kept(QtGui.QIcon, "searchIcon", QtGui.QIcon())


class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser as high as its text; a longer text can be folded to its first line."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self.setOpenLinks(False)
        self.textChanged.connect(self.updateGeometry)
        self.anchorClicked.connect(self._onLink)
        self._full = None

    def _onLink(self, url):
        if url.toString() in ("#show", "#hide"):
            self.collapsed = url.toString() == "#hide"
        else:
            QtGui.QDesktopServices.openUrl(url)

    def collapsibleText(self):
        """The whole text."""
        return self._full or ""

    def setCollapsibleText(self, text):
        """Set a text (plain or HTML) of which only the first line shows while folded."""
        self._full = text
        self._render()

    setCollapsibleHtml = setCollapsibleText

    def setCollapsiblePlainText(self, text):
        """As ``setCollapsibleText``, for plain text."""
        self.setCollapsibleText(html.escape(text).replace("\n", "<br>"))

    def _render(self):
        if self._full is None:
            return
        teaser, *rest = re.split(r"<br\s*/?>|\n", self._full, maxsplit=1)
        if not rest:
            self.setHtml(self._full)
        elif self.collapsed:
            self.setHtml(f'{teaser} <a href="#show">{self.showDetailsText}</a>')
        else:
            self.setHtml(f'{self._full} <a href="#hide">{self.hideDetailsText}</a>')

    collapsed = kept(bool, "collapsed", True, _render)
    showDetailsText = kept(str, "showDetailsText", "Show details...", _render)
    hideDetailsText = kept(str, "hideDetailsText", "Hide details", _render)
    disableMouseScroll = kept(bool, "disableMouseScroll", False)

    def resizeEvent(self, event):
        super().resizeEvent(event)
        self.updateGeometry()

    def sizeHint(self):
        document = self.document().clone()
        document.setTextWidth(self.viewport().width())
        return QtCore.QSize(200, int(document.size().height()) + 2 * self.frameWidth() + 2)

    def minimumSizeHint(self):
        return QtCore.QSize(50, self.sizeHint().height())


class ctkExpandableWidget(QtWidgets.QFrame):
    """A frame that the user can enlarge with a size grip at its bottom."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._grip = QtWidgets.QSizeGrip(self)

    orientations = kept(int, "orientations", 3)
    sizeGripInside = kept(bool, "sizeGripInside", True)
    sizeGripMargins = kept(QtCore.QSize, "sizeGripMargins", QtCore.QSize(0, 0))

    def updateSizeHint(self):
        """Ask the layout again."""
        self.updateGeometry()

    def resizeEvent(self, event):
        super().resizeEvent(event)
        size = self._grip.sizeHint()
        self._grip.move(self.width() - size.width(), self.height() - size.height())


class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to come again."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._again = QtWidgets.QCheckBox("Don't show this message again", self)
        self._again.setVisible(False)
        self.finished.connect(self.onFinished)

    def _readShown(self):
        return self.checkBox() is not None

    def _writeShown(self, shown):
        self.setCheckBox(self._again if shown else None)

    def _readDont(self):
        if self.dontShowAgainSettingsKey:
            stored = QtCore.QSettings().value(self.dontShowAgainSettingsKey)
            return str(stored).lower() == "true" if stored is not None else self._again.isChecked()
        return self._again.isChecked()

    def setDontShowAgain(self, dont):
        """Tick the box."""
        self._again.setChecked(dont)

    dontShowAgain = QtCore.Property(bool, _readDont, setDontShowAgain)
    dontShowAgainVisible = QtCore.Property(bool, _readShown, _writeShown)
    dontShowAgainSettingsKey = kept(str, "dontShowAgainSettingsKey", "")

    def onFinished(self, result):
        """Remember the tick."""
        if self.dontShowAgainSettingsKey and self._again.isChecked():
            QtCore.QSettings().setValue(self.dontShowAgainSettingsKey, True)

    def exec(self):
        """Show and wait, unless the user does not want to see it again."""
        if self.dontShowAgain:
            button = self.defaultButton()
            answer = QtWidgets.QMessageBox.StandardButton.Ok if button is None else self.standardButton(button)
            return answer.value
        return super().exec()


class ctkSettings(QtCore.QSettings):
    """Settings of the application."""

    pythonqtConstructors = (
        (("QString", "fileName"), ("int", "format")),
        (("QString", "organization"), ("QString", "application")),
        (("QString", "organization"),),
        (("QObject", "parent"),),
        (),
    )
    modified = QtCore.Signal()

    def __init__(self, *args):
        if len(args) == 2 and isinstance(args[1], int):
            args = (args[0], QtCore.QSettings.Format(args[1]))
        super().__init__(*args)


class ctkDynamicSpacer(QtWidgets.QWidget):
    """A spacer whose size policy depends on a switch."""

    def _apply(self):
        self.setSizePolicy(self.activeSizePolicy if self.active else self.inactiveSizePolicy)

    active = kept(bool, "active", False, _apply)
    activeSizePolicy = kept(QtWidgets.QSizePolicy, "activeSizePolicy", QtWidgets.QSizePolicy(), _apply)
    inactiveSizePolicy = kept(QtWidgets.QSizePolicy, "inactiveSizePolicy", QtWidgets.QSizePolicy(), _apply)

    def setActive(self, active):
        """Use the active policy."""
        self.active = active

    def setInactive(self, inactive):
        """The reverse."""
        self.active = not inactive
