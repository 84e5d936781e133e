"""Starting the host: after `start()` the names `slicer`, `qt` and `ctk` are those of the running application."""

import atexit
import importlib
import importlib.abc
import importlib.machinery
import logging
import pathlib
import re
import shutil
import sys
import tempfile

from PySide6 import QtCore

from . import mrml, record, slicerapp

mrml.chooseOffscreenRendering()

_host = None


class Host:
    """The running application and its parts.

    Attributes
    ----------
    app : HostApplication
        The QApplication (unwrapped); extension code sees it as ``slicer.app``.
    core : Host.mrml.Core
    moduleManager : Host.modules.ModuleManager
    mainWindow : Host.mainwindow.MainWindow or None
    layoutManager : Host.views.layoutmanager.LayoutManager or None
    workFolder : pathlib.Path
        Settings, temporary files and log of this run.
    """

    def __init__(self, testing, mainWindow, arguments):
        self.workFolder = pathlib.Path(tempfile.mkdtemp(prefix="slicer-host-"))
        for name in ("settings", "tmp", "cache", "home"):
            (self.workFolder / name).mkdir()
        _isolateSettings(self.workFolder / "settings")
        self.app = slicerapp.create(arguments)
        _pythonNames()
        self.core = mrml.Core(str(self.workFolder / "tmp"))
        from .iomanager import IOManager
        from .modules import ModuleManager

        self.moduleManager = ModuleManager(self.core)
        self.options = slicerapp.qSlicerCommandOptions(testing, not mainWindow, arguments)
        self.app.configure(self.core, self.options, self.workFolder, self.moduleManager, IOManager(self.core))
        self.mainWindow = self.layoutManager = None
        self.stopped = False
        self._fillSlicer()
        if mainWindow:
            self._makeMainWindow()

    def _fillSlicer(self) -> None:
        import slicer

        from . import dicomlib
        from .modules import Modules
        from .pythonqt import wrap

        slicer.app = wrap(self.app)
        slicer.mrmlScene = self.core.scene
        slicer.modules = Modules(self.moduleManager)
        slicer.selfTests = {}
        dicomlib.install(self)

    def _makeMainWindow(self) -> None:
        import slicer

        from .mainwindow import MainWindow
        from .views.layoutmanager import LayoutManager

        self.mainWindow = MainWindow(self.moduleManager)
        self.layoutManager = LayoutManager(self.core, self.mainWindow.viewport)
        self.app.setLayoutManager(self.layoutManager)
        self.layoutManager.start(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self.mainWindow.resize(1280, 800)
        self.mainWindow.show()
        self.mainWindow.initialWindowShown.emit()

    def loadModules(self, paths) -> None:
        """Load scripted modules.

        Parameters
        ----------
        paths : iterable of path
            Module files, or folders in which every ``NAME/NAME.py`` and ``NAME.py`` with a class ``NAME`` is a module.
        """
        from .pythonqt import threads

        files = [file for path in paths for file in moduleFiles(pathlib.Path(path))]
        threads.refuseExtensionThreads(sorted({str(file.parent) for file in files}))
        for file in files:
            self.moduleManager.loadFile(file)
        if self.mainWindow is not None:
            self.mainWindow.moduleSelector().refresh()

    def stop(self) -> None:
        """Unload the modules and free the views."""
        self.stopped = True
        if self.mainWindow is not None:
            self.mainWindow.modulePanel().leave()
        self.moduleManager.unloadAll()
        slicerapp.turnFor(0)
        if self.layoutManager is not None:
            self.layoutManager.finalize()
        if self.mainWindow is not None:
            self.mainWindow.hide()
        shutil.rmtree(self.workFolder, ignore_errors=True)


def start(modulePaths=(), testing=False, mainWindow=True, arguments=("Slicer",)) -> Host:
    """Start the application in this process, or load more modules into the one that runs.

    Parameters
    ----------
    modulePaths : iterable of path
        Module files or folders with modules.
    testing : bool
        As ``--testing``: message boxes are skipped, nothing is asked.
    mainWindow : bool
        False as with ``--no-main-window``.
    arguments : sequence of str
        What ``slicer.app.arguments()`` gives.

    Returns
    -------
    Host

    Raises
    ------
    ImportError
        A module file cannot be loaded.
    """
    global _host
    if _host is None:
        _host = Host(testing, mainWindow, list(arguments))
        atexit.register(stop)
    _host.options.isTestingEnabled = testing
    _host.loadModules(modulePaths)
    _host.app.processEvents()
    _host.app.startupCompleted.emit()
    return _host


def current() -> Host:
    """Return the running host.

    Raises
    ------
    RuntimeError
        It was not started.
    """
    if _host is None:
        raise RuntimeError("The host is not running: call Host.application.start() first")
    return _host


def stop() -> None:
    """End the application; it cannot be started again in this process."""
    if _host is not None and not _host.stopped:
        _host.stop()


def moduleFiles(path: pathlib.Path) -> list:
    """Return the module files that a path names (see `Host.loadModules`)."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such module; give the folder that holds the module's .py file")
    found = [
        file
        for file in sorted(path.glob("*.py"))
        if re.search(rf"^class {file.stem}\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    if not found:
        found = [
            folder / f"{folder.name}.py"
            for folder in sorted(path.iterdir())
            if (folder / f"{folder.name}.py").exists()
        ]
    if not found:
        raise FileNotFoundError(f"{path}: holds no scripted module; a module is a file NAME.py with a class NAME")
    return found


def _isolateSettings(folder: pathlib.Path) -> None:
    """Keep the user's settings out: QSettings of this process live in the given folder."""
    kind = QtCore.QSettings.Format.IniFormat
    QtCore.QSettings.setDefaultFormat(kind)
    QtCore.QSettings.setPath(kind, QtCore.QSettings.Scope.UserScope, str(folder))
    QtCore.QSettings.setPath(kind, QtCore.QSettings.Scope.SystemScope, str(folder / "system"))


def _pythonNames() -> None:
    """Make ``import qt, ctk, slicer`` and slicer's submodules give what extension code sees in the application."""
    from . import parameternodes, pymodules, pythonqt, scripted, widgetclasses

    pythonqt.install()
    import slicer
    import slicer.util

    _prune(slicer)
    widgetclasses.register()
    submodules = {"slicer.ScriptedLoadableModule": scripted, **pymodules.build(), **parameternodes.modules()}
    sys.meta_path.insert(0, _Submodules(submodules))
    for name in submodules:
        # These two must be imported explicitly in the application: they are no attributes before that.
        if name not in ("slicer.packaging", "slicer.testing"):
            importlib.import_module(name)


class _Submodules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the import system the submodules of ``slicer`` that the host has built."""

    def __init__(self, modules):
        self._modules = modules

    def find_spec(self, name, path=None, target=None):
        if name not in self._modules:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=hasattr(self._modules[name], "__path__"))

    def create_module(self, spec):
        return self._modules[spec.name]

    def exec_module(self, module):
        """Nothing to run: the module is complete."""


def _prune(slicer) -> None:
    """Take out of `slicer` what the wheel puts there and the application does not, and answer for what is missing."""
    recorded = set(record.load()["slicer"])
    for name in list(vars(slicer)):
        if not name.startswith("_") and name not in recorded:
            delattr(slicer, name)
    from .pythonqt import wrapperClass

    def missing(name):
        if name in recorded and name.startswith(("q", "ctk")):
            return wrapperClass(name)
        if name in recorded:
            raise record.NotProvided("slicer", name)
        raise AttributeError(f"module 'slicer' has no attribute '{name}'")

    slicer.__getattr__ = missing


def runScript(path: pathlib.Path, arguments=()) -> int:
    """Run a Python script in the application, as ``--python-script`` does.

    Returns
    -------
    int
        Exit code: 0, 1 after an uncaught exception, or what the script asked for.
    """
    sys.argv = [str(path), *arguments]
    namespace = {"__name__": "__main__", "__file__": str(path)}
    try:
        exec(compile(pathlib.Path(path).read_text(encoding="utf-8"), str(path), "exec"), namespace)
    except SystemExit as leaving:
        if leaving.code is None:
            return 0
        return leaving.code if isinstance(leaving.code, int) else 1
    except Exception:
        logging.exception("The script failed")
        return 1
    return current().app.requestedExitCode() or 0
