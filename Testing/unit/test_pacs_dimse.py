"""Finding, getting and sending by DIMSE: an archive that loses connections, is busy, or refuses."""

import logging

import pytest
from BreastSegLib.errors import BadInput, Cancelled
from BreastSegLib.pacs import Credentials, Query, archive_of, read_peer
from BreastSegLib.pacs.association import associated
from BreastSegLib.pacs.problems import ArchiveError, Interrupted, Unreachable
from BreastSegLib.pacs.retry import Retry
from pacs_cases import FakeArchive, image, write_images
from pydicom import dcmread

STUDY, OTHER = "1.2.3", "1.2.4"
pytest.importorskip("pynetdicom")


def images(count=6, study=STUDY, series="1.2.3.1"):
    return [image(study, series, number) for number in range(1, count + 1)]


def archive(fake, **options):
    pauses = []
    made = archive_of(read_peer(fake.peer, **options), Retry(attempts=3, first_s=0.01, sleep=pauses.append))
    made.pauses = pauses
    return made


def uids(folder):
    return sorted(str(dcmread(path).SOPInstanceUID) for path in folder.rglob("*.dcm"))


def test_echo_and_find():
    with FakeArchive([*images(), *images(2, series="1.2.3.2"), image(OTHER, "1.2.4.1", name="Roe^Ann")]) as fake:
        here = archive(fake)
        here.echo()
        rows = here.find(Query(patient_name="Doe*"))
        assert [row["study_uid"] for row in rows] == [STUDY]
        assert rows[0] | {"study_uid": ""} == {
            "study_uid": "", "date": "2024-01-31", "time": "10:15", "description": "breast", "modalities": "MR",
            "series": 2, "instances": 8, "patient_id": "ID-77", "patient_name": "Doe^Jane", "accession": "A1",
        }  # fmt: skip
        assert len(here.find(Query())) == 2 and len(here.find(Query(), limit=1)) == 1
        assert here.find(Query(patient_id="none")) == [] and here.find(Query(modality="MG")) == []
        assert [(row["number"], row["instances"]) for row in here.series(STUDY)] == [(1, 6), (2, 2)]
        assert fake.callers[0] == "BREASTSEG"


def test_a_retrieval_has_whole_files_in_numbered_folders(tmp_path):
    with FakeArchive([*images(), *images(2, series="1.2.3.2")]) as fake:
        told = []
        result = archive(fake).retrieve(STUDY, folder=tmp_path / "x", report=lambda *step: told.append(step))
        assert result["images"] == result["received"] == 8
        names = sorted(path.relative_to(tmp_path / "x").as_posix() for path in (tmp_path / "x").rglob("*.dcm"))
        assert names[0] == "series_0001/000001.dcm" and names[-1] == "series_0002/000002.dcm" and len(names) == 8
        assert uids(tmp_path) == sorted(fake.held)
        back = dcmread(tmp_path / "x" / "series_0001" / "000003.dcm")
        assert back.PixelData == fake.held[back.SOPInstanceUID].PixelData
        assert told[-1] == ("Retrieving", 8, 8)
        assert [step[1] for step in told if step[0] == "Retrieving"] == sorted(s[1] for s in told if s[2])


def test_only_the_chosen_series_comes_and_nothing_twice(tmp_path):
    with FakeArchive([*images(), *images(2, series="1.2.3.2")]) as fake:
        assert archive(fake).retrieve(STUDY, "1.2.3.2", tmp_path)["images"] == 2
        assert archive(fake).retrieve(STUDY, ["1.2.3.2"], tmp_path)["received"] == 0
        assert len(fake.gets) == 1
        assert archive(fake).retrieve(STUDY, [], tmp_path)["received"] == 6


def test_after_a_cut_only_what_is_missing_is_asked_for(tmp_path):
    with FakeArchive(images()) as fake:
        fake.get_faults = [2, 3, None]
        here = archive(fake)
        assert here.retrieve(STUDY, folder=tmp_path)["received"] == 6
        assert uids(tmp_path) == sorted(fake.held)
        assert [asked.QueryRetrieveLevel for asked in fake.gets] == ["SERIES", "IMAGE", "IMAGE"]
        assert [len(asked.get("SOPInstanceUID") or []) for asked in fake.gets[1:2]] == [4]
        assert here.pauses


