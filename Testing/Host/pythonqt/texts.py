"""``repr`` and ``str`` of wrapper objects, as PythonQt prints them."""

from PySide6 import QtCore, QtGui, QtWidgets


def _address(wrapper):
    return f"{id(wrapper._native):#x}"


def represent(wrapper):
    """``repr``: the type's name first, the debug text of the value, the address."""
    name = type(wrapper).__name__
    native = wrapper._native
    debug = debugText(native, wrapper)
    if debug is not None:
        return debug if debug.startswith(name) else f"{name} ({debug}, at: {_address(wrapper)})"
    if isinstance(native, QtCore.QObject):
        return f"{name} ({type(wrapper)._info.name} at: {_address(wrapper)})"
    return f"{name} (C++ object at: {_address(wrapper)})"


def asText(wrapper):
    """``str``: bytes for a QByteArray, else the debug text."""
    native = wrapper._native
    if isinstance(native, QtCore.QByteArray):
        return str(bytes(native.data()))
    debug = debugText(native, wrapper)
    return represent(wrapper) if debug is None else debug


def debugText(native, wrapper):
    """Qt's debug text of a value, or None for a type without one."""
    if isinstance(native, QtWidgets.QWidget):
        named = f', name="{native.objectName()}"' if native.objectName() else ""
        return f"{type(wrapper)._info.name}({_address(wrapper)}{named}) "
    for kind, function in DEBUG_TEXTS:
        if isinstance(native, kind):
            return function(native)
    return None


def _font(font):
    size = font.pointSizeF()
    return (
        f"{font.family()},{size:g},{font.pixelSize()},5,{50 if not font.bold() else 75},{int(font.italic())},"
        f"{int(font.underline())},{int(font.strikeOut())},0,0"
    )


def _policy(policy):
    return (
        f"QSizePolicy(horizontalPolicy = QSizePolicy::{policy.horizontalPolicy().name}, "
        f"verticalPolicy = QSizePolicy::{policy.verticalPolicy().name}) "
    )


DEBUG_TEXTS = (
    (QtCore.QSize, lambda v: f"{v.width()}, {v.height()}"),
    (QtCore.QSizeF, lambda v: f"{v.width()}, {v.height()}"),
    (QtCore.QPoint, lambda v: f"{v.x()}, {v.y()}"),
    (QtCore.QPointF, lambda v: f"{v.x()}, {v.y()}"),
    (QtCore.QRect, lambda v: f"{v.x()}, {v.y()}, {v.width()}, {v.height()}"),
    (QtCore.QRectF, lambda v: f"{v.x()}, {v.y()}, {v.width()}, {v.height()}"),
    (QtCore.QMargins, lambda v: f"QMargins({v.left()}, {v.top()}, {v.right()}, {v.bottom()}) "),
    (QtCore.QByteArray, lambda v: bytes(v.data()).decode("utf-8", "replace")),
    (QtGui.QColor, lambda v: v.name()),
    (QtGui.QFont, _font),
    (QtGui.QPalette, lambda v: f"QPalette(resolve={v.resolveMask():#x},) "),
    (QtGui.QIcon, lambda v: "QIcon(null) " if v.isNull() else f"QIcon({v.name() or ''}) "),
    (QtWidgets.QSizePolicy, _policy),
)
