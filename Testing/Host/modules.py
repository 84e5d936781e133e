"""Modules of the application: those written in C++ there (real logics), and scripted modules from their files."""

import importlib.util
import logging
import pathlib
import sys

from PySide6 import QtCore, QtGui, QtWidgets

from . import record
from .record import NotProvided


def _value(kind, name):
    """A Qt property kept in the object's ``_values``."""
    return QtCore.Property(
        kind, lambda self: self._values[name], lambda self, value: self._values.__setitem__(name, value)
    )


class CoreModule(QtCore.QObject):
    """A module that is written in C++ in the application: its real logic, no panel (qSlicerLoadableModule)."""

    def __init__(self, name, title, logic, scene):
        super().__init__()
        self.setObjectName(name)
        self._logic, self._scene = logic, scene
        # In the application these come from a class that Python does not see: on objects only, not in the record.
        for key, value in (("path", ""), ("title", title)):
            self.setProperty(key, value)

    def logic(self):
        return self._logic

    def mrmlScene(self):
        return self._scene

    def widgetRepresentation(self):
        raise NotProvided(f"slicer.modules.{self.objectName().lower()}", "widgetRepresentation()")

    def createNewWidgetRepresentation(self):
        return self.widgetRepresentation()


class ScriptedModule(QtCore.QObject):
    """A module written in Python (qSlicerScriptedLoadableModule); the extension gets it as its module's ``parent``."""

    title = _value(str, "title")
    helpText = _value(str, "helpText")
    acknowledgementText = _value(str, "acknowledgementText")
    categories = _value("QStringList", "categories")
    dependencies = _value("QStringList", "dependencies")
    contributors = _value("QStringList", "contributors")
    associatedNodeTypes = _value("QStringList", "associatedNodeTypes")
    extensions = _value("QVariantMap", "extensions")
    hidden = _value(bool, "hidden")
    index = _value(int, "index")
    icon = _value(QtGui.QIcon, "icon")

    def __init__(self, manager, name, path, scene):
        import slicer

        super().__init__()
        self._values = {
            "title": name,
            "helpText": "",
            "acknowledgementText": "",
            "categories": [],
            "dependencies": [],
            "contributors": [],
            "associatedNodeTypes": [],
            "extensions": {},
            "hidden": False,
            "index": -1,
            "icon": QtGui.QIcon(),
        }
        self.setObjectName(name)
        self.setProperty("path", str(path))
        self._manager, self._scene, self._widget = manager, scene, None
        self._logic = slicer.vtkSlicerScriptedLoadableModuleLogic()
        self._logic.SetMRMLScene(scene)
        self.pythonInstance = None

    def logic(self):
        return self._logic

    def mrmlScene(self):
        return self._scene

    def widgetRepresentation(self):
        if self._widget is None:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self):
        widget = ScriptedWidget(self)
        widget.create()
        return widget

    def existingWidget(self):
        """The panel if it has been made, else None."""
        return self._widget


