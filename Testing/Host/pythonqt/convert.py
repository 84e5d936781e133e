"""Arguments from Python to Qt: which overload takes them, converted as PythonQt does (strict round, then loose round).

Where PythonQt converts more than this (numbers to text, for example) the host refuses: it may be stricter, never
easier.
"""

import collections.abc
import functools
import inspect
import operator
import types
import typing

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets
from shibokensupport.signature import get_signature

from Host.pythonqt import enums
from Host.pythonqt.objects import PythonQtInstanceWrapper, unwrap

POINTER_TYPES = (
    QtCore.QObject,
    QtWidgets.QTableWidgetItem,
    QtWidgets.QTreeWidgetItem,
    QtWidgets.QListWidgetItem,
    QtGui.QStandardItem,
    QtWidgets.QLayoutItem,
)
COLOUR_TAKERS = (QtGui.QColor, QtGui.QBrush, QtGui.QPen)


class NoMatch(Exception):
    """The value does not fit the parameter."""


@functools.cache
def overloads(function, withoutObject=False):
    """Overloads of a PySide6 callable as tuples of parameters, or None where it has no signature.

    ``withoutObject`` keeps the static ones only (``QFile.exists`` is both).

    Returns
    -------
    list of tuple of (str, object, bool) or None
        Per overload its parameters: name, annotation, whether it may be left out.
    """
    found = get_signature(function)
    if found is None:
        return None
    out = []
    for signature in found if isinstance(found, list) else [found]:
        if withoutObject and "self" in signature.parameters:
            continue
        parameters = []
        for parameter in signature.parameters.values():
            if parameter.name == "self" or parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                continue
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                continue
            parameters.append((parameter.name, parameter.annotation, parameter.default is not inspect.Parameter.empty))
        out.append(tuple(parameters))
    return out


def chooseOverload(choices, args):
    """Converted arguments for the first overload that takes ``args``.

    Raises
    ------
    NoMatch
        If no overload does.
    """
    for strict in (True, False):
        for parameters in choices:
            required = sum(not optional for _, _, optional in parameters)
            if not required <= len(args) <= len(parameters):
                continue
            try:
                return [toNative(value, annotation, strict) for value, (_, annotation, _) in zip(args, parameters)]
            except NoMatch:
                continue
    raise NoMatch


def toNative(value, annotation, strict):
    """Convert one argument for a parameter of type ``annotation``, or raise NoMatch."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union(value, typing.get_args(annotation), strict)
    if annotation in (inspect.Parameter.empty, typing.Any, object):
        return unwrap(value)
    if annotation is collections.abc.Callable or origin is collections.abc.Callable:
        raise NoMatch  # PySide6 takes Python functions in many places; PythonQt only in connect and QTimer.singleShot
    if origin in (list, tuple, collections.abc.Sequence, collections.abc.Iterable):
        return _sequence(value, typing.get_args(annotation), strict)
    if origin is dict or annotation is dict:
        return _expect(isinstance(value, dict), unwrap, value)
    if not isinstance(annotation, type):
        return unwrap(value)
    simple = SIMPLE.get(annotation)
    if simple is not None:
        return simple(value, strict)
    if enums.isNativeEnum(annotation):
        return _enum(value, annotation, strict)
    return _object(value, annotation, strict)


def _expect(condition, function, value):
    if not condition:
        raise NoMatch
    return function(value)


def _union(value, options, strict):
    """PySide6 lists the C++ type first and its implicit conversions after it; PythonQt takes the C++ type only."""
    if value is None:
        if type(None) in options:
            return None
        raise NoMatch
    options = [each for each in options if each is not type(None)]
    if bytes in options and QtCore.QByteArray not in options:
        return _bytes(value, strict)
    if QtCore.QByteArray in options and isinstance(value, bytes):
        return QtCore.QByteArray(value)
    # text comes first in the lists of some parameters that are QAnyStringView or QString in C++
    return toNative(value, options[0], strict)


def _sequence(value, inner, strict):
    if not isinstance(value, (list, tuple)):
        raise NoMatch
    kind = inner[0] if inner else typing.Any
    return [toNative(each, kind, strict) for each in value]


def _text(value, strict):
    return _expect(isinstance(value, str), str, value)


def _bytes(value, strict):
    if isinstance(value, PythonQtInstanceWrapper) and isinstance(unwrap(value), QtCore.QByteArray):
        return unwrap(value).data()
    if isinstance(value, str):
        return value.encode()
    return _expect(isinstance(value, bytes), bytes, value)


def _int(value, strict):
    if strict:
        return _expect(isinstance(value, int) and not isinstance(value, bool), int, value)
    isNumber = hasattr(value, "__index__") and not isinstance(value, PythonQtInstanceWrapper)
    return _expect(isNumber, operator.index, value)


def _float(value, strict):
    return _expect(isinstance(value, float if strict else (float, int)), float, value)


def _bool(value, strict):
    return _expect(isinstance(value, bool if strict else (bool, int)), bool, value)


def _enum(value, kind, strict):
    if not isinstance(value, int) or isinstance(value, bool):
        raise NoMatch
    if strict:
        name = kind.__name__
        flags = (name + "s", name.removesuffix("Flag"), name.removesuffix("Type") + "Flags")
        if type(value).__name__ not in (name, *flags):
            raise NoMatch
    try:
        return enums.toNative(value, kind)
    except ValueError:
        raise NoMatch from None


def _object(value, kind, strict):
    if value is None:
        return _expect(issubclass(kind, POINTER_TYPES), lambda nothing: nothing, value)
    native = unwrap(value) if isinstance(value, PythonQtInstanceWrapper) else value
    if isinstance(native, kind):
        return native
    if not strict:
        if kind is QtGui.QCursor and type(value).__name__ == "CursorShape":
            return QtGui.QCursor(enums.toNative(value, QtCore.Qt.CursorShape))
        if kind in COLOUR_TAKERS and type(value).__name__ == "GlobalColor":
            return kind(QtGui.QColor(enums.toNative(value, QtCore.Qt.GlobalColor)))
        if kind in COLOUR_TAKERS and isinstance(native, QtGui.QColor):
            return kind(native)
    if kind is QtCore.QByteArray and isinstance(value, bytes):
        return QtCore.QByteArray(value)
    if issubclass(kind, shiboken6.Object) or isinstance(value, PythonQtInstanceWrapper):
        raise NoMatch
    return native


SIMPLE = {str: _text, bytes: _bytes, int: _int, float: _float, bool: _bool}

PROPERTY_KINDS = {
    "bool": bool,
    "int": int,
    "uint": int,
    "double": float,
    "float": float,
    "qreal": float,
    "QString": str,
    "QStringList": collections.abc.Sequence[str],
    "QByteArray": QtCore.QByteArray,
}


def toProperty(value, typeName, isEnum):
    """Convert a value that is assigned to a property of C++ type ``typeName``; raises NoMatch."""
    if isEnum:
        return _expect(isinstance(value, int) and not isinstance(value, bool), int, value)
    if typeName in PROPERTY_KINDS:
        return toNative(value, PROPERTY_KINDS[typeName], False)
    for module in (QtCore, QtGui, QtWidgets):
        kind = getattr(module, typeName.rstrip("*"), None)
        if isinstance(kind, type):
            return _object(value, kind, False)
    return unwrap(value)
