"""Pictures of the running host: the panel, single views, and the whole window."""

import pathlib

from PySide6 import QtCore, QtWidgets

from . import application, slicerapp

MAXIMUM_SIZE = 16777215  # QWIDGETSIZE_MAX


def _save(image, path) -> pathlib.Path:
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not image.save(str(path)):
        raise OSError(f"{path}: the picture cannot be written; check the folder and the file name ending (.png)")
    return path


def panelScreenshot(widget, path, width=420):
    """Save the picture of a panel at its natural height.

    Parameters
    ----------
    widget : qSlicerScriptedLoadableModuleWidget, or any widget, or the Python widget object of a scripted module
    path : path
    width : int
        Pixels.
    """
    from .pythonqt import unwrap

    native = unwrap(getattr(widget, "parent", widget) if not isinstance(widget, QtWidgets.QWidget) else widget)
    if not isinstance(native, QtWidgets.QWidget):
        native = unwrap(widget)
    slicerapp.turnFor(0.05)
    if native.window() is native or not native.isVisible():
        native.resize(width, native.sizeHint().height())
        native.show()
        slicerapp.turnFor(0.05)
    return _save(native.grab().toImage(), path)


def sliceViewScreenshot(name, path, size=(600, 500)):
    """Save the picture of a slice view (``"Red"``, ``"Yellow"``, ``"Green"``) at a size in pixels."""
    view = application.current().layoutManager.sliceWidget(name).sliceView()
    return _save(_imageOfSize(view, size), path)


def threeDScreenshot(path, size=(600, 500)):
    """Save the picture of the (first) 3D view at a size in pixels."""
    view = application.current().layoutManager.threeDWidget(0).threeDView()
    return _save(_imageOfSize(view, size), path)


def _imageOfSize(view, size):
    """Draw a view at a size, then give it its old size back."""
    before = view.size()
    view.setFixedSize(*size)
    view.resize(*size)
    view.forceRender()
    image = view.image().copy()
    view.setMinimumSize(60, 60)
    view.setMaximumSize(MAXIMUM_SIZE, MAXIMUM_SIZE)
    view.resize(before)
    view.forceRender()
    return image


def layoutScreenshot(path, size=(1280, 800), orientationMarkers=False):
    """Save the picture of the whole main window: panel on the left, views on the right.

    Parameters
    ----------
    path : path
    size : (int, int)
        Width and height in pixels.
    orientationMarkers : bool
        Show the axes R, A, S in the slice views (off in the application unless the user asks).

    Raises
    ------
    RuntimeError
        The host runs without a main window.
    """
    host = application.current()
    if host.mainWindow is None:
        raise RuntimeError("The host runs without a main window: start it with mainWindow=True")
    host.mainWindow.resize(QtCore.QSize(*size))
    host.mainWindow.show()
    if orientationMarkers:
        for name in host.layoutManager.sliceViewNames():
            node = host.layoutManager.sliceWidget(name).mrmlSliceNode()
            node.SetOrientationMarkerType(node.OrientationMarkerTypeAxes)
    slicerapp.turnFor(0.05)
    for widget in host.layoutManager.viewWidgets():
        view = widget.viewWidget()
        if hasattr(view, "forceRender"):
            view.forceRender()
    slicerapp.turnFor(0.02)
    return _save(host.mainWindow.grab().toImage(), path)
