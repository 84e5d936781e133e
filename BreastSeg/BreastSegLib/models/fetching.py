"""Asks a server for a file, and hands over what comes, piece by piece.

Only Python's own modules are used: proxies, TLS and redirects then behave alike in Slicer and on servers. Waiting is
done in a thread, so that cancelling never waits for the network. It must therefore run in a process of its own (the
command line), never in the application, where threads starve.
"""

import http.client
import ipaddress
import os
import queue
import socket
import ssl
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from ..errors import BadInput

TIMEOUT_S = 30
TURN_S = 0.2
CHUNK = 1 << 18
MAX_REDIRECTS = 8
REDIRECTS = (301, 302, 303, 307, 308)
TAKEN = (200, 206, 416)
# Without compression, Content-Length and ranges count the bytes of the file itself.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "BreastSeg"}
# No names of options here: the hints are read in a window, too.
FILE_HINT = "Download the file in a browser, and install it from there"
PROXY_HINT = "Where the network needs a proxy, set HTTPS_PROXY to http://HOST:PORT (or http://USER:PASSWORD@HOST:PORT)"


class Broken(Exception):
    """The transfer ended early, for a reason that may be gone at the next try; the text is a sentence for people."""


@dataclass(frozen=True)
class Reply:
    """What a server answered.

    Parameters
    ----------
    status : int
        200 (the whole file comes), 206 (the rest comes) or 416 (there is no such rest).
    headers : dict of str to str
        With names in lower case.
    length : int or None
        Bytes that are to come.
    """

    status: int
    headers: dict
    length: int | None


def check_url(url):
    """Return `url` after checking that files may be had from there.

    Raises
    ------
    BadInput
        If it is neither https, nor http of this computer, nor a local file; or it holds a user name or password.
    """
    try:
        parts = urlsplit(url)
        host, user, _port = parts.hostname or "", parts.username, parts.port
        host.encode("idna")
    except ValueError as error:  # a UnicodeError is one
        raise BadInput("The address is not one that a file can be downloaded from", hint=FILE_HINT) from error
    if not url.isprintable() or " " in url or not parts.path.strip("/"):
        raise BadInput("The address is not one that a file can be downloaded from", host, FILE_HINT)
    if user is not None:
        raise BadInput("The address holds a user name or password", host, FILE_HINT)
    local = parts.scheme == "file" and host in ("", "localhost")
    if not (local or (parts.scheme == "https" and host) or (parts.scheme == "http" and _is_loopback(host))):
        raise BadInput("Files are downloaded over https only", shown(url), FILE_HINT)
    return url


def shown(url):
    """Return an address for messages: server and file name, never what may be a key (user name, query)."""
    parts = urlsplit(url)
    name = parts.path.rstrip("/").rpartition("/")[2]
    return "/".join(part for part in (parts.hostname or "", "…" if parts.path.count("/") > 1 else "", name) if part)


def fetch(url, headers, proxy=None, tick=None):
    """Ask for a file; yield the `Reply`, then its bytes in pieces.

    Parameters
    ----------
    url : str
        See `check_url`.
    headers : dict of str to str
        To send along, such as ``Range``.
    proxy : str, optional
        ``http://[USER:PASSWORD@]HOST:PORT``; the environment's (HTTPS_PROXY, HTTP_PROXY, NO_PROXY) when not given.
    tick : callable, optional
        Called several times a second while waiting; what it raises ends the transfer.

    Yields
    ------
    Reply, then bytes

    Raises
    ------
    BadInput
        If the server refuses, or is not the one that it should be.
    Broken
        If the transfer ended early.
    """
    pieces, stop = queue.Queue(maxsize=8), threading.Event()
    arguments = (check_url(url), headers, proxy, pieces, stop)
    threading.Thread(target=_work, args=arguments, name="download", daemon=True).start()
    try:
        while True:
            if tick:
                tick()
            try:
                piece = pieces.get(timeout=TURN_S)
            except queue.Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece
    finally:
        stop.set()


def _work(url, headers, proxy, pieces, stop):
    """Put the reply, the pieces, and at last None or the error into the queue."""
    try:
        with _open(url, headers, proxy) as response:
            names = {name.lower(): value for name, value in response.headers.items()}
            _put(Reply(response.status, names, response.length), pieces, stop)
            while not stop.is_set() and (piece := response.read1(CHUNK)):
                _put(piece, pieces, stop)
            if response.length and not stop.is_set():
                raise Broken("The server ended the connection early")
        _put(None, pieces, stop)
    except Exception as error:
        _put(_explained(error, url), pieces, stop)


def _put(piece, pieces, stop):
    """Put into the queue; give up when nobody takes anything from it any more."""
    while not stop.is_set():
        try:
            pieces.put(piece, timeout=TURN_S)
            return
        except queue.Full:
            continue


class _AsAnswered(urllib.request.HTTPErrorProcessor):
    """Leaves every status to `_open`: where a redirect leads has to be looked at before it is followed."""

    def http_response(self, _request, response):
        return response

    https_response = http_response


