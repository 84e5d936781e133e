"""The main window: module panel on the left, views on the right, as in the application's default arrangement."""

from PySide6 import QtCore, QtGui, QtWidgets


class ModuleSelector(QtWidgets.QToolBar):
    """Chooses the module whose panel is shown (qSlicerModuleSelectorToolBar)."""

    moduleSelected = QtCore.Signal(str)

    def __init__(self, manager, parent=None):
        super().__init__("Module Selection", parent)
        self.setObjectName("ModuleSelectorToolBar")
        self.setMovable(False)
        self._manager = manager
        self._selected = "Welcome"
        self.addWidget(QtWidgets.QLabel(" Modules: "))
        self._box = QtWidgets.QComboBox()
        self._box.setMinimumWidth(220)
        self._box.activated.connect(lambda index: self.selectModule(self._box.itemData(index)))
        self.addWidget(self._box)

    def refresh(self) -> None:
        """Offer the scripted modules that are loaded."""
        self._box.clear()
        self._box.addItem("Welcome to Slicer", "Welcome")
        for module in self._manager.scripted():
            if not module.hidden:
                self._box.addItem(module.icon, module.title, module.objectName())
        self._box.setCurrentIndex(max(0, self._box.findData(self._selected)))

    def selectModule(self, name):
        module = self._manager.module(name)
        if module is None or name == self._selected:
            return
        # Built before anything changes: an error in the panel's set-up goes to the caller, not into a signal.
        module.widgetRepresentation()
        self._selected = name
        self.refresh()
        self.moduleSelected.emit(name)

    def forget(self) -> None:
        """Back to the first page (when everything is unloaded)."""
        self._selected = "Welcome"

    selectedModule = QtCore.Property(str, lambda self: self._selected, selectModule)


class ModulePanel(QtWidgets.QScrollArea):
    """Shows the panel of the selected module (qSlicerModulePanel)."""

    def __init__(self, manager, parent=None):
        super().__init__(parent)
        self.setObjectName("ModulePanel")
        self._manager = manager
        self._current = None
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        content = QtWidgets.QWidget()
        self._column = QtWidgets.QVBoxLayout(content)
        self._column.setContentsMargins(4, 2, 4, 2)
        self._help = HelpSection()
        self._column.addWidget(self._help)
        self._column.addStretch(1)
        self.setWidget(content)

    def showModule(self, name) -> None:
        """Leave the present module, enter another."""
        if self._current is not None:
            self._current.exit()
            self._column.removeWidget(self._current)
            self._current.hide()
        module = self._manager.module(name)
        self._current = module.widgetRepresentation()
        self._help.showTexts(module.helpText, module.acknowledgementText)
        stretch = self._current.sizePolicy().verticalPolicy() != QtWidgets.QSizePolicy.Policy.Expanding
        self._column.insertWidget(1, self._current, 0 if stretch else 1)
        self._current.show()
        self._current.enter()

    def leave(self) -> None:
        """Exit the present module and take its panel out."""
        if self._current is not None:
            self._current.exit()
            self._current.setParent(None)
            self._current = None

    def currentWidget(self):
        """The panel that is shown, or None."""
        return self._current

    helpAndAcknowledgmentVisible = QtCore.Property(
        bool, lambda self: self._help.isVisible(), lambda self, visible: self._help.setVisible(visible)
    )


class HelpSection(QtWidgets.QWidget):
    """The folded "Help & Acknowledgement" part above every panel."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._button = QtWidgets.QToolButton()
        self._button.setText("Help && Acknowledgement")
        self._button.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setArrowType(QtCore.Qt.ArrowType.RightArrow)
        self._button.setCheckable(True)
        self._button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._button.toggled.connect(self._toggled)
        self._text = QtWidgets.QTextBrowser()
        self._text.setMaximumHeight(160)
        self._text.hide()
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._button)
        column.addWidget(self._text)

    def _toggled(self, checked):
        arrow = QtCore.Qt.ArrowType.DownArrow if checked else QtCore.Qt.ArrowType.RightArrow
        self._button.setArrowType(arrow)
        self._text.setVisible(checked)

    def showTexts(self, helpText, acknowledgementText) -> None:
        self._text.setHtml(f"{helpText}<h4>Acknowledgement</h4>{acknowledgementText}")


class MainWindow(QtWidgets.QMainWindow):
    """The application's main window (qSlicerMainWindow)."""

    initialWindowShown = QtCore.Signal()

    def __init__(self, manager):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer")
        self._selector = ModuleSelector(manager, self)
        self.addToolBar(self._selector)
        self._panel = ModulePanel(manager)
        self._selector.moduleSelected.connect(self._panel.showModule)
        manager.select = self._selector.selectModule
        logo = QtWidgets.QLabel("3D Slicer")
        logo.setObjectName("LogoLabel")
        font = QtGui.QFont(logo.font())
        font.setPointSize(font.pointSize() + 5)
        font.setBold(True)
        logo.setFont(font)
        logo.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        holder = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(holder)
        column.setContentsMargins(0, 4, 0, 0)
        column.addWidget(logo)
        column.addWidget(self._panel)
        dock = QtWidgets.QDockWidget(self)
        dock.setObjectName("PanelDockWidget")
        dock.setTitleBarWidget(QtWidgets.QWidget(dock))
        dock.setWidget(holder)
        dock.setFeatures(QtWidgets.QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
        self.addDockWidget(QtCore.Qt.DockWidgetArea.LeftDockWidgetArea, dock)
        self.resizeDocks([dock], [420], QtCore.Qt.Orientation.Horizontal)
        self.viewport = QtWidgets.QFrame()
        self.viewport.setObjectName("CentralWidgetLayoutFrame")
        self.setCentralWidget(self.viewport)
        self.statusBar()

    def moduleSelector(self):
        return self._selector

    def modulePanel(self):
        """The panel area, for the host."""
        return self._panel

    def setHomeModuleCurrent(self):
        self._panel.leave()
        self._selector.forget()
        self._selector.refresh()
