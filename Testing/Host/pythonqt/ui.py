"""Qt Designer files: loaded by Qt's own loader, checked against the record, custom classes from a registry."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from PySide6 import QtCore, QtUiTools

from Host.pythonqt import objects, record

ALIASES = {"Line": "QFrame"}


def registerWidgetClass(name, nativeClass, module="slicer"):
    """Let the PySide6 class ``nativeClass`` stand for the recorded class ``module.name``.

    Parameters
    ----------
    name : str
        Recorded class name, e.g. "qMRMLNodeComboBox".
    nativeClass : type
        A PySide6 class.
    module : {"qt", "ctk", "slicer"}

    Raises
    ------
    ValueError
        If the class is not in the compact record (see supported.txt).
    """
    if record.moduleOfClass(name) != module:
        raise ValueError(
            f"{module}.{name} is not in {record.RECORD_FILE.name}: add it to "
            f"{record.SUPPORTED_FILE.name} and run python -m Host.pythonqt.make_record"
        )
    objects.registerNative(name, nativeClass)


def loadUi(path):
    """Load a .ui file.

    Parameters
    ----------
    path : path

    Returns
    -------
    wrapper of the top widget

    Raises
    ------
    ValueError
        For a file that cannot be parsed, a class or property that the real application lacks, or one not built here.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as problem:
        raise ValueError(f"{path}: cannot be read ({problem.strerror}); check the path") from None
    return objects.wrap(loadText(text, None, str(path)))


def loadText(text, parent=None, source=".ui file"):
    """Load the text (bytes) of a .ui file and return the PySide6 widget."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as problem:
        raise ValueError(f"{source}: not a Qt Designer file ({problem})") from None
    later = []
    seen = set()
    for element in root.iter("widget"):
        _prepareWidget(element, later, seen, source)
    connections = [each for group in root.iter("connections") for each in group.iter("connection")]
    for tag in ("connections", "customwidgets", "resources"):
        for element in root.findall(tag):
            root.remove(element)
    loader = _Loader(source)
    buffer = QtCore.QBuffer()
    buffer.setData(ElementTree.tostring(root, encoding="utf-8"))
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    top = loader.load(buffer, parent)
    if top is None:
        raise ValueError(f"{source}: {loader.errorString()}")
    byName = loader.created
    for name, assignments in later:
        wrapper = objects.wrap(byName[name])
        for prop, value in assignments:
            setattr(wrapper, prop, value)
    for connection in connections:
        _connect(connection, byName, source)
    return top


class _Loader(QtUiTools.QUiLoader):
    """Qt's loader with the host's classes."""

    def __init__(self, source):
        super().__init__()
        self.created = {}
        self._source = source

    def createWidget(self, className, parent=None, name=""):
        native = objects.nativeFor(ALIASES.get(className, className))
        if native is not None and not native.__module__.startswith("PySide6."):
            widget = native(parent)
            widget.setObjectName(name)
        else:
            widget = super().createWidget(className, parent, name)
        if widget is None:
            raise ValueError(f"{self._source}: widget class {className} is not known")
        self.created[name] = widget
        return widget


def _prepareWidget(element, later, seen, source):
    className = ALIASES.get(element.get("class"), element.get("class"))
    name = element.get("name")
    if name in seen:
        raise ValueError(f"{source}: two widgets are named {name}; give each its own name")
    seen.add(name)
    if record.moduleOfClass(className) is None or objects.nativeFor(className) is None:
        known = any(record.isRecorded(module, className) for module in ("qt", "ctk", "slicer"))
        reason = "is recorded in Slicer but not provided by the host" if known else "does not exist in Slicer"
        raise ValueError(f"{source}: widget {name} has class {className}, which {reason}")
    info = record.members(className)
    custom = not objects.nativeFor(className).__module__.startswith("PySide6.")
    assignments = []
    for prop in element.findall("property"):
        propName = prop.get("name")
        if prop.get("stdset") == "0" and propName not in info.properties:
            continue
        if propName not in info.properties and element.get("class") != "Line":
            raise ValueError(
                f"{source}: widget {name} has property {propName}, which {className} does not have in "
                'Slicer (a dynamic property needs stdset="0")'
            )
        if custom and _isDeclaredByCustom(info, propName):
            element.remove(prop)
            assignments.append((propName, _value(prop, source, name)))
    if assignments:
        later.append((name, assignments))


def _isDeclaredByCustom(info, propName):
    for owner in (info.name,) + info.bases:
        module = record.moduleOfClass(owner)
        if module is None:
            continue
        if propName in record.load()["classes"][f"{module}.{owner}"].get("properties", {}):
            return module != "qt"
    return False


def _value(prop, source, widget):
    child = next(iter(prop), None)
    text = (child.text or "") if child is not None else ""
    kind = child.tag if child is not None else None
    if kind == "bool":
        return text == "true"
    if kind == "number":
        return int(text)
    if kind == "double":
        return float(text)
    if kind in ("string", "cstring"):
        return text
    if kind == "stringlist":
        return [each.text or "" for each in child.findall("string")]
    if kind in ("enum", "set"):
        return sum(_enumNumber(each) for each in set(text.split("|")) if each)
    if kind == "color":
        from PySide6 import QtGui

        return objects.wrap(QtGui.QColor(*[int(child.find(each).text) for each in ("red", "green", "blue")]))
    raise ValueError(
        f"{source}: property {prop.get('name')} of {widget} has the type {kind}, which the host does not read"
    )


def _enumNumber(text):
    parts = text.split("::")
    owner, value = parts[0], parts[-1]
    try:
        return int(getattr(objects.wrapperClass(owner), value))
    except AttributeError:
        raise ValueError(f"{text} is not an enum value of {owner} in Slicer") from None


def _connect(connection, byName, source):
    sender, signal, receiver, slot = (connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot"))
    for name in (sender, receiver):
        if name not in byName:
            raise ValueError(f"{source}: a connection names {name}, and there is no such widget")
    wrapped = objects.wrap(byName[sender])
    if not wrapped.connect(signal, objects.wrap(byName[receiver]), slot):
        raise ValueError(
            f"{source}: cannot connect {sender}.{signal} to {receiver}.{slot}: no such signal or slot in Slicer"
        )
