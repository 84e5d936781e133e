"""An archive that is talked to by DIMSE: C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE."""

import threading
from functools import partial

from pydicom import dcmread

from . import libraries, syntaxes
from .archive import Answer, Archive
from .association import associated
from .problems import ArchiveError, Interrupted, NotOffered
from .query import INSTANCE_KEYS, SERIES_KEYS, STUDY_KEYS, identifier, instance_of, series_row, study_row, text_of
from .receiving import Receiver

# The information models of a C-FIND, C-GET and C-MOVE that begin at the study.
FIND_MODEL, MOVE_MODEL, GET_MODEL = (f"1.2.840.10008.5.1.4.1.2.2.{number}" for number in (1, 2, 3))
VERIFICATION = "1.2.840.10008.1.1"
UIDS_AT_ONCE = 100  # in one request: the value of an element has limits at some archives
NOT_TAKEN = "The archive does not take objects of this kind or encoding"
PENDING = (0xFF00, 0xFF01)
SUCCESS, DUPLICATE, NO_SPACE = 0x0000, 0x0111, 0xA700
STORED_WITH_CHANGES = (0xB000, 0xB006, 0xB007)
OUT_OF_RESOURCES = range(0xA700, 0xA800)


class DimseArchive(Archive):
    """See `Archive`."""

    def echo(self):
        """Ask whether the archive answers."""
        with associated(self.peer, [self._context(VERIFICATION)], "C-ECHO") as association:
            _check(association.send_c_echo(), self.peer, "The archive does not answer to C-ECHO")

    def _find_studies(self, query, limit):
        rows = self._ask("STUDY", STUDY_KEYS, query.keys, limit)
        return [row for row in map(study_row, rows) if row["study_uid"]]

    def series(self, study):
        """Return the series of a study as rows."""
        rows = map(series_row, self._ask("SERIES", SERIES_KEYS, {"StudyInstanceUID": study}))
        return self._in_order(row for row in rows if row["series_uid"])

    def instances(self, study, series):
        """Return the `Instance`s of a series."""
        asked = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
        found = (instance_of(row, study, series) for row in self._ask("IMAGE", INSTANCE_KEYS, asked))
        return [instance for instance in found if instance.uid]

    def has(self, study, series, uid):
        """Return whether the archive holds an instance."""
        asked = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": uid}
        return any(text_of(row, "SOPInstanceUID") == uid for row in self._ask("IMAGE", INSTANCE_KEYS, asked))

    def fetch(self, study, series, instances, whole, take, pulse):
        """Get instances of a series: see `Archive.fetch`."""
        if self.peer.move_port:
            self._move(study, series, instances, whole, take, pulse)
            return
        classes = list(dict.fromkeys(instance.sop_class for instance in instances if instance.sop_class))
        groups = [classes[i : i + syntaxes.CLASSES_AT_ONCE] for i in range(0, len(classes), syntaxes.CLASSES_AT_ONCE)]
        for group in groups or [list(syntaxes.USUAL_CLASSES)]:
            wanted = [instance.uid for instance in instances if not groups or instance.sop_class in ("", *group)]
            self._get(study, series, None if whole and len(groups) < 2 else wanted, group, take, pulse)

    def store(self, items, answer):
        """Send files: see `Archive.store`."""
        net = libraries.pynetdicom()
        for group in syntaxes.associations(items):
            contexts = [net.build_context(kind, list(encodings)) for kind, encodings in syntaxes.sending_pairs(group)]
            try:
                with associated(self.peer, contexts, "storing") as association:
                    for item in group:
                        self._store_one(association, item, answer)
            except NotOffered:
                for item in group:
                    answer(item, Answer.REFUSED, NOT_TAKEN)

    def _store_one(self, association, item, answer):
        dataset = self._sendable(association, item)
        if dataset is None:
            answer(item, Answer.REFUSED, NOT_TAKEN)
            return
        answer(item, Answer.SENDING, "")
        try:
            status = association.send_c_store(dataset)
        except (RuntimeError, OSError) as error:  # the connection is gone
            raise self._lost() from error
        except (ValueError, AttributeError):
            answer(item, Answer.REFUSED, "The file cannot be sent as it is")
            return
        if "Status" not in status:
            raise self._lost()
        code = int(status.Status)
        if code in (SUCCESS, DUPLICATE, *STORED_WITH_CHANGES):
            answer(item, Answer.STORED, "")
        elif code in OUT_OF_RESOURCES:
            answer(item, Answer.WAITING, "")
            raise Interrupted(f"The archive has no room (0x{code:04X})", self.peer.address, "It is tried again later")
        else:
            answer(item, Answer.REFUSED, f"The archive refused it with status 0x{code:04X}")

    def _sendable(self, association, item):
        """Return the data set as it can be sent in this association, or None."""
        accepted = {(c.abstract_syntax, c.transfer_syntax[0]) for c in association.accepted_contexts}
        plain = any((item.sop_class, syntax) in accepted for syntax in syntaxes.UNCOMPRESSED)
        dataset = dcmread(item.path)
        if (item.sop_class, item.syntax) in accepted:
            return dataset
        if not plain:
            return None
        if item.syntax in syntaxes.COMPRESSED and item.syntax != "1.2.840.10008.1.2.1.99":
            try:
                dataset.decompress(generate_instance_uid=False)
            except Exception:  # pydicom and its decoders raise many kinds
                return None
        return dataset

    def _get(self, study, series, uids, classes, take, pulse):
        """Get a series (`uids` None) or some of its instances with C-GET."""
        net = libraries.pynetdicom()
        contexts = [self._context(GET_MODEL)]
        contexts += syntaxes.retrieving_contexts(net.build_context, classes)
        roles = [net.build_role(sop_class, scp_role=True) for sop_class in classes]

        def on_store(event):
            try:
                take(str(event.request.AffectedSOPInstanceUID), event.encoded_dataset())
            except Exception as error:
                raise _Stopped(error) from error
            return SUCCESS

        hint, handlers = "Ask whether C-MOVE works, and give --move-port", [(net.evt.EVT_C_STORE, on_store)]
        try:
            with associated(self.peer, contexts, "C-GET", handlers, roles) as association:
                for asked in _requests(study, series, uids):
                    self._follow(partial(association.send_c_get, asked, GET_MODEL), pulse, (), "C-GET", hint)
        except _Stopped as stop:
            raise stop.reason from stop
        except NotOffered as error:
            raise NotOffered(error.what, error.where, hint) from error

    def _move(self, study, series, instances, whole, take, pulse):
        """Have a series or some of its instances sent to our own port with C-MOVE."""
        stopped, one_at_a_time = [], threading.Lock()  # archives may send over several associations

        def on_received(received):
            try:
                with one_at_a_time:
                    take(received.uid, received.data)
            except Exception as error:
                stopped.append(error)
                return NO_SPACE
            return SUCCESS

        uids = None if whole else [instance.uid for instance in instances]
        hint = f"Have {self.peer.own_aet} with this computer and port {self.peer.move_port} entered there"
        with (
            Receiver(self.peer.own_aet, self.peer.move_port, on_received, tls=self._listening_tls),
            associated(self.peer, [self._context(MOVE_MODEL)], "C-MOVE") as association,
        ):
            for asked in _requests(study, series, uids):
                begin = partial(association.send_c_move, asked, self.peer.own_aet, MOVE_MODEL)
                self._follow(begin, pulse, stopped, "C-MOVE", hint)

    @property
    def _listening_tls(self):
        return self.peer.tls if self.peer.tls.on and self.peer.tls.certificate else None

    def _follow(self, begin, pulse, stopped, name, hint):
        """Begin a retrieval and follow it to its end."""
        try:
            for status, _ in begin():
                if stopped:
                    raise stopped[0]
                pulse()
                if "Status" not in status:
                    raise self._lost()
                code = int(status.Status)
                if code in PENDING or code in (SUCCESS, 0xB000):  # 0xB000: some failed, and are asked for once more
                    continue
                if code == 0xA702 and not status.get("NumberOfCompletedSuboperations"):
                    raise ArchiveError(f"The archive cannot carry out {name} (0xA702)", self.peer.address, hint)
                if code in OUT_OF_RESOURCES:
                    raise Interrupted(f"The archive is busy (0x{code:04X})", self.peer.address, "Try again later")
                raise ArchiveError(f"The archive refused {name} with status 0x{code:04X}", self.peer.address, hint)
        except (ValueError, RuntimeError) as error:  # no context for it was accepted; or the association is gone
            if stopped:
                raise stopped[0] from error
            if isinstance(error, RuntimeError):
                raise self._lost() from error
            raise NotOffered(f"The archive does not offer {name}", self.peer.address, hint) from error

    def _ask(self, level, keys, asked, limit=None):
        """Return the data sets that a C-FIND answers with, at most `limit`."""
        model, found = FIND_MODEL, []
        with associated(self.peer, [self._context(model)], "searching (C-FIND)") as association:
            try:
                responses = association.send_c_find(identifier(level, keys, asked), model)
                for status, dataset in responses:
                    if "Status" not in status:
                        raise self._lost()
                    if int(status.Status) not in PENDING:
                        if int(status.Status) != 0xFE00:
                            _check(status, self.peer, "The archive refused the search")
                        break
                    if dataset is not None:
                        found.append(dataset)
                    if limit and len(found) >= limit:
                        association.abort(block=False)
                        break
            except RuntimeError as error:
                raise self._lost() from error
            except ValueError as error:
                raise NotOffered("The archive does not offer searching (C-FIND)", self.peer.address) from error
        return found

    def _context(self, kind):
        return libraries.pynetdicom().build_context(kind)

    def _lost(self):
        return Interrupted("The connection to the archive was lost", self.peer.address, "Try again")


class _Stopped(BaseException):
    """What was received could not be kept.

    No `Exception`: of these the library only makes a status for the archive, and goes on.
    """

    def __init__(self, reason):
        super().__init__()
        self.reason = reason


def _requests(study, series, uids):
    """Yield the identifiers that ask for a series, or for some of its instances."""
    common = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    if uids is None:
        yield identifier("SERIES", (), common)
        return
    for start in range(0, len(uids), UIDS_AT_ONCE):
        some = uids[start : start + UIDS_AT_ONCE]
        yield identifier("IMAGE", (), {**common, "SOPInstanceUID": some[0] if len(some) == 1 else some})


def _check(status, peer, what):
    """Refuse another status than success."""
    if "Status" not in status:
        raise Interrupted("The connection to the archive was lost", peer.address, "Try again")
    if int(status.Status) != SUCCESS:
        raise ArchiveError(f"{what} (0x{int(status.Status):04X})", peer.address)
