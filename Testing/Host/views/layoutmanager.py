"""The layout manager: builds the widgets that the scene's layout node describes."""

import xml.etree.ElementTree

import vtk
from PySide6 import QtCore, QtWidgets

from .chartview import PlotWidget
from .sliceview import SliceWidget
from .tableview import TableWidget
from .threedview import ThreeDWidget


class LayoutManager(QtCore.QObject):
    """Places the view widgets as ``vtkMRMLLayoutNode`` says (the application's qSlicerLayoutManager).

    Parameters
    ----------
    core : Host.mrml.Core
        Scene and logics.
    viewport : PySide6.QtWidgets.QWidget
        The part of the main window that the views fill.
    """

    layoutChanged = QtCore.Signal(int)

    def __init__(self, core, viewport):
        super().__init__(viewport)
        self._core = core
        self._viewport = viewport
        column = QtWidgets.QVBoxLayout(viewport)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._content = None
        self._widgets = {
            "vtkMRMLSliceNode": {},
            "vtkMRMLViewNode": {},
            "vtkMRMLPlotViewNode": {},
            "vtkMRMLTableViewNode": {},
        }
        self._shown = {className: [] for className in self._widgets}
        self._description = None
        self._layoutNode = core.layoutLogic.GetLayoutNode()
        self._layoutNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._update())
        core.scene.AddObserver(core.scene.EndCloseEvent, lambda *_: self._forgetAfterClose())

    def start(self, layout: int) -> None:
        """Show the first layout."""
        self._layoutNode.SetViewArrangement(layout)
        self._update()

    # Building

    def _forgetAfterClose(self) -> None:
        # Closing the scene keeps the singleton view nodes and layout; the camera is re-created by its manager.
        for widget in self._allWidgets():
            widget.viewWidget().scheduleRender()

    def _update(self) -> None:
        description = self._layoutNode.GetCurrentLayoutDescription()
        if not description or description == self._description:
            return
        self._description = description
        for widget in self._allWidgets():
            widget.setParent(None)
        if self._content is not None:
            self._viewport.layout().removeWidget(self._content)
            self._content.deleteLater()
        self._shown = {className: [] for className in self._widgets}
        # A holder of its own: the old one is deleted, the views in it are kept.
        self._content = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._build(xml.etree.ElementTree.fromstring(description)))
        self._viewport.layout().addWidget(self._content)
        self._content.show()
        for widget in self._allWidgets():
            widget.setVisible(any(widget in shown for shown in self._shown.values()))
        self.layoutChanged.emit(self._layoutNode.GetViewArrangement())

    def _build(self, element):
        if element.tag == "view":
            return self._widget(element.get("class"), element.get("singletontag"))
        if element.get("type") == "tab":
            box = QtWidgets.QTabWidget()
            for item in element.findall("item"):
                box.addTab(self._build(item[0]), item.get("name") or "")
            return box
        direction = (
            QtCore.Qt.Orientation.Vertical if element.get("type") == "vertical" else QtCore.Qt.Orientation.Horizontal
        )
        box = QtWidgets.QSplitter(direction)
        box.setHandleWidth(4)
        for item in element.findall("item"):
            box.addWidget(self._build(item[0]))
        # Equal shares, whatever the widgets hint.
        box.setSizes([10000] * box.count())
        return box

    def _widget(self, className: str, tag: str):
        widgets = self._widgets.get(className)
        if widgets is None:
            return QtWidgets.QLabel(f"No view for {className}")
        if tag not in widgets:
            widgets[tag] = self._createWidget(className, tag)
        if widgets[tag] not in self._shown[className]:
            self._shown[className].append(widgets[tag])
        return widgets[tag]

    def _createWidget(self, className: str, tag: str):
        import slicer

        if className == "vtkMRMLSliceNode":
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self._core.applicationLogic)
            logic.SetMRMLScene(self._core.scene)
            # The layout logic has made the node already: AddSliceNode would make a second one outside the scene.
            logic.SetSliceNode(self._core.scene.GetSingletonNode(tag, className))
            self._core.applicationLogic.GetSliceLogics().AddItem(logic)
            widget = SliceWidget(logic)
            widget.setObjectName(f"qMRMLSliceWidget{tag}")
            return widget
        if className == "vtkMRMLViewNode":
            logic = slicer.vtkMRMLViewLogic()
            logic.SetMRMLApplicationLogic(self._core.applicationLogic)
            logic.SetName(tag)
            logic.SetMRMLScene(self._core.scene)
            self._core.applicationLogic.GetViewLogics().AddItem(logic)
            widget = ThreeDWidget(logic)
            widget.setObjectName(f"ThreeDWidget{tag}")
            return widget
        node = self._core.scene.GetSingletonNode(tag, className)
        if className == "vtkMRMLPlotViewNode":
            return PlotWidget(node)
        return TableWidget(node)

    def _allWidgets(self):
        return [widget for widgets in self._widgets.values() for widget in widgets.values()]

    def finalize(self) -> None:
        """Free the render windows of all views."""
        for className in ("vtkMRMLSliceNode", "vtkMRMLViewNode", "vtkMRMLPlotViewNode"):
            for widget in self._widgets[className].values():
                widget.viewWidget().finalize()

    # What qSlicerLayoutManager offers

    def mrmlScene(self):
        return self._core.scene

    def layoutLogic(self):
        return self._core.layoutLogic

    def setLayout(self, layout):
        self._layoutNode.SetViewArrangement(int(layout))

    def _layout(self):
        return self._layoutNode.GetViewArrangement()

    layout = QtCore.Property(int, _layout, setLayout)

    def sliceViewNames(self):
        ordered = ["Red", "Yellow", "Green"]
        names = list(self._widgets["vtkMRMLSliceNode"])
        return tuple(sorted(names, key=lambda name: ordered.index(name) if name in ordered else len(ordered)))

    def sliceWidget(self, name):
        return self._widgets["vtkMRMLSliceNode"].get(name)

    def _count(self, className):
        return len(self._shown[className])

    threeDViewCount = QtCore.Property(int, lambda self: self._count("vtkMRMLViewNode"))
    tableViewCount = QtCore.Property(int, lambda self: self._count("vtkMRMLTableViewNode"))
    plotViewCount = QtCore.Property(int, lambda self: self._count("vtkMRMLPlotViewNode"))

    def _nth(self, className, index):
        if isinstance(index, str):
            return self._widgets[className].get(index)
        shown = self._shown[className]
        return shown[index] if 0 <= index < len(shown) else None

    def threeDWidget(self, index):
        return self._nth("vtkMRMLViewNode", index)

    def plotWidget(self, index):
        return self._nth("vtkMRMLPlotViewNode", index)

    def tableWidget(self, index):
        return self._nth("vtkMRMLTableViewNode", index)

    def viewWidgets(self):
        return tuple(widget for shown in self._shown.values() for widget in shown)

    def mrmlSliceLogics(self):
        return self._core.applicationLogic.GetSliceLogics()

    def mrmlViewLogics(self):
        return self._core.applicationLogic.GetViewLogics()

    def activeMRMLThreeDViewNode(self):
        widget = self.threeDWidget(0)
        return widget.mrmlViewNode() if widget else None

    def activeThreeDRenderer(self):
        widget = self.threeDWidget(0)
        return widget.threeDView().renderWindow().GetRenderers().GetFirstRenderer() if widget else None

    def resetThreeDViews(self):
        for widget in self._widgets["vtkMRMLViewNode"].values():
            widget.threeDView().resetFocalPoint()

    def resetSliceViews(self):
        for widget in self._widgets["vtkMRMLSliceNode"].values():
            widget.fitSliceToBackground()

    def pauseRender(self):
        self.setRenderPaused(True)

    def resumeRender(self):
        self.setRenderPaused(False)

    def setRenderPaused(self, pause):
        for className in ("vtkMRMLSliceNode", "vtkMRMLViewNode"):
            for widget in self._widgets[className].values():
                widget.viewWidget().setRenderPaused(pause)
