"""A web server of this computer that behaves well or badly, for tests of downloads."""

import http.server
import threading
from contextlib import contextmanager

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Request:
    """One request as a server sees it; its methods answer.

    Parameters
    ----------
    handler : http.server.BaseHTTPRequestHandler
    """

    def __init__(self, handler):
        self._handler = handler
        self.method, self.path, self.headers = handler.command, handler.path, handler.headers

    def header(self, name):
        return self.headers.get(name)

    def answer(self, status=200, body=b"", length=None, **headers):
        """Send a reply; `length` may be a lie, or '' for none. Header names have underscores for hyphens."""
        self._handler.send_response(status)
        if length != "":
            self._handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()
        self._handler.wfile.write(body)
        self._handler.wfile.flush()

    def send(self, body):
        """Send more of the body."""
        self._handler.wfile.write(body)
        self._handler.wfile.flush()

    def serve(self, content=CONTENT, etag='"one"', **headers):
        """Answer as a good server does, with ranges as long as the file is the same."""
        tags = {"ETag": etag} if etag else {}
        asked, same = self.header("Range"), self.header("If-Range") in (None, etag)
        if not asked or not same:
            self.answer(200, content, Accept_Ranges="bytes", **tags, **headers)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(content):
            self.answer(416, Content_Range=f"bytes */{len(content)}")
            return
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.answer(206, content[start:], Content_Range=span, **tags, **headers)


class Server:
    """A running server.

    Parameters
    ----------
    answers : list of callable
        ``answer(request)``, one for each request in turn; the last one answers all later ones.
    """

    def __init__(self, answers, tls=None):
        self.requests, self.closing = [], threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                request = Request(self)
                server.requests.append(request)
                self.close_connection = True
                try:
                    answers[min(len(server.requests), len(answers)) - 1](request)
                except (BrokenPipeError, ConnectionResetError):
                    return

            do_CONNECT = do_GET

            def log_message(self, *_arguments):
                """Say nothing."""

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self._http.handle_error = lambda *_arguments: None
        self.port = self._http.server_port
        self.address = f"127.0.0.1:{self.port}"

    def url(self, path="/models/model.zip"):
        return f"http://{self.address}{path}"

    def start(self):
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def serving(*answers, tls=None):
    """Give a `Server` that is gone afterwards."""
    server = Server(list(answers), tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
