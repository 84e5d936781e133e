"""Slice views: the real slice logic and slice displayable managers, with the coloured bar above them."""

import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .vtkview import VtkView


class SliceView(VtkView):
    """The drawing area of one slice view (the application's qMRMLSliceView)."""

    def __init__(self, parent=None):
        import slicer

        super().__init__(parent)
        self._sliceNode = None
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        # The 2D markups draw into a second layer.
        overlay = vtk.vtkRenderer()
        overlay.GetActiveCamera().ParallelProjectionOn()
        overlay.SetLayer(1)
        self._renderWindow.SetNumberOfLayers(2)
        self._renderWindow.AddRenderer(overlay)
        # The slice logic has applied the volume's window already: the mapper must pass 0..255 through.
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._actor.VisibilityOff()
        self._renderer.AddViewProp(self._actor)
        self._initializeManagers(slicer.vtkMRMLSliceViewDisplayableManagerFactory)
        self._style = slicer.vtkMRMLSliceViewInteractorStyle()
        self._style.SetDisplayableManagers(self._managers)

    def attach(self, logic) -> None:
        """Show what a slice logic produces."""
        self._logic = logic
        self._style.SetSliceLogic(logic)
        self._style.SetInteractor(self._interactor)
        self._sliceNode = logic.GetSliceNode()
        self._managers.SetMRMLDisplayableNode(self._sliceNode)
        logic.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._updateConnection())
        logic.GetSliceCompositeNode().AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._updateAnnotation())
        self._updateConnection()

    def _updateConnection(self) -> None:
        self.setImageDataConnection(self._logic.GetImageDataConnection())

    def setImageDataConnection(self, connection):
        self._mapper.SetInputConnection(connection)
        self._actor.SetVisibility(connection is not None)
        self.scheduleRender()

    def _updateAnnotation(self) -> None:
        lines = []
        composite = self._logic.GetSliceCompositeNode()
        for letter, nodeId in (("F", composite.GetForegroundVolumeID()), ("B", composite.GetBackgroundVolumeID())):
            node = self._logic.GetMRMLScene().GetNodeByID(nodeId) if nodeId else None
            if node:
                lines.append(f"{letter}: {node.GetName()}")
        self._cornerAnnotation.SetText(vtk.vtkCornerAnnotation.LowerLeft, "\n".join(lines))
        self.scheduleRender()

    def _sizeChanged(self, width, height):
        self._logic.ResizeSliceNode(width, height)

    # What qMRMLSliceView offers

    def mrmlSliceNode(self):
        return self._sliceNode

    def sliceViewInteractorStyle(self):
        return self._style

    def interactorObserver(self):
        return self._style

    def convertXYZToRAS(self, xyz):
        return tuple(self._sliceNode.GetXYToRAS().MultiplyPoint((*xyz[:3], 1.0))[:3])

    def convertRASToXYZ(self, ras):
        inverse = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self._sliceNode.GetXYToRAS(), inverse)
        return tuple(inverse.MultiplyPoint((*ras[:3], 1.0))[:3])

    def convertDeviceToXYZ(self, xy):
        return (float(xy[0]), float(xy[1]), 0.0)


