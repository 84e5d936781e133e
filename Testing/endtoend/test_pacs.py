"""Archives, with a real Orthanc on the loopback address: finding, getting, sending, encryption, cuts, and watching."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import orthanc_server
import pytest
from BreastSegLib.inference.child import PACKAGE_FOLDER, child_environment
from BreastSegLib.pacs import Credentials, Query, Tls, archive_of, read_peer
from BreastSegLib.pacs.exams import key_of
from BreastSegLib.pacs.problems import ArchiveError
from BreastSegLib.pacs.receiving import Receiver
from BreastSegLib.pacs.retry import Retry
from BreastSegLib.samples.dce import make_dce_exam
from BreastSegLib.samples.writing import write_dce_sample, write_mammogram_sample
from orthanc_server import CuttingProxy, Orthanc
from programs import free_ports
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, RLELossless

pytestmark = pytest.mark.skipif(bool(orthanc_server.why_not()), reason=orthanc_server.why_not())
SECRET, PATIENCE_S = "s3cr3t-Pa55", 150.0
QUICK = Retry(attempts=4, first_s=0.05)


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    """The files of a small DCE exam: 3 phases of 20 images."""
    sample = make_dce_exam(seed=7, posts=2, shape=(20, 48, 80), spacing=(3, 3, 4), radius_mm=(6, 9))
    folder = write_dce_sample(sample, tmp_path_factory.mktemp("exam") / "sample") / "exam"
    return sorted(folder.rglob("*.dcm"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An archive that knows us, and sends to us at ``server.move_port`` and ``server.watch_port``."""
    move, watch = free_ports(2)
    with Orthanc(tmp_path_factory.mktemp("pacs") / "orthanc", {"BREASTSEG": move, "WATCH": watch}) as orthanc:
        orthanc.move_port, orthanc.watch_port = move, watch
        yield orthanc


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with ``ca.pem``, and ``NAME.pem`` and ``NAME.key`` of the server, of us and of a stranger."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "extra").write_text("subjectAltName=IP:127.0.0.1\n")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    for name in ("ca", "other"):
        openssl(*new, "-x509", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    for name, issuer in (("server", "ca"), ("us", "ca"), ("stranger", "other")):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signing = ("-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-extfile", "extra")
        openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-days", "2", "-out", f"{name}.pem")
    return folder


def archives(server, retry=None):
    """The same archive by DICOM with C-GET, by DICOM with C-MOVE, and by DICOMweb."""
    move = read_peer(server.peer, move_port=server.move_port)
    return [archive_of(peer, retry) for peer in (read_peer(server.peer), move, read_peer(server.url))]


def by_uid(paths):
    return {str(dataset.SOPInstanceUID): dataset for dataset in map(dcmread, paths)}


def same(one, other):
    """Whether two data sets are the same, element by element, pixels included."""
    return {e.tag: e.value for e in one} == {e.tag: e.value for e in other}


def new_instances(server):
    """How often an instance was stored, each time that it was."""
    return sum(change["ChangeType"] == "NewInstance" for change in server.ask("changes?limit=10000")["Changes"])


@pytest.mark.parametrize("way", [0, 1, 2], ids=["C-GET", "C-MOVE", "DICOMweb"])
def test_an_exam_is_sent_found_and_got(server, exam, tmp_path, way):
    archive = archives(server)[way]
    archive.echo()
    assert archive.send(exam) == {"sent": 60, "refused": []}
    there = by_uid(exam)
    first = next(iter(there.values()))
    assert {row["SOPInstanceUID"] for row in server.find(StudyInstanceUID=str(first.StudyInstanceUID))} == set(there)
    date = f"{first.StudyDate[:4]}-{first.StudyDate[4:6]}-{first.StudyDate[6:]}"
    for query in (
        Query(patient_id=first.PatientID, modality="MR"),
        Query(patient_name="Sample*", date_from=date, date_to=date),
        Query(patient_name="Sample^Synth?tic"),
        Query(study_uid=str(first.StudyInstanceUID)),
    ):
        (row,) = archive.find(query)
        assert (row["study_uid"], row["date"]) == (str(first.StudyInstanceUID), date)
        assert (row["series"], row["instances"], row["modalities"]) == (3, 60, "MR")
        assert (row["patient_id"], row["patient_name"]) == (first.PatientID, str(first.PatientName))
    assert archive.find(Query(patient_id="nobody")) == archive.find(Query(patient_name="Sample^Other")) == []
    assert archive.find(Query(patient_id=first.PatientID, date_to="1999-01-01")) == []
    assert [row["instances"] for row in archive.series(row["study_uid"])] == [20, 20, 20]
    result = archive.retrieve(row["study_uid"], folder=tmp_path / "got")
    got = by_uid((tmp_path / "got").rglob("*.dcm"))
    assert result["received"] == 60 and set(got) == set(there)
    assert all(same(got[uid], there[uid]) for uid in there)
    names = {path.relative_to(tmp_path / "got").as_posix() for path in (tmp_path / "got").rglob("*.dcm")}
    assert names == {f"series_000{s}/{n:06d}.dcm" for s in (1, 2, 3) for n in range(1, 21)}


@pytest.mark.parametrize("way", [0, 1, 2], ids=["C-GET", "C-MOVE", "DICOMweb"])
def test_compressed_images_come_as_they_are_stored(server, tmp_path, way):
    sample = write_mammogram_sample(tmp_path / "sample", 3, size=(208, 160))
    paths, studies = [], []
    for number, syntax in enumerate((JPEG2000Lossless, RLELossless)):
        dataset = dcmread(sample / "exam" / "IM0001.dcm")
        dataset.StudyInstanceUID = f"1.2.826.0.1.77.{way}.{number}"
        dataset.SeriesInstanceUID = f"{dataset.StudyInstanceUID}.0"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{dataset.StudyInstanceUID}.1"
        dataset.compress(syntax, generate_instance_uid=False)
        paths.append(tmp_path / f"{number}.dcm")
        dataset.save_as(paths[-1])
        studies.append(str(dataset.StudyInstanceUID))
    archive = archives(server)[way]
    assert archive.send(paths)["sent"] == 2
    for study, path in zip(studies, paths):
        archive.retrieve(study, folder=tmp_path / study)
        (got,) = map(dcmread, (tmp_path / study).rglob("*.dcm"))
        assert got.file_meta.TransferSyntaxUID == dcmread(path).file_meta.TransferSyntaxUID
        assert same(got, dcmread(path))


@pytest.mark.parametrize("way", ["C-GET", "DICOMweb"])
def test_a_retrieval_that_is_cut_goes_on(server, exam, tmp_path, way):
    study = str(dcmread(exam[0]).StudyInstanceUID)
    archives(server)[0].send(exam)
    web = way == "DICOMweb"
    # The searches are small; then each series is more than is let through at first.
    cuts = [None] * (1 if web else 4) + [60_000, 90_000]
    with CuttingProxy(server.http_port if web else server.port, cuts) as proxy:
        peer = f"http://127.0.0.1:{proxy.port}/dicom-web" if web else f"TESTARCHIVE@127.0.0.1:{proxy.port}"
        if web:
            proxy.cuts = [60_000]
        archive = archive_of(read_peer(peer), QUICK)
        result = archive.retrieve(study, folder=tmp_path)
        assert result["images"] == 60 and not proxy.cuts
    got, there = by_uid(tmp_path.rglob("*.dcm")), by_uid(exam)
    assert all(same(got[uid], there[uid]) for uid in there) and not list(tmp_path.rglob(".part*"))


@pytest.mark.parametrize("way", ["C-STORE", "DICOMweb"])
def test_sending_that_is_cut_loses_nothing_and_sends_nothing_twice(exam, tmp_path, way):
    more = {"OverwriteInstances": True}
    with Orthanc(tmp_path / "orthanc", {"BREASTSEG": 1}, more) as server:
        web = way == "DICOMweb"
        with CuttingProxy(server.http_port if web else server.port, [100_000, 200_000], upward=True) as proxy:
            peer = f"http://127.0.0.1:{proxy.port}/dicom-web" if web else f"TESTARCHIVE@127.0.0.1:{proxy.port}"
            assert archive_of(read_peer(peer), QUICK).send(exam) == {"sent": 60, "refused": []}
            assert not proxy.cuts and proxy.connections > 2
        assert {row["SOPInstanceUID"] for row in server.find()} == set(by_uid(exam))
        assert new_instances(server) == 60


def test_tls_and_passwords(certificates, exam, tmp_path, monkeypatch):
    pem = {path.name: str(path) for path in certificates.iterdir()}
    more = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": pem["server.pem"],
        "DicomTlsPrivateKey": pem["server.key"],
        "DicomTlsTrustedCertificates": pem["ca.pem"],
    }
    mine = Tls(True, pem["ca.pem"], pem["us.pem"], pem["us.key"])
    https = Tls(certificate=pem["server.pem"], key=pem["server.key"]).server()
    with (
        Orthanc(tmp_path / "orthanc", {"BREASTSEG": 1}, more, {"mary": SECRET}) as server,
        CuttingProxy(server.http_port, tls=https) as proxy,
    ):
        url = f"https://127.0.0.1:{proxy.port}/dicom-web"

        def by_dicom(tls):
            return archive_of(read_peer(server.peer, tls=tls), Retry(attempts=1))

        def by_web(tls, *credentials):
            return archive_of(read_peer(url, tls=tls, credentials=Credentials(*credentials)))

        archive = by_dicom(mine)
        archive.echo()
        assert archive.send(exam[:3])["sent"] == 3
        study = archive.find(Query())[0]["study_uid"]
        assert archive.retrieve(study, folder=tmp_path / "got")["images"] == 3
        for wrong, words in (
            (Tls(), "ended the connection"),  # not encrypted
            (Tls(True, certificate=mine.certificate, key=mine.key), "cannot prove who it is"),
            (Tls(True, pem["other.pem"], mine.certificate, mine.key), "cannot prove who it is"),
            (Tls(True, pem["ca.pem"], pem["stranger.pem"], pem["stranger.key"]), "."),
            (Tls(True, pem["ca.pem"]), "."),  # who are we?
        ):
            with pytest.raises(ArchiveError, match=words) as caught:
                by_dicom(wrong).echo()
            assert "\n" not in caught.value.line
        web = by_web(mine, "mary", SECRET)
        web.echo()
        assert web.retrieve(study, folder=tmp_path / "web")["images"] == 3
        for archive, words in (
            (by_web(mine), "wants user and password"),
            (by_web(mine, "mary", "wrong"), "wants user and password"),
            (by_web(Tls(), "mary", SECRET), "cannot prove who it is"),
        ):
            with pytest.raises(ArchiveError, match=words) as caught:
                archive.echo()
            assert SECRET not in caught.value.line
        said = command("pacs", "echo", "--peer", url, "--tls-ca", pem["ca.pem"], user="mary", word=SECRET)
        assert said.returncode == 0 and "answers" in said.stdout and SECRET not in said.stdout + said.stderr


