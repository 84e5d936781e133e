"""A Qt widget that shows what a VTK render window draws off screen."""

import time

import numpy
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtk.util.numpy_support import vtk_to_numpy


class RenderClock:
    """Sums the time spent drawing. The host draws in software what the real application gives to the graphics card, so
    measurements of the event loop can leave it out."""

    def __init__(self):
        self.seconds = 0.0

    def measure(self, action) -> None:
        start = time.perf_counter()
        try:
            action()
        finally:
            self.seconds += time.perf_counter() - start


renderClock = RenderClock()


class VtkView(QtWidgets.QWidget):
    """Base of the slice and 3D views: one off-screen render window with one renderer and a displayable manager group.

    Drawing is asked for by the displayable managers and happens later, in the event loop, when the view is visible;
    `forceRender` draws at once.
    """

    REDRAW_DELAY_MS = 20

    def __init__(self, parent=None):
        super().__init__(parent)
        self._renderWindow = vtk.vtkRenderWindow()
        self._renderWindow.SetOffScreenRendering(1)
        self._renderWindow.ShowWindowOff()
        self._renderWindow.SetMultiSamples(0)
        self._renderer = vtk.vtkRenderer()
        self._renderWindow.AddRenderer(self._renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._renderWindow)
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._interactor.EnableRenderOff()
        self._interactor.Initialize()
        self._cornerAnnotation = vtk.vtkCornerAnnotation()
        self._cornerAnnotation.SetMaximumFontSize(13)
        self._renderer.AddViewProp(self._cornerAnnotation)
        self._managers = None
        self._image = QtGui.QImage()
        self._pauseCount = 0
        self._renderEnabled = True
        self._stale = True
        self._timer = QtCore.QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(self.REDRAW_DELAY_MS)
        self._timer.timeout.connect(self._renderIfVisible)
        self.setMinimumSize(60, 60)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Expanding)

    def _initializeManagers(self, factoryClass) -> None:
        import slicer

        self._managers = slicer.vtkMRMLDisplayableManagerGroup()
        self._managers.Initialize(factoryClass.GetInstance(), self._renderer)
        self._managers.AddObserver(vtk.vtkCommand.UpdateEvent, lambda *_: self.scheduleRender())

    # What ctkVTKAbstractView offers

    def renderWindow(self):
        return self._renderWindow

    def interactor(self):
        return self._interactor

    def interactorStyle(self):
        return self._interactor.GetInteractorStyle()

    def cornerAnnotation(self):
        return self._cornerAnnotation

    def VTKWidget(self):
        return self

    def displayableManagerByClassName(self, className):
        return self._managers.GetDisplayableManagerByClassName(className)

    def getDisplayableManagers(self, collection):
        for index in range(self._managers.GetDisplayableManagerCount()):
            collection.AddItem(self._managers.GetNthDisplayableManager(index))

    def pauseRender(self):
        return self.setRenderPaused(True)

    def resumeRender(self):
        return self.setRenderPaused(False)

    def setRenderPaused(self, pause):
        self._pauseCount = max(0, self._pauseCount + (1 if pause else -1))
        if self._pauseCount == 0 and self._stale:
            self.scheduleRender()
        return self._pauseCount

    def isRenderEnabled(self):
        return self._renderEnabled

    def setRenderEnabled(self, value):
        self._renderEnabled = bool(value)

    renderEnabled = QtCore.Property(bool, isRenderEnabled, setRenderEnabled)

    def scheduleRender(self):
        self._stale = True
        if not self._timer.isActive() and self._pauseCount == 0:
            self._timer.start()

    def forceRender(self):
        self._timer.stop()
        renderClock.measure(self._render)

    # Drawing

    def _beforeRender(self) -> None:
        """Hook for what must be right before drawing."""

    def _renderIfVisible(self) -> None:
        if self.isVisible() and self._pauseCount == 0 and self._renderEnabled:
            self.forceRender()

    def _render(self) -> None:
        width, height = max(self.width(), 2), max(self.height(), 2)
        if self._renderWindow.GetSize() != (width, height):
            self._renderWindow.SetSize(width, height)
            self._interactor.SetSize(width, height)
            self._sizeChanged(width, height)
        self._beforeRender()
        self._renderWindow.Render()
        self._image = grabImage(self._renderWindow)
        self._stale = False
        self.update()

    def _sizeChanged(self, width: int, height: int) -> None:
        """Hook for what depends on the size."""

    def image(self) -> QtGui.QImage:
        """The picture as last drawn (drawn now when it is out of date)."""
        if self._stale or self._image.isNull() or self._image.size() != self.size():
            self.forceRender()
        return self._image

    def paintEvent(self, event):
        painter = QtGui.QPainter(self)
        if self._image.isNull():
            painter.fillRect(self.rect(), QtCore.Qt.GlobalColor.black)
        else:
            painter.drawImage(self.rect(), self._image)
        painter.end()

    def resizeEvent(self, event):
        super().resizeEvent(event)
        self.scheduleRender()

    def showEvent(self, event):
        super().showEvent(event)
        if self._stale:
            self.scheduleRender()

    def finalize(self) -> None:
        """Free the render window while its context still exists."""
        self._timer.stop()
        self._renderWindow.Finalize()


def grabImage(renderWindow) -> QtGui.QImage:
    """Return what a render window shows."""
    source = vtk.vtkWindowToImageFilter()
    source.SetInput(renderWindow)
    source.SetInputBufferTypeToRGB()
    source.ReadFrontBufferOff()
    source.ShouldRerenderOff()
    source.Update()
    output = source.GetOutput()
    width, height, _ = output.GetDimensions()
    pixels = vtk_to_numpy(output.GetPointData().GetScalars()).reshape(height, width, 3)[::-1]
    pixels = numpy.ascontiguousarray(pixels)
    return QtGui.QImage(pixels.data, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888).copy()
