"""A real archive (Orthanc) on the loopback address, for the time of a test: its own folder, ports and peers."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

from programs import free_ports, program

START_S, END_S, LOOK_S = 30.0, 10.0, 0.1
PLUGINS = (Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),)
AET = "TESTARCHIVE"


def why_not():
    """Return why such an archive cannot be started here, or ''."""
    if not sys.platform.startswith("linux"):
        return "the test's own Orthanc is started on Linux only"
    if program("Orthanc") is None:
        return "not installed: Orthanc (package orthanc)"
    missing = [str(path) for path in PLUGINS if not path.exists()]
    return f"not installed: {missing[0]} (package orthanc-dicomweb)" if missing else ""


class Orthanc:
    """The archive; a context manager.

    Parameters
    ----------
    folder : Path
        Made; for its files.
    peers : dict of str to (str, int)
        Titles and ports of who may ask, and where C-MOVE sends to.
    more : dict, optional
        Entries of its configuration.
    users : dict, optional
        With passwords, for HTTP.

    Attributes
    ----------
    port, http_port : int
    """

    def __init__(self, folder, peers=(), more=None, users=None):
        self.folder = Path(folder)
        self.port, self.http_port = free_ports(2)
        self._users, self._process = dict(users or {}), None
        self._config = {
            "Name": "BreastSegTest",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "index"),
            "Plugins": [str(path) for path in PLUGINS],
            "DicomAet": AET,
            "DicomPort": self.port,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "HttpThreadsCount": 4,
            "AuthenticationEnabled": bool(users),
            "RegisteredUsers": self._users,
            "DicomCheckCalledAet": True,
            "DicomModalities": {
                title: {"AET": title, "Host": "127.0.0.1", "Port": port, "UseDicomTls": False}
                for title, port in dict(peers).items()
            },
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "StableAge": 1,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **(more or {}),
        }

    @property
    def peer(self):
        """str: as `pacs.read_peer` takes it."""
        return f"{AET}@127.0.0.1:{self.port}"

    @property
    def url(self):
        """str: of the DICOMweb service."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def __enter__(self):
        self.folder.mkdir(parents=True)
        config = self.folder / "orthanc.json"
        config.write_text(json.dumps(self._config), encoding="utf-8")
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def start(self):
        """Start it and wait until it answers.

        Raises
        ------
        RuntimeError
            With the end of its log, if it does not come to that.
        """
        with open(self.folder / "log.txt", "ab") as log:
            self._process = subprocess.Popen(
                [program("Orthanc"), str(self.folder / "orthanc.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            with suppress(OSError):
                self.ask("system")
                return
            time.sleep(LOOK_S)
        raise RuntimeError("The test's own Orthanc did not start\n" + (self.folder / "log.txt").read_text()[-2000:])

    def end(self):
        """End it; `start` can follow."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask(self, path, data=None):
        """Return what its own web interface answers: JSON, or bytes for a file."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/{path}", data=data)
        for user, password in self._users.items():
            request.add_header("Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode())
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            content = answer.read()
            return json.loads(content) if "json" in answer.headers.get("Content-Type", "") else content

    def find(self, **tags):
        """Return the instances that fit, each as its simplified tags."""
        query = {"Level": "Instance", "Query": tags, "Expand": True}
        return [row["MainDicomTags"] | {"ID": row["ID"]} for row in self.ask("tools/find", json.dumps(query).encode())]

    def file(self, instance):
        """Return the bytes of an instance's file as it is stored."""
        return self.ask(f"instances/{instance}/file")


class CuttingProxy:
    """Passes connections on to a port, and cuts those that have passed so many bytes; a context manager.

    Parameters
    ----------
    port : int
        Where it passes on to.
    cuts : sequence of int
        For each connection in turn after how many bytes of the answer it is cut; those after the last are not.
    upward : bool
        Count what goes to the server instead of what comes from it.
    tls : ssl.SSLContext, optional
        Be connected to with TLS: the archive's own web server does not offer that on every system.
    """

    def __init__(self, port, cuts=(), upward=False, tls=None):
        import threading

        self._tls = tls
        self._to, self.cuts, self._upward = port, list(cuts), upward
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._Thread = threading.Thread

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.close()

    def _serve(self):
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            try:
                near = near if self._tls is None else self._tls.wrap_socket(near, server_side=True)
            except OSError:  # who connects does not trust us
                near.close()
                continue
            cut = self.cuts.pop(0) if self.cuts else None
            far = socket.create_connection(("127.0.0.1", self._to))
            for one, other, limit in (
                (near, far, cut if self._upward else None),
                (far, near, None if self._upward else cut),
            ):
                self._Thread(target=self._pass, args=(one, other, limit), daemon=True).start()

    @staticmethod
    def _pass(one, other, limit):
        passed = 0
        with suppress(OSError):
            while data := one.recv(65536):
                if limit is not None and passed + len(data) >= limit:
                    other.sendall(data[: limit - passed])
                    break
                other.sendall(data)
                passed += len(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
