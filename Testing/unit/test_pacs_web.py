"""DICOMweb: a server that denies, is busy, cuts its answers short, or is none."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from BreastSegLib.pacs import Credentials, Query, archive_of, read_peer
from BreastSegLib.pacs.problems import ArchiveError, Interrupted, Unreachable
from BreastSegLib.pacs.retry import Retry
from BreastSegLib.pacs.whole import is_whole
from pacs_cases import SECRET, file_bytes, image, write_images
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

pytest.importorskip("dicomweb_client")
STUDY, SERIES = "1.2.3", "1.2.3.1"


class FakeWeb:
    """An HTTP server that gives prepared answers; a context manager.

    Attributes
    ----------
    answers : list of callable
        ``answer(handler, body)`` for each request in turn; the last one for all that follow.
    requests : list of (str, str, dict)
        Method, path and headers of what came.
    """

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def __enter__(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                fake.requests.append((self.command, self.path, dict(self.headers)))
                answer = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
                answer(self, body)

            do_GET = do_POST = serve

            def log_message(self, *_):
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def archive(self, **options):
        url = f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"
        return archive_of(read_peer(url, **options), Retry(attempts=3, first_s=0.01, sleep=lambda _: None))


def status(code, body=b"{}", kind="application/json"):
    def answer(handler, _body):
        handler.send_response(code)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def rows(*datasets, keep):
    found = []
    for dataset in datasets:
        shown = {f"{dataset.data_element(k).tag:08X}": dataset.data_element(k).to_json_dict(None, 0) for k in keep}
        found.append(shown)
    return status(200, json.dumps(found).encode(), "application/dicom+json")


def instances(datasets):
    return rows(*datasets, keep=("SOPInstanceUID", "SOPClassUID"))


def series(datasets):
    return rows(datasets[0], keep=("SeriesInstanceUID", "SeriesNumber", "Modality"))


def parts(datasets, cut=None, length=True, close=False):
    """An answer of several files, cut short after `cut` bytes."""
    body = b"".join(
        b"\r\n--BOUNDARY\r\nContent-Type: application/dicom\r\n\r\n" + file_bytes(dataset) for dataset in datasets
    )
    body += b"\r\n--BOUNDARY--\r\n"

    def answer(handler, _body):
        handler.send_response(200)
        handler.send_header("Content-Type", 'multipart/related; type="application/dicom"; boundary=BOUNDARY')
        if length:
            handler.send_header("Content-Length", str(len(body)))
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body[:cut])
        if cut or close:
            handler.close_connection = True

    return answer


EMPTY = status(200, b"[]", "application/dicom+json")


def images(count=3):
    return [image(STUDY, SERIES, number) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    "code, kind, words",
    [
        (401, ArchiveError, "wants user and password"),
        (403, ArchiveError, "denies"),
        (404, ArchiveError, "does not know this"),
        (503, Interrupted, "cannot answer now"),
    ],
)
def test_refusals_are_told_in_words(code, kind, words):
    with FakeWeb(status(code)) as fake, pytest.raises(kind, match=words) as caught:
        fake.archive(credentials=Credentials("mary", SECRET)).echo()
    assert SECRET not in caught.value.line


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1, 2]", b'{"x": "y"}', b'[{"0020000D": 5}]', b"\xff\xfe"])
def test_what_is_no_dicomweb_service_is_told_or_finds_nothing(body):
    with FakeWeb(status(200, body, "text/html")) as fake:
        try:
            assert fake.archive().find(Query()) == []
        except ArchiveError as error:
            assert "not understood" in error.what


def test_a_wrong_value_is_shown_as_it_is_and_warned_of_nowhere(caplog, recwarn):
    name = "Doe^Jane" * 20
    body = [{"0020000D": {"vr": "UI", "Value": ["1.x.3"]}, "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]}}]
    with FakeWeb(status(200, json.dumps(body).encode())) as fake, caplog.at_level(logging.DEBUG):
        (row,) = fake.archive().find(Query())
    assert row["patient_name"] == name and "Doe" not in caplog.text
    assert not [str(warning.message) for warning in recwarn if "Doe" in str(warning.message)]


def test_nobody_there(caplog):
    with pytest.raises(Unreachable), caplog.at_level(logging.DEBUG):
        archive_of(read_peer("http://127.0.0.1:1/dicom-web")).find(Query(patient_name="Doe*"))
    assert caplog.text == ""


def test_credentials_go_into_the_header_and_nowhere_else(caplog, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password wrong\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with FakeWeb(EMPTY) as fake, caplog.at_level(logging.DEBUG):
        fake.archive(credentials=Credentials("mary", SECRET)).find(Query(patient_name="Doe*"))
        fake.archive(credentials=Credentials(token=SECRET)).echo()
        fake.archive().echo()
    headers = [request[2].get("Authorization") for request in fake.requests]
    assert headers[0].startswith("Basic ") and headers[1] == f"Bearer {SECRET}" and headers[2] is None
    assert SECRET not in caplog.text and "Doe" not in caplog.text
    assert "PatientName=Doe" in fake.requests[0][1] and SECRET not in "".join(r[1] for r in fake.requests)


def test_an_answer_that_was_cut_is_asked_for_again_and_only_what_is_missing(tmp_path):
    datasets = images()
    whole = len(file_bytes(datasets[0]))
    listing = [series(datasets), EMPTY, instances(datasets), EMPTY]
    single = [parts([dataset]) for dataset in datasets[1:]]
    # The second image is cut in its pixels, without the length that would tell: the connection just ends.
    cut = parts(datasets, cut=2 * whole - 500, length=False)
    with FakeWeb(*listing, cut, *single) as fake:
        result = fake.archive().retrieve(STUDY, folder=tmp_path)
    assert result["received"] == 3
    for dataset in datasets:
        back = next(p for p in map(dcmread, tmp_path.rglob("*.dcm")) if p.SOPInstanceUID == dataset.SOPInstanceUID)
        assert back.PixelData == dataset.PixelData
    asked = [path for _, path, _ in fake.requests[4:]]
    assert asked[0].endswith(f"/series/{SERIES}")
    assert [path.rsplit("/", 1)[1] for path in asked[1:]] == [str(d.SOPInstanceUID) for d in datasets[1:]]


def test_a_cut_connection_is_tried_again(tmp_path):
    datasets = images(2)
    listing = [series(datasets), EMPTY, instances(datasets), EMPTY]
    with FakeWeb(*listing, parts(datasets, cut=300), parts(datasets)) as fake:
        assert fake.archive().retrieve(STUDY, folder=tmp_path)["received"] == 2


def test_a_list_that_never_ends_is_ended(tmp_path):
    datasets = images(1)
    with FakeWeb(series(datasets)) as fake:  # a server that does not know about pages
        assert len(fake.archive().series(STUDY)) == 1


def test_sending_tells_what_was_refused_and_waits_for_room(tmp_path):
    files = write_images(tmp_path, images(2))

    def failed(reason):
        body = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}
        return status(202, json.dumps(body).encode(), "application/dicom+json")

    done = status(200, b"{}", "application/dicom+json")
    with FakeWeb(failed(0xC000), done) as fake:
        result = fake.archive().send(files)
        assert result["sent"] == 1 and "0xC000" in result["refused"][0]["reason"]
        method, path, headers = fake.requests[0]
        assert (method, path) == ("POST", "/dicom-web/studies") and "Content-Length" in headers
    with FakeWeb(failed(0xA700), done) as fake:
        assert fake.archive().send(files)["sent"] == 2 and len(fake.requests) == 3
    with FakeWeb(status(409), done) as fake:
        assert len(fake.archive().send(files)["refused"]) == 1


def test_after_no_answer_to_a_sent_file_it_is_asked_for(tmp_path):
    files = write_images(tmp_path, images(1))

    def silent(handler, _body):
        handler.close_connection = True

    there = rows(*images(1), keep=("SOPInstanceUID",))
    with FakeWeb(silent, there) as fake:
        assert fake.archive().send(files)["sent"] == 1
        assert [request[0] for request in fake.requests] == ["POST", "GET"]


def test_whether_pixels_are_whole():
    dataset = images(1)[0]
    assert is_whole(dataset)
    dataset.PixelData = dataset.PixelData[:-2]
    assert not is_whole(dataset)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    assert is_whole(dataset)
    del dataset.PixelData
    assert not is_whole(dataset)
    del dataset.Rows
    assert is_whole(dataset)
    del dataset.SOPInstanceUID
    assert not is_whole(dataset)