class _LocalFile:
    """A file of this computer (or of a mounted share), as a server would answer."""

    def __init__(self, url):
        try:
            self._stream = open(urllib.request.url2pathname(urlsplit(url).path), "rb")  # noqa: SIM115
        except OSError as error:
            raise BadInput(f"The file cannot be read: {error.strerror}", shown(url)) from error
        self.status, self.length = 200, os.fstat(self._stream.fileno()).st_size
        self.headers = {}

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._stream.close()

    def read1(self, count):
        piece = self._stream.read1(count)
        self.length -= len(piece)
        return piece


def _open(url, headers, proxy):
    """Return the response of the server that the address, after redirects, leads to."""
    if urlsplit(url).scheme == "file":
        return _LocalFile(url)
    for _ in range(MAX_REDIRECTS + 1):
        request = urllib.request.Request(url, headers={**HEADERS, **headers})
        response = _opener(url, proxy).open(request, timeout=TIMEOUT_S)
        if response.status in TAKEN:
            return response
        response.close()
        target = response.headers.get("location")
        if response.status not in REDIRECTS or not target:
            raise _refusal(response.status, url)
        url = _redirected(url, target)
    raise BadInput("The server sends from one address to the next without end", shown(url), FILE_HINT)


def _opener(url, proxy):
    """Return what opens http or https, and nothing else."""
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler(_proxies(url, proxy)))
    opener.add_handler(urllib.request.HTTPHandler())
    if urlsplit(url).scheme == "https":
        opener.add_handler(urllib.request.HTTPSHandler(context=_tls()))
    opener.add_handler(_AsAnswered())
    return opener


def _proxies(url, proxy):
    """Return the proxy for an address as `ProxyHandler` takes it, which leaves out what NO_PROXY names."""
    kind, host = urlsplit(url).scheme, urlsplit(url).hostname
    used = proxy or ("" if _is_loopback(host) else urllib.request.getproxies().get(kind, ""))
    scheme, _, address = used.rpartition("://")
    if scheme.lower() not in ("", "http", "https") or (used and not address.rpartition("@")[2].strip("/:")):
        raise BadInput(f"The proxy is not one for http ({scheme or 'no address'})", hint=PROXY_HINT)
    return {kind: f"http://{address}"} if used else {}


def _tls():
    """Return the TLS settings: certificates are checked against the system's, or certifi's where it has none."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and not os.environ.get("SSL_CERT_FILE"):
        try:
            import certifi
        except ImportError:
            return context
        context.load_verify_locations(certifi.where())
    return context


def _redirected(url, target):
    """Return the address that a redirect leads to; never from https to anything else, never into a file."""
    try:
        new = urljoin(url, target.replace(" ", "%20"))
    except ValueError as error:
        raise BadInput("The server sends to an address that is none", shown(url), FILE_HINT) from error
    old_scheme, scheme = urlsplit(url).scheme, urlsplit(new).scheme
    if scheme not in ("http", "https") or (old_scheme == "https" and scheme != "https"):
        raise BadInput(
            f"The server sends to an address without encryption ({scheme or 'none'})", shown(url), FILE_HINT
        )
    return check_url(new)


def _is_loopback(host):
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _refusal(status, url):
    """Return the error that explains a status that brings no file."""
    if status == 429 or status >= 500:
        return Broken(f"The server cannot serve at the moment (status {status})")
    what, hint = {
        401: ("The server wants a login", FILE_HINT),
        403: ("The server does not let this file be downloaded without a login", FILE_HINT),
        404: ("The server no longer has the file", "Look for a newer version of the extension or catalogue"),
        410: ("The server no longer has the file", "Look for a newer version of the extension or catalogue"),
        407: ("The proxy wants a login", PROXY_HINT),
    }.get(status, ("The server does not give the file", FILE_HINT))
    return BadInput(f"{what} (status {status})", shown(url), hint)


def _explained(error, url):
    """Return the error that tells people what happened; one that nobody foresaw stays what it is."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    if isinstance(error, ssl.SSLCertVerificationError):
        return BadInput(
            f"The server's certificate is not trusted: {error.verify_message}",
            shown(url),
            "Check this computer's date. Where a proxy opens connections, set SSL_CERT_FILE to its certificate; or "
            + FILE_HINT[0].lower()
            + FILE_HINT[1:],
        )
    if isinstance(error, socket.gaierror):
        return BadInput(
            "The name of the server or proxy is not known here", shown(url), f"Check the network. {PROXY_HINT}"
        )
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed: 407"):
        return _refusal(407, url)
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        return BadInput(f"The proxy does not let us through: {error}", shown(url), FILE_HINT)
    if isinstance(error, TimeoutError):
        return Broken(f"Nothing came for {TIMEOUT_S} s")
    if isinstance(error, http.client.IncompleteRead):
        return Broken("The server ended the connection early")
    if isinstance(error, OSError):
        return Broken(f"The connection failed: {error.strerror or type(error).__name__}")
    if isinstance(error, http.client.HTTPException):
        return Broken(f"The server does not answer as a web server does ({type(error).__name__})")
    return error
