"""The application object, ``slicer.app``: a QApplication with what Slicer adds."""

import os
import pathlib
import sys
import time

from PySide6 import QtCore, QtWidgets

from . import record
from .record import NotProvided


class qSlicerCommandOptions:  # named as in the application: the name is what Python code sees
    """Command-line options of the application."""

    def __init__(self, testing: bool, noMainWindow: bool, arguments):
        self.enableQtTesting = False
        self.isTestingEnabled = testing
        self.noMainWindow = noMainWindow
        self.noSplash = True
        self.runPythonAndExit = testing
        self.arguments = list(arguments)

    def __repr__(self):
        return f"qSlicerCommandOptions (qSlicerCommandOptions at: {id(self):#x})"


class HostApplication(QtWidgets.QApplication):
    """``slicer.app``, before it is wrapped.

    Parameters
    ----------
    arguments : list of str
        As of a command line, program first.
    """

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)
    renderPaused = QtCore.Signal(bool)
    usageEventLogged = QtCore.Signal(str, str)

    def __init__(self, arguments):
        self._startupEnvironment = _startupEnvironment()
        self._startupWorkingPath = os.getcwd()
        super().__init__(arguments)
        recorded = record.load()
        self.setApplicationName("Slicer")
        self.setApplicationDisplayName("Slicer")
        self.setOrganizationName("slicer.org")
        self.setOrganizationDomain("slicer.org")
        self.setApplicationVersion(recorded["version"])
        self.setQuitOnLastWindowClosed(True)
        self._revision = recorded["revision"]

    def configure(self, core, options, workFolder: pathlib.Path, moduleManager, ioManager) -> None:
        """Hand over the parts that are built after the QApplication."""
        self._core = core
        self._options = options
        self._workFolder = workFolder
        self._moduleManager = moduleManager
        self._ioManager = ioManager
        self._layoutManager = self._dicomDatabase = None
        self._pauseCount = 0
        self._temporaryPath = str(workFolder / "tmp")
        self._requestedExitCode = None

    def setLayoutManager(self, layoutManager):
        self._layoutManager = layoutManager

    def setDicomDatabase(self, database):
        self._dicomDatabase = database

    # Parts

    def applicationLogic(self):
        return self._core.applicationLogic

    def mrmlScene(self):
        return self._core.scene

    def layoutManager(self):
        return self._layoutManager

    def moduleManager(self):
        return self._moduleManager

    def moduleLogic(self, moduleName):
        module = self._moduleManager.module(moduleName)
        return module.logic() if module else None

    def ioManager(self):
        return self._ioManager

    def coreIOManager(self):
        return self._ioManager

    def commandOptions(self):
        return self._options

    def dicomDatabase(self):
        return self._dicomDatabase

    # Settings: in the host's own folder, so that a test neither reads nor changes what a user has

    def _settings(self, name):
        from .pythonqt import objects

        path = str(self._workFolder / "settings" / name)
        return objects.nativeFor("ctkSettings")(path, QtCore.QSettings.Format.IniFormat)

    def settings(self):
        return self._settings("Slicer-revision.ini")

    def revisionUserSettings(self):
        return self._settings("Slicer-revision.ini")

    def userSettings(self):
        return self._settings("Slicer.ini")

    def defaultSettings(self):
        return self._settings("SlicerDefault.ini")

    # State

    def testingEnabled(self):
        return self._options.isTestingEnabled

    def startupEnvironment(self):
        return QtCore.QProcessEnvironment(self._startupEnvironment)

    def environment(self):
        return QtCore.QProcessEnvironment.systemEnvironment()

    def setEnvironmentVariable(self, key, value):
        os.environ[key] = value

    def isEnvironmentVariableValueSet(self, key, value):
        return value in os.environ.get(key, "").split(os.pathsep)

    def setRenderPaused(self, pause):
        self._pauseCount = max(0, self._pauseCount + (1 if pause else -1))
        if self._layoutManager is not None:
            self._layoutManager.setRenderPaused(pause)
        self.renderPaused.emit(bool(self._pauseCount))

    def pauseRender(self):
        self.setRenderPaused(True)

    def resumeRender(self):
        self.setRenderPaused(False)

    def exit(self, retcode=0):
        """End the event loop with an exit code; also remembered for when no loop is running yet."""
        self._requestedExitCode = int(retcode)
        QtWidgets.QApplication.exit(int(retcode))

    def requestedExitCode(self):
        return self._requestedExitCode

    def quit(self):
        self.exit(0)

    def restart(self):
        raise NotProvided("slicer.app", "restart")

    def processEvents(self, *arguments):
        QtWidgets.QApplication.processEvents(*arguments)

    def moduleDocumentationUrl(self, moduleName):
        return f"{self.documentationBaseUrl}/user_guide/modules/{moduleName.lower()}.html"

    def toSlicerHomeAbsolutePath(self, path):
        return path if os.path.isabs(path) else os.path.join(self.slicerHome, path)

    def toSlicerHomeRelativePath(self, path):
        home = self.slicerHome + os.sep
        return path[len(home) :] if path.startswith(home) else path

    def currentLogFile(self):
        return str(self._workFolder / "Slicer.log")

    def openNodeModule(self, node, role="", context=""):
        if node is None:
            return
        names = {"vtkMRMLSegmentationNode": "SegmentEditor", "vtkMRMLScalarVolumeNode": "Volumes"}
        module = names.get(node.GetClassName())
        if module and self._moduleManager.module(module):
            self._moduleManager.selectModule(module)

    def logUsageEvent(self, component, event):
        self.usageEventLogged.emit(component, event)

    def showConsoleMessage(self, message, error=True):
        (sys.stderr if error else sys.stdout).write(message + "\n")

    # Properties

    def _getTemporaryPath(self):
        pathlib.Path(self._temporaryPath).mkdir(parents=True, exist_ok=True)
        return self._temporaryPath

    def _setTemporaryPath(self, path):
        self._temporaryPath = path
        self._core.applicationLogic.SetTemporaryPath(path)

    temporaryPath = QtCore.Property(str, _getTemporaryPath, _setTemporaryPath)
    slicerHome = QtCore.Property(str, lambda self: str(self._workFolder / "home"))
    slicerSharePath = QtCore.Property(str, lambda self: "share/Slicer-5.12")
    cachePath = QtCore.Property(str, lambda self: str(self._workFolder / "cache"))
    defaultScenePath = QtCore.Property(str, lambda self: str(self._workFolder))
    extensionsInstallPath = QtCore.Property(str, lambda self: str(self._workFolder / "extensions"))
    startupWorkingPath = QtCore.Property(str, lambda self: self._startupWorkingPath)
    slicerUserSettingsFilePath = QtCore.Property(str, lambda self: self.userSettings().fileName())
    slicerRevisionUserSettingsFilePath = QtCore.Property(str, lambda self: self.settings().fileName())
    documentationBaseUrl = QtCore.Property(str, lambda self: "https://slicer.readthedocs.io/en/latest")
    documentationVersion = QtCore.Property(str, lambda self: "latest")
    documentationLanguage = QtCore.Property(str, lambda self: "")
    majorVersion = QtCore.Property(int, lambda self: 5)
    minorVersion = QtCore.Property(int, lambda self: 12)
    mainApplicationMajorVersion = QtCore.Property(int, lambda self: 5)
    mainApplicationMinorVersion = QtCore.Property(int, lambda self: 12)
    mainApplicationPatchVersion = QtCore.Property(int, lambda self: 3)
    mainApplicationName = QtCore.Property(str, lambda self: "Slicer")
    mainApplicationDisplayName = QtCore.Property(str, lambda self: "3D Slicer")
    mainApplicationRevision = QtCore.Property(str, lambda self: self._revision)
    revision = QtCore.Property(str, lambda self: self._revision)
    releaseType = QtCore.Property(str, lambda self: "Experimental")
    intDir = QtCore.Property(str, lambda self: "")
    isInstalled = QtCore.Property(bool, lambda self: False)
    isCustomMainApplication = QtCore.Property(bool, lambda self: False)
    isUsageLoggingSupported = QtCore.Property(bool, lambda self: False)
    applicationLocaleName = QtCore.Property(str, lambda self: "")
    os = QtCore.Property(str, lambda self: OS_NAMES.get(sys.platform, "linux"))
    arch = QtCore.Property(str, lambda self: "amd64")
    platform = QtCore.Property(str, lambda self: f"{OS_NAMES.get(sys.platform, 'linux')}-amd64")


