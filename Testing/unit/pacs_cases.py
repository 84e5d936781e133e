"""A small archive of the tests' own, made with pynetdicom, that can be told to fail; and images for it."""

import fnmatch
import socket
import threading
from io import BytesIO

import numpy as np
from BreastSegLib.pacs.syntaxes import ALL, USUAL_CLASSES
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, SegmentationStorage, generate_uid
from pynetdicom import AE, evt, sop_class

AET = "FAKE"
SECRET = "s3cr3t-Pa55"


def image(study, series, number=1, modality="MR", name="Doe^Jane", uid=None):
    """Return a tiny image; its pixels are its number."""
    meta = FileMetaDataset()
    kind = MRImageStorage if modality == "MR" else SegmentationStorage
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = uid or generate_uid(entropy_srcs=[study, series, str(number)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.PatientID, dataset.PatientName = "ID-77", name
    dataset.StudyDate, dataset.StudyTime, dataset.AccessionNumber = "20240131", "101500", "A1"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = modality, int(series.split(".")[-1]), number
    dataset.StudyDescription = dataset.SeriesDescription = "breast"
    dataset.Rows, dataset.Columns, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 64, 64, 16, 16, 15
    dataset.SamplesPerPixel, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    dataset.PixelData = np.full((64, 64), number, np.uint16).tobytes()
    return dataset


def file_bytes(dataset):
    """Return a data set as the bytes of a file."""
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def write_images(folder, datasets):
    """Write data sets as ``000.dcm`` … and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, dataset in enumerate(datasets):
        paths.append(folder / f"{number:03d}.dcm")
        paths[-1].write_bytes(file_bytes(dataset))
    return paths


class FakeArchive:
    """An archive on the loopback address; a context manager.

    Attributes
    ----------
    held : dict of str to Dataset
        What it holds.
    stores : list of str
        UIDs in the order in which they were sent to it, the same ones as often as they were.
    store_faults : list
        For each C-STORE in turn: None, a status, "abort" (the connection is cut before it is kept) or "forget to say"
        (it is kept, and the connection cut before that is said).
    get_faults : list
        For each C-GET in turn after how many images the connection is cut; None: it is not.
    find_status, get_status : int or None
        Refuse with it.
    """

    def __init__(self, datasets=(), offers=("find", "get", "store"), tls=None, title=AET):
        self.held = {str(dataset.SOPInstanceUID): dataset for dataset in datasets}
        self.stores, self.finds, self.gets, self.callers = [], [], [], []
        self.store_faults, self.get_faults = [], []
        self.find_status = self.get_status = None
        self.identities = []
        self._lock = threading.Lock()
        self._entity = AE(ae_title=title)
        self._entity.add_supported_context(sop_class.Verification)
        if "find" in offers:
            self._entity.add_supported_context(sop_class.StudyRootQueryRetrieveInformationModelFind)
        if "get" in offers:
            self._entity.add_supported_context(sop_class.StudyRootQueryRetrieveInformationModelGet)
        for kind in USUAL_CLASSES if {"get", "store"} & set(offers) else ():
            self._entity.add_supported_context(kind, list(ALL), scu_role=True, scp_role=True)
        self._tls = tls
        self.entity = self._entity

    def __enter__(self):
        handlers = [
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_C_GET, self._get),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_ACCEPTED, lambda event: self.callers.append(event.assoc.requestor.ae_title)),
            (evt.EVT_USER_ID, self._identity),
        ]
        self._server = self._entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=self._tls
        )
        self.port = self._server.server_address[1]
        return self

    def __exit__(self, *_):
        threading.Thread(target=self.close).start()  # which takes half a second

    def close(self):
        """Stop listening."""
        self._entity.shutdown()

    @property
    def peer(self):
        """str: as `read_peer` takes it."""
        return f"{AET}@127.0.0.1:{self.port}"

    def _identity(self, event):
        self.identities.append((event.primary_field, event.secondary_field))
        return True, None

    def _find(self, event):
        asked = event.identifier
        self.finds.append(asked)
        if self.find_status is not None:
            yield self.find_status, None
            return
        key = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
        key = key[asked.QueryRetrieveLevel]
        groups = {}
        for dataset in self.held.values():
            if _fits(dataset, asked):
                groups.setdefault(str(dataset[key].value), []).append(dataset)
        for group in groups.values():
            yield 0xFF00, _answer(asked, group)

    def _get(self, event):
        asked = event.identifier
        self.gets.append(asked)
        if self.get_status is not None:
            yield 1
            yield self.get_status, Dataset()
            return
        found = [dataset for dataset in self.held.values() if _fits(dataset, asked)]
        cut = self.get_faults.pop(0) if self.get_faults else None
        yield len(found)
        for number, dataset in enumerate(found):
            if number == cut:
                _cut(event)
                return
            yield 0xFF00, dataset

    def _store(self, event):
        uid = str(event.request.AffectedSOPInstanceUID)
        with self._lock:
            fault = self.store_faults.pop(0) if self.store_faults else None
            self.stores.append(uid)
            if fault == "abort":
                _cut(event)
                return 0xA700
            if isinstance(fault, int):
                return fault
            dataset = event.dataset
            dataset.file_meta = event.file_meta
            self.held[uid] = dataset
            if fault == "forget to say":
                _cut(event)
        return 0x0000


def _cut(event):
    """Cut the connection as a network does, without a word."""
    event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)


def _fits(dataset, asked):
    for element in asked:
        if element.keyword in ("QueryRetrieveLevel", "SpecificCharacterSet", "ModalitiesInStudy") or element.is_empty:
            continue
        if element.keyword not in dataset:
            continue
        values = element.value if element.VM > 1 else [element.value]
        if not any(fnmatch.fnmatchcase(str(dataset[element.keyword].value), str(value)) for value in values):
            return False
    return True


def _answer(asked, group):
    answer = Dataset()
    answer.QueryRetrieveLevel = asked.QueryRetrieveLevel
    made = {
        "ModalitiesInStudy": lambda: sorted({str(dataset.Modality) for dataset in group}),
        "NumberOfStudyRelatedSeries": lambda: len({str(dataset.SeriesInstanceUID) for dataset in group}),
        "NumberOfStudyRelatedInstances": lambda: len(group),
        "NumberOfSeriesRelatedInstances": lambda: len(group),
    }
    for element in asked:
        if element.keyword in made:
            setattr(answer, element.keyword, made[element.keyword]())
        elif element.keyword in group[0]:
            setattr(answer, element.keyword, group[0][element.keyword].value)
    return answer
