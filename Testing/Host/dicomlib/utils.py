"""Scripted use of the DICOM database, and the browser's choice among plug-ins (``DICOMLib.DICOMUtils``)."""

import logging
import os
import tempfile
import traceback

__all__ = [
    "TemporaryDICOMDatabase",
    "allSeriesUIDsInDatabase",
    "closeTemporaryDatabase",
    "getDefaultPluginClassNames",
    "getLoadablesFromFileLists",
    "importDicom",
    "loadLoadables",
    "loadPatientByUID",
    "loadSeriesByUID",
    "openTemporaryDatabase",
    "selectHighestConfidenceLoadables",
    "seriesUIDsForFiles",
]
SERIES_UID = "0020,000E"


def importDicom(dicomDataDir, dicomDatabase=None, copyFiles=False):
    """Add the DICOM files below a folder to the database."""
    import slicer

    database = slicer.dicomDatabase if dicomDatabase is None else dicomDatabase
    for where, _, names in os.walk(dicomDataDir):
        for name in sorted(names):
            database.insert(os.path.join(where, name), copyFiles)
    return True


def openTemporaryDatabase(directory=None):
    """Begin an empty database; return the folder of the one before."""
    import slicer

    before = slicer.dicomDatabase.databaseDirectory
    directory = directory or tempfile.mkdtemp(prefix="TempDICOMDatabase-", dir=slicer.app.temporaryPath)
    slicer.dicomDatabase.openDatabase(os.path.join(directory, "ctkDICOM.sql"))
    slicer.dicomDatabase.initializeDatabase()
    return before


def closeTemporaryDatabase(originalDatabaseDir, cleanup=True):
    """End the temporary database and open the one before."""
    import slicer

    slicer.dicomDatabase.closeDatabase()
    return slicer.dicomDatabase.openDatabase(os.path.join(originalDatabaseDir, "ctkDICOM.sql"))


class TemporaryDICOMDatabase:
    """``with TemporaryDICOMDatabase() as database``: an empty database for a while."""

    def __init__(self, directory=None):
        self._directory, self._before = directory, None

    def __enter__(self):
        import slicer

        self._before = openTemporaryDatabase(self._directory)
        return slicer.dicomDatabase

    def __exit__(self, kind, value, trace):
        closeTemporaryDatabase(self._before)


def allSeriesUIDsInDatabase(database=None):
    """Return the series of all patients."""
    import slicer

    database = slicer.dicomDatabase if database is None else database
    studies = [study for patient in database.patients() for study in database.studiesForPatient(patient)]
    return [series for study in studies for series in database.seriesForStudy(study)]


def seriesUIDsForFiles(files):
    """Return the set of series that files belong to."""
    import slicer

    return {uid for uid in (slicer.dicomDatabase.seriesForFile(file) for file in files) if uid}


def getDefaultPluginClassNames():
    """Return the names of the plug-ins that are asked."""
    import slicer

    return list(slicer.modules.dicomPlugins)


def getLoadablesFromFileLists(
    fileLists, pluginClassNames=None, messages=None, progressCallback=None, pluginInstances=None
):
    """Ask the plug-ins what can be loaded: loadables by plug-in, and whether there is any."""
    import slicer

    if not isinstance(fileLists, list) or not fileLists or type(fileLists[0]) not in (tuple, list):
        logging.error("File lists must contain a non-empty list of tuples/lists")
        return {}, False
    names = getDefaultPluginClassNames() if pluginClassNames is None else pluginClassNames
    instances = {} if pluginInstances is None else pluginInstances
    found = {}
    for step, name in enumerate(names):
        if name not in instances:
            instances[name] = slicer.modules.dicomPlugins[name]()
        plugin = instances[name]
        if progressCallback and progressCallback(name, step * 100 / len(names)):
            break
        try:
            # The former name is asked too where the present one finds nothing, as in the application.
            found[plugin] = plugin.examineForImport(fileLists) or plugin.examine(fileLists)
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
            traceback.print_exc()
            logging.error(f"DICOM Plugin failed: {error}")
            if messages is not None:
                messages.append(f"Plugin failed: {name}.")
    return found, any(found.values())


def selectHighestConfidenceLoadables(loadablesByPlugin):
    """Select the loadables of highest confidence of each series.

    As in the application a loadable counts for the series of its first file only, and whether it was selected before
    does not matter.
    """
    import slicer

    bySeries = {}
    for loadables in loadablesByPlugin.values():
        for loadable in loadables:
            bySeries.setdefault(slicer.dicomDatabase.fileValue(loadable.files[0], SERIES_UID), []).append(loadable)
    for loadables in bySeries.values():
        highest = max(loadable.confidence for loadable in loadables)
        for loadable in loadables:
            loadable.selected = loadable.confidence == highest


def loadLoadables(loadablesByPlugin, messages=None, progressCallback=None):
    """Load what is selected; return the identifiers of the nodes that came into the scene."""
    import slicer
    import vtk

    selected = {each: plugin for plugin, loadables in loadablesByPlugin.items() for each in loadables if each.selected}
    nodes = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(caller, event, node):
        if not isinstance(node, (slicer.vtkMRMLStorageNode, slicer.vtkMRMLDisplayNode)):
            nodes.append(node.GetID())

    tag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, onNodeAdded)
    for step, (loadable, plugin) in enumerate(selected.items(), start=1):
        if progressCallback and progressCallback(loadable.name, step * 100 / len(selected)):
            break
        try:
            loaded = plugin.load(loadable)
        except Exception:  # noqa: BLE001 - a plug-in may raise anything
            loaded = False
            logging.error(
                f"DICOM plugin failed to load '{loadable.name}' as a '{plugin.loadType}'.\n{traceback.format_exc()}"
            )
        if not loaded and messages is not None:
            messages.append(f"Could not load: {loadable.name} as a {plugin.loadType}")
    slicer.mrmlScene.RemoveObserver(tag)
    return nodes


def loadSeriesByUID(seriesUIDs, messages=None, progressCallback=None, enabledPluginClassNames=None):
    """Load series as the browser would; return the identifiers of the nodes."""
    import slicer

    if not isinstance(seriesUIDs, list):
        raise ValueError("SeriesUIDs must contain a list")
    if not seriesUIDs:
        raise ValueError("No series UIDs given")
    if not slicer.dicomDatabase.isOpen:
        raise OSError("DICOM module or database cannot be accessed")
    fileLists = [slicer.dicomDatabase.filesForSeries(uid) for uid in seriesUIDs]
    loadables, _ = getLoadablesFromFileLists(fileLists, enabledPluginClassNames, messages, progressCallback)
    selectHighestConfidenceLoadables(loadables)
    return loadLoadables(loadables, messages, progressCallback)


def loadPatientByUID(patientUID, messages=None, progressCallback=None, enabledPluginClassNames=None):
    """Load all series of a patient."""
    import slicer

    if str(patientUID) not in slicer.dicomDatabase.patients():
        raise OSError(f"No patient found with DICOM database UID {patientUID}")
    studies = slicer.dicomDatabase.studiesForPatient(str(patientUID))
    series = [uid for study in studies for uid in slicer.dicomDatabase.seriesForStudy(study)]
    return loadSeriesByUID(series, messages, progressCallback, enabledPluginClassNames)