OS_NAMES = {"linux": "linux", "darwin": "macosx", "win32": "win"}
PROJECT = pathlib.Path(__file__).resolve().parents[2]
_environmentAtImport = dict(os.environ)


def _startupEnvironment() -> QtCore.QProcessEnvironment:
    """Return the environment without what the host added, and without this project on the Python path.

    In the application a child process does not find the extension either unless it is told where.
    """
    environment = QtCore.QProcessEnvironment.systemEnvironment()
    for name in ("QT_QPA_PLATFORM", "VTK_DEFAULT_OPENGL_WINDOW"):
        if name not in _environmentAtImport:
            environment.remove(name)
    folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    kept = [folder for folder in folders if not pathlib.Path(folder).resolve().is_relative_to(PROJECT)]
    if kept:
        environment.insert("PYTHONPATH", os.pathsep.join(kept))
    else:
        environment.remove("PYTHONPATH")
    return environment


def _showMessage(kind, context, text) -> None:
    """Write Qt's messages to stderr, but not that a window without a screen has no size hints."""
    if "propagateSizeHints" not in text:
        sys.stderr.write(text + "\n")


def create(arguments) -> HostApplication:
    """Return the process's application object, made now unless the host made it before.

    Raises
    ------
    RuntimeError
        Another QApplication exists: there can be one only.
    """
    existing = QtWidgets.QApplication.instance()
    if existing is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        QtCore.qInstallMessageHandler(_showMessage)
        return HostApplication(arguments)
    if not isinstance(existing, HostApplication):
        raise RuntimeError("A QApplication exists already: start the host first, or take its application object")
    return existing


def turnFor(seconds: float) -> None:
    """Let the event loop turn for a while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 10)
