"""One conversation with an archive by DIMSE: asked for, and what went wrong with it in words."""

import socket
import ssl
from contextlib import contextmanager, suppress

from . import libraries
from .problems import ArchiveError, Interrupted, NotOffered, Unreachable

CONNECT_S, ANSWER_S, PROBE_S = 15.0, 60.0, 5.0
LARGEST_PDU = 131072  # few large pieces are read much faster than many small ones
_REASONS = {
    (1, 3): ("does not know our title {own}", "Have {own} entered there, or give the right one with --ae"),
    (1, 7): ("is not called {aet}", "Ask for its application entity title"),
    (1, 2): ("does not talk DICOM of this kind", ""),
}
_TEMPORARY = 2  # A-ASSOCIATE-RJ, result: rejected-transient


@contextmanager
def associated(peer, contexts, service, handlers=(), roles=(), answer_s=ANSWER_S):
    """Give an established association with an archive, released when the block ends well and else aborted.

    Parameters
    ----------
    peer : Peer
    contexts : sequence of presentation contexts
    service : str
        What they are for, in words for people.
    handlers : sequence of (event, callable)
    roles : sequence of role selection items
    answer_s : float
        How long an answer may take.

    Raises
    ------
    ArchiveError, Interrupted
        If there is none; `NotOffered` if the archive agrees on none of the contexts.
    """
    net = libraries.pynetdicom()
    entity = net.AE(ae_title=peer.own_aet)
    entity.maximum_pdu_size = LARGEST_PDU
    entity.connection_timeout = entity.acse_timeout = CONNECT_S
    entity.dimse_timeout, entity.network_timeout = answer_s, answer_s
    tls = (peer.tls.client(), peer.host) if peer.tls.on else None
    association = entity.associate(
        peer.host,
        peer.port,
        contexts=list(contexts),
        ae_title=peer.aet,
        ext_neg=[*roles, *_identity(peer)],
        tls_args=tls,
        evt_handlers=[*handlers, *without_pauses()],
    )
    if not association.is_established:
        raise _why(association, peer, service)
    try:
        yield association
    except BaseException:
        association.abort(block=False)
        raise
    if association.is_established:
        association.release()


def without_pauses():
    """Return handlers that keep the system from its pauses of 40 ms in each exchange of small pieces.

    It holds a piece back until the one before is acknowledged, and acknowledgements until there is something to say.
    """
    events = libraries.pynetdicom().evt
    pairs = [(events.EVT_CONN_OPEN, _send_at_once)]
    if hasattr(socket, "TCP_QUICKACK"):  # Linux; it holds for the next pieces only
        pairs += [(event, _acknowledge_at_once) for event in (events.EVT_PDU_SENT, events.EVT_PDU_RECV)]
    return pairs


def _send_at_once(event):
    _set_option(event, socket.TCP_NODELAY)


def _acknowledge_at_once(event):
    _set_option(event, socket.TCP_QUICKACK)


def _set_option(event, option):
    connection = getattr(event.assoc.dul.socket, "socket", None)
    if connection is not None:
        with suppress(OSError):  # closed meanwhile
            connection.setsockopt(socket.IPPROTO_TCP, option, 1)


def _identity(peer):
    credentials = peer.usable_credentials
    if not credentials.user:
        return []
    from pynetdicom.pdu_primitives import UserIdentityNegotiation

    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2 if credentials.password else 1
    identity.primary_field = credentials.user.encode("utf-8")
    if credentials.password:
        identity.secondary_field = credentials.password.encode("utf-8")
    identity.positive_response_requested = False
    return [identity]


def _why(association, peer, service):
    """Return the error that tells why there is no association."""
    if association.is_rejected:
        answer = association.acceptor.primitive
        what, hint = _REASONS.get((answer.result_source, answer.diagnostic), ("refused the association", ""))
        words = {"own": peer.own_aet, "aet": peer.aet}
        kind = Interrupted if answer.result == _TEMPORARY or answer.result_source == 3 else ArchiveError
        return kind(f"The archive {what.format(**words)}", peer.address, hint.format(**words))
    if association.rejected_contexts and not association.accepted_contexts:
        return NotOffered(f"The archive does not offer {service}", peer.address)
    return _probed(peer) or Interrupted("The archive ended the connection", peer.address, "Try again")


def _probed(peer):
    """Return why no connection comes about, or None when one does: the library does not tell."""
    try:
        connection = socket.create_connection((peer.host, peer.port), PROBE_S)
    except OSError as error:
        reason = error.strerror or ("no answer" if isinstance(error, TimeoutError) else str(error))
        return Unreachable(
            f"The archive cannot be reached: {reason}", peer.address, "Check its address and the network"
        )
    with connection:
        if not peer.tls.on:
            return None
        try:
            with peer.tls.client().wrap_socket(connection, server_hostname=peer.host):
                return None
        except ssl.SSLCertVerificationError as error:
            what = f"The archive cannot prove who it is: {error.verify_message}"
            return ArchiveError(what, peer.address, "Give the certificates it is vouched for by with --tls-ca")
        except OSError as error:
            reason = getattr(error, "reason", "") or error.strerror or type(error).__name__
            what = f"No encrypted connection comes about: {reason}"
            return ArchiveError(what, peer.address, "Check that the archive uses TLS on this port")
