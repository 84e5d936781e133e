"""Where Slicer's Qt 5 API, or PythonQt's own habits, differ from PySide6: one table per kind of difference.

A method here is ``function(native, *args)``: ``native`` is the PySide6 object (None for a static call), the arguments
are as the caller gave them (wrapped), the result is wrapped afterwards.
"""

import sys

from PySide6 import QtCore, QtGui, QtWidgets

from Host.pythonqt import objects, threads
from Host.pythonqt.objects import PythonQtInstanceWrapper, nameForNative, nativeFor, unwrap

NO_NATIVE = {"Qt"}
NOT_CONSTRUCTIBLE = {"QApplication", "QCoreApplication", "QGuiApplication", "Qt", "QScreen", "QClipboard", "QStyle"}


def findMethod(info, name):
    """The special implementation of a method for a class or its bases, or None."""
    for owner in (info.name,) + info.bases:
        if (owner, name) in METHODS:
            return METHODS[owner, name]
    return None


def findProperty(info, name):
    """The special reader of a property, or None."""
    for owner in (info.name,) + info.bases:
        if (owner, name) in PROPERTIES:
            return PROPERTIES[owner, name]
    return None


def isStatic(info, name):
    """Whether a special method needs no object."""
    return any((owner, name) in STATIC for owner in (info.name,) + info.bases)


def callNative(function, args):
    """Call a PySide6 function with arguments converted as for a slot."""
    from Host.pythonqt import convert

    try:
        return function(*convert.chooseOverload(convert.overloads(function), args))
    except convert.NoMatch:
        raise ValueError(f"Could not find matching overload for given arguments:\n{args!r}\n") from None


def connect(native, signal, receiver, slot=None, connectionType=None):
    """``obj.connect(signal, callable)`` or ``obj.connect(signal, receiver, slot)``."""
    from Host.pythonqt import signals

    if isinstance(slot, str):
        receiver = signals.slotByText(receiver, slot)
        if receiver is None:
            return False
    return signals.connect(objects.wrap(native), signal, receiver)


def disconnect(native, signal, receiver=None, slot=None):
    """``obj.disconnect(signal)`` or ``obj.disconnect(signal, callable)``."""
    from Host.pythonqt import signals

    return signals.disconnect(objects.wrap(native), signal, receiver)


def findChildren(native, kind=None, name=""):
    """Children of a class (a wrapper class or its name), optionally with an object name."""
    className = kind if isinstance(kind, str) else kind.__name__ if kind is not None else "QObject"
    found = native.findChildren(QtCore.QObject)
    return [child for child in found if _isA(child, className) and (not name or child.objectName() == name)]


def findChild(native, kind=None, name=""):
    """The first of ``findChildren``."""
    return next(iter(findChildren(native, kind, name)), None)


def _isA(native, className):
    return native.inherits(className) or nameForNative(type(native)) == className


def metaObject(native):
    """That of the C++ class: a Python subclass has none of its own."""
    return nativeFor(nameForNative(type(native))).staticMetaObject


def setProperty(native, name, value):
    """Set a property by name; False for a dynamic one, as in Qt."""
    return native.setProperty(name, unwrap(value))


def inputText(native, parent, title, label, echo=0, text="", ok=None, flags=0, hints=0):
    """``QInputDialog.getText``: text only; ``ok`` is a PythonQt.BoolResult."""
    mode = QtWidgets.QLineEdit.EchoMode(int(echo))
    return _withOk(QtWidgets.QInputDialog.getText(unwrap(parent), title, label, mode, text), ok)


def inputItem(native, parent, title, label, items, current=0, editable=True, ok=None, flags=0, hints=0):
    """``QInputDialog.getItem``."""
    return _withOk(QtWidgets.QInputDialog.getItem(unwrap(parent), title, label, list(items), current, editable), ok)


def inputInt(native, parent, title, label, value=0, minimum=-2147483647, maximum=2147483647, step=1, ok=None, flags=0):
    """``QInputDialog.getInt``."""
    return _withOk(QtWidgets.QInputDialog.getInt(unwrap(parent), title, label, value, minimum, maximum, step), ok)


def inputDouble(
    native, parent, title, label, value=0.0, minimum=-2147483647.0, maximum=2147483647.0, decimals=1, ok=None, flags=0
):
    """``QInputDialog.getDouble``."""
    result = QtWidgets.QInputDialog.getDouble(unwrap(parent), title, label, value, minimum, maximum, decimals)
    return _withOk(result, ok)


def _withOk(result, ok):
    if ok is not None:
        ok.value = result[1]
    return result[0]


def fileDialog(name):
    """A static of QFileDialog that returns the path(s) only; PySide6 adds the chosen filter."""

    def ask(native, *args):
        return callNative(getattr(QtWidgets.QFileDialog, name), args)[0]

    return ask


