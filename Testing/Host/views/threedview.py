"""The 3D view: the real view logic and 3D displayable managers."""

from PySide6 import QtCore, QtGui, QtWidgets

from .sliceview import frameIcon
from .vtkview import VtkView


class ThreeDView(VtkView):
    """The drawing area of the 3D view (the application's qMRMLThreeDView)."""

    def __init__(self, viewLogic, parent=None):
        import slicer

        super().__init__(parent)
        self._logic = viewLogic
        self._viewNode = viewLogic.GetViewNode()
        self._renderer.SetUseDepthPeeling(True)
        self._renderer.SetMaximumNumberOfPeels(4)
        self._initializeManagers(slicer.vtkMRMLThreeDViewDisplayableManagerFactory)
        self._style = slicer.vtkMRMLThreeDViewInteractorStyle()
        self._style.SetDisplayableManagers(self._managers)
        self._style.SetInteractor(self._interactor)
        self._managers.SetMRMLDisplayableNode(self._viewNode)

    # What qMRMLThreeDView and ctkVTKRenderView offer

    def mrmlViewNode(self):
        return self._viewNode

    def cameraNode(self):
        return self.displayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()

    def interactorObserver(self):
        return self._style

    def resetFocalPoint(self):
        """Look at the centre of what is visible; the box and the axis labels are not counted."""
        modifying = self._viewNode.StartModify()
        box, labels = self._viewNode.GetBoxVisible(), self._viewNode.GetAxisLabelsVisible()
        self._viewNode.SetBoxVisible(False)
        self._viewNode.SetAxisLabelsVisible(False)
        self._viewNode.EndModify(modifying)
        bounds = [0.0] * 6
        self._renderer.ComputeVisiblePropBounds(bounds)
        if bounds[0] <= bounds[1]:
            self.setFocalPoint(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
        modifying = self._viewNode.StartModify()
        self._viewNode.SetBoxVisible(box)
        self._viewNode.SetAxisLabelsVisible(labels)
        self._viewNode.EndModify(modifying)
        self._viewNode.InvokeEvent(self._viewNode.ResetFocalPointRequestedEvent)
        self._renderer.ResetCameraClippingRange()
        self.scheduleRender()

    def setFocalPoint(self, x, y, z):
        camera = self._renderer.GetActiveCamera()
        camera.SetFocalPoint(x, y, z)
        camera.ComputeViewPlaneNormal()
        camera.OrthogonalizeViewUp()
        self._renderer.ResetCameraClippingRange()
        self._renderer.UpdateLightsGeometryToFollowCamera()
        self.scheduleRender()

    def resetCamera(self, resetRotation=True, resetTranslation=True, resetDistance=True):
        cameraNode = self.cameraNode()
        cameraNode.Reset(bool(resetRotation), bool(resetTranslation), bool(resetDistance), self._renderer)
        self.scheduleRender()

    def rotateToViewAxis(self, axisId):
        self.cameraNode().RotateTo(int(axisId))

    def lookFromViewAxis(self, axis):
        import slicer

        # ctkAxesWidget::Axis counts None, Right, Left, Superior, Inferior, Anterior, Posterior
        node = slicer.vtkMRMLCameraNode
        self.cameraNode().RotateTo(
            {1: node.Right, 2: node.Left, 3: node.Superior, 4: node.Inferior, 5: node.Anterior, 6: node.Posterior}[
                axis
            ]
        )

    def lookFromAxis(self, axis, fov=10.0):
        self.lookFromViewAxis(axis)

    def _zoom(self, factor):
        self._renderer.GetActiveCamera().Dolly(factor)
        self._renderer.ResetCameraClippingRange()
        self.scheduleRender()

    def zoomIn(self):
        self._zoom(1.05)

    def zoomOut(self):
        self._zoom(1 / 1.05)


class ThreeDController(QtWidgets.QWidget):
    """The bar of the 3D view."""

    COLOR = QtGui.QColor("#aeaac8")

    def __init__(self, view, parent=None):
        super().__init__(parent)
        self._view = view
        label = QtWidgets.QLabel(view.mrmlViewNode().GetLayoutLabel() or "1")
        label.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        label.setFixedWidth(22)
        center = QtWidgets.QToolButton()
        center.setIcon(frameIcon())
        center.setAutoRaise(True)
        center.setToolTip("Center the 3D view on the scene")
        center.clicked.connect(lambda *_: view.resetFocalPoint())
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 4, 0)
        row.setSpacing(2)
        row.addWidget(label)
        row.addWidget(center)
        row.addStretch(1)
        self.setFixedHeight(22)
        self.setAutoFillBackground(True)
        palette = self.palette()
        palette.setColor(QtGui.QPalette.ColorRole.Window, self.COLOR)
        self.setPalette(palette)

    def resetFocalPoint(self):
        self._view.resetFocalPoint()


class ThreeDWidget(QtWidgets.QWidget):
    """The 3D view with its bar (the application's qMRMLThreeDWidget)."""

    def __init__(self, logic, parent=None):
        super().__init__(parent)
        self._logic = logic
        self._view = ThreeDView(logic, self)
        self._controller = ThreeDController(self._view, self)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._controller)
        column.addWidget(self._view)

    def threeDView(self):
        return self._view

    def viewWidget(self):
        return self._view

    def threeDController(self):
        return self._controller

    def controllerWidget(self):
        return self._controller

    def mrmlViewNode(self):
        return self._logic.GetViewNode()

    def mrmlAbstractViewNode(self):
        return self._logic.GetViewNode()

    def viewLogic(self):
        return self._logic

    def logic(self):
        return self._logic
