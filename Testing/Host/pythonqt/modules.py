"""The modules ``qt``, ``ctk`` and ``PythonQt`` with its submodules, filled from the record on demand."""

import functools
import os
import sys
import types

from PySide6 import QtCore

from Host.pythonqt import compat, objects, record, signals
from Host.pythonqt.errors import NotProvided

QT_VERSION = "5.15.8"


class RecordedModule(types.ModuleType):
    """A module whose classes are made when they are first asked for."""

    def __init__(self, name, recordedAs, package=None):
        super().__init__(name)
        self._recordedAs = recordedAs
        self._package = package

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        for module in self._recordedAs:
            if record.isRecorded(module, name) or record.moduleOfClass(name) == module:
                if record.moduleOfClass(name) is None:
                    raise NotProvided(f"{self.__name__}.{name}")
                if self._package in (None, record.members(name).package):
                    made = objects.wrapperClass(name)
                    setattr(self, name, made)
                    return made
        if self._package is None and any(name in record.load()["functions"][m] for m in self._recordedAs):
            raise NotProvided(f"{self.__name__}.{name}")
        raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")

    def __dir__(self):
        names = set(vars(self))
        for module in self._recordedAs:
            names.update(record.load()["names"][module])
        return sorted(names)


def _qtFunctions():
    message = compat.message
    return {
        "Signal": signals.Signal,
        "SIGNAL": _SIGNAL,
        "SLOT": _SLOT,
        "qVersion": _qVersion,
        "qDebug": message,
        "qWarning": message,
        "qCritical": message,
        "qAbs": abs,
        "qMax": max,
        "qMin": min,
        "qRound": _qRound,
        "Slot": _Slot,
        "Property": _Property,
        "os": os,
        "sys": sys,
    }


def _SIGNAL(signature):
    return "2" + signature


def _SLOT(signature):
    return "1" + signature


def _qVersion():
    return QT_VERSION


def _qRound(value):
    return int(value + 0.5) if value >= 0 else int(value - 0.5)


class _Slot:
    """``PythonQt.QtCore.Slot``: marks a slot; connections by text to it are not offered in the host."""

    def __init__(self, *types_, **options):
        self.types = types_

    def __call__(self, function):
        return function


class _Property:
    """``PythonQt.QtCore.Property``: recorded, not built."""

    def __init__(self, *args, **kwargs):
        raise NotProvided("PythonQt.QtCore.Property")


@functools.cache
def install():
    """Put ``qt``, ``ctk``, ``PythonQt`` and its submodules into ``sys.modules`` and return the first two.

    A QApplication must exist before widgets are made; it is not made here.
    """
    from Host.pythonqt import ctkwidgets

    ctkwidgets.register()
    QtCore.QLoggingCategory.setFilterRules("qt.pyside.libpyside.warning=false")
    qt = RecordedModule("qt", ("qt",))
    ctk = RecordedModule("ctk", ("ctk",))
    vars(qt).update(_qtFunctions())
    root = types.ModuleType("PythonQt")
    root.__path__ = []
    root.BoolResult = compat.BoolResult
    root.Config, root.Debug = object(), object()
    root.Qt = objects.wrapperClass("Qt")
    for name in [package.removeprefix("PythonQt.") for package in record.load()["packages"]]:
        module = RecordedModule(f"PythonQt.{name}", ("qt", "ctk", "slicer"), f"PythonQt.{name}")
        setattr(root, name, module)
        sys.modules[f"PythonQt.{name}"] = module
    for name, value in (("Signal", signals.Signal), ("Slot", _Slot), ("Property", _Property)):
        setattr(root.QtCore, name, value)
    sys.modules.update({"qt": qt, "ctk": ctk, "PythonQt": root})
    return qt, ctk
