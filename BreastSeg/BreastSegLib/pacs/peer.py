"""Who the archive is, who we are, and how the conversation is kept private."""

import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import BadInput

OWN_AE = "BREASTSEG"
USER, PASSWORD, TOKEN = "BREASTSEG_PACS_USER", "BREASTSEG_PACS_PASSWORD", "BREASTSEG_PACS_TOKEN"
FORMS = "Write AE@HOST:PORT, or the address of a DICOMweb service: https://HOST/dicom-web"
_DIMSE = re.compile(r"(?P<aet>[^@]+)@(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\]]+):(?P<port>[0-9]{1,5})")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Credentials:
    """User and password, or a token. They are shown nowhere.

    Parameters
    ----------
    user, password : str
        For HTTP basic authentication, or the user identity of a DICOM association.
    token : str
        Sent as bearer token; for DICOMweb only.
    """

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    def __bool__(self):
        return bool(self.user or self.password or self.token)

    def __repr__(self):
        return "Credentials(hidden)" if self else "Credentials(none)"

    __str__ = __repr__


@dataclass(frozen=True)
class Tls:
    """How connections are encrypted.

    Parameters
    ----------
    on : bool
        Of DICOM associations; DICOMweb has it in its address.
    ca : str
        File with the certificates of who may vouch for the archive; the system's when empty.
    certificate, key : str
        Files with our own certificate and its key, where the archive asks for one.
    verify : bool
        Refuse an archive that cannot prove who it is.
    """

    on: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)
    verify: bool = True

    def __post_init__(self):
        if bool(self.certificate) != bool(self.key):
            raise BadInput("A certificate and its key belong together", self.certificate or self.key, "Give both")
        for path in (self.ca, self.certificate, self.key):
            if path and not Path(path).is_file():
                raise BadInput("The file does not exist", path)

    def client(self):
        """Return the `ssl.SSLContext` of who connects."""
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return self._loaded(context)

    def server(self):
        """Return the `ssl.SSLContext` of who is connected to; callers must prove who they are if there is a `ca`."""
        if not self.certificate:
            raise BadInput("Listening with TLS needs a certificate", hint="Give --tls-certificate and --tls-key")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca:
            context.verify_mode = ssl.CERT_REQUIRED
        return self._loaded(context)

    def _loaded(self, context):
        path = self.ca
        try:
            if self.ca:
                context.load_verify_locations(self.ca)
            path = self.certificate
            if self.certificate:
                # Without a password: OpenSSL would ask for one on the terminal.
                context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise BadInput(
                "The certificate or its key cannot be used", path, "Give PEM files, the key open"
            ) from error
        return context


@dataclass(frozen=True)
class Peer:
    """An archive and how to talk to it. Made by `read_peer`.

    Parameters
    ----------
    kind : {'dimse', 'web'}
    address : str
        As it is shown: ``AE@HOST:PORT`` or the address of the DICOMweb service.
    own_aet : str
        Our own application entity title.
    tls : Tls
    credentials : Credentials
    move_port : int
        Where we listen for what is retrieved with C-MOVE; 0: retrieve with C-GET.
    plain_credentials : bool
        Whether the credentials may travel unencrypted to another computer.
    """

    kind: str
    address: str
    own_aet: str = OWN_AE
    tls: Tls = Tls()
    credentials: Credentials = field(default=Credentials(), repr=False, compare=False)
    move_port: int = 0
    plain_credentials: bool = False

    @property
    def aet(self):
        """str: the archive's application entity title; empty of a DICOMweb service."""
        return self.address.partition("@")[0] if self.kind == "dimse" else ""

    @property
    def host(self):
        """str: name or number of the archive's computer."""
        if self.kind == "web":
            return urlsplit(self.address).hostname or ""
        return self.address.partition("@")[2].rpartition(":")[0].strip("[]")

    @property
    def port(self):
        """int: where the archive listens; 0 where the address of a DICOMweb service does not say."""
        return urlsplit(self.address).port or 0 if self.kind == "web" else int(self.address.rpartition(":")[2])

    @property
    def encrypted(self):
        """bool: whether what we say cannot be read on the way."""
        return self.tls.on if self.kind == "dimse" else self.address.startswith("https:")

    @property
    def usable_credentials(self):
        """Credentials: those that may be sent to this archive.

        Raises
        ------
        BadInput
            If a DICOMweb service would get them unencrypted.
        """
        if not self.credentials or self.encrypted or self.plain_credentials:
            return self.credentials
        if self.host in _LOOPBACK:
            return self.credentials
        if self.kind == "dimse":
            return Credentials()  # most archives ask for none; whoever does refuses the association
        raise BadInput(
            "User and password would travel unencrypted",
            self.address,
            "Use an https address, or allow it with --plain-credentials",
        )


def read_peer(text, own_aet=OWN_AE, **more):
    """Return the `Peer` that a text names.

    Parameters
    ----------
    text : str
        ``AE@HOST:PORT``, or an address that begins with ``http://`` or ``https://``.
    own_aet : str
        Our own application entity title.
    **more
        Other parameters of `Peer`.

    Raises
    ------
    BadInput
        If the text is neither, or holds credentials.
    """
    text, own = str(text).strip(), checked_aet(own_aet)
    if re.match(r"https?://", text, re.IGNORECASE):
        return Peer("web", _checked_url(text), own, **more)
    match = _DIMSE.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        # What was written may hold a password that stands in the wrong place.
        raise BadInput("This is no address of an archive", "" if "@" in text and "/" in text else text[:80], FORMS)
    return Peer("dimse", f"{checked_aet(match['aet'])}@{match['host']}:{int(match['port'])}", own, **more)


def checked_aet(text):
    """Return an application entity title without blanks around it.

    Raises
    ------
    BadInput
        If it is empty, longer than 16 characters, or has other characters than printable ASCII without backslash.
    """
    title = str(text).strip(" ")
    if not re.fullmatch(r"[\x20-\x5b\x5d-\x7e]{1,16}", title):
        raise BadInput("An application entity title has 1 to 16 characters, without backslash", title[:40])
    return title


def credentials_from_environment(environment=None):
    """Return the `Credentials` that the environment holds; none are the usual case."""
    environment = os.environ if environment is None else environment
    return Credentials(environment.get(USER, ""), environment.get(PASSWORD, ""), environment.get(TOKEN, ""))


def _checked_url(text):
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = None, 0
    if parts is None or not parts.hostname or port == 0:
        raise BadInput("This is no address of an archive", hint=FORMS)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise BadInput(
            "The address of an archive holds no user, password, question mark or #",
            parts.hostname,
            f"Put user and password into the environment: {USER} and {PASSWORD}, or {TOKEN}",
        )
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path.rstrip('/')}"
