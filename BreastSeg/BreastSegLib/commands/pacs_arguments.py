"""The arguments that say which archive is meant, and how the conversation with it is kept private."""

from ..pacs.peer import FORMS, OWN_AE, PASSWORD, TOKEN, USER, Tls, credentials_from_environment, read_peer

CREDENTIALS = (
    f"User and password for an archive are read from the environment, {USER} and {PASSWORD}, or a token from {TOKEN}. "
    "They are never written anywhere."
)


def add_own_title(parser):
    """Add our own title."""
    parser.add_argument(
        "--ae", default=OWN_AE, metavar="TITLE", help=f"our own application entity title (default {OWN_AE})"
    )


def add_tls(parser):
    """Add what encrypts connections."""
    parser.add_argument("--tls", action="store_true", help="encrypt (DICOM with TLS); https addresses always are")
    parser.add_argument("--tls-ca", default="", metavar="FILE", help="certificates that the archive is vouched for by")
    parser.add_argument("--tls-certificate", default="", metavar="FILE", help="our own certificate (PEM)")
    parser.add_argument("--tls-key", default="", metavar="FILE", help="its key (PEM)")
    parser.add_argument(
        "--tls-no-verify", action="store_true", help="also talk to an archive that cannot prove who it is"
    )
    parser.add_argument(
        "--plain-credentials", action="store_true", help="send user and password also where nothing is encrypted"
    )


def add_peer(parser):
    """Add the archive."""
    parser.add_argument("--peer", required=True, metavar="PEER", help=f"the archive. {FORMS}")
    add_own_title(parser)
    add_tls(parser)


def tls_of(options):
    """Return the `Tls` that the arguments ask for."""
    verify = not options.tls_no_verify
    return Tls(options.tls, options.tls_ca, options.tls_certificate, options.tls_key, verify)


def peer_of(options, text, move_port=0):
    """Return the `Peer` that the arguments name.

    Raises
    ------
    BadInput
    """
    return read_peer(
        text,
        options.ae,
        tls=tls_of(options),
        credentials=credentials_from_environment(),
        move_port=move_port,
        plain_credentials=options.plain_credentials,
    )