def test_an_archive_that_always_cuts_is_given_up_and_what_came_is_kept(tmp_path):
    with FakeArchive(images()) as fake:
        fake.get_faults = [3, 0, 0, 0, 0, 0]
        with pytest.raises(Interrupted):
            archive(fake).retrieve(STUDY, folder=tmp_path)
        assert len(uids(tmp_path)) == 3
        fake.get_faults = []
        assert archive(fake).retrieve(STUDY, folder=tmp_path)["received"] == 3


def test_images_that_the_archive_cannot_give_are_counted(tmp_path):
    class Holds(FakeArchive):
        def _get(self, event):
            gone = str(images()[2].SOPInstanceUID)
            kept = self.held.pop(gone)
            yield from super()._get(event)
            self.held[gone] = kept

    with Holds(images()) as fake, pytest.raises(ArchiveError, match="did not give 1 of 6"):
        archive(fake).retrieve(STUDY, folder=tmp_path)


def test_cancelling_stops_at_the_next_image_and_keeps_what_came(tmp_path):
    def report(stage, done, total):
        if done == 2:
            raise Cancelled

    with FakeArchive(images(20)) as fake:
        with pytest.raises(Cancelled):
            archive(fake).retrieve(STUDY, folder=tmp_path, report=report)
        assert len(uids(tmp_path)) == 2 and not list(tmp_path.rglob(".part*"))


def test_a_full_disk_ends_it_with_its_own_words(tmp_path, monkeypatch):
    def full(*_):
        raise BadInput("The disk is full")

    with FakeArchive(images()) as fake:
        monkeypatch.setattr("BreastSegLib.pacs.retrieving.StudyFolder.keep", full)
        with pytest.raises(BadInput, match="The disk is full"):
            archive(fake).retrieve(STUDY, folder=tmp_path)


def test_a_folder_of_another_study_is_not_mixed(tmp_path):
    with FakeArchive([*images(2), image(OTHER, "1.2.4.1")]) as fake:
        archive(fake).retrieve(STUDY, folder=tmp_path)
        with pytest.raises(BadInput, match="another study"):
            archive(fake).retrieve(OTHER, folder=tmp_path)
        with pytest.raises(ArchiveError, match="does not have the study"):
            archive(fake).retrieve("1.9", folder=tmp_path / "new")
        with pytest.raises(ArchiveError, match="does not have a series"):
            archive(fake).retrieve(STUDY, ["1.9"], tmp_path)
        with pytest.raises(BadInput, match="UID"):
            archive(fake).retrieve("../x", folder=tmp_path)


def test_what_an_archive_does_not_offer_is_said(tmp_path):
    with FakeArchive(images(), offers=("find",)) as fake, pytest.raises(ArchiveError, match="C-GET") as caught:
        archive(fake).retrieve(STUDY, folder=tmp_path)
    assert "--move-port" in caught.value.hint
    with FakeArchive(offers=("get",)) as fake, pytest.raises(ArchiveError, match="C-FIND"):
        archive(fake).find(Query())
    with FakeArchive(images()) as fake:
        fake.find_status = 0xA900
        with pytest.raises(ArchiveError, match="0xA900"):
            archive(fake).find(Query())
        fake.find_status, fake.get_status = None, 0xA900
        with pytest.raises(ArchiveError, match="0xA900"):
            archive(fake).retrieve(STUDY, folder=tmp_path)


def test_who_is_not_there_or_does_not_know_us_is_told():
    with FakeArchive() as fake:
        fake.entity.require_calling_aet = ["OTHERS"]
        with pytest.raises(ArchiveError, match="does not know our title BREASTSEG") as caught:
            archive(fake).echo()
        assert caught.value.code == "archive"
        fake.entity.require_calling_aet, fake.entity.require_called_aet = [], True
        with pytest.raises(ArchiveError, match="is not called WRONG"):
            archive_of(read_peer(f"WRONG@127.0.0.1:{fake.port}")).echo()
        gone = archive(fake)
        fake.close()
    with pytest.raises(Unreachable, match="cannot be reached") as caught:
        gone.echo()
    assert caught.value.code == "archive-unreachable" and "\n" not in caught.value.line


