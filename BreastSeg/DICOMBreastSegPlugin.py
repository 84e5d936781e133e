"""BreastSeg in Slicer's DICOM browser: the door. What is offered is decided in BreastSegLib.scene.dicomloadables."""

import slicer
from DICOMLib import DICOMPlugin
from slicer.i18n import tr as _


class DICOMBreastSegPluginClass(DICOMPlugin):
    """Offers a breast DCE-MRI exam, whose phases may lie in many series, and the mammograms of a study."""

    def __init__(self):
        super().__init__()
        self.loadType = _("Breast exam")
        # By the hash of the exam's files: what was loaded, and which rows of the browser go with one that failed.
        self._loaded, self._failed = {}, {}

    def examineForImport(self, fileLists):
        """Return what can be loaded from series.

        Parameters
        ----------
        fileLists : list of sequence of str
            The files of each series.

        Returns
        -------
        list of DICOMLoadable
        """
        from BreastSegLib.scene import dicomloadables

        found = []
        for modality, series in dicomloadables.studies(fileLists):
            files = [file for one in series for file in one]
            loadables = self.getCachedLoadables(files)
            if loadables is None:
                loadables = [dicomloadables.loadableOf(offer) for offer in dicomloadables.offers(modality, series)]
                self.cacheLoadables(files, loadables)
            found += loadables
        return found

    def load(self, loadable):
        """Load an exam in turns and choose it in BreastSeg; the window stays alive.

        Returns
        -------
        bool
            Whether it is loaded, or BreastSeg asks what the files do not tell.
        """
        from BreastSegLib.errors import BreastSegError, Cancelled, Undecided
        from BreastSegLib.scene import dicomloadables

        offer = loadable.breastSegOffer
        key = self.hashFiles([file for part in offer.parts for file in part])
        if offer.isPart and self._isInScene(key):
            return True
        if offer.isPart and offer.files in self._failed.get(key, ()):
            # The row of the whole exam has said why. Another attempt is a new one.
            self._failed[key].remove(offer.files)
            return False
        self._failed[key] = set(offer.otherRows)
        try:
            exam = self._read(offer.source)
        except Undecided as question:
            # With a window the panel shows the question, and loads when it is answered.
            return self._ask() or self._say(question)
        except Cancelled:
            return False
        except BreastSegError as error:
            return self._say(error)
        if exam is None:
            return False
        dicomloadables.putUnderStudy(self, exam, offer)
        self._loaded[key], self._failed[key] = exam, set()
        return True

    def _isInScene(self, key):
        exam = self._loaded.get(key)
        return exam is not None and all(node.GetScene() is not None for node in exam.nodes)

    def _ask(self):
        if slicer.util.mainWindow() is None:
            return False
        slicer.util.selectModule("BreastSeg")
        return True

    def _say(self, error):
        slicer.util.errorDisplay(error.line, windowTitle=_("BreastSeg"))
        return False

    def _read(self, source):
        """Load with the panel's worker; without a window with one of its own, which ends with it."""
        if slicer.util.mainWindow() is not None:
            return slicer.util.getModuleWidget("BreastSeg").loadExam(source)
        from BreastSeg import BreastSegLogic

        logic = BreastSegLogic()
        try:
            exam = logic.loadExam(source)
            logic.chooseExam(exam)
            return exam
        finally:
            logic.close()


class DICOMBreastSegPlugin:
    """Lets Slicer find the plug-in; there is no panel."""

    def __init__(self, parent):
        # These texts are seen by developers only.
        parent.title = "DICOM Breast Exam Plugin"
        parent.categories = ["Developer Tools.DICOM Plugins"]
        parent.contributors = ["SlicerBreastSeg contributors"]
        parent.helpText = "Reads breast DCE-MRI exams and mammograms in the DICOM module. It has no panel of its own."
        parent.acknowledgementText = ""
        parent.hidden = True
        # The DICOM module may be loaded later than this one.
        if not hasattr(slicer.modules, "dicomPlugins"):
            slicer.modules.dicomPlugins = {}
        slicer.modules.dicomPlugins["DICOMBreastSegPlugin"] = DICOMBreastSegPluginClass
