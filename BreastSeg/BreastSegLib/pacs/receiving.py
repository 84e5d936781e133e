"""Listening for objects that others send to us (C-STORE SCP)."""

from dataclasses import dataclass

from ..errors import BadInput
from . import libraries, syntaxes
from .association import LARGEST_PDU, without_pauses

STORED, NO_ROOM, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
CALLERS_AT_ONCE = 20


@dataclass(frozen=True)
class Received:
    """An object that somebody has sent.

    Parameters
    ----------
    uid, sop_class : str
        As the sender names them.
    data : bytes
        A whole DICOM file, encoded as it was sent.
    """

    uid: str
    sop_class: str
    data: bytes


class Receiver:
    """Takes what is sent to a port; a context manager. It works in threads of its own.

    Parameters
    ----------
    aet : str
        Our application entity title.
    port : int
        0: a free one.
    on_received : callable
        ``on_received(Received)`` returns the status for the sender; called in any thread. What it raises becomes
        "cannot be understood", and nothing of it is logged.
    tls : Tls, optional
        Listen with TLS.
    callers : sequence of str
        Titles of who may send; everybody when empty.
    address : str
        Of the network interface; all when empty.

    Raises
    ------
    BadInput
        If the port cannot be listened on.
    """

    def __init__(self, aet, port, on_received, tls=None, callers=(), address=""):
        net = libraries.pynetdicom()
        self._entity = net.AE(ae_title=aet)
        self._entity.maximum_pdu_size = LARGEST_PDU
        self._entity.maximum_associations = CALLERS_AT_ONCE
        self._entity.require_calling_aet = list(callers)
        for context in net.AllStoragePresentationContexts:
            self._entity.add_supported_context(context.abstract_syntax, list(syntaxes.ALL))
        self._entity.add_supported_context(net.sop_class.Verification)
        self._on_received = on_received
        handlers = [(net.evt.EVT_C_STORE, self._on_store), (net.evt.EVT_C_ECHO, lambda _event: STORED)]
        handlers += without_pauses()
        context = tls.server() if tls is not None else None
        try:
            self._server = self._entity.start_server(
                (address, port), block=False, evt_handlers=handlers, ssl_context=context
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise BadInput(f"The port cannot be listened on: {reason}", port, "Give another port") from error
        self.port = self._server.server_address[1]

    def close(self):
        """Stop listening and end the conversations that are under way."""
        self._entity.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _on_store(self, event):
        request = event.request
        try:
            received = Received(
                str(request.AffectedSOPInstanceUID), str(request.AffectedSOPClassUID), event.encoded_dataset()
            )
            return self._on_received(received)
        except Exception:  # its text may hold what identifies a patient, and pynetdicom would log it
            return NOT_UNDERSTOOD