def frameIcon() -> QtGui.QIcon:
    """Return the icon of the button that fits a view to its content: a frame with a dot."""
    pixmap = QtGui.QPixmap(16, 16)
    pixmap.fill(QtCore.Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    painter.setPen(QtGui.QPen(QtCore.Qt.GlobalColor.black, 1.5))
    painter.drawRect(3, 3, 10, 10)
    painter.setBrush(QtCore.Qt.GlobalColor.black)
    painter.drawEllipse(6, 6, 4, 4)
    painter.end()
    return QtGui.QIcon(pixmap)


def offsetText(sliceNode) -> str:
    """Return where a slice lies, as in ``R: 12.500 mm``; only the number for oblique slices."""
    axis, letters = {"Sagittal": (0, "RL"), "Coronal": (1, "AP"), "Axial": (2, "SI")}.get(
        sliceNode.GetOrientation(), (None, "")
    )
    if axis is None:
        return f"{sliceNode.GetSliceOffset():.3f} mm"
    position = round(sliceNode.GetSliceToRAS().GetElement(axis, 3), 3)
    return f"{letters[0] if position >= 0 else letters[1]}: {abs(position):.3f} mm"


class SliceController(QtWidgets.QWidget):
    """The bar of a slice view: label, slider, offset (the application's qMRMLSliceControllerWidget)."""

    STEPS = 1000

    def __init__(self, parent=None):
        super().__init__(parent)
        self._logic = None
        self._label = QtWidgets.QLabel()
        self._label.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self._label.setFixedWidth(22)
        self._fit = QtWidgets.QToolButton()
        self._fit.setIcon(frameIcon())
        self._fit.setAutoRaise(True)
        self._fit.setToolTip("Adjust the slice view's field of view to match the extent of the lowest non-null volume")
        self._fit.clicked.connect(lambda *_: self.fitSliceToBackground())
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, self.STEPS)
        self._slider.valueChanged.connect(self._sliderMoved)
        self._offset = QtWidgets.QLabel()
        self._offset.setMinimumWidth(86)
        self._offset.setAlignment(QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 4, 0)
        row.setSpacing(2)
        for widget in (self._label, self._fit, self._slider, self._offset):
            row.addWidget(widget)
        self.setFixedHeight(22)
        self.setAutoFillBackground(True)

    def setSliceLogic(self, logic):
        self._logic = logic
        node = logic.GetSliceNode()
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self.updateWidgetFromMRMLView())
        logic.GetSliceCompositeNode().AddObserver(
            vtk.vtkCommand.ModifiedEvent, lambda *_: self.updateWidgetFromMRMLView()
        )
        self.updateWidgetFromMRMLView()

    def updateWidgetFromMRMLView(self):
        node = self._logic.GetSliceNode()
        color = QtGui.QColor.fromRgbF(*node.GetLayoutColor())
        palette = self.palette()
        palette.setColor(QtGui.QPalette.ColorRole.Window, color)
        self.setPalette(palette)
        self._label.setText(node.GetLayoutLabel() or "")
        self._offset.setText(offsetText(node))
        low, high = self._range()
        position = (self._logic.GetSliceOffset() - low) / (high - low) if high > low else 0.0
        self._slider.blockSignals(True)
        self._slider.setValue(round(position * self.STEPS))
        self._slider.blockSignals(False)

    def _range(self):
        limits, resolution = [-1.0, -1.0], vtk.reference(1.0)
        if self._logic.GetSliceOffsetRangeResolution(limits, resolution):
            return limits
        return (0.0, 0.0)

    def _sliderMoved(self, value):
        low, high = self._range()
        if high > low:
            self._logic.SetSliceOffset(low + (high - low) * value / self.STEPS)

    # What qMRMLSliceControllerWidget offers

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self):
        self._logic.FitSliceToBackground()
        self._logic.SnapSliceOffsetToIJK()

    def setSliceOffsetValue(self, offset):
        self._logic.SetSliceOffset(offset)

    def setSliceVisible(self, visible):
        self._logic.GetSliceNode().SetSliceVisible(bool(visible))

    def setSliceLink(self, linked):
        self._logic.GetSliceCompositeNode().SetLinkedControl(bool(linked))

    def setSliceOrientation(self, orientation):
        self._logic.GetSliceNode().SetOrientation(orientation)

    def rotateSliceToLowestVolumeAxes(self):
        self._logic.RotateSliceToLowestVolumeAxes()

    def setOrientationMarkerType(self, kind):
        self._logic.GetSliceNode().SetOrientationMarkerType(int(kind))

    def setRulerType(self, kind):
        self._logic.GetSliceNode().SetRulerType(int(kind))

    def setForegroundOpacity(self, opacity):
        self._logic.GetSliceCompositeNode().SetForegroundOpacity(opacity)


class SliceWidget(QtWidgets.QWidget):
    """A slice view with its bar (the application's qMRMLSliceWidget)."""

    def __init__(self, logic, parent=None):
        super().__init__(parent)
        self._logic = logic
        self._view = SliceView(self)
        self._controller = SliceController(self)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._controller)
        column.addWidget(self._view)
        self._view.attach(logic)
        self._controller.setSliceLogic(logic)

    def sliceLogic(self):
        return self._logic

    def logic(self):
        return self._logic

    def sliceView(self):
        return self._view

    def viewWidget(self):
        return self._view

    def sliceController(self):
        return self._controller

    def controllerWidget(self):
        return self._controller

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlAbstractViewNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def imageDataConnection(self):
        return self._logic.GetImageDataConnection()

    def interactorStyle(self):
        return self._view.sliceViewInteractorStyle()

    def overlayCornerAnnotation(self):
        return self._view.cornerAnnotation()

    def fitSliceToBackground(self):
        self._controller.fitSliceToBackground()

    def setSliceOrientation(self, orientation):
        self._logic.GetSliceNode().SetOrientation(orientation)

    def _orientation(self):
        return self._logic.GetSliceNode().GetOrientation()

    def _name(self):
        return self._logic.GetSliceNode().GetLayoutName() or ""

    def _label(self):
        return self._logic.GetSliceNode().GetLayoutLabel() or ""

    sliceOrientation = QtCore.Property(str, _orientation, setSliceOrientation)
    sliceViewName = QtCore.Property(str, _name)
    sliceViewLabel = QtCore.Property(str, _label)
    viewLabel = QtCore.Property(str, _label)
