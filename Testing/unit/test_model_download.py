"""Downloads: they go on where they stopped, are checked, and never leave half a file under its name."""

import errno
import hashlib
import io
import socket
import ssl
import subprocess
import threading
import time

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.models import download as module
from BreastSegLib.models import fetching
from BreastSegLib.models.download import download
from download_server import CONTENT, serving

SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No waiting between tries, and no proxy but that of the test."""
    monkeypatch.setattr(module, "WAITS_S", ())
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "downloads" / "model.zip"


def left_in(target):
    return sorted(path.name for path in target.parent.iterdir()) if target.parent.is_dir() else []


def good(request):
    request.serve()


def half(request):
    """Send the first half, then end the connection."""
    request.answer(200, CONTENT[:HALF], length=len(CONTENT), ETag='"one"')


def refused(url, target, **arguments):
    """Return the one-line error of a download."""
    with pytest.raises(BadInput) as info:
        download(url, target, **arguments)
    assert "\n" not in info.value.line
    return info.value.line


# --- all goes well ---------------------------------------------------------------------------------------------------


def test_a_file_arrives_whole_with_progress(target):
    events = []
    with serving(good) as server:
        path = download(server.url(), target, SHA256, len(CONTENT), lambda *event: events.append(event))
        assert server.requests[0].header("Accept-Encoding") == "identity"
        assert server.requests[0].header("Range") is None
    assert path.read_bytes() == CONTENT
    assert left_in(target) == ["model.zip"]
    assert ("Downloading", len(CONTENT), len(CONTENT)) in events
    assert events[-1] == ("Checking", len(CONTENT), len(CONTENT))
    done = [done for stage, done, _ in events if stage == "Downloading"]
    assert done == sorted(done)


def test_checksum_and_size_may_be_unknown(target):
    with serving(lambda request: request.answer(200, CONTENT, length="")) as server:
        assert download(server.url(), target).read_bytes() == CONTENT


def test_a_redirect_on_this_computer_is_followed_with_the_range(target):
    with serving(half) as server:
        refused(server.url(), target)
    with serving(lambda request: request.answer(302, Location="/other/place"), good) as server:
        # The same address as far as the part is concerned.
        part = target.with_name("model.zip.part.json")
        note = part.read_text().replace(part.read_text().split('"')[3], source_of(server.url()))
        part.write_text(note)
        assert download(server.url(), target, SHA256).read_bytes() == CONTENT
        assert [request.path for request in server.requests] == ["/models/model.zip", "/other/place"]
        assert server.requests[1].header("Range") == f"bytes={HALF}-"


def source_of(url):
    return hashlib.sha256(url.encode()).hexdigest()


def test_a_local_file_is_taken_like_a_download(target, tmp_path):
    source = tmp_path / "with space" / "model.zip"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    assert download(source.as_uri(), target, SHA256, len(CONTENT)).read_bytes() == CONTENT
    target.unlink()
    source.unlink()
    assert "cannot be read" in refused(source.as_uri(), target)
    assert left_in(target) == []


# --- interrupted -----------------------------------------------------------------------------------------------------


def test_it_goes_on_where_the_connection_broke(target):
    with serving(half, good) as server:
        line = refused(server.url(), target, sha256=SHA256)
        assert "ended the connection early" in line and "goes on where it stopped" in line
        assert left_in(target) == ["model.zip.part", "model.zip.part.json"]
        assert download(server.url(), target, SHA256).read_bytes() == CONTENT
        assert server.requests[1].header("Range") == f"bytes={HALF}-"
        assert server.requests[1].header("If-Range") == '"one"'
    assert left_in(target) == ["model.zip"]


def test_it_tries_again_by_itself(target, monkeypatch):
    monkeypatch.setattr(module, "WAITS_S", (0, 0, 0))
    busy = [lambda request: request.answer(503), lambda request: request.answer(500)]
    with serving(*busy, half, *busy, good) as server:
        assert download(server.url(), target, SHA256).read_bytes() == CONTENT
        assert len(server.requests) == 6, "a try that brought something starts the count anew"


def test_a_server_without_ranges_starts_anew(target):
    whole = [lambda request: request.answer(200, CONTENT, ETag='"one"')]
    with serving(half, *whole) as server:
        refused(server.url(), target)
        assert download(server.url(), target, SHA256).read_bytes() == CONTENT


def test_another_file_on_the_server_starts_anew(target):
    new = CONTENT[::-1]
    with serving(half, lambda request: request.serve(new, '"two"')) as server:
        refused(server.url(), target)
        assert download(server.url(), target).read_bytes() == new


def test_without_a_word_of_the_server_or_a_checksum_it_starts_anew(target):
    with serving(lambda r: r.answer(200, CONTENT[:HALF], length=len(CONTENT)), good) as server:
        refused(server.url(), target)
        assert download(server.url(), target).read_bytes() == CONTENT
        assert server.requests[1].header("Range") is None


def test_a_weak_etag_is_no_proof_but_the_date_is(target):
    date = "Sat, 01 Nov 2025 10:00:00 GMT"
    first = [lambda r: r.answer(200, CONTENT[:HALF], length=len(CONTENT), ETag='W/"one"', Last_Modified=date)]
    with serving(*first, lambda request: request.serve(etag=date)) as server:
        refused(server.url(), target)
        assert download(server.url(), target).read_bytes() == CONTENT
        assert server.requests[1].header("If-Range") == date
        assert server.requests[1].header("Range") == f"bytes={HALF}-"


def test_a_mixture_of_two_files_is_noticed_and_mended(target):
    """Without ETag and date only the checksum tells that the beginning is that of an older file."""
    new = CONTENT[::-1]
    digest = hashlib.sha256(new).hexdigest()
    plain = [lambda request: request.serve(new, "")]
    with serving(lambda r: r.answer(200, CONTENT[:HALF], length=len(CONTENT)), *plain) as server:
        refused(server.url(), target, sha256=digest)
        assert download(server.url(), target, digest).read_bytes() == new
        assert [request.header("Range") for request in server.requests] == [None, f"bytes={HALF}-", None]


def test_a_range_that_does_not_fit_starts_anew(target, monkeypatch):
    monkeypatch.setattr(module, "WAITS_S", (0, 0))
    odd = [lambda r: r.answer(206, CONTENT[7:], Content_Range=f"bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}")]
    with serving(half, *odd, good) as server:
        assert download(server.url(), target, SHA256).read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_gone_on_with(target):
    with serving(half, good) as server:
        refused(server.url("/a.zip"), target)
        assert download(server.url("/b.zip"), target).read_bytes() == CONTENT
        assert server.requests[1].header("Range") is None


@pytest.mark.parametrize("note", ["", "{", "[]", '{"source": 1, "total": "many"}', "\0"])
def test_a_spoilt_note_starts_anew(target, note):
    with serving(half, good) as server:
        refused(server.url(), target)
        target.with_name("model.zip.part.json").write_text(note)
        assert download(server.url(), target).read_bytes() == CONTENT
        assert server.requests[1].header("Range") is None


def test_a_file_that_had_come_whole_but_was_not_named_yet_is_only_checked(target):
    with serving(half, good) as server:
        refused(server.url(), target)
        target.with_name("model.zip.part").write_bytes(CONTENT)
        assert download(server.url(), target, SHA256).read_bytes() == CONTENT
        assert len(server.requests) == 1


def test_two_downloads_of_one_file_at_once_do_not_mix(target):
    with serving(half, good) as server:
        refused(server.url(), target)
        with module._Part(target, server.url(), resumable=True):
            assert "downloaded already" in refused(server.url(), target)
        assert download(server.url(), target).read_bytes() == CONTENT


# --- lies and refusals -----------------------------------------------------------------------------------------------


def test_a_wrong_checksum_leaves_nothing(target):
    with serving(good) as server:
        assert "SHA-256 differs" in refused(server.url(), target, sha256="0" * 64)
        assert len(server.requests) == 1
    assert left_in(target) == []


def test_a_wrong_size_is_told_before_anything_comes(target):
    with serving(good) as server:
        line = refused(server.url(), target, size=5)
    assert f"{len(CONTENT)} bytes, not 5" in line
    assert left_in(target) == []


def test_more_than_was_said_is_not_taken(target, monkeypatch):
    def endless(request):
        request.answer(200, CONTENT, length="")
        while True:
            request.send(CONTENT)

    with serving(endless) as server:
        assert "More comes" in refused(server.url(), target, size=len(CONTENT))
        monkeypatch.setattr(module, "MAX_SIZE", 3 * len(CONTENT))
        assert "More comes" in refused(server.url(), target)
    assert left_in(target) == []


def test_a_length_that_promises_too_much_is_an_early_end(target):
    with serving(lambda request: request.answer(200, CONTENT, length=len(CONTENT) + 1)) as server:
        assert "ended the connection early" in refused(server.url(), target)


def test_a_length_that_promises_too_little_fails_at_the_checksum(target):
    with serving(lambda request: request.answer(200, CONTENT, length=HALF)) as server:
        assert "SHA-256 differs" in refused(server.url(), target, sha256=SHA256)
        assert f"{HALF} bytes, not" in refused(server.url(), target, sha256=SHA256, size=len(CONTENT))


@pytest.mark.parametrize("length", ["-5", "many", "1e3"])
def test_a_length_that_is_no_number_is_not_believed(target, length):
    with serving(lambda request: request.answer(200, CONTENT, length=length)) as server:
        assert download(server.url(), target, SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("headers", "said"),
    [({"Content_Encoding": "gzip"}, "compressed"), ({"Content_Type": "text/html; charset=utf-8"}, "web page")],
)
def test_what_is_not_the_file_itself_is_refused(target, headers, said):
    with serving(lambda request: request.answer(200, CONTENT, **headers)) as server:
        assert said in refused(server.url(), target)
    assert left_in(target) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "login"), (403, "login"), (404, "no longer"), (410, "no longer"), (418, "does not give"), (204, "204"),
     (500, "at the moment"), (429, "at the moment"), (300, "does not give")],
)  # fmt: skip
def test_each_status_is_explained(target, status, said):
    with serving(lambda request: request.answer(status)) as server:
        line = refused(server.url("/models/model.zip?token=SECRET"), target)
    assert said in line and str(status) in line
    assert "SECRET" not in line
    assert left_in(target) == []


@pytest.mark.parametrize(
    "place",
    [
        "http://example.org/model.zip",
        "file:///etc/hostname",
        "ftp://example.org/model.zip",
        "https://a:b@example.org/m",
    ],
)
def test_a_redirect_to_an_unsafe_place_is_refused(target, place):
    with serving(lambda request: request.answer(302, Location=place + "?token=SECRET")) as server:
        line = refused(server.url(), target)
    assert "SECRET" not in line
    assert any(words in line for words in ("without encryption", "over https only", "user name"))


def test_redirects_in_a_circle_end(target):
    with serving(lambda request: request.answer(302, Location=request.path)) as server:
        assert "without end" in refused(server.url(), target)
        assert len(server.requests) < 12


@pytest.mark.parametrize(
    "url",
    ["http://example.org/model.zip", "http://127.0.0.1.example.org/m.zip", "ftp://example.org/m.zip", "model.zip", "",
     "https://user:SECRET@example.org/m.zip", "https://example.org", "https://example.org/a b.zip", "https:///m.zip",
     "https://example.org:port/m.zip", "https://[::1/m.zip", "https://example.org/m\n.zip",
     "file://server/share/m.zip", "https://" + "a" * 70 + ".org/m.zip", "data:text/plain,hello"],
)  # fmt: skip
def test_other_addresses_are_refused_without_a_request(target, url):
    line = refused(url, target)
    assert "SECRET" not in line
    assert left_in(target) == []


def test_an_existing_file_is_never_replaced(target):
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with serving(good) as server:
        assert "exists" in refused(server.url(), target)
        assert not server.requests
    assert target.read_bytes() == b"mine"


# --- waiting and cancelling ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the answer", "in the middle"])
def test_cancelling_does_not_wait_for_a_slow_server(target, when):
    def slow(request):
        if when == "in the middle":
            request.answer(200, CONTENT[:HALF], length=len(CONTENT), ETag='"one"')
        server.closing.wait(20)

    began = time.monotonic()

    def cancel(stage, done, total):
        if time.monotonic() - began > 0.5:
            raise Cancelled()

    with serving(slow) as server:
        with pytest.raises(Cancelled):
            download(server.url(), target, report=cancel)
        assert time.monotonic() - began < 1.5
    assert left_in(target) == ([] if when == "before the answer" else ["model.zip.part", "model.zip.part.json"])


def test_a_silent_server_is_given_up(target, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT_S", 0.3)
    with serving(lambda request: server.closing.wait(5)) as server:
        assert "Nothing came" in refused(server.url(), target)


def test_no_server_at_all(target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "connection failed" in refused(f"http://127.0.0.1:{port}/m.zip", target)


def test_what_does_not_speak_http(target):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].sendall(b"SSH-2.0\r\n" * 9000), daemon=True).start()
        line = refused(f"http://127.0.0.1:{listener.getsockname()[1]}/m.zip", target)
    assert "does not answer as a web server does" in line or "connection failed" in line


def test_no_thread_stays(target):
    with serving(half, good) as server:
        refused(server.url(), target)
        download(server.url(), target)
    end = time.monotonic() + 3
    while time.monotonic() < end and any(thread.name == "download" for thread in threading.enumerate()):
        time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name == "download"]


# --- disk ------------------------------------------------------------------------------------------------------------


def test_too_little_room_is_told_before_anything_comes(target, monkeypatch):
    usage = module.shutil.disk_usage(".")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with serving(good) as server:
        assert "too little room" in refused(server.url(), target)
    assert left_in(target) == []


def test_a_disk_that_fills_up_keeps_what_has_come(target, monkeypatch):
    class Filling(io.FileIO):
        def write(self, piece):
            room = HALF - self.seek(0, io.SEEK_END)
            if room <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(bytes(piece)[:room])

    with monkeypatch.context() as patch:
        patch.setattr(module, "open", lambda path, mode, buffering: Filling(path, "ab"), raising=False)
        with serving(good) as server:
            assert "disk is full" in refused(server.url(), target)
    assert not target.exists()
    assert target.with_name("model.zip.part").read_bytes() == CONTENT[:HALF]


def test_a_folder_that_cannot_be_written_is_told(target):
    target.parent.write_text("a file")
    with serving(good) as server:
        assert "could not be written" in refused(server.url(), target)


# --- proxies and certificates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http://", "HTTP://", "", "https://"])
def test_the_proxy_that_is_given_is_used(target, scheme):
    with serving(good) as proxy:
        url = "http://127.0.0.1:9/models/model.zip"
        assert download(url, target, SHA256, proxy=f"{scheme}me:SECRET@{proxy.address}").read_bytes() == CONTENT
        assert proxy.requests[0].path == url
        assert proxy.requests[0].header("Proxy-Authorization") == "Basic bWU6U0VDUkVU"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_the_proxy_of_the_environment_is_asked_for_https(target, monkeypatch, variable):
    with serving(lambda request: request.answer(407)) as proxy:
        monkeypatch.setenv(variable, f"http://me:SECRET@{proxy.address}")
        line = refused("https://models.invalid/model.zip?token=SECRET", target)
        assert (proxy.requests[0].method, proxy.requests[0].path) == ("CONNECT", "models.invalid:443")
        assert proxy.requests[0].header("Proxy-Authorization") == "Basic bWU6U0VDUkVU"
    assert "The proxy wants a login" in line and "USER:PASSWORD@HOST" in line
    assert "SECRET" not in line


def test_a_proxy_that_refuses_is_told(target):
    with serving(lambda request: request.answer(403)) as proxy:
        line = refused("https://models.invalid/model.zip", target, proxy=proxy.address)
    assert "proxy does not let us through" in line and "403" in line


def test_no_proxy_is_kept(target, monkeypatch):
    with serving(good) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("NO_PROXY", "models.invalid")
        assert "not known here" in refused("https://models.invalid/model.zip", target)
        assert not proxy.requests


def test_this_computer_needs_no_proxy(target, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving(good) as server:
        assert download(server.url(), target, SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://", "ftp://proxy:21"])
def test_a_proxy_that_is_none_for_http_is_refused(target, proxy):
    assert "proxy is not one for http" in refused("https://models.invalid/m.zip", target, proxy=proxy)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for models.invalid that nobody has signed, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=models.invalid"]
    command += ["-addext", "subjectAltName=DNS:models.invalid,IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("the program openssl is not there to make a certificate")
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_a_certificate_that_nobody_has_signed_is_refused_in_one_line(target, tls):
    with serving(good, tls=tls) as server:
        line = refused(f"https://{server.address}/model.zip", target)
        assert not server.requests
    assert "certificate is not trusted" in line and "in a browser" in line


def test_https_with_a_trusted_certificate(target, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving(good, tls=tls) as server:
        assert download(f"https://{server.address}/model.zip", target, SHA256).read_bytes() == CONTENT


def test_https_never_goes_on_without_encryption(target, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving(good) as plain, serving(lambda r: r.answer(302, Location=plain.url()), tls=tls) as server:
        assert "without encryption" in refused(f"https://{server.address}/model.zip", target)
        assert not plain.requests


def test_https_through_a_proxy(target, tls, certificate, monkeypatch):
    """The proxy only passes bytes on; the certificate is that of the server behind it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with serving(good, tls=tls) as server, tunnel(server.port) as (port, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert download("https://models.invalid/model.zip", target, SHA256).read_bytes() == CONTENT
        assert asked[0].startswith(b"CONNECT models.invalid:443 ")


class tunnel:  # noqa: N801 - used as a function
    """A proxy that passes everything on to a port of this computer."""

    def __init__(self, port):
        self._port, self._asked = port, []

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._run, daemon=True).start()
        return self._listener.getsockname()[1], self._asked

    def __exit__(self, *_error):
        self._listener.close()

    def _run(self):
        client, _ = self._listener.accept()
        self._asked.append(client.recv(65536))
        server = socket.create_connection(("127.0.0.1", self._port))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
        self._pass_on(server, client)

    @staticmethod
    def _pass_on(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return
