"""Plain widgets that know the scene (the application's qMRMLWidget and qSlicerWidget)."""

from PySide6 import QtCore, QtWidgets


class MRMLWidget(QtWidgets.QWidget):
    """A widget with a scene: hands it on to the widgets inside it when they take one."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    @QtCore.Slot(object)
    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class SlicerWidget(MRMLWidget):
    """The same under its other name."""


def collapsibleButtonClass() -> type:
    """Return the class for qMRMLCollapsibleButton: ctk's collapsible button with a scene."""
    from ..pythonqt.objects import nativeFor

    class CollapsibleButton(nativeFor("ctkCollapsibleButton")):
        mrmlSceneChanged = QtCore.Signal(object)

        def setMRMLScene(self, scene):
            self.mrmlSceneChanged.emit(scene)

    return CollapsibleButton