def startDetached(native, *args):
    """``QProcess.startDetached`` returns a bool; PySide6's static one adds the process id."""
    result = callNative(QtCore.QProcess.startDetached, args) if args else native.startDetached()
    return result[0] if isinstance(result, tuple) else result


def overrideCursor(native, cursor):
    """``QApplication.setOverrideCursor``: PySide6 adds a guard object as result."""
    callNative(QtGui.QGuiApplication.setOverrideCursor, (cursor,))


def byteArrayText(native):
    """``QByteArray.data()`` as bytes."""
    return bytes(native.data())


def _singleShotMaker():
    class _Internal:
        def __init__(self):
            def _singleShot(*args):
                from Host.pythonqt.signals import guarded

                if len(args) != 2 or not callable(args[1]):
                    raise ValueError("Invalid arguments: singleShot(msec, callable)")
                timer = QtCore.QTimer()
                timer.setSingleShot(True)
                _pendingSingleShots.add(timer)
                call = guarded(args[1])

                def fire():
                    _pendingSingleShots.discard(timer)
                    call()

                timer.timeout.connect(fire)
                timer.start(args[0])

            self.function = _singleShot

    made = _Internal().function
    made.__qualname__ = "_Internal.__init__.<locals>._singleShot"
    return made


_pendingSingleShots = set()


def setMargin(native, margin):
    """``QLayout.setMargin`` of Qt 5."""
    native.setContentsMargins(margin, margin, margin, margin)


def deprecatedWidth(native, text):
    """``QFontMetrics.width`` of Qt 5."""
    return native.horizontalAdvance(text)


def dialogButtons(args):
    """A plain int picks the orientation, not the buttons: PythonQt finds that overload first."""
    if args and type(args[0]) is int:
        try:
            orientation = QtCore.Qt.Orientation(args[0])
        except ValueError:
            orientation = QtCore.Qt.Orientation.Horizontal
        return [orientation] + [unwrap(each) for each in args[1:]]
    return None


def loadUi(native, device, parent=None):
    """``QUiLoader.load`` through the checking loader of the host."""
    from Host.pythonqt import ui

    if not isinstance(device, PythonQtInstanceWrapper) or not isinstance(unwrap(device), QtCore.QIODevice):
        raise ValueError(
            f"Called load(QIODevice device, QWidget parentWidget) -> QWidget with wrong arguments: ({device!r},)"
        )
    return ui.loadText(bytes(unwrap(device).readAll().data()), unwrap(parent))


def sender(native):
    """Not known for Python slots."""
    return


def translated(native, text, ambiguous=None, count=-1):
    """``QObject.tr``: no translations are installed in the host."""
    return text


METHODS = {
    ("QObject", "connect"): connect,
    ("QObject", "disconnect"): disconnect,
    ("QObject", "findChild"): findChild,
    ("QObject", "findChildren"): findChildren,
    ("QObject", "metaObject"): metaObject,
    ("QObject", "setProperty"): setProperty,
    ("QObject", "sender"): sender,
    ("QObject", "tr"): translated,
    ("QObject", "property"): lambda native, name: native.property(name),
    ("QMetaObject", "getClassName"): lambda native: native.className(),
    ("QInputDialog", "getText"): inputText,
    ("QInputDialog", "getItem"): inputItem,
    ("QInputDialog", "getInt"): inputInt,
    ("QInputDialog", "getDouble"): inputDouble,
    ("QFileDialog", "getOpenFileName"): fileDialog("getOpenFileName"),
    ("QFileDialog", "getOpenFileNames"): fileDialog("getOpenFileNames"),
    ("QFileDialog", "getSaveFileName"): fileDialog("getSaveFileName"),
    ("QProcess", "startDetached"): startDetached,
    ("QProcess", "error"): lambda native: native.error(),
    ("QApplication", "setOverrideCursor"): overrideCursor,
    ("QGuiApplication", "setOverrideCursor"): overrideCursor,
    ("QByteArray", "data"): byteArrayText,
    ("QLayout", "setMargin"): setMargin,
    ("QFontMetrics", "width"): deprecatedWidth,
    ("QFontMetricsF", "width"): deprecatedWidth,
    ("QUiLoader", "load"): loadUi,
    ("QThread", "start"): threads.refuse,
    ("QThread", "run"): threads.refuse,
    ("QThreadPool", "start"): threads.refuse,
    ("QThreadPool", "tryStart"): threads.refuse,
    ("QRunnable", "run"): threads.refuse,
    ("QObject", "moveToThread"): threads.refuse,
}

