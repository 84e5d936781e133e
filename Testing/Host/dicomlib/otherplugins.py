"""Two of the application's own plug-ins, as rivals: they offer with the confidences of the real ones."""

from ..record import NotProvided
from .plugin import DICOMLoadable, DICOMPlugin

POSITION, ORIENTATION, TRIGGER = "0020,0032", "0020,0037", "0018,1060"
SOP_CLASS, INSTANCE_NUMBER = "0008,0016", "0020,0013"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


def _value(file, tag):
    import slicer

    return slicer.dicomDatabase.fileValue(file, tag)


class DICOMScalarVolumePluginClass(DICOMPlugin):
    """Takes everything that has images: one volume for each series, 0.5; 0.2 where the geometry is unknown."""

    def __init__(self):
        super().__init__()
        self.loadType = "Scalar Volume"

    def examineForImport(self, fileLists):
        return [self._offer(files) for files in fileLists if files]

    def _offer(self, files):
        import slicer

        loadable = DICOMLoadable()
        loadable.files = list(files)
        loadable.name = self.defaultSeriesNodeName(slicer.dicomDatabase.seriesForFile(files[0]))
        loadable.selected = True
        if not (_value(files[0], POSITION) and _value(files[0], ORIENTATION)):
            loadable.confidence = 0.2
            loadable.warning = "Reference image in series does not contain geometry information. Please use caution."
        return loadable

    def load(self, loadable):
        """Add one volume node for the files; the voxels are of no interest here."""
        import slicer

        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", loadable.name)
        self.addSeriesInSubjectHierarchy(loadable, node)
        return node


class DICOMImageSequencePluginClass(DICOMPlugin):
    """Takes a series with many trigger times for a cine MRI: 0.85 in one orientation, 1.05 in several."""

    def __init__(self):
        super().__init__()
        self.loadType = "Image sequence"

    def examine(self, fileLists):
        return [each for files in fileLists for each in self._offers(files)]

    def _offers(self, files):
        if len(files) < 2 or not all(_value(f, SOP_CLASS) == MR_IMAGE and _value(f, INSTANCE_NUMBER) for f in files):
            return []
        times, orientations = {_value(f, TRIGGER) for f in files}, {_value(f, ORIENTATION) for f in files}
        loadable = DICOMLoadable()
        loadable.files, loadable.name, loadable.selected = list(files), "MR image sequence", True
        loadable.confidence = 0.4 if len(times) <= 3 else 0.85 if len(orientations) == 1 else 1.05
        return [loadable]

    def load(self, loadable):
        raise NotProvided("DICOMImageSequencePlugin", "load")