def test_files_are_sent_once_each(tmp_path):
    files = write_images(tmp_path, images())
    with FakeArchive() as fake:
        told = []
        result = archive(fake).send([*files, files[0]], lambda *step: told.append(step))
        assert result == {"sent": 6, "refused": []}
        assert sorted(fake.stores) == sorted(set(fake.stores)) == uids(tmp_path)
        assert told[-1] == ("Sending", 6, 6)


def test_after_a_lost_connection_nothing_is_sent_twice_and_nothing_lost(tmp_path):
    files = write_images(tmp_path, images())
    with FakeArchive() as fake:
        fake.store_faults = [None, "forget to say", None, "abort", None]
        assert archive(fake).send(files)["sent"] == 6
        assert sorted(fake.held) == uids(tmp_path)
        twice = {uid for uid in fake.stores if fake.stores.count(uid) > 1}
        # The second had arrived, so that it was asked for and not sent again; of the fourth nothing was kept.
        assert twice == {str(dcmread(files[3]).SOPInstanceUID)}
        assert len(fake.finds) == 2


def test_where_the_archive_cannot_be_asked_it_is_sent_again(tmp_path):
    files = write_images(tmp_path, images(2))
    with FakeArchive(offers=("store",)) as fake:
        fake.store_faults = ["forget to say"]
        assert archive(fake).send(files)["sent"] == 2 and len(fake.stores) == 3


def test_what_is_refused_is_told_and_the_rest_sent(tmp_path):
    files = write_images(tmp_path, images(3))
    with FakeArchive() as fake:
        fake.store_faults = [None, 0xC000, 0xB000]
        result = archive(fake).send(files)
        assert result["sent"] == 2 and "0xC000" in result["refused"][0]["reason"]
        assert result["refused"][0]["file"] == str(files[1])


def test_who_cannot_be_reached_at_first_is_told_at_once(tmp_path):
    here = archive_of(read_peer("A@127.0.0.1:1"), Retry(attempts=9, sleep=lambda _: pytest.fail("it waits")))
    with pytest.raises(Unreachable):
        here.send(write_images(tmp_path, images(1)))


def test_a_busy_archive_is_waited_for(tmp_path):
    files = write_images(tmp_path, images(2))
    with FakeArchive() as fake:
        fake.store_faults = [0xA700, 0xA700]
        here = archive(fake)
        assert here.send(files)["sent"] == 2 and here.pauses
        fake.store_faults = [0xA700] * 9
        with pytest.raises(Interrupted, match="no room"):
            archive(fake).send(files)


def test_what_is_no_dicom_file_is_refused_before_anything_is_sent(tmp_path):
    files = write_images(tmp_path, images(2))
    wrong = tmp_path / "wrong.dcm"
    wrong.write_bytes(b"nothing")
    with FakeArchive() as fake:
        with pytest.raises(BadInput, match="no DICOM file"):
            archive(fake).send([*files, wrong])
        with pytest.raises(BadInput, match="nothing to send"):
            archive(fake).send([])
        assert fake.stores == []


def test_user_and_password_go_only_where_they_may(tmp_path):
    with FakeArchive() as fake:
        archive(fake, credentials=Credentials("mary", "word")).echo()
        assert fake.identities == [(b"mary", b"word")]  # on the loopback address
        far = read_peer("A@far.example:1", credentials=Credentials("mary", "word"))
        assert not far.usable_credentials


def test_nothing_of_what_travels_is_logged(tmp_path, caplog):
    logging.getLogger().setLevel(logging.DEBUG)
    with FakeArchive(images()) as fake, caplog.at_level(logging.DEBUG):
        here = archive(fake)
        here.find(Query(patient_name="Doe*"))
        here.retrieve(STUDY, folder=tmp_path)
        here.send(list(tmp_path.rglob("*.dcm")))
        with pytest.raises(ArchiveError):
            fake.find_status = 0xC001
            here.find(Query(patient_id="ID-77"))
    assert not caplog.text or not any(text in caplog.text for text in ("Doe", "ID-77", STUDY))


def test_an_association_is_aborted_when_the_block_fails():
    with FakeArchive() as fake:
        here = archive(fake)
        with (
            pytest.raises(ZeroDivisionError),
            associated(here.peer, [here._context("1.2.840.10008.1.1")], "C-ECHO") as association,
        ):
            raise ZeroDivisionError
        assert not association.is_established