def test_who_sends_to_us_with_tls_must_have_a_certificate(certificates, exam):
    pem, came = {path.name: str(path) for path in certificates.iterdir()}, []

    def sender(tls):
        return archive_of(read_peer(f"WATCH@127.0.0.1:{receiver.port}", tls=tls), Retry(attempts=1))

    def on_received(received):
        came.append(received.uid)
        return 0

    ours = Tls(True, pem["ca.pem"], pem["server.pem"], pem["server.key"])
    with Receiver("WATCH", 0, on_received, tls=ours, address="127.0.0.1") as receiver:
        for wrong in (
            Tls(),
            Tls(True, pem["ca.pem"]),
            Tls(True, pem["ca.pem"], pem["stranger.pem"], pem["stranger.key"]),
        ):
            with pytest.raises(ArchiveError):
                sender(wrong).echo()
        assert sender(Tls(True, pem["ca.pem"], pem["us.pem"], pem["us.key"])).send(exam[:2])["sent"] == 2
    assert sorted(came) == sorted(by_uid(exam[:2]))


def test_an_exam_that_is_stored_is_segmented_and_its_results_are_sent_back(server, exam, tmp_path):
    archive = archives(server)[0]
    broken = dcmread(exam[0])
    broken.StudyInstanceUID, broken.SeriesInstanceUID = "1.2.826.0.1.78.1", "1.2.826.0.1.78.1.1"
    broken.SOPInstanceUID = broken.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.78.1.1.1"
    broken.save_as(tmp_path / "broken.dcm")
    archive.send([*exam, tmp_path / "broken.dcm"])
    study, folder = str(dcmread(exam[0]).StudyInstanceUID), tmp_path / "watch"
    watch = Watching(folder, server)
    try:
        watch.wait(lambda: any(event["event"] == "listening" for event in watch.events()))
        for uid in (str(broken.StudyInstanceUID), study):
            push(server, uid)
            watch.wait(lambda uid=uid: (folder / "exams" / f"{key_of(uid)}.json").exists())
        watch.wait(lambda: results(server, study) == {"SEG", "SR", "DOC"})
        watch.wait(lambda: any(event["event"] == "sending" for event in watch.events()))
        push(server, study)  # with its results this time, as archives with rules for routing do
        time.sleep(3.0)
        states = json.loads(command("watch", "--folder", folder, "--status", "--json").stdout)
        assert states["exams"][key_of(study)]["state"] == "done" and states["exams"][key_of(study)]["images"] == 60
        assert states["exams"][key_of(study)]["runs"] == 1 and states["outbox"] == {"waiting": 0, "refused": 0}
        failed = states["exams"][key_of(str(broken.StudyInstanceUID))]
        assert failed["state"] == "failed" and failed["reason"]
    finally:
        code = watch.end()
    assert code == 0 and watch.events()[-1] == {"event": "result", "exams": 2}
    said = watch.out.read_text() + watch.err.read_text()
    first = dcmread(exam[0])
    assert not any(text in said for text in (first.PatientID, "Sample^", study)) and "Traceback" not in said
    archive.retrieve(study, folder=tmp_path / "got")
    got = {d.Modality: d for d in map(dcmread, (tmp_path / "got").rglob("*.dcm")) if d.Modality != "MR"}
    assert set(got) == {"SEG", "SR", "DOC"}
    for dataset in got.values():
        assert (dataset.PatientID, dataset.StudyInstanceUID) == (first.PatientID, first.StudyInstanceUID)
    assert got["DOC"].EncapsulatedDocument.startswith(b"%PDF")
    assert got["SEG"].pixel_array.any()
    referenced = {str(row.ReferencedSOPInstanceUID) for s in got["SEG"].ReferencedSeriesSequence
                  for row in s.ReferencedInstanceSequence}  # fmt: skip
    assert referenced and referenced <= set(by_uid(exam))