class ScriptedWidget(QtWidgets.QWidget):
    """The Qt widget of a scripted module's panel (qSlicerScriptedLoadableModuleWidget)."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, module=None):
        super().__init__()
        self._module = module
        self._python = None
        self._entered = False
        self._scene = None
        self.setLayout(QtWidgets.QVBoxLayout())
        if module is not None:
            self.setObjectName(f"{module.objectName()}ModuleWidget")

    moduleName = QtCore.Property(str, lambda self: self._module.objectName() if self._module else "")
    isEntered = QtCore.Property(bool, lambda self: self._entered)

    def create(self) -> None:
        """Make the Python widget object of the module and let it build the panel."""
        import slicer

        from .pythonqt import wrap

        name = self._module.objectName()
        python = sys.modules[name]
        self._python = getattr(python, f"{name}Widget")(wrap(self))
        self.setMRMLScene(slicer.mrmlScene)
        setattr(slicer.modules, f"{name}Widget", self._python)
        self._python.setup()

    def self(self):
        return self._python

    def module(self):
        return self._module

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def reload(self):
        self.create()
        if self._entered:
            self._call("enter")

    def _call(self, name, *arguments):
        function = getattr(self._python, name, None)
        return function(*arguments) if function else None

    def enter(self):
        self._entered = True
        self._call("enter")

    def exit(self):
        self._entered = False
        self._call("exit")

    def setEditedNode(self, node, role="", context=""):
        return bool(self._call("setEditedNode", node, role, context))

    def nodeEditable(self, node):
        return self._call("nodeEditable", node) or 0.0


class FactoryManager(QtCore.QObject):
    """What is loaded (qSlicerModuleFactoryManager)."""

    modulesLoaded = QtCore.Signal("QStringList")
    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleUnloaded = QtCore.Signal(str)

    def __init__(self, manager):
        super().__init__(manager)
        self._manager = manager

    def loadedModuleNames(self):
        return list(self._manager.names())

    def isLoaded(self, name):
        return name in self._manager.names()

    def loadedModule(self, name):
        return self._manager.module(name)


class ModuleManager(QtCore.QObject):
    """Loads modules and knows them by name (qSlicerModuleManager)."""

    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def __init__(self, core):
        super().__init__()
        self._core = core
        self._modules = {}
        self._factory = FactoryManager(self)
        self.select = lambda name: None
        titles = {name: entry["title"] for name, entry in record.load()["modules"].items()}
        for name, logic in core.logics.items():
            self._modules[name] = CoreModule(name, titles[name.lower()], logic, core.scene)
        from . import segmenteditor

        self._modules[segmenteditor.NAME] = segmenteditor.SegmentEditorModule(self, core.scene)

    # What qSlicerModuleManager offers

    def factoryManager(self):
        return self._factory

    def modulesNames(self):
        return list(self._modules)

    def module(self, name):
        return self._modules.get(name)

    # For the host

    def names(self):
        return tuple(self._modules)

    def scripted(self):
        """The scripted modules in the order of loading."""
        return [module for module in self._modules.values() if isinstance(module, ScriptedModule)]

    def selectModule(self, name) -> None:
        self.select(name)

    def loadFile(self, path: pathlib.Path) -> ScriptedModule:
        """Load a module file as the application does: run it as a module of its name and make its module object.

        Raises
        ------
        ImportError
            The file has no class named as the file, or another module has that name. What the file itself
            raises passes.
        """
        import slicer

        from .pythonqt import wrap

        path = pathlib.Path(path).resolve()
        name = path.stem
        known = self._modules.get(name)
        if known is not None:
            if known.property("path") != str(path):
                raise ImportError(f"{path}: another module is named {name} already: {known.property('path')}")
            return known
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        python = importlib.util.module_from_spec(spec)
        sys.modules[name] = python
        spec.loader.exec_module(python)
        if not hasattr(python, name):
            raise ImportError(f"{path}: a scripted module needs a class named {name}, as the file is")
        module = ScriptedModule(self, name, path, self._core.scene)
        self._modules[name] = module
        module.pythonInstance = getattr(python, name)(wrap(module))
        for dependency in module.dependencies:
            if dependency not in self._modules and dependency.lower() not in record.load()["modules"]:
                logging.error(f'When loading module "{name}", the dependency "{dependency}" failed to be loaded.')
        slicer.modules.add(name, module, module.pythonInstance)
        setup = getattr(module.pythonInstance, "setup", None)
        if setup:
            setup()
        self.moduleLoaded.emit(name)
        return module

    def unloadAll(self) -> None:
        """Say goodbye to the modules: their panels clean up."""
        for module in reversed(self.scripted()):
            self.moduleAboutToBeUnloaded.emit(module.objectName())


class Modules:
    """``slicer.modules``: the modules by lower-case name, and what scripted modules put there."""

    def __init__(self, manager: ModuleManager):
        from .pythonqt import wrap

        for name in manager.names():
            vars(self)[name.lower()] = wrap(manager.module(name))

    def add(self, name: str, module: ScriptedModule, instance) -> None:
        """Make a scripted module visible."""
        from .pythonqt import wrap

        vars(self)[name.lower()] = wrap(module)
        vars(self)[f"{name}Instance"] = instance

    def __getattr__(self, name):
        recorded = record.load()
        if name in recorded["modules"] or name in recorded["otherModuleNames"]:
            raise NotProvided("slicer.modules", name)
        raise AttributeError(f"'modules' object has no attribute '{name}'")
