"""The base class of DICOM plug-ins and what they offer (``DICOMLib.DICOMPlugin``)."""

import hashlib
import logging


class DICOMLoadable:
    """One way to load some files. Confidence goes from 0 to 1; the highest of a series is chosen."""

    def __init__(self, qLoadable=None):
        self.files = []
        self.name = "Unknown"
        self.tooltip = "No further information available"
        self.warning = ""
        self.selected = False
        self.confidence = 0.5
        if qLoadable is not None:
            for name in ("name", "tooltip", "warning", "selected", "confidence"):
                setattr(self, name, getattr(qLoadable, name))
            self.files = list(qLoadable.files)


class DICOMPlugin:
    """What all plug-ins share; `examineForImport` and `load` are theirs."""

    def __init__(self):
        self.loadType = "Generic DICOM"
        self.loadableCache = {}
        self.tags = {"seriesDescription": "0008,103E", "seriesNumber": "0020,0011", "frameOfReferenceUID": "0020,0052"}

    def cleanup(self):
        """Called when the plug-in is no longer needed."""

    def hashFiles(self, files):
        """Return a key for a list of files."""
        return hashlib.md5("".join(files).encode("utf-8", "ignore"), usedforsecurity=False).digest()

    def getCachedLoadables(self, files):
        """Return what `cacheLoadables` kept for these files, or None."""
        return self.loadableCache.get(self.hashFiles(files))

    def cacheLoadables(self, files, loadables):
        """Keep the loadables of a list of files."""
        self.loadableCache[self.hashFiles(files)] = loadables

    def examineForImport(self, fileList):
        """Return the loadables for a list of file lists, one list for each series."""
        return []

    def examine(self, fileList):
        """The former name of `examineForImport`."""
        return self.examineForImport(fileList)

    def load(self, loadable):
        """Load; return whether it worked."""
        return True

    def defaultSeriesNodeName(self, seriesUID):
        """Return number and description of a series."""
        import slicer

        files = slicer.dicomDatabase.filesForSeries(seriesUID, 1)
        if not files:
            return "Unnamed Series"
        description = slicer.dicomDatabase.fileValue(files[0], self.tags["seriesDescription"]) or "Unnamed Series"
        number = slicer.dicomDatabase.fileValue(files[0], self.tags["seriesNumber"])
        return f"{number}: {description}" if number else description

    def addSeriesInSubjectHierarchy(self, loadable, dataNode):
        """Put the item of a node under its study and patient, which are made when missing."""
        import slicer

        if dataNode is None or not dataNode.IsA("vtkMRMLNode"):
            logging.error("Unable to create subject hierarchy items: invalid data node provided")
            return
        constants = slicer.vtkMRMLSubjectHierarchyConstants
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), dataNode)

        def value(tag, file=loadable.files[0]):
            return slicer.dicomDatabase.fileValue(file, tag)

        series, study = value("0020,000E"), value("0020,000D")
        patient = value("0010,0020") or f"Patient-{study}"
        uidName = constants.GetDICOMUIDName()
        hierarchy.SetItemUID(item, uidName, series)
        hierarchy.SetItemAttribute(item, constants.GetDICOMSeriesModalityAttributeName(), value("0008,0060"))
        hierarchy.SetItemAttribute(item, constants.GetDICOMSeriesNumberAttributeName(), value("0020,0011"))
        instances = " ".join(value("0008,0018", file) or "Unknown" for file in loadable.files)
        hierarchy.SetItemUID(item, constants.GetDICOMInstanceUIDName(), instances)
        known = {uid for uid in (patient, study) if hierarchy.GetItemByUID(uidName, uid)}
        slicer.vtkSlicerSubjectHierarchyModuleLogic.InsertDicomSeriesInHierarchy(hierarchy, patient, study, series)
        if patient not in known:
            _describe(hierarchy, hierarchy.GetItemByUID(uidName, patient), "Patient", value)
        if study not in known:
            _describe(hierarchy, hierarchy.GetItemByUID(uidName, study), "Study", value)


# Level -> attribute (named as its getter in vtkMRMLSubjectHierarchyConstants) and tag
ATTRIBUTES = {
    "Patient": {"Name": "0010,0010", "ID": "0010,0020", "Sex": "0010,0040", "BirthDate": "0010,0030"},
    "Study": {"Description": "0008,1030", "InstanceUID": "0020,000D", "Date": "0008,0020", "Time": "0008,0030"},
}


def _describe(hierarchy, item, level, value):
    """Name a patient or study item and give it the attributes of its tags."""
    import slicer

    for name, tag in ATTRIBUTES[level].items():
        getter = getattr(slicer.vtkMRMLSubjectHierarchyConstants, f"GetDICOM{level}{name}AttributeName")
        hierarchy.SetItemAttribute(item, getter(), value(tag))
    if level == "Patient":
        hierarchy.SetItemName(item, f"{value('0010,0010') or 'No name'} ({value('0010,0020')})")
    else:
        hierarchy.SetItemName(item, f"{value('0008,1030') or 'No study description'} ({value('0008,0020')})")
