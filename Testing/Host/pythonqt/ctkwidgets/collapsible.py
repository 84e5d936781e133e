"""ctkCollapsibleButton and ctkCollapsibleGroupBox: headers that fold what is below them."""

from PySide6 import QtCore, QtGui, QtWidgets

from Host.pythonqt.ctkwidgets.fields import kept

Event = QtCore.QEvent.Type


class Folding:
    """Hides the direct children of a widget and shows again those that the code wants visible."""

    def __init__(self, owner):
        self.owner = owner
        self.wanted = {}
        self.working = False

    def children(self):
        """Direct child widgets."""
        return [each for each in self.owner.children() if isinstance(each, QtWidgets.QWidget) and not each.isWindow()]

    def fold(self, collapsed):
        """Apply the state to all children."""
        self.working = True
        for child in self.children():
            if collapsed:
                self.wanted[child] = not child.isHidden()
                child.hide()
            else:
                child.setVisible(self.wanted.get(child, not child.isHidden()))
        if not collapsed:
            self.wanted.clear()
        self.working = False

    def watch(self, child, event, collapsed):
        """Keep a child hidden that is shown while the widget is folded, and remember the wish."""
        if collapsed and not self.working and event.type() in (Event.ShowToParent, Event.HideToParent):
            shown = event.type() == Event.ShowToParent
            self.wanted[child] = shown
            if shown:
                self.working = True
                child.hide()
                self.working = False


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A flat header bar with an arrow; its children are shown while it is expanded."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._folding = Folding(self)
        self._isCollapsed = False
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Minimum)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.toggled.connect(self._onToggled)
        self._updateMargins()

    def _headerHeight(self):
        return self.fontMetrics().height() + 10

    def _updateMargins(self):
        self.setContentsMargins(1, self._headerHeight(), 1, 1)

    def _onToggled(self, checked):
        self.collapsed = not checked

    def _readCollapsed(self):
        return self._isCollapsed

    def _writeCollapsed(self, collapsed):
        if collapsed == self._isCollapsed:
            return
        self._isCollapsed = collapsed
        self.setChecked(not collapsed)
        self._folding.fold(collapsed)
        self.updateGeometry()
        self.update()
        self.contentsCollapsed.emit(collapsed)

    collapsed = QtCore.Property(bool, _readCollapsed, _writeCollapsed)
    collapsedHeight = kept(int, "collapsedHeight", 10)
    flat = kept(bool, "flat", False)
    buttonTextAlignment = kept(int, "buttonTextAlignment", 129)
    indicatorAlignment = kept(int, "indicatorAlignment", 129)
    contentsFrameShape = kept(int, "contentsFrameShape", 0)
    contentsFrameShadow = kept(int, "contentsFrameShadow", 16)
    contentsLineWidth = kept(int, "contentsLineWidth", 1)
    contentsMidLineWidth = kept(int, "contentsMidLineWidth", 0)

    def childEvent(self, event):
        child = event.child()
        if event.type() == Event.ChildAdded and isinstance(child, QtWidgets.QWidget):
            child.installEventFilter(self)
        super().childEvent(event)

    def eventFilter(self, watched, event):
        self._folding.watch(watched, event, self._isCollapsed)
        return False

    def changeEvent(self, event):
        if event.type() == Event.FontChange:
            self._updateMargins()
        super().changeEvent(event)

    def sizeHint(self):
        width = self.fontMetrics().horizontalAdvance(self.text()) + 40
        if self._isCollapsed or self.layout() is None:
            return QtCore.QSize(width, self._headerHeight() + 2)
        return self.layout().totalSizeHint().expandedTo(QtCore.QSize(width, self._headerHeight() + 2))

    def minimumSizeHint(self):
        if self._isCollapsed or self.layout() is None:
            return QtCore.QSize(40, self._headerHeight() + 2)
        return self.layout().totalMinimumSize()

    def hitButton(self, position):
        return position.y() < self._headerHeight()

    def paintEvent(self, event):
        painter = QtWidgets.QStylePainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        header = QtCore.QRectF(0.5, 0.5, self.width() - 1, self._headerHeight() - 1)
        border = palette.color(QtGui.QPalette.ColorRole.Mid)
        fill = palette.color(QtGui.QPalette.ColorRole.Button)
        painter.setPen(border)
        painter.setBrush(fill.lighter(104) if self.underMouse() else fill)
        painter.drawRoundedRect(header, 3, 3)
        option = QtWidgets.QStyleOption()
        option.initFrom(self)
        option.rect = QtCore.QRect(8, (self._headerHeight() - 10) // 2, 10, 10)
        element = QtWidgets.QStyle.PrimitiveElement
        arrow = element.PE_IndicatorArrowRight if self._isCollapsed else element.PE_IndicatorArrowDown
        painter.drawPrimitive(arrow, option)
        role = QtGui.QPalette.ColorRole.ButtonText
        group = QtGui.QPalette.ColorGroup.Active if self.isEnabled() else QtGui.QPalette.ColorGroup.Disabled
        painter.setPen(palette.color(group, role))
        painter.drawText(
            header.adjusted(24, 0, -6, 0),
            QtCore.Qt.AlignmentFlag.AlignVCenter | QtCore.Qt.TextFlag.TextShowMnemonic,
            self.text(),
        )


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box whose title folds it."""

    pythonqtConstructors = (
        (("QString", "title"), ("QWidget", "parent")),
        (("QString", "title"),),
        (("QWidget", "parent"),),
        (),
    )

    def __init__(self, *args):
        super().__init__(*args)
        self._folding = Folding(self)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._fold)

    def _fold(self, checked):
        self._folding.fold(not checked)
        self.setMaximumHeight(16777215 if checked else self.fontMetrics().height() + 4 + self.collapsedHeight)
        self.updateGeometry()

    def _readCollapsed(self):
        return not self.isChecked()

    def _writeCollapsed(self, collapsed):
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, _readCollapsed, _writeCollapsed)
    collapsedHeight = kept(int, "collapsedHeight", 14)

    def childEvent(self, event):
        if event.type() == Event.ChildAdded and isinstance(event.child(), QtWidgets.QWidget):
            event.child().installEventFilter(self)
        super().childEvent(event)

    def eventFilter(self, watched, event):
        self._folding.watch(watched, event, not self.isChecked())
        return False

    def paintEvent(self, event):
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionGroupBox()
        self.initStyleOption(option)
        option.subControls &= ~QtWidgets.QStyle.SubControl.SC_GroupBoxCheckBox
        option.text = ("▸ " if self.collapsed else "▾ ") + self.title()
        painter.drawComplexControl(QtWidgets.QStyle.ComplexControl.CC_GroupBox, option)
