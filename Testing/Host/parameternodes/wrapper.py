"""The class decorator: typed attributes whose values live in a ``vtkMRMLScriptedModuleNode``."""

import logging
import typing
import weakref

from . import codecs
from .annotations import Decimals, Default, SingleStep
from .connectors import GuiConnector, createGuiConnector

SlicerParameterNamePropertyName = "SlicerParameterName"
SlicerPackParameterNamePropertyName = "SlicerPackParameterName"
MODIFIED = "ModifiedEvent"


class ParameterInfo:
    """What the class says about one parameter."""

    def __init__(self, name, annotatedType, codec, default):
        self.basename = name
        self.unalteredType = annotatedType
        self.codec = codec
        self.default = default


class _Value:
    """One parameter of one wrapped node: read from the node again only after the node was modified."""

    def __init__(self, info, node, name):
        self.info, self.node, self.name = info, node, name
        if not info.codec.isIn(node, name):
            self._store(info.default.value)
        self.value = info.codec.read(node, name)
        self._writing = False
        # The node outlives the wrapper: a strong reference here would keep every wrapper alive.
        reference = weakref.ref(self)
        self._tag = node.AddObserver(MODIFIED, lambda *_: _Value._modified(reference))

    def __del__(self):
        if hasattr(self, "_tag"):
            self.node.RemoveObserver(self._tag)

    @staticmethod
    def _modified(reference):
        self = reference()
        if self is not None and not self._writing:
            self.value = self._load()

    def _load(self):
        if not self.info.codec.isIn(self.node, self.name):
            self._store(self.info.default.value)
        return self.info.codec.read(self.node, self.name)

    def _store(self, value):
        self.info.codec.check(value)
        self.info.codec.write(self.node, self.name, value)

    def write(self, value):
        self._writing = True
        modifying = self.node.StartModify()
        try:
            self._store(value)
            # Observers that run at EndModify must see the new value.
            self.value = self._load()
        finally:
            self.node.EndModify(modifying)
            self._writing = False


def _checkName(wrapper, name):
    if name not in wrapper.allParameters:
        known = ", ".join(wrapper.allParameters)
        raise ValueError(f"Cannot find a param with the given name: {name}. Found: {known}")


class _Members:
    """The functions that a decorated class gets."""

    def __init__(self, parameterNode, prefix: str | None = None):
        self.parameterNode = parameterNode
        self._values = {}
        self._guis = {}
        self._nextGuiTag = 0
        self._updatingGui = False
        for name, info in self.allParameters.items():
            self._values[name] = _Value(info, parameterNode, f"{prefix or ''}{name}")

    def default(self, paramName: str):
        _checkName(self, paramName)
        return self.allParameters[paramName].default

    def isCached(self, paramName: str):
        _checkName(self, paramName)
        return self.allParameters[paramName].codec.cacheable

    def getValue(self, name):
        _checkName(self, name)
        return self._values[name].value

    def setValue(self, name, value):
        _checkName(self, name)
        self._values[name].write(value)

    def connectGui(self, gui):
        import qt

        widgets = gui.findChildren(qt.QWidget) if _isWidget(gui) else gui.__dict__.values()
        mapping = {}
        for widget in widgets:
            name = widget.property(SlicerParameterNamePropertyName)
            if name:
                mapping[name] = widget
        return self.connectParametersToGui(mapping)

    def connectParametersToGui(self, mapping):
        for name in mapping:
            _checkName(self, name)
        connectors = {
            name: target if isinstance(target, GuiConnector) else createGuiConnector(target, self.dataType(name))
            for name, target in mapping.items()
        }
        tag = self._nextGuiTag
        self._nextGuiTag += 1
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._guiCallback(name, connector))
        observer = self.parameterNode.AddObserver(MODIFIED, lambda *_: self._updateGui())
        self._guis[tag] = (connectors, observer)
        return tag

    def _guiCallback(self, name, connector):
        def changed():
            if not self._updatingGui:
                self.setValue(name, connector.read())

        return changed

    def _updateGui(self):
        if self._updatingGui:
            return
        self._updatingGui = True
        modifying = self.StartModify()
        try:
            for connectors, _ in list(self._guis.values()):
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._updatingGui = False
            self.EndModify(modifying)

    def disconnectGui(self, guiTag):
        connectors, observer = self._guis.pop(guiTag, ({}, None))
        for connector in connectors.values():
            connector.onChanged(None)
        if observer is not None:
            self.parameterNode.RemoveObserver(observer)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        return self.parameterNode.RemoveObserver(tag)

    def Modified(self):
        return self.parameterNode.Modified()


def _isWidget(candidate) -> bool:
    return getattr(candidate, "isWidgetType", lambda: False)()


RESERVED = [name for name in vars(_Members) if not name.startswith("__")] + ["allParameters", "dataType"]


def _decorate(decorated):
    parameters = {}
    for name, annotatedType in typing.get_type_hints(decorated, include_extras=True).items():
        try:
            codec, rest = codecs.forType(annotatedType)
        except TypeError as error:
            raise Exception(f"Unable to create serializer for {decorated} member {name}") from error
        default = next((entry for entry in rest if isinstance(entry, Default)), None)
        if name in vars(decorated):
            default = Default(vars(decorated)[name])
        unused = [entry for entry in rest if not isinstance(entry, (Default, Decimals, SingleStep))]
        if unused:
            logging.warning(f"Unused annotations: {unused}")
        parameters[name] = ParameterInfo(name, annotatedType, codec, default or Default(codec.default()))
    for name in RESERVED:
        if hasattr(decorated, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
    for name in parameters:
        setattr(decorated, name, _property(name))
    for name, member in vars(_Members).items():
        if not name.startswith("__") or name == "__init__":
            setattr(decorated, name, member)
    decorated.allParameters = parameters
    decorated._is_parameter_node_wrapper = True

    def dataType(membername):
        _checkName(decorated, membername)
        return parameters[membername].unalteredType

    decorated.dataType = staticmethod(dataType)
    return decorated


def _property(name):
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


def parameterNodeWrapper(classtype=None):
    """Class decorator: make the annotated names of a class typed parameters of a parameter node."""
    return _decorate if classtype is None else _decorate(classtype)


def isParameterNodeWrapper(classOrObj):
    """Whether a class (or an object of it) was decorated."""
    return getattr(classOrObj, "_is_parameter_node_wrapper", False)


def findChildWidgetForParameter(widget, parameter):
    """Return the child widget that is bound to a parameter, or None."""
    import qt

    for child in widget.findChildren(qt.QWidget):
        if child.property(SlicerParameterNamePropertyName) == parameter:
            return child
    return None