STATIC = (
    {("QInputDialog", name) for name in ("getText", "getItem", "getInt", "getDouble")}
    | {("QFileDialog", name) for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName")}
    | {("QProcess", "startDetached"), ("QApplication", "setOverrideCursor"), ("QGuiApplication", "setOverrideCursor")}
)

PROPERTIES = {
    ("QLayout", "margin"): lambda native: native.contentsMargins().left(),
}

PYTHON_LEVEL = {("QTimer", "singleShot"): _singleShotMaker()}

CONSTRUCTORS = {"QDialogButtonBox": dialogButtons}

# Attribute signals: the overload declared first in Qt 5, where that is not the longest one.
FIRST_OVERLOAD = {
    ("QProcess", "finished"): "finished(int)",
    ("QComboBox", "currentIndexChanged"): "currentIndexChanged(int)",
    ("QComboBox", "activated"): "activated(int)",
    ("QComboBox", "highlighted"): "highlighted(int)",
    ("QSpinBox", "valueChanged"): "valueChanged(int)",
    ("QDoubleSpinBox", "valueChanged"): "valueChanged(double)",
    ("QButtonGroup", "buttonClicked"): "buttonClicked(QAbstractButton*)",
    ("QButtonGroup", "buttonPressed"): "buttonPressed(QAbstractButton*)",
    ("QButtonGroup", "buttonReleased"): "buttonReleased(QAbstractButton*)",
    ("QButtonGroup", "buttonToggled"): "buttonToggled(QAbstractButton*,bool)",
    ("QCompleter", "activated"): "activated(QString)",
    ("QCompleter", "highlighted"): "highlighted(QString)",
    ("QFileSystemWatcher", "directoryChanged"): "directoryChanged(QString)",
    ("QFileSystemWatcher", "fileChanged"): "fileChanged(QString)",
}


def _itemText(native, args):
    return (native.itemText(args[0]),)


def _buttonId(native, args):
    return (native.id(args[0]),) + tuple(args[1:])


# Signatures that Qt 6 emits under another name or not at all: source signal, order of delivery, arguments.
SIGNAL_ROUTES = {
    ("QProcess", "finished(int)"): ("finished", 0, lambda native, args: args[:1]),
    ("QProcess", "finished(int,QProcess::ExitStatus)"): ("finished", 1, lambda native, args: args),
    ("QProcess", "error(QProcess::ProcessError)"): ("errorOccurred", 1, lambda native, args: args),
    ("QComboBox", "currentIndexChanged(QString)"): ("currentIndexChanged", 1, _itemText),
    ("QComboBox", "activated(QString)"): ("activated", 1, _itemText),
    ("QComboBox", "highlighted(QString)"): ("highlighted", 1, _itemText),
    ("QSpinBox", "valueChanged(QString)"): ("valueChanged", 1, lambda native, args: (native.text(),)),
    ("QDoubleSpinBox", "valueChanged(QString)"): ("valueChanged", 1, lambda native, args: (native.text(),)),
    ("QButtonGroup", "buttonClicked(int)"): ("buttonClicked", 1, _buttonId),
    ("QButtonGroup", "buttonPressed(int)"): ("buttonPressed", 1, _buttonId),
    ("QButtonGroup", "buttonReleased(int)"): ("buttonReleased", 1, _buttonId),
    ("QButtonGroup", "buttonToggled(int,bool)"): ("buttonToggled", 1, _buttonId),
}


class QRegExp(QtCore.QRegularExpression):
    """Qt 5's QRegExp, as far as a pattern and a whole match go."""

    pythonqtConstructors = ((("QString", "pattern"),), ())

    def exactMatch(self, text):
        """Whether the whole text matches."""
        pattern = QtCore.QRegularExpression(QtCore.QRegularExpression.anchoredPattern(self.pattern()))
        return pattern.match(text).hasMatch()

    def indexIn(self, text):
        """Position of the first match, or -1."""
        return self.match(text).capturedStart(0)


class QRegExpValidator(QtGui.QRegularExpressionValidator):
    """Qt 5's validator for a QRegExp."""

    pythonqtConstructors = (
        (("QRegExp", "rx"), ("QObject", "parent")),
        (("QRegExp", "rx"),),
        (("QObject", "parent"),),
        (),
    )


class QDesktopWidget(QtWidgets.QWidget):
    """Qt 5's desktop: the geometry of the primary screen."""

    pythonqtConstructors = ((),)

    def availableGeometry(self, screen=-1):
        """Geometry without task bars."""
        return QtGui.QGuiApplication.primaryScreen().availableGeometry()

    def screenGeometry(self, screen=-1):
        """Geometry of the screen."""
        return QtGui.QGuiApplication.primaryScreen().geometry()


for _kind in (QRegExp, QRegExpValidator, QDesktopWidget):
    objects.registerNative(_kind.__name__, _kind)


class BoolResult:
    """``PythonQt.BoolResult``: carries the ``ok`` of Qt functions."""

    def __init__(self):
        self.value = False

    def __bool__(self):
        return self.value


def message(text):
    """``qt.qDebug`` and its kin: to stderr."""
    sys.stderr.write(f"{text}\n")
