"""Qt properties as attributes: read by name, assigned by name, refused when the record says read-only."""

import types

import shiboken6
from PySide6 import QtCore

from Host.pythonqt import compat, convert
from Host.pythonqt.errors import NotProvided
from Host.pythonqt.objects import Member, unwrap, wrap


class PropertyMember(Member):
    """A recorded property; on the class itself it reads as None, as in PythonQt."""

    def __get__(self, wrapper, owner):
        if wrapper is None:
            return None
        native = aliveNative(wrapper, self.name)
        return readProperty(native, type(wrapper), self.name)

    def assign(self, wrapper, value):
        """Set the property of the C++ object."""
        kind = type(wrapper)
        name = "objectName" if self.name == "name" else self.name
        info = kind._info.properties.get(name)
        if info is None or not info[1]:
            raise AttributeError(f"Property '{self.name}' of {kind.__name__} object is not writable")
        native = aliveNative(wrapper, self.name)
        typeName, _, isEnum = info
        try:
            converted = convert.toProperty(value, typeName, isEnum)
        except convert.NoMatch:
            raise AttributeError(
                f"Property '{self.name}' of type '{typeName}' does not accept an object of type "
                f"{type(value).__name__} ({value!r})"
            ) from None
        writeProperty(native, kind, name, converted)


def aliveNative(wrapper, name):
    """The PySide6 object of a wrapper; raises ValueError when its C++ object is gone."""
    native = wrapper._native
    if isinstance(native, QtCore.QObject) and not shiboken6.isValid(native):
        raise ValueError(f"Trying to read property '{name}' from a destroyed {type(wrapper).__name__} object")
    return native


def _isDeclared(native, name):
    return isinstance(native, QtCore.QObject) and native.metaObject().indexOfProperty(name) >= 0


def readProperty(native, kind, name):
    """Value of property ``name`` as the application's Python sees it."""
    special = compat.findProperty(kind._info, name)
    if special is not None:
        return wrap(special(native), plainEnums=True)
    if name == "name" and "name" not in kind._info.properties:
        return native.objectName()
    if _isDeclared(native, name):
        return wrap(native.property(name), plainEnums=True)
    for getter in (name, "is" + name[:1].upper() + name[1:]):
        function = getattr(type(native), getter, None)
        if callable(function):
            return wrap(function(native), plainEnums=True)
    raise NotProvided(f"{kind.__name__}.{name}")


def writeProperty(native, kind, name, value):
    """Assign an already converted value."""
    setter = getattr(type(native), "set" + name[:1].upper() + name[1:], None)
    if kind._info.properties[name][2] and setter is not None and not isinstance(setter, types.FunctionType):
        setter(native, *convert.chooseOverload(convert.overloads(setter), (value,)))
        return
    if _isDeclared(native, name):
        if not native.setProperty(name, value):
            if setter is None:
                raise AttributeError(f"Property '{name}' of {kind.__name__} object could not be set")
            setter(native, value)
        return
    if setter is None:
        raise NotProvided(f"assigning {kind.__name__}.{name}")
    setter(native, unwrap(value))
