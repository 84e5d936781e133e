"""One interface for every kind of archive."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pydicom import dcmread

from ..errors import BadInput
from .query import code_of
from .retrieving import retrieve_study
from .retry import Retry

FIND_LIMIT = 500
SENT = ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")
DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR


class Answer(Enum):
    """How far the sending of an instance is."""

    WAITING = "waiting"  # not sent yet, or surely not stored
    SENDING = "sending"  # may have arrived: ask before it is sent again
    STORED = "stored"  # acknowledged
    REFUSED = "refused"  # will not be taken, whenever it is sent


@dataclass(frozen=True)
class Outgoing:
    """A DICOM file that is to be sent."""

    path: Path
    uid: str
    sop_class: str
    syntax: str
    study: str
    series: str


class Archive:
    """An archive: found in, got from, sent to. Made by `archive_of`.

    Parameters
    ----------
    peer : Peer
    retry : Retry, optional
        How often and after which pauses an interrupted transfer goes on.
    """

    def __init__(self, peer, retry=None):
        self.peer, self.retry = peer, retry or Retry()

    def echo(self):
        """Ask whether the archive answers.

        Raises
        ------
        ArchiveError
            If it does not; `Unreachable` where there is no connection.
        """
        raise NotImplementedError

    def find(self, query, limit=FIND_LIMIT):
        """Return the studies that fit as rows (`query.study_row`), newest first.

        Parameters
        ----------
        query : Query
        limit : int
            At most so many are asked for.
        """
        rows = [row for row in self._find_studies(query, limit) if query.fits(row)]
        return sorted(rows, key=lambda row: (row["date"], row["time"]), reverse=True)

    def series(self, study):
        """Return the series of a study as rows (`query.series_row`), by number."""
        raise NotImplementedError

    def instances(self, study, series):
        """Return the `query.Instance`s of a series."""
        raise NotImplementedError

    def has(self, study, series, uid):
        """Return whether the archive holds an instance."""
        raise NotImplementedError

    def fetch(self, study, series, instances, whole, take, pulse):
        """Get instances of a series, in any order.

        Parameters
        ----------
        study, series : str
        instances : sequence of Instance
            Those that are wanted.
        whole : bool
            Whether these are all that the series has, so that it can be asked for as one.
        take : callable
            ``take(uid, data)`` keeps one instance; `data` is the bytes of a DICOM file, or a pydicom data set.
        pulse : callable
            Called now and then; may raise `Cancelled`.

        Raises
        ------
        Interrupted
            If the connection was lost: what was taken is kept.
        ArchiveError
        """
        raise NotImplementedError

    def store(self, items, answer):
        """Send files, one after the other.

        Parameters
        ----------
        items : sequence of Outgoing
        answer : callable
            ``answer(item, Answer, reason)``, called before an item is sent and when its fate is known.

        Raises
        ------
        Interrupted
            If the connection was lost: an item that was told as SENDING last may have arrived.
        ArchiveError
        """
        raise NotImplementedError

    def retrieve(self, study, series=(), folder=".", report=None):
        """Get a study, or some of its series, into a folder. See `retrieving.retrieve_study`."""
        return retrieve_study(self, study, series, folder, report)

    def send(self, files, report=None):
        """Send DICOM files. See `sending.send_files`."""
        from .sending import send_files  # which needs this module

        return send_files(self, files, report)

    def _find_studies(self, query, limit):
        raise NotImplementedError

    @staticmethod
    def _in_order(rows):
        return sorted(rows, key=lambda row: (row["number"] is None, row["number"] or 0, row["series_uid"]))


def archive_of(peer, retry=None):
    """Return the `Archive` that a `Peer` names; nothing is connected yet."""
    if peer.kind == "web":
        from .web import WebArchive

        return WebArchive(peer, retry)
    from .dimse import DimseArchive

    return DimseArchive(peer, retry)


def outgoing(path):
    """Return the `Outgoing` of a DICOM file.

    Raises
    ------
    BadInput
        If it is none.
    """
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(SENT))
        values = [code_of(header, tag) for tag in SENT]
        syntax = code_of(header.file_meta, "TransferSyntaxUID")
    except OSError as error:
        raise BadInput(f"The file cannot be read: {error.strerror or error}", path) from error
    except Exception as error:  # pydicom raises many kinds of errors for broken files
        raise BadInput("The file is no DICOM file that can be sent", path, "Leave it out") from error
    if not all(values) or not syntax or values[1] == DIRECTORY:
        raise BadInput("The file is no DICOM file that can be sent", path, "Leave it out")
    uid, sop_class, study, series = values
    return Outgoing(Path(path), uid, sop_class, syntax, study, series)
