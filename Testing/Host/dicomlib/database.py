"""The application's DICOM database (ctkDICOMDatabase), in memory, over pydicom."""

import functools
import os
import pathlib
import warnings
from dataclasses import dataclass

import pydicom
from PySide6 import QtCore


@dataclass(frozen=True)
class Entry:
    """Where one file stands: its file name and the identifiers of image, series, study and patient."""

    file: str
    instance: str
    series: str
    study: str
    patient: str


class DicomDatabase(QtCore.QObject):
    """Files by patient, study and series, and the values of their tags.

    Patients have the identifiers "1", "2" … of this database. A text that is not there is "", as in the application.
    """

    opened = QtCore.Signal()
    closed = QtCore.Signal()
    databaseChanged = QtCore.Signal()
    patientAdded = QtCore.Signal(int, str, str, str)
    studyAdded = QtCore.Signal(str)
    seriesAdded = QtCore.Signal(str)
    instanceAdded = QtCore.Signal(str)

    def __init__(self):
        super().__init__()
        self._file, self._open = "", False
        self._entries: dict[str, Entry] = {}
        self._patients: dict[tuple, str] = {}

    isOpen = QtCore.Property(bool, lambda self: self._open)
    isInMemory = QtCore.Property(bool, lambda self: False)
    databaseFilename = QtCore.Property(str, lambda self: self._file)
    databaseDirectory = QtCore.Property(str, lambda self: os.path.dirname(self._file))
    lastError = QtCore.Property(str, lambda self: "")

    # The whole database

    def openDatabase(self, databaseFile, connectionName=""):
        self._file, self._open = databaseFile, True
        self.opened.emit()
        return True

    def closeDatabase(self):
        self._open = False
        self._entries, self._patients = {}, {}
        self.closed.emit()

    def initializeDatabase(self, schemaFile=""):
        self._entries, self._patients = {}, {}
        self.databaseChanged.emit()
        return True

    def insert(self, filePath, storeFile=True, generateThumbnail=True, createHierarchy=True, destination=""):
        """Add a file where it lies; one that is no DICOM image or says too little about itself is passed over."""
        data = header(str(filePath))
        study, series, instance = (
            _text(data, name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        )
        patientId = _text(data, "PatientID") or study
        name = _text(data, "PatientName") or patientId
        if not (study and series and instance) or instance in self._entries:
            return
        key = (patientId, name, _text(data, "PatientBirthDate"))
        newPatient = key not in self._patients
        patient = self._patients.setdefault(key, str(len(self._patients) + 1))
        newStudy, newSeries = study not in self._column("study"), series not in self._column("series")
        self._entries[instance] = Entry(str(filePath), instance, series, study, patient)
        if newPatient:
            self.patientAdded.emit(int(patient), *key)
        if newStudy:
            self.studyAdded.emit(study)
        if newSeries:
            self.seriesAdded.emit(series)
        self.instanceAdded.emit(instance)
        self.databaseChanged.emit()

    # What is in it

    def patients(self):
        return self._column("patient")

    def studiesForPatient(self, patientUID):
        return self._column("study", patient=patientUID)

    def seriesForStudy(self, studyUID):
        return self._column("series", study=studyUID)

    def studyForSeries(self, seriesUID):
        return self._first("study", series=seriesUID)

    def patientForStudy(self, studyUID):
        return self._first("patient", study=studyUID)

    def filesForSeries(self, seriesUID, hits=-1):
        return self._column("file", series=seriesUID)[: hits if hits >= 0 else None]

    def instancesForSeries(self, seriesUID, hits=-1):
        return self._column("instance", series=seriesUID)[: hits if hits >= 0 else None]

    def fileForInstance(self, sopInstanceUID):
        return self._first("file", instance=sopInstanceUID)

    def instanceForFile(self, fileName):
        return self._first("instance", file=fileName)

    def seriesForFile(self, fileName):
        return self._first("series", file=fileName)

    def allFiles(self):
        return self._column("file")

    def imagesCount(self):
        return len(self._entries)

    def nameForPatient(self, patientUID):
        return next((key[1] for key, uid in self._patients.items() if uid == patientUID), "")

    def descriptionForSeries(self, seriesUID):
        return self.fileValue(self._first("file", series=seriesUID), "0008,103e")

    # Values of tags

    def fileValue(self, fileName, group, element=None):
        """Return the value of a tag, as text with backslashes between several values; "" where there is none.

        The tag is ``"gggg,eeee"``, or group and element as numbers. The file need not be in the database.
        """
        tag = (group, element) if element is not None else tuple(int(part, 16) for part in group.split(","))
        found = header(fileName).get(tag) if fileName else None
        if found is None or found.VR == "SQ" or found.value is None:
            return ""
        if found.VM > 1:
            return "\\".join(str(part) for part in found.value)
        return found.value.decode("latin-1") if isinstance(found.value, bytes) else str(found.value)

    def instanceValue(self, sopInstanceUID, group, element=None):
        return self.fileValue(self.fileForInstance(sopInstanceUID), group, element)

    def fileValueExists(self, fileName, group, element=None):
        return bool(self.fileValue(fileName, group, element))

    def _column(self, name, **where):
        rows = (e for e in self._entries.values() if all(getattr(e, key) == value for key, value in where.items()))
        return list(dict.fromkeys(getattr(row, name) for row in rows))

    def _first(self, name, **where):
        return next(iter(self._column(name, **where)), "")


@functools.lru_cache(maxsize=4096)
def header(fileName: str) -> pydicom.Dataset:
    """Return the data set of a file without its pixels; an empty one when it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(pathlib.Path(fileName), stop_before_pixels=True, force=True)
    except Exception:  # noqa: BLE001 - damaged bytes make the parser raise almost any exception
        return pydicom.Dataset()


def _text(data, name) -> str:
    value = data.get(name)
    return "" if value is None else str(value)
