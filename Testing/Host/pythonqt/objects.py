"""The wrapper objects: flat Python classes around PySide6 objects, with attributes as the record lists them."""

import enum
import functools
import weakref

import shiboken6
from PySide6 import QtCore, QtGui, QtNetwork, QtUiTools, QtWidgets

from Host.pythonqt import enums, record
from Host.pythonqt.errors import NotProvided

QT_MODULES = (QtCore, QtGui, QtWidgets, QtNetwork, QtUiTools)
LINK = "_pythonqtWrapper"

_natives = {}
_nameOfNative = {}


def registerNative(name, nativeClass):
    """Say which PySide6 class stands for the recorded class ``name``."""
    _natives[name] = nativeClass
    _nameOfNative[nativeClass] = name
    nativeFor.cache_clear()


@functools.cache
def nativeFor(name):
    """PySide6 class of a supported class, or None when it has none here."""
    if name in _natives:
        return _natives[name]
    for module in QT_MODULES:
        found = getattr(module, name, None)
        if found is not None:
            return found
    return None


class PythonQtClassWrapper(type):
    """Type of all wrapper classes."""

    def __getattr__(cls, name):
        own = vars(cls).get("_info") or next((vars(k)["_info"] for k in cls.__mro__ if "_info" in vars(k)), None)
        if own is not None and not name.startswith("__") and name.endswith("_") and name[:-1] in own.methods:
            return getattr(cls, name[:-1])
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")


class PythonQtInstanceWrapper(metaclass=PythonQtClassWrapper):
    """Base of all wrapper objects; ``_native`` is the PySide6 object."""

    __slots__ = ("_native", "__weakref__")

    def __init__(self, *args, **kwargs):
        from Host.pythonqt import construct

        construct.build(self, args, kwargs)

    def __getattr__(self, name):
        if name == "_native":
            raise ValueError(f"{type(self).__name__}: the constructor of its Qt base class was not called")
        kind = type(self)
        member = next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), None)
        if isinstance(member, Member):
            return member.__get__(self, kind)  # it has just raised AttributeError: let the caller see why
        if not name.startswith("__"):
            if name.endswith("_") and name[:-1] in kind._info.methods:
                return getattr(self, name[:-1])
            native = self._native
            if (
                isinstance(native, QtCore.QObject)
                and shiboken6.isValid(native)
                and name.encode("utf-8", "replace") in [bytes(each) for each in native.dynamicPropertyNames()]
            ):
                return wrap(native.property(name), plainEnums=True)
        raise AttributeError(f"{kind.__name__} has no attribute named '{name}'")

    def __setattr__(self, name, value):
        kind = type(self)
        found = next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), None)
        if isinstance(found, Member):
            found.assign(self, value)
        elif hasattr(self, "__dict__") or found is not None:
            object.__setattr__(self, name, value)
        else:
            native = self._native
            if isinstance(native, QtCore.QObject) and native.property(name) is not None:
                native.setProperty(name, unwrap(value))
                return
            raise AttributeError(
                f"'{name}' does not exist on {kind.__name__} and creating new attributes on C++ objects is not allowed"
            )

    def __repr__(self):
        from Host.pythonqt import texts

        return texts.represent(self)

    def __str__(self):
        from Host.pythonqt import texts

        return texts.asText(self)

    def __bool__(self):
        return not isinstance(self._native, QtCore.QObject) or shiboken6.isValid(self._native)

    def __hash__(self):
        return id(self._native)

    def __eq__(self, other):
        if not isinstance(other, PythonQtInstanceWrapper):
            return NotImplemented
        if self._native is other._native:
            return True
        if isinstance(self._native, QtCore.QObject) or type(self._native) is not type(other._native):
            return False
        return bool(self._native == other._native)

    def __lt__(self, other):
        return self._operator("__lt__", other)

    def __add__(self, other):
        return self._operator("__add__", other)

    def __sub__(self, other):
        return self._operator("__sub__", other)

    def __mul__(self, other):
        return self._operator("__mul__", other)

    def __truediv__(self, other):
        return self._operator("__truediv__", other)

    def _operator(self, name, other):
        function = getattr(self._native, name, None)
        if function is None:
            return NotImplemented
        result = function(unwrap(other))
        return result if result is NotImplemented else wrap(result)


class Member:
    """An attribute that the record lists; lives in the dict of the wrapper class."""

    def __init__(self, name):
        self.name = name

    def assign(self, wrapper, value):
        """Refuse: only properties can be assigned."""
        raise AttributeError(f"Slot '{self.name}' can not be overwritten on {type(wrapper).__name__} object")

    # A data descriptor, so that the type's attribute always comes first.
    def __set__(self, wrapper, value):
        self.assign(wrapper, value)


