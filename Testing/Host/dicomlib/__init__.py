"""What the application has for DICOM, as far as it is in use: the database, ``DICOMLib`` and two of its plug-ins."""

import sys
import types


def install(host) -> None:
    """Fill in ``slicer.dicomDatabase``, ``slicer.modules.dicomPlugins`` and the Python modules of ``DICOMLib``.

    Parameters
    ----------
    host : Host.application.Host
        Its ``slicer`` names must be in place.
    """
    import slicer

    from ..pythonqt import wrap
    from .database import DicomDatabase

    host.dicomDatabase = DicomDatabase()
    host.dicomDatabase.openDatabase(str(host.workFolder / "DICOM" / "ctkDICOM.sql"))
    host.app.setDicomDatabase(host.dicomDatabase)
    slicer.dicomDatabase = wrap(host.dicomDatabase)
    slicer.dicomDatabaseDirectorySettingsKey = "DatabaseDirectory_2.0.0"
    sys.modules.update(_pythonModules())
    from . import otherplugins

    slicer.modules.dicomPlugins = {
        "DICOMScalarVolumePlugin": otherplugins.DICOMScalarVolumePluginClass,
        "DICOMImageSequencePlugin": otherplugins.DICOMImageSequencePluginClass,
    }


def _pythonModules() -> dict[str, types.ModuleType]:
    from .. import pymodules
    from . import plugin, utils

    classes = {"DICOMLoadable": plugin.DICOMLoadable, "DICOMPlugin": plugin.DICOMPlugin}
    functions = {name: value for name, value in vars(utils).items() if name in utils.__all__}
    package = pymodules.recordedModule("DICOMLib", {**classes, **functions})
    modules = {
        "DICOMLib": package,
        "DICOMLib.DICOMPlugin": pymodules.recordedModule("DICOMLib.DICOMPlugin", classes),
        "DICOMLib.DICOMUtils": pymodules.recordedModule("DICOMLib.DICOMUtils", functions),
    }
    # As in the application, DICOMLib.DICOMPlugin is the class and DICOMLib.DICOMUtils the module.
    package.__path__ = []
    package.DICOMUtils = modules["DICOMLib.DICOMUtils"]
    return modules
