"""An archive that is talked to by DICOMweb: QIDO, WADO and STOW."""

import warnings
from base64 import b64encode
from contextlib import contextmanager

from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from . import libraries
from .archive import Answer, Archive
from .problems import ArchiveError, Interrupted, Unreachable
from .query import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS, instance_of, series_row, study_row, text_of
from .whole import is_whole

TIMEOUTS_S = (15.0, 60.0)  # for the connection; between two pieces
READ_PIECE, SEND_PIECE = 1 << 22, 1 << 28  # bytes; what is sent in pieces is not understood by every server
AS_STORED = (("application/dicom", "*"),)
PAGE = 1000  # of what is listed
ALREADY_THERE = 0x0111
_DENIED = {401: "The archive wants user and password", 403: "The archive denies this to us"}
_BUSY = (408, 425, 429, 500, 502, 503, 504, 507)


class WebArchive(Archive):
    """See `Archive`."""

    def __init__(self, peer, retry=None):
        super().__init__(peer, retry)
        client, requests = libraries.dicomweb()
        self._requests = requests
        session = _session(requests)
        session.auth = _finishing(peer.usable_credentials)
        session.verify = (peer.tls.ca or True) if peer.tls.verify else False
        if peer.tls.certificate:
            session.cert = (peer.tls.certificate, peer.tls.key)
        self._session, self._clients = session, {}
        for name, size in (("read", READ_PIECE), ("send", SEND_PIECE)):
            self._clients[name] = client(
                peer.address, session=session, chunk_size=size, permissive_uid=True, timeout=TIMEOUTS_S
            )
            self._clients[name].set_http_retry_params(retry=False)

    def echo(self):
        """Ask whether the archive answers a search."""
        with self._speaking():
            self._client.search_for_studies(limit=1)

    def _find_studies(self, query, limit):
        with self._speaking():
            found = self._client.search_for_studies(
                fields=list(STUDY_KEYS), search_filters=_filters(query.keys), limit=int(limit)
            )
        return [row for row in map(study_row, map(_dataset, found)) if row["study_uid"]]

    def series(self, study):
        """Return the series of a study as rows."""
        found = self._all(self._client.search_for_series, study, fields=list(SERIES_KEYS))
        rows = (series_row(dataset) for dataset in found)
        return self._in_order(row for row in rows if row["series_uid"])

    def instances(self, study, series):
        """Return the `Instance`s of a series."""
        found = self._all(self._client.search_for_instances, study, series, fields=list(INSTANCE_KEYS[2:]))
        rows = (instance_of(dataset, study, series) for dataset in found)
        return [row for row in rows if row.uid]

    def has(self, study, series, uid):
        """Return whether the archive holds an instance."""
        with self._speaking():
            found = self._client.search_for_instances(study, series, search_filters={"SOPInstanceUID": uid})
        return any(text_of(_dataset(row), "SOPInstanceUID") == uid for row in found)

    def fetch(self, study, series, instances, whole, take, pulse):
        """Get instances of a series: see `Archive.fetch`."""
        with self._speaking():
            if whole:
                for dataset in self._client.iter_series(study, series, media_types=AS_STORED):
                    self._take(dataset, take)
                    pulse()
                return
            for instance in instances:
                found = self._client.retrieve_instance(study, series, instance.uid, media_types=AS_STORED)
                self._take(found, take)
                pulse()

    def store(self, items, answer):
        """Send files: see `Archive.store`. One in each request, so that each is acknowledged."""
        for item in items:
            dataset = dcmread(item.path)
            answer(item, Answer.SENDING, "")
            try:
                with self._speaking():
                    said = self._clients["send"].store_instances([dataset])
            except _NotTaken as error:
                answer(item, Answer.REFUSED, error.what)
                continue
            failed = said.get("FailedSOPSequence") or []
            reason = next((int(row.get("FailureReason") or 0) for row in failed), None)
            if reason in (None, ALREADY_THERE):
                answer(item, Answer.STORED, "")
            elif 0xA700 <= reason < 0xA800:
                answer(item, Answer.WAITING, "")
                raise Interrupted(f"The archive has no room (0x{reason:04X})", self.peer.address)
            else:
                answer(item, Answer.REFUSED, f"The archive refused it with reason 0x{reason:04X}")

    @property
    def _client(self):
        return self._clients["read"]

    def _all(self, search, *where, **what):
        """Return all that a search finds, page by page, as data sets."""
        found = []
        while True:
            with self._speaking():
                page = search(*where, limit=PAGE, offset=len(found), **what)
            found += page
            if not page or page[0] in found[: -len(page)]:  # an archive that always begins at the first
                return [_dataset(row) for row in found[: len(found) - len(page)]]

    def _take(self, dataset, take):
        if not is_whole(dataset):
            raise Interrupted("An image came incomplete", self.peer.address)
        take(str(dataset.SOPInstanceUID), dataset)

    @contextmanager
    def _speaking(self):
        """Make one-line errors of what the libraries raise, without what was asked for or what we are."""
        errors, where = self._requests.exceptions, self.peer.address
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except errors.HTTPError as error:
            raise self._refusal(error.response.status_code) from None
        except errors.SSLError as error:
            raise ArchiveError(_tls_reason(error), where, "Check the certificates given with --tls-ca") from None
        except (errors.ConnectTimeout, errors.ConnectionError) as error:
            if "NewConnectionError" in repr(error) or isinstance(error, errors.ConnectTimeout):
                raise Unreachable(
                    "The archive cannot be reached", where, "Check its address and the network"
                ) from None
            raise Interrupted("The connection to the archive was lost", where, "Try again") from None
        except (errors.ChunkedEncodingError, errors.ReadTimeout, errors.ContentDecodingError, EOFError):
            raise Interrupted("The connection to the archive was lost", where, "Try again") from None
        except (errors.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
            # From parsing what is no answer of a DICOMweb service.
            what = f"The archive's answer is not understood ({type(error).__name__})"
            raise ArchiveError(what, where, "Check that this is the address of its DICOMweb service") from None

    def _refusal(self, status):
        where = self.peer.address
        if status in _DENIED:
            return ArchiveError(f"{_DENIED[status]} ({status})", where, "Give them in the environment (see the help)")
        if status in _BUSY:
            return Interrupted(f"The archive cannot answer now ({status})", where, "Try again later")
        if status in (400, 409, 413, 415):
            return _NotTaken(f"The archive refused it ({status})", where)
        return ArchiveError(f"The archive does not know this ({status})", where, "Check its address")


class _NotTaken(ArchiveError):
    """What was sent is wrong."""


def _session(requests):
    """Return a session whose ``verify`` counts, whatever the environment names."""

    class Session(requests.Session):
        def merge_environment_settings(self, url, proxies, stream, verify, cert):
            settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
            return settings if self.verify is True else settings | {"verify": self.verify}

    return Session()


def _finishing(credentials):
    """Return what adds our credentials to a request; also without any, so that no other file is looked into."""
    if credentials.token:
        word = f"Bearer {credentials.token}"
    elif credentials.user:
        word = "Basic " + b64encode(f"{credentials.user}:{credentials.password}".encode()).decode("ascii")
    else:
        word = ""

    def finish(request):
        if word:
            request.headers["Authorization"] = word
        # Both may stand in an address as they are, and there are archives that read them in no other way.
        request.url = request.url.replace("%2A", "*").replace("%3F", "?")
        return request

    return finish


def _filters(keys):
    """Return what is asked, without ^ between the parts of a name: some archives do not read it in an address."""
    return {keyword: value.replace("^", "?") if keyword == "PatientName" else value for keyword, value in keys.items()}


def _dataset(row):
    """Return a row of DICOM JSON as data set; empty where it is none."""
    try:
        with disable_value_validation():  # whose warnings tell the value
            return Dataset.from_json(row)
    except Exception:  # pydicom raises many kinds for JSON that is not as it should be
        return Dataset()


def _tls_reason(error):
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text:
        return "The archive cannot prove who it is"
    return "No encrypted connection comes about"
