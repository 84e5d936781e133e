"""Base classes of scripted modules: the host's own ``slicer.ScriptedLoadableModule``."""

import importlib
import os
import unittest

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleWidget",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
]


class ScriptedLoadableModule:
    """Title, help and icon of a module; `parent` is the application's module object."""

    def __init__(self, parent):
        import qt
        import slicer

        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        for extension in (".svg", ".png"):
            iconPath = self.resourcePath(f"Icons/{self.moduleName}{extension}")
            if os.path.isfile(iconPath):
                parent.icon = qt.QIcon(iconPath)
                break
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename):
        """Return the path of a file in the module's ``Resources`` folder."""
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        """Return the sentence that links to the online documentation."""
        import slicer

        app = slicer.app
        url = app.documentationBaseUrl + docPage if docPage else app.moduleDocumentationUrl(self.moduleName)
        return f'<p>For more information see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec=100, **kwargs):
        """Run the test class named ``<module>Test``."""
        python = importlib.import_module(self.__module__)
        testClass = getattr(python, f"{self.moduleName}Test", None)
        if testClass is None:
            raise AssertionError(f"Test case class not found: {self.__module__}.{self.moduleName}Test")
        testCase = testClass()
        testCase.messageDelay = msec
        testCase.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """The panel of a module; made once, `setup` builds it."""

    def __init__(self, parent=None):
        import qt
        import slicer

        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        self.parent = parent if parent else slicer.qMRMLWidget()
        if not parent:
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename):
        """Return the path of a file in the module's ``Resources`` folder."""
        import slicer

        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self):
        """Build the panel."""
        self.setupDeveloperSection()

    def setupDeveloperSection(self):
        """Add the buttons for developers, in developer mode only."""
        if not self.developerMode:
            return
        import ctk
        import qt

        self.reloadCollapsibleButton = ctk.ctkCollapsibleButton()
        self.reloadCollapsibleButton.text = "Reload && Test"
        self.layout.addWidget(self.reloadCollapsibleButton)
        form = qt.QFormLayout(self.reloadCollapsibleButton)
        self.reloadButton = qt.QPushButton("Reload")
        self.reloadButton.connect("clicked()", self.onReload)
        self.reloadTestMenuButton = qt.QPushButton("Reload and Test")
        self.reloadTestMenuButton.connect("clicked()", self.onReloadAndTest)
        self.editSourceButton = qt.QPushButton("Edit")
        self.editSourceButton.connect("clicked()", self.onEditSource)
        row = qt.QHBoxLayout()
        for button in (self.reloadButton, self.reloadTestMenuButton, self.editSourceButton):
            row.addWidget(button)
        form.addRow(row)

    def cleanup(self):
        """Called when the module is unloaded; derived classes take down what they observe."""

    def _onModuleAboutToBeUnloaded(self, moduleName):
        import slicer

        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self):
        """Run the module's file again and rebuild the panel."""
        import slicer

        slicer.util.reloadScriptedModule(self.moduleName)

    def onTest(self, **kwargs):
        """Run the self test."""
        import slicer

        with slicer.util.tryWithErrorDisplay("Test failed."):
            slicer.selfTests[self.moduleName](**kwargs)

    def onReloadAndTest(self, **kwargs):
        """Reload, then run the self test."""
        import slicer

        with slicer.util.tryWithErrorDisplay("Reload and Test failed."):
            self.onReload()
            slicer.selfTests[self.moduleName](**kwargs)

    def onEditSource(self):
        """Open the module's file."""
        import qt
        import slicer

        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(slicer.util.modulePath(self.moduleName)))


class ScriptedLoadableModuleLogic:
    """What a module does, usable without its panel."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        # One parameter node for each scene; derived classes may set it False.
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """Return the module's (first) parameter node, made now when there is none."""
        import slicer

        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node and node.GetAttribute("ModuleName") != self.moduleName:
                # Closing the scene clears attributes.
                node.SetAttribute("ModuleName", self.moduleName)
        else:
            node = next(iter(self.getAllParameterNodes()), None)
        return node if node else slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self):
        """Return all parameter nodes of the module."""
        import slicer

        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self):
        """Return a new parameter node, not yet in the scene."""
        import slicer

        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The self test of a module; derived classes call their tests in `runTest`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.delayDisplayMessageDelay = 0
        self.messageDelay = 0
        self.enableScreenshots = False
        self.screenshotScaleFactor = 1.0

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        """Log a message and let the window be drawn."""
        import slicer

        delay = next((value for value in (msec, requestedDelay) if value is not None), self.messageDelay)
        slicer.util.delayDisplay(message, min(delay, 100))

    def takeScreenshot(self, name, description, type=-1):
        """Take a picture when asked for (not by default)."""
        if self.enableScreenshots:
            raise NotImplementedError("Screenshots of self tests are taken by the host, not by the test")

    def setUp(self):
        """Start from an empty scene."""
        import slicer

        slicer.mrmlScene.Clear(0)

    def tearDown(self):
        """Nothing to take down."""

    def runTest(self):
        """Run the tests; derived classes override this."""
