"""The windows that step 2 opens: the model library, and the check of the interpreter."""

import slicer

from ..scene.texts import _
from .environmentbox import EnvironmentBox
from .modellibrary import ModelLibrary


class ModelWindows:
    """Makes each window when it is first wanted, and brings what it finds into the panel.

    Parameters
    ----------
    ui : object
        The widgets of BreastSeg.ui, by name.
    session : scene.session.Session
        Whose worker may hold files of models.
    modelStep : ModelStep
    log : callable
        ``log(text)``: adds a line to the log of the panel.
    whyNot : callable
        Returns why the models have to stay as they are, such as a run; '' when nothing is against it.
    """

    def __init__(self, ui, session, modelStep, log, whyNot):
        self._session, self._modelStep, self._log, self._whyNot = session, modelStep, log, whyNot
        self.library = self.environment = None
        ui.modelsButton.connect("clicked()", self.openLibrary)
        ui.environmentButton.connect("clicked()", self.checkEnvironment)

    def openLibrary(self):
        """Open the model library."""
        if self.library is None:
            window = slicer.util.mainWindow()
            self.library = ModelLibrary(window, self._onModels, self._onSaid, self._whyNot, self._session.endWorker)
        self.library.open()

    def checkEnvironment(self):
        """Look whether models can run with the interpreter of step 2."""
        if self.environment is None:
            step = self._modelStep
            self.environment = EnvironmentBox(slicer.util.mainWindow(), lambda: step.interpreter, self._onReport)
        self.environment.check()

    def close(self):
        """Close both windows and end what they are doing."""
        for window in (self.library, self.environment):
            if window is not None:
                window.close()
        self.library = self.environment = None

    def _onModels(self, installed):
        self._modelStep.refresh()
        # During a run step 2 tells what is at work.
        if installed and self._modelStep.enabled:
            self._modelStep.chooseModel(installed[-1])

    def _onSaid(self, sentence, isError):
        self._log(sentence)
        if isError and not self.library.shown:
            # Nobody looks at the window any more, and a download can take long.
            slicer.util.warningDisplay(sentence, windowTitle=_("BreastSeg"))

    def _onReport(self, report):
        self._modelStep.showDevices(report.get("devices") or ())
