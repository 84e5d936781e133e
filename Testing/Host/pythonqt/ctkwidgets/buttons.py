"""ctk push buttons."""

from PySide6 import QtCore, QtGui, QtWidgets

from Host.pythonqt.ctkwidgets.fields import kept

SHOW_ALPHA = 1


class ctkPushButton(QtWidgets.QPushButton):
    """A push button with adjustable text alignment."""

    pythonqtConstructors = ((("QWidget", "parent"),), ())

    def _restyle(self):
        side = "left" if self.buttonTextAlignment & 1 else "right" if self.buttonTextAlignment & 2 else "center"
        self.setStyleSheet(f"text-align: {side}; padding: 4px 8px;" if side != "center" else "")

    buttonTextAlignment = kept(int, "buttonTextAlignment", 132, _restyle)
    iconAlignment = kept(int, "iconAlignment", 129)
    elideMode = kept(int, "elideMode", 3)


class ctkCheckablePushButton(ctkPushButton):
    """A push button with a check box in front of its text."""

    checkBoxToggled = QtCore.Signal(bool)
    checkStateChanged = QtCore.Signal(QtCore.Qt.CheckState)

    def _readState(self):
        return self.__dict__.get("_state", 0)

    def _writeState(self, state):
        if state == self._readState():
            return
        self._state = state
        self.checkBoxToggled.emit(state == 2)
        self.checkStateChanged.emit(QtCore.Qt.CheckState(state))
        if self.checkBoxControlsButton:
            self.setCheckable(state == 2)
        self.update()

    checkState = QtCore.Property(int, _readState, _writeState)
    checkBoxControlsButton = kept(bool, "checkBoxControlsButton", True)
    checkBoxControlsButtonToggleState = kept(bool, "checkBoxControlsButtonToggleState", False)
    checkBoxUserCheckable = kept(bool, "checkBoxUserCheckable", True)
    indicatorAlignment = kept(int, "indicatorAlignment", 129)

    def _box(self):
        return QtCore.QRect(8, (self.height() - 14) // 2, 14, 14)

    def mousePressEvent(self, event):
        if self.checkBoxUserCheckable and self._box().contains(event.position().toPoint()):
            self.checkState = 0 if self.checkState == 2 else 2
            return
        super().mousePressEvent(event)

    def sizeHint(self):
        return super().sizeHint() + QtCore.QSize(22, 0)

    def paintEvent(self, event):
        super().paintEvent(event)
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = self._box()
        flags = QtWidgets.QStyle.StateFlag
        option.state |= flags.State_On if self.checkState == 2 else flags.State_Off
        painter.drawPrimitive(QtWidgets.QStyle.PrimitiveElement.PE_IndicatorCheckBox, option)


class ctkMenuButton(QtWidgets.QPushButton):
    """A push button whose right part opens its menu."""

    def mousePressEvent(self, event):
        menu = self.menu()
        if menu is not None and event.position().x() < self.width() - 20:
            self.setMenu(None)
            super().mousePressEvent(event)
            self.setMenu(menu)
            return
        super().mousePressEvent(event)


class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows a colour and lets the user choose another one."""

    pythonqtConstructors = (
        (("QString", "text"), ("QWidget", "parent")),
        (("QString", "text"),),
        (("QWidget", "parent"),),
        (),
    )
    colorChanged = QtCore.Signal(QtGui.QColor)
    colorNameChanged = QtCore.Signal(str)

    def __init__(self, *args):
        super().__init__(*args)
        self._value = QtGui.QColor(0, 0, 0)
        self.clicked.connect(lambda: self.changeColor())
        self._show()

    def _show(self):
        pixmap = QtGui.QPixmap(16, 16)
        pixmap.fill(self._value)
        self.setIcon(QtGui.QIcon(pixmap))
        if self.displayColorName:
            self.setText(self.colorName)

    def _readColor(self):
        return QtGui.QColor(self._value)

    def setColor(self, color):
        """Choose a colour."""
        if color == self._value:
            return
        self._value = QtGui.QColor(color)
        self._show()
        self.colorChanged.emit(self._value)
        self.colorNameChanged.emit(self.colorName)

    color = QtCore.Property(QtGui.QColor, _readColor, setColor)
    displayColorName = kept(bool, "displayColorName", True, _show)
    dialogOptions = kept(int, "dialogOptions", 0)

    def setDisplayColorName(self, shown):
        """Show the colour's name on the button."""
        self.displayColorName = shown

    def _readName(self):
        return self.__dict__.get("_name") or self._value.name()

    def _writeName(self, name):
        self._name = name
        self._show()
        self.colorNameChanged.emit(name)

    colorName = QtCore.Property(str, _readName, _writeName)

    def changeColor(self):
        """Ask the user for a colour."""
        options = QtWidgets.QColorDialog.ColorDialogOption(0)
        if self.dialogOptions & SHOW_ALPHA:
            options = QtWidgets.QColorDialog.ColorDialogOption.ShowAlphaChannel
        chosen = QtWidgets.QColorDialog.getColor(self._value, self, "", options)
        if chosen.isValid():
            self.setColor(chosen)