class Watching:
    """The verb watch as a process."""

    def __init__(self, folder, server):
        self.out, self.err = folder.with_suffix(".out"), folder.with_suffix(".err")
        words = ["--listen", server.watch_port, "--ae", "WATCH", "--address", "127.0.0.1", "--allow", "TESTARCHIVE"]
        words += ["--model", "demo-dce", "--device", "cpu", "--send-to", server.peer, "--complete-after", "1.5"]
        words += ["--keep-free", "0", "--events"]
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "BreastSegLib", "watch", "--folder", str(folder), *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=child_environment(dict(os.environ), PACKAGE_FOLDER),
            )

    def events(self):
        lines = self.out.read_text().split("\n")[:-1]
        return [event for event in map(json.loads, lines) if event["event"] != "progress"]

    def wait(self, condition):
        until = time.monotonic() + PATIENCE_S
        while not condition():
            told = f"{self.events()}\n{self.err.read_text()}"
            assert time.monotonic() < until and self._process.poll() is None, told
            time.sleep(0.1)

    def end(self):
        """Ask it to end, and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


def push(server, study):
    """Have the archive send a study to the watch."""
    (found,) = server.ask("tools/lookup", study.encode())
    request = {"Resources": [found["ID"]], "Synchronous": True}
    answer = server.ask("modalities/WATCH/store", json.dumps(request).encode())
    assert answer["FailedInstancesCount"] == 0


def results(server, study):
    """Return the modalities of what was sent back."""
    query = {"Level": "Series", "Query": {"StudyInstanceUID": study}, "Expand": True}
    found = server.ask("tools/find", json.dumps(query).encode())
    return {row["MainDicomTags"]["Modality"] for row in found} - {"MR"}


def command(*words, user="", word=""):
    """Run the command line in a process of its own."""
    environment = child_environment(dict(os.environ), PACKAGE_FOLDER)
    if user:
        environment |= {"BREASTSEG_PACS_USER": user, "BREASTSEG_PACS_PASSWORD": word}
    return subprocess.run(
        [sys.executable, "-m", "BreastSegLib", *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