class FunctionMember(Member):
    """A name that PythonQt's Python layer overrides with a plain function (QTimer.singleShot)."""

    def __init__(self, name, function):
        super().__init__(name)
        self.function = function

    def __get__(self, wrapper, owner):
        return self.function


def wrapperClass(name):
    """The wrapper class of a supported class, e.g. ``wrapperClass("QLabel")``.

    Raises
    ------
    NotProvided
        If the real application has the class and the host has not.
    """
    return _wrapperClass(name)


@functools.cache
def _wrapperClass(name):
    from Host.pythonqt import compat, properties, signals, slots

    module = record.moduleOfClass(name)
    if module is None or (nativeFor(name) is None and name not in compat.NO_NATIVE):
        raise NotProvided(name)
    info = record.members(name)
    namespace = {"__slots__": (), "__module__": info.package, "_info": info}
    namespace.update(enums.classValues(name))
    for each in ("className", "help", "delete", "inherits"):
        namespace[each] = slots.SlotMember(each)
    for each in info.signals:
        namespace[each] = signals.SignalMember(each)
    for each in info.methods:
        if not each.startswith("__"):
            namespace[each] = slots.SlotMember(each)
    for each in info.properties:
        namespace[each] = properties.PropertyMember(each)
    if "QObject" in (name,) + info.bases and "name" not in namespace:
        namespace["name"] = properties.PropertyMember("name")
    for each in info.pythonLevel:
        if (name, each) in compat.PYTHON_LEVEL:
            namespace[each] = FunctionMember(each, compat.PYTHON_LEVEL[name, each])
    return PythonQtClassWrapper(name, (PythonQtInstanceWrapper,), namespace)


@functools.cache
def nameForNative(nativeClass):
    """Recorded class name for a PySide6 class: its own, or that of the nearest supported base; None without one."""
    for each in nativeClass.__mro__:
        if each in _nameOfNative:
            return _nameOfNative[each]
        if each.__module__.startswith("PySide6.") and record.moduleOfClass(each.__name__):
            return each.__name__
    return None


def isNative(value):
    """Whether ``value`` is a PySide6 object (not an enum)."""
    return isinstance(value, shiboken6.Object) and not isinstance(value, enum.Enum)


def wrap(value, plainEnums=False):
    """What Python code in the application sees for a value that comes from PySide6.

    Lists become tuples, PySide6 objects their (unique) wrapper, enums their PythonQt type (a plain int with
    ``plainEnums``, as in properties and signals); everything else passes through.
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes, PythonQtInstanceWrapper)):
        return value if not isinstance(value, enum.Enum) else _wrapEnum(value, plainEnums)
    if isinstance(value, enum.Enum):
        return _wrapEnum(value, plainEnums)
    if isinstance(value, (list, tuple)):
        return tuple(wrap(each, plainEnums) for each in value)
    if isinstance(value, dict):
        return {key: wrap(each, plainEnums) for key, each in value.items()}
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    if isNative(value):
        return _wrapObject(value)
    return value


def _wrapEnum(value, plainEnums):
    made = enums.fromNative(value)
    return int(made) if plainEnums else made


def _wrapObject(native):
    link = getattr(native, "__dict__", {}).get(LINK)
    if link is not None:
        existing = link() if isinstance(link, weakref.ref) else link
        if existing is not None:
            return existing
    name = nameForNative(type(native))
    if name is None:
        raise NotProvided(type(native).__name__)
    return attach(object.__new__(wrapperClass(name)), native)


def attach(wrapper, native):
    """Join a wrapper and its PySide6 object, and return the wrapper.

    An object of a Python subclass lives as long as its PySide6 object (a strong link back); others are remade on
    demand.
    """
    object.__setattr__(wrapper, "_native", native)
    strong = "_info" not in vars(type(wrapper)) and isinstance(native, QtCore.QObject)
    try:
        setattr(native, LINK, wrapper if strong else weakref.ref(wrapper))
    except AttributeError:
        pass  # value types without a __dict__ need no identity
    return wrapper


def unwrap(value):
    """The PySide6 side of a value: the reverse of ``wrap``, also inside lists, tuples and dicts."""
    if isinstance(value, PythonQtInstanceWrapper):
        return value._native
    if isinstance(value, list):
        return [unwrap(each) for each in value]
    if isinstance(value, tuple):
        return [unwrap(each) for each in value]
    if isinstance(value, dict):
        return {key: unwrap(each) for key, each in value.items()}
    if isinstance(value, int) and type(value).__module__.startswith("PythonQt."):
        return int(value)
    return value
